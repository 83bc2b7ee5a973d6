/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Sends the traces that the shards keep to a collector, as OTLP over HTTP (server/otlp.h), POST /v1/traces.
 *
 * A thread with a loop of its own, so that a collector that is slow or gone costs nothing but its traces: one request is under
 * way at a time, with a time-out; what it does not take is dropped and counted, and nothing is sent twice.
 */
#ifndef KV_SERVER_EXPORTER_H
#define KV_SERVER_EXPORTER_H

#include "server/otlp.h"
#include "server/stats.h"

struct exporter;

struct exporter_config {
	const char *collector; /* host:port */
	struct otlp_source source;
	struct traces *const *traces; /* of each shard */
	uint32_t count;
	struct server_stats *stats;
};

/** Starts the thread. What CONFIG points to outlives it, but for the array itself. Never NULL. */
struct exporter *exporter_new(const struct exporter_config *config);

/** Sends once more what there is, waits a moment for that, ends the thread. NULL is allowed. */
void exporter_free(struct exporter *exporter);

#endif
