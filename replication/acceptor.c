/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/acceptor.h"

void key_state_release(struct key_state *k)
{
	for (uint32_t i = 0; i < k->mem_count; i++)
		free(k->mem[i]);
	*k = (struct key_state){0};
}

struct version acceptor_promise(const struct key_state *k, const struct partition_floors *f)
{
	return version_max(k->promised, f->promise);
}

struct version acceptor_memory_floor(const struct key_state *k, const struct partition_floors *f)
{
	struct version floor = version_max(k->mem_floor, f->memory);
	if (version_is_none(k->rec.ver))
		return version_max(floor, f->drop);
	return version_max(floor, k->rec.lin_floor);
}

void acceptor_read(const struct key_state *k, const struct partition_floors *f, struct msg_replica_reply *ret)
{
	ret->answer = ANSWER_RECORD;
	ret->record = k->rec;
	if (version_is_none(k->rec.ver))
		ret->drop_floor = f->drop;
}

/** What a request asks about: any of these attempts, or this request id. */
struct sought {
	const struct version *attempts;
	uint32_t count;
	struct request_id rid;
};

static bool is_sought(const struct sought *s, struct version ver, struct request_id rid)
{
	if (!request_id_is_none(s->rid) && request_id_equal(s->rid, rid))
		return true;
	for (uint32_t i = 0; i < s->count; i++) {
		if (version_equal(s->attempts[i], ver))
			return true;
	}
	return false;
}

/** Adds the strong copy COPY if it is, or descends from, something sought. Newer attempts are found first. */
static uint32_t add_carrier(const struct sought *s, const struct lineage *copy, const struct lineage *lin,
			    uint32_t lin_count, struct carrier *out, uint32_t count)
{
	const struct lineage *found = is_sought(s, copy->ver, copy->rid) ? copy : NULL;
	for (uint32_t i = 0; !found && i < lin_count; i++) {
		if (is_sought(s, lin[i].ver, lin[i].rid))
			found = &lin[i];
	}
	if (!found)
		return count;
	KV_ASSERT(count < CARRIERS_MAX);
	out[count] = (struct carrier){.copy = copy->ver, .attempt = found->ver, .result = found->result};
	return count + 1;
}

static uint32_t find_carriers(const struct key_state *k, const struct sought *s, struct carrier *out)
{
	uint32_t count = 0;
	if (!version_is_none(k->rec.ver) && !k->rec.weak) {
		struct lineage own = {.ver = k->rec.ver, .rid = k->rec.rid, .result = k->rec.result};
		count = add_carrier(s, &own, k->rec.lin, k->rec.lin_count, out, count);
	}
	for (uint32_t i = 0; i < k->mem_count; i++) {
		const struct memory *m = k->mem[i];
		struct lineage own = {.ver = m->ver, .rid = m->rid, .result = m->result};
		count = add_carrier(s, &own, m->lin, m->lin_count, out, count);
	}
	return count;
}

static void reject(const struct key_state *k, const struct partition_floors *f, struct msg_replica_reply *ret)
{
	ret->answer = ANSWER_REJECT;
	ret->promise = acceptor_promise(k, f);
	ret->stored = k->rec.ver;
}

void acceptor_prepare(struct key_state *k, const struct partition_floors *f, const struct msg_replica *req,
		      struct carrier *carriers, struct msg_replica_reply *ret)
{
	struct version b = req->ballot;
	if (version_at_most(b, acceptor_promise(k, f)) || version_at_most(b, k->rec.ver) ||
	    version_at_most(b, f->seal)) {
		reject(k, f, ret);
		return;
	}
	k->promised = b;
	acceptor_read(k, f, ret);
	ret->answer = ANSWER_PROMISE;
	struct sought s = {.attempts = req->attempts, .count = req->attempt_count, .rid = req->rid};
	ret->carrier_count = find_carriers(k, &s, carriers);
	ret->carriers = carriers;
	ret->memory_floor = acceptor_memory_floor(k, f);
	KV_ASSERT(version_less(k->rec.ver, k->promised));
}

static bool in_memory(const struct key_state *k, struct version ver)
{
	for (uint32_t i = 0; i < k->mem_count; i++) {
		if (version_equal(k->mem[i]->ver, ver))
			return true;
	}
	return false;
}

static void reject_attempt(const struct key_state *k, const struct partition_floors *f, struct version v,
			   struct msg_replica_reply *ret)
{
	struct carrier carriers[CARRIERS_MAX];
	struct sought s = {.attempts = &v, .count = 1};
	struct version promise = acceptor_promise(k, f);
	reject(k, f, ret);
	ret->above = version_less(v, k->rec.ver);
	ret->no_promise = version_less(promise, v) || version_at_most(promise, k->rec.ver);
	ret->out = version_less(acceptor_memory_floor(k, f), v) && find_carriers(k, &s, carriers) == 0;
}

enum acceptor_verdict acceptor_accept(const struct key_state *k, const struct partition_floors *f,
				      const struct record *rec, bool own, struct msg_replica_reply *ret)
{
	struct version v = rec->ver;
	KV_ASSERT(!version_is_none(v));
	ret->answer = ANSWER_ACK;
	ret->stored = v;
	if (version_equal(k->rec.ver, v) && !k->rec.weak)
		return ACCEPTOR_ANSWER;
	if (own && in_memory(k, v))
		return ACCEPTOR_ANSWER;
	if (version_at_most(v, f->seal) || version_less(v, acceptor_promise(k, f)) ||
	    version_at_most(v, k->rec.ver)) {
		reject_attempt(k, f, v, ret);
		return ACCEPTOR_ANSWER;
	}
	return ACCEPTOR_STORE;
}

enum acceptor_verdict acceptor_push(const struct key_state *k, const struct partition_floors *f,
				    const struct record *rec, uint64_t read_epoch, uint64_t config_epoch,
				    struct msg_replica_reply *ret, bool *ret_weak)
{
	KV_ASSERT(!version_is_none(rec->ver));
	ret->answer = ANSWER_OLD;
	ret->stored = k->rec.ver;
	if (version_at_most(rec->ver, k->rec.ver) || version_at_most(rec->ver, f->seal))
		return ACCEPTOR_ANSWER;
	if (rec->strong && read_epoch < config_epoch)
		return ACCEPTOR_ANSWER;
	ret->answer = ANSWER_STORED;
	ret->stored = rec->ver;
	*ret_weak = version_less(rec->ver, acceptor_promise(k, f));
	return ACCEPTOR_STORE;
}

static void forget_oldest(struct key_state *k)
{
	KV_ASSERT(k->mem_count > 0);
	k->mem_floor = version_max(k->mem_floor, k->mem[0]->ver);
	free(k->mem[0]);
	k->mem_count--;
	memmove(k->mem, k->mem + 1, k->mem_count * sizeof k->mem[0]);
}

static void remember(struct key_state *k, usec_t now_us)
{
	const struct record *r = &k->rec;
	if (k->mem_count == MEM_MAX)
		forget_oldest(k);
	struct memory *m = xmalloc(sizeof *m + r->lin_count * sizeof m->lin[0]);
	*m = (struct memory){
		.ver = r->ver, .rid = r->rid, .result = r->result, .since_us = now_us, .lin_count = r->lin_count};
	if (r->lin_count > 0)
		memcpy(m->lin, r->lin, r->lin_count * sizeof m->lin[0]);
	k->mem[k->mem_count++] = m;
	k->mem_floor = version_max(k->mem_floor, r->lin_floor);
}

void acceptor_store(struct key_state *k, const struct record *rec, usec_t now_us)
{
	KV_ASSERT(version_less(k->rec.ver, rec->ver));
	if (!version_is_none(k->rec.ver) && !k->rec.weak)
		remember(k, now_us);
	k->rec = *rec;
	if (version_at_most(k->promised, rec->ver))
		k->promised = VERSION_NONE;
	KV_ASSERT(!k->rec.weak || version_is_none(k->promised) || version_less(k->rec.ver, k->promised));
}

void acceptor_age(struct key_state *k, usec_t now_us)
{
	while (k->mem_count > 0 && k->mem[0]->since_us + MEM_AGE_US <= now_us)
		forget_oldest(k);
}
