/* SPDX-License-Identifier: Apache-2.0 */
/* Who a node is, and who it may not be: restarts, copies, strangers, second formations. */
#include "tests/cluster/harness.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/cluster.h"

enum { EXIT_REFUSED = 11, END_MS = 15000, LOG_MS = 15000, THIEF_MS = 3000 };

static void run(const char *format, const char *a, const char *b)
{
	char command[2 * PROCESS_PATH_MAX + 64];
	snprintf(command, sizeof command, format, a, b);
	int status = system(command);
	if (status != 0)
		fail_msg("%s: %d", command, status);
}

static void a_restart_keeps_the_identity_and_counts(void **state)
{
	struct cluster *c = cluster_new(NULL);
	for (unsigned i = 0; i < c->count; i++) {
		CLEANUP(cluster_status_free) struct kv_node_status *before = cluster_status(c, i);
		assert_non_null(before);
		process_kill(&c->nodes[i]);
		cluster_restart(c, i);
		CLEANUP(cluster_status_free) struct kv_node_status *after = cluster_status(c, i);
		assert_non_null(after);
		assert_string_equal(after->node, before->node);
		assert_string_equal(after->cluster, before->cluster);
		assert_int_equal(after->index, before->index);
		assert_int_equal(after->incarnation, before->incarnation + 1);
	}
	cluster_await_together(c);
	cluster_check_serves(c);
}

static void the_map_is_durable_everywhere_once_the_cluster_is_formed(void **state)
{
	struct cluster *c = cluster_new_unformed(NULL);
	struct kv_error err;
	if (cluster_form(c, 1, 0, &err) != KV_OK)
		fail_msg("%s", err.message);
	for (unsigned i = 0; i < c->count; i++)
		process_kill(&c->nodes[i]);
	for (unsigned i = 0; i < c->count; i++)
		process_start(&c->nodes[i]);
	cluster_await_together(c);
	char cluster[KV_UUID_TEXT_SIZE] = "";
	for (unsigned i = 0; i < c->count; i++) {
		CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(c, i);
		assert_non_null(status);
		assert_int_equal(status->map_epoch, 1);
		assert_int_not_equal(status->cluster[0], '\0');
		if (i == 0)
			memcpy(cluster, status->cluster, sizeof cluster);
		assert_string_equal(status->cluster, cluster);
	}
	cluster_check_serves(c);
}

static void nodes_of_a_cluster_form_no_second_one(void **state)
{
	struct cluster *c = cluster_new(NULL);
	for (unsigned i = 0; i < c->count; i++) {
		struct kv_error err;
		assert_int_equal(cluster_form(c, i, 0, &err), KV_REFUSED);
		assert_false(err.in_doubt);
		assert_true(strlen(err.message) > 0);
	}
	cluster_check_serves(c);
}

static void a_stranger_takes_no_node_of_a_cluster(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct cluster *other = cluster_new_unformed(&(struct cluster_options){.nodes = 1});
	const char *addresses[] = {other->nodes[0].peer, c->nodes[0].peer, c->nodes[1].peer};
	struct kv_cluster_spec spec = KV_CLUSTER_SPEC_INIT;
	struct kv_error err;
	spec.name = "thief";
	spec.peer_addresses = addresses;
	spec.address_count = 3;
	assert_int_not_equal(kv_cluster_init(other->client, other->nodes[0].client, &spec, THIEF_MS, &err), KV_OK);
	CLEANUP(cluster_status_free) struct kv_node_status *thief = cluster_status(other, 0);
	assert_non_null(thief);
	assert_int_equal(thief->map_epoch, 0);
	assert_string_equal(thief->cluster, "");
	cluster_await_together(c);
	cluster_check_serves(c);
}

static void a_directory_serves_one_process_at_a_time(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct process second = c->nodes[0];
	snprintf(second.log, sizeof second.log, "%s/second.log", c->directory);
	snprintf(second.config, sizeof second.config, "%s/second.yaml", c->directory);
	harness_watch_log(second.log);
	second.pid = 0;
	process_spawn(&second);
	assert_int_equal(process_wait(&second, END_MS), EXIT_REFUSED);
	assert_true(harness_file_has(second.log, "event=server.refused"));
	cluster_check_serves(c);
}

static void a_copied_directory_does_not_start_elsewhere(void **state)
{
	struct cluster *c = cluster_new(NULL);
	process_kill(&c->nodes[2]);
	struct process copy;
	process_init(&copy, c->directory, "copy");
	run("cp -a '%s' '%s'", c->nodes[2].data_dir, copy.data_dir);
	cluster_restart(c, 2);
	/* As on another machine: the copy finds its address taken, or has another. */
	process_spawn(&copy);
	assert_int_not_equal(process_wait(&copy, END_MS), 0);
	run("rm '%s/%s'", copy.data_dir, "addresses");
	process_spawn(&copy);
	assert_int_equal(process_wait(&copy, END_MS), EXIT_REFUSED);
	assert_true(harness_file_has(copy.log, "copied data directory"));
	/* Nor while the original is away. */
	process_kill(&c->nodes[2]);
	process_spawn(&copy);
	assert_int_equal(process_wait(&copy, END_MS), EXIT_REFUSED);
	cluster_restart(c, 2);
	cluster_await_together(c);
	cluster_check_serves(c);
}

struct in_log {
	const struct process *process;
	const char *text;
};

static bool is_in_log(void *arg)
{
	const struct in_log *l = arg;
	return harness_file_has(l->process->log, l->text);
}

static void await_log(const struct process *p, const char *text)
{
	struct in_log l = {p, text};
	harness_await(is_in_log, &l, LOG_MS, text);
}

/** A copy of node 2 as it runs, that will say it has moved: in a start later than the original's. */
static void make_later_copy(struct cluster *c, struct process *ret)
{
	process_init(ret, c->directory, "copy");
	process_pause(&c->nodes[2]);
	run("cp -a '%s' '%s'", c->nodes[2].data_dir, ret->data_dir);
	process_resume(&c->nodes[2]);
	run("rm '%s/%s'", ret->data_dir, "addresses");
	cluster_await_together(c);
	ret->argument = "--moved";
}

static bool lives(void *arg) { return process_is_alive(arg); }

static void a_copy_that_says_it_moved_is_kept_out_while_the_original_lives(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct process copy;
	make_later_copy(c, &copy);
	process_spawn(&copy);
	await_log(&copy, "is still connected here");
	assert_true(harness_holds(lives, &c->nodes[2], THIEF_MS));
	assert_false(harness_file_has(copy.log, "event=peer.connected"));
	cluster_check_serves(c);
	process_kill(&copy);
	cluster_await_together(c);
	cluster_check_serves(c);
}

static void whoever_was_replaced_while_it_stood_still_is_heard_no_more(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct process copy;
	make_later_copy(c, &copy);
	process_pause(&c->nodes[2]);
	process_spawn(&copy);
	await_log(&copy, "event=peer.connected");
	process_resume(&c->nodes[2]);
	assert_int_not_equal(process_wait(&c->nodes[2], END_MS), 0);
	assert_true(harness_file_has(c->nodes[2].log, "an older or copied data directory"));
	assert_true(process_is_alive(&copy));
	process_kill(&copy);
}

static void a_backup_is_known_for_one_after_the_others_restarted(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct process *p = &c->nodes[2];
	process_kill(p);
	run("cp -a '%s' '%s.backup'", p->data_dir, p->data_dir);
	cluster_restart(c, 2);
	cluster_await_together(c);
	for (unsigned i = 0; i < c->count; i++)
		process_kill(&c->nodes[i]);
	run("rm -r '%s'%s", p->data_dir, "");
	run("mv '%s.backup' '%s'", p->data_dir, p->data_dir);
	cluster_start(c, 0);
	cluster_start(c, 1);
	cluster_await_ready(c, 0);
	process_spawn(p);
	assert_int_not_equal(process_wait(p, END_MS), 0);
	assert_true(harness_file_has(p->log, "a copied data directory, or an older one"));
	/* A later start of it is no better, though its number would be new. */
	process_spawn(p);
	assert_int_equal(process_wait(p, END_MS), EXIT_REFUSED);
	assert_true(harness_file_has(p->log, "the cluster did not let this directory in"));
	cluster_check_serves(c);
}

static void a_node_that_lost_its_store_does_not_go_on_under_its_name(void **state)
{
	struct cluster *c = cluster_new(NULL);
	process_kill(&c->nodes[1]);
	run("rm -r '%s/%s'", c->nodes[1].data_dir, "store");
	process_spawn(&c->nodes[1]);
	assert_int_equal(process_wait(&c->nodes[1], END_MS), EXIT_REFUSED);
	assert_true(harness_file_has(c->nodes[1].log, "whose store is gone"));
	cluster_check_serves(c);
}

static bool says_wrong_cluster(void *arg)
{
	const struct cluster *c = arg;
	return harness_file_has(c->nodes[0].log, "WRONG_CLUSTER") ||
	       harness_file_has(c->nodes[1].log, "WRONG_CLUSTER");
}

static bool refuses_strangers(void *arg)
{
	const struct cluster *c = arg;
	return harness_file_has(c->nodes[0].log, "event=hello.refused status=WRONG_CLUSTER");
}

/** A node of one cluster answers at the address of a node of another: both clusters go on, and neither mixes. */
static void nodes_of_two_clusters_do_not_talk(void **state)
{
	struct cluster *lone = cluster_new(&(struct cluster_options){.nodes = 1});
	char address[PROCESS_ADDRESS_MAX];
	memcpy(address, lone->nodes[0].peer, sizeof address);
	process_kill(&lone->nodes[0]);
	struct cluster *three = cluster_new(&(struct cluster_options){.listen_peer = address});
	assert_string_equal(three->nodes[2].peer, address);
	process_kill(&three->nodes[2]);
	cluster_restart(lone, 0);
	assert_string_equal(lone->nodes[0].peer, address);
	harness_await(says_wrong_cluster, three, LOG_MS, "a log that tells of the wrong cluster");
	harness_await(refuses_strangers, lone, LOG_MS, "a log that tells of strangers");
	cluster_check_serves(lone);
	struct kv_options strong = KV_OPTIONS_INIT;
	struct kv_error err;
	strong.level = KV_LEVEL_STRONG;
	if (kv_put(three->client, &strong, kv_slice_str("k"), kv_slice_str("v"), NULL, &err) != KV_OK)
		fail_msg("%s: %s", kv_status_name(err.status), err.message);
	assert_int_equal(kv_get(lone->client, &strong, kv_slice_str("k"), NULL, &err), KV_NOT_FOUND);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_restart_keeps_the_identity_and_counts),
		harness_test(the_map_is_durable_everywhere_once_the_cluster_is_formed),
		harness_test(nodes_of_a_cluster_form_no_second_one),
		harness_test(a_stranger_takes_no_node_of_a_cluster),
		harness_test(a_directory_serves_one_process_at_a_time),
		harness_test(a_copied_directory_does_not_start_elsewhere),
		harness_test(a_copy_that_says_it_moved_is_kept_out_while_the_original_lives),
		harness_test(whoever_was_replaced_while_it_stood_still_is_heard_no_more),
		harness_test(a_backup_is_known_for_one_after_the_others_restarted),
		harness_test(a_node_that_lost_its_store_does_not_go_on_under_its_name),
		harness_test(nodes_of_two_clusters_do_not_talk),
	};
	return harness_run(argc, argv, "identity", tests);
}
