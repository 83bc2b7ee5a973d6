/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The adapter around one core: callbacks become events, actions become calls.
 *
 * Every event is stepped at once and its actions are carried out before the call returns; what an event points to need
 * not live longer. Reads that memory answers come back as events of their own after that, never inside it.
 *
 * One a shard, on the loop's thread. An engine error stops the process (server/fatal.h).
 */
#ifndef KV_SERVER_NODE_H
#define KV_SERVER_NODE_H

#include "base/ilist.h"
#include "replication/node_core.h"
#include "server/commit.h"
#include "server/loop.h"
#include "server/opstats.h"
#include "server/reader.h"
#include "server/stats.h"

/** Where a client's request came from and where its answer goes. The connection may be gone by then. */
struct node_origin {
	uint32_t shard;
	uint64_t conn; /* handle on that shard; 0: the process itself asked */
	uint64_t id;   /* the client's, of the request */
	uint16_t opcode;
};

/** What a core wants done that is not disk. Called while actions are carried out: none may call back into the node. */
struct node_events {
	void (*send)(void *owner, node_id to, const struct msg *msg);
	void (*reply)(void *owner, const struct node_origin *origin,
		      const struct msg *msg); /* msg.id is the request's */
	void (*peer)(void *owner, node_id index, struct slice address);
	void (*save_map)(void *owner, const struct map_desc *map);
	void (*stop)(void *owner, enum kv_status status, struct slice why);
};

struct node_config {
	struct loop *loop;
	struct store *store;
	struct commit *commit;
	struct reader *reader;
	struct server_stats *stats;
	struct opstats *opstats;
	const struct node_events *events;
	void *owner;
	const struct core_config *core;
};

struct node_request;

struct node {
	struct node_core *core;    /* read-only */
	struct node_config config; /* private, and all below */
	struct actions actions;
	struct loop_timer tick;
	struct ilist ready; /* reads to be delivered */
	struct ilist spare; /* read structs for reuse */
	struct node_request *requests;
	uint32_t request_count, request_free, requests_open;
	bool busy; /* in a step or carrying out its actions */
	bool delivering;
};

/** Makes the core; nothing runs before node_start. */
void node_init(struct node *n, const struct node_config *config);

/** Accepts a zeroed struct. Jobs under way must have come back. */
void node_release(struct node *n);

void node_start(struct node *n);

/** A client asks. */
void node_request(struct node *n, const struct node_origin *origin, const struct msg *msg, usec_t arrived_us);

/** Another node says. */
void node_message(struct node *n, node_id from, const struct msg *msg, usec_t arrived_us);

/** The map is durable and the node's. */
void node_map_saved(struct node *n, const struct map_desc *map);

/** End of a round: sets the timer to the core's next deadline. */
void node_arm(struct node *n);

/** Requests whose answer is still to come. */
uint32_t node_requests_open(const struct node *n);

#endif
