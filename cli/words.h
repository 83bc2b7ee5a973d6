/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A line cut into words as a POSIX shell does, without any expansion: blanks part words; '...' is taken as it is; in "..." a
 * backslash takes the next of " and \; outside of quotes it takes any; # at the beginning of a word begins a comment.
 */
#ifndef KV_CLI_WORDS_H
#define KV_CLI_WORDS_H

#include "base/buf.h"

struct words {
	char **list; /* NULL behind the last */
	int count;
	size_t last_at; /* where the last word begins in the line */
};

/** False, with a message in WHY, if a quote is left open. Release it in any case. */
MUST_USE bool words_split(struct words *words, const char *line, struct buf *why);

/** The beginning of a line, for completion: the last word is the one begun, maybe empty, and quotes may be open. */
void words_split_begun(struct words *words, const char *line);

void words_release(struct words *words);

/** Appends WORD so that words_split gives it back. */
void words_quote(struct buf *out, const char *word);

#endif
