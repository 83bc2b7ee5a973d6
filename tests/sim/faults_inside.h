/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the kinds of faults share. Only faults*.c include this.
 */
#ifndef KV_SIM_FAULTS_INSIDE_H
#define KV_SIM_FAULTS_INSIDE_H

#include "tests/sim/faults.h"
#include "tests/sim/sim.h"

typedef void (*fault_fn)(struct sim *sim, struct sim_event *event);

/** Calls FN after a delay, whatever happened meanwhile. The event's a, b and node are FN's own. */
struct sim_event *fault_after(struct sim *sim, fault_fn fn, usec_t delay_us);

/** The next fault of a kind that comes every EVERY_US on average; 0 is never. */
void fault_repeat(struct sim *sim, fault_fn fn, usec_t every_us);

struct sim_node *fault_pick_node(struct sim *sim);

/** Schedules the first fault of each kind. */
void faults_net_start(struct sim *sim);
void faults_node_start(struct sim *sim);
void faults_disk_start(struct sim *sim);

/** Sets a node's clock off by so much, besides its lasting skew. */
void fault_set_clock(struct sim *sim, struct sim_node *n, int64_t offset_us);

#endif
