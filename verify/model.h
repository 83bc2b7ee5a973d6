/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One key as a sequential machine: what it holds, what each operation does to it, and whether an operation's answer fits
 * what it held. The black-box search walks orders of operations through it.
 *
 * A condition by version is judged by the write that has that version: versions are names here and are never compared as an
 * order. Where a version belongs to a write whose answer nobody saw, the content that was read under it stands for it.
 */
#ifndef KV_VERIFY_MODEL_H
#define KV_VERIFY_MODEL_H

#include "verify/history.h"

#define MODEL_NOBODY  UINT32_MAX
#define MODEL_NO_SIZE UINT32_MAX

/** What the key holds at one point of an order. */
struct model_state {
	uint64_t content;
	uint32_t writer; /* operation that left it; MODEL_NOBODY if absent */
	uint32_t life;   /* put whose time to live ends it; MODEL_NOBODY if none */
	uint32_t size;   /* bytes; MODEL_NO_SIZE if not known */
};

/** A content read under a version, or the place where a piece was read. */
struct model_name {
	struct stamp version;
	uint64_t content;
};

struct model_pin {
	uint64_t piece;
	uint64_t base;    /* what was before the piece */
	uint64_t content; /* with it */
};

struct model {
	const struct history *h;
	struct model_name *names; /* private: by version */
	uint32_t name_count;
	struct model_pin *pins; /* private: by piece */
	uint32_t pin_count;
};

/** H must outlive the model. */
void model_init(struct model *m, const struct history *h, uint32_t key);
void model_release(struct model *m);

static inline struct model_state model_absent(void)
{
	return (struct model_state){.writer = MODEL_NOBODY, .life = MODEL_NOBODY};
}

/** Whether OP's answer fits a key that holds S. A write without an answer fits if it would be carried out. */
bool model_holds(const struct model *m, const struct history_op *op, const struct model_state *s);

/** What OP, which fits, leaves. */
struct model_state model_apply(const struct history_op *op, struct model_state s);

/** The content under a version; false if nobody saw one. */
bool model_content_of(const struct model *m, struct stamp version, uint64_t *ret);

/** Where the piece written by an append was read; NULL if it was not. */
const struct model_pin *model_pin_of(const struct model *m, uint64_t piece);

/** Whether OP changes what the key holds, if it is carried out. */
static inline bool model_is_change(const struct history_op *op)
{
	return history_is_write(op) && op->outcome != HISTORY_FAILED;
}

#endif
