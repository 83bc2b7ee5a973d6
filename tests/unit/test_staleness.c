/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/op.h"

enum { NODES = 3, LATER_MS = 700 };

static const usec_t WALL_START_US = 1700000000ull * USEC_PER_SEC;

/** One core of three nodes, and an operation on a key that all three have. The others are played by the test. */
struct bed {
	struct node_core *core;
	struct actions out;
	struct op op;
};

static struct uuid identity(node_id node) { return (struct uuid){{(uint8_t)(node + 1)}}; }

static void bed_init(struct bed *b, uint64_t incarnation)
{
	struct map_node nodes[NODES];
	node_id rows[16 * NODES];
	uint64_t epochs[16];
	for (node_id i = 0; i < NODES; i++) {
		nodes[i] = (struct map_node){
			.index = i, .uuid = identity(i), .state = NODE_NORMAL, .peer_address = slice_str("h:1")};
	}
	for (uint32_t i = 0; i < 16 * NODES; i++)
		rows[i] = (node_id)(i % NODES);
	for (uint32_t i = 0; i < 16; i++)
		epochs[i] = 1;
	struct map_desc map = {.cluster = {{9}},
			       .epoch = 1,
			       .partitions = 16,
			       .replicas = NODES,
			       .node_count = NODES,
			       .nodes = nodes,
			       .rows = rows,
			       .config_epochs = epochs,
			       .voter_count = 1};
	struct core_config config = {.seed = 1,
				     .shard_count = 2,
				     .node = identity(0),
				     .incarnation = incarnation,
				     .boot_nonce = 1,
				     .map = &map};
	*b = (struct bed){0};
	actions_init(&b->out);
	b->core = node_core_new(&config);
	node_core_start(b->core, (struct moment){10 * USEC_PER_SEC, WALL_START_US}, &b->out);
	actions_reset(&b->out);
	b->core->out = &b->out;
	b->op = (struct op){
		.opcode = OP_GET, .key = blob_new(slice_str("k")), .row = {.count = NODES, .old = 7, .next = 7}};
	for (node_id i = 0; i < NODES; i++)
		b->op.row_nodes[i] = i;
	b->op.row.nodes = b->op.row_nodes;
	for (node_id i = 1; i < NODES; i++)
		b->core->hints.targets[i]->phase = HINT_IDLE;
}

static void bed_release(struct bed *b)
{
	blob_unref(b->op.key);
	node_core_free(b->core);
	actions_release(&b->out);
}

static void later(struct bed *b, uint32_t ms)
{
	b->core->now.mono_us += ms * USEC_PER_MSEC;
	b->core->now.wall_us += ms * USEC_PER_MSEC;
}

/** The answer of a node in its first life to a question asked now, saying that it owes for LAG_MS. */
static struct msg answer_now(const struct bed *b, uint64_t lag_ms)
{
	hlc_t stamp = core_stamp(b->core);
	return (struct msg){.opcode = OP_HEARTBEAT,
			    .reply = true,
			    .id = b->core->id_last + 1,
			    .hlc = stamp,
			    .heartbeat = {.sent_us = b->core->now.mono_us,
					  .incarnation = 1,
					  .map_epoch = 1,
					  .shards = 2,
					  .stored_hlc = stamp - hlc_from_ms(lag_ms)}};
}

static void hear(struct bed *b, node_id from, struct msg m) { staleness_hear(b->core, from, &m); }

/** How old the own copy may be, in ms; UINT64_MAX if that is not known. */
static uint64_t age_ms(const struct bed *b)
{
	usec_t known_us = staleness_known_us(b->core, &b->op);
	return known_us ? (b->core->now.mono_us - known_us) / USEC_PER_MSEC : UINT64_MAX;
}

/** A read of all replicas found the own copy at OWN and another at OTHER. */
static void read_over(struct bed *b, struct version own, struct version other)
{
	struct op op = b->op;
	op.read_us = b->core->now.mono_us;
	op.replies[0] = (struct op_reply){.valid = true, .ver = own};
	op.replies[1] = (struct op_reply){.valid = true, .ver = other};
	op.best.rec.ver = version_max(own, other);
	staleness_read_over(b->core, &op);
}

static void write_answered(struct bed *b, struct version ver, uint32_t holders)
{
	struct op op = b->op;
	op.opcode = OP_PUT;
	op.version = ver;
	op.holders = holders;
	staleness_write_answered(b->core, &op);
	staleness_write_over(b->core, &op);
}

/* ---- hearing ---- */

static void until_all_others_have_told_nothing_is_known(void **state)
{
	struct bed b;
	bed_init(&b, 1);
	assert_int_equal(age_ms(&b), UINT64_MAX);
	hear(&b, 1, answer_now(&b, 0));
	assert_int_equal(age_ms(&b), UINT64_MAX);
	hear(&b, 2, answer_now(&b, 0));
	assert_in_range(age_ms(&b), 0, 2);
	bed_release(&b);
}

static void the_slowest_teller_counts_and_silence_ages(void **state)
{
	struct bed b;
	bed_init(&b, 1);
	hear(&b, 1, answer_now(&b, 0));
	hear(&b, 2, answer_now(&b, 300));
	assert_in_range(age_ms(&b), 300, 302);
	later(&b, LATER_MS);
	assert_in_range(age_ms(&b), 300 + LATER_MS, 302 + LATER_MS);
	hear(&b, 2, answer_now(&b, 0));
	assert_in_range(age_ms(&b), LATER_MS, LATER_MS + 2); /* now node 1 is the slowest */
	bed_release(&b);
}

static void the_age_counts_from_the_question_not_the_answer(void **state)
{
	struct bed b;
	bed_init(&b, 1);
	hear(&b, 1, answer_now(&b, 0));
	struct msg slow = answer_now(&b, 0);
	later(&b, LATER_MS);
	hear(&b, 1, answer_now(&b, 0));
	hear(&b, 2, slow);
	assert_in_range(age_ms(&b), LATER_MS, LATER_MS + 2);
	hear(&b, 2, answer_now(&b, 0));
	hear(&b, 2, slow); /* twice, and late: takes nothing back */
	assert_in_range(age_ms(&b), 0, 2);
	bed_release(&b);
}

static void answers_that_say_nothing_are_passed_over(void **state)
{
	struct bed b;
	bed_init(&b, 2);
	hear(&b, 1, answer_now(&b, 0));
	read_over(&b, VERSION_NONE, VERSION_NONE);
	struct msg unknown = answer_now(&b, 0), shards = unknown, map = unknown, ahead = unknown, life = unknown,
		   future = unknown;
	unknown.heartbeat.stored_hlc = 0;
	shards.heartbeat.shards = 3; /* its cores have other partitions than ours */
	map.heartbeat.map_epoch = 2;
	ahead.heartbeat.stored_hlc = ahead.hlc + 1;
	life.id = 5; /* asked by this core's life before, by another monotonic clock */
	future.heartbeat.sent_us = b.core->now.mono_us + 1;
	hear(&b, 2, unknown);
	hear(&b, 2, shards);
	hear(&b, 2, map);
	hear(&b, 2, ahead);
	hear(&b, 2, life);
	hear(&b, 2, future);
	assert_int_equal(age_ms(&b), UINT64_MAX);
	hear(&b, 2, answer_now(&b, 0));
	assert_in_range(age_ms(&b), 0, 2);
	bed_release(&b);
}

/* ---- lives ---- */

static void after_its_own_restart_a_core_checks_a_key_first(void **state)
{
	struct bed b;
	bed_init(&b, 2);
	hear(&b, 1, answer_now(&b, 0));
	hear(&b, 2, answer_now(&b, 0));
	assert_int_equal(age_ms(&b), UINT64_MAX);
	read_over(&b, (struct version){1, 0}, (struct version){2, 0}); /* it has an older copy: it may lack more */
	assert_int_equal(age_ms(&b), UINT64_MAX);
	read_over(&b, (struct version){2, 0}, (struct version){2, 0});
	assert_in_range(age_ms(&b), 0, 2);
	bed_release(&b);
}

static void a_key_checked_before_a_peer_restarted_is_checked_again(void **state)
{
	struct bed b;
	bed_init(&b, 1);
	hear(&b, 1, answer_now(&b, 0));
	hear(&b, 2, answer_now(&b, 0));
	read_over(&b, VERSION_NONE, VERSION_NONE);
	later(&b, LATER_MS);
	struct msg reborn = answer_now(&b, 0), old = reborn;
	reborn.heartbeat.incarnation = 2;
	hear(&b, 1, reborn);
	hear(&b, 2, answer_now(&b, 0));
	assert_int_equal(age_ms(&b), UINT64_MAX);
	later(&b, LATER_MS);
	read_over(&b, VERSION_NONE, VERSION_NONE);
	assert_in_range(age_ms(&b), LATER_MS, LATER_MS + 2);
	hear(&b, 1, old); /* of the life before */
	assert_in_range(age_ms(&b), LATER_MS, LATER_MS + 2);
	bed_release(&b);
}

/* ---- the own copy ---- */

static void a_key_that_the_own_copy_missed_is_in_doubt_until_it_has_it(void **state)
{
	struct bed b;
	bed_init(&b, 1);
	hear(&b, 1, answer_now(&b, 0));
	hear(&b, 2, answer_now(&b, 0));
	write_answered(&b, (struct version){5, 0}, 0x7);
	assert_in_range(age_ms(&b), 0, 2);
	write_answered(&b, (struct version){6, 0}, 0x6);
	assert_int_equal(age_ms(&b), UINT64_MAX);
	read_over(&b, (struct version){5, 0}, (struct version){6, 0});
	assert_int_equal(age_ms(&b), UINT64_MAX);
	read_over(&b, (struct version){6, 0}, (struct version){6, 0});
	assert_in_range(age_ms(&b), 0, 2);
	bed_release(&b);
}

static void more_missed_keys_than_fit_put_all_in_doubt(void **state)
{
	struct bed b;
	bed_init(&b, 1);
	hear(&b, 1, answer_now(&b, 0));
	hear(&b, 2, answer_now(&b, 0));
	read_over(&b, VERSION_NONE, VERSION_NONE);
	later(&b, 1);
	struct blob *key = b.op.key;
	for (uint32_t i = 0; i <= STALENESS_OWN_MAX; i++) {
		b.op.key = blob_new(slice_of(&i, sizeof i));
		write_answered(&b, (struct version){5, 0}, 0x6);
		blob_unref(b.op.key);
	}
	b.op.key = key;
	assert_int_equal(age_ms(&b), UINT64_MAX);
	read_over(&b, VERSION_NONE, VERSION_NONE);
	assert_in_range(age_ms(&b), 1, 3);
	bed_release(&b);
}

/* ---- telling ---- */

/** For how long the core says it owes NODE something, in ms; UINT64_MAX if it does not know. */
static uint64_t told_lag_ms(struct bed *b, node_id node)
{
	hlc_t told = staleness_tell(b->core, node);
	return told ? hlc_ms(core_stamp(b->core) - told) : UINT64_MAX;
}

static void who_owes_nothing_tells_the_present(void **state)
{
	struct bed b;
	bed_init(&b, 1);
	assert_int_equal(told_lag_ms(&b, 1), 0);
	b.core->hints.targets[1]->phase = HINT_COUNTING;
	assert_int_equal(told_lag_ms(&b, 1), UINT64_MAX);
	bed_release(&b);
}

static void a_hint_is_owed_until_all_are_delivered(void **state)
{
	struct bed b;
	bed_init(&b, 1);
	struct hint_target *t = b.core->hints.targets[1];
	t->pending = 1;
	staleness_hinted(b.core, 1, b.core->now.mono_us);
	later(&b, LATER_MS);
	staleness_hinted(b.core, 1, b.core->now.mono_us);
	assert_int_equal(told_lag_ms(&b, 1), LATER_MS);
	assert_int_equal(told_lag_ms(&b, 2), 0);
	t->pending = 0;
	t->phase = HINT_PUSHING; /* the pass is not over */
	assert_int_equal(told_lag_ms(&b, 1), LATER_MS);
	t->phase = HINT_IDLE;
	t->dirty_count = 1;
	assert_int_equal(told_lag_ms(&b, 1), LATER_MS);
	t->dirty_count = 0;
	assert_int_equal(told_lag_ms(&b, 1), 0);
	bed_release(&b);
}

static void an_answered_write_is_owed_to_those_that_have_neither_it_nor_a_hint(void **state)
{
	struct bed b;
	bed_init(&b, 1);
	struct op op = b.op;
	op.opcode = OP_PUT;
	op.phase = PHASE_PUSHING;
	op.started_us = b.core->now.mono_us;
	hmap_add(&b.core->ops, &op.node, 1);
	later(&b, LATER_MS);
	assert_int_equal(told_lag_ms(&b, 1), 0); /* nobody was told that it is done */
	op.answered = true;
	assert_int_equal(told_lag_ms(&b, 1), LATER_MS);
	op.holders = 0x3;
	assert_int_equal(told_lag_ms(&b, 1), 0);
	assert_int_equal(told_lag_ms(&b, 2), LATER_MS);
	op.hinted = 0x4; /* from here on the hint counts */
	assert_int_equal(told_lag_ms(&b, 2), 0);
	hmap_remove(&b.core->ops, &op.node);
	bed_release(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(until_all_others_have_told_nothing_is_known),
		cmocka_unit_test(the_slowest_teller_counts_and_silence_ages),
		cmocka_unit_test(the_age_counts_from_the_question_not_the_answer),
		cmocka_unit_test(answers_that_say_nothing_are_passed_over),
		cmocka_unit_test(after_its_own_restart_a_core_checks_a_key_first),
		cmocka_unit_test(a_key_checked_before_a_peer_restarted_is_checked_again),
		cmocka_unit_test(a_key_that_the_own_copy_missed_is_in_doubt_until_it_has_it),
		cmocka_unit_test(more_missed_keys_than_fit_put_all_in_doubt),
		cmocka_unit_test(who_owes_nothing_tells_the_present),
		cmocka_unit_test(a_hint_is_owed_until_all_are_delivered),
		cmocka_unit_test(an_answered_write_is_owed_to_those_that_have_neither_it_nor_a_hint),
	};
	return test_run("staleness", tests);
}
