/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A development cluster: a directory with nodes n1, n2, ... (cli/dev_node.h), which one kvctl at a time works on. A node
 * that has left the cluster keeps its directory and its number, and is not started any more.
 */
#ifndef KV_CLI_DEV_H
#define KV_CLI_DEV_H

#include "base/types.h"
#include "cli/commands.h"
#include "cli/dev_node.h"

#define DEV_NODES_MAX 16
#define DEV_STOP_US   (20 * USEC_PER_SEC) /* until SIGKILL; longer than kvd drains */

struct dev {
	struct ctl *ctl;
	char dir[DEV_PATH_SIZE - 64]; /* absolute, with room for the files' names */
	int lock_fd;
	struct dev_node nodes[DEV_NODES_MAX]; /* that have not left */
	unsigned count;
	unsigned next_number;
};

/** Opens the directory, which must exist, keeps others out, and finds its nodes. False after an error, which it has told. */
MUST_USE bool dev_open(struct dev *dev, struct ctl *ctl);

void dev_close(struct dev *dev);

/** Tells an error and gives its exit code. */
int dev_fail(const struct dev *dev, const struct error *err);

/** NULL, with the mistake told, if there is no node of that name or it has left. */
struct dev_node *dev_find_node(struct dev *dev, const char *name);

/** Sets the next node up, as the last of nodes. KV_IO. */
MUST_USE enum kv_status dev_create_node(struct dev *dev, struct error *err);

/** NODE, one of nodes, has left: marks its directory and takes it off the list. KV_IO. */
MUST_USE enum kv_status dev_drop_node(struct dev *dev, struct dev_node *node, struct error *err);

/** Starts what does not run, and waits until all have their addresses. */
MUST_USE enum kv_status dev_start_nodes(struct dev *dev, struct error *err);

/** What to find out from a node by asking it. */
struct dev_question {
	struct kv_client *client;
	bool ready;      /* in: it must serve requests; else an answer will do */
	bool in_cluster; /* out */
};

/** Waits until the node has told its addresses; until it answers. KV_IO: its process ended; KV_DEADLINE. */
MUST_USE enum kv_status dev_wait_addresses(struct dev_node *node, struct error *err);
MUST_USE enum kv_status dev_wait_answer(struct dev_node *node, struct dev_question *question, struct error *err);

/** True when none of COUNT nodes runs, within the time. */
MUST_USE bool dev_wait_stopped(struct dev_node *nodes, unsigned count, usec_t timeout_us);

/** Writes DIR/endpoints and appends the same to ENDPOINTS. KV_IO. */
MUST_USE enum kv_status dev_write_endpoints(const struct dev *dev, struct buf *endpoints, struct error *err);

#endif
