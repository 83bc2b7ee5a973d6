/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Hinted handoff: which keys a replica has missed, and pushing them to it when it is back.
 *
 * A hint names a key and a version, not a value: replay reads the node's own record as it is then and pushes it, so order
 * does not matter and many writes of a key are one hint. Hints never count for a quorum.
 *
 * A dirty mark is a row of the hint table too: leaf HINT_MARK_LEAF, which no key has. It says that the target may lack anything of
 * the partition, and is settled by an exchange, or by pushing all records.
 *
 * Bounded: beyond hints_max pending hints of a target, or HINT_AGE_MS of age, the whole partition is marked dirty for that target
 * instead, durably. The receiver grants how many keys may come (replication/hint_credit.h).
 *
 * When replicas change: a new member gets a mark from every old one that still owes another member something; what is owed
 * to a node that is no member any more, or no node of the cluster, is dropped; a node that is no replica itself any more
 * still delivers, or hands a mark on to a replica where the target is down (replication/hint_hand.h).
 */
#ifndef KV_REPLICATION_HINTS_H
#define KV_REPLICATION_HINTS_H

#include "base/hmap.h"
#include "base/ilist.h"
#include "proto/msg.h"
#include "replication/record.h"
#include "replication/step.h"

struct cluster_map;
struct node_core;

#define HINT_MARK_LEAF    0xFFFFu
#define HINT_RECENT_COUNT 4096u

/** A hint or, of a dirty partition, a record, read from disk and waiting for credit. One allocation. */
struct hint_row {
	struct ilink link;
	uint16_t partition, leaf;
	uint32_t bucket;
	struct version ver; /* none: push whatever the record is */
	size_t key_size;
	uint8_t key[];
};

enum hint_phase {
	HINT_COUNTING,   /* at start: what is on disk from before */
	HINT_IDLE,       /* nothing to do, or the target is not up */
	HINT_ASKING,     /* for credit */
	HINT_SCANNING,   /* a page of hints is being read */
	HINT_PUSHING,    /* pages are pushed while there is credit */
	HINT_EXCHANGING, /* a dirty partition is compared with the target's */
	HINT_DROPPING,   /* a page of hints that nobody wants any more is being read */
};

/** A mark that a replica is asked to take over. */
struct hint_hand {
	uint64_t id; /* of the message; 0: none is under way */
	node_id to;
	uint16_t partition;
	uint64_t epoch; /* of the map when it was asked */
	usec_t deadline_us;
	usec_t next_us; /* not before */
};

/** Hints for one node. */
struct hint_target {
	node_id node;
	uint64_t pending;                   /* estimate, never too low: hints on disk */
	uint64_t recent[HINT_RECENT_COUNT]; /* hashes of keys hinted lately: written again they count once */
	uint64_t added;                     /* since the present pass began */
	uint64_t left;                      /* seen by the present pass and not yet delivered */
	uint32_t keyed_count, dirty_count;
	uint8_t keyed[PARTITIONS_MAX / 8]; /* there may be hints of keys of it; never wrongly not */
	uint8_t dirty[PARTITIONS_MAX / 8];
	enum hint_phase phase;
	usec_t next_us; /* not before */
	usec_t phase_deadline_us;
	uint64_t ask_id;
	uint32_t credit;
	uint32_t in_flight;
	uint32_t partition; /* of the pass; the map's count when the pass is over */
	bool whole;         /* settling a dirty partition */
	bool whole_failed;
	uint32_t exchanges_failed; /* in a row */
	bool has_after;
	struct disk_key after; /* key points into after_key */
	struct blob *after_key;
	bool scan_outdated;   /* a hint was added while the page was read: read it again */
	struct ilist rows;    /* of struct hint_row: read and not yet pushed */
	bool page_last;       /* the partition has no row behind the page */
	uint64_t swept_epoch; /* of the map under which nothing was found that nobody wants any more */
	uint64_t drop_epoch;  /* DROPPING: of the map that says so */
	struct hint_hand hand;
};

struct hints {
	struct hint_target *targets[NODES_MAX]; /* NULL until needed */
	node_id targets_end;                    /* none at or above it */
	struct hmap pushes;                     /* of struct hint_push (hint_push.h) */

	/* As a receiver (hint_credit.h). */
	usec_t granted_us;               /* when tokens were added last */
	uint32_t tokens;                 /* keys that may still be granted */
	usec_t asked_us[NODES_MAX];      /* when each sender asked last */
	usec_t given_us[NODES_MAX];      /* and was granted something */
	uint64_t mark_tokens[NODES_MAX]; /* of the last mark taken over for each node: the write that keeps it */
};

/** Takes the nodes of the map as targets and looks for what is left on disk from before. Known targets stay. */
void hints_set_map(struct node_core *core);

/** Operations of the map BEFORE have ended (NULL: there was none): new members of rows are owed what others are. */
void hints_map_changed(struct node_core *core, const struct cluster_map *before);
void hints_release(struct node_core *core);

/** Notes that TARGET may lack VER of a key. */
void hints_add(struct node_core *core, node_id target, uint16_t partition, uint16_t leaf, uint32_t bucket,
	       struct slice key, struct version ver, bool strong, bool tombstone);

/** What is kept for NODE; made if there is nothing yet. */
struct hint_target *hints_target(struct node_core *core, node_id node);

/** Whether a partition is marked for a target, and marking it durably. */
bool hints_is_dirty(const struct hint_target *t, uint32_t partition);
void hints_set_dirty(struct node_core *core, struct hint_target *t, uint32_t partition, bool dirty);

/** Whether there may be hints of keys of the partition, and taking note of it. */
bool hints_is_keyed(const struct hint_target *t, uint32_t partition);
void hints_set_keyed(struct hint_target *t, uint32_t partition, bool keyed);

/** Deletes the hint of a key. KEY needs no table and target. */
void hints_remove(struct node_core *core, struct hint_target *t, const struct disk_key *key);

/** Takes a hint's bytes apart; false if they are too few. */
MUST_USE bool hints_parse(struct slice value, struct version *ret_ver, hlc_t *ret_created);

/** A mark from before the start was read. */
void hints_found_mark(struct hint_target *target, uint32_t partition);

/** True once it is known what was left for TARGET before the start / true if the target is known to have all that was hinted. */
bool hints_are_counted(const struct node_core *core, node_id target);
bool hints_are_delivered(const struct node_core *core, node_id target);

/** True if this core may owe a record of the partition to NODE / to any node of the cluster: its own must stay until then. */
bool hints_owe_node(const struct node_core *core, node_id node, uint32_t partition);
bool hints_owe(const struct node_core *core, uint16_t partition);

/** True if this node leaves, and this core has no partition and owes nobody anything any more. */
bool hints_are_drained(const struct node_core *core);

/** One target's, for status. */
uint64_t hints_pending(const struct node_core *core, node_id target);
uint32_t hints_dirty(const struct node_core *core, node_id target);

#endif
