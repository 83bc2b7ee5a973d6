/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a session saw: for each of the last keys the newest copy it wrote or read. A key that had to make room is forgotten,
 * and the session then says so in every token (overflowed), for ever.
 *
 * Token, here and on the wire: u8 format, u8 flags, then entries of session_key_hash, hlc and id, 8 bytes each, little
 * endian.
 * Any thread; counted, because requests under way hold it.
 */
#ifndef KV_CLIENT_SESSION_H
#define KV_CLIENT_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include <kv/client.h>

#include "base/slice.h"
#include "proto/msg.h"

#define SESSION_FORMAT      1u
#define SESSION_OVERFLOWED  1u /* the one flag */
#define SESSION_ENTRIES_MAX 170u

enum {
	SESSION_HEAD_SIZE = 2,
	SESSION_ENTRY_SIZE = 24,
	SESSION_KEY_TOKEN_SIZE = SESSION_HEAD_SIZE + SESSION_ENTRY_SIZE
};

_Static_assert(SESSION_HEAD_SIZE + SESSION_ENTRIES_MAX * SESSION_ENTRY_SIZE <= SESSION_TOKEN_SIZE_MAX,
	       "a full session fits a token");
_Static_assert(KV_SESSION_TOKEN_SIZE_MAX == SESSION_TOKEN_SIZE_MAX, "the public header repeats this limit");

struct session_entry {
	uint64_t key_hash;
	struct version ver;
};

struct kv_session {
	atomic_uint refs;
	pthread_mutex_t lock;
	bool overflowed;
	uint32_t count;
	struct session_entry entries[SESSION_ENTRIES_MAX]; /* used longest ago first */
};

struct kv_session *session_ref(struct kv_session *session);

/** NULL is allowed. */
void session_unref(struct kv_session *session);

/** The token for a request about one key: its entry, if there is one. Returns its size. */
size_t session_key_token(struct kv_session *session, uint64_t key_hash, uint8_t token[SESSION_KEY_TOKEN_SIZE]);

/** The session saw that copy of that key. Version 0 is nothing to see. */
void session_note(struct kv_session *session, uint64_t key_hash, struct version ver);

/** Notes all that TOKEN has. False, and nothing is noted, if it is none; an empty one is nothing. */
MUST_USE bool session_absorb(struct kv_session *session, struct slice token);

#endif
