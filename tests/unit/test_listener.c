/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/listener.h"
#include "tests/support/wire.h"

static struct loop loop;
static struct listener listener;
static char address[ADDRESS_TEXT_SIZE];
static int accepted[8];
static unsigned accepted_count;

static void on_accepted(void *owner, int fd) { accepted[accepted_count++] = fd; }

static int up(void **state)
{
	struct address bound;
	int fd;
	accepted_count = 0;
	listener = (struct listener){0};
	if (loop_init(&loop, NULL) != KV_OK || listener_bind("127.0.0.1:0", 0, &fd, &bound, NULL) != KV_OK)
		return -1;
	address_format(&bound, address);
	listener_start(&listener, &loop, fd, on_accepted, NULL);
	return 0;
}

static int down(void **state)
{
	for (unsigned i = 0; i < accepted_count; i++)
		close(accepted[i]);
	listener_stop(&listener);
	loop_release(&loop);
	return 0;
}

static void run_until_accepted(unsigned count)
{
	usec_t until_us = clock_mono_us() + 30 * USEC_PER_SEC;
	while (accepted_count < count) {
		assert_true(clock_mono_us() < until_us);
		event_base_loop(loop.base, EVLOOP_NONBLOCK);
	}
}

static void a_connection_is_handed_over_ready_for_a_loop(void **state)
{
	struct wire w;
	assert_true(wire_connect(&w, address));
	run_until_accepted(1);
	assert_true(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);
	wire_close(&w);
}

static void a_port_in_use_is_told(void **state)
{
	struct error error;
	struct address bound;
	int fd;
	assert_int_equal(listener_bind(address, 0, &fd, &bound, &error), KV_UNAVAILABLE);
	assert_non_null(strstr(error.message, address));
	assert_int_equal(listener_bind("nonsense", 0, &fd, &bound, &error), KV_INVALID);
}

static void without_descriptors_connections_wait_and_none_is_lost(void **state)
{
	struct rlimit limit, none;
	struct wire w;
	assert_true(wire_connect(&w, address)); /* by the kernel; nobody has accepted it yet */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)w.fd; /* below what is open: the next descriptor is refused */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (!listener.paused)
		event_base_loop(loop.base, EVLOOP_NONBLOCK);
	assert_int_equal(accepted_count, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	run_until_accepted(1);
	assert_false(listener.paused);
	wire_close(&w);
}

static void who_is_refused_is_told_why(void **state)
{
	struct wire w;
	struct msg msg;
	assert_true(wire_connect(&w, address));
	run_until_accepted(1);
	listener_refuse(accepted[0], KV_OVERLOADED, "full");
	accepted_count = 0;
	assert_true(wire_receive(&w, &msg));
	assert_int_equal(msg.opcode, OP_GOAWAY);
	assert_int_equal(msg.result.status, KV_OVERLOADED);
	assert_true(msg.result.retry_after_ms > 0);
	assert_slice_equal(msg.result.message, slice_str("full"));
	assert_true(wire_is_closed(&w));
	wire_close(&w);
}

#define listener_test(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		listener_test(a_connection_is_handed_over_ready_for_a_loop),
		listener_test(a_port_in_use_is_told),
		listener_test(without_descriptors_connections_wait_and_none_is_lost),
		listener_test(who_is_refused_is_told_why),
	};
	return test_run("listener", tests);
}
