/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Changes of the cluster that somebody asks for: nodes that join, leave, are given up or change their address.
 *
 * A change is a function of the map in force (membership_rules.h): it is applied to that map, the result is proposed, and if another
 * map came first it is applied anew. Each is idempotent, so that one whose outcome is open may be asked for again. Nodes are
 * first staged: the map names them, nothing moves. A commit lets all that is staged begin at once.
 *
 * Runs on shard 0 of any node; on a node without a map it asks to be admitted, if the node was given a join token.
 */
#ifndef KV_REPLICATION_MEMBERSHIP_H
#define KV_REPLICATION_MEMBERSHIP_H

#include "base/ilist.h"
#include "proto/msg.h"
#include "replication/step.h"

struct node_core;
struct change;

struct membership {
	struct ilist changes; /* of struct change, in the order they came */
	uint32_t count;
	struct change *proposed; /* the one whose map is in the register, or NULL */
	usec_t join_us;          /* a node without a map: when it asks again to be admitted */
	uint32_t join_seed;      /* whom */
};

void membership_init(struct node_core *core);
void membership_release(struct node_core *core);

/** OP_CLUSTER_CHANGE from a client: answered with a msg_result. */
void membership_change(struct node_core *core, uint64_t client, const struct msg *m, usec_t arrived_us);

/** OP_CLUSTER_CHANGE from a node: CHANGE_ADDRESS about itself. Not answered: the map tells. */
void membership_told(struct node_core *core, node_id from, const struct msg *m);

/** The answer to OP_INIT_RESERVE, for a node that is being added: false if no change waits for it. */
bool membership_reserved(struct node_core *core, const struct msg *m);

/** OP_JOIN from a node outside, and its answer there. */
void membership_join(struct node_core *core, const struct msg *m);
void membership_joined(struct node_core *core, const struct msg *m);

/** A map came into force; time passes. */
void membership_map_changed(struct node_core *core);
void membership_tick(struct node_core *core);

/** True if a change waits to be proposed or is: the driver lets it go first. */
bool membership_is_busy(const struct node_core *core);

#endif
