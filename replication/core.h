/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The inside of a core: state that its modules share. Only replication/ includes this.
 *
 * Modules call each other through the functions below; each owns the part of the state that carries its name. One event is
 * handled to its end, with all messages to the own node, before the next.
 */
#ifndef KV_REPLICATION_CORE_H
#define KV_REPLICATION_CORE_H

#include "base/arena.h"
#include "base/cover.h"
#include "base/hmap.h"
#include "base/iheap.h"
#include "base/ilist.h"
#include "base/rng.h"
#include "replication/cluster_map.h"
#include "replication/detector.h"
#include "replication/disk_watch.h"
#include "replication/driver.h"
#include "replication/exchange.h"
#include "replication/explain.h"
#include "replication/gc.h"
#include "replication/health.h"
#include "replication/hints.h"
#include "replication/leaving.h"
#include "replication/ledger.h"
#include "replication/map_acceptor.h"
#include "replication/map_register.h"
#include "replication/map_spread.h"
#include "replication/membership.h"
#include "replication/move.h"
#include "replication/move_source.h"
#include "replication/move_status.h"
#include "replication/node_core.h"
#include "replication/pace.h"
#include "replication/partition.h"
#include "replication/relocation.h"
#include "replication/repair.h"
#include "replication/scrub.h"
#include "replication/slot.h"
#include "replication/staleness.h"
#include "replication/tree.h"
#include "replication/tree_serve.h"
#include "replication/turn.h"
#include "replication/version.h"

struct form;
struct recent;

/** A write that is not durable yet. */
struct write_under_way {
	uint32_t size;
	usec_t since_us;
};

/** A message to the own node, or an answer of the own replica, on its way. Lives in the actions' memory. */
struct local_msg {
	struct ilink link;
	const struct msg *msg;
};

struct node_core {
	struct core_config config; /* slices point into texts */
	struct arena texts;
	struct rng rng;
	struct moment now;   /* of the event being handled */
	usec_t ticked_us;    /* last EV_TICK */
	struct actions *out; /* where its actions go */
	struct ilist local;  /* of struct local_msg */

	struct hlc clock;
	hlc_t boot_limit;     /* the clock must pass it before the core is ready */
	uint64_t limit_token; /* write that makes limit_next durable; 0 none */
	hlc_t limit_next;

	struct cluster_map *map;      /* NULL before the node is part of a cluster */
	struct cluster_map *boot_map; /* between new and start */
	node_id self;                 /* index in map, or NODE_NONE */

	uint64_t write_issued;               /* token of the last ACT_WRITE */
	uint64_t write_done;                 /* all writes up to it are durable */
	uint64_t write_bytes;                /* of writes that are not durable */
	struct write_under_way *write_sizes; /* of each such write, at its token modulo the capacity */
	size_t write_sizes_capacity;
	struct ilist held; /* of struct held_reply, in order of token: answers that wait for a write */

	struct slots slots;
	struct partitions partitions;
	struct hmap reads;   /* of struct disk_wait, by token */
	uint64_t token_last; /* reads and scans */

	struct hmap ops;     /* of struct op, by message id */
	struct iheap timers; /* of struct op */
	struct turns turns;
	uint32_t op_count;
	uint64_t op_bytes; /* values of operations in flight */
	uint64_t id_last;  /* message ids */

	struct recent *recent[NODES_MAX]; /* forwarded requests taken from each node; NULL until the first */

	struct detector detector;
	struct health health;
	struct disk_watch disk;
	struct hints hints;
	struct staleness staleness;
	struct ledger ledger;
	struct pace pace;
	struct moves moves;
	struct leaving leaving;
	struct move_source move_source;
	struct move_reports move_reports;
	struct trees trees;
	struct gc gc;
	struct tree_served served;
	struct exchanges exchanges;
	struct repair repair;
	struct scrub scrub;
	struct explains explains;
	struct form *form;        /* a cluster being formed, or NULL */
	struct uuid reserved_for; /* the cluster this empty node agreed to join */
	usec_t reserved_until_us;
	uint64_t reserved_asker; /* hash of the address of who formed it */
	usec_t guest_until_us;   /* then NODE_GUEST's link is given up; 0: there is none */
	struct map_acceptor map_acceptor;
	struct map_register map_register;
	struct map_spread map_spread;
	struct membership membership;
	struct relocation relocation;
	struct driver driver;

	usec_t repair_refill_us;
	uint32_t repair_tokens;

	struct core_stats stats;
};

/* What a module needs of the core. */

/** Queues a message to TO (or to this core). M lives in the actions' memory; id, opcode and body are set. */
void core_send(struct node_core *core, node_id to, struct msg *m);

/** Queues a message to core 0 of this node, which may be another one than this. */
void core_send_first(struct node_core *core, struct msg *m);

/** A zeroed message in the actions' memory. */
struct msg *core_msg(struct node_core *core, uint16_t opcode, uint64_t id, bool reply);

/** Next message id. */
uint64_t core_next_id(struct node_core *core);

/** A fresh version of this node, or false while the clock's limit is not durable. */
MUST_USE bool core_fresh_version(struct node_core *core, struct version *ret);

/** The cluster's clock now. */
hlc_t core_clock(const struct node_core *core);

/** True while clients keep this core so busy that background work waits. */
bool core_yields(const struct node_core *core);

/** True once physical time has passed every reading of the life before. */
bool core_clock_is_current(const struct node_core *core);

/** The reading that a message sent now carries. */
hlc_t core_stamp(const struct node_core *core);

/** True if a version lies further ahead of physical time than any correct clock may be. */
bool core_is_ahead(const struct node_core *core, struct version v);

/** Takes note of a time seen in a message; ignored if too far ahead. */
void core_observe(struct node_core *core, hlc_t seen);

/** Starts a write of COUNT puts (copied as structs; slices live in the actions' memory). Returns its token. */
uint64_t core_write(struct node_core *core, const struct disk_put *puts, uint32_t count);

/** Starts a write that removes all rows of PARTITION but its hints. Returns its token. */
uint64_t core_drop(struct node_core *core, uint16_t partition);

/** All writes up to TOKEN are durable. */
void core_written(struct node_core *core, uint64_t token);

/** What waits for a disk read or scan. */
enum disk_wait_kind {
	WAIT_SLOT,
	WAIT_HINT_READ,
	WAIT_HINT_SCAN,
	WAIT_SCAN,
	WAIT_LEDGER_LOAD,
	WAIT_LEDGER_PAGE,
	WAIT_MAP_VOTE,
	WAIT_MOVE_PAGE, /* at the old member */
	WAIT_LEAVING,
	WAIT_PARTITIONS,
	WAIT_TREE_SCAN,
	WAIT_GC_SCAN,
	WAIT_TREE_KEYS,
	WAIT_EXCHANGE_SCAN,
	WAIT_EXPLAIN,
};

struct disk_wait {
	struct hmap_node node;
	uint64_t token;
	enum disk_wait_kind kind;
	void *owner; /* slot, hint push, hint target or op; NULL for the ledger and the partitions */
};

/** Starts a read or scan for OWNER and returns its token. */
uint64_t core_read(struct node_core *core, enum disk_wait_kind kind, void *owner, const struct disk_key *key);
/** As core_read, for telling only: that something cannot be read comes back like other answers. */
uint64_t core_look(struct node_core *core, enum disk_wait_kind kind, void *owner, const struct disk_key *key);
uint64_t core_scan(struct node_core *core, enum disk_wait_kind kind, void *owner, const struct disk_scan *scan);

/** Answers a client of this core. */
void core_reply(struct node_core *core, uint64_t client, const struct msg *m);

/** Tells the outside how a node is reached. */
void core_peer(struct node_core *core, node_id index, struct slice address);

/** The node must stop. */
void core_stop(struct node_core *core, enum kv_status status, const char *why);

/** Makes DESC the node's map: durable first, then EV_MAP_SAVED. */
void core_save_map(struct node_core *core, const struct map_desc *desc);

/**
 * True now and then in a simulation that asks for it: the place then does what is allowed and unlikely. A quarter of the places is
 * at work in a run; what they do follows from the run's seed and the core's own random numbers. NAME is a word.
 */
#define BUGGIFY(core, name) ((core)->config.buggify_seed != 0 && core_buggify((core), #name))
bool core_buggify(struct node_core *core, const char *place);

/** Partition, leaf and row of a key. The map must be there. */
struct place {
	uint16_t partition, leaf;
	struct row row;
};
struct place core_locate(const struct node_core *core, struct slice key);

#endif
