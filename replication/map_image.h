/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A cluster map as bytes, for what the core itself keeps on disk: little-endian, in the order of struct map_desc. Maps in force
 * are stored by whoever carries the actions out; this is the form in which an acceptor remembers one that is not.
 */
#ifndef KV_REPLICATION_MAP_IMAGE_H
#define KV_REPLICATION_MAP_IMAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "proto/msg.h"

/** Appends the map. The same map gives the same bytes. */
void map_image_encode(const struct map_desc *map, struct buf *out);

/** Reads one back; slices point into BYTES, arrays into ARENA. False if BYTES is anything else than one whole map in its limits. */
MUST_USE bool map_image_decode(struct slice bytes, struct arena *arena, struct map_desc *ret);

/** Two maps with the same hash are one map. */
uint64_t map_image_hash(const struct map_desc *map);

#endif
