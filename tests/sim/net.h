/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The network between nodes and clients: for each frame, whether it arrives, how often and when.
 *
 * Every ordered pair of ends is a link of its own, so a partition can be one-way. Frames overtake each other because each
 * draws its own delay.
 */
#ifndef KV_SIM_NET_H
#define KV_SIM_NET_H

#include "base/rng.h"
#include "base/types.h"

#define NET_ENDS_MAX 32u

struct net_link {
	uint32_t cuts;     /* partitions that separate the ends now */
	uint32_t slowness; /* delays are multiplied by this; 1 is normal */
};

struct net {
	struct rng *rng;
	uint32_t ends;
	usec_t base_us;      /* least delay */
	usec_t tail_us;      /* mean of the exponential part */
	uint32_t drop_ppm;   /* frames lost, of a million */
	uint32_t repeat_ppm; /* frames that arrive twice */
	struct net_link links[NET_ENDS_MAX][NET_ENDS_MAX];
};

void net_init(struct net *net, struct rng *rng, uint32_t ends);

/** Fills the delays of the copies that arrive and returns how many do, 0 to 2. */
uint32_t net_send(struct net *net, uint32_t from, uint32_t to, bool may_repeat, usec_t ret_delays_us[2]);

/** Cuts or joins one direction. Each cut is joined by itself: partitions may overlap. */
void net_cut(struct net *net, uint32_t from, uint32_t to, bool cut);

/** All links as on a good day: nothing lost, repeated, cut or slow. */
void net_heal(struct net *net);

#endif
