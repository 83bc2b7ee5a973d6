/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run.h"

#include <unistd.h>

#include "cli/context.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/session_file.h"

static int refuse(const char *where, struct buf *why)
{
	fprintf(stderr, "kvctl%s%s: %s\nsee kvctl help%s%s\n", where ? " " : "", where ? where : "", buf_cstr(why),
		where ? " " : "", where ? where : "");
	return 2;
}

static int print(struct buf *text)
{
	output_bytes(buf_slice(text));
	return output_flush() ? 0 : 1;
}

static int show_help(int argc, char **argv)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	if (argc == 0) {
		commands_help(&text);
		return print(&text);
	}
	int words;
	const struct command *command = commands_find(argc, argv, &words, &text);
	if (!command)
		return refuse(NULL, &text);
	command_help(command, &text);
	return print(&text);
}

/** The format asked for on the command line must be one of the command's; one from the environment gives way. */
static int choose_output(struct ctl *ctl)
{
	const struct command *command = ctl->command;
	if (args_given(&ctl->args, FLAG_OUTPUT) && (command->outputs & ctl->args.output))
		return 0;
	if (args_typed(&ctl->args, FLAG_OUTPUT))
		return ctl_usage(ctl, "this command does not write that output format");
	ctl->args.output = command->output;
	return 0;
}

static int check_operands(const struct ctl *ctl)
{
	const struct command *command = ctl->command;
	if (ctl->operand_count < command->operands_min)
		return ctl_usage(ctl, "something is missing");
	if (command->operands_max >= 0 && ctl->operand_count > command->operands_max)
		return ctl_usage(ctl, "\"%s\" is too much", ctl->operands[command->operands_max]);
	return 0;
}

/** Runs the command with the session of --session-file, which keeps what it saw. */
static int run_in_session(struct ctl *ctl)
{
	const char *path = ctl->args.session_file;
	struct error err;
	bool keeps = flag_set_has(ctl->command->flags, FLAG_SESSION_FILE);
	if (!path && keeps && ctl->args.level == KV_LEVEL_SESSION && args_typed(&ctl->args, FLAG_CONSISTENCY))
		return ctl_usage(ctl,
				 "-c session needs --session-file PATH, where the session is kept between runs");
	if (!path)
		return ctl->command->run(ctl);
	ctl->session = kv_session_new();
	int code = 0;
	if (session_file_load(path, ctl->session, &err) != KV_OK) {
		ctl_say(ctl, "%s", err.message);
		code = err.status == KV_INVALID ? 2 : 1;
	}
	if (code == 0) {
		code = ctl->command->run(ctl);
		if (session_file_save(path, ctl->session, &err) != KV_OK) {
			ctl_say(ctl, "%s", err.message);
			code = ctl_worse(code, 1);
		}
	}
	kv_session_free(ctl->session);
	return code;
}

/** What neither the command line nor a variable gives comes from the context. Gives the exit code. */
static int take_context(struct ctl *ctl, struct contexts *contexts, flag_set allowed)
{
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	struct error err;
	if (!flag_set_has(allowed, FLAG_CONTEXT))
		return 0;
	if (contexts_load(contexts, &err) != KV_OK) {
		ctl_say(ctl, "%s", err.message);
		return status_exit_code(err.status);
	}
	return contexts_apply(contexts, &ctl->args, allowed, &why) ? 0 : refuse(ctl->command->name, &why);
}

/** argv[0] is the command's last word. */
static int run_command(struct ctl *ctl, int argc, char **argv)
{
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	CLEANUP(contexts_release) struct contexts contexts = {0}; /* lends texts to the args */
	flag_set allowed = ctl->command->flags | FLAG_BIT(FLAG_HELP);
	int first = args_parse(&ctl->args, argc, argv, allowed, /* leading: */ false, &why);
	if (first == 0)
		return refuse(ctl->command->name, &why);
	if (ctl->args.help) {
		command_help(ctl->command, &why);
		return print(&why);
	}
	if (!args_environment(&ctl->args, allowed, &why))
		return refuse(ctl->command->name, &why);
	ctl->operands = argv + first;
	ctl->operand_count = argc - first;
	int code = take_context(ctl, &contexts, allowed);
	if (code == 0)
		code = choose_output(ctl);
	if (code == 0)
		code = check_operands(ctl);
	if (code == 0)
		code = run_in_session(ctl);
	ctl_close(ctl);
	return output_flush() ? code : ctl_worse(code, 1);
}

/** Flags before the command that it does not take are mistakes, as behind it. */
static bool takes_flags(const struct ctl *ctl, struct buf *why)
{
	flag_set extra = ctl->args.typed & ~(ctl->command->flags | FLAG_BIT(FLAG_HELP));
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (flag_set_has(extra, (enum flag)flag)) {
			buf_printf(why, "it takes no --%s", flag_info((enum flag)flag)->name);
			return false;
		}
	}
	return true;
}

void run_inherit(struct args *args, const struct args *origin)
{
	args_init(args);
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (args_typed(origin, (enum flag)flag) && args_default(args, (enum flag)flag, origin->texts[flag]))
			KV_UNREACHABLE("it was read before");
	}
}

int run_line(const struct args *base, struct ctl_shared *shared, int argc, char **argv)
{
	static const flag_set leading = FLAG_BIT(FLAG_OUTPUT) | FLAG_BIT(FLAG_ENDPOINTS) | FLAG_BIT(FLAG_ZONE) |
					FLAG_BIT(FLAG_CONTEXT) | FLAG_BIT(FLAG_TIMEOUT) |
					FLAG_BIT(FLAG_CONSISTENCY) | FLAG_BIT(FLAG_ACKS) | FLAG_BIT(FLAG_RECEIPT) |
					FLAG_BIT(FLAG_HELP) | FLAG_BIT(FLAG_VERSION);
	static char *alone[] = {(char *)"shell", NULL};
	struct ctl ctl = {.args = *base, .shared = shared};
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	int first = args_parse(&ctl.args, argc, argv, leading, /* leading: */ true, &text);
	if (first == 0)
		return refuse(NULL, &text);
	argc -= first;
	argv += first;
	if (ctl.args.version) {
		buf_printf(&text, "kvctl %s\n", KVD_VERSION);
		return print(&text);
	}
	if (argc > 0 && strcmp(argv[0], "help") == 0)
		return show_help(argc - 1, argv + 1);
	if (argc == 0 && !ctl.args.help && !shared && isatty(STDIN_FILENO) && output_is_terminal()) {
		argc = 1;
		argv = alone;
	}
	if (argc == 0) {
		commands_help(&text);
		if (ctl.args.help)
			return print(&text);
		fwrite(text.data, 1, text.size, stderr);
		return 2;
	}
	int words;
	ctl.command = commands_find(argc, argv, &words, &text);
	if (!ctl.command || !takes_flags(&ctl, &text))
		return refuse(ctl.command ? ctl.command->name : NULL, &text);
	return run_command(&ctl, argc - words + 1, argv + words - 1);
}
