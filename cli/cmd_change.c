/* SPDX-License-Identifier: Apache-2.0 */
/* node add, replace, remove, keep; cluster plan, commit, discard, pause, resume, token; unsafe recover. */
#include <errno.h>
#include <unistd.h>

#include "cli/change.h"
#include "cli/dev_node.h"
#include "cli/json.h"
#include "cli/output.h"

/** OLD: the name of a dead node in whose place it comes; NULL: beside the others. */
static int add_node(struct ctl *ctl, const char *address, const char *old)
{
	uint16_t replaces = KV_NODE_NONE;
	struct kv_error err;
	int code = 0;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (old) {
		replaces = ctl_find_node(ctl, old, &code);
		if (replaces == KV_NODE_NONE)
			return code;
	}
	if (kv_node_add(ctl->client, address, replaces, ctl_timeout_ms(ctl), &err) != KV_OK)
		return ctl_fail(ctl, address, &err);
	if (!change_wait_known(ctl, address))
		ctl_say(ctl, "%s is staged, but the map does not show it yet", address);
	ctl_say(ctl, "%s is staged; nothing moves until kvctl cluster commit", address);
	return change_tell_plan(ctl);
}

int cmd_node_add(struct ctl *ctl) { return add_node(ctl, ctl->operands[0], ctl->args.replace); }

int cmd_node_replace(struct ctl *ctl) { return add_node(ctl, ctl->operands[1], ctl->operands[0]); }

/** Opens the client; gives the node of the first operand, or KV_NODE_NONE with what was said as the exit code. */
static uint16_t open_and_find(struct ctl *ctl, int *ret_code)
{
	*ret_code = 1;
	return ctl_open(ctl, NULL) ? ctl_find_node(ctl, ctl->operands[0], ret_code) : KV_NODE_NONE;
}

int cmd_node_remove(struct ctl *ctl)
{
	struct kv_error err;
	int code = 0;
	uint16_t node = open_and_find(ctl, &code);
	if (node == KV_NODE_NONE)
		return code;
	if (kv_node_remove(ctl->client, node, ctl->args.gone, ctl_timeout_ms(ctl), &err) != KV_OK)
		return ctl_fail(ctl, ctl->operands[0], &err);
	ctl_say(ctl, "the removal of %s is staged; nothing moves until kvctl cluster commit", ctl->operands[0]);
	return change_tell_plan(ctl);
}

int cmd_node_keep(struct ctl *ctl)
{
	struct kv_error err;
	int code = 0;
	uint16_t node = open_and_find(ctl, &code);
	if (node == KV_NODE_NONE)
		return code;
	if (kv_node_keep(ctl->client, node, ctl_timeout_ms(ctl), &err) != KV_OK)
		return ctl_fail(ctl, ctl->operands[0], &err);
	struct kv_plan *plan;
	if (kv_plan_get(ctl->client, ctl_timeout_ms(ctl), &plan, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	if (plan->staged)
		ctl_say(ctl, "%s stays from kvctl cluster commit on", ctl->operands[0]);
	else
		ctl_say(ctl, "%s stays", ctl->operands[0]);
	code = change_show_plan(ctl, plan);
	kv_plan_free(plan);
	return code;
}

int cmd_cluster_plan(struct ctl *ctl) { return ctl_open(ctl, NULL) ? change_tell_plan(ctl) : 1; }

int cmd_cluster_commit(struct ctl *ctl)
{
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (ctl->args.plan)
		return change_tell_plan(ctl);
	struct kv_plan *plan;
	int code = change_commit(ctl, &plan);
	if (code == 0 && ctl->args.wait)
		code = change_wait(ctl, plan);
	else if (code == 0 && plan)
		ctl_say(ctl, "kvctl move ls tells how far it is");
	kv_plan_free(plan);
	return code;
}

int cmd_cluster_discard(struct ctl *ctl)
{
	struct kv_error err;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (ctl->args.plan)
		return change_tell_plan(ctl);
	if (kv_changes_discard(ctl->client, ctl_timeout_ms(ctl), &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	ctl_say(ctl, "nothing is staged any more");
	return 0;
}

static int pause_moves(struct ctl *ctl, bool pause)
{
	struct kv_error err;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (ctl->args.plan)
		return change_tell_plan(ctl);
	if (kv_moves_pause(ctl->client, pause, ctl_timeout_ms(ctl), &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	ctl_say(ctl, pause ? "moves are given up and none begins; every key stays where it is" : "moves go on");
	return 0;
}

int cmd_cluster_pause(struct ctl *ctl) { return pause_moves(ctl, true); }

int cmd_cluster_resume(struct ctl *ctl) { return pause_moves(ctl, false); }

int cmd_cluster_token(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"TOKEN", "token", COLUMN_RAW}};
	char token[KV_TOKEN_SIZE];
	struct kv_error err;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (kv_join_token(ctl->client, ctl->args.ttl_ms, token, ctl_timeout_ms(ctl), &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	json_t *row = json_object();
	json_set_text(row, "token", token);
	output_one(ctl->args.output, columns, ARRAY_SIZE(columns), row);
	return 0;
}

int cmd_unsafe_recover(struct ctl *ctl)
{
	const struct args *args = &ctl->args;
	if (!args->config || !args->survivors || !args->cluster)
		return ctl_usage(ctl, "--config, --survivors and --cluster are all needed");
	char kvd[DEV_PATH_SIZE];
	struct error err;
	if (dev_find_kvd(kvd, &err) != KV_OK) {
		ctl_say(ctl, "%s", err.message);
		return 1;
	}
	const char *arguments[] = {
		"kvd",           "--config",  args->config,  "--unsafe-recover",         "--survivors",
		args->survivors, "--cluster", args->cluster, args->yes ? "--yes" : NULL, NULL};
	execv(kvd, (char *const *)(uintptr_t)arguments);
	ctl_say(ctl, "%s: %s", kvd, strerror(errno));
	return 1;
}
