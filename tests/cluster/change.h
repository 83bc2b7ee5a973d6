/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A cluster of processes whose nodes change: what an operator asks for, and waiting until it has come about. Nodes are
 * meant by their index in cluster.nodes. Main thread only.
 *
 * What is asked for is asked again while the answer is that nobody can tell yet, as an operator would.
 */
#ifndef KV_TESTS_CLUSTER_CHANGE_H
#define KV_TESTS_CLUSTER_CHANGE_H

#include <kv/admin.h>

#include "tests/cluster/cluster.h"

#define CHANGE_NOBODY UINT32_MAX

/** Starts an empty node and stages it, in the place of REPLACES unless that is CHANGE_NOBODY. Gives its index in nodes. */
unsigned change_add(struct cluster *c, unsigned replaces);

/** The same with a node that was started by cluster_spawn. */
void change_stage(struct cluster *c, unsigned index, unsigned replaces);

/** Asks once, and for at most MS: false if nobody carried it out. */
bool change_try_add(struct cluster *c, unsigned index, unsigned ms);
bool change_try_remove(struct cluster *c, unsigned index, unsigned ms);
bool change_try_commit(struct cluster *c, unsigned ms);

/** Stages that the node leaves; GONE: that it is dead. */
void change_remove(struct cluster *c, unsigned index, bool gone);

/** Lets what is staged begin. Who was to leave is gone from now on. */
void change_commit(struct cluster *c);

/** The same if anything is staged. */
void change_commit_if_staged(struct cluster *c);

/** Forgets what is staged. */
void change_discard(struct cluster *c);

/** Gives up all moves and begins none, or lets them begin. */
void change_pause(struct cluster *c, bool pause);

/** Waits until no partition moves or has to, no node arrives or leaves, and all nodes know the map. */
void change_await_done(struct cluster *c);

/** The same where it may take longer: MS, stretched. EACH, if not NULL, is called every now and then meanwhile. */
void change_await_done_in(struct cluster *c, unsigned ms, void (*each)(const struct kv_moves *moves));

/** True if that is so now. */
bool change_is_done(struct cluster *c);

/** Partitions that the node holds by the newest map that a node knows; fails the test if it is in none. */
unsigned change_partitions(struct cluster *c, unsigned index);

/** Its index in the map, KV_NODE_NONE: none. Works also for dead nodes that were in it. */
uint16_t change_map_index(struct cluster *c, unsigned index);
enum kv_node_state change_state(struct cluster *c, unsigned index);

/** What `kvctl move ls` shows, of whoever answers; NULL if nobody does. Freed with kv_moves_free. */
struct kv_moves *change_moves(struct cluster *c);

#endif
