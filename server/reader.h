/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A small pool of threads for what a loop must not wait for: reads that memory cannot answer, scans, name look-ups.
 *
 * A job's work function runs on one of the threads, then the job is posted to its owner's loop. Jobs are taken in the
 * order in which they were queued and may finish in any. How many are queued is bounded by who queues them: the core
 * limits its operations.
 */
#ifndef KV_SERVER_READER_H
#define KV_SERVER_READER_H

#include "base/ilist.h"
#include "server/loop.h"

/** Embedded in the caller's struct. */
struct reader_job {
	struct loop_item done;                /* public: run is called on OWNER's loop after the work */
	struct ilink link;                    /* private */
	struct loop *owner;                   /* public */
	void (*work)(struct reader_job *job); /* public: may wait; touches nothing but the job and the engine */
};

struct reader;

/** Starts COUNT threads, 1 or more. Never NULL. */
struct reader *reader_new(unsigned count);

/** Ends the threads after all queued jobs are done and posted back. NULL is allowed. */
void reader_free(struct reader *r);

/** Queues JOB. Any thread. */
void reader_submit(struct reader *r, struct reader_job *job);

#endif
