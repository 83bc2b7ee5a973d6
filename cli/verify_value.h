/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The bytes that kvctl verify writes, and what bytes that it reads are to the checkers. A value tells its number, its key and,
 * by its padding, its size: damage shows, and what several appends left can be taken apart. Text, so that people can
 * read what is left with --keep: "17@3.xxxx;" is value 17, written to key 3.
 */
#ifndef KV_CLI_VERIFY_VALUE_H
#define KV_CLI_VERIFY_VALUE_H

#include "base/buf.h"
#include "verify/history.h"

/** Appends value NUMBER of KEY. */
void verify_value_write(uint64_t number, uint32_t key, struct buf *out);

/** Names what BYTES, read from KEY, hold: a number, or values one behind the other; CONTENT_FOREIGN if anything else. */
uint64_t verify_value_content(struct history *h, struct slice bytes, uint32_t key);

#endif
