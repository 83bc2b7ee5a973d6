/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One session of collecting tombstones (gc.h), from its first look to its end, at the replica that runs it.
 */
#ifndef KV_REPLICATION_GC_SESSION_H
#define KV_REPLICATION_GC_SESSION_H

#include "base/buf.h"
#include "replication/core.h"

enum gc_phase {
	GC_LOOKING,
	GC_SEALING,
	GC_WAITING, /* for an exchange to begin */
	GC_SYNCING,
	GC_LISTING,
	GC_CHECKING,
	GC_DROPPING,
};

struct gc_session {
	uint16_t partition;
	node_id nodes[REPLICAS_MAX]; /* the partition's replicas */
	uint32_t size;
	uint32_t self; /* this node's position */
	struct version floor;
	hlc_t old; /* what is not younger is worth a session */
	enum gc_phase phase;
	uint64_t id;       /* of the present step's messages */
	uint32_t answered; /* bits */
	usec_t until_us, resend_us;
	bool dropped; /* everyone's drop floor is at the floor */
	/* listing, and looking */
	uint64_t barrier; /* pages show all writes up to it, and later ones told by themselves how old they are */
	bool scan_waits;  /* for it */
	uint64_t scan_token; /* 0: no scan is under way */
	uint32_t leaf;
	bool has_after;
	struct disk_key after; /* key points into after_key */
	struct blob *after_key;
	bool listed; /* nothing is behind the present page */
	hlc_t found; /* least end of what stays */
	struct buf page;
	uint32_t count;
	uint8_t checks[GC_KEYS_MAX]; /* enum gc_check, of all replicas together */
};

/** A session of a partition without a move that has not begun. Never NULL. */
struct gc_session *gc_session_new(struct node_core *core, uint16_t partition, struct version floor, hlc_t old);

/** Begins: with a look at the own copy. */
void gc_session_look(struct node_core *core, struct gc_session *s);

/** Begins, or goes on after the look: with SEAL. */
void gc_session_go(struct node_core *core, struct gc_session *s);

void gc_session_free(struct node_core *core, struct gc_session *s);

/** Sends again, ends what takes too long or cannot go on. */
void gc_session_tick(struct node_core *core, struct gc_session *s);

void gc_session_answered(struct node_core *core, struct gc_session *s, node_id from, const struct msg *m);
void gc_session_scanned(struct node_core *core, struct gc_session *s, const struct disk_row *rows, uint32_t count,
			bool done);

/* How it ends, told to gc.c, which frees it. */

/** The look is over: nothing that could be removed is older than s->found. Goes on or ends. */
void gc_session_looked(struct node_core *core, struct gc_session *s);

/** It came to its end, and what stays is not older than s->found. */
void gc_session_complete(struct node_core *core, struct gc_session *s);

/** It ends because of NODE, or NODE_NONE. */
void gc_session_abort(struct node_core *core, struct gc_session *s, node_id node);

/** When REC became of no use to anyone, or will; GC_NOTHING: never. A fence is of use for ever. */
hlc_t gc_end_of(const struct record *rec);

/** True if NODE is this one or takes part in everything. */
bool gc_is_up(const struct node_core *core, node_id node);

#endif
