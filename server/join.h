/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Whom an empty node asks to be admitted to a cluster, and the token it shows: what join.seeds and join.token_file say. A node that is in
 * a cluster, and reaches none of its nodes, tells the seeds where it is.
 */
#ifndef KV_SERVER_JOIN_H
#define KV_SERVER_JOIN_H

#include "server/config.h"

#include "proto/limits.h"

struct join {
	uint32_t seed_count;
	struct slice seeds[JOIN_SEEDS_MAX]; /* point into the configuration */
	char token[TOKEN_SIZE_MAX + 1];     /* empty: none */
};

/** Who is to be asked. */
void join_take_seeds(const struct config *config, struct join *ret);

/**
 * Reads the token's file, if there is one. KV_REFUSED: others may read it too; KV_IO: it cannot be read; KV_INVALID: it is
 * empty or too long. ERR says which.
 */
MUST_USE enum kv_status join_load_token(const struct config *config, struct join *ret, struct error *err);

#endif
