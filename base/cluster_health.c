/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cluster_health.h"

#include "base/base.h"

static bool serves(const struct node_health *node) { return node->answers && node->ready; }

/** Counts in the majority of a strong request. */
static bool votes(const struct node_health *node) { return serves(node) && !node->clock_wrong; }

void cluster_health_init(struct cluster_health *h, const struct node_health *nodes, size_t node_count,
			 uint32_t replicas)
{
	*h = (struct cluster_health){.nodes = nodes,
				     .node_count = node_count,
				     .replicas = replicas,
				     .present_min = UINT32_MAX,
				     .losable = UINT32_MAX};
}

/** How many nodes of ROW vote beyond its majority; negative: so many are missing. */
static int spare(const struct cluster_health *h, struct health_row row, uint32_t *ret_present)
{
	uint32_t present = 0, voting = 0;
	for (size_t i = 0; i < row.count; i++) {
		KV_ASSERT(row.nodes[i] < h->node_count);
		present += serves(&h->nodes[row.nodes[i]]);
		voting += votes(&h->nodes[row.nodes[i]]);
	}
	*ret_present = present;
	return (int)voting - (int)(row.count / 2 + 1);
}

void cluster_health_add_partition(struct cluster_health *h, struct health_row row, struct health_row next)
{
	uint32_t present, present_next = 0;
	int more = spare(h, row, &present);
	if (next.count > 0)
		more = MIN(more, spare(h, next, &present_next));
	h->partitions++;
	h->without_quorum += more < 0;
	h->unreachable += present == 0 && present_next == 0;
	h->under_replicated += present < h->replicas;
	h->present_min = MIN(h->present_min, present);
	h->present_max = MAX(h->present_max, present);
	h->losable = MIN(h->losable, (uint32_t)MAX(more, 0));
}

void cluster_health_judge(struct cluster_health *h)
{
	bool quiet = true;
	for (size_t i = 0; i < h->node_count; i++) {
		const struct node_health *node = &h->nodes[i];
		if (!node->member)
			continue;
		h->members++;
		h->members_up += serves(node);
		h->hints_pending += node->hints_pending;
		h->partitions_dirty += node->partitions_dirty;
		quiet = quiet && votes(node) && node->seen_down_by == 0 && node->hints_pending == 0 &&
			node->partitions_dirty == 0 && !node->disk_low;
	}
	if (h->partitions == 0) {
		h->state = CLUSTER_NONE;
		h->present_min = h->losable = 0;
	} else if (h->without_quorum > 0) {
		h->state = CLUSTER_QUORUM_LOST;
	} else {
		h->state = quiet ? CLUSTER_HEALTHY : CLUSTER_DEGRADED;
	}
}

/* ---- Words ---- */

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

/** "; n2 and n3 are down", for the members for which PICK holds. Nothing if there are none. */
static void append_names(const struct cluster_health *h, bool (*pick)(const struct node_health *), const char *one,
			 const char *many, struct buf *out)
{
	size_t count = 0, told = 0;
	for (size_t i = 0; i < h->node_count; i++)
		count += h->nodes[i].member && pick(&h->nodes[i]);
	for (size_t i = 0; i < h->node_count; i++) {
		if (!h->nodes[i].member || !pick(&h->nodes[i]))
			continue;
		buf_append_str(out, told == 0 ? "; " : told + 1 == count ? " and " : ", ");
		buf_append_slice(out, h->nodes[i].name);
		told++;
	}
	if (count > 0)
		buf_printf(out, " %s", count == 1 ? one : many);
}

static bool is_down(const struct node_health *node) { return !node->answers; }
static bool is_starting(const struct node_health *node) { return node->answers && !node->ready; }
static bool is_cut_off(const struct node_health *node)
{
	return serves(node) && (node->seen_down_by > 0 || node->unreached_by > 0);
}
static bool has_slow_disk(const struct node_health *node) { return serves(node) && node->disk_slow; }
static bool has_full_disk(const struct node_health *node) { return serves(node) && node->disk_low; }
static bool has_wrong_clock(const struct node_health *node) { return serves(node) && node->clock_wrong; }
static bool is_insecure(const struct node_health *node) { return node->insecure; }
static bool is_behind(const struct node_health *node)
{
	return serves(node) && (node->hints_pending > 0 || node->partitions_dirty > 0);
}

static void append_nodes(const struct cluster_health *h, struct buf *out)
{
	append_names(h, is_down, "is down", "are down", out);
	append_names(h, is_starting, "does not serve requests yet", "do not serve requests yet", out);
	append_names(h, is_cut_off, "is not reached by every other node", "are not reached by every other node",
		     out);
	append_names(h, has_slow_disk, "has a slow disk", "have slow disks", out);
	append_names(h, has_full_disk, "has a disk that is nearly full and refuses values that grow",
		     "have disks that are nearly full and refuse values that grow", out);
	append_names(h, has_wrong_clock, "has a wrong clock and takes no part in strong requests",
		     "have wrong clocks and take no part in strong requests", out);
}

static void append_copies(const struct cluster_health *h, struct buf *out)
{
	if (h->without_quorum > 0)
		buf_printf(
			out,
			"; strong requests are refused for keys in %u of %u partitions, which have no majority of their "
			"replicas",
			h->without_quorum, h->partitions);
	if (h->unreachable > 0) {
		buf_printf(out, "; keys in %u partition%s cannot be reached at all", h->unreachable,
			   plural(h->unreachable));
		return;
	}
	buf_printf(out, "; every key has %s%u replica%s", h->present_min == h->present_max ? "" : "at least ",
		   h->present_min, plural(h->present_min));
	if (h->present_min < h->replicas)
		buf_printf(out, " of %u", h->replicas);
}

static void append_work(const struct cluster_health *h, struct buf *out)
{
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
}

void cluster_health_words(const struct cluster_health *h, struct buf *out)
{
	if (h->state == CLUSTER_NONE) {
		buf_append_str(out,
			       "no cluster yet; form one with kvctl cluster init and the nodes' peer addresses");
		return;
	}
	buf_printf(out, "%u of %u nodes up", h->members_up, h->members);
	append_nodes(h, out);
	append_copies(h, out);
	append_work(h, out);
	if (h->losable > 0)
		buf_printf(out, "; any %u node%s can be lost", h->losable, plural(h->losable));
	else if (h->without_quorum == 0)
		buf_append_str(out, "; no further node can be lost");
	append_names(h, is_insecure, "has insecure: true", "have insecure: true", out);
}

const char *cluster_state_name(enum cluster_state state)
{
	static const char *const names[] = {[CLUSTER_HEALTHY] = "healthy",
					    [CLUSTER_DEGRADED] = "degraded",
					    [CLUSTER_QUORUM_LOST] = "quorum_lost",
					    [CLUSTER_NONE] = "no_cluster"};
	return names[state];
}
