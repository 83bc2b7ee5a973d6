/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A thread that looks once a second whether the commit thread has been stuck in one write for too long, and then ends the process:
 * a node whose disk hangs answers heartbeats and nothing else, and its quorum is better off without it.
 *
 * It shares nothing with the loops, so a stuck loop cannot hide a stuck disk.
 */
#ifndef KV_SERVER_WATCHDOG_H
#define KV_SERVER_WATCHDOG_H

#include "server/commit.h"

struct watchdog;

/** Starts the thread. COMMIT outlives it. A write that takes STUCK_US ends the process by abort. Never NULL. */
struct watchdog *watchdog_new(const struct commit *commit, usec_t stuck_us);

/** Ends the thread. NULL is allowed. */
void watchdog_free(struct watchdog *w);

#endif
