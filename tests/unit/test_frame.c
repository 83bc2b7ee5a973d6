/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/rng.h"
#include "proto/frame.h"
#include "proto/msg.h"

static const struct frame_limits limits = {
	.meta_max = META_SIZE_MAX,
	.meta_admin_max = META_SIZE_ADMIN_MAX,
	.value_max = VALUE_SIZE_DEFAULT_MAX,
};

static enum frame_error decode(const struct frame_header *h, const struct frame_limits *l, struct frame_header *ret)
{
	uint8_t bytes[FRAME_HEADER_SIZE];
	frame_header_encode(h, bytes);
	return frame_header_decode(bytes, l, ret);
}

/** Writes the header sum again, as someone would who forges a header. */
static void seal(uint8_t *bytes)
{
	uint8_t summed[28];
	memcpy(summed, bytes, 4);
	memcpy(summed + 4, bytes + 8, 24);
	store_le32(bytes + 4, (uint32_t)hash64(slice_of(summed, sizeof summed)));
}

static void a_header_comes_back_as_it_was(void **state)
{
	struct rng rng;
	rng_init(&rng, 1);
	for (int i = 0; i < 10000; i++) {
		struct frame_header h = {
			.request_id = rng_next(&rng),
			.opcode = (uint16_t)rng_next(&rng),
			.flags = (uint16_t)rng_next(&rng),
			.meta_size = (uint32_t)rng_below(&rng, META_SIZE_MAX + 1),
			.value_size = (uint32_t)rng_below(&rng, VALUE_SIZE_DEFAULT_MAX + 1),
			.body_sum = (uint32_t)rng_next(&rng),
		};
		struct frame_header back;
		assert_int_equal(decode(&h, &limits, &back), FRAME_OK);
		assert_true(back.request_id == h.request_id);
		assert_int_equal(back.opcode, h.opcode);
		assert_int_equal(back.flags, h.flags);
		assert_int_equal(back.meta_size, h.meta_size);
		assert_int_equal(back.value_size, h.value_size);
		assert_int_equal(back.body_sum, h.body_sum);
		assert_int_equal(frame_size(&back), 32 + h.meta_size + h.value_size);
	}
}

static void every_field_lies_where_the_document_says(void **state)
{
	struct frame_header h = {
		.request_id = 0x1122334455667788,
		.opcode = OP_PUT,
		.flags = FRAME_REPLY | FRAME_TRACE,
		.meta_size = 0x1234,
		.value_size = 0x56789a,
		.body_sum = 0xdeadbeef,
	};
	uint8_t bytes[FRAME_HEADER_SIZE];
	frame_header_encode(&h, bytes);
	static const uint8_t head[] = {0x4b, 0x56, 1, 8};
	static const uint8_t tail[] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x02, 0x01, 0x11, 0x00,
				       0x34, 0x12, 0x00, 0x00, 0x9a, 0x78, 0x56, 0x00, 0xef, 0xbe, 0xad, 0xde};
	assert_memory_equal(bytes, head, sizeof head);
	assert_memory_equal(bytes + 8, tail, sizeof tail);
}

static void every_flipped_bit_of_a_header_is_noticed(void **state)
{
	struct frame_header h = {.request_id = 5, .opcode = OP_GET, .meta_size = 100, .body_sum = 77};
	uint8_t bytes[FRAME_HEADER_SIZE];
	frame_header_encode(&h, bytes);
	for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		struct frame_header back = {.request_id = 99};
		enum frame_error error = frame_header_decode(bytes, &limits, &back);
		enum frame_error want = bit < 16 ? FRAME_BAD_MAGIC : bit < 24 ? FRAME_BAD_VERSION : FRAME_BAD_SUM;
		assert_int_equal(error, want);
		assert_true(frame_error_closes(error));
		assert_int_equal(back.request_id, 99);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void a_header_of_another_length_is_of_another_version(void **state)
{
	uint8_t bytes[FRAME_HEADER_SIZE];
	frame_header_encode(&(struct frame_header){.opcode = OP_GET}, bytes);
	bytes[3] = 9;
	seal(bytes);
	struct frame_header back;
	assert_int_equal(frame_header_decode(bytes, &limits, &back), FRAME_BAD_VERSION);
}

static void a_frame_over_the_connections_limit_can_be_answered_and_skipped(void **state)
{
	struct frame_header back = {0};
	struct frame_header h = {.request_id = 7, .opcode = OP_PUT, .value_size = VALUE_SIZE_DEFAULT_MAX};
	assert_int_equal(decode(&h, &limits, &back), FRAME_OK);
	h.value_size++;
	assert_int_equal(decode(&h, &limits, &back), FRAME_TOO_LARGE);
	assert_int_equal(back.request_id, 7);
	assert_false(frame_error_closes(FRAME_TOO_LARGE));
	h = (struct frame_header){.opcode = OP_PUT, .meta_size = META_SIZE_MAX};
	assert_int_equal(decode(&h, &limits, &back), FRAME_OK);
	h.meta_size++;
	assert_int_equal(decode(&h, &limits, &back), FRAME_TOO_LARGE);
}

static void maps_scans_and_administration_may_have_more_meta(void **state)
{
	static const uint16_t opcodes[] = {OP_MAP, OP_SCAN, OP_MAP_PUSH, OP_MAP_PULL, OP_STATUS, OP_CLUSTER_INIT};
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct frame_header back, h = {.opcode = opcodes[i], .meta_size = META_SIZE_ADMIN_MAX};
		assert_int_equal(decode(&h, &limits, &back), FRAME_OK);
	}
}

static void a_frame_that_claims_four_gigabytes_closes(void **state)
{
	uint8_t bytes[FRAME_HEADER_SIZE];
	struct frame_header back;
	frame_header_encode(&(struct frame_header){.opcode = OP_PUT}, bytes);
	store_le32(bytes + 24, UINT32_MAX);
	seal(bytes);
	assert_int_equal(frame_header_decode(bytes, &limits, &back), FRAME_HUGE);
	store_le32(bytes + 24, 0);
	store_le32(bytes + 20, META_SIZE_ADMIN_MAX + 1);
	seal(bytes);
	assert_int_equal(frame_header_decode(bytes, &limits, &back), FRAME_HUGE);
	assert_true(frame_error_closes(FRAME_HUGE));
}

static void before_hello_only_small_frames_without_value_pass(void **state)
{
	struct frame_limits hello = FRAME_LIMITS_HELLO;
	struct frame_header back, h = {.opcode = OP_HELLO, .meta_size = HELLO_SIZE_MAX};
	assert_int_equal(decode(&h, &hello, &back), FRAME_OK);
	h.meta_size++;
	assert_int_equal(decode(&h, &hello, &back), FRAME_TOO_LARGE);
	h = (struct frame_header){.opcode = OP_MAP, .meta_size = HELLO_SIZE_MAX + 1};
	assert_int_equal(decode(&h, &hello, &back), FRAME_TOO_LARGE);
	h = (struct frame_header){.opcode = OP_HELLO, .value_size = 1};
	assert_int_equal(decode(&h, &hello, &back), FRAME_TOO_LARGE);
}

static void random_bytes_are_never_a_header(void **state)
{
	struct rng rng;
	rng_init(&rng, 2);
	for (int i = 0; i < 100000; i++) {
		uint8_t bytes[FRAME_HEADER_SIZE];
		for (size_t j = 0; j < sizeof bytes; j++)
			bytes[j] = (uint8_t)rng_next(&rng);
		if (i % 2)
			memcpy(bytes, (const uint8_t[]){0x4b, 0x56, 1, 8}, 4);
		struct frame_header back;
		assert_int_not_equal(frame_header_decode(bytes, &limits, &back), FRAME_OK);
	}
}

static void the_body_sum_does_not_depend_on_where_the_parts_lie(void **state)
{
	uint8_t together[600], apart[600];
	for (size_t i = 0; i < sizeof together; i++)
		together[i] = apart[i] = (uint8_t)(i * 7);
	for (size_t cut = 0; cut <= sizeof together; cut += 25) {
		struct slice value = slice_of(together + cut, sizeof together - cut);
		uint32_t sum = frame_body_sum(slice_of(together, cut), value);
		assert_int_equal(sum, frame_body_sum(slice_of(apart, cut), value));
		assert_int_equal(sum, (uint32_t)hash64(slice_of(together, sizeof together)));
	}
}

static void the_body_check_wants_the_headers_sizes_and_sum(void **state)
{
	struct slice meta = slice_str("meta"), value = slice_str("value");
	struct frame_header h = {.meta_size = 4, .value_size = 5, .body_sum = frame_body_sum(meta, value)};
	assert_true(frame_body_check(&h, meta, value));
	assert_false(frame_body_check(&h, slice_str("metb"), value));
	assert_false(frame_body_check(&h, meta, slice_str("valuf")));
	assert_false(frame_body_check(&h, slice_str("metav"), slice_str("alue")));
	h.body_sum++;
	assert_false(frame_body_check(&h, meta, value));
}

static void every_error_has_a_status_and_a_text(void **state)
{
	for (int e = FRAME_BAD_MAGIC; e <= FRAME_TOO_LARGE; e++) {
		assert_int_not_equal(frame_error_status((enum frame_error)e), KV_OK);
		assert_true(strlen(frame_error_text((enum frame_error)e)) > 10);
	}
	assert_int_equal(frame_error_status(FRAME_OK), KV_OK);
	assert_int_equal(frame_error_status(FRAME_BAD_VERSION), KV_VERSION);
	assert_int_equal(frame_error_status(FRAME_HUGE), KV_TOO_LARGE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_comes_back_as_it_was),
		cmocka_unit_test(every_field_lies_where_the_document_says),
		cmocka_unit_test(every_flipped_bit_of_a_header_is_noticed),
		cmocka_unit_test(a_header_of_another_length_is_of_another_version),
		cmocka_unit_test(a_frame_over_the_connections_limit_can_be_answered_and_skipped),
		cmocka_unit_test(maps_scans_and_administration_may_have_more_meta),
		cmocka_unit_test(a_frame_that_claims_four_gigabytes_closes),
		cmocka_unit_test(before_hello_only_small_frames_without_value_pass),
		cmocka_unit_test(random_bytes_are_never_a_header),
		cmocka_unit_test(the_body_sum_does_not_depend_on_where_the_parts_lie),
		cmocka_unit_test(the_body_check_wants_the_headers_sizes_and_sum),
		cmocka_unit_test(every_error_has_a_status_and_a_text),
	};
	return test_run("frame", tests);
}
