/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A cluster of kvd processes on the loopback, formed and watched through the client library. Main thread only.
 *
 * A cluster is made with cluster_new and ended by harness_teardown, never by the test itself.
 */
#ifndef KV_TESTS_CLUSTER_CLUSTER_H
#define KV_TESTS_CLUSTER_CLUSTER_H

#include <kv/client.h>

#include "tests/cluster/process.h"
#include "tests/cluster/proxy.h"

#define CLUSTER_NODES_MAX      16
#define CLUSTER_ENDPOINTS_SIZE (CLUSTER_NODES_MAX * (PROCESS_ADDRESS_MAX + 1))

struct cluster_options {
	unsigned nodes;          /* 0: 3 */
	unsigned spares;         /* proxied: how many nodes may come later */
	unsigned partitions;     /* 0: 64 */
	unsigned shards;         /* of each node; 0: 1 */
	const char *settings;    /* further lines of every node's configuration */
	const char *listen_peer; /* host:port where the last node listens for the others; NULL: any port */
	bool proxied;            /* every connection through a proxy, but for the test's own client */
	bool faulty;             /* clocks and disks can be made to fail: nodes[i].faults */
	unsigned compare_ms;     /* between two comparisons of replicas; 0: as a real node */
	uint64_t seed;           /* of the proxy's jitter */
	void (*prepare)(struct process *p,
			unsigned index); /* called before each node's first start; NULL: nothing */
};

struct cluster {
	const char *directory;
	unsigned count; /* of processes so far */
	struct process nodes[CLUSTER_NODES_MAX];
	bool gone[CLUSTER_NODES_MAX];   /* leaves, has left or is dead for good: nothing is expected of it */
	bool leaves[CLUSTER_NODES_MAX]; /* staged to: gone once that is committed */
	struct cluster_options options; /* private: for nodes that come later */
	char endpoints[CLUSTER_ENDPOINTS_SIZE]; /* of all nodes at the start, as they advertise them */
	struct kv_client *client;               /* of the test itself, with a time-out of 5 s */
	struct proxy *net;                      /* NULL: none */
};

/** Starts one more process with an empty directory, which is in no cluster. Gives its index in nodes. */
unsigned cluster_spawn(struct cluster *c);

/** Starts the nodes without forming a cluster. OPTIONS NULL: all defaults. */
struct cluster *cluster_new_unformed(const struct cluster_options *options);

/** Starts the nodes, forms the cluster, waits until all serve. */
struct cluster *cluster_new(const struct cluster_options *options);

/** Asks node FROM to form the cluster of all nodes. */
enum kv_status cluster_form(struct cluster *c, unsigned from, unsigned partitions, struct kv_error *err);

/** A client of the caller's: ENDPOINTS as kv_config_set takes them. */
struct kv_client *cluster_open_client(const char *endpoints, unsigned timeout_ms);

/** What node INDEX says of itself; NULL if it does not answer soon. Freed with kv_node_status_free. */
struct kv_node_status *cluster_status(struct cluster *c, unsigned index);
void cluster_status_free(struct kv_node_status **status);

/** A counter by name; fails the test if there is none. */
uint64_t cluster_counter(const struct kv_node_status *status, const char *name);

/** The same in one call; the node must answer. */
uint64_t cluster_counter_of(struct cluster *c, unsigned index, const char *name);

/** Fails the test if a node that was started does not run any more. */
void cluster_check_alive(struct cluster *c);

/** Waits until node INDEX serves. */
void cluster_await_ready(struct cluster *c, unsigned index);

/** Waits until all running nodes serve and see each other up. */
void cluster_await_together(struct cluster *c);

/** Waits until all nodes are together and no node holds a hint. */
void cluster_await_settled(struct cluster *c);

/** Node INDEX again, after process_kill and the like: waits until it listens. */
void cluster_start(struct cluster *c, unsigned index);

/** The same, and waits until it serves. */
void cluster_restart(struct cluster *c, unsigned index);

/** Calls PUT, then GET, at both levels on fresh keys, and fails the test if any fails. */
void cluster_check_serves(struct cluster *c);

#endif
