/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tombstones are removed when all replicas let them go, and nothing that was deleted comes back.
 *
 * In a build with mutants, --mutants breaks each rule in turn and wants a test to fail; --mutant NAME shows which.
 */
#include "tests/support/test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mutant.h"
#include "replication/core.h"
#include "replication/page.h"
#include "tests/unit/core_cluster.h"

#define STRONG(...)   ((struct msg_request){.level = LEVEL_STRONG, __VA_ARGS__})
#define EVENTUAL(...) ((struct msg_request){.level = LEVEL_EVENTUAL, __VA_ARGS__})

/** A client's request id and clock. */
#define FROM_CLIENT(c, number) .rid = {.client = 7, .seq = (number)}, .t0 = clock_of(c, 0) - 1

enum { GRACE_MS = 20000 };

/** Long enough for what was done before it to be collected. */
#define LONG_US ((GRACE_MS + 16000) * USEC_PER_MSEC)

static struct cluster *gc_cluster(void)
{
	struct cluster *c = cluster_make(3);
	c->gc_grace_ms = GRACE_MS;
	c->gc_interval_us = USEC_PER_SEC;
	for (node_id i = 0; i < 3; i++)
		start_node(c, i, &c->map);
	pass(c, 2 * USEC_PER_SEC);
	return c;
}

static bool is_here(const struct cluster *c, node_id i, const char *key)
{
	return !version_is_none(on_disk(c, i, key).ver);
}

static void assert_gone(const struct cluster *c, const char *key)
{
	for (node_id i = 0; i < 3; i++)
		assert_false(is_here(c, i, key));
}

static void put_and_delete(struct cluster *c, const char *key)
{
	assert_int_equal(call(c, 0, OP_PUT, key, "v", strong), KV_OK);
	assert_int_equal(call(c, 1, OP_DEL, key, NULL, strong), KV_OK);
}

static void a_deletion_is_removed_everywhere_after_a_while(void **state)
{
	struct cluster *c = gc_cluster();
	put_and_delete(c, "k");
	assert_int_equal(call(c, 0, OP_PUT, "stays", "v", strong), KV_OK);
	pass(c, GRACE_MS / 2 * USEC_PER_MSEC);
	for (node_id i = 0; i < 3; i++)
		assert_true(on_disk(c, i, "k").tombstone);
	pass(c, LONG_US);
	assert_gone(c, "k");
	for (node_id i = 0; i < 3; i++) {
		assert_int_equal(stats_of(c, i).gc_purged, 1);
		assert_reads(c, i, "k", NULL);
		assert_reads(c, i, "stays", "v");
	}
	/* Written again it is as new, also after a restart. */
	assert_int_equal(call(c, 2, OP_PUT, "k", "new", STRONG(.has_expected = true)), KV_OK);
	for (node_id i = 0; i < 3; i++) {
		crash(c, i);
		start_node(c, i, &c->map);
		pass(c, 3 * USEC_PER_SEC);
		assert_reads(c, i, "k", "new");
	}
	cluster_free(c);
}

static void an_idle_cluster_without_deletions_has_no_sessions(void **state)
{
	struct cluster *c = gc_cluster();
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	keep(c, ANY, ANY, OP_GC, FOR_BOTH);
	pass(c, LONG_US);
	assert_int_equal(kept_count(c), 0);
	cluster_free(c);
}

static void a_node_that_is_away_stands_in_the_way_and_is_named(void **state)
{
	struct cluster *c = gc_cluster();
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	crash(c, 2);
	assert_int_equal(call(c, 1, OP_DEL, "k", NULL, strong), KV_OK);
	pass(c, 2 * LONG_US);
	assert_true(on_disk(c, 0, "k").tombstone && on_disk(c, 1, "k").tombstone);
	assert_int_equal(stats_of(c, 0).gc_blocked, 1);
	assert_int_equal(stats_of(c, 1).gc_blocked, 1);
	start_node(c, 2, &c->map);
	/* What it has missed is older than its promises of the life before may be: it gets a new version first. */
	pass(c, LONG_US);
	assert_true(stats_of(c, 0).gc_renewed + stats_of(c, 1).gc_renewed > 0);
	pass(c, LONG_US);
	assert_gone(c, "k");
	assert_int_equal(stats_of(c, 0).gc_blocked, 0);
	assert_reads(c, 2, "k", NULL);
	cluster_free(c);
}

static void a_replica_that_does_not_take_part_keeps_all_tombstones(void **state)
{
	struct cluster *c = gc_cluster();
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	drop(c, ANY, 2, OP_ACCEPT, FOR_REQUESTS);
	drop(c, ANY, 2, OP_PUSH, FOR_REQUESTS);
	drop(c, ANY, 2, OP_GC, FOR_REQUESTS);
	assert_int_equal(call(c, 1, OP_DEL, "k", NULL, strong), KV_OK);
	pass(c, LONG_US);
	assert_true(on_disk(c, 0, "k").tombstone && on_disk(c, 1, "k").tombstone);
	assert_false(on_disk(c, 2, "k").tombstone);
	assert_true(stats_of(c, 0).gc_aborted > 0);
	assert_true(stats_of(c, 0).gc_blocked > 0);
	heal(c);
	pass(c, LONG_US);
	assert_gone(c, "k");
	cluster_free(c);
}

static void a_value_that_a_replica_missed_is_there_before_the_floor_rises(void **state)
{
	struct cluster *c = gc_cluster();
	put_and_delete(c, "k");
	/* In the same partition, so that one session is about both. */
	char other[32];
	for (int n = 0; n < 10000; n++) {
		snprintf(other, sizeof other, "other%d", n);
		if (data_key(other).partition == data_key("k").partition)
			break;
	}
	drop(c, ANY, 0, OP_ACCEPT, FOR_REQUESTS);
	drop(c, ANY, 0, OP_PUSH, FOR_REQUESTS);
	drop(c, ANY, ANY, OP_TREE_ROOTS, FOR_BOTH); /* nor does it find out by itself */
	assert_int_equal(call(c, 1, OP_PUT, other, "kept", strong), KV_OK);
	assert_false(is_here(c, 0, other));
	pass(c, LONG_US);
	assert_gone(c, "k");
	for (node_id i = 0; i < 3; i++)
		assert_reads(c, i, other, "kept");
	cluster_free(c);
}

static void a_push_that_comes_after_the_purge_is_refused(void **state)
{
	struct cluster *c = gc_cluster();
	keep(c, 0, 2, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(c, 0, OP_PUT, "k", "old", EVENTUAL(.acks = ACKS_ONE)), KV_OK);
	c->rule_count = 0;
	assert_int_equal(kept_count(c), 1);
	assert_int_equal(call(c, 1, OP_DEL, "k", NULL, strong), KV_OK);
	pass(c, LONG_US);
	assert_gone(c, "k");
	for (int restarted = 0; restarted < 2; restarted++) {
		struct arena arena;
		struct msg late = kept_msg(c, &arena);
		late.replica.deadline_ms = 0;
		tell(c, 0, 2, &late);
		run(c);
		arena_release(&arena);
		assert_gone(c, "k");
		assert_int_equal(call(c, 2, OP_GET, "k", NULL, EVENTUAL(.acks = ACKS_ONE)), KV_NOT_FOUND);
		crash(c, 2);
		start_node(c, 2, &c->map);
		pass(c, 3 * USEC_PER_SEC);
	}
	cluster_free(c);
}

/** "k" is deleted, and node 2 has that weakly only. */
static struct version delete_weakly(struct cluster *c)
{
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	/* Node 2 has promised a ballot above the deletion that comes. */
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = version_of_node(clock_of(c, 0) + hlc_from_ms(300), 1);
	drop(c, 2, 1, OP_PREPARE, FOR_REPLIES);
	tell(c, 1, 2, &prepare);
	run(c);
	c->rule_count = 0;
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, EVENTUAL(.acks = ACKS_ALL)), KV_OK);
	assert_true(on_disk(c, 2, "k").weak && !on_disk(c, 0, "k").weak);
	return on_disk(c, 2, "k").ver;
}

static void a_weak_tombstone_gets_a_new_version_first(void **state)
{
	struct cluster *c = gc_cluster();
	struct version weak = delete_weakly(c);
	pass(c, LONG_US);
	for (node_id i = 0; i < 3; i++) {
		struct record rec = on_disk(c, i, "k");
		assert_true(rec.tombstone && !rec.weak && version_less(weak, rec.ver));
	}
	assert_true(stats_of(c, 0).gc_renewed > 0);
	pass(c, LONG_US);
	assert_gone(c, "k");
	cluster_free(c);
}

/** Seed 200182 of changing clusters: the first try to renew it failed, and then it was below the drop floor. */
static void a_weak_tombstone_gets_a_new_version_below_the_drop_floor_too(void **state)
{
	struct cluster *c = gc_cluster();
	struct version weak = delete_weakly(c);
	drop(c, ANY, ANY, OP_PREPARE, FOR_REQUESTS);
	pass(c, LONG_US);
	assert_true(stats_of(c, 0).gc_sessions > 0);
	const uint16_t partition = data_key("k").partition;
	for (node_id i = 0; i < 3; i++) {
		assert_true(version_equal(on_disk(c, i, "k").ver, weak));
		assert_true(version_less(weak, partition_at(c->nodes[i].core, partition)->drop));
	}
	/* Two let it go, as new members do that never had it: they tell their floor, by which it is gone. */
	struct msg purge = replica_msg(c, OP_PUSH, "k");
	purge.replica.record = (struct record){.ver = weak, .org = weak, .tombstone = true};
	purge.replica.purge = true;
	tell(c, 2, 0, &purge);
	tell(c, 2, 1, &purge);
	run(c);
	assert_true(!is_here(c, 0, "k") && !is_here(c, 1, "k") && on_disk(c, 2, "k").weak);
	heal(c);
	pass(c, LONG_US / 2);
	for (node_id i = 0; i < 3; i++)
		assert_true(on_disk(c, i, "k").tombstone && !on_disk(c, i, "k").weak);
	assert_reads(c, 1, "k", NULL);
	pass(c, LONG_US);
	assert_gone(c, "k");
	cluster_free(c);
}

static void a_read_of_a_deletion_that_one_replica_has_makes_it_stable(void **state)
{
	struct cluster *c = gc_cluster();
	struct msg m = replica_msg(c, OP_ACCEPT, "k");
	m.replica.record = whole_record(version_of_node(clock_of(c, 0), 1), "");
	m.replica.record.tombstone = true;
	m.replica.record.has_value = false;
	m.replica.direct = true;
	assert_int_equal(answer_to(c, &m), ANSWER_ACK);
	c->rule_count = 0;
	drop(c, ANY, 2, OP_READ, FOR_BOTH);
	assert_reads(c, 1, "k", NULL);
	assert_true(is_here(c, 1, "k"));
	cluster_free(c);
}

/** Deletes k at all, and removes it at all but node 2. */
static struct cluster *cluster_with_leftover(void)
{
	struct cluster *c = gc_cluster();
	put_and_delete(c, "k");
	pass(c, GRACE_MS * USEC_PER_MSEC);
	while (is_here(c, 0, "k")) {
		/* A page of one key: the third step. */
		bool sealed = stats_of(c, 0).gc_sessions == 0;
		assert_true(sealed);
		pass(c, TICK_US);
		if (c->rule_count == 0 && is_here(c, 0, "k"))
			keep(c, 0, 2, OP_GC, FOR_REQUESTS);
		struct arena arena;
		while (kept_count(c) > 0) {
			struct msg m = kept_msg(c, &arena);
			bool drops = m.gc.step == GC_DROP;
			if (!drops)
				tell(c, 0, 2, &m);
			arena_release(&arena);
			frames_free(&c->kept);
			run(c);
		}
	}
	assert_true(on_disk(c, 2, "k").tombstone);
	return c;
}

static void a_replica_that_was_left_behind_looks_after_itself(void **state)
{
	struct cluster *c = cluster_with_leftover();
	crash(c, 0);
	crash(c, 1);
	heal(c);
	start_node(c, 0, &c->map);
	start_node(c, 1, &c->map);
	pass(c, 60 * USEC_PER_SEC);
	assert_gone(c, "k");
	assert_true(stats_of(c, 2).gc_sessions > 0);
	cluster_free(c);
}

static void an_absent_replica_tells_of_the_deletion_that_another_still_has(void **state)
{
	struct cluster *c = cluster_with_leftover();
	for (node_id i = 0; i < 3; i++)
		assert_reads(c, i, "k", NULL);
	for (node_id i = 0; i < 3; i++) {
		assert_int_equal(stats_of(c, i).copies, 0);
		assert_int_equal(stats_of(c, i).identity_rounds, 0);
	}
	cluster_free(c);
}

static void a_session_that_has_seen_a_removed_deletion_need_not_wait(void **state)
{
	struct cluster *c = gc_cluster();
	put_and_delete(c, "k");
	struct msg_request session = {.level = LEVEL_SESSION};
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, session), KV_OK);
	uint8_t bytes[64];
	session.session = slice_of(bytes, c->token.size);
	memcpy(bytes, c->token.data, c->token.size);
	pass(c, LONG_US);
	assert_gone(c, "k");
	usec_t before_us = c->mono_us;
	assert_int_equal(call(c, 1, OP_GET, "k", NULL, session), KV_NOT_FOUND);
	assert_true(c->mono_us - before_us < 100 * USEC_PER_MSEC);
	/* What it wrote is not older for that. */
	assert_int_equal(call(c, 1, OP_PUT, "k", "again", session), KV_OK);
	assert_reads(c, 2, "k", "again");
	cluster_free(c);
}

static void a_value_whose_life_has_ended_gives_its_space_back(void **state)
{
	struct cluster *c = gc_cluster();
	assert_int_equal(call(c, 0, OP_PUT, "strong", "v", STRONG(.ttl_ms = 10000)), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "eventual", "v", EVENTUAL(.acks = ACKS_ALL, .ttl_ms = 10000)), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "long", "v", EVENTUAL(.acks = ACKS_ALL, .ttl_ms = 10000000)), KV_OK);
	pass(c, GRACE_MS * USEC_PER_MSEC);
	assert_true(is_here(c, 0, "strong") && is_here(c, 0, "eventual"));
	pass(c, LONG_US);
	assert_gone(c, "strong");
	assert_gone(c, "eventual");
	assert_reads(c, 1, "strong", NULL);
	assert_reads(c, 1, "long", "v");
	cluster_free(c);
}

static void a_tombstone_with_a_fence_stays(void **state)
{
	struct cluster *c = gc_cluster();
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", STRONG(.fence = 7)), KV_OK);
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, strong), KV_OK);
	pass(c, LONG_US);
	assert_int_equal(call(c, 1, OP_PUT, "k", "low", STRONG(.fence = 5)), KV_CONDITION_FAILED);
	cluster_free(c);
}

static void a_retry_after_the_purge_is_never_done_twice(void **state)
{
	struct cluster *c = gc_cluster();
	const struct msg_request first = STRONG(FROM_CLIENT(c, 1), .delta = 1, .deadline_ms = 5000);
	struct msg_request again = first;
	again.attempt = 1;
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, first), KV_OK);
	assert_int_equal(call(c, 1, OP_DEL, "n", NULL, strong), KV_OK);
	pass(c, LONG_US);
	assert_gone(c, "n");
	assert_int_equal(call(c, 2, OP_ADD, "n", NULL, again), KV_IN_DOUBT);
	assert_reads(c, 0, "n", NULL);
	/* Nor once the key is there again, by a ballot that found nothing. */
	assert_int_equal(call(c, 0, OP_PUT, "n", "100", STRONG(.has_expected = true)), KV_OK);
	assert_false(version_is_none(on_disk(c, 0, "n").lin_floor));
	assert_int_equal(call(c, 2, OP_ADD, "n", NULL, again), KV_IN_DOUBT);
	assert_reads(c, 1, "n", "100");
	cluster_free(c);
}

static void a_write_older_than_the_seal_is_refused_and_not_acknowledged(void **state)
{
	struct cluster *c = gc_cluster();
	struct msg_request old = EVENTUAL(FROM_CLIENT(c, 1), .acks = ACKS_ALL);
	put_and_delete(c, "k");
	pass(c, LONG_US);
	assert_gone(c, "k");
	assert_int_equal(call(c, 0, OP_PUT, "k", "old", old), KV_INVALID);
	assert_false(c->result.in_doubt);
	old.attempt = 1;
	assert_int_equal(call(c, 1, OP_PUT, "k", "old", old), KV_INVALID);
	assert_true(c->result.in_doubt);
	assert_gone(c, "k");
	cluster_free(c);
}

static void a_session_that_was_cut_off_is_made_up_for(void **state)
{
	struct cluster *c = gc_cluster();
	put_and_delete(c, "k");
	drop(c, ANY, ANY, OP_TREE_LEAVES, FOR_REQUESTS);
	pass(c, LONG_US);
	assert_true(is_here(c, 0, "k"));
	/* Written anew: no tombstone is left, but the seal is there and nothing was brought in step. */
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	uint64_t before = stats_of(c, 0).gc_sessions;
	heal(c);
	pass(c, 20 * USEC_PER_SEC);
	assert_true(stats_of(c, 0).gc_sessions > before);
	assert_reads(c, 1, "k", "v");
	pass(c, LONG_US);
	assert_int_equal(stats_of(c, 0).gc_sessions, before + 1);
	cluster_free(c);
}

static void a_restart_within_a_session_ends_it(void **state)
{
	struct cluster *c = gc_cluster();
	put_and_delete(c, "k");
	keep(c, 0, 2, OP_GC, FOR_REQUESTS);
	pass(c, GRACE_MS * USEC_PER_MSEC + 4 * USEC_PER_SEC);
	assert_true(kept_count(c) > 0);
	struct arena arena;
	struct msg m = kept_msg(c, &arena);
	assert_int_equal(m.gc.step, GC_SEAL);
	tell(c, 0, 2, &m);
	run(c);
	crash(c, 2);
	start_node(c, 2, &c->map);
	pass(c, 100 * USEC_PER_MSEC);
	/* The life that was sealed is over: the records it showed may not all have outlived it. */
	frames_free(&c->kept);
	keep(c, 2, 0, OP_GC, FOR_REPLIES);
	m.gc.step = GC_DROP;
	tell(c, 0, 2, &m);
	run(c);
	arena_release(&arena);
	m = kept_msg(c, &arena);
	assert_int_equal(m.gc.status, KV_STALE);
	arena_release(&arena);
	cluster_free(c);
}

static struct msg gc_msg(struct cluster *c, enum gc_step step, struct version floor, struct slice page)
{
	struct msg m = {.opcode = OP_GC, .id = 77, .epoch = c->map.epoch, .hlc = clock_of(c, 0)};
	m.gc = (struct msg_gc){.partition = data_key("k").partition, .step = step, .floor = floor, .page = page};
	return m;
}

/** What another session brings between two looks of the one that sealed last makes its comparison wrong. */
static void a_sync_of_a_session_that_another_one_has_sealed_off_is_refused(void **state)
{
	struct cluster *c = gc_cluster();
	struct record rec = whole_record(version_of_node(clock_of(c, 0), 1), "v");
	struct blob *bytes = record_encode(&rec);
	struct page_record row = {.key = slice_str("k"), .record = blob_slice(bytes)};
	struct buf page = {0};
	page_put_record(buf_extend(&page, page_record_size(&row)), &row);
	struct version floors[] = {version_floor(rec.ver.hlc + 1), version_floor(rec.ver.hlc + 2)};
	for (node_id runner = 0; runner < 2; runner++) {
		struct msg seal = gc_msg(c, GC_SEAL, floors[runner], slice_of(NULL, 0));
		assert_int_equal(answer_at(c, runner, 2, &seal).gc.status, KV_OK);
	}
	struct msg sync = gc_msg(c, GC_SYNC, floors[0], buf_slice(&page));
	assert_int_equal(answer_at(c, 0, 2, &sync).gc.status, KV_STALE);
	sync.gc.floor = floors[1]; /* it has heard of the seal, but it is not its own */
	assert_int_equal(answer_at(c, 0, 2, &sync).gc.status, KV_STALE);
	assert_false(is_here(c, 2, "k"));
	assert_int_equal(answer_at(c, 1, 2, &sync).gc.status, KV_OK);
	assert_true(is_here(c, 2, "k"));
	buf_release(&page);
	blob_unref(bytes);
	cluster_free(c);
}

static void a_hint_that_the_seal_refuses_is_made_up_for_by_a_session(void **state)
{
	struct cluster *c = gc_cluster();
	drop(c, ANY, 2, OP_PUSH, FOR_REQUESTS);
	drop(c, ANY, ANY, OP_TREE_ROOTS, FOR_BOTH);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", EVENTUAL(.acks = ACKS_ONE)), KV_OK);
	pass(c, USEC_PER_SEC);
	assert_int_equal(stats_of(c, 0).hints_pending, 1);
	struct msg seal = {.opcode = OP_GC, .id = 77, .epoch = c->map.epoch, .hlc = clock_of(c, 0)};
	seal.gc = (struct msg_gc){.partition = data_key("k").partition, .step = GC_SEAL};
	seal.gc.floor = version_floor(clock_of(c, 0));
	tell(c, 1, 2, &seal);
	run(c);
	c->rule_count = 0;
	drop(c, ANY, ANY, OP_TREE_ROOTS, FOR_BOTH);
	pass(c, 5 * USEC_PER_SEC);
	assert_int_equal(stats_of(c, 0).hints_pending, 0);
	assert_false(is_here(c, 2, "k"));
	/* It cannot be brought by anything else either, so the one whose seal is ahead of its drop floor sees to it. */
	pass(c, LONG_US);
	assert_true(is_here(c, 2, "k"));
	cluster_free(c);
}

/** Runs itself with each mutant of its rules, in a process of its own: speaks TAP, says which was not noticed. */
static int run_mutants(const char *self)
{
	static const char *const names[] = {"gcnoall",  "gcnoseal", "gcnosync", "gcweak",
					    "gcabsent", "gcnovirt", "gctime",   "gclin"};
	int survivors = 0;
	printf("1..%zu\n", ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		fflush(stdout);
		pid_t child = fork();
		if (child == 0) {
			if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
				_exit(2);
			execl(self, self, "--mutant", names[i], (char *)NULL);
			_exit(2);
		}
		int status = 0;
		bool ended = child > 0 && waitpid(child, &status, 0) == child;
		bool noticed = ended && WIFEXITED(status) && WEXITSTATUS(status) == 1;
		printf("%sok %zu - %s\n", noticed ? "" : "not ", i + 1, names[i]);
		survivors += !noticed;
	}
	return survivors > 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--mutants") == 0)
		return run_mutants("/proc/self/exe");
	if (argc == 3 && strcmp(argv[1], "--mutant") == 0 && !mutant_switch(mutant_find(argv[2])))
		return 2;
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deletion_is_removed_everywhere_after_a_while),
		cmocka_unit_test(an_idle_cluster_without_deletions_has_no_sessions),
		cmocka_unit_test(a_node_that_is_away_stands_in_the_way_and_is_named),
		cmocka_unit_test(a_replica_that_does_not_take_part_keeps_all_tombstones),
		cmocka_unit_test(a_value_that_a_replica_missed_is_there_before_the_floor_rises),
		cmocka_unit_test(a_push_that_comes_after_the_purge_is_refused),
		cmocka_unit_test(a_weak_tombstone_gets_a_new_version_first),
		cmocka_unit_test(a_weak_tombstone_gets_a_new_version_below_the_drop_floor_too),
		cmocka_unit_test(a_read_of_a_deletion_that_one_replica_has_makes_it_stable),
		cmocka_unit_test(a_replica_that_was_left_behind_looks_after_itself),
		cmocka_unit_test(an_absent_replica_tells_of_the_deletion_that_another_still_has),
		cmocka_unit_test(a_session_that_has_seen_a_removed_deletion_need_not_wait),
		cmocka_unit_test(a_value_whose_life_has_ended_gives_its_space_back),
		cmocka_unit_test(a_tombstone_with_a_fence_stays),
		cmocka_unit_test(a_retry_after_the_purge_is_never_done_twice),
		cmocka_unit_test(a_write_older_than_the_seal_is_refused_and_not_acknowledged),
		cmocka_unit_test(a_session_that_was_cut_off_is_made_up_for),
		cmocka_unit_test(a_restart_within_a_session_ends_it),
		cmocka_unit_test(a_sync_of_a_session_that_another_one_has_sealed_off_is_refused),
		cmocka_unit_test(a_hint_that_the_seal_refuses_is_made_up_for_by_a_session),
	};
	return test_run("gc", tests);
}
