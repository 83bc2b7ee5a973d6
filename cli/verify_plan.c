/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_plan.h"

#include <inttypes.h>

/* Operations on a key before another takes its place, and how many in a row go mostly to one key. */
enum { KEY_OPS = 240, LOG_OPS = 120, BURST_OPS = 60, BURST_PERCENT = 85 };

static const char *const role_names[] = {"register", "mixed", "counter", "log", "session"};

_Static_assert(ARRAY_SIZE(role_names) == VERIFY_ROLES, "one name a role");

const char *verify_role_name(enum verify_role role)
{
	KV_ASSERT(role < VERIFY_ROLES);
	return role_names[role];
}

/* The place of a key in the round of busy ones tells its role, and its successors have the same. */
enum verify_role verify_plan_role(const struct verify_plan *p, uint32_t key)
{
	return (enum verify_role)(key % p->busy_count % VERIFY_ROLES);
}

void verify_plan_key(const struct verify_plan *p, uint32_t key, char text[VERIFY_KEY_TEXT])
{
	snprintf(text, VERIFY_KEY_TEXT, "%s/%" PRIu32, verify_role_name(verify_plan_role(p, key)), key);
}

bool verify_plan_find(const struct verify_plan *p, struct slice text, uint32_t *ret)
{
	char copy[VERIFY_KEY_TEXT], again[VERIFY_KEY_TEXT];
	if (text.size >= sizeof copy)
		return false;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	const char *slash = strchr(copy, '/');
	unsigned long number = slash ? strtoul(slash + 1, NULL, 10) : UINT32_MAX;
	if (number >= p->key_count)
		return false;
	verify_plan_key(p, (uint32_t)number, again);
	*ret = (uint32_t)number;
	return strcmp(copy, again) == 0;
}

void verify_plan_init(struct verify_plan *p, uint64_t seed, uint32_t busy_count)
{
	KV_ASSERT(busy_count > 0 && busy_count <= VERIFY_BUSY_MAX);
	*p = (struct verify_plan){.busy_count = busy_count, .key_count = busy_count};
	rng_init(&p->rng, seed);
	for (uint32_t i = 0; i < busy_count; i++)
		p->busy[i] = (struct verify_busy){.key = i};
}

bool verify_plan_percent(struct verify_plan *p, uint32_t percent) { return rng_below(&p->rng, 100) < percent; }

uint64_t verify_plan_below(struct verify_plan *p, uint64_t bound) { return rng_below(&p->rng, bound); }

/* --- keys --- */

/* Mostly the same one for a while: what goes wrong goes wrong where many meet. */
static struct verify_busy *choose(struct verify_plan *p)
{
	uint64_t burst = p->drawn++ / BURST_OPS;
	bool joins = verify_plan_percent(p, BURST_PERCENT);
	uint32_t slot = (uint32_t)(joins ? burst % p->busy_count : rng_below(&p->rng, p->busy_count));
	struct verify_busy *b = &p->busy[slot];
	uint32_t ops_max = verify_plan_role(p, b->key) == VERIFY_LOG ? LOG_OPS : KEY_OPS;
	if (b->ops++ < ops_max)
		return b;
	uint32_t key = b->key + p->busy_count;
	*b = (struct verify_busy){.key = key, .ops = 1};
	p->key_count = MAX(p->key_count, key + 1);
	return b;
}

void verify_plan_saw(struct verify_plan *p, uint32_t key, struct stamp version, uint64_t content, uint64_t hash)
{
	struct verify_busy *b = &p->busy[key % p->busy_count];
	if (b->key != key || (b->saw && stamp_less(version, b->saw_version) && !stamp_is_none(version)))
		return;
	b->saw = true;
	b->saw_version = version;
	b->saw_content = content;
	b->saw_hash = hash;
}

/* --- operations --- */

static void be_write(struct verify_plan *p, struct history_op *op, enum history_kind kind)
{
	op->kind = kind;
	if (kind == HISTORY_PUT || kind == HISTORY_APPEND)
		op->value = ++p->values;
}

static void be_eventual_write(struct verify_plan *p, struct history_op *op, enum history_kind kind)
{
	be_write(p, op, kind);
	op->level = HISTORY_EVENTUAL;
	op->acks = (enum history_acks)rng_between(&p->rng, HISTORY_ACKS_ONE, HISTORY_ACKS_ALL);
}

static void be_bounded(struct verify_plan *p, struct history_op *op)
{
	op->level = HISTORY_BOUNDED;
	op->bound_ms = rng_between(&p->rng, 1, verify_plan_percent(p, 50) ? 100 : 2000);
}

static void be_session(struct history_op *op)
{
	op->level = HISTORY_SESSION;
	op->session = 1 + op->client % VERIFY_SESSIONS;
}

/* A put or delete that depends on what is there: mostly on what was seen last, so that it holds at times and at times not. */
static void be_conditional(struct verify_plan *p, const struct verify_busy *b, struct history_op *op,
			   uint64_t *ret_hash)
{
	be_write(p, op, verify_plan_percent(p, 15) ? HISTORY_DELETE : HISTORY_PUT);
	struct history_condition *when = &op->when;
	if (!b->saw || verify_plan_percent(p, 15)) {
		when->present = verify_plan_percent(p, 50);
		when->has_version = !when->present;
	} else if (b->saw_content != CONTENT_NONE && verify_plan_percent(p, 25)) {
		when->has_value = true;
		when->value = b->saw_content;
		*ret_hash = b->saw_hash;
	} else {
		when->has_version = true;
		when->version = b->saw_version;
	}
}

static void draw_register(struct verify_plan *p, struct verify_busy *b, struct history_op *op, uint64_t *ret_hash)
{
	uint64_t at = rng_below(&p->rng, 100);
	if (at < 35)
		return;
	if (at < 58)
		be_write(p, op, HISTORY_PUT);
	else if (at < 65)
		be_write(p, op, HISTORY_DELETE);
	else
		be_conditional(p, b, op, ret_hash);
	if (verify_plan_percent(p, 8)) {
		op->fence = rng_between(&p->rng, b->fence > 2 ? b->fence - 2 : 1, b->fence + 1);
		b->fence = MAX(b->fence, op->fence);
	}
}

static void draw_mixed(struct verify_plan *p, struct verify_busy *b, struct history_op *op, uint64_t *ret_hash)
{
	uint64_t at = rng_below(&p->rng, 100);
	if (at < 25)
		return;
	if (at < 40)
		be_write(p, op, HISTORY_PUT);
	else if (at < 44)
		be_write(p, op, HISTORY_DELETE);
	else if (at < 55)
		be_conditional(p, b, op, ret_hash);
	else if (at < 72)
		be_eventual_write(p, op, HISTORY_PUT);
	else if (at < 76)
		be_eventual_write(p, op, HISTORY_DELETE);
	else if (at < 90)
		op->level = HISTORY_EVENTUAL;
	else
		be_bounded(p, op);
}

static void draw_grown(struct verify_plan *p, struct history_op *op, enum history_kind kind)
{
	uint64_t at = rng_below(&p->rng, 100);
	if (at < 62) {
		be_write(p, op, kind);
		op->delta = kind == HISTORY_ADD ? (int64_t)rng_between(&p->rng, 1, 3) : 0;
	} else if (at >= 90) {
		op->level = HISTORY_EVENTUAL;
	}
}

static void draw_session(struct verify_plan *p, struct history_op *op)
{
	uint64_t at = rng_below(&p->rng, 100);
	if (at < 30)
		be_write(p, op, HISTORY_PUT);
	if (at < 76)
		be_session(op);
	else if (at < 86)
		be_eventual_write(p, op, HISTORY_PUT);
	else if (at < 93)
		op->level = HISTORY_EVENTUAL;
	else
		be_bounded(p, op);
}

void verify_plan_draw(struct verify_plan *p, struct history_op *op, uint64_t *ret_hash)
{
	struct verify_busy *b = choose(p);
	op->key = b->key;
	op->kind = HISTORY_GET;
	op->level = HISTORY_STRONG;
	*ret_hash = 0;
	switch (verify_plan_role(p, b->key)) {
	case VERIFY_REGISTER:
		draw_register(p, b, op, ret_hash);
		return;
	case VERIFY_MIXED:
		draw_mixed(p, b, op, ret_hash);
		return;
	case VERIFY_COUNTER:
		draw_grown(p, op, HISTORY_ADD);
		return;
	case VERIFY_LOG:
		draw_grown(p, op, HISTORY_APPEND);
		return;
	case VERIFY_SESSION:
		draw_session(p, op);
		return;
	case VERIFY_ROLES:
		break;
	}
	KV_UNREACHABLE("no such role");
}
