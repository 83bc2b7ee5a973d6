/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The rules every message keeps, on the way out and on the way in. Pure; any thread.
 *
 * - The opcode has a body in this direction (else KV_UNSUPPORTED).
 * - Keys of GET, PUT, DEL, CAS, ADD, APPEND, WAIT, OUTCOME and of all 0x02xx requests have 1 to KEY_SIZE_MAX bytes:
 *   0 is KV_INVALID, more is KV_TOO_LARGE. Keys of scan items too. Keys of other requests have at most
 *   KEY_SIZE_MAX.
 * - Sizes and counts are within proto/limits.h (else KV_TOO_LARGE); enums are known and numbers in range (else
 *   KV_INVALID). Status numbers are not: unknown ones come from newer nodes and are read by class.
 * - Values are only where they mean something: PUT, CAS, APPEND, MPUT; results of client opcodes and PING; records
 *   with has_value; the token that CLUSTER_CHANGE answers with; the page of replies to MOVE_PULL, TREE_LEAVES (empty or
 *   TREE_LEAVES_SIZE bytes) and TREE_KEYS, and of GC both ways.
 * - A record with has_value is no tombstone, is not absent, and value_size is its value's size. ACCEPT, COPY and
 *   PUSH carry a record that is not absent, and its value unless it is a tombstone. PREPARE has a ballot.
 * - A map has an epoch, a cluster, nodes[i].index == i, partitions a power of two in range, rows of distinct nodes
 *   that exist, one config epoch a partition.
 * - A timeline has a trace id and at least one span; parents of spans come before them.
 * - A vote names an epoch and, if it asks, a ballot; MAP_ACCEPT proposes a map of that epoch, MAP_PREPARE none.
 * - JOIN names who asks by uuid. CLUSTER_CHANGE names an address to add, and a node to be removed, reached elsewhere or
 *   given another weight. MOVE_REPORT tells a stage. Roots are only in TREE_ROOTS.
 */
#ifndef KV_PROTO_MSG_CHECK_H
#define KV_PROTO_MSG_CHECK_H

#include "proto/msg.h"

/** KV_OK, KV_INVALID, KV_TOO_LARGE or KV_UNSUPPORTED. Arrays and slices of M are as long as their counts say. */
MUST_USE enum kv_status msg_check(const struct msg *m);

/** The same for a map by itself. */
MUST_USE enum kv_status msg_check_map(const struct map_desc *map);

#endif
