/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/session.h"

#include "base/bytes.h"
#include "proto/keyhash.h"
#include "tests/sim/value.h"

/* The token's bytes are in docs/protocol.md; written and read here anew, so that a mistake of the core shows. */
#define TOKEN_FORMAT     1u
#define TOKEN_HEAD_SIZE  2u
#define TOKEN_ENTRY_SIZE 24u

static uint64_t hash_of(uint32_t key)
{
	char text[16];
	return key_hash(value_key(key, text));
}

void session_token(const struct session *s, uint32_t key, bool without, struct buf *out)
{
	KV_ASSERT(key < ARRAY_SIZE(s->copies));
	const struct stamp *copy = &s->copies[key];
	buf_append_u8(out, TOKEN_FORMAT);
	buf_append_u8(out, without);
	if (without || stamp_is_none(*copy))
		return;
	buf_append_le64(out, hash_of(key));
	buf_append_le64(out, copy->hi);
	buf_append_le64(out, copy->lo);
}

bool session_take(struct session *s, uint32_t key, struct slice token, struct stamp *ret)
{
	KV_ASSERT(key < ARRAY_SIZE(s->copies));
	*ret = (struct stamp){0, 0};
	if (token.size == 0)
		return true;
	if (token.size < TOKEN_HEAD_SIZE || token.data[0] != TOKEN_FORMAT ||
	    (token.size - TOKEN_HEAD_SIZE) % TOKEN_ENTRY_SIZE != 0)
		return false;
	for (size_t at = TOKEN_HEAD_SIZE; at < token.size; at += TOKEN_ENTRY_SIZE) {
		const uint8_t *entry = token.data + at;
		if (load_le64(entry) != hash_of(key))
			return false;
		*ret = stamp_max(*ret, (struct stamp){.hi = load_le64(entry + 8), .lo = load_le64(entry + 16)});
	}
	s->copies[key] = stamp_max(s->copies[key], *ret);
	return true;
}
