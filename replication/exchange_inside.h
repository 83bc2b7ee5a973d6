/* SPDX-License-Identifier: Apache-2.0 */
/** What exchange.c and exchange_keys.c share. */
#ifndef KV_REPLICATION_EXCHANGE_INSIDE_H
#define KV_REPLICATION_EXCHANGE_INSIDE_H

#include "replication/core.h"
#include "replication/exchange.h"

enum exchange_phase {
	EXCHANGE_FIRST,    /* the others are asked for their leaves */
	EXCHANGE_SETTLING, /* some differ: a while for writes under way */
	EXCHANGE_SECOND,   /* asked again */
	EXCHANGE_LISTING,  /* the keys of a leaf, or of a part of a large one, are listed */
	EXCHANGE_MOVING,   /* those that differ are brought in step */
	EXCHANGE_FLUSHING, /* what was stored here becomes durable */
};

/** A page of one participant's keys of a leaf. */
struct exchange_list {
	struct blob *page; /* as TREE_KEYS carries it; NULL: none yet */
	bool done;         /* nothing behind it */
};

struct exchange {
	struct ilink link;
	uint16_t partition;
	enum exchange_way way;
	bool background;
	bool failed; /* something was left out of step */
	exchange_done_fn done;
	void *owner;
	uint64_t config_epoch; /* of the row it is for: another one ends it */
	hlc_t began;
	enum exchange_phase phase;
	usec_t until_us; /* of the present phase */
	uint64_t id;     /* of the question that is out */
	uint32_t member_count;
	node_id members[ROW_MAX];
	uint32_t waiting; /* bits of members: not yet answered */
	struct blob *own; /* leaves of this node as of the question; NULL: no leaves asked for */
	uint8_t first[LEAVES_PER_PARTITION / 8];  /* leaves that differed the first time */
	uint8_t second[LEAVES_PER_PARTITION / 8]; /* and the second */
	bool begun;                               /* to look into leaves */
	uint32_t leaf;                            /* the one looked into */
	struct disk_key cursor;                   /* last key of it that was compared; key points into cursor_key */
	struct blob *cursor_key;                  /* NULL: at the start */
	struct exchange_list lists[ROW_MAX + 1];  /* of each member, then of this node */
	struct exchange_scan *scan;               /* of the own keys, under way */
	bool last_window;                         /* no key of the leaf is behind those being moved */
	struct ilist keys;                        /* of struct exchange_key: that differ and wait */
	struct ilist moving;                      /* of struct exchange_key: under way */
	uint32_t moving_count;
	uint64_t barrier; /* FLUSHING: write that must be durable */
};

/** A key whose versions differ. */
struct exchange_key {
	struct ilink link;
	struct hmap_node node; /* in exchanges.moving while `id` is not 0 */
	struct exchange *x;
	uint64_t id;
	bool pushing; /* the record was read and is on its way */
	uint32_t bucket;
	struct blob *key;
	node_id holder; /* has the newest */
	struct version best;
	uint32_t lack_count;
	node_id lack[ROW_MAX]; /* have an older one or none */
	uint32_t waiting;      /* bits of them: not yet answered */
	uint64_t read_epoch;
	usec_t until_us;
};

struct exchange_scan {
	struct ilink link;
	struct exchange *x; /* NULL: it has ended */
};

static inline bool exchange_bit(const uint8_t *bits, uint32_t leaf) { return bits[leaf / 8] & 1u << leaf % 8; }

/** Ends X. Calls DONE unless it was cancelled; frees it. */
void exchange_finish(struct node_core *core, struct exchange *x, bool complete);

/** Asks all members; M's body is copied. */
void exchange_ask(struct node_core *core, struct exchange *x, const struct msg *m);

/** All leaves are gone through: waits for the own writes and ends. */
void exchange_flush(struct node_core *core, struct exchange *x);

/** Goes on to the next leaf that differs, or to the end. */
void exchange_next_leaf(struct node_core *core, struct exchange *x);

/** A member's keys. */
void exchange_listed(struct node_core *core, struct exchange *x, uint32_t member, const struct msg *m);

/** Starts moving keys, as many as may be under way; goes on when there are none left. */
void exchange_move_keys(struct node_core *core, struct exchange *x);

/** Gives up keys under way that take too long. */
void exchange_expire_keys(struct node_core *core, struct exchange *x);

/** Frees lists and keys. */
void exchange_forget_keys(struct node_core *core, struct exchange *x);

#endif
