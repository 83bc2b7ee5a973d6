/* SPDX-License-Identifier: Apache-2.0 */
/* move ls; repair status, repair run. */
#include <poll.h>

#include "base/clock.h"
#include "cli/change.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/repair_sum.h"
#include "cli/text.h"

enum { POLL_MS = 500 };

static const char *stage_word(enum kv_move_stage stage)
{
	switch (stage) {
	case KV_MOVE_WAITING:
		return "waiting";
	case KV_MOVE_OPENING:
		return "opening";
	case KV_MOVE_COPYING:
		return "copying";
	case KV_MOVE_CHECKING:
		return "checking";
	case KV_MOVE_DONE:
		return "done";
	}
	return "unknown"; /* of a newer node */
}

static void set_names(json_t *row, const char *field, const uint16_t *indexes, uint32_t index_count,
		      const struct kv_node *nodes, size_t count)
{
	CLEANUP(buf_release) struct buf list = BUF_INIT;
	for (uint32_t i = 0; i < index_count; i++)
		buf_printf(&list, "%s%s", i ? "," : "", change_node_name(nodes, count, indexes[i]));
	json_set_text(row, field, buf_cstr(&list));
}

/** What people read of the figures. */
static void set_words(json_t *row, const struct kv_move *m)
{
	CLEANUP(buf_release) struct buf done = BUF_INIT, rate = BUF_INIT, left = BUF_INIT;
	if (m->bytes > 0)
		buf_printf(&done, "%llu%%", (unsigned long long)(MIN(m->bytes_done, m->bytes) * 100 / m->bytes));
	text_append_size(&rate, m->bytes_per_sec);
	buf_append_str(&rate, "/s");
	if (m->bytes > m->bytes_done && m->bytes_per_sec > 0)
		text_append_us(&left, (m->bytes - m->bytes_done) * USEC_PER_SEC / m->bytes_per_sec);
	json_set_text(row, "done", done.size ? buf_cstr(&done) : "-");
	json_set_text(row, "rate", buf_cstr(&rate));
	json_set_text(row, "left", left.size ? buf_cstr(&left) : "-");
}

static json_t *move_row(const struct kv_move *m, const struct kv_node *nodes, size_t count)
{
	json_t *row = json_object();
	json_set_number(row, "partition", m->partition);
	set_names(row, "from", m->old_nodes, m->old_count, nodes, count);
	set_names(row, "to", m->new_nodes, m->new_count, nodes, count);
	json_set_text(row, "node", change_node_name(nodes, count, m->node));
	json_set_text(row, "stage", stage_word(m->stage));
	set_words(row, m);
	json_set_number(row, "keys", m->keys);
	json_set_number(row, "keys_done", m->keys_done);
	json_set_number(row, "bytes", m->bytes);
	json_set_number(row, "bytes_done", m->bytes_done);
	json_set_number(row, "bytes_per_sec", m->bytes_per_sec);
	if (m->source != KV_NODE_NONE)
		json_set_text(row, "source", change_node_name(nodes, count, m->source));
	json_set_number(row, "retries", m->retries);
	json_set_number(row, "age_ms", m->age_ms);
	if (m->message[0])
		json_set_text(row, "error", m->message);
	return row;
}

static void show_moves(struct ctl *ctl, const struct kv_moves *list, const struct kv_node *nodes, size_t count)
{
	static const struct output_column columns[] = {{"PARTITION", "partition", COLUMN_RIGHT | COLUMN_RAW},
						       {"FROM", "from", COLUMN_RAW},
						       {"TO", "to", COLUMN_RAW},
						       {"NEW", "node", COLUMN_RAW},
						       {"STAGE", "stage", COLUMN_RAW},
						       {"DONE", "done", COLUMN_RIGHT},
						       {"RATE", "rate", COLUMN_RIGHT},
						       {"LEFT", "left", COLUMN_RIGHT},
						       {"SOURCE", "source", 0},
						       {"RETRIES", "retries", COLUMN_RIGHT},
						       {"ERROR", "error", 0}};
	if (ctl->args.output == OUTPUT_JSON) {
		json_t *row = json_object(), *moves = json_array();
		json_set_number(row, "map_epoch", list->epoch);
		json_set_number(row, "waiting", list->waiting);
		json_set_bool(row, "paused", list->paused);
		for (size_t i = 0; i < list->count; i++)
			json_array_append_new(moves, move_row(&list->moves[i], nodes, count));
		json_set(row, "moves", moves);
		output_one(OUTPUT_JSON, NULL, 0, row);
		return;
	}
	struct output out;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < list->count; i++)
		output_add(&out, move_row(&list->moves[i], nodes, count));
	output_end(&out);
	if (list->waiting > 0)
		ctl_say(ctl, "%u more partitions wait", list->waiting);
	if (list->paused)
		ctl_say(ctl, "moves are paused; kvctl cluster resume lets them go on");
}

int cmd_move_ls(struct ctl *ctl)
{
	struct kv_moves *list;
	struct kv_node *nodes;
	size_t count;
	struct kv_error err;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (kv_moves_get(ctl->client, NULL, ctl_timeout_ms(ctl), &list, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	if (kv_nodes(ctl->client, &nodes, &count, &err) != KV_OK) {
		kv_moves_free(list);
		return ctl_fail(ctl, NULL, &err);
	}
	show_moves(ctl, list, nodes, count);
	kv_nodes_free(nodes);
	kv_moves_free(list);
	return 0;
}

/* ---- Repair ------------------------------------------------------------------------------------------------------- */

static void set_age(json_t *row, const char *field, const char *words, uint64_t age_ms)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	if (age_ms == KV_AGE_NEVER) {
		json_set(row, field, json_null());
		json_set_text(row, words, "never");
		return;
	}
	text_append_us(&text, age_ms * USEC_PER_MSEC);
	json_set_number(row, field, age_ms);
	json_set_text(row, words, buf_cstr(&text));
}

static json_t *repair_row(const struct kv_node *node, const struct repair_sum *s, const struct kv_node *nodes,
			  size_t count)
{
	json_t *row = json_object();
	json_set_text(row, "name", node->name);
	json_set_number(row, "partitions", s->sum.partitions);
	json_set_number(row, "building", s->sum.building);
	set_age(row, "oldest_ms", "oldest", s->sum.oldest_ms);
	if (s->has_pair) {
		json_set_number(row, "oldest_partition", s->oldest.partition);
		json_set_text(row, "oldest_peer", change_node_name(nodes, count, s->oldest.peer));
	}
	json_set_number(row, "exchanges", s->sum.exchanges);
	json_set_number(row, "differing", s->sum.differing);
	json_set_number(row, "repaired", s->sum.repaired);
	json_set_number(row, "scrubbed", s->sum.scrubbed);
	json_set_number(row, "corrupt", s->sum.corrupt);
	json_set_number(row, "tombstones", s->sum.tombstones);
	set_age(row, "purge_age_ms", "purged", s->sum.purge_age_ms);
	json_set_number(row, "purge_blocked", s->sum.purge_blocked);
	if (s->sum.purge_blocked_by != KV_NODE_NONE)
		json_set_text(row, "purge_blocked_by", change_node_name(nodes, count, s->sum.purge_blocked_by));
	return row;
}

/** Nodes that hold data, or are to. */
static bool holds_data(const struct kv_node *node)
{
	return node->state != KV_NODE_REMOVED && node->state != KV_NODE_STAGED;
}

static int show_repair(struct ctl *ctl, const struct kv_node *nodes, size_t count)
{
	static const struct output_column columns[] = {{"NODE", "name", COLUMN_RAW},
						       {"PARTITIONS", "partitions", COLUMN_RIGHT},
						       {"OLDEST", "oldest", COLUMN_RIGHT | COLUMN_RAW},
						       {"WITH", "oldest_peer", 0},
						       {"COMPARED", "exchanges", COLUMN_RIGHT},
						       {"DIFFERED", "differing", COLUMN_RIGHT},
						       {"REPAIRED", "repaired", COLUMN_RIGHT | COLUMN_RAW},
						       {"SCRUBBED", "scrubbed", COLUMN_RIGHT},
						       {"CORRUPT", "corrupt", COLUMN_RIGHT | COLUMN_RAW},
						       {"DELETIONS", "tombstones", COLUMN_RIGHT},
						       {"PURGED", "purged", COLUMN_RIGHT},
						       {"BLOCKED", "purge_blocked", COLUMN_RIGHT},
						       {"BY", "purge_blocked_by", 0}};
	struct output out;
	int code = 0;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < count; i++) {
		struct repair_sum sum;
		struct kv_error err;
		if (!holds_data(&nodes[i]))
			continue;
		if (repair_ask_node(ctl, &nodes[i], KV_REPAIR_ASK, &sum, &err) == KV_OK)
			output_add(&out, repair_row(&nodes[i], &sum, nodes, count));
		else
			code = ctl_worse(code, ctl_fail(ctl, nodes[i].name, &err));
	}
	output_end(&out);
	return code;
}

int cmd_repair_status(struct ctl *ctl)
{
	struct kv_node *nodes;
	size_t count;
	struct kv_error err;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (kv_nodes(ctl->client, &nodes, &count, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	int code = show_repair(ctl, nodes, count);
	kv_nodes_free(nodes);
	return code;
}

static size_t count_holders(const struct kv_node *nodes, size_t count)
{
	size_t holders = 0;
	for (size_t i = 0; i < count; i++)
		holders += holds_data(&nodes[i]);
	return holders;
}

/** How many nodes have compared everything since BEGAN_US. */
static size_t count_equal(struct ctl *ctl, const struct kv_node *nodes, size_t count, usec_t began_us)
{
	size_t equal = 0;
	for (size_t i = 0; i < count; i++) {
		struct repair_sum sum;
		uint64_t since_ms = (clock_mono_us() - began_us) / USEC_PER_MSEC;
		if (holds_data(&nodes[i]) && repair_ask_node(ctl, &nodes[i], KV_REPAIR_ASK, &sum, NULL) == KV_OK &&
		    sum.sum.building == 0 && sum.sum.oldest_ms <= since_ms)
			equal++;
	}
	return equal;
}

static int wait_equal(struct ctl *ctl, const struct kv_node *nodes, size_t count, usec_t began_us)
{
	size_t last = SIZE_MAX, holders = count_holders(nodes, count);
	interrupt_defer();
	for (;; poll(NULL, 0, POLL_MS)) {
		if (interrupt_pending()) {
			ctl_say(ctl, "the comparing goes on; kvctl repair status tells how far it is");
			return INTERRUPT_EXIT_CODE;
		}
		size_t equal = count_equal(ctl, nodes, count, began_us);
		if (equal != last)
			ctl_say(ctl, "%zu of %zu nodes have compared everything and found it equal", equal,
				holders);
		last = equal;
		if (equal == holders)
			return 0;
	}
}

int cmd_repair_run(struct ctl *ctl)
{
	struct kv_node *nodes;
	size_t count;
	struct kv_error err;
	int code = 0;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (kv_nodes(ctl->client, &nodes, &count, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	usec_t began_us = clock_mono_us();
	for (size_t i = 0; i < count; i++) {
		struct repair_sum sum;
		enum kv_repair_what what = ctl->args.scrub ? KV_REPAIR_SCRUB : KV_REPAIR_RUN;
		if (holds_data(&nodes[i]) && repair_ask_node(ctl, &nodes[i], what, &sum, &err) != KV_OK)
			code = ctl_worse(code, ctl_fail(ctl, nodes[i].name, &err));
	}
	if (code == 0 && ctl->args.wait)
		code = wait_equal(ctl, nodes, count, began_us);
	else if (code == 0)
		ctl_say(ctl, "all nodes compare their partitions now; kvctl repair status tells how far they are");
	kv_nodes_free(nodes);
	return code;
}
