/* SPDX-License-Identifier: Apache-2.0 */
#include "server/identity.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/klog.h"
#include "base/rng.h"
#include "server/files.h"
#include "storage/keyspace.h"

/* Stored: u8 format, uuid, u64 incarnation, u32 low half of XXH3 over all before. Little-endian. */
enum { FORMAT = 1, STORED_SIZE = 1 + 16 + 8 + 4 };

static void record_encode(const struct identity *identity, struct buf *out)
{
	buf_append_u8(out, FORMAT);
	buf_append(out, identity->node.bytes, sizeof identity->node.bytes);
	buf_append_le64(out, identity->incarnation);
	buf_append_le32(out, (uint32_t)hash64(buf_slice(out)));
	KV_ASSERT(out->size == STORED_SIZE);
}

static bool record_decode(struct slice stored, struct identity *ret)
{
	if (stored.size != STORED_SIZE || stored.data[0] != FORMAT)
		return false;
	struct slice summed = slice_of(stored.data, STORED_SIZE - 4);
	if ((uint32_t)hash64(summed) != load_le32(stored.data + summed.size))
		return false;
	memcpy(ret->node.bytes, stored.data + 1, sizeof ret->node.bytes);
	ret->incarnation = load_le64(stored.data + 17);
	return true;
}

static enum kv_status record_read(struct store *store, struct identity *ret, struct error *err)
{
	CLEANUP(buf_release) struct buf stored = BUF_INIT;
	enum kv_status status =
		store_get(store, STORE_META, slice_str(META_IDENTITY), /* cache_only: */ false, &stored);
	if (status == KV_NOT_FOUND)
		return status;
	if (status != KV_OK)
		return error_set(err, status, "cannot read the identity: %s", status_text(status));
	if (!record_decode(buf_slice(&stored), ret))
		return error_set(err, KV_CORRUPT,
				 "the stored identity is damaged; remove this node from the cluster and "
				 "start it with an empty data directory");
	return KV_OK;
}

static enum kv_status record_write(struct store *store, const struct identity *identity, struct error *err)
{
	CLEANUP(buf_release) struct buf stored = BUF_INIT;
	record_encode(identity, &stored);
	const struct store_op op = {
		.table = STORE_META, .key = slice_str(META_IDENTITY), .value = buf_slice(&stored)};
	enum kv_status status = store_write(store, &op, 1, /* sync: */ true);
	if (status != KV_OK)
		return error_set(err, status, "cannot write the identity: %s", status_text(status));
	return KV_OK;
}

/** The uuid in a file, which is one line. KV_NOT_FOUND without the file. */
static enum kv_status file_read(const char *data_dir, const char *name, struct uuid *ret, struct error *err)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	enum kv_status status = files_read(data_dir, name, &text, err);
	if (status != KV_OK)
		return status;
	while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == ' '))
		text.size--;
	if (!uuid_parse(buf_cstr(&text), ret))
		return error_set(err, KV_IDENTITY, "%.100s/%s does not hold a node identity; restore the file",
				 data_dir, name);
	return KV_OK;
}

static enum kv_status store_is_empty(struct store *store, bool *ret, struct error *err)
{
	static const enum store_table tables[] = {STORE_DATA, STORE_META, STORE_HINT};
	*ret = true;
	for (size_t i = 0; i < ARRAY_SIZE(tables) && *ret; i++) {
		struct store_scan *scan;
		enum kv_status status =
			store_scan_open(store, tables[i], slice_of("\0", 1), slice_of(NULL, 0), &scan);
		if (status != KV_OK)
			return error_set(err, status, "cannot read the store: %s", status_text(status));
		struct store_row row;
		*ret = !store_scan_next(store, scan, &row, &status);
		store_scan_close(store, scan);
		if (status != KV_OK)
			return error_set(err, status, "cannot read the store: %s", status_text(status));
	}
	return KV_OK;
}

/** First start. A crash in between leaves IDENTITY.new, and the next start goes on with the uuid in it. */
static enum kv_status mint(const char *data_dir, struct store *store, const struct uuid *begun,
			   struct identity *ret, struct error *err)
{
	bool empty;
	enum kv_status status = store_is_empty(store, &empty, err);
	if (status != KV_OK)
		return status;
	if (!empty)
		return error_set(
			err, KV_IDENTITY,
			"%.100s holds data but no identity; restore the whole directory, or start with an empty one",
			data_dir);
	struct identity identity = {.node = *begun};
	if (uuid_is_zero(begun)) {
		rng_entropy_bytes(identity.node.bytes, sizeof identity.node.bytes);
		char text[UUID_TEXT_SIZE + 1];
		uuid_format(&identity.node, text);
		text[UUID_TEXT_SIZE - 1] = '\n';
		status = files_replace(data_dir, IDENTITY_NEW_FILE, slice_of(text, UUID_TEXT_SIZE), err);
		if (status != KV_OK)
			return status;
	}
	*ret = identity;
	return KV_OK;
}

enum kv_status identity_read(struct store *store, struct identity *ret, struct error *err)
{
	*ret = (struct identity){0};
	enum kv_status status = record_read(store, ret, err);
	if (status == KV_NOT_FOUND)
		return error_set(err, KV_IDENTITY, "the store has no node identity");
	return status;
}

/** No later start finds IDENTITY: it is called NAME. Whoever hears of the reason first renames it. */
static void put_aside(const char *data_dir, const char *name, const char *event)
{
	struct uuid named;
	struct error err;
	if (file_read(data_dir, IDENTITY_FILE, &named, NULL) == KV_OK &&
	    files_rename(data_dir, IDENTITY_FILE, name, &err) != KV_OK)
		log_error(event, L_STR("reason", err.message));
}

void identity_spend(const char *data_dir) { put_aside(data_dir, IDENTITY_SPENT_FILE, "identity.unspent"); }

void identity_damage(const char *data_dir) { put_aside(data_dir, IDENTITY_DAMAGED_FILE, "identity.unmarked"); }

/** True, and ERR says so, if an earlier start was told not to go on, or met damage. */
static bool is_spent(const char *data_dir, struct error *err)
{
	struct uuid spent;
	if (file_read(data_dir, IDENTITY_DAMAGED_FILE, &spent, NULL) == KV_OK) {
		(void)!error_set(
			err, KV_IDENTITY,
			"%.100s/" IDENTITY_DAMAGED_FILE
			": this node met a damaged record: replace it with an empty one (kvctl node add ADDRESS "
			"--replace NODE). Renamed to IDENTITY it goes on, at your own risk",
			data_dir);
		return true;
	}
	if (file_read(data_dir, IDENTITY_SPENT_FILE, &spent, NULL) != KV_OK)
		return false;
	(void)!error_set(err, KV_IDENTITY,
			 "%.100s/" IDENTITY_SPENT_FILE
			 ": the cluster did not let this directory in, because it is a copy, from a "
			 "backup, or of a node that was removed; start with an empty directory in its place",
			 data_dir);
	return true;
}

enum kv_status identity_start(const char *data_dir, struct store *store, struct identity *ret, struct error *err)
{
	struct uuid named = {0}, begun = {0};
	struct identity stored = {0};
	enum kv_status file = file_read(data_dir, IDENTITY_FILE, &named, err);
	if (file == KV_NOT_FOUND && is_spent(data_dir, err))
		return KV_IDENTITY;
	enum kv_status new_file = file_read(data_dir, IDENTITY_NEW_FILE, &begun, err);
	enum kv_status record = record_read(store, &stored, err);
	if (file != KV_OK && file != KV_NOT_FOUND)
		return file;
	if (new_file != KV_OK && new_file != KV_NOT_FOUND)
		return new_file;
	if (record != KV_OK && record != KV_NOT_FOUND)
		return record;
	enum kv_status status = KV_OK;
	if (file == KV_OK && record == KV_NOT_FOUND)
		return error_set(
			err, KV_IDENTITY,
			"%.100s/IDENTITY names a node whose store is gone; a node that lost its data may not go on under "
			"its identity: remove it from the cluster and start with an empty directory",
			data_dir);
	if (file == KV_OK && !uuid_equal(&named, &stored.node))
		return error_set(
			err, KV_IDENTITY,
			"%.100s/IDENTITY and the store beside it are of two nodes; put back the files that belong together",
			data_dir);
	if (file == KV_NOT_FOUND && record == KV_NOT_FOUND)
		status = mint(data_dir, store, &begun, &stored, err);
	else if (file == KV_NOT_FOUND && !uuid_equal(&begun, &stored.node))
		return error_set(err, KV_IDENTITY,
				 "%.100s/IDENTITY is missing beside the store; restore the whole directory",
				 data_dir);
	if (status != KV_OK)
		return status;
	stored.incarnation++;
	stored.boot_nonce = rng_entropy();
	status = record_write(store, &stored, err);
	if (status == KV_OK && file == KV_NOT_FOUND)
		status = files_rename(data_dir, IDENTITY_NEW_FILE, IDENTITY_FILE, err);
	if (status == KV_OK)
		*ret = stored;
	return status;
}

enum kv_status identity_check_map(const struct identity *identity, const struct map_desc *map,
				  const char *peer_address, bool moved, struct error *err)
{
	char id[UUID_TEXT_SIZE];
	uuid_format(&identity->node, id);
	for (uint32_t i = 0; i < map->node_count; i++) {
		const struct map_node *node = &map->nodes[i];
		if (!uuid_equal(&node->uuid, &identity->node))
			continue;
		if (node->state == NODE_REMOVED)
			return error_set(
				err, KV_IDENTITY,
				"node %s was removed from the cluster; to come back, start with an empty data directory",
				id);
		if (moved || slice_equal(node->peer_address, slice_str(peer_address)))
			return KV_OK;
		return error_set(
			err, KV_IDENTITY,
			"copied data directory? The cluster knows node %s at %.*s, but its peers would find it at %s here; one identity "
			"may not run twice: use an empty directory, or the old address; if the node itself moved, start it with --moved",
			id, (int)MIN(node->peer_address.size, 64u), (const char *)node->peer_address.data,
			peer_address);
	}
	return error_set(err, KV_IDENTITY,
			 "node %s is not in the cluster map beside it; restore the whole data directory", id);
}
