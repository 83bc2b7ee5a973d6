/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/link.h"

#include "tests/sim/sim.h"

void links_reset(struct sim_links *links)
{
	*links = (struct sim_links){0};
	for (uint32_t i = 0; i <= NODE_GUEST; i++)
		links->at[i] = LINK_NOWHERE;
}

uint16_t links_find(const struct sim *sim, struct slice address)
{
	for (uint16_t i = 0; i < sim->options.node_count; i++)
		if (slice_equal(slice_str(sim->nodes[i].address), address))
			return i;
	return LINK_NOWHERE;
}

void links_point(struct sim_node *n, node_id index, struct slice address)
{
	KV_ASSERT(index <= NODE_GUEST);
	n->links.at[index] = address.size ? links_find(n->sim, address) : LINK_NOWHERE;
}

void links_send(struct sim_node *n, node_id to, const struct msg *m)
{
	KV_ASSERT(to <= NODE_GUEST);
	bool to_itself = to == node_core_index(n->cores[0].core); /* to another core of its own */
	uint16_t end = to_itself ? n->index : n->links.at[to];
	/* Its own address under another index was that of a node that is no more. */
	if (end == LINK_NOWHERE || (end == n->index && !to_itself))
		return;
	sim_send_peer(n->sim, n->index, end, to, m);
}

/* A node that is refused for its identity stops. */
static void reject(struct sim_node *n, const struct error *err)
{
	struct sim *sim = n->sim;
	sim->cover.hellos_refused++;
	if (n->up && !n->dying)
		sim_node_stop(n, KV_IDENTITY, slice_str(err->message));
}

/* Judges what the process of FROM says of itself, unless it has said the same before. */
static bool greet(struct sim_node *n, struct sim_node *from)
{
	struct sim_greeting *known = &n->links.greetings[from->index];
	struct msg_hello hello;
	node_core_hello(from->cores[0].core, &hello);
	bool in_cluster = !uuid_is_zero(&hello.cluster);
	if (known->boot == from->boot && known->life == from->life && known->in_cluster == in_cluster &&
	    known->index == hello.index && !known->refused)
		return true;
	*known = (struct sim_greeting){.boot = from->boot,
				       .own_boot = n->boot,
				       .life = from->life,
				       .in_cluster = in_cluster,
				       .index = hello.index};
	struct error err = {0};
	for (uint32_t i = 0; i < n->sim->options.core_count && !known->refused; i++) {
		enum kv_status status = node_core_admit(n->cores[i].core, &hello, &err);
		known->refused = status != KV_OK;
		if (status == KV_IDENTITY)
			reject(from, &err);
	}
	return !known->refused;
}

/* Whom a message comes from if its sender has no index yet: then only its admission is talked about. */
static bool newcomer(const struct msg *m, node_id *ret_from)
{
	*ret_from = NODE_NONE;
	if (m->opcode == OP_JOIN && !m->reply)
		*ret_from = NODE_GUEST;
	else if (m->opcode == OP_INIT_RESERVE)
		*ret_from = m->reply ? m->init.index : m->init.from;
	else
		return m->opcode == OP_MAP_PUSH;
	return true;
}

bool links_admit(struct sim_node *n, const struct sim_event *event, const struct msg *m, node_id *ret_from)
{
	struct sim_node *from = &n->sim->nodes[event->from];
	node_id own = node_core_index(n->cores[0].core);
	/* Who has no map asks whoever is there. */
	if (event->said != NODE_NONE && event->to_index != NODE_GUEST && own != NODE_NONE && own != event->to_index)
		return false;
	*ret_from = event->said;
	if (from == n)
		return own != NODE_NONE;
	bool same_process = from->up && !from->dying && from->boot == event->from_boot;
	if (same_process && !greet(n, from))
		return false;
	return event->said != NODE_NONE || newcomer(m, ret_from);
}
