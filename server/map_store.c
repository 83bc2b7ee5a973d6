/* SPDX-License-Identifier: Apache-2.0 */
#include "server/map_store.h"

#include "proto/codec.h"
#include "storage/keyspace.h"

enum kv_status map_store_load(struct store *store, struct arena *arena, struct map_desc *ret, struct error *err)
{
	CLEANUP(buf_release) struct buf stored = BUF_INIT;
	enum kv_status status = store_get(store, STORE_META, slice_str(META_MAP), /* cache_only: */ false, &stored);
	if (status == KV_NOT_FOUND)
		return status;
	if (status == KV_OK) {
		arena->limit = codec_arena_max(stored.size);
		status = codec_map_decode(buf_slice(&stored), arena, ret);
	}
	if (status != KV_OK)
		return error_set(err, status, "the stored cluster map cannot be read: %s", status_text(status));
	return KV_OK;
}

struct save {
	struct commit_write write;
	struct store_op op;
	struct buf stored;
	void (*saved)(void *owner, struct slice stored);
	void *owner;
};

static void save_done(struct loop_item *item, bool live)
{
	struct save *save = container_of(item, struct save, write.done);
	if (live)
		save->saved(save->owner, buf_slice(&save->stored));
	buf_release(&save->stored);
	free(save);
}

void map_store_save(struct commit *commit, struct loop *loop, const struct map_desc *map,
		    void (*saved)(void *owner, struct slice stored), void *owner)
{
	struct save *save = xcalloc(1, sizeof *save);
	save->saved = saved;
	save->owner = owner;
	enum kv_status status = codec_map_encode(map, &save->stored);
	KV_ASSERT(status == KV_OK);
	save->op = (struct store_op){
		.table = STORE_META, .key = slice_str(META_MAP), .value = buf_slice(&save->stored)};
	save->write = (struct commit_write){.done.run = save_done, .owner = loop, .ops = &save->op, .count = 1};
	commit_submit(commit, &save->write);
}
