/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Keys with something in memory: a record, a promise, or a memory of overwritten copies.
 *
 * All handling of one key goes through its slot, in order of arrival. A write is applied to the slot at once and becomes
 * durable later; answers that depend on it wait for that. What an idle slot stands for besides its record goes after MEM_AGE_US,
 * or earlier when there are too many slots, by raising the partition's floors. Then the slot rests: the next request finds
 * its record here and not on disk, for as long as there is room.
 */
#ifndef KV_REPLICATION_SLOT_H
#define KV_REPLICATION_SLOT_H

#include "base/hmap.h"
#include "base/ilist.h"
#include "replication/acceptor.h"
#include "replication/actions.h"

enum slot_state {
	SLOT_COLD,    /* the record is on disk only */
	SLOT_LOADING, /* asked for */
	SLOT_READY,   /* rec is what the disk has or will have */
};

struct slot {
	struct hmap_node node;
	struct ilink age_link;   /* in slots.by_age or slots.resting, least recently used first */
	struct ilink of_link;    /* in slots.of[partition] */
	struct ilink write_link; /* in slots.writing while a write is not durable */
	uint16_t partition;
	uint16_t leaf;
	uint32_t bucket;
	struct blob *key;
	enum slot_state state;
	bool dropped;         /* while LOADING: the key's range was removed meanwhile */
	uint64_t read_token;  /* while LOADING */
	uint64_t write_token; /* last write of this key; durable once the core's written token reached it */
	struct key_state key_state;
	size_t memory_bytes;  /* of its memories, as counted in slots */
	struct blob *bytes;   /* the record as encoded; key_state.rec points into it */
	struct ilist waiting; /* of struct parked, while LOADING */
	uint32_t waiting_count;
	usec_t used_us;
	size_t rest_bytes; /* while it rests: what it takes of slots.rest_bytes; else 0 */
};

/** A request that waits for its key's record. One allocation holds everything it points to. */
struct parked {
	struct ilink link;
	node_id from;
	usec_t arrived_us, taken_us;
	size_t size; /* of the allocation */
	struct msg msg;
};

struct slots {
	struct hmap map;
	struct ilist by_age;  /* those that do not rest */
	struct ilist resting; /* nothing but a record, which the disk has too */
	struct ilist writing; /* in order of write_token */
	uint32_t partitions;
	struct partition_floors *floors; /* one a partition */
	struct ilist *of;                /* the same: its slots, those that rest included */
	uint64_t evicted;
	size_t parked_bytes; /* of all requests that wait */
	size_t memory_bytes; /* of all memories of overwritten copies */
	size_t rest_count, rest_bytes, rest_bytes_max;
	uint64_t rest_hits; /* requests that found their record resting */
};

/** REST_BYTES_MAX: memory for slots that rest; 0: none does. */
void slots_init(struct slots *s, size_t rest_bytes_max);
void slots_release(struct slots *s);

/** Sets the number of partitions, once, with all volatile floors at BOOT. */
void slots_set_partitions(struct slots *s, uint32_t partitions, struct version boot);

struct partition_floors *slots_floors(struct slots *s, uint16_t partition);

/** The key's slot or NULL. */
struct slot *slots_find(const struct slots *s, uint32_t bucket, struct slice key);

/** A new cold slot; the key must not have one. Marks it used at NOW_US. */
struct slot *slots_add(struct slots *s, uint16_t partition, uint16_t leaf, uint32_t bucket, struct slice key,
		       usec_t now_us);

/** Marks it used. */
void slots_touch(struct slots *s, struct slot *slot, usec_t now_us);

/** Where the key's record is on disk. Borrows the key. */
static inline struct disk_key slot_disk_key(const struct slot *slot)
{
	return (struct disk_key){.table = DISK_DATA,
				 .partition = slot->partition,
				 .leaf = slot->leaf,
				 .bucket = slot->bucket,
				 .key = blob_slice(slot->key)};
}

/** True if nothing is in progress on the key: it may be dropped with its floors raised. */
bool slot_is_idle(const struct slot *slot);

/** Called when the slot's memories have changed: counts them, and halves them if all together are too many. */
void slots_count_memory(struct slots *s, struct slot *slot);

/**
 * Called when a slot became idle: it rests if nothing volatile is left, or is gone. Until then only a small record
 * stays with it.
 */
void slots_settle(struct slots *s, struct slot *slot);

/** The highest ballot that a slot of the partition has promised. */
struct version slots_promised(const struct slots *s, uint16_t partition);

/**
 * Raises floors in place of slots that have been idle for MEM_AGE_US, and of the oldest idle ones while more than COUNT_MAX do
 * not rest.
 */
void slots_sweep(struct slots *s, usec_t now_us, size_t count_max);

/**
 * Forgets all keys of PARTITION, whose range is being removed from the disk behind all writes so far. Floors stay: who is to
 * serve the partition again raises them first.
 */
void slots_drop(struct slots *s, uint16_t partition);

/** Deep copy of a replica message; NULL when out of memory. Free with free(). */
struct parked *parked_new(node_id from, usec_t arrived_us, const struct msg *m);

/** Queues P, the slot's from now on, and takes the first one back, or NULL. */
void slots_park(struct slots *s, struct slot *slot, struct parked *p);
struct parked *slots_unpark(struct slots *s, struct slot *slot);

#endif
