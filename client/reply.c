/* SPDX-License-Identifier: Apache-2.0 */
#include "client/reply.h"

#include "base/hash.h"
#include "client/trace.h"
#include "proto/codec.h"

_Static_assert(KV_ROW_MAX == ROW_MAX, "the public header repeats this limit");
_Static_assert(KV_NODE_NONE == NODE_NONE, "the public header repeats this number");
_Static_assert(KV_LEVEL_STRONG == (int)LEVEL_STRONG && KV_LEVEL_EVENTUAL == (int)LEVEL_EVENTUAL,
	       "levels are the wire's");
_Static_assert(KV_ACKS_ALL == (int)ACKS_ALL && KV_ACKS_ONE == (int)ACKS_ONE, "acks are the wire's");

struct reply *reply_new(const struct frame_header *header)
{
	size_t body_size = (size_t)header->meta_size + header->value_size;
	struct reply *r = malloc(sizeof *r + body_size);
	if (!r)
		return NULL;
	memset(r, 0, sizeof *r);
	atomic_init(&r->refs, 1);
	r->header = *header;
	r->arena = ARENA_INIT(codec_arena_max(header->meta_size));
	return r;
}

enum kv_status reply_decode(struct reply *r)
{
	struct slice meta = slice_of(r->body, r->header.meta_size);
	struct slice value = slice_of(r->body + r->header.meta_size, r->header.value_size);
	if (!frame_body_check(&r->header, meta, value))
		return KV_CORRUPT;
	return codec_decode(&r->header, meta, value, &r->arena, &r->msg);
}

struct reply *reply_ref(struct reply *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void reply_unref(struct reply *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_release(&r->arena);
	free(r);
}

static struct kv_version version_out(struct version v) { return (struct kv_version){.hlc = v.hlc, .id = v.id}; }

static void receipt_fill(struct kv_receipt *to, const struct msg_receipt *from, uint32_t attempts)
{
	*to = (struct kv_receipt){
		.asked = (enum kv_level)from->asked,
		.achieved = (enum kv_level)from->achieved,
		.version = version_out(from->version),
		.epoch = from->epoch,
		.acks = from->acks,
		.hinted = from->hinted,
		.rounds = from->rounds,
		.staleness_ms = from->staleness_ms,
		.repaired = from->repaired,
		.attempts = attempts,
		.replica_count = from->replica_count,
	};
	KV_ASSERT(from->replica_count <= KV_ROW_MAX);
	for (uint32_t i = 0; i < from->replica_count; i++) {
		to->replicas[i] = (struct kv_receipt_replica){
			.node = from->replicas[i].node,
			.status = from->replicas[i].status,
			.version = version_out(from->replicas[i].ver),
		};
	}
}

/* Never NULL. */
static struct kv_slice value_out(struct slice value)
{
	return kv_slice_of(value.data ? (const void *)value.data : "", value.size);
}

struct kv_item item_from_reply(struct reply *r, uint32_t attempts, usec_t took_us)
{
	if (!r)
		return (struct kv_item){0};
	const struct msg_result *result = &r->msg.result;
	if (result->has_receipt)
		receipt_fill(&r->receipt, &result->receipt, attempts);
	if (result->timeline)
		r->timeline = timeline_out(result->timeline, took_us, &r->arena);
	/* An empty value that was told has the hash of one; another hash is that of a value that was not at hand. */
	bool told = result->value.size > 0 || result->value_hash == hash64(result->value);
	return (struct kv_item){
		.value = told ? value_out(result->value) : (struct kv_slice){0},
		.version = version_out(result->version),
		.expires_ms = result->expires_ms,
		.receipt = result->has_receipt ? &r->receipt : NULL,
		.staleness_ms = result->staleness_ms,
		.memory = (struct kv_memory *)r,
	};
}

void kv_item_release(struct kv_item *item)
{
	if (!item)
		return;
	reply_unref((struct reply *)item->memory);
	*item = (struct kv_item){0};
}

bool kv_item_number(const struct kv_item *item, int64_t *ret_number)
{
	const char *text = item->value.data;
	bool negative = item->value.size > 0 && text[0] == '-';
	size_t at = negative;
	int64_t number = 0;
	for (; at < item->value.size && text[at] >= '0' && text[at] <= '9'; at++) {
		int digit = text[at] - '0';
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, negative ? -digit : digit, &number))
			return false;
	}
	if (at == negative || at != item->value.size)
		return false;
	*ret_number = number;
	return true;
}

const struct kv_timeline *kv_item_timeline(const struct kv_item *item)
{
	const struct reply *r = (const struct reply *)item->memory;
	return r ? r->timeline : NULL;
}

enum kv_write_outcome kv_item_outcome(const struct kv_item *item)
{
	const struct reply *r = (const struct reply *)item->memory;
	return r && r->msg.opcode == OP_OUTCOME ? (enum kv_write_outcome)r->msg.result.outcome
						: (enum kv_write_outcome)0;
}

struct kv_item kv_item_ref(const struct kv_item *item)
{
	if (item->memory)
		reply_ref((struct reply *)item->memory);
	return *item;
}
