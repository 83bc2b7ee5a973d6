/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "server/address.h"

static void assert_split(const char *text, const char *host, uint16_t port)
{
	char found[ADDRESS_SIZE_MAX];
	uint16_t found_port;
	assert_true(address_split(slice_str(text), found, &found_port));
	assert_string_equal(found, host);
	assert_int_equal(found_port, port);
}

static void host_and_port_come_apart(void **state)
{
	assert_split("127.0.0.1:7001", "127.0.0.1", 7001);
	assert_split("node-1.example:0", "node-1.example", 0);
	assert_split("[::1]:65535", "::1", 65535);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"",           "7001",     ":7001", "host:",       "host:65536", "host:-1",
		"host:7001x", "::1:7001", "[::1]", "host:000001", "a b",        "host: 7"};
	char host[ADDRESS_SIZE_MAX];
	uint16_t port;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (address_split(slice_str(bad[i]), host, &port))
			fail_msg("\"%s\" was taken for an address", bad[i]);
	}
	char long_host[ADDRESS_SIZE_MAX + 8];
	memset(long_host, 'a', sizeof long_host);
	memcpy(long_host + ADDRESS_SIZE_MAX, ":1", 3);
	assert_false(address_split(slice_str(long_host), host, &port));
}

static void numbers_resolve_without_waiting_and_names_say_that_they_would(void **state)
{
	struct address address;
	char text[ADDRESS_TEXT_SIZE];
	assert_int_equal(address_resolve(slice_str("127.0.0.1:80"), true, &address, NULL), KV_OK);
	assert_true(address_is_loopback(&address));
	assert_false(address_is_any(&address));
	address_format(&address, text);
	assert_string_equal(text, "127.0.0.1:80");
	address_set_port(&address, 81);
	assert_int_equal(address_port(&address), 81);
	assert_int_equal(address_resolve(slice_str("[::1]:80"), true, &address, NULL), KV_OK);
	assert_true(address_is_loopback(&address));
	address_format(&address, text);
	assert_string_equal(text, "[::1]:80");
	assert_int_equal(address_resolve(slice_str("0.0.0.0:80"), true, &address, NULL), KV_OK);
	assert_true(address_is_any(&address));
	assert_int_equal(address_resolve(slice_str("10.1.2.3:80"), true, &address, NULL), KV_OK);
	assert_false(address_is_loopback(&address));
	assert_int_equal(address_resolve(slice_str("somewhere.invalid:80"), true, &address, NULL), KV_AGAIN);
	struct error error;
	assert_int_equal(address_resolve(slice_str("nonsense"), true, &address, &error), KV_INVALID);
	assert_non_null(strstr(error.message, "nonsense"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_and_port_come_apart),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(numbers_resolve_without_waiting_and_names_say_that_they_would),
	};
	return test_run("address", tests);
}
