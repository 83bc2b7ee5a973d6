/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The conflict ledger: eventual values that lost to a concurrent write, kept for a day so that they can be seen and put
 * again.
 *
 * A replica judges each loss by itself, when it happens here: the cause is LATE if a newer version was stored before the
 * value came, OVERWRITTEN or STRONG if another client's write took its place within LEDGER_WINDOW_MS of its version.
 * There is no causal history to ask, so "concurrent" is a guess that rather keeps an entry too many
 * (docs/decisions/0013).
 *
 * The entry is written with the record that takes the value's place; that of a late value by itself, and no answer waits
 * for it. In memory is an index without values, rebuilt after a start by scanning the table, partition by partition;
 * entries are added meanwhile as well.
 *
 * Bounded: LEDGER_ENTRIES_MAX entries and LEDGER_BYTES_MAX bytes a core; whatever would end first goes first. Entries
 * end LEDGER_AGE_MS after they were made, or with the value's own time to live, and are removed by the tick.
 */
#ifndef KV_REPLICATION_LEDGER_H
#define KV_REPLICATION_LEDGER_H

#include "base/blob.h"
#include "base/hmap.h"
#include "base/iheap.h"
#include "replication/record.h"
#include "replication/step.h"

struct node_core;
struct slot;

struct ledger {
	struct hmap entries; /* of struct ledger_entry (ledger.c) */
	struct iheap by_end; /* the same, by the time they end */
	uint64_t bytes;      /* of their rows on disk */
	bool load_begun;
	bool has_after; /* of the partition being read */
	struct disk_key after;
	struct blob *after_key;
	uint32_t load_partition; /* the map's count, or above, when all is loaded */
};

/**
 * Why storing AFTER over BEFORE loses BEFORE's value, or 0 if nothing is lost: BEFORE is absent or was written by a strong
 * operation, both have the same content, BEFORE's time to live is over, the same client wrote AFTER later, AFTER was
 * computed from BEFORE, or it came so much later that it is taken for a successor.
 */
enum ledger_cause ledger_judge_overwrite(const struct record *before, const struct record *after);

/** LEDGER_LATE if the value of a client's write LATE, refused because HERE is newer, is lost by that; else 0. */
enum ledger_cause ledger_judge_late(const struct record *late, const struct record *here, hlc_t now);

/** The map is known: reads what is on disk from before, once. */
void ledger_set_map(struct node_core *core);
void ledger_release(struct node_core *core);

/** Writes PUTS, which store AFTER in the place of BEFORE, with the entry it may cost. Returns the write's token. */
uint64_t ledger_write_over(struct node_core *core, const struct slot *slot, const struct record *before,
			   const struct record *after, const struct disk_put *puts, uint32_t count);

/** A PUSH was answered OLD: keeps its value if it is a client's write that is lost by that. */
void ledger_pushed_late(struct node_core *core, const struct slot *slot, const struct msg_replica *push);

/** The partition's rows are being removed: forgets its entries. */
void ledger_forget(struct node_core *core, uint16_t partition);

/** Removes entries that have ended, a few at a time. */
void ledger_tick(struct node_core *core);

/** A page of the table is read. */
void ledger_loaded(struct node_core *core, const struct disk_row *rows, uint32_t count, bool done);

#endif
