/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The material of doctor: asks every node all that the rules look at, twice.
 */
#ifndef KV_CLI_CHECKUP_H
#define KV_CLI_CHECKUP_H

#include "cli/doctor.h"
#include "cli/repair_sum.h"
#include "cli/survey_health.h"

/** What was asked of a node besides its status. */
struct checkup_node {
	struct kv_settings *settings; /* NULL: it did not tell */
	bool repair_known;
	struct repair_sum repair;
	struct buf test_settings, waiting_settings;
};

struct checkup {
	struct survey first, second;
	struct kv_moves *moves; /* NULL: nobody told */
	struct checkup_node *asked;
	struct cluster_health health;
	struct node_health *health_nodes;
	struct doctor_node *nodes;
	struct doctor_move *doctor_moves;
	struct buf staged;
	struct doctor_survey survey; /* what all this comes to; points into the rest */
};

/** Takes a second or two. Errors are those of survey_take. */
MUST_USE enum kv_status checkup_take(struct ctl *ctl, struct checkup *ret, struct kv_error *err);

/** Accepts a zeroed struct. Fits CLEANUP. */
void checkup_release(struct checkup *c);

#endif
