/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How old this core's own copy of a key may be: what the other replicas of the key have acknowledged and this node may lack.
 *
 * Only replicas of a key coordinate its writes. Each tells each other one, in answers to heartbeats, since when that one may
 * lack something that it acknowledged: a write under way, or a hint not yet delivered. Only monotonic clocks count: the
 * asker's between its question and now, and the teller's between what may lack and its answer. Wrong wall clocks change nothing.
 *
 *   asker's time   known_us <---- lag ---- sent_us ------------------- now
 *                           told by the other       heartbeat under way and since
 *
 * What a node acknowledged and did not hint before it crashed is lost to it. So for a node that was started again, told times
 * cover its present life only, and a key is trusted once a majority of its replicas was read in that life and this node's copy
 * was found the newest (or, where this node itself was started again, in its own life): then every write that a majority stored in
 * earlier lives is here. The same where the row has changed: a former replica may have left something behind. Writes acknowledged
 * with acks=1 by a node that then crashed, or left the row, are not covered. A new member's own copy is trusted for nothing.
 */
#ifndef KV_REPLICATION_STALENESS_H
#define KV_REPLICATION_STALENESS_H

#include "proto/msg.h"
#include "replication/step.h"

struct cluster_map;
struct node_core;
struct op;

#define STALENESS_KEYS_MAX 65536u /* keys known to be checked; others are checked again */
#define STALENESS_OWN_MAX  64u    /* keys known to be missed here; more cast doubt on all */

/** What is known of one other node. */
struct staleness_peer {
	usec_t missed_us;     /* it may lack what this core acknowledged from then on and has hinted; 0: nothing */
	usec_t known_us;      /* what it acknowledged before then, in its present life, is here; 0: not known */
	usec_t told_us;       /* when it was asked for that */
	usec_t life_us;       /* when its present life was first heard of */
	uint64_t incarnation; /* of that life; 0: none yet */
};

struct staleness_key {
	uint64_t hash; /* 0: none */
	usec_t read_us;
};

struct staleness_own {
	uint64_t hash;
	struct version ver;
};

struct staleness {
	struct staleness_peer peers[NODES_MAX];
	struct staleness_key *checked; /* direct-mapped by hash; NULL until the first */
	uint32_t checked_capacity;
	struct staleness_own own[STALENESS_OWN_MAX]; /* acknowledged here, missed by this node's own copy */
	uint32_t own_count;
	usec_t own_lost_us; /* more were missed than fit: keys checked before are in doubt */
	usec_t joined_us
		[PARTITIONS_MAX]; /* keys of the partition that were checked before are in doubt; 0: none are */
};

void staleness_release(struct node_core *core);

/** The core has a new map, after BEFORE (NULL: its first): of partitions that are new here nothing is known yet. */
void staleness_set_map(struct node_core *core, const struct cluster_map *before);

/** For the answer to a heartbeat of PEER: a reading of this core's clock, as msg_heartbeat.stored_hlc; 0 if nothing is known. */
hlc_t staleness_tell(struct node_core *core, node_id peer);

/** FROM answered a heartbeat of ours. */
void staleness_hear(struct node_core *core, node_id from, const struct msg *m);

/** A hint was left for NODE, for a write acknowledged at or after SINCE_US; 0: in an earlier life. */
void staleness_hinted(struct node_core *core, node_id node, usec_t since_us);

/** The own copy of the partition begins anew: what others acknowledged before is known to be here only key by key. */
void staleness_doubt(struct node_core *core, uint16_t partition);

/** A write is answered with success / heard of another replica since: does this node's own copy have it? */
void staleness_write_answered(struct node_core *core, const struct op *op);
void staleness_write_over(struct node_core *core, const struct op *op);

/** A read has heard of a majority: is this node's own copy the newest? */
void staleness_read_over(struct node_core *core, const struct op *op);

/** This node's copy of the operation's key has every write acknowledged before this (monotonic) time; 0: not known. */
usec_t staleness_known_us(struct node_core *core, const struct op *op);

/** What is answered to a read: the most that its value is old, in ms, rounded up; 0: not known. */
uint32_t staleness_of_read(const struct node_core *core, const struct op *op);

#endif
