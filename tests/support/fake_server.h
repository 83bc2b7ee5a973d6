/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A cluster of pretended nodes for tests of the client: real sockets on loopback, real frames, one small shared table
 * of keys (fake_store.h), and a script that makes single requests go wrong.
 *
 * One thread serves all nodes. The functions below may be called from the test's thread at any time. Nothing sleeps: a test
 * waits for what it wants with fake_wait_*, which fail after a generous time and then return false.
 */
#ifndef KV_TESTS_SUPPORT_FAKE_SERVER_H
#define KV_TESTS_SUPPORT_FAKE_SERVER_H

#include "proto/msg.h"

#define FAKE_NODES_MAX  4u
#define FAKE_PARTITIONS 16u
#define FAKE_HLC        hlc_from_ms(1700000000000ull) /* what the nodes' clocks say */

struct fake_server;

enum fake_action {
	FAKE_SERVE,      /* as usual */
	FAKE_STATUS,     /* answer with a status, nothing done */
	FAKE_DROP,       /* close the connection instead of answering, nothing done */
	FAKE_APPLY_DROP, /* carry it out, then close the connection */
	FAKE_IGNORE,     /* never answer, nothing done */
	FAKE_HOLD,       /* answer when fake_release is called */
	FAKE_BAD_SUM,    /* answer with a frame whose body does not match its sum */
	FAKE_BAD_HASH,   /* answer a value that does not match its hash */
};

/** What happens to the next `count` data requests at a node. */
struct fake_step {
	enum fake_action action;
	uint32_t count;
	enum kv_status status; /* FAKE_STATUS */
	bool in_doubt;
	uint32_t retry_after_ms;
};

/** A data request as it arrived. */
struct fake_request {
	uint32_t node;
	uint16_t opcode;
	struct request_id rid;
	hlc_t t0;
	uint32_t attempt;
	uint32_t deadline_ms;
	uint64_t epoch;
	enum msg_level level;
	enum msg_acks acks;
	uint16_t partition;
	uint64_t frame_id;
	bool has_expected, if_present;
	uint64_t fence;
	uint32_t staleness_ms;
	uint32_t session_size;
	uint8_t session[26]; /* the token's beginning */
	char key[32];
};

/** NODE_COUNT nodes that form a cluster with map epoch 1, each on a port of its own. */
struct fake_server *fake_start(uint32_t node_count);

/** The same, but part of no cluster: no map, data requests answer KV_NOT_READY. */
struct fake_server *fake_start_empty(uint32_t node_count);

void fake_stop(struct fake_server *f);

/** "127.0.0.1:port" of a node. Borrowed. */
const char *fake_address(const struct fake_server *f, uint32_t node);

/** Addresses of all nodes, as the client's configuration takes them. Borrowed. */
const char *fake_endpoints(const struct fake_server *f);

/** The first node of a key's row. */
uint32_t fake_owner(struct fake_server *f, const char *key);

/** Adds a step to a node's script. */
void fake_script(struct fake_server *f, uint32_t node, struct fake_step step);

/** Closes a node's listener and connections. */
void fake_kill(struct fake_server *f, uint32_t node);

/** Puts a value of version {HLC, 1} into NODE's ledger. */
void fake_lose(struct fake_server *f, uint32_t node, const char *key, const char *value, hlc_t hlc);

/** Tells all connections of a node to go elsewhere. Their requests go on being served. */
void fake_goaway(struct fake_server *f, uint32_t node);

/** Answers what FAKE_HOLD held back, newest first. */
void fake_release(struct fake_server *f);

/** A new map: rows move on by one node. Data requests with an older epoch answer KV_STALE. */
void fake_change_map(struct fake_server *f);

/** A new map, in which partition 0 is on its way from its last member to the last node. */
void fake_move(struct fake_server *f);

/** Waits until COUNT data requests arrived in all. */
bool fake_wait_requests(struct fake_server *f, uint32_t count);

/** Waits until COUNT connections are open at NODE. */
bool fake_wait_connections(struct fake_server *f, uint32_t node, uint32_t count);

/** Data requests that arrived so far, and the one with that index. */
uint32_t fake_request_count(struct fake_server *f);
struct fake_request fake_request(struct fake_server *f, uint32_t index);

/** Times the map was asked for. */
uint32_t fake_map_count(struct fake_server *f);

#endif
