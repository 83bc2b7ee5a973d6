/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_example.h"

#include <ctype.h>
#include <inttypes.h>

#include "cli/json.h"

enum { PIECES_SHOWN = 4 };

static const char *const kind_names[] = {"get", "put", "delete", "add", "append", "outcome"};
static const char *const level_names[] = {"eventual", "session", "bounded", "strong"};
static const char *const outcome_names[] = {"open", "done", "absent", "in_doubt", "refused", "failed"};
static const char *const told_names[] = {"", "committed", "not_applied", "expired"};

/* --- what is shown --- */

/** True if CONTENT is the value of a write, or has it as a part. */
static bool has_part(const struct history *h, uint64_t content, uint64_t value)
{
	const struct history_link *link;
	for (; (link = history_link_of(h, content)); content = link->base) {
		if (link->piece == value)
			return true;
	}
	return content == value;
}

static bool tells_of(const struct verify_example *x, const struct history_op *op, uint64_t value)
{
	bool read = op->kind == HISTORY_GET && op->outcome == HISTORY_DONE;
	return (read && has_part(x->history, op->value, value)) ||
	       (op->has_found && has_part(x->history, op->found, value)) ||
	       (op->when.has_value && has_part(x->history, op->when.value, value));
}

static bool copies_tell_of(const struct verify_example *x, uint64_t value)
{
	for (uint32_t i = 0; x->copies && i < x->copies->count; i++) {
		if (has_part(x->history, x->copies->copies[i].value, value))
			return true;
	}
	return false;
}

/** An open write that something shown tells of. */
static bool is_told_of(const struct verify_example *x, const struct history_op *write)
{
	if (!write->value)
		return false;
	bool told = copies_tell_of(x, write->value);
	for (uint32_t i = 0; i < x->history->count && !told; i++)
		told = x->shown[i] && tells_of(x, &x->history->ops[i], write->value);
	return told;
}

static void show_named(struct verify_example *x)
{
	for (const char *at = x->verdict->message; (at = strchr(at, '#')); at++) {
		char *end;
		unsigned long index = strtoul(at + 1, &end, 10);
		if (end > at + 1 && index < x->history->count)
			x->shown[index] = true;
	}
}

static int by_version(const void *a, const void *b)
{
	return stamp_compare(*(const struct stamp *)a, *(const struct stamp *)b);
}

static void add_version(struct verify_example *x, struct stamp version)
{
	if (!stamp_is_none(version))
		x->versions[x->version_count++] = version;
}

static void number_versions(struct verify_example *x)
{
	uint32_t copies = x->copies ? x->copies->count : 0, kept = 0;
	x->versions = xcalloc(2 * (size_t)(x->history->count + copies) + 1, sizeof x->versions[0]);
	for (uint32_t i = 0; i < x->history->count; i++) {
		if (!x->shown[i])
			continue;
		add_version(x, x->history->ops[i].version);
		add_version(x, x->history->ops[i].when.version);
	}
	for (uint32_t i = 0; i < copies; i++) {
		add_version(x, x->copies->copies[i].ver);
		add_version(x, x->copies->copies[i].org);
	}
	qsort(x->versions, x->version_count, sizeof x->versions[0], by_version);
	for (uint32_t i = 0; i < x->version_count; i++) {
		if (kept == 0 || !stamp_equal(x->versions[i], x->versions[kept - 1]))
			x->versions[kept++] = x->versions[i];
	}
	x->version_count = kept;
}

void verify_example_init(struct verify_example *x)
{
	x->shown = xcalloc((size_t)x->history->count + 1, sizeof x->shown[0]);
	x->shown_count = 0;
	for (uint32_t i = 0; i < x->history->count; i++)
		x->shown[i] = x->history->ops[i].outcome != HISTORY_PENDING;
	show_named(x);
	for (uint32_t i = 0; i < x->history->count; i++)
		x->shown[i] |= is_told_of(x, &x->history->ops[i]);
	for (uint32_t i = 0; i < x->history->count; i++)
		x->shown_count += x->shown[i];
	number_versions(x);
}

void verify_example_release(struct verify_example *x)
{
	free(x->shown);
	free(x->versions);
	x->shown = NULL;
	x->versions = NULL;
}

/* --- text --- */

static const char *node_name(const struct verify_example *x, uint16_t node)
{
	for (size_t i = 0; i < x->node_count; i++) {
		if (x->nodes[i].index == node)
			return x->nodes[i].name;
	}
	return "?";
}

static void put_version(const struct verify_example *x, const char *before, struct stamp version, struct buf *out)
{
	uint32_t number = 0;
	while (number < x->version_count && !stamp_equal(x->versions[number], version))
		number++;
	if (stamp_is_none(version))
		buf_printf(out, "%snone", before);
	else
		buf_printf(out, "%s@%" PRIu32, before, number + 1);
}

/** "v17", "12", "v3 v4 v5", "(9 more) v12 v13": what a content is made of. */
static void put_content(const struct verify_example *x, uint64_t content, struct buf *out)
{
	uint64_t pieces[PIECES_SHOWN];
	uint32_t count = 0, more = 0;
	int64_t number = 0;
	const struct history_link *link;
	for (; (link = history_link_of(x->history, content)); content = link->base) {
		if (count < PIECES_SHOWN)
			pieces[count++] = link->piece;
		else
			more++;
	}
	if (content == CONTENT_FOREIGN)
		buf_append_str(out, "foreign bytes");
	else if (content == CONTENT_NONE)
		buf_append_str(out, "nothing");
	else if (content_is_number(content, &number))
		buf_printf(out, "%" PRId64, number);
	else if (count < PIECES_SHOWN)
		pieces[count++] = content;
	else
		more++;
	if (more > 0)
		buf_printf(out, "(%" PRIu32 " more) ", more);
	while (count > 0) {
		count--;
		buf_printf(out, "v%" PRIu64 "%s", pieces[count], count ? " " : "");
	}
}

static void put_condition(const struct verify_example *x, const struct history_op *op, struct buf *out)
{
	if (op->when.has_version && stamp_is_none(op->when.version))
		buf_append_str(out, " if absent");
	else if (op->when.has_version)
		put_version(x, " if version ", op->when.version, out);
	if (op->when.present)
		buf_append_str(out, " if present");
	if (op->when.has_value) {
		buf_append_str(out, " if value ");
		put_content(x, op->when.value, out);
	}
	if (op->fence)
		buf_printf(out, " fence %" PRIu64, op->fence);
}

static void put_asked(const struct verify_example *x, const struct history_op *op, struct buf *out)
{
	static const char *const acks[] = {"", " acks 1", " acks majority", " acks all"};
	buf_printf(out, "%s %s", level_names[op->level], kind_names[op->kind]);
	if (op->kind == HISTORY_PUT || op->kind == HISTORY_APPEND)
		buf_printf(out, " v%" PRIu64, op->value);
	if (op->kind == HISTORY_ADD)
		buf_printf(out, " %" PRId64, op->delta);
	if (op->kind == HISTORY_ASK)
		buf_printf(out, " of #%" PRIu32, op->about);
	put_condition(x, op, out);
	buf_append_str(out, history_is_write(op) ? acks[op->acks] : "");
	if (op->level == HISTORY_BOUNDED)
		buf_printf(out, " %" PRIu64 " ms", op->bound_ms);
	if (op->session)
		buf_printf(out, " in session %" PRIu32, op->session);
	if (op->attempts > 1)
		buf_printf(out, " (sent %" PRIu32 " times)", op->attempts);
}

static void put_answer(const struct verify_example *x, const struct history_op *op, struct buf *out)
{
	if (op->outcome == HISTORY_PENDING) {
		buf_append_str(out, "may have happened");
		return;
	}
	if (op->kind == HISTORY_GET && op->outcome == HISTORY_DONE)
		put_content(x, op->value, out);
	else if (op->kind == HISTORY_ASK && op->outcome == HISTORY_DONE)
		buf_append_str(out, told_names[op->told]);
	else if (op->outcome == HISTORY_DOUBT)
		buf_append_str(out, "in doubt");
	else
		buf_append_str(out, outcome_names[op->outcome]);
	if (op->has_result)
		buf_printf(out, ", %s %" PRId64, op->kind == HISTORY_APPEND ? "size" : "sum", op->result);
	if (op->has_found) {
		buf_append_str(out, ", found ");
		put_content(x, op->found, out);
	}
	if (op->fenced_off)
		buf_append_str(out, ", fence");
	if (!stamp_is_none(op->version))
		put_version(x, ", version ", op->version, out);
	if (op->outcome == HISTORY_REFUSED || op->outcome == HISTORY_DOUBT)
		buf_printf(out, ", %s", status_name(op->status));
	if (op->stale_ms)
		buf_printf(out, ", at most %" PRIu64 " ms old", op->stale_ms);
}

static void put_op(const struct verify_example *x, const struct history_op *op, usec_t first_us, struct buf *out)
{
	double began_ms = (double)(op->invoke_us - first_us) / 1000.0;
	buf_printf(out, "  #%-3" PRIu32 " %9.3f .. ", op->index, began_ms);
	if (op->complete == HISTORY_NEVER)
		buf_printf(out, "%9s", "");
	else
		buf_printf(out, "%9.3f", (double)(op->complete_us - first_us) / 1000.0);
	buf_printf(out, "  client %-2" PRIu32 " %s  ", op->client, node_name(x, op->node));
	put_asked(x, op, out);
	buf_append_str(out, " -> ");
	put_answer(x, op, out);
	buf_append_str(out, "\n");
}

static void put_copy(const struct verify_example *x, const struct replica_copy *copy, struct buf *out)
{
	buf_printf(out, "  copy on %s: ", node_name(x, copy->node));
	if (stamp_is_none(copy->ver)) {
		buf_append_str(out, "none\n");
		return;
	}
	if (copy->tombstone)
		buf_append_str(out, "deleted");
	else
		put_content(x, copy->value, out);
	put_version(x, ", version ", copy->org, out);
	put_version(x, ", copy ", copy->ver, out);
	buf_append_str(out, copy->weak ? ", weak\n" : "\n");
}

/** Reads a version as checkers write it, "1f.2a", at TEXT. NULL: there is none that is shown; else what follows it. */
static const char *read_version(const struct verify_example *x, const char *text, struct stamp *ret)
{
	char *end, *last;
	ret->hi = strtoull(text, &end, 16);
	if (end == text || *end != '.')
		return NULL;
	ret->lo = strtoull(end + 1, &last, 16);
	for (uint32_t i = 0; last > end + 1 && i < x->version_count; i++) {
		if (stamp_equal(x->versions[i], *ret))
			return last;
	}
	return NULL;
}

void verify_example_message(const struct verify_example *x, struct buf *out)
{
	const char *at = x->verdict->message;
	while (*at) {
		struct stamp version;
		const char *end = isxdigit((unsigned char)*at) ? read_version(x, at, &version) : NULL;
		size_t word = MAX(strcspn(at, " ,"), 1u);
		if (end)
			put_version(x, "", version, out);
		else
			buf_append(out, at, word);
		at = end ? end : at + word;
	}
}

/** What is left out, and what it comes to. */
static void put_hidden(const struct verify_example *x, struct buf *out)
{
	uint32_t hidden = x->history->count - x->shown_count;
	int64_t sum = 0;
	for (uint32_t i = 0; i < x->history->count; i++)
		sum += x->shown[i] ? 0 : x->history->ops[i].delta;
	if (hidden == 0)
		return;
	buf_printf(out, "  and %" PRIu32 " write%s more", hidden, hidden == 1 ? "" : "s");
	if (sum != 0)
		buf_printf(out, ", which add %" PRId64 " in all", sum);
	buf_append_str(out, "; whether they happened or not, it does not help\n");
}

static usec_t first_shown_us(const struct verify_example *x)
{
	for (uint32_t i = 0; i < x->history->count; i++) {
		if (x->shown[i])
			return x->history->ops[i].invoke_us;
	}
	return 0;
}

void verify_example_text(const struct verify_example *x, struct buf *out)
{
	const struct history *h = x->history;
	for (uint32_t i = 0; i < h->count; i++) {
		if (x->shown[i])
			put_op(x, &h->ops[i], first_shown_us(x), out);
	}
	put_hidden(x, out);
	for (uint32_t i = 0; x->copies && i < x->copies->count; i++)
		put_copy(x, &x->copies->copies[i], out);
}

/* --- JSON --- */

static void set_version(json_t *row, const char *name, struct stamp version)
{
	char text[KV_VERSION_TEXT_SIZE];
	if (stamp_is_none(version))
		return;
	kv_version_format((struct kv_version){.hlc = version.hi, .id = version.lo}, text);
	json_set_text(row, name, text);
}

static json_t *op_json(const struct verify_example *x, const struct history_op *op, usec_t first_us)
{
	CLEANUP(buf_release) struct buf asked = BUF_INIT, answer = BUF_INIT;
	json_t *row = json_object();
	put_asked(x, op, &asked);
	put_answer(x, op, &answer);
	json_set_number(row, "index", op->index);
	json_set_number(row, "client", op->client);
	json_set_text(row, "node", node_name(x, op->node));
	json_set_number(row, "began_us", op->invoke_us - first_us);
	if (op->complete != HISTORY_NEVER)
		json_set_number(row, "ended_us", op->complete_us - first_us);
	json_set_text(row, "operation", kind_names[op->kind]);
	json_set_text(row, "level", level_names[op->level]);
	json_set_text(row, "outcome", outcome_names[op->outcome]);
	if (op->outcome != HISTORY_PENDING)
		json_set_text(row, "status", status_name(op->status));
	set_version(row, "version", op->version);
	json_set_text(row, "asked", buf_cstr(&asked));
	json_set_text(row, "answer", buf_cstr(&answer));
	return row;
}

static json_t *copy_json(const struct verify_example *x, const struct replica_copy *copy)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	json_t *row = json_object();
	json_set_text(row, "node", node_name(x, copy->node));
	json_set_bool(row, "present", !stamp_is_none(copy->ver));
	json_set_bool(row, "tombstone", copy->tombstone);
	json_set_bool(row, "weak", copy->weak);
	set_version(row, "version", copy->org);
	set_version(row, "copy", copy->ver);
	put_content(x, copy->value, &value);
	json_set_text(row, "value", buf_cstr(&value));
	return row;
}

json_t *verify_example_json(const struct verify_example *x)
{
	const struct history *h = x->history;
	json_t *object = json_object(), *operations = json_array(), *copies = json_array();
	for (uint32_t i = 0; i < h->count; i++) {
		if (x->shown[i])
			json_array_append_new(operations, op_json(x, &h->ops[i], first_shown_us(x)));
	}
	for (uint32_t i = 0; x->copies && i < x->copies->count; i++)
		json_array_append_new(copies, copy_json(x, &x->copies->copies[i]));
	json_set(object, "operations", operations);
	json_set(object, "copies", copies);
	return object;
}
