/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Marks in the code that tests should reach: COVER(name) notes that this place was passed.
 *
 * A mark is one byte that is set once, so it costs a load and a branch and stays in release builds. The marks of a program
 * are found by the linker, without a list to keep. What no run of the simulator has passed is a rule that no run has tested.
 */
#ifndef KV_BASE_COVER_H
#define KV_BASE_COVER_H

#include "base/base.h"

struct cover_mark {
	const char *name, *file;
	bool hit;
};

/** NAME is a word, once in the program. */
#define COVER(name_)                                                                                               \
	do {                                                                                                       \
		static struct cover_mark cover_mark_                                                               \
			__attribute__((section("kv_cover"), used, aligned(8))) = {#name_, __FILE__, false};        \
		if (!__atomic_load_n(&cover_mark_.hit, __ATOMIC_RELAXED))                                          \
			__atomic_store_n(&cover_mark_.hit, true, __ATOMIC_RELAXED);                                \
	} while (0)

/** The condition; notes that it was once true. */
#define COVER_IF(condition, name)                                                                                  \
	({                                                                                                         \
		bool cover_condition_ = (condition);                                                               \
		if (cover_condition_)                                                                              \
			COVER(name);                                                                               \
		cover_condition_;                                                                                  \
	})

/** Marks of this program, in no order that means anything. */
size_t cover_mark_count(void);
struct cover_mark *cover_mark_at(size_t index);

#endif
