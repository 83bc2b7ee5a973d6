/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What one run is made of, drawn from its seed. Each run has a random subset of the faults at random strength, because a
 * run with all of them at once mostly shows the loudest.
 */
#ifndef KV_SIM_OPTIONS_H
#define KV_SIM_OPTIONS_H

#include "base/buf.h"
#include "base/types.h"

#define SIM_NODES_MAX   5u
#define SIM_CORES_MAX   2u
#define SIM_CLIENTS_MAX 8u
#define SIM_KEYS_MAX    5u

struct sim_options {
	uint64_t seed;

	/* The cluster. */
	uint32_t node_count; /* 3 to 5 */
	uint32_t replicas;   /* 3, sometimes 5 */
	uint32_t core_count; /* cores a node, 1 or 2 */
	uint32_t partitions;
	bool form;        /* empty nodes and a CLUSTER_INIT; otherwise they start with a map */
	uint32_t ops_max; /* core limits; 0 = default */
	uint32_t slots_max;
	uint64_t hints_max;

	/* The clients. */
	uint32_t client_count;
	uint32_t key_count;
	uint32_t op_count;   /* of all clients together */
	usec_t think_us;     /* mean time between an answer and the next request */
	uint32_t lag_max_ms; /* half of the eventual writes are made with a clock so far behind; 0: none */
	uint32_t strong_pct; /* of operations; the rest is eventual */
	uint32_t get_pct;
	uint32_t delete_pct; /* of writes */
	uint32_t ttl_pct;    /* of puts; 0 when clocks jump, for then nobody can say when a life ends */
	uint32_t retry_pct;  /* of unsuccessful eventual writes: again through another node */
	uint32_t deadline_min_ms, deadline_max_ms;
	uint32_t value_size_max;

	/* The network. */
	usec_t net_base_us, net_tail_us;
	uint32_t drop_ppm, repeat_ppm;
	usec_t cut_every_us;  /* mean time between partitions; 0 = none */
	usec_t cut_max_us;    /* longest partition */
	bool cut_clients;     /* clients are cut off as well */
	usec_t slow_every_us; /* mean time between slow links; 0 = none */

	/* The nodes. */
	usec_t crash_every_us;           /* mean time between crashes; 0 = none */
	usec_t down_max_us;              /* longest time until restart */
	bool crash_many;                 /* several nodes may be down at once */
	usec_t pause_every_us;           /* mean time between pauses; 0 = none */
	usec_t pause_max_us;             /* longest pause: beyond every time-out */
	usec_t disk_min_us, disk_max_us; /* one sync, or one read that misses the cache */
	usec_t disk_slow_every_us;       /* mean time between spells of a slow disk; 0 = none */

	/* The clocks. */
	usec_t skew_max_us;    /* lasting offset of each clock, either way */
	int32_t drift_max_ppm; /* rate error of each clock, either way */
	usec_t jump_every_us;  /* mean time between jumps of one node's wall clock; 0 = none */
	usec_t jump_max_us;    /* either way */
};

/** Draws a run's options from its seed. NODES: number of nodes, 0 = as drawn. */
void sim_options_draw(uint64_t seed, uint32_t nodes, struct sim_options *ret);

/** Appends them as text, one line. */
void sim_options_print(const struct sim_options *o, struct buf *out);

#endif
