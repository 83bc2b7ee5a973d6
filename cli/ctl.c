/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <stdarg.h>

static enum kv_status configure(struct kv_config *config, const char *endpoints, const char *zone,
				struct kv_error *err)
{
	enum kv_status status = kv_config_set(config, "endpoints", endpoints, err);
	if (status == KV_OK)
		status = kv_config_set(config, "name", "kvctl", err);
	if (status == KV_OK && *zone)
		status = kv_config_set(config, "zone", zone, err);
	return status;
}

static const char *zone_of(const struct ctl *ctl) { return ctl->args.zone ? ctl->args.zone : ""; }

struct kv_config *ctl_config(struct ctl *ctl)
{
	struct kv_error err;
	struct kv_config *config = kv_config_new();
	if (configure(config, ctl->args.endpoints, zone_of(ctl), &err) == KV_OK)
		return config;
	ctl_fail(ctl, NULL, &err);
	kv_config_free(config);
	return NULL;
}

static enum kv_status open_client(const char *endpoints, const char *zone, struct kv_client **ret,
				  struct kv_error *err)
{
	struct kv_config *config = kv_config_new();
	enum kv_status status = configure(config, endpoints, zone, err);
	if (status == KV_OK)
		status = kv_open(config, ret, err);
	kv_config_free(config);
	return status;
}

static bool shared_fits(const struct ctl_shared *shared, const char *endpoints, const char *zone)
{
	return shared && shared->client && strcmp(shared->endpoints, endpoints) == 0 &&
	       strcmp(shared->zone, zone) == 0;
}

bool ctl_open(struct ctl *ctl, const char *endpoints)
{
	struct kv_error err;
	if (ctl->client)
		return true;
	if (!endpoints)
		endpoints = ctl->args.endpoints;
	const char *zone = zone_of(ctl);
	if (shared_fits(ctl->shared, endpoints, zone)) {
		ctl->client = ctl->shared->client;
		return true;
	}
	if (open_client(endpoints, zone, &ctl->client, &err) != KV_OK) {
		ctl_fail(ctl, NULL, &err);
		return false;
	}
	if (ctl->shared && !ctl->shared->client)
		*ctl->shared = (struct ctl_shared){ctl->client, xstrdup(endpoints), xstrdup(zone)};
	return true;
}

int ctl_not_open(void) { return status_exit_code(KV_INVALID); }

void ctl_close(struct ctl *ctl)
{
	if (!ctl->shared || ctl->client != ctl->shared->client)
		kv_close(ctl->client, 0);
	ctl->client = NULL;
}

void ctl_shared_release(struct ctl_shared *shared)
{
	kv_close(shared->client, 0);
	free(shared->endpoints);
	free(shared->zone);
	*shared = (struct ctl_shared){0};
}

unsigned ctl_timeout_ms(const struct ctl *ctl)
{
	return ctl->args.timeout_ms ? ctl->args.timeout_ms : ctl->command->timeout_ms;
}

struct kv_options ctl_options(const struct ctl *ctl)
{
	struct kv_options options = KV_OPTIONS_INIT;
	options.bucket = ctl->args.bucket;
	options.level = ctl->args.level;
	options.acks = ctl->args.acks;
	options.timeout_ms = ctl_timeout_ms(ctl);
	options.receipt = ctl->args.receipt;
	options.timeline = ctl->args.trace;
	options.traceparent = ctl->args.traceparent;
	options.ttl_ms = ctl->args.ttl_ms;
	options.staleness_ms = ctl->args.staleness_ms;
	options.session = ctl->session;
	if (ctl->session && !args_given(&ctl->args, FLAG_CONSISTENCY))
		options.level = KV_LEVEL_SESSION;
	return options;
}

bool ctl_has_condition(const struct ctl *ctl)
{
	const struct args *args = &ctl->args;
	return args->if_absent || args->if_present || args_given(args, FLAG_IF_VERSION) || args->if_value ||
	       args_given(args, FLAG_IF_HASH);
}

static void set_conditions(const struct args *args, struct kv_options *options)
{
	options->if_absent = args->if_absent;
	options->if_present = args->if_present;
	options->fence = args->fence;
	if (args_given(args, FLAG_IF_VERSION))
		options->expected = &args->if_version;
	if (args_given(args, FLAG_IF_HASH) || args->if_value)
		options->expected_hash = &args->if_hash;
}

bool ctl_write_options(struct ctl *ctl, bool strong_only, struct kv_options *ret)
{
	const struct args *args = &ctl->args;
	bool conditional = ctl_has_condition(ctl) || args->fence;
	struct kv_options options = ctl_options(ctl);
	set_conditions(args, &options);
	if (args->if_value && args_given(args, FLAG_IF_HASH)) {
		ctl_usage(ctl, "--if-value and --if-hash say the same in two ways");
		return false;
	}
	if (args->if_absent && (args->if_present || options.expected || options.expected_hash)) {
		ctl_usage(ctl, "--if-absent excludes every other condition");
		return false;
	}
	if (strong_only || conditional) {
		if (args_typed(args, FLAG_CONSISTENCY) && args->level != KV_LEVEL_STRONG) {
			ctl_usage(ctl, "%s strong: leave -c out, or ask for strong",
				  conditional ? "a write with a condition or fence is" : "this command is always");
			return false;
		}
		options.level = KV_LEVEL_STRONG;
	} else if (options.level == KV_LEVEL_BOUNDED) {
		if (args_typed(args, FLAG_CONSISTENCY)) {
			ctl_usage(ctl, "-c bounded is for reads");
			return false;
		}
		options.level = KV_LEVEL_EVENTUAL;
	}
	ctl->strong_write = options.level == KV_LEVEL_STRONG;
	*ret = options;
	return true;
}

void ctl_say(const struct ctl *ctl, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "kvctl %s: ", ctl->command->name);
	vfprintf(stderr, format, arguments);
	putc('\n', stderr);
	va_end(arguments);
}

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "kvctl %s: ", ctl->command->name);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\nusage: kvctl %s%s%s; see kvctl help %s\n", ctl->command->name,
		*ctl->command->operands ? " " : "", ctl->command->operands, ctl->command->name);
	va_end(arguments);
	return 2;
}

int ctl_exit_code(const struct kv_error *err)
{
	return status_exit_code(err->in_doubt ? KV_IN_DOUBT : err->status);
}

int ctl_fail(const struct ctl *ctl, const char *what, const struct kv_error *err)
{
	fprintf(stderr, "kvctl %s: ", ctl->command->name);
	if (what)
		fprintf(stderr, "%s: ", what);
	fprintf(stderr, "%s: %s%s\n", kv_status_name(err->status),
		*err->message ? err->message : kv_status_text(err->status),
		err->in_doubt ? " (the write may have been applied, or may still be)" : "");
	return ctl_exit_code(err);
}

int ctl_worse(int a, int b)
{
	/* From bad to harmless; codes that are not named come after them in the order of their numbers. */
	static const int order[] = {130, 8, 10, 11, 1, 9, 2, 5, 6, 7, 4, 3, 0};
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (a == order[i] || b == order[i])
			return order[i];
	}
	return MAX(a, b);
}

uint16_t ctl_find_node(struct ctl *ctl, const char *name, int *ret_exit_code)
{
	struct kv_node *nodes;
	size_t count;
	struct kv_error err;
	if (kv_nodes(ctl->client, &nodes, &count, &err) != KV_OK) {
		*ret_exit_code = ctl_fail(ctl, NULL, &err);
		return KV_NODE_NONE;
	}
	uint16_t found = KV_NODE_NONE;
	bool was_removed = false;
	for (size_t i = 0; i < count && found == KV_NODE_NONE; i++) {
		bool named = strcmp(nodes[i].name, name) == 0;
		if (named && nodes[i].state != KV_NODE_REMOVED)
			found = nodes[i].index;
		was_removed = was_removed || (named && nodes[i].state == KV_NODE_REMOVED);
	}
	kv_nodes_free(nodes);
	if (found == KV_NODE_NONE && was_removed)
		*ret_exit_code = ctl_usage(ctl, "node \"%s\" was removed from the cluster, for ever", name);
	else if (found == KV_NODE_NONE)
		*ret_exit_code = ctl_usage(ctl, "there is no node \"%s\"; kvctl node ls shows them", name);
	return found;
}
