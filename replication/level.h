/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the levels session and bounded add to an operation: what the request demands, and what the answer tells.
 */
#ifndef KV_REPLICATION_LEVEL_H
#define KV_REPLICATION_LEVEL_H

#include "replication/op.h"

/** Whether the request's level, token and bound fit each other and its opcode; KV_INVALID with the reason if not. */
MUST_USE enum kv_status level_check(const struct msg_request *r, uint16_t opcode, const char **ret_text);

/** Takes token and bound over from a request that level_check let pass. */
void level_take(struct op *op, const struct msg_request *r);

/** True if the best record told is no older than what the session has seen. */
bool level_session_is_met(const struct op *op);

/** Adds token and staleness to an answer. */
void level_answer(struct node_core *core, const struct op *op, struct msg_result *result);

#endif
