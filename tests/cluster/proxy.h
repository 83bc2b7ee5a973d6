/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A network that can be made bad: a proxy for every connection of a cluster, in a thread of its own.
 *
 * Each node has two addresses here, one for clients and one for nodes, which it advertises; whoever dials them is
 * connected with the node behind. Who dials a node's peer address is read in the HELLO it says. So there is one
 * weather for each pair of ends and direction, whoever dialled.
 *
 * What TCP promises stays true: bytes are late, or the connection breaks, but nothing is lost, doubled or reordered within
 * one. A cut holds back bytes, as retransmission does, and lets them through when it ends if the connection still stands.
 *
 * All calls from any thread.
 */
#ifndef KV_TESTS_CLUSTER_PROXY_H
#define KV_TESTS_CLUSTER_PROXY_H

#include "base/types.h"

#define PROXY_NODES_MAX    16
#define PROXY_CLIENTS      PROXY_NODES_MAX /* the end where all clients are */
#define PROXY_ENDS         (PROXY_NODES_MAX + 1)
#define PROXY_ADDRESS_SIZE 32

/** What happens to bytes on their way from one end to another. All zero: nothing. */
struct proxy_weather {
	bool cut;                     /* nothing gets through */
	unsigned delay_ms, jitter_ms; /* each piece is late by delay and up to jitter; never reordered */
	unsigned bytes_per_ms;        /* 0: no limit */
};

struct proxy;

/** Listens for NODES nodes. SEED: of the jitter. */
struct proxy *proxy_new(unsigned nodes, uint64_t seed);

/** Breaks all connections. Accepts NULL. */
void proxy_free(struct proxy *p);

/** What node INDEX advertises. Lives as long as P. */
const char *proxy_client_address(const struct proxy *p, unsigned index);
const char *proxy_peer_address(const struct proxy *p, unsigned index);

/** Where node INDEX listens, host:port on the loopback; copied. Until then whoever dials it is refused. */
void proxy_point(struct proxy *p, unsigned index, const char *client, const char *peer);

/** From now on, for new connections and old ones. FROM, TO: a node, or PROXY_CLIENTS. */
void proxy_set(struct proxy *p, unsigned from, unsigned to, const struct proxy_weather *weather);

/** No weather anywhere. */
void proxy_heal(struct proxy *p);

/** Breaks all connections between two ends; what is on its way is lost. They may dial again. */
void proxy_reset(struct proxy *p, unsigned a, unsigned b);

/** Connections now, and bytes handed on so far from one end to another. */
unsigned proxy_connections(struct proxy *p);
uint64_t proxy_bytes(struct proxy *p, unsigned from, unsigned to);

#endif
