/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>

#include "server/http_request.h"

static enum http_parse parse(const char *text, struct http_request *ret, int *ret_code)
{
	return http_request_parse(slice_str(text), ret, ret_code);
}

static void assert_code(const char *text, int expected)
{
	struct http_request request;
	int code;
	assert_int_equal(parse(text, &request, &code), HTTP_REFUSED);
	assert_int_equal(code, expected);
}

static void a_request_is_known_once_its_empty_line_is_there(void **state)
{
	static const char text[] = "GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\nGET";
	struct http_request request;
	int code;
	for (size_t size = 0; size < sizeof text - 4; size++)
		assert_int_equal(http_request_parse(slice_of(text, size), &request, &code), HTTP_INCOMPLETE);
	assert_int_equal(parse(text, &request, &code), HTTP_PARSED);
	assert_slice_equal(request.path, slice_str("/metrics"));
	assert_int_equal(request.size, sizeof text - 4);
	assert_true(request.keep);
	assert_false(request.head);
}

static void head_and_the_words_about_the_connection_are_understood(void **state)
{
	struct http_request request;
	int code;
	assert_int_equal(parse("HEAD / HTTP/1.1\r\nconnection: TE,  Close\r\n\r\n", &request, &code), HTTP_PARSED);
	assert_true(request.head);
	assert_false(request.keep);
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", &request, &code), HTTP_PARSED);
	assert_false(request.keep);
	assert_int_equal(parse("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &request, &code), HTTP_PARSED);
	assert_true(request.keep);
}

static void nothing_but_reading_is_allowed(void **state)
{
	assert_code("POST / HTTP/1.1\r\n\r\n", 405);
	assert_code("get / HTTP/1.1\r\n\r\n", 405);
	assert_code("GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", 413);
	assert_code("GET / HTTP/1.1\r\nContent-Length: +0\r\n\r\n", 413);
	assert_code("GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", 413);
}

static void what_is_no_http_is_refused(void **state)
{
	assert_code("GET /\r\n\r\n", 400);
	assert_code("GET  / HTTP/1.1\r\n\r\n", 400);
	assert_code("GET http://x/ HTTP/1.1\r\n\r\n", 400);
	assert_code("GET / HTTP/2.0\r\n\r\n", 505);
	assert_code("GET / SPDY\r\n\r\n", 400);
	assert_code("\r\n\r\n", 400);
	assert_code("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400);
	assert_code("GET / HTTP/1.1\r\n: no name\r\n\r\n", 400);
	assert_code("GET / HTTP/1.1\r\nname : value\r\n\r\n", 400);
	assert_code("GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n", 400);
}

static void control_characters_are_refused_before_the_end_comes(void **state)
{
	assert_code("GET / HTTP/1.1\n", 400);
	assert_code("GET /\x01", 400);
	assert_code("GET / HTTP/1.1\r\na: \x7f", 400);
	assert_code("GET / HTTP/1.1\rx", 400);
	struct http_request request;
	int code;
	assert_int_equal(http_request_parse(slice_of("GET /\0", 6), &request, &code), HTTP_REFUSED);
}

static void a_head_has_a_size(void **state)
{
	static char text[HTTP_HEAD_MAX + 64];
	struct http_request request;
	int code;
	memset(text, 'a', sizeof text);
	memcpy(text, "GET /", 5);
	assert_int_equal(http_request_parse(slice_of(text, HTTP_HEAD_MAX - 1), &request, &code), HTTP_INCOMPLETE);
	assert_int_equal(http_request_parse(slice_of(text, HTTP_HEAD_MAX), &request, &code), HTTP_REFUSED);
	assert_int_equal(code, 431);
	size_t end = 2000;
	memcpy(text + end, " HTTP/1.1\r\n\r\n", 13);
	assert_int_equal(http_request_parse(slice_of(text, sizeof text), &request, &code), HTTP_REFUSED);
	assert_int_equal(code, 414);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_known_once_its_empty_line_is_there),
		cmocka_unit_test(head_and_the_words_about_the_connection_are_understood),
		cmocka_unit_test(nothing_but_reading_is_allowed),
		cmocka_unit_test(what_is_no_http_is_refused),
		cmocka_unit_test(control_characters_are_refused_before_the_end_comes),
		cmocka_unit_test(a_head_has_a_size),
	};
	return test_run("http_request", tests);
}
