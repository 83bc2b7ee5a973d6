/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check_ledger.h"

#include "replication/ledger_row.h"
#include "storage/keyspace.h"
#include "storage/store_mem.h"
#include "tests/sim/disk.h"
#include "tests/sim/sim.h"
#include "tests/sim/value.h"

/** One node's ledger under examination. */
struct ledger_check {
	struct sim *sim;
	struct verdict *v;
	uint16_t node;
	uint32_t count, live; /* entries, and those that have not ended */
	uint64_t bytes;
};

static bool find_key(const struct sim *sim, struct slice key, uint32_t *ret)
{
	char text[16];
	for (uint32_t i = 0; i < sim->options.key_count; i++) {
		if (slice_equal(key, value_key(i, text))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/** True if OP may have left what the entry holds. */
static bool may_have_written(const struct history_op *op, uint32_t key, struct stamp loser, uint64_t value)
{
	enum history_kind kind = value == CONTENT_NONE ? HISTORY_DELETE : HISTORY_PUT;
	bool is_it = op->key == key && op->kind == kind && op->value == value && !history_is_strong(op);
	bool never = op->outcome == HISTORY_REFUSED || op->outcome == HISTORY_FAILED;
	bool answered = op->outcome == HISTORY_DONE && !stamp_is_none(op->version);
	return is_it && !never && (!answered || stamp_equal(op->version, loser));
}

static bool was_written(const struct history *h, uint32_t key, struct stamp loser, uint64_t value)
{
	for (uint32_t i = 0; i < h->count; i++) {
		if (may_have_written(&h->ops[i], key, loser, value))
			return true;
	}
	return false;
}

static bool entry_holds(struct ledger_check *c, uint32_t key, struct stamp loser, const struct ledger_row *row)
{
	struct history *h = &c->sim->history;
	struct stamp winner = {.hi = row->winner.hlc, .lo = row->winner.id};
	if (row->cause < LEDGER_LATE || row->cause > LEDGER_STRONG)
		return verdict_fail(c->v, "ledger", key, "node %u: an entry with cause %u", c->node, row->cause);
	if (stamp_is_none(loser) || stamp_equal(loser, winner))
		return verdict_fail(c->v, "ledger", key, "node %u: a value that lost to itself", c->node);
	if (!row->tombstone && !row->has_value)
		return true; /* too large to be kept */
	uint64_t value = row->tombstone ? CONTENT_NONE : value_content(h, row->value, key);
	if (was_written(h, key, loser, value))
		return true;
	return verdict_fail(c->v, "ledger", key, "node %u: value %llu, version %llx.%llx, is of no eventual write",
			    c->node, (unsigned long long)value, (unsigned long long)loser.hi,
			    (unsigned long long)loser.lo);
}

static bool check_row(void *arg, struct slice name, struct slice bytes)
{
	struct ledger_check *c = arg;
	struct keyspace_key at;
	struct ledger_row row;
	struct slice key;
	struct version ver;
	uint32_t number;
	c->count++;
	c->bytes += name.size - DATA_KEY_PREFIX_SIZE + bytes.size;
	bool read = keyspace_data_parse(name, &at) && ledger_key_decode(at.key, &key, &ver) &&
		    ledger_row_decode(bytes, &row) == KV_OK && find_key(c->sim, key, &number);
	if (!read)
		return verdict_fail(c->v, "ledger", UINT32_MAX, "node %u: an entry that cannot be read", c->node);
	const struct sim_node *n = &c->sim->nodes[c->node];
	const struct node_core *core = n->cores[at.partition % c->sim->options.core_count].core;
	c->live += core && row.ends_ms > hlc_ms(node_core_clock(core, sim_node_now(n).wall_us));
	return entry_holds(c, number, (struct stamp){.hi = ver.hlc, .lo = ver.id}, &row);
}

/* --- listing: the run is over, so a core may be asked and its disk answer on the spot --- */

static const struct action *find_action(const struct actions *a, enum action_kind kind)
{
	for (size_t i = a->count; i > 0; i--) {
		if (a->items[i - 1].kind == kind)
			return &a->items[i - 1];
	}
	return NULL;
}

/** One page behind *CURSOR, which it moves on; returns the number of entries. */
static uint32_t list_page(struct sim_node *n, struct node_core *core, uint16_t partition, struct buf *cursor)
{
	struct moment now = sim_node_now(n);
	struct actions out;
	actions_init(&out);
	struct msg ask = {.opcode = OP_LEDGER, .id = 1};
	ask.request = (struct msg_request){.partition = partition, .limit = 7, .cursor = buf_slice(cursor)};
	struct node_event event = {
		.kind = EV_REQUEST, .now = now, .request = {.msg = &ask, .arrived_us = now.mono_us}};
	node_core_step(core, &event, &out);
	const struct action *scan = find_action(&out, ACT_SCAN);
	KV_ASSERT(scan && scan->scan.scan.table == DISK_LEDGER);
	struct disk_work *work = disk_work_scan(&scan->scan.scan);
	disk_work_carry_out(work, n->store);
	struct disk_row *rows = xcalloc(work->count + 1, sizeof rows[0]);
	disk_work_rows(work, rows);
	event = (struct node_event){
		.kind = EV_SCAN_DONE, .now = now, .scan = {scan->scan.token, work->count, rows, work->complete}};
	node_core_step(core, &event, &out);
	const struct action *reply = find_action(&out, ACT_REPLY);
	KV_ASSERT(reply && reply->reply.msg->result.status == KV_OK);
	uint32_t count = reply->reply.msg->result.item_count;
	struct buf next = BUF_INIT;
	buf_append_slice(&next, reply->reply.msg->result.cursor);
	actions_release(&out);
	buf_release(cursor);
	*cursor = next;
	free(rows);
	disk_work_free(work);
	return count;
}

static uint32_t list_node(struct sim *sim, struct sim_node *n)
{
	uint32_t count = 0;
	for (uint32_t p = 0; p < sim->options.partitions; p++) {
		struct node_core *core = n->cores[p % sim->options.core_count].core;
		struct buf cursor = BUF_INIT;
		do
			count += list_page(n, core, (uint16_t)p, &cursor);
		while (cursor.size > 0);
		buf_release(&cursor);
	}
	return count;
}

bool check_ledger(struct sim *sim, struct verdict *v)
{
	for (uint32_t i = 0; i < sim->options.node_count; i++) {
		if (!sim_node_is_member(&sim->nodes[i]))
			continue; /* its disk may be damaged, or gone */
		struct ledger_check c = {.sim = sim, .v = v, .node = (uint16_t)i};
		store_mem_foreach(sim->nodes[i].store, STORE_LEDGER, check_row, &c);
		uint32_t cores = sim->options.core_count;
		if (c.count > LEDGER_ENTRIES_MAX * cores || c.bytes > (uint64_t)LEDGER_BYTES_MAX * cores)
			verdict_fail(v, "ledger", UINT32_MAX, "node %u keeps %u entries", i, c.count);
		uint32_t listed = sim->nodes[i].up && !v->violated ? list_node(sim, &sim->nodes[i]) : c.live;
		if (listed != c.live)
			verdict_fail(v, "ledger", UINT32_MAX, "node %u lists %u entries of %u", i, listed, c.live);
		sim->cover.ledger_rows += c.count;
		if (v->violated)
			return false;
	}
	return true;
}
