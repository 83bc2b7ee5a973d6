/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operations cost, in message rounds and durable writes: the table of docs/consistency.md, counted on whole clusters
 * without faults. Each test asks for one operation at a time and counts what it caused.
 */
#include "tests/support/test.h"

#include "base/hash.h"
#include "tests/sim/sim.h"

/* Longer than any straggler of an operation, and shorter than what would cool a key down. */
#define PAUSE_US (100 * USEC_PER_MSEC)

struct bench {
	struct sim *sim;
	uint64_t asked;
	bool answered;
	struct msg answer; /* the numbers of the last one; its slices are gone */
	uint32_t cost;     /* its request */
};

static void note_answer(struct sim *sim, const struct sim_event *event, const struct msg *m)
{
	struct bench *b = sim->on_answer_arg;
	if (event->token != b->asked)
		return;
	b->answered = true;
	b->answer = *m;
	b->cost = event->cost;
}

/* NODES nodes that are all replicas of every key, clocks right, nothing lost. */
static void setup(struct bench *b, uint32_t nodes)
{
	struct sim_options o;
	sim_options_draw(1, nodes, &o);
	for (int class = 0; class < SIM_CLASS_COUNT; class ++)
		(void)sim_options_take_out(&o, (enum sim_class) class);
	o.replicas = nodes;
	o.core_count = 1;
	o.codec = true;
	o.costs = true;
	o.disk_min_us = o.disk_max_us = 500;
	*b = (struct bench){.sim = xcalloc(1, sizeof(*b->sim))};
	sim_init(b->sim, &o);
	b->sim->on_answer = note_answer;
	b->sim->on_answer_arg = b;
	assert_true(sim_start(b->sim));
	sim_until(b->sim, NULL, USEC_PER_SEC);
}

static void teardown(struct bench *b)
{
	sim_release(b->sim);
	free(b->sim);
}

static bool is_answered(const struct sim *sim) { return ((const struct bench *)sim->on_answer_arg)->answered; }

/* Sends R through NODE without waiting. */
static void send(struct bench *b, uint16_t node, enum msg_opcode opcode, struct msg_request r)
{
	b->answered = false;
	b->asked++;
	if (!r.key.size)
		r.key = slice_str("key");
	r.value_hash = r.value.size ? hash64(r.value) : 0;
	r.deadline_ms = 2000;
	r.receipt_wanted = true;
	struct msg m = {.opcode = (uint16_t)opcode, .id = b->asked, .request = r};
	sim_send(b->sim, sim_client_end(b->sim, 0), node, &m, b->asked);
}

/* Sends R through NODE, waits for the answer and what follows it, and expects STATUS, ROUNDS and WRITES. */
static void ask(struct bench *b, uint16_t node, enum msg_opcode opcode, struct msg_request r, enum kv_status status,
		uint32_t rounds, uint32_t writes)
{
	send(b, node, opcode, r);
	assert_true(sim_until(b->sim, is_answered, 5 * USEC_PER_SEC));
	const struct cost *cost = costs_of(&b->sim->costs, b->cost);
	if (b->answer.result.status != status || cost->rounds != rounds || cost_writes_max(cost) != writes)
		print_message("# %s: status %s, %u rounds, %u writes; wanted %s, %u, %u\n",
			      opcode_name((uint16_t)opcode), status_name(b->answer.result.status), cost->rounds,
			      cost_writes_max(cost), status_name(status), rounds, writes);
	assert_int_equal(b->answer.result.status, status);
	assert_int_equal(cost->rounds, rounds);
	assert_int_equal(cost_writes_max(cost), writes);
	sim_until(b->sim, NULL, PAUSE_US);
}

#define EVENTUAL(...) ((struct msg_request){.level = LEVEL_EVENTUAL, __VA_ARGS__})
#define STRONG(...)   ((struct msg_request){.level = LEVEL_STRONG, __VA_ARGS__})

static void eventual_operations(uint32_t nodes)
{
	struct bench b;
	setup(&b, nodes);
	ask(&b, 0, OP_PUT, EVENTUAL(.acks = ACKS_MAJORITY, .value = slice_str("1")), KV_OK, 1, 1);
	ask(&b, 1, OP_PUT, EVENTUAL(.acks = ACKS_ALL, .value = slice_str("2")), KV_OK, 1, 1);
	ask(&b, 1, OP_DEL, EVENTUAL(.acks = ACKS_MAJORITY), KV_OK, 1, 1);
	ask(&b, 2, OP_GET, EVENTUAL(.acks = ACKS_MAJORITY), KV_NOT_FOUND, 1, 0);
	/* Where this node's own copy is enough, nobody else is waited for. */
	ask(&b, 0, OP_PUT, EVENTUAL(.acks = ACKS_ONE, .value = slice_str("3")), KV_OK, 0, 1);
	ask(&b, 0, OP_GET, EVENTUAL(.acks = ACKS_ONE), KV_OK, 0, 0);
	teardown(&b);
}

static void an_eventual_put_or_get_is_one_round_at_most(void **state)
{
	eventual_operations(3);
	eventual_operations(5);
}

static void strong_operations(uint32_t nodes)
{
	struct bench b;
	setup(&b, nodes);
	ask(&b, 0, OP_GET, STRONG(), KV_NOT_FOUND, 1, 0);
	ask(&b, 0, OP_PUT, STRONG(.value = slice_str("1")), KV_OK, 1, 1);
	ask(&b, 1, OP_PUT, STRONG(.value = slice_str("2")), KV_OK, 1, 1);
	ask(&b, 2, OP_GET, STRONG(), KV_OK, 1, 0);
	ask(&b, 2, OP_DEL, STRONG(), KV_OK, 1, 1);
	ask(&b, 0, OP_GET, STRONG(), KV_NOT_FOUND, 1, 0);
	teardown(&b);
}

static void an_uncontended_strong_put_delete_or_get_is_one_round(void **state)
{
	strong_operations(3);
	strong_operations(5);
}

static void a_compare_and_set_is_two_rounds_and_one_write(void **state)
{
	struct bench b;
	setup(&b, 3);
	ask(&b, 0, OP_CAS, STRONG(.has_expected = true, .value = slice_str("1")), KV_OK, 2, 1);
	struct version present = b.answer.result.version;
	sim_until(b.sim, NULL, 60 * USEC_PER_SEC); /* no promise is kept so long */
	ask(&b, 1, OP_CAS, STRONG(.has_expected = true, .expected = present, .value = slice_str("2")), KV_OK, 2, 1);
	ask(&b, 2, OP_DEL, STRONG(.if_present = true), KV_OK, 2, 1);
	teardown(&b);
}

static void a_condition_that_fails_is_one_round_and_no_write(void **state)
{
	struct bench b;
	setup(&b, 3);
	ask(&b, 0, OP_PUT, STRONG(.value = slice_str("1")), KV_OK, 1, 1);
	ask(&b, 0, OP_CAS, STRONG(.has_expected = true, .value = slice_str("2")), KV_CONDITION_FAILED, 1, 0);
	ask(&b, 1, OP_CAS, STRONG(.has_expected = true, .value = slice_str("2")), KV_CONDITION_FAILED, 1, 0);
	teardown(&b);
}

static void an_increment_is_two_rounds_and_one_write(void **state)
{
	struct bench b;
	setup(&b, 3);
	ask(&b, 0, OP_ADD, STRONG(.delta = 1), KV_OK, 2, 1);
	ask(&b, 1, OP_ADD, STRONG(.delta = 1), KV_OK, 2, 1);
	ask(&b, 2, OP_APPEND, STRONG(.value = slice_str("0")), KV_OK, 2, 1);
	teardown(&b);
}

/* Updates of one key through one node, one after the other: from the third on the ballot is promised already. */
static void with_a_cached_promise_an_increment_is_one_round(void **state)
{
	struct bench b;
	setup(&b, 3);
	ask(&b, 0, OP_ADD, STRONG(.delta = 1), KV_OK, 2, 1);
	ask(&b, 0, OP_ADD, STRONG(.delta = 1), KV_OK, 2, 1);
	for (int i = 0; i < 5; i++)
		ask(&b, 0, OP_ADD, STRONG(.delta = 1), KV_OK, 1, 1);
	/* Another node's ballot takes the promise back. */
	ask(&b, 1, OP_ADD, STRONG(.delta = 1), KV_OK, 2, 1);
	teardown(&b);
}

/* --- contention --- */

/* A put has reached one replica only: who reads strongly there makes it stable first. */
static void a_strong_get_during_a_write_is_two_rounds(void **state)
{
	struct bench b;
	setup(&b, 3);
	ask(&b, 0, OP_PUT, STRONG(.value = slice_str("1")), KV_OK, 1, 1);
	net_cut(&b.sim->net, 0, 1, true);
	net_cut(&b.sim->net, 0, 2, true);
	send(&b, 0, OP_PUT, STRONG(.value = slice_str("2")));
	sim_until(b.sim, NULL, 20 * USEC_PER_MSEC);
	assert_false(b.answered);
	net_cut(&b.sim->net, 0, 1, false);
	net_cut(&b.sim->net, 1, 2, true); /* the reader hears of nobody else */
	ask(&b, 1, OP_GET, STRONG(), KV_OK, 2, 1);
	teardown(&b);
}

/* The other replicas have a version that is above what this node's clock says. */
static void a_strong_put_with_a_clock_that_is_behind_is_one_round_more(void **state)
{
	struct bench b;
	setup(&b, 3);
	for (uint16_t node = 1; node < 3; node++)
		b.sim->nodes[node].offset_us = 200 * (int64_t)USEC_PER_MSEC;
	net_cut(&b.sim->net, 1, 0, true);
	net_cut(&b.sim->net, 2, 0, true);
	send(&b, 1, OP_PUT, STRONG(.value = slice_str("1")));
	assert_true(sim_until(b.sim, is_answered, USEC_PER_SEC));
	net_cut(&b.sim->net, 1, 0, false);
	net_cut(&b.sim->net, 2, 0, false);
	send(&b, 0, OP_PUT, STRONG(.value = slice_str("2")));
	assert_true(sim_until(b.sim, is_answered, 5 * USEC_PER_SEC));
	assert_int_equal(b.answer.result.status, KV_OK);
	assert_int_equal(costs_of(&b.sim->costs, b.cost)->rounds, 2);
	teardown(&b);
}

/* A put that a minority has taken and the others refuse for a promise: a ballot of two rounds decides. */
static void a_strong_put_that_collides_is_two_rounds_more(void **state)
{
	struct bench b;
	setup(&b, 3);
	ask(&b, 1, OP_PUT, STRONG(.value = slice_str("1")), KV_OK, 1, 1);
	for (uint16_t node = 1; node < 3; node++)
		b.sim->nodes[node].offset_us = 200 * (int64_t)USEC_PER_MSEC;
	net_cut(&b.sim->net, 1, 0, true);
	net_cut(&b.sim->net, 2, 0, true);
	/* A condition that fails leaves its promise behind at the two. */
	send(&b, 1, OP_CAS, STRONG(.has_expected = true, .value = slice_str("2")));
	assert_true(sim_until(b.sim, is_answered, USEC_PER_SEC));
	assert_int_equal(b.answer.result.status, KV_CONDITION_FAILED);
	net_cut(&b.sim->net, 1, 0, false);
	net_cut(&b.sim->net, 2, 0, false);
	send(&b, 0, OP_PUT, STRONG(.value = slice_str("3")));
	assert_true(sim_until(b.sim, is_answered, 5 * USEC_PER_SEC));
	assert_int_equal(b.answer.result.status, KV_OK);
	assert_int_equal(costs_of(&b.sim->costs, b.cost)->rounds, 3);
	teardown(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_eventual_put_or_get_is_one_round_at_most),
		cmocka_unit_test(an_uncontended_strong_put_delete_or_get_is_one_round),
		cmocka_unit_test(a_compare_and_set_is_two_rounds_and_one_write),
		cmocka_unit_test(a_condition_that_fails_is_one_round_and_no_write),
		cmocka_unit_test(an_increment_is_two_rounds_and_one_write),
		cmocka_unit_test(with_a_cached_promise_an_increment_is_one_round),
		cmocka_unit_test(a_strong_get_during_a_write_is_two_rounds),
		cmocka_unit_test(a_strong_put_with_a_clock_that_is_behind_is_one_round_more),
		cmocka_unit_test(a_strong_put_that_collides_is_two_rounds_more),
	};
	return test_run("sim_costs", tests);
}
