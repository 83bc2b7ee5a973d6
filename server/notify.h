/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Tells the service manager how the node is: datagrams to the socket in NOTIFY_SOCKET, as sd_notify(3) describes them. Without
 * that variable every call does nothing.
 *
 * The watchdog is told only while every shard's loop turns: a node whose loop hangs is restarted by the manager, and one whose disk
 * hangs ends by itself (watchdog.h).
 *
 * Everything here is for the thread of server_run.
 */
#ifndef KV_SERVER_NOTIFY_H
#define KV_SERVER_NOTIFY_H

#include "base/types.h"

struct notify {
	int fd;          /* -1: nobody asks */
	usec_t turn_us;  /* how often the loops are looked at; 0: no watchdog */
	usec_t next_us;  /* of clock_mono_us; USEC_NEVER without a watchdog */
	bool ready;      /* told */
	uint64_t *beats; /* private: of each loop at the last look */
	uint32_t count;
	bool stuck; /* private: told in the log */
};

/**
 * Reads the variables that the manager set for this process. COUNT loops are watched. Nothing here can fail: what cannot be told is
 * logged.
 */
void notify_init(struct notify *n, uint32_t count);

/** Accepts a zeroed struct that notify_init never saw only if fd is -1. */
void notify_release(struct notify *n);

/** The node serves, or waits to become part of a cluster. STATUS is a line for people. Said once; later calls do nothing. */
void notify_ready(struct notify *n, const char *status);

/** A reload begins; notify_reloaded ends it. */
void notify_reloading(struct notify *n);
void notify_reloaded(struct notify *n);

/** The node drains; the manager waits for its end. */
void notify_stopping(struct notify *n);

/**
 * Looks at the loops if it is time to: BEATS has a number for each, which rises while it turns. True if the manager was told that the
 * node is alive; false also if it is not time or nobody asks.
 */
bool notify_watch(struct notify *n, const uint64_t *beats);

#endif
