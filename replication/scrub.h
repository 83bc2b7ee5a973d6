/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Scrubbing: reads all records again, slowly, partition after partition, and looks whether each still matches its checksum and
 * all together still match the partition's hash tree.
 *
 * A record that does not match its checksum stops the node: what an acceptor has forgotten it must not take from others as
 * if nothing had been (docs/decisions/0021). A tree that does not match the records is put right, and anti-entropy then
 * compares what is really there.
 *
 * A pass begins an interval after the start, and SCRUB_INTERVAL_MS after the one before began.
 */
#ifndef KV_REPLICATION_SCRUB_H
#define KV_REPLICATION_SCRUB_H

#include "replication/step.h"

struct node_core;
struct tree;

struct scrub {
	struct tree *
		shadow; /* private: of the partition being read, built beside its tree; NULL: none. And all below */
	uint32_t partition; /* the next one */
	usec_t pass_us;     /* when the present or next pass begins; 0: not yet planned */
	usec_t page_us;     /* when the next page is read */
	bool hurried;       /* this pass and, if it is under way, the one after: as fast as the disk reads */
	bool again;
};

void scrub_release(struct node_core *core);
void scrub_tick(struct node_core *core);

/** Reads all records now. */
void scrub_all(struct node_core *core);

/** A page was read into SHADOW; the last one if DONE. */
void scrub_read(struct node_core *core, struct tree *shadow, uint32_t count, bool done);

#endif
