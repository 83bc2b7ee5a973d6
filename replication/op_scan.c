/* SPDX-License-Identifier: Apache-2.0 */
/* One page of one partition as this node has it: no quorum, no order but the disk's. */
#include "replication/op_trace.h"
#include "replication/page.h"

/** What the page needs of the request; lives in op->value. */
struct scan_request {
	bool raw;
	uint32_t limit;
	uint32_t prefix_size;
	uint8_t prefix[];
};

static void keep_request(struct op *op, const struct msg_request *r)
{
	uint32_t limit = r->limit ? MIN(r->limit, SCAN_ITEMS_MAX) : SCAN_ITEMS_MAX;
	op->value = blob_new_uninit(sizeof(struct scan_request) + r->prefix.size);
	KV_ASSERT(op->value);
	struct scan_request *kept = (struct scan_request *)(void *)op->value->data;
	*kept = (struct scan_request){.raw = r->raw, .limit = limit, .prefix_size = (uint32_t)r->prefix.size};
	if (r->prefix.size > 0)
		memcpy(kept->prefix, r->prefix.data, r->prefix.size);
}

void op_scan_start(struct node_core *core, struct op *op, const struct msg *m)
{
	const struct msg_request *r = &m->request;
	op->phase = PHASE_SCANNING;
	op_trace_phase(core, op);
	struct disk_scan scan = {.table = DISK_DATA, .partition = op->partition, .bytes_max = SCAN_SIZE_MAX};
	if (!page_seek(r->cursor, &scan)) {
		op_fail(core, op, KV_INVALID, false, "the cursor is not one that a scan of this partition gave");
		op_free(core, op);
		return;
	}
	keep_request(op, r);
	scan.rows_max = ((struct scan_request *)(void *)op->value->data)->limit;
	core_scan(core, WAIT_SCAN, op, &scan);
	/* No timer: the page ends the operation, late or not, because the disk answers in any case. */
}

static bool is_wanted(const struct op *op, const struct scan_request *want, const struct disk_row *row)
{
	return row->key.bucket == op->bucket && row->key.key.size >= want->prefix_size &&
	       memcmp(row->key.key.data, want->prefix, want->prefix_size) == 0;
}

/** Adds the row if a reader wants to see it; false if its bytes are damaged. */
static bool add_item(struct node_core *core, const struct op *op, const struct disk_row *row,
		     struct scan_item *items, uint32_t *count)
{
	const struct scan_request *want = (const struct scan_request *)(const void *)op->value->data;
	if (!is_wanted(op, want, row))
		return true;
	struct record rec;
	struct slice bytes = actions_copy_slice(core->out, row->value); /* aligned */
	if (!bytes.data || record_decode(bytes, &rec) != KV_OK)
		return false;
	if (!want->raw && record_hidden(&rec, core_clock(core)))
		return true;
	items[(*count)++] = (struct scan_item){
		.key = actions_copy_slice(core->out, row->key.key),
		.value = rec.value,
		.ver = rec.ver,
		.org = rec.org,
		.expires_ms = rec.expires_ms,
		.value_hash = rec.value_hash,
		.tombstone = rec.tombstone,
		.weak = rec.weak,
		.strong = rec.strong,
	};
	return true;
}

void op_scan_done(struct node_core *core, struct op *op, const struct disk_row *rows, uint32_t count, bool done)
{
	struct msg *m = op_result(core, op, KV_OK);
	struct scan_item *items = actions_alloc(core->out, MAX(count, 1u) * sizeof *items);
	uint32_t item_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (add_item(core, op, &rows[i], items, &item_count))
			continue;
		core_stop(core, KV_CORRUPT, "a stored record does not match its checksum; replace this node");
		m->result.status = KV_CORRUPT;
		break;
	}
	m->result.items = items;
	m->result.item_count = m->result.status == KV_OK ? item_count : 0;
	if (!done && count > 0)
		m->result.cursor = page_cursor(core->out, &rows[count - 1].key);
	op_answer(core, op, m);
	op_free(core, op);
}

static void scan_on_timer(struct node_core *core, struct op *op) { KV_UNREACHABLE("a scan sets no timer"); }

const struct op_class op_scan_class = {.answer = NULL, .timer = scan_on_timer};
