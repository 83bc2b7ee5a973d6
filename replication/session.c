/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/session.h"

#include "base/bytes.h"

enum { SESSION_FORMAT = 1, SESSION_OVERFLOWED = 1 };

static enum kv_status refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return KV_INVALID;
}

enum kv_status session_decode(struct slice token, uint64_t key_hash, struct session *ret, const char **ret_why)
{
	struct session found = {0};
	if (token.size == 0) {
		*ret = found;
		return KV_OK;
	}
	struct reader r = reader_of(token);
	uint8_t format = reader_u8(&r), flags = reader_u8(&r);
	if (r.failed)
		return refuse(ret_why, "the session token is cut short");
	if (format != SESSION_FORMAT || (flags & ~SESSION_OVERFLOWED) != 0)
		return refuse(ret_why,
			      "the session token is of a kind this version does not know; begin a new session");
	if (r.rest.size % SESSION_ENTRY_SIZE != 0)
		return refuse(ret_why, "the session token is cut short");
	if (r.rest.size / SESSION_ENTRY_SIZE > SESSION_ENTRIES_MAX)
		return refuse(ret_why, "the session token has more than 170 entries");
	found.overflowed = flags & SESSION_OVERFLOWED;
	while (r.rest.size > 0) {
		uint64_t hash = reader_le64(&r);
		struct version seen = {.hlc = reader_le64(&r)};
		seen.id = reader_le64(&r);
		if (hash == key_hash)
			found.seen = version_max(found.seen, seen);
	}
	KV_ASSERT(!r.failed);
	*ret = found;
	return KV_OK;
}

size_t session_encode(uint64_t key_hash, struct version seen, uint8_t token[SESSION_KEY_SIZE])
{
	token[0] = SESSION_FORMAT;
	token[1] = 0;
	if (version_is_none(seen))
		return SESSION_HEAD_SIZE;
	uint8_t *entry = token + SESSION_HEAD_SIZE;
	store_le64(entry, key_hash);
	store_le64(entry + 8, seen.hlc);
	store_le64(entry + 16, seen.id);
	return SESSION_KEY_SIZE;
}
