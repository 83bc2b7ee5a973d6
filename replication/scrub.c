/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/scrub.h"

#include "replication/tree_inside.h"

static void drop_shadow(struct node_core *core)
{
	struct scrub *s = &core->scrub;
	struct tree *main = tree_at(core, s->shadow->partition);
	KV_ASSERT(!s->shadow->scanning);
	if (main && main->shadow == s->shadow)
		main->shadow = NULL;
	tree_build_free(s->shadow);
	free(s->shadow);
	s->shadow = NULL;
}

void scrub_release(struct node_core *core)
{
	if (!core->scrub.shadow)
		return;
	tree_build_free(core->scrub.shadow);
	free(core->scrub.shadow);
	core->scrub.shadow = NULL;
}

void scrub_all(struct node_core *core)
{
	struct scrub *s = &core->scrub;
	bool under_way = s->shadow || s->partition != core->config.shard;
	s->again = under_way;
	s->hurried = true;
	if (!under_way)
		s->pass_us = core->now.mono_us;
	s->page_us = core->now.mono_us;
}

static void end_pass(struct node_core *core)
{
	struct scrub *s = &core->scrub;
	s->partition = core->config.shard;
	s->pass_us = s->again ? core->now.mono_us : s->pass_us + SCRUB_INTERVAL_MS * USEC_PER_MSEC;
	s->hurried = s->again;
	s->again = false;
}

/** Begins with the next partition whose tree is ready. */
static void begin_partition(struct node_core *core)
{
	struct scrub *s = &core->scrub;
	struct tree *main = NULL;
	for (; s->partition < core->trees.count; s->partition += core->config.shard_count) {
		main = tree_at(core, (uint16_t)s->partition);
		if (main && main->state == TREE_READY)
			break;
	}
	if (s->partition >= core->trees.count) {
		end_pass(core);
		return;
	}
	s->shadow = xcalloc(1, sizeof *s->shadow);
	s->shadow->partition = (uint16_t)s->partition;
	s->shadow->is_shadow = true;
	tree_build_begin(core, s->shadow);
	main->shadow = s->shadow;
	s->partition += core->config.shard_count;
}

void scrub_tick(struct node_core *core)
{
	struct scrub *s = &core->scrub;
	usec_t now = core->now.mono_us;
	if (s->pass_us == 0) {
		s->pass_us = now + core->config.exchange_interval_us;
		s->partition = core->config.shard;
	}
	if (now < s->pass_us || now < s->page_us || core_yields(core))
		return;
	if (s->shadow && s->shadow->state == TREE_AWAY && !s->shadow->scanning)
		drop_shadow(core);
	if (!s->shadow)
		begin_partition(core);
	if (s->shadow && tree_may_build(core, s->shadow))
		tree_build_page(core, s->shadow, s->hurried ? SCRUB_ROWS_HURRIED : SCRUB_ROWS);
}

/** The records are what counts: leaves that tell otherwise are replaced. */
static void compare(struct node_core *core, struct tree *main, const struct tree *shadow)
{
	uint32_t count = 0;
	for (uint16_t i = 0; i < LEAVES_PER_PARTITION; i++) {
		if (memcmp(&main->leaves[i], &shadow->leaves[i], sizeof main->leaves[i]) == 0)
			continue;
		main->leaves[i] = shadow->leaves[i];
		tree_note_change(main, i);
		count++;
	}
	if (!COVER_IF(count > 0, scrub_mends_tree))
		return;
	main->keys = shadow->keys;
	main->bytes = shadow->bytes;
	main->tombstones = shadow->tombstones;
	core->stats.tree_leaves_mended += count;
	if (!main->marked)
		return;
	struct disk_put put = tree_mark_put(core, main->partition, /* remove= */ true);
	main->marked = false;
	core->trees.unmarked++;
	core_write(core, &put, 1);
}

void scrub_read(struct node_core *core, struct tree *shadow, uint32_t count, bool done)
{
	struct scrub *s = &core->scrub;
	KV_ASSERT(shadow == s->shadow);
	core->stats.records_scrubbed += count;
	if (!s->hurried)
		s->page_us = core->now.mono_us + (count + 1) * USEC_PER_SEC / SCRUB_ROWS_PER_SEC;
	if (!done)
		return;
	struct tree *main = tree_at(core, shadow->partition);
	KV_ASSERT(main && main->state == TREE_READY && main->shadow == shadow);
	compare(core, main, shadow);
	drop_shadow(core);
}
