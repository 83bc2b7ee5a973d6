/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Traces of client operations: what their timelines begin with, who is told of them, and when.
 *
 * An operation that was traced, that failed or that was slow leaves as ACT_TRACE when it ends, with the answers that came late;
 * one whose client wants it has its timeline in the answer, as it is known then. Nothing here decides anything.
 */
#ifndef KV_REPLICATION_OP_TRACE_H
#define KV_REPLICATION_OP_TRACE_H

#include "replication/op.h"

/** It has been made for M, which arrived at ARRIVED_US. */
void op_trace_begin(struct node_core *core, struct op *op, const struct msg *m, usec_t arrived_us);

/** The present phase begins. */
void op_trace_phase(struct node_core *core, struct op *op);

/** M goes to NODE: gets the trace, if there is one. */
void op_trace_sent(struct node_core *core, struct op *op, node_id node, struct msg *m);

/** NODE has answered M. */
void op_trace_replied(struct node_core *core, struct op *op, node_id node, const struct msg *m);

/** M is the operation's answer: gets the timeline, if it is wanted. TOLD: that of the node it was sent on to, or NULL. */
void op_trace_answered(struct node_core *core, struct op *op, const struct msg_timeline *told, struct msg *m);

/** It is about to be freed. */
void op_trace_ended(struct node_core *core, struct op *op);

/** A request was refused with STATUS before there was an operation: M is the answer to REQ. */
void op_trace_refused(struct node_core *core, const struct msg *req, usec_t arrived_us, struct msg *m);

#endif
