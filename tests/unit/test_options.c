/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "client/endpoint.h"
#include "client/options.h"
#include "proto/msg.h"

static void refuses(struct kv_config *config, const char *key, const char *value)
{
	struct kv_error err;
	struct kv_config before = *config;
	assert_int_equal(kv_config_set(config, key, value, &err), KV_INVALID);
	assert_true(strlen(err.message) > 0);
	assert_memory_equal(&before, config, sizeof before);
}

static void good_values_are_taken(void **state)
{
	struct kv_config *c = kv_config_new();
	assert_int_equal(kv_config_set(c, "endpoints", "127.0.0.1:7400, [::1]:7401,host.example:1", NULL), KV_OK);
	assert_int_equal(c->endpoint_count, 3);
	assert_string_equal(c->endpoints[1], "[::1]:7401");
	assert_int_equal(kv_config_set(c, "timeout_ms", "60000", NULL), KV_OK);
	assert_int_equal(c->timeout_ms, 60000);
	assert_int_equal(kv_config_set(c, "level", "strong", NULL), KV_OK);
	assert_int_equal(c->level, KV_LEVEL_STRONG);
	assert_int_equal(kv_config_set(c, "acks", "majority", NULL), KV_OK);
	assert_int_equal(c->acks, KV_ACKS_MAJORITY);
	assert_int_equal(kv_config_set(c, "name", "billing", NULL), KV_OK);
	kv_config_free(c);
}

static void unknown_keys_and_bad_values_change_nothing(void **state)
{
	struct kv_config *c = kv_config_new();
	refuses(c, "timeout", "5");
	refuses(c, "timeout_ms", "0");
	refuses(c, "timeout_ms", "60001");
	refuses(c, "timeout_ms", "-1");
	refuses(c, "timeout_ms", "10 ");
	refuses(c, "timeout_ms", "99999999999999999999999");
	refuses(c, "timeout_ms", "");
	refuses(c, "level", "linearizable");
	refuses(c, "acks", "2");
	refuses(c, "name", "");
	refuses(c, "endpoints", "");
	refuses(c, "endpoints", "127.0.0.1");
	refuses(c, "endpoints", "127.0.0.1:0");
	refuses(c, "endpoints", "127.0.0.1:65536");
	refuses(c, "endpoints", "::1:7400");
	refuses(c, "endpoints", "a:1,,b:2");
	kv_config_free(c);
}

static void requests_take_defaults_from_the_client(void **state)
{
	struct kv_config *c = kv_config_new();
	assert_int_equal(kv_config_set(c, "level", "strong", NULL), KV_OK);
	struct kv_options o;
	assert_int_equal(options_complete(c, OP_GET, NULL, &o, NULL), KV_OK);
	assert_int_equal(o.level, KV_LEVEL_STRONG);
	assert_int_equal(o.acks, KV_ACKS_ONE);
	assert_int_equal(o.timeout_ms, 1000);
	kv_config_free(c);
}

static void options_of_an_older_header_are_completed(void **state)
{
	struct kv_config *c = kv_config_new();
	struct kv_options old = KV_OPTIONS_INIT, o;
	old.level = KV_LEVEL_STRONG;
	old.receipt = true;
	old.size = offsetof(struct kv_options, acks);
	assert_int_equal(options_complete(c, OP_GET, &old, &o, NULL), KV_OK);
	assert_int_equal(o.level, KV_LEVEL_STRONG);
	assert_false(o.receipt);
	kv_config_free(c);
}

static void options_of_a_newer_header_are_taken_while_unused(void **state)
{
	struct kv_config *c = kv_config_new();
	struct {
		struct kv_options known;
		uint64_t later;
	} newer = {.known = KV_OPTIONS_INIT};
	struct kv_options o;
	newer.known.size = sizeof newer;
	assert_int_equal(options_complete(c, OP_GET, &newer.known, &o, NULL), KV_OK);
	newer.later = 1;
	assert_int_equal(options_complete(c, OP_GET, &newer.known, &o, NULL), KV_UNSUPPORTED);
	newer.known.size = 0;
	assert_int_equal(options_complete(c, OP_GET, &newer.known, &o, NULL), KV_INVALID);
	kv_config_free(c);
}

static void impossible_options_are_refused(void **state)
{
	struct kv_config *c = kv_config_new();
	struct kv_options o, given = KV_OPTIONS_INIT;
	given.timeout_ms = 60001;
	assert_int_equal(options_complete(c, OP_GET, &given, &o, NULL), KV_INVALID);
	given = (struct kv_options)KV_OPTIONS_INIT;
	given.if_absent = given.if_present = true;
	assert_int_equal(options_complete(c, OP_PUT, &given, &o, NULL), KV_INVALID);
	given = (struct kv_options)KV_OPTIONS_INIT;
	given.level = (enum kv_level)9;
	assert_int_equal(options_complete(c, OP_GET, &given, &o, NULL), KV_INVALID);
	kv_config_free(c);
}

static enum kv_status level_of(struct kv_config *c, uint16_t opcode, const struct kv_options *given,
			       enum kv_level *ret)
{
	struct kv_options o;
	enum kv_status status = options_complete(c, opcode, given, &o, NULL);
	if (status == KV_OK)
		*ret = o.level;
	return status;
}

static void what_is_strong_or_nothing_is_strong_by_default(void **state)
{
	struct kv_config *c = kv_config_new();
	struct kv_options given = KV_OPTIONS_INIT;
	struct kv_version version = {1, 2};
	enum kv_level level;
	assert_int_equal(level_of(c, OP_PUT, &given, &level), KV_OK);
	assert_int_equal(level, KV_LEVEL_EVENTUAL);
	for (uint32_t i = 0; i < 3; i++) {
		static const uint16_t opcodes[] = {OP_ADD, OP_APPEND, OP_OUTCOME};
		assert_int_equal(level_of(c, opcodes[i], &given, &level), KV_OK);
		assert_int_equal(level, KV_LEVEL_STRONG);
	}
	given.expected = &version;
	assert_int_equal(level_of(c, OP_PUT, &given, &level), KV_OK);
	assert_int_equal(level, KV_LEVEL_STRONG);
	given.level = KV_LEVEL_EVENTUAL;
	assert_int_equal(level_of(c, OP_PUT, &given, &level), KV_INVALID);
	assert_int_equal(level_of(c, OP_GET, &given, &level), KV_INVALID);
	given.expected = NULL;
	assert_int_equal(level_of(c, OP_ADD, &given, &level), KV_INVALID);
	given.level = KV_LEVEL_DEFAULT;
	given.fence = 1;
	assert_int_equal(level_of(c, OP_DEL, &given, &level), KV_OK);
	assert_int_equal(level, KV_LEVEL_STRONG);
	assert_int_equal(level_of(c, OP_GET, &given, &level), KV_INVALID);
	given.fence = 0;
	given.ttl_ms = 1;
	assert_int_equal(level_of(c, OP_ADD, &given, &level), KV_INVALID);
	kv_config_free(c);
}

static void a_bound_is_for_reads_and_has_a_default(void **state)
{
	struct kv_config *c = kv_config_new();
	struct kv_options given = KV_OPTIONS_INIT, o;
	enum kv_level level;
	assert_int_equal(kv_config_set(c, "level", "bounded", NULL), KV_OK);
	assert_int_equal(kv_config_set(c, "staleness_ms", "77", NULL), KV_OK);
	assert_int_equal(options_complete(c, OP_GET, NULL, &o, NULL), KV_OK);
	assert_int_equal(o.level, KV_LEVEL_BOUNDED);
	assert_int_equal(o.staleness_ms, 77);
	assert_int_equal(level_of(c, OP_PUT, &given, &level), KV_OK);
	assert_int_equal(level, KV_LEVEL_EVENTUAL);
	given.level = KV_LEVEL_BOUNDED;
	assert_int_equal(level_of(c, OP_PUT, &given, &level), KV_INVALID);
	given.staleness_ms = STALENESS_MAX_MS + 1;
	assert_int_equal(level_of(c, OP_GET, &given, &level), KV_INVALID);
	kv_config_free(c);
}

static void versions_go_through_text_and_back(void **state)
{
	struct kv_version v = {.hlc = 0x0192f3c4a5b60001, .id = 0xffff000000000007}, back;
	char text[KV_VERSION_TEXT_SIZE];
	kv_version_format(v, text);
	assert_string_equal(text, "0192f3c4a5b60001-ffff000000000007");
	assert_true(kv_version_parse(text, &back));
	assert_int_equal(kv_version_compare(v, back), 0);
	assert_false(kv_version_parse("0192f3c4a5b60001", &back));
	assert_false(kv_version_parse("0192f3c4a5b60001-ffff00000000000g", &back));
	assert_false(kv_version_parse("0192f3c4a5b60001-ffff0000000000070", &back));
}

static void numeric_addresses_need_no_lookup(void **state)
{
	struct endpoint_addresses found;
	assert_true(endpoint_numeric("127.0.0.1:7400", &found));
	assert_int_equal(found.count, 1);
	assert_true(endpoint_numeric("[::1]:7400", &found));
	assert_false(endpoint_numeric("localhost:7400", &found));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_values_are_taken),
		cmocka_unit_test(unknown_keys_and_bad_values_change_nothing),
		cmocka_unit_test(requests_take_defaults_from_the_client),
		cmocka_unit_test(options_of_an_older_header_are_completed),
		cmocka_unit_test(options_of_a_newer_header_are_taken_while_unused),
		cmocka_unit_test(impossible_options_are_refused),
		cmocka_unit_test(what_is_strong_or_nothing_is_strong_by_default),
		cmocka_unit_test(a_bound_is_for_reads_and_has_a_default),
		cmocka_unit_test(versions_go_through_text_and_back),
		cmocka_unit_test(numeric_addresses_need_no_lookup),
	};
	return test_run("options", tests);
}
