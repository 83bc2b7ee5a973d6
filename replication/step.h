/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The contract between the core and the outside: events in, actions out.
 *
 * The core thinks, the caller acts. Time comes in with each event, disk and network leave as actions and come back as
 * events; the core makes no call of its own. The same object code runs under the server and in the simulator.
 *
 * Memory: an event is borrowed for the call of node_core_step and until actions_reset after it: actions may point into
 * it. Everything an action points to lives until actions_reset, which the caller calls when it has carried all actions out
 * (sent or encoded every message, copied every write). The caller never frees a piece of an action by itself.
 */
#ifndef KV_REPLICATION_STEP_H
#define KV_REPLICATION_STEP_H

#include "base/arena.h"
#include "proto/msg.h"

/** The present, as the caller's clocks tell it. */
struct moment {
	usec_t mono_us; /* never goes back: time-outs */
	usec_t wall_us; /* since 1970; may be wrong and may jump: only feeds the hybrid logical clock */
};

/** Tables of the engine as the core sees them. */
enum disk_table { DISK_DATA, DISK_HINT, DISK_META, DISK_LEDGER, DISK_TREE };

/** A key in one of them. The adapter turns it into bytes (storage/keyspace.h); META uses only `key`, the name; in
    LEDGER `key` is the user's key with a version behind it (replication/ledger_row.h); TREE uses only partition and leaf. */
struct disk_key {
	enum disk_table table;
	uint16_t target; /* HINT only */
	uint16_t partition;
	uint16_t leaf;
	uint32_t bucket;
	struct slice key;
};

struct disk_put {
	struct disk_key key;
	bool remove;
	struct slice value;
};

struct disk_row {
	struct disk_key key;
	struct slice value;
};

/**
 * All rows of a HINT target and partition, of a DATA, LEDGER or TREE partition, or of META, from `after` (exclusive; empty
 * key: the start).
 */
struct disk_scan {
	enum disk_table table;
	uint16_t target;
	uint16_t partition;
	bool one_leaf; /* DATA: only rows of `leaf` */
	uint16_t leaf;
	bool has_after;
	struct disk_key after;
	uint32_t rows_max;
	uint32_t bytes_max; /* stop once this many bytes of keys and values are in hand */
};

enum event_kind {
	EV_REQUEST, /* a client asks */
	EV_MESSAGE, /* from another node */
	EV_READ_DONE,
	EV_WRITE_DONE, /* this write and all before it are durable */
	EV_SCAN_DONE,
	EV_MAP_SAVED, /* a map was made durable and is now the node's */
	EV_TICK,      /* no later than node_core_deadline_us */
};

struct node_event {
	enum event_kind kind;
	struct moment now;
	union {
		struct {
			uint64_t client;       /* the caller's name for the request, given back in ACT_REPLY */
			const struct msg *msg; /* client opcode, MAP, STATUS or CLUSTER_INIT */
			usec_t arrived_us;     /* monotonic; the request's deadline counts from here */
		} request;
		struct {
			node_id from;
			const struct msg *msg;
			usec_t arrived_us;
		} message;
		struct {
			uint64_t token;
			bool found;
			bool unreadable; /* of a look: the disk, or the engine, could not give it */
			struct slice value;
		} read;
		struct {
			uint64_t token;
			usec_t began_us; /* monotonic: the disk began to write it; 0: not known */
		} write;
		struct {
			uint64_t token;
			uint32_t count;
			const struct disk_row *rows;
			bool done; /* no row behind the last */
		} scan;
		struct {
			const struct map_desc *map;
		} map;
		struct {
			uint32_t disk_free_pct; /* room on the disk, 1 to 100; 0: not known */
			bool disk_low;          /* so little that nothing may grow */
		} tick;
	};
};

enum action_kind {
	ACT_SEND,  /* a message to another node, or to another core of this one; may be lost */
	ACT_REPLY, /* the one answer to an EV_REQUEST */
	ACT_READ,  /* ends in EV_READ_DONE with the token */
	ACT_WRITE, /* atomic, synced; ends in EV_WRITE_DONE. Writes of one core become durable in order */
	ACT_DROP, /* a write that removes all DATA, TREE and LEDGER rows of a partition; a crash may leave some of them */
	ACT_SCAN,     /* ends in EV_SCAN_DONE */
	ACT_SAVE_MAP, /* make the map durable, then EV_MAP_SAVED to every core of the node */
	ACT_PEER,  /* node `index`, or NODE_GUEST, is reached at `address` from now on; empty address: forget it */
	ACT_TRACE, /* what an operation took its time for, if somebody is to know; may be ignored */
	ACT_STOP, /* stop the process, saying why: the identity may not go on, or, with KV_OK, has left the cluster as asked */
};

struct action {
	enum action_kind kind;
	union {
		struct {
			node_id to;
			const struct msg *msg;
		} send;
		struct {
			uint64_t client;
			const struct msg *msg;
		} reply;
		struct {
			uint64_t token;
			struct disk_key key;
			bool look; /* only to tell: what cannot be read is told and does not stop the process */
		} read;
		struct {
			uint64_t token; /* counts up by one with each ACT_WRITE and ACT_DROP of this core */
			uint32_t count;
			const struct disk_put *puts;
		} write;
		struct {
			uint64_t token; /* one of the writes' */
			uint16_t partition;
		} drop;
		struct {
			uint64_t token;
			struct disk_scan scan;
		} scan;
		struct {
			const struct map_desc *map;
		} save_map;
		struct {
			node_id index;
			struct slice address;
		} peer;
		struct {
			const struct msg_timeline *timeline;
		} trace;
		struct {
			enum kv_status status;
			struct slice why;
		} stop;
	};
};

/** The actions of one or more steps, in the order they are to be carried out, and the memory they point to. */
struct actions {
	struct action *items; /* read-only */
	size_t count;         /* read-only */
	size_t capacity;      /* private */
	struct arena arena;   /* private */
	struct blob **held;   /* private: references given back at reset */
	size_t held_count, held_capacity;
	struct cluster_map *map; /* private: list, of ACT_SAVE_MAP */
};

void actions_init(struct actions *a);

/** Forgets all actions and gives back what they pointed to. */
void actions_reset(struct actions *a);
void actions_release(struct actions *a);

#endif
