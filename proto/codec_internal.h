/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the codec's files share: only proto/codec*.c include this.
 *
 * Two ways. The messages of every request are written and read by hand (proto/wire.h): between codec_open and codec_close
 * a writer puts its fields straight into the output; a reader takes them from the meta part. For all others encoders
 * fill a generated struct on their stack (no allocation but for arrays without a small bound) and hand it to codec_emit,
 * which packs it into the output; decoders get the unpacked struct, which lies in the arena, and point into it. Rules
 * are msg_check's business; both refuse only what a struct msg cannot hold.
 */
#ifndef KV_PROTO_CODEC_INTERNAL_H
#define KV_PROTO_CODEC_INTERNAL_H

#include <protobuf-c/protobuf-c.h>

#include "proto/codec.h"
#include "proto/wire.h"

struct codec_out {
	struct buf *buf;
	const struct msg *msg;
	bool whole;         /* the value goes behind the meta part, too */
	struct slice value; /* result of codec_emit if !whole: what is to follow */
};

struct codec_in {
	const struct frame_header *header;
	struct slice value;
	struct arena *arena;
	struct msg *msg; /* zeroed, common fields filled by each decoder */
};

/** Appends header, META and, if wanted, the value. KV_TOO_LARGE leaves the output alone. */
MUST_USE enum kv_status codec_emit(struct codec_out *out, const ProtobufCMessage *meta, struct slice value);

/**
 * Makes room behind the output for a frame with META_MAX bytes of meta, and VALUE_SIZE of value if that goes there too. Gives
 * where the meta part begins.
 */
uint8_t *codec_open(struct codec_out *out, size_t meta_max, size_t value_size);

/** The meta part ends at END: appends the frame as codec_emit does. */
MUST_USE enum kv_status codec_close(struct codec_out *out, const uint8_t *end, struct slice value);

/** The same with the values of ITEMS one after the other as the value section, always appended. */
MUST_USE enum kv_status codec_close_page(struct codec_out *out, const uint8_t *end, const struct scan_item *items,
					 uint32_t count);

/** Unpacks into the arena. KV_TOO_LARGE if its cap was reached, KV_INVALID if the bytes are no such message. */
MUST_USE enum kv_status codec_unpack(const ProtobufCMessageDescriptor *type, struct slice meta, struct arena *arena,
				     ProtobufCMessage **ret);

/* A node's index in a list of fields; absent is NODE_NONE. */
#define WIRE_PUT_NODE(number, field) (field) == NODE_NONE ? w : wire_put_number_always(w, number, (field))
#define WIRE_GET_NODE(number, field) WIRE_GET_U16(number, field)
#define WIRE_SIZE_NODE(field)        WIRE_FIELD_MAX
#define WIRE_BITS_NODE               1

/** COUNT (0 or more) uninitialised elements in the arena; NULL, for the caller KV_TOO_LARGE, at its cap. */
#define CODEC_NEW(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (size_t)(count)))

/** Sets an optional scalar unless it is 0, which is what absent means. */
#define CODEC_SET(pb, field, number)                                                                               \
	do {                                                                                                       \
		__typeof__((pb)->field) number_ = (number);                                                        \
		(pb)->field = number_;                                                                             \
		(pb)->has_##field = number_ != 0;                                                                  \
	} while (0)

/** Sets the pair of fields of a version unless it is {0,0}. */
#define CODEC_SET_VERSION(pb, field, version)                                                                      \
	do {                                                                                                       \
		CODEC_SET(pb, field##_hlc, (version).hlc);                                                         \
		CODEC_SET(pb, field##_id, (version).id);                                                           \
	} while (0)

#define CODEC_GET_VERSION(pb, field) ((struct version){.hlc = (pb)->field##_hlc, .id = (pb)->field##_id})

/** Sets optional bytes unless they are empty. Borrowed until the message is packed. */
#define CODEC_SET_BYTES(pb, field, slice_)                                                                         \
	do {                                                                                                       \
		struct slice bytes_ = (slice_);                                                                    \
		(pb)->field.data = (uint8_t *)(uintptr_t)bytes_.data;                                              \
		(pb)->field.len = bytes_.size;                                                                     \
		(pb)->has_##field = bytes_.size != 0;                                                              \
	} while (0)

#define CODEC_SET_UUID(pb, field, uuid_)                                                                           \
	do {                                                                                                       \
		const struct uuid *id_ = (uuid_);                                                                  \
		CODEC_SET_BYTES(pb, field,                                                                         \
				uuid_is_zero(id_) ? slice_of(NULL, 0) : slice_of(id_->bytes, sizeof *id_));        \
	} while (0)

/** Sets a node index unless it is NODE_NONE, which is what absent means. */
#define CODEC_SET_NODE(pb, field, node)                                                                            \
	do {                                                                                                       \
		node_id node_ = (node);                                                                            \
		(pb)->field = node_;                                                                               \
		(pb)->has_##field = node_ != NODE_NONE;                                                            \
	} while (0)

#define CODEC_SET_COMMON(pb, msg_)                                                                                 \
	do {                                                                                                       \
		CODEC_SET(pb, hlc, (msg_)->hlc);                                                                   \
		CODEC_SET(pb, epoch, (msg_)->epoch);                                                               \
		CODEC_SET(pb, shard, (msg_)->shard);                                                               \
	} while (0)

#define CODEC_GET_COMMON(pb, msg_)                                                                                 \
	do {                                                                                                       \
		(msg_)->hlc = (pb)->hlc;                                                                           \
		(msg_)->epoch = (pb)->epoch;                                                                       \
		(msg_)->shard = (pb)->shard;                                                                       \
	} while (0)

#define CODEC_GET_NODE(pb, field, ret) codec_get_node((pb)->has_##field, (pb)->field, (ret))

static inline struct slice codec_get_bytes(const ProtobufCBinaryData *bytes)
{
	return bytes->len > 0 ? slice_of(bytes->data, bytes->len) : slice_of(NULL, 0);
}

/** Absent is the zero uuid; any size but 0 and 16 is false. */
MUST_USE static inline bool codec_get_uuid(const ProtobufCBinaryData *bytes, struct uuid *ret)
{
	*ret = (struct uuid){0};
	if (bytes->len == 0)
		return true;
	if (bytes->len != sizeof ret->bytes)
		return false;
	memcpy(ret->bytes, bytes->data, sizeof ret->bytes);
	return true;
}

MUST_USE static inline bool codec_get_u16(uint32_t number, uint16_t *ret)
{
	*ret = (uint16_t)number;
	return number <= UINT16_MAX;
}

MUST_USE static inline bool codec_get_node(protobuf_c_boolean has, uint32_t number, node_id *ret)
{
	*ret = NODE_NONE;
	return !has || codec_get_u16(number, ret);
}

/** A row of node indexes, each below 65536. False if one is not; the caller has checked that COUNT fits RET. */
MUST_USE static inline bool codec_get_row(const uint32_t *numbers, size_t count, node_id *ret)
{
	bool fits = true;
	for (size_t i = 0; i < count; i++)
		fits &= codec_get_u16(numbers[i], &ret[i]);
	return fits;
}

static inline void codec_set_row(const node_id *row, size_t count, uint32_t *ret)
{
	for (size_t i = 0; i < count; i++)
		ret[i] = row[i];
}

/* Fields that every message has, for the lists of wire.h. */
#define CODEC_COMMON(F)                                                                                            \
	F(FIXED64, 1, m->hlc)                                                                                      \
	F(U64, 2, m->epoch)                                                                                        \
	F(U32, 3, m->shard)

/** How reading ended: KV_OK, KV_INVALID or, at a limit, KV_TOO_LARGE. */
static inline enum kv_status codec_read_status(const struct wire *in)
{
	return in->exhausted ? KV_TOO_LARGE : in->failed ? KV_INVALID : KV_OK;
}

/** A version that is told only where it is another than VER: then both its fields, 0 or not. */
static inline uint8_t *codec_put_origin(uint8_t *w, uint32_t number, struct version org, struct version ver)
{
	if (org.hlc == ver.hlc && org.id == ver.id)
		return w;
	return wire_put_fixed64_always(wire_put_fixed64_always(w, number, org.hlc), number + 1, org.id);
}

#define CODEC_GET_ORIGIN(number, field, has_it)                                                                    \
	case WIRE_TAG(number, WIRE_FIXED64):                                                                       \
		(field).hlc = wire_fixed64(in);                                                                    \
		(has_it) = true;                                                                                   \
		break;                                                                                             \
	case WIRE_TAG((number) + 1, WIRE_FIXED64):                                                                 \
		(field).id = wire_fixed64(in);                                                                     \
		(has_it) = true;                                                                                   \
		break;

/* By hand. */
enum kv_status codec_write_request(struct codec_out *out, const struct msg *m);
enum kv_status codec_write_result(struct codec_out *out, const struct msg *m);
enum kv_status codec_write_replica(struct codec_out *out, const struct msg *m);
enum kv_status codec_write_answer(struct codec_out *out, const struct msg *m);
enum kv_status codec_write_trace_query(struct codec_out *out, const struct msg *m);
enum kv_status codec_write_traces(struct codec_out *out, const struct msg *m);
enum kv_status codec_read_request(struct codec_in *codec, struct slice meta);
enum kv_status codec_read_result(struct codec_in *codec, struct slice meta);
enum kv_status codec_read_replica(struct codec_in *codec, struct slice meta);
enum kv_status codec_read_answer(struct codec_in *codec, struct slice meta);
enum kv_status codec_read_trace_query(struct codec_in *codec, struct slice meta);
enum kv_status codec_read_traces(struct codec_in *codec, struct slice meta);

/* By generated code. One pair a kind of body; see the table in codec.c. */
enum kv_status codec_encode_hello(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_heartbeat(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_hint(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_map(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_init(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_cluster_init(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_status(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_vote(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_join(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_move(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_tree(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_gc(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_probe(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_change(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_plan(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_move_list(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_repair(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_explain(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_explanation(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_config(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_config_set(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_hot_keys(struct codec_out *out, const struct msg *m);
enum kv_status codec_encode_none(struct codec_out *out, const struct msg *m);

enum kv_status codec_decode_hello(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_heartbeat(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_hint(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_map(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_init(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_cluster_init(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_status(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_vote(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_join(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_move(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_tree(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_gc(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_probe(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_change(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_plan(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_move_list(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_repair(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_explain(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_explanation(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_config(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_config_set(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_hot_keys(struct codec_in *in, const ProtobufCMessage *meta);
enum kv_status codec_decode_none(struct codec_in *in, const ProtobufCMessage *meta);

#endif
