/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Session tokens as clients keep them: the newest copy of each key that the session was answered with. Clients that share a
 * session take answers into the same one, as if they passed the token on at once.
 */
#ifndef KV_SIM_SESSION_H
#define KV_SIM_SESSION_H

#include "proto/msg.h"
#include "verify/history.h"

#define SESSIONS_MAX 4u

struct session {
	struct stamp copies[8]; /* by key */
};

/** Appends the token to send with a request for KEY. WITHOUT: leave the key's entry out and mark the token overflowed. */
void session_token(const struct session *s, uint32_t key, bool without, struct buf *out);

/** Takes an answer's token into the session; *ret is what it holds for KEY. False if it is malformed or of another key. */
bool session_take(struct session *s, uint32_t key, struct slice token, struct stamp *ret);

#endif
