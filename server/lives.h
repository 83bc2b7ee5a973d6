/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which process of each other node is connected here. Two processes of one identity would vote twice: while one is connected and
 * heard, another start of that node is kept out, and once a later one is in, the earlier one is heard no more.
 *
 * A restart is not held up: the connections of a process that ended are closed. Where nobody closes them, because its machine is gone,
 * LIFE_HEARD_US of silence are enough.
 *
 * Any thread.
 */
#ifndef KV_SERVER_LIVES_H
#define KV_SERVER_LIVES_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/status.h"
#include "base/types.h"
#include "proto/msg.h"
#include "server/commit.h"

#define LIFE_HEARD_US (2 * USEC_PER_SEC) /* a node says something every PING_INTERVAL_US */

struct life {
	_Atomic uint64_t start;  /* the latest incarnation that was let in; 0: none yet */
	uint64_t nonce;          /* of the process that had it */
	_Atomic usec_t heard_us; /* its last message */
	uint32_t open;           /* its connections */
};

struct lives {
	pthread_mutex_t mutex; /* private, all; of what is not atomic, and of changes of `start` */
	struct life nodes[NODES_MAX];
};

void lives_init(struct lives *l);

/**
 * Whether the process that says HELLO as NODE may come in. KV_NOT_READY: an earlier one is still heard. KV_IDENTITY: a later one was let
 * in, or another one of the same number.
 */
MUST_USE enum kv_status lives_judge(struct lives *l, node_id node, const struct msg_hello *hello, usec_t now_us,
				    struct error *err);

/** A connection of it was let in; it ended. True: no connection of that start was let in before, and lives_save is due. */
MUST_USE bool lives_enter(struct lives *l, node_id node, const struct msg_hello *hello, usec_t now_us);
void lives_leave(struct lives *l, node_id node, uint64_t start);

/** It said something. False: a later start of the node was let in since, and this one is not to be listened to. */
MUST_USE bool lives_hear(struct lives *l, node_id node, uint64_t start, usec_t now_us);

/**
 * Reads what was saved, so that a start stays too old after this node's own restart, too. KV_CORRUPT: the row is damaged. Before other
 * threads know L.
 */
MUST_USE enum kv_status lives_load(struct lives *l, struct store *store, struct error *err);

/** Makes it durable, before whatever is handed to COMMIT later. On LOOP's thread. */
void lives_save(struct lives *l, struct commit *commit, struct loop *loop);

#endif
