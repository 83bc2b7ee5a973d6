/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The bytes that a load writes, and what bytes that are read name (verify/content.h). Each value carries its number, its
 * key and its size, and all its other bytes follow from the number: damage shows, and what several appends left can be
 * taken apart.
 */
#ifndef KV_TESTS_CLUSTER_VALUE_H
#define KV_TESTS_CLUSTER_VALUE_H

#include <kv/client.h>

#include "verify/history.h"

#define VALUE_HEAD_SIZE 16u

/** Size of value NUMBER, less than ROOM bytes behind its head. */
uint32_t value_size(uint64_t number, uint32_t room);

/** Writes the SIZE bytes of value NUMBER. */
void value_write(uint64_t number, uint32_t key, uint32_t size, uint8_t *ret);

/** Names what BYTES, read from KEY, hold: an integer, values one behind the other; CONTENT_FOREIGN if anything else. */
uint64_t value_content(struct history *h, struct kv_slice bytes, uint32_t key);

#endif
