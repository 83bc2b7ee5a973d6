/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One shard: a thread with its loop, its core, the connections it accepted and its links to the other nodes.
 *
 * Partition p belongs to shard p modulo the number of shards. A request that arrives on another shard's connection
 * crosses by the owner's inbox, as the bytes of its frame, and its answer comes back the same way. Messages to other
 * nodes leave over the shard's own links.
 *
 * Everything but shard_post_*, shard_status_copy and shard_told_copy is for the shard's thread.
 */
#ifndef KV_SERVER_SHARD_H
#define KV_SERVER_SHARD_H

#include <pthread.h>

#include "server/conn.h"
#include "server/hot_keys.h"
#include "server/node.h"
#include "server/peer.h"
#include "server/server.h"

/** What a shard tells the others about itself, every SHARD_PUBLISH_US. */
struct shard_status {
	struct core_stats core;
	struct uuid cluster;
	node_id index;
	uint64_t epoch;
	bool ready;
};

#define SHARD_PUBLISH_US (100 * USEC_PER_MSEC)
#define SHARD_ASK_US     (2 * USEC_PER_SEC)

/** What is too large to be told so often: bytes, of the last time that it changed or was asked. */
enum shard_told {
	SHARD_MAP,    /* the node's map as it is stored; empty before the first. Of shard 0 only */
	SHARD_MOVES,  /* the frame of the answer to MOVE_LIST. Of shard 0 only */
	SHARD_REPAIR, /* the frame of the answer to REPAIR */
	SHARD_TOLD_COUNT,
};

struct shard {
	struct server *server; /* read-only */
	uint32_t index;        /* read-only */
	struct loop loop;      /* private, and all below */
	pthread_t thread;
	struct node node;
	struct conn_set conns;
	struct peer_set peers;
	struct loop_timer house;
	usec_t house_us;         /* when it is due */
	usec_t ask_us;           /* when the core is asked again for what SHARD_ASK_US is for */
	struct opstats *opstats; /* of this shard; others may read it */
	struct hot_keys *hot;    /* the present window */
	usec_t hot_until_us;
	struct arena arena;       /* of what crossed over */
	struct error hello_error; /* text of the HELLO being answered */
	bool draining;
	_Atomic bool quiet; /* draining, and nobody waits for an answer */
	pthread_mutex_t status_mutex;
	struct shard_status status; /* under the mutex, and told */
	struct buf told[SHARD_TOLD_COUNT];
	struct hot_keys *hot_last; /* under the mutex: the window before the present one */
};

/** Builds shard INDEX; CORE is what its core is told. KV_OVERLOADED without descriptors for its loop. */
MUST_USE enum kv_status shard_new(struct server *server, uint32_t index, const struct core_config *core,
				  struct shard **ret, struct error *err);

/** Starts the thread. All shards exist by then. */
void shard_start(struct shard *s);

/** Waits for a thread that shard_post_stop was said to. */
void shard_join(struct shard *s);

/** The thread does not run; commit and reader threads have ended. NULL is allowed. */
void shard_free(struct shard *s);

/** Any thread: live settings of the shard change. */
void shard_post_limits(struct shard *s, const struct config *now);

/** Any thread: takes a connection, drains, ends. */
void shard_post_accept(struct shard *s, int fd, enum hello_kind kind);
void shard_post_drain(struct shard *s);
void shard_post_stop(struct shard *s);

/** Any thread: the map STORED (as kept on disk) is the node's. */
void shard_post_map(struct shard *s, struct slice stored);

/** Any thread: a request of the process itself, e.g. to form a cluster. Its outcome is logged; a failure is fatal. */
void shard_post_request(struct shard *s, const struct msg *msg);

/** Any thread. */
void shard_status_copy(struct shard *s, struct shard_status *ret);

/** Any thread: puts the bytes in place of what RET holds. Nothing if the shard has not told them yet. */
void shard_told_copy(struct shard *s, enum shard_told what, struct buf *ret);

/** Keeps BYTES as what the shard tells. */
void shard_tell(struct shard *s, enum shard_told what, struct slice bytes);
/** Any thread: adds the keys that clients asked this shard for in its last whole window. */
void shard_hot_keys(struct shard *s, struct hot_sum *sum);

/** Of shard_route.c: what the shard's parts do with messages. */
extern const struct conn_events shard_conn_events;
extern const struct node_events shard_node_events;
extern const struct peer_events shard_peer_events;

#endif
