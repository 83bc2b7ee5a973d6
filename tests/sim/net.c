/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/net.h"

void net_init(struct net *net, struct rng *rng, uint32_t ends)
{
	KV_ASSERT(ends <= NET_ENDS_MAX);
	*net = (struct net){.rng = rng, .ends = ends, .base_us = 100, .tail_us = 200};
	net_heal(net);
}

/* Exponential with the given mean, from integers only: a random exponent and a linear part between two halvings. */
static usec_t exponential_us(struct rng *rng, usec_t mean_us)
{
	uint64_t bits = rng_next(rng);
	uint64_t halvings = bits ? (uint64_t)__builtin_ctzll(bits) : 63;
	uint64_t part = rng_below(rng, 1024);
	return mean_us * 710 * (halvings * 1024 + part) / (1024 * 1024);
}

uint32_t net_send(struct net *net, uint32_t from, uint32_t to, bool may_repeat, usec_t ret_delays_us[2])
{
	KV_ASSERT(from < net->ends);
	KV_ASSERT(to < net->ends);
	const struct net_link *link = &net->links[from][to];
	if (link->cuts || rng_chance(net->rng, net->drop_ppm))
		return 0;
	uint32_t copies = may_repeat && rng_chance(net->rng, net->repeat_ppm) ? 2 : 1;
	for (uint32_t i = 0; i < copies; i++)
		ret_delays_us[i] = (net->base_us + exponential_us(net->rng, net->tail_us)) * link->slowness;
	return copies;
}

void net_cut(struct net *net, uint32_t from, uint32_t to, bool cut)
{
	KV_ASSERT(from < net->ends);
	KV_ASSERT(to < net->ends);
	uint32_t *cuts = &net->links[from][to].cuts;
	if (cut)
		++*cuts;
	else if (*cuts) /* none are left once the network was healed */
		--*cuts;
}

void net_heal(struct net *net)
{
	net->drop_ppm = net->repeat_ppm = 0;
	for (uint32_t from = 0; from < NET_ENDS_MAX; from++)
		for (uint32_t to = 0; to < NET_ENDS_MAX; to++)
			net->links[from][to] = (struct net_link){.slowness = 1};
}
