/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/checkup.h"

#include <poll.h>

#include "cli/change.h"
#include "cli/each_node.h"
#include "cli/text.h"

enum { BETWEEN_LOOKS_MS = 1000 };

struct asking {
	struct ctl *ctl;
	struct checkup *checkup;
};

static void ask(void *arg, size_t i)
{
	const struct asking *asking = arg;
	struct ctl *ctl = asking->ctl;
	const struct survey *s = &asking->checkup->first;
	struct checkup_node *n = &asking->checkup->asked[i];
	if (!s->answers[i])
		return;
	struct kv_settings *settings = NULL;
	if (kv_settings_get(ctl->client, s->nodes[i].client_address, ctl_timeout_ms(ctl), &settings, NULL) == KV_OK)
		n->settings = settings;
	n->repair_known = repair_ask_node(ctl, &s->nodes[i], KV_REPAIR_ASK, &n->repair, NULL) == KV_OK;
}

/* ---- Settings ---- */

static const char *setting(const struct checkup_node *n, const char *name)
{
	for (size_t i = 0; n->settings && i < n->settings->count; i++) {
		if (strcmp(n->settings->settings[i].name, name) == 0)
			return n->settings->settings[i].value;
	}
	return NULL;
}

static void append_setting(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s%s=%s", out->size ? ", " : "", name, value);
}

static void fill_settings(struct checkup_node *asked, struct doctor_node *n)
{
	uint64_t number;
	n->settings_known = asked->settings != NULL;
	for (size_t i = 0; asked->settings && i < asked->settings->count; i++) {
		const struct kv_setting *s = &asked->settings->settings[i];
		if (strncmp(s->name, "test.", 5) == 0 && strcmp(s->value, s->fallback) != 0)
			append_setting(&asked->test_settings, s->name, s->value);
		if (s->waits)
			append_setting(&asked->waiting_settings, s->name, s->waits);
	}
	const char *insecure = setting(asked, "insecure"), *keep = setting(asked, "deletes.keep");
	const char *value_size = setting(asked, "limits.value_size");
	n->insecure = insecure && strcmp(insecure, "true") == 0;
	if (keep && text_duration_ms(keep, &number))
		n->deletes_keep_ms = number;
	if (value_size && text_size(value_size, 0, UINT64_MAX, &number))
		n->value_size_max = number;
	n->test_settings = buf_cstr(&asked->test_settings);
	n->waiting_settings = buf_cstr(&asked->waiting_settings);
}

/* ---- Status ---- */

static uint64_t growth(const struct kv_node_status *before, const struct kv_node_status *after, const char *counter)
{
	uint64_t then = survey_counter(before, counter), now = survey_counter(after, counter);
	return before && after && now > then && before->incarnation == after->incarnation ? now - then : 0;
}

static uint64_t hints_for(const struct survey *s, uint16_t node)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < s->node_count; i++) {
		for (size_t j = 0; s->answers[i] && j < s->answers[i]->peer_count; j++) {
			if (s->answers[i]->peers[j].node == node)
				sum += s->answers[i]->peers[j].hints_pending;
		}
	}
	return sum;
}

/** Who answers us and holds NODE for down. */
static const char *name_who_misses(const struct survey *s, uint16_t node)
{
	for (size_t i = 0; i < s->node_count; i++) {
		for (size_t j = 0; s->answers[i] && j < s->answers[i]->peer_count; j++) {
			const struct kv_peer_status *peer = &s->answers[i]->peers[j];
			if (peer->node == node && (peer->state == KV_PEER_DOWN || peer->link_bad))
				return s->nodes[i].name;
		}
	}
	return NULL;
}

static void fill_status(const struct checkup *c, size_t i, const struct kv_node_status *before,
			struct doctor_node *n)
{
	const struct kv_node_status *answer = c->second.answers[i];
	const struct kv_peer_status *myself = survey_myself(answer);
	const struct node_health *health = &c->health_nodes[i];
	n->ready = answer->ready;
	n->uptime_ms = answer->uptime_ms;
	n->version = answer->version;
	n->seen_down_by = MAX(health->seen_down_by, health->unreached_by);
	n->seen_down_by_one = name_who_misses(&c->second, c->second.nodes[i].index);
	n->clock_known = survey_clock(&c->second, i, &n->clock_ms, &n->clock_error_ms);
	n->disk_free_pct = myself ? myself->disk_free_pct : 0;
	n->disk_slow = health->disk_slow;
	n->disk_low = health->disk_low;
	n->disk_p99_us = myself ? myself->disk_p99_us : 0;
	n->write_stopped = survey_counter(answer, "store_write_stopped") != 0;
	n->open_files_max = survey_counter(answer, "open_files_max");
	n->connections_max = survey_counter(answer, "connections_max");
	n->connections_wanted = survey_counter(answer, "connections_wanted");
	n->hints_overflowed = growth(before, answer, "hints_overflowed");
	n->ledger_entries = survey_counter(answer, "ledger_entries");
	n->ledger_dropped = survey_counter(answer, "ledger_dropped");
	n->overloaded = growth(before, answer, "ops_overloaded");
	n->damaged = survey_counter(answer, "records_corrupt");
}

static void fill_repair(const struct checkup *c, const struct checkup_node *asked, struct doctor_node *n)
{
	const struct repair_sum *r = &asked->repair;
	const struct survey *s = &c->second;
	n->repair_known = asked->repair_known && r->sum.partitions > 0;
	if (!n->repair_known)
		return;
	n->unverified_ms = r->sum.oldest_ms == KV_AGE_NEVER ? DOCTOR_NEVER : r->sum.oldest_ms;
	if (r->has_pair)
		n->unverified_peer = change_node_name(s->nodes, s->node_count, r->oldest.peer);
	n->building = r->sum.building;
	n->purge_blocked = r->sum.purge_blocked;
	if (r->sum.purge_blocked_by != KV_NODE_NONE)
		n->purge_blocked_by = change_node_name(s->nodes, s->node_count, r->sum.purge_blocked_by);
}

/** The answer of the first look by the node at place I of the second, whose map may be another. */
static const struct kv_node_status *answer_before(const struct checkup *c, size_t i, size_t *ret_position)
{
	*ret_position = survey_position(&c->first, c->second.nodes[i].index);
	return *ret_position < c->first.node_count ? c->first.answers[*ret_position] : NULL;
}

static void fill_node(struct checkup *c, size_t i, struct doctor_node *n)
{
	const struct kv_node *node = &c->second.nodes[i];
	size_t position;
	const struct kv_node_status *before = answer_before(c, i, &position);
	*n = (struct doctor_node){.name = node->name,
				  .answers = c->second.answers[i] != NULL,
				  .error = kv_status_name(c->second.errors[i].status),
				  .normal = node->state == KV_NODE_NORMAL,
				  .weight = node->weight,
				  .partitions = node->partitions,
				  .hints_pending = hints_for(&c->second, node->index),
				  .partitions_dirty = c->health_nodes[i].partitions_dirty};
	n->hints_growth = (int64_t)(n->hints_pending - hints_for(&c->first, node->index));
	if (!n->answers)
		return;
	fill_status(c, i, before, n);
	if (position == c->first.node_count)
		return;
	fill_settings(&c->asked[position], n);
	fill_repair(c, &c->asked[position], n);
}

/* ---- The whole ---- */

static void fill_moves(struct checkup *c)
{
	struct doctor_survey *s = &c->survey;
	if (!c->moves)
		return;
	c->doctor_moves = xcalloc(c->moves->count + 1, sizeof *c->doctor_moves);
	for (size_t i = 0; i < c->moves->count; i++) {
		const struct kv_move *m = &c->moves->moves[i];
		c->doctor_moves[i] = (struct doctor_move){
			.partition = m->partition,
			.node = change_node_name(c->second.nodes, c->second.node_count, m->node),
			.retries = m->retries,
			.age_ms = m->age_ms,
			.error = m->message,
		};
	}
	s->moves = c->doctor_moves;
	s->move_count = c->moves->count;
	s->moves_waiting = c->moves->waiting;
	s->moves_paused = c->moves->paused;
}

static void fill_staged(struct checkup *c)
{
	for (size_t i = 0; i < c->second.node_count; i++) {
		const struct kv_node *n = &c->second.nodes[i];
		const char *what = n->state == KV_NODE_STAGED ? "joins"
				   : n->gone_staged           ? "is gone"
				   : n->leave_staged          ? "leaves"
				   : n->keep_staged           ? "stays"
							      : NULL;
		if (what)
			buf_printf(&c->staged, "%s%s %s", c->staged.size ? ", " : "", n->name, what);
	}
	c->survey.staged = buf_cstr(&c->staged);
}

static void fill_survey(struct checkup *c)
{
	const struct survey *s = &c->second;
	size_t count = 0;
	c->nodes = xcalloc(s->node_count, sizeof *c->nodes);
	for (size_t i = 0; i < s->node_count; i++) {
		if (survey_is_member(&s->nodes[i]))
			fill_node(c, i, &c->nodes[count++]);
	}
	c->survey = (struct doctor_survey){
		.nodes = c->nodes,
		.node_count = count,
		.replicas = s->cluster.replicas,
		.partitions = s->cluster.partitions,
		.without_majority = c->health.without_quorum,
		.losable = c->health.losable,
	};
	fill_moves(c);
	fill_staged(c);
}

enum kv_status checkup_take(struct ctl *ctl, struct checkup *ret, struct kv_error *err)
{
	*ret = (struct checkup){0};
	enum kv_status status = survey_take(ctl, &ret->first, err);
	if (status != KV_OK)
		return status;
	ret->asked = xcalloc(ret->first.node_count, sizeof *ret->asked);
	struct asking asking = {.ctl = ctl, .checkup = ret};
	each_node(ret->first.node_count, ask, &asking);
	poll(NULL, 0, BETWEEN_LOOKS_MS);
	status = survey_take(ctl, &ret->second, err);
	if (status != KV_OK)
		return status;
	ret->health_nodes = xcalloc(ret->second.node_count, sizeof *ret->health_nodes);
	status = survey_health(ctl, &ret->second, ret->health_nodes, &ret->health, err);
	if (status != KV_OK)
		return status;
	if (kv_moves_get(ctl->client, NULL, ctl_timeout_ms(ctl), &ret->moves, NULL) != KV_OK)
		ret->moves = NULL;
	fill_survey(ret);
	return KV_OK;
}

void checkup_release(struct checkup *c)
{
	for (size_t i = 0; c->asked && i < c->first.node_count; i++) {
		kv_settings_free(c->asked[i].settings);
		buf_release(&c->asked[i].test_settings);
		buf_release(&c->asked[i].waiting_settings);
	}
	survey_release(&c->first);
	survey_release(&c->second);
	kv_moves_free(c->moves);
	buf_release(&c->staged);
	free(c->asked);
	free(c->health_nodes);
	free(c->nodes);
	free(c->doctor_moves);
}
