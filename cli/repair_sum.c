/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/repair_sum.h"

static void add_core(struct repair_sum *s, const struct kv_repair *r)
{
	s->sum.partitions += r->partitions;
	s->sum.building += r->building;
	s->sum.oldest_ms = MAX(s->sum.oldest_ms, r->oldest_ms);
	s->sum.exchanges += r->exchanges;
	s->sum.differing += r->differing;
	s->sum.repaired += r->repaired;
	s->sum.scrubbed += r->scrubbed;
	s->sum.corrupt += r->corrupt;
	s->sum.tombstones += r->tombstones;
	s->sum.purge_age_ms = MAX(s->sum.purge_age_ms, r->purge_age_ms);
	s->sum.purge_blocked += r->purge_blocked;
	if (r->purge_blocked > 0)
		s->sum.purge_blocked_by = r->purge_blocked_by;
	if (r->pair_count > 0 && (!s->has_pair || r->pairs[0].equal_age_ms > s->oldest.equal_age_ms)) {
		s->oldest = r->pairs[0];
		s->has_pair = true;
	}
}

enum kv_status repair_ask_node(struct ctl *ctl, const struct kv_node *node, enum kv_repair_what what,
			       struct repair_sum *ret, struct kv_error *err)
{
	*ret = (struct repair_sum){.sum.purge_blocked_by = KV_NODE_NONE};
	for (uint32_t core = 0, cores = 1; core < cores; core++) {
		struct kv_repair *r;
		enum kv_status status =
			kv_repair_get(ctl->client, node->client_address, core, what, ctl_timeout_ms(ctl), &r, err);
		if (status != KV_OK)
			return status;
		cores = r->cores;
		add_core(ret, r);
		kv_repair_free(r);
	}
	return KV_OK;
}
