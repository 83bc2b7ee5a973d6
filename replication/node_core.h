/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One core: the whole protocol for the partitions of one shard, as a deterministic function of events.
 *
 * A node runs one core a shard. Cores of a node share nothing; each has its own clock (under the node's durable limits),
 * failure detector, hints and operations. A core coordinates client requests and serves as a replica at the same time;
 * messages to itself do not leave it.
 *
 * One thread. See replication/step.h for events, actions and who owns what.
 */
#ifndef KV_REPLICATION_NODE_CORE_H
#define KV_REPLICATION_NODE_CORE_H

#include "replication/replica_took.h"
#include "replication/step.h"

struct node_core;

/** What a core is told once. Slices and the map are copied. */
struct core_config {
	uint64_t seed;  /* of the core's own random numbers */
	uint32_t shard; /* this core, below shard_count */
	uint32_t shard_count;
	struct uuid node;     /* durable identity */
	uint64_t incarnation; /* starts of this node, this one included: 1 or more */
	uint64_t boot_nonce;  /* random at each start */
	struct slice name, peer_address, client_address, zone; /* offered when a cluster is formed */
	uint32_t weight;
	uint64_t features; /* what it can do, as a map's node has it */
	struct slice
		join_token; /* a node without a map asks SEEDS to be admitted with it; empty: it waits to be added */
	uint32_t seed_count;                /* at most JOIN_SEEDS_MAX */
	struct slice seeds[JOIN_SEEDS_MAX]; /* peer addresses of nodes of the cluster */
	hlc_t hlc_limit;            /* greatest limit any core of this node ever made durable; 0 on first start */
	const struct map_desc *map; /* durable map, or NULL before the node is part of a cluster */
	uint32_t value_size_max;
	uint32_t ops_max;            /* client operations in flight; 0 = OPS_MAX */
	uint32_t slots_max;          /* keys with volatile state; 0 = SLOTS_MAX */
	size_t record_cache_bytes;   /* for records that stay in memory after use; 0: none do */
	uint64_t hints_max;          /* pending hints a target; 0 = HINT_KEYS_MAX */
	uint32_t hint_rate;          /* keys a second granted to senders of hints; 0 = HINT_RATE_PER_SEC */
	usec_t replica_timeout_us;   /* 0 = REPLICA_TIMEOUT_US */
	usec_t tick_us;              /* at least that often an EV_TICK; 0 = TICK_US */
	uint32_t checked_max;        /* keys whose own copy is known to be the newest; 0 = STALENESS_KEYS_MAX */
	usec_t move_stuck_us;        /* a move that gets no further for so long is given up; 0 = MOVE_STUCK_US */
	usec_t exchange_interval_us; /* between two comparisons with a node; 0 = EXCHANGE_INTERVAL_US */
	usec_t exchange_settle_us;   /* 0 = EXCHANGE_SETTLE_US */
	uint32_t gc_grace_ms;        /* least age of what is collected; 0 = GC_GRACE_MS */
	usec_t slow_us;              /* operations that take so long are told of; 0 = TRACE_SLOW_US */
	usec_t gc_interval_us; /* between two looks at a partition's tombstones; 0 = GC_INTERVAL_US or a quarter of it, if less */
	uint64_t buggify_seed; /* simulations only: unlikely paths are taken now and then; 0 = never */
	uint64_t restless;     /* simulations only: partitions below 64, by bit, whose rows change without need */
};

/** A core that has not started; never NULL. */
struct node_core *node_core_new(const struct core_config *config);
void node_core_free(struct node_core *core);

/** First call after new, once: tells the peers' addresses, reserves clock time, counts the hints left from before. */
void node_core_start(struct node_core *core, struct moment now, struct actions *out);

/**
 * Advances the core by one event. Actions are appended to OUT. Never blocks, never fails: what a limit forbids is
 * answered with KV_OVERLOADED, what the sender did wrong with a typed error.
 */
void node_core_step(struct node_core *core, const struct node_event *event, struct actions *out);

/** No more unlikely paths than chance brings. */
void node_core_calm(struct node_core *core);

/** From now on operations that take at least SLOW_US are told of. */
void node_core_set_slow(struct node_core *core, usec_t slow_us);

/** Monotonic time by which the next EV_TICK is due. */
usec_t node_core_deadline_us(const struct node_core *core);

/**
 * Judges the HELLO of a peer that connects: right cluster, known and not removed identity, not an older or copied
 * process of an identity seen before. Returns KV_OK, KV_WRONG_CLUSTER, KV_NOT_READY or KV_IDENTITY with the reason in ERR.
 */
MUST_USE enum kv_status node_core_judge(const struct node_core *core, const struct msg_hello *hello,
					struct error *err);

/** The same; a process that is let in is the one that the identity stands for from then on. */
MUST_USE enum kv_status node_core_admit(struct node_core *core, const struct msg_hello *hello, struct error *err);

/** Fills a HELLO (or the reply to one) with what this core knows of itself; slices live as long as the core. */
void node_core_hello(const struct node_core *core, struct msg_hello *ret);

/** True once the core can issue versions: it has a map, its clock limit is durable and its clock has passed the old one. */
bool node_core_is_ready(const struct node_core *core);

/** Changes what the configuration said of operations in flight and of the size of values. What is under way goes on. */
void node_core_set_limits(struct node_core *core, uint32_t ops_max, uint32_t value_size_max);

/** Replicas of each key as the map wants them, 0 without one. */
uint32_t node_core_replicas(const struct node_core *core);

/** Number of partitions in the node's map, 0 without one. */
uint32_t node_core_partitions(const struct node_core *core);

/** The cluster's clock as this core reads it, without issuing a value: for messages that are not the core's own. */
hlc_t node_core_clock(const struct node_core *core, usec_t wall_us);

/** Epoch of the node's map, 0 without one; its own index, or NODE_NONE. */
uint64_t node_core_epoch(const struct node_core *core);
node_id node_core_index(const struct node_core *core);

/** Counters since start and gauges of now. One table, so that names in status, metrics and docs agree. */
#define CORE_COUNTERS(X)                                                                                           \
	X(ops_started)    /* client operations coordinated here */                                                 \
	X(ops_strong)     /* of them strong */                                                                     \
	X(ops_limit)      /* gauge: how many may be under way */                                                   \
	X(ops_in_flight)  /* gauge */                                                                              \
	X(ops_overloaded) /* refused: too many in flight */                                                        \
	X(ops_unavailable)                                                                                         \
	X(ops_deadline)                                                                                            \
	X(ops_in_doubt)                                                                                            \
	X(ops_forwarded)    /* sent on to a replica */                                                             \
	X(ballots)          /* prepare rounds */                                                                   \
	X(ballot_retries)   /* of them after a rejected one */                                                     \
	X(ballots_ahead)    /* accepts by a ballot that was promised ahead, without a prepare */                   \
	X(ballots_queued)   /* strong writes that waited for their turn on a key */                                \
	X(direct_puts)      /* accepts of strong puts and deletes without a ballot */                              \
	X(direct_failed)    /* of them that went on by ballots */                                                  \
	X(copies)           /* strong reads that wrote back */                                                     \
	X(identity_rounds)  /* strong reads that needed a ballot */                                                \
	X(read_repairs)     /* pushes to replicas that a read found stale */                                       \
	X(replica_requests) /* served as a replica */                                                              \
	X(replica_rejects)                                                                                         \
	X(replica_expired) /* dropped: the deadline had passed */                                                  \
	X(replica_clock_refused)                                                                                   \
	X(replica_epoch_refused)                                                                                   \
	X(disk_reads)                                                                                              \
	X(disk_writes)            /* batches handed out */                                                         \
	X(slots)                  /* gauge: keys with volatile state */                                            \
	X(slots_evicted)          /* dropped early by raising a floor */                                           \
	X(records_cached)         /* gauge: keys whose record stays in memory */                                   \
	X(record_cache_bytes)     /* gauge: memory they take */                                                    \
	X(record_cache_bytes_max) /* gauge: how much they may */                                                   \
	X(record_cache_hits)      /* requests that found their record there */                                     \
	X(hints_written)                                                                                           \
	X(hints_pending) /* gauge, all targets */                                                                  \
	X(hints_replayed)                                                                                          \
	X(hints_dropped) /* of nodes that are no members any more, or handed on */                                 \
	X(hints_expired)                                                                                           \
	X(hints_overflowed) /* keys not hinted; their partition is marked dirty */                                 \
	X(partitions_dirty) /* gauge, all targets */                                                               \
	X(ledger_entries)   /* gauge: lost values that are kept */                                                 \
	X(ledger_added)     /* the sum of the next three */                                                        \
	X(ledger_late)                                                                                             \
	X(ledger_overwritten)                                                                                      \
	X(ledger_strong)                                                                                           \
	X(ledger_dropped) /* before their end: too many or too large */                                            \
	X(ledger_expired)                                                                                          \
	X(trees_building)  /* gauge: partitions whose hash tree is not ready */                                    \
	X(records_corrupt) /* stored records that do not match their checksum */                                   \
	X(probes)          /* times that others were asked about a silent node */                                  \
	X(roots_sent)      /* of trees, to be compared */                                                          \
	X(exchanges)       /* begun */                                                                             \
	X(moves_in)        /* gauge: partitions being taken over */                                                \
	X(moves_opened)    /* a majority of the old members has answered */                                        \
	X(moves_done)      /* all is here */                                                                       \
	X(move_bytes_in)   /* pages */                                                                             \
	X(move_bytes_out)                                                                                          \
	X(move_rate)   /* gauge: bytes a second that may be copied each way */                                     \
	X(ranges_left) /* gauge: partitions of others that may have to be removed here */                          \
	X(ranges_removed)                                                                                          \
	X(exchanges_complete) /* of them: in step at their end */                                                  \
	X(exchange_leaves)    /* leaves that differed twice and were looked into */                                \
	X(records_repaired)   /* copies that exchanges brought up to date */                                       \
	X(records_scrubbed)   /* read again and found whole */                                                     \
	X(tree_leaves_mended) /* that scrubbing found to differ from the records */                                \
	X(gc_sessions)        /* partitions gone through for tombstones, with all their replicas */                \
	X(gc_aborted)         /* begun and not finished: a replica was missing, or the map changed */              \
	X(gc_purged)          /* records removed here: deletions, and values whose time had ended */               \
	X(gc_renewed)         /* weak copies that get a new version so that they can be removed later */           \
	X(gc_blocked)         /* gauge: partitions with old tombstones that cannot be removed */                   \
	X(clock_waits)        /* requests refused because the clock's limit was not durable yet */

struct core_stats {
#define CORE_COUNTER_FIELD_(name) uint64_t name;
	CORE_COUNTERS(CORE_COUNTER_FIELD_)
#undef CORE_COUNTER_FIELD_
	uint32_t peer_count;
	struct status_peer peers[NODES_MAX];
	/* Of the peer at the same place, as last told; 0 before, and of this node. */
	uint64_t peer_epochs[NODES_MAX];
	int64_t peer_ahead_ms[NODES_MAX]; /* its clock minus ours */
	struct replica_took peer_took[NODES_MAX][REPLICA_WORK_COUNT];
};

void node_core_stats(const struct node_core *core, struct core_stats *ret);

#endif
