/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/change.h"

#include <poll.h>

#include "base/clock.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/text.h"

enum { POLL_MS = 250 };

#define KNOWN_US   (10 * USEC_PER_SEC) /* until a change shows in the map */
#define TROUBLE_US (60 * USEC_PER_SEC) /* without an answer before the waiting ends */

const char *change_node_word(enum kv_node_state state)
{
	switch (state) {
	case KV_NODE_JOINING:
		return "joining";
	case KV_NODE_NORMAL:
		return "normal";
	case KV_NODE_LEAVING:
		return "leaving";
	case KV_NODE_REMOVED:
		return "removed";
	case KV_NODE_STAGED:
		return "staged";
	}
	return "unknown"; /* of a newer node */
}

const char *change_node_name(const struct kv_node *nodes, size_t count, uint16_t index)
{
	for (size_t i = 0; i < count; i++) {
		if (nodes[i].index == index)
			return nodes[i].name;
	}
	return "?";
}

/* ---- Plans -------------------------------------------------------------------------------------------------------- */

static json_t *plan_node_row(const struct kv_plan_node *n, const struct kv_node *nodes, size_t count)
{
	CLEANUP(buf_release) struct buf in = BUF_INIT, out = BUF_INIT;
	json_t *row = json_object();
	text_append_size(&in, n->bytes_in);
	text_append_size(&out, n->bytes_out);
	json_set_text(row, "name", change_node_name(nodes, count, n->node));
	json_set_number(row, "index", n->node);
	for (size_t i = 0; i < count; i++) {
		if (nodes[i].index == n->node)
			json_set_text(row, "state", change_node_word(nodes[i].state));
	}
	json_set_number(row, "partitions_before", n->before);
	json_set_number(row, "partitions_after", n->after);
	json_set_number(row, "moves_in", n->moves_in);
	json_set_number(row, "moves_out", n->moves_out);
	json_set_number(row, "bytes_in", n->bytes_in);
	json_set_number(row, "bytes_out", n->bytes_out);
	json_set_text(row, "size_in", buf_cstr(&in));
	json_set_text(row, "size_out", buf_cstr(&out));
	return row;
}

/** One sentence: what moves, how long, what may fail meanwhile. */
static void append_words(struct buf *out, const struct kv_plan *plan)
{
	if (!plan->staged && plan->moves == 0) {
		buf_append_str(out, "nothing is staged, and nothing moves");
		return;
	}
	buf_printf(out, "%s: %u partition%s get%s other replicas, ", plan->staged ? "staged" : "under way",
		   plan->moves, plan->moves == 1 ? "" : "s", plan->moves == 1 ? "s" : "");
	text_append_size(out, plan->bytes);
	buf_append_str(out, " to copy");
	if (plan->duration_ms > 0) {
		buf_append_str(out, ", about ");
		text_append_us(out, plan->duration_ms * USEC_PER_MSEC);
	}
	if (plan->duration_busy_ms > plan->duration_ms) {
		buf_append_str(out, ", up to ");
		text_append_us(out, plan->duration_busy_ms * USEC_PER_MSEC);
		buf_append_str(out, " if clients keep the nodes busy");
	}
	buf_printf(out, "; meanwhile %u node%s may fail without an acknowledged strong write lost", plan->survives,
		   plan->survives == 1 ? "" : "s");
	if (plan->message[0])
		buf_printf(out, "\n%s", plan->message);
}

static json_t *plan_document(const struct kv_plan *plan, const struct kv_node *nodes, size_t count)
{
	json_t *row = json_object(), *list = json_array();
	json_set_number(row, "map_epoch", plan->epoch);
	json_set_bool(row, "staged", plan->staged);
	json_set_number(row, "moves", plan->moves);
	json_set_number(row, "bytes", plan->bytes);
	json_set_number(row, "duration_ms", plan->duration_ms);
	json_set_number(row, "duration_busy_ms", plan->duration_busy_ms);
	json_set_number(row, "nodes_losable", plan->survives);
	json_set_text(row, "message", plan->message);
	for (size_t i = 0; i < plan->node_count; i++)
		json_array_append_new(list, plan_node_row(&plan->nodes[i], nodes, count));
	json_set(row, "nodes", list);
	return row;
}

int change_show_plan(struct ctl *ctl, const struct kv_plan *plan)
{
	static const struct output_column columns[] = {{"NODE", "name", 0},
						       {"STATE", "state", 0},
						       {"PARTITIONS", "partitions_before", COLUMN_RIGHT},
						       {"AFTER", "partitions_after", COLUMN_RIGHT},
						       {"IN", "moves_in", COLUMN_RIGHT},
						       {"OUT", "moves_out", COLUMN_RIGHT},
						       {"COPIED_IN", "size_in", COLUMN_RIGHT},
						       {"COPIED_OUT", "size_out", COLUMN_RIGHT}};
	struct kv_node *nodes;
	size_t count;
	struct kv_error err;
	if (kv_nodes(ctl->client, &nodes, &count, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	if (ctl->args.output != OUTPUT_TABLE) {
		output_one(ctl->args.output, NULL, 0, plan_document(plan, nodes, count));
		kv_nodes_free(nodes);
		return 0;
	}
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	append_words(&words, plan);
	printf("%s\n", buf_cstr(&words));
	struct output out;
	if (plan->node_count > 0) {
		printf("\n");
		output_begin(&out, OUTPUT_TABLE, columns, ARRAY_SIZE(columns));
		for (size_t i = 0; i < plan->node_count; i++)
			output_add(&out, plan_node_row(&plan->nodes[i], nodes, count));
		output_end(&out);
	}
	kv_nodes_free(nodes);
	return 0;
}

int change_tell_plan(struct ctl *ctl)
{
	struct kv_plan *plan;
	struct kv_error err;
	if (kv_plan_get(ctl->client, ctl_timeout_ms(ctl), &plan, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	int code = change_show_plan(ctl, plan);
	kv_plan_free(plan);
	return code;
}

int change_commit(struct ctl *ctl, struct kv_plan **ret_plan)
{
	struct kv_plan *plan;
	struct kv_error err;
	*ret_plan = NULL;
	if (kv_plan_get(ctl->client, ctl_timeout_ms(ctl), &plan, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	if (!plan->staged) {
		ctl_say(ctl, "nothing is staged");
		kv_plan_free(plan);
		return 0;
	}
	if (kv_changes_commit(ctl->client, plan->epoch, ctl_timeout_ms(ctl), &err) != KV_OK) {
		kv_plan_free(plan);
		return ctl_fail(ctl, NULL, &err);
	}
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	text_append_size(&words, plan->bytes);
	ctl_say(ctl, "committed: %u partitions get other replicas, %s to copy", plan->moves, buf_cstr(&words));
	*ret_plan = plan;
	return 0;
}

/* ---- Waiting ------------------------------------------------------------------------------------------------------ */

bool change_wait_known(struct ctl *ctl, const char *peer_address)
{
	usec_t until_us = clock_mono_us() + KNOWN_US;
	do {
		struct kv_node *nodes;
		size_t count;
		if (kv_nodes(ctl->client, &nodes, &count, NULL) != KV_OK)
			continue;
		bool found = false;
		for (size_t i = 0; i < count; i++)
			found |= strcmp(nodes[i].peer_address, peer_address) == 0 &&
				 nodes[i].state != KV_NODE_REMOVED;
		kv_nodes_free(nodes);
		if (found)
			return true;
		kv_ping(ctl->client, NULL, ctl_timeout_ms(ctl), NULL, NULL); /* whose answer tells of a newer map */
	} while (clock_mono_us() < until_us && poll(NULL, 0, POLL_MS) == 0);
	return false;
}

/** What one look at the cluster shows. */
struct look {
	bool done;
	bool paused;
	uint32_t left;        /* partitions that move or have to */
	uint64_t thousandths; /* of the partitions that move: how much of them is copied */
	uint64_t bytes_per_sec;
};

/** No node is arriving or leaving, by a map that is not older than EPOCH. */
static bool all_arrived(struct ctl *ctl, uint64_t epoch)
{
	struct kv_cluster_info info;
	struct kv_node *nodes;
	size_t count;
	if (kv_cluster_info(ctl->client, &info, NULL) != KV_OK || info.epoch < epoch || info.move_count > 0 ||
	    kv_nodes(ctl->client, &nodes, &count, NULL) != KV_OK)
		return false;
	bool arrived = true;
	for (size_t i = 0; i < count; i++)
		arrived &= nodes[i].state != KV_NODE_JOINING && nodes[i].state != KV_NODE_LEAVING;
	kv_nodes_free(nodes);
	return arrived;
}

static enum kv_status take_look(struct ctl *ctl, uint64_t epoch, struct look *ret, struct kv_error *err)
{
	struct kv_moves *list;
	enum kv_status status = kv_moves_get(ctl->client, NULL, ctl_timeout_ms(ctl), &list, err);
	if (status != KV_OK)
		return status;
	*ret = (struct look){.paused = list->paused, .left = list->waiting};
	uint32_t last = UINT32_MAX;
	for (size_t i = 0; i < list->count; i++) {
		const struct kv_move *move = &list->moves[i];
		ret->bytes_per_sec += move->bytes_per_sec;
		if (move->partition == last)
			continue; /* another new replica of it */
		last = move->partition;
		ret->left++;
		if (move->stage >= KV_MOVE_CHECKING)
			ret->thousandths += 990;
		else if (move->bytes > 0)
			ret->thousandths += MIN(move->bytes_done, move->bytes) * 990 / move->bytes;
	}
	ret->done = ret->left == 0 && list->epoch >= epoch && all_arrived(ctl, list->epoch);
	kv_moves_free(list);
	return KV_OK;
}

/** Tells how far it is; *total grows if more turns out to move. */
static void tell(struct progress *progress, const struct look *look, uint32_t *total)
{
	*total = MAX(*total, look->left);
	uint32_t moved = *total - look->left;
	uint64_t part = (uint64_t)moved * 1000 + look->thousandths;
	progress_update(progress, moved, part, (uint64_t)*total * 1000);
}

static int end_well(struct ctl *ctl, struct progress *progress, uint32_t total)
{
	CLEANUP(buf_release) struct buf took = BUF_INIT;
	text_append_us(&took, progress_elapsed_us(progress));
	progress_clear(progress);
	ctl_say(ctl, "done in %s: %u partitions moved", buf_cstr(&took), total);
	return 0;
}

int change_wait(struct ctl *ctl, const struct kv_plan *plan)
{
	struct progress progress;
	struct kv_error err;
	struct look look;
	uint32_t total = plan ? plan->moves : 0;
	usec_t answered_us = clock_mono_us();
	bool told_pause = false;
	progress_start(&progress, "moving", "partitions");
	interrupt_defer();
	for (;; poll(NULL, 0, POLL_MS)) {
		if (interrupt_pending()) {
			progress_clear(&progress);
			ctl_say(ctl, "the change goes on; kvctl move ls tells how far it is");
			return INTERRUPT_EXIT_CODE;
		}
		if (take_look(ctl, plan ? plan->epoch + 1 : 0, &look, &err) != KV_OK) {
			if (clock_mono_us() - answered_us < TROUBLE_US)
				continue;
			progress_clear(&progress);
			return ctl_fail(ctl, "the change goes on, but nobody tells how far it is", &err);
		}
		answered_us = clock_mono_us();
		if (look.done)
			return end_well(ctl, &progress, total);
		if (look.paused && !told_pause)
			ctl_say(ctl, "moves are paused; kvctl cluster resume lets them go on");
		told_pause = look.paused;
		tell(&progress, &look, &total);
	}
}
