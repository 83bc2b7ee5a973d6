/* SPDX-License-Identifier: Apache-2.0 */
/* The offline command around server/recovery.c: opens, tells, writes. */
#include "base/clock.h"
#include "base/klog.h"
#include "proto/codec.h"
#include "server/files.h"
#include "server/identity.h"
#include "server/map_store.h"
#include "server/recovery.h"
#include "storage/keyspace.h"
#include "storage/store_rocks.h"

#define RECOVERIES_FILE "recoveries"

enum { EXIT_FAILED = 1, EXIT_REFUSED = 11 };

static enum kv_status open_store(const struct config *config, struct store **ret, struct error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	buf_printf(&path, "%s/store", config->node_data_dir);
	return store_rocks_open(&(struct rocks_config){.path = buf_cstr(&path),
						       .memory = config_storage_memory(config),
						       .cache_size = config->storage_cache_size,
						       .write_buffer_size = config->storage_write_buffer_size},
				ret, err);
}

static enum kv_status check_cluster(const struct map_desc *map, const char *cluster, struct error *err)
{
	char id[UUID_TEXT_SIZE];
	uuid_format(&map->cluster, id);
	if (strcmp(id, cluster) == 0 || (map->name.size > 0 && slice_equal(map->name, slice_str(cluster))))
		return KV_OK;
	return error_set(err, KV_REFUSED, "this node is of cluster \"%.*s\" (%s), not of \"%.60s\"",
			 (int)map->name.size, (const char *)map->name.data, id, cluster);
}

/** Splits LIST, which is changed, at its commas. */
static size_t split(char *list, const char *ret[NODES_MAX])
{
	size_t count = 0;
	char *rest = NULL;
	for (char *one = strtok_r(list, ", ", &rest); one && count < NODES_MAX; one = strtok_r(NULL, ", ", &rest))
		ret[count++] = one;
	return count;
}

static void append_nodes(struct buf *out, const char *title, const struct map_desc *before,
			 const struct recovery *r, bool staying)
{
	buf_append_str(out, title);
	for (uint32_t i = 0; i < before->node_count; i++) {
		bool stays = r->map.nodes[i].state != NODE_REMOVED;
		if (stays == staying && before->nodes[i].state != NODE_REMOVED)
			buf_printf(out, " %.*s (%u)", (int)before->nodes[i].name.size,
				   (const char *)before->nodes[i].name.data, i);
	}
	buf_append_str(out, "\n");
}

static void describe(const struct map_desc *before, const struct recovery *r, struct buf *out)
{
	char id[UUID_TEXT_SIZE];
	uuid_format(&before->cluster, id);
	buf_printf(out, "cluster:     %.*s (%s)\n", (int)before->name.size, (const char *)before->name.data, id);
	append_nodes(out, "stay:       ", before, r, /* staying= */ true);
	append_nodes(out, "removed:    ", before, r, /* staying= */ false);
	buf_printf(out, "map:         %llu -> %llu\n", (unsigned long long)before->epoch,
		   (unsigned long long)r->map.epoch);
	buf_printf(out, "replicas:    %u -> %u\n", before->replicas, r->map.replicas);
	buf_printf(out, "partitions:  %u\n", before->partitions);
	buf_printf(out, "  %u keep a majority: nothing acknowledged is lost\n", r->kept);
	buf_printf(out, "  %u do not: acknowledged writes may be lost, and deleted keys may come back\n",
		   r->without_majority - r->lost);
	buf_printf(out, "  %u have no copy left: their data is gone\n", r->lost);
}

static enum kv_status write_map(struct store *store, const struct recovery *r, struct error *err)
{
	CLEANUP(buf_release) struct buf stored = BUF_INIT;
	enum kv_status status = codec_map_encode(&r->map, &stored);
	if (status == KV_OK) {
		const struct store_op op = {
			.table = STORE_META, .key = slice_str(META_MAP), .value = buf_slice(&stored)};
		status = store_write(store, &op, 1, /* sync: */ true);
	}
	if (status != KV_OK)
		return error_set(err, status, "the map cannot be written: %s", status_text(status));
	return KV_OK;
}

/** Keeps for ever what was done to this directory, beside the log that may be lost. */
static enum kv_status note(const char *data_dir, struct slice text, struct error *err)
{
	CLEANUP(buf_release) struct buf all = BUF_INIT;
	enum kv_status status = files_read(data_dir, RECOVERIES_FILE, &all, err);
	if (status != KV_OK && status != KV_NOT_FOUND)
		return status;
	buf_printf(&all, "at %llu ms since 1970\n", (unsigned long long)(clock_wall_us() / USEC_PER_MSEC));
	buf_append_slice(&all, text);
	return files_replace(data_dir, RECOVERIES_FILE, buf_slice(&all), err);
}

static enum kv_status carry_out(const struct config *config, const struct recovery_order *order,
				struct store *store, struct error *err)
{
	CLEANUP(arena_release) struct arena arena = {0};
	CLEANUP(recovery_release) struct recovery recovery = {0};
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	CLEANUP(free_ptr) char *list = xstrdup(order->survivors);
	const char *survivors[NODES_MAX];
	size_t count = split(list, survivors);
	struct identity identity;
	struct map_desc map;
	enum kv_status status = identity_read(store, &identity, err);
	if (status == KV_OK)
		status = map_store_load(store, &arena, &map, err);
	if (status == KV_NOT_FOUND)
		return error_set(err, KV_REFUSED, "this node is in no cluster: there is nothing to recover");
	if (status == KV_OK)
		status = check_cluster(&map, order->cluster, err);
	if (status == KV_OK)
		status = recovery_make(&map, &identity.node, survivors, count, &recovery, err);
	if (status != KV_OK)
		return status;
	describe(&map, &recovery, &text);
	fwrite(text.data, 1, text.size, stdout);
	if (!order->confirmed)
		return error_set(err, KV_REFUSED,
				 "nothing was written; if the removed nodes are gone for ever, say --yes");
	status = note(config->node_data_dir, buf_slice(&text), err);
	if (status == KV_OK)
		status = write_map(store, &recovery, err);
	if (status == KV_OK)
		log_warn("cluster.recovered", L_U64("from_epoch", map.epoch), L_U64("epoch", recovery.map.epoch),
			 L_U64("survivors", recovery.survivors), L_U64("removed", recovery.removed),
			 L_U64("partitions_without_majority", recovery.without_majority),
			 L_U64("partitions_lost", recovery.lost));
	return status;
}

int recovery_run(const struct config *config, const struct recovery_order *order)
{
	struct store *store = NULL;
	struct error err;
	enum kv_status status = open_store(config, &store, &err);
	if (status == KV_OK)
		status = carry_out(config, order, store, &err);
	store_close(store);
	fflush(stdout);
	if (status == KV_OK)
		return 0;
	fprintf(stderr, "kvd: %s\n", err.message);
	return status == KV_REFUSED || status == KV_INVALID || status == KV_IDENTITY ? EXIT_REFUSED : EXIT_FAILED;
}
