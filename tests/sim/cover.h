/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What runs have reached: the cores' counters and the simulator's own, summed. A fault or a path of the protocol that no
 * seed of a batch ever met shows as a zero.
 */
#ifndef KV_SIM_COVER_H
#define KV_SIM_COVER_H

#include "base/buf.h"
#include "replication/node_core.h"

#define COVER_COUNTERS(X)                                                                                          \
	X(runs)                                                                                                    \
	X(runs_formed) /* started with CLUSTER_INIT */                                                             \
	X(events)                                                                                                  \
	X(virtual_seconds)                                                                                         \
	X(frames_sent)                                                                                             \
	X(frames_lost)                                                                                             \
	X(frames_repeated)                                                                                         \
	X(cuts)                                                                                                    \
	X(bridges)                                                                                                 \
	X(swizzles)                                                                                                \
	X(slow_links)                                                                                              \
	X(crashes)                                                                                                 \
	X(crashes_losing) /* of them with unsynced writes lost */                                                  \
	X(crashes_in_step)                                                                                         \
	X(power_cuts)                                                                                              \
	X(syncs_failed)                                                                                            \
	X(full_disks)                                                                                              \
	X(corrupt_records)                                                                                         \
	X(lost_disks)                                                                                              \
	X(hellos_refused)                                                                                          \
	X(maps)         /* decided in runs */                                                                      \
	X(late_maps)    /* that nodes took long after others */                                                    \
	X(deaf_nodes)   /* spells in which one missed writes */                                                    \
	X(mute_ballots) /* accepts of them that reached nobody */                                                  \
	X(held_frames)                                                                                             \
	X(lone_acks) /* disks that are to be lost with what only they acknowledged */                              \
	X(late_rows) /* maps that a member of a row to be changed took late */                                     \
	X(changes_asked)                                                                                           \
	X(changes_done)                                                                                            \
	X(changes_add)                                                                                             \
	X(changes_replace)                                                                                         \
	X(changes_leave)                                                                                           \
	X(changes_gone)                                                                                            \
	X(changes_keep)                                                                                            \
	X(changes_commit)                                                                                          \
	X(changes_discard)                                                                                         \
	X(changes_pause)                                                                                           \
	X(changes_token)                                                                                           \
	X(changes_weight)                                                                                          \
	X(changes_address)                                                                                         \
	X(clients_died)                                                                                            \
	X(storms)                                                                                                  \
	X(pauses)                                                                                                  \
	X(clock_jumps)                                                                                             \
	X(slow_disks)                                                                                              \
	X(syncs)                                                                                                   \
	X(writes)                                                                                                  \
	X(ops_done)                                                                                                \
	X(ops_absent)                                                                                              \
	X(ops_doubt)                                                                                               \
	X(ops_failed)                                                                                              \
	X(ops_refused)                                                                                             \
	X(ops_unanswered)                                                                                          \
	X(told_committed)                                                                                          \
	X(told_never)                                                                                              \
	X(told_expired)                                                                                            \
	X(ops_retried)                                                                                             \
	X(ledger_rows) /* entries on disk at the ends of runs */                                                   \
	X(linear_undecided)

struct cover {
#define COVER_FIELD_(name) uint64_t name;
	COVER_COUNTERS(COVER_FIELD_)
#undef COVER_FIELD_
	struct core_stats cores; /* counters only, no gauges' sense */
};

/** Adds FROM to TO. */
void cover_add(struct cover *to, const struct cover *from);

/** Adds one core's counters. */
void cover_add_core(struct cover *to, const struct core_stats *stats);

/** Appends all counters, "name=value" separated by spaces. */
void cover_print(const struct cover *c, struct buf *out);

#endif
