/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a new cluster map changes, as lines of the log: nodes that come, go and move, partitions whose moves begin and end.
 *
 * One owner, on one thread.
 */
#ifndef KV_SERVER_MAP_LOG_H
#define KV_SERVER_MAP_LOG_H

#include "replication/cluster_map.h"

struct map_log {
	struct cluster_map *last; /* private */
};

/** MAP (checked; copied) is the node's from now on. The first one is only remembered. */
void map_log_changed(struct map_log *log, const struct map_desc *map);

/** Accepts a zeroed struct. */
void map_log_release(struct map_log *log);

/** "normal", "leaving". Static storage. */
const char *map_log_state(enum node_state state);

#endif
