/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What goes wrong in a run and when: each kind of fault of the options comes at random times until faults_heal. Faults draw
 * from a stream of their own.
 */
#ifndef KV_SIM_FAULTS_H
#define KV_SIM_FAULTS_H

#include "base/types.h"

struct sim;
struct sim_node;

/** Sets the network's rates and schedules the first fault of each kind. */
void faults_start(struct sim *sim);

/** Ends all faults: network whole, nodes started unless lost, clocks right but for their lasting skew, disks quick. */
void faults_heal(struct sim *sim);

/** A node that was to crash in the middle of a sync has begun one that takes US. */
void faults_crash_in_sync(struct sim *sim, struct sim_node *n, usec_t us);

/** A node's process died; it is started again after a random while, unless the node is lost. */
void faults_restart_later(struct sim *sim, struct sim_node *n);

/** True if the process of N may die now. */
bool faults_may_crash(const struct sim *sim, const struct sim_node *n);

/** True if one more node may be lost for ever: every row keeps a majority. */
bool faults_may_lose(const struct sim *sim);

/** N's disk has just acknowledged what it is to be lost after. */
void faults_lose_after_sync(struct sim *sim, struct sim_node *n);

#endif
