/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What sim.c, which has the run and its events, and sim_end.c share. Only they include this.
 */
#ifndef KV_SIM_SIM_INSIDE_H
#define KV_SIM_SIM_INSIDE_H

#include "tests/sim/sim.h"

#define QUIET_MAX_US (60 * USEC_PER_SEC)

/** True if nothing is left to do: clients and operator are done, every node of the cluster is at rest. */
bool sim_is_quiet(const struct sim *sim);

/** Closing reads repair what they find different; false if the cluster does not become quiet after them. */
bool sim_close(struct sim *sim);

/** Waits until a cluster that changed has cleaned up, and judges that. */
void sim_settle(struct sim *sim);

/** Runs the checkers. */
void sim_judge(struct sim *sim);

/** Says which nodes are not quiet, and why. */
void sim_fail_liveness(struct sim *sim, const char *what);

#endif
