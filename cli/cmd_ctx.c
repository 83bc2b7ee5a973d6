/* SPDX-License-Identifier: Apache-2.0 */
/* ctx add, use, ls, rm. */
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/json.h"
#include "cli/output.h"

/** Tells why the file could not be read or written, and gives the exit code. */
static int file_failed(const struct ctl *ctl, const struct error *err)
{
	ctl_say(ctl, "%s", err->message);
	return status_exit_code(err->status);
}

static int no_such_context(const struct ctl *ctl, const char *name)
{
	return ctl_usage(ctl, "there is no context \"%s\"; kvctl ctx ls shows them", name);
}

/** Stores what was changed, and gives the exit code. */
static int save(const struct ctl *ctl, const struct contexts *contexts)
{
	struct error err;
	return contexts_save(contexts, &err) == KV_OK ? 0 : file_failed(ctl, &err);
}

int cmd_ctx_add(struct ctl *ctl)
{
	const char *name = ctl->operands[0];
	CLEANUP(contexts_release) struct contexts contexts = {0};
	struct error err;
	if (!context_name_is_good(name))
		return ctl_usage(ctl, "a name is 1 to 64 letters, digits, '-', '_' or '.', and not \"%s\"",
				 CONTEXT_DEFAULT);
	if (contexts_load(&contexts, &err) != KV_OK)
		return file_failed(ctl, &err);
	struct context *context = contexts_find(&contexts, name);
	if (!context && contexts.count == CONTEXTS_MAX)
		return ctl_usage(ctl, "there are %u contexts already", contexts.count);
	if (!context) {
		context = contexts_add(&contexts, name);
		if (contexts.count == 1 && !contexts.current)
			contexts.current = xstrdup(name);
	}
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (!flag_set_has(ctl->args.typed & CONTEXT_FLAGS, (enum flag)flag))
			continue;
		char **text = context_text(context, (enum flag)flag);
		free(*text);
		*text = xstrdup(ctl->args.texts[flag]);
	}
	return save(ctl, &contexts);
}

int cmd_ctx_use(struct ctl *ctl)
{
	const char *name = ctl->operands[0];
	CLEANUP(contexts_release) struct contexts contexts = {0};
	struct error err;
	if (contexts_load(&contexts, &err) != KV_OK)
		return file_failed(ctl, &err);
	bool none = strcmp(name, CONTEXT_DEFAULT) == 0;
	if (!none && !contexts_find(&contexts, name))
		return no_such_context(ctl, name);
	free(contexts.current);
	contexts.current = none ? NULL : xstrdup(name);
	return save(ctl, &contexts);
}

int cmd_ctx_rm(struct ctl *ctl)
{
	CLEANUP(contexts_release) struct contexts contexts = {0};
	struct error err;
	if (contexts_load(&contexts, &err) != KV_OK)
		return file_failed(ctl, &err);
	struct context *context = contexts_find(&contexts, ctl->operands[0]);
	if (!context)
		return no_such_context(ctl, ctl->operands[0]);
	contexts_remove(&contexts, context);
	return save(ctl, &contexts);
}

int cmd_ctx_ls(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"CONTEXT", "name", COLUMN_RAW},
						       {"CURRENT", "current", 0},
						       {"ENDPOINTS", "endpoints", COLUMN_RAW},
						       {"ZONE", "zone", 0},
						       {"CONSISTENCY", "consistency", 0},
						       {"TIMEOUT", "timeout", 0},
						       {"OUTPUT", "output", 0}};
	CLEANUP(contexts_release) struct contexts contexts = {0};
	struct error err;
	if (contexts_load(&contexts, &err) != KV_OK)
		return file_failed(ctl, &err);
	struct output out;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (unsigned i = 0; i < contexts.count; i++) {
		struct context *context = &contexts.list[i];
		json_t *row = json_object();
		json_set_text(row, "name", context->name);
		json_set_bool(row, "current", contexts.current && strcmp(contexts.current, context->name) == 0);
		for (int flag = 0; flag < FLAG_COUNT; flag++) {
			const char *text = flag_set_has(CONTEXT_FLAGS, (enum flag)flag)
						   ? *context_text(context, (enum flag)flag)
						   : NULL;
			if (text)
				json_set_text(row, flag_info((enum flag)flag)->name, text);
		}
		output_add(&out, row);
	}
	output_end(&out);
	return 0;
}
