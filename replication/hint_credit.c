/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/hint_credit.h"

#include "replication/core.h"

/** A degraded disk takes one key in so many. */
enum { SLOW_DIVISOR = 8 };

static uint32_t rate_of(const struct node_core *core)
{
	uint32_t rate = MAX(core->config.hint_rate / core->config.shard_count, 1u);
	return core->disk.state.degraded ? MAX(rate / SLOW_DIVISOR, 1u) : rate;
}

static void refill(struct node_core *core)
{
	struct hints *h = &core->hints;
	uint32_t rate = rate_of(core);
	usec_t passed_us = MIN(core->now.mono_us - h->granted_us, USEC_PER_SEC);
	uint32_t fresh = (uint32_t)(passed_us * rate / USEC_PER_SEC);
	if (fresh == 0)
		return;
	h->tokens = MIN(h->tokens + fresh, rate);
	h->granted_us = core->now.mono_us;
}

/** Senders that share the budget now, FROM among them. */
static uint32_t sender_count(const struct node_core *core, node_id from)
{
	uint32_t count = 1;
	for (node_id i = 0; i < core->detector.peers_end; i++) {
		usec_t asked_us = core->hints.asked_us[i];
		count += i != from && asked_us != 0 && core->now.mono_us < asked_us + HINT_SENDER_US;
	}
	return count;
}

/** What FROM may have of the budget: its part of what has come in since it was granted something. */
static uint32_t share_of(const struct node_core *core, node_id from)
{
	usec_t passed_us = MIN(core->now.mono_us - core->hints.given_us[from], USEC_PER_SEC);
	return (uint32_t)(passed_us * rate_of(core) / sender_count(core, from) / USEC_PER_SEC);
}

static uint32_t grant(struct node_core *core, node_id from, uint64_t pending)
{
	struct hints *h = &core->hints;
	refill(core);
	h->asked_us[from] = MAX(core->now.mono_us, (usec_t)1);
	if (COVER_IF(health_is_overloaded(core), hint_credit_refused))
		return 0;
	uint64_t wanted = MIN(MAX(pending, (uint64_t)1), (uint64_t)HINT_SCAN_ITEMS);
	uint32_t granted = (uint32_t)MIN(wanted, (uint64_t)MIN(h->tokens, share_of(core, from)));
	if (granted == 0)
		return 0;
	h->tokens -= granted;
	h->given_us[from] = core->now.mono_us;
	return granted;
}

/** True once it is durable here that TARGET is owed the whole partition. */
static bool take_mark(struct node_core *core, node_id from, const struct msg_hint *ask)
{
	const struct map_desc *d = &core->map->desc;
	if (ask->partition >= d->partitions || ask->partition % core->config.shard_count != core->config.shard)
		return false;
	struct row row = cluster_map_row(core->map, ask->partition);
	int own = row_position(&row, core->self);
	bool member = own >= 0 && row.old & 1u << own;
	if (!member || ask->target == core->self || row_position(&row, ask->target) < 0)
		return false;
	struct hint_target *t = hints_target(core, ask->target);
	if (!hints_is_dirty(t, ask->partition)) {
		COVER(hint_mark_taken);
		staleness_hinted(core, ask->target, /* since_us= */ 0);
		hints_set_dirty(core, t, ask->partition, true);
		core->hints.mark_tokens[ask->target] = core->write_issued;
	}
	/* The sender asks again. */
	return core->write_done >= core->hints.mark_tokens[ask->target];
}

void hint_credit_asked(struct node_core *core, node_id from, const struct msg *m)
{
	struct msg *reply = core_msg(core, OP_HINT_OPEN, m->id, /* reply= */ true);
	KV_ASSERT(from < NODES_MAX);
	reply->shard = m->shard;
	reply->hint = m->hint;
	reply->hint.pace_ms = HINT_PACE_MS;
	reply->hint.granted = m->hint.mark ? take_mark(core, from, &m->hint) : grant(core, from, m->hint.pending);
	core_send(core, from, reply);
}
