/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How the core's modules fill `struct actions`. Memory given out here lives until actions_reset.
 */
#ifndef KV_REPLICATION_ACTIONS_H
#define KV_REPLICATION_ACTIONS_H

#include "base/blob.h"
#include "replication/cluster_map.h"
#include "replication/step.h"

/** SIZE uninitialised bytes. */
void *actions_alloc(struct actions *a, size_t size);
void *actions_copy(struct actions *a, const void *data, size_t size);
struct slice actions_copy_slice(struct actions *a, struct slice s);

/** Keeps a reference to BLOB (may be NULL) until reset, for slices that point into it. */
void actions_hold(struct actions *a, struct blob *blob);

/** Takes MAP over until reset and returns its description. A map taken earlier lives on as well. */
const struct map_desc *actions_hold_map(struct actions *a, struct cluster_map *map);

/** A new action at the end, zeroed but for its kind. The pointer is good until the next call. */
struct action *actions_add(struct actions *a, enum action_kind kind);

/** A zeroed message. */
struct msg *actions_msg(struct actions *a);

#endif
