/* SPDX-License-Identifier: Apache-2.0 */
/* How kvctl verify shows a counter-example. */
#include "tests/support/test.h"

#include "cli/json.h"
#include "cli/verify_example.h"

static struct kv_node nodes[] = {{.index = 0, .name = "n1"}, {.index = 1, .name = "n2"}};

static struct history_op *place(struct history *h, uint64_t from, uint64_t to, enum history_kind kind)
{
	struct history_op *op = history_place(h, from, to);
	op->kind = kind;
	op->level = HISTORY_STRONG;
	op->outcome = HISTORY_DONE;
	return op;
}

static struct verify_example example_of(const struct history *h, const struct verdict *v,
					const struct replicas *copies)
{
	struct verify_example x = {
		.history = h, .verdict = v, .copies = copies, .nodes = nodes, .node_count = ARRAY_SIZE(nodes)};
	verify_example_init(&x);
	return x;
}

static void check_text(const struct verify_example *x, const char *message, const char *lines)
{
	CLEANUP(buf_release) struct buf said = BUF_INIT, text = BUF_INIT;
	verify_example_message(x, &said);
	verify_example_text(x, &text);
	assert_string_equal(buf_cstr(&said), message);
	assert_string_equal(buf_cstr(&text), lines);
}

static void versions_are_numbered_and_writes_that_nobody_tells_of_are_left_out(void **state)
{
	struct history h;
	history_init(&h, 1, 0);
	struct history_op *put = place(&h, 1000, 2000, HISTORY_PUT);
	put->value = 7;
	put->outcome = HISTORY_PENDING;
	put = place(&h, 1500, 2500, HISTORY_PUT);
	put->value = 8;
	put->outcome = HISTORY_PENDING;
	struct history_op *get = place(&h, 3000, 3250, HISTORY_GET);
	get->value = 7;
	get->version = (struct stamp){0x50, 1};
	struct history_op *cas = place(&h, 3500, 4000, HISTORY_PUT);
	cas->node = 1;
	cas->client = 3;
	cas->value = 9;
	cas->when.has_version = true;
	cas->when.version = get->version;
	cas->version = (struct stamp){0x4f, 2};
	cas->attempts = 2;
	h.ops[0].complete = h.ops[1].complete = HISTORY_NEVER;
	const struct verdict v = {
		.violated = true, .check = "version", .message = "#3 wrote 4f.2, below 50.1, and f.f"};
	struct verify_example x = example_of(&h, &v, NULL);
	assert_int_equal(x.shown_count, 3);
	check_text(
		&x, "#3 wrote @1, below @2, and f.f",
		"  #0       0.000 ..            client 0  n1  strong put v7 -> may have happened\n"
		"  #2       2.000 ..     2.250  client 0  n1  strong get -> v7, version @2\n"
		"  #3       2.500 ..     3.000  client 3  n2  strong put v9 if version @2 (sent 2 times) -> done, version "
		"@1\n"
		"  and 1 write more; whether they happened or not, it does not help\n");
	verify_example_release(&x);
	history_release(&h);
}

static void copies_stand_below_the_operations(void **state)
{
	struct history h;
	struct replicas copies = {0};
	history_init(&h, 1, 0);
	struct history_op *put = place(&h, 1, 2, HISTORY_PUT);
	put->value = 7;
	put->version = (struct stamp){5, 5};
	replicas_add(&copies, &(struct replica_copy){.node = 0, .ver = {6, 6}, .org = {5, 5}, .value = 7});
	replicas_add(&copies, &(struct replica_copy){.node = 1});
	replicas_add(&copies, &(struct replica_copy){.node = 9, .ver = {7, 7}, .org = {7, 7}, .tombstone = true});
	const struct verdict v = {.violated = true, .check = "agree", .message = "node 0 and node 1 differ"};
	struct verify_example x = example_of(&h, &v, &copies);
	check_text(&x, "node 0 and node 1 differ",
		   "  #0       0.000 ..     0.001  client 0  n1  strong put v7 -> done, version @1\n"
		   "  copy on n1: v7, version @1, copy @2\n"
		   "  copy on n2: none\n"
		   "  copy on ?: deleted, version @3, copy @3\n");
	CLEANUP(json_release) json_t *json = verify_example_json(&x);
	assert_int_equal(json_array_size(json_object_get(json, "operations")), 1);
	json_t *row = json_array_get(json_object_get(json, "copies"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "copy")), "0000000000000006-0000000000000006");
	assert_string_equal(json_string_value(json_object_get(row, "value")), "v7");
	verify_example_release(&x);
	replicas_release(&copies);
	history_release(&h);
}

static void a_long_content_is_cut_at_its_beginning(void **state)
{
	struct history h;
	history_init(&h, 1, 0);
	const uint64_t pieces[] = {2, 3, 4, 5, 6};
	struct history_op *get = place(&h, 1, 2, HISTORY_GET);
	get->value = history_saw(&h, 1, pieces, ARRAY_SIZE(pieces));
	const struct verdict v = {.violated = true, .check = "once", .message = "#0"};
	struct verify_example x = example_of(&h, &v, NULL);
	check_text(&x, "#0", "  #0       0.000 ..     0.001  client 0  n1  strong get -> (2 more) v3 v4 v5 v6\n");
	verify_example_release(&x);
	history_release(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_numbered_and_writes_that_nobody_tells_of_are_left_out),
		cmocka_unit_test(copies_stand_below_the_operations),
		cmocka_unit_test(a_long_content_is_cut_at_its_beginning),
	};
	return test_run("verify_example", tests);
}
