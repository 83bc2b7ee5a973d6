/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

static void append_padded(struct buf *out, const char *text, size_t width)
{
	buf_printf(out, "%-*s", (int)width, text);
}

void help_exit_codes(struct buf *out)
{
	buf_append_str(
		out,
		"Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 4 condition failed, 5 unavailable, 6 deadline,\n"
		"7 overloaded, 8 in doubt (a write that may or may not have happened), 9 not allowed, 10 check failed,\n"
		"11 refused for safety, 130 interrupted.\n");
}

void commands_help(struct buf *out)
{
	const char *group = "";
	buf_append_str(out, "usage: kvctl COMMAND [FLAGS] [OPERANDS]\n");
	size_t count;
	const struct command *table = commands_all(&count);
	for (size_t i = 0; i < count; i++) {
		if (!*table[i].group)
			continue;
		if (strcmp(group, table[i].group) != 0) {
			group = table[i].group;
			buf_printf(out, "\n%s\n", group);
		}
		char left[64];
		snprintf(left, sizeof left, "%s %s", table[i].name, table[i].operands);
		buf_append_str(out, "  ");
		append_padded(out, left, 30);
		buf_printf(out, " %s\n", table[i].summary);
	}
	buf_append_str(out, "\nkvctl help COMMAND tells more, kvctl --version the version.\n"
			    "Most flags can be set by a variable too: KVCTL_ENDPOINTS for --endpoints.\n");
	help_exit_codes(out);
}

/** The formats of a command, for the line of --output. */
static void append_outputs(const struct command *command, struct buf *out)
{
	static const char *const names[] = {"table", "json", "jsonl", "raw"};
	const char *separator = "";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(command->outputs & 1u << i))
			continue;
		buf_printf(out, "%s%s", separator, names[i]);
		separator = ", ";
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (command->output == 1u << i)
			buf_printf(out, " (%s)", names[i]);
	}
}

void help_flag(const struct command *command, enum flag flag, struct buf *out)
{
	const struct flag_info *info = flag_info(flag);
	if (flag == FLAG_OUTPUT)
		append_outputs(command, out);
	else
		buf_append_str(out, info->help);
	if (flag == FLAG_TIMEOUT)
		buf_printf(out, " (%us)", command->timeout_ms ? command->timeout_ms / 1000 : 1);
	if (info->environment) {
		buf_append_str(out, "; ");
		flag_variable(flag, out);
	}
}

static void append_flag(const struct command *command, enum flag flag, struct buf *out)
{
	const struct flag_info *info = flag_info(flag);
	CLEANUP(buf_release) struct buf left = BUF_INIT;
	if (info->letter)
		buf_printf(&left, "-%c, ", info->letter);
	else
		buf_append_str(&left, "    ");
	buf_printf(&left, "--%s%s%s", info->name, info->value ? " " : "", info->value ? info->value : "");
	buf_append_str(out, "  ");
	append_padded(out, buf_cstr(&left), 26);
	buf_append_u8(out, ' ');
	help_flag(command, flag, out);
	buf_append_u8(out, '\n');
}

void command_help(const struct command *command, struct buf *out)
{
	buf_printf(out, "usage: kvctl %s [FLAGS]%s%s\n\n", command->name, *command->operands ? " " : "",
		   command->operands);
	buf_printf(out, "%c%s.\n", command->summary[0] - 'a' + 'A', command->summary + 1);
	if (*command->details)
		buf_printf(out, "\n%s", command->details);
	buf_append_str(out, "\nFlags\n");
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (flag_set_has(command->flags | FLAG_BIT(FLAG_HELP), (enum flag)flag))
			append_flag(command, (enum flag)flag, out);
	}
}
