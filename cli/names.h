/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Names of nodes by their index in the map.
 */
#ifndef KV_CLI_NAMES_H
#define KV_CLI_NAMES_H

#include "cli/commands.h"

/** Room for a name, or for "#65535", and the NUL. */
#define NODE_NAME_ROOM 72

struct names {
	struct kv_node *nodes;
	size_t count;
};

/** What the client knows of the map; without one, every node is called by its number. */
void names_load(struct ctl *ctl, struct names *names);

/** Fits CLEANUP. */
void names_release(struct names *names);

void names_node(const struct names *names, uint16_t node, char ret[NODE_NAME_ROOM]);

#endif
