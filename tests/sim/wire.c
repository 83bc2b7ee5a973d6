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
		.meta_max = META_SIZE_MAX, .meta_admin_max = META_SIZE_ADMIN_MAX, .value_max = VALUE_SIZE_MAX};
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
