/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a crash or a failing disk does to a node's write-ahead log, done to a node that does not run.
 */
#ifndef KV_TESTS_CLUSTER_DISK_H
#define KV_TESTS_CLUSTER_DISK_H

#include "base/rng.h"
#include "tests/cluster/process.h"

/** Path and size of the newest log; false if there is none. Also while the node runs. */
MUST_USE bool disk_log(const struct process *p, char ret_path[PROCESS_PATH_MAX + 64], uint64_t *ret_size);

/** How much of the newest log a faulty node has synced, as it tells; nothing of a log that it never synced. */
uint64_t disk_log_synced(const struct process *p);

/** True if the newest log of a faulty node (a struct process) holds bytes that were not synced. */
bool disk_has_unsynced(void *process);

/**
 * A power cut: of what was not synced, a random part stays. Returns how many bytes were lost. Nothing that was
 * synced is touched.
 */
uint64_t disk_lose_unsynced(const struct process *p, struct rng *rng);

/** Turns over one bit of the log's synced part that has records behind it. Doing it again undoes it. Fails the test without a log. */
void disk_damage_log(const struct process *p);

#endif
