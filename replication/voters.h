/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Who decides on the next map: 1, 3 or 5 nodes, as many as there are nodes for, in as many zones as possible. Pure.
 */
#ifndef KV_REPLICATION_VOTERS_H
#define KV_REPLICATION_VOTERS_H

#include "proto/msg.h"

/**
 * Fills RET with the voters wanted, by index, and returns how many. Only JOINING and NORMAL nodes vote. Nodes that are FIT (by
 * index; NULL: all are) come first, then zones without a voter, then the present voters, then low indices. Called with its own
 * result it gives the same again.
 */
uint32_t voters_choose(const struct map_desc *map, const bool *fit, node_id ret[VOTERS_MAX]);

#endif
