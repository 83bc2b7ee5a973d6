/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Whole cores (map_world.h) and clients that ask any of them for changes of the cluster, with what they were answered.
 */
#ifndef KV_UNIT_MEMBER_BED_H
#define KV_UNIT_MEMBER_BED_H

#include "tests/unit/map_world.h"

enum { ANSWERS = 64 };

struct answer {
	bool there;
	enum kv_status status;
	bool in_doubt;
	char message[256];
	char value[64];
	struct msg_plan plan;
};

struct bed {
	struct world w;
	struct answer answers[ANSWERS];
	uint64_t asked;
};

/** NODES cores, the first MEMBERS of them a cluster, after their first seconds. */
struct bed *bed_new(uint32_t nodes, uint32_t members);
void bed_free(struct bed *b);

void bed_pass(struct bed *b, usec_t us);

/** Asks node AT for a change; the answer is there once enough time has passed. */
struct answer *bed_begin(struct bed *b, node_id at, const struct msg_change *change);

/** The same, and waits for it: its status. bed_last has the rest. */
enum kv_status bed_change(struct bed *b, node_id at, struct msg_change c);
const struct answer *bed_last(const struct bed *b);

/** Fails the test unless the change is refused with STATUS and a message that has WHY in it. */
void bed_expect_refused(struct bed *b, node_id at, struct msg_change c, enum kv_status status, const char *why);

/** The map in force at a node, and a node of node 0's. */
const struct map_desc *bed_map(const struct bed *b, node_id node);
const struct map_node *bed_node(const struct bed *b, node_id node);

struct msg_change bed_add(const char *address);
struct msg_change bed_about(enum change_kind kind, node_id node);

/** Ends the node; returns when the others know. */
void bed_stop(struct bed *b, node_id node);

#endif
