/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/unit/ledger_bench.h"

#include "proto/keyhash.h"
#include "server/diskkey.h"

static void add_job(struct bench *b, const struct action *a)
{
	if (b->job_count == b->job_capacity) {
		b->job_capacity = b->job_capacity * 2 + 16;
		b->jobs = xrealloc(b->jobs, b->job_capacity * sizeof b->jobs[0]);
	}
	struct bench_job *job = &b->jobs[b->job_count++];
	*job = (struct bench_job){.kind = a->kind};
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

/** The write as the engine takes it, in the job just added: carried out now, or kept for later. */
static void apply(struct bench *b, const struct action *a)
{
	struct bench_job *job = &b->jobs[b->job_count - 1];
	job->op_count = a->write.count;
	job->ops = xcalloc(a->write.count, sizeof job->ops[0]);
	b->last_puts = 0;
	for (uint32_t i = 0; i < a->write.count; i++) {
		const struct disk_put *put = &a->write.puts[i];
		b->last_puts += put->key.table != DISK_TREE;
		size_t before = job->first.size;
		diskkey_encode(&job->first, &put->key);
		job->ops[i] = (struct store_op){.table = diskkey_table(put->key.table), .remove = put->remove};
		job->ops[i].key.size = job->first.size - before;
		job->ops[i].value.size = put->value.size;
		buf_append_slice(&job->first, put->value);
	}
	const uint8_t *at = job->first.data;
	for (uint32_t i = 0; i < a->write.count; i++) {
		job->ops[i].key.data = at;
		job->ops[i].value.data = at + job->ops[i].key.size;
		at += job->ops[i].key.size + job->ops[i].value.size;
	}
	if (!b->late)
		assert_int_equal(store_write(b->store, job->ops, job->op_count, !b->lazy), KV_OK);
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
		struct bench_seen *s = &b->seen[b->seen_count++];
		s->item = r->items[i];
		buf_append_slice(&s->key, r->items[i].key);
		buf_append_slice(&s->value, r->items[i].value);
	}
}

void bench_forget_seen(struct bench *b)
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
		if (a->kind == ACT_WRITE || a->kind == ACT_READ || a->kind == ACT_SCAN)
			add_job(b, a);
		if (a->kind == ACT_WRITE)
			apply(b, a);
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

void bench_step(struct bench *b, struct node_event *ev)
{
	ev->now = now_of(b);
	node_core_step(b->core, ev, &b->actions);
	carry_out(b);
}

static void do_scan(struct bench *b, const struct bench_job *job)
{
	struct disk_row *rows = xcalloc(job->rows_max, sizeof *rows);
	struct arena copies = ARENA_INIT(64 << 20);
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
		/* A row is the scan's own only until the next one. */
		struct slice key = arena_copy(&copies, row.key);
		assert_true(diskkey_decode(job->table, key, &rows[count].key));
		rows[count++].value = arena_copy(&copies, row.value);
		bytes += row.key.size + row.value.size;
	}
	struct node_event ev = {.kind = EV_SCAN_DONE, .scan = {job->token, count, rows, !more}};
	bench_step(b, &ev);
	store_scan_close(b->store, scan);
	arena_release(&copies);
	free(rows);
}

static void do_job(struct bench *b, const struct bench_job *job)
{
	if (job->kind == ACT_SCAN) {
		do_scan(b, job);
	} else if (job->kind == ACT_READ) {
		CLEANUP(buf_release) struct buf value = BUF_INIT;
		enum kv_status status =
			store_get(b->store, diskkey_table(job->table), buf_slice(&job->first), false, &value);
		struct node_event ev = {
			.kind = EV_READ_DONE,
			.read = {.token = job->token, .found = status == KV_OK, .value = buf_slice(&value)}};
		bench_step(b, &ev);
	} else {
		if (b->late)
			assert_int_equal(store_write(b->store, job->ops, job->op_count, /* sync= */ true), KV_OK);
		else if (b->lazy)
			assert_int_equal(store_mem_sync(b->store), KV_OK);
		struct node_event ev = {.kind = EV_WRITE_DONE, .write = {.token = job->token}};
		bench_step(b, &ev);
	}
}

static void free_job(struct bench_job *job)
{
	buf_release(&job->first);
	buf_release(&job->end);
	free(job->ops);
}

/** Does what is to be done, but for the loading of the ledger with all else. */
static void settle(struct bench *b, bool but_ledger)
{
	for (size_t at = 0; at < b->job_count;) {
		bool write = b->jobs[at].kind == ACT_WRITE;
		bool held = b->hold_scans && b->jobs[at].kind == ACT_SCAN;
		bool late = but_ledger && b->jobs[at].table == DISK_LEDGER;
		if (held || (write ? b->hold_writes : late)) {
			at++;
			continue;
		}
		struct bench_job job = b->jobs[at];
		memmove(&b->jobs[at], &b->jobs[at + 1], (b->job_count - at - 1) * sizeof b->jobs[0]);
		b->job_count--;
		do_job(b, &job);
		free_job(&job);
		at = 0;
	}
}

static void take_job(struct bench *b, size_t at, struct bench_job *ret)
{
	*ret = b->jobs[at];
	memmove(&b->jobs[at], &b->jobs[at + 1], (b->job_count - at - 1) * sizeof b->jobs[0]);
	b->job_count--;
}

void bench_one(struct bench *b, struct rng *rng)
{
	if (b->job_count == 0)
		return;
	size_t at = (size_t)rng_below(rng, b->job_count);
	for (size_t i = 0; b->jobs[at].kind == ACT_WRITE && i < at; i++) {
		if (b->jobs[i].kind == ACT_WRITE)
			at = i;
	}
	struct bench_job job;
	take_job(b, at, &job);
	do_job(b, &job);
	free_job(&job);
}

void bench_settle(struct bench *b) { settle(b, /* but_ledger= */ false); }

void bench_begin(struct bench *b)
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
				     .buggify_seed = b->buggify,
				     .peer_address = slice_str("n:1"),
				     .client_address = slice_str("n:1")};
	b->core = node_core_new(&config);
	node_core_start(b->core, now_of(b), &b->actions);
	carry_out(b);
	settle(b, /* but_ledger= */ true); /* the clock's limit and the trees, before which nothing is stored */
}

struct bench *bench_new(void) { return bench_new_on(store_mem_new(1)); }

struct bench *bench_new_on(struct store *store)
{
	struct bench *b = xcalloc(1, sizeof *b);
	b->mono_us = START_MONO_US;
	b->shard_count = 1;
	b->store = store;
	actions_init(&b->actions);
	bench_begin(b);
	bench_settle(b);
	return b;
}

void bench_end(struct bench *b)
{
	for (size_t i = 0; i < b->job_count; i++)
		free_job(&b->jobs[i]);
	b->job_count = 0;
	node_core_free(b->core);
	actions_reset(&b->actions);
}

void bench_free(struct bench *b)
{
	bench_end(b);
	bench_forget_seen(b);
	buf_release(&b->cursor);
	actions_release(&b->actions);
	store_close(b->store);
	free(b->jobs);
	free(b);
}

void bench_tick(struct bench *b)
{
	struct node_event ev = {.kind = EV_TICK};
	bench_step(b, &ev);
	bench_settle(b);
}

struct core_stats bench_stats(struct bench *b)
{
	struct core_stats stats;
	node_core_stats(b->core, &stats);
	return stats;
}

size_t bench_rows(struct bench *b) { return store_mem_count(b->store, STORE_LEDGER); }

/* ---- writes as peers send them ---- */

struct version bench_version(uint64_t ms) { return (struct version){.hlc = hlc_from_ms(START_MS + ms), .id = 5}; }

struct record bench_value(uint64_t client, uint64_t ms, struct slice value)
{
	return (struct record){.ver = bench_version(ms),
			       .org = bench_version(ms),
			       .rid = {.client = client, .seq = ms + 1},
			       .has_value = true,
			       .value = value,
			       .value_size = (uint32_t)value.size,
			       .value_hash = hash64(value)};
}

struct msg bench_write(struct bench *b, uint16_t opcode, const char *key, const struct record *rec)
{
	struct msg m = {.opcode = opcode, .id = ++b->next_id, .epoch = 1};
	m.replica = (struct msg_replica){.partition = hash_partition(key_hash(slice_str(key)), PARTITIONS),
					 .key = slice_str(key),
					 .deadline_ms = 1000,
					 .read_epoch = 1,
					 .record = *rec};
	return m;
}

void bench_tell(struct bench *b, const struct msg *m)
{
	struct node_event ev = {.kind = EV_MESSAGE, .message = {.from = PEER, .msg = m, .arrived_us = b->mono_us}};
	bench_step(b, &ev);
	bench_settle(b);
}

void bench_push_record(struct bench *b, const char *key, const struct record *rec)
{
	struct msg m = bench_write(b, OP_PUSH, key, rec);
	bench_tell(b, &m);
}

void bench_push(struct bench *b, const char *key, uint64_t client, uint64_t ms, const char *value)
{
	struct record rec = bench_value(client, ms, slice_str(value));
	bench_push_record(b, key, &rec);
}

/* ---- asking ---- */

void bench_ask(struct bench *b, uint16_t partition, struct slice key, struct slice prefix, uint32_t limit)
{
	CLEANUP(buf_release) struct buf cursor = BUF_INIT;
	do {
		struct msg m = {.opcode = OP_LEDGER, .id = ++b->next_id};
		m.request = (struct msg_request){.partition = partition,
						 .key = key,
						 .prefix = prefix,
						 .limit = limit,
						 .cursor = buf_slice(&cursor)};
		struct node_event ev = {.kind = EV_REQUEST,
					.request = {.client = CLIENT, .msg = &m, .arrived_us = b->mono_us}};
		uint32_t replies = b->replies;
		bench_step(b, &ev);
		bench_settle(b);
		assert_int_equal(b->replies, replies + 1);
		buf_clear(&cursor);
		buf_append_slice(&cursor, buf_slice(&b->cursor));
	} while (cursor.size > 0);
}

uint32_t bench_list(struct bench *b, const char *key, uint32_t limit)
{
	bench_forget_seen(b);
	struct slice name = key ? slice_str(key) : slice_of(NULL, 0);
	for (uint16_t p = 0; p < PARTITIONS; p++) {
		if (p % b->shard_count == b->shard && (!key || hash_partition(key_hash(name), PARTITIONS) == p))
			bench_ask(b, p, name, slice_of(NULL, 0), limit);
		assert_int_equal(b->status, KV_OK);
	}
	return b->seen_count;
}

void bench_assert_only(struct bench *b, const char *key, const char *value, uint64_t loser_ms, uint64_t winner_ms,
		       enum ledger_cause cause)
{
	assert_int_equal(bench_list(b, NULL, 0), 1);
	const struct bench_seen *s = &b->seen[0];
	assert_slice_equal(buf_slice(&s->key), slice_str(key));
	assert_slice_equal(buf_slice(&s->value), slice_str(value));
	assert_int_equal(s->item.value_hash, hash64(slice_str(value)));
	assert_int_equal(s->item.ver.hlc, bench_version(loser_ms).hlc);
	assert_int_equal(s->item.ver.id, bench_version(loser_ms).id);
	assert_int_equal(s->item.org.hlc, bench_version(winner_ms).hlc);
	assert_int_equal(s->item.cause, cause);
	assert_false(s->item.tombstone);
}

void bench_conflicts(struct bench *b, uint32_t count, size_t size)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	while (value.size < size)
		buf_append_u8(&value, 'v');
	for (uint32_t i = 0; i < count; i++) {
		char key[32];
		snprintf(key, sizeof key, "key-%05u", i);
		struct record rec = bench_value(1, 0, buf_slice(&value));
		bench_push_record(b, key, &rec);
		bench_push(b, key, 2, 10, "winner");
		b->mono_us += USEC_PER_MSEC; /* so that the first ends first */
	}
}
