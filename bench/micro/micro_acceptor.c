/* SPDX-License-Identifier: Apache-2.0 */
/* The replica's rules on one key, and its record as bytes. */
#include "bench/micro/micro.h"
#include "replication/acceptor.h"

enum { VALUE_SIZE = 100 };

static const uint8_t value[VALUE_SIZE];
static const struct partition_floors floors;

static struct record record_at(uint64_t n)
{
	return (struct record){.ver = {.hlc = n, .id = 1},
			       .org = {.hlc = n, .id = 1},
			       .strong = true,
			       .has_value = true,
			       .rid = {.client = 7, .seq = n},
			       .value_hash = n,
			       .value_size = VALUE_SIZE,
			       .value = slice_of(value, VALUE_SIZE)};
}

/** One key is put again and again; a second passes between two puts, so that memory is kept short. */
MEASURED static void measure_acceptor_put(struct key_state *k)
{
	for (uint64_t n = 1; n <= MICRO_CALLS; n++) {
		const struct record rec = record_at(n);
		struct msg_replica_reply ret = {0};
		acceptor_age(k, n * USEC_PER_SEC);
		enum acceptor_verdict verdict = acceptor_accept(k, &floors, &rec, ACCEPT_DIRECT, &ret);
		KV_ASSERT(verdict == ACCEPTOR_STORE);
		acceptor_store(k, &rec, n * USEC_PER_SEC);
	}
}

MEASURED static void measure_acceptor_read(const struct key_state *k)
{
	for (int i = 0; i < MICRO_CALLS; i++) {
		struct msg_replica_reply ret = {0};
		acceptor_read(k, &floors, &ret);
		MICRO_USE(ret.answer);
	}
}

/** With ten overwritten copies in memory, none of which is asked about. */
MEASURED static void measure_acceptor_prepare(struct key_state *k)
{
	struct carrier carriers[CARRIERS_MAX];
	for (uint64_t n = 0; n < MICRO_CALLS; n++) {
		const struct msg_replica req = {.ballot = {.hlc = 2 * MICRO_CALLS + n, .id = 2},
						.rid = {.client = 8, .seq = n + 1}};
		struct msg_replica_reply ret = {0};
		acceptor_prepare(k, &floors, &req, carriers, &ret);
		KV_ASSERT(ret.answer == ANSWER_PROMISE);
	}
}

MEASURED static void measure_record_encode(struct blob **ret)
{
	for (int i = 0; i < MICRO_CALLS; i++) {
		const struct record rec = record_at((uint64_t)i + 1);
		blob_unref(*ret);
		*ret = record_encode(&rec);
	}
}

MEASURED static void measure_record_decode(const struct blob *bytes)
{
	for (int i = 0; i < MICRO_CALLS; i++) {
		struct record rec;
		enum kv_status status = record_decode(blob_slice(bytes), &rec);
		KV_ASSERT(status == KV_OK);
	}
}

int main(void)
{
	struct key_state k = {0};
	struct blob *bytes = NULL;
	measure_acceptor_put(&k);
	measure_acceptor_read(&k);
	measure_acceptor_prepare(&k);
	measure_record_encode(&bytes);
	measure_record_decode(bytes);
	blob_unref(bytes);
	key_state_release(&k);
	return 0;
}
