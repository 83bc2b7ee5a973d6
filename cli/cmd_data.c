/* SPDX-License-Identifier: Apache-2.0 */
/* get, put, del, mget, mput, scan. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/receipt.h"
#include "cli/text.h"
#include "cli/trace.h"
#include "cli/write.h"

enum { TABLE_ROWS = 1000 };

/** What is known of a value read. */
static json_t *item_row(struct ctl *ctl, struct slice key, bool found, const struct kv_item *item)
{
	json_t *row = json_object();
	json_set_bytes(row, "key", key);
	json_set_bool(row, "found", found);
	if (found) {
		json_set_bytes(row, "value", ctl_bytes(item->value));
		json_set_version(row, "version", item->version);
		if (item->expires_ms)
			json_set_number(row, "expires_ms", item->expires_ms);
	}
	if (ctl->args.level == KV_LEVEL_BOUNDED)
		json_set_number(row, "staleness_ms", item->staleness_ms);
	receipt_set(ctl, row, item->receipt);
	trace_set(ctl, row, kv_item_timeline(item));
	return row;
}

int cmd_get(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"KEY", "key", 0},
						       {"VALUE", "value", 0},
						       {"VERSION", "version", 0},
						       {"EXPIRES_MS", "expires_ms", COLUMN_RIGHT}};
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	const char *key = ctl->operands[0];
	struct kv_options options = ctl_options(ctl);
	CLEANUP(kv_item_release) struct kv_item item = {0};
	struct kv_error err;
	enum kv_status status = kv_get(ctl->client, &options, kv_slice_str(key), &item, &err);
	bool document = ctl->args.output == OUTPUT_JSON || ctl->args.output == OUTPUT_JSONL;
	if (status == KV_OK && ctl->args.output == OUTPUT_RAW) {
		output_bytes(ctl_bytes(item.value));
		if (output_is_terminal())
			putchar('\n');
	} else if (status == KV_OK || (status == KV_NOT_FOUND && document)) {
		output_one(ctl->args.output, columns, ARRAY_SIZE(columns),
			   item_row(ctl, slice_str(key), status == KV_OK, &item));
	}
	if (!document) {
		receipt_say(ctl, item.receipt);
		trace_say(ctl, kv_item_timeline(&item));
	}
	return status == KV_OK ? 0 : ctl_fail(ctl, key, &err);
}

int cmd_put(struct ctl *ctl)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct slice value;
	int code;
	struct kv_options options;
	if (!write_value(ctl, 1, &bytes, &value, &code))
		return code;
	if (!ctl_write_options(ctl, /* strong_only= */ false, &options))
		return 2;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(kv_item_release) struct kv_item item = {0};
	struct kv_error err;
	kv_put(ctl->client, &options, kv_slice_str(ctl->operands[0]), ctl_slice(value), &item, &err);
	return write_finish(ctl, ctl->operands[0], NULL, &err, &item);
}

/* ---- Several keys ------------------------------------------------------------------------------------------------- */

static struct kv_slice *operand_slices(const struct ctl *ctl)
{
	struct kv_slice *slices = xcalloc((size_t)ctl->operand_count, sizeof *slices);
	for (int i = 0; i < ctl->operand_count; i++)
		slices[i] = kv_slice_str(ctl->operands[i]);
	return slices;
}

/** Tells the results of COUNT writes; keys are every STEP operands. */
static int finish_writes(struct ctl *ctl, const struct kv_outcome *outcomes, size_t count, size_t step)
{
	struct output out;
	int code = 0;
	output_begin(&out, ctl->args.output, write_columns, ARRAY_SIZE(write_columns));
	for (size_t i = 0; i < count; i++) {
		const char *key = ctl->operands[i * step];
		const struct kv_error *err = &outcomes[i].error;
		if (err->status == KV_OK || ctl->args.output != OUTPUT_RAW)
			output_add(&out, write_row(ctl, slice_str(key), NULL, err, &outcomes[i].item));
		if (err->status != KV_OK)
			code = ctl_worse(code, write_fail(ctl, key, err, &outcomes[i].item));
	}
	output_end(&out);
	return code;
}

int cmd_del(struct ctl *ctl)
{
	struct kv_options options;
	if (!ctl_write_options(ctl, /* strong_only= */ false, &options))
		return 2;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	size_t count = (size_t)ctl->operand_count;
	struct kv_error err;
	if (count == 1) {
		CLEANUP(kv_item_release) struct kv_item item = {0};
		kv_del(ctl->client, &options, kv_slice_str(ctl->operands[0]), &item, &err);
		return write_finish(ctl, ctl->operands[0], NULL, &err, &item);
	}
	CLEANUP(free_ptr) struct kv_slice *keys = operand_slices(ctl);
	CLEANUP(free_ptr) struct kv_outcome *outcomes = xcalloc(count, sizeof *outcomes);
	kv_mdel(ctl->client, &options, keys, count, outcomes, &err);
	int code = finish_writes(ctl, outcomes, count, 1);
	kv_outcomes_release(outcomes, count);
	return code;
}

int cmd_mput(struct ctl *ctl)
{
	if (ctl->operand_count % 2 != 0)
		return ctl_usage(ctl, "key \"%s\" has no value", ctl->operands[ctl->operand_count - 1]);
	struct kv_options options;
	if (!ctl_write_options(ctl, /* strong_only= */ false, &options))
		return 2;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	size_t count = (size_t)ctl->operand_count / 2;
	CLEANUP(free_ptr) struct kv_pair *pairs = xcalloc(count, sizeof *pairs);
	CLEANUP(free_ptr) struct kv_outcome *outcomes = xcalloc(count, sizeof *outcomes);
	for (size_t i = 0; i < count; i++) {
		pairs[i].key = kv_slice_str(ctl->operands[2 * i]);
		pairs[i].value = kv_slice_str(ctl->operands[2 * i + 1]);
	}
	struct kv_error err;
	kv_mput(ctl->client, &options, pairs, count, outcomes, &err);
	int code = finish_writes(ctl, outcomes, count, 2);
	kv_outcomes_release(outcomes, count);
	return code;
}

static int show_items(struct ctl *ctl, const struct kv_outcome *outcomes)
{
	static const struct output_column columns[] = {{"KEY", "key", COLUMN_RAW},
						       {"STATUS", "status", 0},
						       {"VALUE", "value", COLUMN_RAW},
						       {"VERSION", "version", 0}};
	struct output out;
	int code = 0;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (int i = 0; i < ctl->operand_count; i++) {
		const struct kv_error *err = &outcomes[i].error;
		if (err->status == KV_OK || ctl->args.output != OUTPUT_RAW) {
			json_t *row =
				item_row(ctl, slice_str(ctl->operands[i]), err->status == KV_OK, &outcomes[i].item);
			json_set_text(row, "status", kv_status_name(err->status));
			output_add(&out, row);
		}
		if (err->status != KV_OK)
			code = ctl_worse(code, ctl_fail(ctl, ctl->operands[i], err));
	}
	output_end(&out);
	return code;
}

int cmd_mget(struct ctl *ctl)
{
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct kv_options options = ctl_options(ctl);
	size_t count = (size_t)ctl->operand_count;
	CLEANUP(free_ptr) struct kv_slice *keys = operand_slices(ctl);
	CLEANUP(free_ptr) struct kv_outcome *outcomes = xcalloc(count, sizeof *outcomes);
	struct kv_error err;
	kv_mget(ctl->client, &options, keys, count, outcomes, &err);
	int code = show_items(ctl, outcomes);
	kv_outcomes_release(outcomes, count);
	return code;
}

/* ---- scan --------------------------------------------------------------------------------------------------------- */

static json_t *entry_row(const struct ctl *ctl, const struct kv_entry *entry)
{
	json_t *row = json_object();
	json_set_bytes(row, "key", ctl_bytes(entry->key));
	if (!ctl->args.keys_only && !entry->tombstone)
		json_set_bytes(row, "value", ctl_bytes(entry->value));
	json_set_version(row, "version", entry->version);
	if (entry->expires_ms)
		json_set_number(row, "expires_ms", entry->expires_ms);
	json_set_number(row, "partition", entry->partition);
	if (ctl->args.raw) {
		json_set_version(row, "copy", entry->copy);
		json_set_bool(row, "tombstone", entry->tombstone);
		json_set_bool(row, "weak", entry->weak);
		json_set_bool(row, "strong", entry->strong);
	}
	return row;
}

static void begin_scan_output(const struct ctl *ctl, struct output *out)
{
	static const struct output_column with_values[] = {
		{"KEY", "key", COLUMN_RAW}, {"VALUE", "value", COLUMN_RAW}, {"VERSION", "version", 0}};
	static const struct output_column keys[] = {{"KEY", "key", COLUMN_RAW}, {"VERSION", "version", 0}};
	static const struct output_column raw[] = {{"KEY", "key", COLUMN_RAW},  {"VALUE", "value", COLUMN_RAW},
						   {"VERSION", "version", 0},   {"COPY", "copy", 0},
						   {"DELETED", "tombstone", 0}, {"WEAK", "weak", 0},
						   {"STRONG", "strong", 0}};
	if (ctl->args.raw)
		output_begin(out, ctl->args.output, raw, ARRAY_SIZE(raw));
	else if (ctl->args.keys_only)
		output_begin(out, ctl->args.output, keys, ARRAY_SIZE(keys));
	else
		output_begin(out, ctl->args.output, with_values, ARRAY_SIZE(with_values));
}

static int run_scan(struct ctl *ctl, struct kv_scan *scan)
{
	uint64_t limit = ctl->args.limit                    ? ctl->args.limit
			 : ctl->args.output == OUTPUT_TABLE ? TABLE_ROWS
							    : UINT64_MAX;
	CLEANUP(buf_release) struct buf cursor = BUF_INIT;
	enum kv_status status = KV_OK;
	struct output out;
	struct kv_error err;
	begin_scan_output(ctl, &out);
	for (uint64_t count = 0; status == KV_OK && count < limit; count++) {
		struct kv_entry entry;
		status = kv_scan_next(scan, &entry, &err);
		if (status == KV_OK)
			output_add(&out, entry_row(ctl, &entry));
	}
	output_end(&out);
	if (status == KV_OK) {
		text_base64_encode(&cursor, ctl_bytes(kv_scan_cursor(scan)));
		if (cursor.size > 0)
			ctl_say(ctl, "there may be more; go on with --cursor %s", buf_cstr(&cursor));
	}
	return status == KV_OK || status == KV_NOT_FOUND ? 0 : ctl_fail(ctl, NULL, &err);
}

int cmd_scan(struct ctl *ctl)
{
	CLEANUP(buf_release) struct buf cursor = BUF_INIT;
	if (ctl->args.cursor && !text_base64_decode(&cursor, slice_str(ctl->args.cursor)))
		return ctl_usage(ctl, "--cursor takes what an earlier scan told");
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct kv_scan_options options = KV_SCAN_OPTIONS_INIT;
	options.bucket = ctl->args.bucket;
	options.timeout_ms = ctl_timeout_ms(ctl);
	options.raw = ctl->args.raw;
	options.cursor = ctl_slice(buf_slice(&cursor));
	if (ctl->operand_count > 0)
		options.prefix = kv_slice_str(ctl->operands[0]);
	if (ctl->args.limit && ctl->args.limit < 1000)
		options.page_items = (uint32_t)ctl->args.limit;
	int code = 0;
	if (ctl->args.replica && (options.node = ctl_find_node(ctl, ctl->args.replica, &code)) == KV_NODE_NONE)
		return code;
	struct kv_scan *scan;
	struct kv_error err;
	if (kv_scan_open(ctl->client, &options, &scan, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	code = run_scan(ctl, scan);
	kv_scan_close(scan);
	return code;
}
