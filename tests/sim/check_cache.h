/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Records that stay in memory after use: each is what the disk has, and all together keep their limit.
 */
#ifndef KV_SIM_CHECK_CACHE_H
#define KV_SIM_CHECK_CACHE_H

struct sim;
struct sim_node;

/** Looks at all cores of a node that is up; what is not so is in the run's verdict. */
void check_cache(struct sim *sim, const struct sim_node *n);

#endif
