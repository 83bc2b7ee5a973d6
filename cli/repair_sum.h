/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How equal a node's replicas are, all its cores together.
 */
#ifndef KV_CLI_REPAIR_SUM_H
#define KV_CLI_REPAIR_SUM_H

#include <kv/admin.h>

#include "cli/commands.h"

/** All cores of a node together. */
struct repair_sum {
	struct kv_repair sum; /* no pairs */
	struct kv_repair_pair oldest;
	bool has_pair;
};

/** Asks every core of NODE, which may also be told to begin comparing. */
MUST_USE enum kv_status repair_ask_node(struct ctl *ctl, const struct kv_node *node, enum kv_repair_what what,
					struct repair_sum *ret, struct kv_error *err);

#endif
