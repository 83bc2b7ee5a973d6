/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: a server on kvd's own loop and transport that sends back what it is sent. What it costs is what the kernel and the
 * event loop cost any server of this kind. Prints its address; ends with its standard input.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "server/listener.h"
#include "server/loop.h"
#include "server/transport.h"

enum { INPUT_SIZE = 1 << 18 };

static struct loop loop;

struct echo {
	struct transport transport;
	struct event readable;
};

static void echo_end(struct echo *echo)
{
	event_del(&echo->readable);
	transport_close(&echo->transport);
	free(echo);
}

/* Answers are small and their readers fast: what the socket does not take ends the connection. */
static void on_readable(int fd, short what, void *data)
{
	(void)fd, (void)what;
	static uint8_t input[INPUT_SIZE];
	struct echo *echo = data;
	struct iovec part = {input, sizeof input};
	size_t size = 0, sent = 0;
	enum transport_result result = transport_read(&echo->transport, &part, 1, &size);
	if (result == TRANSPORT_AGAIN)
		return;
	part.iov_len = size;
	if (result != TRANSPORT_OK || transport_write(&echo->transport, &part, 1, &sent) != TRANSPORT_OK ||
	    sent < size)
		echo_end(echo);
}

static void on_accepted(void *owner, int fd)
{
	(void)owner;
	struct echo *echo = xcalloc(1, sizeof *echo);
	transport_init_tcp(&echo->transport, fd);
	event_assign(&echo->readable, loop.base, fd, EV_READ | EV_PERSIST, on_readable, echo);
	event_add(&echo->readable, NULL);
}

static void on_input(int fd, short what, void *data)
{
	(void)what, (void)data;
	char byte;
	if (read(fd, &byte, 1) <= 0)
		loop_stop(&loop);
}

int main(void)
{
	struct error err;
	struct address bound;
	struct listener listener = {0};
	struct event input;
	int fd;
	if (loop_init(&loop, &err) != KV_OK || listener_bind("127.0.0.1:0", 0, &fd, &bound, &err) != KV_OK) {
		fprintf(stderr, "echo_server: %s\n", err.message);
		return 1;
	}
	listener_start(&listener, &loop, fd, on_accepted, NULL);
	event_assign(&input, loop.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, NULL);
	event_add(&input, NULL);
	char text[ADDRESS_TEXT_SIZE];
	address_format(&bound, text);
	printf("%s\n", text);
	fflush(stdout);
	loop_run(&loop);
	event_del(&input);
	listener_stop(&listener);
	return 0;
}
