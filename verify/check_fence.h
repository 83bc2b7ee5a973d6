/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Do fences keep old holders out? A write with a fence is refused once a higher one was used on its key.
 *
 *   time     a write with a lower fence is not carried out after one with a higher fence had completed before it began
 *   version  carried out one after the other, fences never fall
 *   reason   a write is refused for its fence only if a write with a higher one had begun on the key by then
 *
 * The first two are judged on keys whose writes are all strong: an eventual write carries no fence and may replace the record
 * that held one.
 */
#ifndef KV_VERIFY_CHECK_FENCE_H
#define KV_VERIFY_CHECK_FENCE_H

#include "verify/history.h"

/** H is resolved. Returns false and fills V on a violation. */
bool check_fence(const struct history *h, struct verdict *v);

#endif
