/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One node: the engine, the threads around it, the shards, the two doors (clients, nodes), from start to drained stop.
 *
 * What the shards share is here: immutable after the start, atomic, or behind its own lock.
 *
 * Threads: one a shard, one commit thread, a few readers; the thread that calls server_run waits for signals and for
 * the shards. server_open, server_run and server_close are for one thread.
 */
#ifndef KV_SERVER_SERVER_H
#define KV_SERVER_SERVER_H

#include "base/arena.h"
#include "server/budget.h"
#include "server/commit.h"
#include "server/config.h"
#include "server/identity.h"
#include "server/join.h"
#include "server/listener.h"
#include "server/lives.h"
#include "server/map_log.h"
#include "server/notify.h"
#include "server/pages.h"
#include "server/reader.h"
#include "server/settings.h"
#include "server/stats.h"

struct exporter;
struct insight;
struct shard;
struct watchdog;

#define PEER_CONNECTIONS_MAX 4096u

/** A listening address of the node. */
struct server_door {
	struct server *server;
	enum hello_kind kind;               /* who may come in here */
	int fd;                             /* bound, not yet listened on by a loop; -1 after that */
	char address[ADDRESS_SIZE_MAX + 8]; /* host:port with the real port */
	struct listener listener;           /* on shard 0's thread */
};

struct server {
	const struct config *config; /* as it started: read-only after server_open, and down to shards */
	struct identity identity;
	struct store *store;
	struct commit *commit;
	struct watchdog *watchdog;
	struct reader *reader;
	struct exporter *exporter; /* of traces; NULL: nobody takes them */
	bool in_cluster; /* when it started; then map is what was stored, which the cores read as they start */
	struct arena map_arena;
	struct map_desc map;
	struct map_log map_log; /* private to shard 0's thread once it runs */
	struct join join;
	usec_t started_us;
	_Atomic uint64_t connections_max; /* of clients; config's, or less if the system gives fewer descriptors */
	_Atomic uint64_t open_files_max;  /* that the system allows */
	uint32_t shard_count;
	struct shard **shards;
	struct server_door client_door, peer_door, http_door; /* http_door.address empty: there is none */
	struct lives lives;                                   /* shared */
	struct pages pages;                                   /* shared */
	struct insight *insight;                              /* the HTTP port, or NULL */
	struct settings settings;                             /* shared */
	struct budget budget;                                 /* shared */
	struct server_stats stats;                            /* shared */
	uint32_t next_shard;                                  /* private to shard 0's thread */
	struct notify notify;                                 /* private to server_run */
	int wake_fd;                                          /* of server_run: a shard went quiet, or failed */
	_Atomic bool failed, refused; /* refused: failed because of its identity or version */
	_Atomic bool retired;         /* left the cluster, as it was told to */
	_Atomic bool draining;        /* on its way down */
	_Atomic usec_t map_old_us;    /* since when a peer has had a newer map; 0: none has */
	bool running;
};

/**
 * Opens the data directory, checks the identity, binds the addresses and writes them to DATA_DIR/addresses. MOVED: it may
 * have another peer address than the cluster knows, and tells the others. CONFIG outlives the server. After an error, said
 * in ERR, the server is closed. Signals are blocked by the caller.
 */
MUST_USE enum kv_status server_open(struct server *s, const struct config *config, bool moved, struct error *err);

/** Where SIGHUP has the configuration read again; as config_load. Between server_open and server_start. */
void server_set_file(struct server *s, const char *file, const char *const *environment);

/* Exit codes of server_run besides 0. */
enum { SERVER_FAILED = 1, SERVER_REFUSED = 11 };

/** Starts the threads and opens the doors. FORM: also forms a cluster of this one node, if it is in none. */
void server_start(struct server *s, bool form);

/**
 * Serves until SIGTERM or SIGINT; SIGHUP has the configuration read again. Then drains: no new connections, running requests are answered as long as
 * limits.drain allows (a second signal ends that), all writes are durable. Returns the process's exit code.
 */
int server_run(struct server *s);

/** Ends all threads and closes the engine. Accepts a server that did not open or start. */
void server_close(struct server *s);

/** What clients (HELLO_CLIENT) or other nodes (HELLO_PEER) are told to dial. After server_open; lives as long as S. */
const char *server_advertised(const struct server *s, enum hello_kind kind);

/** The node has left its cluster as it was told to: server_run drains and returns 0. Any thread. */
void server_retire(struct server *s);

/** The node cannot go on: logged here, server_run returns SERVER_FAILED, or SERVER_REFUSED for its identity or version. Any thread. */
void server_fail(struct server *s, enum kv_status status, struct slice why);

#endif
