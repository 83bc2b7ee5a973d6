/* SPDX-License-Identifier: Apache-2.0 */
/* A case for each rule: the survey that it finds something in, and that a healthy one gives nothing. */
#include "tests/support/test.h"

#include "cli/doctor.h"

enum { NODES = 3 };

static struct doctor_node nodes[NODES];
static struct doctor_move move;
static struct doctor_survey survey;

/** Three nodes in order, five minutes old. */
static void make_healthy(void)
{
	static const char *const names[NODES] = {"n1", "n2", "n3"};
	for (int i = 0; i < NODES; i++)
		nodes[i] = (struct doctor_node){.name = names[i],
						.answers = true,
						.ready = true,
						.normal = true,
						.uptime_ms = 300 * 1000,
						.version = "1.0",
						.clock_known = true,
						.clock_ms = -5000 + i, /* ours is wrong, not theirs */
						.clock_error_ms = 1,
						.disk_free_pct = 60,
						.weight = 100,
						.partitions = 64,
						.settings_known = true,
						.deletes_keep_ms = 4 * 3600 * 1000,
						.value_size_max = 1 << 20,
						.open_files_max = 20000,
						.connections_max = 12000,
						.connections_wanted = 12000,
						.repair_known = true,
						.unverified_ms = 40 * 1000};
	move = (struct doctor_move){.partition = 9, .node = "n2", .age_ms = 500};
	survey = (struct doctor_survey){
		.nodes = nodes, .node_count = NODES, .replicas = 3, .partitions = 64, .losable = 1, .moves = &move};
}

/** The one finding. */
static void assert_found(const char *rule, enum doctor_severity severity, const char *subject, const char *what,
			 const char *next)
{
	CLEANUP(doctor_release) struct doctor d;
	doctor_examine(&d, &survey);
	if (d.count != 1)
		fail_msg("%s: %zu findings, the first is %s", rule, d.count, d.count ? d.findings[0].rule : "none");
	const struct doctor_finding *f = &d.findings[0];
	assert_string_equal(f->rule, rule);
	assert_int_equal(f->severity, severity);
	assert_string_equal(f->subject, subject);
	assert_string_equal(buf_cstr(&d.findings[0].what), what);
	if (!strstr(buf_cstr(&d.findings[0].next), next))
		fail_msg("\"%s\" is not in \"%s\"", next, buf_cstr(&d.findings[0].next));
	assert_true(f->why[0] != '\0');
	assert_int_equal(doctor_to_mend(&d), severity != DOCTOR_NOTE);
	make_healthy();
}

static void a_healthy_cluster_gives_nothing(void **state)
{
	make_healthy();
	CLEANUP(doctor_release) struct doctor d;
	doctor_examine(&d, &survey);
	assert_int_equal(d.count, 0);
}

static void rules_about_nodes(void **state)
{
	make_healthy();
	survey.without_majority = 12;
	assert_found("quorum.lost", DOCTOR_CRITICAL, "cluster",
		     "12 of 64 partitions have no majority of their replicas", "unsafe recover");
	nodes[1] = (struct doctor_node){
		.name = "n2", .error = "UNAVAILABLE", .normal = true, .weight = 100, .partitions = 64};
	assert_found("node.down", DOCTOR_WARNING, "n2", "n2 does not answer (UNAVAILABLE)",
		     "kvctl node add ADDRESS --replace n2");
	nodes[1].ready = false;
	assert_found("node.not_ready", DOCTOR_WARNING, "n2", "n2 runs for 5m00s and does not serve requests",
		     "its log");
	nodes[1].ready = false;
	nodes[1].uptime_ms = 2000;
	assert_found("node.not_ready", DOCTOR_NOTE, "n2", "n2 runs for 2.0 s and does not serve requests", "wait");
	nodes[1].seen_down_by = 2;
	nodes[1].seen_down_by_one = "n1";
	assert_found("link.bad", DOCTOR_WARNING, "n2", "n2 answers here, and 2 other nodes cannot reach it",
		     "from n1 to n2's peer address");
	nodes[2].version = "1.1";
	assert_found("versions.mixed", DOCTOR_NOTE, "cluster", "n1 runs version 1.0 and n3 version 1.1", "upgrade");
}

static void rules_about_clocks(void **state)
{
	make_healthy();
	nodes[2].clock_ms += 250;
	assert_found("clock.skew", DOCTOR_WARNING, "n3", "n3's clock is 251.0 ms ahead of the others'", "chronyc");
	nodes[0].clock_ms -= 700;
	assert_found("clock.skew", DOCTOR_CRITICAL, "n1", "n1's clock is 701.0 ms behind the others'", "chronyc");
	nodes[2].clock_ms += 250;
	nodes[2].clock_error_ms = 200; /* it took long to answer */
	CLEANUP(doctor_release) struct doctor d;
	doctor_examine(&d, &survey);
	assert_int_equal(d.count, 0);
}

static void rules_about_disks(void **state)
{
	make_healthy();
	nodes[0].disk_low = true; /* whatever share that is */
	assert_found("disk.full", DOCTOR_CRITICAL, "n1",
		     "60% of n1's disk are free, and it refuses values that take more", "make room");
	nodes[0].disk_low = false;
	nodes[0].disk_free_pct = 9;
	assert_found("disk.full", DOCTOR_WARNING, "n1", "9% of n1's disk are free", "kvctl node add");
	nodes[0].disk_free_pct = 3;
	assert_found("disk.full", DOCTOR_CRITICAL, "n1", "3% of n1's disk are free", "make room");
	nodes[0].disk_slow = true;
	nodes[0].disk_p99_us = 350000;
	assert_found("disk.slow", DOCTOR_WARNING, "n1",
		     "n1's disk is slow: the slowest hundredth of its synced writes takes 350.0 ms", "iostat");
	nodes[1].damaged = 1;
	assert_found("record.damaged", DOCTOR_CRITICAL, "n2", "n2 has met 1 record that did not match its checksum",
		     "kvctl node add ADDRESS --replace n2");
}

static void rules_about_settings(void **state)
{
	make_healthy();
	nodes[0].insecure = true;
	assert_found("settings.insecure", DOCTOR_WARNING, "n1", "n1 has insecure: true", "loopback");
	for (int i = 0; i < NODES; i++)
		nodes[i].answers = i == 0; /* the others are not compared then */
	survey.node_count = 1;
	nodes[0].deletes_keep_ms = 60 * 1000;
	assert_found("settings.deletes_keep", DOCTOR_WARNING, "n1",
		     "n1 keeps deletions for 1m00s (deletes.keep), and hints are kept for 3h00m", "180m");
	nodes[1].test_settings = "test.compare_interval=1s";
	assert_found("settings.test", DOCTOR_WARNING, "n2", "n2 has test.compare_interval=1s set", "restart");
	nodes[1].waiting_settings = "shards=4";
	assert_found("settings.waiting", DOCTOR_NOTE, "n2", "n2's file has changed: shards=4", "restart n2");
	nodes[1].value_size_max = 4 << 20;
	assert_found("settings.differ", DOCTOR_NOTE, "cluster", "n1 and n2 differ in limits.value_size",
		     "kvctl config diff");
	nodes[2].connections_max = 500;
	nodes[2].open_files_max = 1024;
	assert_found("files.limit", DOCTOR_WARNING, "n3",
		     "n3 may open 1024 files, which is room for 500 of the 12000 connections it is to take",
		     "ulimit -n");
}

static void rules_about_copies(void **state)
{
	make_healthy();
	survey.replicas = 1;
	survey.losable = 0;
	assert_found("copies.few", DOCTOR_NOTE, "cluster", "every key has 1 replica: no node can be lost", "three");
	nodes[0].partitions = 90;
	nodes[1].partitions = 38;
	nodes[2].normal = false;
	nodes[2].partitions = 0;
	nodes[1].partitions = 90;
	CLEANUP(doctor_release) struct doctor d;
	doctor_examine(&d, &survey);
	assert_int_equal(d.count, 0); /* a node that joins counts for nothing */
	make_healthy();
	nodes[0].partitions = 90;
	nodes[1].partitions = 60;
	nodes[2].partitions = 60;
	assert_found("ownership.unbalanced", DOCTOR_WARNING, "n1",
		     "n1 holds 90 partitions; its share by weight is 70", "kvctl cluster plan");
	nodes[1].hints_pending = 500;
	nodes[1].hints_growth = 20;
	assert_found("hints.growing", DOCTOR_WARNING, "n2",
		     "500 changes wait to be told to n2, which is up, and 20 more than a second ago",
		     "kvctl hint ls");
	nodes[1].partitions_dirty = 3;
	assert_found("hints.overflowed", DOCTOR_NOTE, "n2",
		     "n2 has missed more of 3 partitions than hints could hold", "kvctl repair status");
	nodes[2].unverified_ms = 2 * 3600 * 1000;
	nodes[2].unverified_peer = "n1";
	assert_found("repair.late", DOCTOR_WARNING, "n3", "a partition of n3 was not compared with n1 for 2h00m",
		     "kvctl repair run");
	nodes[2].unverified_ms = DOCTOR_NEVER; /* and it has run for five minutes */
	CLEANUP(doctor_release) struct doctor young;
	doctor_examine(&young, &survey);
	assert_int_equal(young.count, 0);
	nodes[0].purge_blocked = 4;
	nodes[0].purge_blocked_by = "n3";
	nodes[2].unverified_ms = 0;
	assert_found("purge.blocked", DOCTOR_WARNING, "n1",
		     "old deletions in 4 partitions of n1 cannot be removed: they wait for n3",
		     "start or replace n3");
	nodes[0].ledger_dropped = 7;
	nodes[0].ledger_entries = 1024;
	assert_found("ledger.dropped", DOCTOR_NOTE, "n1",
		     "n1 has dropped 7 values from its ledger before their time; 1024 are kept", "kvctl ledger ls");
}

static void rules_about_changes_and_load(void **state)
{
	make_healthy();
	survey.move_count = 1;
	move.age_ms = 90 * 1000;
	assert_found("moves.stuck", DOCTOR_WARNING, "n2",
		     "partition 9 gets no further on its way to n2: nothing heard for 1m30s", "kvctl move ls");
	survey.move_count = 1;
	move.retries = 25;
	move.error = "no source answers";
	assert_found("moves.stuck", DOCTOR_WARNING, "n2",
		     "partition 9 gets no further on its way to n2: no source answers (25 tries)", "kvctl move ls");
	survey.moves_paused = true;
	survey.moves_waiting = 2;
	assert_found("moves.paused", DOCTOR_NOTE, "cluster", "moves are paused; 2 partitions wait",
		     "kvctl cluster resume");
	survey.staged = "n4 joins";
	assert_found("changes.staged", DOCTOR_NOTE, "cluster", "a change is staged and not begun: n4 joins",
		     "kvctl cluster commit");
	nodes[1].overloaded = 41;
	assert_found("load.refused", DOCTOR_WARNING, "n2",
		     "n2 refused 41 requests within the last second: it has too much to do", "kvctl top");
}

static void the_worst_comes_first(void **state)
{
	make_healthy();
	nodes[0].partitions_dirty = 1;
	nodes[1].disk_free_pct = 9;
	nodes[2].damaged = 2;
	CLEANUP(doctor_release) struct doctor d;
	doctor_examine(&d, &survey);
	assert_int_equal(d.count, 3);
	assert_string_equal(d.findings[0].rule, "record.damaged");
	assert_string_equal(d.findings[1].rule, "disk.full");
	assert_string_equal(d.findings[2].rule, "hints.overflowed");
	assert_int_equal(doctor_to_mend(&d), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_cluster_gives_nothing),
		cmocka_unit_test(rules_about_nodes),
		cmocka_unit_test(rules_about_clocks),
		cmocka_unit_test(rules_about_disks),
		cmocka_unit_test(rules_about_settings),
		cmocka_unit_test(rules_about_copies),
		cmocka_unit_test(rules_about_changes_and_load),
		cmocka_unit_test(the_worst_comes_first),
	};
	return test_run("doctor", tests);
}
