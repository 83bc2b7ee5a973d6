/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/support/death.h"

static void a_false_assert_dies_and_a_true_one_does_not(void **state)
{
	KV_ASSERT(1 + 1 == 2);
	assert_dies(KV_ASSERT(1 + 1 == 3));
	assert_dies(KV_UNREACHABLE("shown by this test"));
}

/* Runs a panic with stderr on a pipe and returns what it wrote. */
static size_t panic_output(const char *expression, char *text, size_t size)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		death_prepare_child();
		dup2(ends[1], STDERR_FILENO);
		kv_panic_at("base/some.c", 12, expression);
	}
	close(ends[1]);
	size_t used = 0;
	ssize_t got;
	while ((got = read(ends[0], text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	close(ends[0]);
	assert_true(death_was_abort(child));
	return used;
}

static void the_panic_line_names_the_place_and_always_ends(void **state)
{
	char text[2048];
	panic_output("a == b", text, sizeof text);
	assert_string_equal(text, "level=error event=panic file=base/some.c line=12 expression=\"a == b\"\n");
	char wide[1000];
	memset(wide, 'x', sizeof wide - 1);
	wide[sizeof wide - 1] = '\0';
	size_t size = panic_output(wide, text, sizeof text);
	assert_int_equal(text[size - 1], '\n');
	assert_true(strchr(text, '\n') == text + size - 1);
}

static void allocation_of_nothing_gives_something_to_free(void **state)
{
	void *ptr = xmalloc(0);
	assert_non_null(ptr);
	ptr = xrealloc(ptr, 0);
	assert_non_null(ptr);
	free(ptr);
	uint8_t *zeroed = xcalloc(0, 8);
	assert_non_null(zeroed);
	free(zeroed);
}

static void a_scope_frees_what_was_not_taken(void **state)
{
	char *kept;
	{
		CLEANUP(free_ptr) char *freed = xstrdup("freed");
		CLEANUP(free_ptr) char *taken = xstrdup("kept");
		assert_string_equal(freed, "freed");
		kept = TAKE_PTR(taken);
		assert_null(taken);
	}
	assert_string_equal(kept, "kept");
	free(kept);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_false_assert_dies_and_a_true_one_does_not),
		cmocka_unit_test(the_panic_line_names_the_place_and_always_ends),
		cmocka_unit_test(allocation_of_nothing_gives_something_to_free),
		cmocka_unit_test(a_scope_frees_what_was_not_taken),
	};
	return test_run("panic", tests);
}
