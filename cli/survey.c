/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/survey.h"

#include <pthread.h>

enum { THREADS_MAX = 16 };

/** Threads take one node after the other until none is left. */
struct asking {
	struct ctl *ctl;
	struct survey *survey;
	_Atomic size_t next;
};

static void *ask(void *arg)
{
	struct asking *asking = arg;
	struct survey *s = asking->survey;
	for (size_t i = asking->next++; i < s->node_count; i = asking->next++) {
		struct kv_node_status *answer = NULL;
		s->errors[i].status = KV_UNAVAILABLE;
		if (s->nodes[i].state == KV_NODE_REMOVED)
			continue; /* nobody is there any more */
		if (kv_status_get(asking->ctl->client, s->nodes[i].client_address, ctl_timeout_ms(asking->ctl),
				  &answer, &s->errors[i]) == KV_OK)
			s->answers[i] = answer;
	}
	return NULL;
}

/** So that nodes that do not answer cost one time-out, not one each. */
static void ask_all(struct asking *asking)
{
	pthread_t threads[THREADS_MAX];
	size_t count = 0, wanted = MIN(asking->survey->node_count, (size_t)THREADS_MAX);
	while (count + 1 < wanted && pthread_create(&threads[count], NULL, ask, asking) == 0)
		count++;
	ask(asking);
	while (count > 0)
		pthread_join(threads[--count], NULL);
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
	struct asking asking = {.ctl = ctl, .survey = &s};
	ask_all(&asking);
	*ret = s;
	return KV_OK;
}

void survey_release(struct survey *s)
{
	for (size_t i = 0; i < s->node_count; i++)
		kv_node_status_free(s->answers[i]);
	free(s->answers);
	free(s->errors);
	kv_nodes_free(s->nodes);
}

size_t survey_position(const struct survey *s, uint16_t index)
{
	size_t i = 0;
	while (i < s->node_count && s->nodes[i].index != index)
		i++;
	return i;
}
