/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What may stand in the place of the word being typed: commands, their flags and the values of those, and from the cluster keys and
 * nodes. One way of telling for kvctl shell and for the completion scripts of bash, zsh and fish.
 */
#ifndef KV_CLI_COMPLETE_H
#define KV_CLI_COMPLETE_H

#include "cli/commands.h"

struct complete_word {
	char *text;
	const char *help; /* static; "" for none */
};

struct completions {
	struct complete_word *list; /* sorted, each once */
	size_t count;
	bool files; /* names of files may stand there too */
};

/**
 * What may stand in the place of the last of WORDS, which follow the program's name. BASE and SHARED as in run_line. What the cluster
 * does not tell within a moment is left out, without a word. Release it with completions_release.
 */
void complete_words(struct completions *ret, const struct args *base, struct ctl_shared *shared, int count,
		    char **words);

void completions_release(struct completions *completions);

/** Appends what all texts begin with. */
void completions_common(const struct completions *completions, struct buf *out);

#endif
