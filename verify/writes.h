/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Finds the put or append of a history by the value it wrote.
 */
#ifndef KV_VERIFY_WRITES_H
#define KV_VERIFY_WRITES_H

#include "verify/history.h"

struct writes {
	const struct history_op **ops; /* private: by value */
	uint32_t count;                /* private */
};

/** H must outlive it and not grow. */
void writes_init(struct writes *w, const struct history *h);
void writes_release(struct writes *w);

/** NULL if no operation wrote VALUE. */
const struct history_op *writes_find(const struct writes *w, uint64_t value);

#endif
