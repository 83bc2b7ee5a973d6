/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A simulated node: cores, a disk, clocks, and what a server would do around them.
 *
 * The disk outlives the cores: a crash frees them and loses writes that no sync covered; a start makes new ones from what
 * the disk holds. A write is applied at once and becomes durable with the sync that begins after it; all writes that come
 * while a sync is under way share the next one. A paused node handles nothing; what came meanwhile is handled when the
 * pause ends, in order.
 *
 * As a server does, a node stops when its disk fails: a failed sync or a full disk ends the process, which is started
 * again later; a damaged record or a lost disk ends the node for ever.
 */
#ifndef KV_SIM_NODE_H
#define KV_SIM_NODE_H

#include "base/types.h"
#include "replication/node_core.h"
#include "storage/store.h"
#include "tests/sim/link.h"
#include "tests/sim/options.h"

struct sim;
struct sim_event;

struct sim_core {
	struct node_core *core; /* NULL while the node is down */
	struct sim_event *tick; /* in the queue, or idle */
};

/* A write that waits for its sync. */
struct disk_write {
	uint32_t core;
	uint64_t token;
	struct buf map; /* the cluster map, for all cores; empty: another write */
	uint32_t cost;  /* request that caused it */
};

struct disk_queue {
	struct disk_write *items; /* oldest first */
	uint32_t count, capacity;
	uint32_t syncing; /* of them covered by the sync under way; 0: the disk is idle */
};

/* When a client's request must be answered at the latest, as the node's clock goes. */
struct sim_asked {
	uint64_t token; /* 0: nothing is asked */
	usec_t due_us;  /* monotonic */
};

/**
 * A machine at one end of the network, and the node that lives there: its identity and disk may be replaced by others.
 */
struct sim_node {
	struct sim *sim;
	uint16_t index; /* of the machine */
	struct uuid uuid;
	uint32_t life;  /* identities so far */
	uint32_t moves; /* to other addresses */
	char name[16], address[16], zone[8];
	char token[TOKEN_SIZE_MAX + 1]; /* with which an empty node asks to join; empty: it waits */
	struct sim_links links;
	uint64_t epoch; /* of the newest map that this identity made durable */
	struct store *store;
	struct sim_core cores[SIM_CORES_MAX];
	bool up;
	bool lost;               /* its disk, and its identity with it: does not start */
	bool left;               /* its identity was removed: does not start */
	bool leaving;            /* the process ends because its identity was removed */
	uint32_t boot;           /* starts so far */
	bool dying;              /* the process ends with the present event; it does nothing more */
	bool damaged;            /* and is lost then */
	bool crash_in_sync;      /* to crash during the next sync */
	bool lose_after_sync;    /* the disk is lost when the next sync has been told of */
	bool fail_in_sync;       /* the next sync fails */
	bool ignores_sync;       /* mutant: it failed and is taken for good, and so are all until the next start */
	uint32_t crash_in_steps; /* to crash before it has done so many more things; 0: not */
	usec_t full_until_us;    /* until then the disk has no room */
	usec_t paused_until_us;
	int64_t offset_us; /* of the wall clock */
	int64_t skew_us;   /* lasting part of it */
	int32_t drift_ppm;
	uint32_t disk_slowness; /* delays are multiplied by this; 1 is normal */
	struct disk_queue queue;
	struct actions actions;
	struct sim_asked asked[SIM_CLIENTS_MAX + 1];
};

void sim_node_init(struct sim_node *n, struct sim *sim, uint16_t index);
void sim_node_release(struct sim_node *n);

/** Writes the first map to the disk, as if the node had been part of the cluster before. */
void sim_node_seed_map(struct sim_node *n, const struct map_desc *map);

/** Starts or kills the process. A crash loses a random part of what was not synced. */
void sim_node_start(struct sim_node *n);
void sim_node_crash(struct sim_node *n);

/** The disk is gone, and with it the node's identity. */
void sim_node_lose_disk(struct sim_node *n);

/** The process is told to stop: fine for an identity that was removed, a violation for any other. */
void sim_node_stop(struct sim_node *n, enum kv_status status, struct slice why);

/** An empty disk and a new identity, after the old one was lost or removed. The process is down and stays so. */
void sim_node_renew(struct sim_node *n);

/** What the newest map of the run calls the node; 0: it is not in it. */
enum node_state sim_node_state(const struct sim_node *n);

/** True if the node is part of the cluster and may hold data. */
bool sim_node_is_member(const struct sim_node *n);

/** True if it is in no map and may be added. */
bool sim_node_is_spare(const struct sim_node *n);

/** Handles FRAME, DISK, SYNC and TICK events of this node. Takes the event. */
void sim_node_handle(struct sim_node *n, struct sim_event *event);

/** True if the node is up, its cores are ready and nothing is under way in them; hints only count if no node is lost. */
bool sim_node_is_quiet(const struct sim_node *n);
bool sim_node_is_ready(const struct sim_node *n);

/** Copies the stats of one of its cores. The node is up. */
void sim_node_stats(const struct sim_node *n, uint32_t core, struct core_stats *ret);

/** The node's clocks at the simulator's present. */
struct moment sim_node_now(const struct sim_node *n);

#endif
