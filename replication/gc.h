/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Collecting tombstones: what is deleted, or at the end of its life, is removed when it is proven to be of no use to any replica.
 *
 * One partition at a time is gone through in a session, by one of its replicas, while all of them are up and the map stands still
 * (docs/consistency.md has the rules and why):
 *
 *   look     at the own copy: is there anything old enough? Nothing else happens until there is
 *   SEAL     everyone refuses what is not above the floor, which lies gc_grace_ms back, from now on, durably
 *   SYNC     everyone's records up to the floor are brought in step (exchange.h)
 *   list     the own tombstones up to the floor, and values whose time to live ended by then
 *   CHECK    each may go if everyone has it strongly, something above the floor, or nothing since an earlier session
 *   DROP     everyone's drop floor rises to the floor, durably, and what may go is removed; listing goes on
 *
 * The replica with the lowest index begins; the others give it time and then look after what it left with them. A session that
 * meets anything unexpected ends, which is always safe: the seal only refuses, and until the drop floor has reached it someone
 * begins again, though there be no tombstones.
 *
 * How old a partition's oldest tombstone is, is remembered from its writes and learnt by looking, so that nothing is read or sent
 * where there is nothing to remove.
 */
#ifndef KV_REPLICATION_GC_H
#define KV_REPLICATION_GC_H

#include "base/ilist.h"
#include "replication/step.h"

struct node_core;
struct gc_session;

#define GC_NOTHING UINT64_MAX

/** Byte a key in the reply to CHECK. Numbers never change. */
enum gc_check {
	GC_KEPT = 0, /* it must stay */
	GC_FREE = 1, /* it may go as far as this replica is concerned */
	GC_WEAK = 2, /* it must stay because it is weak here */
};

/** What a core knows of one partition. */
struct gc_partition {
	hlc_t oldest;       /* nothing that could be removed is older; GC_NOTHING: there is nothing; 0: not known */
	usec_t due_us;      /* since when that is old enough, nobody having looked after it; 0: it is not */
	usec_t rest_us;     /* no session of this node before */
	usec_t clean_us;    /* when nothing old was left; 0: not in this life */
	node_id blocked_by; /* what is old cannot be removed because of that node; NODE_NONE */
	node_id runner;     /* whose session the next three are of; NODE_NONE: none in this life */
	uint64_t row_epoch; /* of the replicas it was begun with */
	struct version floor;
};

struct gc {
	struct gc_partition *items; /* one a partition; NULL before the first map */
	uint32_t count;
	uint32_t next;    /* partition that is looked at next; count: the pass is over */
	usec_t pass_us;   /* when the pass began */
	uint32_t blocked; /* partitions with a blocked_by, as of the last pass */
	struct gc_session *sessions[GC_SESSIONS_MAX];
	struct ilist tasks; /* of struct gc_task (gc_member.c) */
	uint32_t task_count;
};

void gc_release(struct node_core *core);

/** The map changed: all sessions end. */
void gc_set_map(struct node_core *core);

/** Looks at a few partitions, begins sessions that are due, and lets those under way go on. */
void gc_tick(struct node_core *core);

/** REC is stored in the partition from now on. */
void gc_stored(struct node_core *core, uint16_t partition, const struct record *rec);

/** Another replica is at work on the partition: this one keeps off for a while. */
void gc_looked_after(struct node_core *core, uint16_t partition);

/** A replica answered a step of a session of this node. */
void gc_answered(struct node_core *core, node_id from, const struct msg *m);

/** A page of the own records is read. */
void gc_scan_done(struct node_core *core, uint64_t token, const struct disk_row *rows, uint32_t count, bool done);

/** Fills purge_age_ms, purge_blocked and purge_blocked_by with how this core stands. */
void gc_report(struct node_core *core, struct msg_repair *ret);

/* The steps at a replica (gc_member.c). */

void gc_member_init(struct node_core *core);
void gc_member_release(struct node_core *core);

/** A step of FROM's session: carried out, and answered once it is durable. */
void gc_member_asked(struct node_core *core, node_id from, const struct msg *m);

/** The own replica answered a request that a step made; false if it is none of ours. */
bool gc_member_answered(struct node_core *core, const struct msg *m);

/** Writes became durable: answers what waited for them. */
void gc_member_written(struct node_core *core);

/** Gives up steps that have not come to an end. */
void gc_member_tick(struct node_core *core);

#endif
