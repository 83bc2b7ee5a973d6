/* SPDX-License-Identifier: Apache-2.0 */
/* explain: asks every node for its part in a key, and tells the verdict. */
#include "base/types.h"
#include "cli/change.h"
#include "cli/each_node.h"
#include "cli/explain.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/text.h"
#include "cli/write.h"

/** All that was asked for the key. */
struct inquiry {
	struct ctl *ctl;
	struct kv_slice key;
	struct kv_location location;
	struct kv_node *nodes;
	size_t count;
	struct explain_node *answers; /* one a node; removed ones are left out: no name */
	bool moving;
	struct kv_move move; /* if it is */
};

static void inquiry_release(struct inquiry *q)
{
	kv_nodes_free(q->nodes);
	free(q->answers);
}

static bool names(const uint16_t *row, uint32_t count, uint16_t node)
{
	for (uint32_t i = 0; i < count; i++) {
		if (row[i] == node)
			return true;
	}
	return false;
}

static void ask(void *arg, size_t i)
{
	const struct inquiry *q = arg;
	struct explain_node *n = &q->answers[i];
	struct kv_error err;
	if (!n->name)
		return;
	n->answers = kv_explain(q->ctl->client, q->nodes[i].client_address, q->ctl->args.bucket, q->key,
				ctl_timeout_ms(q->ctl), &n->e, &err) == KV_OK;
	if (!n->answers)
		n->error = kv_status_name(err.status);
}

/** A move of the key's partition, if there is one. Who cannot tell of moves tells of none. */
static void find_move(struct inquiry *q)
{
	struct kv_moves *moves;
	if (kv_moves_get(q->ctl->client, NULL, ctl_timeout_ms(q->ctl), &moves, NULL) != KV_OK)
		return;
	for (size_t i = 0; i < moves->count && !q->moving; i++) {
		if (moves->moves[i].partition != q->location.partition)
			continue;
		q->moving = true;
		q->move = moves->moves[i];
		q->move.message = ""; /* goes with the list */
	}
	kv_moves_free(moves);
}

static enum kv_status inquire(struct inquiry *q, struct kv_error *err)
{
	enum kv_status status = kv_locate(q->ctl->client, q->key, &q->location, err);
	if (status == KV_OK)
		status = kv_nodes(q->ctl->client, &q->nodes, &q->count, err);
	if (status != KV_OK)
		return status;
	find_move(q);
	q->answers = xcalloc(q->count, sizeof *q->answers);
	for (size_t i = 0; i < q->count; i++) {
		struct explain_node *n = &q->answers[i];
		uint16_t index = q->nodes[i].index;
		bool in_row = names(q->location.nodes, q->location.node_count, index);
		n->index = index;
		n->old = q->moving ? names(q->move.old_nodes, q->move.old_count, index) : in_row;
		n->next = q->moving ? names(q->move.new_nodes, q->move.new_count, index) : in_row;
		/* Nobody is there any more, though a row may still name it. */
		if (q->nodes[i].state != KV_NODE_REMOVED || n->old || n->next)
			n->name = q->nodes[i].name;
	}
	each_node(q->count, ask, q);
	return KV_OK;
}

/* ---- As rows ---- */

static bool is_none(struct kv_version v) { return v.hlc == 0 && v.id == 0; }

static void set_version(json_t *row, const char *field, struct kv_version v)
{
	if (!is_none(v))
		json_set_version(row, field, v);
}

static const char *role(const struct inquiry *q, const struct explain_node *n)
{
	if (n->old && (n->next || !q->moving))
		return "replica";
	return n->old ? "leaving" : n->next ? "joining" : "none";
}

static json_t *hint_row(const struct inquiry *q, const struct kv_explained_hint *hint)
{
	json_t *row = json_object();
	json_set_text(row, "target", change_node_name(q->nodes, q->count, hint->target));
	json_set_bool(row, "key", hint->key);
	json_set_bool(row, "partition", hint->partition);
	set_version(row, "version", hint->version);
	if (hint->created_ms != 0)
		json_set_number(row, "created_ms", hint->created_ms);
	return row;
}

static void set_hints(json_t *row, const struct inquiry *q, const struct kv_explanation *e)
{
	CLEANUP(buf_release) struct buf targets = BUF_INIT;
	json_t *list = json_array();
	for (uint32_t i = 0; i < e->hint_count; i++) {
		json_array_append_new(list, hint_row(q, &e->hints[i]));
		buf_printf(&targets, "%s%s%s", i ? "," : "",
			   change_node_name(q->nodes, q->count, e->hints[i].target),
			   e->hints[i].key ? "" : " (all)");
	}
	json_set(row, "hints", list);
	if (targets.size > 0)
		json_set_text(row, "hints_for", buf_cstr(&targets));
}

/** How long ago it was the same as each other replica, and the longest of these times in words. */
static void set_pairs(json_t *row, const struct inquiry *q, const struct kv_explanation *e)
{
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	json_t *list = json_array();
	uint64_t oldest_ms = 0;
	for (uint32_t i = 0; i < e->pair_count; i++) {
		json_t *pair = json_object();
		uint64_t age_ms = e->pairs[i].equal_age_ms;
		json_set_text(pair, "node", change_node_name(q->nodes, q->count, e->pairs[i].peer));
		if (age_ms == KV_AGE_NEVER)
			json_set(pair, "equal_age_ms", json_null());
		else
			json_set_number(pair, "equal_age_ms", age_ms);
		json_array_append_new(list, pair);
		oldest_ms = MAX(oldest_ms, age_ms);
	}
	json_set(row, "compared", list);
	if (oldest_ms == KV_AGE_NEVER)
		buf_append_str(&words, "never");
	else if (e->pair_count > 0)
		text_append_us(&words, oldest_ms * USEC_PER_MSEC);
	if (words.size > 0)
		json_set_text(row, "equal", buf_cstr(&words));
}

static void set_record(json_t *row, const struct kv_explanation *e)
{
	char hash[20];
	if (is_none(e->copy))
		return;
	set_version(row, "version", e->version);
	set_version(row, "copy", e->copy);
	if (e->weak)
		json_set_text(row, "mark", "weak");
	json_set_bool(row, "weak", e->weak);
	json_set_bool(row, "written_strongly", e->strong);
	json_set_number(row, "lineage", e->lineage);
	if (e->fence != 0)
		json_set_number(row, "fence", e->fence);
	if (e->tombstone)
		return;
	snprintf(hash, sizeof hash, "%016llx", (unsigned long long)e->value_hash);
	json_set_text(row, "value_hash", hash);
	json_set_number(row, "value_size", e->value_size);
	if (e->expires_ms != 0)
		json_set_number(row, "expires_ms", e->expires_ms);
}

static const char *disk_word(enum kv_on_disk disk)
{
	switch (disk) {
	case KV_ON_DISK_NOTHING:
		return "nothing";
	case KV_ON_DISK_RECORD:
		return "record";
	case KV_ON_DISK_DAMAGED:
		return "damaged";
	case KV_ON_DISK_UNREADABLE:
		return "unreadable";
	}
	return "unknown"; /* of a newer node */
}

static json_t *node_row(const struct inquiry *q, const struct explain *x, const struct explain_node *n)
{
	json_t *row = json_object();
	json_set_text(row, "node", n->name);
	json_set_text(row, "role", role(q, n));
	json_set_text(row, "holds", explain_holds(x, n));
	if (!n->answers) {
		json_set_text(row, "error", n->error);
		return row;
	}
	const struct kv_explanation *e = &n->e;
	json_set_bool(row, "behind", explain_is_behind(x, n));
	json_set_bool(row, "serves", e->serves);
	json_set_text(row, "disk", disk_word(e->disk));
	json_set_number(row, "stored_size", e->stored_size);
	json_set_bool(row, "in_memory", e->in_memory);
	json_set_bool(row, "writing", e->writing);
	set_record(row, e);
	set_version(row, "promised", e->promised);
	json_set_number(row, "overwritten_remembered", e->memories);
	json_t *floors = json_object();
	set_version(floors, "promise", e->promise);
	set_version(floors, "memory", e->memory);
	set_version(floors, "seal", e->seal);
	set_version(floors, "drop", e->drop);
	json_set(row, "floors", floors);
	json_set_text(row, "tree",
		      e->tree_saved   ? "saved"
		      : e->tree_ready ? "ready"
		      : e->tree_here  ? "building"
				      : "none");
	json_set_number(row, "row_epoch", e->config_epoch);
	json_set_number(row, "map_epoch", e->epoch);
	set_hints(row, q, e);
	json_set_bool(row, "more_hints", e->more_hints);
	set_pairs(row, q, e);
	return row;
}

/** Nodes that have nothing to do with the key are passed over. */
static bool is_worth_telling(const struct explain_node *n)
{
	if (!n->name)
		return false;
	bool holds = n->answers && (n->e.disk != KV_ON_DISK_NOTHING || n->e.hint_count > 0);
	return n->old || n->next || holds;
}

static json_t *move_row(const struct inquiry *q)
{
	json_t *row = json_object(), *from = json_array(), *to = json_array();
	for (uint32_t i = 0; i < q->move.old_count; i++)
		json_array_append_new(from,
				      json_string(change_node_name(q->nodes, q->count, q->move.old_nodes[i])));
	for (uint32_t i = 0; i < q->move.new_count; i++)
		json_array_append_new(to, json_string(change_node_name(q->nodes, q->count, q->move.new_nodes[i])));
	json_set(row, "from", from);
	json_set(row, "to", to);
	return row;
}

static json_t *document(const struct inquiry *q, const struct explain *x, const char *words, struct buf *notes)
{
	json_t *row = json_object(), *list = json_array(), *nodes = json_array();
	json_set_bytes(row, "key", ctl_bytes(q->key));
	json_set_number(row, "bucket", q->ctl->args.bucket);
	json_set_text(row, "verdict", words);
	json_set_text(row, "state", explain_state_name(x->state));
	char *rest = notes->size > 0 ? xstrdup(buf_cstr(notes)) : NULL, *at = rest;
	for (char *line; at && (line = strsep(&at, "\n")) && *line;)
		json_array_append_new(list, json_string(line));
	free(rest);
	json_set(row, "notes", list);
	json_set_number(row, "partition", q->location.partition);
	json_set_number(row, "leaf", q->location.leaf);
	json_set_number(row, "map_epoch", q->location.epoch);
	json_set_number(row, "clock_ms", x->now_ms);
	json_set_number(row, "replicas", x->members);
	json_set_number(row, "replicas_answering", x->answering);
	json_set_number(row, "replicas_with_newest", x->holders);
	json_set(row, "move", q->moving ? move_row(q) : json_null());
	for (size_t i = 0; i < q->count; i++) {
		if (is_worth_telling(&q->answers[i]))
			json_array_append_new(nodes, node_row(q, x, &q->answers[i]));
	}
	json_set(row, "nodes", nodes);
	return row;
}

static void print_words(const struct explain *x, const char *words, const struct buf *notes)
{
	static const char *const colors[] = {
		[EXPLAIN_AGREE] = "32",  [EXPLAIN_NOWHERE] = "33",     [EXPLAIN_PARTIAL] = "33",
		[EXPLAIN_BEHIND] = "33", [EXPLAIN_NO_MAJORITY] = "31", [EXPLAIN_DAMAGED] = "31"};
	if (output_has_colors())
		printf("\033[%sm%s\033[0m\n", colors[x->state], words);
	else
		printf("%s\n", words);
	if (notes->size > 0)
		printf("%.*s", (int)notes->size, (const char *)notes->data);
	putchar('\n');
}

static void show(struct ctl *ctl, const struct inquiry *q, const struct explain *x)
{
	static const struct output_column columns[] = {
		{"NODE", "node", 0},           {"ROLE", "role", 0},
		{"HOLDS", "holds", 0},         {"VERSION", "version", 0},
		{"MARK", "mark", 0},           {"SIZE", "value_size", COLUMN_RIGHT},
		{"HASH", "value_hash", 0},     {"PROMISED", "promised", 0},
		{"HINTS_FOR", "hints_for", 0}, {"EQUAL", "equal", COLUMN_RIGHT}};
	CLEANUP(buf_release) struct buf words = BUF_INIT, notes = BUF_INIT;
	explain_words(x, &words);
	explain_notes(x, &notes);
	json_t *row = document(q, x, buf_cstr(&words), &notes);
	if (ctl->args.output != OUTPUT_TABLE) {
		output_one(ctl->args.output, NULL, 0, row);
		return;
	}
	print_words(x, buf_cstr(&words), &notes);
	if (ctl->args.bucket)
		printf("bucket %u, ", ctl->args.bucket);
	printf("partition %u, leaf %u, map %llu\n", q->location.partition, q->location.leaf,
	       (unsigned long long)q->location.epoch);
	struct output out;
	output_begin(&out, OUTPUT_TABLE, columns, ARRAY_SIZE(columns));
	size_t index;
	json_t *node;
	json_array_foreach(json_object_get(row, "nodes"), index, node) output_add(&out, json_incref(node));
	output_end(&out);
	json_decref(row);
}

int cmd_explain(struct ctl *ctl)
{
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(inquiry_release) struct inquiry q = {.ctl = ctl, .key = kv_slice_str(ctl->operands[0])};
	struct kv_error err;
	if (inquire(&q, &err) != KV_OK)
		return ctl_fail(ctl, ctl->operands[0], &err);
	struct explain x;
	explain_judge(&x, q.answers, q.count, q.moving);
	show(ctl, &q, &x);
	return explain_exit_code(x.state);
}
