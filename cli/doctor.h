/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What is wrong with a cluster, or will be: rules over what all nodes said of themselves. Pure: a survey goes in, findings come out;
 * each rule is one function and one row of a table.
 */
#ifndef KV_CLI_DOCTOR_H
#define KV_CLI_DOCTOR_H

#include "base/buf.h"

enum doctor_severity {
	DOCTOR_NOTE,     /* worth knowing; nothing to mend */
	DOCTOR_WARNING,  /* to be mended */
	DOCTOR_CRITICAL, /* to be mended now */
};

#define DOCTOR_NEVER UINT64_MAX

/** What is known of a node. Texts are borrowed; absent ones are NULL. */
struct doctor_node {
	const char *name;
	bool answers;
	const char *error; /* why it does not */
	/* All below only if it answers. */
	bool ready;
	bool normal; /* a full member: neither joining nor leaving */
	uint64_t uptime_ms;
	const char *version;
	uint32_t seen_down_by;        /* nodes that answer us and cannot reach it */
	const char *seen_down_by_one; /* one of them */

	bool clock_known;
	int64_t clock_ms;        /* its clock, less ours */
	uint64_t clock_error_ms; /* and how wrong that may be */

	uint32_t disk_free_pct; /* 0: not known */
	bool disk_slow;
	bool disk_low; /* it refuses values that grow */
	uint32_t disk_p99_us;
	bool write_stopped; /* the engine refuses writes until it has caught up */

	uint32_t weight, partitions;

	bool settings_known;
	bool insecure;
	uint64_t deletes_keep_ms;
	uint64_t value_size_max;
	const char *test_settings;    /* those of section test that are set */
	const char *waiting_settings; /* those that the file has changed and a restart is needed for */

	uint64_t open_files_max, connections_max, connections_wanted;

	uint64_t hints_pending;    /* on all others, for it */
	int64_t hints_growth;      /* since the first look */
	uint32_t partitions_dirty; /* on all others, for it */
	uint64_t hints_overflowed; /* of its own for others, since the first look */

	bool repair_known;
	uint64_t unverified_ms; /* since its least recently compared partition was; DOCTOR_NEVER */
	const char *unverified_peer;
	uint32_t building;
	uint64_t damaged; /* records that did not match their checksums */
	uint32_t purge_blocked;
	const char *purge_blocked_by;

	uint64_t ledger_entries, ledger_dropped;
	uint64_t overloaded; /* requests refused since the first look */
};

struct doctor_move {
	uint16_t partition;
	const char *node; /* the new replica */
	uint32_t retries;
	uint64_t age_ms; /* since something was heard of it */
	const char *error;
};

struct doctor_survey {
	const struct doctor_node *nodes;
	size_t node_count;
	uint32_t replicas;                     /* of each key */
	uint32_t partitions, without_majority; /* that have no majority of their replicas */
	uint32_t losable;                      /* nodes any of which may be lost now */
	const struct doctor_move *moves;
	size_t move_count;
	uint32_t moves_waiting;
	bool moves_paused;
	const char *staged; /* nodes that wait for a commit */
};

struct doctor_finding {
	const char *rule; /* static */
	enum doctor_severity severity;
	const char *subject; /* a node, or "cluster" */
	const char *why;     /* static: why it matters */
	struct buf what, next;
};

struct doctor {
	struct doctor_finding *findings; /* worst first, then in the order of the rules */
	size_t count, capacity;
};

/** Applies all rules. Texts of the survey live as long as the findings. */
void doctor_examine(struct doctor *d, const struct doctor_survey *s);

/** Fits CLEANUP. */
void doctor_release(struct doctor *d);

/** Findings that are to be mended. */
size_t doctor_to_mend(const struct doctor *d);

/** The names of all rules, in their order. Static storage. */
const char *doctor_rule_name(size_t i); /* NULL behind the last */

/** "note", "warning", "critical". */
const char *doctor_severity_name(enum doctor_severity severity);

#endif
