/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/wire.h"

#include "proto/codec.h"
#include "proto/keyhash.h"
#include "proto/opcode.h"

void wire_encode(const struct msg *m, struct buf *out)
{
	enum kv_status status = codec_encode(m, out);
	KV_ASSERT(status == KV_OK);
}

void wire_decode(struct slice frame, struct arena *arena, struct msg *ret)
{
	static const struct frame_limits limits = {
		.meta_max = META_SIZE_MAX, .meta_admin_max = META_SIZE_ADMIN_MAX, .value_max = PAGE_SIZE_MAX};
	struct frame_header header;
	KV_ASSERT(frame.size >= FRAME_HEADER_SIZE);
	enum frame_error error = frame_header_decode(frame.data, &limits, &header);
	KV_ASSERT(error == FRAME_OK);
	KV_ASSERT(frame.size == frame_size(&header));
	struct slice meta = slice_of(frame.data + FRAME_HEADER_SIZE, header.meta_size);
	struct slice value = slice_of(meta.data + meta.size, header.value_size);
	KV_ASSERT(frame_body_check(&header, meta, value));
	arena->limit = codec_arena_max(meta.size);
	enum kv_status status = codec_decode(&header, meta, value, arena, ret);
	KV_ASSERT(status == KV_OK);
}

/* --- copies --- */

bool wire_can_copy(const struct msg *m)
{
	switch (opcode_body(m->opcode, m->reply)) {
	case BODY_REQUEST:
	case BODY_RESULT:
	case BODY_REPLICA:
	case BODY_ANSWER:
	case BODY_HEARTBEAT:
	case BODY_HINT:
		return true;
	default:
		return false;
	}
}

static void *copy_of(struct arena *arena, const void *data, size_t size)
{
	if (size == 0)
		return NULL;
	void *copy = arena_alloc(arena, size);
	KV_ASSERT(copy);
	return memcpy(copy, data, size);
}

/* As decoding does, an empty slice becomes absent. */
static void copy_slice(struct arena *arena, struct slice *s)
{
	*s = slice_of(copy_of(arena, s->data, s->size), s->size);
}

static void copy_request(struct arena *arena, struct msg_request *r)
{
	copy_slice(arena, &r->key);
	copy_slice(arena, &r->value);
	copy_slice(arena, &r->session);
	copy_slice(arena, &r->cursor);
	copy_slice(arena, &r->prefix);
}

static void copy_result(struct arena *arena, struct msg_result *r)
{
	copy_slice(arena, &r->message);
	copy_slice(arena, &r->value);
	copy_slice(arena, &r->session);
	copy_slice(arena, &r->cursor);
	struct scan_item *items = copy_of(arena, r->items, r->item_count * sizeof(r->items[0]));
	for (uint32_t i = 0; i < r->item_count; i++) {
		copy_slice(arena, &items[i].key);
		copy_slice(arena, &items[i].value);
	}
	r->items = items;
}

/* As on the wire, a digest has no value. */
static void copy_record(struct arena *arena, struct record *r)
{
	if (!r->has_value)
		r->value = slice_of(NULL, 0);
	copy_slice(arena, &r->value);
	r->lin = copy_of(arena, r->lin, r->lin_count * sizeof(r->lin[0]));
}

struct msg *wire_copy(const struct msg *m, struct arena *arena)
{
	KV_ASSERT(wire_can_copy(m));
	struct msg *copy = copy_of(arena, m, sizeof(*m));
	switch (opcode_body(m->opcode, m->reply)) {
	case BODY_REQUEST:
		copy_request(arena, &copy->request);
		break;
	case BODY_RESULT:
		copy_result(arena, &copy->result);
		break;
	case BODY_REPLICA:
		copy_slice(arena, &copy->replica.key);
		copy->replica.attempts = copy_of(arena, m->replica.attempts,
						 m->replica.attempt_count * sizeof(m->replica.attempts[0]));
		copy_record(arena, &copy->replica.record);
		break;
	case BODY_ANSWER:
		copy_record(arena, &copy->answer.record);
		copy->answer.carriers =
			copy_of(arena, m->answer.carriers, m->answer.carrier_count * sizeof(m->answer.carriers[0]));
		break;
	default: /* no pointers */
		break;
	}
	return copy;
}

/* --- numbers --- */

uint32_t wire_core(const struct msg *m, uint32_t partitions, uint32_t core_count)
{
	uint32_t of;
	if (opcode_is_replica(m->opcode))
		of = m->reply ? m->answer.partition : m->replica.partition;
	else if (m->reply)
		of = m->shard;
	else if (opcode_has_page(m->opcode))
		of = m->request.partition;
	else if (opcode_is_client(m->opcode) && opcode_needs_key(m->opcode))
		of = hash_partition(key_hash(m->request.key), partitions);
	else
		of = m->shard;
	return of % core_count;
}

uint64_t wire_label(const struct msg *m)
{
	uint64_t label = m->opcode | (uint64_t)m->reply << 16;
	if (m->reply && opcode_is_replica(m->opcode))
		label |= (uint64_t)m->answer.answer << 32;
	else if (m->reply && opcode_body(m->opcode, true) == BODY_RESULT)
		label |= (uint64_t)m->result.status << 32;
	return label;
}
