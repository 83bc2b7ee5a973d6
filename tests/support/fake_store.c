/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_store.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "proto/keyhash.h"

enum { PAIRS_MAX = 4096, WRITES_MAX = 8192, LOST_MAX = 64, PAGE_ITEMS = 2 };

struct pair {
	struct buf key, value;
	struct version version;
	uint64_t fence;
};

/* A write that was answered, or one that OUTCOME called off. */
struct done {
	struct request_id rid;
	bool cancelled;
	struct version version;
	char number[24];
};

struct lost {
	uint32_t node;
	struct buf key, value;
	hlc_t hlc;
};

struct fake_store {
	struct pair *pairs;
	uint32_t pair_count;
	struct done *writes;
	uint32_t write_count;
	struct lost lost[LOST_MAX];
	uint32_t lost_count;
	struct scan_item items[PAGE_ITEMS];
	char cursor[16];
	uint8_t token[26];
};

struct fake_store *fake_store_new(void)
{
	struct fake_store *s = xcalloc(1, sizeof *s);
	s->pairs = xcalloc(PAIRS_MAX, sizeof *s->pairs);
	s->writes = xcalloc(WRITES_MAX, sizeof *s->writes);
	return s;
}

void fake_store_free(struct fake_store *s)
{
	for (uint32_t i = 0; i < s->pair_count; i++) {
		buf_release(&s->pairs[i].key);
		buf_release(&s->pairs[i].value);
	}
	for (uint32_t i = 0; i < s->lost_count; i++) {
		buf_release(&s->lost[i].key);
		buf_release(&s->lost[i].value);
	}
	free(s->pairs);
	free(s->writes);
	free(s);
}

/* ---- Keys ---- */

static struct pair *find_pair(struct fake_store *s, struct slice key)
{
	for (uint32_t i = 0; i < s->pair_count; i++) {
		if (slice_equal(buf_slice(&s->pairs[i].key), key))
			return &s->pairs[i];
	}
	return NULL;
}

static struct pair *make_pair(struct fake_store *s, struct slice key)
{
	struct pair *pair = find_pair(s, key);
	if (pair)
		return pair;
	KV_ASSERT(s->pair_count < PAIRS_MAX);
	pair = &s->pairs[s->pair_count++];
	buf_append_slice(&pair->key, key);
	return pair;
}

static void drop_pair(struct fake_store *s, struct slice key)
{
	struct pair *pair = find_pair(s, key);
	if (!pair)
		return;
	buf_release(&pair->key);
	buf_release(&pair->value);
	*pair = s->pairs[--s->pair_count];
	s->pairs[s->pair_count] = (struct pair){0};
}

/* ---- Writes ---- */

static struct done *find_write(struct fake_store *s, struct request_id rid)
{
	for (uint32_t i = 0; i < s->write_count; i++) {
		if (s->writes[i].rid.client == rid.client && s->writes[i].rid.seq == rid.seq)
			return &s->writes[i];
	}
	return NULL;
}

static struct done *add_write(struct fake_store *s, struct request_id rid)
{
	KV_ASSERT(s->write_count < WRITES_MAX);
	struct done *w = &s->writes[s->write_count++];
	*w = (struct done){.rid = rid};
	return w;
}

static bool holds(const struct pair *pair, const struct msg_request *m)
{
	struct version present = pair ? pair->version : (struct version){0};
	if (m->has_expected && (present.hlc != m->expected.hlc || present.id != m->expected.id))
		return false;
	if (m->has_expected_hash && (!pair || hash64(buf_slice(&pair->value)) != m->expected_hash))
		return false;
	return (pair || !m->if_present) && (!pair || m->fence >= pair->fence || m->fence == 0);
}

static void show_pair(const struct pair *pair, struct msg_result *result)
{
	if (!pair)
		return;
	result->value = buf_slice(&pair->value);
	result->value_hash = hash64(result->value);
	result->version = pair->version;
}

static int64_t number_of(const struct pair *pair)
{
	char text[24] = "0";
	snprintf(text, sizeof text, "%.*s", (int)pair->value.size, (const char *)pair->value.data);
	return strtoll(text, NULL, 10);
}

/* Changes the key, and notes what the answer is. */
static void apply(struct fake_store *s, const struct msg *request, struct done *w)
{
	const struct msg_request *m = &request->request;
	w->version = (struct version){.hlc = m->t0, .id = hash_u64(m->rid.seq)};
	if (request->opcode == OP_DEL) {
		drop_pair(s, m->key);
		return;
	}
	struct pair *pair = make_pair(s, m->key);
	if (request->opcode == OP_ADD) {
		snprintf(w->number, sizeof w->number, "%lld", (long long)(number_of(pair) + m->delta));
		buf_clear(&pair->value);
		buf_append_str(&pair->value, w->number);
	} else {
		if (request->opcode != OP_APPEND)
			buf_clear(&pair->value);
		buf_append_slice(&pair->value, m->value);
	}
	if (request->opcode == OP_APPEND)
		snprintf(w->number, sizeof w->number, "%zu", pair->value.size);
	pair->version = w->version;
	pair->fence = MAX(pair->fence, m->fence);
}

static void serve_write(struct fake_store *s, const struct msg *request, struct msg_result *result)
{
	const struct msg_request *m = &request->request;
	struct done *w = find_write(s, m->rid);
	struct pair *pair = find_pair(s, m->key);
	if (w && w->cancelled) {
		result->status = KV_CONDITION_FAILED;
		result->message = slice_str("cancelled");
		return;
	}
	if (!w && !holds(pair, m)) {
		result->status = KV_CONDITION_FAILED;
		show_pair(pair, result);
		return;
	}
	if (!w) {
		w = add_write(s, m->rid);
		apply(s, request, w);
	}
	result->version = w->version;
	result->value = slice_str(w->number);
}

static void serve_outcome(struct fake_store *s, const struct msg_request *m, struct msg_result *result)
{
	struct done *w = find_write(s, m->rid);
	if (!w) {
		w = add_write(s, m->rid);
		w->cancelled = true;
	}
	result->outcome = w->cancelled ? OUTCOME_NOT_APPLIED : OUTCOME_COMMITTED;
	result->version = w->version;
	result->value = slice_str(w->number);
}

static void give_token(struct fake_store *s, const struct msg_request *m, struct msg_result *result)
{
	s->token[0] = 1;
	s->token[1] = 0;
	store_le64(s->token + 2, session_key_hash(m->bucket, m->key));
	store_le64(s->token + 10, result->version.hlc);
	store_le64(s->token + 18, result->version.id);
	result->session = slice_of(s->token, sizeof s->token);
}

void fake_store_serve(struct fake_store *s, const struct msg *request, struct msg_result *result)
{
	const struct msg_request *m = &request->request;
	struct pair *pair = find_pair(s, m->key);
	switch (request->opcode) {
	case OP_PUT:
	case OP_CAS:
	case OP_DEL:
	case OP_ADD:
	case OP_APPEND:
		serve_write(s, request, result);
		break;
	case OP_OUTCOME:
		serve_outcome(s, m, result);
		break;
	case OP_GET:
		result->status = pair ? KV_OK : KV_NOT_FOUND;
		result->staleness_ms = 7;
		show_pair(pair, result);
		break;
	default:
		result->status = KV_UNSUPPORTED;
	}
	if (m->session.size > 0 && result->version.hlc)
		give_token(s, m, result);
}

/* ---- Pages ---- */

static uint32_t cursor_index(const struct msg_request *m)
{
	uint32_t at = 0;
	for (size_t i = 0; i < m->cursor.size; i++)
		at = at * 10 + (uint32_t)(m->cursor.data[i] - '0');
	return at;
}

static bool is_asked_for(struct slice key, const struct msg_request *m, uint32_t partitions)
{
	return hash_partition(key_hash(key), partitions) == m->partition &&
	       slice_equal(slice_of(key.data, MIN(key.size, m->prefix.size)), m->prefix);
}

/* The cursor is the index of the next entry. */
static void end_page(struct fake_store *s, uint32_t count, uint32_t at, uint32_t end, struct msg_result *result)
{
	result->items = s->items;
	result->item_count = count;
	if (at >= end)
		return;
	snprintf(s->cursor, sizeof s->cursor, "%u", at);
	result->cursor = slice_str(s->cursor);
}

void fake_store_scan(struct fake_store *s, const struct msg_request *m, uint32_t partitions,
		     struct msg_result *result)
{
	uint32_t at = cursor_index(m), count = 0;
	for (; at < s->pair_count && count < PAGE_ITEMS; at++) {
		struct slice key = buf_slice(&s->pairs[at].key);
		if (!is_asked_for(key, m, partitions))
			continue;
		s->items[count++] = (struct scan_item){
			.key = key,
			.value = buf_slice(&s->pairs[at].value),
			.ver = s->pairs[at].version,
			.org = s->pairs[at].version,
		};
	}
	end_page(s, count, at, s->pair_count, result);
}

void fake_store_ledger(struct fake_store *s, uint32_t node, const struct msg_request *m, uint32_t partitions,
		       struct msg_result *result)
{
	uint32_t at = cursor_index(m), count = 0;
	for (; at < s->lost_count && count < PAGE_ITEMS; at++) {
		const struct lost *lost = &s->lost[at];
		if (lost->node != node || !is_asked_for(buf_slice(&lost->key), m, partitions))
			continue;
		s->items[count++] = (struct scan_item){
			.key = buf_slice(&lost->key),
			.value = buf_slice(&lost->value),
			.ver = {.hlc = lost->hlc, .id = 1},
			.org = {.hlc = lost->hlc, .id = 2},
			.expires_ms = 1,
			.cause = LEDGER_LATE,
		};
	}
	end_page(s, count, at, s->lost_count, result);
}

void fake_store_lose(struct fake_store *s, uint32_t node, const char *key, const char *value, hlc_t hlc)
{
	KV_ASSERT(s->lost_count < LOST_MAX);
	struct lost *lost = &s->lost[s->lost_count++];
	lost->node = node;
	lost->hlc = hlc;
	buf_append_str(&lost->key, key);
	buf_append_str(&lost->value, value);
}
