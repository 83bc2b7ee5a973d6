/* SPDX-License-Identifier: Apache-2.0 */
/* trace ls, trace show: the timelines that nodes kept. */
#include <time.h>

#include "base/types.h"
#include "cli/each_node.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/receipt.h"
#include "cli/text.h"
#include "cli/trace.h"

enum { LISTED = 50, WHEN_ROOM = 32 };

/** What every node kept, asked of all at once or of the one of --node. */
struct found {
	struct ctl *ctl;
	const char *trace_id; /* NULL: of all traces */
	struct names names;
	struct kv_traces **answers; /* one a node; NULL: not asked, or no answer */
	struct kv_error *errors;
	const struct kv_kept_trace **list; /* of all answers */
	size_t count;
};

static void found_release(struct found *f)
{
	for (size_t i = 0; f->answers && i < f->names.count; i++)
		kv_traces_free(f->answers[i]);
	free(f->answers);
	free(f->errors);
	free(f->list);
	kv_nodes_free(f->names.nodes);
}

static bool is_asked(const struct found *f, size_t i)
{
	const struct kv_node *node = &f->names.nodes[i];
	const char *only = f->ctl->args.node;
	return node->state != KV_NODE_REMOVED && (!only || strcmp(node->name, only) == 0);
}

static void ask(void *arg, size_t i)
{
	struct found *f = arg;
	struct kv_traces *traces = NULL;
	if (is_asked(f, i) && kv_traces_get(f->ctl->client, f->names.nodes[i].client_address, f->trace_id,
					    ctl_timeout_ms(f->ctl), &traces, &f->errors[i]) == KV_OK)
		f->answers[i] = traces;
}

static int compare_arrival(const void *left, const void *right)
{
	const struct kv_kept_trace *a = *(const struct kv_kept_trace *const *)left;
	const struct kv_kept_trace *b = *(const struct kv_kept_trace *const *)right;
	return a->arrived_us > b->arrived_us ? -1 : a->arrived_us < b->arrived_us;
}

/** Coordinators before replicas, then as they came. */
static int compare_part(const void *left, const void *right)
{
	const struct kv_kept_trace *a = *(const struct kv_kept_trace *const *)left;
	const struct kv_kept_trace *b = *(const struct kv_kept_trace *const *)right;
	return a->replica != b->replica ? a->replica - b->replica : compare_arrival(right, left);
}

/** Asks, and tells of nodes that gave no answer. Gives the exit code so far; F is to be released. */
static int find(struct found *f)
{
	struct ctl *ctl = f->ctl;
	struct kv_error err;
	int code = 0;
	size_t room = 0;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (ctl->args.node && ctl_find_node(ctl, ctl->args.node, &code) == KV_NODE_NONE)
		return code;
	if (kv_nodes(ctl->client, &f->names.nodes, &f->names.count, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	f->answers = xcalloc(f->names.count, sizeof(struct kv_traces *));
	f->errors = xcalloc(f->names.count, sizeof *f->errors);
	each_node(f->names.count, ask, f);
	bool is_wrong = false; /* a mistake in what was asked is the same everywhere: told once */
	for (size_t i = 0; i < f->names.count; i++) {
		if (f->answers[i])
			room += f->answers[i]->count;
		if (f->answers[i] || !is_asked(f, i) || (is_wrong && f->errors[i].status == KV_INVALID))
			continue;
		is_wrong = is_wrong || f->errors[i].status == KV_INVALID;
		code = ctl_worse(code, ctl_fail(ctl, f->names.nodes[i].name, &f->errors[i]));
	}
	f->list = xcalloc(room + 1, sizeof(struct kv_kept_trace *));
	for (size_t i = 0; i < f->names.count; i++) {
		for (size_t k = 0; f->answers[i] && k < f->answers[i]->count; k++)
			f->list[f->count++] = &f->answers[i]->traces[k];
	}
	return code;
}

/** "2026-01-31 12:00:00.123", UTC. */
static void format_when(uint64_t wall_us, char ret[WHEN_ROOM])
{
	time_t seconds = (time_t)(wall_us / USEC_PER_SEC);
	struct tm parts;
	KV_ASSERT(gmtime_r(&seconds, &parts));
	size_t size = strftime(ret, WHEN_ROOM, "%Y-%m-%d %H:%M:%S", &parts);
	snprintf(ret + size, WHEN_ROOM - size, ".%03u", (unsigned)(wall_us % USEC_PER_SEC / USEC_PER_MSEC));
}

static json_t *kept_row(const struct found *f, const struct kv_kept_trace *kept)
{
	const struct kv_timeline *t = kept->timeline;
	const char *result = t->span_count > 0 ? t->spans[0].result : NULL; /* a replica's answer */
	char node[NODE_NAME_ROOM], when[WHEN_ROOM];
	CLEANUP(buf_release) struct buf took = BUF_INIT;
	json_t *row = json_object();
	names_node(&f->names, t->node, node);
	format_when(kept->arrived_us, when);
	text_append_us(&took, t->took_us);
	json_set_text(row, "trace_id", t->trace_id);
	json_set_text(row, "at", when);
	json_set_number(row, "arrived_us", kept->arrived_us);
	json_set_text(row, "node", node);
	json_set_text(row, "operation", t->operation);
	json_set_bool(row, "replica", kept->replica);
	json_set_number(row, "partition", t->partition);
	if (!kept->replica)
		json_set_text(row, "level", level_name(t->level));
	json_set_text(row, "status", !kept->replica ? kv_status_name(t->status) : result ? result : "open");
	json_set_bool(row, "in_doubt", t->in_doubt);
	json_set_text(row, "took", buf_cstr(&took));
	json_set_number(row, "took_us", t->took_us);
	json_set_bool(row, "slow", kept->slow);
	return row;
}

int cmd_trace_ls(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"TRACE", "trace_id", COLUMN_RAW},
						       {"AT", "at", COLUMN_RAW},
						       {"NODE", "node", COLUMN_RAW},
						       {"OPERATION", "operation", COLUMN_RAW},
						       {"PARTITION", "partition", COLUMN_RIGHT | COLUMN_RAW},
						       {"LEVEL", "level", COLUMN_RAW},
						       {"STATUS", "status", COLUMN_RAW},
						       {"TOOK", "took", COLUMN_RIGHT},
						       {"SLOW", "slow", 0}};
	CLEANUP(found_release) struct found f = {.ctl = ctl};
	uint64_t left = ctl->args.limit ? ctl->args.limit : LISTED;
	int code = find(&f);
	if (!f.list)
		return code;
	qsort(f.list, f.count, sizeof(struct kv_kept_trace *), compare_arrival);
	struct output out;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < f.count && left > 0; i++) {
		if (f.list[i]->replica && !f.list[i]->slow)
			continue;
		output_add(&out, kept_row(&f, f.list[i]));
		left--;
	}
	output_end(&out);
	return code;
}

static json_t *show_object(const struct found *f)
{
	json_t *object = json_object(), *parts = json_array();
	json_set_text(object, "trace_id", f->trace_id);
	for (size_t i = 0; i < f->count; i++) {
		json_t *part = trace_object(&f->names, f->list[i]->timeline);
		json_set_number(part, "arrived_us", f->list[i]->arrived_us);
		json_set_bool(part, "replica", f->list[i]->replica);
		json_set_bool(part, "slow", f->list[i]->slow);
		json_array_append_new(parts, part);
	}
	json_set(object, "timelines", parts);
	return object;
}

int cmd_trace_show(struct ctl *ctl)
{
	CLEANUP(found_release) struct found f = {.ctl = ctl, .trace_id = ctl->operands[0]};
	char when[WHEN_ROOM];
	int code = find(&f);
	if (!f.list)
		return code;
	if (f.count == 0) {
		if (code == 0)
			ctl_say(ctl, "no node has a timeline of trace %s, or has it any more", f.trace_id);
		return code ? code : 3;
	}
	qsort(f.list, f.count, sizeof(struct kv_kept_trace *), compare_part);
	if (ctl->args.output != OUTPUT_TABLE) {
		output_one(ctl->args.output, NULL, 0, show_object(&f));
		return code;
	}
	printf("trace %s\n", f.trace_id);
	for (size_t i = 0; i < f.count; i++) {
		format_when(f.list[i]->arrived_us, when);
		putchar('\n');
		trace_print(&f.names, f.list[i], when);
	}
	return code;
}
