/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Lines typed at a terminal, with editing, history and completion by libedit.
 */
#ifndef KV_CLI_EDITOR_H
#define KV_CLI_EDITOR_H

#include "cli/complete.h"

struct editor;

/** What may stand in the place of the last of WORDS. ARG is that of editor_new. Released by the editor. */
typedef void (*editor_complete_fn)(void *arg, struct completions *ret, int count, char **words);

/** Takes standard input, which must be a terminal. Free it with editor_free. */
struct editor *editor_new(editor_complete_fn complete, void *arg);
void editor_free(struct editor *editor);

/**
 * The next line without its end, lent until the next call: "" after Ctrl-C, which gives the line up; NULL at the end (Ctrl-D). PROMPT
 * is borrowed for the call.
 */
const char *editor_read(struct editor *editor, const char *prompt);

/** Puts LINE into the history and, with KEEP, into its file. */
void editor_remember(struct editor *editor, const char *line, bool keep);

#endif
