/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The replica's rules for one key: what may be stored, promised and told. Pure functions of the key's state; the caller
 * loads and stores records and keeps the order of events (docs/consistency.md has the rules and why).
 *
 * A "strong copy" was stored while no higher ballot was promised; a weak one was not, and does not count for anyone.
 */
#ifndef KV_REPLICATION_ACCEPTOR_H
#define KV_REPLICATION_ACCEPTOR_H

#include "replication/memory.h"
#include "replication/record.h"

/** Volatile and durable state of one key. */
struct key_state {
	struct record rec;        /* ver 0: absent */
	struct version promised;  /* highest ballot promised; none if not above rec.ver */
	struct version mem_floor; /* greatest version dropped from memory */
	struct memories mem;      /* strong copies overwritten here */
};

/** Floors of the key's partition. */
struct partition_floors {
	struct version promise; /* volatile: nothing below is promised or accepted */
	struct version
		fence; /* the same, for what members before this one may have promised: see push_way.copied */
	struct version memory; /* volatile: copies up to it may have been forgotten */
	struct version seal;   /* durable: nothing up to it is stored any more */
	struct version drop;   /* durable: all up to it was on all replicas; tombstones among it may be gone */
};

void key_state_release(struct key_state *k);

/** The ballot below which nothing may be promised or accepted on this key. */
struct version acceptor_promise(const struct key_state *k, const struct partition_floors *f);

/** Versions up to it may have been here without the key's memory telling. */
struct version acceptor_memory_floor(const struct key_state *k, const struct partition_floors *f);

/** READ: the record as it is, or absent with the drop floor. ret->record points into K. */
void acceptor_read(const struct key_state *k, const struct partition_floors *f, struct msg_replica_reply *ret);

/**
 * PREPARE: promises REQ's ballot or rejects it. With a promise come the record, the memory floor and the strong copies
 * that carry one of the attempts or the request id; CARRIERS has room for CARRIERS_MAX. `above` of a promise: a later
 * request of the same lane has been here.
 */
void acceptor_prepare(struct key_state *k, const struct partition_floors *f, const struct msg_replica *req,
		      struct carrier *carriers, struct msg_replica_reply *ret);

enum acceptor_verdict {
	ACCEPTOR_STORE,  /* store the record, weak as REC says, then answer */
	ACCEPTOR_ANSWER, /* nothing to store; answer at once */
};

/** How a record comes to be accepted. */
enum accept_way {
	ACCEPT_BALLOT, /* by a ballot that was prepared, or promised ahead */
	ACCEPT_DIRECT, /* a put under a fresh version, no ballot; refused on a key with a fence */
	ACCEPT_COPY,   /* a reader writes back what it saw */
};

/**
 * ACCEPT or COPY of REC. Fills the answer (ACK or REJECT); ACCEPTOR_STORE means that the ACK holds only once the record,
 * with weak = false, is durable.
 */
enum acceptor_verdict acceptor_accept(const struct key_state *k, const struct partition_floors *f,
				      const struct record *rec, enum accept_way way, struct msg_replica_reply *ret);

/**
 * Promises NEXT, the ballot after VER, if VER is what is stored here, strongly, and nothing forbids it; LIMIT is the clock
 * reading that no promise may pass. Fills ret->promise with what is promised then.
 */
void acceptor_promise_ahead(struct key_state *k, const struct partition_floors *f, struct version ver,
			    struct version next, hlc_t limit, struct msg_replica_reply *ret);

/** How a record comes to be pushed. */
struct push_way {
	uint64_t read_epoch;   /* of the row it was read under */
	uint64_t config_epoch; /* of the row here */
	bool transfer; /* by a move or a tombstone session: the seal does not count, but what was dropped stays so */
	bool copied; /* by a move under its joint map: who joins compares it with a majority before it counts for more */
};

/** PUSH of REC. Fills the answer (STORED or OLD; promise: the floor, if that refused it); with ACCEPTOR_STORE *ret_weak says how to store it. */
enum acceptor_verdict acceptor_push(const struct key_state *k, const struct partition_floors *f,
				    const struct record *rec, const struct push_way *way,
				    struct msg_replica_reply *ret, bool *ret_weak);

/**
 * True if a replica that told TOLD stands in nobody's way to drop version VER of the key at FLOOR: it holds VER strongly, as
 * a deletion or a value whose life ended by FLOOR; or something above FLOOR; or it has dropped it before. A fence is kept.
 */
bool acceptor_may_drop(const struct msg_replica_reply *told, struct version ver, struct version floor);

/** PUSH_PURGE of VER: the key is absent from now on if VER is what is here and lies below the drop floor. True if it was. */
bool acceptor_purge(struct key_state *k, const struct partition_floors *f, struct version ver);

/**
 * Makes REC the key's record. The overwritten one, if strong, is remembered from NOW_US on. REC is copied as a struct:
 * its lineage and value must live as long as it is the key's record.
 */
void acceptor_store(struct key_state *k, const struct record *rec, usec_t now_us);

/** Forgets all but the KEPT newest overwritten copies, raising mem_floor. */
void acceptor_forget(struct key_state *k, uint32_t kept);

/** Forgets what is older than MEM_AGE_US, raising mem_floor. */
void acceptor_age(struct key_state *k, usec_t now_us);

#endif
