/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/write.h"

#include <errno.h>

#include "cli/json.h"
#include "cli/receipt.h"
#include "cli/trace.h"

enum { VALUE_SIZE_MAX = 16 << 20 };

/* ---- The value ---- */

/** Reads the file (NULL: standard input) as a whole, up to just above the largest value. */
static bool read_file(struct ctl *ctl, const char *path, struct buf *ret)
{
	FILE *file = path ? fopen(path, "rbe") : stdin;
	if (!file) {
		ctl_say(ctl, "%s: %s", path, strerror(errno));
		return false;
	}
	size_t got;
	do {
		uint8_t *at = buf_extend(ret, 64 << 10);
		got = fread(at, 1, 64 << 10, file);
		ret->size -= (64 << 10) - got;
	} while (got > 0 && ret->size <= VALUE_SIZE_MAX);
	bool good = !ferror(file);
	if (!good)
		ctl_say(ctl, "%s: %s", path ? path : "standard input", strerror(errno));
	if (path)
		fclose(file);
	return good;
}

bool write_value(struct ctl *ctl, int index, struct buf *bytes, struct slice *ret_value, int *ret_exit_code)
{
	bool has_operand = ctl->operand_count > index;
	if (has_operand == (ctl->args.file != NULL)) {
		*ret_exit_code = ctl_usage(
			ctl, has_operand ? "there are two values: one of --file, one on the command line"
					 : "there is no value: give it, or - for standard input, or --file");
		return false;
	}
	const char *text = has_operand ? ctl->operands[index] : NULL;
	bool from_stream = !text || strcmp(text, "-") == 0;
	if (from_stream && !read_file(ctl, ctl->args.file, bytes)) {
		*ret_exit_code = 1;
		return false;
	}
	*ret_value = from_stream ? buf_slice(bytes) : slice_str(text);
	return true;
}

/* ---- The result ---- */

const struct output_column write_columns[3] = {
	{"KEY", "key", 0}, {"STATUS", "status", 0}, {"VERSION", "version", COLUMN_RAW}};

void json_set_version(json_t *row, const char *name, struct kv_version version)
{
	char text[KV_VERSION_TEXT_SIZE];
	kv_version_format(version, text);
	json_set_text(row, name, text);
}

static bool is_absent(struct kv_version version) { return version.hlc == 0 && version.id == 0; }

static void append_id(struct buf *out, const struct kv_write_id *id, struct slice key)
{
	size_t room = KV_WRITE_TEXT_SIZE(key.size);
	CLEANUP(free_ptr) char *text = xmalloc(room);
	kv_write_id_format(id, ctl_slice(key), text, room);
	buf_append_str(out, text);
}

static void set_id(json_t *row, const struct kv_write_id *id, struct slice key)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	append_id(&text, id, key);
	json_set_text(row, "id", buf_cstr(&text));
}

/** What is there, where a condition does not hold. */
static void set_present(json_t *row, const struct kv_item *item)
{
	json_set_bool(row, "present", !is_absent(item->version));
	if (is_absent(item->version))
		return;
	json_set_version(row, "present_version", item->version);
	if (item->value.data)
		json_set_bytes(row, "present_value", ctl_bytes(item->value));
}

json_t *write_row(struct ctl *ctl, struct slice key, const char *number, const struct kv_error *err,
		  const struct kv_item *item)
{
	json_t *row = json_object();
	int64_t value;
	json_set_bytes(row, "key", key);
	json_set_text(row, "status", kv_status_name(err->status));
	if (err->status == KV_OK)
		json_set_version(row, "version", item->version);
	if (err->status == KV_OK && number && kv_item_number(item, &value))
		json_set(row, number, json_integer(value));
	if (err->status == KV_CONDITION_FAILED)
		set_present(row, item);
	if (err->in_doubt)
		json_set_bool(row, "in_doubt", true);
	if (ctl->strong_write && err->write.client)
		set_id(row, &err->write, key);
	else if (ctl->strong_write && ctl->args.receipt && item->write.client)
		set_id(row, &item->write, key);
	receipt_set(ctl, row, item->receipt);
	trace_set(ctl, row, kv_item_timeline(item));
	return row;
}

int write_fail(const struct ctl *ctl, const char *key, const struct kv_error *err, const struct kv_item *item)
{
	char version[KV_VERSION_TEXT_SIZE];
	int code = ctl_fail(ctl, key, err);
	if (err->status == KV_CONDITION_FAILED && !is_absent(item->version)) {
		kv_version_format(item->version, version);
		ctl_say(ctl, "%s: the present version is %s", key, version);
	}
	if (ctl->strong_write && err->write.client) {
		CLEANUP(buf_release) struct buf id = BUF_INIT;
		append_id(&id, &err->write, slice_str(key));
		if (ctl->args.bucket)
			buf_printf(&id, " --bucket %u", ctl->args.bucket);
		ctl_say(ctl, "%s: this tells what became of it: kvctl outcome %s", key, buf_cstr(&id));
	}
	return code;
}

/** The columns with a number: instead of the version in the raw text. */
static void show_row(const struct ctl *ctl, const char *number, json_t *row)
{
	const struct output_column with_number[] = {
		{"KEY", "key", 0},
		{"STATUS", "status", 0},
		{strcmp(number ? number : "", "size") == 0 ? "SIZE" : "VALUE", number, COLUMN_RAW | COLUMN_RIGHT},
		{"VERSION", "version", 0}};
	if (number)
		output_one(ctl->args.output, with_number, ARRAY_SIZE(with_number), row);
	else
		output_one(ctl->args.output, write_columns, ARRAY_SIZE(write_columns), row);
}

int write_finish(struct ctl *ctl, const char *key, const char *number, const struct kv_error *err,
		 const struct kv_item *item)
{
	bool document = ctl->args.output == OUTPUT_JSON || ctl->args.output == OUTPUT_JSONL;
	if (err->status == KV_OK || document)
		show_row(ctl, number, write_row(ctl, slice_str(key), number, err, item));
	if (!document) {
		receipt_say(ctl, item->receipt);
		trace_say(ctl, kv_item_timeline(item));
	}
	return err->status == KV_OK ? 0 : write_fail(ctl, key, err, item);
}
