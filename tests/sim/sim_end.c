/* SPDX-License-Identifier: Apache-2.0 */
/* How a run ends: everything is read, the cluster comes to rest, and what it was like is judged and told. */
#include <inttypes.h>

#include "proto/keyhash.h"
#include "replication/partition.h"
#include "replication/record.h"
#include "storage/keyspace.h"
#include "tests/sim/check_ledger.h"
#include "tests/sim/check_settled.h"
#include "tests/sim/sim_inside.h"
#include "tests/sim/value.h"
#include "verify/check_agree.h"
#include "verify/verify.h"

#define SETTLE_MAX_US (10 * USEC_PER_SEC)
#define CLEAN_MAX_US  (60 * USEC_PER_SEC)
#define READ_ROUNDS   3u

/* Of the trace of a small failure. */
#define EXPLAIN_ENTRIES_MAX 400u

bool sim_is_quiet(const struct sim *sim)
{
	if (!workload_is_done(sim) || !admin_is_done(sim))
		return false;
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		if (sim_node_is_member(&sim->nodes[i]) && !sim_node_is_quiet(&sim->nodes[i]))
			return false;
	return true;
}

/* --- what the disks hold --- */

static void copy_read(struct sim *sim, const struct sim_node *n, uint32_t key, const struct keyspace_key *at)
{
	struct replica_copy copy = {.key = key, .node = n->index};
	struct buf name = BUF_INIT, bytes = BUF_INIT;
	keyspace_data_key(&name, at);
	if (store_get(n->store, STORE_DATA, buf_slice(&name), /* cache_only: */ false, &bytes) == KV_OK) {
		struct record rec;
		enum kv_status status = record_decode(buf_slice(&bytes), &rec);
		KV_ASSERT(status == KV_OK);
		copy.ver = (struct stamp){.hi = rec.ver.hlc, .lo = rec.ver.id};
		copy.org = (struct stamp){.hi = rec.org.hlc, .lo = rec.org.id};
		copy.tombstone = rec.tombstone;
		copy.weak = rec.weak;
		copy.expires_ms = rec.expires_ms;
		copy.value_hash = rec.value_hash;
		copy.value = rec.tombstone ? CONTENT_NONE : value_content(&sim->history, rec.value, key);
		if (copy.value == CONTENT_FOREIGN)
			verdict_fail(&sim->verdict, "value", key, "node %u holds bytes that no client wrote",
				     n->index);
	}
	buf_release(&name);
	buf_release(&bytes);
	const struct node_core *core = n->cores[at->partition % sim->options.core_count].core;
	if (stamp_is_none(copy.ver) && core && partitions_are_loaded(core)) {
		struct version drop = partition_at((struct node_core *)core, at->partition)->drop;
		copy.floor = (struct stamp){.hi = drop.hlc, .lo = drop.id};
	}
	replicas_add(&sim->replicas, &copy);
}

/* The machine where this identity lives and has its disk, or NULL. */
static const struct sim_node *node_of(const struct sim *sim, const struct uuid *uuid)
{
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		if (uuid_equal(&sim->nodes[i].uuid, uuid) && !sim->nodes[i].lost)
			return &sim->nodes[i];
	return NULL;
}

/* Reads all replicas' copies of all keys from their disks. */
static void copies_collect(struct sim *sim)
{
	const struct map_desc *map = &sim->maps.newest->desc;
	replicas_release(&sim->replicas);
	for (uint32_t key = 0; key < sim->options.key_count; key++) {
		char text[16];
		struct keyspace_key at = {.key = value_key(key, text)};
		uint64_t hash = key_hash(at.key);
		at.partition = hash_partition(hash, map->partitions);
		at.leaf = hash_leaf(hash, map->partitions);
		for (uint32_t i = 0; i < map->replicas; i++) {
			node_id index = map->rows[(size_t)at.partition * map->replicas + i];
			const struct sim_node *n = node_of(sim, &map->nodes[index].uuid);
			if (n)
				copy_read(sim, n, key, &at);
		}
	}
}

static bool copies_agree(struct sim *sim)
{
	struct verdict v = {0};
	copies_collect(sim);
	return check_agree(&sim->replicas, &v);
}

/* A cluster that changed leaves nothing lying about; after a while all tombstones are purged. */
void sim_settle(struct sim *sim)
{
	struct verdict v = {0};
	for (usec_t us = 0; us < CLEAN_MAX_US && !check_settled(sim, &v) && !sim->verdict.violated;
	     us += USEC_PER_SEC) {
		sim_until(sim, NULL, USEC_PER_SEC);
		v = (struct verdict){0};
	}
	if (!sim->verdict.violated)
		check_settled(sim, &sim->verdict);
}

/* Closing reads repair what they find different; after a few rounds all replicas must agree. */
bool sim_close(struct sim *sim)
{
	for (uint32_t round = 0; round < READ_ROUNDS; round++) {
		workload_read_all(sim);
		if (!sim_until(sim, sim_is_quiet, QUIET_MAX_US))
			return false;
		usec_t us = 0;
		do
			sim_until(sim, NULL, USEC_PER_SEC);
		while ((us += USEC_PER_SEC) < SETTLE_MAX_US && !copies_agree(sim));
		if (sim->work.final_failed == 0 && copies_agree(sim))
			break;
	}
	return true;
}

/* A write that only one replica had to acknowledge is gone with that replica: then nobody promised that it stays. */
static void forgive_lost(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->history.count; i++) {
		struct history_op *op = &sim->history.ops[i];
		if (history_is_write(op) && !history_is_strong(op) && op->acks == HISTORY_ACKS_ONE &&
		    op->outcome == HISTORY_DONE) {
			op->outcome = HISTORY_DOUBT;
			op->version = (struct stamp){0, 0};
		}
	}
}

void sim_judge(struct sim *sim)
{
	uint32_t undecided = 0;
	copies_collect(sim);
	if (sim->lost_count)
		forgive_lost(sim);
	verify_history(&sim->history, &sim->verdict, &undecided);
	verify_replicas(&sim->history, &sim->replicas, &sim->verdict);
	check_ledger(sim, &sim->verdict);
	sim->cover.linear_undecided += undecided;
	if (sim->work.final_failed)
		verdict_fail(&sim->verdict, "liveness", sim->work.final_key, "%u closing reads failed",
			     sim->work.final_failed);
}

static void describe_core(const struct sim_node *n, uint32_t core, struct buf *out)
{
	struct core_stats s;
	sim_node_stats(n, core, &s);
	buf_printf(out, "; node %u core %u: operations %" PRIu64 ", hints %" PRIu64, n->index, core,
		   s.ops_in_flight, s.hints_pending);
}

/* Says which nodes are not quiet, and why. */
void sim_fail_liveness(struct sim *sim, const char *what)
{
	struct buf text = BUF_INIT;
	buf_append_str(&text, workload_is_done(sim) ? "" : "; clients are busy");
	for (uint32_t i = 0; i < sim->options.node_count; i++) {
		const struct sim_node *n = &sim->nodes[i];
		if (!sim_node_is_member(n) || sim_node_is_quiet(n))
			continue;
		if (!sim_node_is_ready(n))
			buf_printf(&text, "; node %u is %s", i, n->up ? "not ready" : "down");
		for (uint32_t core = 0; n->up && core < sim->options.core_count; core++)
			describe_core(n, core, &text);
	}
	if (sim->maps.newest && !admin_is_done(sim))
		buf_printf(&text, "; the cluster is still changing:%s%s%s%s", sim->admin.busy ? " asked" : "",
			   maps_are_settled(&sim->maps) ? "" : " moves are left",
			   maps_dead_left(&sim->maps) ? " a dead node is left" : "",
			   sim_maps_are_known(sim) ? "" : " a node lacks the map");
	verdict_fail(&sim->verdict, "liveness", UINT32_MAX, "%s%s", what, buf_cstr(&text));
	buf_release(&text);
}

/* --- for people --- */

/* What happened while the operations on the key were under way. */
static void explain_decisions(const struct sim *sim, struct buf *out)
{
	usec_t from_us = USEC_NEVER, to_us = 0;
	for (uint32_t i = 0; i < sim->history.count; i++) {
		const struct history_op *op = &sim->history.ops[i];
		if (sim->verdict.key != UINT32_MAX && op->key != sim->verdict.key)
			continue;
		from_us = MIN(from_us, op->invoke_us);
		to_us = MAX(to_us, op->complete == HISTORY_NEVER ? op->invoke_us : op->complete_us);
	}
	buf_append_str(out, "decisions:\n");
	trace_print_between(&sim->trace, from_us, to_us, EXPLAIN_ENTRIES_MAX, out);
	buf_append_str(out, "last events:\n");
	trace_print(&sim->trace, 10, out);
}

void sim_explain(const struct sim *sim, struct buf *out)
{
	const struct verdict *v = &sim->verdict;
	buf_append_str(out, "options: ");
	sim_options_print(&sim->options, out);
	buf_printf(out, "\nviolated: %s", v->check);
	if (v->key != UINT32_MAX)
		buf_printf(out, ", key %u", v->key);
	buf_printf(out, ": %s\n", v->message);
	if (sim->options.membership)
		maps_print(&sim->maps, out);
	if (sim->options.membership && sim->maps.newest)
		maps_print_moves(sim, out);
	if (sim->admin.said[0])
		buf_printf(out, "the operator was last told: %s\n", sim->admin.said);
	if (v->key != UINT32_MAX) {
		buf_append_str(out, "history of the key:\n");
		history_print(&sim->history, v->key, out);
	}
	for (uint32_t i = 0; i < sim->replicas.count; i++) {
		const struct replica_copy *c = &sim->replicas.copies[i];
		if (c->key == v->key)
			buf_printf(out,
				   "  copy: node %u value %" PRIu64 "%s%s ver %" PRIx64 ".%" PRIx64 " org %" PRIx64
				   ".%" PRIx64 " expires_ms %" PRIu64 "\n",
				   c->node, c->value, c->tombstone ? " tombstone" : "", c->weak ? " weak" : "",
				   c->ver.hi, c->ver.lo, c->org.hi, c->org.lo, c->expires_ms);
	}
	if (sim->trace.keeps_all) {
		explain_decisions(sim, out);
		return;
	}
	buf_append_str(out, "last events:\n");
	trace_print(&sim->trace, 40, out);
}
