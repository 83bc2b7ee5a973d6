/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/man.h"

#include <ctype.h>

#include "cli/help.h"
#include "cli/output.h"

static const struct man_group {
	const char *group, *page, *summary;
} groups[] = {
	{"Data", "kvctl-data", "read and write keys of a kvd cluster"},
	{"Cluster", "kvctl-cluster", "form, watch, change and repair a kvd cluster"},
	{"Cluster on this machine, for development", "kvctl-dev",
	 "run a kvd cluster on one machine, for development"},
	{"kvctl itself", "kvctl-tool", "shell, contexts and completion of kvctl"},
};

const char *man_page_of(const char *group)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (strcmp(groups[i].group, group) == 0)
			return groups[i].page;
	}
	return NULL;
}

/* ---- scdoc -------------------------------------------------------------------------------------------------------- */

/** Text in a line: nothing in it is markup. */
static void append_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("\\*_`#[]|~<>-.;:+", *text))
			buf_append_u8(out, '\\');
		buf_append_u8(out, (uint8_t)*text);
	}
}

static void append_bold(struct buf *out, const char *text)
{
	buf_append_u8(out, '*');
	append_text(out, text);
	buf_append_u8(out, '*');
}

static void append_header(struct buf *out, const char *page, const char *summary)
{
	buf_printf(out, "%s(1) \"\" \"kvd %s\"\n\n# NAME\n\n%s - %s\n\n", page, KVD_VERSION, page, summary);
}

/** Lines laid out by hand stay as they are; others are a paragraph. */
static void append_details(struct buf *out, const char *details)
{
	if (strncmp(details, "  ", 2) == 0 || strstr(details, "\n  ")) {
		buf_printf(out, "```\n%s```\n\n", details);
		return;
	}
	append_text(out, details);
	buf_append_u8(out, '\n');
}

static void append_flag(struct buf *out, const struct command *command, enum flag flag)
{
	const struct flag_info *info = flag_info(flag);
	CLEANUP(buf_release) struct buf help = BUF_INIT;
	if (info->letter)
		buf_printf(out, "*-%c*, ", info->letter);
	buf_printf(out, "*--%s*", info->name);
	if (info->value)
		buf_printf(out, " _%s_", info->value);
	buf_append_str(out, "\n\t");
	help_flag(command, flag, &help);
	append_text(out, buf_cstr(&help));
	buf_append_str(out, "\n\n");
}

static void append_command(struct buf *out, const struct command *command)
{
	buf_printf(out, "## kvctl %s\n\n*kvctl %s* [_FLAGS_]", command->name, command->name);
	buf_append_str(out, *command->operands ? " " : "");
	append_text(out, command->operands);
	buf_printf(out, "\n\n%c", toupper((unsigned char)command->summary[0]));
	append_text(out, command->summary + 1);
	buf_append_str(out, "\\.\n\n");
	if (*command->details)
		append_details(out, command->details);
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (flag_set_has(command->flags, (enum flag)flag))
			append_flag(out, command, (enum flag)flag);
	}
}

/* ---- Pages -------------------------------------------------------------------------------------------------------- */

static void append_list(struct buf *out)
{
	size_t count;
	const struct command *commands = commands_all(&count);
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		buf_printf(out, "## %s\n\nDescribed in *%s*(1).\n\n", groups[g].group, groups[g].page);
		for (size_t i = 0; i < count; i++) {
			if (strcmp(commands[i].group, groups[g].group) != 0)
				continue;
			append_bold(out, commands[i].name);
			buf_append_str(out, *commands[i].operands ? " " : "");
			append_text(out, commands[i].operands);
			buf_append_str(out, "\n\t");
			append_text(out, commands[i].summary);
			buf_append_str(out, "\n\n");
		}
	}
}

static void append_see_also(struct buf *out, const char *but)
{
	buf_append_str(out, "# SEE ALSO\n\n");
	if (strcmp(but, "kvctl") != 0)
		buf_append_str(out, "*kvctl*(1), ");
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		if (strcmp(groups[g].page, but) != 0)
			buf_printf(out, "*%s*(1), ", groups[g].page);
	}
	buf_append_str(out, "*kvd*(8), *kv_client*(3)\n");
}

static void main_page(struct buf *out)
{
	append_header(out, "kvctl", "command line of kvd, a replicated key-value store");
	buf_append_str(
		out,
		"# SYNOPSIS\n\n"
		"*kvctl* _COMMAND_ [_FLAGS_] [_OPERANDS_]\n\n"
		"*kvctl*\n\n"
		"# DESCRIPTION\n\n"
		"kvctl reads and writes the keys of a kvd cluster, and shows and changes its state. Without a command, on a\n"
		"terminal, it is a shell. Results go to standard output, everything else to standard error. A flag counts, then its\n"
		"variable, then the context (*kvctl ctx*), then the default.\n\n"
		"# COMMANDS\n\n");
	append_list(out);
	buf_append_str(out, "# ENVIRONMENT\n\n");
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		CLEANUP(buf_release) struct buf name = BUF_INIT;
		const struct flag_info *info = flag_info((enum flag)flag);
		if (!info->environment)
			continue;
		flag_variable((enum flag)flag, &name);
		append_bold(out, buf_cstr(&name));
		buf_printf(out, "\n\tfor *--%s*: ", info->name);
		append_text(out, info->help);
		buf_append_str(out, "\n\n");
	}
	buf_append_str(
		out,
		"*NO\\_COLOR*\n\tno colours, also on a terminal\n\n"
		"# FILES\n\n"
		"_~/.config/kvctl/config.yaml_\n\tthe contexts; below $XDG\\_CONFIG\\_HOME if that is set\n\n"
		"_~/.local/state/kvctl/history_\n\tlines of the shell; below $XDG\\_STATE\\_HOME if that is set\n\n"
		"# EXIT STATUS\n\n");
	help_exit_codes(out);
	buf_append_str(out, "\n# EXAMPLES\n\n```\n"
			    "kvctl dev up 3\n"
			    "export KVCTL_ENDPOINTS=$(cat kvd-dev/endpoints)\n"
			    "kvctl put greeting hello -c strong\n"
			    "kvctl get greeting\n"
			    "kvctl status\n```\n\n");
	append_see_also(out, "kvctl");
}

static void group_page(const struct man_group *group, struct buf *out)
{
	size_t count;
	const struct command *commands = commands_all(&count);
	append_header(out, group->page, group->summary);
	buf_append_str(out, "# SYNOPSIS\n\n");
	for (size_t i = 0; i < count; i++) {
		if (strcmp(commands[i].group, group->group) != 0)
			continue;
		buf_printf(out, "*kvctl %s* [_FLAGS_]%s", commands[i].name, *commands[i].operands ? " " : "");
		append_text(out, commands[i].operands);
		buf_append_str(out, "\n\n");
	}
	buf_append_str(out, "# COMMANDS\n\n");
	for (size_t i = 0; i < count; i++) {
		if (strcmp(commands[i].group, group->group) == 0)
			append_command(out, &commands[i]);
	}
	append_see_also(out, group->page);
}

bool man_page(const char *name, struct buf *out)
{
	if (strcmp(name, "kvctl") == 0) {
		main_page(out);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (strcmp(groups[i].page, name) == 0) {
			group_page(&groups[i], out);
			return true;
		}
	}
	return false;
}

int cmd_man(struct ctl *ctl)
{
	CLEANUP(buf_release) struct buf page = BUF_INIT;
	if (!man_page(ctl->operands[0], &page))
		return ctl_usage(ctl, "there is no page \"%s\"", ctl->operands[0]);
	output_bytes(buf_slice(&page));
	return 0;
}
