/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The W3C trace context that a caller gives, and the timeline that a node answers with. Pure.
 */
#ifndef KV_CLIENT_TRACE_H
#define KV_CLIENT_TRACE_H

#include <kv/client.h>

#include "base/arena.h"
#include "proto/msg.h"

/**
 * Reads a traceparent as W3C Trace Context tells: version, trace id, span id and flags in lower-case hexadecimal. Later versions may have
 * more behind that. False, and *ret untouched, for anything else.
 */
MUST_USE bool traceparent_parse(const char *text, struct trace_context *ret);

/** Reads a trace id: 32 hexadecimal digits in lower case, not all 0. False, and RET untouched, for anything else. */
MUST_USE bool trace_id_parse(const char *text, uint64_t *ret_hi, uint64_t *ret_lo);

/** T as the public header tells it, in ARENA. NULL when that is full. TOOK_US: how long the client waited for the answer. */
const struct kv_timeline *timeline_out(const struct msg_timeline *t, usec_t took_us, struct arena *arena);

#endif
