/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/level.h"

#include "proto/keyhash.h"

enum kv_status level_check(const struct msg_request *r, uint16_t opcode, const char **ret_text)
{
	if (r->level == LEVEL_BOUNDED && opcode != OP_GET) {
		*ret_text = "bounded is a level of reads; write with eventual, session or strong";
		return KV_INVALID;
	}
	if (r->level == LEVEL_BOUNDED && r->staleness_ms == 0) {
		*ret_text = "a bounded read needs a bound of at least 1 ms";
		return KV_INVALID;
	}
	if (r->level == LEVEL_SESSION && opcode != OP_GET && opcode != OP_PUT && opcode != OP_DEL) {
		*ret_text = "session is a level of get, put and delete";
		return KV_INVALID;
	}
	struct session session;
	return session_decode(r->session, session_key_hash(r->bucket, r->key), &session, ret_text);
}

void level_take(struct op *op, const struct msg_request *r)
{
	const char *why;
	op->staleness_max_us = r->staleness_ms * USEC_PER_MSEC;
	op->sent_before = r->attempt > 0;
	op->session_wanted = r->level == LEVEL_SESSION || r->session.size > 0;
	enum kv_status status = session_decode(r->session, session_key_hash(r->bucket, r->key), &op->session, &why);
	KV_ASSERT(status == KV_OK);
}

bool level_session_is_met(const struct op *op)
{
	struct version seen = op->session.seen;
	return version_at_most(seen, op->best.rec.ver) || version_at_most(seen, op->drop_max);
}

/** What the session has seen of the key with this answer. */
static struct version seen_now(const struct op *op, const struct msg_result *result)
{
	struct version read = op->best.rec.ver;
	if (op->opcode != OP_GET)
		return version_max(op->session.seen, result->version);
	/* Told as it is: one that is older than the session asked for must show. */
	if (op->level == LEVEL_SESSION && version_less(op->drop_max, read))
		return read;
	return version_max(op->session.seen, read);
}

void level_answer(struct node_core *core, const struct op *op, struct msg_result *result)
{
	bool done = result->status == KV_OK || result->status == KV_NOT_FOUND;
	if (!done || op->phase == PHASE_FORWARDING || op->phase == PHASE_SCANNING)
		return; /* the replica it was sent on to has said all */
	if (op->opcode == OP_GET)
		result->staleness_ms = staleness_of_read(core, op);
	if (!op->session_wanted)
		return;
	uint8_t *token = actions_alloc(core->out, SESSION_KEY_SIZE);
	uint64_t hash = session_key_hash(op->bucket, blob_slice(op->key));
	result->session = slice_of(token, session_encode(hash, seen_now(op, result), token));
}
