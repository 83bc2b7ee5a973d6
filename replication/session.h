/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Session tokens: what a session has read or written, in bytes that any node and client can carry on with.
 *
 *    0  u8   format, 1
 *    1  u8   flags: 1 overflowed: the session forgot entries
 *   then entries of 24 bytes, at most SESSION_ENTRIES_MAX:
 *    0  u64  session_key_hash (proto/keyhash.h)     8 u64 ver.hlc     16 u64 ver.id
 *
 * All little-endian. A server looks at the entry of the request's key and answers a token with that entry alone; the client
 * merges it into what it has.
 */
#ifndef KV_REPLICATION_SESSION_H
#define KV_REPLICATION_SESSION_H

#include "replication/version.h"

#define SESSION_HEAD_SIZE   2u
#define SESSION_ENTRY_SIZE  24u
#define SESSION_ENTRIES_MAX 170u
#define SESSION_KEY_SIZE    (SESSION_HEAD_SIZE + SESSION_ENTRY_SIZE) /* most that session_encode writes */

_Static_assert(SESSION_HEAD_SIZE + SESSION_ENTRIES_MAX * SESSION_ENTRY_SIZE <= SESSION_TOKEN_SIZE_MAX,
	       "a full token can be sent");

/** What a token says about one key. */
struct session {
	struct version seen; /* greatest version the session has read or written; none: it has no entry */
	bool overflowed;     /* and then it may have forgotten the entry */
};

/**
 * Reads what TOKEN says about the key with KEY_HASH; an empty token says nothing. Of several entries the greatest counts.
 * KV_INVALID with the reason in *RET_WHY (static) if it is no token.
 */
MUST_USE enum kv_status session_decode(struct slice token, uint64_t key_hash, struct session *ret,
				       const char **ret_why);

/** Writes the token of one key that was seen at SEEN; without an entry if that is none. Returns its size. */
MUST_USE size_t session_encode(uint64_t key_hash, struct version seen, uint8_t token[SESSION_KEY_SIZE]);

#endif
