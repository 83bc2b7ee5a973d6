/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conflict ledger in a whole core: one replica of three whose peers and disk the test plays.
 */
#include "tests/support/test.h"

#include "proto/keyhash.h"
#include "replication/ledger_row.h"
#include "replication/node_core.h"
#include "server/diskkey.h"
#include "storage/store_mem.h"

enum { NODES = 3, PARTITIONS = 16, PEER = 1, CLIENT = 7 };

#define START_MONO_US (10 * USEC_PER_SEC)
#define START_MS      1700000000000ull
#define ITEMS_MAX     2048u

/* ---- the bench ---- */

/** What the disk has been asked for and not answered yet. */
struct job {
	enum action_kind kind;
	uint64_t token;
	enum disk_table table;
	struct buf first, end;
	uint32_t rows_max, bytes_max;
};

struct seen {
	struct buf key, value;
	struct scan_item item;
};

struct bench {
	struct node_core *core;
	struct actions actions;
	struct store *store;
	uint64_t starts;
	uint32_t shard, shard_count;
	usec_t mono_us;
	struct job *jobs;
	size_t job_count, job_capacity;
	bool hold_writes;
	uint32_t last_puts; /* changes of the last write */
	uint64_t next_id;
	/* answers */
	uint32_t answers;
	enum replica_answer answer;
	uint32_t replies;
	enum kv_status status;
	struct buf cursor;
	uint32_t seen_count;
	struct seen seen[ITEMS_MAX];
	bool stopped;
};

static void step(struct bench *b, struct node_event *ev);

static void add_job(struct bench *b, const struct action *a)
{
	if (b->job_count == b->job_capacity) {
		b->job_capacity = b->job_capacity * 2 + 16;
		b->jobs = xrealloc(b->jobs, b->job_capacity * sizeof b->jobs[0]);
	}
	struct job *job = &b->jobs[b->job_count++];
	*job = (struct job){.kind = a->kind};
	if (a->kind == ACT_READ) {
		job->token = a->read.token;
		job->table = a->read.key.table;
		diskkey_encode(&job->first, &a->read.key);
	} else if (a->kind == ACT_SCAN) {
		job->token = a->scan.token;
		job->table = a->scan.scan.table;
		job->rows_max = a->scan.scan.rows_max;
		job->bytes_max = a->scan.scan.bytes_max;
		diskkey_range(&a->scan.scan, &job->first, &job->end);
	} else {
		job->token = a->write.token;
	}
}

static void apply(struct bench *b, const struct action *a)
{
	b->last_puts = a->write.count;
	struct store_op *ops = xcalloc(a->write.count, sizeof *ops);
	struct buf *keys = xcalloc(a->write.count, sizeof *keys);
	for (uint32_t i = 0; i < a->write.count; i++) {
		const struct disk_put *put = &a->write.puts[i];
		diskkey_encode(&keys[i], &put->key);
		ops[i] = (struct store_op){.table = diskkey_table(put->key.table),
					   .remove = put->remove,
					   .key = buf_slice(&keys[i]),
					   .value = put->value};
	}
	assert_int_equal(store_write(b->store, ops, a->write.count, /* sync= */ true), KV_OK);
	for (uint32_t i = 0; i < a->write.count; i++)
		buf_release(&keys[i]);
	free(keys);
	free(ops);
}

/** Adds a page to what has been seen. */
static void note_reply(struct bench *b, const struct msg_result *r)
{
	b->replies++;
	b->status = r->status;
	buf_clear(&b->cursor);
	buf_append_slice(&b->cursor, r->cursor);
	for (uint32_t i = 0; i < r->item_count; i++) {
		assert_true(b->seen_count < ITEMS_MAX);
		struct seen *s = &b->seen[b->seen_count++];
		s->item = r->items[i];
		buf_append_slice(&s->key, r->items[i].key);
		buf_append_slice(&s->value, r->items[i].value);
	}
}

static void forget_seen(struct bench *b)
{
	for (uint32_t i = 0; i < b->seen_count; i++) {
		buf_release(&b->seen[i].key);
		buf_release(&b->seen[i].value);
	}
	b->seen_count = 0;
}

static void carry_out(struct bench *b)
{
	for (size_t i = 0; i < b->actions.count; i++) {
		const struct action *a = &b->actions.items[i];
		if (a->kind == ACT_WRITE)
			apply(b, a);
		if (a->kind == ACT_WRITE || a->kind == ACT_READ || a->kind == ACT_SCAN)
			add_job(b, a);
		if (a->kind == ACT_REPLY)
			note_reply(b, &a->reply.msg->result);
		bool is_answer =
			a->kind == ACT_SEND && a->send.msg->reply && opcode_is_replica(a->send.msg->opcode);
		if (is_answer) {
			b->answers++;
			b->answer = a->send.msg->answer.answer;
		}
		b->stopped |= a->kind == ACT_STOP;
	}
	actions_reset(&b->actions);
}

static struct moment now_of(const struct bench *b)
{
	return (struct moment){.mono_us = b->mono_us,
			       .wall_us = START_MS * USEC_PER_MSEC + b->mono_us - START_MONO_US};
}

static void step(struct bench *b, struct node_event *ev)
{
	ev->now = now_of(b);
	node_core_step(b->core, ev, &b->actions);
	carry_out(b);
}

static void do_scan(struct bench *b, const struct job *job)
{
	struct disk_row *rows = xcalloc(job->rows_max, sizeof *rows);
	struct store_scan *scan;
	assert_int_equal(store_scan_open(b->store, diskkey_table(job->table), buf_slice(&job->first),
					 buf_slice(&job->end), &scan),
			 KV_OK);
	struct store_row row;
	enum kv_status status;
	uint32_t count = 0;
	size_t bytes = 0;
	bool more;
	while ((more = store_scan_next(b->store, scan, &row, &status))) {
		if (count == job->rows_max || (count > 0 && bytes >= job->bytes_max))
			break;
		assert_true(diskkey_decode(job->table, row.key, &rows[count].key));
		rows[count++].value = row.value; /* the scan holds the rows until it is closed */
		bytes += row.key.size + row.value.size;
	}
	struct node_event ev = {.kind = EV_SCAN_DONE, .scan = {job->token, count, rows, !more}};
	step(b, &ev);
	store_scan_close(b->store, scan);
	free(rows);
}

static void do_job(struct bench *b, const struct job *job)
{
	if (job->kind == ACT_SCAN) {
		do_scan(b, job);
	} else if (job->kind == ACT_READ) {
		CLEANUP(buf_release) struct buf value = BUF_INIT;
		enum kv_status status =
			store_get(b->store, diskkey_table(job->table), buf_slice(&job->first), false, &value);
		struct node_event ev = {.kind = EV_READ_DONE,
					.read = {job->token, status == KV_OK, buf_slice(&value)}};
		step(b, &ev);
	} else {
		struct node_event ev = {.kind = EV_WRITE_DONE, .write = {job->token}};
		step(b, &ev);
	}
}

static void free_job(struct job *job)
{
	buf_release(&job->first);
	buf_release(&job->end);
}

/** The disk answers all it may. */
static void settle(struct bench *b)
{
	for (size_t at = 0; at < b->job_count;) {
		if (b->hold_writes && b->jobs[at].kind == ACT_WRITE) {
			at++;
			continue;
		}
		struct job job = b->jobs[at];
		memmove(&b->jobs[at], &b->jobs[at + 1], (b->job_count - at - 1) * sizeof b->jobs[0]);
		b->job_count--;
		do_job(b, &job);
		free_job(&job);
		at = 0;
	}
}

static void begin(struct bench *b)
{
	static const node_id all[NODES] = {0, 1, 2};
	static node_id rows[PARTITIONS * NODES];
	static uint64_t epochs[PARTITIONS];
	struct map_node nodes[NODES] = {0};
	for (node_id i = 0; i < NODES; i++) {
		nodes[i] = (struct map_node){.index = i, .state = NODE_NORMAL, .name = slice_str("n"), .weight = 1};
		nodes[i].peer_address = nodes[i].client_address = slice_str("n:1");
		nodes[i].uuid.bytes[0] = (uint8_t)(i + 1);
	}
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		epochs[p] = 1;
		memcpy(&rows[p * NODES], all, sizeof all);
	}
	struct map_desc map = {.name = slice_str("test"),
			       .epoch = 1,
			       .partitions = PARTITIONS,
			       .replicas = NODES,
			       .node_count = NODES,
			       .nodes = nodes,
			       .rows = rows,
			       .config_epochs = epochs,
			       .voter_count = 1};
	map.cluster.bytes[0] = 9;
	struct core_config config = {.seed = 1,
				     .shard = b->shard,
				     .shard_count = b->shard_count,
				     .node = nodes[0].uuid,
				     .incarnation = ++b->starts,
				     .boot_nonce = b->starts,
				     .map = &map,
				     .peer_address = slice_str("n:1"),
				     .client_address = slice_str("n:1")};
	b->core = node_core_new(&config);
	node_core_start(b->core, now_of(b), &b->actions);
	carry_out(b);
}

static struct bench *bench_new(void)
{
	struct bench *b = xcalloc(1, sizeof *b);
	b->mono_us = START_MONO_US;
	b->shard_count = 1;
	b->store = store_mem_new(1);
	actions_init(&b->actions);
	begin(b);
	settle(b);
	return b;
}

static void end(struct bench *b)
{
	for (size_t i = 0; i < b->job_count; i++)
		free_job(&b->jobs[i]);
	b->job_count = 0;
	node_core_free(b->core);
	actions_reset(&b->actions);
}

static void bench_free(struct bench *b)
{
	end(b);
	forget_seen(b);
	buf_release(&b->cursor);
	actions_release(&b->actions);
	store_close(b->store);
	free(b->jobs);
	free(b);
}

static void tick(struct bench *b)
{
	struct node_event ev = {.kind = EV_TICK};
	step(b, &ev);
	settle(b);
}

static struct core_stats stats_of(struct bench *b)
{
	struct core_stats stats;
	node_core_stats(b->core, &stats);
	return stats;
}

static size_t rows_on_disk(struct bench *b) { return store_mem_count(b->store, STORE_LEDGER); }

/* ---- writes as peers send them ---- */

static struct version at(uint64_t ms) { return (struct version){.hlc = hlc_from_ms(START_MS + ms), .id = 5}; }

static struct record value_of(uint64_t client, uint64_t ms, struct slice value)
{
	return (struct record){.ver = at(ms),
			       .org = at(ms),
			       .rid = {.client = client, .seq = ms + 1},
			       .has_value = true,
			       .value = value,
			       .value_size = (uint32_t)value.size,
			       .value_hash = hash64(value)};
}

static struct msg write_of(struct bench *b, uint16_t opcode, const char *key, const struct record *rec)
{
	struct msg m = {.opcode = opcode, .id = ++b->next_id, .epoch = 1};
	m.replica = (struct msg_replica){.partition = hash_partition(key_hash(slice_str(key)), PARTITIONS),
					 .key = slice_str(key),
					 .deadline_ms = 1000,
					 .read_epoch = 1,
					 .record = *rec};
	return m;
}

static void tell(struct bench *b, const struct msg *m)
{
	struct node_event ev = {.kind = EV_MESSAGE, .message = {.from = PEER, .msg = m, .arrived_us = b->mono_us}};
	step(b, &ev);
	settle(b);
}

static void push_record(struct bench *b, const char *key, const struct record *rec)
{
	struct msg m = write_of(b, OP_PUSH, key, rec);
	tell(b, &m);
}

static void push(struct bench *b, const char *key, uint64_t client, uint64_t ms, const char *value)
{
	struct record rec = value_of(client, ms, slice_str(value));
	push_record(b, key, &rec);
}

/* ---- asking ---- */

static void ask(struct bench *b, uint16_t partition, struct slice key, uint32_t limit)
{
	CLEANUP(buf_release) struct buf cursor = BUF_INIT;
	do {
		struct msg m = {.opcode = OP_LEDGER, .id = ++b->next_id};
		m.request = (struct msg_request){
			.partition = partition, .key = key, .limit = limit, .cursor = buf_slice(&cursor)};
		struct node_event ev = {.kind = EV_REQUEST,
					.request = {.client = CLIENT, .msg = &m, .arrived_us = b->mono_us}};
		uint32_t replies = b->replies;
		step(b, &ev);
		settle(b);
		assert_int_equal(b->replies, replies + 1);
		buf_clear(&cursor);
		buf_append_slice(&cursor, buf_slice(&b->cursor));
	} while (cursor.size > 0);
}

/** All entries, or those of KEY, in b->seen. */
static uint32_t list(struct bench *b, const char *key, uint32_t limit)
{
	forget_seen(b);
	struct slice name = key ? slice_str(key) : slice_of(NULL, 0);
	for (uint16_t p = 0; p < PARTITIONS; p++) {
		if (p % b->shard_count == b->shard && (!key || hash_partition(key_hash(name), PARTITIONS) == p))
			ask(b, p, name, limit);
		assert_int_equal(b->status, KV_OK);
	}
	return b->seen_count;
}

static void assert_only(struct bench *b, const char *key, const char *value, uint64_t loser_ms, uint64_t winner_ms,
			enum ledger_cause cause)
{
	assert_int_equal(list(b, NULL, 0), 1);
	const struct seen *s = &b->seen[0];
	assert_slice_equal(buf_slice(&s->key), slice_str(key));
	assert_slice_equal(buf_slice(&s->value), slice_str(value));
	assert_int_equal(s->item.value_hash, hash64(slice_str(value)));
	assert_int_equal(s->item.ver.hlc, at(loser_ms).hlc);
	assert_int_equal(s->item.ver.id, at(loser_ms).id);
	assert_int_equal(s->item.org.hlc, at(winner_ms).hlc);
	assert_int_equal(s->item.cause, cause);
	assert_false(s->item.tombstone);
}

/* ---- what is kept ---- */

static void an_overwritten_value_is_kept_in_the_same_write_as_its_successor(void **state)
{
	struct bench *b = bench_new();
	push(b, "k", 1, 0, "first");
	assert_int_equal(list(b, NULL, 0), 0);
	uint64_t writes = stats_of(b).disk_writes;
	push(b, "k", 2, 10, "second");
	assert_int_equal(b->answer, ANSWER_STORED);
	assert_int_equal(stats_of(b).disk_writes, writes + 1);
	assert_int_equal(b->last_puts, 2);
	assert_only(b, "k", "first", 0, 10, LEDGER_OVERWRITTEN);
	assert_int_equal(b->seen[0].item.expires_ms, START_MS + LEDGER_AGE_MS);
	struct core_stats stats = stats_of(b);
	assert_int_equal(stats.ledger_entries, 1);
	assert_int_equal(stats.ledger_added, 1);
	assert_int_equal(stats.ledger_overwritten, 1);
	bench_free(b);
}

static void a_successor_of_the_same_client_or_much_later_costs_no_entry(void **state)
{
	struct bench *b = bench_new();
	b->mono_us += 10 * USEC_PER_SEC;
	push(b, "k", 1, 0, "a");
	push(b, "k", 1, 10, "b");
	push(b, "k", 2, 10 + LEDGER_WINDOW_MS, "c");
	assert_int_equal(b->last_puts, 1);
	assert_int_equal(list(b, NULL, 0), 0);
	assert_int_equal(stats_of(b).ledger_added, 0);
	bench_free(b);
}

static void a_value_that_a_strong_write_replaces_is_kept(void **state)
{
	struct bench *b = bench_new();
	push(b, "k", 1, 0, "eventual");
	struct record rec = value_of(2, 10, slice_str("strong"));
	rec.strong = true;
	struct msg m = write_of(b, OP_ACCEPT, "k", &rec);
	tell(b, &m);
	assert_int_equal(b->answer, ANSWER_ACK);
	assert_only(b, "k", "eventual", 0, 10, LEDGER_STRONG);
	assert_int_equal(stats_of(b).ledger_strong, 1);
	bench_free(b);
}

static void a_late_value_is_kept_once_and_no_answer_waits_for_it(void **state)
{
	struct bench *b = bench_new();
	push(b, "k", 2, 10, "here");
	b->hold_writes = true;
	uint32_t answers = b->answers;
	push(b, "k", 1, 0, "late");
	assert_int_equal(b->answers, answers + 1);
	assert_int_equal(b->answer, ANSWER_OLD);
	push(b, "k", 1, 0, "late"); /* tried again */
	b->hold_writes = false;
	settle(b);
	assert_only(b, "k", "late", 0, 10, LEDGER_LATE);
	assert_int_equal(stats_of(b).ledger_late, 1);
	assert_int_equal(stats_of(b).ledger_added, 1);
	bench_free(b);
}

static void replays_and_repairs_that_come_late_cost_no_entry(void **state)
{
	struct bench *b = bench_new();
	push(b, "k", 2, 10, "here");
	struct record rec = value_of(1, 0, slice_str("old"));
	struct msg m = write_of(b, OP_PUSH, "k", &rec);
	m.replica.hinted = true;
	tell(b, &m);
	assert_int_equal(b->answer, ANSWER_OLD);
	m.replica.hinted = false;
	m.replica.deadline_ms = 0; /* as read repair sends it */
	tell(b, &m);
	assert_int_equal(b->answer, ANSWER_OLD);
	assert_int_equal(list(b, NULL, 0), 0);
	bench_free(b);
}

static void a_value_that_was_here_and_comes_again_is_not_late(void **state)
{
	struct bench *b = bench_new();
	b->mono_us += 10 * USEC_PER_SEC;
	push(b, "k", 1, 0, "first");
	push(b, "k", 2, 5000, "its successor");
	push(b, "k", 1, 0, "first");
	assert_int_equal(b->answer, ANSWER_OLD);
	assert_int_equal(list(b, NULL, 0), 0);
	bench_free(b);
}

static void a_delete_that_loses_is_kept_without_a_value(void **state)
{
	struct bench *b = bench_new();
	struct record rec = {.ver = at(0), .org = at(0), .tombstone = true, .rid = {.client = 1, .seq = 1}};
	push_record(b, "k", &rec);
	push(b, "k", 2, 10, "value");
	assert_int_equal(list(b, NULL, 0), 1);
	assert_true(b->seen[0].item.tombstone);
	assert_int_equal(b->seen[0].value.size, 0);
	bench_free(b);
}

static void of_a_large_value_only_the_hash_is_kept(void **state)
{
	struct bench *b = bench_new();
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	while (value.size < LEDGER_VALUE_MAX)
		buf_append_u8(&value, 'x');
	struct record most = value_of(1, 0, buf_slice(&value));
	push_record(b, "most", &most);
	push(b, "most", 2, 10, "winner");
	assert_int_equal(list(b, NULL, 0), 1);
	assert_slice_equal(buf_slice(&b->seen[0].value), buf_slice(&value));
	buf_append_u8(&value, 'x');
	struct record large = value_of(1, 0, buf_slice(&value));
	push_record(b, "large", &large);
	push(b, "large", 2, 10, "winner");
	assert_int_equal(list(b, "large", 0), 1);
	assert_int_equal(b->seen[0].value.size, 0);
	assert_int_equal(b->seen[0].item.value_hash, large.value_hash);
	bench_free(b);
}

/* ---- how long and how much ---- */

static void an_entry_ends_after_a_day_and_leaves_the_disk(void **state)
{
	struct bench *b = bench_new();
	push(b, "k", 1, 0, "first");
	push(b, "k", 2, 10, "second");
	b->mono_us += (LEDGER_AGE_MS - 1) * USEC_PER_MSEC;
	tick(b);
	assert_int_equal(list(b, NULL, 0), 1);
	b->mono_us += USEC_PER_MSEC;
	assert_int_equal(list(b, NULL, 0), 0); /* before any tick has removed it */
	assert_int_equal(rows_on_disk(b), 1);
	tick(b);
	assert_int_equal(rows_on_disk(b), 0);
	assert_int_equal(stats_of(b).ledger_entries, 0);
	assert_int_equal(stats_of(b).ledger_expired, 1);
	bench_free(b);
}

static void an_entry_does_not_outlive_its_values_own_time(void **state)
{
	struct bench *b = bench_new();
	struct record rec = value_of(1, 0, slice_str("short-lived"));
	rec.expires_ms = START_MS + 5000;
	push_record(b, "k", &rec);
	push(b, "k", 2, 10, "winner");
	assert_int_equal(list(b, NULL, 0), 1);
	assert_int_equal(b->seen[0].item.expires_ms, START_MS + 5000);
	b->mono_us += 5 * USEC_PER_SEC;
	assert_int_equal(list(b, NULL, 0), 0);
	tick(b);
	assert_int_equal(rows_on_disk(b), 0);
	bench_free(b);
}

/** COUNT conflicts on a key each, with losing values of SIZE bytes. */
static void make_conflicts(struct bench *b, uint32_t count, size_t size)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	while (value.size < size)
		buf_append_u8(&value, 'v');
	for (uint32_t i = 0; i < count; i++) {
		char key[32];
		snprintf(key, sizeof key, "key-%05u", i);
		struct record rec = value_of(1, 0, buf_slice(&value));
		push_record(b, key, &rec);
		push(b, key, 2, 10, "winner");
		b->mono_us += USEC_PER_MSEC; /* so that the first ends first */
	}
}

static void too_many_entries_drop_the_oldest(void **state)
{
	struct bench *b = bench_new();
	make_conflicts(b, LEDGER_ENTRIES_MAX + 5, 10);
	struct core_stats stats = stats_of(b);
	assert_int_equal(stats.ledger_entries, LEDGER_ENTRIES_MAX);
	assert_int_equal(stats.ledger_dropped, 5);
	assert_int_equal(rows_on_disk(b), LEDGER_ENTRIES_MAX);
	assert_int_equal(list(b, "key-00004", 0), 0);
	assert_int_equal(list(b, "key-00005", 0), 1);
	bench_free(b);
}

static void too_many_bytes_drop_the_oldest(void **state)
{
	struct bench *b = bench_new();
	make_conflicts(b, 300, LEDGER_VALUE_MAX);
	struct core_stats stats = stats_of(b);
	assert_true(stats.ledger_entries * LEDGER_VALUE_MAX <= LEDGER_BYTES_MAX);
	assert_true(stats.ledger_entries >= 250);
	assert_int_equal(stats.ledger_entries + stats.ledger_dropped, 300);
	assert_int_equal(rows_on_disk(b), stats.ledger_entries);
	bench_free(b);
}

static void entries_that_end_together_are_removed_a_few_at_a_time(void **state)
{
	struct bench *b = bench_new();
	make_conflicts(b, 100, 10);
	b->mono_us += (usec_t)LEDGER_AGE_MS * USEC_PER_MSEC;
	tick(b);
	assert_int_equal(rows_on_disk(b), 100 - LEDGER_SWEEP_ITEMS);
	assert_int_equal(list(b, NULL, 0), 0);
	for (int i = 0; i < 3; i++)
		tick(b);
	assert_int_equal(rows_on_disk(b), 0);
	assert_int_equal(stats_of(b).ledger_expired, 100);
	bench_free(b);
}

/* ---- restarts ---- */

static void a_restart_keeps_the_entries_and_their_bounds(void **state)
{
	struct bench *b = bench_new();
	make_conflicts(b, 400, 10);
	end(b);
	begin(b);
	settle(b);
	assert_int_equal(stats_of(b).ledger_entries, 400);
	assert_int_equal(list(b, NULL, 0), 400);
	b->mono_us += (usec_t)LEDGER_AGE_MS * USEC_PER_MSEC;
	for (int i = 0; i < 13; i++)
		tick(b);
	assert_int_equal(rows_on_disk(b), 0);
	bench_free(b);
}

static void an_entry_added_before_all_are_loaded_counts_once(void **state)
{
	struct bench *b = bench_new();
	push(b, "a", 1, 0, "first");
	push(b, "a", 2, 10, "second");
	push(b, "b", 2, 10, "here");
	end(b);
	begin(b);
	/* No scan has been answered yet. */
	struct record rec = value_of(1, 0, slice_str("late"));
	struct msg m = write_of(b, OP_PUSH, "b", &rec);
	struct node_event ev = {.kind = EV_MESSAGE, .message = {.from = PEER, .msg = &m, .arrived_us = b->mono_us}};
	step(b, &ev);
	settle(b);
	assert_int_equal(stats_of(b).ledger_entries, 2);
	assert_int_equal(list(b, NULL, 0), 2);
	bench_free(b);
}

static void what_is_too_much_on_disk_is_dropped_at_start(void **state)
{
	struct bench *b = bench_new();
	end(b);
	uint8_t bytes[LEDGER_ROW_HEADER_SIZE], name[1 + LEDGER_KEY_SUFFIX_SIZE];
	for (uint32_t i = 0; i < LEDGER_ENTRIES_MAX + 7; i++) {
		struct ledger_row row = {.cause = LEDGER_LATE, .ends_ms = START_MS + 1000000 + i};
		ledger_row_encode(&row, bytes);
		ledger_key_encode(slice_str("k"), at(i), name);
		struct disk_key key = {.table = DISK_LEDGER, .partition = 3, .key = slice_of(name, sizeof name)};
		CLEANUP(buf_release) struct buf encoded = BUF_INIT;
		diskkey_encode(&encoded, &key);
		struct store_op op = {
			.table = STORE_LEDGER, .key = buf_slice(&encoded), .value = slice_of(bytes, sizeof bytes)};
		assert_int_equal(store_write(b->store, &op, 1, true), KV_OK);
	}
	begin(b);
	settle(b);
	assert_int_equal(rows_on_disk(b), LEDGER_ENTRIES_MAX);
	assert_int_equal(stats_of(b).ledger_entries, LEDGER_ENTRIES_MAX);
	bench_free(b);
}

static void with_other_shards_each_takes_over_its_partitions(void **state)
{
	struct bench *b = bench_new();
	make_conflicts(b, 100, 10);
	uint64_t total = 0;
	for (uint32_t shard = 0; shard < 3; shard++) {
		end(b);
		b->shard = shard;
		b->shard_count = 3;
		begin(b);
		settle(b);
		uint64_t entries = stats_of(b).ledger_entries;
		assert_int_equal(list(b, NULL, 0), entries);
		total += entries;
	}
	assert_int_equal(total, 100);
	bench_free(b);
}

static void a_damaged_entry_stops_the_node(void **state)
{
	struct bench *b = bench_new();
	end(b);
	uint8_t name[1 + LEDGER_KEY_SUFFIX_SIZE];
	ledger_key_encode(slice_str("k"), at(0), name);
	struct disk_key key = {.table = DISK_LEDGER, .partition = 3, .key = slice_of(name, sizeof name)};
	CLEANUP(buf_release) struct buf encoded = BUF_INIT;
	diskkey_encode(&encoded, &key);
	struct store_op op = {.table = STORE_LEDGER, .key = buf_slice(&encoded), .value = slice_str("nonsense")};
	assert_int_equal(store_write(b->store, &op, 1, true), KV_OK);
	begin(b);
	settle(b);
	assert_true(b->stopped);
	bench_free(b);
}

/* ---- pages ---- */

static void pages_of_any_size_show_every_entry_once(void **state)
{
	struct bench *b = bench_new();
	make_conflicts(b, 200, 10);
	for (uint32_t limit = 1; limit < 9; limit += 3) {
		bool shown[200] = {false};
		assert_int_equal(list(b, NULL, limit), 200);
		for (uint32_t i = 0; i < 200; i++) {
			unsigned number;
			assert_int_equal(sscanf(buf_cstr(&b->seen[i].key), "key-%u", &number), 1);
			assert_true(number < 200 && !shown[number]);
			shown[number] = true;
		}
	}
	bench_free(b);
}

static void a_page_of_one_key_shows_that_key_alone(void **state)
{
	struct bench *b = bench_new();
	/* One tag, so one partition and leaf: the keys stand side by side on disk. */
	static const char *const keys[] = {"{t}", "{t}a", "{t}ab", "{t}\x01", "{t}b"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		push(b, keys[i], 1, 0, "a");
		push(b, keys[i], 2, 10, "b");
		push(b, keys[i], 3, 20, "c");
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		for (uint32_t limit = 0; limit < 3; limit++) {
			assert_int_equal(list(b, keys[i], limit), 2);
			assert_slice_equal(buf_slice(&b->seen[0].key), slice_str(keys[i]));
			assert_slice_equal(buf_slice(&b->seen[1].key), slice_str(keys[i]));
			assert_true(b->seen[0].item.ver.hlc < b->seen[1].item.ver.hlc);
		}
	}
	assert_int_equal(list(b, "{t}c", 0), 0);
	bench_free(b);
}

static void a_page_shows_its_bucket_alone(void **state)
{
	struct bench *b = bench_new();
	for (uint64_t client = 1; client <= 2; client++) {
		struct record rec = value_of(client, client, slice_str(client == 1 ? "a" : "b"));
		struct msg m = write_of(b, OP_PUSH, "k", &rec);
		m.replica.bucket = 9;
		tell(b, &m);
	}
	assert_int_equal(stats_of(b).ledger_entries, 1);
	assert_int_equal(list(b, NULL, 0), 0);
	assert_int_equal(list(b, "k", 0), 0);
	bench_free(b);
}

static void what_no_page_can_answer_is_refused(void **state)
{
	struct bench *b = bench_new();
	struct msg m = {.opcode = OP_LEDGER, .id = 1, .request = {.partition = PARTITIONS}};
	struct node_event ev = {.kind = EV_REQUEST, .request = {.client = CLIENT, .msg = &m}};
	ev.request.arrived_us = b->mono_us;
	step(b, &ev);
	assert_int_equal(b->status, KV_INVALID);
	m.request = (struct msg_request){.cursor = slice_str("1234561234567890123456")}; /* no key in it */
	step(b, &ev);
	assert_int_equal(b->status, KV_INVALID);
	assert_int_equal(b->replies, 2);
	bench_free(b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_overwritten_value_is_kept_in_the_same_write_as_its_successor),
		cmocka_unit_test(a_successor_of_the_same_client_or_much_later_costs_no_entry),
		cmocka_unit_test(a_value_that_a_strong_write_replaces_is_kept),
		cmocka_unit_test(a_late_value_is_kept_once_and_no_answer_waits_for_it),
		cmocka_unit_test(replays_and_repairs_that_come_late_cost_no_entry),
		cmocka_unit_test(a_value_that_was_here_and_comes_again_is_not_late),
		cmocka_unit_test(a_delete_that_loses_is_kept_without_a_value),
		cmocka_unit_test(of_a_large_value_only_the_hash_is_kept),
		cmocka_unit_test(an_entry_ends_after_a_day_and_leaves_the_disk),
		cmocka_unit_test(an_entry_does_not_outlive_its_values_own_time),
		cmocka_unit_test(too_many_entries_drop_the_oldest),
		cmocka_unit_test(too_many_bytes_drop_the_oldest),
		cmocka_unit_test(entries_that_end_together_are_removed_a_few_at_a_time),
		cmocka_unit_test(a_restart_keeps_the_entries_and_their_bounds),
		cmocka_unit_test(an_entry_added_before_all_are_loaded_counts_once),
		cmocka_unit_test(what_is_too_much_on_disk_is_dropped_at_start),
		cmocka_unit_test(with_other_shards_each_takes_over_its_partitions),
		cmocka_unit_test(a_damaged_entry_stops_the_node),
		cmocka_unit_test(pages_of_any_size_show_every_entry_once),
		cmocka_unit_test(a_page_of_one_key_shows_that_key_alone),
		cmocka_unit_test(a_page_shows_its_bucket_alone),
		cmocka_unit_test(what_no_page_can_answer_is_refused),
	};
	return test_run("ledger_steps", tests);
}
