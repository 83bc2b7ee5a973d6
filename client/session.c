/* SPDX-License-Identifier: Apache-2.0 */
#include "client/session.h"

#include "base/bytes.h"
#include "client/options.h"

struct kv_session *kv_session_new(void)
{
	struct kv_session *s = xcalloc(1, sizeof *s);
	atomic_init(&s->refs, 1);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void kv_session_free(struct kv_session *session) { session_unref(session); }

struct kv_session *session_ref(struct kv_session *session)
{
	atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
	return session;
}

void session_unref(struct kv_session *session)
{
	if (!session || atomic_fetch_sub_explicit(&session->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&session->lock);
	free(session);
}

/* ---- Entries ---- */

/* Under the lock. SESSION_ENTRIES_MAX if the key has none. */
static uint32_t find(const struct kv_session *s, uint64_t key_hash)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->entries[i].key_hash == key_hash)
			return i;
	}
	return SESSION_ENTRIES_MAX;
}

static void remove_at(struct kv_session *s, uint32_t at)
{
	KV_ASSERT(at < s->count);
	s->count--;
	memmove(&s->entries[at], &s->entries[at + 1], (s->count - at) * sizeof s->entries[0]);
}

static bool is_newer(struct version a, struct version b) { return a.hlc != b.hlc ? a.hlc > b.hlc : a.id > b.id; }

/* Under the lock. */
static void note(struct kv_session *s, struct session_entry entry)
{
	uint32_t at = find(s, entry.key_hash);
	if (at < s->count) {
		if (is_newer(s->entries[at].ver, entry.ver))
			entry.ver = s->entries[at].ver;
		remove_at(s, at);
	} else if (s->count == SESSION_ENTRIES_MAX) {
		remove_at(s, 0);
		s->overflowed = true;
	}
	s->entries[s->count++] = entry;
	KV_ASSERT(s->count <= SESSION_ENTRIES_MAX);
}

void session_note(struct kv_session *session, uint64_t key_hash, struct version ver)
{
	if (ver.hlc == 0 && ver.id == 0)
		return;
	pthread_mutex_lock(&session->lock);
	note(session, (struct session_entry){.key_hash = key_hash, .ver = ver});
	pthread_mutex_unlock(&session->lock);
}

/* ---- Tokens ---- */

static uint8_t *put_entry(uint8_t *at, const struct session_entry *entry)
{
	store_le64(at, entry->key_hash);
	store_le64(at + 8, entry->ver.hlc);
	store_le64(at + 16, entry->ver.id);
	return at + SESSION_ENTRY_SIZE;
}

/* Under the lock. */
static uint8_t *put_head(uint8_t *at, const struct kv_session *s)
{
	at[0] = SESSION_FORMAT;
	at[1] = s->overflowed ? SESSION_OVERFLOWED : 0;
	return at + SESSION_HEAD_SIZE;
}

size_t session_key_token(struct kv_session *session, uint64_t key_hash, uint8_t token[SESSION_KEY_TOKEN_SIZE])
{
	pthread_mutex_lock(&session->lock);
	uint8_t *at = put_head(token, session);
	uint32_t found = find(session, key_hash);
	if (found < session->count)
		at = put_entry(at, &session->entries[found]);
	pthread_mutex_unlock(&session->lock);
	return (size_t)(at - token);
}

size_t kv_session_export(struct kv_session *session, uint8_t token[KV_SESSION_TOKEN_SIZE_MAX])
{
	pthread_mutex_lock(&session->lock);
	uint8_t *at = put_head(token, session);
	for (uint32_t i = 0; i < session->count; i++)
		at = put_entry(at, &session->entries[i]);
	pthread_mutex_unlock(&session->lock);
	return (size_t)(at - token);
}

bool session_absorb(struct kv_session *session, struct slice token)
{
	if (token.size == 0)
		return true;
	struct reader r = reader_of(token);
	uint8_t format = reader_u8(&r), flags = reader_u8(&r);
	if (r.failed || format != SESSION_FORMAT || (flags & ~SESSION_OVERFLOWED) != 0 ||
	    r.rest.size % SESSION_ENTRY_SIZE != 0 || token.size > SESSION_TOKEN_SIZE_MAX)
		return false;
	pthread_mutex_lock(&session->lock);
	session->overflowed |= flags & SESSION_OVERFLOWED;
	while (r.rest.size > 0) {
		struct session_entry entry = {.key_hash = reader_le64(&r)};
		entry.ver.hlc = reader_le64(&r);
		entry.ver.id = reader_le64(&r);
		note(session, entry);
	}
	pthread_mutex_unlock(&session->lock);
	return true;
}

enum kv_status kv_session_import(struct kv_session *session, struct kv_slice token, struct kv_error *err)
{
	if (!session_absorb(session, slice_in(token)))
		return client_error(err, KV_INVALID, "these %zu bytes are no session token", token.size);
	return client_ok(err);
}
