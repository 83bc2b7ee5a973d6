/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Hand-written histories as text, one operation a line in order of invocation:
 *
 *     1-4 put v1 ver=10          from order number 1 to 4; strong, done
 *     5- add 3 ? attempts=2      no end: never answered
 *     6-9 eventual get v1+v2     of another level; contents are v<number>, n<integer>, joined by +
 *     7-8 get                    found nothing
 *     9-10 put v2 if_ver=10 failed found=v1 ver=12
 *
 * First the kind (get put delete add append ask) with an operand (content, delta, or line number asked about, from 0); then
 * words: the level (eventual session bounded), how it ended (failed fenced refused doubt; committed never expired), present;
 * and fields: ver if_ver (0: absent) if res size ttl fence found acks s (session) floor token bound stale key client.
 */
#ifndef KV_SIM_SCRIPT_H
#define KV_SIM_SCRIPT_H

#include "verify/replicas.h"

/** Fails the test at a line that says nothing. The caller releases it. Microseconds are 1000 times the order numbers. */
void script_history(struct history *h, const char *text);

typedef bool script_check(const struct history *h, struct verdict *v);

/** Runs CHECK over the history TEXT, resolved. True if it finds no violation. */
bool script_holds(script_check *check, const char *text);

/** The same, of a cluster that removes old deletions. */
bool script_holds_with_purges(script_check *check, const char *text);

#endif
