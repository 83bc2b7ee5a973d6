/* SPDX-License-Identifier: Apache-2.0 */
/**
 * All commands in one table, which drives dispatch, help and the reference in docs/kvctl.md; and what they share.
 */
#ifndef KV_CLI_COMMANDS_H
#define KV_CLI_COMMANDS_H

#include <kv/client.h>

#include "base/status.h"
#include "cli/args.h"

struct ctl;

struct command {
	const char *group;              /* heading in the list of commands; "": not listed */
	const char *name;               /* "get", "cluster init" */
	const char *operands;           /* "KEY" as usage shows it; "" for none */
	const char *summary;            /* one line, no full stop */
	const char *details;            /* further lines, each ended; "" for none */
	flag_set flags;                 /* that it takes, besides --help */
	unsigned outputs;               /* set of formats it can write; 0: none */
	enum output_format output;      /* if none is asked for */
	uint32_t timeout_ms;            /* if none is asked for; 0: the library's */
	int operands_min, operands_max; /* max -1: any number */
	int (*run)(struct ctl *ctl);    /* gives the exit code */
};

/** A client that outlives one command, and where it asks: of a shell. Zeroed before the first. */
struct ctl_shared {
	struct kv_client *client; /* NULL: none yet */
	char *endpoints, *zone;
};

/** One run of a command. */
struct ctl {
	const struct command *command;
	struct args args;
	char **operands;
	int operand_count;
	struct kv_client *client;   /* NULL until ctl_open */
	struct kv_session *session; /* of --session-file; NULL without */
	struct ctl_shared *shared;  /* NULL without a shell */
	bool strong_write;          /* set by ctl_write_options: what became of it can be asked */
};

/** The table, in the order of help. Static storage. */
const struct command *commands_all(size_t *ret_count);

/** Finds the command that argv[0..] names and how many words name it. NULL, with a message in WHY, if there is none. */
const struct command *commands_find(int argc, char **argv, int *ret_words, struct buf *why);

/* ---- For the commands --------------------------------------------------------------------------------------------- */

/** A client's configuration by the flags, the caller's to free; NULL after an error, which was told. */
struct kv_config *ctl_config(struct ctl *ctl);

/** Opens the client once, at ENDPOINTS or, for NULL, where the flags say. False after an error, which it has told. */
MUST_USE bool ctl_open(struct ctl *ctl, const char *endpoints);

/** The exit code then: what it was given to find nodes by is no good. */
int ctl_not_open(void);

/** Closes the client, unless it is the shared one. */
void ctl_close(struct ctl *ctl);
void ctl_shared_release(struct ctl_shared *shared);

/** What the flags ask of each request. Points into CTL. */
struct kv_options ctl_options(const struct ctl *ctl);

/** A write by these flags has a condition or a fence. */
bool ctl_has_condition(const struct ctl *ctl);

/**
 * ctl_options for a write; STRONG_ONLY: of a kind that is strong or nothing, as all with a condition or fence are. They are strong
 * then unless -c asks for something else, which is a mistake. False after a mistake, which it has told.
 */
MUST_USE bool ctl_write_options(struct ctl *ctl, bool strong_only, struct kv_options *ret);

/** For calls that go to one node. 0: the library's default. */
unsigned ctl_timeout_ms(const struct ctl *ctl);

/** Tells an error and gives its exit code. WHAT names what failed, a key or a node; NULL: nothing to add. */
int ctl_fail(const struct ctl *ctl, const char *what, const struct kv_error *err);

/** The exit code alone: in doubt counts more than the reason. */
int ctl_exit_code(const struct kv_error *err);

/** Of two exit codes the one that an operator must know about first. */
int ctl_worse(int a, int b);

/** Tells a mistake in the use and gives exit code 2. */
int ctl_usage(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/** A line to standard error, begun with the command's name. */
void ctl_say(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/** The node's index; KV_NODE_NONE, with the error told, if there is none of that name or the nodes cannot be asked. */
uint16_t ctl_find_node(struct ctl *ctl, const char *name, int *ret_exit_code);

static inline struct kv_slice ctl_slice(struct slice s) { return kv_slice_of(s.data, s.size); }
static inline struct slice ctl_bytes(struct kv_slice s) { return slice_of(s.data, s.size); }

/* ---- The commands, a file a group --------------------------------------------------------------------------------- */

int cmd_get(struct ctl *ctl);
int cmd_put(struct ctl *ctl);
int cmd_del(struct ctl *ctl);
int cmd_cas(struct ctl *ctl);
int cmd_incr(struct ctl *ctl);
int cmd_append(struct ctl *ctl);
int cmd_outcome(struct ctl *ctl);
int cmd_ttl(struct ctl *ctl);
int cmd_expire(struct ctl *ctl);
int cmd_ledger_ls(struct ctl *ctl);
int cmd_ledger_restore(struct ctl *ctl);
int cmd_lock(struct ctl *ctl);
int cmd_elect(struct ctl *ctl);
int cmd_mget(struct ctl *ctl);
int cmd_mput(struct ctl *ctl);
int cmd_scan(struct ctl *ctl);
int cmd_load(struct ctl *ctl);
int cmd_export(struct ctl *ctl);
int cmd_bench(struct ctl *ctl);
int cmd_status(struct ctl *ctl);
int cmd_explain(struct ctl *ctl);
int cmd_doctor(struct ctl *ctl);
int cmd_upgrade_status(struct ctl *ctl);
int cmd_upgrade_finalize(struct ctl *ctl);
int cmd_health(struct ctl *ctl);
int cmd_top(struct ctl *ctl);
int cmd_trace_ls(struct ctl *ctl);
int cmd_trace_show(struct ctl *ctl);
int cmd_config_get(struct ctl *ctl);
int cmd_config_set(struct ctl *ctl);
int cmd_config_diff(struct ctl *ctl);
int cmd_config_check(struct ctl *ctl);
int cmd_log_level(struct ctl *ctl);
int cmd_verify(struct ctl *ctl);
int cmd_cluster_init(struct ctl *ctl);
int cmd_cluster_plan(struct ctl *ctl);
int cmd_cluster_commit(struct ctl *ctl);
int cmd_cluster_discard(struct ctl *ctl);
int cmd_cluster_pause(struct ctl *ctl);
int cmd_cluster_resume(struct ctl *ctl);
int cmd_cluster_token(struct ctl *ctl);
int cmd_node_add(struct ctl *ctl);
int cmd_node_replace(struct ctl *ctl);
int cmd_node_remove(struct ctl *ctl);
int cmd_node_keep(struct ctl *ctl);
int cmd_move_ls(struct ctl *ctl);
int cmd_repair_status(struct ctl *ctl);
int cmd_repair_run(struct ctl *ctl);
int cmd_unsafe_recover(struct ctl *ctl);
int cmd_node_ls(struct ctl *ctl);
int cmd_partition_ls(struct ctl *ctl);
int cmd_partition_locate(struct ctl *ctl);
int cmd_hint_ls(struct ctl *ctl);
int cmd_ctx_add(struct ctl *ctl);
int cmd_ctx_use(struct ctl *ctl);
int cmd_ctx_ls(struct ctl *ctl);
int cmd_ctx_rm(struct ctl *ctl);
int cmd_shell(struct ctl *ctl);
int cmd_completion(struct ctl *ctl);
int cmd_complete(struct ctl *ctl);
int cmd_man(struct ctl *ctl);
int cmd_dev_up(struct ctl *ctl);
int cmd_dev_down(struct ctl *ctl);
int cmd_dev_kill(struct ctl *ctl);
int cmd_dev_start(struct ctl *ctl);
int cmd_dev_ls(struct ctl *ctl);
int cmd_dev_add(struct ctl *ctl);
int cmd_dev_remove(struct ctl *ctl);

#endif
