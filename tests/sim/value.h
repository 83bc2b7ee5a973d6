/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The bytes that clients write, and what bytes that are read name. Each value carries its number, its key and its size, and all
 * its other bytes follow from the number: damage shows, and a value of several appends can be taken apart.
 */
#ifndef KV_SIM_VALUE_H
#define KV_SIM_VALUE_H

#include "verify/history.h"

/** Bytes of a key: "key-<n>". */
struct slice value_key(uint32_t key, char text[16]);

/** Bits of the partitions, of PARTITIONS, that the first KEY_COUNT keys are in; of the first 64 only. */
uint64_t value_partitions(uint32_t key_count, uint32_t partitions);

/** Size of the value NUMBER, at most SIZE_MAX_ bytes behind its head. */
uint32_t value_size(uint64_t number, uint32_t size_max);

/** Appends the SIZE bytes of value NUMBER. */
void value_write(uint64_t number, uint32_t key, uint32_t size, struct buf *out);

/** Names what BYTES, read from KEY, hold: an integer, values one behind the other; CONTENT_FOREIGN if anything else. */
uint64_t value_content(struct history *h, struct slice bytes, uint32_t key);

/** Reads a decimal integer that is all of TEXT. */
bool value_number(struct slice text, int64_t *ret);

#endif
