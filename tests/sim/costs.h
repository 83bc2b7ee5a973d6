/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What each request costs: message rounds on its critical path and durable writes.
 *
 * Whatever happens in a node because of a request is counted for it: a message carries the number of the request it serves
 * and how many messages between nodes lie before it, a node knows the longest such way that has reached it, and the
 * answer's way, halved, is the number of round trips. Work that a timer causes belongs to no request. Requests that wait
 * for each other are counted for the one that moves on, so exact figures need one request at a time.
 */
#ifndef KV_SIM_COSTS_H
#define KV_SIM_COSTS_H

#include "proto/msg.h"
#include "tests/sim/options.h"

struct cost {
	uint32_t depth[SIM_NODES_MAX];  /* messages between nodes on the longest way to each */
	uint32_t writes[SIM_NODES_MAX]; /* batches given to each disk before the answer */
	uint32_t messages;              /* between nodes, before the answer */
	bool answered;
	uint32_t rounds; /* once answered */
};

struct costs {
	bool counting;
	struct cost *items; /* of requests 1, 2, ... */
	uint32_t count, capacity;
	uint32_t present; /* the request whose event is being handled, 0 for none */
};

void costs_release(struct costs *c);

/** A new request; returns its number, 0 if nothing is counted. */
uint32_t costs_request(struct costs *c);

/** NODE begins to handle what REQUEST caused, DEPTH messages after it. costs_end ends it. */
void costs_begin(struct costs *c, uint32_t request, uint16_t node, uint32_t depth);
void costs_end(struct costs *c);

/** NODE sends a message of the present request; returns its depth. */
uint32_t costs_send(struct costs *c, uint16_t node);

/** NODE writes, NODE answers the client. */
void costs_write(struct costs *c, uint16_t node);
void costs_answer(struct costs *c, uint16_t node);

const struct cost *costs_of(const struct costs *c, uint32_t request);

/** Most batches that one replica wrote. */
uint32_t cost_writes_max(const struct cost *cost);

#endif
