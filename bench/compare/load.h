/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A load generator for the systems kvd is compared with: one thread, one epoll, C connections with D requests under way on
 * each, in a closed loop. It prints what kvctl bench -o jsonl --interval prints, and draws the same keys.
 *
 * A protocol is a load_driver: it turns requests into bytes and bytes into answers, and knows nothing of time.
 */
#ifndef KV_BENCH_COMPARE_LOAD_H
#define KV_BENCH_COMPARE_LOAD_H

#include "base/buf.h"
#include "base/types.h"

#define LOAD_KEY_SIZE_MAX 64u

enum load_kind { LOAD_GET, LOAD_PUT };

struct load_driver;

struct load_options {
	const struct load_driver *driver;
	char **addresses; /* host:port; connections take turns */
	size_t address_count;
	enum load_kind kind;
	uint32_t clients, depth; /* connections, and requests on each */
	uint64_t keys;
	uint32_t key_size, value_size;
	uint64_t seconds, interval_ms;
	bool preload;      /* instead: store every key once */
	uint32_t wait;     /* redis: replicas to wait for */
	bool serializable; /* etcd: any member may answer a get */
};

struct load_conn;

/** One request that may be under way. */
struct load_lane {
	struct load_conn *conn;
	usec_t start_us;
	uint64_t number; /* of its key, the first one of a batch */
	uint32_t count;  /* keys: more than 1 in a batch only */
	unsigned tries;  /* private, and below: of a preload */
	struct load_lane *next;
};

struct load_conn {
	const struct load_options *options;
	const char *address;
	struct buf out; /* bytes to send: drivers append */
	void *state;    /* the driver's */

	struct load_lane *lanes;        /* private, and all below */
	struct load_lane *first, *last; /* under way, oldest first */
	int fd;
	size_t sent;
	bool dirty, waiting;
};

struct load_driver {
	const char *name;
	uint32_t batch; /* keys that one request of a preload stores */
	void (*open)(struct load_conn *conn);
	void (*close)(struct load_conn *conn);
	void (*request)(struct load_conn *conn, struct load_lane *lane, enum load_kind kind);
	/* Takes all bytes. False: they make no sense. */
	bool (*input)(struct load_conn *conn, const uint8_t *data, size_t size);
	/* Before what was appended is sent; NULL: nothing to do. */
	void (*flush)(struct load_conn *conn);
};

extern const struct load_driver load_redis, load_etcd, load_echo;

/** "bench/0000000017" into KEY. */
size_t load_key(const struct load_options *options, uint64_t number, char key[LOAD_KEY_SIZE_MAX + 1]);

/** The bytes of every value. */
const uint8_t *load_value(const struct load_options *options);

/** The answer to LANE's request, or to the oldest one of the connection. May send the next one. */
void load_answer(struct load_lane *lane, bool good);
void load_answer_oldest(struct load_conn *conn, bool good);

/** Says what is wrong and ends the program. */
NORETURN void load_die(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
