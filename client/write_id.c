/* SPDX-License-Identifier: Apache-2.0 */
#include "client/write_id.h"

#include <inttypes.h>

#include "base/slice.h"

static bool is_plain(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       byte == '-' || byte == '.' || byte == '/' || byte == '_' || byte == '~';
}

/* What did not fit is only counted. */
struct text {
	char *to;
	size_t room, size;
};

static void text_add(struct text *t, char c)
{
	if (t->size + 1 < t->room)
		t->to[t->size] = c;
	t->size++;
}

size_t kv_write_id_format(const struct kv_write_id *id, struct kv_slice key, char *text, size_t room)
{
	static const char digits[] = "0123456789abcdef";
	char head[52];
	struct text t = {.to = text, .room = room};
	snprintf(head, sizeof head, "%" PRIx64 "-%" PRIx64 "-%" PRIx64 ":", id->t0, id->client, id->seq);
	for (const char *at = head; *at; at++)
		text_add(&t, *at);
	const uint8_t *bytes = key.data;
	for (size_t i = 0; i < key.size; i++) {
		if (is_plain(bytes[i])) {
			text_add(&t, (char)bytes[i]);
			continue;
		}
		text_add(&t, '%');
		text_add(&t, digits[bytes[i] >> 4]);
		text_add(&t, digits[bytes[i] & 15]);
	}
	if (room > 0)
		text[MIN(t.size, room - 1)] = '\0';
	return t.size;
}

/* 16 for what is no digit. */
static uint32_t digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0');
	return c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10 : 16;
}

/* A number as it is written, without leading zeros, and END after it. NULL: there is none. */
static const char *take_number(const char *at, char end, uint64_t *ret)
{
	uint64_t number = 0;
	const char *start = at;
	for (; digit_of(*at) < 16; at++) {
		if (at - start == 16 || (at > start && *start == '0'))
			return NULL;
		number = number << 4 | digit_of(*at);
	}
	if (at == start || *at != end)
		return NULL;
	*ret = number;
	return at + 1;
}

static bool take_key(const char *at, uint8_t *to, size_t *ret_size)
{
	size_t size = 0;
	for (; *at; at++) {
		bool escaped = *at == '%';
		uint8_t byte = (uint8_t)*at;
		if (escaped) {
			uint32_t high = digit_of(at[1]), low = high < 16 ? digit_of(at[2]) : 16;
			if (low == 16)
				return false;
			byte = (uint8_t)(high << 4 | low);
			at += 2;
		}
		if (is_plain(byte) == escaped)
			return false;
		to[size++] = byte;
	}
	*ret_size = size;
	return true;
}

bool kv_write_id_parse(const char *text, struct kv_write_id *ret_id, void *ret_key, size_t *ret_key_size)
{
	struct kv_write_id id = {.attempt = 1};
	size_t size;
	const char *at = take_number(text, '-', &id.t0);
	at = at ? take_number(at, '-', &id.client) : NULL;
	at = at ? take_number(at, ':', &id.seq) : NULL;
	if (!at || !write_id_is_set(&id) || !take_key(at, ret_key, &size) || size == 0)
		return false;
	*ret_id = id;
	*ret_key_size = size;
	return true;
}

const char *kv_write_outcome_name(enum kv_write_outcome outcome)
{
	switch (outcome) {
	case KV_WRITE_COMMITTED:
		return "committed";
	case KV_WRITE_NOT_APPLIED:
		return "not_applied";
	case KV_WRITE_EXPIRED:
		return "expired";
	}
	return "unknown"; /* of a newer node */
}
