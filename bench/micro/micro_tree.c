/* SPDX-License-Identifier: Apache-2.0 */
/* The hash tree: a record takes another's place, and the root over all leaves. */
#include <stdio.h>

#include "bench/micro/micro.h"
#include "replication/actions.h"
#include "replication/tree_inside.h"

enum { KEY_SIZE = 16, RECORD_SIZE = 180 };

static char keys[MICRO_CALLS][KEY_SIZE + 1];

static struct tree_item item_at(int i, uint64_t hlc)
{
	const struct version ver = {.hlc = hlc, .id = 1};
	return (struct tree_item){
		.hash = tree_hash(0, slice_of(keys[i], KEY_SIZE), ver, /* tombstone= */ false),
		.size = KEY_SIZE + RECORD_SIZE,
	};
}

MEASURED static void measure_tree_insert(struct tree *t)
{
	for (int i = 0; i < MICRO_CALLS; i++) {
		const struct tree_item in = item_at(i, 1);
		tree_add(t, (uint16_t)i, &in);
	}
}

MEASURED static void measure_tree_overwrite(struct tree *t)
{
	for (int i = 0; i < MICRO_CALLS; i++) {
		const struct tree_item out = item_at(i, 1), in = item_at(i, 2);
		tree_take(t, (uint16_t)i, &out);
		tree_add(t, (uint16_t)i, &in);
	}
}

MEASURED static void measure_tree_root(struct node_core *core, struct tree *t)
{
	for (int i = 0; i < MICRO_CALLS; i++) {
		tree_note_change(t, (uint16_t)i);
		MICRO_USE(tree_root(core, t->partition));
		actions_reset(core->out);
	}
}

int main(void)
{
	struct node_core *core = xcalloc(1, sizeof *core);
	struct tree *t = xcalloc(1, sizeof *t), *of[] = {t};
	struct actions actions;
	actions_init(&actions);
	core->out = &actions;
	core->trees = (struct trees){.of = of, .count = 1};
	t->state = TREE_READY;
	for (int i = 0; i < MICRO_CALLS; i++)
		snprintf(keys[i], sizeof keys[i], "bench/%010u", (unsigned)i % 1000000000u);
	measure_tree_insert(t);
	measure_tree_overwrite(t);
	measure_tree_root(core, t);
	actions_release(&actions);
	free(t);
	free(core);
	return 0;
}
