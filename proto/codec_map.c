/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/hash.h"
#include "proto/codec_internal.h"
#include "proto/map.pb-c.h"
#include "proto/msg_check.h"

/** Heap room for the generated form of a map; the parts without a small bound. */
struct map_scratch {
	Kv__MapNode *nodes;
	Kv__MapNode **node_pointers;
	Kv__MapMove *moves;
	Kv__MapMove **move_pointers;
	Kv__MapToken tokens[TOKENS_MAX];
	Kv__MapToken *token_pointers[TOKENS_MAX];
	uint32_t *rows; /* of the map, then old and new of each move */
	uint32_t voters[VOTERS_MAX];
};

static void map_scratch_init(struct map_scratch *s, const struct map_desc *map)
{
	size_t rows = (size_t)map->partitions * map->replicas + (size_t)map->move_count * 2 * REPLICAS_MAX;
	s->nodes = xcalloc(map->node_count + 1, sizeof *s->nodes);
	s->node_pointers = xcalloc(map->node_count + 1, sizeof *s->node_pointers);
	s->moves = xcalloc(map->move_count + 1, sizeof *s->moves);
	s->move_pointers = xcalloc(map->move_count + 1, sizeof *s->move_pointers);
	s->rows = xcalloc(rows + 1, sizeof *s->rows);
}

static void map_scratch_release(struct map_scratch *s)
{
	free(s->nodes);
	free(s->node_pointers);
	free(s->moves);
	free(s->move_pointers);
	free(s->rows);
}

static void set_node(const struct map_node *node, Kv__MapNode *pb)
{
	kv__map_node__init(pb);
	CODEC_SET_NODE(pb, index, node->index);
	CODEC_SET_UUID(pb, uuid, &node->uuid);
	CODEC_SET(pb, state, (Kv__NodeState)node->state);
	CODEC_SET_BYTES(pb, name, node->name);
	CODEC_SET_BYTES(pb, peer_address, node->peer_address);
	CODEC_SET_BYTES(pb, client_address, node->client_address);
	CODEC_SET_BYTES(pb, zone, node->zone);
	CODEC_SET(pb, weight, node->weight);
	CODEC_SET(pb, features, node->features);
	CODEC_SET(pb, leave_staged, node->leave_staged);
	CODEC_SET(pb, gone_staged, node->gone_staged);
	CODEC_SET(pb, keep_staged, node->keep_staged);
	CODEC_SET_NODE(pb, replaces, node->state == NODE_STAGED ? node->replaces : NODE_NONE);
}

static enum kv_status get_node(const Kv__MapNode *pb, struct map_node *ret)
{
	*ret = (struct map_node){
		.state = (enum node_state)pb->state,
		.name = codec_get_bytes(&pb->name),
		.peer_address = codec_get_bytes(&pb->peer_address),
		.client_address = codec_get_bytes(&pb->client_address),
		.zone = codec_get_bytes(&pb->zone),
		.weight = pb->weight,
		.features = pb->features,
		.leave_staged = pb->leave_staged,
		.gone_staged = pb->gone_staged,
		.keep_staged = pb->keep_staged,
	};
	node_id replaces = NODE_NONE;
	bool valid = codec_get_uuid(&pb->uuid, &ret->uuid) && CODEC_GET_NODE(pb, index, &ret->index) &&
		     CODEC_GET_NODE(pb, replaces, &replaces);
	if (ret->state == NODE_STAGED)
		ret->replaces = replaces;
	return valid ? KV_OK : KV_INVALID;
}

static void set_moves(const struct map_desc *map, struct map_scratch *s)
{
	uint32_t *row = s->rows + (size_t)map->partitions * map->replicas;
	for (uint32_t i = 0; i < map->move_count; i++) {
		const struct map_move *move = &map->moves[i];
		Kv__MapMove *pb = &s->moves[i];
		kv__map_move__init(pb);
		CODEC_SET(pb, partition, move->partition);
		CODEC_SET_UUID(pb, session, &move->session);
		codec_set_row(move->old_row, move->old_count, row);
		pb->n_old_row = move->old_count;
		pb->old_row = row;
		row += REPLICAS_MAX;
		codec_set_row(move->new_row, move->new_count, row);
		pb->n_new_row = move->new_count;
		pb->new_row = row;
		row += REPLICAS_MAX;
		s->move_pointers[i] = pb;
	}
}

static void set_tokens(const struct map_desc *map, struct map_scratch *s)
{
	for (uint32_t i = 0; i < map->token_count; i++) {
		Kv__MapToken *pb = &s->tokens[i];
		kv__map_token__init(pb);
		CODEC_SET(pb, hash, map->tokens[i].hash);
		CODEC_SET(pb, expires_ms, map->tokens[i].expires_ms);
		s->token_pointers[i] = pb;
	}
}

/** Fills the generated form of a map that passed msg_check_map. Borrows from MAP and S. */
static void set_map(const struct map_desc *map, struct map_scratch *s, Kv__ClusterMap *pb)
{
	kv__cluster_map__init(pb);
	CODEC_SET_UUID(pb, cluster, &map->cluster);
	CODEC_SET_BYTES(pb, name, map->name);
	CODEC_SET(pb, epoch, map->epoch);
	CODEC_SET(pb, partitions, map->partitions);
	CODEC_SET(pb, replicas, map->replicas);
	CODEC_SET(pb, feature_level, map->feature_level);
	for (uint32_t i = 0; i < map->node_count; i++) {
		set_node(&map->nodes[i], &s->nodes[i]);
		s->node_pointers[i] = &s->nodes[i];
	}
	pb->n_nodes = map->node_count;
	pb->nodes = s->node_pointers;
	pb->n_rows = (size_t)map->partitions * map->replicas;
	codec_set_row(map->rows, pb->n_rows, s->rows);
	pb->rows = s->rows;
	pb->n_config_epochs = map->partitions;
	pb->config_epochs = (uint64_t *)(uintptr_t)map->config_epochs;
	set_moves(map, s);
	pb->n_moves = map->move_count;
	pb->moves = s->move_pointers;
	codec_set_row(map->voters, map->voter_count, s->voters);
	pb->n_voters = map->voter_count;
	pb->voters = s->voters;
	set_tokens(map, s);
	pb->n_tokens = map->token_count;
	pb->tokens = s->token_pointers;
	CODEC_SET(pb, paused, map->paused);
}

static enum kv_status get_nodes(const Kv__ClusterMap *pb, struct arena *arena, struct map_desc *ret)
{
	if (pb->n_nodes > NODES_MAX)
		return KV_TOO_LARGE;
	struct map_node *nodes = CODEC_NEW(arena, struct map_node, pb->n_nodes);
	if (!nodes)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_nodes; i++) {
		enum kv_status status = get_node(pb->nodes[i], &nodes[i]);
		if (status != KV_OK)
			return status;
	}
	ret->node_count = (uint32_t)pb->n_nodes;
	ret->nodes = nodes;
	return KV_OK;
}

static enum kv_status get_moves(const Kv__ClusterMap *pb, struct arena *arena, struct map_desc *ret)
{
	if (pb->n_moves == 0)
		return KV_OK;
	if (pb->n_moves > PARTITIONS_MAX)
		return KV_TOO_LARGE;
	struct map_move *moves = CODEC_NEW(arena, struct map_move, pb->n_moves);
	if (!moves)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_moves; i++) {
		const Kv__MapMove *from = pb->moves[i];
		struct map_move *to = &moves[i];
		*to = (struct map_move){0};
		if (from->n_old_row > REPLICAS_MAX || from->n_new_row > REPLICAS_MAX)
			return KV_TOO_LARGE;
		if (!codec_get_u16(from->partition, &to->partition) ||
		    !codec_get_uuid(&from->session, &to->session) ||
		    !codec_get_row(from->old_row, from->n_old_row, to->old_row) ||
		    !codec_get_row(from->new_row, from->n_new_row, to->new_row))
			return KV_INVALID;
		to->old_count = (uint16_t)from->n_old_row;
		to->new_count = (uint16_t)from->n_new_row;
	}
	ret->move_count = (uint32_t)pb->n_moves;
	ret->moves = moves;
	return KV_OK;
}

/** The table of rows and epochs; its size must be what partitions and replicas say. */
static enum kv_status get_table(const Kv__ClusterMap *pb, struct arena *arena, struct map_desc *ret)
{
	if (pb->partitions > PARTITIONS_MAX || pb->replicas > REPLICAS_MAX)
		return KV_TOO_LARGE;
	if (pb->n_rows != (size_t)pb->partitions * pb->replicas || pb->n_config_epochs != pb->partitions)
		return KV_INVALID;
	node_id *rows = CODEC_NEW(arena, node_id, pb->n_rows);
	if (!rows)
		return KV_TOO_LARGE;
	if (!codec_get_row(pb->rows, pb->n_rows, rows))
		return KV_INVALID;
	ret->partitions = pb->partitions;
	ret->replicas = pb->replicas;
	ret->rows = rows;
	ret->config_epochs = pb->config_epochs;
	return KV_OK;
}

/** *ret zeroed before. config_epochs stays in the unpacked message, which lies in the arena, too. */
static enum kv_status get_map(const Kv__ClusterMap *pb, struct arena *arena, struct map_desc *ret)
{
	if (pb->n_voters > VOTERS_MAX || pb->n_tokens > TOKENS_MAX)
		return KV_TOO_LARGE;
	if (!codec_get_uuid(&pb->cluster, &ret->cluster) || !codec_get_row(pb->voters, pb->n_voters, ret->voters))
		return KV_INVALID;
	ret->voter_count = (uint32_t)pb->n_voters;
	ret->token_count = (uint32_t)pb->n_tokens;
	for (uint32_t i = 0; i < ret->token_count; i++)
		ret->tokens[i] =
			(struct map_token){.hash = pb->tokens[i]->hash, .expires_ms = pb->tokens[i]->expires_ms};
	ret->paused = pb->paused;
	ret->name = codec_get_bytes(&pb->name);
	ret->epoch = pb->epoch;
	ret->feature_level = pb->feature_level;
	enum kv_status status = get_table(pb, arena, ret);
	if (status == KV_OK)
		status = get_nodes(pb, arena, ret);
	if (status == KV_OK)
		status = get_moves(pb, arena, ret);
	return status;
}

/** *ret is NULL if PB is. */
static enum kv_status get_map_in_arena(const Kv__ClusterMap *pb, struct arena *arena, const struct map_desc **ret)
{
	*ret = NULL;
	if (!pb)
		return KV_OK;
	struct map_desc *map = CODEC_NEW(arena, struct map_desc, 1);
	if (!map)
		return KV_TOO_LARGE;
	memset(map, 0, sizeof *map);
	*ret = map;
	return get_map(pb, arena, map);
}

enum kv_status codec_encode_map(struct codec_out *out, const struct msg *m)
{
	Kv__MapMessage pb = KV__MAP_MESSAGE__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, status, m->map.status);
	CODEC_SET(&pb, have_epoch, m->map.have_epoch);
	if (!m->map.map)
		return codec_emit(out, &pb.base, slice_of(NULL, 0));
	CLEANUP(map_scratch_release) struct map_scratch scratch;
	map_scratch_init(&scratch, m->map.map);
	Kv__ClusterMap map;
	set_map(m->map.map, &scratch, &map);
	pb.map = &map;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_map(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__MapMessage *pb = (const Kv__MapMessage *)meta;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	in->msg->map.status = (enum kv_status)pb->status;
	in->msg->map.have_epoch = pb->have_epoch;
	return get_map_in_arena(pb->map, in->arena, &in->msg->map.map);
}

enum kv_status codec_encode_vote(struct codec_out *out, const struct msg *m)
{
	const struct msg_vote *v = &m->vote;
	Kv__Vote pb = KV__VOTE__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET_VERSION(&pb, ballot, v->ballot);
	CODEC_SET(&pb, decides, v->epoch);
	CODEC_SET(&pb, status, v->status);
	CODEC_SET_VERSION(&pb, promised, v->promised);
	CODEC_SET_VERSION(&pb, accepted, v->accepted);
	if (!v->map)
		return codec_emit(out, &pb.base, slice_of(NULL, 0));
	CLEANUP(map_scratch_release) struct map_scratch scratch;
	map_scratch_init(&scratch, v->map);
	Kv__ClusterMap map;
	set_map(v->map, &scratch, &map);
	pb.map = &map;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_vote(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Vote *pb = (const Kv__Vote *)meta;
	struct msg_vote *v = &in->msg->vote;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	v->ballot = CODEC_GET_VERSION(pb, ballot);
	v->epoch = pb->decides;
	v->status = (enum kv_status)pb->status;
	v->promised = CODEC_GET_VERSION(pb, promised);
	v->accepted = CODEC_GET_VERSION(pb, accepted);
	return get_map_in_arena(pb->map, in->arena, &v->map);
}

enum kv_status codec_encode_join(struct codec_out *out, const struct msg *m)
{
	Kv__MapNode self;
	Kv__Join pb = KV__JOIN__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET_BYTES(&pb, token, m->join.token);
	CODEC_SET(&pb, status, m->join.status);
	CODEC_SET_BYTES(&pb, message, m->join.message);
	set_node(&m->join.self, &self);
	pb.self = m->reply ? NULL : &self;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_join(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Join *pb = (const Kv__Join *)meta;
	struct msg_join *j = &in->msg->join;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	j->token = codec_get_bytes(&pb->token);
	j->status = (enum kv_status)pb->status;
	j->message = codec_get_bytes(&pb->message);
	j->self.index = NODE_NONE;
	return pb->self && !in->msg->reply ? get_node(pb->self, &j->self) : KV_OK;
}

enum kv_status codec_encode_init(struct codec_out *out, const struct msg *m)
{
	const struct msg_init *i = &m->init;
	Kv__MapNode self;
	Kv__Init pb = KV__INIT__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET_UUID(&pb, cluster, &i->cluster);
	CODEC_SET_NODE(&pb, from, i->from);
	CODEC_SET_NODE(&pb, index, i->index);
	CODEC_SET_BYTES(&pb, from_address, i->from_address);
	CODEC_SET(&pb, status, i->status);
	CODEC_SET_BYTES(&pb, message, i->message);
	set_node(&i->self, &self);
	pb.self = m->reply ? &self : NULL;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_init(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Init *pb = (const Kv__Init *)meta;
	struct msg_init *i = &in->msg->init;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0 || !codec_get_uuid(&pb->cluster, &i->cluster) ||
	    !CODEC_GET_NODE(pb, from, &i->from) || !CODEC_GET_NODE(pb, index, &i->index))
		return KV_INVALID;
	i->from_address = codec_get_bytes(&pb->from_address);
	i->status = (enum kv_status)pb->status;
	i->message = codec_get_bytes(&pb->message);
	i->self.index = NODE_NONE;
	return pb->self && in->msg->reply ? get_node(pb->self, &i->self) : KV_OK;
}

/*
 * Stored maps. 0 u8 version, 1 three zero bytes, 4 u32 size of the protobuf, 8 u64 XXH3 over bytes 0-7 and the
 * protobuf, 16 the protobuf.
 */
enum { STORED_VERSION = 0, STORED_SIZE = 4, STORED_SUM = 8 };

static uint64_t stored_sum(const uint8_t *stored, size_t body_size)
{
	return hash64_two(slice_of(stored, STORED_SUM), slice_of(stored + CODEC_MAP_HEADER_SIZE, body_size));
}

enum kv_status codec_map_encode(const struct map_desc *map, struct buf *out)
{
	enum kv_status status = msg_check_map(map);
	if (status != KV_OK)
		return status;
	CLEANUP(map_scratch_release) struct map_scratch scratch;
	map_scratch_init(&scratch, map);
	Kv__ClusterMap pb;
	set_map(map, &scratch, &pb);
	size_t size = protobuf_c_message_get_packed_size(&pb.base);
	if (size > META_SIZE_ADMIN_MAX)
		return KV_TOO_LARGE;
	uint8_t *stored = buf_extend(out, CODEC_MAP_HEADER_SIZE + size);
	memset(stored, 0, CODEC_MAP_HEADER_SIZE);
	stored[STORED_VERSION] = CODEC_MAP_VERSION;
	store_le32(stored + STORED_SIZE, (uint32_t)size);
	size_t packed = protobuf_c_message_pack(&pb.base, stored + CODEC_MAP_HEADER_SIZE);
	KV_ASSERT(packed == size);
	store_le64(stored + STORED_SUM, stored_sum(stored, size));
	return KV_OK;
}

enum kv_status codec_map_decode(struct slice stored, struct arena *arena, struct map_desc *ret)
{
	if (stored.size < CODEC_MAP_HEADER_SIZE)
		return KV_CORRUPT;
	size_t size = stored.size - CODEC_MAP_HEADER_SIZE;
	if (load_le32(stored.data + STORED_SIZE) != size ||
	    load_le64(stored.data + STORED_SUM) != stored_sum(stored.data, size))
		return KV_CORRUPT;
	if (load_le32(stored.data) != CODEC_MAP_VERSION)
		return KV_UNSUPPORTED;
	ProtobufCMessage *unpacked;
	enum kv_status status = codec_unpack(&kv__cluster_map__descriptor,
					     slice_of(stored.data + CODEC_MAP_HEADER_SIZE, size), arena, &unpacked);
	if (status != KV_OK)
		return status;
	memset(ret, 0, sizeof *ret);
	status = get_map((const Kv__ClusterMap *)unpacked, arena, ret);
	return status == KV_OK ? msg_check_map(ret) : status;
}
