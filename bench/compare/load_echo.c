/* SPDX-License-Identifier: Apache-2.0 */
/* The floor: a request of key and value size is sent, and comes back from bench/compare/echo_server.c as it is. */
#include "bench/compare/load.h"

struct echo {
	size_t left; /* of the oldest answer */
};

static size_t frame_size(const struct load_options *options)
{
	return options->key_size + options->value_size + 32;
}

static void echo_open(struct load_conn *conn) { conn->state = xcalloc(1, sizeof(struct echo)); }
static void echo_close(struct load_conn *conn) { free(conn->state); }

static void echo_request(struct load_conn *conn, struct load_lane *lane, enum load_kind kind)
{
	(void)lane, (void)kind;
	size_t size = frame_size(conn->options);
	memset(buf_extend(&conn->out, size), 'e', size);
}

static bool echo_input(struct load_conn *conn, const uint8_t *data, size_t size)
{
	(void)data;
	struct echo *echo = conn->state;
	size_t whole = frame_size(conn->options);
	echo->left += size;
	while (echo->left >= whole) {
		echo->left -= whole;
		load_answer_oldest(conn, true);
	}
	return true;
}

const struct load_driver load_echo = {.name = "echo",
				      .batch = 1,
				      .open = echo_open,
				      .close = echo_close,
				      .request = echo_request,
				      .input = echo_input};
