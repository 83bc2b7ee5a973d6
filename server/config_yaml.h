/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From YAML to one text a key, with the line it stands in. Knows the shape of the file (sections of scalars), not what
 * the values mean.
 */
#ifndef KV_SERVER_CONFIG_YAML_H
#define KV_SERVER_CONFIG_YAML_H

#include "server/config.h"

struct config_text {
	char *value;   /* owned; NULL: not in the file */
	unsigned line; /* from 1 */
};

/**
 * Fills ret[i] for keys[i]; RET is zeroed by the caller and released with config_yaml_release also after an error.
 * KV_INVALID: WHY says `file:line: what is wrong and what is allowed`.
 */
MUST_USE enum kv_status config_yaml_parse(struct slice yaml, const char *file, const struct config_key *keys,
					  size_t count, struct config_text *ret, struct buf *why);

/** Number of single-letter changes from A to B, for suggestions; a large number if one is long. */
unsigned config_distance(const char *a, const char *b);

void config_yaml_release(struct config_text *texts, size_t count);

#endif
