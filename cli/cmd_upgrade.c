/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade status, upgrade finalize. */
#include <kv/admin.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/survey.h"

struct levels {
	uint32_t lowest, highest;
};

static struct levels levels_of(const struct survey *s)
{
	struct levels l = {.lowest = UINT32_MAX};
	for (size_t i = 0; i < s->node_count; i++) {
		if (s->nodes[i].state == KV_NODE_REMOVED)
			continue;
		l.lowest = MIN(l.lowest, s->nodes[i].feature_level);
		l.highest = MAX(l.highest, s->nodes[i].feature_level);
	}
	return l;
}

static const char *state_word(const struct survey *s)
{
	struct levels l = levels_of(s);
	if (l.lowest < l.highest)
		return "rolling";
	return l.lowest > s->cluster.feature_level ? "ready" : "final";
}

static const char *next_step(const char *state)
{
	if (strcmp(state, "rolling") == 0)
		return "some nodes can do more than others: upgrade the rest, or take those back";
	if (strcmp(state, "ready") == 0)
		return "every node can do more than the cluster uses: kvctl upgrade finalize, once nobody wants to go back";
	return "the cluster uses what every node can do";
}

/** The nodes as an array; *ret_silent counts those that do not answer. */
static json_t *node_rows(const struct survey *s, size_t *ret_silent)
{
	json_t *rows = json_array();
	*ret_silent = 0;
	for (size_t i = 0; i < s->node_count; i++) {
		if (s->nodes[i].state == KV_NODE_REMOVED)
			continue;
		json_t *row = json_object();
		json_set_text(row, "name", s->nodes[i].name);
		if (s->answers[i])
			json_set_text(row, "version", s->answers[i]->version);
		json_set_number(row, "feature_level", s->nodes[i].feature_level);
		json_set_bool(row, "answers", s->answers[i] != NULL);
		json_array_append_new(rows, row);
		*ret_silent += s->answers[i] == NULL;
	}
	return rows;
}

static void show_table(const struct survey *s, const char *state, json_t *rows)
{
	static const struct output_column columns[] = {{"NODE", "name", COLUMN_RAW},
						       {"VERSION", "version", 0},
						       {"FEATURE_LEVEL", "feature_level", COLUMN_RIGHT}};
	printf("%s at feature level %llu: %s\n", state, (unsigned long long)s->cluster.feature_level,
	       next_step(state));
	struct output out;
	output_begin(&out, OUTPUT_TABLE, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < json_array_size(rows); i++)
		output_add(&out, json_incref(json_array_get(rows, i)));
	output_end(&out);
}

int cmd_upgrade_status(struct ctl *ctl)
{
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(survey_release) struct survey s = {0};
	struct kv_error err;
	if (survey_take(ctl, &s, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	size_t silent;
	const char *state = state_word(&s);
	CLEANUP(json_release) json_t *rows = node_rows(&s, &silent);
	if (ctl->args.output == OUTPUT_TABLE) {
		show_table(&s, state, rows);
	} else {
		json_t *row = json_object();
		json_set_text(row, "state", state);
		json_set_number(row, "feature_level", s.cluster.feature_level);
		json_set(row, "nodes", json_incref(rows));
		output_one(ctl->args.output, NULL, 0, row);
	}
	return silent > 0 ? status_exit_code(KV_UNAVAILABLE) : 0;
}

/** What finalize would do now; asks only the map. */
static int plan_finalize(struct ctl *ctl)
{
	CLEANUP(survey_release) struct survey s = {0};
	struct kv_error err;
	if (survey_take(ctl, &s, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	const char *state = state_word(&s);
	if (strcmp(state, "ready") == 0)
		printf("feature level %llu to %u; afterwards versions that can do less do not start here any more\n",
		       (unsigned long long)s.cluster.feature_level, levels_of(&s).lowest);
	else
		printf("nothing: %s\n", next_step(state));
	return strcmp(state, "rolling") == 0 ? status_exit_code(KV_REFUSED) : 0;
}

int cmd_upgrade_finalize(struct ctl *ctl)
{
	struct kv_error err;
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (ctl->args.plan)
		return plan_finalize(ctl);
	if (kv_upgrade_finalize(ctl->client, ctl_timeout_ms(ctl), &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	ctl_say(ctl, "the cluster uses what every node can do; older versions do not start here any more");
	return 0;
}
