/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/frame.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "proto/opcode.h"

enum {
	AT_MAGIC = 0,
	AT_VERSION = 2,
	AT_WORDS = 3,
	AT_HEADER_SUM = 4,
	AT_REQUEST_ID = 8,
	AT_OPCODE = 16,
	AT_FLAGS = 18,
	AT_META_SIZE = 20,
	AT_VALUE_SIZE = 24,
	AT_BODY_SUM = 28,
};

static uint32_t header_sum(const uint8_t *bytes)
{
	uint8_t summed[FRAME_HEADER_SIZE - 4];
	memcpy(summed, bytes, AT_HEADER_SUM);
	memcpy(summed + AT_HEADER_SUM, bytes + AT_REQUEST_ID, FRAME_HEADER_SIZE - AT_REQUEST_ID);
	return (uint32_t)hash64(slice_of(summed, sizeof summed));
}

enum frame_error frame_header_decode(const uint8_t *bytes, const struct frame_limits *limits,
				     struct frame_header *ret)
{
	if (load_le16(bytes + AT_MAGIC) != FRAME_MAGIC)
		return FRAME_BAD_MAGIC;
	if (bytes[AT_VERSION] != FRAME_VERSION)
		return FRAME_BAD_VERSION;
	if (load_le32(bytes + AT_HEADER_SUM) != header_sum(bytes))
		return FRAME_BAD_SUM;
	if (bytes[AT_WORDS] != FRAME_HEADER_WORDS)
		return FRAME_BAD_VERSION;
	struct frame_header h = {
		.request_id = load_le64(bytes + AT_REQUEST_ID),
		.opcode = load_le16(bytes + AT_OPCODE),
		.flags = load_le16(bytes + AT_FLAGS),
		.meta_size = load_le32(bytes + AT_META_SIZE),
		.value_size = load_le32(bytes + AT_VALUE_SIZE),
		.body_sum = load_le32(bytes + AT_BODY_SUM),
	};
	*ret = h;
	if (h.meta_size > META_SIZE_ADMIN_MAX || h.value_size > PAGE_SIZE_MAX)
		return FRAME_HUGE;
	uint32_t meta_max = opcode_is_admin_sized(h.opcode) ? limits->meta_admin_max : limits->meta_max;
	if (h.meta_size > meta_max || h.value_size > limits->value_max)
		return FRAME_TOO_LARGE;
	return FRAME_OK;
}

void frame_header_encode(const struct frame_header *header, uint8_t *ret_bytes)
{
	KV_ASSERT(header->meta_size <= META_SIZE_ADMIN_MAX);
	KV_ASSERT(header->value_size <= PAGE_SIZE_MAX);
	store_le16(ret_bytes + AT_MAGIC, FRAME_MAGIC);
	ret_bytes[AT_VERSION] = FRAME_VERSION;
	ret_bytes[AT_WORDS] = FRAME_HEADER_WORDS;
	store_le64(ret_bytes + AT_REQUEST_ID, header->request_id);
	store_le16(ret_bytes + AT_OPCODE, header->opcode);
	store_le16(ret_bytes + AT_FLAGS, header->flags);
	store_le32(ret_bytes + AT_META_SIZE, header->meta_size);
	store_le32(ret_bytes + AT_VALUE_SIZE, header->value_size);
	store_le32(ret_bytes + AT_BODY_SUM, header->body_sum);
	store_le32(ret_bytes + AT_HEADER_SUM, header_sum(ret_bytes));
}

uint32_t frame_body_sum(struct slice meta, struct slice value)
{
	if (meta.size > 0 && meta.data + meta.size == value.data)
		return (uint32_t)hash64(slice_of(meta.data, meta.size + value.size));
	return (uint32_t)hash64_two(meta, value);
}

bool frame_body_check(const struct frame_header *header, struct slice meta, struct slice value)
{
	return meta.size == header->meta_size && value.size == header->value_size &&
	       frame_body_sum(meta, value) == header->body_sum;
}

enum kv_status frame_error_status(enum frame_error error)
{
	switch (error) {
	case FRAME_OK:
		return KV_OK;
	case FRAME_BAD_MAGIC:
		return KV_INVALID;
	case FRAME_BAD_VERSION:
		return KV_VERSION;
	case FRAME_BAD_SUM:
		return KV_CORRUPT;
	case FRAME_HUGE:
	case FRAME_TOO_LARGE:
		return KV_TOO_LARGE;
	}
	KV_UNREACHABLE("frame error");
}

const char *frame_error_text(enum frame_error error)
{
	switch (error) {
	case FRAME_OK:
		return "ok";
	case FRAME_BAD_MAGIC:
		return "the bytes do not begin with the magic of this protocol";
	case FRAME_BAD_VERSION:
		return "the frame format is of another version";
	case FRAME_BAD_SUM:
		return "the header does not match its checksum";
	case FRAME_HUGE:
		return "the frame is larger than any node takes";
	case FRAME_TOO_LARGE:
		return "the frame is larger than this connection takes";
	}
	KV_UNREACHABLE("frame error");
}
