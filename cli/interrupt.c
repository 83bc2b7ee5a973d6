/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t deferred, pending;

static void on_interrupt(int number)
{
	(void)number;
	if (!deferred || pending)
		_exit(INTERRUPT_EXIT_CODE);
	pending = 1;
}

void interrupt_init(void)
{
	struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART: a read that waits ends */
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL);
}

void interrupt_on_terminate(void)
{
	struct sigaction action = {.sa_handler = on_interrupt};
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
}

void interrupt_defer(void) { deferred = 1; }

void interrupt_begin_line(void)
{
	deferred = 1;
	pending = 0;
}

bool interrupt_pending(void) { return pending; }
