/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "server/pages.h"

static void assert_own(const char *http, const char *peer, const char *expected)
{
	struct pages p;
	pages_init(&p, http, peer);
	assert_string_equal(p.own, expected);
	pages_release(&p);
}

static void a_page_is_told_as_others_reach_it(void **state)
{
	assert_own("10.0.0.1:7201", "10.0.0.1:7101", "10.0.0.1:7201");
	assert_own("127.0.0.1:7201", "127.0.0.1:7101", "127.0.0.1:7201");
	assert_own("0.0.0.0:7201", "node-1.example:7101", "node-1.example:7201");
	assert_own("[::]:7201", "[fd00::1]:7101", "[fd00::1]:7201");
}

static void a_page_on_loopback_is_told_on_one_machine_only(void **state)
{
	assert_own("127.0.0.1:7201", "10.0.0.1:7101", "");
	assert_own("localhost:7201", "node-1.example:7101", "");
	assert_own("localhost:7201", "127.0.0.1:7101", "localhost:7201");
	assert_own("", "127.0.0.1:7101", ""); /* off */
}

static void assert_known(struct pages *p, node_id node, const char *expected)
{
	struct arena arena = ARENA_INIT(1 << 16);
	struct slice known[NODES_MAX];
	pages_copy(p, &arena, known);
	assert_slice_equal(known[node], slice_str(expected));
	assert_int_equal(known[NODES_MAX - 1].size, 0);
	arena_release(&arena);
}

static void what_a_node_says_last_counts(void **state)
{
	struct pages p;
	pages_init(&p, "", "127.0.0.1:7101");
	assert_known(&p, 2, "");
	pages_note(&p, 2, slice_str("127.0.0.1:7202"));
	assert_known(&p, 2, "127.0.0.1:7202");
	pages_note(&p, 2, slice_str("[fd00::1]:80"));
	assert_known(&p, 2, "[fd00::1]:80");
	pages_note(&p, 2, slice_str(""));
	assert_known(&p, 2, "");
	pages_note(&p, NODE_NONE, slice_str("127.0.0.1:7202")); /* of a node without a place in the map */
	pages_release(&p);
}

static void what_could_lead_elsewhere_is_no_address(void **state)
{
	static const char *const strange[] = {"evil.example/x:80", "user@host:80", "host:0",  "host", "a b:80",
					      "\"><i>:80",         "host?x:80",    "host#:80"};
	struct pages p;
	pages_init(&p, "", "127.0.0.1:7101");
	for (size_t i = 0; i < ARRAY_SIZE(strange); i++) {
		pages_note(&p, 1, slice_str(strange[i]));
		assert_known(&p, 1, "");
	}
	pages_release(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_told_as_others_reach_it),
		cmocka_unit_test(a_page_on_loopback_is_told_on_one_machine_only),
		cmocka_unit_test(what_a_node_says_last_counts),
		cmocka_unit_test(what_could_lead_elsewhere_is_no_address),
	};
	return test_run("pages", tests);
}
