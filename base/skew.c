/* SPDX-License-Identifier: Apache-2.0 */
#include "base/skew.h"

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

int64_t skew_agreed(int64_t *clocks_ms, size_t count, int64_t window_ms, int64_t preferred_ms)
{
	KV_ASSERT(count > 0);
	KV_ASSERT(window_ms >= 0);
	qsort(clocks_ms, count, sizeof *clocks_ms, compare);
	int64_t best_ms = 0;
	size_t best_count = 0, end = 0;
	for (size_t i = 0; i < count; i++) {
		while (end < count && clocks_ms[end] - clocks_ms[i] <= window_ms)
			end++;
		int64_t middle_ms = clocks_ms[i + (end - i - 1) / 2];
		bool nearer = llabs(middle_ms - preferred_ms) < llabs(best_ms - preferred_ms);
		if (end - i > best_count || (end - i == best_count && nearer)) {
			best_count = end - i;
			best_ms = middle_ms;
		}
	}
	return best_ms;
}
