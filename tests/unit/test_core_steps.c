/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole cores, one step at a time: a few nodes whose messages, disks and clocks the test holds in its hands. Messages pass
 * through the codec, so each one that a core sends is one that a peer accepts.
 */
#include "tests/support/test.h"

#include "base/ilist.h"
#include "proto/codec.h"
#include "proto/keyhash.h"
#include "replication/actions.h"
#include "replication/node_core.h"
#include "replication/record.h"

enum { NODES = 4, PARTITIONS = 16, REPLICAS = 3, RULES = 8, CLIENT = 7 };

#define START_MONO_US (10 * USEC_PER_SEC)
#define START_WALL_US (1700000000 * USEC_PER_SEC)
#define ANY           0xFFFFu

/* ---- the cluster ---- */

/** A frame under way. */
struct frame {
	struct ilink link;
	node_id from, to;
	struct buf bytes;
};

/** What a disk has been asked for. */
struct job {
	struct ilink link;
	enum action_kind kind;
	uint64_t token;
	struct disk_key key; /* read */
	struct disk_scan scan;
	uint32_t put_count;
	struct disk_put *puts;
	struct arena arena; /* of all slices */
};

struct stored {
	struct disk_key key;
	struct blob *name, *value;
};

struct node {
	struct node_core *core; /* NULL while down */
	struct actions actions;
	uint64_t incarnation;
	usec_t wall_us; /* ahead of the others' */
	struct ilist jobs;
	bool hold_writes, hold_reads;
	struct stored *rows;
	size_t row_count;
	bool stopped;
};

/** Messages to lose, or to keep back for later. */
struct rule {
	node_id from, to;
	uint16_t opcode;
	enum { FOR_BOTH, FOR_REQUESTS, FOR_REPLIES } kind;
	bool keep;
};

struct cluster {
	struct node nodes[NODES];
	uint32_t node_count;
	usec_t mono_us;
	struct ilist frames, kept;
	struct rule rules[RULES];
	size_t rule_count;
	uint64_t hints_max;
	node_id rows[PARTITIONS * REPLICAS];
	uint64_t epochs[PARTITIONS];
	struct map_node map_nodes[NODES];
	struct map_desc map;
	/* answers of clients */
	uint32_t answers;
	struct msg_result result; /* of the last; message, value and items are gone but for the value */
	struct buf value;
	uint32_t saves;
};

static void describe_map(struct cluster *c)
{
	static const char *const addresses[NODES] = {"n0:1", "n1:1", "n2:1", "n3:1"};
	for (node_id i = 0; i < c->node_count; i++) {
		c->map_nodes[i] = (struct map_node){.index = i,
						    .state = NODE_NORMAL,
						    .name = slice_str(addresses[i]),
						    .peer_address = slice_str(addresses[i]),
						    .client_address = slice_str(addresses[i]),
						    .weight = 1};
		c->map_nodes[i].uuid.bytes[0] = (uint8_t)(i + 1);
	}
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		c->epochs[p] = 1;
		for (uint32_t i = 0; i < REPLICAS; i++)
			c->rows[p * REPLICAS + i] = (node_id)i; /* node 3, if there is one, only forwards */
	}
	c->map = (struct map_desc){.name = slice_str("test"),
				   .epoch = 1,
				   .partitions = PARTITIONS,
				   .replicas = REPLICAS,
				   .node_count = c->node_count,
				   .nodes = c->map_nodes,
				   .rows = c->rows,
				   .config_epochs = c->epochs,
				   .voter_count = 1};
	c->map.cluster.bytes[0] = 9;
}

static struct moment now_of(const struct cluster *c, node_id i)
{
	return (struct moment){.mono_us = c->mono_us,
			       .wall_us = START_WALL_US + c->mono_us - START_MONO_US + c->nodes[i].wall_us};
}

/* ---- disk ---- */

static int key_compare(const struct disk_key *a, const struct disk_key *b)
{
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	if (a->target != b->target)
		return a->target < b->target ? -1 : 1;
	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	if (a->leaf != b->leaf)
		return a->leaf < b->leaf ? -1 : 1;
	if (a->bucket != b->bucket)
		return a->bucket < b->bucket ? -1 : 1;
	return slice_compare(a->key, b->key);
}

/** Place of KEY, or where it would be. */
static size_t row_place(const struct node *n, const struct disk_key *key)
{
	size_t at = 0;
	while (at < n->row_count && key_compare(&n->rows[at].key, key) < 0)
		at++;
	return at;
}

static struct stored *row_find(const struct node *n, const struct disk_key *key)
{
	size_t at = row_place(n, key);
	return at < n->row_count && key_compare(&n->rows[at].key, key) == 0 ? &n->rows[at] : NULL;
}

static void row_remove(struct node *n, size_t at)
{
	blob_unref(n->rows[at].name);
	blob_unref(n->rows[at].value);
	memmove(&n->rows[at], &n->rows[at + 1], (n->row_count - at - 1) * sizeof n->rows[0]);
	n->row_count--;
}

static void row_put(struct node *n, const struct disk_put *put)
{
	size_t at = row_place(n, &put->key);
	if (row_find(n, &put->key))
		row_remove(n, at);
	if (put->remove)
		return;
	n->rows = xrealloc(n->rows, (n->row_count + 1) * sizeof n->rows[0]);
	memmove(&n->rows[at + 1], &n->rows[at], (n->row_count - at) * sizeof n->rows[0]);
	struct stored row = {.key = put->key, .name = blob_new(put->key.key), .value = blob_new(put->value)};
	assert_true(row.name && row.value);
	row.key.key = blob_slice(row.name);
	n->rows[at] = row;
	n->row_count++;
}

static void job_add(struct node *n, const struct action *a)
{
	struct job *job = xcalloc(1, sizeof *job);
	job->kind = a->kind;
	job->arena = ARENA_INIT(64 << 20);
	if (a->kind == ACT_READ) {
		job->token = a->read.token;
		job->key = a->read.key;
		job->key.key = arena_copy(&job->arena, a->read.key.key);
	} else if (a->kind == ACT_SCAN) {
		job->token = a->scan.token;
		job->scan = a->scan.scan;
		job->scan.after.key = arena_copy(&job->arena, a->scan.scan.after.key);
	} else {
		job->token = a->write.token;
		job->put_count = a->write.count;
		job->puts = arena_alloc(&job->arena, a->write.count * sizeof job->puts[0]);
		memcpy(job->puts, a->write.puts, a->write.count * sizeof job->puts[0]);
		for (uint32_t i = 0; i < job->put_count; i++) {
			job->puts[i].key.key = arena_copy(&job->arena, job->puts[i].key.key);
			job->puts[i].value = arena_copy(&job->arena, job->puts[i].value);
		}
	}
	ilist_push_back(&n->jobs, &job->link);
}

static void job_free(struct job *job)
{
	arena_release(&job->arena);
	free(job);
}

/* ---- carrying out ---- */

static bool rule_matches(const struct rule *r, node_id from, node_id to, const struct msg *m)
{
	return (r->from == ANY || r->from == from) && (r->to == ANY || r->to == to) &&
	       (r->opcode == ANY || r->opcode == m->opcode) &&
	       (r->kind == FOR_BOTH || (r->kind == FOR_REPLIES) == m->reply);
}

static void frame_send(struct cluster *c, node_id from, node_id to, const struct msg *m)
{
	struct ilist *list = &c->frames;
	for (size_t i = 0; i < c->rule_count; i++) {
		if (!rule_matches(&c->rules[i], from, to, m))
			continue;
		if (!c->rules[i].keep)
			return;
		list = &c->kept;
	}
	struct frame *f = xcalloc(1, sizeof *f);
	f->from = from;
	f->to = to;
	assert_int_equal(codec_encode(m, &f->bytes), KV_OK);
	ilist_push_back(list, &f->link);
}

static void frame_free(struct frame *f)
{
	buf_release(&f->bytes);
	free(f);
}

static void note_answer(struct cluster *c, const struct msg *m)
{
	c->answers++;
	c->result = m->result;
	buf_clear(&c->value);
	buf_append_slice(&c->value, m->result.value);
}

static void carry_out(struct cluster *c, node_id i)
{
	struct node *n = &c->nodes[i];
	for (size_t k = 0; k < n->actions.count; k++) {
		const struct action *a = &n->actions.items[k];
		if (a->kind == ACT_SEND)
			frame_send(c, i, a->send.to, a->send.msg);
		else if (a->kind == ACT_REPLY)
			note_answer(c, a->reply.msg);
		else if (a->kind == ACT_READ || a->kind == ACT_WRITE || a->kind == ACT_SCAN)
			job_add(n, a);
		n->stopped |= a->kind == ACT_STOP;
		c->saves += a->kind == ACT_SAVE_MAP;
	}
	actions_reset(&n->actions);
}

static void step(struct cluster *c, node_id i, struct node_event *ev)
{
	ev->now = now_of(c, i);
	node_core_step(c->nodes[i].core, ev, &c->nodes[i].actions);
	carry_out(c, i);
}

/** Hands M to node TO as a message of node FROM. */
static void tell(struct cluster *c, node_id from, node_id to, const struct msg *m)
{
	struct node_event ev = {.kind = EV_MESSAGE, .message = {.from = from, .msg = m, .arrived_us = c->mono_us}};
	step(c, to, &ev);
}

static void frame_deliver(struct cluster *c, const struct frame *f)
{
	static const struct frame_limits limits = {
		.meta_max = META_SIZE_MAX, .meta_admin_max = META_SIZE_ADMIN_MAX, .value_max = VALUE_SIZE_MAX};
	struct frame_header h;
	assert_int_equal(frame_header_decode(f->bytes.data, &limits, &h), FRAME_OK);
	struct arena arena = ARENA_INIT(codec_arena_max(h.meta_size));
	struct slice meta = slice_of(f->bytes.data + FRAME_HEADER_SIZE, h.meta_size);
	struct slice value = slice_of(meta.data + meta.size, h.value_size);
	struct msg m;
	assert_int_equal(codec_decode(&h, meta, value, &arena, &m), KV_OK);
	if (c->nodes[f->to].core)
		tell(c, f->from, f->to, &m);
	arena_release(&arena);
}

static void do_scan(struct cluster *c, node_id i, const struct job *job)
{
	const struct node *n = &c->nodes[i];
	const struct disk_scan *s = &job->scan;
	struct disk_row *rows = xcalloc(s->rows_max, sizeof rows[0]);
	uint32_t count = 0;
	bool done = true;
	for (size_t k = 0; k < n->row_count; k++) {
		const struct disk_key *key = &n->rows[k].key;
		bool in_range = key->table == s->table && key->partition == s->partition &&
				(s->table == DISK_DATA || key->target == s->target);
		struct disk_key after = s->after;
		after.target = s->table == DISK_DATA ? 0 : s->target;
		if (!in_range || (s->has_after && key_compare(key, &after) <= 0))
			continue;
		done = count < s->rows_max;
		if (!done)
			break;
		rows[count++] = (struct disk_row){.key = *key, .value = blob_slice(n->rows[k].value)};
	}
	struct node_event ev = {.kind = EV_SCAN_DONE, .scan = {job->token, count, rows, done}};
	step(c, i, &ev);
	free(rows);
}

static void do_job(struct cluster *c, node_id i, struct job *job)
{
	struct node *n = &c->nodes[i];
	if (job->kind == ACT_SCAN) {
		do_scan(c, i, job);
	} else if (job->kind == ACT_READ) {
		const struct stored *row = row_find(n, &job->key);
		struct blob *value = row ? blob_ref(row->value) : NULL;
		struct node_event ev = {.kind = EV_READ_DONE, .read = {job->token, row != NULL, blob_slice(value)}};
		step(c, i, &ev);
		blob_unref(value);
	} else {
		for (uint32_t k = 0; k < job->put_count; k++)
			row_put(n, &job->puts[k]);
		struct node_event ev = {.kind = EV_WRITE_DONE, .write.token = job->token};
		step(c, i, &ev);
	}
}

static struct job *next_job(struct node *n)
{
	for (struct ilink *l = ilist_first(&n->jobs); l; l = ilist_next(&n->jobs, l)) {
		struct job *job = container_of(l, struct job, link);
		if (!(job->kind == ACT_WRITE ? n->hold_writes : n->hold_reads)) {
			ilist_remove(l);
			return job;
		}
	}
	return NULL;
}

/** Until no message is under way and no disk that is let work has anything to do. */
static void run(struct cluster *c)
{
	for (bool busy = true; busy;) {
		busy = false;
		struct ilink *link = ilist_pop_front(&c->frames);
		if (link) {
			struct frame *f = container_of(link, struct frame, link);
			frame_deliver(c, f);
			frame_free(f);
			busy = true;
		}
		for (node_id i = 0; i < c->node_count; i++) {
			struct job *job = c->nodes[i].core ? next_job(&c->nodes[i]) : NULL;
			if (!job)
				continue;
			do_job(c, i, job);
			job_free(job);
			busy = true;
		}
	}
}

/** Lets time pass with ticks, and everything happen that it brings. */
static void pass(struct cluster *c, usec_t us)
{
	for (usec_t end_us = c->mono_us + us; c->mono_us < end_us;) {
		c->mono_us += MIN(TICK_US, end_us - c->mono_us);
		for (node_id i = 0; i < c->node_count; i++) {
			struct node_event ev = {.kind = EV_TICK};
			if (c->nodes[i].core)
				step(c, i, &ev);
		}
		run(c);
	}
}

static void drop(struct cluster *c, node_id from, node_id to, uint16_t opcode, int kind)
{
	assert_true(c->rule_count < RULES);
	c->rules[c->rule_count++] = (struct rule){.from = from, .to = to, .opcode = opcode, .kind = kind};
}

static void keep(struct cluster *c, node_id from, node_id to, uint16_t opcode, int kind)
{
	drop(c, from, to, opcode, kind);
	c->rules[c->rule_count - 1].keep = true;
}

/** Everything gets through again; what was kept arrives only with release_kept. */
static void heal(struct cluster *c) { c->rule_count = 0; }

static void release_kept(struct cluster *c)
{
	struct ilink *link;
	while ((link = ilist_pop_front(&c->kept)))
		ilist_push_back(&c->frames, link);
	run(c);
}

/* ---- life ---- */

static hlc_t stored_limit(const struct node *n)
{
	hlc_t limit = 0;
	for (size_t k = 0; k < n->row_count; k++) {
		struct slice name = n->rows[k].key.key;
		if (n->rows[k].key.table == DISK_META && name.size > 9 && memcmp(name.data, "hlc_limit", 9) == 0)
			memcpy(&limit, n->rows[k].value->data, sizeof limit);
	}
	return limit;
}

static void start_node(struct cluster *c, node_id i, const struct map_desc *map)
{
	struct node *n = &c->nodes[i];
	n->incarnation++;
	struct core_config config = {.seed = i + 1u,
				     .shard_count = 1,
				     .node = c->map_nodes[i].uuid,
				     .incarnation = n->incarnation,
				     .boot_nonce = 100 * n->incarnation + i,
				     .name = c->map_nodes[i].name,
				     .peer_address = c->map_nodes[i].peer_address,
				     .client_address = c->map_nodes[i].client_address,
				     .weight = 1,
				     .hlc_limit = stored_limit(n),
				     .hints_max = c->hints_max,
				     .map = map};
	n->core = node_core_new(&config);
	node_core_start(n->core, now_of(c, i), &n->actions);
	carry_out(c, i);
}

/** The process dies: what was not yet durable is lost. */
static void crash(struct cluster *c, node_id i)
{
	struct node *n = &c->nodes[i];
	node_core_free(n->core);
	n->core = NULL;
	struct ilink *link;
	while ((link = ilist_pop_front(&n->jobs)))
		job_free(container_of(link, struct job, link));
}

static struct cluster *cluster_make(uint32_t node_count)
{
	struct cluster *c = xcalloc(1, sizeof *c);
	c->node_count = node_count;
	c->mono_us = START_MONO_US;
	ilist_init(&c->frames);
	ilist_init(&c->kept);
	describe_map(c);
	for (node_id i = 0; i < node_count; i++) {
		actions_init(&c->nodes[i].actions);
		ilist_init(&c->nodes[i].jobs);
	}
	return c;
}

/** A cluster that is ready. */
static struct cluster *cluster_new(uint32_t node_count, uint64_t hints_max)
{
	struct cluster *c = cluster_make(node_count);
	c->hints_max = hints_max;
	for (node_id i = 0; i < node_count; i++)
		start_node(c, i, &c->map);
	pass(c, USEC_PER_SEC);
	for (node_id i = 0; i < node_count; i++)
		assert_true(node_core_is_ready(c->nodes[i].core));
	return c;
}

static void frames_free(struct ilist *frames)
{
	struct ilink *link;
	while ((link = ilist_pop_front(frames)))
		frame_free(container_of(link, struct frame, link));
}

static void cluster_free(struct cluster *c)
{
	for (node_id i = 0; i < c->node_count; i++) {
		struct node *n = &c->nodes[i];
		crash(c, i);
		actions_release(&n->actions);
		while (n->row_count > 0)
			row_remove(n, 0);
		free(n->rows);
	}
	frames_free(&c->frames);
	frames_free(&c->kept);
	buf_release(&c->value);
	free(c);
}

/* ---- what tests say ---- */

static struct disk_key data_key(const char *key)
{
	uint64_t hash = key_hash(slice_str(key));
	return (struct disk_key){.table = DISK_DATA,
				 .partition = hash_partition(hash, PARTITIONS),
				 .leaf = hash_leaf(hash, PARTITIONS),
				 .key = slice_str(key)};
}

/** The record of KEY on node I's disk; ver none if there is none. */
static struct record on_disk(const struct cluster *c, node_id i, const char *key)
{
	struct disk_key at = data_key(key);
	const struct stored *row = row_find(&c->nodes[i], &at);
	struct record rec = {0};
	if (row)
		assert_int_equal(record_decode(blob_slice(row->value), &rec), KV_OK);
	return rec;
}

static struct core_stats stats_of(const struct cluster *c, node_id i)
{
	struct core_stats stats;
	node_core_stats(c->nodes[i].core, &stats);
	return stats;
}

/** Asks node I; *ret_answers tells when the answer is there (c->answers has grown). */
static void ask(struct cluster *c, node_id i, uint16_t opcode, const char *key, const char *value,
		struct msg_request more)
{
	struct msg m = {.opcode = opcode, .id = 1, .request = more};
	m.request.key = slice_str(key);
	if (value)
		m.request.value = slice_str(value);
	struct node_event ev = {.kind = EV_REQUEST,
				.request = {.client = CLIENT, .msg = &m, .arrived_us = c->mono_us}};
	step(c, i, &ev);
	run(c);
}

static const struct msg_request strong = {.level = LEVEL_STRONG};

/** Asks and waits for the one answer. */
static enum kv_status call(struct cluster *c, node_id i, uint16_t opcode, const char *key, const char *value,
			   struct msg_request more)
{
	uint32_t before = c->answers;
	ask(c, i, opcode, key, value, more);
	for (uint32_t k = 0; k < 200 && c->answers == before; k++)
		pass(c, TICK_US);
	assert_int_equal(c->answers, before + 1);
	return c->result.status;
}

static void assert_reads(struct cluster *c, node_id i, const char *key, const char *value)
{
	enum kv_status status = call(c, i, OP_GET, key, NULL, strong);
	assert_int_equal(status, value ? KV_OK : KV_NOT_FOUND);
	if (value)
		assert_slice_equal(buf_slice(&c->value), slice_str(value));
}

static hlc_t clock_of(const struct cluster *c, node_id i) { return hlc_from_wall_us(now_of(c, i).wall_us); }

/** A message for the key's replica I under the present epoch. */
static struct msg replica_msg(const struct cluster *c, uint16_t opcode, const char *key)
{
	struct msg m = {.opcode = opcode, .id = 900000, .epoch = c->map.epoch, .hlc = clock_of(c, 0)};
	m.replica.partition = data_key(key).partition;
	m.replica.read_epoch = c->map.epoch;
	m.replica.key = slice_str(key);
	return m;
}

static struct record whole_record(struct version ver, const char *value)
{
	return (struct record){.ver = ver,
			       .org = ver,
			       .strong = true,
			       .has_value = true,
			       .rid = {5, 5},
			       .value = slice_str(value),
			       .value_size = (uint32_t)strlen(value),
			       .value_hash = hash64(slice_str(value))};
}

/** The one kept frame's message, decoded; ARENA holds it. */
static struct msg kept_msg(const struct cluster *c, struct arena *arena)
{
	struct ilink *link = ilist_first(&c->kept);
	assert_non_null(link);
	const struct frame *f = container_of(link, struct frame, link);
	static const struct frame_limits limits = {
		.meta_max = META_SIZE_MAX, .meta_admin_max = META_SIZE_ADMIN_MAX, .value_max = VALUE_SIZE_MAX};
	struct frame_header h;
	assert_int_equal(frame_header_decode(f->bytes.data, &limits, &h), FRAME_OK);
	*arena = ARENA_INIT(codec_arena_max(h.meta_size));
	struct slice meta = slice_of(f->bytes.data + FRAME_HEADER_SIZE, h.meta_size);
	struct msg m;
	assert_int_equal(codec_decode(&h, meta, slice_of(meta.data + meta.size, h.value_size), arena, &m), KV_OK);
	return m;
}

static uint32_t kept_count(const struct cluster *c)
{
	uint32_t count = 0;
	for (struct ilink *l = ilist_first(&c->kept); l; l = ilist_next(&c->kept, l))
		count++;
	return count;
}

/** Sends M from node 2 to node 0 and gives node 0's kind of answer; 0 if it gave none. */
static enum replica_answer answer_to(struct cluster *c, const struct msg *m)
{
	keep(c, 0, 2, m->opcode, FOR_REPLIES);
	tell(c, 2, 0, m);
	run(c);
	enum replica_answer answer = 0;
	if (kept_count(c) > 0) {
		struct arena arena;
		answer = kept_msg(c, &arena).answer.answer;
		arena_release(&arena);
	}
	frames_free(&c->kept);
	c->rule_count--;
	return answer;
}

/* ---- durability ---- */

static void a_strong_write_is_on_every_disk_and_read_everywhere(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	pass(c, 50 * USEC_PER_MSEC);
	for (node_id i = 0; i < 3; i++) {
		assert_slice_equal(on_disk(c, i, "k").value, slice_str("one"));
		assert_false(on_disk(c, i, "k").weak);
		assert_reads(c, i, "k", "one");
	}
	cluster_free(c);
}

static void nobody_hears_of_a_write_before_a_majority_has_synced_it(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[1].hold_writes = c->nodes[2].hold_writes = true;
	ask(c, 0, OP_PUT, "k", "one", strong);
	assert_int_equal(c->answers, 0);
	c->nodes[1].hold_writes = false;
	run(c);
	assert_int_equal(c->answers, 1);
	assert_int_equal(c->result.status, KV_OK);
	cluster_free(c);
}

static void a_reader_is_not_told_of_a_record_before_it_is_durable(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[0].hold_writes = true;
	struct record rec = whole_record((struct version){clock_of(c, 0), 1}, "early");
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = rec;
	assert_int_equal(answer_to(c, &push), 0);
	struct msg read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_to(c, &read), 0);
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = (struct version){clock_of(c, 0), 2};
	assert_int_equal(answer_to(c, &prepare), 0);
	/* The same write again is acknowledged no sooner than the first. */
	assert_int_equal(answer_to(c, &push), 0);
	keep(c, 0, 2, ANY, FOR_REPLIES);
	c->nodes[0].hold_writes = false;
	run(c);
	assert_int_equal(kept_count(c), 4);
	cluster_free(c);
}

static void a_restarted_replica_refuses_what_it_promised_before(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct version low = {clock_of(c, 0), 1}, high = {clock_of(c, 0), 2};
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = high;
	assert_int_equal(answer_to(c, &prepare), ANSWER_PROMISE);
	crash(c, 0);
	start_node(c, 0, &c->map);
	pass(c, 50 * USEC_PER_MSEC);
	struct msg accept = replica_msg(c, OP_ACCEPT, "k");
	accept.replica.record = whole_record(low, "late");
	assert_int_equal(answer_to(c, &accept), ANSWER_REJECT);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record(low, "late");
	assert_int_equal(answer_to(c, &push), ANSWER_STORED);
	assert_true(on_disk(c, 0, "k").weak);
	cluster_free(c);
}

static void an_acknowledged_write_survives_the_crash_of_all_nodes(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[2].hold_writes = true;
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	for (node_id i = 0; i < 3; i++)
		crash(c, i);
	c->nodes[2].hold_writes = false;
	for (node_id i = 0; i < 3; i++)
		start_node(c, i, &c->map);
	pass(c, 3 * USEC_PER_SEC);
	assert_reads(c, 2, "k", "one");
	cluster_free(c);
}

/* ---- at most once, and honest ---- */

static void an_accept_that_reached_one_replica_is_finished_not_repeated(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	keep(c, 0, 1, OP_ACCEPT, FOR_REQUESTS);
	keep(c, 0, 2, OP_ACCEPT, FOR_REQUESTS);
	ask(c, 0, OP_PUT, "k", "x", (struct msg_request){.level = LEVEL_STRONG, .deadline_ms = 3000});
	struct version first = on_disk(c, 0, "k").ver;
	assert_false(version_is_none(first));
	heal(c);
	for (uint32_t i = 0; i < 300 && c->answers == 0; i++)
		pass(c, TICK_US);
	assert_int_equal(c->result.status, KV_OK);
	/* The client's version is the first attempt, whatever ballot finished it. */
	assert_true(version_equal(c->result.version, first));
	assert_int_equal(call(c, 1, OP_PUT, "k", "y", strong), KV_OK);
	release_kept(c);
	pass(c, USEC_PER_SEC);
	for (node_id i = 0; i < 3; i++)
		assert_reads(c, i, "k", "y");
	cluster_free(c);
}

static void a_write_that_may_have_happened_says_so(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	drop(c, 1, 0, OP_ACCEPT, FOR_REPLIES);
	drop(c, 2, 0, OP_ACCEPT, FOR_REPLIES);
	drop(c, 1, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_PUT, "k", "x", strong);
	assert_int_equal(c->answers, 0); /* the prepare to node 2 passed, the accept's answers did not */
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(c->answers, 1);
	/* The next ballot saw it at a majority. */
	assert_int_equal(c->result.status, KV_OK);
	drop(c, ANY, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_ADD, "k2", NULL, strong);
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(c->answers, 2);
	assert_int_equal(c->result.status, KV_UNAVAILABLE);
	assert_false(c->result.in_doubt);
	cluster_free(c);
}

static void a_write_whose_accepts_vanish_ends_in_doubt(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	keep(c, 0, ANY, OP_ACCEPT, FOR_REQUESTS);
	ask(c, 0, OP_PUT, "k", "x", strong);
	drop(c, 0, ANY, OP_PREPARE, FOR_REQUESTS);
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(c->answers, 1);
	assert_int_equal(c->result.status, KV_IN_DOUBT);
	assert_true(c->result.in_doubt);
	cluster_free(c);
}

static void a_forwarded_request_that_comes_twice_is_carried_out_once(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	struct msg m = {.opcode = OP_PUT, .id = 77, .hlc = clock_of(c, 3), .epoch = 1};
	m.request = (struct msg_request){
		.key = slice_str("k"), .value = slice_str("v"), .level = LEVEL_STRONG, .forwarded = true};
	uint64_t before = stats_of(c, 0).ops_started;
	tell(c, 3, 0, &m);
	tell(c, 3, 0, &m);
	run(c);
	assert_int_equal(stats_of(c, 0).ops_started, before + 1);
	cluster_free(c);
}

static void a_node_that_is_no_replica_forwards_and_passes_the_answer_on(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	assert_int_equal(call(c, 3, OP_PUT, "k", "far", strong), KV_OK);
	assert_reads(c, 3, "k", "far");
	assert_int_equal(stats_of(c, 3).ops_forwarded, 2);
	cluster_free(c);
}

/* ---- loss of nodes ---- */

static void two_of_three_down_means_unavailable_at_once_and_eventual_goes_on(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 1);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_PUT, "k", "x", strong), KV_UNAVAILABLE);
	assert_false(c->result.in_doubt);
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, strong), KV_UNAVAILABLE);
	assert_int_equal(call(c, 0, OP_PUT, "k", "e", (struct msg_request){.acks = ACKS_ONE}), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "k", "e", (struct msg_request){.acks = ACKS_MAJORITY}), KV_UNAVAILABLE);
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, (struct msg_request){0}), KV_OK);
	cluster_free(c);
}

static void a_returning_replica_gets_what_it_missed(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_PUT, "a", "1", strong), KV_OK);
	assert_int_equal(call(c, 1, OP_PUT, "b", "2", (struct msg_request){.acks = ACKS_MAJORITY}), KV_OK);
	assert_int_equal(call(c, 1, OP_DEL, "a", NULL, strong), KV_OK);
	assert_true(stats_of(c, 0).hints_pending > 0);
	start_node(c, 2, &c->map);
	pass(c, 20 * USEC_PER_SEC);
	assert_true(on_disk(c, 2, "a").tombstone);
	assert_slice_equal(on_disk(c, 2, "b").value, slice_str("2"));
	assert_int_equal(stats_of(c, 0).hints_pending + stats_of(c, 1).hints_pending, 0);
	cluster_free(c);
}

static void more_hints_than_allowed_become_a_mark_that_survives_a_restart(void **state)
{
	struct cluster *c = cluster_new(3, 1);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	static const char *const keys[] = {"a", "b", "c", "d"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(call(c, 0, OP_PUT, keys[i], "v", strong), KV_OK);
	assert_int_equal(stats_of(c, 0).hints_pending, 1);
	assert_true(stats_of(c, 0).partitions_dirty > 0);
	crash(c, 0);
	start_node(c, 0, &c->map);
	pass(c, USEC_PER_SEC);
	assert_true(stats_of(c, 0).partitions_dirty > 0);
	start_node(c, 2, &c->map);
	pass(c, 30 * USEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_slice_equal(on_disk(c, 2, keys[i]).value, slice_str("v"));
	assert_int_equal(stats_of(c, 0).partitions_dirty, 0);
	cluster_free(c);
}

/* ---- what a replica refuses ---- */

static void a_request_of_an_older_map_is_refused(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->map.epoch = 5;
	for (uint32_t p = 0; p < PARTITIONS; p++)
		c->epochs[p] = 5;
	struct node_event ev = {.kind = EV_MAP_SAVED, .map.map = &c->map};
	step(c, 0, &ev);
	step(c, 0, &ev); /* twice is once */
	struct msg m = replica_msg(c, OP_READ, "k");
	m.epoch = 4;
	assert_int_equal(answer_to(c, &m), ANSWER_EPOCH);
	m.epoch = 5;
	assert_int_equal(answer_to(c, &m), ANSWER_RECORD);
	m.epoch = 6;
	assert_int_equal(answer_to(c, &m), ANSWER_BUSY);
	cluster_free(c);
}

static void a_version_from_the_future_is_refused(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct version far = {clock_of(c, 0) + hlc_from_ms(MAX_DRIFT_MS + 1), 1};
	struct version edge = {UINT64_MAX, UINT64_MAX};
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record(far, "x");
	assert_int_equal(answer_to(c, &push), ANSWER_CLOCK);
	push.replica.record = whole_record(edge, "x");
	assert_int_equal(answer_to(c, &push), ANSWER_CLOCK);
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = edge;
	assert_int_equal(answer_to(c, &prepare), ANSWER_CLOCK);
	assert_true(version_is_none(on_disk(c, 0, "k").ver));
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	cluster_free(c);
}

static void a_ballot_above_the_durable_limit_is_not_promised(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[0].hold_writes = true;
	c->mono_us += 5 * USEC_PER_SEC;
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = (struct version){clock_of(c, 0), 1};
	assert_int_equal(answer_to(c, &prepare), ANSWER_BUSY);
	cluster_free(c);
}

static void a_request_that_waited_past_its_deadline_is_dropped(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[0].hold_reads = true;
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record((struct version){clock_of(c, 0), 1}, "x");
	push.replica.deadline_ms = 30;
	assert_int_equal(answer_to(c, &push), 0);
	pass(c, 50 * USEC_PER_MSEC);
	c->nodes[0].hold_reads = false;
	pass(c, 50 * USEC_PER_MSEC);
	assert_true(version_is_none(on_disk(c, 0, "k").ver));
	assert_int_equal(stats_of(c, 0).replica_expired, 1);
	cluster_free(c);
}

static void a_damaged_value_is_not_stored(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record((struct version){clock_of(c, 0), 1}, "x");
	push.replica.record.value_hash++;
	assert_int_equal(answer_to(c, &push), ANSWER_BUSY);
	cluster_free(c);
}

static void a_key_in_the_wrong_partition_is_not_served(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg m = replica_msg(c, OP_READ, "k");
	m.replica.partition = (uint16_t)((m.replica.partition + 1) % PARTITIONS);
	assert_int_equal(answer_to(c, &m), ANSWER_BUSY);
	m.replica.partition = PARTITION_META;
	assert_int_equal(answer_to(c, &m), ANSWER_BUSY);
	cluster_free(c);
}

/* ---- strange peers ---- */

static void answers_that_nobody_waits_for_are_ignored(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	static const uint16_t opcodes[] = {OP_READ,     OP_PUSH, OP_PREPARE,   OP_ACCEPT, OP_COPY,
					   OP_MAP_PULL, OP_GET,  OP_HINT_OPEN, OP_SCAN,   OP_INIT_RESERVE};
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct msg m = {.opcode = opcodes[i], .reply = true, .id = 12345, .hlc = clock_of(c, 0)};
		tell(c, 1, 0, &m);
		tell(c, 200, 0, &m);
	}
	run(c);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	cluster_free(c);
}

static void a_greedy_hint_sender_gets_no_more_than_the_budget(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	keep(c, 0, 1, OP_HINT_OPEN, FOR_REPLIES);
	static const uint64_t pending[] = {UINT64_MAX, UINT64_MAX - 1, 0, 1000000};
	for (size_t i = 0; i < ARRAY_SIZE(pending); i++) {
		struct msg m = {.opcode = OP_HINT_OPEN, .id = i + 1, .hint.pending = pending[i]};
		tell(c, 1, 0, &m);
		struct arena arena;
		assert_true(kept_msg(c, &arena).hint.granted <= HINT_SCAN_ITEMS);
		arena_release(&arena);
		frames_free(&c->kept);
	}
	cluster_free(c);
}

/* ---- mixed levels ---- */

static void a_copy_stored_below_a_promise_does_not_count(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct version old = {clock_of(c, 0), 1};
	pass(c, 20 * USEC_PER_MSEC);
	for (node_id i = 0; i < 3; i++) {
		struct msg prepare = replica_msg(c, OP_PREPARE, "k");
		prepare.replica.ballot = (struct version){clock_of(c, 0), 7};
		tell(c, 2, i, &prepare);
		struct msg push = replica_msg(c, OP_PUSH, "k");
		push.replica.record = whole_record(old, "weak");
		tell(c, 2, i, &push);
	}
	run(c);
	for (node_id i = 0; i < 3; i++)
		assert_true(on_disk(c, i, "k").weak);
	uint64_t before = stats_of(c, 1).identity_rounds;
	assert_reads(c, 1, "k", "weak");
	assert_int_equal(stats_of(c, 1).identity_rounds, before + 1);
	assert_false(on_disk(c, 1, "k").weak);
	assert_true(version_equal(on_disk(c, 1, "k").org, old));
	cluster_free(c);
}

static void an_expired_value_stays_gone(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", (struct msg_request){.level = LEVEL_STRONG, .ttl_ms = 100}),
			 KV_OK);
	assert_reads(c, 1, "k", "v");
	c->nodes[1].wall_us = 200 * USEC_PER_MSEC; /* within the drift that is allowed */
	assert_reads(c, 1, "k", NULL);
	assert_reads(c, 0, "k", NULL);
	assert_reads(c, 2, "k", NULL);
	cluster_free(c);
}

/* ---- strange peers ---- */

static void an_empty_node_ignores_a_reservation_by_an_impossible_index(void **state)
{
	struct cluster *c = cluster_make(1);
	start_node(c, 0, NULL);
	struct msg m = {.opcode = OP_INIT_RESERVE, .id = 1};
	m.init = (struct msg_init){.from = 60000, .index = 1, .from_address = slice_str("x:1")};
	m.init.cluster.bytes[0] = 3;
	struct node_event ev = {.kind = EV_MESSAGE, .now = now_of(c, 0), .message = {60000, &m, c->mono_us}};
	struct actions out;
	actions_init(&out);
	node_core_step(c->nodes[0].core, &ev, &out);
	/* The server takes an index from NODES_MAX on for a programmer's error and stops. */
	for (size_t i = 0; i < out.count; i++)
		assert_true(out.items[i].kind != ACT_PEER || out.items[i].peer.index < NODES_MAX);
	actions_release(&out);
	cluster_free(c);
}

static void a_peer_that_asks_for_the_map_as_a_client_does_gets_no_nonsense(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg m = {.opcode = OP_MAP, .id = 4, .epoch = 1, .hlc = clock_of(c, 1)};
	tell(c, 1, 0, &m); /* whatever is answered goes through the encoder */
	run(c);
	cluster_free(c);
}

static void a_replicas_answer_is_not_taken_for_that_of_a_forwarded_request(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	keep(c, 3, 0, OP_GET, FOR_REQUESTS);
	ask(c, 3, OP_GET, "k", NULL, strong);
	struct arena arena;
	struct msg sent = kept_msg(c, &arena);
	struct msg m = {.opcode = OP_READ, .reply = true, .id = sent.id, .epoch = 1, .hlc = clock_of(c, 0)};
	m.answer.answer = ANSWER_RECORD;
	m.answer.partition = data_key("k").partition;
	m.answer.record = whole_record((struct version){clock_of(c, 0), 1}, "x");
	arena_release(&arena);
	tell(c, 0, 3, &m);
	assert_int_equal(c->answers, 0);
	cluster_free(c);
}

static void a_map_with_other_partitions_is_refused(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	static node_id rows[2 * PARTITIONS * REPLICAS];
	static uint64_t epochs[2 * PARTITIONS];
	struct map_desc other = c->map;
	other.epoch = 2;
	other.partitions = 2 * PARTITIONS;
	other.rows = rows;
	other.config_epochs = epochs;
	for (uint32_t i = 0; i < 2 * PARTITIONS; i++) {
		epochs[i] = 1;
		for (uint32_t k = 0; k < REPLICAS; k++)
			rows[i * REPLICAS + k] = (node_id)k;
	}
	struct msg m = {.opcode = OP_MAP_PUSH, .id = 5, .epoch = 2, .map = {.have_epoch = 2, .map = &other}};
	tell(c, 1, 0, &m);
	run(c);
	assert_int_equal(c->saves, 0); /* once saved, EV_MAP_SAVED ends in an assertion */
	cluster_free(c);
}

static void a_map_in_an_answer_lives_until_the_actions_are_reset(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct actions out;
	actions_init(&out);
	struct msg m = {.opcode = OP_MAP, .id = 4};
	struct node_event ask_map = {.kind = EV_REQUEST, .now = now_of(c, 0), .request = {1, &m, c->mono_us}};
	node_core_step(c->nodes[0].core, &ask_map, &out);
	struct map_desc next = c->map;
	next.epoch = 2;
	struct node_event saved = {.kind = EV_MAP_SAVED, .now = now_of(c, 0), .map.map = &next};
	node_core_step(c->nodes[0].core, &saved, &out);
	assert_int_equal(out.items[0].kind, ACT_REPLY);
	assert_int_equal(out.items[0].reply.msg->map.map->epoch, 1); /* under ASan: freed memory */
	actions_release(&out);
	cluster_free(c);
}

static void a_restart_seen_first_by_heartbeat_is_no_copied_data_directory(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_hello hello = {.kind = HELLO_PEER, .cluster = c->map.cluster, .node = c->map_nodes[1].uuid};
	hello.incarnation = 1;
	hello.boot_nonce = 11;
	struct error err = {0};
	assert_int_equal(node_core_admit(c->nodes[0].core, &hello, &err), KV_OK);
	/* With several cores a node, another link of the restarted peer may be admitted by another core first. */
	struct msg answer = {.opcode = OP_HEARTBEAT, .reply = true, .hlc = clock_of(c, 1)};
	answer.heartbeat.incarnation = 2;
	answer.heartbeat.sent_us = c->mono_us;
	tell(c, 1, 0, &answer);
	hello.incarnation = 2;
	hello.boot_nonce = 22;
	assert_int_equal(node_core_admit(c->nodes[0].core, &hello, &err), KV_OK);
	cluster_free(c);
}

/* ---- forming ---- */

static void a_node_whose_own_formation_failed_answers_the_next_one(void **state)
{
	struct cluster *c = cluster_make(3);
	for (node_id i = 0; i < 3; i++)
		start_node(c, i, NULL);
	/* Node 1 tries first and is refused by node 2. */
	const struct slice addresses[] = {slice_str("n0:1"), slice_str("n1:1"), slice_str("n2:1")};
	struct msg init = {.opcode = OP_CLUSTER_INIT, .cluster_init = {.address_count = 3, .addresses = addresses}};
	struct node_event ev = {.kind = EV_REQUEST, .request = {CLIENT, &init, c->mono_us}};
	keep(c, 1, 2, OP_INIT_RESERVE, FOR_REQUESTS);
	drop(c, 1, 0, OP_INIT_RESERVE, FOR_REQUESTS);
	step(c, 1, &ev);
	struct arena arena;
	struct msg refused = kept_msg(c, &arena);
	arena_release(&arena);
	refused.reply = true;
	refused.init.from_address = slice_of(NULL, 0);
	refused.init.status = KV_REFUSED;
	tell(c, 2, 1, &refused);
	assert_int_equal(c->answers, 1);
	assert_int_equal(c->result.status, KV_REFUSED);
	heal(c);
	pass(c, FORM_RESERVE_US + USEC_PER_SEC);
	/* Then node 0 is asked, which another order of addresses makes number 1. */
	const struct slice again[] = {slice_str("n1:1"), slice_str("n0:1"), slice_str("n2:1")};
	struct msg reserve = {.opcode = OP_INIT_RESERVE, .id = 8};
	reserve.init = (struct msg_init){.from = 1, .index = 0, .from_address = again[1]};
	reserve.init.cluster.bytes[0] = 77;
	struct node_event asked = {.kind = EV_MESSAGE, .now = now_of(c, 1), .message = {1, &reserve, c->mono_us}};
	struct actions out;
	actions_init(&out);
	node_core_step(c->nodes[1].core, &asked, &out);
	bool answered = false;
	for (size_t i = 0; i < out.count; i++)
		answered |= out.items[i].kind == ACT_SEND && out.items[i].send.msg->opcode == OP_INIT_RESERVE;
	actions_release(&out);
	assert_true(answered);
	cluster_free(c);
}

static void an_empty_node_takes_only_one_first_map(void **state)
{
	struct cluster *c = cluster_make(3);
	start_node(c, 0, NULL);
	struct map_desc other = c->map;
	other.cluster.bytes[0] = 44;
	struct msg m = {.opcode = OP_MAP_PUSH, .id = 5, .map = {.have_epoch = 1, .map = &c->map}};
	tell(c, 1, 0, &m);
	m.map.map = &other; /* before the first is durable */
	tell(c, 2, 0, &m);
	/* Else memory keeps the first and the disk the last, and a restart changes clusters. */
	assert_int_equal(c->saves, 1);
	cluster_free(c);
}

/* ---- hints ---- */

/** A key of the partition, NUMBER-th of its kind. */
static const char *key_in(uint16_t partition, char text[16])
{
	for (int i = 0; i < 1000; i++) {
		snprintf(text, 16, "key%d", i);
		if (data_key(text).partition == partition)
			return text;
	}
	fail();
	return text;
}

static void a_mark_set_while_its_partition_is_pushed_is_kept(void **state)
{
	struct cluster *c = cluster_new(3, 1);
	char first[16], last[16];
	const char *k = key_in(2, first), *other = key_in(9, last);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	/* One hint is all that fits; it is replayed after partition 2, which K marks. */
	assert_int_equal(call(c, 0, OP_PUT, other, "v", strong), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, k, "old", strong), KV_OK);
	assert_int_equal(stats_of(c, 0).partitions_dirty, 1);
	start_node(c, 2, &c->map);
	keep(c, 2, 0, OP_PUSH, FOR_REPLIES);
	for (uint32_t i = 0; i < 1000 && version_is_none(on_disk(c, 2, k).ver); i++)
		pass(c, TICK_US);
	assert_slice_equal(on_disk(c, 2, k).value, slice_str("old"));
	/* While the push is under way node 2 refuses the next write of K; there is no room for a hint. */
	uint64_t overflowed = stats_of(c, 0).hints_overflowed;
	c->nodes[2].wall_us = -(usec_t)(700 * USEC_PER_MSEC);
	assert_int_equal(call(c, 0, OP_PUT, k, "new", strong), KV_OK);
	c->nodes[2].wall_us = 0;
	assert_int_equal(stats_of(c, 0).hints_overflowed, overflowed + 1);
	heal(c);
	release_kept(c);
	pass(c, 60 * USEC_PER_SEC);
	assert_int_equal(stats_of(c, 0).partitions_dirty + stats_of(c, 0).hints_pending,
			 0); /* all is said to be delivered */
	assert_slice_equal(on_disk(c, 2, k).value, slice_str("new"));
	cluster_free(c);
}

static void a_hint_is_not_settled_with_an_older_record(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	/* The coordinator's own disk is too slow for the write's deadline, node 1 stores it and acknowledges. */
	c->nodes[0].hold_reads = true;
	struct msg_request eventual = {.acks = ACKS_ONE, .deadline_ms = 100};
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", eventual), KV_OK);
	pass(c, USEC_PER_SEC);
	c->nodes[0].hold_reads = false;
	pass(c, USEC_PER_SEC);
	start_node(c, 2, &c->map);
	pass(c, 60 * USEC_PER_SEC);
	assert_slice_equal(on_disk(c, 1, "k").value, slice_str("v"));
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("v")); /* its hint was written and then deleted */
	assert_slice_equal(on_disk(c, 0, "k").value, slice_str("v")); /* nobody ever tells the coordinator itself */
	cluster_free(c);
}

static void many_writes_of_one_key_are_one_hint(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	for (int i = 0; i < 5; i++)
		assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	pass(c, USEC_PER_SEC);
	size_t on_disk_count = 0;
	for (size_t i = 0; i < c->nodes[0].row_count; i++)
		on_disk_count += c->nodes[0].rows[i].key.table == DISK_HINT;
	assert_int_equal(on_disk_count, 1);
	assert_int_equal(stats_of(c, 0).hints_pending, 1);
	cluster_free(c);
}

static void a_mark_of_a_shard_that_is_no_more_is_taken_over(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 0);
	/* Partition 1 was shard 1's, of two; its mark stands where every shard finds its own. */
	struct disk_put put = {.key = {.table = DISK_HINT,
				       .target = 2,
				       .partition = 1,
				       .leaf = 0xFFFF,
				       .key = slice_str("dirty")}};
	row_put(&c->nodes[0], &put);
	start_node(c, 0, &c->map);
	run(c);
	assert_int_equal(stats_of(c, 0).partitions_dirty, 1);
	cluster_free(c);
}

static void a_peers_pace_cannot_put_replay_off_for_ever(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	start_node(c, 2, &c->map);
	keep(c, 0, 2, OP_HINT_OPEN, FOR_REQUESTS);
	for (uint32_t i = 0; i < 1000 && kept_count(c) == 0; i++)
		pass(c, TICK_US);
	struct arena arena;
	struct msg m = kept_msg(c, &arena);
	arena_release(&arena);
	m.reply = true;
	m.hint = (struct msg_hint){.granted = 0, .pace_ms = UINT32_MAX};
	tell(c, 2, 0, &m);
	heal(c);
	pass(c, 60 * USEC_PER_SEC);
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("v"));
	cluster_free(c);
}

/* ---- epochs and time ---- */

static void an_operation_planned_with_an_old_map_does_not_pass_as_a_new_one(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	keep(c, ANY, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_PUT, "k", "v", strong);
	struct map_desc next = c->map;
	static node_id rows[PARTITIONS * REPLICAS];
	static uint64_t epochs[PARTITIONS];
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		epochs[p] = 2;
		for (uint32_t i = 0; i < REPLICAS; i++)
			rows[p * REPLICAS + i] = (node_id)(i + (i > 0)); /* 0, 2, 3: node 1 is out */
	}
	next.epoch = 2;
	next.rows = rows;
	next.config_epochs = epochs;
	for (node_id i = 0; i < 4; i++) {
		struct node_event ev = {.kind = EV_MAP_SAVED, .map.map = &next};
		step(c, i, &ev);
	}
	heal(c);
	keep(c, 0, 2, OP_ACCEPT, FOR_REQUESTS);
	release_kept(c);
	if (kept_count(c) > 0) {
		struct arena arena;
		struct msg m = kept_msg(c, &arena);
		arena_release(&arena);
		assert_int_equal(m.epoch,
				 1); /* the row it was planned with is of epoch 1: the fence must see that */
	}
	cluster_free(c);
}

static void a_reader_with_a_fast_clock_does_not_see_a_value_expire_early(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", (struct msg_request){.level = LEVEL_STRONG, .ttl_ms = 60000}),
			 KV_OK);
	/* Node 1's clock jumps ten minutes ahead; the next heartbeat has not told it so yet. */
	c->nodes[1].wall_us = 600 * USEC_PER_SEC;
	uint32_t before = c->answers;
	ask(c, 1, OP_GET, "k", NULL, strong);
	bool seen_gone = c->answers > before && c->result.status == KV_NOT_FOUND;
	c->nodes[1].wall_us = 0;
	enum kv_status later = call(c, 0, OP_GET, "k", NULL, strong);
	assert_false(seen_gone && later == KV_OK);
	cluster_free(c);
}

static void ten_quick_restarts_cost_no_more_time_than_one(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	for (int i = 0; i < 10; i++) {
		crash(c, 0);
		start_node(c, 0, &c->map);
		pass(c, 20 * USEC_PER_MSEC);
	}
	/* One limit reaches HLC_LIMIT_AHEAD_MS ahead of physical time, and so must ten. */
	pass(c, (HLC_LIMIT_AHEAD_MS + 500) * USEC_PER_MSEC);
	assert_true(node_core_is_ready(c->nodes[0].core));
	cluster_free(c);
}

/* ---- honesty ---- */

static void a_scan_is_never_in_doubt(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	drop(c, 3, ANY, OP_SCAN, FOR_REQUESTS);
	struct msg m = {.opcode = OP_SCAN, .id = 1, .request = {.deadline_ms = 100}};
	struct node_event ev = {.kind = EV_REQUEST, .request = {CLIENT, &m, c->mono_us}};
	step(c, 3, &ev);
	pass(c, 200 * USEC_PER_MSEC);
	assert_int_equal(c->answers, 1);
	assert_false(c->result.in_doubt);
	cluster_free(c);
}

static void a_fencing_token_is_not_silently_ignored(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_request high = {.level = LEVEL_STRONG, .fence = 9}, low = {.level = LEVEL_STRONG, .fence = 8};
	if (call(c, 0, OP_PUT, "k", "v", high) == KV_OK)
		assert_int_not_equal(call(c, 0, OP_PUT, "k", "w", low), KV_OK);
	cluster_free(c);
}

static void a_promise_carries_a_value_only_if_asked(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "large", strong), KV_OK);
	keep(c, 1, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_CAS, "k", "next", (struct msg_request){.level = LEVEL_STRONG, .if_present = true});
	struct arena arena;
	struct msg m = kept_msg(c, &arena);
	arena_release(&arena);
	assert_int_equal(m.answer.answer, ANSWER_PROMISE);
	assert_false(m.answer.record.has_value);
	cluster_free(c);
}

/* ---- conditions, sums, exactly once ---- */

#define STRONG(...) ((struct msg_request){.level = LEVEL_STRONG, __VA_ARGS__})

/** A client's request id and clock. */
#define FROM_CLIENT(c, number) .rid = {.client = 7, .seq = (number)}, .t0 = clock_of(c, 0) - 1

static void assert_value(const struct cluster *c, const char *text)
{
	assert_slice_equal(buf_slice(&c->value), slice_str(text));
}

static void conditions_are_judged_on_the_present_value(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	const struct msg_request if_absent = STRONG(.has_expected = true), if_present = STRONG(.if_present = true);
	assert_int_equal(call(c, 0, OP_CAS, "k", "one", if_present), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", if_absent), KV_OK);
	struct version one = c->result.version;
	assert_int_equal(call(c, 1, OP_PUT, "k", "two", if_absent), KV_CONDITION_FAILED);
	assert_true(version_equal(c->result.version, one));
	assert_int_equal(call(c, 1, OP_CAS, "k", "two", STRONG(.has_expected = true, .expected = one)), KV_OK);
	assert_int_equal(call(c, 2, OP_CAS, "k", "three", STRONG(.has_expected = true, .expected = one)),
			 KV_CONDITION_FAILED);
	uint64_t two = hash64(slice_str("two"));
	assert_int_equal(call(c, 2, OP_CAS, "k", "three", STRONG(.has_expected_hash = true, .expected_hash = two)),
			 KV_OK);
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, STRONG(.has_expected_hash = true, .expected_hash = two)),
			 KV_CONDITION_FAILED);
	assert_reads(c, 1, "k", "three");
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, if_present), KV_OK);
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, if_present), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 0, OP_CAS, "k", "x", strong), KV_INVALID);
	assert_int_equal(call(c, 0, OP_PUT, "k", "x", (struct msg_request){.level = LEVEL_EVENTUAL, .fence = 1}),
			 KV_INVALID);
	cluster_free(c);
}

static void sums_and_concatenations_are_made_at_the_replicas_value(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 5)), KV_OK);
	assert_value(c, "5");
	for (node_id i = 0; i < 3; i++)
		assert_int_equal(call(c, i, OP_ADD, "n", NULL, STRONG(.delta = -3)), KV_OK);
	assert_value(c, "-4");
	assert_reads(c, 2, "n", "-4");
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, STRONG(.delta = INT64_MIN)), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 0, OP_APPEND, "n", "x", strong), KV_OK);
	assert_value(c, "3");
	assert_int_equal(call(c, 1, OP_ADD, "n", NULL, STRONG(.delta = 1)), KV_CONDITION_FAILED);
	assert_reads(c, 0, "n", "-4x");
	cluster_free(c);
}

static void a_key_written_again_and_again_needs_one_round_a_write(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(call(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 1)), KV_OK);
	assert_value(c, "10");
	assert_true(stats_of(c, 0).ballots_ahead >= 7);
	/* Somebody else's ballot takes the promise back. */
	assert_int_equal(call(c, 1, OP_ADD, "n", NULL, STRONG(.delta = 1)), KV_OK);
	assert_value(c, "11");
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 1)), KV_OK);
	assert_value(c, "12");
	cluster_free(c);
}

static void a_fence_once_used_refuses_lower_ones(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "seven", STRONG(.fence = 7)), KV_OK);
	assert_int_equal(call(c, 1, OP_PUT, "k", "five", STRONG(.fence = 5)), KV_CONDITION_FAILED);
	/* Neither a put without a fence nor a delete nor an eventual put lets it be forgotten. */
	assert_int_equal(call(c, 2, OP_PUT, "k", "none", strong), KV_OK);
	assert_int_equal(call(c, 2, OP_DEL, "k", NULL, strong), KV_OK);
	assert_int_equal(call(c, 1, OP_PUT, "k", "weak", (struct msg_request){.level = LEVEL_EVENTUAL}), KV_OK);
	assert_int_equal(call(c, 1, OP_PUT, "k", "five", STRONG(.fence = 5)), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 0, OP_PUT, "k", "again", STRONG(.fence = 7)), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "k", "eight", STRONG(.fence = 8)), KV_OK);
	assert_reads(c, 1, "k", "eight");
	cluster_free(c);
}

static void a_retry_through_another_node_is_the_same_write(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	const struct msg_request first = STRONG(FROM_CLIENT(c, 1), .delta = 1, .deadline_ms = 5000);
	struct msg_request again = first;
	again.attempt = 1;
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, first), KV_OK);
	struct version version = c->result.version;
	assert_int_equal(call(c, 2, OP_ADD, "n", NULL, STRONG(FROM_CLIENT(c, 2), .delta = 10)), KV_OK);
	for (node_id i = 0; i < 3; i++) {
		assert_int_equal(call(c, i, OP_ADD, "n", NULL, again), KV_OK);
		assert_value(c, "1");
		assert_true(version_equal(c->result.version, version));
	}
	assert_reads(c, 0, "n", "11");
	/* One whose first try never arrived is carried out by its retry. */
	again.rid.seq = 3;
	assert_int_equal(call(c, 1, OP_ADD, "n", NULL, again), KV_OK);
	assert_value(c, "12");
	cluster_free(c);
}

static void a_retry_of_a_failed_condition_fails_for_good(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	struct msg_request again = STRONG(FROM_CLIENT(c, 1), .if_present = true, .attempt = 1, .deadline_ms = 5000);
	assert_int_equal(call(c, 0, OP_CAS, "k", "x", again), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 1, OP_PUT, "k", "y", strong), KV_OK);
	assert_int_equal(call(c, 2, OP_CAS, "k", "x", again), KV_CONDITION_FAILED);
	assert_reads(c, 0, "k", "y");
	cluster_free(c);
}

static void an_outcome_is_told_and_made_final(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	struct msg_request write = STRONG(FROM_CLIENT(c, 1), .deadline_ms = 5000);
	assert_int_equal(call(c, 0, OP_PUT, "k", "x", write), KV_OK);
	struct version version = c->result.version;
	struct msg_request what = write;
	assert_int_equal(call(c, 1, OP_OUTCOME, "k", NULL, what), KV_OK);
	assert_int_equal(c->result.outcome, OUTCOME_COMMITTED);
	assert_true(version_equal(c->result.version, version));
	/* One that never came is told not to be applied, and then is not. */
	what.rid.seq = 2;
	assert_int_equal(call(c, 1, OP_OUTCOME, "k", NULL, what), KV_OK);
	assert_int_equal(c->result.outcome, OUTCOME_NOT_APPLIED);
	what.attempt = 1;
	assert_int_equal(call(c, 2, OP_PUT, "k", "late", what), KV_CONDITION_FAILED);
	assert_reads(c, 0, "k", "x");
	/* Too long ago to tell. */
	what.attempt = 0;
	what.rid.seq = 3;
	what.t0 = 1;
	assert_int_equal(call(c, 1, OP_OUTCOME, "k", NULL, what), KV_OK);
	assert_int_equal(c->result.outcome, OUTCOME_EXPIRED);
	cluster_free(c);
}

static void writes_of_one_node_on_one_key_take_turns(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	for (int i = 0; i < 50; i++)
		ask(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 1));
	for (uint32_t k = 0; k < 200 && c->answers < 50; k++)
		pass(c, TICK_US);
	assert_int_equal(c->answers, 50);
	assert_int_equal(stats_of(c, 0).ballot_retries, 0);
	assert_reads(c, 1, "n", "50");
	cluster_free(c);
}

static void lanes_keep_the_lineage_short(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	for (uint64_t i = 0; i < 20; i++) {
		struct msg_request add = STRONG(FROM_CLIENT(c, REQUEST_LANE | (i / 2 + 1)), .delta = 1);
		add.rid.client = 100 + i % 2;
		assert_int_equal(call(c, 0, OP_ADD, "n", NULL, add), KV_OK);
	}
	pass(c, 50 * USEC_PER_MSEC);
	assert_in_range(on_disk(c, 1, "n").lin_count, 1, 3);
	assert_true(version_is_none(on_disk(c, 1, "n").lin_floor));
	/* The client has moved on from an earlier request: its late retry is told nothing and does nothing. */
	struct msg_request old = STRONG(FROM_CLIENT(c, REQUEST_LANE | 1), .delta = 1, .attempt = 1);
	old.rid.client = 100;
	pass(c, MEM_AGE_US + USEC_PER_SEC);
	old.t0 = clock_of(c, 0) - 1;
	assert_int_equal(call(c, 1, OP_ADD, "n", NULL, old), KV_IN_DOUBT);
	assert_reads(c, 2, "n", "20");
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_strong_write_is_on_every_disk_and_read_everywhere),
		cmocka_unit_test(nobody_hears_of_a_write_before_a_majority_has_synced_it),
		cmocka_unit_test(a_reader_is_not_told_of_a_record_before_it_is_durable),
		cmocka_unit_test(a_restarted_replica_refuses_what_it_promised_before),
		cmocka_unit_test(an_acknowledged_write_survives_the_crash_of_all_nodes),
		cmocka_unit_test(an_accept_that_reached_one_replica_is_finished_not_repeated),
		cmocka_unit_test(a_write_that_may_have_happened_says_so),
		cmocka_unit_test(a_write_whose_accepts_vanish_ends_in_doubt),
		cmocka_unit_test(a_forwarded_request_that_comes_twice_is_carried_out_once),
		cmocka_unit_test(a_node_that_is_no_replica_forwards_and_passes_the_answer_on),
		cmocka_unit_test(two_of_three_down_means_unavailable_at_once_and_eventual_goes_on),
		cmocka_unit_test(a_returning_replica_gets_what_it_missed),
		cmocka_unit_test(more_hints_than_allowed_become_a_mark_that_survives_a_restart),
		cmocka_unit_test(a_request_of_an_older_map_is_refused),
		cmocka_unit_test(a_version_from_the_future_is_refused),
		cmocka_unit_test(a_ballot_above_the_durable_limit_is_not_promised),
		cmocka_unit_test(a_request_that_waited_past_its_deadline_is_dropped),
		cmocka_unit_test(a_damaged_value_is_not_stored),
		cmocka_unit_test(a_key_in_the_wrong_partition_is_not_served),
		cmocka_unit_test(answers_that_nobody_waits_for_are_ignored),
		cmocka_unit_test(a_greedy_hint_sender_gets_no_more_than_the_budget),
		cmocka_unit_test(a_copy_stored_below_a_promise_does_not_count),
		cmocka_unit_test(an_expired_value_stays_gone),
		cmocka_unit_test(an_empty_node_ignores_a_reservation_by_an_impossible_index),
		cmocka_unit_test(a_peer_that_asks_for_the_map_as_a_client_does_gets_no_nonsense),
		cmocka_unit_test(a_replicas_answer_is_not_taken_for_that_of_a_forwarded_request),
		cmocka_unit_test(a_map_with_other_partitions_is_refused),
		cmocka_unit_test(a_map_in_an_answer_lives_until_the_actions_are_reset),
		cmocka_unit_test(a_restart_seen_first_by_heartbeat_is_no_copied_data_directory),
		cmocka_unit_test(a_node_whose_own_formation_failed_answers_the_next_one),
		cmocka_unit_test(an_empty_node_takes_only_one_first_map),
		cmocka_unit_test(a_mark_set_while_its_partition_is_pushed_is_kept),
		cmocka_unit_test(a_hint_is_not_settled_with_an_older_record),
		cmocka_unit_test(many_writes_of_one_key_are_one_hint),
		cmocka_unit_test(a_mark_of_a_shard_that_is_no_more_is_taken_over),
		cmocka_unit_test(a_peers_pace_cannot_put_replay_off_for_ever),
		cmocka_unit_test(an_operation_planned_with_an_old_map_does_not_pass_as_a_new_one),
		cmocka_unit_test(a_reader_with_a_fast_clock_does_not_see_a_value_expire_early),
		cmocka_unit_test(ten_quick_restarts_cost_no_more_time_than_one),
		cmocka_unit_test(a_scan_is_never_in_doubt),
		cmocka_unit_test(a_fencing_token_is_not_silently_ignored),
		cmocka_unit_test(a_promise_carries_a_value_only_if_asked),
		cmocka_unit_test(conditions_are_judged_on_the_present_value),
		cmocka_unit_test(sums_and_concatenations_are_made_at_the_replicas_value),
		cmocka_unit_test(a_key_written_again_and_again_needs_one_round_a_write),
		cmocka_unit_test(a_fence_once_used_refuses_lower_ones),
		cmocka_unit_test(a_retry_through_another_node_is_the_same_write),
		cmocka_unit_test(a_retry_of_a_failed_condition_fails_for_good),
		cmocka_unit_test(an_outcome_is_told_and_made_final),
		cmocka_unit_test(writes_of_one_node_on_one_key_take_turns),
		cmocka_unit_test(lanes_keep_the_lineage_short),
	};
	return test_run("core_steps", tests);
}
