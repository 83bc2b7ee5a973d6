/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words.h"

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void add_word(struct words *words, struct buf *word, size_t at)
{
	words->list = xrealloc(words->list, ((size_t)words->count + 2) * sizeof *words->list);
	words->list[words->count++] = xstrdup(buf_cstr(word));
	words->list[words->count] = NULL;
	words->last_at = at;
	buf_clear(word);
}

/** Appends the text between quotes, AT being behind the opening one. Gives what follows, the end if it stays open. */
static const char *take_quoted(const char *at, char quote, struct buf *word, bool *ret_open)
{
	for (; *at; at++) {
		if (*at == quote)
			return at + 1;
		if (quote == '"' && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
			at++;
		buf_append_u8(word, (uint8_t)*at);
	}
	*ret_open = true;
	return at;
}

/** Appends one word. Gives what follows. */
static const char *take_word(const char *at, struct buf *word, bool *ret_open)
{
	while (*at && !is_blank(*at)) {
		if (*at == '\'' || *at == '"') {
			at = take_quoted(at + 1, *at, word, ret_open);
			continue;
		}
		if (*at == '\\' && at[1])
			at++;
		buf_append_u8(word, (uint8_t)*at++);
	}
	return at;
}

/** Gives false if a quote is left open; the word is taken. */
static bool split(struct words *words, const char *line, bool begun)
{
	CLEANUP(buf_release) struct buf word = BUF_INIT;
	bool open = false;
	*words = (struct words){0};
	for (const char *at = line;;) {
		while (is_blank(*at))
			at++;
		if (*at == '#' || !*at) {
			/* Behind a blank another word begins. */
			if (begun && (at == line || is_blank(at[-1])))
				add_word(words, &word, (size_t)(at - line));
			return !open;
		}
		const char *first = at;
		at = take_word(at, &word, &open);
		add_word(words, &word, (size_t)(first - line));
	}
}

bool words_split(struct words *words, const char *line, struct buf *why)
{
	if (split(words, line, /* begun= */ false))
		return true;
	buf_append_str(why, "a quote is left open");
	return false;
}

void words_split_begun(struct words *words, const char *line)
{
	(void)split(words, line, /* begun= */ true);
	KV_ASSERT(words->count > 0);
}

void words_release(struct words *words)
{
	for (int i = 0; i < words->count; i++)
		free(words->list[i]);
	free(words->list);
	*words = (struct words){0};
}

void words_quote(struct buf *out, const char *word)
{
	if (!*word)
		buf_append_str(out, "''");
	for (const char *at = word; *at; at++) {
		if (is_blank(*at) || *at == '\'' || *at == '"' || *at == '\\' || (*at == '#' && at == word))
			buf_append_u8(out, '\\');
		buf_append_u8(out, (uint8_t)*at);
	}
}
