/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Whole cores, one step at a time: a few nodes whose messages, disks and clocks a test holds in its hands. Messages pass
 * through the codec, so each one that a core sends is one that a peer accepts.
 *
 * The names are short: a test that includes this reads like a story about one cluster.
 */
#ifndef KV_UNIT_CORE_CLUSTER_H
#define KV_UNIT_CORE_CLUSTER_H

#include "base/ilist.h"
#include "proto/codec.h"
#include "proto/keyhash.h"
#include "replication/actions.h"
#include "replication/cluster_map.h"
#include "replication/node_core.h"
#include "replication/record.h"

enum { NODES = 6, PARTITIONS = 16, REPLICAS = 3, RULES = 8, CLIENT = 7, TRACES = 16 };

#define START_MONO_US (10 * USEC_PER_SEC)
#define START_WALL_US (1700000000 * USEC_PER_SEC)
#define ANY           0xFFFFu

/** A frame under way. */
struct frame {
	struct ilink link;
	node_id from, to;
	struct buf bytes;
};

/** What a disk has been asked for. */
struct job {
	struct ilink link;
	enum action_kind kind;
	uint64_t token;
	struct disk_key key; /* read */
	bool look;           /* the same */
	struct disk_scan scan;
	uint32_t put_count;
	struct disk_put *puts;
	uint16_t partition; /* drop */
	struct arena arena; /* of all slices */
};

struct stored {
	struct disk_key key;
	struct blob *name, *value;
};

struct node {
	struct node_core *core; /* NULL while down */
	struct actions actions;
	uint64_t incarnation;
	usec_t wall_us; /* ahead of the others' */
	struct ilist jobs;
	bool hold_writes, hold_reads;
	bool unreadable;           /* looks find the disk so */
	bool disk_low;             /* nearly full */
	struct cluster_map *saved; /* a map on its way to its disk */
	struct stored *rows;
	size_t row_count;
	bool stopped;
	uint64_t sent_bytes; /* of frames to other nodes */
	uint32_t sent_trees; /* of them questions about leaves and keys */
};

/** Messages to lose, or to keep back for later. */
struct rule {
	node_id from, to;
	uint16_t opcode;
	enum { FOR_BOTH, FOR_REQUESTS, FOR_REPLIES } kind;
	bool keep;
};

/** A timeline that a core told. */
struct told {
	node_id node;
	struct msg_timeline timeline;
	struct timeline_span spans[TIMELINE_SPANS_MAX];
};

struct cluster {
	struct node nodes[NODES];
	uint32_t node_count;
	usec_t mono_us;
	struct ilist frames, kept;
	struct rule rules[RULES];
	size_t rule_count;
	uint64_t hints_max;
	size_t record_cache_bytes; /* 0: none */
	uint32_t gc_grace_ms;      /* 0: the default */
	usec_t gc_interval_us;     /* the same */
	node_id rows[PARTITIONS * REPLICAS];
	uint64_t epochs[PARTITIONS];
	struct map_node map_nodes[NODES];
	struct map_desc map; /* what start_node and give_map take; begin_move and its like make the next one */
	struct map_move moves[PARTITIONS];
	bool save_maps;  /* a map that a core wants saved is, and then in force there */
	bool hold_moves; /* nodes that join hear nothing: a test lets them join itself */
	/* answers of clients */
	uint32_t answers;
	struct msg_result result; /* of the last; message, value, token and items are gone but for these: */
	struct buf value, token;
	struct told told_client;          /* with it; no spans: none */
	struct msg_explanation explained; /* the last one */
	struct explain_hint explained_hints[EXPLAIN_HINTS_MAX];
	struct repair_pair explained_pairs[ROW_MAX];
	uint32_t saves;
	usec_t slow_us; /* 0: the default */
	uint32_t trace_count;
	struct told traces[TRACES]; /* the first ones, as ACT_TRACE told them */
};

static const struct msg_request strong = {.level = LEVEL_STRONG};

/* ---- life ---- */

struct cluster *cluster_make(uint32_t node_count);

/** A cluster that is ready. */
struct cluster *cluster_new(uint32_t node_count, uint64_t hints_max);
void cluster_free(struct cluster *c);

void start_node(struct cluster *c, node_id i, const struct map_desc *map);

/** The process dies: what was not yet durable is lost. */
void crash(struct cluster *c, node_id i);

/* ---- time and events ---- */

struct moment now_of(const struct cluster *c, node_id i);
hlc_t clock_of(const struct cluster *c, node_id i);

void step(struct cluster *c, node_id i, struct node_event *ev);

/** Hands M to node TO as a message of node FROM. */
void tell(struct cluster *c, node_id from, node_id to, const struct msg *m);

/** Until no message is under way and no disk that is let work has anything to do. */
void run(struct cluster *c);

/** Carries out the first thing that node I's disk is asked for, held back or not. */
void do_one_job(struct cluster *c, node_id i);

/** Lets time pass with ticks, and everything happen that it brings. */
void pass(struct cluster *c, usec_t us);

/* ---- maps ---- */

/** The next map moves all partitions from the row they have to NEXT; nobody has it yet. */
void begin_move(struct cluster *c, const node_id next[REPLICAS]);

/** The next map ends all moves: NEXT are the replicas now, or, given up, the old ones still. */
void end_move(struct cluster *c);
void give_up_move(struct cluster *c);

/** c->map is durable at node I / at all that run. */
void give_map(struct cluster *c, node_id i);
void give_map_to_all(struct cluster *c);

/** Node I joins the replicas of all partitions, as if the old ones had told FENCE. */
void join(struct cluster *c, node_id i, hlc_t fence);

/* ---- the network ---- */

/** From now on such messages are lost, or kept for release_kept. ANY matches all nodes and opcodes. */
void drop(struct cluster *c, node_id from, node_id to, uint16_t opcode, int kind);
void keep(struct cluster *c, node_id from, node_id to, uint16_t opcode, int kind);

/** Everything gets through again; what was kept arrives only with release_kept. */
void heal(struct cluster *c);
void release_kept(struct cluster *c);

uint32_t kept_count(const struct cluster *c);

/** The one kept frame's message, decoded; ARENA holds it. */
struct msg kept_msg(const struct cluster *c, struct arena *arena);
void frames_free(struct ilist *frames);

/* ---- the disks ---- */

struct disk_key data_key(const char *key);
struct stored *row_find(const struct node *n, const struct disk_key *key);
void row_put(struct node *n, const struct disk_put *put);

/** The record of KEY on node I's disk; ver none if there is none. */
struct record on_disk(const struct cluster *c, node_id i, const char *key);

/* ---- clients and peers ---- */

/** Asks node I; c->answers grows when the answer is there. */
void ask(struct cluster *c, node_id i, uint16_t opcode, const char *key, const char *value,
	 struct msg_request more);

/** Asks and waits for the one answer. */
enum kv_status call(struct cluster *c, node_id i, uint16_t opcode, const char *key, const char *value,
		    struct msg_request more);

/** A strong read through node I finds VALUE, or nothing if that is NULL. */
void assert_reads(struct cluster *c, node_id i, const char *key, const char *value);

/** A message for a replica of the key under the present epoch. */
struct msg replica_msg(const struct cluster *c, uint16_t opcode, const char *key);
struct record whole_record(struct version ver, const char *value);

/** Sends M from FROM to TO and gives the answer's message (without what it points to); opcode 0 if there is none. */
struct msg answer_at(struct cluster *c, node_id from, node_id to, const struct msg *m);

/** Sends M from node 2 to node 0 and gives node 0's kind of answer; 0 if it gave none. */
enum replica_answer answer_to(struct cluster *c, const struct msg *m);

struct core_stats stats_of(const struct cluster *c, node_id i);

#endif
