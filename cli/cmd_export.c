/* SPDX-License-Identifier: Apache-2.0 */
/* export: what load reads. */
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/rows.h"

enum { RETRIES = 5 };

static void set_row(struct row *row, const struct kv_entry *entry)
{
	buf_clear(&row->key);
	buf_clear(&row->value);
	buf_append_slice(&row->key, ctl_bytes(entry->key));
	buf_append_slice(&row->value, ctl_bytes(entry->value));
	row->tombstone = false;
	row->ttl_ms = 0;
	uint64_t now_ms = clock_wall_us() / USEC_PER_MSEC;
	if (entry->expires_ms)
		row->ttl_ms = entry->expires_ms > now_ms ? entry->expires_ms - now_ms : 1;
}

/**
 * A replica's copy with its marks. What replicas in step may differ in is left out: whether a promise stood above the copy
 * when it came, and by which of the two kinds of write it came.
 */
static void write_raw(const struct kv_entry *entry)
{
	CLEANUP(json_release) json_t *row = json_object();
	char text[KV_VERSION_TEXT_SIZE];
	json_set_bytes(row, "key", ctl_bytes(entry->key));
	if (entry->tombstone)
		json_set_bool(row, "tombstone", true);
	else
		json_set_bytes(row, "value", ctl_bytes(entry->value));
	kv_version_format(entry->version, text);
	json_set_text(row, "version", text);
	kv_version_format(entry->copy, text);
	json_set_text(row, "copy", text);
	if (entry->expires_ms)
		json_set_number(row, "expires_ms", entry->expires_ms);
	json_set_number(row, "partition", entry->partition);
	json_dumpf(row, stdout, JSON_COMPACT);
	putchar('\n');
}

/** The next entry; an error that may pass is tried again, as the scan goes on where it failed. */
static enum kv_status next_entry(struct kv_scan *scan, struct kv_entry *entry, struct kv_error *err)
{
	enum kv_status status = kv_scan_next(scan, entry, err);
	for (int i = 0; i < RETRIES && (status_class(status) == STATUS_RETRY || status == KV_DEADLINE); i++)
		status = kv_scan_next(scan, entry, err);
	return status;
}

static int run_export(struct ctl *ctl, struct kv_scan *scan, enum rows_format format)
{
	CLEANUP(row_release) struct row row = {0};
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	struct progress progress;
	struct kv_error err;
	enum kv_status status = KV_OK;
	uint64_t count = 0;
	progress_start(&progress, "export", "records");
	while (!interrupt_pending() && !ferror(stdout)) {
		struct kv_entry entry;
		status = next_entry(scan, &entry, &err);
		if (status != KV_OK)
			break;
		if (ctl->args.raw) {
			write_raw(&entry);
		} else {
			set_row(&row, &entry);
			buf_clear(&line);
			rows_format_row(format, &row, &line);
			output_bytes(buf_slice(&line));
		}
		count++;
		if (!output_is_terminal())
			progress_update(&progress, count, 0, 0);
	}
	progress_clear(&progress);
	int code = 0;
	if (status != KV_OK && status != KV_NOT_FOUND)
		code = ctl_fail(ctl, "not everything was written", &err);
	ctl_say(ctl, "%llu records%s", (unsigned long long)count, interrupt_pending() ? ", interrupted" : "");
	return interrupt_pending() ? INTERRUPT_EXIT_CODE : code;
}

int cmd_export(struct ctl *ctl)
{
	enum rows_format format = ctl->args.format == ROWS_GUESS ? ROWS_JSONL : ctl->args.format;
	if (ctl->args.raw && format == ROWS_TSV && args_typed(&ctl->args, FLAG_FORMAT))
		return ctl_usage(ctl, "--raw writes JSON lines only: TSV cannot tell deletions and versions");
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct kv_scan_options options = KV_SCAN_OPTIONS_INIT;
	options.bucket = ctl->args.bucket;
	options.timeout_ms = ctl_timeout_ms(ctl);
	options.raw = ctl->args.raw;
	options.prefix = kv_slice_str(ctl->args.prefix);
	int code = 0;
	if (ctl->args.replica && (options.node = ctl_find_node(ctl, ctl->args.replica, &code)) == KV_NODE_NONE)
		return code;
	struct kv_scan *scan;
	struct kv_error err;
	if (kv_scan_open(ctl->client, &options, &scan, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	interrupt_defer();
	code = run_export(ctl, scan, format);
	kv_scan_close(scan);
	return code;
}
