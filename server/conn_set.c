/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "server/conn.h"

enum { SLOTS_FIRST = 64, ARENA_LIMIT = 8 << 20 };

struct conn_slot {
	struct conn *conn;   /* NULL: free */
	uint32_t generation; /* counts up when the connection closes */
	uint32_t next_free;
};

#define SLOT_NONE UINT32_MAX

void conn_set_init(struct conn_set *set, const struct conn_config *config)
{
	KV_ASSERT(config->inflight_max > 0);
	*set = (struct conn_set){.config = *config, .slot_free = SLOT_NONE, .arena = ARENA_INIT(ARENA_LIMIT)};
	if (set->config.output_max == 0)
		set->config.output_max = CONN_OUTPUT_MAX;
	ilist_init(&set->all);
	ilist_init(&set->dirty);
	ilist_init(&set->resume);
	ilist_init(&set->dead);
	ilist_init(&set->hello_watch);
	ilist_init(&set->stall_watch);
	ilist_init(&set->linger_watch);
	set->scratch = xmalloc(CONN_SCRATCH_SIZE);
}

static void slots_grow(struct conn_set *set)
{
	uint32_t count = set->slot_count ? set->slot_count * 2 : SLOTS_FIRST;
	set->slots = xrealloc(set->slots, count * sizeof *set->slots);
	for (uint32_t i = count; i-- > set->slot_count;) {
		set->slots[i] = (struct conn_slot){.generation = 1, .next_free = set->slot_free};
		set->slot_free = i;
	}
	set->slot_count = count;
}

static _Atomic uint64_t *gauge_of(struct conn *c)
{
	struct server_stats *stats = c->set->config.stats;
	return c->kind == HELLO_PEER ? &stats->connections_peer : &stats->connections;
}

void conn_accept(struct conn_set *set, int fd, enum hello_kind kind)
{
	if (set->slot_free == SLOT_NONE)
		slots_grow(set);
	uint32_t index = set->slot_free;
	struct conn_slot *slot = &set->slots[index];
	set->slot_free = slot->next_free;
	struct conn *c = xcalloc(1, sizeof *c);
	c->set = set;
	c->kind = kind;
	c->peer = NODE_NONE;
	c->handle = (uint64_t)slot->generation << 32 | index;
	transport_init_tcp(&c->transport, fd);
	slot->conn = c;
	ilist_push_back(&set->all, &c->all_link);
	set->count++;
	stats_add(gauge_of(c), 1);
	stats_add(&set->config.stats->connections_accepted, 1);
	conn_watch(c, &set->hello_watch);
	conn_start(c);
}

struct conn *conn_find(struct conn_set *set, uint64_t handle)
{
	uint32_t index = (uint32_t)handle;
	if (index >= set->slot_count || set->slots[index].generation != (uint32_t)(handle >> 32))
		return NULL;
	return set->slots[index].conn;
}

static void unlink_if_linked(struct ilink *link)
{
	if (ilink_is_linked(link))
		ilist_remove(link);
}

void conn_close(struct conn *c)
{
	struct conn_set *set = c->set;
	if (c->state == CONN_DEAD)
		return;
	c->state = CONN_DEAD;
	if (set->config.events->closed)
		set->config.events->closed(set->config.owner, c);
	event_del(&c->read_event);
	event_del(&c->write_event);
	transport_close(&c->transport);
	conn_watch(c, NULL);
	unlink_if_linked(&c->dirty_link);
	unlink_if_linked(&c->resume_link);
	ilist_remove(&c->all_link);
	budget_give(set->config.budget, c->in_taken + c->out_taken);
	uint32_t index = (uint32_t)c->handle;
	struct conn_slot *slot = &set->slots[index];
	KV_ASSERT(slot->conn == c);
	slot->conn = NULL;
	slot->generation++;
	slot->next_free = set->slot_free;
	set->slot_free = index;
	set->count--;
	stats_sub(gauge_of(c), 1);
	ilist_push_back(&set->dead, &c->all_link); /* callers up the stack still hold it */
}

static void free_dead(struct conn_set *set)
{
	for (struct ilink *link; (link = ilist_pop_front(&set->dead));) {
		struct conn *c = container_of(link, struct conn, all_link);
		buf_release(&c->in);
		outq_release(&c->out);
		free(c);
	}
}

void conn_set_release(struct conn_set *set)
{
	if (!set->scratch)
		return;
	for (struct ilink *link; (link = ilist_first(&set->all));)
		conn_close(container_of(link, struct conn, all_link));
	free_dead(set);
	free(set->slots);
	free(set->scratch);
	arena_release(&set->arena);
	*set = (struct conn_set){0};
}

void conn_set_flush(struct conn_set *set)
{
	/* Each turn of the loop consumes kept input or output, so it ends. */
	struct ilink *link;
	do {
		while ((link = ilist_pop_front(&set->resume)))
			conn_resume(container_of(link, struct conn, resume_link));
		while ((link = ilist_pop_front(&set->dirty)))
			conn_flush(container_of(link, struct conn, dirty_link));
	} while (!ilist_is_empty(&set->resume));
	free_dead(set);
}

void conn_watch(struct conn *c, struct ilist *watch)
{
	unlink_if_linked(&c->watch_link);
	c->watch = watch;
	if (!watch)
		return;
	c->watched_us = clock_mono_us();
	ilist_push_back(watch, &c->watch_link);
}

static void check_watch(struct conn_set *set, struct ilist *watch, usec_t limit_us, usec_t now_us, bool counts)
{
	for (struct ilink *link; (link = ilist_first(watch));) {
		struct conn *c = container_of(link, struct conn, watch_link);
		if (now_us < c->watched_us + limit_us)
			return;
		if (counts)
			stats_add(&set->config.stats->connections_timed_out, 1);
		conn_close(c);
	}
}

void conn_set_check_times(struct conn_set *set, usec_t now_us)
{
	check_watch(set, &set->hello_watch, HELLO_TIMEOUT_US, now_us, /* counts: */ true);
	check_watch(set, &set->stall_watch, CONN_STALL_US, now_us, /* counts: */ true);
	check_watch(set, &set->linger_watch, CONN_LINGER_US, now_us, /* counts: */ false);
}

void conn_set_drain(struct conn_set *set)
{
	set->draining = true;
	static const char why[] =
		"the node is shutting down; answers to running requests still come, send others elsewhere";
	const struct msg goaway = {.opcode = OP_GOAWAY,
				   .result = {.status = KV_CLOSED, .message = slice_of(why, sizeof why - 1)}};
	struct ilink *following;
	for (struct ilink *link = ilist_first(&set->all); link; link = following) {
		following = ilist_next(&set->all, link);
		struct conn *c = container_of(link, struct conn, all_link);
		if (c->kind == HELLO_CLIENT && c->state == CONN_OPEN)
			conn_send(c, &goaway);
	}
}

bool conn_set_is_quiet(const struct conn_set *set)
{
	for (struct ilink *link = ilist_first(&set->all); link; link = ilist_next(&set->all, link)) {
		const struct conn *c = container_of(link, struct conn, all_link);
		if (c->kind == HELLO_CLIENT && (c->inflight > 0 || c->out.size > 0))
			return false;
	}
	return true;
}
