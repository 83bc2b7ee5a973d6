/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_report.h"

#include <inttypes.h>

#include "cli/json.h"
#include "cli/output.h"
#include "cli/verify_example.h"
#include "verify/shorten.h"

/* In the order in which they judge. */
static const char *const history_checks[] = {"honest", "once",    "gone",    "version",
					     "fence",  "session", "bounded", "linear"};
static const char *const copy_checks[] = {"durable", "agree"};

static const char *const kind_names[] = {"get", "put", "delete", "add", "append", "outcome"};
static const char *const level_names[] = {"eventual", "session", "bounded", "strong"};
static const char *const outcome_names[] = {"open", "done", "absent", "in_doubt", "refused", "failed"};

enum {
	KINDS = ARRAY_SIZE(kind_names),
	LEVELS = ARRAY_SIZE(level_names),
	OUTCOMES = ARRAY_SIZE(outcome_names),
};

struct figures {
	uint64_t counts[KINDS][LEVELS][OUTCOMES];
	uint64_t all[OUTCOMES];
	uint64_t operations, retried;
};

void verify_result_release(struct verify_result *r)
{
	shorten_release(&r->shortest);
	replicas_release(&r->copies);
	buf_release(&r->no_copies);
}

static void count(const struct verify_load *l, struct figures *ret)
{
	*ret = (struct figures){0};
	for (uint32_t i = 0; i < l->history.count; i++) {
		const struct history_op *op = &l->history.ops[i];
		if (op->client >= l->client_count)
			continue; /* a closing read */
		ret->counts[op->kind][op->level][op->outcome]++;
		ret->all[op->outcome]++;
		ret->operations++;
		ret->retried += op->attempts > 1;
	}
}

static json_t *figures_json(const struct figures *f)
{
	json_t *rows = json_array();
	for (int kind = 0; kind < KINDS; kind++) {
		for (int level = LEVELS - 1; level >= 0; level--) {
			const uint64_t *counts = f->counts[kind][level];
			uint64_t sum = 0;
			for (int i = 0; i < OUTCOMES; i++)
				sum += counts[i];
			if (sum == 0)
				continue;
			json_t *row = json_object();
			json_set_text(row, "operation", kind_names[kind]);
			json_set_text(row, "level", level_names[level]);
			json_set_number(row, "count", sum);
			for (int i = HISTORY_DONE; i < OUTCOMES; i++)
				json_set_number(row, outcome_names[i], counts[i]);
			json_array_append_new(rows, row);
		}
	}
	return rows;
}

static json_t *checks_json(const struct verify_result *r)
{
	json_t *names = json_array();
	for (size_t i = 0; r->judged && i < ARRAY_SIZE(history_checks); i++)
		json_array_append_new(names, json_string(history_checks[i]));
	for (size_t i = 0; r->copies_judged && i < ARRAY_SIZE(copy_checks); i++)
		json_array_append_new(names, json_string(copy_checks[i]));
	return names;
}

static const char *verdict_name(const struct verify_result *r)
{
	return r->verdict.violated ? "fail" : r->judged ? "pass" : "none";
}

static struct verify_example example_of(const struct verify_result *r, const struct kv_node *nodes,
					size_t node_count)
{
	struct verify_example x = {.history = &r->shortest,
				   .verdict = &r->verdict,
				   .copies = r->copies.count ? &r->copies : NULL,
				   .nodes = nodes,
				   .node_count = node_count};
	verify_example_init(&x);
	return x;
}

static void set_failure(json_t *row, const struct verify_load *l, const struct verify_result *r,
			const struct kv_node *nodes, size_t node_count)
{
	json_t *failure = json_object();
	json_set_text(failure, "check", r->verdict.check);
	json_set_text(failure, "message", r->verdict.message);
	if (r->verdict.key < l->plan.key_count) {
		char key[VERIFY_KEY_TEXT];
		verify_plan_key(&l->plan, r->verdict.key, key);
		json_set_text(failure, "key", key);
		json_set_number(failure, "key_operations", r->key_ops);
		struct verify_example x = example_of(r, nodes, node_count);
		json_set(failure, "counter_example", verify_example_json(&x));
		verify_example_release(&x);
	}
	json_set(row, "failure", failure);
}

static json_t *report_json(const struct verify_load *l, const struct verify_result *r, const struct figures *f,
			   const struct kv_node *nodes, size_t node_count)
{
	double seconds = (double)r->took_us / (double)USEC_PER_SEC;
	json_t *row = json_object();
	json_set_text(row, "verdict", verdict_name(r));
	json_set_number(row, "seed", r->seed);
	json_set_number(row, "bucket", l->bucket);
	json_set(row, "seconds", json_real(seconds));
	json_set_number(row, "clients", l->client_count);
	json_set_number(row, "keys", l->plan.key_count);
	json_set_number(row, "keys_at_a_time", l->plan.busy_count);
	json_set_number(row, "operations_count", f->operations);
	json_set(row, "per_second", json_real(seconds > 0 ? (double)f->operations / seconds : 0));
	for (int i = HISTORY_DONE; i < OUTCOMES; i++)
		json_set_number(row, outcome_names[i], f->all[i]);
	json_set_number(row, "sent_again", f->retried);
	json_set(row, "operations", figures_json(f));
	json_set(row, "checks", checks_json(r));
	json_set_number(row, "undecided_keys", r->undecided);
	json_set_bool(row, "copies_checked", r->copies_judged);
	json_set_bool(row, "cleaned", r->cleaned);
	if (r->verdict.violated)
		set_failure(row, l, r, nodes, node_count);
	return row;
}

/* --- words --- */

static void show_failure(const struct verify_load *l, const struct verify_result *r, const struct kv_node *nodes,
			 size_t node_count, struct buf *out)
{
	if (r->verdict.key >= l->plan.key_count) {
		buf_printf(out, "FAIL  %s: %s\n\n", r->verdict.check, r->verdict.message);
		return;
	}
	char key[VERIFY_KEY_TEXT];
	verify_plan_key(&l->plan, r->verdict.key, key);
	struct verify_example x = example_of(r, nodes, node_count);
	buf_printf(out, "FAIL  %s: ", r->verdict.check);
	verify_example_message(&x, out);
	buf_printf(out,
		   "\n\nKey %s, %" PRIu32 " of %" PRIu32
		   " operations; milliseconds, and versions numbered from the oldest:\n",
		   key, x.shown_count, r->key_ops);
	verify_example_text(&x, out);
	buf_append_u8(out, '\n');
	verify_example_release(&x);
}

static void show_table(json_t *operations)
{
	static const struct output_column columns[] = {
		{"OPERATION", "operation", 0},        {"LEVEL", "level", 0},
		{"COUNT", "count", COLUMN_RIGHT},     {"DONE", "done", COLUMN_RIGHT},
		{"ABSENT", "absent", COLUMN_RIGHT},   {"FAILED", "failed", COLUMN_RIGHT},
		{"REFUSED", "refused", COLUMN_RIGHT}, {"IN_DOUBT", "in_doubt", COLUMN_RIGHT},
	};
	struct output out;
	output_begin(&out, OUTPUT_TABLE, columns, ARRAY_SIZE(columns));
	size_t index;
	json_t *row;
	json_array_foreach(operations, index, row) output_add(&out, json_incref(row));
	output_end(&out);
}

static void show_checks(json_t *checks, struct buf *out)
{
	size_t index;
	json_t *name;
	buf_append_str(out, "Checked:");
	json_array_foreach(checks, index, name) buf_printf(out, "%s %s", index ? "," : "", json_string_value(name));
	buf_append_str(out, "\n");
}

static void show(const struct verify_load *l, const struct verify_result *r, const struct figures *f, json_t *row,
		 const struct kv_node *nodes, size_t node_count)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	double seconds = (double)r->took_us / (double)USEC_PER_SEC;
	if (r->verdict.violated)
		show_failure(l, r, nodes, node_count, &text);
	else
		buf_printf(&text, "%s  ", r->judged ? "PASS" : "----");
	buf_printf(&text,
		   "%" PRIu64 " operations in %.1f s (%.0f/s) by %" PRIu32 " clients on %" PRIu32 " keys, %" PRIu32
		   " at a time; %" PRIu64 " in doubt, %" PRIu64 " sent again; seed %" PRIu64 ", bucket %" PRIu32
		   "\n",
		   f->operations, seconds, seconds > 0 ? (double)f->operations / seconds : 0, l->client_count,
		   l->plan.key_count, l->plan.busy_count, f->all[HISTORY_DOUBT], f->retried, r->seed, l->bucket);
	output_bytes(buf_slice(&text));
	show_table(json_object_get(row, "operations"));
	text.size = 0;
	if (r->judged)
		show_checks(json_object_get(row, "checks"), &text);
	output_bytes(buf_slice(&text));
}

void verify_report(const struct ctl *ctl, const struct verify_load *l, const struct verify_result *r,
		   const struct kv_node *nodes, size_t node_count)
{
	struct figures f;
	count(l, &f);
	json_t *row = report_json(l, r, &f, nodes, node_count);
	if (ctl->args.output == OUTPUT_TABLE) {
		show(l, r, &f, row, nodes, node_count);
		json_decref(row);
	} else {
		output_one(ctl->args.output, NULL, 0, row);
	}
	if (r->undecided > 0)
		ctl_say(ctl, "the search for an order of operations was given up for %" PRIu32 " keys",
			r->undecided);
	if (r->judged && !r->copies_judged && !r->verdict.violated)
		ctl_say(ctl, "not checked: the copies of the replicas (%.*s)", (int)r->no_copies.size,
			(const char *)r->no_copies.data);
}
