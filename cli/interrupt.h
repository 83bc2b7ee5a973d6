/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Ctrl-C. Without more, kvctl ends at once with exit code 130. A command that has something to tell first defers it: the first
 * Ctrl-C is then a question it asks now and then, and the second ends it at once.
 */
#ifndef KV_CLI_INTERRUPT_H
#define KV_CLI_INTERRUPT_H

#include "base/base.h"

#define INTERRUPT_EXIT_CODE 130

/** Before threads start. Also ignores SIGPIPE: a closed pipe shows as an error of the write. */
void interrupt_init(void);
void interrupt_defer(void);

/** Forgets what is pending and defers the next: before each line of a shell, which Ctrl-C is not to end. */
void interrupt_begin_line(void);
bool interrupt_pending(void);

/** SIGTERM does what Ctrl-C does. */
void interrupt_on_terminate(void);

#endif
