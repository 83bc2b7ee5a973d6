/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/survey_health.h"

#include <kv/admin.h>

#include "base/skew.h"

/** Whose view counts, and of which member: every peer entry of every answer. */
static void add_views(const struct survey *s, struct node_health *nodes)
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
			nodes[position].disk_slow |= answer->peers[j].degraded;
			nodes[position].disk_low |= answer->peers[j].disk_low;
		}
	}
}

/** Which clocks are further from those of most nodes than strong requests allow. */
static void compare_clocks(const struct survey *s, struct node_health *nodes)
{
	CLEANUP(free_ptr) int64_t *clocks = xcalloc(s->node_count + 1, sizeof *clocks);
	size_t count = 0;
	int64_t clock_ms;
	uint64_t error_ms;
	for (size_t i = 0; i < s->node_count; i++) {
		if (nodes[i].member && survey_clock(s, i, &clock_ms, &error_ms))
			clocks[count++] = clock_ms;
	}
	if (count < 2)
		return;
	int64_t agreed_ms = skew_agreed(clocks, count, KV_CLOCK_DRIFT_MAX_MS, /* preferred_ms: this machine's */ 0);
	for (size_t i = 0; i < s->node_count; i++) {
		if (nodes[i].member && survey_clock(s, i, &clock_ms, &error_ms))
			nodes[i].clock_wrong =
				(uint64_t)llabs(clock_ms - agreed_ms) > KV_CLOCK_DRIFT_MAX_MS + error_ms;
	}
}

/** The nodes of LOCATION in BITS, as positions in S. */
static struct health_row row_of(const struct survey *s, const struct kv_location *location, uint16_t bits,
				uint16_t storage[KV_ROW_MAX])
{
	struct health_row row = {.nodes = storage};
	for (uint16_t i = 0; i < location->node_count; i++) {
		size_t position = survey_position(s, location->nodes[i]);
		if ((bits >> i & 1) != 0 && position < s->node_count)
			storage[row.count++] = (uint16_t)position;
	}
	return row;
}

static enum kv_status add_partitions(struct ctl *ctl, const struct survey *s, struct cluster_health *h,
				     struct kv_error *err)
{
	for (uint32_t i = 0; i < s->cluster.partitions; i++) {
		struct kv_location at;
		uint16_t now[KV_ROW_MAX], next[KV_ROW_MAX];
		enum kv_status status = kv_locate_partition(ctl->client, i, &at, err);
		if (status != KV_OK)
			return status;
		bool moves = at.members_next != at.members;
		cluster_health_add_partition(h, row_of(s, &at, at.members, now),
					     row_of(s, &at, moves ? at.members_next : 0, next));
	}
	return KV_OK;
}

/** Whoever cannot tell of moves keeps nobody from being told of the rest. */
static void add_moves(struct ctl *ctl, struct cluster_health *h)
{
	struct kv_moves *moves;
	if (kv_moves_get(ctl->client, NULL, ctl_timeout_ms(ctl), &moves, NULL) != KV_OK)
		return;
	h->waiting = moves->waiting;
	h->paused = moves->paused;
	kv_moves_free(moves);
}

enum kv_status survey_health(struct ctl *ctl, const struct survey *s, struct node_health *nodes,
			     struct cluster_health *ret, struct kv_error *err)
{
	for (size_t i = 0; i < s->node_count; i++) {
		nodes[i].name = slice_str(s->nodes[i].name);
		nodes[i].member = survey_is_member(&s->nodes[i]) && s->nodes[i].state != KV_NODE_STAGED;
		nodes[i].answers = s->answers[i] != NULL;
		nodes[i].ready = s->answers[i] && s->answers[i]->ready;
		nodes[i].insecure = survey_counter(s->answers[i], "insecure") != 0;
	}
	add_views(s, nodes);
	compare_clocks(s, nodes);
	cluster_health_init(ret, nodes, s->node_count, s->cluster.replicas);
	ret->moving = s->cluster.move_count;
	add_moves(ctl, ret);
	enum kv_status status = add_partitions(ctl, s, ret, err);
	if (status == KV_OK)
		cluster_health_judge(ret);
	return status;
}

int survey_exit_code(enum cluster_state state)
{
	bool good = state == CLUSTER_HEALTHY || state == CLUSTER_DEGRADED;
	return good ? 0 : status_exit_code(KV_UNAVAILABLE);
}
