/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/cover.h"

static const struct cover_mark *mark_named(const char *name)
{
	for (size_t i = 0; i < cover_mark_count(); i++)
		if (strcmp(cover_mark_at(i)->name, name) == 0)
			return cover_mark_at(i);
	return NULL;
}

static void pass(bool one)
{
	if (one)
		COVER(test_one);
	else
		COVER(test_other);
}

static void a_mark_is_known_before_it_is_hit(void **state)
{
	assert_non_null(mark_named("test_one"));
	assert_non_null(mark_named("test_other"));
	assert_false(mark_named("test_one")->hit);
}

static void a_mark_stays_hit(void **state)
{
	pass(true);
	assert_true(mark_named("test_one")->hit);
	assert_false(mark_named("test_other")->hit);
	pass(true);
	assert_true(mark_named("test_one")->hit);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mark_is_known_before_it_is_hit),
		cmocka_unit_test(a_mark_stays_hit),
	};
	return test_run("cover", tests);
}
