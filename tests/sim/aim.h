/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Faults that know what they hit. Chance alone seldom meets the moments that the rules of a changing row are for: a member that
 * lacks what the others have just as it is copied from, members that learn last that they have successors, an answer to a
 * move that was given up long ago. All of it could happen to any frame or disk; here it happens to those that matter.
 */
#ifndef KV_SIM_AIM_H
#define KV_SIM_AIM_H

#include "base/types.h"
#include "replication/cluster_map.h"
#include "tests/sim/options.h"

struct sim;
struct sim_node;
struct msg;

struct aim {
	usec_t deaf_until_us[SIM_NODES_MAX];  /* until then nobody's writes reach the machine */
	usec_t quiet_until_us[SIM_NODES_MAX]; /* and nothing that it says reaches another */
	uint16_t alone;                       /* the one machine whom writes reach in time */
	usec_t alone_until_us;                /* until then */
};

/** Begins with the other faults, and ends with them: nothing happens once SIM is healed. */
void aim_start(struct sim *sim);

/** True if M, from the process of machine FROM to that of TO, is lost. Otherwise it takes *RET_EXTRA_US longer. */
bool aim_at_frame(struct sim *sim, uint16_t from, uint16_t to, const struct msg *m, usec_t *ret_extra_us);

/**
 * The disk of machine N goes with the next thing it has acknowledged: for a while nobody else acknowledges anything, as writes
 * reach others late or never.
 */
void aim_at_loss(struct sim *sim, const struct sim_node *n);

/** How much later than otherwise N makes MAP durable: members of a row that is to change may all be late. */
usec_t aim_at_map(const struct sim *sim, const struct sim_node *n, const struct map_desc *map);

#endif
