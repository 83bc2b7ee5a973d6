/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Messages about the cluster: its map and how that changes, moves, comparisons and the removal of old deletions. Included by proto/msg.h.
 */
#ifndef KV_PROTO_MSG_CLUSTER_H
#define KV_PROTO_MSG_CLUSTER_H

#include "proto/msg_types.h"

enum node_state {
	NODE_JOINING = 1, /* gets partitions */
	NODE_NORMAL = 2,
	NODE_LEAVING = 3, /* gives its partitions away */
	NODE_REMOVED = 4, /* its identity is spent; rows may name it until their moves are done */
	NODE_STAGED = 5,  /* admitted, holds nothing, waits for the change to be committed */
};

struct map_node {
	node_id index;
	struct uuid uuid;
	enum node_state state;
	struct slice name;
	struct slice peer_address; /* host:port */
	struct slice client_address;
	struct slice zone;
	uint32_t weight;
	uint64_t features; /* bit N - 1: it can do what came with feature level N */
	bool leave_staged; /* NORMAL or JOINING: a commit makes it LEAVING */
	bool gone_staged;  /* a commit makes it REMOVED: it is dead, and nothing is copied from it */
	bool keep_staged;  /* LEAVING: a commit makes it stay after all */
	node_id replaces;  /* STAGED: a commit makes that node REMOVED; NODE_NONE: none */
};

/** True if a commit does something to NODE. */
static inline bool map_node_is_staged(const struct map_node *node)
{
	return node->state == NODE_STAGED || node->leave_staged || node->gone_staged || node->keep_staged;
}

/** The feature level of a node that can do FEATURES: all up to the first that it lacks. */
static inline uint32_t feature_level_of(uint64_t features)
{
	return features == UINT64_MAX ? 64 : (uint32_t)__builtin_ctzll(~features);
}

/**
 * A partition between two replica sets: while the map has the move, rows still has the old set, every strong phase needs a
 * majority of both, and the new members copy. The map without it and with the new row ends it; without it and with the old
 * row it was given up.
 */
struct map_move {
	uint16_t partition;
	uint16_t old_count, new_count;
	node_id old_row[REPLICAS_MAX], new_row[REPLICAS_MAX];
	struct uuid session; /* of this try; what says another is refused */
};

/** Admits one node once. */
struct map_token {
	uint64_t hash;       /* XXH3 of the token's text */
	uint64_t expires_ms; /* on the cluster's clock */
};

/** The cluster map as a value. rows is partitions x replicas, config_epochs one a partition. */
struct map_desc {
	struct uuid cluster;
	struct slice name;
	uint64_t epoch;
	uint32_t partitions;
	uint32_t replicas;
	uint32_t node_count;
	const struct map_node *nodes;
	const node_id *rows;
	const uint64_t *config_epochs;
	uint32_t move_count;
	const struct map_move *moves;
	uint32_t voter_count;
	node_id voters[VOTERS_MAX]; /* decide on the map after this one */
	uint32_t token_count;
	struct map_token tokens[TOKENS_MAX];
	bool paused;            /* no move starts */
	uint64_t feature_level; /* every node can do what came up to it, and may */
};

/** OP_MAP and its reply, OP_MAP_PUSH, OP_MAP_PULL. map NULL: have_epoch is current. */
struct msg_map {
	enum kv_status status;
	uint64_t have_epoch;
	const struct map_desc *map;
};

/** OP_INIT_RESERVE: asks an empty node to take part in forming a cluster; the reply says who it is. */
struct msg_init {
	struct uuid cluster;
	node_id from, index; /* the asker and the node asked, in the map to be */
	struct slice from_address;
	/* reply */
	enum kv_status status;
	struct slice message;
	struct map_node self; /* uuid, name, addresses, zone, weight, features */
};

/** OP_CLUSTER_INIT, from kvctl: peer addresses of empty nodes, the asked node among them. */
struct msg_cluster_init {
	struct slice name;
	uint32_t partitions, replicas; /* 0 = default; replicas default is min(3, nodes), odd */
	uint32_t address_count;
	const struct slice *addresses;
	uint32_t deadline_ms;
};

/**
 * OP_MAP_PREPARE, OP_MAP_ACCEPT and their replies. The map of each epoch is decided once, by the voters of the map before it;
 * whoever proposes needs a majority of them and, if the voters change, of the new ones too.
 */
struct msg_vote {
	struct version ballot;
	uint64_t epoch; /* of the map to be decided: one above the asker's */
	const struct map_desc
		*map; /* ACCEPT: proposed. Reply to PREPARE: accepted here before, or NULL. Any reply with
				       KV_STALE: the newer map in force here */
	/* reply */
	enum kv_status
		status; /* KV_OK; KV_CONFLICT: a higher ballot is promised; KV_STALE; KV_NOT_READY: my map is older */
	struct version promised; /* highest ballot promised here */
	struct version accepted; /* PREPARE: ballot of map; {0,0} none */
};

/** OP_JOIN and its reply; the map follows by MAP_PUSH. */
struct msg_join {
	struct slice token; /* text */
	struct map_node self;
	/* reply */
	enum kv_status status;
	struct slice message;
};

enum move_stage {
	MOVE_OPENING = 1,  /* learns floors and fence from a majority of the old members */
	MOVE_COPYING = 2,  /* pages from one of them */
	MOVE_CHECKING = 3, /* compares with a majority of them, reads what differs */
	MOVE_DONE = 4,     /* all that is acknowledged is here */
};

/** OP_MOVE_OPEN, OP_MOVE_PULL and replies, from a new member of a row; OP_MOVE_REPORT to everyone, without a reply. */
struct msg_move {
	uint16_t partition;
	struct uuid session;
	/* OPEN reply */
	hlc_t fence;               /* clock after the joint map came into force here */
	struct version seal, drop; /* floors of the partition */
	uint64_t keys, bytes;      /* in the partition; REPORT: to copy, an estimate */
	/* PULL */
	struct slice cursor; /* empty: the start; reply: where the next page begins */
	bool done;           /* reply: there is none */
	struct slice page;   /* reply: records, replication/page.h; travels as the frame's value */
	/* REPORT */
	enum move_stage stage;
	uint64_t keys_done, bytes_done, bytes_per_sec;
	node_id source;
	uint32_t retries;
	struct slice message; /* last error */
	/* replies */
	enum kv_status status; /* KV_OK; KV_STALE: another session or epoch; KV_NOT_READY: later */
};

struct tree_root {
	uint16_t partition;
	uint64_t config_epoch;
	uint64_t hash;
};

/** OP_TREE_ROOTS, OP_TREE_LEAVES, OP_TREE_KEYS and replies: where do two replicas of a partition differ? */
struct msg_tree {
	uint32_t root_count; /* ROOTS: the sender's; reply: of those the receiver has another hash for */
	const struct tree_root *roots;
	uint16_t partition; /* LEAVES, KEYS */
	uint16_t leaf;      /* KEYS */
	struct slice cursor;
	bool done;
	struct slice
		page; /* reply: LEAVES: a u64 a leaf, little-endian, then a bit a leaf: it holds weak copies; KEYS:
			      keys and versions, replication/page.h; travels as the frame's value */
	enum kv_status status;
};

enum gc_step {
	GC_SEAL = 1,  /* refuse what is not above floor */
	GC_CHECK = 2, /* of each tombstone named: may it go? */
	GC_DROP = 3,  /* all that is not above floor was everywhere: delete the tombstones named */
	GC_SYNC = 4,  /* take the records in the page, sealed or not */
};

/** OP_GC and its reply (docs/consistency.md, tombstones). */
struct msg_gc {
	uint16_t partition;
	enum gc_step step;
	struct version floor;
	struct slice
		page; /* keys and versions, or records; reply to CHECK: a byte each (replication/gc.h); travels as the value */
	enum kv_status status;
};

/** OP_PROBE and its reply. */
struct msg_probe {
	node_id target;
	bool reached; /* reply */
};

enum change_kind {
	NODE_ADD = 1,       /* stage: the empty node at `address`; with `node`: in place of that dead one */
	NODE_LEAVE = 2,     /* stage: `node` gives its partitions away and leaves */
	NODE_GONE = 3,      /* stage: `node` is dead and does not come back */
	CHANGE_COMMIT = 4,  /* what is staged begins */
	CHANGE_DISCARD = 5, /* forget it; identities that were to be added are spent */
	CHANGE_PAUSE = 6,   /* give up the moves under way, begin no more */
	CHANGE_RESUME = 7,
	CHANGE_TOKEN = 8, /* make a join token; the reply's value is its text */
	CHANGE_ADDRESS =
		9, /* `node` is reached at `address`, its clients at `client_address`, and can do `features` */
	CHANGE_WEIGHT = 10,
	CHANGE_FINALIZE = 11, /* the cluster may do all that every node can */
	NODE_KEEP = 12,       /* what is staged about `node` is forgotten; of one that leaves, stage: it stays */
};

/** OP_CLUSTER_CHANGE from kvctl, or from a node about itself; the reply is a msg_result. */
struct msg_change {
	enum change_kind kind;
	node_id node; /* NODE_NONE: none */
	struct slice address, client_address;
	uint64_t features; /* ADDRESS: of `node` */
	uint32_t weight;
	uint64_t ttl_ms; /* of a token; 0 = TOKEN_TTL_DEFAULT_MS */
	uint64_t epoch;  /* COMMIT: of the map that was planned on; 0: any */
	uint32_t deadline_ms;
};

/** What a plan does to one node. */
struct plan_node {
	node_id index;
	uint32_t before, after; /* partitions held */
	uint32_t moves_in, moves_out;
	uint64_t bytes_in, bytes_out;
};

/** Reply to OP_CLUSTER_PLAN. */
struct msg_plan {
	enum kv_status status;
	struct slice message; /* why there is none, or what to mind: uneven zones, too few nodes left, ... */
	uint64_t epoch;       /* of the map it is for */
	bool staged;          /* false: of the change under way */
	uint32_t moves;       /* partitions that change members */
	uint64_t bytes;
	uint64_t duration_ms;      /* estimate, with nothing else to do; 0 = not known */
	uint64_t duration_busy_ms; /* while clients keep nodes so busy that copying is slowed down to the least */
	uint32_t survives; /* nodes that may fail at any time of it without an acknowledged strong write lost */
	uint32_t node_count;
	const struct plan_node *nodes;
};

/** A move as MOVE_LIST tells it. */
struct move_status {
	uint16_t partition;
	uint32_t old_count, new_count;
	node_id old_row[REPLICAS_MAX], new_row[REPLICAS_MAX];
	node_id node; /* new member; one entry each */
	enum move_stage stage;
	uint64_t keys, bytes, keys_done, bytes_done, bytes_per_sec;
	node_id source;
	uint32_t retries;
	uint64_t age_ms; /* of what is told */
	struct slice message;
};

/** Reply to OP_MOVE_LIST. */
struct msg_move_list {
	uint64_t epoch;
	uint32_t waiting; /* partitions that still have to move and have not begun */
	bool paused;
	uint32_t count;
	const struct move_status *moves;
};

/** How one partition stands with one of its other replicas. */
struct repair_pair {
	uint16_t partition;
	node_id peer;
	uint64_t
		equal_age_ms; /* since the two were last known to hold the same; UINT64_MAX: never since the start */
};

/** OP_REPAIR: asks one core of the node; the reply tells how it stands. */
struct msg_repair {
	uint32_t shard; /* which core; the reply echoes it */
	bool run;       /* compare everything now */
	bool scrub;     /* and read every record, checking its checksum */
	/* reply */
	enum kv_status status;
	uint32_t shards; /* cores of the node */
	uint32_t partitions;
	uint64_t oldest_ms; /* greatest equal_age_ms of all pairs */
	uint32_t building;  /* partitions whose tree is not ready */
	uint64_t exchanges, differing, repaired, scrubbed, corrupt;
	uint64_t tombstones;
	uint64_t
		purge_age_ms; /* old deletions wait: for how long at most; 0: none does; UINT64_MAX: since the start */
	uint32_t purge_blocked;   /* partitions with old tombstones that cannot be purged */
	node_id purge_blocked_by; /* a node they wait for; NODE_NONE */
	uint32_t pair_count;      /* those never equal or oldest first, at most REPAIR_PAIRS_MAX */
	const struct repair_pair *pairs;
};

#endif
