/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/health.h"

#include "base/status.h"

static bool serves(const struct health_node *node) { return node->answers && node->ready; }

/** Counts in the majority of a strong request. */
static bool votes(const struct health_node *node) { return serves(node) && !node->clock_wrong; }

void health_init(struct health *h, const struct health_node *nodes, size_t node_count, uint32_t replicas)
{
	*h = (struct health){.nodes = nodes,
			     .node_count = node_count,
			     .replicas = replicas,
			     .present_min = UINT32_MAX,
			     .losable = UINT32_MAX};
}

void health_add_partition(struct health *h, const uint16_t *row, size_t count)
{
	uint32_t present = 0, voting = 0, majority = (uint32_t)count / 2 + 1;
	for (size_t i = 0; i < count; i++) {
		KV_ASSERT(row[i] < h->node_count);
		present += serves(&h->nodes[row[i]]);
		voting += votes(&h->nodes[row[i]]);
	}
	h->partitions++;
	h->without_quorum += voting < majority;
	h->eventual_lost += present == 0;
	h->present_min = MIN(h->present_min, present);
	h->present_max = MAX(h->present_max, present);
	h->losable = MIN(h->losable, voting < majority ? 0 : voting - majority);
}

void health_judge(struct health *h)
{
	if (h->partitions == 0) {
		h->state = HEALTH_NO_CLUSTER;
		h->present_min = h->losable = 0;
	}
	bool quiet = true;
	for (size_t i = 0; i < h->node_count; i++) {
		const struct health_node *node = &h->nodes[i];
		if (node->removed)
			continue;
		h->members++;
		h->nodes_up += serves(node);
		h->hints_pending += node->hints_pending;
		h->partitions_dirty += node->partitions_dirty;
		quiet = quiet && votes(node) && node->seen_down_by == 0;
	}
	if (h->partitions == 0)
		return;
	if (h->without_quorum > 0)
		h->state = HEALTH_QUORUM_LOST;
	else if (!quiet || h->hints_pending > 0 || h->partitions_dirty > 0)
		h->state = HEALTH_DEGRADED;
	else
		h->state = HEALTH_HEALTHY;
}

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

/** "n2 and n3 are down", for the nodes for which PICK holds. Nothing if there are none. */
static void append_names(const struct health *h, bool (*pick)(const struct health_node *), const char *one,
			 const char *many, struct buf *out)
{
	size_t count = 0, told = 0;
	for (size_t i = 0; i < h->node_count; i++)
		count += pick(&h->nodes[i]);
	for (size_t i = 0; i < h->node_count; i++) {
		if (!pick(&h->nodes[i]))
			continue;
		buf_printf(out, "%s%s", told == 0 ? "; " : told + 1 == count ? " and " : ", ", h->nodes[i].name);
		told++;
	}
	if (count > 0)
		buf_printf(out, " %s", count == 1 ? one : many);
}

static bool is_down(const struct health_node *node) { return !node->answers && !node->removed; }
static bool is_starting(const struct health_node *node) { return node->answers && !node->ready; }
static bool is_cut_off(const struct health_node *node) { return serves(node) && node->seen_down_by > 0; }
static bool has_wrong_clock(const struct health_node *node) { return serves(node) && node->clock_wrong; }
static bool is_insecure(const struct health_node *node) { return node->insecure && !node->removed; }
static bool is_behind(const struct health_node *node)
{
	return serves(node) && (node->hints_pending > 0 || node->partitions_dirty > 0);
}

static void append_copies(const struct health *h, struct buf *out)
{
	if (h->without_quorum > 0)
		buf_printf(
			out,
			"; strong requests are refused for keys in %u of %u partitions, which have no majority of their "
			"replicas",
			h->without_quorum, h->partitions);
	if (h->eventual_lost > 0)
		buf_printf(out, "; keys in %u partitions cannot be reached at all", h->eventual_lost);
	else if (h->present_min == h->present_max)
		buf_printf(out, "; every key has %u replica%s", h->present_min, plural(h->present_min));
	else
		buf_printf(out, "; every key has at least %u replica%s", h->present_min, plural(h->present_min));
	if (h->eventual_lost == 0 && h->present_min < h->replicas)
		buf_printf(out, " of %u", h->replicas);
}

void health_words(const struct health *h, struct buf *out)
{
	if (h->state == HEALTH_NO_CLUSTER) {
		buf_printf(out, "no cluster yet; form one with kvctl cluster init and the nodes' peer addresses");
		return;
	}
	buf_printf(out, "%zu of %zu nodes up", h->nodes_up, h->members);
	append_names(h, is_down, "is down", "are down", out);
	append_names(h, is_starting, "does not serve requests yet", "do not serve requests yet", out);
	append_names(h, is_cut_off, "is not reached by every other node", "are not reached by every other node",
		     out);
	append_names(h, has_wrong_clock, "has a wrong clock and takes no part in strong requests",
		     "have wrong clocks and take no part in strong requests", out);
	append_copies(h, out);
	append_names(h, is_behind, "is being told what it missed", "are being told what they missed", out);
	if (h->hints_pending > 0)
		buf_printf(out, "; %llu change%s for delivery", (unsigned long long)h->hints_pending,
			   h->hints_pending == 1 ? " waits" : "s wait");
	if (h->moving > 0)
		buf_printf(out, "; %u partition%s moving to other nodes", h->moving,
			   h->moving == 1 ? " is" : "s are");
	if (h->waiting > 0)
		buf_printf(out, "; %u partition%s to move", h->waiting, h->waiting == 1 ? " waits" : "s wait");
	if (h->paused)
		buf_append_str(out, "; moves are paused until kvctl cluster resume");
	if (h->losable == 0)
		buf_append_str(out, h->without_quorum > 0 ? "" : "; no further node can be lost");
	else
		buf_printf(out, "; any %u node%s can be lost", h->losable, plural(h->losable));
	append_names(h, is_insecure, "has insecure: true", "have insecure: true", out);
}

const char *health_state_name(enum health_state state)
{
	static const char *const names[] = {[HEALTH_HEALTHY] = "healthy",
					    [HEALTH_DEGRADED] = "degraded",
					    [HEALTH_QUORUM_LOST] = "quorum_lost",
					    [HEALTH_NO_CLUSTER] = "no_cluster"};
	return names[state];
}

int health_exit_code(enum health_state state)
{
	bool good = state == HEALTH_HEALTHY || state == HEALTH_DEGRADED;
	return good ? 0 : status_exit_code(KV_UNAVAILABLE);
}
