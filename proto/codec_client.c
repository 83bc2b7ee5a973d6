/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks and hears: requests, results, and the pages of SCAN and LEDGER. */
#include "proto/codec_internal.h"
#include "proto/codec_timeline.h"
#include "proto/opcode.h"
#include "proto/wire.h"

/* ---- requests ---- */

#define REQUEST_FIELDS(F)                                                                                          \
	CODEC_COMMON(F)                                                                                            \
	F(BYTES, 4, r->key)                                                                                        \
	F(ENUM, 5, r->level)                                                                                       \
	F(ENUM, 6, r->acks)                                                                                        \
	F(U32, 7, r->deadline_ms)                                                                                  \
	F(FIXED64, 8, r->rid.client)                                                                               \
	F(U64, 9, r->rid.seq)                                                                                      \
	F(FIXED64, 10, r->t0)                                                                                      \
	F(U32, 11, r->attempt)                                                                                     \
	F(FIXED64, 12, r->value_hash)                                                                              \
	F(U32, 13, r->bucket)                                                                                      \
	F(U64, 14, r->ttl_ms)                                                                                      \
	F(BOOL, 15, r->forwarded)                                                                                  \
	F(BOOL, 20, r->has_expected)                                                                               \
	F(VERSION, 21, r->expected)                                                                                \
	F(BOOL, 23, r->if_present)                                                                                 \
	F(SINT64, 24, r->delta)                                                                                    \
	F(U64, 25, r->fence)                                                                                       \
	F(BOOL, 26, r->has_expected_hash)                                                                          \
	F(FIXED64, 27, r->expected_hash)                                                                           \
	F(U32, 30, r->staleness_ms)                                                                                \
	F(BYTES, 31, r->session)                                                                                   \
	F(BOOL, 32, r->receipt_wanted)                                                                             \
	F(FIXED64, 40, r->trace.trace_hi)                                                                          \
	F(FIXED64, 41, r->trace.trace_lo)                                                                          \
	F(FIXED64, 42, r->trace.span)                                                                              \
	F(BOOL, 43, r->trace.sampled)                                                                              \
	F(BOOL, 44, r->timeline_wanted)                                                                            \
	F(U16, 50, r->partition)                                                                                   \
	F(BYTES, 51, r->cursor)                                                                                    \
	F(BYTES, 52, r->prefix)                                                                                    \
	F(U32, 53, r->limit)                                                                                       \
	F(BOOL, 54, r->raw)

enum kv_status codec_write_request(struct codec_out *out, const struct msg *m)
{
	const struct msg_request *r = &m->request;
	uint8_t *w = codec_open(out, 0 REQUEST_FIELDS(WIRE_SIZE), r->value.size);
	REQUEST_FIELDS(WIRE_PUT)
	return codec_close(out, w, r->value);
}

enum kv_status codec_read_request(struct codec_in *codec, struct slice meta)
{
	struct msg *m = codec->msg;
	struct msg_request *r = &m->request;
	struct wire whole = wire_of(meta, codec->arena), *in = &whole;
	WIRE_READ(REQUEST_FIELDS)
	r->value = codec->value;
	if (!r->has_expected)
		r->expected = (struct version){0};
	if (!r->has_expected_hash)
		r->expected_hash = 0;
	return codec_read_status(in);
}

/* ---- receipts ---- */

#define RECEIPT_REPLICA_FIELDS(F)                                                                                  \
	F(NODE, 1, replica->node)                                                                                  \
	F(VERSION, 2, replica->ver)                                                                                \
	F(U32, 4, replica->status)

#define RECEIPT_FIELDS(F)                                                                                          \
	F(ENUM, 1, r->asked)                                                                                       \
	F(ENUM, 2, r->achieved)                                                                                    \
	F(VERSION, 3, r->version)                                                                                  \
	F(U64, 5, r->epoch)                                                                                        \
	F(U32, 6, r->acks)                                                                                         \
	F(U32, 7, r->hinted)                                                                                       \
	F(U32, 8, r->rounds)                                                                                       \
	F(U32, 9, r->staleness_ms)                                                                                 \
	F(BOOL, 10, r->repaired)                                                                                   \
	F(RECEIPT_REPLICAS, 11, *r)

enum { RECEIPT_REPLICA_MAX = WIRE_FIELD_MAX + (0 RECEIPT_REPLICA_FIELDS(WIRE_SIZE)) };

static uint8_t *put_receipt_replicas(uint8_t *w, uint32_t number, const struct msg_receipt *r)
{
	KV_ASSERT(r->replica_count <= ROW_MAX);
	for (uint32_t i = 0; i < r->replica_count; i++) {
		const struct receipt_replica *replica = &r->replicas[i];
		uint8_t *fields = w = wire_begin(w, number);
		RECEIPT_REPLICA_FIELDS(WIRE_PUT)
		w = wire_end(fields, w);
	}
	return w;
}

static void get_receipt_replica(struct wire *outer, struct msg_receipt *r)
{
	if (r->replica_count == ROW_MAX) {
		outer->exhausted = true;
		return;
	}
	struct receipt_replica *replica = &r->replicas[r->replica_count++];
	struct wire inner = wire_enter(outer), *in = &inner;
	*replica = (struct receipt_replica){.node = NODE_NONE};
	WIRE_READ(RECEIPT_REPLICA_FIELDS)
	wire_leave(outer, in);
}

#define WIRE_PUT_RECEIPT_REPLICAS(number, field) put_receipt_replicas(w, number, &(field))
#define WIRE_GET_RECEIPT_REPLICAS(number, field)                                                                   \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_receipt_replica(in, &(field));                                                                 \
		break;
#define WIRE_SIZE_RECEIPT_REPLICAS(field) ((field).replica_count * (size_t)RECEIPT_REPLICA_MAX)
#define WIRE_BITS_RECEIPT_REPLICAS        1

static size_t receipt_size_max(const struct msg_receipt *r)
{
	return WIRE_FIELD_MAX + (0 RECEIPT_FIELDS(WIRE_SIZE));
}

static uint8_t *put_receipt(uint8_t *w, uint32_t number, const struct msg_receipt *r)
{
	uint8_t *fields = w = wire_begin(w, number);
	RECEIPT_FIELDS(WIRE_PUT)
	return wire_end(fields, w);
}

static void get_receipt(struct wire *outer, struct msg_result *result)
{
	struct msg_receipt *r = &result->receipt;
	struct wire inner = wire_enter(outer), *in = &inner;
	if (result->has_receipt) {
		outer->failed = true; /* it comes once */
		return;
	}
	result->has_receipt = true;
	WIRE_READ(RECEIPT_FIELDS)
	wire_leave(outer, in);
}

/* ---- pages of SCAN and LEDGER ---- */

#define ITEM_FIELDS(F)                                                                                             \
	F(BYTES, 1, item->key)                                                                                     \
	F(ITEM_SIZE, 2, item->value)                                                                               \
	F(VERSION, 3, item->ver)                                                                                   \
	F(ORG, 5, item->org)                                                                                       \
	F(U64, 7, item->expires_ms)                                                                                \
	F(FIXED64, 8, item->value_hash)                                                                            \
	F(BOOL, 9, item->tombstone)                                                                                \
	F(BOOL, 10, item->weak)                                                                                    \
	F(BOOL, 11, item->strong)                                                                                  \
	F(U32, 12, item->cause)

/* The origin is told where it is not the version: both its fields, or none. */
#define WIRE_PUT_ORG(number, field) codec_put_origin(w, number, field, item->ver)
#define WIRE_GET_ORG(number, field) CODEC_GET_ORIGIN(number, field, has_org)
#define WIRE_SIZE_ORG(field)        WIRE_SIZE_VERSION(field)
#define WIRE_BITS_ORG               3

/* A value's size here, its bytes in the frame's value section. */
#define WIRE_PUT_ITEM_SIZE(number, field) wire_put_number(w, number, (uint32_t)(field).size)
#define WIRE_GET_ITEM_SIZE(number, field) WIRE_GET_U32(number, (field).size)
#define WIRE_SIZE_ITEM_SIZE(field)        WIRE_FIELD_MAX
#define WIRE_BITS_ITEM_SIZE               1

static uint8_t *put_items(uint8_t *w, uint32_t number, const struct msg_result *r)
{
	for (uint32_t i = 0; i < r->item_count; i++) {
		const struct scan_item *item = &r->items[i];
		uint8_t *fields = w = wire_begin(w, number);
		ITEM_FIELDS(WIRE_PUT)
		w = wire_end(fields, w);
	}
	return w;
}

static size_t items_size_max(const struct msg_result *r)
{
	size_t size = 0;
	for (uint32_t i = 0; i < r->item_count; i++) {
		const struct scan_item *item = &r->items[i];
		size += WIRE_FIELD_MAX + (0 ITEM_FIELDS(WIRE_SIZE));
	}
	return size;
}

/** One more item. The array is made when the first one comes. */
static void get_item(struct wire *outer, uint32_t repeated, struct msg_result *r)
{
	if (r->item_count == 0) {
		size_t count = wire_count(outer, repeated);
		r->items = count <= SCAN_ITEMS_MAX ? CODEC_NEW(outer->arena, struct scan_item, count) : NULL;
		outer->exhausted |= !r->items;
	}
	if (outer->exhausted)
		return;
	KV_ASSERT(r->item_count < SCAN_ITEMS_MAX);
	struct scan_item *item = (struct scan_item *)(uintptr_t)&r->items[r->item_count++];
	struct wire inner = wire_enter(outer), *in = &inner;
	bool has_org = false;
	*item = (struct scan_item){0};
	WIRE_READ(ITEM_FIELDS)
	if (!has_org)
		item->org = item->ver;
	wire_leave(outer, in);
}

/** Cuts the value section into the items' values, whose sizes are known. */
static enum kv_status cut_values(struct codec_in *codec, const struct msg_result *r)
{
	struct slice rest = codec->value;
	for (uint32_t i = 0; i < r->item_count; i++) {
		struct scan_item *item = (struct scan_item *)(uintptr_t)&r->items[i];
		size_t size = item->value.size;
		if (size > rest.size)
			return KV_INVALID;
		item->value = size > 0 ? slice_of(rest.data, size) : slice_of(NULL, 0);
		if (size > 0)
			rest = slice_of(rest.data + size, rest.size - size);
	}
	return rest.size > 0 ? KV_INVALID : KV_OK;
}

/* ---- results ---- */

#define RESULT_FIELDS(F)                                                                                           \
	CODEC_COMMON(F)                                                                                            \
	F(U32, 4, r->status)                                                                                       \
	F(BOOL, 5, r->in_doubt)                                                                                    \
	F(VERSION, 6, r->version)                                                                                  \
	F(FIXED64, 8, r->value_hash)                                                                               \
	F(U64, 9, r->expires_ms)                                                                                   \
	F(U32, 10, r->retry_after_ms)                                                                              \
	F(BOOL, 11, r->try_other)                                                                                  \
	F(BYTES, 12, r->message)                                                                                   \
	F(ROW, 13, *r)                                                                                             \
	F(BYTES, 14, r->session)                                                                                   \
	F(RECEIPT, 15, *r)                                                                                         \
	F(U32, 16, r->outcome)                                                                                     \
	F(U32, 17, r->staleness_ms)                                                                                \
	F(TIMELINE, 18, r->timeline)                                                                               \
	F(ITEMS, 50, *r)                                                                                           \
	F(CURSOR, 51, r->cursor)

/* Indexes of nodes, one after the other in one field. */
#define WIRE_PUT_ROW(number, field) put_row(w, number, &(field))
#define WIRE_GET_ROW(number, field)                                                                                \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_row(in, &(field));                                                                             \
		break;
#define WIRE_SIZE_ROW(field) (WIRE_FIELD_MAX + (field).row_count * (size_t)WIRE_VARINT_MAX)
#define WIRE_BITS_ROW        1

static uint8_t *put_row(uint8_t *w, uint32_t number, const struct msg_result *r)
{
	KV_ASSERT(r->row_count <= ROW_MAX);
	if (r->row_count == 0)
		return w;
	uint8_t *fields = w = wire_begin(w, number);
	for (uint32_t i = 0; i < r->row_count; i++)
		w = wire_put_varint(w, r->row[i]);
	return wire_end(fields, w);
}

static void get_row(struct wire *outer, struct msg_result *r)
{
	struct wire in = wire_enter(outer);
	while (wire_more(&in) && r->row_count < ROW_MAX)
		r->row[r->row_count++] = wire_u16(&in);
	in.exhausted |= wire_more(&in);
	wire_leave(outer, &in);
}

#define WIRE_PUT_RECEIPT(number, field) (field).has_receipt ? put_receipt(w, number, &(field).receipt) : w
#define WIRE_GET_RECEIPT(number, field)                                                                            \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_receipt(in, &(field));                                                                         \
		break;
#define WIRE_SIZE_RECEIPT(field) ((field).has_receipt ? receipt_size_max(&(field).receipt) : 0)
#define WIRE_BITS_RECEIPT        1

#define WIRE_PUT_TIMELINE(number, field) codec_timeline_put(w, number, (field))
#define WIRE_GET_TIMELINE(number, field)                                                                           \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		codec_timeline_get(in, &(field));                                                                  \
		break;
#define WIRE_SIZE_TIMELINE(field) codec_timeline_size_max(field)
#define WIRE_BITS_TIMELINE        1

/* Only replies to SCAN and LEDGER have a page. */
#define WIRE_PUT_ITEMS(number, field) has_page ? put_items(w, number, &(field)) : w
#define WIRE_GET_ITEMS(number, field)                                                                              \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_item(in, tag, &(field));                                                                       \
		break;
#define WIRE_SIZE_ITEMS(field) (has_page ? items_size_max(&(field)) : 0)
#define WIRE_BITS_ITEMS        1

#define WIRE_PUT_CURSOR(number, field) has_page ? wire_put_bytes(w, number, (field)) : w
#define WIRE_GET_CURSOR(number, field) WIRE_GET_BYTES(number, field)
#define WIRE_SIZE_CURSOR(field)        WIRE_SIZE_BYTES(field)
#define WIRE_BITS_CURSOR               1

enum kv_status codec_write_result(struct codec_out *out, const struct msg *m)
{
	const struct msg_result *r = &m->result;
	bool has_page = opcode_has_page(m->opcode);
	uint8_t *w = codec_open(out, 0 RESULT_FIELDS(WIRE_SIZE), r->value.size);
	RESULT_FIELDS(WIRE_PUT)
	return has_page ? codec_close_page(out, w, r->items, r->item_count) : codec_close(out, w, r->value);
}

enum kv_status codec_read_result(struct codec_in *codec, struct slice meta)
{
	struct msg *m = codec->msg;
	struct msg_result *r = &m->result;
	struct wire whole = wire_of(meta, codec->arena), *in = &whole;
	WIRE_READ(RESULT_FIELDS)
	enum kv_status status = codec_read_status(in);
	if (status != KV_OK)
		return status;
	if (opcode_has_page(m->opcode))
		return cut_values(codec, r);
	r->item_count = 0;
	r->items = NULL;
	r->cursor = slice_of(NULL, 0);
	r->value = codec->value;
	return KV_OK;
}
