/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Session guarantees, per session and key: read your writes, and reads that never go back, through any client that carries the
 * session's token on.
 *
 * An answer's token names the copy of the key that was written or read. Operations of a session are ordered by real
 * time: whoever asks after another's answer was taken into the session carries it along. A session read answered without an
 * error then shows
 *
 *   floor   a copy at least as new as the token that was sent with it demanded
 *   order   a copy at least as new as every one that an earlier completed operation of the session was answered with
 *   value   on a key without strong operations, where the version of a value is that of its copy, the same of the version
 *           that is told of the value
 */
#ifndef KV_VERIFY_CHECK_SESSION_H
#define KV_VERIFY_CHECK_SESSION_H

#include "verify/history.h"

/** Returns false and fills V on a violation. */
bool check_session(const struct history *h, struct verdict *v);

#endif
