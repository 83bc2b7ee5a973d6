/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/trace.h"

#include <stdarg.h>

#include "cli/json.h"
#include "cli/receipt.h"

enum { BAR_WIDTH = 40, NAME_ROOM = 22 };

/** A line to a stream, as it is: a picture is not talk. */
static void say(FILE *to, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(FILE *to, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(to, format, arguments);
	putc('\n', to);
	va_end(arguments);
}

static json_t *span_object(const struct names *names, const struct kv_span *s, uint32_t index)
{
	char name[NODE_NAME_ROOM];
	json_t *object = json_object();
	json_set_text(object, "name", s->name);
	if (index > 0)
		json_set_number(object, "parent", s->parent);
	names_node(names, s->node, name);
	json_set_text(object, "node", name);
	if (s->peer != KV_SPAN_NODE_NONE) {
		names_node(names, s->peer, name);
		json_set_text(object, "peer", name);
	}
	json_set_number(object, "start_us", s->start_us);
	json_set_number(object, "took_us", s->took_us);
	json_set_bool(object, "open", s->open);
	if (s->result)
		json_set_text(object, "result", s->result);
	return object;
}

json_t *trace_object(const struct names *names, const struct kv_timeline *t)
{
	char text[NODE_NAME_ROOM];
	json_t *object = json_object(), *spans = json_array();
	json_set_text(object, "trace_id", t->trace_id);
	json_set_text(object, "operation", t->operation);
	names_node(names, t->node, text);
	json_set_text(object, "node", text);
	json_set_text(object, "level", level_name(t->level));
	json_set_number(object, "partition", t->partition);
	json_set_number(object, "epoch", t->epoch);
	if (t->ballot.hlc) {
		kv_version_format(t->ballot, text);
		json_set_text(object, "ballot", text);
	}
	json_set_number(object, "rounds", t->rounds);
	json_set_text(object, "status", kv_status_name(t->status));
	json_set_bool(object, "in_doubt", t->in_doubt);
	json_set_number(object, "took_us", t->took_us);
	if (t->client_us)
		json_set_number(object, "client_us", t->client_us);
	json_set_number(object, "left_out", t->left_out);
	for (uint32_t i = 0; i < t->span_count; i++)
		json_array_append_new(spans, span_object(names, &t->spans[i], i));
	json_set(object, "spans", spans);
	return object;
}

void trace_set(struct ctl *ctl, json_t *row, const struct kv_timeline *t)
{
	if (!t)
		return;
	CLEANUP(names_release) struct names names;
	names_load(ctl, &names);
	json_set(row, "timeline", trace_object(&names, t));
}

static uint32_t depth_of(const struct kv_timeline *t, uint32_t index)
{
	uint32_t depth = 0;
	for (; index > 0; index = t->spans[index].parent)
		depth++;
	return depth;
}

/** The stretch as a bar below the whole of TOTAL_US; a short one is a dot. */
static void put_bar(const struct kv_span *s, uint64_t total_us, struct buf *out)
{
	uint64_t total = total_us > 0 ? total_us : 1;
	uint64_t from = s->start_us * BAR_WIDTH / total;
	uint64_t to = (s->start_us + s->took_us) * BAR_WIDTH / total;
	from = from < BAR_WIDTH ? from : BAR_WIDTH - 1;
	to = to < BAR_WIDTH ? to : BAR_WIDTH;
	for (uint64_t i = 0; i < BAR_WIDTH; i++) {
		bool inside = i >= from && i < to;
		buf_append_u8(out, inside ? (s->open ? '-' : '=') : (i == from ? '.' : ' '));
	}
}

static void say_span(FILE *to, const struct names *names, const struct kv_timeline *t, uint32_t index,
		     uint64_t total_us)
{
	const struct kv_span *s = &t->spans[index];
	char node[NODE_NAME_ROOM], title[64];
	bool call = s->peer != KV_SPAN_NODE_NONE;
	names_node(names, call ? s->peer : s->node, node);
	snprintf(title, sizeof title, "%*s%s", (int)(2 * depth_of(t, index)), "", s->name);
	CLEANUP(buf_release) struct buf bar = BUF_INIT;
	put_bar(s, total_us, &bar);
	say(to, "%-*.*s %-10.20s %9.3f %9.3f |%s|%s%s", NAME_ROOM, NAME_ROOM, title, node,
	    (double)s->start_us / 1000, (double)s->took_us / 1000, buf_cstr(&bar), s->result ? " " : "",
	    s->result ? s->result : "");
}

/** The span and what is below it, in the order of time. */
static void say_tree(FILE *to, const struct names *names, const struct kv_timeline *t, uint32_t index,
		     uint64_t total_us)
{
	say_span(to, names, t, index, total_us);
	for (uint32_t i = index + 1; i < t->span_count; i++) {
		if (t->spans[i].parent == index)
			say_tree(to, names, t, i, total_us);
	}
}

/** What is below the headline. */
static void say_picture(FILE *to, const struct names *names, const struct kv_timeline *t)
{
	char ballot[KV_VERSION_TEXT_SIZE];
	uint64_t total_us = t->took_us;
	for (uint32_t i = 0; i < t->span_count; i++)
		total_us = MAX(total_us, t->spans[i].start_us + t->spans[i].took_us);
	if (t->ballot.hlc) {
		kv_version_format(t->ballot, ballot);
		say(to, "last ballot %s", ballot);
	}
	say(to, "%-*s %-10s %9s %9s", NAME_ROOM, "WHAT", "NODE", "START_MS", "TOOK_MS");
	say_tree(to, names, t, 0, total_us);
	if (t->left_out)
		say(to, "%u more events were left out", t->left_out);
}

void trace_say(struct ctl *ctl, const struct kv_timeline *t)
{
	if (!t || t->span_count == 0)
		return;
	CLEANUP(names_release) struct names names;
	names_load(ctl, &names);
	char node[NODE_NAME_ROOM];
	names_node(&names, t->node, node);
	say(stderr, "trace %s", t->trace_id);
	ctl_say(ctl,
		"%s at level %s, partition %u, map epoch %llu: %s%s after %u round%s, %.3f ms at %s, %.3f ms here",
		t->operation, level_name(t->level), t->partition, (unsigned long long)t->epoch,
		kv_status_name(t->status), t->in_doubt ? " (in doubt)" : "", t->rounds, t->rounds == 1 ? "" : "s",
		(double)t->took_us / 1000, node, (double)t->client_us / 1000);
	say_picture(stderr, &names, t);
}

void trace_print(const struct names *names, const struct kv_kept_trace *kept, const char *when)
{
	const struct kv_timeline *t = kept->timeline;
	char node[NODE_NAME_ROOM];
	names_node(names, t->node, node);
	if (kept->replica)
		say(stdout, "%s served by %s as a replica at %s, partition %u, map epoch %llu: %.3f ms",
		    t->operation, node, when, t->partition, (unsigned long long)t->epoch,
		    (double)t->took_us / 1000);
	else
		say(stdout,
		    "%s at level %s by %s at %s, partition %u, map epoch %llu: %s%s after %u round%s, %.3f ms",
		    t->operation, level_name(t->level), node, when, t->partition, (unsigned long long)t->epoch,
		    kv_status_name(t->status), t->in_doubt ? " (in doubt)" : "", t->rounds,
		    t->rounds == 1 ? "" : "s", (double)t->took_us / 1000);
	say_picture(stdout, names, t);
}
