/* SPDX-License-Identifier: Apache-2.0 */
#include "server/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/klog.h"

enum { LOOK_MS_MAX = 1000 };

struct watchdog {
	const struct commit *commit;
	usec_t stuck_us;
	int stop_fd;
	pthread_t thread;
	usec_t since_us; /* the write seen last began then; 0: there was none */
	usec_t seen_us;  /* for so long */
};

/** Time that the process itself stood still through, stopped or frozen, does not count: only looks do. */
static void look(struct watchdog *w, usec_t look_us)
{
	usec_t since_us = atomic_load_explicit(&commit_stats(w->commit)->writing_since_us, memory_order_relaxed);
	w->seen_us = since_us != 0 && since_us == w->since_us ? w->seen_us + look_us : 0;
	w->since_us = since_us;
	if (w->seen_us < w->stuck_us)
		return;
	log_error(
		"commit.stuck", L_U64("took_us", clock_mono_us() - since_us),
		L_STR("action",
		      "the process stops: a write to the disk does not end; check the disk, then start it again"));
	abort();
}

static void *watchdog_main(void *data)
{
	struct watchdog *w = data;
	struct pollfd stop = {.fd = w->stop_fd, .events = POLLIN};
	int look_ms = (int)MIN(w->stuck_us / 4 / USEC_PER_MSEC + 1, (usec_t)LOOK_MS_MAX);
	for (;;) {
		int count = poll(&stop, 1, look_ms);
		if (count > 0)
			return NULL;
		if (count == 0)
			look(w, (usec_t)look_ms * USEC_PER_MSEC);
		else
			KV_ASSERT(errno == EINTR);
	}
}

struct watchdog *watchdog_new(const struct commit *commit, usec_t stuck_us)
{
	KV_ASSERT(stuck_us > 0);
	struct watchdog *w = xcalloc(1, sizeof *w);
	w->commit = commit;
	w->stuck_us = stuck_us;
	w->stop_fd = eventfd(0, EFD_CLOEXEC);
	KV_ASSERT(w->stop_fd >= 0);
	int failed = pthread_create(&w->thread, NULL, watchdog_main, w);
	KV_ASSERT(failed == 0);
	pthread_setname_np(w->thread, "kvd-watchdog");
	return w;
}

void watchdog_free(struct watchdog *w)
{
	if (!w)
		return;
	uint64_t one = 1;
	ssize_t size = write(w->stop_fd, &one, sizeof one);
	KV_ASSERT(size == sizeof one);
	pthread_join(w->thread, NULL);
	close(w->stop_fd);
	free(w);
}
