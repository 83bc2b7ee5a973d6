/* SPDX-License-Identifier: Apache-2.0 */
/* ledger ls, ledger restore. */
#include "cli/json.h"
#include "cli/output.h"
#include "cli/write.h"

/** The ledger of all keys or of KEY. NULL after an error, which it has told. */
static struct kv_ledger *open_ledger(struct ctl *ctl, const char *key, int *ret_exit_code)
{
	struct kv_ledger_options options = KV_LEDGER_OPTIONS_INIT;
	struct kv_ledger *ledger;
	struct kv_error err;
	*ret_exit_code = 1;
	if (!ctl_open(ctl, NULL))
		return NULL;
	options.bucket = ctl->args.bucket;
	options.timeout_ms = ctl_timeout_ms(ctl);
	if (key)
		options.key = kv_slice_str(key);
	if (kv_ledger_open(ctl->client, &options, &ledger, &err) == KV_OK)
		return ledger;
	*ret_exit_code = ctl_fail(ctl, NULL, &err);
	return NULL;
}

/** The next entry. False at the end; nodes that cannot be asked are told and make CODE worse. */
static bool next_entry(struct ctl *ctl, struct kv_ledger *ledger, struct kv_ledger_entry *entry, int *code)
{
	struct kv_error err;
	enum kv_status status;
	while ((status = kv_ledger_next(ledger, entry, &err)) != KV_OK && status != KV_NOT_FOUND)
		*code = ctl_worse(*code, ctl_fail(ctl, NULL, &err));
	return status == KV_OK;
}

static bool is_kept(const struct kv_ledger_entry *entry)
{
	return entry->value.size > 0 || entry->value_hash == 0 || entry->value_hash == kv_hash(entry->value);
}

static json_t *entry_row(const struct kv_ledger_entry *entry)
{
	json_t *row = json_object();
	json_set_bytes(row, "key", ctl_bytes(entry->key));
	if (is_kept(entry))
		json_set_bytes(row, "value", ctl_bytes(entry->value));
	json_set_version(row, "version", entry->version);
	json_set_version(row, "winner", entry->winner);
	json_set_text(row, "cause", kv_ledger_cause_name(entry->cause));
	json_set_number(row, "expires_ms", entry->expires_ms);
	json_set_number(row, "partition", entry->partition);
	return row;
}

int cmd_ledger_ls(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"KEY", "key", COLUMN_RAW},
						       {"VALUE", "value", COLUMN_RAW},
						       {"VERSION", "version", COLUMN_RAW},
						       {"CAUSE", "cause", 0},
						       {"WINNER", "winner", 0}};
	int code;
	struct kv_ledger *ledger = open_ledger(ctl, ctl->operand_count ? ctl->operands[0] : NULL, &code);
	if (!ledger)
		return code;
	uint64_t limit = ctl->args.limit ? ctl->args.limit : UINT64_MAX;
	struct kv_ledger_entry entry;
	struct output out;
	code = 0;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (uint64_t count = 0; count < limit && next_entry(ctl, ledger, &entry, &code); count++)
		output_add(&out, entry_row(&entry));
	output_end(&out);
	kv_ledger_close(ledger);
	return code;
}

int cmd_ledger_restore(struct ctl *ctl)
{
	const char *key = ctl->operands[0];
	struct kv_version version;
	struct kv_options options;
	if (!kv_version_parse(ctl->operands[1], &version))
		return ctl_usage(ctl, "\"%s\" is no version as kvctl ledger ls shows it", ctl->operands[1]);
	bool strong_only = !args_given(&ctl->args, FLAG_CONSISTENCY) && !ctl->session;
	if (!ctl_write_options(ctl, strong_only, &options))
		return 2;
	int code;
	struct kv_ledger *ledger = open_ledger(ctl, key, &code);
	if (!ledger)
		return code;
	struct kv_ledger_entry entry;
	bool found = false;
	code = 0;
	while (!found && next_entry(ctl, ledger, &entry, &code))
		found = kv_version_compare(entry.version, version) == 0;
	if (found && !is_kept(&entry)) {
		ctl_say(ctl, "%s: the value was too large to be kept; only its hash is known", key);
		code = 1;
	} else if (found) {
		CLEANUP(kv_item_release) struct kv_item item = {0};
		struct kv_error err;
		kv_put(ctl->client, &options, kv_slice_str(key), entry.value, &item, &err);
		code = write_finish(ctl, key, NULL, &err, &item);
	} else {
		ctl_say(ctl, "%s: the ledger has no such version of it", key);
		code = ctl_worse(code, status_exit_code(KV_NOT_FOUND));
	}
	kv_ledger_close(ledger);
	return code;
}
