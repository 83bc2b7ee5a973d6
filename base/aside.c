/* SPDX-License-Identifier: Apache-2.0 */
#include "base/aside.h"

#include <signal.h>
#include <sys/eventfd.h>

static void destroy(struct aside *aside)
{
	pthread_mutex_destroy(&aside->lock);
	aside->release(aside);
}

static void *run(void *arg)
{
	struct aside *aside = arg;
	aside->work(aside);

	pthread_mutex_lock(&aside->lock);
	aside->done = true;
	bool left = aside->left;
	if (!left)
		(void)eventfd_write(aside->wake_fd, 1);
	pthread_mutex_unlock(&aside->lock);
	if (left)
		destroy(aside);
	return NULL;
}

/** Signals are for the threads that expect them. */
static bool start_thread(struct aside *aside)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_t thread;
	int failed = pthread_create(&thread, &attributes, run, aside);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return failed == 0;
}

bool aside_start(struct aside *aside, void (*work)(struct aside *aside), void (*release)(struct aside *aside),
		 int wake_fd)
{
	*aside = (struct aside){.wake_fd = wake_fd, .work = work, .release = release};
	pthread_mutex_init(&aside->lock, NULL);
	if (start_thread(aside))
		return true;
	pthread_mutex_destroy(&aside->lock);
	return false;
}

bool aside_is_done(struct aside *aside)
{
	pthread_mutex_lock(&aside->lock);
	bool done = aside->done;
	pthread_mutex_unlock(&aside->lock);
	return done;
}

void aside_leave(struct aside *aside)
{
	pthread_mutex_lock(&aside->lock);
	bool done = aside->done;
	aside->left = true;
	pthread_mutex_unlock(&aside->lock);
	if (done)
		destroy(aside);
}
