/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A change of the cluster as kvctl shows it: the plan before, the progress meanwhile. Shared by node add, node remove, cluster
 * plan, cluster commit, and dev add and remove.
 */
#ifndef KV_CLI_CHANGE_H
#define KV_CLI_CHANGE_H

#include <kv/admin.h>

#include "cli/commands.h"

/** Shows PLAN on standard output as the flags say. Gives the exit code. */
int change_show_plan(struct ctl *ctl, const struct kv_plan *plan);

/** Asks for the plan and shows it. Gives the exit code. */
int change_tell_plan(struct ctl *ctl);

/**
 * Commits what is staged and tells in a line what that is. *ret_plan is what was committed, to be freed; NULL if nothing is
 * staged. Gives the exit code; *ret_plan is set with 0 only.
 */
int change_commit(struct ctl *ctl, struct kv_plan **ret_plan);

/**
 * Waits until all moves are done and every node has arrived or left, showing the progress. PLAN is what was committed, or NULL:
 * whatever is under way. Ctrl-C ends the waiting, not the change. Gives the exit code.
 */
int change_wait(struct ctl *ctl, const struct kv_plan *plan);

/** Waits until the map that the client has names a node at PEER_ADDRESS; false after some seconds. */
MUST_USE bool change_wait_known(struct ctl *ctl, const char *peer_address);

/** "staged", "joining". Static storage. */
const char *change_node_word(enum kv_node_state state);

/** The name of the node with that index, or "?". */
const char *change_node_name(const struct kv_node *nodes, size_t count, uint16_t index);

#endif
