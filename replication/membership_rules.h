/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What each change does to the map, and when it is refused. Pure: the map, the change and what the asker knows.
 */
#ifndef KV_REPLICATION_MEMBERSHIP_RULES_H
#define KV_REPLICATION_MEMBERSHIP_RULES_H

#include "replication/map_draft.h"

/** A change as it is carried out. Slices are the caller's. */
struct change_order {
	enum change_kind kind;
	bool by_token;        /* ADD: the node asked itself, with the token whose hash is token_hash */
	node_id node;         /* NODE_NONE: none. ADD: whom it replaces */
	struct map_node self; /* ADD: the node, without index and state */
	struct slice address, client_address; /* ADDRESS */
	uint64_t features;                    /* ADDRESS: of the node */
	uint32_t weight;
	uint64_t token_hash;    /* TOKEN, ADD by token */
	uint64_t expires_ms;    /* TOKEN */
	uint64_t epoch;         /* COMMIT: of the map that was planned on; 0: any */
	uint64_t now_ms;        /* on the cluster's clock */
	bool may_have_happened; /* an earlier try may have become a map that was not seen here */
	const bool *live;       /* by index: nodes not known to be down */
};

enum change_effect {
	CHANGE_DRAFTED = 1, /* the draft is the map to propose */
	CHANGE_NOTHING = 2, /* the map is already so */
	CHANGE_REFUSED = 3,
};

/** Applies ORDER to DRAFT, a copy of the map in force. REFUSED: the reason is in ERR and DRAFT is spent. */
MUST_USE enum change_effect change_apply(struct map_draft *draft, const struct change_order *order,
					 struct error *err);

#endif
