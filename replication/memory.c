/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/memory.h"

void memories_release(struct memories *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		free(memories_at(m, i)->lin);
	free(m->items);
	*m = (struct memories){0};
}

static void memories_grow(struct memories *m)
{
	uint32_t capacity = MAX(m->capacity * 2, 4u);
	struct memory *items = xcalloc(capacity, sizeof *items);
	for (uint32_t i = 0; i < m->count; i++)
		items[i] = *memories_at(m, i);
	free(m->items);
	m->bytes += (capacity - m->capacity) * sizeof *items;
	m->items = items;
	m->capacity = capacity;
	m->first = 0;
}

static bool is_built_on(const struct record *next, struct version ver)
{
	for (uint32_t i = 0; i < next->lin_count; i++) {
		if (version_equal(next->lin[i].ver, ver))
			return true;
	}
	return false;
}

void memories_add(struct memories *m, const struct record *old, const struct record *next, usec_t now_us)
{
	KV_ASSERT(m->count < MEM_MAX);
	KV_ASSERT(m->count == 0 || version_less(memories_at(m, m->count - 1)->ver, old->ver));
	if (m->count == m->capacity)
		memories_grow(m);
	/* A weak record is not remembered when its turn comes, so nothing may hang on it. */
	bool chained = !next->weak && is_built_on(next, old->ver);
	uint32_t lin_count = chained ? 0 : old->lin_count;
	m->count++;
	struct memory *last = memories_at(m, m->count - 1);
	*last = (struct memory){.ver = old->ver,
				.rid = old->rid,
				.result = old->result,
				.since_us = now_us,
				.chained = chained,
				.lin_count = lin_count};
	if (lin_count > 0) {
		last->lin = xmalloc(lin_count * sizeof last->lin[0]);
		m->bytes += lin_count * sizeof last->lin[0];
		memcpy(last->lin, old->lin, lin_count * sizeof last->lin[0]);
	}
}

struct version memories_forget(struct memories *m)
{
	struct memory *oldest = memories_at(m, 0);
	struct version ver = oldest->ver;
	m->bytes -= oldest->lin_count * sizeof oldest->lin[0];
	free(oldest->lin);
	m->first = (m->first + 1) % m->capacity;
	m->count--;
	if (m->count == 0)
		memories_release(m);
	KV_ASSERT(m->count > 0 || m->bytes == 0);
	return ver;
}

bool memories_have(const struct memories *m, struct version ver)
{
	uint32_t low = 0, high = m->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = version_compare(memories_at(m, middle)->ver, ver);
		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/** A walk down one lineage: the newest entry below a copy that is sought. Copies are asked about newest first. */
struct walk {
	const struct lineage *lin;
	uint32_t count, at;
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

static void note_later(const struct sought *s, struct request_id rid, struct found *found)
{
	found->later |= request_id_is_later(rid, s->rid);
}

static const struct lineage *walk_below(struct walk *w, const struct sought *s, struct version ver)
{
	while (w->at < w->count) {
		const struct lineage *entry = &w->lin[w->at];
		if (version_less(entry->ver, ver) && is_sought(s, entry->ver, entry->rid))
			return entry;
		w->at++;
	}
	return NULL;
}

/** COPY with the ancestors that WALK stands for. */
static void find_in(const struct sought *s, const struct lineage *copy, struct walk *walk, struct found *found)
{
	note_later(s, copy->rid, found);
	const struct lineage *hit = is_sought(s, copy->ver, copy->rid) ? copy : walk_below(walk, s, copy->ver);
	if (!hit)
		return;
	if (found->count == CARRIERS_MAX) {
		found->more = true;
		return;
	}
	found->out[found->count++] =
		(struct carrier){.copy = copy->ver, .attempt = hit->ver, .result = hit->result};
}

static struct walk walk_start(const struct sought *s, const struct lineage *lin, uint32_t count,
			      struct found *found)
{
	for (uint32_t i = 0; i < count; i++)
		note_later(s, lin[i].rid, found);
	return (struct walk){.lin = lin, .count = count};
}

void memories_find(const struct memories *m, const struct record *rec, const struct sought *s, struct found *found)
{
	struct walk walk = {0};
	if (!version_is_none(rec->ver) && !rec->weak) {
		struct lineage own = {.ver = rec->ver, .rid = rec->rid, .result = rec->result};
		walk = walk_start(s, rec->lin, rec->lin_count, found);
		find_in(s, &own, &walk, found);
	}
	for (uint32_t i = m->count; i > 0; i--) {
		const struct memory *copy = memories_at(m, i - 1);
		struct lineage own = {.ver = copy->ver, .rid = copy->rid, .result = copy->result};
		if (!copy->chained)
			walk = walk_start(s, copy->lin, copy->lin_count, found);
		find_in(s, &own, &walk, found);
	}
}
