/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/nearest.h"

#include "replication/core.h"

enum trouble { TROUBLE_NONE, TROUBLE_SUSPECT, TROUBLE_DEGRADED, TROUBLE_DOWN };

/** What speaks for and against a replica; less is better, the first that differs decides. */
struct rank {
	uint32_t trouble;
	uint32_t distance; /* own copy, same zone, elsewhere */
	usec_t time_us;
};

static enum trouble trouble_of(const struct node_core *core, node_id node)
{
	enum peer_state state = detector_state(core, node);
	if (state == PEER_DOWN)
		return TROUBLE_DOWN;
	if (detector_is_degraded(core, node))
		return TROUBLE_DEGRADED;
	bool poor = state != PEER_SELF && core->detector.peers[node].health >= HEALTH_POOR;
	return state == PEER_SUSPECT || poor ? TROUBLE_SUSPECT : TROUBLE_NONE;
}

static struct rank rank_of(const struct node_core *core, node_id node)
{
	struct rank r = {.trouble = trouble_of(core, node)};
	if (node == core->self || r.trouble == TROUBLE_DOWN)
		return r;
	const struct peer *p = &core->detector.peers[node];
	r.distance = p->same_zone ? 1 : 2;
	r.time_us = (p->read_us ? p->read_us : p->round_trip_us) + p->queue_us;
	return r;
}

static bool rank_less(const struct rank *a, const struct rank *b)
{
	if (a->trouble != b->trouble)
		return a->trouble < b->trouble;
	if (a->distance != b->distance)
		return a->distance < b->distance;
	return a->time_us < b->time_us;
}

int nearest_reader(const struct node_core *core, const struct row *row, uint32_t bits)
{
	int best = -1;
	struct rank best_rank = {.trouble = TROUBLE_DOWN};
	for (uint32_t i = 0; i < row->count; i++) {
		struct rank rank = rank_of(core, row->nodes[i]);
		if (!(bits & 1u << i) || rank.trouble == TROUBLE_DOWN)
			continue;
		if (best >= 0 && !rank_less(&rank, &best_rank))
			continue;
		best = (int)i;
		best_rank = rank;
	}
	return best;
}

int nearest_reader_explored(struct node_core *core, const struct row *row, uint32_t bits)
{
	int best = nearest_reader(core, row, bits);
	if (best < 0 || row->nodes[best] == core->self || rng_below(&core->rng, READ_EXPLORE_ONE_IN) != 0)
		return best;
	uint32_t start = (uint32_t)rng_below(&core->rng, row->count);
	for (uint32_t k = 0; k < row->count; k++) {
		uint32_t i = (start + k) % row->count;
		bool sound = bits & 1u << i && trouble_of(core, row->nodes[i]) == TROUBLE_NONE;
		if (COVER_IF(sound && (int)i != best, nearest_explores))
			return (int)i;
	}
	return best;
}

int nearest_coordinator(const struct node_core *core, const struct row *row, uint32_t bits)
{
	int best = -1;
	enum trouble best_trouble = TROUBLE_DOWN;
	for (uint32_t i = 0; i < row->count; i++) {
		enum trouble trouble = trouble_of(core, row->nodes[i]);
		if (!(bits & 1u << i) || trouble >= best_trouble)
			continue;
		best = (int)i;
		best_trouble = trouble;
	}
	return best;
}
