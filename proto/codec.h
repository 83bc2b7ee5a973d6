/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Messages to frames and back. The only face of protobuf: no other layer sees generated code.
 *
 * Both directions apply msg_check (proto/msg_check.h), so that what one side encodes the other decodes, and whoever
 * gets a msg from here may rely on every rule listed there. The decoder is total: any bytes give an error or such a
 * msg.
 *
 * Stateless; any thread, as long as buffers and arenas are its own.
 */
#ifndef KV_PROTO_CODEC_H
#define KV_PROTO_CODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "proto/frame.h"
#include "proto/msg.h"

/**
 * Appends M as one whole frame, header, meta and value, to OUT. On an error OUT is as it was: KV_TOO_LARGE over a
 * limit of size or count, KV_UNSUPPORTED for an opcode without a body, KV_INVALID for a msg that breaks another
 * rule of msg_check. A msg that keeps the rules can only be too large: for its meta limit or as a SCAN page.
 */
MUST_USE enum kv_status codec_encode(const struct msg *m, struct buf *out);

/**
 * The same, but the value is left to the caller, who sends it right behind what was appended to HEAD: for sending
 * from where the value lies. The body sum in the header covers it. *ret_value borrows from M; it is {NULL, 0} if
 * nothing follows, also for a SCAN page, whose many values are in HEAD already.
 */
MUST_USE enum kv_status codec_encode_head(const struct msg *m, struct buf *head, struct slice *ret_value);

/**
 * Reads the body of a frame whose header was accepted by frame_header_decode and whose body passed
 * frame_body_check. META and VALUE have the header's sizes.
 *
 * On KV_OK all slices and arrays of *ret point into ARENA or into VALUE, never into META. Otherwise *ret is
 * undefined: KV_INVALID (malformed, or breaks a rule), KV_TOO_LARGE (a size or count over its limit, or ARENA's cap
 * reached), KV_UNSUPPORTED (opcode or critical flag of another version). None of them closes the connection: the
 * answer is the opcode's reply with that status or, where that has no status or the opcode is unknown, an ERROR
 * frame with FRAME_REPLY and the request's id.
 */
MUST_USE enum kv_status codec_decode(const struct frame_header *header, struct slice meta, struct slice value,
				     struct arena *arena, struct msg *ret);

/**
 * Cap for the arena of one decode: enough for every message that keeps the rules, and a bound for those that do
 * not. Short elements unpack to many times their size, but the rules bound how many there are. Only what is used is
 * allocated.
 */
static inline size_t codec_arena_max(size_t meta_size)
{
	size_t dense = ((size_t)64 << 10) + 256 * meta_size;
	size_t counted = ((size_t)2 << 20) + 4 * meta_size;
	return MIN(dense, counted);
}

/**
 * The cluster map as it is stored: 16 bytes of format version, size and checksum, then the same protobuf as on the
 * wire. Appended to OUT; errors as of codec_encode.
 */
MUST_USE enum kv_status codec_map_encode(const struct map_desc *map, struct buf *out);

/**
 * Reads a stored map. *ret points into ARENA only. KV_CORRUPT if the bytes are cut or do not match their checksum,
 * KV_UNSUPPORTED if a later format wrote them, KV_INVALID if the map breaks a rule, KV_TOO_LARGE at a limit or the
 * arena's cap (codec_arena_max(stored.size) is enough). *ret is undefined on errors.
 */
MUST_USE enum kv_status codec_map_decode(struct slice stored, struct arena *arena, struct map_desc *ret);

#define CODEC_MAP_VERSION     1u
#define CODEC_MAP_HEADER_SIZE 16u

#endif
