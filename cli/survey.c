/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/survey.h"

#include "base/clock.h"
#include "cli/each_node.h"

struct asking {
	struct ctl *ctl;
	struct survey *survey;
};

static void ask(void *arg, size_t i)
{
	const struct asking *asking = arg;
	struct survey *s = asking->survey;
	struct kv_node_status *answer = NULL;
	s->errors[i].status = KV_UNAVAILABLE;
	if (s->nodes[i].state == KV_NODE_REMOVED)
		return; /* nobody is there any more */
	s->asked_us[i] = clock_wall_us();
	if (kv_status_get(asking->ctl->client, s->nodes[i].client_address, ctl_timeout_ms(asking->ctl), &answer,
			  &s->errors[i]) == KV_OK)
		s->answers[i] = answer;
	s->answered_us[i] = clock_wall_us();
}

enum kv_status survey_take(struct ctl *ctl, struct survey *ret, struct kv_error *err)
{
	struct survey s = {0};
	enum kv_status status = kv_cluster_info(ctl->client, &s.cluster, err);
	if (status == KV_OK)
		status = kv_nodes(ctl->client, &s.nodes, &s.node_count, err);
	if (status != KV_OK)
		return status;
	s.answers = xcalloc(s.node_count, sizeof(struct kv_node_status *));
	s.errors = xcalloc(s.node_count, sizeof *s.errors);
	s.asked_us = xcalloc(s.node_count, sizeof *s.asked_us);
	s.answered_us = xcalloc(s.node_count, sizeof *s.answered_us);
	struct asking asking = {.ctl = ctl, .survey = &s};
	each_node(s.node_count, ask, &asking);
	*ret = s;
	return KV_OK;
}

void survey_release(struct survey *s)
{
	for (size_t i = 0; i < s->node_count; i++)
		kv_node_status_free(s->answers[i]);
	free(s->answers);
	free(s->errors);
	free(s->asked_us);
	free(s->answered_us);
	kv_nodes_free(s->nodes);
}

size_t survey_position(const struct survey *s, uint16_t index)
{
	size_t i = 0;
	while (i < s->node_count && s->nodes[i].index != index)
		i++;
	return i;
}

uint64_t survey_counter(const struct kv_node_status *answer, const char *name)
{
	for (size_t i = 0; answer && i < answer->counter_count; i++) {
		if (strcmp(answer->counters[i].name, name) == 0)
			return answer->counters[i].value;
	}
	return 0;
}

bool survey_clock(const struct survey *s, size_t i, int64_t *ret_ms, uint64_t *ret_error_ms)
{
	uint64_t told_ms = survey_counter(s->answers[i], "wall_clock_ms");
	uint64_t took_us = s->answered_us[i] - s->asked_us[i];
	uint64_t middle_ms = (s->asked_us[i] + took_us / 2) / USEC_PER_MSEC;
	if (told_ms == 0 || s->answered_us[i] < s->asked_us[i])
		return false;
	*ret_ms = (int64_t)(told_ms - middle_ms);
	*ret_error_ms = took_us / 2 / USEC_PER_MSEC + 1;
	return true;
}

const struct kv_peer_status *survey_myself(const struct kv_node_status *answer)
{
	for (size_t i = 0; answer && i < answer->peer_count; i++) {
		if (answer->peers[i].state == KV_PEER_MYSELF)
			return &answer->peers[i];
	}
	return NULL;
}
