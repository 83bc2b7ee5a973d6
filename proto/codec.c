/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/codec.h"

#include "base/hash.h"
#include "proto/client.pb-c.h"
#include "proto/codec_internal.h"
#include "proto/map.pb-c.h"
#include "proto/msg_check.h"
#include "proto/opcode.h"
#include "proto/peer.pb-c.h"

/** How one kind of body travels: its meta part is read by hand, or unpacked by generated code and decoded. */
struct codec_class {
	const ProtobufCMessageDescriptor *meta;
	enum kv_status (*encode)(struct codec_out *out, const struct msg *m);
	enum kv_status (*decode)(struct codec_in *in, const ProtobufCMessage *meta);
	enum kv_status (*read)(struct codec_in *in, struct slice meta);
};

#define GENERATED(type, body)                                                                                      \
	{                                                                                                          \
		.meta = &kv__##type##__descriptor, .encode = codec_encode_##body, .decode = codec_decode_##body    \
	}

static const struct codec_class classes[] = {
	[BODY_NONE] = GENERATED(bare, none),
	[BODY_HELLO] = GENERATED(hello, hello),
	[BODY_REQUEST] = {.encode = codec_write_request, .read = codec_read_request},
	[BODY_RESULT] = {.encode = codec_write_result, .read = codec_read_result},
	[BODY_REPLICA] = {.encode = codec_write_replica, .read = codec_read_replica},
	[BODY_ANSWER] = {.encode = codec_write_answer, .read = codec_read_answer},
	[BODY_HEARTBEAT] = GENERATED(heartbeat, heartbeat),
	[BODY_HINT] = GENERATED(hint, hint),
	[BODY_MAP] = GENERATED(map_message, map),
	[BODY_INIT] = GENERATED(init, init),
	[BODY_CLUSTER_INIT] = GENERATED(cluster_init, cluster_init),
	[BODY_STATUS] = GENERATED(status, status),
	[BODY_VOTE] = GENERATED(vote, vote),
	[BODY_JOIN] = GENERATED(join, join),
	[BODY_MOVE] = GENERATED(move, move),
	[BODY_TREE] = GENERATED(tree, tree),
	[BODY_GC] = GENERATED(gc, gc),
	[BODY_PROBE] = GENERATED(probe, probe),
	[BODY_CHANGE] = GENERATED(change, change),
	[BODY_PLAN] = GENERATED(plan, plan),
	[BODY_MOVE_LIST] = GENERATED(move_list, move_list),
	[BODY_REPAIR] = GENERATED(repair, repair),
	[BODY_EXPLAIN] = GENERATED(explain, explain),
	[BODY_EXPLANATION] = GENERATED(explanation, explanation),
	[BODY_CONFIG] = GENERATED(config, config),
	[BODY_CONFIG_SET] = GENERATED(config_set, config_set),
	[BODY_HOT_KEYS] = GENERATED(hot_keys, hot_keys),
	[BODY_TRACE_QUERY] = {.encode = codec_write_trace_query, .read = codec_read_trace_query},
	[BODY_TRACES] = {.encode = codec_write_traces, .read = codec_read_traces},
};

static size_t meta_size_max(uint16_t opcode)
{
	if (opcode == OP_HELLO)
		return HELLO_SIZE_MAX;
	return opcode_is_admin_sized(opcode) ? META_SIZE_ADMIN_MAX : META_SIZE_MAX;
}

static uint16_t flags_of(const struct msg *m)
{
	uint16_t flags = m->reply ? FRAME_REPLY : 0;
	enum msg_body body = opcode_body(m->opcode, m->reply);
	if ((body == BODY_REQUEST && !trace_is_none(&m->request.trace)) ||
	    (body == BODY_REPLICA && !trace_is_none(&m->replica.trace)))
		flags |= FRAME_TRACE;
	return flags;
}

/** Extends the output by a frame without its value part and packs META; *ret_meta is where that lies. */
static enum kv_status emit_meta(struct codec_out *out, const ProtobufCMessage *meta, size_t value_size,
				size_t extra, uint8_t **ret_frame, struct slice *ret_meta)
{
	size_t meta_size = protobuf_c_message_get_packed_size(meta);
	if (meta_size > meta_size_max(out->msg->opcode) || value_size > opcode_value_max(out->msg->opcode))
		return KV_TOO_LARGE;
	uint8_t *frame = buf_extend(out->buf, FRAME_HEADER_SIZE + meta_size + extra);
	size_t packed = protobuf_c_message_pack(meta, frame + FRAME_HEADER_SIZE);
	KV_ASSERT(packed == meta_size);
	*ret_frame = frame;
	*ret_meta = slice_of(frame + FRAME_HEADER_SIZE, meta_size);
	return KV_OK;
}

static void emit_header(const struct codec_out *out, uint8_t *frame, struct slice meta, struct slice value)
{
	struct frame_header header = {
		.request_id = out->msg->id,
		.opcode = out->msg->opcode,
		.flags = flags_of(out->msg),
		.meta_size = (uint32_t)meta.size,
		.value_size = (uint32_t)value.size,
		.body_sum = frame_body_sum(meta, value),
	};
	frame_header_encode(&header, frame);
}

/** Ends FRAME: the value, if it goes there, then the header over all. */
static void emit_value(struct codec_out *out, uint8_t *frame, struct slice meta, struct slice value)
{
	if (value.size == 0) {
		value = slice_of(NULL, 0);
	} else if (out->whole) {
		uint8_t *at = frame + FRAME_HEADER_SIZE + meta.size;
		memcpy(at, value.data, value.size);
		value.data = at;
	}
	emit_header(out, frame, meta, value);
	out->value = out->whole ? slice_of(NULL, 0) : value;
}

enum kv_status codec_emit(struct codec_out *out, const ProtobufCMessage *meta, struct slice value)
{
	uint8_t *frame;
	struct slice packed;
	enum kv_status status = emit_meta(out, meta, value.size, out->whole ? value.size : 0, &frame, &packed);
	if (status == KV_OK)
		emit_value(out, frame, packed, value);
	return status;
}

uint8_t *codec_open(struct codec_out *out, size_t meta_max, size_t value_size)
{
	buf_reserve(out->buf, FRAME_HEADER_SIZE + meta_max + (out->whole ? value_size : 0));
	return out->buf->data + out->buf->size + FRAME_HEADER_SIZE;
}

/** The meta part that ends at END, or KV_TOO_LARGE and nothing changed; then makes it and EXTRA bytes part of the output. */
static enum kv_status close_meta(struct codec_out *out, const uint8_t *end, size_t value_size, size_t extra,
				 uint8_t **ret_frame, struct slice *ret_meta)
{
	size_t meta_size = (size_t)(end - (out->buf->data + out->buf->size + FRAME_HEADER_SIZE));
	KV_ASSERT(out->buf->size + FRAME_HEADER_SIZE + meta_size <= out->buf->capacity);
	if (meta_size > meta_size_max(out->msg->opcode) || value_size > opcode_value_max(out->msg->opcode))
		return KV_TOO_LARGE;
	uint8_t *frame = buf_extend(out->buf, FRAME_HEADER_SIZE + meta_size + extra);
	*ret_frame = frame;
	*ret_meta = slice_of(frame + FRAME_HEADER_SIZE, meta_size);
	return KV_OK;
}

enum kv_status codec_close(struct codec_out *out, const uint8_t *end, struct slice value)
{
	uint8_t *frame;
	struct slice meta;
	enum kv_status status = close_meta(out, end, value.size, out->whole ? value.size : 0, &frame, &meta);
	if (status == KV_OK)
		emit_value(out, frame, meta, value);
	return status;
}

enum kv_status codec_close_page(struct codec_out *out, const uint8_t *end, const struct scan_item *items,
				uint32_t count)
{
	size_t size = 0;
	for (uint32_t i = 0; i < count; i++)
		size += items[i].value.size;
	uint8_t *frame;
	struct slice meta;
	enum kv_status status = close_meta(out, end, size, size, &frame, &meta);
	if (status != KV_OK)
		return status;
	uint8_t *at = frame + FRAME_HEADER_SIZE + meta.size;
	for (uint32_t i = 0; i < count; i++) {
		if (items[i].value.size == 0)
			continue;
		memcpy(at, items[i].value.data, items[i].value.size);
		at += items[i].value.size;
	}
	emit_header(out, frame, meta, slice_of(frame + FRAME_HEADER_SIZE + meta.size, size));
	out->value = slice_of(NULL, 0);
	return KV_OK;
}

static enum kv_status encode(struct codec_out *out)
{
	enum kv_status status = msg_check(out->msg);
	if (status != KV_OK)
		return status;
	enum msg_body body = opcode_body(out->msg->opcode, out->msg->reply);
	KV_ASSERT(body != BODY_UNKNOWN);
	return classes[body].encode(out, out->msg);
}

enum kv_status codec_encode(const struct msg *m, struct buf *out)
{
	struct codec_out o = {.buf = out, .msg = m, .whole = true};
	return encode(&o);
}

enum kv_status codec_encode_head(const struct msg *m, struct buf *head, struct slice *ret_value)
{
	struct codec_out o = {.buf = head, .msg = m, .whole = false};
	enum kv_status status = encode(&o);
	if (status == KV_OK)
		*ret_value = o.value;
	return status;
}

/** protobuf-c's allocator over an arena; tells a reached cap from malformed bytes. */
struct unpack_memory {
	struct arena *arena;
	bool exhausted;
};

static void *unpack_alloc(void *data, size_t size)
{
	struct unpack_memory *memory = data;
	void *at = arena_alloc(memory->arena, size);
	if (!at)
		memory->exhausted = true;
	return at;
}

static void unpack_free(void *data, void *at)
{
	/* The arena takes everything back at once. */
	(void)data;
	(void)at;
}

enum kv_status codec_unpack(const ProtobufCMessageDescriptor *type, struct slice meta, struct arena *arena,
			    ProtobufCMessage **ret)
{
	static const uint8_t nothing;
	struct unpack_memory memory = {.arena = arena};
	ProtobufCAllocator allocator = {.alloc = unpack_alloc, .free = unpack_free, .allocator_data = &memory};
	ProtobufCMessage *unpacked =
		protobuf_c_message_unpack(type, &allocator, meta.size, meta.size > 0 ? meta.data : &nothing);
	if (!unpacked)
		return memory.exhausted ? KV_TOO_LARGE : KV_INVALID;
	*ret = unpacked;
	return KV_OK;
}

enum kv_status codec_decode(const struct frame_header *header, struct slice meta, struct slice value,
			    struct arena *arena, struct msg *ret)
{
	KV_ASSERT(meta.size == header->meta_size);
	KV_ASSERT(value.size == header->value_size);
	bool reply = header->flags & FRAME_REPLY;
	enum msg_body body = opcode_body(header->opcode, reply);
	if (body == BODY_UNKNOWN || (header->flags & FRAME_FLAGS_CRITICAL & ~FRAME_FLAGS_KNOWN))
		return KV_UNSUPPORTED;
	if (meta.size > meta_size_max(header->opcode) || value.size > opcode_value_max(header->opcode))
		return KV_TOO_LARGE;

	memset(ret, 0, sizeof *ret);
	ret->opcode = header->opcode;
	ret->reply = reply;
	ret->id = header->request_id;
	if (value.size == 0)
		value = slice_of(NULL, 0);
	struct codec_in in = {.header = header, .value = value, .arena = arena, .msg = ret};
	enum kv_status status;
	if (classes[body].read) {
		status = classes[body].read(&in, meta);
	} else {
		ProtobufCMessage *unpacked;
		status = codec_unpack(classes[body].meta, meta, arena, &unpacked);
		if (status == KV_OK)
			status = classes[body].decode(&in, unpacked);
	}
	return status == KV_OK ? msg_check(ret) : status;
}

enum kv_status codec_encode_none(struct codec_out *out, const struct msg *m)
{
	Kv__Bare pb = KV__BARE__INIT;
	CODEC_SET_COMMON(&pb, m);
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_none(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Bare *pb = (const Kv__Bare *)meta;
	CODEC_GET_COMMON(pb, in->msg);
	return in->value.size == 0 ? KV_OK : KV_INVALID;
}
