/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The cluster map as a register: the map of each epoch is decided once, by the voters of the map before it.
 *
 * Every epoch is a consensus of its own (single-decree Paxos) among the voters of the map before. Whoever wants another
 * map prepares a ballot at a majority of them, takes over what it finds accepted there, and has it accepted by a majority of
 * them and, if the map changes the voters, by a majority of the new ones too. Only then is the map decided: made durable here,
 * then told to everyone. If it has other voters it is called done when a majority of those has it in force, so that the
 * old ones may go.
 *
 * A node with a newer map answers KV_STALE and sends it; one with an older map answers KV_NOT_READY and asks for the newer.
 * Ballots are (round; node and start), not clock readings: a wrong clock cannot block them.
 *
 * This is the side that proposes; map_acceptor.h is the one that votes. Both run on shard 0 of any node of the cluster.
 */
#ifndef KV_REPLICATION_MAP_REGISTER_H
#define KV_REPLICATION_MAP_REGISTER_H

#include "proto/msg.h"
#include "replication/cluster_map.h"

struct node_core;

/** What became of a proposal. */
enum map_verdict {
	MAP_DONE =
		1, /* it is the map of its epoch, in force here, and its voters have it; or there is none newer */
	MAP_OTHER = 2,  /* the epoch may have another map: look at the one in force and propose anew */
	MAP_FAILED = 3, /* no majority answered in time, and nothing was sent that could become the map */
	MAP_OPEN = 4,   /* no majority answered in time: it may yet become the map, or not */
};

/** Called once a proposal, never from inside map_register_propose; may propose again. */
typedef void map_verdict_fn(struct node_core *core, void *owner, enum map_verdict verdict);

enum map_phase {
	MAP_IDLE,
	MAP_PREPARING,
	MAP_ACCEPTING,
	MAP_PAUSING,   /* between two ballots */
	MAP_SAVING,    /* decided; is made durable here */
	MAP_CONVEYING, /* in force here; waits until the new voters have it */
};

struct map_register {
	enum map_phase phase;         /* read-only */
	struct cluster_map *wanted;   /* what was asked for; NULL: only whether there is a newer one */
	struct cluster_map *proposed; /* wanted or what was found; NULL: not known yet */
	map_verdict_fn *verdict;
	void *owner;
	uint64_t base; /* epoch of the map that is to be followed */
	struct version ballot;
	uint64_t round_max;   /* greatest seen */
	struct version found; /* greatest accepted ballot told in this round */
	bool sent;            /* wanted may have been accepted somewhere */
	uint64_t message_id;  /* of this phase's messages */
	uint32_t target_count;
	node_id targets[2 * VOTERS_MAX];
	uint32_t yes; /* bits by position in targets */
	uint32_t old_count;
	node_id old_voters[VOTERS_MAX]; /* of the map that is to be followed */
	usec_t resend_us, deadline_us, give_up_us;
	uint32_t tries;
};

void map_register_release(struct node_core *core);

/** The answer to OP_MAP_PREPARE or OP_MAP_ACCEPT. */
void map_register_answered(struct node_core *core, node_id from, const struct msg *m);

/** A map came into force; a node told that it has one; time passes. */
void map_register_map_changed(struct node_core *core);
void map_register_heard(struct node_core *core);
void map_register_tick(struct node_core *core);

/** True while a proposal is under way here. */
bool map_register_is_busy(const struct node_core *core);

/**
 * Proposes NEXT (copied), whose epoch is one above that of the map in force, as its successor. Not while busy. The register goes
 * on until it knows what became of it, at most until GIVE_UP_US on the monotonic clock.
 */
void map_register_propose(struct node_core *core, const struct map_desc *next, usec_t give_up_us,
			  map_verdict_fn *verdict, void *owner);

/**
 * Asks a majority of the voters whether the map in force is the newest: MAP_DONE if no other had been decided when it was
 * asked, MAP_OTHER if there is one, now in force here, else MAP_FAILED. Not while busy.
 */
void map_register_look(struct node_core *core, usec_t give_up_us, map_verdict_fn *verdict, void *owner);

#endif
