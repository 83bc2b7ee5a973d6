/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/probe.h"

#include "replication/core.h"

static bool is_helper(const struct node_core *core, node_id node, node_id target)
{
	const struct peer *p = &core->detector.peers[node];
	return p->known && p->state == PEER_UP && node != target;
}

/** Up to PROBE_HELPERS nodes that answer this core, at random. */
static uint32_t choose_helpers(struct node_core *core, node_id target, node_id ret_helpers[PROBE_HELPERS])
{
	uint32_t count = 0, seen = 0;
	for (node_id i = 0; i < core->detector.peers_end; i++) {
		if (!is_helper(core, i, target))
			continue;
		seen++;
		if (count < PROBE_HELPERS) {
			ret_helpers[count++] = i;
			continue;
		}
		uint64_t at = rng_below(&core->rng, seen);
		if (at < PROBE_HELPERS)
			ret_helpers[at] = i;
	}
	return count;
}

static void begin(struct node_core *core, node_id target, struct probe *p)
{
	p->asked = choose_helpers(core, target, p->helpers);
	p->answered = 0;
	p->next_us = core->now.mono_us + PROBE_AGAIN_US;
	if (p->asked == 0)
		return;
	p->id = core_next_id(core);
	p->until_us = core->now.mono_us + health_patience_us(core, PROBE_TIMEOUT_US);
	for (uint32_t i = 0; i < p->asked; i++) {
		struct msg *m = core_msg(core, OP_PROBE, p->id, /* reply= */ false);
		m->probe = (struct msg_probe){.target = target};
		core_send(core, p->helpers[i], m);
	}
	core->stats.probes++;
}

void probe_tick(struct node_core *core, node_id node, bool silent)
{
	struct probe *p = &core->detector.peers[node].probe;
	if (!silent) {
		*p = (struct probe){0};
		return;
	}
	if (p->id != 0 && core->now.mono_us >= p->until_us) {
		p->id = 0;
		/* Nodes that answer heartbeats and not this: it may be this core that loses answers. */
		if (COVER_IF(p->answered != (1u << p->asked) - 1, probe_unanswered))
			health_strain(core);
	}
	if (p->id == 0 && core->now.mono_us >= p->next_us)
		begin(core, node, p);
}

void probe_asked(struct node_core *core, node_id from, const struct msg *m)
{
	node_id target = m->probe.target;
	struct msg *reply = core_msg(core, OP_PROBE, m->id, /* reply= */ true);
	reply->shard = m->shard;
	reply->probe.target = target;
	if (target == core->self) {
		reply->probe.reached = true;
	} else if (target < NODES_MAX && core->detector.peers[target].known) {
		usec_t heard_us = core->detector.peers[target].heard_us;
		reply->probe.reached = core->now.mono_us < heard_us + PROBE_FRESH_US;
	}
	core_send(core, from, reply);
}

void probe_answered(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->probe.target >= NODES_MAX)
		return;
	struct probe *p = &core->detector.peers[m->probe.target].probe;
	if (p->id == 0 || p->id != m->id)
		return;
	KV_ASSERT(p->asked <= PROBE_HELPERS);
	for (uint32_t i = 0; i < p->asked; i++) {
		if (p->helpers[i] != from)
			continue;
		p->answered |= 1u << i;
		if (COVER_IF(m->probe.reached, probe_reached))
			p->reached_us = core->now.mono_us;
	}
	if (p->answered == (1u << p->asked) - 1)
		p->id = 0;
}
