/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a core asks of its disk, carried out on a store: the adapter between replication/step.h and storage/store.h.
 */
#ifndef KV_SIM_DISK_H
#define KV_SIM_DISK_H

#include "replication/step.h"
#include "storage/store.h"

/** A read or scan on its way: what was asked and, once carried out, what was found. Owns all bytes. */
struct disk_work {
	bool is_scan;
	bool done;        /* carried out */
	struct buf first; /* read: the key. scan: where it starts */
	struct buf end;
	enum store_table table;
	uint32_t rows_max, bytes_max;

	enum kv_status status; /* KV_OK, or what is wrong with the disk: nothing was found then */
	bool found;            /* read */
	struct buf bytes;      /* read: value. scan: keys and values one after the other */
	struct disk_span {
		size_t key_at, key_size, value_at, value_size;
	} * spans; /* scan: one a row */
	uint32_t count, capacity;
	bool complete; /* scan: no row behind the last */
};

struct disk_work *disk_work_read(const struct disk_key *key);
struct disk_work *disk_work_scan(const struct disk_scan *scan);
void disk_work_free(struct disk_work *work);

/** Looks into the store, once; later calls change nothing. */
void disk_work_carry_out(struct disk_work *work, struct store *store);

/** The rows of a scan as the core sees them. ROWS has room for work->count; slices point into WORK. */
void disk_work_rows(const struct disk_work *work, struct disk_row *rows);

/** Removes a partition's records, leaves and ledger entries without a sync; false if the disk cannot be read. */
bool disk_drop(struct store *store, uint16_t partition);

/** Applies a core's write without a sync. */
void disk_apply(struct store *store, const struct disk_put *puts, uint32_t count);

#endif
