/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/core.h"
#include "tests/unit/core_cluster.h"

static void describe_map(struct cluster *c)
{
	static const char *const addresses[NODES] = {"n0:1", "n1:1", "n2:1", "n3:1", "n4:1", "n5:1"};
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
			c->rows[p * REPLICAS + i] = (node_id)i; /* nodes 3 and up, if there are any, only forward */
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

struct moment now_of(const struct cluster *c, node_id i)
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

struct stored *row_find(const struct node *n, const struct disk_key *key)
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

void row_put(struct node *n, const struct disk_put *put)
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
		job->look = a->read.look;
		job->key = a->read.key;
		job->key.key = arena_copy(&job->arena, a->read.key.key);
	} else if (a->kind == ACT_SCAN) {
		job->token = a->scan.token;
		job->scan = a->scan.scan;
		job->scan.after.key = arena_copy(&job->arena, a->scan.scan.after.key);
	} else if (a->kind == ACT_DROP) {
		job->token = a->drop.token;
		job->partition = a->drop.partition;
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
	if (c->hold_moves && m->opcode == OP_MOVE_OPEN)
		return;
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
	c->nodes[from].sent_bytes += f->bytes.size;
	c->nodes[from].sent_trees += !m->reply && (m->opcode == OP_TREE_LEAVES || m->opcode == OP_TREE_KEYS);
	ilist_push_back(list, &f->link);
}

static void frame_free(struct frame *f)
{
	buf_release(&f->bytes);
	free(f);
}

static void note_timeline(struct told *to, node_id node, const struct msg_timeline *t)
{
	KV_ASSERT(t->span_count <= ARRAY_SIZE(to->spans));
	to->node = node;
	to->timeline = *t;
	memcpy(to->spans, t->spans, t->span_count * sizeof t->spans[0]);
	to->timeline.spans = to->spans;
}

static void note_answer(struct cluster *c, node_id node, const struct msg *m)
{
	c->answers++;
	if (m->opcode == OP_EXPLAIN) {
		c->explained = m->explanation;
		for (uint32_t i = 0; i < m->explanation.hint_count; i++)
			c->explained_hints[i] = m->explanation.hints[i];
		for (uint32_t i = 0; i < m->explanation.pair_count; i++)
			c->explained_pairs[i] = m->explanation.pairs[i];
		return;
	}
	c->told_client.timeline.span_count = 0;
	if (opcode_is_client(m->opcode) && m->opcode != OP_MAP && m->result.timeline)
		note_timeline(&c->told_client, node, m->result.timeline);
	c->result = m->result;
	buf_clear(&c->value);
	buf_append_slice(&c->value, m->result.value);
	buf_clear(&c->token);
	buf_append_slice(&c->token, m->result.session);
}

static void carry_out(struct cluster *c, node_id i)
{
	struct node *n = &c->nodes[i];
	for (size_t k = 0; k < n->actions.count; k++) {
		const struct action *a = &n->actions.items[k];
		if (a->kind == ACT_SEND)
			frame_send(c, i, a->send.to, a->send.msg);
		else if (a->kind == ACT_REPLY)
			note_answer(c, i, a->reply.msg);
		else if (a->kind == ACT_TRACE && c->trace_count < TRACES)
			note_timeline(&c->traces[c->trace_count++], i, a->trace.timeline);
		else if (a->kind == ACT_READ || a->kind == ACT_WRITE || a->kind == ACT_DROP || a->kind == ACT_SCAN)
			job_add(n, a);
		else if (a->kind == ACT_SAVE_MAP && c->save_maps && !n->saved)
			n->saved = cluster_map_new(a->save_map.map);
		n->stopped |= a->kind == ACT_STOP;
		c->saves += a->kind == ACT_SAVE_MAP;
	}
	actions_reset(&n->actions);
}

void step(struct cluster *c, node_id i, struct node_event *ev)
{
	ev->now = now_of(c, i);
	node_core_step(c->nodes[i].core, ev, &c->nodes[i].actions);
	carry_out(c, i);
}

void tell(struct cluster *c, node_id from, node_id to, const struct msg *m)
{
	struct node_event ev = {.kind = EV_MESSAGE, .message = {.from = from, .msg = m, .arrived_us = c->mono_us}};
	step(c, to, &ev);
}

static void frame_deliver(struct cluster *c, const struct frame *f)
{
	static const struct frame_limits limits = {
		.meta_max = META_SIZE_MAX, .meta_admin_max = META_SIZE_ADMIN_MAX, .value_max = PAGE_SIZE_MAX};
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
	size_t bytes = 0;
	bool done = true;
	for (size_t k = 0; k < n->row_count; k++) {
		const struct disk_key *key = &n->rows[k].key;
		bool in_range = key->table == s->table && key->partition == s->partition &&
				(s->table == DISK_DATA || key->target == s->target) &&
				(!s->one_leaf || key->leaf == s->leaf);
		struct disk_key after = s->after;
		after.target = s->table == DISK_DATA ? 0 : s->target;
		if (!in_range || (s->has_after && key_compare(key, &after) <= 0))
			continue;
		done = count < s->rows_max && (count == 0 || bytes < s->bytes_max);
		if (!done)
			break;
		bytes += key->key.size + n->rows[k].value->size;
		rows[count++] = (struct disk_row){.key = *key, .value = blob_slice(n->rows[k].value)};
	}
	struct node_event ev = {.kind = EV_SCAN_DONE, .scan = {job->token, count, rows, done}};
	step(c, i, &ev);
	free(rows);
}

static void do_drop(struct node *n, uint16_t partition)
{
	for (size_t k = n->row_count; k-- > 0;) {
		const struct disk_key *key = &n->rows[k].key;
		if (key->partition == partition && key->table != DISK_HINT && key->table != DISK_META)
			row_remove(n, k);
	}
}

static void do_job(struct cluster *c, node_id i, struct job *job)
{
	struct node *n = &c->nodes[i];
	if (job->kind == ACT_SCAN) {
		do_scan(c, i, job);
	} else if (job->kind == ACT_READ) {
		bool unreadable = job->look && n->unreadable;
		const struct stored *row = unreadable ? NULL : row_find(n, &job->key);
		struct blob *value = row ? blob_ref(row->value) : NULL;
		struct node_event ev = {.kind = EV_READ_DONE,
					.read = {.token = job->token,
						 .found = row != NULL,
						 .unreadable = unreadable,
						 .value = blob_slice(value)}};
		step(c, i, &ev);
		blob_unref(value);
	} else {
		if (job->kind == ACT_DROP)
			do_drop(n, job->partition);
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
		bool writes = job->kind == ACT_WRITE || job->kind == ACT_DROP;
		if (!(writes ? n->hold_writes : n->hold_reads)) {
			ilist_remove(l);
			return job;
		}
	}
	return NULL;
}

static void put_in_force(struct cluster *c, node_id i, const struct map_desc *map)
{
	struct node_event ev = {.kind = EV_MAP_SAVED, .map.map = map};
	step(c, i, &ev);
}

static bool map_is_saved(struct cluster *c, node_id i)
{
	struct cluster_map *map = c->nodes[i].saved;
	if (!map || !c->nodes[i].core)
		return false;
	c->nodes[i].saved = NULL;
	put_in_force(c, i, &map->desc);
	cluster_map_free(map);
	return true;
}

void do_one_job(struct cluster *c, node_id i)
{
	struct ilink *link = ilist_pop_front(&c->nodes[i].jobs);
	if (!link)
		return;
	struct job *job = container_of(link, struct job, link);
	do_job(c, i, job);
	job_free(job);
	run(c);
}

void run(struct cluster *c)
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
			busy |= map_is_saved(c, i);
			struct job *job = c->nodes[i].core ? next_job(&c->nodes[i]) : NULL;
			if (!job)
				continue;
			do_job(c, i, job);
			job_free(job);
			busy = true;
		}
	}
}

void pass(struct cluster *c, usec_t us)
{
	for (usec_t end_us = c->mono_us + us; c->mono_us < end_us;) {
		c->mono_us += MIN(TICK_US, end_us - c->mono_us);
		for (node_id i = 0; i < c->node_count; i++) {
			struct node_event ev = {.kind = EV_TICK, .tick.disk_low = c->nodes[i].disk_low};
			if (c->nodes[i].core)
				step(c, i, &ev);
		}
		run(c);
	}
}

void drop(struct cluster *c, node_id from, node_id to, uint16_t opcode, int kind)
{
	assert_true(c->rule_count < RULES);
	c->rules[c->rule_count++] = (struct rule){.from = from, .to = to, .opcode = opcode, .kind = kind};
}

void keep(struct cluster *c, node_id from, node_id to, uint16_t opcode, int kind)
{
	drop(c, from, to, opcode, kind);
	c->rules[c->rule_count - 1].keep = true;
}

void heal(struct cluster *c) { c->rule_count = 0; }

void release_kept(struct cluster *c)
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

void start_node(struct cluster *c, node_id i, const struct map_desc *map)
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
				     .record_cache_bytes = c->record_cache_bytes,
				     .slow_us = c->slow_us,
				     .gc_grace_ms = c->gc_grace_ms,
				     .gc_interval_us = c->gc_interval_us,
				     .map = map};
	n->core = node_core_new(&config);
	n->core->driver.next_us = USEC_NEVER; /* the test changes the map */
	node_core_start(n->core, now_of(c, i), &n->actions);
	carry_out(c, i);
}

void crash(struct cluster *c, node_id i)
{
	struct node *n = &c->nodes[i];
	node_core_free(n->core);
	n->core = NULL;
	struct ilink *link;
	while ((link = ilist_pop_front(&n->jobs)))
		job_free(container_of(link, struct job, link));
	cluster_map_free(n->saved);
	n->saved = NULL;
}

/* ---- maps ---- */

static void next_epoch(struct cluster *c)
{
	c->map.epoch++;
	for (uint32_t p = 0; p < PARTITIONS; p++)
		c->epochs[p] = c->map.epoch;
}

void begin_move(struct cluster *c, const node_id next[REPLICAS])
{
	next_epoch(c);
	for (uint16_t p = 0; p < PARTITIONS; p++) {
		struct map_move *move = &c->moves[p];
		*move = (struct map_move){.partition = p, .old_count = REPLICAS, .new_count = REPLICAS};
		memcpy(move->old_row, c->rows + (size_t)p * REPLICAS, sizeof c->rows[0] * REPLICAS);
		memcpy(move->new_row, next, sizeof next[0] * REPLICAS);
		move->session.bytes[0] = (uint8_t)c->map.epoch;
		move->session.bytes[1] = (uint8_t)p;
		move->session.bytes[15] = 1;
	}
	c->map.moves = c->moves;
	c->map.move_count = PARTITIONS;
}

void give_up_move(struct cluster *c)
{
	next_epoch(c);
	c->map.move_count = 0;
}

void end_move(struct cluster *c)
{
	for (uint32_t p = 0; p < PARTITIONS; p++)
		memcpy(c->rows + (size_t)p * REPLICAS, c->moves[p].new_row, sizeof c->rows[0] * REPLICAS);
	give_up_move(c);
}

void give_map(struct cluster *c, node_id i) { put_in_force(c, i, &c->map); }

void give_map_to_all(struct cluster *c)
{
	for (node_id i = 0; i < c->node_count; i++) {
		if (c->nodes[i].core)
			give_map(c, i);
	}
	run(c);
}

void join(struct cluster *c, node_id i, hlc_t fence)
{
	struct node *n = &c->nodes[i];
	n->core->out = &n->actions;
	for (uint16_t p = 0; p < PARTITIONS; p++)
		assert_true(partition_join(n->core, p, fence, VERSION_NONE));
	n->core->out = NULL;
	carry_out(c, i);
	run(c);
}

struct cluster *cluster_make(uint32_t node_count)
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

struct cluster *cluster_new(uint32_t node_count, uint64_t hints_max)
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

void frames_free(struct ilist *frames)
{
	struct ilink *link;
	while ((link = ilist_pop_front(frames)))
		frame_free(container_of(link, struct frame, link));
}

void cluster_free(struct cluster *c)
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
	buf_release(&c->token);
	free(c);
}

/* ---- what tests say ---- */

struct disk_key data_key(const char *key)
{
	uint64_t hash = key_hash(slice_str(key));
	return (struct disk_key){.table = DISK_DATA,
				 .partition = hash_partition(hash, PARTITIONS),
				 .leaf = hash_leaf(hash, PARTITIONS),
				 .key = slice_str(key)};
}

struct record on_disk(const struct cluster *c, node_id i, const char *key)
{
	struct disk_key at = data_key(key);
	const struct stored *row = row_find(&c->nodes[i], &at);
	struct record rec = {0};
	if (row)
		assert_int_equal(record_decode(blob_slice(row->value), &rec), KV_OK);
	return rec;
}

struct core_stats stats_of(const struct cluster *c, node_id i)
{
	struct core_stats stats;
	node_core_stats(c->nodes[i].core, &stats);
	return stats;
}

void ask(struct cluster *c, node_id i, uint16_t opcode, const char *key, const char *value, struct msg_request more)
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

enum kv_status call(struct cluster *c, node_id i, uint16_t opcode, const char *key, const char *value,
		    struct msg_request more)
{
	uint32_t before = c->answers;
	ask(c, i, opcode, key, value, more);
	for (uint32_t k = 0; k < 200 && c->answers == before; k++)
		pass(c, TICK_US);
	assert_int_equal(c->answers, before + 1);
	return c->result.status;
}

void assert_reads(struct cluster *c, node_id i, const char *key, const char *value)
{
	enum kv_status status = call(c, i, OP_GET, key, NULL, strong);
	assert_int_equal(status, value ? KV_OK : KV_NOT_FOUND);
	if (value)
		assert_slice_equal(buf_slice(&c->value), slice_str(value));
}

hlc_t clock_of(const struct cluster *c, node_id i) { return hlc_from_wall_us(now_of(c, i).wall_us); }

struct msg replica_msg(const struct cluster *c, uint16_t opcode, const char *key)
{
	struct msg m = {.opcode = opcode, .id = 900000, .epoch = c->map.epoch, .hlc = clock_of(c, 0)};
	m.replica.partition = data_key(key).partition;
	m.replica.read_epoch = c->map.epoch;
	m.replica.key = slice_str(key);
	return m;
}

struct record whole_record(struct version ver, const char *value)
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

struct msg kept_msg(const struct cluster *c, struct arena *arena)
{
	struct ilink *link = ilist_first(&c->kept);
	assert_non_null(link);
	const struct frame *f = container_of(link, struct frame, link);
	static const struct frame_limits limits = {
		.meta_max = META_SIZE_MAX, .meta_admin_max = META_SIZE_ADMIN_MAX, .value_max = PAGE_SIZE_MAX};
	struct frame_header h;
	assert_int_equal(frame_header_decode(f->bytes.data, &limits, &h), FRAME_OK);
	*arena = ARENA_INIT(codec_arena_max(h.meta_size));
	struct slice meta = slice_of(f->bytes.data + FRAME_HEADER_SIZE, h.meta_size);
	struct msg m;
	assert_int_equal(codec_decode(&h, meta, slice_of(meta.data + meta.size, h.value_size), arena, &m), KV_OK);
	return m;
}

uint32_t kept_count(const struct cluster *c)
{
	uint32_t count = 0;
	for (struct ilink *l = ilist_first(&c->kept); l; l = ilist_next(&c->kept, l))
		count++;
	return count;
}

struct msg answer_at(struct cluster *c, node_id from, node_id to, const struct msg *m)
{
	struct msg answer = {0};
	keep(c, to, from, m->opcode, FOR_REPLIES);
	tell(c, from, to, m);
	run(c);
	if (kept_count(c) > 0) {
		struct arena arena;
		answer = kept_msg(c, &arena);
		arena_release(&arena);
	}
	frames_free(&c->kept);
	c->rule_count--;
	return answer;
}

enum replica_answer answer_to(struct cluster *c, const struct msg *m)
{
	return answer_at(c, 2, 0, m).answer.answer;
}
