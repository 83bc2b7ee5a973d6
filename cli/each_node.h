/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Asking many nodes at once, so that those that do not answer cost one time-out, not one each.
 */
#ifndef KV_CLI_EACH_NODE_H
#define KV_CLI_EACH_NODE_H

#include <stddef.h>

/** Calls ASK for each number below COUNT, several at a time from threads of its own, and returns when all are done. */
void each_node(size_t count, void (*ask)(void *arg, size_t i), void *arg);

#endif
