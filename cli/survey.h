/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What every node says of itself and of the others, asked of all at once: the material of status and hint ls.
 */
#ifndef KV_CLI_SURVEY_H
#define KV_CLI_SURVEY_H

#include "base/types.h"
#include "cli/commands.h"

struct survey {
	struct kv_cluster_info cluster;
	struct kv_node *nodes;
	size_t node_count;
	struct kv_node_status **answers; /* one a node; NULL: none came */
	struct kv_error *errors;         /* one a node: why not */
	usec_t *asked_us, *answered_us;  /* one a node: when, by this machine's wall clock */
};

/** KV_NOT_READY: a node answers and is part of no cluster. Others: no node could be asked for the map. */
MUST_USE enum kv_status survey_take(struct ctl *ctl, struct survey *ret, struct kv_error *err);

/** Accepts a zeroed struct. Fits CLEANUP. */
void survey_release(struct survey *s);

/** Position of the node with that index in nodes, or node_count. */
size_t survey_position(const struct survey *s, uint16_t index);

/** A counter of an answer by its name; 0 if it has none of that name. */
uint64_t survey_counter(const struct kv_node_status *answer, const char *name);

/** Node I's clock less this machine's, and how wrong that may be: half of the time the answer took. False: not known. */
MUST_USE bool survey_clock(const struct survey *s, size_t i, int64_t *ret_ms, uint64_t *ret_error_ms);

/** What ANSWER's node tells of itself, or NULL. */
const struct kv_peer_status *survey_myself(const struct kv_node_status *answer);

#endif
