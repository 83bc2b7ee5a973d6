/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A node's vote on the next map: what it has promised and accepted for the epoch after that of its map in force.
 *
 * Durable in META row "map_vote" before each answer. A newer map in force makes the state void. Runs on shard 0.
 */
#ifndef KV_REPLICATION_MAP_ACCEPTOR_H
#define KV_REPLICATION_MAP_ACCEPTOR_H

#include "base/ilist.h"
#include "proto/msg.h"
#include "replication/cluster_map.h"

struct node_core;

struct map_acceptor {
	bool loaded;    /* until its row is read it does not answer */
	uint64_t epoch; /* that the rest is for */
	struct version promised, accepted;
	struct cluster_map *value; /* accepted, or NULL */
	uint64_t write_token;      /* of the last change */
	struct ilist held;         /* private: answers that wait for a write */
	uint32_t held_count;
};

void map_acceptor_init(struct node_core *core);

/** At start: asks for the row. */
void map_acceptor_start(struct node_core *core);
void map_acceptor_release(struct node_core *core);

/** The row was read; a write is done. */
void map_acceptor_loaded(struct node_core *core, bool found, struct slice value);
void map_acceptor_written(struct node_core *core);

/** OP_MAP_PREPARE and OP_MAP_ACCEPT. */
void map_acceptor_asked(struct node_core *core, node_id from, const struct msg *m);

#endif
