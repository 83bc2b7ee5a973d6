/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page of the conflict ledger of one partition, as this node has it; of one key, or of keys with one beginning, if
 * the request names it. op->value keeps that beginning, if any.
 *
 * The cursor is the last row looked at: leaf u16, bucket u32 (little-endian), key and version as in ledger_row.h.
 */
#include "base/bytes.h"
#include "proto/keyhash.h"
#include "replication/ledger_row.h"
#include "replication/op_trace.h"

enum { CURSOR_PREFIX_SIZE = 6 };
_Static_assert(CURSOR_PREFIX_SIZE + KEY_SIZE_MAX + LEDGER_KEY_SUFFIX_SIZE <= CURSOR_SIZE_MAX,
	       "a cursor holds a row's key");

static bool parse_cursor(struct slice cursor, uint16_t partition, struct disk_scan *scan)
{
	struct reader in = reader_of(cursor);
	scan->after = (struct disk_key){.table = DISK_LEDGER, .partition = partition};
	scan->after.leaf = reader_le16(&in);
	scan->after.bucket = reader_le32(&in);
	scan->after.key = in.rest;
	scan->has_after = true;
	return !in.failed && in.rest.size > LEDGER_KEY_SUFFIX_SIZE &&
	       in.rest.size <= KEY_SIZE_MAX + LEDGER_KEY_SUFFIX_SIZE;
}

static uint16_t leaf_of(const struct node_core *core, const struct op *op)
{
	return hash_leaf(key_hash(blob_slice(op->key)), core->map->desc.partitions);
}

/** The rows of a key begin behind the key itself. Between them may be rows of keys that it is the beginning of. */
static void begin_at_key(const struct node_core *core, const struct op *op, struct disk_scan *scan)
{
	scan->has_after = true;
	scan->after = (struct disk_key){.table = DISK_LEDGER,
					.partition = op->partition,
					.leaf = leaf_of(core, op),
					.bucket = op->bucket,
					.key = blob_slice(op->key)};
}

void op_ledger_start(struct node_core *core, struct op *op, const struct msg *m)
{
	const struct msg_request *r = &m->request;
	op->phase = PHASE_SCANNING;
	op_trace_phase(core, op);
	struct disk_scan scan = {.table = DISK_LEDGER,
				 .partition = op->partition,
				 .rows_max = r->limit ? MIN(r->limit, SCAN_ITEMS_MAX) : SCAN_ITEMS_MAX,
				 .bytes_max = SCAN_SIZE_MAX};
	actions_hold(core->out, op->key);
	if (op->key->size > 0)
		begin_at_key(core, op, &scan);
	if (r->cursor.size > 0 && !parse_cursor(r->cursor, op->partition, &scan)) {
		op_fail(core, op, KV_INVALID, false, "the cursor is not one that this partition's ledger gave");
		op_free(core, op);
		return;
	}
	if (r->prefix.size > 0) {
		op->value = blob_new(r->prefix);
		KV_ASSERT(op->value);
	}
	core_scan(core, WAIT_LEDGER_PAGE, op, &scan);
	/* No timer: the page ends the operation, late or not, because the disk answers in any case. */
}

static struct slice make_cursor(struct node_core *core, const struct disk_key *key)
{
	uint8_t *bytes = actions_alloc(core->out, CURSOR_PREFIX_SIZE + key->key.size);
	store_le16(bytes, key->leaf);
	store_le32(bytes + 2, key->bucket);
	memcpy(bytes + CURSOR_PREFIX_SIZE, key->key.data, key->key.size);
	return slice_of(bytes, CURSOR_PREFIX_SIZE + key->key.size);
}

/** True if no row from this one on is of the key asked for. */
static bool is_behind_key(const struct node_core *core, const struct op *op, const struct disk_key *row)
{
	struct slice key = blob_slice(op->key);
	if (key.size == 0)
		return false;
	return row->leaf != leaf_of(core, op) || row->bucket != op->bucket || row->key.size < key.size ||
	       memcmp(row->key.data, key.data, key.size) != 0;
}

static bool is_wanted(const struct op *op, uint32_t bucket, struct slice key)
{
	struct slice begin = op->value ? blob_slice(op->value) : slice_of(NULL, 0);
	bool begins = begin.size == 0 || (key.size >= begin.size && memcmp(key.data, begin.data, begin.size) == 0);
	return bucket == op->bucket && begins && (op->key->size == 0 || slice_equal(key, blob_slice(op->key)));
}

/** Adds the entry if it is asked for and has not ended; false if its bytes are damaged. */
static bool add_item(struct node_core *core, const struct op *op, const struct disk_row *in,
		     struct scan_item *items, uint32_t *count)
{
	struct ledger_row row;
	struct slice key;
	struct version loser;
	if (!ledger_key_decode(in->key.key, &key, &loser) || ledger_row_decode(in->value, &row) != KV_OK)
		return false;
	if (!is_wanted(op, in->key.bucket, key) || row.ends_ms <= hlc_ms(core_clock(core)))
		return true;
	items[(*count)++] = (struct scan_item){
		.key = actions_copy_slice(core->out, key),
		.value = actions_copy_slice(core->out, row.value),
		.ver = loser,
		.org = row.winner,
		.expires_ms = row.ends_ms,
		.value_hash = row.value_hash,
		.tombstone = row.tombstone,
		.cause = row.cause,
	};
	return true;
}

void op_ledger_done(struct node_core *core, struct op *op, const struct disk_row *rows, uint32_t count, bool done)
{
	struct msg *m = op_result(core, op, KV_OK);
	struct scan_item *items = actions_alloc(core->out, MAX(count, 1u) * sizeof *items);
	uint32_t item_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (is_behind_key(core, op, &rows[i].key)) {
			done = true;
			break;
		}
		if (add_item(core, op, &rows[i], items, &item_count))
			continue;
		core_stop(core, KV_CORRUPT, "a stored ledger entry does not match its checksum; replace this node");
		m->result.status = KV_CORRUPT;
		break;
	}
	m->result.items = items;
	m->result.item_count = m->result.status == KV_OK ? item_count : 0;
	if (!done && count > 0 && m->result.status == KV_OK)
		m->result.cursor = make_cursor(core, &rows[count - 1].key);
	op_answer(core, op, m);
	op_free(core, op);
}

static void ledger_on_timer(struct node_core *core, struct op *op) { KV_UNREACHABLE("a page sets no timer"); }

const struct op_class op_ledger_class = {.answer = NULL, .timer = ledger_on_timer};
