/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From what all nodes say to the verdict: shared by status, health and doctor.
 */
#ifndef KV_CLI_SURVEY_HEALTH_H
#define KV_CLI_SURVEY_HEALTH_H

#include "base/cluster_health.h"
#include "cli/survey.h"

/** Nodes that left the cluster keep their place in the map and hold nothing. */
static inline bool survey_is_member(const struct kv_node *node) { return node->state != KV_NODE_REMOVED; }

/** Judges S. NODES has room for each node of it, zeroed, and lives as long as RET. */
MUST_USE enum kv_status survey_health(struct ctl *ctl, const struct survey *s, struct node_health *nodes,
				      struct cluster_health *ret, struct kv_error *err);

/** Of status and health: 0 if every key has a majority, otherwise 5 (unavailable). */
int survey_exit_code(enum cluster_state state);

#endif
