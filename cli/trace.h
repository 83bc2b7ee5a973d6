/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Timelines of requests: as JSON, and as a waterfall.
 */
#ifndef KV_CLI_TRACE_H
#define KV_CLI_TRACE_H

#include <jansson.h>
#include <kv/admin.h>

#include "cli/commands.h"
#include "cli/names.h"

/** Puts "timeline" into ROW; nothing if TIMELINE is NULL. Node names come from the map, as far as it is known. */
void trace_set(struct ctl *ctl, json_t *row, const struct kv_timeline *timeline);

/** TIMELINE as an object of its own. */
json_t *trace_object(const struct names *names, const struct kv_timeline *timeline);

/** Writes one that a node kept to standard output. WHEN it came, as text. */
void trace_print(const struct names *names, const struct kv_kept_trace *kept, const char *when);

/** Tells it on standard error; nothing if TIMELINE is NULL. */
void trace_say(struct ctl *ctl, const struct kv_timeline *timeline);

#endif
