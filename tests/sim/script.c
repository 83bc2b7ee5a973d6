/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/sim/script.h"

#include "verify/resolve.h"

#define KEYS 3u

static uint64_t content_read(struct history *h, const char *text)
{
	uint64_t content = CONTENT_NONE;
	char *end;
	for (; *text; text = *end == '+' ? end + 1 : end) {
		int64_t number = strtoll(text + 1, &end, 10);
		uint64_t piece = (uint64_t)number;
		if (*text == 'n')
			content = content_number(number);
		else
			content = history_saw(h, content, &piece, 1);
	}
	return content;
}

static bool is_word(const char *word, const char *const *words, size_t count, uint32_t *ret)
{
	for (size_t i = 0; i < count; i++)
		if (words[i] && strcmp(words[i], word) == 0) {
			*ret = (uint32_t)i;
			return true;
		}
	return false;
}

static void read_kind(struct history *h, struct history_op *op, const char *word)
{
	static const char *const kinds[] = {"get", "put", "delete", "add", "append", "ask"};
	uint32_t kind = 0;
	if (!is_word(word, kinds, ARRAY_SIZE(kinds), &kind))
		fail_msg("unknown word %s", word);
	op->kind = (enum history_kind)kind;
	if (op->kind == HISTORY_GET && op->outcome == HISTORY_DONE)
		op->outcome = HISTORY_ABSENT;
}

/* What follows the kind: a content, a delta, a line. */
static void read_operand(struct history *h, struct history_op *op, const char *word)
{
	if (op->kind == HISTORY_ADD) {
		op->delta = strtoll(word, NULL, 10);
	} else if (op->kind == HISTORY_ASK) {
		op->about = (uint32_t)strtoul(word, NULL, 10);
	} else {
		op->value = content_read(h, word);
		if (op->outcome == HISTORY_ABSENT)
			op->outcome = HISTORY_DONE;
	}
}

static bool read_word(struct history_op *op, const char *word)
{
	static const char *const levels[] = {"eventual", "session", "bounded", "strong"};
	static const char *const outcomes[] = {[HISTORY_DOUBT] = "doubt", [HISTORY_REFUSED] = "refused", "failed"};
	static const char *const told[] = {NULL, "committed", "never", "expired"};
	uint32_t at;
	if (is_word(word, levels, ARRAY_SIZE(levels), &at)) {
		op->level = (enum history_level)at;
	} else if (is_word(word, outcomes, ARRAY_SIZE(outcomes), &at)) {
		op->outcome = (enum history_outcome)at;
	} else if (is_word(word, told, ARRAY_SIZE(told), &at)) {
		op->told = (enum history_told)at;
	} else if (strcmp(word, "fenced") == 0) {
		op->outcome = HISTORY_FAILED;
		op->fenced_off = true;
	} else if (strcmp(word, "present") == 0) {
		op->when.present = true;
	} else {
		return false;
	}
	return true;
}

static void read_version(struct stamp *s, uint64_t number) { *s = (struct stamp){.hi = number}; }

static void read_field(struct history *h, struct history_op *op, const char *name, const char *text)
{
	static const char *const acks[] = {NULL, "one", "majority", "all"};
	uint64_t number = strtoull(text, NULL, 10);
	uint32_t at = 0;
	if (strcmp(name, "ver") == 0)
		read_version(&op->version, number);
	else if (strcmp(name, "floor") == 0)
		read_version(&op->floor, number);
	else if (strcmp(name, "token") == 0)
		read_version(&op->token, number);
	else if (strcmp(name, "if_ver") == 0)
		read_version(&op->when.version, number), op->when.has_version = true;
	else if (strcmp(name, "if") == 0)
		op->when.value = content_read(h, text), op->when.has_value = true;
	else if (strcmp(name, "found") == 0)
		op->found = content_read(h, text), op->has_found = true;
	else if (strcmp(name, "res") == 0)
		op->result = strtoll(text, NULL, 10), op->has_result = true;
	else if (strcmp(name, "acks") == 0 && is_word(text, acks, ARRAY_SIZE(acks), &at))
		op->acks = (enum history_acks)at;
	else if (strcmp(name, "size") == 0)
		op->size = (uint32_t)number;
	else if (strcmp(name, "ttl") == 0)
		op->ttl_ms = number;
	else if (strcmp(name, "fence") == 0)
		op->fence = number;
	else if (strcmp(name, "s") == 0)
		op->session = (uint32_t)number;
	else if (strcmp(name, "bound") == 0)
		op->bound_ms = number, op->level = HISTORY_BOUNDED;
	else if (strcmp(name, "stale") == 0)
		op->stale_ms = number;
	else if (strcmp(name, "key") == 0)
		op->key = (uint32_t)number;
	else if (strcmp(name, "client") == 0)
		op->client = (uint32_t)number;
	else
		fail_msg("unknown field %s", name);
}

static struct history_op *read_times(struct history *h, const char *word)
{
	char *end;
	uint64_t invoke = strtoull(word, &end, 10);
	uint64_t complete = end[1] ? strtoull(end + 1, NULL, 10) : HISTORY_NEVER;
	if (*end != '-' || invoke == 0)
		fail_msg("no times: %s", word);
	struct history_op *op = history_place(h, invoke, complete);
	op->invoke_us = invoke * USEC_PER_MSEC;
	op->complete_us = complete == HISTORY_NEVER ? USEC_NEVER : complete * USEC_PER_MSEC;
	op->outcome = complete == HISTORY_NEVER ? HISTORY_PENDING : HISTORY_DONE;
	op->level = HISTORY_STRONG;
	op->attempts = 1;
	return op;
}

static void read_line(struct history *h, char *line)
{
	char *rest, *word = strtok_r(line, " \t", &rest);
	if (!word)
		return;
	struct history_op *op = read_times(h, word);
	bool has_kind = false, has_operand = false;
	while ((word = strtok_r(NULL, " \t", &rest))) {
		char *equals = strchr(word, '=');
		if (equals) {
			*equals = '\0';
			read_field(h, op, word, equals + 1);
		} else if (read_word(op, word)) {
			continue;
		} else if (!has_kind) {
			read_kind(h, op, word);
			has_kind = true;
		} else if (!has_operand) {
			read_operand(h, op, word);
			has_operand = true;
		} else {
			fail_msg("unknown word %s", word);
		}
	}
}

void script_history(struct history *h, const char *text)
{
	char *copy = strdup(text), *rest;
	assert_non_null(copy);
	history_init(h, KEYS, 0);
	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		read_line(h, line);
	free(copy);
}

static bool holds(script_check *check, const char *text, bool purges)
{
	struct history h, resolved;
	struct verdict v = {0};
	script_history(&h, text);
	h.purges = purges;
	resolve(&h, &resolved);
	bool good = check(&resolved, &v);
	assert_int_equal(good, !v.violated);
	resolve_release(&resolved);
	history_release(&h);
	return good;
}

bool script_holds(script_check *check, const char *text) { return holds(check, text, /* purges: */ false); }

bool script_holds_with_purges(script_check *check, const char *text)
{
	return holds(check, text, /* purges: */ true);
}
