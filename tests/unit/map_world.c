/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/blob.h"
#include "tests/unit/map_world.h"

enum event_at { AT_MESSAGE, AT_DISK, AT_READ, AT_TICK };

struct event {
	struct iheap_item item;
	enum event_at kind;
	node_id node;
	uint32_t boot;
	/* message */
	node_id from;
	struct msg msg;
	struct cluster_map *map; /* that msg points to, or NULL */
	struct arena arena;
	/* read, scan */
	uint64_t token;
	bool is_scan, found;
	struct buf value;
};

struct disk_job {
	struct ilink link;
	uint64_t token;
	uint32_t count;
	struct world_row puts[4];
	bool removes[4];
	struct cluster_map *map; /* to be saved, or NULL */
};

static struct event *event_new(struct world *w, enum event_at kind, node_id node, usec_t at_us)
{
	struct event *e = xcalloc(1, sizeof *e);
	e->kind = kind;
	e->node = node;
	e->boot = w->nodes[node].boot;
	e->arena = ARENA_INIT(1 << 20);
	iheap_add(&w->events, &e->item, at_us);
	return e;
}

static void event_free(struct event *e)
{
	cluster_map_free(e->map);
	arena_release(&e->arena);
	buf_release(&e->value);
	free(e);
}

/* ---- network ---- */

static void keep_text(struct event *e, struct slice *text) { *text = arena_copy(&e->arena, *text); }

static void keep_self(struct event *e, struct map_node *node)
{
	keep_text(e, &node->name);
	keep_text(e, &node->peer_address);
	keep_text(e, &node->client_address);
	keep_text(e, &node->zone);
}

/** A copy that stands alone; false for what these tests have no use for. */
static bool keep_message(struct event *e, const struct msg *m)
{
	const struct map_desc **map = NULL;
	e->msg = *m;
	switch (m->opcode) {
	case OP_HEARTBEAT:
		return true;
	case OP_MAP_PREPARE:
	case OP_MAP_ACCEPT:
		map = &e->msg.vote.map;
		break;
	case OP_MAP_PUSH:
	case OP_MAP_PULL:
		map = &e->msg.map.map;
		break;
	case OP_INIT_RESERVE:
		keep_text(e, &e->msg.init.from_address);
		keep_text(e, &e->msg.init.message);
		keep_self(e, &e->msg.init.self);
		return true;
	case OP_JOIN:
		keep_text(e, &e->msg.join.token);
		keep_text(e, &e->msg.join.message);
		keep_self(e, &e->msg.join.self);
		return true;
	case OP_CLUSTER_CHANGE:
		keep_text(e, &e->msg.change.address);
		keep_text(e, &e->msg.change.client_address);
		return true;
	default:
		return false;
	}
	if (*map) {
		e->map = cluster_map_new(*map);
		*map = &e->map->desc;
	}
	return true;
}

static void post_one(struct world *w, node_id from, node_id to, const struct msg *m)
{
	usec_t delay_us = rng_between(&w->rng, 100, w->delay_max_us);
	if (rng_chance(&w->rng, w->late_ppm))
		delay_us *= rng_between(&w->rng, 5, 40);
	struct event *e = event_new(w, AT_MESSAGE, to, w->now_us + delay_us);
	const struct node_core *core = w->nodes[from].core;
	/* As a server would tell: a node outside of the cluster has no index but the one it was asked under. */
	bool reserved = m->opcode == OP_INIT_RESERVE && m->reply;
	e->from = core->map ? core->self : reserved ? m->init.index : NODE_NONE;
	if (!keep_message(e, m)) {
		iheap_remove(&w->events, &e->item);
		event_free(e);
	}
}

static bool is_cut(const struct world *w, node_id node) { return w->now_us < w->nodes[node].cut_until_us; }

/** Who is at the other end of FROM's link TO; WORLD_NODES if nobody. */
static node_id link_end(const struct world *w, node_id from, node_id to)
{
	const char *address = to <= NODES_MAX ? w->nodes[from].links[to] : "";
	for (node_id i = 0; i < w->node_count; i++) {
		if (address[0] != '\0' && strcmp(w->nodes[i].address, address) == 0)
			return i;
	}
	return WORLD_NODES;
}

static void post(struct world *w, node_id from, node_id link, const struct msg *m)
{
	node_id to = link_end(w, from, link);
	if (to == WORLD_NODES || is_cut(w, from) || is_cut(w, to) || rng_chance(&w->rng, w->loss_ppm))
		return;
	post_one(w, from, to, m);
	if (rng_chance(&w->rng, w->double_ppm))
		post_one(w, from, to, m);
}

void world_forget_messages(struct world *w)
{
	struct iheap kept = {0};
	struct iheap_item *item;
	while ((item = iheap_first(&w->events))) {
		struct event *e = container_of(item, struct event, item);
		usec_t at_us = item->key;
		iheap_remove(&w->events, item);
		if (e->kind == AT_MESSAGE)
			event_free(e);
		else
			iheap_add(&kept, &e->item, at_us);
	}
	iheap_release(&w->events);
	w->events = kept;
}

/* ---- disk ---- */

static struct world_row *row_find(struct world_node *n, struct slice key)
{
	for (uint32_t i = 0; i < n->row_count; i++) {
		if (slice_equal(buf_slice(&n->rows[i].key), key))
			return &n->rows[i];
	}
	return NULL;
}

static void row_put(struct world_node *n, struct slice key, struct slice value)
{
	struct world_row *row = row_find(n, key);
	if (!row) {
		KV_ASSERT(n->row_count < WORLD_ROWS);
		row = &n->rows[n->row_count++];
		*row = (struct world_row){0};
		buf_append_slice(&row->key, key);
	}
	buf_clear(&row->value);
	buf_append_slice(&row->value, value);
}

static void job_land(struct world_node *n, struct disk_job *job)
{
	for (uint32_t i = 0; i < job->count; i++)
		row_put(n, buf_slice(&job->puts[i].key), buf_slice(&job->puts[i].value));
	if (job->map) {
		KV_ASSERT(!n->map || n->map->desc.epoch <= job->map->desc.epoch);
		cluster_map_free(n->map);
		n->map = cluster_map_new(&job->map->desc);
	}
}

static void job_free(struct disk_job *job)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(job->puts); i++) {
		buf_release(&job->puts[i].key);
		buf_release(&job->puts[i].value);
	}
	cluster_map_free(job->map);
	free(job);
}

static struct disk_job *job_new(struct world *w, node_id node)
{
	struct world_node *n = &w->nodes[node];
	struct disk_job *job = xcalloc(1, sizeof *job);
	ilist_push_back(&n->jobs, &job->link);
	n->disk_free_us = MAX(n->disk_free_us, w->now_us) + rng_between(&w->rng, 100, 15000);
	(void)event_new(w, AT_DISK, node, n->disk_free_us);
	return job;
}

static void disk_write(struct world *w, node_id node, const struct action *a)
{
	struct disk_job *job = job_new(w, node);
	job->token = a->write.token;
	for (uint32_t i = 0; i < a->write.count; i++) {
		const struct disk_put *put = &a->write.puts[i];
		if (put->key.table != DISK_META || put->remove || job->count == ARRAY_SIZE(job->puts))
			continue;
		buf_append_slice(&job->puts[job->count].key, put->key.key);
		buf_append_slice(&job->puts[job->count++].value, put->value);
	}
}

static void disk_read(struct world *w, node_id node, const struct action *a)
{
	struct world_row *row = a->read.key.table == DISK_META ? row_find(&w->nodes[node], a->read.key.key) : NULL;
	struct event *e = event_new(w, AT_READ, node, w->now_us + rng_between(&w->rng, 100, 5000));
	e->token = a->read.token;
	e->found = row != NULL;
	if (row)
		buf_append_slice(&e->value, buf_slice(&row->value));
}

/* ---- cores ---- */

static void carry_out(struct world *w, node_id node, const struct action *a)
{
	struct world_node *n = &w->nodes[node];
	switch (a->kind) {
	case ACT_SEND:
		post(w, node, a->send.to, a->send.msg);
		return;
	case ACT_REPLY:
		if (w->answered)
			w->answered(w->owner, node, a->reply.client, a->reply.msg);
		return;
	case ACT_READ:
		disk_read(w, node, a);
		return;
	case ACT_SCAN: {
		struct event *e = event_new(w, AT_READ, node, w->now_us + 1000);
		e->token = a->scan.token;
		e->is_scan = true;
		return;
	}
	case ACT_WRITE:
		disk_write(w, node, a);
		return;
	case ACT_SAVE_MAP:
		if (w->saves)
			w->saves(w->owner, node, a->save_map.map);
		job_new(w, node)->map = cluster_map_new(a->save_map.map);
		return;
	case ACT_STOP:
		n->stopped = true;
		n->stop_status = a->stop.status;
		return;
	case ACT_PEER: {
		char *at = n->links[a->peer.index];
		size_t size = MIN(a->peer.address.size, sizeof n->links[0] - 1);
		if (size > 0)
			memcpy(at, a->peer.address.data, size);
		at[size] = '\0';
		return;
	}
	default:
		return;
	}
}

void world_begin(struct world *w, node_id node)
{
	struct node_core *core = w->nodes[node].core;
	core->now = (struct moment){.mono_us = w->now_us, .wall_us = w->now_us + 1700000000 * USEC_PER_SEC};
	core->out = &w->nodes[node].actions;
}

static void carry_all_out(struct world *w, node_id node)
{
	struct world_node *n = &w->nodes[node];
	for (size_t i = 0; i < n->actions.count; i++)
		carry_out(w, node, &n->actions.items[i]);
	actions_reset(&n->actions);
	if (n->stopped)
		world_crash(w, node);
}

static void step(struct world *w, node_id node, struct node_event *ev)
{
	struct world_node *n = &w->nodes[node];
	ev->now = (struct moment){.mono_us = w->now_us, .wall_us = w->now_us + 1700000000 * USEC_PER_SEC};
	node_core_step(n->core, ev, &n->actions);
	carry_all_out(w, node);
}

/** A tick carries along what the core sent to itself. */
void world_end(struct world *w, node_id node) { step(w, node, &(struct node_event){.kind = EV_TICK}); }

void world_start(struct world *w, node_id node)
{
	struct world_node *n = &w->nodes[node];
	KV_ASSERT(!n->core && !n->gone);
	struct core_config config = {.seed = rng_next(&w->rng),
				     .shard_count = 1,
				     .node = w->map_nodes[node].uuid,
				     .incarnation = ++n->incarnation,
				     .boot_nonce = rng_next(&w->rng),
				     .name = slice_str(w->names[node]),
				     .peer_address = slice_str(n->address),
				     .client_address = slice_str(n->address),
				     .weight = 1,
				     .map = n->map ? &n->map->desc : NULL};
	if (n->empty_start && w->join_token[0] != '\0') {
		config.join_token = slice_str(w->join_token);
		config.seed_count = 2;
		config.seeds[0] = slice_str(w->names[0]);
		config.seeds[1] = slice_str(w->names[1]);
	} else if (w->seed[0] != '\0') {
		config.seed_count = 1;
		config.seeds[0] = slice_str(w->seed);
	}
	memset(n->links, 0, sizeof n->links);
	n->core = node_core_new(&config);
	n->disk_free_us = w->now_us;
	struct moment now = {.mono_us = w->now_us, .wall_us = w->now_us + 1700000000 * USEC_PER_SEC};
	(void)event_new(w, AT_TICK, node, w->now_us + rng_between(&w->rng, 1, 20000));
	node_core_start(n->core, now, &n->actions);
	carry_all_out(w, node);
}

void world_crash(struct world *w, node_id node)
{
	struct world_node *n = &w->nodes[node];
	struct ilink *link;
	bool lands = true;
	while ((link = ilist_pop_front(&n->jobs))) {
		struct disk_job *job = container_of(link, struct disk_job, link);
		lands = lands && rng_chance(&w->rng, 600000);
		if (lands)
			job_land(n, job);
		job_free(job);
	}
	actions_reset(&n->actions);
	node_core_free(n->core);
	n->core = NULL;
	n->boot++;
}

static void disk_done(struct world *w, node_id node)
{
	struct world_node *n = &w->nodes[node];
	struct ilink *link = ilist_pop_front(&n->jobs);
	KV_ASSERT(link);
	struct disk_job *job = container_of(link, struct disk_job, link);
	job_land(n, job);
	struct node_event ev = {.kind = EV_WRITE_DONE, .write = {.token = job->token}};
	if (job->map)
		ev = (struct node_event){.kind = EV_MAP_SAVED, .map = {.map = &job->map->desc}};
	if (job->map && w->in_force)
		w->in_force(w->owner, node, &job->map->desc);
	step(w, node, &ev);
	job_free(job);
}

static void handle(struct world *w, struct event *e)
{
	struct world_node *n = &w->nodes[e->node];
	struct node_event ev = {0};
	switch (e->kind) {
	case AT_MESSAGE:
		ev = (struct node_event){.kind = EV_MESSAGE,
					 .message = {.from = e->from, .msg = &e->msg, .arrived_us = w->now_us}};
		if (n->core)
			step(w, e->node, &ev);
		return;
	case AT_DISK:
		if (e->boot == n->boot)
			disk_done(w, e->node);
		return;
	case AT_READ:
		ev.kind = e->is_scan ? EV_SCAN_DONE : EV_READ_DONE;
		if (e->is_scan)
			ev.scan.token = e->token, ev.scan.done = true;
		else
			ev.read.token = e->token, ev.read.found = e->found, ev.read.value = buf_slice(&e->value);
		if (e->boot == n->boot)
			step(w, e->node, &ev);
		return;
	case AT_TICK:
		if (e->boot != n->boot)
			return;
		(void)event_new(w, AT_TICK, e->node, w->now_us + rng_between(&w->rng, 10000, 30000));
		ev.kind = EV_TICK;
		step(w, e->node, &ev);
		return;
	}
}

bool world_step(struct world *w, usec_t end_us)
{
	struct iheap_item *item = iheap_first(&w->events);
	if (!item || item->key > end_us) {
		w->now_us = MAX(w->now_us, end_us);
		return false;
	}
	struct event *e = container_of(item, struct event, item);
	w->now_us = MAX(w->now_us, item->key);
	iheap_remove(&w->events, item);
	handle(w, e);
	event_free(e);
	return true;
}

void world_run(struct world *w, usec_t end_us)
{
	while (world_step(w, end_us))
		;
}

void world_ask(struct world *w, node_id node, uint64_t client, const struct msg *m)
{
	struct node_event ev = {.kind = EV_REQUEST,
				.request = {.client = client, .msg = m, .arrived_us = w->now_us}};
	step(w, node, &ev);
}

bool world_is_up(const struct world *w, node_id node) { return w->nodes[node].core != NULL; }

uint64_t world_epoch(const struct world *w, node_id node)
{
	const struct world_node *n = &w->nodes[node];
	return n->core && n->core->map ? n->core->map->desc.epoch : 0;
}

static void describe(struct world *w, uint32_t members)
{
	for (node_id i = 0; i < w->node_count; i++) {
		snprintf(w->names[i], sizeof w->names[i], "n%u:1", i);
		w->map_nodes[i] = (struct map_node){.index = i,
						    .uuid = {{(uint8_t)(i + 1)}},
						    .state = NODE_NORMAL,
						    .name = slice_str(w->names[i]),
						    .peer_address = slice_str(w->names[i]),
						    .client_address = slice_str(w->names[i]),
						    .weight = 1};
	}
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++) {
		for (uint32_t i = 0; i < WORLD_REPLICAS; i++)
			w->map_rows[p * WORLD_REPLICAS + i] = (node_id)((p + i) % members);
		w->map_epochs[p] = 1;
	}
	w->map = (struct map_desc){.cluster = {{9}},
				   .name = slice_str("test"),
				   .epoch = 1,
				   .partitions = WORLD_PARTITIONS,
				   .replicas = WORLD_REPLICAS,
				   .node_count = members,
				   .nodes = w->map_nodes,
				   .rows = w->map_rows,
				   .config_epochs = w->map_epochs,
				   .voter_count = 3,
				   .voters = {0, 1, 2},
				   .paused = true};
}

void world_init(struct world *w, uint64_t seed, uint32_t node_count, uint32_t members)
{
	KV_ASSERT(members >= WORLD_REPLICAS && members <= node_count && node_count <= WORLD_NODES);
	*w = (struct world){.now_us = WORLD_START_US, .node_count = node_count, .delay_max_us = 5000};
	rng_init(&w->rng, seed);
	describe(w, members);
	for (node_id i = 0; i < node_count; i++) {
		ilist_init(&w->nodes[i].jobs);
		actions_init(&w->nodes[i].actions);
		snprintf(w->nodes[i].address, sizeof w->nodes[i].address, "%s", w->names[i]);
		w->nodes[i].empty_start = i >= members;
		w->nodes[i].map = i < members ? cluster_map_new(&w->map) : NULL;
	}
}

void world_release(struct world *w)
{
	struct iheap_item *item;
	for (node_id i = 0; i < w->node_count; i++) {
		struct world_node *n = &w->nodes[i];
		if (n->core)
			world_crash(w, i);
		for (uint32_t k = 0; k < n->row_count; k++) {
			buf_release(&n->rows[k].key);
			buf_release(&n->rows[k].value);
		}
		cluster_map_free(n->map);
		actions_release(&n->actions);
	}
	while ((item = iheap_first(&w->events))) {
		iheap_remove(&w->events, item);
		event_free(container_of(item, struct event, item));
	}
	iheap_release(&w->events);
}
