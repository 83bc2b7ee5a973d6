/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One kvd process: its directory, configuration, log, and what tests do to it. The directory outlives the process, so
 * the same struct starts again as the same node. A child dies with the test program, whatever becomes of that.
 */
#ifndef KV_TESTS_CLUSTER_PROCESS_H
#define KV_TESTS_CLUSTER_PROCESS_H

#include <sys/types.h>

#include "base/types.h"
#include "tests/cluster/preload.h"

#define PROCESS_PATH_MAX    512
#define PROCESS_ADDRESS_MAX 64

struct process {
	char name[32];
	char data_dir[PROCESS_PATH_MAX];
	char config[PROCESS_PATH_MAX];
	char log[PROCESS_PATH_MAX];
	/* Take effect at the next start. */
	unsigned shards;
	int64_t wall_offset_ms;
	unsigned compare_ms;                           /* between two comparisons of replicas; 0: as a real node */
	const char *kvd;                               /* another build of it; NULL: the one under test */
	const char *argument;                          /* of the command line; NULL: none */
	const char *settings;                          /* further lines of configuration; NULL: none */
	const char *listen_peer;                       /* host:port for other nodes; NULL: any port */
	const char *advertise_client, *advertise_peer; /* host:port; NULL: where it listens */
	/* Read-only. */
	char client[PROCESS_ADDRESS_MAX], peer[PROCESS_ADDRESS_MAX]; /* host:port; empty before the first start */
	pid_t pid;                                                   /* 0: not running */
	bool paused;
	struct preload_control *faults; /* NULL: started without the library that makes them; see preload.h */
};

/** A node without a process yet, in DIRECTORY/NAME. */
void process_init(struct process *p, const char *directory, const char *name);

/** From the next start on, FAULTS commands faults. The node carries them over restarts. Ended with process_release. */
void process_make_faulty(struct process *p);

/** After process_kill. */
void process_release(struct process *p);

/** What other nodes dial: as in the cluster map. */
const char *process_peer_address(const struct process *p);

/** Starts it and returns at once. */
void process_spawn(struct process *p);

/** Starts it and waits until it listens; fails the test if it does not. */
void process_start(struct process *p);

/** kill -9, and waits for the end. Does nothing without a process. */
void process_kill(struct process *p);

/** SIGSTOP, and waits until every thread stands; SIGCONT. */
void process_pause(struct process *p);
void process_resume(struct process *p);

/** SIGTERM, without waiting. */
void process_terminate(struct process *p);

/** Waits for an end that was asked for or comes by itself: the exit code, or 128 and the signal. Fails the test if there is none. */
int process_wait(struct process *p, unsigned timeout_ms);

/** True if the process runs; reaps it if not, and shows how it ended. */
bool process_is_alive(struct process *p);

/** Resident memory in bytes; 0 without a process. */
size_t process_memory(const struct process *p);

#endif
