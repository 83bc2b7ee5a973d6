/* SPDX-License-Identifier: Apache-2.0 */
#include "server/opstats.h"

#include <stdatomic.h>

struct opstats *opstats_new(void)
{
	struct opstats *o = xcalloc(1, sizeof *o);
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++)
			hist_init(&o->took_us[op][level]);
	}
	for (unsigned queue = 0; queue < OPSTATS_QUEUE_COUNT; queue++)
		hist_init(&o->queue_us[queue]);
	hist_init(&o->loop_lag_us);
	return o;
}

static bool find_op(uint16_t opcode, enum opstats_op *ret)
{
	switch (opcode) {
#define OPSTATS_CASE_(id, name, opcode_)                                                                           \
	case opcode_:                                                                                              \
		*ret = OPSTATS_##id;                                                                               \
		return true;
		OPSTATS_OPS(OPSTATS_CASE_)
#undef OPSTATS_CASE_
	default:
		return false;
	}
}

void opstats_answered(struct opstats *o, uint16_t opcode, enum msg_level level, enum kv_status status,
		      uint64_t took_us)
{
	enum opstats_op op;
	if (!find_op(opcode, &op))
		return;
	unsigned at = MAX((unsigned)level, (unsigned)LEVEL_EVENTUAL) - LEVEL_EVENTUAL;
	KV_ASSERT(at < OPSTATS_LEVEL_COUNT);
	/* A newer node's answer, passed on, may have a number that is not ours. */
	if ((unsigned)status >= OPSTATS_STATUS_COUNT)
		status = KV_INTERNAL;
	hist_add(&o->took_us[op][at], took_us);
	_Atomic uint64_t *result = &o->results[op][at][status];
	/* One writer: no locked addition. */
	uint64_t before = atomic_load_explicit(result, memory_order_relaxed);
	atomic_store_explicit(result, before + 1, memory_order_relaxed);
}

const char *opstats_op_name(enum opstats_op op)
{
	static const char *const names[] = {
#define OPSTATS_NAME_(id, name, opcode) [OPSTATS_##id] = name,
		OPSTATS_OPS(OPSTATS_NAME_)
#undef OPSTATS_NAME_
	};
	KV_ASSERT((unsigned)op < OPSTATS_OP_COUNT);
	return names[op];
}

const char *opstats_level_name(unsigned level)
{
	static const char *const names[] = {"eventual", "session", "bounded", "strong"};
	_Static_assert(ARRAY_SIZE(names) == OPSTATS_LEVEL_COUNT, "one name a level");
	KV_ASSERT(level < OPSTATS_LEVEL_COUNT);
	return names[level];
}

bool opstats_is_read(enum opstats_op op) { return op == OPSTATS_GET || op == OPSTATS_SCAN || op == OPSTATS_LEDGER; }
