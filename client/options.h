/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A client's configuration and the options of one request, checked and with defaults filled in. The table of
 * configuration keys in options.c is the only place that knows their defaults and ranges. Immutable while a client uses them.
 */
#ifndef KV_CLIENT_OPTIONS_H
#define KV_CLIENT_OPTIONS_H

#include <kv/client.h>

#include "base/slice.h"
#include "proto/limits.h"

#define ENDPOINTS_MAX      64u
#define MAX_INFLIGHT_MAX   4096u
#define RETRY_ATTEMPTS_MAX 16u
#define STALENESS_MAX_MS   3600000u

struct kv_config {
	struct event_base *base; /* NULL: an own thread */
	uint32_t endpoint_count;
	char endpoints[ENDPOINTS_MAX][ADDRESS_SIZE_MAX];
	char name[NAME_SIZE_MAX + 1];
	char zone[NAME_SIZE_MAX + 1]; /* of the client; empty: not known */
	uint32_t level;               /* enum kv_level, never default */
	uint32_t acks;                /* enum kv_acks, never default */
	uint32_t staleness_ms;
	uint32_t timeout_ms;
	uint32_t connect_timeout_ms;
	uint32_t max_inflight;
	uint32_t retry_attempts;
	uint32_t route; /* enum route_choice */
};

/** Where requests about a key go first. */
enum route_choice { ROUTE_TO_REPLICA, ROUTE_TO_ENDPOINT };

/** Fills ERR (may be NULL) and returns STATUS. */
enum kv_status client_error(struct kv_error *err, enum kv_status status, const char *format, ...) PRINTF_LIKE(3, 4);

/** ERR (may be NULL) says that nothing failed. Returns KV_OK. */
enum kv_status client_ok(struct kv_error *err);

/** A put or delete by these options has a condition. */
bool options_has_condition(const struct kv_options *o);

/**
 * Options of a request with OPCODE (OP_PUT for every put, with conditions or not) as given by a caller whose header may be older
 * or newer than ours, NULL for none, to complete ones: level, acks, timeout_ms and, with the level bounded, staleness_ms
 * are set. KV_INVALID for a value out of range or what does not go together; KV_UNSUPPORTED for options of a later library.
 */
MUST_USE enum kv_status options_complete(const struct kv_config *config, uint16_t opcode,
					 const struct kv_options *given, struct kv_options *ret,
					 struct kv_error *err);

/**
 * Copies a struct of another header version that begins with its size: what is missing becomes zero. KV_INVALID if the
 * size is not set; KV_UNSUPPORTED if a part that we do not know is used.
 */
MUST_USE enum kv_status options_copy(const void *given, void *ret, size_t ret_size, struct kv_error *err);

/** A given time-out or the default, checked. */
MUST_USE enum kv_status options_timeout(const struct kv_config *config, unsigned given_ms, uint32_t *ret_ms,
					struct kv_error *err);

static inline struct slice slice_in(struct kv_slice s) { return slice_of(s.data, s.size); }
static inline struct kv_slice slice_out(struct slice s) { return kv_slice_of(s.data, s.size); }

#endif
