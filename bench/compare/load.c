/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/compare/load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/rng.h"
#include "bench/compare/dial.h"

enum { INPUT_SIZE = 1 << 18, EVENTS = 256, PRELOAD_TRIES = 20 };

/* The one load of the program. */
static struct {
	struct load_options options;
	struct load_conn *conns;
	int epoll;
	struct rng rng;
	uint8_t *value;
	usec_t start_us, until_us, interval_us, last_us;
	uint64_t intervals, begun, busy, bad;
	struct hist recent, all; /* of the present interval, and before it */
} load;

void load_die(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("peerload: ", stderr);
	vfprintf(stderr, format, arguments);
	putc('\n', stderr);
	va_end(arguments);
	exit(1);
}

size_t load_key(const struct load_options *options, uint64_t number, char key[LOAD_KEY_SIZE_MAX + 1])
{
	static const char prefix[] = "bench/";
	int digits = (int)options->key_size - (int)strlen(prefix);
	int size = snprintf(key, LOAD_KEY_SIZE_MAX + 1, "%s%0*llu", prefix, digits, (unsigned long long)number);
	return (size_t)size;
}

const uint8_t *load_value(const struct load_options *options)
{
	(void)options;
	return load.value;
}

/* ---- What was measured -------------------------------------------------------------------------------------------- */

static void print_figures(const struct hist *h, usec_t took_us)
{
	double seconds = (double)took_us / (double)USEC_PER_SEC;
	double rate = seconds > 0 ? (double)h->count / seconds : 0;
	printf("{\"seconds\":%.6f,\"per_second\":%.3f,\"statuses\":{\"OK\":%llu,\"BAD\":%llu},\"operations\":["
	       "{\"operation\":\"%s\",\"count\":%llu,\"p50_us\":%llu,\"p99_us\":%llu,\"p999_us\":%llu,\"max_us\":%llu",
	       seconds, rate, (unsigned long long)h->count, (unsigned long long)load.bad,
	       load.options.kind == LOAD_GET ? "get" : "put", (unsigned long long)h->count,
	       (unsigned long long)hist_quantile(h, 500), (unsigned long long)hist_quantile(h, 990),
	       (unsigned long long)hist_quantile(h, 999), (unsigned long long)(h->count ? h->max : 0));
}

static void end_interval(usec_t now_us)
{
	const char *separator = "";
	print_figures(&load.recent, now_us - load.last_us);
	printf(",\"histogram\":[");
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		if (load.recent.buckets[i] == 0)
			continue;
		printf("%s[%llu,%llu]", separator, (unsigned long long)hist_bucket_first(i),
		       (unsigned long long)load.recent.buckets[i]);
		separator = ",";
	}
	printf("]}],\"interval\":%llu}\n", (unsigned long long)load.intervals++);
	fflush(stdout);
	hist_merge(&load.all, &load.recent);
	hist_init(&load.recent);
	load.last_us = now_us;
}

/* ---- Requests ----------------------------------------------------------------------------------------------------- */

/** Chooses the keys of the next request; false if there is none. */
static bool draw(struct load_lane *lane)
{
	const struct load_options *options = &load.options;
	if (!options->preload) {
		lane->number = rng_below(&load.rng, options->keys);
		lane->count = 1;
		return clock_mono_us() < load.until_us;
	}
	lane->number = load.begun;
	lane->count = (uint32_t)MIN(options->keys - load.begun, (uint64_t)options->driver->batch);
	load.begun += lane->count;
	return lane->count > 0;
}

static void send_lane(struct load_lane *lane)
{
	struct load_conn *conn = lane->conn;
	load.busy++;
	lane->start_us = clock_mono_us();
	lane->next = NULL;
	if (conn->last)
		conn->last->next = lane;
	else
		conn->first = lane;
	conn->last = lane;
	conn->dirty = true;
	conn->options->driver->request(conn, lane, conn->options->kind);
}

static void next(struct load_lane *lane)
{
	lane->tries = 1;
	if (draw(lane))
		send_lane(lane);
}

/** Takes the lane out of the list of those under way, where most often it is the first. */
static void unlink_lane(struct load_lane *lane)
{
	struct load_conn *conn = lane->conn;
	struct load_lane **at = &conn->first, *before = NULL;
	while (*at != lane) {
		before = *at;
		KV_ASSERT(before);
		at = &before->next;
	}
	*at = lane->next;
	if (conn->last == lane)
		conn->last = before;
}

void load_answer(struct load_lane *lane, bool good)
{
	unlink_lane(lane);
	load.busy--;
	if (!good && load.options.preload && lane->tries++ < PRELOAD_TRIES) {
		send_lane(lane);
		return;
	}
	if (good)
		hist_add(&load.recent, clock_mono_us() - lane->start_us);
	else
		load.bad++;
	next(lane);
}

void load_answer_oldest(struct load_conn *conn, bool good)
{
	if (!conn->first)
		load_die("%s answered what nobody asked", conn->address);
	load_answer(conn->first, good);
}

/* ---- Connections -------------------------------------------------------------------------------------------------- */

static void watch(struct load_conn *conn, bool writable)
{
	struct epoll_event event = {.events = EPOLLIN | (writable ? (uint32_t)EPOLLOUT : 0), .data.ptr = conn};
	if (conn->waiting == writable)
		return;
	conn->waiting = writable;
	if (epoll_ctl(load.epoll, EPOLL_CTL_MOD, conn->fd, &event) != 0)
		load_die("epoll_ctl: %s", strerror(errno));
}

static void flush(struct load_conn *conn)
{
	if (conn->options->driver->flush)
		conn->options->driver->flush(conn);
	conn->dirty = false;
	while (conn->sent < conn->out.size) {
		ssize_t sent =
			send(conn->fd, conn->out.data + conn->sent, conn->out.size - conn->sent, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			watch(conn, true);
			return;
		}
		if (sent < 0 && errno != EINTR)
			load_die("%s: %s", conn->address, strerror(errno));
		conn->sent += sent > 0 ? (size_t)sent : 0;
	}
	buf_clear(&conn->out);
	conn->sent = 0;
	watch(conn, false);
}

static void receive(struct load_conn *conn)
{
	static uint8_t input[INPUT_SIZE];
	ssize_t size = recv(conn->fd, input, sizeof input, 0);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0)
		load_die("%s: %s", conn->address, size == 0 ? "closed the connection" : strerror(errno));
	if (!conn->options->driver->input(conn, input, (size_t)size))
		load_die("%s: an answer that makes no sense", conn->address);
}

static void open_all(void)
{
	const struct load_options *options = &load.options;
	load.conns = xcalloc(options->clients, sizeof *load.conns);
	for (uint32_t i = 0; i < options->clients; i++) {
		struct load_conn *conn = &load.conns[i];
		conn->options = options;
		conn->address = options->addresses[i % options->address_count];
		conn->fd = dial(conn->address);
		if (conn->fd < 0)
			load_die("cannot connect to %s: %s", conn->address, strerror(errno));
		conn->lanes = xcalloc(options->depth, sizeof *conn->lanes);
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
		if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
			load_die("epoll_ctl: %s", strerror(errno));
		if (options->driver->open)
			options->driver->open(conn);
	}
}

static void close_all(void)
{
	for (uint32_t i = 0; i < load.options.clients; i++) {
		struct load_conn *conn = &load.conns[i];
		if (load.options.driver->close)
			load.options.driver->close(conn);
		close(conn->fd);
		buf_release(&conn->out);
		free(conn->lanes);
	}
	free(load.conns);
}

static void turn(void)
{
	struct epoll_event events[EVENTS];
	usec_t now_us = clock_mono_us();
	int wait_ms = 1000;
	if (load.interval_us)
		wait_ms = (int)(MIN(load.last_us + load.interval_us - MIN(now_us, load.last_us + load.interval_us),
				    USEC_PER_SEC) /
				USEC_PER_MSEC) +
			  1;
	int count = epoll_wait(load.epoll, events, EVENTS, wait_ms);
	if (count < 0 && errno != EINTR)
		load_die("epoll_wait: %s", strerror(errno));
	for (int i = 0; i < count; i++) {
		struct load_conn *conn = events[i].data.ptr;
		if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
			receive(conn);
		if (conn->dirty || (events[i].events & EPOLLOUT))
			flush(conn);
	}
	now_us = clock_mono_us();
	if (load.interval_us && now_us >= load.last_us + load.interval_us)
		end_interval(now_us);
}

/** Runs the load that OPTIONS ask for. Gives the exit code. */
static int run(void)
{
	const struct load_options *options = &load.options;
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	rng_init(&load.rng, rng_entropy());
	hist_init(&load.recent);
	hist_init(&load.all);
	load.value = xmalloc(options->value_size + 1);
	for (uint32_t i = 0; i < options->value_size; i++)
		load.value[i] = (uint8_t)rng_next(&load.rng);
	open_all();
	load.start_us = load.last_us = clock_mono_us();
	load.until_us = load.start_us + options->seconds * USEC_PER_SEC;
	load.interval_us = options->preload ? 0 : options->interval_ms * USEC_PER_MSEC;
	for (uint32_t i = 0; i < options->clients; i++) {
		for (uint32_t j = 0; j < options->depth; j++) {
			load.conns[i].lanes[j].conn = &load.conns[i];
			next(&load.conns[i].lanes[j]);
		}
		flush(&load.conns[i]);
	}
	while (load.busy > 0)
		turn();
	hist_merge(&load.all, &load.recent);
	print_figures(&load.all, clock_mono_us() - load.start_us);
	printf("}]}\n");
	close_all();
	free(load.value);
	return load.bad > 0 ? 1 : 0;
}

/* ---- The command line --------------------------------------------------------------------------------------------- */

static const struct load_driver *find_driver(const char *name)
{
	static const struct load_driver *const drivers[] = {&load_redis, &load_etcd, &load_echo};
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	}
	load_die("no protocol \"%s\"", name);
}

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);
	if (*end || end == text || value < min || value > max)
		load_die("\"%s\" is no number from %llu to %llu", text, (unsigned long long)min,
			 (unsigned long long)max);
	return value;
}

static void set_option(struct load_options *o, const char *name, const char *value)
{
	if (strcmp(name, "--clients") == 0)
		o->clients = (uint32_t)number(value, 1, 20000);
	else if (strcmp(name, "--depth") == 0)
		o->depth = (uint32_t)number(value, 1, 4096);
	else if (strcmp(name, "--keys") == 0)
		o->keys = number(value, 1, UINT64_C(1) << 32);
	else if (strcmp(name, "--key-size") == 0)
		o->key_size = (uint32_t)number(value, 16, LOAD_KEY_SIZE_MAX);
	else if (strcmp(name, "--size") == 0)
		o->value_size = (uint32_t)number(value, 0, 1 << 20);
	else if (strcmp(name, "--seconds") == 0)
		o->seconds = number(value, 1, 3600);
	else if (strcmp(name, "--interval-ms") == 0)
		o->interval_ms = number(value, 1, 60000);
	else if (strcmp(name, "--wait") == 0)
		o->wait = (uint32_t)number(value, 0, 16);
	else if (strcmp(name, "--serializable") == 0)
		o->serializable = number(value, 0, 1) == 1;
	else
		load_die("no option %s", name);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		load_die("usage: peerload redis|etcd|echo get|put|preload [--OPTION VALUE]... ADDRESS...");
	load.options = (struct load_options){.driver = find_driver(argv[1]),
					     .clients = 1,
					     .depth = 1,
					     .keys = 10000,
					     .key_size = 16,
					     .value_size = 100,
					     .seconds = 10};
	load.options.preload = strcmp(argv[2], "preload") == 0;
	load.options.kind = strcmp(argv[2], "get") == 0 ? LOAD_GET : LOAD_PUT;
	int at = 3;
	for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
		set_option(&load.options, argv[at], argv[at + 1]);
	if (at >= argc)
		load_die("no address");
	load.options.addresses = argv + at;
	load.options.address_count = (size_t)(argc - at);
	return run();
}
