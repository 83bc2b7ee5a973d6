/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Contexts: named sets of flags that say which cluster is meant and how it is asked, kept in
 * ${XDG_CONFIG_HOME:-~/.config}/kvctl/config.yaml. One of them may be the current one.
 *
 * The name "default" stands for the context without any flags.
 */
#ifndef KV_CLI_CONTEXT_H
#define KV_CLI_CONTEXT_H

#include "base/status.h"
#include "cli/args.h"

#define CONTEXT_DEFAULT "default"

enum { CONTEXTS_MAX = 1000 };

/** The text of each flag; NULL: not set. Owned. */
struct context {
	char *name;
	char *endpoints, *zone, *consistency, *timeout, *output;
};

/** Zeroed, it is what no file has. */
struct contexts {
	char *current; /* NULL: the default one */
	struct context *list;
	unsigned count;
};

/** The flags a context can set. */
#define CONTEXT_FLAGS                                                                                              \
	(FLAG_BIT(FLAG_ENDPOINTS) | FLAG_BIT(FLAG_ZONE) | FLAG_BIT(FLAG_CONSISTENCY) | FLAG_BIT(FLAG_TIMEOUT) |    \
	 FLAG_BIT(FLAG_OUTPUT))

/** The context's text of a flag of CONTEXT_FLAGS. */
char **context_text(struct context *context, enum flag flag);

/** Reads the file; no file is no contexts. KV_IO; KV_INVALID: with the line and what is wrong there. */
MUST_USE enum kv_status contexts_load(struct contexts *ret, struct error *err);

/** Replaces the file, which only its owner may read, at once or not at all; makes its directory. KV_IO. */
MUST_USE enum kv_status contexts_save(const struct contexts *contexts, struct error *err);

void contexts_release(struct contexts *contexts);

/** NULL: there is none of that name. */
struct context *contexts_find(const struct contexts *contexts, const char *name);

/** Adds one of that name, which must be new and good. Lives until the next one is added or removed. */
struct context *contexts_add(struct contexts *contexts, const char *name);

/** Removes one of the list. If it was the current one, the default is. */
void contexts_remove(struct contexts *contexts, struct context *context);

/** 1 to 64 letters, digits, '-', '_', '.', and not "default". */
bool context_name_is_good(const char *name);

/**
 * Gives ARGS what is in ALLOWED, not given, and in the context of --context or the current one. The texts are borrowed
 * from CONTEXTS. False after a mistake, with a message in WHY.
 */
MUST_USE bool contexts_apply(struct contexts *contexts, struct args *args, flag_set allowed, struct buf *why);

#endif
