/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/hlc.h"
#include "base/rng.h"

enum { DRIFT_MAX_MS = 500, AHEAD_MS = 1000 };

/* Some day of 2026, in microseconds. */
#define WALL_US ((usec_t)1790000000 * USEC_PER_SEC)

static void a_value_is_milliseconds_above_sixteen_bits_of_fraction(void **state)
{
	assert_true(hlc_from_wall_us(0) == 0);
	assert_true(hlc_from_wall_us(1000) == 65536);
	assert_true(hlc_from_wall_us(1500) == 65536 + 32768);
	assert_true(hlc_ms(hlc_from_wall_us(WALL_US + 999)) == WALL_US / USEC_PER_MSEC);
	assert_true(hlc_from_wall_us(WALL_US + 1) > hlc_from_wall_us(WALL_US));
	assert_true(hlc_from_ms(3) == hlc_from_wall_us(3000));
	/* 48 bits of milliseconds reach far past any clock this code will see. */
	usec_t year_5000_us = (usec_t)95617584000 * USEC_PER_SEC;
	assert_true(hlc_ms(hlc_from_wall_us(year_5000_us)) == year_5000_us / USEC_PER_MSEC);
}

static void it_never_goes_back_whatever_the_wall_clock_does(void **state)
{
	struct rng rng;
	rng_init(&rng, 14);
	struct hlc clock;
	hlc_init(&clock, 0);
	hlc_set_limit(&clock, UINT64_MAX);
	usec_t wall_us = WALL_US;
	hlc_t last = 0;
	for (int i = 0; i < 100000; i++) {
		if (rng_chance(&rng, 1000))
			wall_us = WALL_US - 1000000 + rng_below(&rng, 2000000); /* somebody set the clock */
		else
			wall_us += rng_below(&rng, 50);
		hlc_t peeked = hlc_peek(&clock, wall_us);
		hlc_t now;
		assert_true(hlc_now(&clock, wall_us, &now));
		assert_true(now == peeked);
		assert_true(now > last);
		assert_true(now >= hlc_from_wall_us(wall_us));
		last = now;
		if (rng_chance(&rng, 100000)) {
			hlc_t seen = hlc_from_wall_us(wall_us) + rng_below(&rng, hlc_from_ms(DRIFT_MAX_MS));
			assert_true(hlc_observe(&clock, wall_us, seen, DRIFT_MAX_MS));
			last = MAX(last, seen);
		}
	}
}

static void nothing_above_the_durable_limit_is_issued(void **state)
{
	struct hlc clock;
	hlc_init(&clock, 0);
	hlc_t now = 77;
	assert_false(hlc_now(&clock, WALL_US, &now));
	assert_true(now == 77);
	hlc_set_limit(&clock, hlc_from_wall_us(WALL_US));
	assert_true(hlc_now(&clock, WALL_US, &now));
	assert_true(now == hlc_from_wall_us(WALL_US));
	assert_false(hlc_now(&clock, WALL_US, &now));
	assert_false(hlc_now(&clock, WALL_US + 1, &now));
	hlc_set_limit(&clock, hlc_from_wall_us(WALL_US) + 1);
	assert_true(hlc_now(&clock, WALL_US, &now));
	assert_true(now == clock.limit);
	assert_false(hlc_now(&clock, WALL_US, &now));
}

static void a_restart_issues_nothing_that_was_issued_before(void **state)
{
	struct rng rng;
	rng_init(&rng, 15);
	hlc_t durable = 0;
	hlc_t greatest = 0;
	int issued = 0;
	usec_t wall_us = WALL_US;
	for (int life = 0; life < 200; life++) {
		struct hlc clock;
		hlc_init(&clock, durable);
		wall_us -= rng_below(&rng, 5000); /* the clock may even be behind after a restart */
		for (int i = 0; i < 100; i++) {
			wall_us += rng_below(&rng, 20000);
			hlc_t wanted = hlc_wants_limit(&clock, wall_us, AHEAD_MS);
			if (wanted) {
				durable = wanted;
				hlc_set_limit(&clock, durable);
			}
			hlc_t now;
			if (!hlc_now(&clock, wall_us, &now))
				continue; /* until physical time is near the limit of the life before */
			assert_true(now > greatest);
			assert_true(now <= durable);
			greatest = now;
			issued++;
		}
	}
	assert_true(issued > 200 * 30);
}

static void quick_restarts_do_not_push_the_limit_ahead(void **state)
{
	hlc_t durable = 0;
	for (int life = 0; life < 100; life++) {
		struct hlc clock;
		hlc_init(&clock, durable);
		hlc_t wanted = hlc_wants_limit(&clock, WALL_US, AHEAD_MS);
		durable = MAX(durable, wanted);
	}
	assert_true(durable == hlc_from_wall_us(WALL_US) + hlc_from_ms(AHEAD_MS));
}

static void a_limit_is_wanted_once_half_of_the_lead_is_used(void **state)
{
	struct hlc clock;
	hlc_init(&clock, 0);
	hlc_t limit = hlc_wants_limit(&clock, WALL_US, AHEAD_MS);
	assert_true(limit == hlc_from_wall_us(WALL_US) + hlc_from_ms(AHEAD_MS));
	hlc_set_limit(&clock, limit);
	assert_true(hlc_wants_limit(&clock, WALL_US, AHEAD_MS) == 0);
	assert_true(hlc_wants_limit(&clock, WALL_US + AHEAD_MS * USEC_PER_MSEC / 2, AHEAD_MS) == 0);
	assert_true(hlc_wants_limit(&clock, WALL_US + AHEAD_MS * USEC_PER_MSEC / 2 + 1000, AHEAD_MS) > limit);
}

static void a_lower_limit_is_ignored(void **state)
{
	struct hlc clock;
	hlc_init(&clock, 1000);
	hlc_set_limit(&clock, 999);
	assert_true(clock.limit == 1000);
}

static void a_value_too_far_ahead_is_not_adopted(void **state)
{
	struct hlc clock;
	hlc_init(&clock, 0);
	hlc_t edge = hlc_from_wall_us(WALL_US) + hlc_from_ms(DRIFT_MAX_MS);
	assert_false(hlc_observe(&clock, WALL_US, edge + 1, DRIFT_MAX_MS));
	assert_false(hlc_observe(&clock, WALL_US, UINT64_MAX, DRIFT_MAX_MS));
	assert_true(clock.last == 0);
	assert_true(hlc_observe(&clock, WALL_US, edge, DRIFT_MAX_MS));
	assert_true(clock.last == edge);
	assert_true(hlc_observe(&clock, WALL_US, 5, DRIFT_MAX_MS));
	assert_true(clock.last == edge);
	assert_true(hlc_peek(&clock, WALL_US) == edge + 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_milliseconds_above_sixteen_bits_of_fraction),
		cmocka_unit_test(it_never_goes_back_whatever_the_wall_clock_does),
		cmocka_unit_test(nothing_above_the_durable_limit_is_issued),
		cmocka_unit_test(a_restart_issues_nothing_that_was_issued_before),
		cmocka_unit_test(quick_restarts_do_not_push_the_limit_ahead),
		cmocka_unit_test(a_limit_is_wanted_once_half_of_the_lead_is_used),
		cmocka_unit_test(a_lower_limit_is_ignored),
		cmocka_unit_test(a_value_too_far_ahead_is_not_adopted),
	};
	return test_run("hlc", tests);
}
