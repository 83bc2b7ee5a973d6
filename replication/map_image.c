/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/map_image.h"

#include "base/bytes.h"
#include "base/hash.h"

enum { MAP_IMAGE_FORMAT = 1, NODE_LEAVES = 1, NODE_IS_GONE = 2, NODE_STAYS = 4 };

static void put_text(struct buf *out, struct slice text)
{
	KV_ASSERT(text.size <= UINT16_MAX);
	buf_append_le16(out, (uint16_t)text.size);
	buf_append_slice(out, text);
}

static void put_ids(struct buf *out, const node_id *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_append_le16(out, ids[i]);
}

static void put_node(struct buf *out, const struct map_node *node)
{
	buf_append_le16(out, node->index);
	buf_append(out, node->uuid.bytes, sizeof node->uuid.bytes);
	buf_append_u8(out, (uint8_t)node->state);
	buf_append_u8(out,
		      (uint8_t)((node->leave_staged ? NODE_LEAVES : 0) | (node->gone_staged ? NODE_IS_GONE : 0) |
				(node->keep_staged ? NODE_STAYS : 0)));
	buf_append_le16(out, node->state == NODE_STAGED ? node->replaces : NODE_NONE);
	buf_append_le32(out, node->weight);
	buf_append_le64(out, node->features);
	put_text(out, node->name);
	put_text(out, node->peer_address);
	put_text(out, node->client_address);
	put_text(out, node->zone);
}

static void put_move(struct buf *out, const struct map_move *move)
{
	buf_append_le16(out, move->partition);
	buf_append(out, move->session.bytes, sizeof move->session.bytes);
	buf_append_le16(out, move->old_count);
	put_ids(out, move->old_row, move->old_count);
	buf_append_le16(out, move->new_count);
	put_ids(out, move->new_row, move->new_count);
}

void map_image_encode(const struct map_desc *map, struct buf *out)
{
	KV_ASSERT(map->node_count <= NODES_MAX);
	KV_ASSERT(map->voter_count <= VOTERS_MAX && map->token_count <= TOKENS_MAX);
	buf_append_u8(out, MAP_IMAGE_FORMAT);
	buf_append(out, map->cluster.bytes, sizeof map->cluster.bytes);
	put_text(out, map->name);
	buf_append_le64(out, map->epoch);
	buf_append_le32(out, map->partitions);
	buf_append_le32(out, map->replicas);
	buf_append_u8(out, map->paused);
	buf_append_le64(out, map->feature_level);
	buf_append_le32(out, map->node_count);
	for (uint32_t i = 0; i < map->node_count; i++)
		put_node(out, &map->nodes[i]);
	put_ids(out, map->rows, (size_t)map->partitions * map->replicas);
	for (uint32_t p = 0; p < map->partitions; p++)
		buf_append_le64(out, map->config_epochs[p]);
	buf_append_le32(out, map->move_count);
	for (uint32_t i = 0; i < map->move_count; i++)
		put_move(out, &map->moves[i]);
	buf_append_le32(out, map->voter_count);
	put_ids(out, map->voters, map->voter_count);
	buf_append_le32(out, map->token_count);
	for (uint32_t i = 0; i < map->token_count; i++) {
		buf_append_le64(out, map->tokens[i].hash);
		buf_append_le64(out, map->tokens[i].expires_ms);
	}
}

static struct slice get_text(struct reader *r)
{
	uint16_t size = reader_le16(r);
	const uint8_t *at = reader_take(r, size);
	return size > 0 && at ? slice_of(at, size) : slice_of(NULL, 0);
}

static void get_uuid(struct reader *r, struct uuid *ret)
{
	const uint8_t *at = reader_take(r, sizeof ret->bytes);
	if (at)
		memcpy(ret->bytes, at, sizeof ret->bytes);
}

static void get_ids(struct reader *r, node_id *ret, size_t count)
{
	for (size_t i = 0; i < count && !r->failed; i++)
		ret[i] = reader_le16(r);
}

static void get_node(struct reader *r, struct map_node *ret)
{
	*ret = (struct map_node){.index = reader_le16(r)};
	get_uuid(r, &ret->uuid);
	ret->state = reader_u8(r);
	uint8_t flags = reader_u8(r);
	ret->leave_staged = flags & NODE_LEAVES;
	ret->gone_staged = flags & NODE_IS_GONE;
	ret->keep_staged = flags & NODE_STAYS;
	node_id replaces = reader_le16(r);
	ret->replaces = ret->state == NODE_STAGED ? replaces : 0;
	ret->weight = reader_le32(r);
	ret->features = reader_le64(r);
	ret->name = get_text(r);
	ret->peer_address = get_text(r);
	ret->client_address = get_text(r);
	ret->zone = get_text(r);
}

static void get_move(struct reader *r, struct map_move *ret)
{
	*ret = (struct map_move){.partition = reader_le16(r)};
	get_uuid(r, &ret->session);
	ret->old_count = reader_le16(r);
	r->failed |= ret->old_count > REPLICAS_MAX;
	get_ids(r, ret->old_row, ret->old_count);
	ret->new_count = reader_le16(r);
	r->failed |= ret->new_count > REPLICAS_MAX;
	get_ids(r, ret->new_row, ret->new_count);
}

/** Room for COUNT items, of which there are at most MAX; NULL (and failed) if not. */
static void *get_room(struct reader *r, struct arena *arena, size_t count, size_t max, size_t size)
{
	void *room = !r->failed && count <= max ? arena_alloc(arena, (count + 1) * size) : NULL;
	r->failed |= !room;
	return room;
}

static void get_table(struct reader *r, struct arena *arena, struct map_desc *ret)
{
	struct map_node *nodes = get_room(r, arena, ret->node_count, NODES_MAX, sizeof *nodes);
	for (uint32_t i = 0; i < ret->node_count && !r->failed; i++)
		get_node(r, &nodes[i]);
	bool sizes = ret->partitions <= PARTITIONS_MAX && ret->replicas <= REPLICAS_MAX;
	size_t cells = sizes ? (size_t)ret->partitions * ret->replicas : SIZE_MAX;
	node_id *rows = get_room(r, arena, cells, (size_t)PARTITIONS_MAX * REPLICAS_MAX, sizeof *rows);
	get_ids(r, rows, cells);
	uint64_t *epochs = get_room(r, arena, ret->partitions, PARTITIONS_MAX, sizeof *epochs);
	for (uint32_t p = 0; p < ret->partitions && !r->failed; p++)
		epochs[p] = reader_le64(r);
	ret->move_count = reader_le32(r);
	struct map_move *moves = get_room(r, arena, ret->move_count, PARTITIONS_MAX, sizeof *moves);
	for (uint32_t i = 0; i < ret->move_count && !r->failed; i++)
		get_move(r, &moves[i]);
	ret->nodes = nodes;
	ret->rows = rows;
	ret->config_epochs = epochs;
	ret->moves = moves;
}

bool map_image_decode(struct slice bytes, struct arena *arena, struct map_desc *ret)
{
	struct reader r = reader_of(bytes);
	struct map_desc map = {0};
	r.failed = reader_u8(&r) != MAP_IMAGE_FORMAT;
	get_uuid(&r, &map.cluster);
	map.name = get_text(&r);
	map.epoch = reader_le64(&r);
	map.partitions = reader_le32(&r);
	map.replicas = reader_le32(&r);
	map.paused = reader_u8(&r) != 0;
	map.feature_level = reader_le64(&r);
	map.node_count = reader_le32(&r);
	get_table(&r, arena, &map);
	map.voter_count = reader_le32(&r);
	r.failed |= map.voter_count > VOTERS_MAX;
	get_ids(&r, map.voters, map.voter_count);
	map.token_count = reader_le32(&r);
	r.failed |= map.token_count > TOKENS_MAX;
	for (uint32_t i = 0; i < map.token_count && !r.failed; i++)
		map.tokens[i] = (struct map_token){.hash = reader_le64(&r), .expires_ms = reader_le64(&r)};
	if (r.failed || r.rest.size != 0)
		return false;
	*ret = map;
	return true;
}

uint64_t map_image_hash(const struct map_desc *map)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	map_image_encode(map, &bytes);
	return hash64(buf_slice(&bytes));
}
