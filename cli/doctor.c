/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include <stdlib.h>

#include <kv/admin.h>

#include "base/skew.h"
#include "base/types.h"
#include "cli/text.h"

/* What the rules hold for too much. */
enum {
	SKEW_WARNING_MS = 100,
	SKEW_CRITICAL_MS = 400, /* requests are refused from 500 ms on */
	STARTING_MS = 30 * 1000,
	DISK_WARNING_PCT = 15,
	DISK_CRITICAL_PCT = 5,
	UNBALANCED_PCT = 15,
	KEEP_LEAST_MS = 3 * 3600 * 1000, /* as long as hints are kept */
	UNVERIFIED_MS = 3600 * 1000,
	HINTS_MANY = 100000,
	MOVE_SILENT_MS = 60 * 1000,
	MOVE_RETRIES = 20,
};

struct rule {
	const char *name;
	enum doctor_severity severity; /* unless the check finds it worse */
	const char *why;
	void (*check)(const struct doctor_survey *s, const struct rule *rule, struct doctor *d);
};

static struct doctor_finding *find(struct doctor *d, const struct rule *rule, const char *subject)
{
	if (d->count == d->capacity) {
		d->capacity = d->capacity ? 2 * d->capacity : 16;
		d->findings = xrealloc(d->findings, d->capacity * sizeof *d->findings);
	}
	struct doctor_finding *f = &d->findings[d->count++];
	*f = (struct doctor_finding){
		.rule = rule->name, .severity = rule->severity, .subject = subject, .why = rule->why};
	return f;
}

static void append_ms(struct buf *out, uint64_t ms) { text_append_us(out, ms * USEC_PER_MSEC); }

/** NODE of S; the rules are about those that answer. */
#define EACH_ANSWERING(node, s)                                                                                    \
	for (const struct doctor_node *node = (s)->nodes, *end_ = node + (s)->node_count; node < end_; node++)     \
		if (node->answers)

/* ---- Nodes ---- */

static void check_majority(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	if (s->without_majority == 0)
		return;
	struct doctor_finding *f = find(d, rule, "cluster");
	buf_printf(&f->what, "%u of %u partitions have no majority of their replicas", s->without_majority,
		   s->partitions);
	buf_append_str(&f->next,
		       "start the nodes that are down; if they are gone for ever, see kvctl help unsafe recover");
}

static void check_down(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	for (size_t i = 0; i < s->node_count; i++) {
		const struct doctor_node *n = &s->nodes[i];
		if (n->answers)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s does not answer (%s)", n->name, n->error ? n->error : "no answer");
		buf_printf(&f->next,
			   "look at its log and start it; if it is dead, kvctl node add ADDRESS --replace %s",
			   n->name);
	}
}

static void check_ready(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (n->ready)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s runs for ", n->name);
		append_ms(&f->what, n->uptime_ms);
		buf_append_str(&f->what, " and does not serve requests");
		if (n->uptime_ms < STARTING_MS)
			f->severity = DOCTOR_NOTE;
		buf_append_str(&f->next, n->uptime_ms < STARTING_MS
						 ? "wait: it waits for its clock, or reads what it has"
						 : "look at its log and at its clock (chronyc tracking)");
	}
}

static void check_links(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (n->seen_down_by == 0)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s answers here, and %u other node%s cannot reach it", n->name,
			   n->seen_down_by, n->seen_down_by == 1 ? "" : "s");
		buf_printf(&f->next, "check the network from %s to %s's peer address (kvctl node ls)",
			   n->seen_down_by_one ? n->seen_down_by_one : "the others", n->name);
	}
}

static void check_versions(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	const struct doctor_node *first = NULL;
	EACH_ANSWERING(n, s)
	{
		if (!n->version)
			continue;
		if (!first)
			first = n;
		if (strcmp(first->version, n->version) == 0)
			continue;
		struct doctor_finding *f = find(d, rule, "cluster");
		buf_printf(&f->what, "%s runs version %s and %s version %s", first->name, first->version, n->name,
			   n->version);
		buf_append_str(&f->next,
			       "finish the upgrade: restart the older nodes with the newer program, one by one");
		return;
	}
}

/* ---- Clocks ---- */

/** The clock of most of them; false if fewer than two are known. */
static bool agreed_clock(const struct doctor_survey *s, int64_t *ret)
{
	CLEANUP(free_ptr) int64_t *clocks = xcalloc(s->node_count + 1, sizeof *clocks);
	size_t count = 0;
	EACH_ANSWERING(n, s)
	{
		if (n->clock_known)
			clocks[count++] = n->clock_ms;
	}
	if (count < 2)
		return false;
	*ret = skew_agreed(clocks, count, KV_CLOCK_DRIFT_MAX_MS, /* preferred_ms: this machine's */ 0);
	return true;
}

static void check_clocks(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	int64_t agreed;
	if (!agreed_clock(s, &agreed))
		return;
	EACH_ANSWERING(n, s)
	{
		int64_t skew = n->clock_ms - agreed;
		uint64_t size = (uint64_t)llabs(skew);
		if (!n->clock_known || size < SKEW_WARNING_MS + n->clock_error_ms)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s's clock is ", n->name);
		append_ms(&f->what, size);
		buf_printf(&f->what, " %s the others'", skew > 0 ? "ahead of" : "behind");
		if (size >= SKEW_CRITICAL_MS)
			f->severity = DOCTOR_CRITICAL;
		buf_printf(&f->next, "have %s's clock synchronised (chronyc tracking, timedatectl)", n->name);
	}
}

/* ---- Disks ---- */

static void check_room(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (!n->disk_low && (n->disk_free_pct == 0 || n->disk_free_pct >= DISK_WARNING_PCT))
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%u%% of %s's disk are free%s", n->disk_free_pct, n->name,
			   n->disk_low ? ", and it refuses values that take more" : "");
		if (n->disk_low || n->disk_free_pct < DISK_CRITICAL_PCT)
			f->severity = DOCTOR_CRITICAL;
		buf_printf(&f->next, "make room on %s's disk, or add a node (kvctl node add ADDRESS)", n->name);
	}
}

static void check_disk_speed(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (!n->disk_slow && !n->write_stopped)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s's disk is slow", n->name);
		if (n->disk_p99_us > 0) {
			buf_append_str(&f->what, ": the slowest hundredth of its synced writes takes ");
			text_append_us(&f->what, n->disk_p99_us);
		}
		if (n->write_stopped)
			buf_append_str(&f->what, "; the storage engine holds writes back until it has caught up");
		buf_printf(&f->next, "look at %s's disk (iostat -x 1) and at what else uses it", n->name);
	}
}

static void check_damage(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (n->damaged == 0)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s has met %llu record%s that did not match %s checksum", n->name,
			   (unsigned long long)n->damaged, n->damaged == 1 ? "" : "s",
			   n->damaged == 1 ? "its" : "their");
		buf_printf(&f->next, "replace it: kvctl node add ADDRESS --replace %s, then kvctl cluster commit",
			   n->name);
	}
}

/* ---- Settings ---- */

static void check_insecure(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (!n->settings_known || !n->insecure)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s has insecure: true", n->name);
		buf_append_str(
			&f->next,
			"let only the nodes and trusted clients reach its ports, or listen on loopback behind a tunnel");
	}
}

static void check_keep(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (!n->settings_known || n->deletes_keep_ms == 0 || n->deletes_keep_ms >= KEEP_LEAST_MS)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s keeps deletions for ", n->name);
		append_ms(&f->what, n->deletes_keep_ms);
		buf_append_str(&f->what, " (deletes.keep), and hints are kept for ");
		append_ms(&f->what, KEEP_LEAST_MS);
		buf_printf(&f->next, "set deletes.keep to 180m or more on %s and restart it", n->name);
	}
}

static void check_test_settings(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (!n->test_settings || !n->test_settings[0])
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s has %s set", n->name, n->test_settings);
		buf_printf(&f->next, "take it out of %s's configuration and restart it", n->name);
	}
}

static void check_waiting_settings(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (!n->waiting_settings || !n->waiting_settings[0])
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s's file has changed: %s", n->name, n->waiting_settings);
		buf_printf(&f->next, "restart %s when it suits (kvctl config diff)", n->name);
	}
}

static void check_alike(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	const struct doctor_node *first = NULL;
	EACH_ANSWERING(n, s)
	{
		if (!n->settings_known)
			continue;
		if (!first)
			first = n;
		if (first->deletes_keep_ms == n->deletes_keep_ms && first->value_size_max == n->value_size_max)
			continue;
		struct doctor_finding *f = find(d, rule, "cluster");
		buf_printf(&f->what, "%s and %s differ in %s", first->name, n->name,
			   first->deletes_keep_ms != n->deletes_keep_ms ? "deletes.keep" : "limits.value_size");
		buf_append_str(&f->next, "give all nodes the same value (kvctl config diff)");
		return;
	}
}

static void check_files(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (n->connections_max >= n->connections_wanted)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what,
			   "%s may open %llu files, which is room for %llu of the %llu connections it is to take",
			   n->name, (unsigned long long)n->open_files_max, (unsigned long long)n->connections_max,
			   (unsigned long long)n->connections_wanted);
		buf_printf(&f->next, "raise the limit of open files (ulimit -n, LimitNOFILE=) on %s and restart it",
			   n->name);
	}
}

/* ---- Copies ---- */

static void check_copies(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	if (s->replicas == 0 || s->losable > 0 || s->without_majority > 0)
		return;
	bool all_up = true;
	for (size_t i = 0; i < s->node_count; i++)
		all_up &= s->nodes[i].answers;
	if (!all_up)
		return; /* that is told already */
	struct doctor_finding *f = find(d, rule, "cluster");
	buf_printf(&f->what, "every key has %u replica%s: no node can be lost", s->replicas,
		   s->replicas == 1 ? "" : "s");
	buf_append_str(&f->next, "three replicas survive one node; the number is chosen when a cluster is formed");
}

static void check_balance(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	uint64_t weights = 0, held = 0;
	for (size_t i = 0; i < s->node_count; i++) {
		weights += s->nodes[i].normal ? s->nodes[i].weight : 0;
		held += s->nodes[i].normal ? s->nodes[i].partitions : 0;
	}
	if (weights == 0 || s->move_count > 0 || s->moves_waiting > 0)
		return; /* it is being put right */
	for (size_t i = 0; i < s->node_count; i++) {
		const struct doctor_node *n = &s->nodes[i];
		uint64_t share = held * n->weight / weights;
		uint64_t off = n->partitions > share ? n->partitions - share : share - n->partitions;
		if (!n->normal || off <= 2 || off * 100 <= share * UNBALANCED_PCT)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s holds %u partitions; its share by weight is %llu", n->name, n->partitions,
			   (unsigned long long)share);
		buf_append_str(
			&f->next,
			"see kvctl cluster plan; zones of unequal size cannot be balanced, add nodes to the small ones");
	}
}

static void check_hints(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (!n->ready || (n->hints_growth <= 0 && n->hints_pending < HINTS_MANY))
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%llu changes wait to be told to %s, which is up",
			   (unsigned long long)n->hints_pending, n->name);
		if (n->hints_growth > 0)
			buf_printf(&f->what, ", and %lld more than a second ago", (long long)n->hints_growth);
		buf_printf(&f->next, "see kvctl hint ls; %s cannot keep up: look at its load and disk", n->name);
	}
}

static void check_hint_overflow(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	for (size_t i = 0; i < s->node_count; i++) {
		const struct doctor_node *n = &s->nodes[i];
		if (n->partitions_dirty == 0 && n->hints_overflowed == 0)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		if (n->partitions_dirty > 0)
			buf_printf(&f->what, "%s has missed more of %u partition%s than hints could hold", n->name,
				   n->partitions_dirty, n->partitions_dirty == 1 ? "" : "s");
		else
			buf_printf(&f->what, "%s has no room for hints", n->name);
		buf_append_str(&f->next,
			       n->answers ? "wait: these partitions are compared as a whole (kvctl repair status)"
					  : "start it; these partitions are then compared as a whole");
	}
}

static void check_unverified(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		bool never = n->unverified_ms == DOCTOR_NEVER;
		uint64_t age_ms = never ? n->uptime_ms : n->unverified_ms;
		if (!n->repair_known || age_ms < UNVERIFIED_MS)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "a partition of %s was not compared", n->name);
		if (n->unverified_peer)
			buf_printf(&f->what, " with %s", n->unverified_peer);
		buf_append_str(&f->what, " for ");
		append_ms(&f->what, age_ms);
		if (n->building > 0)
			buf_printf(&f->what, "; %u cannot be yet", n->building);
		buf_append_str(&f->next, "kvctl repair run --wait");
	}
}

static void check_purge(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (n->purge_blocked == 0)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "old deletions in %u partition%s of %s cannot be removed", n->purge_blocked,
			   n->purge_blocked == 1 ? "" : "s", n->name);
		if (n->purge_blocked_by)
			buf_printf(&f->what, ": they wait for %s", n->purge_blocked_by);
		buf_printf(&f->next, "start or replace %s; all replicas must take part",
			   n->purge_blocked_by ? n->purge_blocked_by : "the node that is down");
	}
}

static void check_ledger(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (n->ledger_dropped == 0)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s has dropped %llu values from its ledger before their time; %llu are kept",
			   n->name, (unsigned long long)n->ledger_dropped, (unsigned long long)n->ledger_entries);
		buf_append_str(
			&f->next,
			"see kvctl ledger ls for the keys; write keys that several clients write with -c strong");
	}
}

/* ---- Changes and load ---- */

static void check_moves(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	for (size_t i = 0; i < s->move_count; i++) {
		const struct doctor_move *m = &s->moves[i];
		bool silent = m->age_ms >= MOVE_SILENT_MS;
		if (!silent && (m->retries < MOVE_RETRIES || !m->error || !m->error[0]))
			continue;
		struct doctor_finding *f = find(d, rule, m->node);
		buf_printf(&f->what, "partition %u gets no further on its way to %s", m->partition, m->node);
		if (m->error && m->error[0])
			buf_printf(&f->what, ": %s (%u tries)", m->error, m->retries);
		if (silent) {
			buf_append_str(&f->what, ": nothing heard for ");
			append_ms(&f->what, m->age_ms);
		}
		buf_printf(&f->next, "kvctl move ls; look at %s and at the nodes it copies from", m->node);
	}
}

static void check_paused(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	if (!s->moves_paused)
		return;
	struct doctor_finding *f = find(d, rule, "cluster");
	buf_printf(&f->what, "moves are paused; %u partition%s", s->moves_waiting,
		   s->moves_waiting == 1 ? " waits" : "s wait");
	buf_append_str(&f->next, "kvctl cluster resume");
}

static void check_staged(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	if (!s->staged || !s->staged[0])
		return;
	struct doctor_finding *f = find(d, rule, "cluster");
	buf_printf(&f->what, "a change is staged and not begun: %s", s->staged);
	buf_append_str(&f->next, "kvctl cluster plan, then kvctl cluster commit or kvctl cluster discard");
}

static void check_load(const struct doctor_survey *s, const struct rule *rule, struct doctor *d)
{
	EACH_ANSWERING(n, s)
	{
		if (n->overloaded == 0)
			continue;
		struct doctor_finding *f = find(d, rule, n->name);
		buf_printf(&f->what, "%s refused %llu requests within the last second: it has too much to do",
			   n->name, (unsigned long long)n->overloaded);
		buf_append_str(&f->next, "kvctl top shows what it is asked for; slow clients down, or add nodes");
	}
}

static const struct rule rules[] = {
	{"quorum.lost", DOCTOR_CRITICAL, "strong requests for their keys fail", check_majority},
	{"node.down", DOCTOR_WARNING, "its replicas fall behind, and one node less can be lost", check_down},
	{"node.not_ready", DOCTOR_WARNING, "its replicas count for no request", check_ready},
	{"link.bad", DOCTOR_WARNING, "nodes that cannot reach it count it as down", check_links},
	{"clock.skew", DOCTOR_WARNING,
	 "a node 500 ms off refuses strong requests, and eventual writes are ordered by clocks", check_clocks},
	{"record.damaged", DOCTOR_CRITICAL,
	 "what it promised may be lost with it, so it stops when it meets the record", check_damage},
	{"disk.full", DOCTOR_WARNING, "values are refused before a disk is full, and a node stops when it is",
	 check_room},
	{"disk.slow", DOCTOR_WARNING, "every acknowledged write waits for disks", check_disk_speed},
	{"settings.insecure", DOCTOR_WARNING, "whoever reaches its ports can read and change everything",
	 check_insecure},
	{"settings.deletes_keep", DOCTOR_WARNING,
	 "an eventual write that a node missed for longer than that is refused when it is told of it", check_keep},
	{"settings.test", DOCTOR_WARNING, "they make a node behave as no node should outside of tests",
	 check_test_settings},
	{"settings.waiting", DOCTOR_NOTE, "the node runs with what it read at its start", check_waiting_settings},
	{"settings.differ", DOCTOR_NOTE, "what one node takes another one refuses", check_alike},
	{"files.limit", DOCTOR_WARNING, "further connections are refused", check_files},
	{"copies.few", DOCTOR_NOTE, "with the node its keys are lost, or cannot be written strongly", check_copies},
	{"ownership.unbalanced", DOCTOR_WARNING, "the fullest node decides how much the cluster can take",
	 check_balance},
	{"hints.growing", DOCTOR_WARNING, "reads there are old, and hints are kept for three hours only",
	 check_hints},
	{"hints.overflowed", DOCTOR_NOTE, "it comes back into step by comparing, which takes longer",
	 check_hint_overflow},
	{"repair.late", DOCTOR_WARNING, "replicas may differ and nobody knows, and deletions are not removed",
	 check_unverified},
	{"purge.blocked", DOCTOR_WARNING, "deletions fill the disk", check_purge},
	{"ledger.dropped", DOCTOR_NOTE, "values that lost to concurrent ones can no longer be looked up",
	 check_ledger},
	{"moves.stuck", DOCTOR_WARNING, "the change of the cluster does not end", check_moves},
	{"moves.paused", DOCTOR_NOTE, "partitions stay where they are until then", check_paused},
	{"changes.staged", DOCTOR_NOTE, "nothing moves until it is committed", check_staged},
	{"load.refused", DOCTOR_WARNING, "clients see OVERLOADED and try again later", check_load},
	{"versions.mixed", DOCTOR_NOTE, "what is new is used only when every node knows it", check_versions},
};

/** The order of insertion counts among equals. */
static void sort(struct doctor *d)
{
	for (size_t i = 1; i < d->count; i++) {
		struct doctor_finding f = d->findings[i];
		size_t at = i;
		for (; at > 0 && d->findings[at - 1].severity < f.severity; at--)
			d->findings[at] = d->findings[at - 1];
		d->findings[at] = f;
	}
}

void doctor_examine(struct doctor *d, const struct doctor_survey *s)
{
	*d = (struct doctor){0};
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rules[i].check(s, &rules[i], d);
	sort(d);
}

void doctor_release(struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++) {
		buf_release(&d->findings[i].what);
		buf_release(&d->findings[i].next);
	}
	free(d->findings);
}

size_t doctor_to_mend(const struct doctor *d)
{
	size_t count = 0;
	for (size_t i = 0; i < d->count; i++)
		count += d->findings[i].severity != DOCTOR_NOTE;
	return count;
}

const char *doctor_rule_name(size_t i) { return i < ARRAY_SIZE(rules) ? rules[i].name : NULL; }

const char *doctor_severity_name(enum doctor_severity severity)
{
	static const char *const names[] = {
		[DOCTOR_NOTE] = "note", [DOCTOR_WARNING] = "warning", [DOCTOR_CRITICAL] = "critical"};
	return names[severity];
}
