/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "replication/cluster_map.h"
#include "replication/driver.h"
#include "replication/placement.h"
#include "replication/voters.h"

enum { NODES = 16, PARTITIONS = 256, REPLICAS = 3, CELLS = PARTITIONS * REPLICAS };

/** A cluster as its map tells, and what the driver is told of it. */
struct bed {
	struct map_node nodes[NODES];
	char zones[NODES][8];
	node_id rows[CELLS];
	uint64_t epochs[PARTITIONS];
	struct cluster_map *map; /* in force */
	struct driver_view view;
	enum move_health moves[PARTITIONS];
	node_id plan[CELLS];
	uint32_t moves_begun, moves_arrived, moves_given_up;
	bool restless; /* nodes go down and come back: more than the limit may leave one that was down */
};

/** COUNT nodes in the map, the first FULL of them NORMAL with all partitions, the others JOINING. */
static void bed_init(struct bed *b, uint32_t count, uint32_t full, uint32_t zones)
{
	*b = (struct bed){0};
	for (node_id i = 0; i < count; i++) {
		snprintf(b->zones[i], sizeof b->zones[i], "z%u", i % zones);
		b->nodes[i] = (struct map_node){.index = i,
						.uuid = {{(uint8_t)(i + 1)}},
						.state = NODE_NORMAL,
						.peer_address = slice_str("h:1"),
						.zone = slice_str(b->zones[i]),
						.weight = 1};
		b->view.live[i] = b->view.fit[i] = true;
	}
	struct map_desc desc = {.cluster = {{9}},
				.epoch = 1,
				.partitions = PARTITIONS,
				.replicas = REPLICAS,
				.node_count = full,
				.nodes = b->nodes,
				.rows = b->rows,
				.config_epochs = b->epochs};
	struct placement_input in = {
		.partitions = PARTITIONS, .replicas = REPLICAS, .node_count = full, .nodes = b->nodes};
	assert_int_equal(placement_plan(&in, b->rows, NULL), KV_OK);
	for (uint32_t p = 0; p < PARTITIONS; p++)
		b->epochs[p] = 1;
	desc.voter_count = voters_choose(&desc, NULL, desc.voters);
	desc.node_count = count;
	for (uint32_t i = full; i < count; i++)
		b->nodes[i].state = NODE_JOINING;
	assert_int_equal(cluster_map_check(&desc, NULL), KV_OK);
	b->map = cluster_map_new(&desc);
}

static void bed_release(struct bed *b) { cluster_map_free(b->map); }

/** Edits the map in force, as a change by an operator does. */
static struct map_node *bed_node(struct bed *b, node_id node)
{
	return (struct map_node *)&b->map->desc.nodes[node];
}

static void count_moves(struct bed *b, const struct map_desc *before, const struct map_desc *next)
{
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		struct cluster_map *a = b->map;
		struct row was = cluster_map_row(a, (uint16_t)p);
		const struct map_move *now = NULL;
		for (uint32_t i = 0; i < next->move_count; i++)
			now = next->moves[i].partition == p ? &next->moves[i] : now;
		bool over = was.move && (!now || !uuid_equal(&was.move->session, &now->session));
		bool same = memcmp(before->rows + (size_t)p * REPLICAS, next->rows + (size_t)p * REPLICAS,
				   REPLICAS * sizeof(node_id)) == 0;
		b->moves_begun += now && (!was.move || over);
		b->moves_arrived += over && !same;
		b->moves_given_up += over && same;
	}
}

static void expect_limits(const struct map_desc *map, bool restless)
{
	uint32_t in[NODES] = {0}, out[NODES] = {0};
	for (uint32_t i = 0; i < map->move_count; i++) {
		const struct map_move *m = &map->moves[i];
		for (uint32_t j = 0; j < REPLICAS; j++) {
			bool joins = true, leaves = true;
			for (uint32_t k = 0; k < REPLICAS; k++) {
				joins &= m->old_row[k] != m->new_row[j];
				leaves &= m->new_row[k] != m->old_row[j];
			}
			in[m->new_row[j]] += joins;
			out[m->old_row[j]] += leaves;
		}
	}
	for (uint32_t i = 0; i < map->node_count; i++) {
		assert_true(in[i] <= MOVES_IN_MAX);
		assert_true(restless || out[i] <= MOVES_OUT_MAX);
	}
}

/** The next map takes force; false if there is none. */
static bool next_map(struct bed *b)
{
	struct map_draft d;
	struct error err = {0};
	map_draft_init(&d, &b->map->desc);
	bool planned = driver_plan(&b->map->desc, b->plan, NULL) == KV_OK;
	b->view.moves = b->moves;
	b->view.plan = planned ? b->plan : NULL;
	b->view.seed++;
	bool changed = driver_next(&d, &b->view);
	if (changed) {
		if (cluster_map_check(&d.desc, &err) != KV_OK ||
		    cluster_map_check_next(&b->map->desc, &d.desc, &err) != KV_OK)
			fail_msg("%s", err.message);
		count_moves(b, &b->map->desc, &d.desc);
		struct cluster_map *next = cluster_map_new(&d.desc);
		cluster_map_free(b->map);
		b->map = next;
		memset(b->moves, 0, sizeof b->moves);
		expect_limits(&b->map->desc, b->restless);
	}
	map_draft_release(&d);
	return changed;
}

/** All moves arrive at once, map after map, until there is nothing to do; how many maps that took. */
static uint32_t run(struct bed *b)
{
	for (uint32_t maps = 0; maps < 1000; maps++) {
		for (uint32_t i = 0; i < b->map->desc.move_count; i++)
			b->moves[i] = MOVE_ARRIVED;
		if (!next_map(b))
			return maps;
	}
	fail_msg("the driver does not come to an end");
	return 0;
}

static uint32_t held(const struct bed *b, node_id node)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < CELLS; i++)
		count += b->map->desc.rows[i] == node;
	return count;
}

/** NODE, which leaves, is kept by a commit. */
static void keep(struct bed *b, node_id node)
{
	struct map_draft d;
	struct error err = {0};
	map_draft_init(&d, &b->map->desc);
	d.nodes[node].keep_staged = true;
	assert_int_equal(map_draft_commit(&d), 1);
	if (cluster_map_check_next(&b->map->desc, &d.desc, &err) != KV_OK)
		fail_msg("%s", err.message);
	count_moves(b, &b->map->desc, &d.desc);
	struct cluster_map *next = cluster_map_new(&d.desc);
	cluster_map_free(b->map);
	b->map = next;
	map_draft_release(&d);
}

static void a_cluster_that_is_as_it_should_be_gets_no_map(void **state)
{
	struct bed b;
	bed_init(&b, 5, 5, 5);
	assert_false(next_map(&b));
	bed_release(&b);
}

static void nodes_that_join_get_their_share_and_nothing_moves_twice(void **state)
{
	struct bed b;
	bed_init(&b, 5, 3, 5);
	uint32_t ideal = CELLS * 2 / 5; /* replicas; a partition may get both nodes in one move */
	run(&b);
	for (node_id i = 0; i < 5; i++) {
		assert_in_range(held(&b, i), CELLS / 5, CELLS / 5 + 1);
		assert_int_equal(b.map->desc.nodes[i].state, NODE_NORMAL);
	}
	assert_true(b.moves_begun <= ideal + ideal / 50);
	assert_int_equal(b.moves_arrived, b.moves_begun);
	assert_int_equal(b.map->desc.voter_count, 5);
	bed_release(&b);
}

static void a_node_that_leaves_is_removed_when_it_owes_nothing(void **state)
{
	struct bed b;
	bed_init(&b, 5, 5, 5);
	bed_node(&b, 1)->state = NODE_LEAVING;
	run(&b);
	assert_int_equal(held(&b, 1), 0);
	assert_int_equal(b.map->desc.nodes[1].state, NODE_LEAVING);
	assert_int_equal(b.map->desc.voter_count, 3); /* four nodes are left */
	b.view.drained[1] = true;
	b.view.live[1] = false;
	assert_false(next_map(&b)); /* what it told may be old */
	b.view.live[1] = true;
	assert_true(next_map(&b));
	assert_int_equal(b.map->desc.nodes[1].state, NODE_REMOVED);
	assert_false(next_map(&b));
	bed_release(&b);
}

static void a_node_that_leaves_is_no_voter_when_it_goes(void **state)
{
	struct bed b;
	bed_init(&b, 4, 4, 4);
	b.view.drained[0] = true;
	bed_node(&b, 0)->state = NODE_LEAVING;
	uint64_t voted_until = 0, removed_at = 0;
	while (next_map(&b)) {
		for (uint32_t i = 0; i < b.map->desc.voter_count; i++)
			voted_until = b.map->desc.voters[i] == 0 ? b.map->desc.epoch : voted_until;
		if (b.map->desc.nodes[0].state == NODE_REMOVED && removed_at == 0)
			removed_at = b.map->desc.epoch;
		for (uint32_t i = 0; i < b.map->desc.move_count; i++)
			b.moves[i] = MOVE_ARRIVED;
	}
	assert_true(removed_at > voted_until + 1);
	bed_release(&b);
}

static void a_node_kept_half_way_loses_no_more_and_gets_back_what_it_gave(void **state)
{
	struct bed b;
	bed_init(&b, 5, 5, 5);
	uint32_t share = held(&b, 1);
	bed_node(&b, 1)->state = NODE_LEAVING;
	while (held(&b, 1) > share / 2) {
		for (uint32_t i = 0; i < b.map->desc.move_count; i++)
			b.moves[i] = MOVE_ARRIVED;
		assert_true(next_map(&b));
	}
	uint32_t left = held(&b, 1), under_way = b.map->desc.move_count;
	assert_int_equal(under_way, MOVES_OUT_MAX);
	keep(&b, 1);
	assert_int_equal(b.map->desc.nodes[1].state, NODE_NORMAL);
	assert_false(b.map->desc.nodes[1].keep_staged);
	assert_int_equal(b.map->desc.move_count, 0);
	assert_int_equal(b.moves_given_up, under_way);
	assert_int_equal(held(&b, 1), left);
	uint32_t begun = b.moves_begun;
	run(&b);
	assert_in_range(held(&b, 1), share - 1, share + 1);
	assert_in_range(b.moves_begun - begun, share - left - 1, share - left + 1); /* what is missing, no more */
	bed_release(&b);
}

static void a_node_kept_ends_only_moves_that_take_from_it(void **state)
{
	struct bed b;
	bed_init(&b, 6, 5, 6);
	bed_node(&b, 5)->state = NODE_NORMAL;
	assert_true(next_map(&b)); /* others give node 5 its share */
	uint32_t under_way = b.map->desc.move_count, ends = 0;
	for (uint32_t i = 0; i < under_way; i++)
		ends += !row_has(b.map->desc.moves[i].new_row, REPLICAS, 1) &&
			row_has(b.map->desc.moves[i].old_row, REPLICAS, 1);
	assert_true(ends > 0 && ends < under_way);
	bed_node(&b, 1)->state = NODE_LEAVING;
	keep(&b, 1);
	assert_int_equal(b.moves_given_up, ends);
	assert_int_equal(b.map->desc.move_count, under_way - ends);
	run(&b);
	assert_in_range(held(&b, 1), CELLS / 6, CELLS / 6 + 1);
	bed_release(&b);
}

static void a_node_kept_that_has_nothing_left_joins_again(void **state)
{
	struct bed b;
	bed_init(&b, 5, 5, 5);
	bed_node(&b, 1)->state = NODE_LEAVING;
	run(&b);
	assert_int_equal(held(&b, 1), 0);
	keep(&b, 1);
	assert_int_equal(b.map->desc.nodes[1].state, NODE_JOINING);
	b.view.drained[1] = true; /* from before */
	run(&b);
	assert_int_equal(b.map->desc.nodes[1].state, NODE_NORMAL);
	assert_in_range(held(&b, 1), CELLS / 5, CELLS / 5 + 1);
	bed_release(&b);
}

/* Seed 45 of clusters that change: the commit that came later took the node back that had been removed. */
static void a_node_that_left_before_the_commit_is_not_kept_by_it(void **state)
{
	struct bed b;
	bed_init(&b, 5, 5, 5);
	bed_node(&b, 1)->state = NODE_LEAVING;
	run(&b);
	bed_node(&b, 1)->keep_staged = true;
	b.view.drained[1] = true;
	run(&b);
	assert_int_equal(b.map->desc.nodes[1].state, NODE_REMOVED);
	assert_false(b.map->desc.nodes[1].keep_staged);
	bed_release(&b);
}

static void a_node_that_left_has_nothing_staged_any_more(void **state)
{
	struct bed b;
	bed_init(&b, 5, 5, 5);
	bed_node(&b, 1)->state = NODE_LEAVING;
	run(&b);
	bed_node(&b, 1)->gone_staged = true;
	b.view.drained[1] = true;
	run(&b);
	assert_int_equal(b.map->desc.nodes[1].state, NODE_REMOVED);
	assert_false(map_node_is_staged(&b.map->desc.nodes[1]));
	bed_release(&b);
}

static void a_dead_node_is_replaced_from_those_that_are_left(void **state)
{
	struct bed b;
	bed_init(&b, 5, 4, 5);
	bed_node(&b, 2)->state = NODE_REMOVED;
	b.view.live[2] = b.view.fit[2] = false;
	uint32_t lost = held(&b, 2);
	run(&b);
	assert_int_equal(held(&b, 2), 0);
	assert_true(held(&b, 4) >= lost - lost / 50);
	assert_true(b.moves_begun <= lost + lost / 50);
	for (uint32_t i = 0; i < b.map->desc.voter_count; i++)
		assert_true(b.map->desc.voters[i] != 2);
	bed_release(&b);
}

static void nothing_is_started_towards_a_node_that_does_not_answer(void **state)
{
	struct bed b;
	bed_init(&b, 4, 3, 4);
	b.view.live[3] = false;
	assert_false(next_map(&b));
	b.view.live[3] = true;
	assert_true(next_map(&b));
	assert_int_equal(b.map->desc.move_count, MOVES_IN_MAX);
	bed_release(&b);
}

static void nothing_is_started_without_a_majority_to_copy_from(void **state)
{
	struct bed b;
	bed_init(&b, 4, 3, 4);
	b.view.live[0] = b.view.live[1] = false;
	assert_false(next_map(&b));
	bed_release(&b);
}

static void a_pause_gives_up_what_is_under_way_and_begins_nothing(void **state)
{
	struct bed b;
	bed_init(&b, 4, 3, 4);
	assert_true(next_map(&b));
	assert_true(b.map->desc.move_count > 0);
	b.map->desc.paused = true;
	assert_true(next_map(&b));
	assert_int_equal(b.map->desc.move_count, 0);
	assert_int_equal(b.moves_arrived, 0);
	assert_false(next_map(&b));
	b.map->desc.paused = false;
	run(&b);
	assert_in_range(held(&b, 3), CELLS / 4, CELLS / 4 + 1);
	bed_release(&b);
}

static void what_has_arrived_counts_in_a_pause_too(void **state)
{
	struct bed b;
	bed_init(&b, 4, 3, 4);
	assert_true(next_map(&b));
	b.map->desc.paused = true;
	b.moves[0] = MOVE_ARRIVED;
	assert_true(next_map(&b));
	assert_int_equal(b.moves_arrived, 1);
	bed_release(&b);
}

static void a_stuck_move_is_given_up_and_begun_anew(void **state)
{
	struct bed b;
	bed_init(&b, 4, 3, 4);
	assert_true(next_map(&b));
	struct uuid session = b.map->desc.moves[0].session;
	uint16_t partition = b.map->desc.moves[0].partition;
	b.moves[0] = MOVE_STUCK;
	assert_true(next_map(&b));
	struct row row = cluster_map_row(b.map, partition);
	assert_true(!row.move || !uuid_equal(&row.move->session, &session));
	assert_int_equal(b.moves_given_up, 1);
	assert_int_equal(b.map->desc.config_epochs[partition], b.map->desc.epoch);
	bed_release(&b);
}

static void a_move_to_a_node_that_goes_is_given_up_even_if_it_has_arrived(void **state)
{
	struct bed b;
	bed_init(&b, 5, 3, 5);
	assert_true(next_map(&b));
	bed_node(&b, 4)->state = NODE_REMOVED;
	b.view.live[4] = false;
	for (uint32_t i = 0; i < b.map->desc.move_count; i++)
		b.moves[i] = MOVE_ARRIVED;
	assert_true(next_map(&b));
	assert_int_equal(held(&b, 4), 0);
	run(&b);
	assert_int_equal(held(&b, 4), 0);
	assert_false(cluster_map_holds(&b.map->desc, 4));
	bed_release(&b);
}

static void a_silent_voter_is_replaced_and_may_come_back(void **state)
{
	struct bed b;
	bed_init(&b, 4, 4, 4);
	b.view.fit[1] = false;
	assert_true(next_map(&b));
	assert_int_equal(b.map->desc.voters[1], 2);
	assert_int_equal(b.map->desc.voters[2], 3);
	b.view.fit[1] = true;
	assert_false(next_map(&b)); /* those who vote now stay */
	bed_release(&b);
}

/** Random nodes come, go, die and answer or not; what is under way arrives, is stuck or goes on. In the end all is in order. */
static void whatever_happens_maps_follow_the_rules_and_an_end_is_reached(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct bed b;
		struct rng rng;
		rng_init(&rng, seed);
		bed_init(&b, 9, (uint32_t)rng_between(&rng, 4, 7), (uint32_t)rng_between(&rng, 1, 5));
		b.restless = true;
		for (uint32_t i = 0; i < 60; i++) {
			node_id node = (node_id)rng_below(&rng, 9);
			uint32_t here = 0;
			for (uint32_t k = 0; k < 9; k++)
				here += b.map->desc.nodes[k].state == NODE_NORMAL;
			b.view.live[node] = rng_chance(&rng, 700000);
			b.view.fit[node] = rng_chance(&rng, 800000);
			b.view.drained[node] = true;
			if (here > 5 && rng_chance(&rng, 100000) && b.map->desc.nodes[node].state == NODE_NORMAL)
				bed_node(&b, node)->state = rng_chance(&rng, 500000) ? NODE_LEAVING : NODE_REMOVED;
			else if (b.map->desc.nodes[node].state == NODE_LEAVING && rng_chance(&rng, 200000))
				keep(&b, node);
			if (rng_chance(&rng, 50000))
				b.map->desc.paused = !b.map->desc.paused;
			for (uint32_t k = 0; k < b.map->desc.move_count; k++)
				b.moves[k] = (enum move_health)rng_below(&rng, 3);
			(void)next_map(&b);
		}
		b.map->desc.paused = false;
		for (uint32_t i = 0; i < 9; i++)
			b.view.live[i] = b.view.fit[i] = b.view.drained[i] = true;
		run(&b);
		assert_int_equal(b.map->desc.move_count, 0);
		for (node_id i = 0; i < 9; i++) {
			enum node_state s = b.map->desc.nodes[i].state;
			assert_true(s == NODE_NORMAL || s == NODE_REMOVED);
			assert_true(s == NODE_NORMAL || held(&b, i) == 0);
		}
		assert_int_equal(driver_count_waiting(&b.map->desc, b.plan), 0);
		bed_release(&b);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cluster_that_is_as_it_should_be_gets_no_map),
		cmocka_unit_test(nodes_that_join_get_their_share_and_nothing_moves_twice),
		cmocka_unit_test(a_node_that_leaves_is_removed_when_it_owes_nothing),
		cmocka_unit_test(a_node_that_leaves_is_no_voter_when_it_goes),
		cmocka_unit_test(a_node_kept_half_way_loses_no_more_and_gets_back_what_it_gave),
		cmocka_unit_test(a_node_kept_ends_only_moves_that_take_from_it),
		cmocka_unit_test(a_node_kept_that_has_nothing_left_joins_again),
		cmocka_unit_test(a_node_that_left_before_the_commit_is_not_kept_by_it),
		cmocka_unit_test(a_node_that_left_has_nothing_staged_any_more),
		cmocka_unit_test(a_dead_node_is_replaced_from_those_that_are_left),
		cmocka_unit_test(nothing_is_started_towards_a_node_that_does_not_answer),
		cmocka_unit_test(nothing_is_started_without_a_majority_to_copy_from),
		cmocka_unit_test(a_pause_gives_up_what_is_under_way_and_begins_nothing),
		cmocka_unit_test(what_has_arrived_counts_in_a_pause_too),
		cmocka_unit_test(a_stuck_move_is_given_up_and_begun_anew),
		cmocka_unit_test(a_move_to_a_node_that_goes_is_given_up_even_if_it_has_arrived),
		cmocka_unit_test(a_silent_voter_is_replaced_and_may_come_back),
		cmocka_unit_test(whatever_happens_maps_follow_the_rules_and_an_end_is_reached),
	};
	return test_run("driver", tests);
}
