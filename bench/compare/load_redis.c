/* SPDX-License-Identifier: Apache-2.0 */
/* Redis: pipelined RESP. A put with --wait is SET and WAIT, sent together, and good if WAIT counts enough replicas. */
#include <stdio.h>

#include "bench/compare/load.h"

struct redis {
	struct buf line; /* the beginning of a line that has not arrived in full */
	uint64_t skip;   /* bytes of a value, and its line end, still to come */
	bool second;     /* the next answer is WAIT's */
	bool set_good;
};

static void redis_open(struct load_conn *conn) { conn->state = xcalloc(1, sizeof(struct redis)); }

static void redis_close(struct load_conn *conn)
{
	struct redis *redis = conn->state;
	buf_release(&redis->line);
	free(redis);
}

static bool waits(const struct load_options *options)
{
	return options->kind == LOAD_PUT && options->wait > 0 && !options->preload;
}

static void redis_request(struct load_conn *conn, struct load_lane *lane, enum load_kind kind)
{
	char key[LOAD_KEY_SIZE_MAX + 1];
	const struct load_options *options = conn->options;
	size_t size = load_key(options, lane->number, key);
	if (kind == LOAD_GET) {
		buf_printf(&conn->out, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", size, key);
		return;
	}
	buf_printf(&conn->out, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%u\r\n", size, key, options->value_size);
	buf_append(&conn->out, load_value(options), options->value_size);
	buf_append_str(&conn->out, "\r\n");
	if (waits(options))
		buf_printf(&conn->out, "*3\r\n$4\r\nWAIT\r\n$1\r\n%u\r\n$4\r\n5000\r\n", options->wait);
}

/** One answer: a line, and for a value what follows it. */
static bool take_line(struct load_conn *conn, const char *line)
{
	struct redis *redis = conn->state;
	if (line[0] == '$') {
		long long size = atoll(line + 1);
		redis->skip = size < 0 ? 0 : (uint64_t)size + 2;
		load_answer_oldest(conn, size == (long long)conn->options->value_size);
		return true;
	}
	if (line[0] != '+' && line[0] != ':' && line[0] != '-')
		return false;
	if (waits(conn->options) && !redis->second) {
		redis->second = true;
		redis->set_good = line[0] == '+';
		return true;
	}
	bool good = line[0] == '+';
	if (redis->second)
		good = redis->set_good && line[0] == ':' && atoll(line + 1) >= (long long)conn->options->wait;
	redis->second = false;
	load_answer_oldest(conn, good);
	return true;
}

static bool redis_input(struct load_conn *conn, const uint8_t *data, size_t size)
{
	struct redis *redis = conn->state;
	while (size > 0) {
		size_t taken = (size_t)MIN(redis->skip, (uint64_t)size);
		redis->skip -= taken;
		data += taken;
		size -= taken;
		const uint8_t *end = memchr(data, '\n', size);
		taken = end ? (size_t)(end - data) + 1 : size;
		buf_append(&redis->line, data, taken);
		data += taken;
		size -= taken;
		if (!end)
			continue;
		bool good = take_line(conn, buf_cstr(&redis->line));
		buf_clear(&redis->line);
		if (!good)
			return false;
	}
	return true;
}

const struct load_driver load_redis = {.name = "redis",
				       .batch = 1,
				       .open = redis_open,
				       .close = redis_close,
				       .request = redis_request,
				       .input = redis_input};
