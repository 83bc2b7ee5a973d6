/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/relocation.h"

#include "replication/core.h"

bool relocation_is_known(const struct map_node *node, struct slice peer, struct slice client, uint64_t features)
{
	return node->features == features && (peer.size == 0 || slice_equal(peer, node->peer_address)) &&
	       (client.size == 0 || slice_equal(client, node->client_address));
}

static void tell_one(struct node_core *core, node_id to)
{
	struct msg *m = core_msg(core, OP_CLUSTER_CHANGE, core_next_id(core), /* reply= */ false);
	m->change = (struct msg_change){.kind = CHANGE_ADDRESS,
					.node = core->self,
					.address = core->config.peer_address,
					.client_address = core->config.client_address,
					.features = core->config.features};
	core_send(core, to, m);
}

/** The next one after AFTER that is to be told: any, or one that does not answer; itself if there is none. */
static node_id next_to_tell(const struct node_core *core, node_id after, bool any)
{
	uint32_t count = core->map->desc.node_count;
	for (uint32_t i = 1; i <= count; i++) {
		node_id node = (node_id)((after + i) % count);
		if (node != core->self && core->map->desc.nodes[node].state != NODE_REMOVED &&
		    (any || detector_state(core, node) == PEER_DOWN))
			return node;
	}
	return core->self;
}

/** When all nodes have moved no address in the map is good for anything: those that the node was given may be. */
static void tell_seed(struct node_core *core)
{
	struct relocation *r = &core->relocation;
	const struct core_config *config = &core->config;
	bool alone = core->guest_until_us == 0 && config->seed_count > 0 && core->map->desc.node_count > 1;
	for (node_id i = 0; i < core->map->desc.node_count; i++)
		alone &= i == core->self || !detector_is_reachable(core, i);
	if (!alone)
		return;
	struct slice seed = config->seeds[r->seed++ % config->seed_count];
	if (slice_equal(seed, config->peer_address))
		return;
	core_peer(core, NODE_GUEST, seed);
	core->guest_until_us = core->now.mono_us + JOIN_RETRY_US;
	tell_one(core, NODE_GUEST);
}

void relocation_tick(struct node_core *core)
{
	struct relocation *r = &core->relocation;
	const struct core_config *c = &core->config;
	const struct map_node *self = cluster_map_node(core->map, core->self);
	if (!self || self->state == NODE_REMOVED || core->now.mono_us < r->next_us)
		return;
	bool told = relocation_is_known(self, c->peer_address, c->client_address, c->features);
	node_id to = next_to_tell(core, r->peer, /* any= */ !told);
	if (told && (to == core->self || c->peer_address.size == 0))
		return;
	if (!told)
		COVER(address_changed);
	r->next_us = core->now.mono_us + JOIN_RETRY_US;
	r->peer = to;
	tell_one(core, to); /* alone in the cluster: to itself */
	tell_seed(core);
}
