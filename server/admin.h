/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The node as it sees itself: the answer to STATUS, put together from what all shards and the server count.
 *
 * Numbers are at most SHARD_PUBLISH_US old.
 */
#ifndef KV_SERVER_ADMIN_H
#define KV_SERVER_ADMIN_H

#include "base/arena.h"
#include "server/conn.h"
#include "server/server.h"

/** Fills RET; slices and arrays live in ARENA or as long as the server. KV_OVERLOADED if ARENA's cap is too low. */
MUST_USE enum kv_status admin_status(struct server *server, struct arena *arena, struct msg_status *ret);

/** Answers a STATUS request. */
void admin_reply_status(struct server *server, struct conn *c, const struct msg *request);

/** Answers CONFIG_GET, with what the shard's map adds to the settings. */
void admin_reply_config(struct shard *shard, struct conn *c, const struct msg *request);

/** Carries CONFIG_SET out and answers it. */
void admin_change_config(struct server *server, struct conn *c, const struct msg *request);

/** Answers HOT_KEYS: what all shards counted in the last whole window. */
void admin_reply_hot_keys(struct server *server, struct conn *c, const struct msg *request);

/** Answers TRACES: of what all shards kept, the newest, or one trace. */
void admin_reply_traces(struct server *server, struct conn *c, const struct msg *request);

#endif
