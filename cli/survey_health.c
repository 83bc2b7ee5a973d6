/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/survey_health.h"

/** Whose view counts, and of which member: every peer entry of every answer. */
static void add_views(const struct survey *s, struct health_node *nodes)
{
	for (size_t i = 0; i < s->node_count; i++) {
		const struct kv_node_status *answer = s->answers[i];
		for (size_t j = 0; answer && j < answer->peer_count; j++) {
			size_t position = survey_position(s, answer->peers[j].node);
			if (position == s->node_count)
				continue;
			nodes[position].hints_pending += answer->peers[j].hints_pending;
			nodes[position].partitions_dirty += answer->peers[j].partitions_dirty;
			nodes[position].seen_down_by += answer->peers[j].state == KV_PEER_DOWN;
			nodes[position].unreached_by += answer->peers[j].link_bad;
			nodes[position].degraded |= answer->peers[j].degraded;
		}
	}
}

static enum kv_status add_partitions(struct ctl *ctl, const struct survey *s, struct health *h,
				     struct kv_error *err)
{
	for (uint32_t i = 0; i < s->cluster.partitions; i++) {
		struct kv_location location;
		enum kv_status status = kv_locate_partition(ctl->client, i, &location, err);
		if (status != KV_OK)
			return status;
		uint16_t row[KV_ROW_MAX];
		size_t count = 0;
		for (uint16_t j = 0; j < location.node_count; j++) {
			size_t position = survey_position(s, location.nodes[j]);
			if (position < s->node_count)
				row[count++] = (uint16_t)position;
		}
		health_add_partition(h, row, count);
	}
	return KV_OK;
}

enum kv_status survey_health(struct ctl *ctl, const struct survey *s, struct health_node *nodes, struct health *ret,
			     struct kv_error *err)
{
	for (size_t i = 0; i < s->node_count; i++) {
		nodes[i].name = s->nodes[i].name;
		nodes[i].removed = !survey_is_member(&s->nodes[i]);
		nodes[i].answers = s->answers[i] != NULL;
		nodes[i].ready = s->answers[i] && s->answers[i]->ready;
	}
	add_views(s, nodes);
	health_init(ret, nodes, s->node_count, s->cluster.replicas);
	ret->moving = s->cluster.move_count;
	enum kv_status status = add_partitions(ctl, s, ret, err);
	if (status == KV_OK)
		health_judge(ret);
	return status;
}
