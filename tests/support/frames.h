/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Takes whole frames apart, for tests that hold them in one piece of memory.
 */
#ifndef KV_TESTS_SUPPORT_FRAMES_H
#define KV_TESTS_SUPPORT_FRAMES_H

#include "proto/codec.h"

struct frame_parts {
	struct frame_header header;
	struct slice meta, value;
};

/** False if BYTES are not exactly one frame with the right sums. */
static inline bool frame_split(struct slice bytes, struct frame_parts *ret)
{
	if (bytes.size < FRAME_HEADER_SIZE ||
	    frame_header_decode(bytes.data, &FRAME_LIMITS_OPEN(PAGE_SIZE_MAX), &ret->header) != FRAME_OK ||
	    frame_size(&ret->header) != bytes.size)
		return false;
	ret->meta = slice_of(bytes.data + FRAME_HEADER_SIZE, ret->header.meta_size);
	ret->value = slice_of(ret->meta.data + ret->meta.size, ret->header.value_size);
	return frame_body_check(&ret->header, ret->meta, ret->value);
}

/** Encoded and decoded again in one call: what a peer would see. The caller's ARENA and FRAME hold the result. */
MUST_USE static inline enum kv_status frame_round_trip(const struct msg *m, struct buf *frame, struct arena *arena,
						       struct msg *ret)
{
	size_t start = frame->size;
	enum kv_status status = codec_encode(m, frame);
	if (status != KV_OK)
		return status;
	struct frame_parts parts;
	if (!frame_split(slice_of(frame->data + start, frame->size - start), &parts))
		return KV_CORRUPT;
	return codec_decode(&parts.header, parts.meta, parts.value, arena, ret);
}

#endif
