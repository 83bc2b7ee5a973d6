/* SPDX-License-Identifier: Apache-2.0 */
/* config get, set, diff, check; log level. */
#include <errno.h>
#include <unistd.h>

#include "cli/change.h"
#include "cli/dev_node.h"
#include "cli/each_node.h"
#include "cli/json.h"
#include "cli/output.h"

static const char log_level_key[] = "log.level";

/** The settings of the nodes that are asked: all of the cluster, or the one of --node. */
struct panel {
	struct ctl *ctl;
	struct kv_node *nodes;
	size_t count;
	struct kv_settings **settings; /* one a node; NULL: not asked, or no answer */
	struct kv_error *errors;
	const char *change_name, *change_value; /* what is to be set; NULL: nothing */
};

static void panel_release(struct panel *p)
{
	for (size_t i = 0; p->settings && i < p->count; i++)
		kv_settings_free(p->settings[i]);
	free(p->settings);
	free(p->errors);
	kv_nodes_free(p->nodes);
}

static bool is_asked(const struct panel *p, size_t i)
{
	const char *only = p->ctl->args.node;
	return p->nodes[i].state != KV_NODE_REMOVED && (!only || strcmp(p->nodes[i].name, only) == 0);
}

static void ask(void *arg, size_t i)
{
	struct panel *p = arg;
	struct kv_client *client = p->ctl->client;
	const char *target = p->nodes[i].client_address;
	unsigned timeout_ms = ctl_timeout_ms(p->ctl);
	struct kv_settings *settings = NULL;
	if (!is_asked(p, i))
		return;
	enum kv_status status = KV_OK;
	if (p->change_name)
		status = kv_setting_set(client, target, p->change_name, p->change_value, timeout_ms, &p->errors[i]);
	if (status == KV_OK)
		status = kv_settings_get(client, target, timeout_ms, &settings, &p->errors[i]);
	p->settings[i] = status == KV_OK ? settings : NULL;
}

/** Asks, and tells of nodes that gave no answer. Gives the exit code so far; P is to be released. */
static int panel_ask(struct panel *p)
{
	struct ctl *ctl = p->ctl;
	struct kv_error err;
	int code = 0;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (ctl->args.node && ctl_find_node(ctl, ctl->args.node, &code) == KV_NODE_NONE)
		return code;
	if (kv_nodes(ctl->client, &p->nodes, &p->count, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	p->settings = xcalloc(p->count, sizeof(struct kv_settings *));
	p->errors = xcalloc(p->count, sizeof *p->errors);
	each_node(p->count, ask, p);
	enum kv_status mistake = KV_OK; /* one in what was asked is the same everywhere: told once */
	for (size_t i = 0; i < p->count; i++) {
		if (!is_asked(p, i) || p->settings[i] || (mistake != KV_OK && p->errors[i].status == mistake))
			continue;
		if (p->errors[i].status == KV_INVALID || p->errors[i].status == KV_REFUSED)
			mistake = p->errors[i].status;
		code = ctl_worse(code, ctl_fail(ctl, p->nodes[i].name, &p->errors[i]));
	}
	return code;
}

/** Any node's list: they have the same keys, unless their versions differ. */
static const struct kv_settings *panel_any(const struct panel *p)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->settings[i])
			return p->settings[i];
	}
	return NULL;
}

static const struct kv_setting *find(const struct kv_settings *s, const char *name)
{
	for (size_t i = 0; s && i < s->count; i++) {
		if (strcmp(s->settings[i].name, name) == 0)
			return &s->settings[i];
	}
	return NULL;
}

/* ---- Rows ---- */

static const char *scope_word(enum kv_setting_scope scope)
{
	switch (scope) {
	case KV_SETTING_STATIC:
		return "restart";
	case KV_SETTING_LIVE:
		return "live";
	case KV_SETTING_CLUSTER:
		return "never";
	}
	return "unknown"; /* of a newer node */
}

static const char *source_word(enum kv_setting_source source)
{
	switch (source) {
	case KV_SETTING_DEFAULT:
		return "default";
	case KV_SETTING_FILE:
		return "file";
	case KV_SETTING_ENVIRONMENT:
		return "environment";
	case KV_SETTING_SET:
		return "set";
	case KV_SETTING_MAP:
		return "cluster";
	}
	return "unknown"; /* of a newer node */
}

static json_t *setting_row(const char *node, const struct kv_setting *s)
{
	json_t *row = json_object();
	json_set_text(row, "key", s->name);
	json_set_text(row, "node", node);
	json_set_text(row, "value", s->value);
	json_set_text(row, "default", s->fallback);
	json_set_text(row, "changes", scope_word(s->scope));
	json_set_text(row, "source", source_word(s->source));
	if (s->waits)
		json_set_text(row, "waits", s->waits);
	return row;
}

static const struct output_column columns[] = {{"KEY", "key", COLUMN_RAW},     {"NODE", "node", COLUMN_RAW},
					       {"VALUE", "value", COLUMN_RAW}, {"DEFAULT", "default", 0},
					       {"CHANGES", "changes", 0},      {"SOURCE", "source", 0},
					       {"WAITS", "waits", 0}};

static bool same(const struct kv_setting *a, const struct kv_setting *b)
{
	bool waits_alike = !a->waits == !b->waits && (!a->waits || strcmp(a->waits, b->waits) == 0);
	return strcmp(a->value, b->value) == 0 && a->source == b->source && waits_alike;
}

/** True if all that answered have the same of the key. */
static bool is_same_everywhere(const struct panel *p, const char *name)
{
	const struct kv_setting *first = NULL;
	for (size_t i = 0; i < p->count; i++) {
		const struct kv_setting *s = find(p->settings[i], name);
		if (!s)
			continue;
		if (first && !same(first, s))
			return false;
		first = first ? first : s;
	}
	return true;
}

/** One row for all nodes where they have the same, else one for each. */
static void add_rows(const struct panel *p, const char *name, struct output *out)
{
	bool together = is_same_everywhere(p, name);
	size_t answering = 0;
	for (size_t i = 0; i < p->count; i++)
		answering += p->settings[i] != NULL;
	for (size_t i = 0; i < p->count; i++) {
		const struct kv_setting *s = find(p->settings[i], name);
		if (!s)
			continue;
		output_add(out, setting_row(together && answering > 1 ? "all" : p->nodes[i].name, s));
		if (together)
			return;
	}
}

int cmd_config_get(struct ctl *ctl)
{
	const char *wanted = ctl->operand_count > 0 ? ctl->operands[0] : NULL;
	CLEANUP(panel_release) struct panel p = {.ctl = ctl};
	int code = panel_ask(&p);
	const struct kv_settings *any = panel_any(&p);
	if (!any)
		return code ? code : 1;
	if (wanted && !find(any, wanted))
		return ctl_usage(ctl, "there is no key \"%s\"; kvctl config get lists them", wanted);
	struct output out;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < any->count; i++) {
		if (!wanted || strcmp(any->settings[i].name, wanted) == 0)
			add_rows(&p, any->settings[i].name, &out);
	}
	output_end(&out);
	return code;
}

/** Keys that are a node's own, so that nodes differ in them. */
static bool is_own(const char *name)
{
	static const char *const own[] = {"node.name", "node.data_dir", "node.zone",
					  "listen.",   "advertise.",    "join."};
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (strncmp(name, own[i], strlen(own[i])) == 0)
			return true;
	}
	return false;
}

/** Something of the key is worth a look: a value other than the default's, a difference, a change that waits. */
static bool differs(const struct panel *p, const char *name)
{
	if (!is_own(name) && !is_same_everywhere(p, name))
		return true;
	for (size_t i = 0; i < p->count; i++) {
		const struct kv_setting *s = find(p->settings[i], name);
		bool changed = s && s->source != KV_SETTING_DEFAULT && strcmp(s->value, s->fallback) != 0;
		if (s && (s->waits || (changed && s->scope != KV_SETTING_CLUSTER && !is_own(name))))
			return true;
	}
	return false;
}

int cmd_config_diff(struct ctl *ctl)
{
	CLEANUP(panel_release) struct panel p = {.ctl = ctl};
	int code = panel_ask(&p);
	const struct kv_settings *any = panel_any(&p);
	if (!any)
		return code ? code : 1;
	struct output out;
	size_t count = 0;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < any->count; i++) {
		if (!differs(&p, any->settings[i].name))
			continue;
		add_rows(&p, any->settings[i].name, &out);
		count++;
	}
	output_end(&out);
	if (count == 0)
		ctl_say(ctl, "all nodes run with the defaults, but for their own names, addresses and directories");
	return code;
}

/* ---- Changing ---- */

/** Tells where it is in force and for how long. */
static void tell_set(const struct panel *p)
{
	CLEANUP(buf_release) struct buf names = BUF_INIT;
	const char *file = NULL;
	for (size_t i = 0; i < p->count; i++) {
		if (!p->settings[i])
			continue;
		buf_printf(&names, "%s%s", names.size ? ", " : "", p->nodes[i].name);
		file = p->settings[i]->file[0] ? p->settings[i]->file : file;
	}
	if (names.size == 0)
		return;
	ctl_say(p->ctl,
		"in force on %s, until each restarts or reads its file again (SIGHUP); to keep it, write it to the file%s%s",
		buf_cstr(&names), file ? ", like " : "", file ? file : "");
}

static int change(struct ctl *ctl, const char *name, const char *value)
{
	CLEANUP(panel_release) struct panel p = {.ctl = ctl, .change_name = name, .change_value = value};
	int code = panel_ask(&p);
	tell_set(&p);
	if (panel_any(&p)) {
		struct output out;
		output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
		add_rows(&p, name, &out);
		output_end(&out);
	}
	return code;
}

int cmd_config_set(struct ctl *ctl) { return change(ctl, ctl->operands[0], ctl->operands[1]); }

int cmd_log_level(struct ctl *ctl)
{
	if (ctl->operand_count > 0)
		return change(ctl, log_level_key, ctl->operands[0]);
	CLEANUP(panel_release) struct panel p = {.ctl = ctl};
	int code = panel_ask(&p);
	if (!panel_any(&p))
		return code ? code : 1;
	struct output out;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < p.count; i++) {
		const struct kv_setting *s = find(p.settings[i], log_level_key);
		if (s)
			output_add(&out, setting_row(p.nodes[i].name, s));
	}
	output_end(&out);
	return code;
}

/** The file is kvd's: so it is kvd that checks it. */
int cmd_config_check(struct ctl *ctl)
{
	char kvd[DEV_PATH_SIZE];
	struct error err;
	if (dev_find_kvd(kvd, &err) != KV_OK) {
		ctl_say(ctl, "%s", err.message);
		return 1;
	}
	const char *arguments[] = {"kvd", "--config", ctl->operands[0], "--check-config", NULL};
	execv(kvd, (char *const *)(uintptr_t)arguments);
	ctl_say(ctl, "%s: %s", kvd, strerror(errno));
	return 1;
}
