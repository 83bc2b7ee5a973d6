/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The cluster map as a register: the map of each epoch is decided once, by the voters of the map before it.
 *
 * Every epoch is a consensus of its own (single-decree Paxos) among the voters of the map before. Whoever wants another
 * map prepares a ballot at a majority of them, takes over what it finds accepted there, and has it accepted by a majority of
 * them and, if the map changes the voters, by a majority of the new ones too. Only then is the map decided: made durable here,
 * then told to everyone. If it has other voters, it is called done when a majority of those has it in force, so that the
 * old ones may go.
 *
 * The acceptor's state (META row "map_vote") is durable before each answer. It counts for the epoch after the map in force only:
 * a newer map makes it void. A node with a newer map answers KV_STALE and sends it; one with an older map answers
 * KV_NOT_READY and asks for the newer. Ballots are (round, node and start), not clock readings: a wrong clock cannot block
 * them.
 *
 * All of it runs on shard 0.
 */
#ifndef KV_REPLICATION_MAP_REGISTER_H
#define KV_REPLICATION_MAP_REGISTER_H

#include "base/ilist.h"
#include "proto/msg.h"
#include "replication/cluster_map.h"

struct node_core;

/** What became of a proposal. */
enum map_verdict {
	MAP_DONE = 1,  /* it is the map of its epoch, in force here, and its voters have it */
	MAP_OTHER = 2, /* the epoch has another map, or the present one moved on: look at it and propose anew */
	MAP_OPEN = 3,  /* no majority answered in time: it may yet become the map, or not */
};

/** Called once a proposal, never from inside map_register_propose. */
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
	/* acceptor */
	bool loaded;    /* until its row is read it does not answer */
	uint64_t epoch; /* that promised and accepted are for */
	struct version promised, accepted;
	struct cluster_map *value; /* accepted, or NULL */
	uint64_t write_token;      /* of the last change */
	struct ilist held;         /* private: answers that wait for a write */
	/* proposer */
	enum map_phase phase;
	struct cluster_map *wanted;   /* of who asked */
	struct cluster_map *proposed; /* wanted, or what was found */
	map_verdict_fn *verdict;
	void *owner;
	uint64_t base; /* epoch of the map that is to be followed */
	struct version ballot;
	uint64_t round_max;   /* greatest seen */
	struct version found; /* greatest accepted ballot told in this round */
	uint64_t message_id;  /* of this round's messages */
	uint32_t target_count;
	node_id targets[2 * VOTERS_MAX];
	uint32_t yes; /* bits by position in targets */
	usec_t resend_us, deadline_us, give_up_us;
	uint32_t tries;
};

/** At start: reads the acceptor's row. */
void map_register_start(struct node_core *core);
void map_register_release(struct node_core *core);

/** OP_MAP_PREPARE and OP_MAP_ACCEPT at an acceptor, and their answers. */
void map_register_asked(struct node_core *core, node_id from, const struct msg *m);
void map_register_answered(struct node_core *core, node_id from, const struct msg *m);

/** The acceptor's row was read; a write is done; a map came into force; time passes. */
void map_register_loaded(struct node_core *core, bool found, struct slice value);
void map_register_written(struct node_core *core);
void map_register_map_changed(struct node_core *core);
void map_register_tick(struct node_core *core);

/** True while a proposal is under way here. */
bool map_register_is_busy(const struct node_core *core);

/**
 * Proposes NEXT (copied), whose epoch is one above the map in force, as its successor. Not while busy. The register goes on
 * until it knows what the epoch's map is, at most until GIVE_UP_US.
 */
void map_register_propose(struct node_core *core, const struct map_desc *next, usec_t give_up_us,
			  map_verdict_fn *verdict, void *owner);

#endif
