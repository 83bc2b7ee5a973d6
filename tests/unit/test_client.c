/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <event2/event.h>
#include <kv/client.h>
#include <netdb.h>
#include <pthread.h>

#include "base/clock.h"
#include "tests/support/bed.h"

static struct kv_options level(enum kv_level l)
{
	struct kv_options o = KV_OPTIONS_INIT;
	o.level = l;
	return o;
}

static enum kv_status put(struct bed *b, enum kv_level l, const char *key, const char *value)
{
	struct kv_options o = level(l);
	return kv_put(b->client, &o, kv_slice_str(key), kv_slice_str(value), NULL, &b->err);
}

static void assert_value(struct bed *b, const char *key, const char *value)
{
	struct kv_item item;
	assert_int_equal(kv_get(b->client, NULL, kv_slice_str(key), &item, &b->err), KV_OK);
	assert_int_equal(item.value.size, strlen(value));
	assert_memory_equal(item.value.data, value, strlen(value));
	kv_item_release(&item);
}

/* ---- One key ---- */

static void what_was_put_is_read_until_it_is_deleted(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_item item, wrote;
	assert_int_equal(kv_get(b.client, NULL, kv_slice_str("a"), &item, &b.err), KV_NOT_FOUND);
	assert_int_equal(kv_put(b.client, NULL, kv_slice_str("a"), kv_slice_str("1"), &wrote, &b.err), KV_OK);
	assert_int_equal(kv_get(b.client, NULL, kv_slice_str("a"), &item, &b.err), KV_OK);
	assert_int_equal(kv_version_compare(item.version, wrote.version), 0);
	assert_null(item.receipt);
	struct kv_item kept = kv_item_ref(&item);
	kv_item_release(&item);
	assert_memory_equal(kept.value.data, "1", 1);
	kv_item_release(&kept);
	kv_item_release(&wrote);
	assert_int_equal(kv_del(b.client, NULL, kv_slice_str("a"), NULL, &b.err), KV_OK);
	assert_int_equal(kv_get(b.client, NULL, kv_slice_str("a"), &item, NULL), KV_NOT_FOUND);
	bed_free(&b);
}

static void big_and_empty_values_arrive_whole(void **state)
{
	struct bed b = bed_make(3, "20000");
	size_t size = 3u << 20;
	char *big = xmalloc(size);
	for (size_t i = 0; i < size; i++)
		big[i] = (char)(i * 31);
	assert_int_equal(kv_put(b.client, NULL, kv_slice_str("big"), kv_slice_of(big, size), NULL, &b.err), KV_OK);
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "empty", ""), KV_OK);
	struct kv_item item;
	assert_int_equal(kv_get(b.client, NULL, kv_slice_str("big"), &item, &b.err), KV_OK);
	assert_int_equal(item.value.size, size);
	assert_memory_equal(item.value.data, big, size);
	kv_item_release(&item);
	assert_value(&b, "empty", "");
	free(big);
	bed_free(&b);
}

static void sizes_over_the_limits_are_refused_without_a_node(void **state)
{
	struct bed b = bed_make(1, "20000");
	static char bytes[4097];
	assert_int_equal(kv_get(b.client, NULL, kv_slice_of(bytes, 4097), NULL, &b.err), KV_TOO_LARGE);
	assert_int_equal(kv_get(b.client, NULL, kv_slice_of(bytes, 0), NULL, &b.err), KV_INVALID);
	struct kv_slice huge = kv_slice_of(bytes, (16u << 20) + 1);
	assert_int_equal(kv_put(b.client, NULL, kv_slice_str("k"), huge, NULL, &b.err), KV_TOO_LARGE);
	assert_int_equal(fake_request_count(b.f), 0);
	bed_free(&b);
}

static void a_receipt_is_given_when_asked_for(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_options o = KV_OPTIONS_INIT;
	o.receipt = true;
	struct kv_item item;
	assert_int_equal(kv_put(b.client, &o, kv_slice_str("r"), kv_slice_str("v"), &item, &b.err), KV_OK);
	assert_non_null(item.receipt);
	assert_int_equal(item.receipt->attempts, 1);
	assert_int_equal(item.receipt->replica_count, 1);
	assert_int_equal(kv_version_compare(item.receipt->version, item.version), 0);
	kv_item_release(&item);
	assert_int_equal(kv_get(b.client, &o, kv_slice_str("none"), &item, &b.err), KV_NOT_FOUND);
	assert_non_null(item.receipt);
	kv_item_release(&item);
	bed_free(&b);
}

static void requests_go_to_the_first_node_of_their_row(void **state)
{
	struct bed b = bed_make(3, "20000");
	char key[16];
	for (uint32_t i = 0; i < 30; i++) {
		snprintf(key, sizeof key, "key%u", i);
		assert_int_equal(put(&b, KV_LEVEL_EVENTUAL, key, "v"), KV_OK);
		assert_int_equal(fake_request(b.f, i).node, fake_owner(b.f, key));
		assert_int_equal(fake_request(b.f, i).epoch, 1);
		assert_in_range(fake_request(b.f, i).deadline_ms, 1, 20000);
	}
	bed_free(&b);
}

static void eventual_writes_get_growing_times_of_the_clusters_clock(void **state)
{
	struct bed b = bed_make(3, "20000");
	char key[16];
	for (uint32_t i = 0; i < 30; i++) {
		snprintf(key, sizeof key, "key%u", i);
		assert_int_equal(put(&b, KV_LEVEL_EVENTUAL, key, "v"), KV_OK);
		struct fake_request now = fake_request(b.f, i);
		assert_true(now.t0 >= FAKE_HLC && now.t0 < FAKE_HLC + hlc_from_ms(60000));
		assert_true(now.rid.client != 0);
		if (i > 0) {
			assert_true(now.t0 > fake_request(b.f, i - 1).t0);
			assert_true(now.rid.seq > fake_request(b.f, i - 1).rid.seq);
		}
	}
	bed_free(&b);
}

/* ---- Retries ---- */

static void assert_same_write_twice(struct bed *b)
{
	assert_int_equal(fake_request_count(b->f), 2);
	struct fake_request first = fake_request(b->f, 0), second = fake_request(b->f, 1);
	assert_true(first.rid.client == second.rid.client && first.rid.seq == second.rid.seq);
	assert_true(first.t0 == second.t0 && first.t0 != 0);
	assert_int_equal(first.attempt, 0);
	assert_int_equal(second.attempt, 1);
}

static void an_eventual_write_whose_connection_was_lost_is_sent_again_as_the_same(void **state)
{
	struct bed b = bed_make(3, "20000");
	bed_script(&b, "w", FAKE_APPLY_DROP, 1);
	assert_int_equal(put(&b, KV_LEVEL_EVENTUAL, "w", "v"), KV_OK);
	assert_same_write_twice(&b);
	assert_true(fake_request(b.f, 0).node != fake_request(b.f, 1).node);
	bed_free(&b);
}

static void a_strong_write_whose_connection_was_lost_is_sent_again_as_the_same(void **state)
{
	struct bed b = bed_make(3, "20000");
	bed_script(&b, "w", FAKE_APPLY_DROP, 1);
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_OK);
	assert_same_write_twice(&b);
	assert_true(fake_request(b.f, 0).node != fake_request(b.f, 1).node);
	assert_value(&b, "w", "v");
	bed_free(&b);
}

static void a_read_whose_connection_was_lost_goes_to_another_replica(void **state)
{
	struct bed b = bed_make(3, "20000");
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_OK);
	bed_script(&b, "w", FAKE_DROP, 1);
	assert_value(&b, "w", "v");
	assert_true(fake_request(b.f, 1).node != fake_request(b.f, 2).node);
	bed_free(&b);
}

static void refusals_are_retried_at_every_level(void **state)
{
	static const enum kv_status refusals[] = {KV_UNAVAILABLE, KV_OVERLOADED, KV_NOT_READY, KV_CLOCK,
						  KV_CONFLICT};
	struct bed b = bed_make(3, "20000");
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		uint32_t before = fake_request_count(b.f);
		bed_script_status(&b, "w", refusals[i], false, 1);
		assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_OK);
		assert_int_equal(fake_request_count(b.f), before + 2);
		assert_true(fake_request(b.f, before).rid.seq == fake_request(b.f, before + 1).rid.seq);
	}
	bed_free(&b);
}

static void a_refusal_that_stays_is_told_after_the_last_attempt(void **state)
{
	struct bed b = bed_make(1, "20000");
	bed_script_status(&b, "w", KV_OVERLOADED, false, 50);
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_OVERLOADED);
	assert_false(b.err.in_doubt);
	assert_int_equal(fake_request_count(b.f), 3);
	assert_non_null(strstr(b.err.message, "as the script says"));
	bed_free(&b);
}

static void a_node_that_asks_for_more_time_than_there_is_ends_the_request(void **state)
{
	struct bed b = bed_make(1, "20000");
	struct fake_step step = {
		.action = FAKE_STATUS, .status = KV_OVERLOADED, .retry_after_ms = 30000, .count = 1};
	fake_script(b.f, 0, step);
	assert_int_equal(put(&b, KV_LEVEL_EVENTUAL, "w", "v"), KV_OVERLOADED);
	assert_int_equal(fake_request_count(b.f), 1);
	bed_free(&b);
}

static void final_answers_and_doubt_of_eventual_writes_are_not_retried(void **state)
{
	struct bed b = bed_make(3, "20000");
	bed_script_status(&b, "w", KV_DENIED, false, 1);
	assert_int_equal(put(&b, KV_LEVEL_EVENTUAL, "w", "v"), KV_DENIED);
	bed_script_status(&b, "w", KV_UNAVAILABLE, true, 1);
	assert_int_equal(put(&b, KV_LEVEL_EVENTUAL, "w", "v"), KV_IN_DOUBT);
	assert_true(b.err.in_doubt);
	bed_script_status(&b, "w", (enum kv_status)77, false, 1);
	assert_int_equal(put(&b, KV_LEVEL_EVENTUAL, "w", "v"), 77);
	assert_true(b.err.in_doubt);
	assert_int_equal(fake_request_count(b.f), 3);
	bed_free(&b);
}

static void another_node_settles_a_strong_write_that_one_left_in_doubt(void **state)
{
	struct bed b = bed_make(3, "20000");
	bed_script_status(&b, "w", KV_IN_DOUBT, true, 1);
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_OK);
	assert_same_write_twice(&b);
	/* Doubt that stays is told, whatever the last answer is. */
	for (uint32_t i = 0; i < 3; i++) {
		bool in_doubt = i == 0;
		struct fake_step step = {
			.action = FAKE_STATUS, .status = KV_UNAVAILABLE, .in_doubt = in_doubt, .count = 1};
		fake_script(b.f, (fake_owner(b.f, "w") + i) % 3, step);
	}
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_IN_DOUBT);
	assert_true(b.err.in_doubt);
	assert_int_equal(b.err.write.attempt, 3);
	assert_int_equal(fake_request_count(b.f), 5);
	bed_free(&b);
}

static void contention_is_tried_at_the_same_node_until_the_deadline(void **state)
{
	struct bed b = bed_make(3, "20000");
	bed_script_status(&b, "w", KV_CONFLICT, false, 6);
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_OK);
	assert_int_equal(fake_request_count(b.f), 7);
	for (uint32_t i = 1; i < 7; i++) {
		assert_int_equal(fake_request(b.f, i).node, fake_request(b.f, 0).node);
		assert_int_equal(fake_request(b.f, i).attempt, 0); /* the tries before did nothing */
		assert_true(fake_request(b.f, i).t0 == fake_request(b.f, 0).t0);
	}
	bed_free(&b);
	b = bed_make(1, "2000"); /* long enough for one answer on the slowest machine */
	bed_script_status(&b, "w", KV_CONFLICT, false, 1000);
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_CONFLICT);
	assert_false(b.err.in_doubt);
	bed_free(&b);
}

static void doubt_of_an_earlier_attempt_stays(void **state)
{
	struct bed b = bed_make(1, "20000");
	bed_script(&b, "w", FAKE_APPLY_DROP, 1);
	bed_script_status(&b, "w", KV_DENIED, false, 1);
	assert_int_equal(put(&b, KV_LEVEL_EVENTUAL, "w", "v"), KV_IN_DOUBT);
	assert_true(b.err.in_doubt);
	assert_int_equal(fake_request_count(b.f), 2);
	bed_free(&b);
}

static void a_damaged_value_is_read_from_another_replica(void **state)
{
	struct bed b = bed_make(3, "20000");
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "value"), KV_OK);
	bed_script(&b, "w", FAKE_BAD_HASH, 1);
	assert_value(&b, "w", "value");
	bed_script(&b, "w", FAKE_BAD_SUM, 1);
	assert_value(&b, "w", "value");
	assert_int_equal(fake_request_count(b.f), 5);
	bed_free(&b);
}

static void a_silent_node_is_left_for_another_replica_in_time(void **state)
{
	struct bed b = bed_make(3, "2000");
	bed_script(&b, "w", FAKE_IGNORE, 1);
	assert_int_equal(put(&b, KV_LEVEL_EVENTUAL, "w", "v"), KV_OK);
	assert_same_write_twice(&b);
	bed_free(&b);
}

static void without_an_answer_the_deadline_ends_a_write_in_doubt(void **state)
{
	struct bed b = bed_make(1, "200");
	bed_script(&b, "w", FAKE_IGNORE, 3);
	usec_t start_us = clock_mono_us();
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_DEADLINE);
	assert_true(clock_mono_us() - start_us >= 200 * USEC_PER_MSEC);
	assert_true(b.err.in_doubt);
	assert_true(fake_wait_requests(b.f, b.err.write.attempt));
	assert_true(b.err.write.t0 == fake_request(b.f, 0).t0);
	/* The connection is still good. */
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_OK);
	bed_script(&b, "w", FAKE_IGNORE, 3);
	struct kv_item item;
	assert_int_equal(kv_get(b.client, NULL, kv_slice_str("w"), &item, &b.err), KV_DEADLINE);
	assert_false(b.err.in_doubt);
	bed_free(&b);
}

static void a_write_that_was_never_sent_is_not_in_doubt(void **state)
{
	struct fake_server *f = fake_start(1);
	struct bed b = {.f = f, .client = bed_open_client(fake_endpoints(f), "20000")};
	fake_kill(f, 0);
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_UNAVAILABLE);
	assert_false(b.err.in_doubt);
	assert_non_null(strstr(b.err.message, fake_address(f, 0)));
	bed_free(&b);
}

static void requests_go_on_when_a_node_dies(void **state)
{
	struct bed b = bed_make(3, "20000");
	char key[16];
	fake_kill(b.f, 1);
	for (uint32_t i = 0; i < 60; i++) {
		snprintf(key, sizeof key, "key%u", i);
		assert_int_equal(put(&b, i % 2 ? KV_LEVEL_STRONG : KV_LEVEL_EVENTUAL, key, "v"), KV_OK);
		assert_int_not_equal(fake_request(b.f, i).node, 1);
	}
	assert_int_equal(fake_request_count(b.f), 60);
	bed_free(&b);
}

static void nodes_without_a_cluster_answer_not_ready(void **state)
{
	struct fake_server *f = fake_start_empty(1);
	struct bed b = {.f = f, .client = bed_open_client(fake_endpoints(f), "20000")};
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_NOT_READY);
	assert_false(b.err.in_doubt);
	struct kv_cluster_info info;
	assert_int_equal(kv_cluster_info(b.client, &info, &b.err), KV_NOT_READY);
	bed_free(&b);
}

/* ---- Map and GOAWAY ---- */

static void an_old_map_is_fetched_anew_and_the_request_goes_on(void **state)
{
	struct bed b = bed_make(3, "20000");
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_OK);
	uint32_t before = fake_map_count(b.f);
	fake_change_map(b.f);
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v2"), KV_OK);
	assert_int_equal(fake_map_count(b.f), before + 1);
	assert_int_equal(fake_request(b.f, 1).epoch, 1);
	assert_int_equal(fake_request(b.f, 2).epoch, 2);
	assert_int_equal(fake_request(b.f, 2).node, fake_owner(b.f, "w"));
	assert_int_equal(fake_request_count(b.f), 3);
	bed_free(&b);
}

static void a_node_that_says_goaway_gets_nothing_new_but_answers_what_it_has(void **state)
{
	struct bed b = bed_make(3, "20000");
	uint32_t owner = fake_owner(b.f, "w");
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), KV_OK);
	fake_goaway(b.f, owner);
	assert_true(fake_wait_connections(b.f, owner, 0));
	assert_value(&b, "w", "v");
	assert_int_not_equal(fake_request(b.f, 1).node, owner);
	bed_free(&b);
}

/* ---- Many ---- */

static void a_batch_of_1000_keys_is_written_and_read(void **state)
{
	enum { COUNT = 1000 };
	struct bed b = bed_make(3, "20000");
	static char keys[COUNT][16];
	struct kv_pair *pairs = xcalloc(COUNT + 1, sizeof *pairs);
	struct kv_slice *names = xcalloc(COUNT + 1, sizeof *names);
	struct kv_outcome *outcomes = xcalloc(COUNT + 1, sizeof *outcomes);
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(keys[i], sizeof keys[i], "key%u", i);
		names[i] = kv_slice_str(keys[i]);
		pairs[i] = (struct kv_pair){.key = names[i], .value = names[i]};
	}
	assert_int_equal(kv_mput(b.client, NULL, pairs, COUNT, outcomes, &b.err), KV_OK);
	kv_outcomes_release(outcomes, COUNT);
	assert_int_equal(fake_request_count(b.f), COUNT);
	names[7] = kv_slice_str("nobody");
	names[8] = kv_slice_str("");
	assert_int_equal(kv_mget(b.client, NULL, names, COUNT, outcomes, &b.err), KV_INVALID);
	for (uint32_t i = 0; i < COUNT; i++) {
		enum kv_status expected = i == 7 ? KV_NOT_FOUND : i == 8 ? KV_INVALID : KV_OK;
		assert_int_equal(outcomes[i].error.status, expected);
		if (expected == KV_OK)
			assert_memory_equal(outcomes[i].item.value.data, keys[i], strlen(keys[i]));
	}
	kv_outcomes_release(outcomes, COUNT);
	names[COUNT] = names[0];
	assert_int_equal(kv_mget(b.client, NULL, names, COUNT + 1, outcomes, &b.err), KV_TOO_LARGE);
	assert_int_equal(outcomes[COUNT].error.status, KV_TOO_LARGE);
	names[8] = names[9];
	assert_int_equal(kv_mdel(b.client, NULL, names, COUNT, outcomes, &b.err), KV_OK);
	kv_outcomes_release(outcomes, COUNT);
	free(pairs);
	free(names);
	free(outcomes);
	bed_free(&b);
}

struct tally {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t count, ok, closed, doubt;
	uint32_t order[16];
	struct kv_client *again; /* submit one more from inside the callback */
};

struct mark {
	struct tally *tally;
	uint32_t number;
	uint32_t calls;
};

#define TALLY_INIT                                                                                                 \
	{                                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                             \
	}

static void on_done(struct kv_client *client, const struct kv_error *error, const struct kv_item *item, void *arg)
{
	struct mark *mark = arg;
	struct tally *t = mark->tally;
	pthread_mutex_lock(&t->lock);
	mark->calls++;
	if (t->count < ARRAY_SIZE(t->order))
		t->order[t->count] = mark->number;
	t->count++;
	t->ok += error->status == KV_OK || error->status == KV_NOT_FOUND;
	t->closed += error->status == KV_CLOSED;
	t->doubt += error->in_doubt;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static void wait_tally(struct tally *t, uint32_t count)
{
	pthread_mutex_lock(&t->lock);
	while (t->count < count)
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static void answers_may_come_in_any_order_on_one_connection(void **state)
{
	struct bed b = bed_make(1, "20000");
	struct tally t = TALLY_INIT;
	struct mark marks[8];
	fake_script(b.f, 0, (struct fake_step){.action = FAKE_HOLD, .count = 8});
	for (uint32_t i = 0; i < 8; i++) {
		marks[i] = (struct mark){.tally = &t, .number = i};
		assert_int_equal(kv_get_async(b.client, NULL, kv_slice_str("k"), on_done, &marks[i], &b.err),
				 KV_OK);
	}
	assert_true(fake_wait_requests(b.f, 8));
	assert_int_equal(t.count, 0);
	fake_release(b.f);
	wait_tally(&t, 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(t.order[i], 7 - i);
	assert_int_equal(t.ok, 8);
	bed_free(&b);
}

static void on_done_again(struct kv_client *client, const struct kv_error *error, const struct kv_item *item,
			  void *arg)
{
	struct mark *mark = arg;
	if (mark->number > 0) {
		mark->number--;
		KV_ASSERT(kv_get_async(client, NULL, kv_slice_str("k"), on_done_again, mark, NULL) == KV_OK);
		struct kv_error err;
		/* Waiting here would be for ever. */
		KV_ASSERT(kv_get(client, NULL, kv_slice_str("k"), NULL, &err) == KV_INVALID);
		return;
	}
	on_done(client, error, item, mark);
}

static void a_callback_may_submit_the_next_request(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct tally t = TALLY_INIT;
	struct mark mark = {.tally = &t, .number = 50};
	assert_int_equal(kv_get_async(b.client, NULL, kv_slice_str("k"), on_done_again, &mark, NULL), KV_OK);
	wait_tally(&t, 1);
	assert_int_equal(fake_request_count(b.f), 51);
	bed_free(&b);
}

static void closing_runs_each_callback_exactly_once(void **state)
{
	enum { COUNT = 500 };
	struct bed b = bed_make(1, "20000");
	struct tally t = TALLY_INIT;
	static struct mark marks[COUNT];
	fake_script(b.f, 0, (struct fake_step){.action = FAKE_IGNORE, .count = 4 * COUNT}); /* retries too */
	for (uint32_t i = 0; i < COUNT; i++) {
		marks[i] = (struct mark){.tally = &t, .number = i};
		struct kv_slice key = kv_slice_str("k");
		enum kv_status status = i % 2 ? kv_get_async(b.client, NULL, key, on_done, &marks[i], NULL)
					      : kv_put_async(b.client, NULL, key, key, on_done, &marks[i], NULL);
		assert_int_equal(status, KV_OK);
	}
	assert_true(fake_wait_requests(b.f, CONN_INFLIGHT_MAX));
	bed_free(&b);
	assert_int_equal(t.count, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(marks[i].calls, 1);
	/* What was sent and changes something is in doubt, nothing else. */
	assert_int_equal(t.doubt, CONN_INFLIGHT_MAX / 2);
	assert_int_equal(t.closed, COUNT - CONN_INFLIGHT_MAX / 2);
}

static void closing_lets_requests_finish_in_the_time_given(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct tally t = TALLY_INIT;
	static struct mark marks[100];
	for (uint32_t i = 0; i < 100; i++) {
		marks[i] = (struct mark){.tally = &t, .number = i};
		assert_int_equal(kv_get_async(b.client, NULL, kv_slice_str("k"), on_done, &marks[i], NULL), KV_OK);
	}
	kv_close(b.client, 20000);
	assert_int_equal(t.ok, 100);
	fake_stop(b.f);
}

static char put_failed;

static void *put_many(void *arg)
{
	struct bed *b = arg;
	static _Atomic uint32_t next;
	char key[24];
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof key, "t%u", next++);
		if (kv_put(b->client, NULL, kv_slice_str(key), kv_slice_str(key), NULL, NULL) != KV_OK)
			return &put_failed;
	}
	return NULL;
}

static void threads_share_a_client(void **state)
{
	struct bed b = bed_make(3, "20000");
	pthread_t threads[8];
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_many, &b), 0);
	for (int i = 0; i < 8; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(fake_request_count(b.f), 800);
	bed_free(&b);
}

/* ---- In the caller's loop ---- */

static void the_callers_event_loop_can_carry_a_client(void **state)
{
	struct fake_server *f = fake_start(3);
	struct event_base *base = event_base_new();
	struct kv_config *config = kv_config_new();
	struct kv_client *client = NULL;
	struct kv_error err;
	assert_int_equal(kv_config_set(config, "endpoints", fake_endpoints(f), NULL), KV_OK);
	assert_int_equal(kv_config_set(config, "timeout_ms", "20000", NULL), KV_OK);
	kv_config_set_event_base(config, base);
	assert_int_equal(kv_open(config, &client, &err), KV_OK);
	kv_config_free(config);
	assert_int_equal(kv_get(client, NULL, kv_slice_str("k"), NULL, &err), KV_INVALID);
	assert_non_null(strstr(err.message, "event loop"));

	struct tally t = TALLY_INIT;
	struct mark marks[3] = {{.tally = &t}, {.tally = &t}, {.tally = &t}};
	struct kv_slice key = kv_slice_str("k");
	assert_int_equal(kv_put_async(client, NULL, key, key, on_done, &marks[0], &err), KV_OK);
	assert_int_equal(kv_get_async(client, NULL, key, on_done, &marks[1], &err), KV_OK);
	assert_int_equal(t.count, 0);
	while (t.count < 2)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(t.ok, 2);
	assert_int_equal(kv_del_async(client, NULL, key, on_done, &marks[2], &err), KV_OK);
	kv_close(client, 0);
	assert_int_equal(t.closed, 1);
	event_base_free(base);
	fake_stop(f);
}

static void a_host_name_is_looked_up(void **state)
{
	struct fake_server *f = fake_start(1);
	char endpoint[64];
	snprintf(endpoint, sizeof endpoint, "localhost%s", strchr(fake_address(f, 0), ':'));
	struct bed b = {.f = f, .client = bed_open_client(endpoint, "20000")};
	/* A machine without a hosts file does not know it; then the error says so. */
	struct addrinfo *found = NULL;
	bool known = getaddrinfo("localhost", "1", NULL, &found) == 0;
	if (found)
		freeaddrinfo(found);
	assert_int_equal(put(&b, KV_LEVEL_STRONG, "w", "v"), known ? KV_OK : KV_UNAVAILABLE);
	bed_free(&b);
}

static void too_much_at_once_is_refused_until_some_is_done(void **state)
{
	enum { VALUE_SIZE = 4 << 20, COUNT = 64 };
	struct bed b = bed_make(1, "60000");
	struct tally t = TALLY_INIT;
	static struct mark marks[COUNT + 1];
	char *bytes = xcalloc(1, VALUE_SIZE);
	struct kv_slice value = kv_slice_of(bytes, VALUE_SIZE), key = kv_slice_str("k");
	fake_script(b.f, 0, (struct fake_step){.action = FAKE_IGNORE, .count = 4 * COUNT}); /* retries too */
	uint32_t taken = 0;
	enum kv_status status = KV_OK;
	while (status == KV_OK && taken <= COUNT) {
		marks[taken] = (struct mark){.tally = &t, .number = taken};
		status = kv_put_async(b.client, NULL, key, value, on_done, &marks[taken], &b.err);
		taken += status == KV_OK;
	}
	assert_int_equal(status, KV_OVERLOADED);
	assert_int_equal(taken, COUNT - 1);
	bed_free(&b);
	assert_int_equal(t.count, taken);
	free(bytes);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_read_until_it_is_deleted),
		cmocka_unit_test(big_and_empty_values_arrive_whole),
		cmocka_unit_test(sizes_over_the_limits_are_refused_without_a_node),
		cmocka_unit_test(a_receipt_is_given_when_asked_for),
		cmocka_unit_test(requests_go_to_the_first_node_of_their_row),
		cmocka_unit_test(eventual_writes_get_growing_times_of_the_clusters_clock),
		cmocka_unit_test(an_eventual_write_whose_connection_was_lost_is_sent_again_as_the_same),
		cmocka_unit_test(a_strong_write_whose_connection_was_lost_is_sent_again_as_the_same),
		cmocka_unit_test(a_read_whose_connection_was_lost_goes_to_another_replica),
		cmocka_unit_test(refusals_are_retried_at_every_level),
		cmocka_unit_test(a_refusal_that_stays_is_told_after_the_last_attempt),
		cmocka_unit_test(a_node_that_asks_for_more_time_than_there_is_ends_the_request),
		cmocka_unit_test(final_answers_and_doubt_of_eventual_writes_are_not_retried),
		cmocka_unit_test(another_node_settles_a_strong_write_that_one_left_in_doubt),
		cmocka_unit_test(contention_is_tried_at_the_same_node_until_the_deadline),
		cmocka_unit_test(doubt_of_an_earlier_attempt_stays),
		cmocka_unit_test(a_damaged_value_is_read_from_another_replica),
		cmocka_unit_test(a_silent_node_is_left_for_another_replica_in_time),
		cmocka_unit_test(without_an_answer_the_deadline_ends_a_write_in_doubt),
		cmocka_unit_test(a_write_that_was_never_sent_is_not_in_doubt),
		cmocka_unit_test(requests_go_on_when_a_node_dies),
		cmocka_unit_test(nodes_without_a_cluster_answer_not_ready),
		cmocka_unit_test(an_old_map_is_fetched_anew_and_the_request_goes_on),
		cmocka_unit_test(a_node_that_says_goaway_gets_nothing_new_but_answers_what_it_has),
		cmocka_unit_test(a_batch_of_1000_keys_is_written_and_read),
		cmocka_unit_test(answers_may_come_in_any_order_on_one_connection),
		cmocka_unit_test(a_callback_may_submit_the_next_request),
		cmocka_unit_test(closing_runs_each_callback_exactly_once),
		cmocka_unit_test(closing_lets_requests_finish_in_the_time_given),
		cmocka_unit_test(threads_share_a_client),
		cmocka_unit_test(the_callers_event_loop_can_carry_a_client),
		cmocka_unit_test(a_host_name_is_looked_up),
		cmocka_unit_test(too_much_at_once_is_refused_until_some_is_done),
	};
	return test_run("client", tests);
}
