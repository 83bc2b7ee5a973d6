/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The one table of outcomes, shared by the wire, the C library (installed as <kv/status.h>) and kvctl's exit codes.
 *
 * Numbers never change and are never reused. CLASS says what a caller may conclude from the code alone:
 *   DONE         the request was carried out
 *   FINAL        it was not applied and repeating it as it is cannot help
 *   RETRY        it was not applied; the same request may succeed later or elsewhere
 *   DOUBT        a write that may or may not have been applied
 * EXIT is kvctl's exit code.
 */
#ifndef KV_STATUS_CODES_H
#define KV_STATUS_CODES_H

/* clang-format off */
/*        name                 number  class  exit  text */
#define KV_STATUS_TABLE(X) \
	X(KV_OK,                0, DONE,   0, "ok") \
	X(KV_NOT_FOUND,         1, DONE,   3, "no such key") \
	X(KV_CONDITION_FAILED,  2, DONE,   4, "the condition does not hold") \
	X(KV_UNAVAILABLE,       3, RETRY,  5, "not enough replicas can be reached") \
	X(KV_DEADLINE,          4, DOUBT,  6, "the deadline passed") \
	X(KV_OVERLOADED,        5, RETRY,  7, "the node is overloaded") \
	X(KV_IN_DOUBT,          6, DOUBT,  8, "the write may or may not have been applied") \
	X(KV_DENIED,            7, FINAL,  9, "not allowed") \
	X(KV_TOO_LARGE,         8, FINAL,  2, "over a size limit") \
	X(KV_INVALID,           9, FINAL,  2, "the request is malformed") \
	X(KV_CORRUPT,          10, FINAL,  1, "stored or received data does not match its checksum") \
	X(KV_CLOSED,           11, RETRY,  5, "the connection or client is closed") \
	X(KV_UNSUPPORTED,      12, FINAL,  2, "this node does not know that request") \
	X(KV_INTERNAL,         13, DOUBT,  1, "internal error") \
	X(KV_STALE,            14, RETRY,  5, "the request was routed by an old cluster map") \
	X(KV_CLOCK,            15, RETRY,  5, "a clock is too far ahead of a replica's") \
	X(KV_CONFLICT,         16, RETRY,  5, "concurrent strong writes kept it from finishing") \
	X(KV_NO_SPACE,         17, RETRY,  7, "the disk is nearly full") \
	X(KV_THROTTLED,        18, RETRY,  7, "over a rate limit") \
	X(KV_WRONG_CLUSTER,    19, FINAL, 11, "that node belongs to another cluster") \
	X(KV_IDENTITY,         20, FINAL, 11, "that node identity may not be used") \
	X(KV_IO,               21, DOUBT,  1, "input/output error") \
	X(KV_NOT_READY,        22, RETRY,  5, "the node is not part of a cluster yet") \
	X(KV_AGAIN,            23, RETRY,  1, "not available without waiting") \
	X(KV_CHECK_FAILED,     24, FINAL, 10, "a check failed") \
	X(KV_REFUSED,          25, FINAL, 11, "refused for safety") \
	X(KV_VERSION,          26, FINAL,  1, "no common protocol version")
/* clang-format on */

enum kv_status {
#define KV_STATUS_ENUM_(name, number, class_, exit_, text) name = number,
	KV_STATUS_TABLE(KV_STATUS_ENUM_)
#undef KV_STATUS_ENUM_
};

#endif
