/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cover.h"

/* The linker makes these around the section; a program without marks has none. */
extern struct cover_mark __start_kv_cover[] __attribute__((weak, visibility("hidden")));
extern struct cover_mark __stop_kv_cover[] __attribute__((weak, visibility("hidden")));

size_t cover_mark_count(void) { return (size_t)(__stop_kv_cover - __start_kv_cover); }

struct cover_mark *cover_mark_at(size_t index)
{
	KV_ASSERT(index < cover_mark_count());
	return &__start_kv_cover[index];
}
