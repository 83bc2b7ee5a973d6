/* SPDX-License-Identifier: Apache-2.0 */
/* top: what the nodes are doing, from the differences between two looks at their counters. */
#include <poll.h>

#include "cli/change.h"
#include "cli/each_node.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/survey_health.h"
#include "cli/text.h"

enum { INTERVAL_MS = 1000, HOT_SHOWN = 10 };

/** One look. */
struct look {
	struct survey survey;
	struct kv_hot_keys **hot; /* one a node; NULL: it did not tell */
	struct kv_moves *moves;   /* NULL: nobody told */
};

struct asking {
	struct ctl *ctl;
	struct look *look;
};

static void look_release(struct look *l)
{
	for (size_t i = 0; l->hot && i < l->survey.node_count; i++)
		kv_hot_keys_free(l->hot[i]);
	free(l->hot);
	kv_moves_free(l->moves);
	survey_release(&l->survey);
	*l = (struct look){0};
}

static void ask_hot(void *arg, size_t i)
{
	const struct asking *a = arg;
	struct kv_hot_keys *hot = NULL;
	if (a->look->survey.answers[i] && kv_hot_keys_get(a->ctl->client, a->look->survey.nodes[i].client_address,
							  ctl_timeout_ms(a->ctl), &hot, NULL) == KV_OK)
		a->look->hot[i] = hot;
}

static enum kv_status look_take(struct ctl *ctl, struct look *ret, struct kv_error *err)
{
	enum kv_status status = survey_take(ctl, &ret->survey, err);
	if (status != KV_OK)
		return status;
	ret->hot = xcalloc(ret->survey.node_count, sizeof(struct kv_hot_keys *));
	struct asking asking = {.ctl = ctl, .look = ret};
	each_node(ret->survey.node_count, ask_hot, &asking);
	if (kv_moves_get(ctl->client, NULL, ctl_timeout_ms(ctl), &ret->moves, NULL) != KV_OK)
		ret->moves = NULL;
	return KV_OK;
}

/* ---- Rates ---- */

/** Two answers of one life of a node, and the time between them. */
struct pair {
	const struct kv_node_status *before, *after;
	usec_t between_us;
};

/** False if the node did not answer twice, or started anew in between. */
static bool pair_of(const struct look *before, const struct look *after, size_t i, struct pair *ret)
{
	size_t then = survey_position(&before->survey, after->survey.nodes[i].index);
	if (then == before->survey.node_count || !before->survey.answers[then] || !after->survey.answers[i])
		return false;
	*ret = (struct pair){.before = before->survey.answers[then], .after = after->survey.answers[i]};
	ret->between_us = (ret->after->uptime_ms - ret->before->uptime_ms) * USEC_PER_MSEC;
	return ret->before->incarnation == ret->after->incarnation &&
	       ret->after->uptime_ms > ret->before->uptime_ms;
}

static uint64_t per_second(const struct pair *p, const char *counter)
{
	uint64_t then = survey_counter(p->before, counter), now = survey_counter(p->after, counter);
	return now > then ? (now - then) * USEC_PER_SEC / p->between_us : 0;
}

/** Field of the row, counter of the node. */
static const struct {
	const char *field, *counter;
} rates[] = {
	{"ops_per_sec", "ops_started"},          {"reads_per_sec", "requests_read"},
	{"writes_per_sec", "requests_write"},    {"strong_per_sec", "ops_strong"},
	{"replica_per_sec", "replica_requests"}, {"refused_per_sec", "ops_overloaded"},
	{"commits_per_sec", "commit_groups"},    {"bytes_in_per_sec", "bytes_received"},
	{"bytes_out_per_sec", "bytes_sent"},
};

static void set_size(json_t *row, const char *field, uint64_t size)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	text_append_size(&text, size);
	json_set_text(row, field, buf_cstr(&text));
}

/** Gauges of the node, of its last whole window; 0: there was no such request. */
static void set_latencies(json_t *row, const struct kv_node_status *answer)
{
	static const struct {
		const char *group, *p50, *p99; /* p50 and p99 are the counters', and the fields' */
	} groups[] = {
		{"reads", "reads_p50_us", "reads_p99_us"},
		{"strong_reads", "reads_strong_p50_us", "reads_strong_p99_us"},
		{"writes", "writes_p50_us", "writes_p99_us"},
		{"strong_writes", "writes_strong_p50_us", "writes_strong_p99_us"},
	};
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		uint64_t p50 = survey_counter(answer, groups[g].p50), p99 = survey_counter(answer, groups[g].p99);
		CLEANUP(buf_release) struct buf text = BUF_INIT;
		if (p99 == 0)
			continue;
		text_append_us(&text, p50);
		buf_append_str(&text, " / ");
		text_append_us(&text, p99);
		json_set_number(row, groups[g].p50, p50);
		json_set_number(row, groups[g].p99, p99);
		json_set_text(row, groups[g].group, buf_cstr(&text));
	}
}

/** ALL gathers the sums. */
static json_t *node_row(const struct look *before, const struct look *after, size_t i, json_t *all)
{
	const struct kv_node_status *answer = after->survey.answers[i];
	const struct kv_peer_status *myself = survey_myself(answer);
	json_t *row = json_object();
	struct pair pair;
	json_set_text(row, "node", after->survey.nodes[i].name);
	json_set_text(row, "state", !answer ? "down" : answer->ready ? "up" : "not ready");
	if (!pair_of(before, after, i, &pair))
		return row;
	for (size_t r = 0; r < ARRAY_SIZE(rates); r++) {
		uint64_t rate = per_second(&pair, rates[r].counter);
		json_set_number(row, rates[r].field, rate);
		uint64_t sum = (uint64_t)json_integer_value(json_object_get(all, rates[r].field));
		json_set_number(all, rates[r].field, sum + rate);
	}
	json_set_number(row, "in_flight", survey_counter(answer, "ops_in_flight"));
	json_set_number(row, "connections", survey_counter(answer, "connections"));
	if (myself && myself->disk_p99_us > 0) {
		CLEANUP(buf_release) struct buf text = BUF_INIT;
		text_append_us(&text, myself->disk_p99_us);
		json_set_number(row, "disk_p99_us", myself->disk_p99_us);
		json_set_text(row, "disk_p99", buf_cstr(&text));
	}
	set_latencies(row, answer);
	set_size(row, "in", per_second(&pair, "bytes_received"));
	set_size(row, "out", per_second(&pair, "bytes_sent"));
	return row;
}

/* ---- Hot keys ---- */

/** What all nodes say of one key. */
struct hot {
	struct kv_slice key;
	uint64_t reads, writes, error;
};

struct hot_list {
	struct hot *items;
	size_t count;
	uint64_t total, window_ms;
};

static void add_hot(struct hot_list *l, const struct kv_hot_key *k)
{
	size_t at = 0;
	while (at < l->count && !slice_equal(ctl_bytes(l->items[at].key), ctl_bytes(k->key)))
		at++;
	if (at == l->count)
		l->items[l->count++] = (struct hot){.key = k->key};
	l->items[at].reads += k->reads;
	l->items[at].writes += k->writes;
	l->items[at].error += k->error;
}

static int compare_hot(const void *a, const void *b)
{
	const struct hot *x = a, *y = b;
	uint64_t sum_x = x->reads + x->writes, sum_y = y->reads + y->writes;
	if (sum_x != sum_y)
		return sum_x > sum_y ? -1 : 1;
	return slice_compare(ctl_bytes(x->key), ctl_bytes(y->key));
}

static void collect_hot(const struct look *l, struct hot_list *ret)
{
	size_t room = 0;
	for (size_t i = 0; i < l->survey.node_count; i++)
		room += l->hot[i] ? l->hot[i]->count : 0;
	*ret = (struct hot_list){.items = xcalloc(room + 1, sizeof(struct hot))};
	for (size_t i = 0; i < l->survey.node_count; i++) {
		const struct kv_hot_keys *from = l->hot[i];
		for (size_t k = 0; from && k < from->count; k++)
			add_hot(ret, &from->keys[k]);
		ret->total += from ? from->total : 0;
		ret->window_ms = from ? from->window_ms : ret->window_ms;
	}
	qsort(ret->items, ret->count, sizeof ret->items[0], compare_hot);
}

static json_t *hot_row(const struct hot *h, const struct hot_list *l)
{
	json_t *row = json_object();
	CLEANUP(buf_release) struct buf share = BUF_INIT;
	uint64_t window_ms = MAX(l->window_ms, (uint64_t)1), sum = h->reads + h->writes;
	json_set_bytes(row, "key", ctl_bytes(h->key));
	json_set_number(row, "reads_per_sec", h->reads * 1000 / window_ms);
	json_set_number(row, "writes_per_sec", h->writes * 1000 / window_ms);
	json_set_number(row, "too_low_by_at_most", h->error);
	buf_printf(&share, "%llu%%", (unsigned long long)(l->total > 0 ? sum * 100 / l->total : 0));
	json_set_text(row, "share", buf_cstr(&share));
	return row;
}

static json_t *hot_rows(const struct look *l)
{
	struct hot_list list;
	json_t *rows = json_array();
	collect_hot(l, &list);
	for (size_t i = 0; i < MIN(list.count, (size_t)HOT_SHOWN); i++) {
		/* Once a second at least: what is asked for less is not hot. */
		uint64_t sum = list.items[i].reads + list.items[i].writes;
		if (sum * 1000 >= MAX(list.window_ms, (uint64_t)1))
			json_array_append_new(rows, hot_row(&list.items[i], &list));
	}
	free(list.items);
	return rows;
}

/* ---- Showing ---- */

static json_t *move_rows(const struct look *l)
{
	json_t *rows = json_array();
	for (size_t i = 0; l->moves && i < l->moves->count; i++) {
		const struct kv_move *m = &l->moves->moves[i];
		json_t *row = json_object();
		json_set_number(row, "partition", m->partition);
		json_set_text(row, "node", change_node_name(l->survey.nodes, l->survey.node_count, m->node));
		json_set_number(row, "bytes", m->bytes);
		json_set_number(row, "bytes_done", m->bytes_done);
		json_set_number(row, "bytes_per_sec", m->bytes_per_sec);
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *document(struct ctl *ctl, const struct look *before, const struct look *after)
{
	json_t *row = json_object(), *nodes = json_array(), *all = json_object();
	const struct survey *s = &after->survey;
	CLEANUP(free_ptr) struct node_health *health_nodes = xcalloc(s->node_count, sizeof *health_nodes);
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	struct cluster_health h;
	if (survey_health(ctl, s, health_nodes, &h, NULL) == KV_OK) {
		cluster_health_words(&h, &words);
		json_set_text(row, "state", cluster_state_name(h.state));
		json_set_text(row, "verdict", buf_cstr(&words));
	}
	for (size_t i = 0; i < s->node_count; i++) {
		if (survey_is_member(&s->nodes[i]))
			json_array_append_new(nodes, node_row(before, after, i, all));
	}
	json_set(row, "cluster", all);
	json_set(row, "nodes", nodes);
	json_set(row, "hot_keys", hot_rows(after));
	json_set(row, "moves", move_rows(after));
	return row;
}

static void print_rows(const json_t *rows, const struct output_column *columns, size_t count)
{
	struct output out;
	size_t index;
	json_t *row;
	output_begin(&out, OUTPUT_TABLE, columns, count);
	json_array_foreach(rows, index, row) output_add(&out, json_incref(row));
	output_end(&out);
}

static void print_tables(const json_t *document)
{
	static const struct output_column node_columns[] = {
		{"NODE", "node", 0},
		{"STATE", "state", 0},
		{"OPS/S", "ops_per_sec", COLUMN_RIGHT},
		{"READS/S", "reads_per_sec", COLUMN_RIGHT},
		{"WRITES/S", "writes_per_sec", COLUMN_RIGHT},
		{"STRONG/S", "strong_per_sec", COLUMN_RIGHT},
		{"REFUSED/S", "refused_per_sec", COLUMN_RIGHT},
		{"IN_FLIGHT", "in_flight", COLUMN_RIGHT},
		{"COMMITS/S", "commits_per_sec", COLUMN_RIGHT},
		{"DISK_P99", "disk_p99", COLUMN_RIGHT},
		{"IN/S", "in", COLUMN_RIGHT},
		{"OUT/S", "out", COLUMN_RIGHT},
	};
	static const struct output_column latency_columns[] = {{"P50/P99", "node", 0},
							       {"READS", "reads", COLUMN_RIGHT},
							       {"STRONG_READS", "strong_reads", COLUMN_RIGHT},
							       {"WRITES", "writes", COLUMN_RIGHT},
							       {"STRONG_WRITES", "strong_writes", COLUMN_RIGHT}};
	static const struct output_column hot_columns[] = {{"HOT_KEY", "key", 0},
							   {"READS/S", "reads_per_sec", COLUMN_RIGHT},
							   {"WRITES/S", "writes_per_sec", COLUMN_RIGHT},
							   {"SHARE", "share", COLUMN_RIGHT}};
	static const struct output_column move_columns[] = {{"MOVING", "partition", COLUMN_RIGHT},
							    {"TO", "node", 0},
							    {"DONE", "bytes_done", COLUMN_RIGHT},
							    {"OF", "bytes", COLUMN_RIGHT},
							    {"BYTES/S", "bytes_per_sec", COLUMN_RIGHT}};
	const json_t *hot = json_object_get(document, "hot_keys"), *moves = json_object_get(document, "moves");
	printf("%s\n\n", json_string_value(json_object_get(document, "verdict")));
	print_rows(json_object_get(document, "nodes"), node_columns, ARRAY_SIZE(node_columns));
	putchar('\n');
	print_rows(json_object_get(document, "nodes"), latency_columns, ARRAY_SIZE(latency_columns));
	if (json_array_size(hot) > 0) {
		putchar('\n');
		print_rows(hot, hot_columns, ARRAY_SIZE(hot_columns));
	}
	if (json_array_size(moves) > 0) {
		putchar('\n');
		print_rows(moves, move_columns, ARRAY_SIZE(move_columns));
	}
}

static void show(struct ctl *ctl, json_t *document)
{
	if (ctl->args.output != OUTPUT_TABLE) {
		output_one(ctl->args.output, NULL, 0, document);
	} else {
		if (output_is_terminal())
			printf("\033[H\033[2J");
		print_tables(document);
		json_decref(document);
	}
	fflush(stdout);
}

int cmd_top(struct ctl *ctl)
{
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(look_release) struct look before = {0};
	struct kv_error err;
	uint64_t left = ctl->args.times ? ctl->args.times : output_is_terminal() ? UINT64_MAX : 1;
	if (look_take(ctl, &before, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	interrupt_defer();
	while (left-- > 0) {
		poll(NULL, 0, INTERVAL_MS);
		if (interrupt_pending())
			return 0;
		struct look after = {0};
		if (look_take(ctl, &after, &err) != KV_OK) {
			look_release(&after);
			return ctl_fail(ctl, NULL, &err);
		}
		show(ctl, document(ctl, &before, &after));
		look_release(&before);
		before = after;
	}
	return 0;
}
