/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Random messages that keep every rule of proto/msg_check.h, and a comparison of two messages field by field.
 * The same seed gives the same messages. For round trips of the codec, the simulator and the fuzzers.
 */
#ifndef KV_TESTS_SUPPORT_MSG_GEN_H
#define KV_TESTS_SUPPORT_MSG_GEN_H

#include "base/arena.h"
#include "base/rng.h"
#include "proto/msg.h"

/** One direction of an opcode that has a body. */
struct msg_kind {
	uint16_t opcode;
	bool reply;
};

/** All of them. */
extern const struct msg_kind msg_kinds[];
extern const size_t msg_kind_count;

/** Enough for any one generated message. */
#define MSG_GEN_ARENA_MAX ((size_t)8 << 20)

/** Fills *ret; what it points to lies in ARENA, which needs MSG_GEN_ARENA_MAX free. Sizes are mostly small. */
void msg_gen(struct rng *rng, struct msg_kind kind, struct arena *arena, struct msg *ret);

/** A random valid map; the move count is below 8. */
void msg_gen_map(struct rng *rng, struct arena *arena, struct map_desc *ret);

/** NULL if both say the same, else the first field that differs. Fields of other opcodes are ignored. */
const char *msg_difference(const struct msg *a, const struct msg *b);
const char *msg_map_difference(const struct map_desc *a, const struct map_desc *b);

#endif
