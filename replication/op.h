/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One client operation in flight, coordinated by this core.
 *
 * An operation runs in phases. A phase sends one message to each replica of the key and collects answers under a message
 * id of its own, so that answers of earlier phases are not mistaken for it. Every path ends in op_answer, exactly once; a
 * write may live on for a while after it to see which replicas missed it, a read to repair stale ones.
 */
#ifndef KV_REPLICATION_OP_H
#define KV_REPLICATION_OP_H

#include "replication/change.h"
#include "replication/core.h"
#include "replication/quorum.h"
#include "replication/session.h"
#include "replication/timeline.h"

struct turn;

/** Hears of the end of an internal read. */
typedef void (*op_done_fn)(struct node_core *core, void *owner, bool complete);

/** What differs between kinds of operations. */
struct op_class {
	/** A replica's answer to the present phase. */
	void (*answer)(struct node_core *core, struct op *op, uint32_t position, const struct msg *m);
	/** The timer set by op_set_timer. */
	void (*timer)(struct node_core *core, struct op *op);
	/** The replicas have changed, and op->row is the new one: begins anew. Not called once it is answered. NULL: does not care. */
	void (*restart)(struct node_core *core, struct op *op);
};

enum op_phase {
	PHASE_BACKOFF, /* waiting before the next try */
	PHASE_QUEUED,  /* behind another ballot of this core on the key */
	PHASE_READING,
	PHASE_COPYING, /* a strong read makes what it saw stable */
	PHASE_PREPARING,
	PHASE_ACCEPTING,
	PHASE_DIRECT, /* an accept without a ballot */
	PHASE_PUSHING,
	PHASE_FORWARDING,
	PHASE_SCANNING,
};

/** What an accept round writes. */
enum accept_kind {
	ACCEPT_MINE,     /* the operation's own value */
	ACCEPT_ADOPT,    /* the record as it is: an attempt of this operation is in it */
	ACCEPT_IDENTITY, /* the record as it is, for a read */
	ACCEPT_FAILED,   /* the record as it is, for a condition that does not hold */
};

/** What a client asks the present value to be. All that is set must hold. */
struct op_condition {
	bool has_expected, has_hash, present;
	struct version expected; /* none: the key is absent */
	uint64_t hash;
};

/** What is known of one replica of the key. */
struct op_reply {
	bool valid;  /* it told its record in this phase */
	bool strong; /* holds ver strongly; absent counts as strong */
	struct version ver;
	struct version drop; /* drop floor of an absent one */
	struct version memory_floor;
	uint64_t fence;
	bool later; /* a later request of the same lane was there */
	uint32_t carrier_count;
	struct carrier *carriers; /* heap */
};

struct op {
	struct hmap_node node; /* in core->ops by id */
	struct iheap_item timer;
	uint64_t id; /* of the present phase's messages */
	const struct op_class *class;
	enum op_phase phase;
	bool answered;
	usec_t started_us;
	usec_t phase_us;    /* when the present phase began */
	usec_t deadline_us; /* answer by then */

	/* who asked */
	bool internal;     /* nobody: it repairs */
	uint64_t probe_id; /* internal: the hint's push that wants to know, or 0 */
	bool stabilizes;   /* internal: for op_stabilize */
	bool every;        /* internal: weak copies do not do */
	bool renews;       /* internal: what is stable gets a new version all the same */
	op_done_fn done;   /* internal: who is told of the end; NULL nobody */
	void *done_owner;
	bool remote;     /* another node forwarded it */
	uint64_t client; /* !remote */
	node_id from;    /* remote */
	uint64_t from_id;
	uint32_t from_shard;

	/* what for */
	uint16_t opcode;
	enum msg_level level;
	enum msg_acks acks;
	bool receipt_wanted;
	struct request_id rid;
	hlc_t t0;
	bool retry; /* the request may have been tried before, through any node */
	uint64_t ttl_ms;
	uint64_t fence;
	struct op_condition condition;
	int64_t delta;
	uint32_t bucket;
	struct blob *key;
	struct blob *value; /* as sent; NULL for what sends none */
	bool counted;       /* value is part of core->op_bytes */
	uint64_t value_hash;

	/* where */
	uint16_t partition, leaf;
	struct row row; /* nodes points into row_nodes */
	node_id row_nodes[ROW_MAX];
	node_id forward_to; /* PHASE_FORWARDING: who was asked */

	/* the present phase */
	struct quorum quorum;
	struct op_reply replies[ROW_MAX];
	uint32_t noted;          /* bit set: replies that are valid */
	struct record_copy best; /* greatest record told */
	struct version drop_max; /* greatest drop floor told */
	uint64_t fence_max;      /* greatest fence told */
	hlc_t asked_hlc;         /* cluster time carried by the phase's messages */
	uint32_t asked;          /* bits: replicas that messages of this phase went to */
	uint32_t fetch_tried;    /* bits: replicas asked again for the value */
	uint32_t wanted;         /* bits: replicas without whose record it is not enough */
	uint32_t rejected;       /* bits: answered REJECT, or refused by clock */
	uint32_t out;            /* bits: DIRECT: rejected, and the attempt never was there */
	uint32_t dead;           /* bits: DIRECT: the same, and it never can be */

	/* of the whole operation */
	struct version version; /* of the value written */
	uint32_t holders;       /* bits: replicas known to have it */
	uint32_t hinted;        /* bits: got a hint instead */
	uint32_t rounds;        /* phases begun */
	uint32_t retries;
	bool repaired;
	bool clock_refused; /* a replica found our versions too far ahead */
	bool no_room;       /* a replica refused the value because its disk is nearly full */

	/* levels */
	bool sent_before;        /* the client sends this write again */
	bool session_wanted;     /* the answer carries a token */
	struct session session;  /* what the request's token says of the key */
	usec_t staleness_max_us; /* LEVEL_BOUNDED */
	bool wide;               /* a read that its own copy could not serve */
	usec_t read_us;          /* when the replicas were asked for what is answered */
	usec_t known_us;         /* at read_us: staleness_known_us */
	uint32_t pushed;         /* bits: read repair was sent */

	/* ballots */
	struct version ballot;
	enum accept_kind accept_kind;
	uint32_t attempt_count;
	struct version attempts[ATTEMPTS_MAX];
	bool attempt_open;  /* an attempt was sent and not proven dead */
	bool values_wanted; /* the next prepare asks for values */
	bool promised;      /* a majority has promised at least once */
	bool traced;        /* an attempt was made, here or elsewhere */
	bool late;          /* so long after t0 that the client may have tried again elsewhere */
	bool unknowable;    /* what became of the request cannot be told any more */
	uint32_t direct_tries;
	bool fenced; /* a replica holds a fence */
	uint32_t forgotten_count;
	struct version forgotten[DIRECT_TRIES_MAX]; /* attempts that the answers to them proved dead */
	struct blob *made;                          /* ADD, APPEND: the new value */
	uint64_t result;                            /* of the attempt under way, as its record keeps it */
	struct change failure;                      /* why it fails, while that is made stable */

	/* its place among the ballots of this core on the key */
	struct turn *turn; /* NULL: none */
	struct ilink turn_link;
	struct version next;   /* ballot asked for with the present accept; none if not */
	uint32_t next_holders; /* bits: replicas that have promised it */

	struct timeline timeline; /* last: most of it is not initialised */
};

/** The level a request is carried out at: what it says, or strong where it must be and nothing is said. */
enum msg_level op_level(const struct msg *m);

/** True for operations that answer a page of one partition, on this node, and name no key. */
static inline bool op_is_page(uint16_t opcode) { return opcode == OP_SCAN || opcode == OP_LEDGER; }

/** A new operation for a request, its deadline running since ARRIVED_US. NULL when out of memory. */
struct op *op_new(struct node_core *core, const struct op_class *class, const struct msg *m, usec_t arrived_us);

/** The operation whose present phase has that message id, or NULL. */
struct op *op_find(const struct node_core *core, uint64_t id);

/** Who asked: sets the fields for op_answer. */
void op_from_client(struct op *op, uint64_t client);
void op_from_node(struct op *op, node_id from, const struct msg *m);

/** Ends it without an answer; memory goes. */
void op_free(struct node_core *core, struct op *op);

/** Begins a phase: new message id, NEED answers wanted, unreachable replicas counted as no, timer armed. */
void op_begin(struct node_core *core, struct op *op, enum op_phase phase, struct need need);

/** A message of the present phase, filled with the key; the caller adds the body. */
struct msg *op_message(struct node_core *core, struct op *op, uint16_t opcode);

/** Sends M to the replica at POSITION. */
void op_send(struct node_core *core, struct op *op, uint32_t position, struct msg *m);

/** Sends M to each replica in BITS that is not already counted as no. */
void op_send_all(struct node_core *core, struct op *op, uint32_t bits, const struct msg *m);

void op_set_timer(struct node_core *core, struct op *op, usec_t at_us);

/** Does nothing in PHASE until AT_US, when the class's timer is called; late answers to the phase before are not for it. */
void op_pause(struct node_core *core, struct op *op, enum op_phase phase, usec_t at_us);

/** Waits US in PHASE_BACKOFF; false if the deadline comes first. */
MUST_USE bool op_wait(struct node_core *core, struct op *op, usec_t us);

/** Waits a random while and calls the class's timer in PHASE_BACKOFF; false if the deadline comes first. */
MUST_USE bool op_back_off(struct node_core *core, struct op *op);

/** The operation's timer is due: whoever was asked a whole time-out ago and has not answered is told of to the detector. */
void op_note_silence(struct node_core *core, const struct op *op);

/** What a client is told where too few replicas can be reached: TEXT, unless others reach them. */
const char *op_unreachable_text(const struct node_core *core, const struct op *op, const char *text);

/** Replicas that requests can be sent to, as bits. */
uint32_t op_reachable(const struct node_core *core, const struct op *op);

/** True if a majority, of both sets, can be reached. */
static inline bool op_reaches_majority(const struct node_core *core, const struct op *op)
{
	return row_majority(&op->row, op_reachable(core, op));
}

/** Answers it wants: 1 of the old set, a majority or all of both. */
struct need op_need(const struct op *op);

/** True if a write could reach enough replicas, and too many of them have no room on their disks for anything that grows. */
bool op_lacks_room(const struct node_core *core, const struct op *op);
extern const char op_no_room_text[];

static inline struct need op_majority(const struct op *op) { return need_majority(&op->row); }

static inline uint32_t op_everyone(const struct op *op) { return row_everyone(&op->row); }

/** True so long after the client's first try that it may have tried again elsewhere, and heard that it was done. */
static inline bool op_is_overtaken(const struct node_core *core, const struct op *op)
{
	return op->t0 != 0 && core_clock(core) > op->t0 + hlc_from_ms(DIRECT_WINDOW_MS);
}

/** True if the deadline has come. */
static inline bool op_is_late(const struct node_core *core, const struct op *op)
{
	return core->now.mono_us >= op->deadline_us;
}

/** Takes note of a record told by the replica at POSITION; false when out of memory. */
MUST_USE bool op_note_record(struct node_core *core, struct op *op, uint32_t position,
			     const struct msg_replica_reply *answer);

/** Forgets what replicas told in the phase before. */
void op_forget_replies(struct node_core *core, struct op *op);

/** Replicas that hold VER strongly, as bits. */
uint32_t op_strong_holders(const struct op *op, struct version ver);

/** A result message for this operation, STATUS and nothing else; the caller may add to it. */
struct msg *op_result(struct node_core *core, const struct op *op, enum kv_status status);

/** Sends the answer. Counts it; the operation may live on to repair or hint. */
void op_answer(struct node_core *core, struct op *op, struct msg *m);

/** Answers an error with a text. */
void op_fail(struct node_core *core, struct op *op, enum kv_status status, bool in_doubt, const char *text);

/** Leaves hints for every replica that is not known to have the value, then frees. */
void op_finish_write(struct node_core *core, struct op *op);

/** Hints the replica at POSITION once. */
void op_hint(struct node_core *core, struct op *op, uint32_t position);

/** After the answer: waits for the other replicas, but not for long. */
void op_linger(struct node_core *core, struct op *op);

/* The kinds. Each takes over OP and answers it. */
void op_get_start(struct node_core *core, struct op *op);
void op_put_start(struct node_core *core, struct op *op);    /* eventual put, delete */
void op_direct_start(struct node_core *core, struct op *op); /* strong put, delete without a condition */
void op_update_start(struct node_core *core, struct op *op); /* every other strong write; OUTCOME */
void op_forward_start(struct node_core *core, struct op *op, const struct msg *m);
void op_scan_start(struct node_core *core, struct op *op, const struct msg *m);
void op_ledger_start(struct node_core *core, struct op *op, const struct msg *m);

extern const struct op_class op_get_class, op_put_class, op_direct_class, op_update_class, op_forward_class,
	op_scan_class, op_ledger_class;

/**
 * Reads a key from all its replicas and brings them in step, for nobody in particular. PROBE_ID, if not 0, hears of it by
 * hint_push_probed. False, and nothing happens, if too much is in flight.
 */
MUST_USE bool op_repair(struct node_core *core, uint32_t bucket, struct slice key, uint64_t probe_id);

/**
 * Reads a key strongly, for OWNER: what it finds is held by a majority of both sets then, and this node's own copy, if it is a
 * replica, is not newer. With EVERY, replicas that answer and hold the record weakly do not do: it gets a new version. DONE is
 * called once, never within this call; COMPLETE false: try again. False, and DONE is never called, if too much is in flight.
 */
MUST_USE bool op_stabilize(struct node_core *core, uint32_t bucket, struct slice key, bool every, op_done_fn done,
			   void *owner);

/** Nobody wants to hear of OWNER's any more: its DONE is not called. */
void op_stabilize_forget(struct node_core *core, const void *owner);

/** The operation's turn among this core's ballots on the key has come. */
void op_update_run(struct node_core *core, struct op *op);

/** A strong read that found no stable record goes on by ballot. */
void op_update_identity(struct node_core *core, struct op *op);

/** What a reader is told of the best record, given that ASKED is known at a majority. */
enum op_sight { SIGHT_HIDDEN, SIGHT_VISIBLE, SIGHT_AGAIN };
enum op_sight op_judge(const struct node_core *core, const struct op *op, hlc_t asked);

/** Takes the row of its partition from the map in force. What is known by position in the old one is forgotten. */
void op_take_row(struct node_core *core, struct op *op, const struct row *row);

/** The map is a new one: operations whose replicas have changed begin anew with the new ones, or end honestly. */
void op_map_changed(struct node_core *core);

/** Answers that a strong write took effect: as VERSION, with RESULT as records keep it. */
void op_answer_written(struct node_core *core, struct op *op, struct version version, uint64_t result);

/** Answers a read with the best record, or not found. */
void op_answer_record(struct node_core *core, struct op *op, bool visible);

/** Dispatch: the answer of a replica, of a node that an operation was forwarded to, and the page of a scan or ledger. */
void op_replica_answer(struct node_core *core, node_id from, const struct msg *m);
void op_forward_answer(struct node_core *core, node_id from, const struct msg *m);
void op_scan_done(struct node_core *core, struct op *op, const struct disk_row *rows, uint32_t count, bool done);
void op_ledger_done(struct node_core *core, struct op *op, const struct disk_row *rows, uint32_t count, bool done);

#endif
