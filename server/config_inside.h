/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the files of the configuration have in common: single values as texts (config_value.c), and what the values must be to each
 * other (config_check.c).
 */
#ifndef KV_SERVER_CONFIG_INSIDE_H
#define KV_SERVER_CONFIG_INSIDE_H

#include "server/config.h"

/* Of storage.memory, beside the caches: what is left for writes at least. */
#define STORAGE_WRITES_MIN ((uint64_t)16 << 20)
#include "server/config_yaml.h"

/** Parses TEXT into the key's field; false leaves the field alone. */
MUST_USE bool config_store(struct config *c, const struct config_key *key, const char *text);

/** Says what the key takes, after "...: ". */
void config_tell_allowed(const struct config_key *key, struct buf *why);

/** True if the field is a string of its own. */
MUST_USE bool config_is_text(enum config_kind kind);

/** True for letters, digits, '-', '_' and '.' alone. */
MUST_USE bool config_name_is_valid(const char *text);

/** The line of the key whose field is at OFFSET. */
unsigned config_line_of(const struct config_text *texts, size_t offset);

/** Whether the values go together. If not, WHY gets a line a mistake. */
MUST_USE bool config_check(const struct config *c, const struct config_text *texts, const char *file,
			   struct buf *why);

#endif
