/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients add to one key while the nodes that hold it are killed one after the other. Whatever is in doubt is tried
 * again as the same write, so in the end each addition has happened exactly once.
 */
#include "tests/cluster/harness.h"

#include <pthread.h>

#include "tests/cluster/cluster.h"

enum { NODES = 5, CLIENTS = 64, THOUSANDS = 10, PARTS = 16, CALL_MS = 2000, STALL_MS = 60000 };

static const char key[] = "counter";

/* What all clients share. */
static struct {
	unsigned wanted;
	_Atomic unsigned begun, done;
	_Atomic unsigned retried; /* tries that ended in doubt */
	_Atomic unsigned asked;   /* questions what became of one */
	_Atomic unsigned expired; /* answers that it cannot be told */
	_Atomic bool stopping;
	_Atomic unsigned char *seen; /* of each sum: how often it was answered */
	_Atomic int broken;          /* an enum kv_status that no client may see */
	_Atomic unsigned impossible; /* answers that are no sum of these additions */
} work;

struct adder {
	_Atomic unsigned done;
	struct kv_client *client;
	pthread_t thread;
};

/** In doubt for long: what became of it? True if it is decided, and *RET_DONE how. */
static bool ask(struct adder *a, const struct kv_write_id *id, bool *ret_done)
{
	enum kv_write_outcome outcome;
	struct kv_error err;
	atomic_fetch_add(&work.asked, 1);
	if (kv_outcome(a->client, NULL, kv_slice_str(key), id, &outcome, NULL, &err) != KV_OK)
		return false;
	if (outcome == KV_WRITE_EXPIRED) {
		atomic_fetch_add(&work.expired, 1);
		return false;
	}
	*ret_done = outcome == KV_WRITE_COMMITTED;
	return true;
}

static void take_sum(int64_t sum)
{
	if (sum < 1 || sum > work.wanted)
		atomic_fetch_add(&work.impossible, 1);
	else
		atomic_fetch_add(&work.seen[sum], 1);
}

/** Adds one, however often it has to be tried. */
static void add_one(struct adder *a)
{
	struct kv_write_id id = {0};
	bool again = false; /* the same write; another one otherwise */
	bool asked = false; /* what became of it */
	for (unsigned tries = 0; !atomic_load(&work.stopping); tries++) {
		struct kv_options options = KV_OPTIONS_INIT;
		struct kv_error err;
		int64_t sum;
		options.write = again ? &id : NULL;
		if (kv_add(a->client, &options, kv_slice_str(key), 1, &sum, NULL, &err) == KV_OK) {
			take_sum(sum);
			return;
		}
		if (err.in_doubt) {
			bool done;
			id = err.write;
			again = true;
			atomic_fetch_add(&work.retried, 1);
			if (tries % 3 != 2)
				continue;
			asked = true;
			if (!ask(a, &id, &done))
				continue;
			if (done)
				return;
			again = asked = false; /* that one never happens */
		} else if (err.status == KV_CONDITION_FAILED && asked) {
			again = asked =
				false; /* a question whose answer was lost has settled that it never happens */
		} else if (err.status == KV_CONDITION_FAILED || err.status == KV_INVALID) {
			atomic_store(&work.broken, (int)err.status);
			return;
		}
		/* Otherwise refused: asked again. */
	}
}

static void *run(void *arg)
{
	struct adder *a = arg;
	while (!atomic_load(&work.stopping) && atomic_fetch_add(&work.begun, 1) < work.wanted) {
		add_one(a);
		atomic_fetch_add(&a->done, 1);
		atomic_fetch_add(&work.done, 1);
	}
	atomic_store(&a->done, UINT32_MAX);
	return NULL;
}

static struct adder adders[CLIENTS];

static void stop(void *arg)
{
	atomic_store(&work.stopping, true);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (!adders[i].client)
			continue;
		pthread_join(adders[i].thread, NULL);
		kv_close(adders[i].client, 0);
		adders[i].client = NULL;
	}
}

static void start(struct cluster *c)
{
	work.wanted = harness_rounds(THOUSANDS) * 1000;
	work.seen = xcalloc(work.wanted + 1, sizeof *work.seen);
	harness_at_teardown(stop, NULL);
	for (unsigned i = 0; i < CLIENTS; i++) {
		adders[i].client = cluster_open_client(c->endpoints, harness_ms(CALL_MS));
		int error = pthread_create(&adders[i].thread, NULL, run, &adders[i]);
		assert_int_equal(error, 0);
	}
}

static bool has_come_to(void *arg)
{
	const unsigned *goal = arg;
	return atomic_load(&work.done) >= *goal || atomic_load(&work.broken);
}

static void await_done(unsigned goal)
{
	if (!harness_wait(has_come_to, &goal, STALL_MS))
		fail_msg("%u additions of %u, and no progress", atomic_load(&work.done), work.wanted);
	if (atomic_load(&work.broken))
		fail_msg("an addition ended with %s", kv_status_name((enum kv_status)atomic_load(&work.broken)));
}

static bool have_all_moved_on(void *arg)
{
	const unsigned *done = arg;
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (atomic_load(&adders[i].done) == done[i])
			return false;
	}
	return true;
}

/**
 * Waits until every client is done with the addition that it is at now. A replica that was killed has forgotten what it
 * overwrote before; with a second one killed too soon nobody could tell any more what became of an older try.
 */
static void await_all_moved_on(void)
{
	unsigned done[CLIENTS];
	for (unsigned i = 0; i < CLIENTS; i++) {
		done[i] = atomic_load(&adders[i].done);
		if (done[i] == UINT32_MAX)
			done[i]--; /* has ended */
	}
	if (!harness_wait(have_all_moved_on, done, STALL_MS))
		fail_msg("an addition is not decided with all replicas up; %u of %u are done, %u questions expired",
			 atomic_load(&work.done), work.wanted, atomic_load(&work.expired));
}

/** The nodes that hold the key, and so coordinate its writes, by position in C. */
static unsigned holders(struct cluster *c, unsigned ret[CLUSTER_NODES_MAX])
{
	struct kv_location location;
	struct kv_error err;
	unsigned count = 0;
	assert_int_equal(kv_locate(c->client, kv_slice_str(key), &location, &err), KV_OK);
	for (unsigned i = 0; i < c->count; i++) {
		CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(c, i);
		assert_non_null(status);
		for (unsigned k = 0; k < location.node_count; k++) {
			if (location.nodes[k] == status->index)
				ret[count++] = i;
		}
	}
	assert_int_equal(count, 3);
	return count;
}

static void ten_thousand_additions_by_64_clients_through_killed_coordinators_are_ten_thousand(void **state)
{
	struct cluster *c = cluster_new(&(struct cluster_options){.nodes = NODES});
	unsigned nodes[CLUSTER_NODES_MAX], count = holders(c, nodes), parts = MAX(harness_rounds(PARTS), 4u);
	start(c);
	for (unsigned part = 1; part < parts; part++) {
		unsigned node = nodes[part % count];
		await_done(work.wanted / parts * part);
		process_kill(&c->nodes[node]);
		await_done(work.wanted / parts * part + work.wanted / parts / 2);
		cluster_restart(c, node);
		await_all_moved_on();
	}
	await_done(work.wanted);
	stop(NULL);

	struct kv_options strong = KV_OPTIONS_INIT;
	struct kv_item item;
	struct kv_error err;
	int64_t value = 0;
	strong.level = KV_LEVEL_STRONG;
	assert_int_equal(kv_get(c->client, &strong, kv_slice_str(key), &item, &err), KV_OK);
	char text[32];
	snprintf(text, sizeof text, "%.*s", (int)MIN(item.value.size, 20u), (const char *)item.value.data);
	value = strtoll(text, NULL, 10);
	kv_item_release(&item);
	fprintf(stderr, "# %u additions, %u tries in doubt, %u outcomes asked, %u expired\n", work.wanted,
		atomic_load(&work.retried), atomic_load(&work.asked), atomic_load(&work.expired));
	assert_int_equal(value, work.wanted);
	assert_int_equal(atomic_load(&work.impossible), 0);
	for (unsigned sum = 1; sum <= work.wanted; sum++) {
		if (work.seen[sum] > 1)
			fail_msg("the sum %u was answered %u times", sum, work.seen[sum]);
	}
	free((void *)work.seen);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(ten_thousand_additions_by_64_clients_through_killed_coordinators_are_ten_thousand),
	};
	return harness_run(argc, argv, "increments", tests);
}
