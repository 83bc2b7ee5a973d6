/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The receiver's side of hinted handoff: how many keys senders may push, and marks that are handed on to this node.
 *
 * A node grants hint_rate keys a second in total, each core its part, divided among the senders that ask; nothing while it
 * is overloaded, and little while its disk is degraded: whoever comes back must not be buried by what it missed.
 */
#ifndef KV_REPLICATION_HINT_CREDIT_H
#define KV_REPLICATION_HINT_CREDIT_H

#include "proto/msg.h"

struct node_core;

/** OP_HINT_OPEN of FROM: grants keys out of this node's budget, or takes a mark over. */
void hint_credit_asked(struct node_core *core, node_id from, const struct msg *m);

#endif
