/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pick.h"

#include "client/engine.h"
#include "proto/keyhash.h"

static bool was_tried(const struct request *r, const struct link *link)
{
	for (uint32_t i = 0; i < r->tried_count; i++) {
		if (r->tried[i] == link)
			return true;
	}
	return false;
}

static bool is_candidate(const struct request *r, const struct link *link, usec_t now_us, bool also_paused)
{
	return link && !link->draining && !was_tried(r, link) && (also_paused || !link_is_paused(link, now_us));
}

/** Strong writes that build on what is there meet their rivals at the row's first, wherever that is. */
static bool wants_coordinator(const struct request *r)
{
	const struct msg_request *m = &r->msg.request;
	uint16_t opcode = r->msg.opcode;
	return opcode == OP_CAS || opcode == OP_ADD || opcode == OP_APPEND ||
	       (opcode_is_client(opcode) && opcode != OP_MAP && opcode != OP_GET &&
		(m->has_expected || m->has_expected_hash || m->if_present));
}

static struct link *pick_of_row(const struct request *r, usec_t now_us, bool also_paused)
{
	const struct route *route = &r->engine->route;
	if (!route->map)
		return NULL;
	uint16_t partition =
		r->target == TARGET_ROW ? r->partition : hash_partition(r->key_hash, route->map->partitions);
	node_id row[ROW_MAX];
	uint32_t count = route_row(route->map, partition, row);
	if (!wants_coordinator(r))
		route_prefer_zone(route->map, r->engine->config.zone, row, count);
	for (uint32_t i = 0; i < count; i++) {
		if (is_candidate(r, route->links[row[i]], now_us, also_paused))
			return route->links[row[i]];
	}
	return NULL;
}

static struct link *pick_of_endpoints(const struct request *r, usec_t now_us, bool also_paused)
{
	struct engine *e = r->engine;
	uint32_t count = e->config.endpoint_count, start = e->turn_start++ % count;
	for (uint32_t i = 0; i < count; i++) {
		struct link *link = engine_link(e, e->config.endpoints[(start + i) % count]);
		if (is_candidate(r, link, now_us, also_paused))
			return link;
	}
	return NULL;
}

/* Those that are connected first, beginning at another one each time. */
static struct link *pick_of_all(const struct request *r, usec_t now_us, bool also_paused)
{
	struct engine *e = r->engine;
	struct link *first_open = NULL, *first_other = NULL, *next_open = NULL, *next_other = NULL;
	uint32_t index = 0, start = e->link_count ? e->turn_start++ % e->link_count : 0;
	for (struct ilink *l = ilist_first(&e->links); l; l = ilist_next(&e->links, l), index++) {
		struct link *link = container_of(l, struct link, in_pool);
		if (link->aside || !is_candidate(r, link, now_us, also_paused))
			continue;
		struct link **first = link_is_open(link) ? &first_open : &first_other;
		struct link **next = link_is_open(link) ? &next_open : &next_other;
		if (!*first)
			*first = link;
		if (!*next && index >= start)
			*next = link;
	}
	if (first_open)
		return next_open ? next_open : first_open;
	return next_other ? next_other : first_other;
}

struct link *pick_link(struct request *r)
{
	struct engine *e = r->engine;
	usec_t now_us = clock_mono_us();
	struct link *prefer = TAKE_PTR(r->prefer);
	if (is_candidate(r, prefer, now_us, true))
		return prefer;
	if (r->target == TARGET_ADDRESS || r->target == TARGET_NODE) {
		struct link *link = r->target == TARGET_NODE ? e->route.links[r->node] : engine_link(e, r->address);
		return is_candidate(r, link, now_us, true) ? link : NULL;
	}
	for (int also_paused = 0; also_paused <= 1; also_paused++) {
		struct link *link = NULL;
		if (r->target == TARGET_KEY && e->config.route == ROUTE_TO_ENDPOINT)
			link = pick_of_endpoints(r, now_us, also_paused);
		if (!link && r->target != TARGET_ANY)
			link = pick_of_row(r, now_us, also_paused);
		if (!link && r->target != TARGET_ROW)
			link = pick_of_all(r, now_us, also_paused);
		if (link)
			return link;
	}
	return NULL;
}
