/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Timelines of requests: as JSON, and as a waterfall on standard error.
 */
#ifndef KV_CLI_TRACE_H
#define KV_CLI_TRACE_H

#include <jansson.h>

#include "cli/commands.h"

/** Puts "timeline" into ROW; nothing if TIMELINE is NULL. Node names come from the map, as far as it is known. */
void trace_set(struct ctl *ctl, json_t *row, const struct kv_timeline *timeline);

/** Tells it on standard error; nothing if TIMELINE is NULL. */
void trace_say(struct ctl *ctl, const struct kv_timeline *timeline);

#endif
