/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Why a key is as it is: what every node said of its part in it, judged. Pure: answers go in, the verdict comes out.
 */
#ifndef KV_CLI_EXPLAIN_H
#define KV_CLI_EXPLAIN_H

#include <kv/admin.h>

#include "base/buf.h"

enum explain_state {
	EXPLAIN_AGREE,       /* all replicas answer and hold the same */
	EXPLAIN_NOWHERE,     /* all replicas answer and none has it */
	EXPLAIN_PARTIAL,     /* those that answer hold the same, and are a majority */
	EXPLAIN_BEHIND,      /* a replica lacks the newest version */
	EXPLAIN_NO_MAJORITY, /* strong requests for it fail */
	EXPLAIN_DAMAGED,     /* a replica's record is damaged, or two differ under one version */
};

/** A node that was asked. */
struct explain_node {
	const char *name;  /* borrowed */
	bool old, next;    /* of the present replicas; of those that a move makes: the same without a move */
	bool answers;      /* then E is what it said */
	const char *error; /* if it does not: borrowed */
	uint16_t index;    /* in the map */
	struct kv_explanation e;
};

struct explain {
	/* In. */
	const struct explain_node *nodes; /* borrowed */
	size_t count;
	bool moving; /* a move of the partition is under way */

	/* Out. */
	enum explain_state state;
	const struct explain_node *newest; /* who has the newest copy; NULL: nobody */
	uint64_t now_ms;                   /* the cluster's clock, as the latest answer tells */
	uint32_t members, answering;       /* replicas, those to be included */
	uint32_t holders;                  /* of them: those that have the newest value */
	uint32_t old_count, old_serving, next_count, next_serving;
};

void explain_judge(struct explain *x, const struct explain_node *nodes, size_t count, bool moving);

/** Appends the verdict: one line, no full stop, no newline. */
void explain_words(const struct explain *x, struct buf *out);

/** Appends what else is worth knowing: lines, each with its newline. Nothing if there is nothing. */
void explain_notes(const struct explain *x, struct buf *out);

/** What a node has in the place of the key: "value", "deletion", "expired", "nothing", "damaged", "unreadable", "no answer". */
const char *explain_holds(const struct explain *x, const struct explain_node *n);

/** The node is a replica in whose place the newest value, or the knowledge that there is none, is missing. */
bool explain_is_behind(const struct explain *x, const struct explain_node *n);

/** "agree", "nowhere", "partial", "behind", "no_majority", "damaged". */
const char *explain_state_name(enum explain_state state);

/** 0; 3 nowhere, 5 no majority, 10 damaged. */
int explain_exit_code(enum explain_state state);

#endif
