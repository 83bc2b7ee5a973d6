/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Where the nodes' status pages are: each says so in its HELLO when it connects to another, and the page of one node leads to
 * those of the others. Any thread.
 */
#ifndef KV_SERVER_PAGES_H
#define KV_SERVER_PAGES_H

#include <pthread.h>

#include "base/arena.h"
#include "proto/limits.h"
#include "proto/msg.h"

#define PAGES_ADDRESS_SIZE (ADDRESS_SIZE_MAX + 8) /* with its NUL */

struct pages {
	char own[PAGES_ADDRESS_SIZE]; /* read-only once threads know it; "": others cannot reach it, or there is none */
	pthread_mutex_t mutex;        /* private, and what is below */
	char *told[NODES_MAX];        /* NULL: nothing, or no page */
};

/**
 * The page listens on HTTP ("": there is none), and others reach this node at PEER. A page on all interfaces is where the node is;
 * one on loopback is told to nobody unless the nodes share the machine.
 */
void pages_init(struct pages *p, const char *http, const char *peer);
void pages_release(struct pages *p);

/** NODE says that its page is at ADDRESS; empty, or what no host:port looks like: it has none. */
void pages_note(struct pages *p, node_id node, struct slice address);

/** RET gets what is known of each node, in ARENA; empty: nothing. */
void pages_copy(struct pages *p, struct arena *arena, struct slice ret[NODES_MAX]);

#endif
