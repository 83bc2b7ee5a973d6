/* SPDX-License-Identifier: Apache-2.0 */
/* Traces on their way to a collector whose name is hard to look up. What a live collector gets is tested in tests/cli/trace.py. */
#include "tests/support/test.h"

#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/exporter.h"
#include "server/listener.h"
#include "tests/support/resolver.h"

enum { PATIENCE_MS = 30000, LOOK_MS = 2 };

static struct traces traces;
static struct server_stats stats;
static int listening;
static char collector[ADDRESS_TEXT_SIZE];

static int set_up(void **state)
{
	struct address bound;
	char text[ADDRESS_TEXT_SIZE];
	stats = (struct server_stats){0};
	traces_init(&traces);
	if (listener_bind("127.0.0.1:0", 0, &listening, &bound, NULL) != KV_OK)
		return -1;
	address_format(&bound, text);
	snprintf(collector, sizeof collector, "collector.slow%s", strrchr(text, ':'));
	return 0;
}

static int tear_down(void **state)
{
	traces_release(&traces);
	return close(listening);
}

static void keep_one(void)
{
	const struct timeline_span span = {.kind = SPAN_REQUEST, .peer = NODE_NONE, .id = 1};
	const struct msg_timeline timeline = {
		.context = {.trace_hi = 1, .trace_lo = 2}, .opcode = OP_PUT, .span_count = 1, .spans = &span};
	traces_keep(&traces, &timeline, /* wall_us= */ 1);
}

static struct exporter *start(void)
{
	struct traces *all[] = {&traces};
	return exporter_new(&(struct exporter_config){
		.collector = collector, .source = {"n0", "1"}, .traces = all, .count = 1, .stats = &stats});
}

#define wait_until(condition)                                                                                      \
	for (usec_t until_us_ = clock_mono_us() + PATIENCE_MS * USEC_PER_MSEC; !(condition);) {                    \
		assert_true(clock_mono_us() < until_us_);                                                          \
		poll(NULL, 0, LOOK_MS);                                                                            \
	}

static void the_name_is_looked_up_and_the_traces_are_sent(void **state)
{
	static const char expected[] = "POST /v1/traces HTTP/1.1\r\n";
	char got[sizeof expected] = "";
	unsigned asked = resolver_asked();
	struct exporter *e = start();
	keep_one();
	wait_until(resolver_asked() == asked + 1);
	resolver_let_go(/* open= */ false);
	int fd;
	wait_until((fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	ssize_t size = recv(fd, got, sizeof expected - 1, MSG_WAITALL);
	assert_int_equal(size, sizeof expected - 1);
	assert_string_equal(got, expected);
	close(fd);
	exporter_free(e);
}

static void a_resolver_that_does_not_answer_keeps_no_node_from_ending(void **state)
{
	unsigned asked = resolver_asked(), answered = resolver_answered();
	struct exporter *e = start();
	keep_one();
	wait_until(resolver_asked() == asked + 1);
	exporter_free(e); /* returns after its farewell, though nobody has answered */
	assert_int_equal(resolver_answered(), answered);
	assert_int_equal(stats_get(&stats.traces_dropped), 1);
	resolver_let_go(/* open= */ false);
	wait_until(resolver_answered() == answered + 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_name_is_looked_up_and_the_traces_are_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_resolver_that_does_not_answer_keeps_no_node_from_ending, set_up,
						tear_down),
	};
	return test_run("exporter", tests);
}
