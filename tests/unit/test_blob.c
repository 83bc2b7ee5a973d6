/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/blob.h"
#include "tests/support/death.h"

static void a_blob_is_a_copy(void **state)
{
	char text[] = "value";
	struct blob *blob = blob_new(slice_str(text));
	assert_non_null(blob);
	text[0] = 'X';
	assert_slice_equal(blob_slice(blob), slice_str("value"));
	blob_unref(blob);
}

static void the_bytes_live_as_long_as_a_reference(void **state)
{
	struct blob *blob = blob_new(slice_str("value"));
	struct blob *again = blob_ref(blob);
	assert_ptr_equal(again, blob);
	blob_unref(blob);
	assert_slice_equal(blob_slice(again), slice_str("value"));
	blob_unref(again); /* a sanitizer sees a leak or a double free here */
}

static void an_empty_blob_is_present_and_null_is_absent(void **state)
{
	struct blob *empty = blob_new(slice_of(NULL, 0));
	assert_non_null(empty);
	assert_int_equal(blob_slice(empty).size, 0);
	assert_non_null(blob_slice(empty).data);
	blob_unref(empty);
	assert_null(blob_slice(NULL).data);
	assert_null(blob_ref(NULL));
	blob_unref(NULL);
}

static void an_uninitialised_blob_is_filled_by_its_maker(void **state)
{
	struct blob *blob = blob_new_uninit(1000);
	assert_non_null(blob);
	memset(blob->data, 'x', blob->size);
	assert_int_equal(blob_slice(blob).size, 1000);
	assert_int_equal(blob_slice(blob).data[999], 'x');
	blob_unref(blob);
}

static void a_size_that_overflows_is_out_of_memory(void **state)
{
	volatile size_t most = SIZE_MAX;
	assert_null(blob_new_uninit(most));
	assert_null(blob_new_uninit(most - sizeof(struct blob) + 1));
}

static void losing_count_dies(void **state)
{
	struct blob *blob = blob_new(slice_str("value"));
	assert_non_null(blob);
	blob->refs = UINT32_MAX;
	assert_dies(blob_ref(blob));
	blob->refs = 0;
	assert_dies(blob_ref(blob));
	assert_dies(blob_unref(blob));
	blob->refs = 1;
	blob_unref(blob);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blob_is_a_copy),
		cmocka_unit_test(the_bytes_live_as_long_as_a_reference),
		cmocka_unit_test(an_empty_blob_is_present_and_null_is_absent),
		cmocka_unit_test(an_uninitialised_blob_is_filled_by_its_maker),
		cmocka_unit_test(a_size_that_overflows_is_out_of_memory),
		cmocka_unit_test(losing_count_dies),
	};
	return test_run("blob", tests);
}
