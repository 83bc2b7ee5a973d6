/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Draws what a client asks for next, from the run's shares and from what the client has seen.
 */
#ifndef KV_SIM_DRAW_H
#define KV_SIM_DRAW_H

#include "verify/history.h"

struct sim;
struct sim_client;

/** Fills node, key, kind, level and everything else that is asked for. The client's memory and the run's counters move on. */
void draw_op(struct sim *sim, struct sim_client *c, struct history_op *op);

/** Draws one of the closing reads. */
void draw_final(struct sim *sim, struct history_op *op);

#endif
