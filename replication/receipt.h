/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Receipts: what an answer stands on, for a client that asked for it.
 */
#ifndef KV_REPLICATION_RECEIPT_H
#define KV_REPLICATION_RECEIPT_H

#include "replication/op.h"

/** Adds the receipt to an answer that is complete otherwise. */
void receipt_fill(const struct node_core *core, const struct op *op, struct msg_result *result);

#endif
