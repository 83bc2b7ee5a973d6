/* SPDX-License-Identifier: Apache-2.0 */
/**
 * libkvclient, for those who run a cluster: nodes that come and go, what that moves, and how replicas are kept equal. The
 * conventions are those of <kv/client.h>.
 *
 * A change is staged first (kv_node_add, kv_node_remove, kv_node_keep) and moves nothing; kv_plan_get tells what it will cost; a commit lets
 * all that is staged begin. From then on the cluster goes on by itself, whoever asked for it. Asking twice for the same
 * change is no error.
 *
 * TARGET, where there is one, is a node as in kv_status_get; without one any node is asked. TIMEOUT_MS 0 means the client's
 * default.
 */
#ifndef KV_ADMIN_H
#define KV_ADMIN_H

#include <kv/client.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/** A node whose clock is further than that from the others', in milliseconds, takes no part in strong requests. */
#define KV_CLOCK_DRIFT_MAX_MS 500u

/* ---- Changes ---------------------------------------------------------------------------------------------------- */

/**
 * Stages the empty node that listens for peers at PEER_ADDRESS. REPLACES: the index of a dead node whose place it takes, or
 * KV_NODE_NONE. KV_REFUSED: it cannot be added, the message says why. KV_UNAVAILABLE: no majority of the voters.
 */
enum kv_status kv_node_add(struct kv_client *client, const char *peer_address, uint16_t replaces,
			   unsigned timeout_ms, struct kv_error *err);

/**
 * Stages that NODE gives its partitions away and leaves; GONE: that it is dead and does not come back, and nothing is copied
 * from it.
 */
enum kv_status kv_node_remove(struct kv_client *client, uint16_t node, bool gone, unsigned timeout_ms,
			      struct kv_error *err);

/**
 * Forgets what is staged about NODE. If it is leaving already, stages that it stays: a commit ends the moves that take something
 * from it, and gives it its share back. KV_REFUSED: it has left.
 */
enum kv_status kv_node_keep(struct kv_client *client, uint16_t node, unsigned timeout_ms, struct kv_error *err);

/** Lets what is staged begin, if the map still has EPOCH (of the plan that was looked at; 0: any). KV_CONFLICT otherwise. */
enum kv_status kv_changes_commit(struct kv_client *client, uint64_t epoch, unsigned timeout_ms,
				 struct kv_error *err);

/** Forgets what is staged. The identities of nodes that were to be added are spent: they start anew with empty directories. */
enum kv_status kv_changes_discard(struct kv_client *client, unsigned timeout_ms, struct kv_error *err);

/** PAUSE: gives up the moves under way and begins no more, until it is called without. */
enum kv_status kv_moves_pause(struct kv_client *client, bool pause, unsigned timeout_ms, struct kv_error *err);

/**
 * Ends a rolling upgrade: the cluster may use all that every node can do, and no node goes back to an older version. KV_REFUSED: a node
 * can do less than others, the message says which. Does nothing if there is nothing to raise.
 */
enum kv_status kv_upgrade_finalize(struct kv_client *client, unsigned timeout_ms, struct kv_error *err);

#define KV_TOKEN_SIZE 129

/** A token that admits one node, which asks by itself (join.seeds), within TTL_MS (0: an hour). */
enum kv_status kv_join_token(struct kv_client *client, uint64_t ttl_ms, char ret_token[KV_TOKEN_SIZE],
			     unsigned timeout_ms, struct kv_error *err);

/* ---- What they cost --------------------------------------------------------------------------------------------- */

struct kv_plan_node {
	uint16_t node;          /* index in kv_nodes */
	uint32_t before, after; /* partitions it holds */
	uint32_t moves_in, moves_out;
	uint64_t bytes_in, bytes_out;
};

struct kv_plan {
	uint64_t epoch;       /* of the map it is for */
	bool staged;          /* of what is staged; false: of the change under way */
	uint32_t moves;       /* partitions that change replicas */
	uint64_t bytes;       /* to copy */
	uint64_t duration_ms; /* an estimate, with nothing else to do; 0: not known */
	uint64_t
		duration_busy_ms; /* while clients keep nodes so busy that copying is slowed down to the least; 0: not known */
	uint32_t survives;   /* nodes that may fail at any time of it without an acknowledged strong write lost */
	const char *message; /* what to mind; may be empty */
	size_t node_count;
	const struct kv_plan_node *nodes;
};

/** What is staged, or what is under way, will do. *ret_plan is freed with kv_plan_free. KV_REFUSED: it cannot be done. */
enum kv_status kv_plan_get(struct kv_client *client, unsigned timeout_ms, struct kv_plan **ret_plan,
			   struct kv_error *err);
void kv_plan_free(struct kv_plan *plan);

/* ---- How far they are ------------------------------------------------------------------------------------------- */

enum kv_move_stage {
	KV_MOVE_WAITING = 0, /* nothing heard of it yet */
	KV_MOVE_OPENING = 1,
	KV_MOVE_COPYING = 2,
	KV_MOVE_CHECKING = 3,
	KV_MOVE_DONE = 4,
};

/** A partition on its way to one new replica. */
struct kv_move {
	uint16_t partition;
	uint16_t node;   /* the new replica; index in kv_nodes */
	uint16_t source; /* it copies from; KV_NODE_NONE: none */
	enum kv_move_stage stage;
	uint64_t keys, bytes; /* to copy, an estimate */
	uint64_t keys_done, bytes_done, bytes_per_sec;
	uint32_t retries;
	uint64_t age_ms; /* of what is told */
	uint32_t old_count, new_count;
	uint16_t old_nodes[7], new_nodes[7];
	const char *message; /* last error; may be empty */
};

struct kv_moves {
	uint64_t epoch;   /* of the map it is for */
	uint32_t waiting; /* partitions that still have to move and have not begun */
	bool paused;
	size_t count;
	const struct kv_move *moves;
};

/** *ret_moves is freed with kv_moves_free. */
enum kv_status kv_moves_get(struct kv_client *client, const char *target, unsigned timeout_ms,
			    struct kv_moves **ret_moves, struct kv_error *err);
void kv_moves_free(struct kv_moves *moves);

/* ---- Repair ----------------------------------------------------------------------------------------------------- */

#define KV_AGE_NEVER UINT64_MAX

/** How one partition stands with one of its other replicas. */
struct kv_repair_pair {
	uint16_t partition;
	uint16_t peer;         /* index in kv_nodes */
	uint64_t equal_age_ms; /* since both held the same; KV_AGE_NEVER: not since the start */
};

/** One core of one node. */
struct kv_repair {
	uint32_t core, cores; /* which one, of how many */
	uint32_t partitions;
	uint32_t building;  /* partitions that cannot be compared yet */
	uint64_t oldest_ms; /* greatest age of all pairs; KV_AGE_NEVER */
	uint64_t exchanges, differing,
		repaired;           /* since the start: comparisons, keys found to differ, records sent */
	uint64_t scrubbed, corrupt; /* records read and checked, and of them damaged */
	uint64_t tombstones;        /* deletions that are kept */
	uint64_t purge_age_ms;      /* since the least recently purged partition was; KV_AGE_NEVER */
	uint32_t purge_blocked;     /* partitions with old deletions that cannot be purged */
	uint16_t purge_blocked_by;  /* a node they wait for; KV_NODE_NONE */
	size_t pair_count;          /* never equal or oldest first, at most 64 */
	const struct kv_repair_pair *pairs;
};

enum kv_repair_what {
	KV_REPAIR_ASK = 0,   /* only tells */
	KV_REPAIR_RUN = 1,   /* and begins to compare all with the other replicas */
	KV_REPAIR_SCRUB = 3, /* and to read and check every record */
};

/** Core CORE (0, and then below the `cores` it tells) of the node TARGET. *ret_repair is freed with kv_repair_free. */
enum kv_status kv_repair_get(struct kv_client *client, const char *target, uint32_t core, enum kv_repair_what what,
			     unsigned timeout_ms, struct kv_repair **ret_repair, struct kv_error *err);
void kv_repair_free(struct kv_repair *repair);

/* ---- One key on one node ----------------------------------------------------------------------------------------- */

/** What is found on a node's disk in the place of a key. */
enum kv_on_disk {
	KV_ON_DISK_NOTHING = 1,
	KV_ON_DISK_RECORD = 2,
	KV_ON_DISK_DAMAGED = 3,    /* a record that does not match its checksum */
	KV_ON_DISK_UNREADABLE = 4, /* the storage engine cannot read the block it is in */
};

/** What a node keeps to tell TARGET about the key, or about all of its partition. */
struct kv_explained_hint {
	uint16_t target;           /* index in kv_nodes */
	bool key;                  /* a hint of the key itself: it lacks VERSION, as was noted at CREATED_MS */
	bool partition;            /* a mark: anything of the partition may be missing there */
	struct kv_version version; /* {0, 0}: whatever it is now */
	uint64_t created_ms;       /* since 1970, by the cluster's clock */
};

#define KV_EXPLAINED_HINTS_MAX 16

/** A node's part in a key. A version of {0, 0} means none. */
struct kv_explanation {
	uint16_t partition, leaf;
	uint64_t epoch, config_epoch; /* of its map, and of the partition's row in it */
	uint64_t clock_ms;            /* since 1970: the cluster's clock as it reads it */
	bool is_replica, is_to_be;    /* by its map: of the present replicas, of those a move is to make */
	bool serves;                  /* as a replica */
	enum kv_move_stage stage;     /* of its own joining the partition; 0: was there from the start */
	enum kv_on_disk disk;
	uint32_t stored_size;      /* bytes on disk */
	bool in_memory;            /* the record below is the one in memory, which the disk has or will have */
	bool writing;              /* a write of the key is not durable yet */
	struct kv_version copy;    /* of this copy; {0, 0}: it has none, or one that cannot be told */
	struct kv_version version; /* of the value, as clients see it */
	bool weak;                 /* stored below a promise: counts for no majority */
	bool tombstone, strong;    /* a deletion; written by a strong operation */
	uint64_t value_hash;       /* XXH3 */
	uint32_t value_size;
	uint64_t expires_ms; /* since 1970; 0: never */
	uint64_t fence;
	uint32_t lineage;             /* ancestors that the record remembers */
	uint32_t memories;            /* overwritten copies that the node remembers */
	struct kv_version promised;   /* highest ballot promised on the key */
	struct kv_version promise;    /* nothing below is promised or accepted in the partition */
	struct kv_version memory;     /* copies up to it may have been forgotten */
	struct kv_version seal, drop; /* nothing up to it is stored; deletions up to it may be gone */
	bool tree_here, tree_ready;   /* its hash tree of the partition, by which replicas are compared */
	bool tree_saved;              /* and on disk: a restart does not read the records for it */
	bool more_hints;              /* than are told */
	uint32_t hint_count;
	struct kv_explained_hint hints[KV_EXPLAINED_HINTS_MAX];
	uint32_t pair_count; /* how long ago it was the same as each other replica */
	struct kv_repair_pair pairs[KV_ROW_MAX];
};

/**
 * What TARGET holds and remembers of KEY. Changes nothing there. KV_NOT_READY: it has just started. KV_UNSUPPORTED: an older
 * version.
 */
enum kv_status kv_explain(struct kv_client *client, const char *target, uint32_t bucket, struct kv_slice key,
			  unsigned timeout_ms, struct kv_explanation *ret_explanation, struct kv_error *err);

/* ---- Settings ---------------------------------------------------------------------------------------------------- */

enum kv_setting_scope {
	KV_SETTING_STATIC = 1,  /* changed by a restart */
	KV_SETTING_LIVE = 2,    /* while the node runs */
	KV_SETTING_CLUSTER = 3, /* never: the cluster was formed with it */
};

enum kv_setting_source {
	KV_SETTING_DEFAULT = 1,
	KV_SETTING_FILE = 2,
	KV_SETTING_ENVIRONMENT = 3,
	KV_SETTING_SET = 4, /* by kv_setting_set: until the node restarts or reads its file again */
	KV_SETTING_MAP = 5, /* the cluster map */
};

/** Texts are as the configuration file would have them. */
struct kv_setting {
	const char *name; /* "limits.memory" */
	const char *value, *fallback;
	const char *waits; /* what the file says, and a restart is needed for it; NULL: nothing */
	enum kv_setting_scope scope;
	enum kv_setting_source source;
};

struct kv_settings {
	const char *file; /* of the node; empty: none */
	size_t count;
	const struct kv_setting *settings;
};

/** *ret_settings is freed with kv_settings_free. */
enum kv_status kv_settings_get(struct kv_client *client, const char *target, unsigned timeout_ms,
			       struct kv_settings **ret_settings, struct kv_error *err);
void kv_settings_free(struct kv_settings *settings);

/** Changes a live setting of TARGET until it restarts or reads its file again. KV_INVALID: the message tells what is allowed. */
enum kv_status kv_setting_set(struct kv_client *client, const char *target, const char *name, const char *value,
			      unsigned timeout_ms, struct kv_error *err);

/* ---- Keys asked for most ----------------------------------------------------------------------------------------- */

/** Counts are at least that, and ERROR more in all at most. */
struct kv_hot_key {
	uint32_t bucket;
	struct kv_slice key;
	uint64_t reads, writes, error;
};

struct kv_hot_keys {
	uint64_t window_ms; /* what is counted happened within it */
	uint64_t total;     /* requests for keys, of all keys */
	size_t count;       /* most asked for first */
	const struct kv_hot_key *keys;
};

/** Keys that clients ask TARGET for. *ret_keys is freed with kv_hot_keys_free. */
enum kv_status kv_hot_keys_get(struct kv_client *client, const char *target, unsigned timeout_ms,
			       struct kv_hot_keys **ret_keys, struct kv_error *err);
void kv_hot_keys_free(struct kv_hot_keys *keys);

/* ---- Timelines that nodes kept ------------------------------------------------------------------------------------ */

struct kv_kept_trace {
	uint64_t arrived_us; /* when the request came to the node, since 1970, by the node's clock */
	bool slow;           /* it took trace.slow or longer */
	bool replica; /* the node served it for a coordinator, maybe itself; level, rounds and status tell nothing then */
	const struct kv_timeline *timeline; /* client_us is 0 */
};

struct kv_traces {
	size_t count; /* newest first */
	const struct kv_kept_trace *traces;
};

/**
 * What TARGET kept in memory: requests that were sampled, failed or were slow. TRACE_ID (32 hexadecimal digits): of that trace, whole;
 * NULL: the newest of all, each timeline with its first span alone. None is no error. KV_INVALID: TRACE_ID is none. *ret_traces is freed
 * with kv_traces_free.
 */
enum kv_status kv_traces_get(struct kv_client *client, const char *target, const char *trace_id,
			     unsigned timeout_ms, struct kv_traces **ret_traces, struct kv_error *err);
void kv_traces_free(struct kv_traces *traces);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
