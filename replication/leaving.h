/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Giving up partitions: removing what this core still has of those whose row does not name this node.
 *
 * One at a time, in the background: is there anything? Then, once every node that can be reached has the map, the members are
 * given the eventual writes of late, which this node alone may hold: it may have acknowledged them and stopped before the others
 * heard. What was written strongly is at a majority of the members, and is never pushed from outside the row. When a
 * majority of the members has all that, or after LEAVING_WAIT_US, the range goes.
 *
 * A node that becomes a member anew begins with an empty range. If it still had to hand over from that range, it does so first, to
 * the old members: the move waits.
 *
 * Hints for others stay: their replay finds the record gone and brings the members in step by a read of all of them.
 */
#ifndef KV_REPLICATION_LEAVING_H
#define KV_REPLICATION_LEAVING_H

#include "proto/msg.h"
#include "replication/step.h"

struct node_core;

/** What is known of one partition's range. */
struct leaving_partition {
	bool member;     /* of the row at the last map */
	bool left;       /* the range may hold something, and should not */
	usec_t since_us; /* left is known since */
	hlc_t since;     /* eventual writes from then on are handed over */
};

enum leaving_phase {
	LEAVING_NOTHING,
	LEAVING_LOOKING, /* is there a row? */
	LEAVING_READING, /* a page to hand over from */
	LEAVING_PUSHING, /* its rows are on their way to the members */
};

struct leaving {
	struct leaving_partition *items; /* private: one a partition of the map */
	uint32_t count;
	uint32_t left_count; /* with `left` */
	enum leaving_phase phase;
	uint16_t partition; /* at work on, unless phase is NOTHING; or where to look next */
	bool outdated;      /* the map has changed meanwhile: what is being read does not count */
	usec_t next_us;     /* not before */
	/* pushing */
	uint64_t push_id; /* of the first message of this page */
	uint32_t push_count, push_left;
	bool push_failed;
	uint32_t lacking; /* members, by position, that did not take all */
	usec_t push_us;   /* give up waiting */
	bool page_last;
	struct blob *cursor; /* of the next page; NULL: the start */
};

/** True while PARTITION, of which this node was a member, has to be handed over before a move may empty it. */
bool leaving_owes(const struct node_core *core, uint16_t partition);

/** A map came into force. */
void leaving_set_map(struct node_core *core);
void leaving_tick(struct node_core *core);
void leaving_release(struct node_core *core);

/** A page is read. */
void leaving_scan_done(struct node_core *core, const struct disk_row *rows, uint32_t count, bool done);

/** A member's answer to a PUSH; false if it is not for one of ours. */
bool leaving_push_done(struct node_core *core, const struct msg *m);

/** True if nothing is left to give up: a node that leaves the cluster may go. */
bool leaving_is_done(const struct node_core *core);

#endif
