/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What one run is made of, drawn from its seed. Each run has a random subset of the faults at random strength, because a
 * run with all of them at once mostly shows the loudest.
 *
 * After drawing, a class of faults can be taken out and operations can be dropped: how a failure is made small. Each part
 * of a run draws from a stream of its own, so that what is left happens mostly as before.
 */
#ifndef KV_SIM_OPTIONS_H
#define KV_SIM_OPTIONS_H

#include "base/buf.h"
#include "base/types.h"
#include "tests/sim/mix.h"

#define SIM_NODES_MAX   12u /* machines */
#define SIM_FIRST_MAX   9u  /* of them in the first map */
#define SIM_CORES_MAX   2u
#define SIM_CLIENTS_MAX 8u
#define SIM_KEYS_MAX    5u
#define SIM_SKIPS_MAX   32u

/* Classes of what makes a run hard, by the names that --without takes. */
#define SIM_CLASSES(X)                                                                                             \
	X(drop, "frames are lost")                                                                                 \
	X(repeat, "frames arrive twice")                                                                           \
	X(tail, "frames are delayed long and overtake each other")                                                 \
	X(cut, "partitions: one-way, both ways, around a bridge")                                                  \
	X(swizzle, "nodes are cut off one after the other and come back in another order")                         \
	X(slow, "slow links")                                                                                      \
	X(crash, "processes die at any time and in the middle of a sync")                                          \
	X(step, "processes die between an action and its effect")                                                  \
	X(power, "all processes die at once")                                                                      \
	X(pause, "processes stand still")                                                                          \
	X(disk, "spells of a slow disk")                                                                           \
	X(sync, "a sync fails")                                                                                    \
	X(full, "a disk is full for a while")                                                                      \
	X(corrupt, "a stored record is damaged; the node is lost")                                                 \
	X(lost, "a disk is lost, and the node with it")                                                            \
	X(skew, "clocks are wrong all the time")                                                                   \
	X(drift, "clocks run at a wrong rate")                                                                     \
	X(jump, "clocks jump")                                                                                     \
	X(storm, "spells in which clients ask again at once")                                                      \
	X(death, "clients die in the middle of an operation")                                                      \
	X(retry, "clients repeat writes")                                                                          \
	X(lag, "writes are made with a clock that is behind")                                                      \
	X(ttl, "values with an end")                                                                               \
	X(limits, "small limits")                                                                                  \
	X(cache, "records stay in memory after use")                                                               \
	X(buggify, "unlikely paths of the core are taken")                                                         \
	X(form, "the cluster is formed in the run")                                                                \
	X(change, "nodes are added, removed and replaced")                                                         \
	X(tide, "clients rest all at once, so that there is time for changes")                                     \
	X(rows, "replicas of the keys change without need, all the time")                                          \
	X(late, "nodes take a new map long after others")                                                          \
	X(aim, "members of a row miss writes, learn of its change last, are answered late")

enum sim_class {
#define SIM_CLASS_(name, text) SIM_CLASS_##name,
	SIM_CLASSES(SIM_CLASS_)
#undef SIM_CLASS_
		SIM_CLASS_COUNT
};

/* Faults that know what they hit (aim.h). */
struct sim_aim {
	bool on;
	usec_t deaf_every_us,
		deaf_max_us; /* mean time between spells in which members of the keys' rows miss writes */
	uint32_t mute_pct;   /* of the accepts of a ballot: reach nobody, and their sender is silent for a while */
	uint32_t hold_pct;   /* of them: late by as much as HOLD_MAX_US */
	uint32_t hold_open_pct; /* of the answers of old members of a row that changes: the same */
	usec_t hold_max_us;
	uint32_t
		late_row_pct; /* of maps that change a key's row: most of its members take it late by as much as LATE_MAX_US */
	usec_t late_max_us;
	usec_t alone_max_us; /* so long writes reach others late or never before a disk is lost; 0: in time */
};

/* Operations FIRST to LAST, counted from 0 in the order they are drawn, are not made. */
struct sim_skip {
	uint32_t first, last;
};

struct sim_options {
	uint64_t seed;
	uint32_t nodes;   /* as asked for; 0: drawn */
	uint32_t without; /* bits: classes taken out */

	/* The cluster. */
	uint32_t node_count; /* 3 to 9, and the spare ones */
	uint32_t replicas;   /* 3, sometimes 5 */
	uint32_t core_count; /* cores a node, 1 or 2 */
	uint32_t partitions;
	bool form;        /* empty nodes and a CLUSTER_INIT; otherwise they start with a map */
	uint32_t ops_max; /* core limits; 0 = default */
	uint32_t slots_max;
	uint64_t hints_max;
	uint32_t record_cache_bytes; /* 0: none */
	usec_t tick_us;              /* of the cores; 0 = default */
	bool buggify;
	bool codec; /* frames travel as bytes; otherwise messages are copied */
	bool costs; /* rounds and writes of each operation are counted */

	/* Changes of the cluster; fixed: none. */
	bool membership;
	uint32_t spare_count;   /* of the nodes: empty machines, not in the first map */
	uint32_t zone_count;    /* 0: no zones */
	uint32_t change_count;  /* changes that are begun before healing */
	usec_t change_every_us; /* mean time between two requests of the operator; 0 = none */
	uint32_t discard_pct, keep_pct, pause_pct, token_pct, gone_pct, move_pct,
		weight_pct;   /* of what the operator does */
	uint32_t crowd_pct;   /* of times that something is staged and could begin: more is staged first */
	usec_t reborn_max_us; /* longest time until a lost or removed node's machine is there again, empty */
	uint64_t gc_grace_ms; /* tombstones are at least so old */
	usec_t gc_interval_us, exchange_interval_us, move_stuck_us;
	usec_t replica_timeout_us; /* 0 = default */
	bool rows_move;            /* replicas of the keys change without need, as soon as they have changed */
	uint32_t late_pct;         /* of maps that a node takes: made durable late */
	usec_t late_max_us;        /* by so much at most */

	struct sim_aim aim; /* fixed: none */

	/* The clients. */
	uint32_t client_count;
	uint32_t key_count;
	uint32_t op_count; /* of all clients together */
	uint32_t skip_count;
	struct sim_skip skips[SIM_SKIPS_MAX]; /* ascending */
	usec_t think_us;                      /* mean time between an answer and the next request */
	usec_t tide_us, tide_active_us;       /* all rest but for the first part of each tide; 0 = never */
	uint32_t lag_max_ms; /* half of the eventual writes are made with a clock so far behind; 0: none */
	uint32_t strong_pct; /* of operations; the rest is eventual */
	uint32_t get_pct;
	uint32_t delete_pct; /* of writes */
	uint32_t ttl_pct;    /* of puts; 0 when clocks jump, for then nobody can say when a life ends */
	uint32_t retry_pct;  /* of unsuccessful eventual writes: again through another node */
	uint32_t deadline_min_ms, deadline_max_ms;
	uint32_t value_size_max;
	uint32_t death_ppm;    /* of requests: the client is never heard of again */
	usec_t storm_every_us; /* mean time between retry storms; 0 = none */

	struct sim_mix mix; /* what clients ask for beside gets, puts and deletes */

	/* The network. */
	usec_t net_base_us, net_tail_us;
	uint32_t drop_ppm, repeat_ppm;
	usec_t cut_every_us;     /* mean time between partitions; 0 = none */
	usec_t cut_max_us;       /* longest partition */
	bool cut_clients;        /* clients are cut off as well */
	usec_t swizzle_every_us; /* mean time between swizzles; 0 = none */
	usec_t slow_every_us;    /* mean time between slow links; 0 = none */

	/* The nodes. */
	usec_t crash_every_us;           /* mean time between crashes; 0 = none */
	usec_t step_every_us;            /* mean time between crashes in the middle of a step; 0 = none */
	usec_t power_every_us;           /* mean time between power cuts; 0 = none */
	usec_t down_max_us;              /* longest time until restart */
	bool crash_many;                 /* several nodes may be down at once */
	usec_t pause_every_us;           /* mean time between pauses; 0 = none */
	usec_t pause_max_us;             /* longest pause: beyond every time-out */
	usec_t disk_min_us, disk_max_us; /* one sync, or one read that misses the cache */
	usec_t disk_slow_every_us;       /* mean time between spells of a slow disk; 0 = none */
	usec_t sync_fail_every_us;       /* mean time between syncs that fail; 0 = none */
	usec_t disk_full_every_us;       /* mean time between full disks; 0 = none */
	usec_t corrupt_every_us;         /* mean time between damaged records, while a node may be lost; 0 = none */
	usec_t lost_every_us;            /* mean time between lost disks, while a node may be lost; 0 = none */

	/* The clocks. */
	usec_t skew_max_us;    /* lasting offset of each clock, either way */
	int32_t drift_max_ppm; /* rate error of each clock, either way */
	usec_t jump_every_us;  /* mean time between jumps of one node's wall clock; 0 = none */
	usec_t jump_max_us;    /* either way */
};

/** Draws a run's options from its seed. NODES: number of nodes, 0 = as drawn. */
void sim_options_draw(uint64_t seed, uint32_t nodes, struct sim_options *ret);

/**
 * Adds changes of the cluster: spare nodes and an operator. Drawn from a stream of its own; what the seed drew before stays,
 * but for its end: there is time for changes.
 */
void sim_options_add_changes(struct sim_options *o);

/** Takes a class out; true if there was something to take. */
bool sim_options_take_out(struct sim_options *o, enum sim_class class);

/* The same for the changes of the cluster (options_change.c). */
bool sim_options_take_out_of_changes(struct sim_options *o, enum sim_class class);
void sim_options_print_changes(const struct sim_options *o, struct buf *out);

/** Class of that name, SIM_CLASS_COUNT if there is none. */
enum sim_class sim_class_find(struct slice name);
const char *sim_class_name(enum sim_class class);
const char *sim_class_text(enum sim_class class);

/** Drops operations FIRST to LAST; false, and nothing happens, if there are too many such ranges. */
bool sim_options_skip(struct sim_options *o, uint32_t first, uint32_t last);

/** True if operation INDEX is not to be made. */
bool sim_options_skips(const struct sim_options *o, uint32_t index);

/** Operations that are made. */
uint32_t sim_options_ops(const struct sim_options *o);

/** Appends them as text, one line. */
void sim_options_print(const struct sim_options *o, struct buf *out);

/** Appends the arguments that give kvsim exactly these, which were drawn for NODES (0: as the seed draws) and changed. */
void sim_options_arguments(const struct sim_options *o, uint32_t nodes, struct buf *out);

#endif
