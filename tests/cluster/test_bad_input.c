/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything a client or a would-be node can send that it should not: each gets a typed error or a closed connection within
 * bounded memory, the node lives, others are served, and nothing stored is harmed.
 */
#include "tests/cluster/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/rng.h"
#include "tests/cluster/cluster.h"
#include "tests/support/wire.h"

enum {
	KEPT = 50,
	RANDOM_CONNECTIONS = 300,
	RANDOM_SIZE_MAX = 4096,
	BURST = 5000,
	BIG_VALUE = 1 << 20,
	BIG_GETS = 2000,
	IDLE = 10000,
	CONNECTIONS_MAX = 16,
	SILENT = 50
};

static struct cluster *cluster;

/* ---- the witnesses ---- */

static struct kv_slice kept_key(unsigned i, char text[32])
{
	snprintf(text, 32, "kept-%u", i);
	return kv_slice_str(text);
}

static int setup(void **state)
{
	struct kv_options strong = KV_OPTIONS_INIT;
	strong.level = KV_LEVEL_STRONG;
	cluster = cluster_new(NULL);
	for (unsigned i = 0; i < KEPT; i++) {
		char key[32];
		struct kv_slice name = kept_key(i, key);
		if (kv_put(cluster->client, &strong, name, name, NULL, NULL) != KV_OK)
			return -1;
	}
	return 0;
}

/** All nodes live, a good client is served, and what was stored before is there. */
static void check_unharmed(void)
{
	struct kv_options strong = KV_OPTIONS_INIT;
	struct kv_error err;
	strong.level = KV_LEVEL_STRONG;
	cluster_check_serves(cluster);
	for (unsigned i = 0; i < KEPT; i++) {
		char key[32];
		struct kv_item item;
		struct kv_slice name = kept_key(i, key);
		if (kv_get(cluster->client, &strong, name, &item, &err) != KV_OK)
			fail_msg("%s: %s: %s", key, kv_status_name(err.status), err.message);
		bool same = item.value.size == name.size && memcmp(item.value.data, key, name.size) == 0;
		kv_item_release(&item);
		assert_true(same);
	}
}

/* ---- frames ---- */

/** A connection to the clients' door of node 0, after HELLO. */
static void dial(struct wire *w)
{
	assert_true(wire_connect(w, cluster->nodes[0].client));
	assert_int_equal(wire_hello(w, HELLO_CLIENT), KV_OK);
}

/** The same of a node that may have no room for one more: false if it ended the connection. */
static bool try_to_dial(struct wire *w)
{
	assert_true(wire_connect(w, cluster->nodes[0].client));
	enum kv_status status = wire_hello(w, HELLO_CLIENT);
	if (status != KV_CLOSED && status != KV_OVERLOADED)
		assert_int_equal(status, KV_OK);
	return status == KV_OK;
}

/** A frame with right sums around any meta and value. */
static void frame_append(struct buf *out, uint16_t opcode, struct slice meta, struct slice value)
{
	const struct frame_header header = {.request_id = 99,
					    .opcode = opcode,
					    .meta_size = (uint32_t)meta.size,
					    .value_size = (uint32_t)value.size,
					    .body_sum = frame_body_sum(meta, value)};
	frame_header_encode(&header, buf_extend(out, FRAME_HEADER_SIZE));
	buf_append_slice(out, meta);
	buf_append_slice(out, value);
}

/** The meta of a request for a key of SIZE bytes. */
static void key_meta(struct buf *out, unsigned size)
{
	buf_append_u8(out, 4 << 3 | 2);
	buf_append_u8(out, (uint8_t)((size & 0x7F) | 0x80));
	buf_append_u8(out, (uint8_t)(size >> 7));
	memset(buf_extend(out, size), 'k', size);
}

static void get_frame(struct buf *out)
{
	CLEANUP(buf_release) struct buf meta = BUF_INIT;
	key_meta(&meta, 3);
	frame_append(out, OP_GET, buf_slice(&meta), slice_of(NULL, 0));
}

static void wrong_magic(struct buf *out)
{
	get_frame(out);
	out->data[0] ^= 0xFF;
}

static void wrong_version(struct buf *out)
{
	get_frame(out);
	out->data[2] = FRAME_VERSION + 1;
}

static void wrong_header_sum(struct buf *out)
{
	get_frame(out);
	out->data[4] ^= 1;
}

static void wrong_body_sum(struct buf *out)
{
	get_frame(out);
	out->data[out->size - 1] ^= 1;
}

/** A header alone, with the right sum over sizes that no sender would be allowed. */
static void claim(struct buf *out, uint32_t meta_size, uint32_t value_size)
{
	uint8_t header[FRAME_HEADER_SIZE], summed[FRAME_HEADER_SIZE - 4];
	frame_header_encode(&(struct frame_header){.request_id = 99, .opcode = OP_PUT}, header);
	store_le32(header + 20, meta_size);
	store_le32(header + 24, value_size);
	memcpy(summed, header, 4);
	memcpy(summed + 4, header + 8, FRAME_HEADER_SIZE - 8);
	store_le32(header + 4, (uint32_t)hash64(slice_of(summed, sizeof summed)));
	buf_append(out, header, sizeof header);
}

static void meta_of_4_gib(struct buf *out) { claim(out, UINT32_MAX, 0); }
static void value_of_4_gib(struct buf *out) { claim(out, 8, UINT32_MAX); }
static void both_of_4_gib(struct buf *out) { claim(out, UINT32_MAX, UINT32_MAX); }

static void unknown_opcode(struct buf *out) { frame_append(out, 0x7777, slice_of(NULL, 0), slice_of(NULL, 0)); }

static void reply_nobody_asked_for(struct buf *out)
{
	struct frame_header header = {.request_id = 99, .opcode = OP_GET, .flags = FRAME_REPLY};
	header.body_sum = frame_body_sum(slice_of(NULL, 0), slice_of(NULL, 0));
	frame_header_encode(&header, buf_extend(out, FRAME_HEADER_SIZE));
}

static void meta_that_is_no_message(struct buf *out)
{
	static const uint8_t garbage[] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
	frame_append(out, OP_GET, slice_of(garbage, sizeof garbage), slice_of(NULL, 0));
}

static void key_of_0(struct buf *out) { frame_append(out, OP_GET, slice_of(NULL, 0), slice_of(NULL, 0)); }

static void key_of_4097(struct buf *out)
{
	CLEANUP(buf_release) struct buf meta = BUF_INIT;
	key_meta(&meta, KEY_SIZE_MAX + 1);
	frame_append(out, OP_GET, buf_slice(&meta), slice_of(NULL, 0));
}

static void value_over_the_limit(struct buf *out)
{
	CLEANUP(buf_release) struct buf meta = BUF_INIT, value = BUF_INIT;
	key_meta(&meta, 3);
	memset(buf_extend(&value, VALUE_SIZE_DEFAULT_MAX + 1), 'v', VALUE_SIZE_DEFAULT_MAX + 1);
	claim(out, (uint32_t)meta.size, (uint32_t)value.size);
	buf_append_slice(out, buf_slice(&meta));
	buf_append_slice(out, buf_slice(&value));
}

enum { NO_ANSWER = -1 };

struct bad_frame {
	const char *what;
	void (*make)(struct buf *out);
	int status; /* of the answer */
	bool closes;
};

static const struct bad_frame bad_frames[] = {
	{"wrong magic", wrong_magic, NO_ANSWER, true},
	{"wrong version", wrong_version, KV_VERSION, true},
	{"wrong header sum", wrong_header_sum, KV_CORRUPT, true},
	{"wrong body sum", wrong_body_sum, KV_CORRUPT, true},
	{"meta of 4 GiB", meta_of_4_gib, KV_TOO_LARGE, true},
	{"value of 4 GiB", value_of_4_gib, KV_TOO_LARGE, true},
	{"both of 4 GiB", both_of_4_gib, KV_TOO_LARGE, true},
	{"unknown opcode", unknown_opcode, KV_UNSUPPORTED, false},
	{"meta that is no message", meta_that_is_no_message, KV_INVALID, false},
	{"key of 0 bytes", key_of_0, KV_INVALID, false},
	{"key of 4097 bytes", key_of_4097, KV_TOO_LARGE, false},
	{"value over the limit", value_over_the_limit, KV_TOO_LARGE, false},
};

static void check_answer(struct wire *w, const struct bad_frame *bad)
{
	struct msg said;
	if (bad->status != NO_ANSWER) {
		if (!wire_receive(w, &said))
			fail_msg("%s: no answer", bad->what);
		bool typed = said.result.status == (enum kv_status)bad->status && said.result.message.size > 0;
		if (!typed)
			fail_msg("%s: answered %s", bad->what, kv_status_name(said.result.status));
	}
	if (bad->closes) {
		if (!wire_is_closed(w))
			fail_msg("%s: the connection stays", bad->what);
		return;
	}
	struct msg ask = {.opcode = OP_GET, .request = {.key = slice_str("kept-0"), .level = LEVEL_STRONG}};
	if (!wire_call(w, &ask, &said) || said.result.status != KV_OK)
		fail_msg("%s: the connection serves no more", bad->what);
}

static void a_bad_frame_gets_a_typed_error_or_an_end(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_frames); i++) {
		struct wire w;
		CLEANUP(buf_release) struct buf frame = BUF_INIT;
		dial(&w);
		bad_frames[i].make(&frame);
		wire_send_bytes(&w, frame.data, frame.size);
		check_answer(&w, &bad_frames[i]);
		wire_close(&w);
	}
	check_unharmed();
}

static void before_hello_every_bad_frame_ends_the_connection_at_both_doors(void **state)
{
	const char *const doors[] = {cluster->nodes[0].client, cluster->nodes[0].peer};
	for (size_t i = 0; i < 2 * ARRAY_SIZE(bad_frames); i++) {
		struct wire w;
		CLEANUP(buf_release) struct buf frame = BUF_INIT;
		assert_true(wire_connect(&w, doors[i % 2]));
		bad_frames[i / 2].make(&frame);
		wire_send_bytes(&w, frame.data, frame.size);
		if (!wire_is_closed(&w))
			fail_msg("%s before HELLO: the connection stays", bad_frames[i / 2].what);
		wire_close(&w);
	}
	check_unharmed();
}

static void a_request_before_hello_is_refused(void **state)
{
	struct wire w;
	struct msg said;
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	assert_true(wire_connect(&w, cluster->nodes[0].client));
	get_frame(&frame);
	assert_true(wire_send_bytes(&w, frame.data, frame.size));
	assert_true(wire_receive(&w, &said));
	assert_int_equal(said.opcode, OP_ERROR);
	assert_int_equal(said.result.status, KV_INVALID);
	assert_true(wire_is_closed(&w));
	wire_close(&w);
	check_unharmed();
}

static void answers_to_nothing_are_ignored_or_refused(void **state)
{
	struct wire w;
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	dial(&w);
	reply_nobody_asked_for(&frame);
	for (int i = 0; i < 100; i++)
		wire_send_bytes(&w, frame.data, frame.size);
	wire_close(&w);
	check_unharmed();
}

static void frames_cut_anywhere_harm_nobody(void **state)
{
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	key_of_4097(&frame);
	for (size_t size = 1; size < frame.size; size += size < 2 * FRAME_HEADER_SIZE ? 1 : 500) {
		struct wire w;
		dial(&w);
		wire_send_bytes(&w, frame.data, size);
		wire_close(&w);
	}
	check_unharmed();
}

static void random_bytes_harm_nobody(void **state)
{
	struct rng rng;
	rng_init(&rng, 20261);
	for (unsigned i = 0; i < RANDOM_CONNECTIONS; i++) {
		struct wire w;
		uint8_t bytes[RANDOM_SIZE_MAX];
		size_t size = (size_t)rng_between(&rng, 1, sizeof bytes);
		for (size_t k = 0; k < size; k++)
			bytes[k] = (uint8_t)rng_next(&rng);
		struct process *node = &cluster->nodes[i % cluster->count];
		assert_true(wire_connect(&w, i % 3 == 0 ? node->peer : node->client));
		if (i % 3 == 1)
			assert_int_equal(wire_hello(&w, HELLO_CLIENT), KV_OK);
		wire_send_bytes(&w, bytes, size);
		wire_close(&w);
	}
	check_unharmed();
}

/** Right headers around random bodies: what passes the sums meets the decoder. */
static void random_bodies_in_right_frames_harm_nobody(void **state)
{
	static const uint16_t opcodes[] = {OP_GET, OP_PUT,  OP_DEL,    OP_CAS, OP_MGET,         OP_MPUT, OP_SCAN,
					   OP_MAP, OP_PUSH, OP_STATUS, OP_ADD, OP_CLUSTER_INIT, OP_HELLO};
	struct rng rng;
	struct wire w;
	rng_init(&rng, 20262);
	dial(&w);
	for (unsigned i = 0; i < RANDOM_CONNECTIONS; i++) {
		uint8_t bytes[256];
		struct msg said;
		CLEANUP(buf_release) struct buf frame = BUF_INIT;
		for (size_t k = 0; k < sizeof bytes; k++)
			bytes[k] = (uint8_t)rng_next(&rng);
		bytes[0] = (uint8_t)(rng_below(&rng, 60) << 3 | rng_below(&rng, 6));
		frame_append(&frame, opcodes[i % ARRAY_SIZE(opcodes)],
			     slice_of(bytes, (size_t)rng_below(&rng, sizeof bytes)),
			     slice_of(bytes, i % 2 ? 9 : 0));
		if (wire_send_bytes(&w, frame.data, frame.size) && wire_receive(&w, &said))
			continue;
		wire_close(&w);
		dial(&w);
	}
	wire_close(&w);
	check_unharmed();
}

static void requests_far_beyond_the_window_are_all_answered(void **state)
{
	struct wire w;
	dial(&w);
	for (unsigned i = 0; i < BURST; i++) {
		const struct msg ask = {.opcode = OP_GET,
					.id = 1000 + i,
					.request = {.key = slice_str("kept-1"), .level = LEVEL_EVENTUAL}};
		assert_true(wire_send(&w, &ask));
	}
	for (unsigned i = 0; i < BURST; i++) {
		struct msg said;
		assert_true(wire_receive(&w, &said));
		assert_in_range(said.id, 1000, 1000 + BURST - 1);
		assert_true(said.result.status == KV_OK || said.result.status == KV_OVERLOADED);
	}
	wire_close(&w);
	check_unharmed();
}

/* ---- memory ---- */

/** Fails if node 0 took more than BOUND bytes of memory since BEFORE. */
static void check_memory(size_t before, size_t bound, const char *what)
{
	size_t now = process_memory(&cluster->nodes[0]);
	fprintf(stderr, "# %s: %zu KiB before, %zu KiB after\n", what, before >> 10, now >> 10);
	if (now > before + harness_bytes(bound))
		fail_msg("%s: %zu bytes more", what, now - before);
}

struct flood {
	struct wire wire;
	struct buf frame;
	unsigned sent;
	bool closed;
};

/** Sends as long as the node takes bytes. True when it has not for a while, closed the connection, or all is sent. */
static bool is_pushed_back(void *arg)
{
	struct flood *f = arg;
	struct pollfd fd = {.fd = f->wire.fd, .events = POLLOUT};
	while (f->sent < BIG_GETS && poll(&fd, 1, 500) == 1) {
		if (fd.revents & (POLLERR | POLLHUP) ||
		    send(f->wire.fd, f->frame.data, f->frame.size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
			f->closed = true;
			return true;
		}
		f->sent++;
	}
	return true;
}

static bool memory_is_used(void *arg)
{
	return cluster_counter_of(cluster, 0, "buffer_bytes") > *(const uint64_t *)arg;
}

static void a_client_that_reads_no_answers_costs_bounded_memory(void **state)
{
	struct kv_options all = KV_OPTIONS_INIT;
	CLEANUP(free_ptr) char *value = xcalloc(1, BIG_VALUE);
	all.level = KV_LEVEL_STRONG;
	assert_int_equal(
		kv_put(cluster->client, &all, kv_slice_str("big"), kv_slice_of(value, BIG_VALUE), NULL, NULL),
		KV_OK);
	size_t before = process_memory(&cluster->nodes[0]);
	struct flood floods[4] = {0};
	const struct msg ask = {.opcode = OP_GET,
				.id = 1,
				.request = {.key = slice_str("big"), .level = LEVEL_EVENTUAL, .deadline_ms = 5000}};
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		assert_int_equal(codec_encode(&ask, &floods[i].frame), KV_OK);
		floods[i].closed = !try_to_dial(&floods[i].wire);
		assert_true(i > 0 || !floods[i].closed);
		assert_true(floods[i].closed || is_pushed_back(&floods[i]));
	}
	uint64_t some = 256 << 10;
	bool closed = floods[0].closed || floods[1].closed || floods[2].closed || floods[3].closed;
	if (!closed)
		harness_wait(memory_is_used, &some, 3000);
	check_memory(before, (size_t)200 << 20, "clients that read nothing");
	check_unharmed();
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		wire_close(&floods[i].wire);
		buf_release(&floods[i].frame);
	}
	check_unharmed();
}

/** Many connections that begin a large frame and never end it. */
static void frames_begun_and_never_ended_cost_bounded_memory(void **state)
{
	enum { BEGUN = 400 };
	size_t before = process_memory(&cluster->nodes[0]);
	struct wire *wires = xcalloc(BEGUN, sizeof *wires);
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	claim(&frame, 8, VALUE_SIZE_DEFAULT_MAX);
	memset(buf_extend(&frame, 4096), 'v', 4096);
	for (unsigned i = 0; i < BEGUN; i++) {
		dial(&wires[i]);
		wire_send_bytes(&wires[i], frame.data, frame.size);
	}
	check_unharmed();
	check_memory(before, (size_t)300 << 20, "frames that do not end");
	for (unsigned i = 0; i < BEGUN; i++)
		wire_close(&wires[i]);
	free(wires);
	check_unharmed();
}

/* ---- connections ---- */

/** How many idle connections this program can hold. */
static unsigned idle_count(void)
{
	struct rlimit files;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	unsigned fits = files.rlim_cur > 2000 ? (unsigned)MIN(files.rlim_cur - 1500, (rlim_t)IDLE) : 200;
	if (fits < IDLE)
		fprintf(stderr, "# the limit of open files allows %u connections instead of %d\n", fits, IDLE);
	return fits;
}

static bool connections_are_gone(void *arg) { return cluster_counter_of(cluster, 0, "connections") < 100; }

static void ten_thousand_idle_connections_cost_little_and_keep_nobody_out(void **state)
{
	unsigned count = idle_count();
	size_t before = process_memory(&cluster->nodes[0]);
	int *idle = xcalloc(count, sizeof *idle);
	for (unsigned i = 0; i < count; i++) {
		struct wire w;
		dial(&w);
		idle[i] = w.fd;
		w.fd = -1; /* the connection stays when the rest goes */
		wire_close(&w);
	}
	assert_true(cluster_counter_of(cluster, 0, "connections") >= count);
	check_memory(before, (size_t)count * (8 << 10) + (16 << 20), "idle connections");
	check_unharmed();
	for (unsigned i = 0; i < count; i++)
		close(idle[i]);
	free(idle);
	harness_await(connections_are_gone, NULL, 20000, "closed connections that are forgotten");
	check_unharmed();
}

static void connections_over_the_limit_are_told_and_others_stay(void **state)
{
	struct cluster *small =
		cluster_new(&(struct cluster_options){.nodes = 1, .settings = "limits: {connections: 16}\n"});
	struct wire wires[CONNECTIONS_MAX + 8];
	unsigned refused = 0;
	for (size_t i = 0; i < ARRAY_SIZE(wires); i++) {
		assert_true(wire_connect(&wires[i], small->nodes[0].client));
		struct pollfd fd = {.fd = wires[i].fd, .events = POLLIN};
		if (i < CONNECTIONS_MAX - 1 || poll(&fd, 1, 1000) == 0) {
			assert_int_equal(wire_hello(&wires[i], HELLO_CLIENT), KV_OK);
			continue;
		}
		struct msg said;
		assert_true(wire_receive(&wires[i], &said));
		assert_int_equal(said.opcode, OP_GOAWAY);
		assert_int_equal(said.result.status, KV_OVERLOADED);
		assert_true(wire_is_closed(&wires[i]));
		refused++;
	}
	assert_in_range(refused, 8, 9); /* the test's own client has one */
	cluster_check_serves(small);
	for (size_t i = 0; i < ARRAY_SIZE(wires); i++)
		wire_close(&wires[i]);
}

static void connections_that_say_nothing_are_closed_in_time(void **state)
{
	struct wire wires[SILENT];
	for (size_t i = 0; i < SILENT; i++)
		assert_true(wire_connect(&wires[i], i % 2 ? cluster->nodes[0].client : cluster->nodes[0].peer));
	usec_t began_us = clock_mono_us();
	for (size_t i = 0; i < SILENT; i++) {
		assert_true(wire_is_closed(&wires[i]));
		wire_close(&wires[i]);
	}
	assert_true(clock_mono_us() - began_us < HELLO_TIMEOUT_US + harness_ms(3000) * USEC_PER_MSEC);
	check_unharmed();
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_frame_gets_a_typed_error_or_an_end),
		cmocka_unit_test(before_hello_every_bad_frame_ends_the_connection_at_both_doors),
		cmocka_unit_test(a_request_before_hello_is_refused),
		cmocka_unit_test(answers_to_nothing_are_ignored_or_refused),
		cmocka_unit_test(frames_cut_anywhere_harm_nobody),
		cmocka_unit_test(random_bytes_harm_nobody),
		cmocka_unit_test(random_bodies_in_right_frames_harm_nobody),
		cmocka_unit_test(requests_far_beyond_the_window_are_all_answered),
		cmocka_unit_test(a_client_that_reads_no_answers_costs_bounded_memory),
		cmocka_unit_test(frames_begun_and_never_ended_cost_bounded_memory),
		cmocka_unit_test(ten_thousand_idle_connections_cost_little_and_keep_nobody_out),
		cmocka_unit_test(connections_over_the_limit_are_told_and_others_stay),
		cmocka_unit_test(connections_that_say_nothing_are_closed_in_time),
	};
	return harness_run_shared(argc, argv, "bad_input", tests, setup);
}
