/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine takes for the two things a durable write cannot do without: a round trip over loopback to another process that
 * sleeps until it is asked, and one sync of a record appended to a file.
 *
 *     probe DIRECTORY SECONDS
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hist.h"
#include "bench/compare/dial.h"

enum { MESSAGE_SIZE = 200, RECORD_SIZE = 200 };

static void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

/** Waits and reads one message. False at the end of the stream. */
static bool receive(int fd)
{
	char message[MESSAGE_SIZE];
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	for (size_t size = 0; size < MESSAGE_SIZE;) {
		if (poll(&wait, 1, -1) < 0)
			return false;
		ssize_t got = recv(fd, message + size, sizeof message - size, 0);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		size += got > 0 ? (size_t)got : 0;
	}
	return true;
}

static void transmit(int fd)
{
	static const char message[MESSAGE_SIZE] = {0};
	if (send(fd, message, sizeof message, MSG_NOSIGNAL) != MESSAGE_SIZE)
		die("send");
}

static void answer_all(int listener)
{
	struct pollfd wait = {.fd = listener, .events = POLLIN};
	if (poll(&wait, 1, -1) < 0)
		die("poll");
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd >= 0 && receive(fd))
		transmit(fd);
	_exit(0);
}

static void measure_round_trips(struct hist *hist, usec_t for_us)
{
	unsigned short port;
	char address[32];
	int listener = dial_listen(&port);
	if (listener < 0)
		die("listen");
	pid_t child = fork();
	if (child == 0)
		answer_all(listener);
	snprintf(address, sizeof address, "127.0.0.1:%u", port);
	int fd = dial(address);
	if (child < 0 || fd < 0)
		die("connect");
	for (usec_t until_us = clock_mono_us() + for_us; clock_mono_us() < until_us;) {
		usec_t start_us = clock_mono_us();
		transmit(fd);
		if (!receive(fd))
			die("receive");
		hist_add(hist, clock_mono_us() - start_us);
	}
	close(fd);
	close(listener);
	waitpid(child, NULL, 0);
}

/* As a log grows: each sync makes the file longer. */
static void measure_syncs(const char *directory, struct hist *hist, usec_t for_us)
{
	static const char record[RECORD_SIZE] = {0};
	CLEANUP(free_ptr) char *path = NULL;
	if (asprintf(&path, "%s/probe-%d", directory, (int)getpid()) < 0)
		die("asprintf");
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || unlink(path) != 0)
		die(path);
	for (usec_t until_us = clock_mono_us() + for_us; clock_mono_us() < until_us;) {
		usec_t start_us = clock_mono_us();
		if (write(fd, record, sizeof record) != RECORD_SIZE || fdatasync(fd) != 0)
			die(path);
		hist_add(hist, clock_mono_us() - start_us);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	if (seconds < 1) {
		fprintf(stderr, "usage: probe DIRECTORY SECONDS\n");
		return 2;
	}
	struct hist trips, syncs;
	hist_init(&trips);
	hist_init(&syncs);
	measure_round_trips(&trips, seconds * USEC_PER_SEC / 2);
	measure_syncs(argv[1], &syncs, seconds * USEC_PER_SEC / 2);
	printf("{\"round_trip_p50_us\":%llu,\"round_trip_p99_us\":%llu,\"sync_p50_us\":%llu,\"sync_p99_us\":%llu}\n",
	       (unsigned long long)hist_quantile(&trips, 500), (unsigned long long)hist_quantile(&trips, 990),
	       (unsigned long long)hist_quantile(&syncs, 500), (unsigned long long)hist_quantile(&syncs, 990));
	return 0;
}
