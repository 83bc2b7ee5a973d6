/* SPDX-License-Identifier: Apache-2.0 */
/* shell: lines that are commands, from a terminal or a file. */
#include <unistd.h>

#include "cli/complete.h"
#include "cli/context.h"
#include "cli/editor.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/words.h"

struct shell {
	struct ctl *ctl;
	struct args base; /* of every line */
	struct ctl_shared shared;
	struct editor *editor; /* NULL: not from a terminal */
	char *line;            /* of getline */
	size_t room;
	int code; /* of the last line */
};

static void complete(void *arg, struct completions *ret, int count, char **words)
{
	struct shell *s = arg;
	complete_words(ret, &s->base, &s->shared, count, words);
}

/** "kvctl NAME> " with a context, which a line may have changed. */
static void append_prompt(const struct shell *s, struct buf *out)
{
	CLEANUP(contexts_release) struct contexts contexts = {0};
	const char *name = s->base.context;
	if (!name)
		name = getenv("KVCTL_CONTEXT");
	if (!(name && *name) && contexts_load(&contexts, NULL) == KV_OK)
		name = contexts.current;
	if (name && *name && strcmp(name, CONTEXT_DEFAULT) != 0)
		buf_printf(out, "kvctl %s> ", name);
	else
		buf_append_str(out, "kvctl> ");
}

/** The next line, lent until the next call; NULL at the end. */
static const char *next_line(struct shell *s)
{
	if (s->editor) {
		CLEANUP(buf_release) struct buf prompt = BUF_INIT;
		append_prompt(s, &prompt);
		return editor_read(s->editor, buf_cstr(&prompt));
	}
	ssize_t size = getline(&s->line, &s->room, stdin);
	if (size < 0)
		return NULL;
	s->line[strcspn(s->line, "\n")] = '\0';
	return s->line;
}

/** What was left open or broken by the line before is not the next one's concern. */
static void begin_line(void)
{
	interrupt_begin_line();
	clearerr(stdout);
}

static void run_words(struct shell *s, struct words *words)
{
	/* argv[0] is the program: what a line from elsewhere may have in the beginning. */
	bool pasted = strcmp(words->list[0], "kvctl") == 0;
	CLEANUP(free_ptr) char **argv = xcalloc((size_t)words->count + 2, sizeof *argv);
	int argc = 0;
	argv[argc++] = (char *)"kvctl";
	for (int i = pasted; i < words->count; i++)
		argv[argc++] = words->list[i];
	if (argc == 1)
		return;
	begin_line();
	s->code = run_line(&s->base, &s->shared, argc, argv);
	if (s->editor)
		clearerr(stdin); /* Ctrl-D ended a value, not the shell */
}

/** False: the line leaves the shell. */
static bool take_line(struct shell *s, const char *line)
{
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	CLEANUP(words_release) struct words words = {0};
	bool good = words_split(&words, line, &why);
	if (s->editor && words.count > 0)
		editor_remember(s->editor, line, /* keep= */ *line != ' ');
	if (!good)
		s->code = ctl_usage(s->ctl, "%s", buf_cstr(&why));
	else if (words.count == 1 && (strcmp(words.list[0], "exit") == 0 || strcmp(words.list[0], "quit") == 0))
		return false;
	else if (words.count > 0)
		run_words(s, &words);
	return true;
}

int cmd_shell(struct ctl *ctl)
{
	if (ctl->shared)
		return ctl_usage(ctl, "this is one");
	struct shell s = {.ctl = ctl};
	run_inherit(&s.base, &ctl->args);
	if (isatty(STDIN_FILENO) && output_is_terminal()) {
		s.editor = editor_new(complete, &s);
		fprintf(stderr, "kvctl %s; help lists the commands, exit leaves\n", KVD_VERSION);
	}
	const char *line;
	do
		line = next_line(&s);
	while (line && take_line(&s, line));
	if (s.editor) {
		if (!line)
			putchar('\n');
		editor_free(s.editor);
	}
	ctl_shared_release(&s.shared);
	free(s.line);
	return s.code;
}
