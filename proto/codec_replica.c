/* SPDX-License-Identifier: Apache-2.0 */
/* What a coordinator and a replica say to each other: READ, PREPARE, ACCEPT, COPY, PUSH and their answers. */
#include "proto/codec_internal.h"
#include "proto/opcode.h"
#include "proto/wire.h"

/* ---- lineage of a record, carriers of an answer: repeated ---- */

#define LINEAGE_FIELDS(F)                                                                                          \
	F(VERSION, 1, l->ver)                                                                                      \
	F(FIXED64, 3, l->rid.client)                                                                               \
	F(U64, 4, l->rid.seq)                                                                                      \
	F(U64, 5, l->result)

enum { LINEAGE_MAX = WIRE_FIELD_MAX + (0 LINEAGE_FIELDS(WIRE_SIZE)) };

static uint8_t *put_lineage(uint8_t *w, uint32_t number, const struct record *r)
{
	for (uint32_t i = 0; i < r->lin_count; i++) {
		const struct lineage *l = &r->lin[i];
		uint8_t *fields = w = wire_begin(w, number);
		LINEAGE_FIELDS(WIRE_PUT)
		w = wire_end(fields, w);
	}
	return w;
}

/** One more entry. The array is made when the first one comes. */
static void get_lineage(struct wire *outer, uint32_t repeated, struct record *r)
{
	if (r->lin_count == 0) {
		size_t count = wire_count(outer, repeated);
		r->lin = count <= LIN_MAX ? CODEC_NEW(outer->arena, struct lineage, count) : NULL;
		outer->exhausted |= !r->lin;
	}
	if (outer->exhausted)
		return;
	KV_ASSERT(r->lin_count < LIN_MAX);
	struct lineage *l = (struct lineage *)(uintptr_t)&r->lin[r->lin_count++];
	struct wire inner = wire_enter(outer), *in = &inner;
	*l = (struct lineage){0};
	WIRE_READ(LINEAGE_FIELDS)
	wire_leave(outer, in);
}

#define CARRIER_FIELDS(F)                                                                                          \
	F(VERSION, 1, c->copy)                                                                                     \
	F(VERSION, 3, c->attempt)                                                                                  \
	F(U64, 5, c->result)

enum { CARRIER_MAX = WIRE_FIELD_MAX + (0 CARRIER_FIELDS(WIRE_SIZE)) };

static uint8_t *put_carriers(uint8_t *w, uint32_t number, const struct msg_replica_reply *r)
{
	for (uint32_t i = 0; i < r->carrier_count; i++) {
		const struct carrier *c = &r->carriers[i];
		uint8_t *fields = w = wire_begin(w, number);
		CARRIER_FIELDS(WIRE_PUT)
		w = wire_end(fields, w);
	}
	return w;
}

static void get_carrier(struct wire *outer, uint32_t repeated, struct msg_replica_reply *r)
{
	if (r->carrier_count == 0) {
		size_t count = wire_count(outer, repeated);
		r->carriers = count <= CARRIERS_MAX ? CODEC_NEW(outer->arena, struct carrier, count) : NULL;
		outer->exhausted |= !r->carriers;
	}
	if (outer->exhausted)
		return;
	KV_ASSERT(r->carrier_count < CARRIERS_MAX);
	struct carrier *c = (struct carrier *)(uintptr_t)&r->carriers[r->carrier_count++];
	struct wire inner = wire_enter(outer), *in = &inner;
	*c = (struct carrier){0};
	WIRE_READ(CARRIER_FIELDS)
	wire_leave(outer, in);
}

/* ---- a record ---- */

/** A record as it is read: some of its fields mean something by being there. */
struct record_read {
	struct record *record;
	bool seen, has_org, has_size;
};

#define RECORD_FIELDS(F)                                                                                           \
	F(VERSION, 1, r->ver)                                                                                      \
	F(ORG, 3, r->org)                                                                                          \
	F(FIXED64, 5, r->value_hash)                                                                               \
	F(BOOL, 6, r->has_value)                                                                                   \
	F(VALUE_SIZE, 7, r->value_size)                                                                            \
	F(BOOL, 8, r->strong)                                                                                      \
	F(BOOL, 9, r->weak)                                                                                        \
	F(BOOL, 10, r->tombstone)                                                                                  \
	F(FIXED64, 11, r->rid.client)                                                                              \
	F(U64, 12, r->rid.seq)                                                                                     \
	F(U64, 13, r->result)                                                                                      \
	F(U64, 14, r->expires_ms)                                                                                  \
	F(U64, 15, r->fence)                                                                                       \
	F(LINEAGE, 16, *r)                                                                                         \
	F(VERSION, 17, r->lin_floor)

/* The origin is told where it is not the version: both its fields, or none. */
#define WIRE_PUT_ORG(number, field) codec_put_origin(w, number, field, r->ver)
#define WIRE_GET_ORG(number, field) CODEC_GET_ORIGIN(number, field, read->has_org)
#define WIRE_SIZE_ORG(field)        WIRE_SIZE_VERSION(field)
#define WIRE_BITS_ORG               3

/* With a value its size is that of the frame's value section. */
#define WIRE_PUT_VALUE_SIZE(number, field) wire_put_number(w, number, r->has_value ? 0 : (field))
#define WIRE_GET_VALUE_SIZE(number, field)                                                                         \
	case WIRE_TAG(number, WIRE_VARINT):                                                                        \
		(field) = (uint32_t)wire_varint(in);                                                               \
		read->has_size = true;                                                                             \
		break;
#define WIRE_SIZE_VALUE_SIZE(field) WIRE_FIELD_MAX
#define WIRE_BITS_VALUE_SIZE        1

#define WIRE_PUT_LINEAGE(number, field) put_lineage(w, number, &(field))
#define WIRE_GET_LINEAGE(number, field)                                                                            \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_lineage(in, tag, &(field));                                                                    \
		break;
#define WIRE_SIZE_LINEAGE(field) ((field).lin_count * (size_t)LINEAGE_MAX)
#define WIRE_BITS_LINEAGE        1

static size_t record_size_max(const struct record *r) { return WIRE_FIELD_MAX + (0 RECORD_FIELDS(WIRE_SIZE)); }

static uint8_t *put_record(uint8_t *w, uint32_t number, const struct record *r)
{
	KV_ASSERT(r->lin_count <= LIN_MAX);
	uint8_t *fields = w = wire_begin(w, number);
	RECORD_FIELDS(WIRE_PUT)
	return wire_end(fields, w);
}

static void get_record(struct wire *outer, struct record_read *read)
{
	struct record *r = read->record;
	struct wire inner = wire_enter(outer), *in = &inner;
	if (read->seen) {
		outer->failed = true; /* it comes once */
		return;
	}
	read->seen = true;
	WIRE_READ(RECORD_FIELDS)
	wire_leave(outer, in);
}

/** Ends the reading of a record. The value section belongs to it if it says so; otherwise that must be empty. */
static enum kv_status finish_record(struct codec_in *in, const struct record_read *read)
{
	struct record *r = read->record;
	if (!read->has_org)
		r->org = r->ver;
	if (!r->has_value)
		return KV_OK;
	if (read->has_size && r->value_size != in->value.size)
		return KV_INVALID;
	r->value_size = (uint32_t)in->value.size;
	r->value = in->value;
	in->value = slice_of(NULL, 0);
	return KV_OK;
}

/* As part of a message: it is there or not. */
#define WIRE_PUT_RECORD(number, field) has_record ? put_record(w, number, &(field)) : w
#define WIRE_GET_RECORD(number, field)                                                                             \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_record(in, &read);                                                                             \
		break;
#define WIRE_SIZE_RECORD(field) (has_record ? record_size_max(&(field)) : 0)
#define WIRE_BITS_RECORD        1

/* ---- requests ---- */

#define REPLICA_FIELDS(F)                                                                                          \
	CODEC_COMMON(F)                                                                                            \
	F(BYTES, 4, r->key)                                                                                        \
	F(U16, 5, r->partition)                                                                                    \
	F(U32, 6, r->deadline_ms)                                                                                  \
	F(U32, 7, r->bucket)                                                                                       \
	F(BOOL, 8, r->want_value)                                                                                  \
	F(VERSION, 9, r->ballot)                                                                                   \
	F(FIXED64, 11, r->rid.client)                                                                              \
	F(U64, 12, r->rid.seq)                                                                                     \
	F(ATTEMPTS, 13, *r)                                                                                        \
	F(RECORD, 14, r->record)                                                                                   \
	F(BOOL, 15, r->hinted)                                                                                     \
	F(U64, 16, r->read_epoch)                                                                                  \
	F(VERSION, 17, r->next)                                                                                    \
	F(BOOL, 19, r->direct)                                                                                     \
	F(FIXED64, 40, r->trace.trace_hi)                                                                          \
	F(FIXED64, 41, r->trace.trace_lo)                                                                          \
	F(FIXED64, 42, r->trace.span)                                                                              \
	F(BOOL, 43, r->trace.sampled)

/* Versions one after the other, each as two fixed numbers, in one field. */
#define WIRE_PUT_ATTEMPTS(number, field) put_attempts(w, number, &(field))
#define WIRE_GET_ATTEMPTS(number, field)                                                                           \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_attempts(in, &(field));                                                                        \
		break;
#define WIRE_SIZE_ATTEMPTS(field) (WIRE_FIELD_MAX + (field).attempt_count * 2 * sizeof(uint64_t))
#define WIRE_BITS_ATTEMPTS        1

static uint8_t *put_attempts(uint8_t *w, uint32_t number, const struct msg_replica *r)
{
	KV_ASSERT(r->attempt_count <= ATTEMPTS_MAX);
	if (r->attempt_count == 0)
		return w;
	uint8_t *fields = w = wire_begin(w, number);
	for (uint32_t i = 0; i < r->attempt_count; i++) {
		store_le64(w, r->attempts[i].hlc);
		store_le64(w + 8, r->attempts[i].id);
		w += 16;
	}
	return wire_end(fields, w);
}

static void get_attempts(struct wire *in, struct msg_replica *r)
{
	struct wire inner = wire_enter(in);
	size_t size = (size_t)(inner.end - inner.at), count = size / 16;
	if (size % 16 != 0 || r->attempt_count > 0) {
		in->failed = true;
		return;
	}
	struct version *attempts = count <= ATTEMPTS_MAX ? CODEC_NEW(in->arena, struct version, count) : NULL;
	if (!attempts) {
		in->exhausted = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		attempts[i].hlc = wire_fixed64(&inner);
		attempts[i].id = wire_fixed64(&inner);
	}
	r->attempt_count = (uint32_t)count;
	r->attempts = count > 0 ? attempts : NULL;
}

enum kv_status codec_write_replica(struct codec_out *out, const struct msg *m)
{
	const struct msg_replica *r = &m->replica;
	bool has_record = opcode_sends_record(m->opcode);
	uint8_t *w = codec_open(out, 0 REPLICA_FIELDS(WIRE_SIZE), r->record.value.size);
	REPLICA_FIELDS(WIRE_PUT)
	return codec_close(out, w, has_record ? r->record.value : slice_of(NULL, 0));
}

enum kv_status codec_read_replica(struct codec_in *codec, struct slice meta)
{
	struct msg *m = codec->msg;
	struct msg_replica *r = &m->replica;
	struct record_read read = {.record = &r->record};
	struct wire whole = wire_of(meta, codec->arena), *in = &whole;
	WIRE_READ(REPLICA_FIELDS)
	enum kv_status status = codec_read_status(in);
	if (status != KV_OK)
		return status;
	if (opcode_sends_record(m->opcode) && read.seen)
		status = finish_record(codec, &read);
	else
		r->record = (struct record){0};
	return status == KV_OK && codec->value.size > 0 ? KV_INVALID : status;
}

/* ---- answers ---- */

#define ANSWER_FIELDS(F)                                                                                           \
	CODEC_COMMON(F)                                                                                            \
	F(ENUM, 4, r->answer)                                                                                      \
	F(U16, 5, r->partition)                                                                                    \
	F(RECORD, 6, r->record)                                                                                    \
	F(VERSION, 7, r->drop_floor)                                                                               \
	F(VERSION, 9, r->promise)                                                                                  \
	F(VERSION, 11, r->stored)                                                                                  \
	F(U64, 13, r->config_epoch)                                                                                \
	F(BOOL, 20, r->above)                                                                                      \
	F(BOOL, 21, r->no_promise)                                                                                 \
	F(BOOL, 22, r->out)                                                                                        \
	F(BOOL, 23, r->no_room)                                                                                    \
	F(VERSION, 30, r->memory_floor)                                                                            \
	F(CARRIERS, 32, *r)                                                                                        \
	F(U32, 40, r->served.queue_us)                                                                             \
	F(U32, 41, r->served.disk_us)                                                                              \
	F(U32, 42, r->served.commit_us)                                                                            \
	F(U32, 43, r->served.sync_us)

#define WIRE_PUT_CARRIERS(number, field) put_carriers(w, number, &(field))
#define WIRE_GET_CARRIERS(number, field)                                                                           \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_carrier(in, tag, &(field));                                                                    \
		break;
#define WIRE_SIZE_CARRIERS(field) ((field).carrier_count * (size_t)CARRIER_MAX)
#define WIRE_BITS_CARRIERS        1

static bool answer_has_record(enum replica_answer answer)
{
	return answer == ANSWER_RECORD || answer == ANSWER_PROMISE;
}

enum kv_status codec_write_answer(struct codec_out *out, const struct msg *m)
{
	const struct msg_replica_reply *r = &m->answer;
	bool has_record = answer_has_record(r->answer);
	KV_ASSERT(r->carrier_count <= CARRIERS_MAX);
	uint8_t *w = codec_open(out, 0 ANSWER_FIELDS(WIRE_SIZE), r->record.value.size);
	ANSWER_FIELDS(WIRE_PUT)
	return codec_close(out, w, has_record ? r->record.value : slice_of(NULL, 0));
}

enum kv_status codec_read_answer(struct codec_in *codec, struct slice meta)
{
	struct msg *m = codec->msg;
	struct msg_replica_reply *r = &m->answer;
	struct record_read read = {.record = &r->record};
	struct wire whole = wire_of(meta, codec->arena), *in = &whole;
	WIRE_READ(ANSWER_FIELDS)
	enum kv_status status = codec_read_status(in);
	if (status != KV_OK)
		return status;
	if (answer_has_record(r->answer) && read.seen)
		status = finish_record(codec, &read);
	else
		r->record = (struct record){0};
	return status == KV_OK && codec->value.size > 0 ? KV_INVALID : status;
}
