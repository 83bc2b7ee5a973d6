/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One node of a development cluster: a directory with kvd.yaml, data, log and pid, and the kvd process that serves it.
 * A process counts as this node's only if its command line names the directory's kvd.yaml: a recycled process number never
 * gets a signal.
 */
#ifndef KV_CLI_DEV_NODE_H
#define KV_CLI_DEV_NODE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/status.h"

#define DEV_PATH_SIZE    4096
#define DEV_ADDRESS_SIZE 280

struct dev_node {
	char name[16];
	char dir[DEV_PATH_SIZE]; /* absolute */
	pid_t child;             /* started by this process, to be reaped; 0: none */
};

/** Node NUMBER of the cluster in DIR, an absolute path. */
void dev_node_init(struct dev_node *node, const char *dir, unsigned number);

/** True if the node was set up before. */
bool dev_node_exists(const struct dev_node *node);

/** True if it has left its cluster for ever; marks that. KV_IO. */
bool dev_node_has_left(const struct dev_node *node);
MUST_USE enum kv_status dev_node_mark_left(const struct dev_node *node, struct error *err);

/** Creates the directory and the configuration. KV_IO. */
MUST_USE enum kv_status dev_node_create(const struct dev_node *node, unsigned number, struct error *err);

/** The number of its running process, or 0. */
pid_t dev_node_pid(const struct dev_node *node);

/**
 * True while a process has the node's store open. That outlives dev_node_pid() for a moment: the first thread of a killed process
 * ends though another still waits for the disk.
 */
bool dev_node_holds_store(const struct dev_node *node);

/** Starts KVD, detached from the terminal. KV_IO. */
MUST_USE enum kv_status dev_node_start(struct dev_node *node, const char *kvd, struct error *err);

/** True if the process that dev_node_start started has ended; its last words are in ERR. */
bool dev_node_has_failed(struct dev_node *node, struct error *err);

/** Sends SIGNAL_NUMBER to the process, if there is one. */
void dev_node_signal(const struct dev_node *node, int signal_number);

/** Where it listens. False until kvd has written that. */
MUST_USE bool dev_node_addresses(const struct dev_node *node, char ret_client[DEV_ADDRESS_SIZE],
				 char ret_peer[DEV_ADDRESS_SIZE]);

/** Where its status page is. False if it has none, or kvd has not written it yet. */
MUST_USE bool dev_node_http(const struct dev_node *node, char ret[DEV_ADDRESS_SIZE]);

/** Replaces DIR/NAME by TEXT as a whole. KV_IO. */
MUST_USE enum kv_status dev_write_file(const char *dir, const char *name, struct slice text, struct error *err);

/** Finds kvd: $KVD, beside kvctl, in PATH. KV_NOT_FOUND. */
MUST_USE enum kv_status dev_find_kvd(char ret[DEV_PATH_SIZE], struct error *err);

#endif
