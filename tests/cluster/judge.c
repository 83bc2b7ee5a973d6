/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/judge.h"

#include "base/clock.h"
#include "tests/cluster/harness.h"
#include "tests/cluster/value.h"
#include "tests/support/wire.h"
#include "verify/check_agree.h"
#include "verify/verify.h"

enum { READS_IN_FLIGHT = 64, READ_DEADLINE_MS = 5000, SERVE_MS = 10000, SCAN_MS = 5000, AGREE_MS = 10000 };

/* ---- closing reads ---- */

static void send_read(struct wire *w, struct load *l, uint32_t key, unsigned node)
{
	char text[64];
	struct kv_slice name = load_key(load_options(l), key, text);
	struct history *h = load_history(l);
	struct history_op *op = history_invoke(h, clock_mono_us());
	op->client = 1000;
	op->node = (uint16_t)node;
	op->key = key;
	op->kind = HISTORY_GET;
	op->level = HISTORY_STRONG;
	op->attempts = 1;
	const struct msg ask = {.opcode = OP_GET,
				.id = op->index,
				.request = {.key = slice_of(name.data, name.size),
					    .level = LEVEL_STRONG,
					    .deadline_ms = harness_ms(READ_DEADLINE_MS)}};
	assert_true(wire_send(w, &ask));
}

static void receive_read(struct wire *w, struct load *l)
{
	struct msg said;
	assert_true(wire_receive(w, &said));
	struct history *h = load_history(l);
	assert_true(said.opcode == OP_GET && said.reply && said.id < h->count);
	struct history_op *op = &h->ops[said.id];
	const struct msg_result *r = &said.result;
	if (r->status != KV_OK && r->status != KV_NOT_FOUND)
		fail_msg("a strong read of key %u through node %u: %s: %.*s", op->key, op->node,
			 kv_status_name(r->status), (int)r->message.size, (const char *)r->message.data);
	bool found = r->status == KV_OK;
	if (found) {
		op->value = value_content(h, kv_slice_of(r->value.data, r->value.size), op->key);
		op->version = (struct stamp){.hi = r->version.hlc, .lo = r->version.id};
	}
	history_complete(h, op->index, clock_mono_us(), found ? HISTORY_DONE : HISTORY_ABSENT, r->status);
}

/** A node whose clock was set refuses strong reads until the next heartbeats have told it that all is well. */
static bool serves_strong_reads(void *wire)
{
	static const struct msg ask = {.opcode = OP_GET,
				       .id = 1,
				       .request = {.key = {(const uint8_t *)"serving?", 8},
						   .level = LEVEL_STRONG,
						   .deadline_ms = READ_DEADLINE_MS}};
	struct msg said;
	assert_true(wire_send(wire, &ask));
	assert_true(wire_receive(wire, &said));
	return said.result.status == KV_OK || said.result.status == KV_NOT_FOUND;
}

static void read_all_through(struct cluster *c, struct load *l, unsigned node)
{
	struct wire w;
	uint32_t count = load_history(l)->key_count, received = 0;
	assert_true(wire_connect(&w, c->nodes[node].client));
	assert_int_equal(wire_hello(&w, HELLO_CLIENT), KV_OK);
	harness_await(serves_strong_reads, &w, SERVE_MS, "strong reads to be served after the faults");
	for (uint32_t sent = 0; sent < count; sent++) {
		if (sent - received == READS_IN_FLIGHT) {
			receive_read(&w, l);
			received++;
		}
		send_read(&w, l, sent, node);
	}
	for (; received < count; received++)
		receive_read(&w, l);
	wire_close(&w);
}

/* ---- contents ---- */

/* One copy for each key and replica, present or not: copies of a key stand together, as the checkers want them. */
struct contents {
	struct replicas replicas;
	uint32_t *first; /* of each key: index of its first copy; one more at the end */
};

static void contents_release(struct contents *t)
{
	replicas_release(&t->replicas);
	free(t->first);
}

static void contents_init(struct contents *t, struct cluster *c, struct load *l)
{
	uint32_t count = load_history(l)->key_count;
	*t = (struct contents){.first = xcalloc(count + 1, sizeof *t->first)};
	for (uint32_t key = 0; key < count; key++) {
		char text[64];
		struct kv_location location;
		struct kv_error err;
		if (kv_locate(c->client, load_key(load_options(l), key, text), &location, &err) != KV_OK)
			fail_msg("where key %u lives: %s", key, err.message);
		t->first[key] = t->replicas.count;
		for (unsigned i = 0; i < location.node_count; i++)
			replicas_add(&t->replicas, &(struct replica_copy){.key = key, .node = location.nodes[i]});
	}
	t->first[count] = t->replicas.count;
}

static void contents_set(struct contents *t, struct load *l, uint32_t key, uint16_t node,
			 const struct kv_entry *entry)
{
	struct replica_copy *copy = &t->replicas.copies[t->first[key]];
	while (copy < &t->replicas.copies[t->first[key + 1]] && copy->node != node)
		copy++;
	if (copy == &t->replicas.copies[t->first[key + 1]])
		fail_msg("node %u holds key %u, of which it is no replica", node, key);
	copy->ver = (struct stamp){.hi = entry->copy.hlc, .lo = entry->copy.id};
	copy->org = (struct stamp){.hi = entry->version.hlc, .lo = entry->version.id};
	copy->tombstone = entry->tombstone;
	copy->weak = entry->weak;
	copy->value = entry->tombstone ? CONTENT_NONE : value_content(load_history(l), entry->value, key);
	copy->expires_ms = entry->expires_ms;
	copy->value_hash = entry->value_hash;
}

static void contents_scan(struct contents *t, struct cluster *c, struct load *l, uint16_t node)
{
	char prefix[64];
	struct kv_scan *scan;
	struct kv_scan_options options = KV_SCAN_OPTIONS_INIT;
	struct kv_error err;
	struct kv_entry entry;
	snprintf(prefix, sizeof prefix, "%s-key-", load_options(l)->prefix);
	options.prefix = kv_slice_str(prefix);
	options.timeout_ms = harness_call_ms(SCAN_MS);
	options.node = node;
	options.raw = true;
	if (kv_scan_open(c->client, &options, &scan, &err) != KV_OK)
		fail_msg("no scan of node %u: %s", node, err.message);
	while (kv_scan_next(scan, &entry, &err) == KV_OK) {
		uint32_t key;
		if (!load_key_number(load_options(l), entry.key, &key) || key >= load_history(l)->key_count)
			fail_msg("node %u holds a key that nobody wrote: %.*s", node, (int)entry.key.size,
				 (const char *)entry.key.data);
		contents_set(t, l, key, node, &entry);
	}
	kv_scan_close(scan);
	if (err.status != KV_NOT_FOUND)
		fail_msg("the scan of node %u ended: %s: %s", node, kv_status_name(err.status), err.message);
}

/* ---- verdict ---- */

/** What is compared, for as long as the last repairs are on their way. */
struct comparison {
	struct cluster *cluster;
	struct load *load;
	struct contents contents;
	struct verdict verdict;
};

static bool replicas_agree(void *arg)
{
	struct comparison *p = arg;
	struct cluster *c = p->cluster;
	contents_release(&p->contents);
	contents_init(&p->contents, c, p->load);
	for (unsigned i = 0; i < c->count; i++) {
		if (c->gone[i])
			continue;
		CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(c, i);
		assert_non_null(status);
		contents_scan(&p->contents, c, p->load, status->index);
	}
	p->verdict = (struct verdict){0};
	return check_agree(&p->contents.replicas, &p->verdict);
}

static void check(struct load *l, const struct contents *t, struct verdict v)
{
	const struct history *h = load_history(l);
	uint32_t undecided = 0;
	bool good = !v.violated && verify_history(h, &v, &undecided) && verify_replicas(h, &t->replicas, &v);
	if (!good) {
		CLEANUP(buf_release) struct buf text = BUF_INIT;
		if (v.key < h->key_count)
			history_print(h, v.key, &text);
		/* Longer than what cmocka prints. */
		fprintf(stderr, "violated: %s, key %u: %s\n%s\n", v.check, v.key, v.message, buf_cstr(&text));
	}
	assert_true(good);
	assert_int_equal(undecided, 0);
}

static void tell(const struct load *l, const struct history *h)
{
	uint64_t outcomes[6] = {0};
	for (uint32_t i = 0; i < h->count; i++)
		outcomes[h->ops[i].outcome]++;
	fprintf(stderr, "# %s: %u operations: %llu done, %llu absent, %llu in doubt, %llu refused, %llu failed\n",
		load_options(l)->prefix, h->count, (unsigned long long)outcomes[HISTORY_DONE],
		(unsigned long long)outcomes[HISTORY_ABSENT], (unsigned long long)outcomes[HISTORY_DOUBT],
		(unsigned long long)outcomes[HISTORY_REFUSED], (unsigned long long)outcomes[HISTORY_FAILED]);
}

void judge(struct cluster *c, struct load *l)
{
	load_stop(l);
	cluster_await_settled(c);
	for (unsigned i = 0; i < c->count; i++)
		if (!c->gone[i])
			read_all_through(c, l, i);
	cluster_await_settled(c);
	/* A failed assertion leaves the memory to the end of the program. */
	struct comparison p = {.cluster = c, .load = l};
	harness_wait(replicas_agree, &p, AGREE_MS);
	tell(l, load_history(l));
	check(l, &p.contents, p.verdict);
	contents_release(&p.contents);
}
