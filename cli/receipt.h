/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Receipts: how a request was carried out, as JSON and in words.
 */
#ifndef KV_CLI_RECEIPT_H
#define KV_CLI_RECEIPT_H

#include <jansson.h>

#include "cli/commands.h"

/** Static storage. */
const char *level_name(enum kv_level level);

/** Puts "receipt" into ROW; nothing if RECEIPT is NULL. Node names come from the map, as far as it is known. */
void receipt_set(struct ctl *ctl, json_t *row, const struct kv_receipt *receipt);

/** Tells it on standard error; nothing if RECEIPT is NULL. */
void receipt_say(struct ctl *ctl, const struct kv_receipt *receipt);

#endif
