/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/acceptor.h"

static struct version ver(uint64_t n) { return (struct version){.hlc = n, .id = 0}; }

static struct record rec(uint64_t n)
{
	return (struct record){.ver = ver(n), .org = ver(n), .rid = {n, n}, .has_value = true};
}

static struct msg_replica_reply prepare(struct key_state *k, const struct partition_floors *f, uint64_t ballot,
					struct carrier carriers[CARRIERS_MAX], const struct version *attempts,
					uint32_t count)
{
	struct msg_replica req = {.ballot = ver(ballot), .attempts = attempts, .attempt_count = count};
	struct msg_replica_reply ret = {0};
	acceptor_prepare(k, f, &req, carriers, &ret);
	return ret;
}

/** Accepts version N (storing it if told to) and gives the answer. */
static struct msg_replica_reply accept(struct key_state *k, const struct partition_floors *f, uint64_t n, bool own)
{
	struct record r = rec(n);
	struct msg_replica_reply ret = {0};
	if (acceptor_accept(k, f, &r, own ? ACCEPT_BALLOT : ACCEPT_COPY, &ret) == ACCEPTOR_STORE)
		acceptor_store(k, &r, 0);
	return ret;
}

static struct msg_replica_reply push(struct key_state *k, const struct partition_floors *f, uint64_t n)
{
	struct record r = rec(n);
	struct msg_replica_reply ret = {0};
	if (acceptor_push(k, f, &r, &(struct push_way){.read_epoch = 1, .config_epoch = 1}, &ret, &r.weak) ==
	    ACCEPTOR_STORE)
		acceptor_store(k, &r, 0);
	return ret;
}

static void a_promise_refuses_lower_ballots_and_accepts(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {0};
	struct carrier c[CARRIERS_MAX];
	assert_int_equal(prepare(&k, &f, 10, c, NULL, 0).answer, ANSWER_PROMISE);
	assert_int_equal(prepare(&k, &f, 10, c, NULL, 0).answer, ANSWER_REJECT);
	assert_int_equal(prepare(&k, &f, 9, c, NULL, 0).answer, ANSWER_REJECT);
	struct msg_replica_reply low = accept(&k, &f, 9, true);
	assert_int_equal(low.answer, ANSWER_REJECT);
	assert_true(version_equal(low.promise, ver(10)));
	assert_true(low.out);
	assert_false(low.no_promise);
	assert_int_equal(accept(&k, &f, 10, true).answer, ANSWER_ACK);
	key_state_release(&k);
}

static void nothing_is_accepted_at_or_below_what_is_stored(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {0};
	struct carrier c[CARRIERS_MAX];
	accept(&k, &f, 10, true);
	struct msg_replica_reply low = accept(&k, &f, 5, true);
	assert_int_equal(low.answer, ANSWER_REJECT);
	assert_true(low.above);
	assert_true(low.no_promise);
	assert_int_equal(accept(&k, &f, 10, true).answer, ANSWER_ACK); /* a duplicate */
	assert_int_equal(prepare(&k, &f, 10, c, NULL, 0).answer, ANSWER_REJECT);
	key_state_release(&k);
}

static void a_copy_below_what_is_stored_is_never_acknowledged(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {0};
	accept(&k, &f, 5, true);
	accept(&k, &f, 10, true);
	/* 5 was here, so the attempt itself is acknowledged, but not a copy made by a reader. */
	assert_int_equal(accept(&k, &f, 5, /* own= */ true).answer, ANSWER_ACK);
	assert_int_equal(accept(&k, &f, 5, /* own= */ false).answer, ANSWER_REJECT);
	key_state_release(&k);
}

static void a_push_below_a_promise_is_weak_and_cannot_become_strong(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {0};
	struct carrier c[CARRIERS_MAX];
	prepare(&k, &f, 10, c, NULL, 0);
	assert_int_equal(push(&k, &f, 7).answer, ANSWER_STORED);
	assert_true(k.rec.weak);
	assert_true(version_equal(k.promised, ver(10)));
	assert_int_equal(accept(&k, &f, 7, /* own= */ false).answer, ANSWER_REJECT);
	assert_int_equal(push(&k, &f, 7).answer, ANSWER_OLD);
	assert_int_equal(push(&k, &f, 12).answer, ANSWER_STORED);
	assert_false(k.rec.weak);
	assert_int_equal(k.mem.count, 0); /* the weak copy is not remembered */
	key_state_release(&k);
}

static void a_weak_copy_is_no_carrier(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {0};
	struct carrier c[CARRIERS_MAX];
	struct version seven = ver(7);
	prepare(&k, &f, 10, c, NULL, 0);
	push(&k, &f, 7);
	assert_int_equal(prepare(&k, &f, 11, c, &seven, 1).carrier_count, 0);
	key_state_release(&k);
}

static void overwritten_copies_and_descendants_are_reported(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {0};
	struct carrier c[CARRIERS_MAX];
	struct version five = ver(5);
	accept(&k, &f, 5, true);
	struct lineage lin[1] = {{.ver = five, .rid = {5, 5}}};
	struct record child = rec(8);
	child.lin = lin;
	child.lin_count = 1;
	acceptor_store(&k, &child, 0);
	acceptor_store(&k, &(struct record){.ver = ver(9), .org = ver(9)}, 0);
	struct msg_replica_reply r = prepare(&k, &f, 20, c, &five, 1);
	assert_int_equal(r.carrier_count, 2);
	assert_true(version_equal(c[0].copy, ver(8)) && version_equal(c[0].attempt, five));
	assert_true(version_equal(c[1].copy, ver(5)) && version_equal(c[1].attempt, five));
	key_state_release(&k);
}

static void forgetting_raises_the_memory_floor(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {0};
	for (uint64_t n = 1; n <= MEM_MAX + 2; n++)
		accept(&k, &f, n, true);
	assert_int_equal(k.mem.count, MEM_MAX);
	assert_true(version_equal(acceptor_memory_floor(&k, &f), ver(1)));
	assert_false(accept(&k, &f, 1, true).out); /* it may have been here */
	acceptor_age(&k, MEM_AGE_US);
	assert_int_equal(k.mem.count, 0);
	assert_true(version_equal(acceptor_memory_floor(&k, &f), ver(MEM_MAX + 1)));
	key_state_release(&k);
}

static void floors_after_a_restart_refuse_and_cast_doubt(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {.promise = ver(100), .memory = ver(100)};
	struct carrier c[CARRIERS_MAX];
	assert_int_equal(prepare(&k, &f, 100, c, NULL, 0).answer, ANSWER_REJECT);
	assert_false(accept(&k, &f, 50, true).out);
	push(&k, &f, 60);
	assert_true(k.rec.weak);
	assert_int_equal(prepare(&k, &f, 101, c, NULL, 0).answer, ANSWER_PROMISE);
	key_state_release(&k);
}

static void a_sealed_version_is_refused_for_every_request(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {.seal = ver(10), .drop = ver(10)};
	struct carrier c[CARRIERS_MAX];
	assert_int_equal(push(&k, &f, 10).answer, ANSWER_OLD);
	assert_int_equal(accept(&k, &f, 10, true).answer, ANSWER_REJECT);
	assert_int_equal(prepare(&k, &f, 10, c, NULL, 0).answer, ANSWER_REJECT);
	struct msg_replica_reply r = {0};
	acceptor_read(&k, &f, &r);
	assert_true(version_equal(r.drop_floor, ver(10)));
	assert_true(version_equal(acceptor_memory_floor(&k, &f), ver(10)));
	key_state_release(&k);
}

static void a_strong_record_read_in_an_older_epoch_is_not_stored(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {0};
	struct record r = rec(5);
	struct msg_replica_reply ret = {0};
	bool weak;
	r.strong = true;
	assert_int_equal(
		acceptor_push(&k, &f, &r, &(struct push_way){.read_epoch = 1, .config_epoch = 2}, &ret, &weak),
		ACCEPTOR_ANSWER);
	assert_int_equal(ret.answer, ANSWER_OLD);
	r.strong = false;
	assert_int_equal(
		acceptor_push(&k, &f, &r, &(struct push_way){.read_epoch = 1, .config_epoch = 2}, &ret, &weak),
		ACCEPTOR_STORE);
}

static void a_fence_refuses_ballots_and_makes_late_pushes_weak_but_not_copies(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {.fence = ver(10)};
	struct msg_replica_reply ret = {0};
	struct record r = rec(5);
	bool weak = false;
	assert_int_equal(acceptor_push(&k, &f, &r, &(struct push_way){0}, &ret, &weak), ACCEPTOR_STORE);
	assert_true(weak);
	struct push_way copied = {.transfer = true, .copied = true};
	assert_int_equal(acceptor_push(&k, &f, &r, &copied, &ret, &weak), ACCEPTOR_STORE);
	assert_false(weak);
	k.promised = ver(7); /* its own promise counts in any case */
	assert_int_equal(acceptor_push(&k, &f, &r, &copied, &ret, &weak), ACCEPTOR_STORE);
	assert_true(weak);
	k.promised = VERSION_NONE;
	assert_int_equal(acceptor_accept(&k, &f, &r, ACCEPT_DIRECT, &ret), ACCEPTOR_ANSWER);
	assert_int_equal(ret.answer, ANSWER_REJECT);
	assert_true(version_equal(ret.promise, ver(10)));
}

static void a_push_that_the_seal_refuses_says_so(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {.seal = ver(10), .drop = ver(5)};
	struct msg_replica_reply refused = push(&k, &f, 7);
	assert_int_equal(refused.answer, ANSWER_OLD);
	assert_true(version_equal(refused.promise, ver(10)));
	assert_true(version_is_none(refused.stored));
	/* What other replicas have passes the seal, but not what was dropped. */
	struct record r = rec(5);
	bool weak;
	struct push_way transfer = {1, 1, .transfer = true};
	assert_int_equal(acceptor_push(&k, &f, &r, &transfer, &refused, &weak), ACCEPTOR_ANSWER);
	r = rec(7);
	assert_int_equal(acceptor_push(&k, &f, &r, &transfer, &refused, &weak), ACCEPTOR_STORE);
	key_state_release(&k);
}

static bool may_drop(struct record rec, uint64_t drop_floor)
{
	struct msg_replica_reply told = {.answer = ANSWER_RECORD, .record = rec, .drop_floor = ver(drop_floor)};
	return acceptor_may_drop(&told, ver(10), ver(20));
}

static void a_tombstone_may_go_if_it_is_strong_here_or_over(void **state)
{
	struct record tombstone = {.ver = ver(10), .tombstone = true};
	assert_true(may_drop(tombstone, 0));
	tombstone.weak = true;
	assert_false(may_drop(tombstone, 0));
	tombstone.weak = false;
	tombstone.fence = 1;
	assert_false(may_drop(tombstone, 0));
	assert_false(may_drop(rec(10), 0)); /* alive */
	assert_false(may_drop(rec(9), 0));
	assert_false(may_drop(rec(15), 0)); /* not in step */
	assert_true(may_drop(rec(21), 0));
	assert_false(may_drop((struct record){0}, 9)); /* never had it */
	assert_true(may_drop((struct record){0}, 10)); /* had it */
	struct record ending = rec(10);
	ending.expires_ms = 1;
	assert_false(may_drop(ending, 0));
	struct msg_replica_reply told = {.answer = ANSWER_RECORD, .record = ending};
	assert_true(acceptor_may_drop(&told, ver(10), ver(hlc_from_ms(1))));
}

static void a_purge_removes_that_version_and_keeps_the_promise(void **state)
{
	struct key_state k = {0};
	struct partition_floors f = {.seal = ver(20), .drop = ver(9)};
	struct carrier c[CARRIERS_MAX];
	struct partition_floors open = {0};
	accept(&k, &open, 8, true);
	struct record tombstone = {.ver = ver(10), .org = ver(10), .tombstone = true};
	acceptor_store(&k, &tombstone, 0);
	prepare(&k, &f, 30, c, NULL, 0);
	assert_false(acceptor_purge(&k, &f, ver(10))); /* above the drop floor */
	f.drop = ver(20);
	assert_false(acceptor_purge(&k, &f, ver(11)));
	assert_true(acceptor_purge(&k, &f, ver(10)));
	assert_true(version_is_none(k.rec.ver));
	assert_int_equal(k.mem.count, 0);
	assert_true(version_equal(acceptor_promise(&k, &f), ver(30)));
	/* Forgotten for good: also once the key is written again. */
	assert_int_equal(accept(&k, &f, 30, true).answer, ANSWER_ACK);
	assert_true(version_equal(acceptor_memory_floor(&k, &f), ver(20)));
	assert_false(acceptor_purge(&k, &f, ver(30)));
	key_state_release(&k);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_promise_refuses_lower_ballots_and_accepts),
		cmocka_unit_test(nothing_is_accepted_at_or_below_what_is_stored),
		cmocka_unit_test(a_copy_below_what_is_stored_is_never_acknowledged),
		cmocka_unit_test(a_push_below_a_promise_is_weak_and_cannot_become_strong),
		cmocka_unit_test(a_weak_copy_is_no_carrier),
		cmocka_unit_test(overwritten_copies_and_descendants_are_reported),
		cmocka_unit_test(forgetting_raises_the_memory_floor),
		cmocka_unit_test(floors_after_a_restart_refuse_and_cast_doubt),
		cmocka_unit_test(a_sealed_version_is_refused_for_every_request),
		cmocka_unit_test(a_strong_record_read_in_an_older_epoch_is_not_stored),
		cmocka_unit_test(a_push_that_the_seal_refuses_says_so),
		cmocka_unit_test(a_tombstone_may_go_if_it_is_strong_here_or_over),
		cmocka_unit_test(a_purge_removes_that_version_and_keeps_the_promise),
		cmocka_unit_test(a_fence_refuses_ballots_and_makes_late_pushes_weak_but_not_copies),
	};
	return test_run("acceptor", tests);
}
