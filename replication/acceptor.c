/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/acceptor.h"

#include "base/cover.h"
#include "base/mutant.h"

void key_state_release(struct key_state *k)
{
	memories_release(&k->mem);
	*k = (struct key_state){0};
}

struct version acceptor_promise(const struct key_state *k, const struct partition_floors *f)
{
	return version_max(version_max(k->promised, f->promise), f->fence);
}

/** Nothing up to it is stored or promised any more. */
static struct version seal_of(const struct partition_floors *f)
{
	return MUTANT(gcnoseal) ? VERSION_NONE : f->seal;
}

struct version acceptor_memory_floor(const struct key_state *k, const struct partition_floors *f)
{
	/* The drop floor counts for keys that were written again as well: what they were before is forgotten. */
	struct version floor = version_max(version_max(k->mem_floor, f->memory), f->drop);
	return version_max(floor, k->rec.lin_floor);
}

void acceptor_read(const struct key_state *k, const struct partition_floors *f, struct msg_replica_reply *ret)
{
	ret->answer = ANSWER_RECORD;
	ret->record = k->rec;
	if (version_is_none(k->rec.ver))
		ret->drop_floor = f->drop;
}

static void reject(const struct key_state *k, const struct partition_floors *f, struct msg_replica_reply *ret)
{
	ret->answer = ANSWER_REJECT;
	ret->promise = acceptor_promise(k, f);
	ret->stored = k->rec.ver;
}

static bool may_promise(const struct key_state *k, const struct partition_floors *f, struct version b)
{
	if (version_at_most(b, acceptor_promise(k, f)) || version_at_most(b, seal_of(f)))
		return false;
	return MUTANT(prepver) || version_less(k->rec.ver, b);
}

void acceptor_prepare(struct key_state *k, const struct partition_floors *f, const struct msg_replica *req,
		      struct carrier *carriers, struct msg_replica_reply *ret)
{
	struct version b = req->ballot;
	if (!may_promise(k, f, b)) {
		reject(k, f, ret);
		return;
	}
	k->promised = b;
	acceptor_read(k, f, ret);
	ret->answer = ANSWER_PROMISE;
	struct sought s = {.attempts = req->attempts, .count = req->attempt_count, .rid = req->rid};
	struct found found = {.out = carriers};
	memories_find(&k->mem, &k->rec, &s, &found);
	ret->carriers = carriers;
	ret->carrier_count = found.count;
	ret->above = found.later;
	/* Where not all carriers could be named, this replica can prove nothing dead. */
	ret->memory_floor = COVER_IF(found.more, carriers_too_many) ? b : acceptor_memory_floor(k, f);
	KV_ASSERT(MUTANT(prepver) || version_less(k->rec.ver, k->promised));
}

void acceptor_promise_ahead(struct key_state *k, const struct partition_floors *f, struct version ver,
			    struct version next, hlc_t limit, struct msg_replica_reply *ret)
{
	bool holds = version_equal(k->rec.ver, ver) && !k->rec.weak;
	if (holds && next.hlc <= limit && may_promise(k, f, next))
		k->promised = next;
	ret->promise = acceptor_promise(k, f);
}

/** No strong copy here is or descends from REC's attempt, and none can have been forgotten. */
static bool is_out(const struct key_state *k, const struct partition_floors *f, const struct record *rec)
{
	struct carrier carriers[CARRIERS_MAX];
	struct sought s = {.attempts = &rec->ver, .count = 1, .rid = rec->rid};
	struct found found = {.out = carriers};
	memories_find(&k->mem, &k->rec, &s, &found);
	return version_less(acceptor_memory_floor(k, f), rec->ver) && found.count == 0 && !found.later;
}

static void reject_attempt(const struct key_state *k, const struct partition_floors *f, const struct record *rec,
			   struct msg_replica_reply *ret)
{
	struct version promise = acceptor_promise(k, f);
	reject(k, f, ret);
	ret->above = version_less(rec->ver, k->rec.ver);
	ret->no_promise = version_less(promise, rec->ver) || version_at_most(promise, k->rec.ver);
	ret->out = COVER_IF(is_out(k, f, rec), reject_out);
}

/** Refused for good: nothing that happens later makes it acceptable here. */
static bool is_refused(const struct key_state *k, const struct partition_floors *f, const struct record *rec,
		       enum accept_way way)
{
	struct version v = rec->ver;
	bool promise_counts = !MUTANT(noprom) && !(way == ACCEPT_COPY && MUTANT(wbprom));
	if (version_at_most(v, seal_of(f)) || (promise_counts && version_less(v, acceptor_promise(k, f))))
		return true;
	if (way == ACCEPT_DIRECT && k->rec.fence != 0)
		return true;
	return version_at_most(v, k->rec.ver) &&
	       !(MUTANT(nover) && way != ACCEPT_COPY && !version_equal(v, k->rec.ver));
}

#ifdef KV_MUTANTS
/** Rules that mutants add: acknowledge what is not stored, or store by comparing versions. */
static bool mutant_acks(const struct key_state *k, const struct record *rec, enum accept_way way)
{
	bool below = version_less(rec->ver, k->rec.ver);
	struct carrier carriers[CARRIERS_MAX];
	struct sought s = {.attempts = &rec->ver, .count = 1};
	struct found found = {.out = carriers};
	if (MUTANT(linack) && way != ACCEPT_COPY)
		memories_find(&k->mem, &k->rec, &s, &found);
	return found.count > 0 || (below && way == ACCEPT_COPY && MUTANT(wbsuper)) ||
	       (below && way != ACCEPT_COPY && MUTANT(super));
}
#else
static bool mutant_acks(const struct key_state *k, const struct record *rec, enum accept_way way) { return false; }
#endif

enum acceptor_verdict acceptor_accept(const struct key_state *k, const struct partition_floors *f,
				      const struct record *rec, enum accept_way way, struct msg_replica_reply *ret)
{
	struct version v = rec->ver;
	KV_ASSERT(!version_is_none(v));
	ret->answer = ANSWER_ACK;
	ret->stored = v;
	if (version_equal(k->rec.ver, v) && !k->rec.weak)
		return ACCEPTOR_ANSWER;
	if (way != ACCEPT_COPY && COVER_IF(memories_have(&k->mem, v), ack_from_memory))
		return ACCEPTOR_ANSWER;
	if (mutant_acks(k, rec, way))
		return ACCEPTOR_ANSWER;
	if (is_refused(k, f, rec, way)) {
		reject_attempt(k, f, rec, ret);
		return ACCEPTOR_ANSWER;
	}
	return ACCEPTOR_STORE;
}

enum acceptor_verdict acceptor_push(const struct key_state *k, const struct partition_floors *f,
				    const struct record *rec, const struct push_way *way,
				    struct msg_replica_reply *ret, bool *ret_weak)
{
	KV_ASSERT(!version_is_none(rec->ver));
	ret->answer = ANSWER_OLD;
	ret->stored = k->rec.ver;
	bool ingested = MUTANT(ingest) && way->transfer && version_less(rec->ver, k->rec.ver);
	if (version_at_most(rec->ver, k->rec.ver) && !ingested)
		return ACCEPTOR_ANSWER;
	struct version floor = way->transfer ? f->drop : seal_of(f);
	if (COVER_IF(version_at_most(rec->ver, floor), push_sealed)) {
		ret->promise = floor;
		return ACCEPTOR_ANSWER;
	}
	bool outdated = rec->strong && way->read_epoch < way->config_epoch;
	if (COVER_IF(outdated, push_outdated) && !MUTANT(pushepoch))
		return ACCEPTOR_ANSWER;
	ret->answer = ANSWER_STORED;
	ret->stored = rec->ver;
	/*
	 * A ballot of before this node's time that few accepted may not have seen a push that comes late: below the fence it is weak.
	 * A copy of what the old members hold counts, because the move ends only when a majority of them hold the same,
	 * strongly, and every ballot of their time met one of these.
	 */
	struct version promise = way->copied ? version_max(k->promised, f->promise) : acceptor_promise(k, f);
	*ret_weak = COVER_IF(version_less(rec->ver, promise), push_weak) && !MUTANT(pushstrong);
	return ACCEPTOR_STORE;
}

/** Nobody sees a value in REC from FLOOR on: deleted, or its time to live has ended by then. */
static bool is_over(const struct record *rec, struct version floor)
{
	return rec->tombstone || record_expired(rec, floor.hlc);
}

bool acceptor_may_drop(const struct msg_replica_reply *told, struct version ver, struct version floor)
{
	const struct record *rec = &told->record;
	if (version_is_none(rec->ver))
		return version_at_most(ver, told->drop_floor) || MUTANT(gcabsent);
	if (version_less(floor, rec->ver))
		return true;
	bool counts = !rec->weak || MUTANT(gcweak);
	return version_equal(rec->ver, ver) && counts && rec->fence == 0 && is_over(rec, floor);
}

bool acceptor_purge(struct key_state *k, const struct partition_floors *f, struct version ver)
{
	if (!version_equal(k->rec.ver, ver) || version_less(f->drop, ver))
		return false;
	if (k->rec.fence != 0 || !is_over(&k->rec, f->drop))
		return false;
	/* What is remembered is older still, so the drop floor stands for it. The promise stays. */
	memories_release(&k->mem);
	k->rec = (struct record){0};
	return true;
}

static void forget_oldest(struct key_state *k)
{
	COVER(memory_forgets);
	k->mem_floor = version_max(k->mem_floor, memories_forget(&k->mem));
}

static void remember(struct key_state *k, const struct record *next, usec_t now_us)
{
	if (MUTANT(nohist))
		return;
	if (k->mem.count == MEM_MAX)
		forget_oldest(k);
	memories_add(&k->mem, &k->rec, next, now_us);
	k->mem_floor = version_max(k->mem_floor, k->rec.lin_floor);
}

void acceptor_store(struct key_state *k, const struct record *rec, usec_t now_us)
{
	KV_ASSERT(MUTANT(nover) || version_less(k->rec.ver, rec->ver));
	KV_ASSERT(rec->fence >= k->rec.fence);
	if (!version_is_none(k->rec.ver) && !k->rec.weak && version_less(k->rec.ver, rec->ver))
		remember(k, rec, now_us);
	k->rec = *rec;
	if (version_at_most(k->promised, rec->ver))
		k->promised = VERSION_NONE;
	KV_ASSERT(!k->rec.weak || version_is_none(k->promised) || version_less(k->rec.ver, k->promised));
}

void acceptor_forget(struct key_state *k, uint32_t kept)
{
	while (k->mem.count > kept)
		forget_oldest(k);
}

void acceptor_age(struct key_state *k, usec_t now_us)
{
	while (k->mem.count > 0 && memories_at(&k->mem, 0)->since_us + MEM_AGE_US <= now_us)
		forget_oldest(k);
}
