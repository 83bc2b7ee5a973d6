/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Hinted handoff: which keys a replica has missed, and pushing them to it when it is back.
 *
 * A hint names a key and a version, not a value: replay reads the node's own record as it is then and pushes it, so order
 * does not matter and many writes of a key are one hint. Hints never count for a quorum.
 *
 * A dirty mark is a row of the hint table too: leaf HINT_MARK_LEAF, which no key has.
 *
 * Bounded: beyond hints_max pending hints of a target, or HINT_AGE_MS of age, the whole partition is marked dirty for that target
 * instead, durably; replay of a dirty partition pushes all its records. The receiver grants how many keys may come.
 */
#ifndef KV_REPLICATION_HINTS_H
#define KV_REPLICATION_HINTS_H

#include "base/hmap.h"
#include "base/ilist.h"
#include "proto/msg.h"
#include "replication/record.h"
#include "replication/step.h"

struct node_core;

#define HINT_MARK_LEAF    0xFFFFu
#define HINT_RECENT_COUNT 4096u

/** A push on its way to the target. */
struct hint_push {
	struct hmap_node node; /* in hints.pushes, by message id */
	struct hint_target *target;
	uint64_t id;
	uint64_t read_token; /* while the record is read; 0 after */
	uint64_t epoch;      /* of the partition's row when it was asked for */
	uint16_t partition, leaf;
	uint32_t bucket;
	struct blob *key;
	struct version ver;  /* of the hint; none for a record of a dirty partition */
	struct version sent; /* of the record pushed: all this node can hand over */
	bool renewed;        /* a newer hint of the key was written meanwhile: keep it */
	usec_t deadline_us;
};

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
	HINT_COUNTING, /* at start: what is on disk from before */
	HINT_IDLE,     /* nothing to do, or the target is not up */
	HINT_ASKING,   /* for credit */
	HINT_SCANNING, /* a page of hints is being read */
	HINT_PUSHING,  /* pages are pushed while there is credit */
};

/** Hints for one node. */
struct hint_target {
	node_id node;
	uint64_t pending;                   /* estimate, never too low: hints on disk */
	uint64_t recent[HINT_RECENT_COUNT]; /* hashes of keys hinted lately: written again they count once */
	uint64_t added;                     /* since the present pass began */
	uint64_t left;                      /* seen by the present pass and not yet delivered */
	uint32_t dirty_count;
	uint8_t dirty[PARTITIONS_MAX / 8];
	enum hint_phase phase;
	usec_t next_us; /* not before */
	usec_t phase_deadline_us;
	uint64_t ask_id;
	uint32_t credit;
	uint32_t in_flight;
	uint32_t partition; /* of the pass; the map's count when the pass is over */
	bool whole;         /* pushing all records of a dirty partition */
	bool whole_failed;
	bool has_after;
	struct disk_key after; /* key points into after_key */
	struct blob *after_key;
	bool scan_outdated; /* a hint was added while the page was read: read it again */
	struct ilist rows;  /* of struct hint_row: read and not yet pushed */
	bool page_last;     /* the partition has no row behind the page */
};

struct hints {
	struct hint_target *targets[NODES_MAX]; /* NULL until needed */
	node_id targets_end;                    /* none at or above it */
	struct hmap pushes;
	usec_t granted_us; /* receiver: when tokens were added last */
	uint32_t tokens;   /* receiver: keys that may still be granted */
};

/** Takes the nodes of the map as targets and looks for what is left on disk from before. Known targets stay. */
void hints_set_map(struct node_core *core);
void hints_release(struct node_core *core);

/** Notes that TARGET may lack VER of a key. */
void hints_add(struct node_core *core, node_id target, uint16_t partition, uint16_t leaf, uint32_t bucket,
	       struct slice key, struct version ver, bool strong, bool tombstone);

/** Whether a partition is marked for a target, and marking it durably. */
bool hints_is_dirty(const struct hint_target *t, uint32_t partition);
void hints_set_dirty(struct node_core *core, struct hint_target *t, uint32_t partition, bool dirty);

/** Deletes the hint of a key. KEY needs no table and target. */
void hints_remove(struct node_core *core, struct hint_target *t, const struct disk_key *key);

/** Takes a hint's bytes apart; false if they are too few. */
MUST_USE bool hints_parse(struct slice value, struct version *ret_ver, hlc_t *ret_created);

/** OP_HINT_OPEN from a sender: grants keys out of this node's budget. */
void hints_grant(struct node_core *core, node_id from, const struct msg *m);

/** A mark from before the start was read. */
void hints_found_mark(struct hint_target *target, uint32_t partition);

/** True once it is known what was left for TARGET before the start / true if the target is known to have all that was hinted. */
bool hints_are_counted(const struct node_core *core, node_id target);
bool hints_are_delivered(const struct node_core *core, node_id target);

/** One target's, for status. */
uint64_t hints_pending(const struct node_core *core, node_id target);
uint32_t hints_dirty(const struct node_core *core, node_id target);

#endif
