/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/move_source.h"

#include "replication/core.h"

void move_source_init(struct node_core *core) { ilist_init(&core->move_source.pages); }

void move_source_release(struct node_core *core) {}

void move_source_opened(struct node_core *core, node_id from, const struct msg *m) {}

void move_source_pulled(struct node_core *core, node_id from, const struct msg *m) {}

void move_source_scan_done(struct node_core *core, struct move_page *page, const struct disk_row *rows,
			   uint32_t count, bool done)
{
}
