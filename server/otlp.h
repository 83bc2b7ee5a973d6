/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Traces as OTLP/HTTP in JSON (opentelemetry-proto 1.x, ExportTraceServiceRequest): ids in hexadecimal, names in lowerCamelCase,
 * 64-bit numbers as decimal strings. Pure.
 */
#ifndef KV_SERVER_OTLP_H
#define KV_SERVER_OTLP_H

#include "base/buf.h"
#include "server/traces.h"

/** Who tells. Borrowed. */
struct otlp_source {
	const char *name;    /* of the node */
	const char *version; /* of kvd */
};

/** Appends one request with the spans of COUNT traces. What another node tells by itself is left out. */
void otlp_encode(const struct otlp_source *source, struct kept_trace *const *traces, size_t count, struct buf *out);

#endif
