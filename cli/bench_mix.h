/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a measurement asks for: kinds of requests, each with its share and level.
 */
#ifndef KV_CLI_BENCH_MIX_H
#define KV_CLI_BENCH_MIX_H

#include "base/rng.h"
#include "cli/commands.h"

enum bench_kind { BENCH_GET, BENCH_PUT, BENCH_DEL, BENCH_CAS, BENCH_INCR, BENCH_APPEND };

#define BENCH_OPS_MAX 16u

struct bench_op {
	enum bench_kind kind;
	uint32_t share;
	struct kv_options options;
	const char *prefix; /* of its keys; static */
};

struct bench_mix {
	struct bench_op ops[BENCH_OPS_MAX];
	size_t count;                 /* at least 1 */
	uint32_t total;               /* of the shares */
	size_t stored[BENCH_OPS_MAX]; /* for each prefix one kind that has it, if possible a strong one */
	size_t stored_count;
};

/** "get". Static storage. */
const char *bench_kind_name(enum bench_kind kind);

/**
 * From --mix, or else --ratio and --write, with the levels that -c and the kinds themselves call for. False after a mistake,
 * which was told.
 */
MUST_USE bool bench_mix_init(struct bench_mix *mix, struct ctl *ctl);

/** Position of the next request's kind. */
size_t bench_mix_draw(const struct bench_mix *mix, struct rng *rng);

#endif
