/* SPDX-License-Identifier: Apache-2.0 */
/* cas, incr, append, ttl, expire, outcome: what reads and writes in one. */
#include "base/clock.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/text.h"
#include "cli/write.h"

static struct kv_slice first_key(const struct ctl *ctl) { return kv_slice_str(ctl->operands[0]); }

int cmd_cas(struct ctl *ctl)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct slice value;
	int code;
	struct kv_options options;
	if (!ctl_has_condition(ctl))
		return ctl_usage(ctl, "what is expected? Say it with --if-version, --if-value or --if-absent");
	if (!write_value(ctl, 1, &bytes, &value, &code))
		return code;
	if (!ctl_write_options(ctl, /* strong_only= */ true, &options))
		return 2;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(kv_item_release) struct kv_item item = {0};
	struct kv_error err;
	kv_put(ctl->client, &options, first_key(ctl), ctl_slice(value), &item, &err);
	return write_finish(ctl, ctl->operands[0], NULL, &err, &item);
}

int cmd_incr(struct ctl *ctl)
{
	int64_t delta = 1;
	struct kv_options options;
	if (ctl->operand_count > 1 && !text_int64(ctl->operands[1], &delta))
		return ctl_usage(ctl, "\"%s\" is no whole number of 64 bits", ctl->operands[1]);
	if (!ctl_write_options(ctl, /* strong_only= */ true, &options))
		return 2;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(kv_item_release) struct kv_item item = {0};
	struct kv_error err;
	kv_add(ctl->client, &options, first_key(ctl), delta, NULL, &item, &err);
	return write_finish(ctl, ctl->operands[0], "value", &err, &item);
}

int cmd_append(struct ctl *ctl)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct slice value;
	int code;
	struct kv_options options;
	if (!write_value(ctl, 1, &bytes, &value, &code))
		return code;
	if (!ctl_write_options(ctl, /* strong_only= */ true, &options))
		return 2;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(kv_item_release) struct kv_item item = {0};
	struct kv_error err;
	kv_append(ctl->client, &options, first_key(ctl), ctl_slice(value), NULL, &item, &err);
	return write_finish(ctl, ctl->operands[0], "size", &err, &item);
}

/* ---- Time to live ------------------------------------------------------------------------------------------------- */

static int64_t ms_left(const struct kv_item *item)
{
	int64_t now_ms = (int64_t)(clock_wall_us() / USEC_PER_MSEC);
	return item->expires_ms ? MAX((int64_t)item->expires_ms - now_ms, INT64_C(0)) : -1;
}

int cmd_ttl(struct ctl *ctl)
{
	static const struct output_column columns[] = {
		{"KEY", "key", 0}, {"TTL_MS", "ttl_ms", COLUMN_RAW | COLUMN_RIGHT}, {"VERSION", "version", 0}};
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct kv_options options = ctl_options(ctl);
	if (!args_given(&ctl->args, FLAG_CONSISTENCY) && !ctl->session)
		options.level = KV_LEVEL_STRONG;
	CLEANUP(kv_item_release) struct kv_item item = {0};
	struct kv_error err;
	if (kv_get(ctl->client, &options, first_key(ctl), &item, &err) != KV_OK)
		return ctl_fail(ctl, ctl->operands[0], &err);
	json_t *row = json_object();
	json_set_bytes(row, "key", slice_str(ctl->operands[0]));
	json_set(row, "ttl_ms", json_integer(ms_left(&item)));
	json_set_version(row, "version", item.version);
	output_one(ctl->args.output, columns, ARRAY_SIZE(columns), row);
	return 0;
}

/** One reading and the put that depends on it. ITEM is that of the put, or of the reading where that failed. */
static enum kv_status expire_once(struct ctl *ctl, const struct kv_options *options, struct kv_item *ret_item,
				  struct kv_error *err)
{
	struct kv_options read = KV_OPTIONS_INIT, write = *options;
	CLEANUP(kv_item_release) struct kv_item item = {0};
	read.level = KV_LEVEL_STRONG;
	read.bucket = options->bucket;
	read.timeout_ms = options->timeout_ms;
	enum kv_status status = kv_get(ctl->client, &read, first_key(ctl), &item, err);
	if (status != KV_OK)
		return status;
	write.expected = &item.version;
	return kv_put(ctl->client, &write, first_key(ctl), item.value, ret_item, err);
}

int cmd_expire(struct ctl *ctl)
{
	enum { TRIES_MAX = 100 };
	uint64_t ttl_ms = 0;
	const char *time = ctl->operands[1];
	struct kv_options options;
	if (strcmp(time, "never") != 0 && (!text_duration_ms(time, &ttl_ms) || ttl_ms < 1))
		return ctl_usage(ctl, "write a time with its unit, like 500ms, 30s or 7d, or never");
	if (!ctl_write_options(ctl, /* strong_only= */ true, &options))
		return 2;
	options.ttl_ms = ttl_ms;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(kv_item_release) struct kv_item item = {0};
	struct kv_error err;
	enum kv_status status = KV_CONDITION_FAILED;
	for (int try = 0; status == KV_CONDITION_FAILED && try < TRIES_MAX; try++) {
		kv_item_release(&item);
		status = expire_once(ctl, &options, &item, &err);
	}
	return write_finish(ctl, ctl->operands[0], NULL, &err, &item);
}

/* ---- What became of a write --------------------------------------------------------------------------------------- */

static int outcome_exit_code(enum kv_write_outcome outcome)
{
	switch (outcome) {
	case KV_WRITE_COMMITTED:
		return 0;
	case KV_WRITE_NOT_APPLIED:
		return status_exit_code(KV_NOT_FOUND);
	case KV_WRITE_EXPIRED:
		break;
	}
	return status_exit_code(KV_IN_DOUBT);
}

int cmd_outcome(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"KEY", "key", 0},
						       {"OUTCOME", "outcome", COLUMN_RAW},
						       {"VERSION", "version", 0},
						       {"NUMBER", "number", COLUMN_RIGHT}};
	const char *text = ctl->operands[0];
	CLEANUP(free_ptr) uint8_t *key = xmalloc(strlen(text) + 1);
	size_t key_size;
	struct kv_write_id id;
	if (!kv_write_id_parse(text, &id, key, &key_size))
		return ctl_usage(ctl, "\"%.100s\" is no id of a write; a write in doubt tells its id", text);
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct kv_options options = KV_OPTIONS_INIT;
	options.bucket = ctl->args.bucket;
	options.timeout_ms = ctl_timeout_ms(ctl);
	CLEANUP(kv_item_release) struct kv_item item = {0};
	struct kv_error err;
	enum kv_write_outcome outcome;
	if (kv_outcome(ctl->client, &options, kv_slice_of(key, key_size), &id, &outcome, &item, &err) != KV_OK)
		return ctl_fail(ctl, text, &err);
	json_t *row = json_object();
	int64_t number;
	json_set_text(row, "id", text);
	json_set_bytes(row, "key", slice_of(key, key_size));
	json_set_text(row, "outcome", kv_write_outcome_name(outcome));
	if (outcome == KV_WRITE_COMMITTED)
		json_set_version(row, "version", item.version);
	if (outcome == KV_WRITE_COMMITTED && kv_item_number(&item, &number))
		json_set(row, "number", json_integer(number));
	output_one(ctl->args.output, columns, ARRAY_SIZE(columns), row);
	return outcome_exit_code(outcome);
}
