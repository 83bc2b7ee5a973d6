/* SPDX-License-Identifier: Apache-2.0 */
#include "server/admin.h"

#include "server/status.h"

enum { COUNTERS_MAX = 128, ARENA_LIMIT = 128 << 10 };

struct counters {
	struct status_counter *items;
	uint32_t count;
};

static void add(struct counters *c, const char *name, uint64_t value)
{
	KV_ASSERT(c->count < COUNTERS_MAX);
	c->items[c->count++] = (struct status_counter){.name = slice_str(name), .value = value};
}

static void add_all(struct counters *c, const struct status *s)
{
#define ADD_(name) add(c, #name, s->core.name);
	CORE_COUNTERS(ADD_)
#undef ADD_
#define ADD_(name) add(c, #name, s->numbers.name);
	STATUS_SERVER_NUMBERS(ADD_)
#undef ADD_
}

enum kv_status admin_status(struct server *server, struct arena *arena, struct msg_status *ret)
{
	struct counters counters = {.items = arena_alloc(arena, COUNTERS_MAX * sizeof *counters.items)};
	struct status_peer *peers = arena_alloc(arena, NODES_MAX * sizeof *peers);
	if (!counters.items || !peers)
		return KV_OVERLOADED;
	CLEANUP(free_ptr) struct status *s = xcalloc(1, sizeof *s);
	status_collect_counts(server, s);
	add_all(&counters, s);
	memcpy(peers, s->core.peers, s->core.peer_count * sizeof *peers);
	*ret = (struct msg_status){
		.cluster = s->cluster,
		.node = s->node,
		.index = s->index,
		.incarnation = s->incarnation,
		.map_epoch = s->map_epoch,
		.uptime_ms = s->uptime_us / USEC_PER_MSEC,
		.shards = (uint32_t)s->shards,
		.ready = s->ready,
		.version = s->version,
		.name = s->name,
		.peer_count = s->core.peer_count,
		.peers = peers,
		.counter_count = counters.count,
		.counters = counters.items,
	};
	return KV_OK;
}

void admin_reply_status(struct server *server, struct conn *c, const struct msg *request)
{
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(ARENA_LIMIT);
	struct msg reply = {.opcode = OP_STATUS, .reply = true, .id = request->id};
	enum kv_status status = admin_status(server, &arena, &reply.status);
	KV_ASSERT(status == KV_OK); /* sized for it */
	conn_send(c, &reply);
}
