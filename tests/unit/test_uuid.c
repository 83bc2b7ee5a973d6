/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "base/types.h"

static const struct uuid known = {
	{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}};
static const char known_text[] = "00112233-4455-6677-8899-aabbccddeeff";

static void the_text_form_is_the_usual_one(void **state)
{
	char text[UUID_TEXT_SIZE];
	uuid_format(&known, text);
	assert_string_equal(text, known_text);
}

static void what_was_formatted_parses_back(void **state)
{
	struct rng rng;
	rng_init(&rng, 19);
	for (int i = 0; i < 1000; i++) {
		struct uuid id;
		for (size_t j = 0; j < sizeof id.bytes; j++)
			id.bytes[j] = (uint8_t)rng_next(&rng);
		char text[UUID_TEXT_SIZE];
		uuid_format(&id, text);
		struct uuid back;
		assert_true(uuid_parse(text, &back));
		assert_true(uuid_equal(&id, &back));
	}
}

static void upper_case_is_read_too(void **state)
{
	struct uuid id;
	assert_true(uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", &id));
	assert_true(uuid_equal(&id, &known));
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		"00112233-4455-6677-8899-aabbccddeef",
		"00112233-4455-6677-8899-aabbccddeeff0",
		"00112233445566778899aabbccddeeff",
		"00112233-4455-6677-8899-aabbccddeefg",
		"0011223-34455-6677-8899-aabbccddeeff",
		"{0112233-4455-6677-8899-aabbccddeeff",
		" 0112233-4455-6677-8899-aabbccddeeff",
		"00112233 4455 6677 8899 aabbccddeeff",
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct uuid id = known;
		assert_false(uuid_parse(bad[i], &id));
		assert_true(uuid_equal(&id, &known));
	}
	/* Every single wrong character, at every place. */
	for (size_t i = 0; i < UUID_TEXT_SIZE - 1; i++) {
		char text[UUID_TEXT_SIZE];
		memcpy(text, known_text, sizeof text);
		text[i] = 'x';
		struct uuid id = known;
		assert_false(uuid_parse(text, &id));
	}
}

static void all_zero_means_none(void **state)
{
	struct uuid none = {{0}};
	assert_true(uuid_is_zero(&none));
	assert_false(uuid_is_zero(&known));
	none.bytes[15] = 1;
	assert_false(uuid_is_zero(&none));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_form_is_the_usual_one),
		cmocka_unit_test(what_was_formatted_parses_back),
		cmocka_unit_test(upper_case_is_read_too),
		cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
		cmocka_unit_test(all_zero_means_none),
	};
	return test_run("uuid", tests);
}
