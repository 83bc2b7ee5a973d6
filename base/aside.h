/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Work that may take long and cannot be stopped, like asking the system's resolver, on a thread of its own. Whoever waits for it may
 * leave it: then the thread itself throws away what it brings.
 *
 * A struct aside is embedded in what the work needs and brings, which is allocated. Nobody but the thread touches that until it is done.
 */
#ifndef KV_BASE_ASIDE_H
#define KV_BASE_ASIDE_H

#include <pthread.h>

#include "base/types.h"

struct aside {
	pthread_mutex_t lock; /* private, and all below */
	bool done, left;
	int wake_fd;
	void (*work)(struct aside *aside);
	void (*release)(struct aside *aside);
};

/**
 * Runs WORK on a new thread, then writes to the eventfd WAKE_FD. RELEASE frees what ASIDE is embedded in, once. False if no thread can
 * be had: nothing was called.
 */
MUST_USE bool aside_start(struct aside *aside, void (*work)(struct aside *aside),
			  void (*release)(struct aside *aside), int wake_fd);

/** True: what the work brought may be read. */
MUST_USE bool aside_is_done(struct aside *aside);

/** Releases ASIDE, now or when its work is done. WAKE_FD is not touched any more when this returns. */
void aside_leave(struct aside *aside);

#endif
