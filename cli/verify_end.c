/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_end.h"

#include "base/clock.h"
#include "cli/verify_request.h"
#include "cli/verify_value.h"
#include "verify/check_agree.h"

enum { CLEAN_ROUNDS = 3, SETTLE_PAUSE_MS = 200, NODE_INDEXES = 65536 };

static struct kv_options options_of(const struct verify_end *e, enum kv_level level)
{
	struct kv_options o = KV_OPTIONS_INIT;
	o.bucket = e->load->bucket;
	o.timeout_ms = e->timeout_ms;
	o.level = level;
	return o;
}

/* --- closing reads --- */

static enum kv_status read_key(const struct verify_end *e, struct verify_client *c, uint32_t key,
			       struct kv_error *err)
{
	struct verify_load *l = e->load;
	bool session = verify_plan_role(&l->plan, key) == VERIFY_SESSION;
	struct kv_options o = options_of(e, session ? KV_LEVEL_SESSION : KV_LEVEL_STRONG);
	char text[VERIFY_KEY_TEXT];
	verify_plan_key(&l->plan, key, text);
	struct history_op *op = history_invoke(&l->history, clock_mono_us());
	op->client = l->client_count;
	op->node = c->node;
	op->key = key;
	op->kind = HISTORY_GET;
	op->level = session ? HISTORY_SESSION : HISTORY_STRONG;
	op->session = session ? 1 + key % VERIFY_SESSIONS : 0;
	op->attempts = 1;
	o.session = session ? l->sessions[op->session - 1] : NULL;
	/* With a receipt an absent key has its version told too. */
	o.receipt = true;
	struct kv_item item;
	enum kv_status status = kv_get(c->kv, &o, kv_slice_str(text), &item, err);
	verify_request_record(l, op->index, /* doubt: */ false, err, &item);
	kv_item_release(&item);
	return status == KV_NOT_FOUND ? KV_OK : status;
}

/** The client before C goes through the same node. */
static bool is_repeated(const struct verify_load *l, uint32_t client)
{
	for (uint32_t i = 0; i < client; i++) {
		if (l->clients[i].node == l->clients[client].node)
			return true;
	}
	return false;
}

enum kv_status verify_end_read(const struct verify_end *e, struct kv_error *err)
{
	struct verify_load *l = e->load;
	for (uint32_t i = 0; i < l->client_count; i++) {
		if (is_repeated(l, i))
			continue;
		for (uint32_t key = 0; key < l->plan.key_count && !e->stops(); key++) {
			enum kv_status status = read_key(e, &l->clients[i], key, err);
			if (status != KV_OK)
				return status;
		}
	}
	*err = (struct kv_error){.status = KV_OK};
	return KV_OK;
}

/* --- copies --- */

/* One copy for each key and replica, present or not: copies of a key stand together, as the checkers want them. */
struct survey {
	const struct verify_end *end;
	struct replicas *replicas;
	uint32_t *first; /* of each key: index of its first copy; one more at the end */
	bool *asked;     /* by node: it holds some of the keys */
	struct buf *why;
};

static bool survey_locate(struct survey *s, uint32_t key)
{
	char text[VERIFY_KEY_TEXT];
	struct kv_location location;
	struct kv_error err;
	verify_plan_key(&s->end->load->plan, key, text);
	s->first[key] = s->replicas->count;
	if (kv_locate(s->end->client, kv_slice_str(text), &location, &err) != KV_OK) {
		buf_printf(s->why, "where the keys live: %s", err.message);
		return false;
	}
	for (uint32_t i = 0; i < location.node_count; i++) {
		s->asked[location.nodes[i]] = true;
		replicas_add(s->replicas, &(struct replica_copy){.key = key, .node = location.nodes[i]});
	}
	return true;
}

static struct replica_copy *survey_find(const struct survey *s, uint32_t key, uint16_t node)
{
	for (uint32_t i = s->first[key]; i < s->first[key + 1]; i++) {
		if (s->replicas->copies[i].node == node)
			return &s->replicas->copies[i];
	}
	return NULL;
}

static void survey_take(const struct survey *s, uint16_t node, const struct kv_entry *entry)
{
	struct verify_load *l = s->end->load;
	uint32_t key;
	if (!verify_plan_find(&l->plan, slice_of(entry->key.data, entry->key.size), &key))
		return;
	struct replica_copy *copy = survey_find(s, key, node);
	if (!copy)
		return;
	copy->ver = (struct stamp){.hi = entry->copy.hlc, .lo = entry->copy.id};
	copy->org = (struct stamp){.hi = entry->version.hlc, .lo = entry->version.id};
	copy->tombstone = entry->tombstone;
	copy->weak = entry->weak;
	copy->expires_ms = entry->expires_ms;
	copy->value_hash = entry->value_hash;
	if (!entry->tombstone)
		copy->value =
			verify_value_content(&l->history, slice_of(entry->value.data, entry->value.size), key);
}

static const char *name_of(const struct verify_end *e, uint16_t node)
{
	for (size_t i = 0; i < e->node_count; i++) {
		if (e->nodes[i].index == node)
			return e->nodes[i].name;
	}
	return "a new node";
}

static bool survey_scan(const struct survey *s, uint16_t node)
{
	const struct verify_end *e = s->end;
	struct kv_scan_options o = KV_SCAN_OPTIONS_INIT;
	struct kv_scan *scan;
	struct kv_error err;
	struct kv_entry entry;
	o.bucket = e->load->bucket;
	o.timeout_ms = e->timeout_ms;
	o.node = node;
	o.raw = true;
	if (kv_scan_open(e->client, &o, &scan, &err) == KV_OK) {
		while (kv_scan_next(scan, &entry, &err) == KV_OK)
			survey_take(s, node, &entry);
		kv_scan_close(scan);
	}
	if (err.status == KV_NOT_FOUND)
		return true;
	buf_printf(s->why, "what %s holds: %s", name_of(e, node), err.message);
	return false;
}

static bool survey_run(struct survey *s)
{
	uint32_t count = s->end->load->plan.key_count;
	struct kv_cluster_info info;
	struct kv_error err;
	if (kv_cluster_info(s->end->client, &info, &err) == KV_OK && info.move_count > 0) {
		buf_printf(s->why, "%u partitions are moving to other nodes", info.move_count);
		return false;
	}
	for (uint32_t key = 0; key < count; key++) {
		if (!survey_locate(s, key))
			return false;
	}
	s->first[count] = s->replicas->count;
	for (uint32_t node = 0; node < NODE_INDEXES; node++) {
		if (s->asked[node] && !survey_scan(s, (uint16_t)node))
			return false;
	}
	return true;
}

bool verify_end_copies(const struct verify_end *e, struct replicas *ret, struct buf *why)
{
	struct survey s = {.end = e, .replicas = ret, .why = why};
	*ret = (struct replicas){0};
	s.first = xcalloc(e->load->plan.key_count + 1, sizeof s.first[0]);
	s.asked = xcalloc(NODE_INDEXES, sizeof s.asked[0]);
	bool complete = survey_run(&s);
	free(s.first);
	free(s.asked);
	if (!complete)
		replicas_release(ret);
	return complete;
}

static void rest(unsigned ms)
{
	struct timespec pause = {.tv_nsec = (long)(ms * 1000000)};
	nanosleep(&pause, NULL);
}

bool verify_end_settle(const struct verify_end *e, unsigned ms, struct replicas *ret, struct buf *why)
{
	usec_t until_us = clock_mono_us() + ms * USEC_PER_MSEC;
	for (;;) {
		struct verdict v = {0};
		if (!verify_end_copies(e, ret, why))
			return false;
		if (check_agree(ret, &v) || clock_mono_us() >= until_us || e->stops())
			return true;
		replicas_release(ret);
		rest(SETTLE_PAUSE_MS);
	}
}

/* --- taking the keys away --- */

static uint32_t delete_all(const struct verify_end *e, struct kv_error *err)
{
	struct kv_options o = options_of(e, KV_LEVEL_STRONG);
	uint32_t failed = 0;
	for (uint32_t key = 0; key < e->load->plan.key_count; key++) {
		char text[VERIFY_KEY_TEXT];
		struct kv_error why;
		verify_plan_key(&e->load->plan, key, text);
		if (kv_del(e->client, &o, kv_slice_str(text), NULL, &why) != KV_OK) {
			*err = why;
			failed++;
		}
		/* Where nothing can be deleted, the rest of many keys would only take long. */
		if (failed >= 3)
			return e->load->plan.key_count - key + failed - 1;
	}
	return failed;
}

static uint32_t count_left(const struct verify_end *e, struct kv_error *err)
{
	struct kv_scan_options o = KV_SCAN_OPTIONS_INIT;
	struct kv_scan *scan;
	struct kv_entry entry;
	struct kv_error why;
	uint32_t left = 0;
	o.bucket = e->load->bucket;
	o.timeout_ms = e->timeout_ms;
	if (kv_scan_open(e->client, &o, &scan, &why) == KV_OK) {
		while (kv_scan_next(scan, &entry, &why) == KV_OK)
			left++;
		kv_scan_close(scan);
	}
	if (why.status == KV_NOT_FOUND)
		return left;
	*err = why;
	return MAX(left, 1u);
}

uint32_t verify_end_clean(const struct verify_end *e, struct kv_error *err)
{
	uint32_t left = 0;
	for (int round = 0; round < CLEAN_ROUNDS; round++) {
		*err = (struct kv_error){.status = KV_OK};
		left = delete_all(e, err);
		if (left == 0)
			left = count_left(e, err);
		if (left == 0)
			break;
	}
	return left;
}
