/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One core, a replica of three, whose peers and disk a test plays: for the tests of the conflict ledger and of hash trees.
 */
#ifndef KV_TESTS_UNIT_LEDGER_BENCH_H
#define KV_TESTS_UNIT_LEDGER_BENCH_H

#include "replication/node_core.h"
#include "storage/store_mem.h"

enum { NODES = 3, PARTITIONS = 16, PEER = 1, CLIENT = 7 };

#define START_MONO_US (10 * USEC_PER_SEC)
#define START_MS      1700000000000ull
#define ITEMS_MAX     2048u

/** What the disk has been asked for and not answered yet. */
struct bench_job {
	enum action_kind kind;
	uint64_t token;
	enum disk_table table;
	struct buf first, end;
	uint32_t rows_max, bytes_max;
	struct store_op *ops; /* of a write that is still to be made; slices point into first */
	uint32_t op_count;
};

/** An item of a page, with bytes of its own. */
struct bench_seen {
	struct buf key, value;
	struct scan_item item;
};

/** Fields are for the test to read and, where it says so, to set. */
struct bench {
	struct node_core *core;
	struct actions actions;
	struct store *store;
	uint64_t starts;
	uint32_t shard, shard_count; /* settable, for the next start */
	usec_t mono_us;              /* settable: time passes */
	struct bench_job *jobs;
	size_t job_count, job_capacity;
	bool hold_writes; /* settable: writes are not answered */
	bool hold_scans;  /* settable: scans are not answered */
	bool lazy;        /* settable: writes are durable when they are answered, not at once; store_mem only */
	bool late; /* settable: writes are made when they are answered: what is read before does not show them */
	uint64_t buggify;   /* settable, for the next start */
	uint32_t last_puts; /* changes of the last write, but for the hash tree */
	uint64_t next_id;
	uint32_t answers;           /* to the peer */
	enum replica_answer answer; /* the last */
	uint32_t replies;           /* to the client */
	enum kv_status status;      /* of the last */
	struct buf cursor;
	uint32_t seen_count;
	struct bench_seen seen[ITEMS_MAX];
	bool stopped;
};

/** A core that has started and read its disk, at START_MS. STORE is closed with it. */
struct bench *bench_new(void);
struct bench *bench_new_on(struct store *store);
void bench_free(struct bench *b);

/** A restart: ends the core, with what the disk has not answered, and starts it again. The disk answers when it is asked to. */
void bench_begin(struct bench *b);
void bench_end(struct bench *b);

/** One event now, its actions carried out: writes are on disk at once, though not answered. */
void bench_step(struct bench *b, struct node_event *ev);

/** The disk answers one thing, at random but for the order of writes; nothing if there is nothing. */
void bench_one(struct bench *b, struct rng *rng);

/** The disk answers all it may. */
void bench_settle(struct bench *b);
void bench_tick(struct bench *b);
struct core_stats bench_stats(struct bench *b);

/** Rows of the ledger's table. */
size_t bench_rows(struct bench *b);

/** Versions and values made MS after the start, as a peer sends them; each is followed by all answers of the disk. */
struct version bench_version(uint64_t ms);
struct record bench_value(uint64_t client, uint64_t ms, struct slice value);
struct msg bench_write(struct bench *b, uint16_t opcode, const char *key, const struct record *rec);
void bench_tell(struct bench *b, const struct msg *m);
void bench_push_record(struct bench *b, const char *key, const struct record *rec);
void bench_push(struct bench *b, const char *key, uint64_t client, uint64_t ms, const char *value);

/** COUNT conflicts, one a key, with losing values of SIZE bytes; the first ends first. */
void bench_conflicts(struct bench *b, uint32_t count, size_t size);

/** All pages of a partition's ledger, added to b->seen. */
void bench_ask(struct bench *b, uint16_t partition, struct slice key, struct slice prefix, uint32_t limit);

/** All entries of the shard, or those of KEY, in b->seen alone; how many. */
uint32_t bench_list(struct bench *b, const char *key, uint32_t limit);
void bench_forget_seen(struct bench *b);

/** Asserts that the ledger has this entry and no other. */
void bench_assert_only(struct bench *b, const char *key, const char *value, uint64_t loser_ms, uint64_t winner_ms,
		       enum ledger_cause cause);

#endif
