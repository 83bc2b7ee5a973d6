/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/fate.h"

#include "base/cover.h"
#include "base/mutant.h"

enum { KNOWN_MAX = ATTEMPTS_MAX + 1 + LIN_MAX + ROW_MAX * CARRIERS_MAX };

/** Attempts of one operation, its own and those of its request id that others made. */
struct known {
	uint32_t count;
	struct version attempts[KNOWN_MAX];
};

/** One that a minority holds for ever may still be told of. */
static bool is_forgotten(const struct op *op, struct version attempt)
{
	for (uint32_t i = 0; i < op->forgotten_count; i++) {
		if (version_equal(op->forgotten[i], attempt))
			return true;
	}
	return false;
}

static void known_add(const struct op *op, struct known *k, struct version attempt)
{
	if (is_forgotten(op, attempt))
		return;
	for (uint32_t i = 0; i < k->count; i++) {
		if (version_equal(k->attempts[i], attempt))
			return;
	}
	KV_ASSERT(k->count < KNOWN_MAX);
	k->attempts[k->count++] = attempt;
}

static void known_collect(const struct op *op, const struct record *m, struct known *k)
{
	k->count = 0;
	for (uint32_t i = 0; i < op->attempt_count; i++)
		known_add(op, k, op->attempts[i]);
	if (request_id_is_none(op->rid) || (op->retry && MUTANT(yblind)))
		return;
	if (request_id_equal(m->rid, op->rid) && !version_is_none(m->ver))
		known_add(op, k, m->ver);
	for (uint32_t i = 0; i < m->lin_count; i++) {
		if (request_id_equal(m->lin[i].rid, op->rid))
			known_add(op, k, m->lin[i].ver);
	}
	for (uint32_t i = 0; i < op->row.count; i++) {
		for (uint32_t j = 0; j < op->replies[i].carrier_count; j++)
			known_add(op, k, op->replies[i].carriers[j].attempt);
	}
}

/** Replicas that report the strong copy COPY, as bits. With lincount: any copy that carries ATTEMPT. */
static uint32_t reporters(const struct op *op, struct version copy, struct version attempt)
{
	uint32_t bits = 0;
	for (uint32_t i = 0; i < op->row.count; i++) {
		const struct op_reply *r = &op->replies[i];
		for (uint32_t j = 0; j < r->carrier_count; j++) {
			if (version_equal(r->carriers[j].copy, copy) ||
			    (MUTANT(lincount) && version_equal(r->carriers[j].attempt, attempt)))
				bits |= 1u << i;
		}
	}
	return bits;
}

/** Replicas whose memory reaches back to A: what they do not report they never had. */
static uint32_t full_memories(const struct op *op, struct version a)
{
	uint32_t bits = 0;
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (op->replies[i].valid && version_less(op->replies[i].memory_floor, a))
			bits |= 1u << i;
	}
	return bits;
}

/** So many that no majority forms without them, of either set: the attempt may be of an epoch that knew one of them only. */
static bool proves_dead(const struct op *op, uint32_t bits)
{
	return row_blocks_all(&op->row, bits) || (MUTANT(twoout) && bits);
}

static bool is_majority(const struct op *op, uint32_t bits)
{
	return row_majority(&op->row, bits) || (MUTANT(nocount) && bits);
}

/** Result that the copies seen give for attempt A; M's lineage knows it if A is an ancestor. */
static bool ancestor_result(const struct record *m, struct version a, uint64_t *ret)
{
	if (version_is_none(m->ver))
		return false;
	if (version_equal(m->ver, a)) {
		*ret = m->result;
		return true;
	}
	for (uint32_t i = 0; i < m->lin_count; i++) {
		if (version_equal(m->lin[i].ver, a)) {
			*ret = m->lin[i].result;
			return true;
		}
	}
	return false;
}

/**
 * True if M's lineage reaches back beyond V: then every version above V that was or will be effective below this ballot is in it.
 * Take the first ballot of the lineage above such a version. One of the replicas that promised it held the version before, for
 * later it would have refused it, so the ballot was built on that version or on a newer one; and it is the first.
 */
static bool lineage_covers(const struct record *m, struct version v)
{
	if (!version_less(m->lin_floor, v))
		return false;
	return version_less(m->ver, v) || (m->lin_count > 0 && version_less(m->lin[m->lin_count - 1].ver, v));
}

static struct fate_of attempt_fate(const struct op *op, const struct record *m, struct version a)
{
	struct fate_of f = {.attempt = a};
	uint32_t full = full_memories(op, a);
	bool dead = proves_dead(op, full);
	for (uint32_t i = 0; i < op->row.count; i++) {
		const struct op_reply *r = &op->replies[i];
		for (uint32_t j = 0; j < r->carrier_count; j++) {
			if (!version_equal(r->carriers[j].attempt, a))
				continue;
			uint32_t bits = reporters(op, r->carriers[j].copy, a);
			if (is_majority(op, bits)) {
				COVER(fate_effective);
				f.fate = FATE_EFFECTIVE;
				f.result = r->carriers[j].result;
				return f;
			}
			dead &= proves_dead(op, full & ~bits);
		}
	}
	/* Where lineage was cut off, M may have been built on the attempt without telling, and is about to be built on itself. */
	if (COVER_IF(ancestor_result(m, a, &f.result), fate_ancestor))
		f.fate = FATE_ANCESTOR;
	else if (COVER_IF(lineage_covers(m, a), fate_covered) ||
		 COVER_IF(dead && version_less(m->lin_floor, a), fate_dead))
		f.fate = FATE_DEAD;
	else
		f.fate = FATE_OPEN;
	return f;
}

/**
 * A retry must also rule out attempts that nobody has told of, and so must a first try so late that a retry may have been done
 * and forgotten. They lie above the client's t0, but for ballots promised ahead, so a lineage or memories that reach back that
 * far would have told.
 */
static bool unseen_are_dead(const struct op *op, const struct record *m)
{
	if ((!op->retry && !op->late) || (op->retry && MUTANT(yblind)))
		return true;
	hlc_t window = hlc_from_ms(CACHED_WINDOW_MS);
	struct version since = {.hlc = op->t0 > window ? op->t0 - window : 0};
	if (lineage_covers(m, since))
		return true;
	return version_less(m->lin_floor, since) && proves_dead(op, full_memories(op, since));
}

/** M may be a weak copy, of which its replica tells nothing, and built on an attempt that its lane has replaced. */
static bool client_has_moved_on(const struct op *op, const struct record *m)
{
	if (!version_is_none(m->ver) && request_id_is_later(m->rid, op->rid))
		return true;
	for (uint32_t i = 0; i < m->lin_count; i++) {
		if (request_id_is_later(m->lin[i].rid, op->rid))
			return true;
	}
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (op->replies[i].later)
			return true;
	}
	return false;
}

struct fate_of fate_judge(const struct op *op, const struct record *m)
{
	struct known k;
	struct fate_of worst = {.fate = FATE_DEAD};
	known_collect(op, m, &k);
	if (MUTANT(naivecas) && !op->retry)
		k.count = 0;
	worst.traced = k.count > 0;
	for (uint32_t i = 0; i < k.count; i++) {
		struct fate_of f = attempt_fate(op, m, k.attempts[i]);
		f.traced = true;
		if (f.fate > worst.fate)
			worst = f;
	}
	if (worst.fate >= FATE_ANCESTOR)
		return worst;
	worst.over = COVER_IF(client_has_moved_on(op, m), fate_over);
	worst.expired = COVER_IF(!unseen_are_dead(op, m), fate_expired);
	if (worst.over || worst.expired)
		worst.fate = FATE_OPEN;
	return worst;
}
