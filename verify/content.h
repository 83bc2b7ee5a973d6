/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a key holds, named by one number, so that checkers compare contents and never look at bytes.
 *
 *   0                    nothing
 *   below 2^62           the value of that put: puts of one history never repeat a value
 *   content_number(n)    a decimal integer, what ADD leaves
 *   content_append(c, p) content c with piece p behind it; appended to nothing, a piece is like the value of a put
 *
 * The name of a longer content follows from the names of its parts alone, so a model that computes it along an order of
 * operations and a reader that took the bytes apart come to the same number.
 */
#ifndef KV_VERIFY_CONTENT_H
#define KV_VERIFY_CONTENT_H

#include "base/base.h"

#define CONTENT_NONE    UINT64_C(0)
#define CONTENT_FOREIGN UINT64_MAX /* bytes that no operation can have left */
#define CONTENT_PUT_MAX (UINT64_C(1) << 62)
#define CONTENT_SUM_MAX (INT64_C(1) << 60) /* numbers are below it, either way */

/** Names the integer N; CONTENT_FOREIGN if it is beyond CONTENT_SUM_MAX. */
uint64_t content_number(int64_t n);

/** Whether C is an integer, absent counting as 0, and which. */
bool content_is_number(uint64_t c, int64_t *ret);

/** Names C with PIECE, the number of an append's value, behind it. */
uint64_t content_append(uint64_t c, uint64_t piece);

/** Bytes of the integer N as text. */
uint32_t content_number_size(int64_t n);

#endif
