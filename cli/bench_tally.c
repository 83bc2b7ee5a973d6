/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_tally.h"

#include "base/status.h"
#include "cli/json.h"
#include "cli/receipt.h"

void bench_tally_init(struct bench_tally *tally, const struct bench_mix *mix)
{
	*tally = (struct bench_tally){.count = mix->count};
	tally->hists = xcalloc(mix->count, sizeof *tally->hists);
	for (size_t i = 0; i < mix->count; i++)
		hist_init(&tally->hists[i]);
}

void bench_tally_release(struct bench_tally *tally)
{
	free(tally->hists);
	*tally = (struct bench_tally){0};
}

void bench_tally_add(struct bench_tally *tally, size_t op, enum kv_status status, uint64_t took_us)
{
	KV_ASSERT(op < tally->count);
	tally->statuses[status_is_known(status) && status < BENCH_STATUS_MAX ? status : KV_INTERNAL]++;
	if (status == KV_OK || status == KV_NOT_FOUND)
		hist_add(&tally->hists[op], took_us);
}

void bench_tally_add_unsent(struct bench_tally *tally, size_t op, uint64_t waited_us)
{
	KV_ASSERT(op < tally->count);
	tally->unsent[op]++;
	hist_add(&tally->hists[op], waited_us);
}

void bench_tally_move(struct bench_tally *into, struct bench_tally *from)
{
	KV_ASSERT(into->count == from->count);
	for (size_t i = 0; i < into->count; i++) {
		hist_merge(&into->hists[i], &from->hists[i]);
		hist_init(&from->hists[i]);
		into->unsent[i] += from->unsent[i];
		from->unsent[i] = 0;
	}
	for (size_t i = 0; i < BENCH_STATUS_MAX; i++)
		into->statuses[i] += from->statuses[i];
	memset(from->statuses, 0, sizeof from->statuses);
}

uint64_t bench_tally_count(const struct bench_tally *tally)
{
	uint64_t count = 0;
	for (size_t i = 0; i < tally->count; i++)
		count += tally->hists[i].count - tally->unsent[i];
	return count;
}

uint64_t bench_tally_unsent(const struct bench_tally *tally)
{
	uint64_t count = 0;
	for (size_t i = 0; i < tally->count; i++)
		count += tally->unsent[i];
	return count;
}

int bench_tally_exit_code(const struct bench_tally *tally)
{
	int code = 0;
	for (unsigned i = 0; i < BENCH_STATUS_MAX; i++) {
		if (tally->statuses[i] > 0 && i != KV_NOT_FOUND)
			code = ctl_worse(code, status_exit_code((enum kv_status)i));
	}
	return code;
}

static json_t *histogram_json(const struct hist *h)
{
	json_t *pairs = json_array();
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		if (h->buckets[i] == 0)
			continue;
		json_t *pair = json_array();
		json_array_append_new(pair, json_integer((json_int_t)hist_bucket_first(i)));
		json_array_append_new(pair, json_integer((json_int_t)h->buckets[i]));
		json_array_append_new(pairs, pair);
	}
	return pairs;
}

json_t *bench_tally_operations(const struct bench_tally *tally, const struct bench_mix *mix, double seconds,
			       bool histogram)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < tally->count; i++) {
		const struct hist *h = &tally->hists[i];
		uint64_t count = h->count - tally->unsent[i];
		json_t *row = json_object();
		json_set_text(row, "operation", bench_kind_name(mix->ops[i].kind));
		json_set_text(row, "consistency", level_name(mix->ops[i].options.level));
		json_set_number(row, "count", count);
		json_set(row, "per_second", json_real(seconds > 0 ? (double)count / seconds : 0));
		json_set(row, "mean_us", json_real(h->count ? (double)h->sum / (double)h->count : 0));
		json_set_number(row, "p50_us", hist_quantile(h, 500));
		json_set_number(row, "p99_us", hist_quantile(h, 990));
		json_set_number(row, "p999_us", hist_quantile(h, 999));
		json_set_number(row, "max_us", h->count ? h->max : 0);
		if (histogram)
			json_set(row, "histogram", histogram_json(h));
		json_array_append_new(rows, row);
	}
	return rows;
}

json_t *bench_tally_statuses(const struct bench_tally *tally)
{
	json_t *object = json_object();
	for (unsigned i = 0; i < BENCH_STATUS_MAX; i++) {
		if (tally->statuses[i] > 0)
			json_set_number(object, kv_status_name((enum kv_status)i), tally->statuses[i]);
	}
	return object;
}
