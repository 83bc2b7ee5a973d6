/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "client/lanes.h"

static void a_write_that_is_over_makes_room_in_its_lane(void **state)
{
	struct lanes l;
	lanes_init(&l, 100);
	struct request_id one = lanes_take(&l);
	lanes_end(&l, one, /* in_doubt= */ false);
	struct request_id two = lanes_take(&l);
	assert_true(two.client == one.client);
	assert_true(two.seq > one.seq);
	assert_true(two.seq & REQUEST_LANE);
	lanes_release(&l);
}

static void writes_under_way_are_in_lanes_of_their_own(void **state)
{
	struct lanes l;
	struct request_id rid[50];
	lanes_init(&l, UINT64_MAX - 10);
	for (size_t i = 0; i < ARRAY_SIZE(rid); i++) {
		rid[i] = lanes_take(&l);
		assert_true(rid[i].client != 0);
		for (size_t j = 0; j < i; j++)
			assert_true(rid[i].client != rid[j].client);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rid); i++)
		lanes_end(&l, rid[i], /* in_doubt= */ false);
	lanes_release(&l);
}

static void a_lane_in_doubt_is_never_used_again(void **state)
{
	struct lanes l;
	lanes_init(&l, 7);
	struct request_id doubt = lanes_take(&l);
	lanes_end(&l, doubt, /* in_doubt= */ true);
	for (int i = 0; i < 5; i++) {
		struct request_id rid = lanes_take(&l);
		assert_true(rid.client != doubt.client);
		lanes_end(&l, rid, /* in_doubt= */ false);
	}
	lanes_release(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_that_is_over_makes_room_in_its_lane),
		cmocka_unit_test(writes_under_way_are_in_lanes_of_their_own),
		cmocka_unit_test(a_lane_in_doubt_is_never_used_again),
	};
	return test_run("lanes", tests);
}
