/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/editor.h"

#include <glob.h>
#include <histedit.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/history_file.h"
#include "cli/words.h"

enum { COLUMNS = 80, SHOWN_MAX = 100 };

struct editor {
	EditLine *el;
	HistoryW *history; /* wide: the plain functions have names that others have too */
	editor_complete_fn complete;
	void *arg;
	const char *prompt;
	char *line; /* of the last call */
	bool given_up;
};

static struct editor *editor_of(EditLine *el)
{
	void *editor = NULL;
	el_get(el, EL_CLIENTDATA, &editor);
	return editor;
}

static char *show_prompt(EditLine *el) { return (char *)editor_of(el)->prompt; }

/* ---- Completion --------------------------------------------------------------------------------------------------- */

static size_t columns_of_text(const char *text)
{
	wchar_t wide[256];
	size_t count = mbstowcs(wide, text, ARRAY_SIZE(wide));
	int columns = count == (size_t)-1 || count == ARRAY_SIZE(wide) ? -1 : wcswidth(wide, count);
	return columns < 0 ? strlen(text) : (size_t)columns;
}

static size_t terminal_columns(void)
{
	struct winsize size;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS;
}

/** Lists the candidates in columns below the line. */
static void show_candidates(const struct completions *found)
{
	size_t width = 0, shown = MIN(found->count, (size_t)SHOWN_MAX), column = 0;
	for (size_t i = 0; i < shown; i++)
		width = MAX(width, columns_of_text(found->list[i].text) + 2);
	size_t across = MAX(terminal_columns() / width, (size_t)1);
	for (size_t i = 0; i < shown; i++) {
		if (column == 0)
			putchar('\n');
		printf("%s%*s", found->list[i].text, (int)(width - columns_of_text(found->list[i].text)), "");
		column = (column + 1) % across;
	}
	if (shown < found->count)
		printf("\n... and %zu more", found->count - shown);
	putchar('\n');
	fflush(stdout);
}

/** Adds names of files that begin with BEGUN; directories end with a slash. */
static void add_files(struct completions *found, const char *begun)
{
	CLEANUP(buf_release) struct buf pattern = BUF_INIT;
	for (const char *at = begun; *at; at++) {
		if (strchr("*?[\\", *at))
			buf_append_u8(&pattern, '\\');
		buf_append_u8(&pattern, (uint8_t)*at);
	}
	buf_append_u8(&pattern, '*');
	glob_t names;
	if (glob(buf_cstr(&pattern), GLOB_MARK, NULL, &names) != 0)
		return;
	found->list = xrealloc(found->list, (found->count + names.gl_pathc + 1) * sizeof *found->list);
	for (size_t i = 0; i < names.gl_pathc; i++)
		found->list[found->count++] = (struct complete_word){xstrdup(names.gl_pathv[i]), ""};
	globfree(&names);
}

/** Puts TEXT in the place of what was typed from AT in HEAD, which ends at the cursor; with END, a blank follows. */
static void replace_word(EditLine *el, const char *head, size_t at, const char *text, bool end)
{
	CLEANUP(buf_release) struct buf quoted = BUF_INIT;
	size_t letters = mbstowcs(NULL, head + at, 0);
	words_quote(&quoted, text);
	if (end)
		buf_append_u8(&quoted, ' ');
	if (letters != (size_t)-1)
		el_deletestr(el, (int)letters);
	el_insertstr(el, buf_cstr(&quoted));
}

static unsigned char on_tab(EditLine *el, int key)
{
	(void)key;
	struct editor *e = editor_of(el);
	const LineInfo *line = el_line(el);
	CLEANUP(buf_release) struct buf head = BUF_INIT;
	CLEANUP(buf_release) struct buf common = BUF_INIT;
	CLEANUP(words_release) struct words words = {0};
	CLEANUP(completions_release) struct completions found = {0};
	buf_append(&head, line->buffer, (size_t)(line->cursor - line->buffer));
	words_split_begun(&words, buf_cstr(&head));
	bool pasted = words.count > 1 && strcmp(words.list[0], "kvctl") == 0;
	e->complete(e->arg, &found, words.count - pasted, words.list + pasted);
	const char *begun = words.list[words.count - 1];
	if (found.files)
		add_files(&found, begun);
	completions_common(&found, &common);
	const char *text = buf_cstr(&common);
	size_t size = strlen(text);
	if (found.count == 1) {
		replace_word(el, head.size ? (const char *)head.data : "", words.last_at, text,
			     size == 0 || !strchr("=/", text[size - 1]));
		return CC_REFRESH;
	}
	if (size > strlen(begun)) {
		replace_word(el, (const char *)head.data, words.last_at, text, /* end= */ false);
		return CC_REFRESH;
	}
	if (found.count == 0)
		return CC_ERROR;
	show_candidates(&found);
	return CC_REDISPLAY;
}

/* ---- The editor --------------------------------------------------------------------------------------------------- */

static unsigned char on_give_up(EditLine *el, int key)
{
	(void)key;
	editor_of(el)->given_up = true;
	printf("^C");
	fflush(stdout);
	return CC_NEWLINE;
}

static void load_line(void *arg, const char *line)
{
	struct editor *e = arg;
	HistEventW event;
	size_t room = strlen(line) + 1;
	CLEANUP(free_ptr) wchar_t *wide = xcalloc(room, sizeof *wide);
	if (mbstowcs(wide, line, room) != (size_t)-1)
		history_w(e->history, &event, H_ENTER, wide);
}

struct editor *editor_new(editor_complete_fn complete, void *arg)
{
	struct editor *e = xcalloc(1, sizeof *e);
	HistEventW event;
	*e = (struct editor){.complete = complete, .arg = arg, .prompt = ""};
	e->el = el_init("kvctl", stdin, stdout, stderr);
	e->history = history_winit();
	KV_ASSERT(e->el && e->history);
	history_w(e->history, &event, H_SETSIZE, HISTORY_LINES);
	history_w(e->history, &event, H_SETUNIQUE, 1);
	el_set(e->el, EL_CLIENTDATA, e);
	el_set(e->el, EL_PROMPT, show_prompt);
	el_set(e->el, EL_EDITOR, "emacs");
	el_wset(e->el, EL_HIST, history_w, e->history);
	el_set(e->el, EL_ADDFN, "kvctl-complete", "Complete the word", on_tab);
	el_set(e->el, EL_ADDFN, "kvctl-give-up", "Give the line up", on_give_up);
	el_set(e->el, EL_BIND, "^I", "kvctl-complete", NULL);
	el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	/* Ctrl-C is a key while a line is typed, and a signal while a command runs. */
	el_set(e->el, EL_SETTY, "-d", "-isig", NULL);
	el_set(e->el, EL_BIND, "^C", "kvctl-give-up", NULL);
	history_file_load(load_line, e);
	return e;
}

void editor_free(struct editor *e)
{
	el_end(e->el);
	history_wend(e->history);
	free(e->line);
	free(e);
}

const char *editor_read(struct editor *e, const char *prompt)
{
	int count = 0;
	e->prompt = prompt;
	e->given_up = false;
	const char *line = el_gets(e->el, &count);
	free(e->line);
	e->line = line && count > 0 ? xstrdup(line) : NULL;
	if (!e->line)
		return e->given_up ? "" : NULL;
	e->line[strcspn(e->line, "\r\n")] = '\0';
	if (e->given_up) {
		putchar('\n');
		fflush(stdout);
		return "";
	}
	return e->line;
}

void editor_remember(struct editor *e, const char *line, bool keep)
{
	load_line(e, line);
	if (keep)
		history_file_add(line);
}
