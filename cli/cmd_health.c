/* SPDX-License-Identifier: Apache-2.0 */
/* health: one line and an exit code, for scripts and probes. */
#include "cli/json.h"
#include "cli/output.h"
#include "cli/survey_health.h"

static int show(struct ctl *ctl, const char *state, const char *words, int code)
{
	if (ctl->args.output == OUTPUT_TABLE) {
		printf("%s: %s\n", state, words);
		return code;
	}
	json_t *row = json_object();
	json_set_text(row, "state", state);
	json_set_text(row, "words", words);
	output_one(ctl->args.output, NULL, 0, row);
	return code;
}

/** Whether that one node answers and serves. */
static int one_node(struct ctl *ctl)
{
	struct kv_node_status *answer;
	struct kv_error err;
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	int unavailable = status_exit_code(KV_UNAVAILABLE);
	if (kv_status_get(ctl->client, ctl->args.node, ctl_timeout_ms(ctl), &answer, &err) != KV_OK) {
		if (err.status == KV_INVALID)
			return ctl_fail(ctl, NULL, &err);
		buf_printf(&words, "%s does not answer (%s)", ctl->args.node, kv_status_name(err.status));
		return show(ctl, "down", buf_cstr(&words), unavailable);
	}
	bool ready = answer->ready;
	buf_printf(&words, "%s %s", answer->name, ready ? "serves requests" : "does not serve requests yet");
	kv_node_status_free(answer);
	return show(ctl, ready ? "up" : "not_ready", buf_cstr(&words), ready ? 0 : unavailable);
}

int cmd_health(struct ctl *ctl)
{
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	if (ctl->args.node)
		return one_node(ctl);
	CLEANUP(survey_release) struct survey s = {0};
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	struct kv_error err;
	struct cluster_health h;
	enum kv_status status = survey_take(ctl, &s, &err);
	if (status != KV_OK && status != KV_NOT_READY)
		return ctl_fail(ctl, "no node can be asked", &err);
	if (status == KV_NOT_READY) {
		cluster_health_init(&h, NULL, 0, 0);
		cluster_health_judge(&h);
		cluster_health_words(&h, &words);
		return show(ctl, cluster_state_name(h.state), buf_cstr(&words), survey_exit_code(h.state));
	}
	CLEANUP(free_ptr) struct node_health *nodes = xcalloc(s.node_count, sizeof *nodes);
	if (survey_health(ctl, &s, nodes, &h, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	cluster_health_words(&h, &words);
	return show(ctl, cluster_state_name(h.state), buf_cstr(&words), survey_exit_code(h.state));
}
