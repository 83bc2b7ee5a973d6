/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <unistd.h>

#include "base/machine.h"

static void a_limit_counts_if_it_is_one(void **state)
{
	assert_int_equal(machine_memory_within(1000, "500\n"), 500);
	assert_int_equal(machine_memory_within(1000, "1000"), 1000);
	assert_int_equal(machine_memory_within(1000, "9223372036854771712"), 1000);
	assert_int_equal(machine_memory_within(1000, "99999999999999999999999"), 1000);
	assert_int_equal(machine_memory_within(1000, "max\n"), 1000);
	assert_int_equal(machine_memory_within(1000, ""), 1000);
	assert_int_equal(machine_memory_within(1000, "0"), 1000);
}

static void this_machine_has_memory(void **state)
{
	uint64_t bytes = machine_memory();
	assert_true(bytes >= 16 << 20);
	assert_true(bytes <= (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_counts_if_it_is_one),
		cmocka_unit_test(this_machine_has_memory),
	};
	return test_run("machine", tests);
}
