/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The status model as JSON: what /status.json says and the page is drawn from. Names of fields are stable.
 */
#ifndef KV_SERVER_STATUS_JSON_H
#define KV_SERVER_STATUS_JSON_H

#include "server/metrics.h"
#include "server/trend.h"

/** Appends one object. NOW_US: the wall clock. */
void status_json(const struct metrics_view *view, const struct trend *trend, usec_t now_us, struct buf *out);

#endif
