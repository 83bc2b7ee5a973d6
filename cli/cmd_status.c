/* SPDX-License-Identifier: Apache-2.0 */
/* status, hint ls. */
#include "base/cluster_health.h"
#include "base/types.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/survey.h"
#include "cli/survey_health.h"
#include "cli/text.h"

static const char *state_word(const struct survey *s, const struct node_health *health, size_t i)
{
	if (s->nodes[i].state == KV_NODE_STAGED)
		return "staged";
	if (!s->answers[i])
		return "down";
	if (!s->answers[i]->ready)
		return "not ready";
	if (health->clock_wrong)
		return "up, wrong clock";
	if (health->disk_low)
		return "up, disk nearly full";
	if (health->unreached_by > 0)
		return health->disk_slow ? "up, bad link, slow disk" : "up, bad link";
	return health->disk_slow ? "up, slow disk" : "up";
}

static json_t *node_row(const struct survey *s, const struct node_health *health, size_t i)
{
	const struct kv_node *node = &s->nodes[i];
	const struct kv_node_status *answer = s->answers[i];
	json_t *row = json_object();
	json_set_text(row, "name", node->name);
	json_set_number(row, "index", node->index);
	json_set_text(row, "state", state_word(s, health, i));
	json_set_number(row, "seen_down_by", health->seen_down_by);
	json_set_number(row, "unreached_by", health->unreached_by);
	json_set(row, "degraded", json_boolean(health->disk_slow));
	json_set(row, "disk_low", json_boolean(health->disk_low));
	json_set(row, "clock_wrong", json_boolean(health->clock_wrong));
	json_set(row, "insecure", json_boolean(health->insecure));
	json_set_text(row, "zone", node->zone);
	json_set_text(row, "client_address", node->client_address);
	json_set_text(row, "peer_address", node->peer_address);
	json_set_number(row, "hints_pending", health->hints_pending);
	json_set_number(row, "partitions_dirty", health->partitions_dirty);
	if (!answer) {
		json_set_text(row, "error", kv_status_name(s->errors[i].status));
		return row;
	}
	CLEANUP(buf_release) struct buf uptime = BUF_INIT;
	text_append_us(&uptime, answer->uptime_ms * USEC_PER_MSEC);
	json_set_text(row, "version", answer->version);
	json_set_text(row, "uptime", buf_cstr(&uptime));
	json_set_number(row, "uptime_ms", answer->uptime_ms);
	json_set_number(row, "incarnation", answer->incarnation);
	json_set_number(row, "map_epoch", answer->map_epoch);
	return row;
}

static json_t *document(const struct survey *s, const struct cluster_health *h, const char *words)
{
	json_t *row = json_object(), *cluster = json_object(), *nodes = json_array();
	json_set_text(row, "verdict", words);
	json_set_text(row, "state", cluster_state_name(h->state));
	json_set_number(row, "nodes_up", h->members_up);
	json_set_number(row, "nodes_total", h->members);
	json_set_number(row, "nodes_losable", h->losable);
	json_set_number(row, "partitions_without_quorum", h->without_quorum);
	json_set_number(row, "hints_pending", h->hints_pending);
	json_set_number(row, "partitions_dirty", h->partitions_dirty);
	json_set_text(cluster, "name", s->cluster.name);
	json_set_text(cluster, "uuid", s->cluster.uuid);
	json_set_number(cluster, "map_epoch", s->cluster.epoch);
	json_set_number(cluster, "partitions", s->cluster.partitions);
	json_set_number(cluster, "replicas", s->cluster.replicas);
	json_set_number(cluster, "moves", s->cluster.move_count);
	json_set_number(cluster, "moves_waiting", h->waiting);
	json_set_bool(cluster, "moves_paused", h->paused);
	json_set(row, "cluster", cluster);
	for (size_t i = 0; i < s->node_count; i++) {
		if (survey_is_member(&s->nodes[i]))
			json_array_append_new(nodes, node_row(s, &h->nodes[i], i));
	}
	json_set(row, "nodes", nodes);
	return row;
}

static void print_words(const struct cluster_health *h, const char *words)
{
	static const char *const colors[] = {[CLUSTER_HEALTHY] = "32",
					     [CLUSTER_DEGRADED] = "33",
					     [CLUSTER_QUORUM_LOST] = "31",
					     [CLUSTER_NONE] = "33"};
	if (output_has_colors())
		printf("\033[%sm%s\033[0m\n\n", colors[h->state], words);
	else
		printf("%s\n\n", words);
}

static void show(struct ctl *ctl, const struct survey *s, const struct cluster_health *h)
{
	static const struct output_column columns[] = {{"NODE", "name", 0},
						       {"STATE", "state", 0},
						       {"ZONE", "zone", 0},
						       {"ADDRESS", "client_address", 0},
						       {"HINTS_FOR_IT", "hints_pending", COLUMN_RIGHT},
						       {"DIRTY", "partitions_dirty", COLUMN_RIGHT},
						       {"VERSION", "version", 0},
						       {"UPTIME", "uptime", 0}};
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	cluster_health_words(h, &words);
	json_t *row = document(s, h, buf_cstr(&words));
	if (ctl->args.output != OUTPUT_TABLE) {
		output_one(ctl->args.output, NULL, 0, row);
		return;
	}
	print_words(h, buf_cstr(&words));
	struct output out;
	output_begin(&out, OUTPUT_TABLE, columns, ARRAY_SIZE(columns));
	size_t index;
	json_t *node;
	json_array_foreach(json_object_get(row, "nodes"), index, node) output_add(&out, json_incref(node));
	output_end(&out);
	json_decref(row);
}

/** Nodes answer, and there is no map. */
static int show_no_cluster(struct ctl *ctl)
{
	struct cluster_health h;
	struct survey s = {0};
	cluster_health_init(&h, NULL, 0, 0);
	cluster_health_judge(&h);
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	cluster_health_words(&h, &words);
	if (ctl->args.output == OUTPUT_TABLE)
		printf("%s\n", buf_cstr(&words));
	else
		output_one(ctl->args.output, NULL, 0, document(&s, &h, buf_cstr(&words)));
	return survey_exit_code(h.state);
}

int cmd_status(struct ctl *ctl)
{
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(survey_release) struct survey s = {0};
	struct kv_error err;
	enum kv_status status = survey_take(ctl, &s, &err);
	if (status == KV_NOT_READY)
		return show_no_cluster(ctl);
	if (status != KV_OK)
		return ctl_fail(ctl, "no node can be asked", &err);
	CLEANUP(free_ptr) struct node_health *nodes = xcalloc(s.node_count, sizeof *nodes);
	struct cluster_health h;
	if (survey_health(ctl, &s, nodes, &h, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	show(ctl, &s, &h);
	return survey_exit_code(h.state);
}

static const char *peer_word(enum kv_peer_state state)
{
	switch (state) {
	case KV_PEER_UP:
		return "up";
	case KV_PEER_SUSPECT:
		return "suspect";
	case KV_PEER_DOWN:
		return "down";
	case KV_PEER_MYSELF:
		return "itself";
	}
	return "unknown"; /* of a newer node */
}

static json_t *hint_row(const struct survey *s, size_t keeper, const struct kv_peer_status *peer,
			const char *target)
{
	json_t *row = json_object();
	json_set_text(row, "node", s->nodes[keeper].name);
	json_set_text(row, "target", target);
	json_set_text(row, "target_state", peer_word(peer->state));
	json_set_number(row, "hints_pending", peer->hints_pending);
	json_set_number(row, "partitions_dirty", peer->partitions_dirty);
	return row;
}

int cmd_hint_ls(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"NODE", "node", COLUMN_RAW},
						       {"TARGET", "target", COLUMN_RAW},
						       {"TARGET_IS", "target_state", 0},
						       {"HINTS", "hints_pending", COLUMN_RIGHT | COLUMN_RAW},
						       {"DIRTY", "partitions_dirty", COLUMN_RIGHT | COLUMN_RAW}};
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(survey_release) struct survey s = {0};
	struct kv_error err;
	if (survey_take(ctl, &s, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	struct output out;
	int code = 0;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < s.node_count; i++) {
		if (!s.answers[i]) {
			if (survey_is_member(&s.nodes[i]))
				code = ctl_worse(code, ctl_fail(ctl, s.nodes[i].name, &s.errors[i]));
			continue;
		}
		for (size_t j = 0; j < s.answers[i]->peer_count; j++) {
			const struct kv_peer_status *peer = &s.answers[i]->peers[j];
			size_t position = survey_position(&s, peer->node);
			if (peer->state != KV_PEER_MYSELF && position < s.node_count)
				output_add(&out, hint_row(&s, i, peer, s.nodes[position].name));
		}
	}
	output_end(&out);
	return code;
}
