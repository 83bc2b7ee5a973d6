/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/klog.h"
#include "base/rng.h"

/* stderr goes into a pipe while a test logs, so that what the log wrote can be read back. */
static struct {
	int stderr_fd;
	int read_fd;
	struct buf text;
} capture;

static int capture_begin(void **state)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	capture.read_fd = ends[0];
	capture.stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	fcntl(capture.read_fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static int capture_end(void **state)
{
	dup2(capture.stderr_fd, STDERR_FILENO);
	close(capture.stderr_fd);
	close(capture.read_fd);
	buf_release(&capture.text);
	log_configure(LOG_INFO, LOG_LOGFMT);
	return 0;
}

/* All that was logged since the last call. */
static const char *captured(void)
{
	buf_clear(&capture.text);
	char piece[4096];
	ssize_t got;
	while ((got = read(capture.read_fd, piece, sizeof piece)) > 0)
		buf_append(&capture.text, piece, (size_t)got);
	return buf_cstr(&capture.text);
}

/* The captured line behind its time stamp. */
static const char *captured_fields(void)
{
	const char *line = captured();
	const char *fields = strstr(line, "Z level=");
	return fields ? fields + 2 : line;
}

static json_t *captured_json(void)
{
	json_error_t error;
	json_t *line = json_loads(captured(), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!line)
		print_message("%s in %s\n", error.text, buf_cstr(&capture.text));
	assert_non_null(line);
	return line;
}

static void a_line_has_level_event_and_fields(void **state)
{
	log_info("peer.connected", L_U64("node", 2), L_I64("skew_us", -5), L_STR("zone", "a"));
	assert_string_equal(captured_fields(), "level=info event=peer.connected node=2 skew_us=-5 zone=a\n");
	log_warn("x.done", L_U64("most", UINT64_MAX), L_I64("least", INT64_MIN));
	assert_string_equal(captured_fields(), "level=warn event=x.done most=18446744073709551615 "
					       "least=-9223372036854775808\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
	for (enum log_level least = LOG_DEBUG; least <= LOG_ERROR; least++) {
		log_configure(least, LOG_LOGFMT);
		log_debug("a.debug", L_U64("n", 1));
		log_info("a.info", L_U64("n", 1));
		log_warn("a.warn", L_U64("n", 1));
		log_error("a.error", L_U64("n", 1));
		const char *text = captured();
		assert_int_equal(strstr(text, "event=a.debug") != NULL, least <= LOG_DEBUG);
		assert_int_equal(strstr(text, "event=a.info") != NULL, least <= LOG_INFO);
		assert_int_equal(strstr(text, "event=a.warn") != NULL, least <= LOG_WARN);
		assert_non_null(strstr(text, "event=a.error"));
		log_event(LOG_DEBUG, "direct", NULL, 0);
		assert_int_equal(captured()[0] != '\0', least <= LOG_DEBUG);
	}
}

static void fields_of_a_filtered_line_are_not_evaluated(void **state)
{
	unsigned evaluated = 0;
	log_debug("a.debug", L_U64("n", ++evaluated));
	assert_int_equal(evaluated, 0);
	log_info("a.info", L_U64("n", ++evaluated));
	assert_int_equal(evaluated, 1);
}

static void logfmt_quotes_what_would_break_it(void **state)
{
	static const struct {
		const char *value;
		size_t size;
		const char *shown;
	} rows[] = {
		{"plain-1.2:/x", 12, "plain-1.2:/x"},
		{"", 0, "\"\""},
		{"two words", 9, "\"two words\""},
		{"a=b", 3, "\"a=b\""},
		{"say \"hi\"", 8, "\"say \\\"hi\\\"\""},
		{"back\\slash", 10, "\"back\\\\slash\""},
		{"line\nbreak\ttab\r", 15, "\"line\\nbreak\\ttab\\x0d\""},
		{"nul\0\x7f\xff", 6, "\"nul\\x00\\x7f\\xff\""},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		log_info("e", L_BYTES("v", slice_of(rows[i].value, rows[i].size)));
		CLEANUP(buf_release) struct buf expected = BUF_INIT;
		buf_printf(&expected, "level=info event=e v=%s\n", rows[i].shown);
		assert_string_equal(captured_fields(), buf_cstr(&expected));
	}
}

static void json_lines_parse_and_keep_every_byte(void **state)
{
	log_configure(LOG_INFO, LOG_JSON);
	uint8_t all[256];
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)i;
	log_error("disk.failed", L_BYTES("all", slice_of(all + 1, 255)), L_I64("n", -3), L_STR("empty", ""));
	json_t *line = captured_json();
	assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
	assert_string_equal(json_string_value(json_object_get(line, "event")), "disk.failed");
	assert_string_equal(json_string_value(json_object_get(line, "empty")), "");
	assert_int_equal(json_integer_value(json_object_get(line, "n")), -3);
	assert_int_equal(json_object_size(line), 6);
	/* Each byte is one code point below 256: in UTF-8 one byte up to 0x7f, two above. */
	const uint8_t *utf8 = (const uint8_t *)json_string_value(json_object_get(line, "all"));
	for (unsigned i = 1; i < 256; i++) {
		unsigned c = *utf8++;
		if (c >= 0x80)
			c = (c & 3) << 6 | (*utf8++ & 0x3fU);
		assert_int_equal(c, i);
	}
	json_decref(line);
	log_info("nul.seen", L_BYTES("v", slice_of("\0", 1)));
	assert_non_null(strstr(captured(), "\"v\":\"\\u0000\""));
}

static void random_bytes_never_break_a_line(void **state)
{
	struct rng rng;
	rng_init(&rng, 20);
	for (int i = 0; i < 500; i++) {
		enum log_format format = i % 2 ? LOG_JSON : LOG_LOGFMT;
		log_configure(LOG_INFO, format);
		uint8_t bytes[1500];
		size_t size = rng_below(&rng, sizeof bytes);
		for (size_t j = 0; j < size; j++)
			bytes[j] = (uint8_t)rng_next(&rng);
		struct slice v = slice_of(bytes, size);
		log_info("e", L_BYTES("a", v), L_BYTES("b", v), L_U64("c", 1), L_BYTES("d", v));
		if (format == LOG_JSON)
			json_decref(captured_json());
		const char *text = captured();
		if (format == LOG_JSON)
			continue;
		size_t length = strlen(text);
		assert_true(length <= PIPE_BUF);
		assert_ptr_equal(strchr(text, '\n'), text + length - 1);
		for (size_t j = 0; j + 1 < length; j++)
			assert_in_range(text[j], 0x20, 0x7e);
	}
}

static void a_long_value_is_cut_and_a_long_line_says_so(void **state)
{
	static const uint8_t zeros[100000];
	char exes[1001];
	memset(exes, 'x', sizeof exes);
	exes[1000] = '\0';
	log_info("e", L_STR("v", exes), L_U64("after", 1));
	const char *fields = captured_fields();
	assert_non_null(strstr(fields, "xxx... after=1\n"));
	assert_true(strlen(fields) < 700);
	for (enum log_format format = LOG_LOGFMT; format <= LOG_JSON; format++) {
		log_configure(LOG_INFO, format);
		struct slice v = slice_of(zeros, sizeof zeros);
		log_info("e", L_BYTES("a", v), L_BYTES("b", v), L_BYTES("c", v), L_U64("last", 1));
		const char *text = captured();
		assert_true(strlen(text) <= PIPE_BUF);
		assert_non_null(strstr(text, format == LOG_JSON ? ",\"fields_cut\":1}\n" : " fields_cut=1\n"));
		assert_null(strstr(text, "last"));
	}
}

static void the_time_is_utc_with_microseconds(void **state)
{
	static const struct {
		int64_t wall_us;
		const char *minute;
	} rows[] = {
		{0, "1970-01-01T00:00:"},
		{951782400LL * 1000000, "2000-02-29T00:00:"},
		{951868799LL * 1000000 - 59000000, "2000-02-29T23:59:"},
		{951868800LL * 1000000, "2000-03-01T00:00:"},
		{1709164800LL * 1000000, "2024-02-29T00:00:"},
		{1735689540LL * 1000000, "2024-12-31T23:59:"},
		{1767323040LL * 1000000, "2026-01-02T03:04:"},
		{4107542400LL * 1000000, "2100-03-01T00:00:"},
		{253402300740LL * 1000000, "9999-12-31T23:59:"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		clock_set_wall_offset_us(0);
		clock_set_wall_offset_us(rows[i].wall_us - (int64_t)clock_wall_us());
		log_info("e", L_U64("n", 1));
		const char *line = captured();
		clock_set_wall_offset_us(0);
		assert_memory_equal(line, "ts=", 3);
		assert_memory_equal(line + 3, rows[i].minute, strlen(rows[i].minute));
		assert_int_equal(line[3 + 19], '.');
		assert_int_equal(strspn(line + 3 + 20, "0123456789"), 6);
		assert_int_equal(line[3 + 26], 'Z');
	}
}

static void logging_keeps_errno(void **state)
{
	int saved = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_error("disk.full", L_U64("n", 1));
	int after = errno;
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(after, ENOSPC);
}

static void levels_and_formats_have_names(void **state)
{
	enum log_level level = LOG_WARN;
	assert_true(log_level_parse("debug", &level) && level == LOG_DEBUG);
	assert_true(log_level_parse("info", &level) && level == LOG_INFO);
	assert_true(log_level_parse("warn", &level) && level == LOG_WARN);
	assert_true(log_level_parse("error", &level) && level == LOG_ERROR);
	assert_false(log_level_parse("INFO", &level));
	assert_false(log_level_parse("", &level));
	assert_int_equal(level, LOG_ERROR);
	enum log_format format = LOG_JSON;
	assert_true(log_format_parse("logfmt", &format) && format == LOG_LOGFMT);
	assert_true(log_format_parse("json", &format) && format == LOG_JSON);
	assert_false(log_format_parse("xml", &format));
	assert_int_equal(format, LOG_JSON);
}

static void a_limit_passes_once_per_interval_and_counts_the_rest(void **state)
{
	struct log_limit limit = {0};
	uint64_t suppressed = 99;
	assert_true(log_limit_pass(&limit, 1000, 500, &suppressed));
	assert_true(suppressed == 0);
	suppressed = 99;
	for (usec_t now_us = 1000; now_us < 1500; now_us += 100)
		assert_false(log_limit_pass(&limit, now_us, 500, &suppressed));
	assert_true(suppressed == 99);
	assert_true(log_limit_pass(&limit, 1500, 500, &suppressed));
	assert_true(suppressed == 5);
	assert_true(log_limit_pass(&limit, 2000, USEC_NEVER, &suppressed));
	assert_true(suppressed == 0);
	assert_false(log_limit_pass(&limit, USEC_NEVER - 1, 500, &suppressed));
}

enum { THREADS = 4, PASSES = 20000 };

struct counter {
	struct log_limit *limit;
	uint64_t passed;
	uint64_t suppressed;
};

static void *count_passes(void *arg)
{
	struct counter *c = arg;
	for (usec_t now_us = 0; now_us < PASSES; now_us++) {
		uint64_t suppressed;
		if (log_limit_pass(c->limit, now_us, 1000, &suppressed)) {
			c->passed++;
			c->suppressed += suppressed;
		}
	}
	return NULL;
}

static void threads_share_one_limit_and_lose_no_count(void **state)
{
	struct log_limit limit = {0};
	struct counter counters[THREADS];
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++) {
		counters[i] = (struct counter){.limit = &limit};
		assert_int_equal(pthread_create(&threads[i], NULL, count_passes, &counters[i]), 0);
	}
	uint64_t passed = 0;
	uint64_t suppressed = 0;
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		passed += counters[i].passed;
		suppressed += counters[i].suppressed;
	}
	assert_in_range(passed, 1, PASSES / 1000);
	assert_true(passed + suppressed + limit.suppressed == (uint64_t)THREADS * PASSES);
}

#define captured_test(f) cmocka_unit_test_setup_teardown(f, capture_begin, capture_end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		captured_test(a_line_has_level_event_and_fields),
		captured_test(lines_below_the_level_are_not_written),
		captured_test(fields_of_a_filtered_line_are_not_evaluated),
		captured_test(logfmt_quotes_what_would_break_it),
		captured_test(json_lines_parse_and_keep_every_byte),
		captured_test(random_bytes_never_break_a_line),
		captured_test(a_long_value_is_cut_and_a_long_line_says_so),
		captured_test(the_time_is_utc_with_microseconds),
		captured_test(logging_keeps_errno),
		cmocka_unit_test(levels_and_formats_have_names),
		cmocka_unit_test(a_limit_passes_once_per_interval_and_counts_the_rest),
		cmocka_unit_test(threads_share_one_limit_and_lose_no_count),
	};
	return test_run("klog", tests);
}
