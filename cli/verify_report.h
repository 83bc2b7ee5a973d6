/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What kvctl verify found, as a table and words or as one JSON object with stable names.
 */
#ifndef KV_CLI_VERIFY_REPORT_H
#define KV_CLI_VERIFY_REPORT_H

#include "cli/commands.h"
#include "cli/verify_load.h"
#include "verify/replicas.h"

struct verify_result {
	uint64_t seed;
	usec_t took_us; /* of the load */
	bool judged;    /* the history was; otherwise nothing is said of it */
	struct verdict verdict;
	struct history shortest; /* if violated and about one key */
	struct replicas copies;  /* of that key, if they are what is violated */
	uint32_t key_ops;        /* operations there were on that key */
	uint32_t undecided;      /* keys whose black-box search was given up */
	bool copies_judged;
	struct buf no_copies; /* why not */
	bool cleaned;
};

void verify_result_release(struct verify_result *r);

/** Writes it to standard output. */
void verify_report(const struct ctl *ctl, const struct verify_load *l, const struct verify_result *r,
		   const struct kv_node *nodes, size_t node_count);

#endif
