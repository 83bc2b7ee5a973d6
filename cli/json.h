/* SPDX-License-Identifier: Apache-2.0 */
/**
 * JSON as kvctl writes it: field names are stable, and bytes that are not UTF-8 stand as base64 under NAME_b64.
 * All of these take the object as given and abort if memory ends.
 */
#ifndef KV_CLI_JSON_H
#define KV_CLI_JSON_H

#include <jansson.h>

#include "base/slice.h"

/** CLEANUP helper. */
void json_release(json_t **json);

void json_set_bytes(json_t *object, const char *name, struct slice bytes);
void json_set_text(json_t *object, const char *name, const char *text);
void json_set_number(json_t *object, const char *name, uint64_t number);
void json_set_bool(json_t *object, const char *name, bool value);

/** Takes VALUE over. */
void json_set(json_t *object, const char *name, json_t *value);

#endif
