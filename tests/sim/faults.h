/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What goes wrong in a run and when: each kind of fault of the options comes at random times until faults_heal.
 */
#ifndef KV_SIM_FAULTS_H
#define KV_SIM_FAULTS_H

#include "base/types.h"

struct sim;
struct sim_node;

/** Sets the network's rates and schedules the first fault of each kind. */
void faults_start(struct sim *sim);

/** Ends all faults: network whole, nodes started, clocks right but for their lasting skew, disks quick. */
void faults_heal(struct sim *sim);

/** A node that was to crash in the middle of a sync has begun one that takes US. */
void faults_crash_in_sync(struct sim *sim, struct sim_node *n, usec_t us);

#endif
