/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What became of a strong write's earlier attempts, judged by the promises of a ballot.
 *
 *   effective  a strong copy that carries the attempt was seen at a majority (while replicas change: of both sets): it happened
 *   ancestor   the greatest record is the attempt or was built on it: once that record is stable it happened
 *   dead       so many replicas never had it, and never will, that no majority (of either set) can; or the greatest record's lineage reaches back
 *              beyond it without it: it did not happen, if this ballot's accept goes through
 *   open       none of these can be shown yet
 */
#ifndef KV_REPLICATION_FATE_H
#define KV_REPLICATION_FATE_H

#include "replication/op.h"

enum fate { FATE_DEAD, FATE_OPEN, FATE_ANCESTOR, FATE_EFFECTIVE };

struct fate_of {
	enum fate fate;         /* DEAD: of all attempts, also if there is none */
	struct version attempt; /* EFFECTIVE, ANCESTOR: which one */
	uint64_t result;        /* and its result */
	bool traced;            /* there are attempts, of this coordinator or of another one */
	bool expired; /* OPEN: because memories do not reach back to the request, which waiting cannot mend */
	bool over;    /* OPEN: the client has sent a later request in the same lane */
};

/** Judges the attempts of OP, its own and those of its request id made elsewhere. M is the greatest record promised. */
struct fate_of fate_judge(const struct op *op, const struct record *m);

#endif
