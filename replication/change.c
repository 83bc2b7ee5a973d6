/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/change.h"

#include <inttypes.h>

#include "replication/op.h"

bool change_needs_value(const struct op *op) { return op->opcode == OP_ADD || op->opcode == OP_APPEND; }

struct slice change_number(uint16_t opcode, uint64_t result, char text[CHANGE_NUMBER_SIZE])
{
	KV_ASSERT(opcode == OP_ADD || opcode == OP_APPEND);
	int size = opcode == OP_ADD ? snprintf(text, CHANGE_NUMBER_SIZE, "%" PRId64, (int64_t)result)
				    : snprintf(text, CHANGE_NUMBER_SIZE, "%" PRIu64, result);
	KV_ASSERT(size > 0 && (uint32_t)size < CHANGE_NUMBER_SIZE);
	return slice_of(text, (size_t)size);
}

static bool fail(struct change *c, enum kv_status status, const char *text)
{
	*c = (struct change){.status = status, .text = text};
	return true;
}

/** Text of the condition that does not hold, or NULL. */
static const char *broken_condition(const struct op_condition *c, const struct record *m, bool visible)
{
	if (c->has_expected && version_is_none(c->expected) && visible)
		return "the key is present";
	if (c->has_expected && !version_is_none(c->expected) && !(visible && version_equal(m->org, c->expected)))
		return visible ? "the key has another version" : "the key is absent";
	if (c->present && !visible)
		return "the key is absent";
	if (c->has_hash && !(visible && m->value_hash == c->hash))
		return visible ? "the key has another value" : "the key is absent";
	return NULL;
}

/** Decimal, an optional minus sign, nothing else. */
static bool number_parse(struct slice text, int64_t *ret)
{
	bool negative = text.size > 0 && text.data[0] == '-';
	size_t at = negative ? 1 : 0;
	if (at == text.size || text.size > 20)
		return false;
	int64_t sum = 0;
	for (; at < text.size; at++) {
		if (text.data[at] < '0' || text.data[at] > '9')
			return false;
		int64_t digit = text.data[at] - '0';
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
			return false;
	}
	*ret = sum;
	return true;
}

/** The value MADE out of M, whose end of life it keeps. */
static bool write_value(struct op *op, const struct record *m, bool visible, struct blob *made, uint64_t result,
			struct change *ret)
{
	if (!made)
		return false;
	blob_unref(op->made);
	op->made = made;
	*ret = (struct change){
		.status = KV_OK, .value = made, .result = result, .expires_ms = visible ? m->expires_ms : 0};
	return true;
}

static bool change_add(struct op *op, const struct record *m, bool visible, struct change *ret)
{
	int64_t sum = 0;
	if (visible && !number_parse(m->value, &sum))
		return fail(ret, KV_CONDITION_FAILED, "the value is not a decimal 64-bit number");
	if (__builtin_add_overflow(sum, op->delta, &sum) || sum < RESULT_SUM_MIN)
		return fail(ret, KV_CONDITION_FAILED, "the sum does not fit into 64 bits");
	char text[CHANGE_NUMBER_SIZE];
	struct blob *made = blob_new(change_number(OP_ADD, (uint64_t)sum, text));
	return write_value(op, m, visible, made, (uint64_t)sum, ret);
}

static bool change_append(struct op *op, const struct record *m, bool visible, uint32_t value_size_max,
			  struct change *ret)
{
	size_t before = visible ? m->value.size : 0, size = before + op->value->size;
	if (size > value_size_max)
		return fail(ret, KV_TOO_LARGE,
			    "the value would become larger than this node's limit (limits.value_size)");
	struct blob *made = blob_new_uninit(size);
	if (made && before > 0)
		memcpy(made->data, m->value.data, before);
	if (made && op->value->size > 0)
		memcpy(made->data + before, op->value->data, op->value->size);
	return write_value(op, m, visible, made, size, ret);
}

bool change_evaluate(struct op *op, const struct record *m, bool visible, uint64_t fence, uint32_t value_size_max,
		     struct change *ret)
{
	if (op->fence != 0 && op->fence < fence)
		return fail(ret, KV_CONDITION_FAILED, "a higher fencing token was used on the key");
	const char *broken = broken_condition(&op->condition, m, visible);
	if (broken)
		return fail(ret, KV_CONDITION_FAILED, broken);
	switch (op->opcode) {
	case OP_ADD:
		return change_add(op, m, visible, ret);
	case OP_APPEND:
		return change_append(op, m, visible, value_size_max, ret);
	case OP_DEL:
		*ret = (struct change){.status = KV_OK, .tombstone = true};
		return true;
	default:
		KV_ASSERT(op->opcode == OP_PUT || op->opcode == OP_CAS);
		*ret = (struct change){.status = KV_OK, .value = op->value};
		return true;
	}
}
