/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/latency.h"

#include "tests/cluster/harness.h"

enum { LATE_PART = 20 };

static int compare(const void *a, const void *b)
{
	usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;
	return x < y ? -1 : x > y;
}

struct latency latency_of(struct load *l, usec_t from_us, usec_t until_us)
{
	const struct history *h = load_history(l);
	struct latency result = {0};
	usec_t *took = xcalloc(h->count + 1, sizeof *took);
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->invoke_us >= from_us && op->invoke_us < until_us && op->complete != HISTORY_NEVER)
			took[result.count++] = op->complete_us - op->invoke_us;
	}
	qsort(took, result.count, sizeof *took, compare);
	if (result.count > 0) {
		result.p50_us = took[result.count / 2];
		result.p99_us = took[result.count - 1 - result.count / 100];
	}
	free(took);
	return result;
}

void latency_tell(struct load *l, const char *what, usec_t from_us, usec_t until_us)
{
	struct latency took = latency_of(l, from_us, until_us);
	fprintf(stderr, "# %-10s %6.1f s: %6u operations, p50 %6llu us, p99 %7llu us\n", what,
		(double)(until_us - from_us) / USEC_PER_SEC, took.count, (unsigned long long)took.p50_us,
		(unsigned long long)took.p99_us);
}

void latency_check_strong(struct load *l)
{
	const struct history *h = load_history(l);
	unsigned asked = 0, late = 0, failed = 0;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->level != HISTORY_STRONG || op->complete == HISTORY_NEVER ||
		    op->client >= load_options(l)->threads)
			continue;
		asked++;
		if (op->status == KV_OK || op->status == KV_NOT_FOUND || op->status == KV_CONDITION_FAILED)
			continue;
		bool timed_out = op->status == KV_DEADLINE || op->status == KV_IN_DOUBT;
		late += timed_out;
		failed += !timed_out;
		if (!timed_out)
			print_error("#%u on key %u: %s after %llu us\n", op->index, op->key,
				    kv_status_name(op->status),
				    (unsigned long long)(op->complete_us - op->invoke_us));
	}
	fprintf(stderr, "# strong: %u asked, %u timed out, %u failed\n", asked, late, failed);
	assert_int_equal(failed, 0);
	assert_true(asked > 0 &&
		    late <= asked / LATE_PART); /* a node dies, or the machine stands still for a moment */
}
