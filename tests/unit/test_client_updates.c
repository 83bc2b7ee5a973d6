/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions, sums, sessions, and what became of a write. */
#include "tests/support/test.h"

#include <pthread.h>

#include "base/bytes.h"
#include "proto/keyhash.h"
#include "tests/support/bed.h"

static const struct kv_options defaults = KV_OPTIONS_INIT;

static enum kv_status put(struct bed *b, const struct kv_options *o, const char *value, struct kv_item *ret_item)
{
	return kv_put(b->client, o, kv_slice_str("k"), kv_slice_str(value), ret_item, &b->err);
}

static void assert_item(struct kv_item *item, const char *value, struct kv_version version)
{
	assert_non_null(item->value.data);
	assert_int_equal(item->value.size, strlen(value));
	assert_memory_equal(item->value.data, value, strlen(value));
	assert_int_equal(kv_version_compare(item->version, version), 0);
	kv_item_release(item);
}

/* ---- Conditions ---- */

static void a_condition_is_sent_as_such_and_strong(void **state)
{
	struct bed b = bed_make(1, "20000");
	struct kv_options o = defaults;
	o.if_absent = true;
	o.fence = 4;
	assert_int_equal(put(&b, &o, "v", NULL), KV_OK);
	assert_int_equal(fake_request(b.f, 0).opcode, OP_CAS);
	assert_int_equal(fake_request(b.f, 0).level, LEVEL_STRONG);
	assert_int_equal(fake_request(b.f, 0).fence, 4);
	assert_true(fake_request(b.f, 0).has_expected);
	o = defaults;
	o.if_present = true;
	assert_int_equal(kv_del(b.client, &o, kv_slice_str("k"), NULL, &b.err), KV_OK);
	assert_int_equal(fake_request(b.f, 1).opcode, OP_DEL);
	assert_int_equal(fake_request(b.f, 1).level, LEVEL_STRONG);
	assert_true(fake_request(b.f, 1).if_present);
	bed_free(&b);
}

static void a_condition_that_fails_tells_what_is_there(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_options o = defaults;
	struct kv_item item, there;
	o.if_present = true;
	assert_int_equal(put(&b, &o, "v", &item), KV_CONDITION_FAILED);
	assert_false(b.err.in_doubt);
	assert_int_equal(kv_version_compare(item.version, (struct kv_version){0}), 0);
	assert_null(item.value.data);
	kv_item_release(&item);

	o = defaults;
	o.if_absent = true;
	assert_int_equal(put(&b, &o, "", &there), KV_OK);
	assert_int_equal(put(&b, &o, "w", &item), KV_CONDITION_FAILED);
	assert_item(&item, "", there.version);
	kv_item_release(&there);
	bed_free(&b);
}

static void a_value_is_compared_by_its_hash(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_options o = defaults;
	uint64_t hash = kv_hash(kv_slice_str("old"));
	o.expected_hash = &hash;
	assert_int_equal(put(&b, &defaults, "old", NULL), KV_OK);
	assert_int_equal(put(&b, &o, "new", NULL), KV_OK);
	assert_int_equal(put(&b, &o, "newer", NULL), KV_CONDITION_FAILED);
	bed_free(&b);
}

static void compare_and_set_takes_the_version_read_or_none(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_item first, second;
	struct kv_slice key = kv_slice_str("k");
	assert_int_equal(kv_cas(b.client, NULL, key, NULL, kv_slice_str("1"), &first, &b.err), KV_OK);
	assert_int_equal(kv_cas(b.client, NULL, key, NULL, kv_slice_str("2"), &second, &b.err),
			 KV_CONDITION_FAILED);
	assert_item(&second, "1", first.version);
	assert_int_equal(kv_cas(b.client, NULL, key, &first.version, kv_slice_str("2"), NULL, &b.err), KV_OK);
	assert_int_equal(kv_cas(b.client, NULL, key, &first.version, kv_slice_str("3"), NULL, &b.err),
			 KV_CONDITION_FAILED);
	struct kv_options o = defaults;
	o.if_absent = true;
	assert_int_equal(kv_cas(b.client, &o, key, NULL, kv_slice_str("4"), NULL, &b.err), KV_INVALID);
	kv_item_release(&first);
	bed_free(&b);
}

static void each_key_of_a_batch_has_its_condition(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_options o = defaults;
	struct kv_outcome outcomes[2];
	struct kv_pair pairs[2] = {{kv_slice_str("k"), kv_slice_str("v")}, {kv_slice_str("l"), kv_slice_str("v")}};
	assert_int_equal(put(&b, &o, "old", NULL), KV_OK);
	o.if_absent = true;
	assert_int_equal(kv_mput(b.client, &o, pairs, 2, outcomes, &b.err), KV_CONDITION_FAILED);
	assert_int_equal(outcomes[0].error.status, KV_CONDITION_FAILED);
	assert_int_equal(outcomes[0].item.value.size, 3);
	assert_int_equal(outcomes[1].error.status, KV_OK);
	kv_outcomes_release(outcomes, 2);
	struct kv_write_id id = {.t0 = 1, .client = 1};
	o.write = &id;
	assert_int_equal(kv_mput(b.client, &o, pairs, 2, outcomes, &b.err), KV_INVALID);
	bed_free(&b);
}

/* ---- Sums and sizes ---- */

static void sums_and_sizes_come_back(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_slice key = kv_slice_str("n");
	struct kv_item item;
	int64_t sum;
	uint64_t size;
	assert_int_equal(kv_add(b.client, NULL, key, 5, &sum, NULL, &b.err), KV_OK);
	assert_int_equal(sum, 5);
	assert_int_equal(kv_add(b.client, NULL, key, -12, &sum, &item, &b.err), KV_OK);
	assert_int_equal(sum, -7);
	assert_int_equal(item.write.seq, fake_request(b.f, 1).rid.seq);
	kv_item_release(&item);
	assert_int_equal(kv_append(b.client, NULL, key, kv_slice_str("00"), &size, NULL, &b.err), KV_OK);
	assert_int_equal(size, 4);
	assert_int_equal(kv_get(b.client, NULL, key, &item, &b.err), KV_OK);
	int64_t number;
	assert_true(kv_item_number(&item, &number));
	assert_int_equal(number, -700);
	kv_item_release(&item);
	assert_int_equal(fake_request(b.f, 2).level, LEVEL_STRONG);
	bed_free(&b);
}

static void a_sum_whose_answer_was_lost_is_added_once(void **state)
{
	struct bed b = bed_make(3, "20000");
	int64_t sum;
	bed_script(&b, "n", FAKE_APPLY_DROP, 1);
	assert_int_equal(kv_add(b.client, NULL, kv_slice_str("n"), 5, &sum, NULL, &b.err), KV_OK);
	assert_int_equal(sum, 5);
	assert_int_equal(fake_request_count(b.f), 2);
	assert_int_equal(fake_request(b.f, 1).attempt, 1);
	assert_true(fake_request(b.f, 0).t0 == fake_request(b.f, 1).t0);
	bed_free(&b);
}

static bool reads_as(const char *text, int64_t expected)
{
	struct kv_item item = {.value = kv_slice_str(text)};
	int64_t number = 0;
	return kv_item_number(&item, &number) && number == expected;
}

static void only_decimal_numbers_of_64_bits_are_numbers(void **state)
{
	static const char *const others[] = {
		"", "-", "+1", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "-9223372036854775809", "--1"};
	int64_t number;
	assert_true(reads_as("0", 0));
	assert_true(reads_as("9223372036854775807", INT64_MAX));
	assert_true(reads_as("-9223372036854775808", INT64_MIN));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct kv_item item = {.value = kv_slice_str(others[i])};
		assert_false(kv_item_number(&item, &number));
	}
	assert_false(kv_item_number(&(struct kv_item){0}, &number));
}

/* ---- What became of a write ---- */

static void a_write_in_doubt_has_an_id_that_tells_what_became_of_it(void **state)
{
	struct bed b = bed_make(1, "300");
	struct kv_slice key = kv_slice_str("k");
	enum kv_write_outcome outcome;
	struct kv_item item;
	char text[KV_WRITE_TEXT_SIZE(1)];
	int64_t number;
	/* One carried out, whose answers are lost. */
	bed_script(&b, "k", FAKE_APPLY_DROP, 1);
	bed_script(&b, "k", FAKE_IGNORE, 5);
	assert_int_not_equal(kv_add(b.client, NULL, key, 3, NULL, NULL, &b.err), KV_OK);
	assert_true(b.err.in_doubt);
	struct kv_write_id id = b.err.write;
	assert_true(id.attempt > 0);
	kv_close(b.client, 0);
	fake_stop(b.f);

	b = bed_make(3, "20000");
	struct kv_options o = defaults;
	id.attempt = 0;
	o.write = &id;
	assert_int_equal(kv_add(b.client, &o, key, 3, NULL, NULL, &b.err), KV_OK);
	assert_int_equal(kv_outcome(b.client, NULL, key, &id, &outcome, &item, &b.err), KV_OK);
	assert_int_equal(outcome, KV_WRITE_COMMITTED);
	assert_true(kv_item_number(&item, &number));
	assert_int_equal(number, 3);
	assert_true(item.version.hlc != 0);
	kv_item_release(&item);
	kv_write_id_format(&id, key, text, sizeof text);
	assert_int_equal(kv_outcome_text(b.client, NULL, text, &outcome, NULL, &b.err), KV_OK);
	assert_int_equal(outcome, KV_WRITE_COMMITTED);
	assert_int_equal(kv_outcome_text(b.client, NULL, "what", &outcome, NULL, &b.err), KV_INVALID);
	bed_free(&b);
}

static void a_write_found_not_applied_never_is(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_write_id id;
	enum kv_write_outcome outcome;
	assert_int_equal(kv_write_id_new(b.client, 0, &id, &b.err), KV_OK);
	assert_int_equal(id.attempt, 0);
	assert_true(id.t0 >= FAKE_HLC);
	assert_int_equal(kv_outcome(b.client, NULL, kv_slice_str("k"), &id, &outcome, NULL, &b.err), KV_OK);
	assert_int_equal(outcome, KV_WRITE_NOT_APPLIED);
	assert_string_equal(kv_write_outcome_name(outcome), "not_applied");
	struct kv_options o = defaults;
	o.level = KV_LEVEL_STRONG;
	o.write = &id;
	assert_int_equal(put(&b, &o, "v", NULL), KV_CONDITION_FAILED);
	assert_false(b.err.in_doubt);
	bed_free(&b);
}

static void a_write_with_an_id_given_is_sent_as_that_write(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_write_id id;
	struct kv_options o = defaults;
	struct kv_item item;
	assert_int_equal(kv_write_id_new(b.client, 0, &id, &b.err), KV_OK);
	o.level = KV_LEVEL_STRONG;
	o.write = &id;
	assert_int_equal(put(&b, &o, "v", &item), KV_OK);
	assert_true(item.write.t0 == id.t0 && item.write.seq == id.seq && item.write.client == id.client);
	assert_int_equal(item.write.attempt, 1);
	kv_item_release(&item);
	id.attempt = 1; /* as after a crash */
	assert_int_equal(put(&b, &o, "v", NULL), KV_OK);
	for (uint32_t i = 0; i < 2; i++) {
		struct fake_request r = fake_request(b.f, i);
		assert_true(r.t0 == id.t0 && r.rid.seq == id.seq && r.rid.client == id.client);
		assert_int_equal(r.attempt, i);
	}
	id.client = 0;
	assert_int_equal(put(&b, &o, "v", NULL), KV_INVALID);
	bed_free(&b);
}

static void no_id_is_made_without_a_cluster(void **state)
{
	struct fake_server *f = fake_start_empty(1);
	struct bed b = {.f = f, .client = bed_open_client(fake_endpoints(f), "20000")};
	struct kv_write_id id;
	assert_int_equal(kv_write_id_new(b.client, 0, &id, &b.err), KV_NOT_READY);
	bed_free(&b);
}

/* ---- Sessions and bounds ---- */

static void a_session_sends_what_it_saw_of_the_key(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_session *session = kv_session_new();
	struct kv_options o = defaults;
	struct kv_item wrote;
	o.session = session;
	assert_int_equal(put(&b, &o, "v", &wrote), KV_OK);
	assert_int_equal(fake_request(b.f, 0).level, LEVEL_SESSION);
	assert_int_equal(fake_request(b.f, 0).session_size, 2);
	assert_int_equal(kv_get(b.client, &o, kv_slice_str("k"), NULL, &b.err), KV_OK);
	struct fake_request read = fake_request(b.f, 1);
	assert_int_equal(read.session_size, 26);
	assert_true(load_le64(read.session + 2) == session_key_hash(0, slice_str("k")));
	assert_true(load_le64(read.session + 10) == wrote.version.hlc);
	assert_true(load_le64(read.session + 18) == wrote.version.id);
	assert_int_equal(kv_get(b.client, &o, kv_slice_str("other"), NULL, &b.err), KV_NOT_FOUND);
	assert_int_equal(fake_request(b.f, 2).session_size, 2);
	kv_item_release(&wrote);
	kv_session_free(session);
	bed_free(&b);
}

static void a_session_sees_what_is_done_at_other_levels(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_session *session = kv_session_new();
	struct kv_options o = defaults;
	o.session = session;
	o.level = KV_LEVEL_STRONG;
	assert_int_equal(put(&b, &o, "v", NULL), KV_OK);
	assert_int_equal(fake_request(b.f, 0).level, LEVEL_STRONG);
	o.level = KV_LEVEL_SESSION;
	assert_int_equal(kv_get(b.client, &o, kv_slice_str("k"), NULL, &b.err), KV_OK);
	assert_int_equal(fake_request(b.f, 1).session_size, 26);
	kv_session_free(session);
	bed_free(&b);
}

static void without_a_session_the_client_has_one(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_options o = defaults;
	o.level = KV_LEVEL_SESSION;
	assert_int_equal(put(&b, &o, "v", NULL), KV_OK);
	assert_int_equal(kv_get(b.client, &o, kv_slice_str("k"), NULL, &b.err), KV_OK);
	assert_int_equal(fake_request(b.f, 1).session_size, 26);
	bed_free(&b);
}

static void a_bounded_read_tells_how_old_it_may_be(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_options o = defaults;
	struct kv_item item;
	assert_int_equal(put(&b, &o, "v", NULL), KV_OK);
	o.level = KV_LEVEL_BOUNDED;
	o.staleness_ms = 250;
	assert_int_equal(kv_get(b.client, &o, kv_slice_str("k"), &item, &b.err), KV_OK);
	assert_int_equal(item.staleness_ms, 7);
	assert_int_equal(fake_request(b.f, 1).staleness_ms, 250);
	kv_item_release(&item);
	o.staleness_ms = 0;
	assert_int_equal(kv_get(b.client, &o, kv_slice_str("k"), NULL, &b.err), KV_OK);
	assert_int_equal(fake_request(b.f, 2).staleness_ms, 1000);
	assert_int_equal(put(&b, &o, "v", NULL), KV_INVALID);
	bed_free(&b);
}

/* ---- Not waiting ---- */

struct seen {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int count;
	enum kv_status status[8];
	int64_t number[8];
	enum kv_write_outcome outcome;
};

struct slot {
	struct seen *seen;
	int at;
};

static void on_answer(struct kv_client *client, const struct kv_error *error, const struct kv_item *item, void *arg)
{
	struct slot *slot = arg;
	struct seen *seen = slot->seen;
	pthread_mutex_lock(&seen->lock);
	seen->status[slot->at] = error->status;
	if (!kv_item_number(item, &seen->number[slot->at]))
		seen->number[slot->at] = -1;
	if (kv_item_outcome(item))
		seen->outcome = kv_item_outcome(item);
	seen->count++;
	pthread_cond_signal(&seen->changed);
	pthread_mutex_unlock(&seen->lock);
}

static void wait_for(struct seen *seen, int count)
{
	pthread_mutex_lock(&seen->lock);
	while (seen->count < count)
		pthread_cond_wait(&seen->changed, &seen->lock);
	pthread_mutex_unlock(&seen->lock);
}

static void every_update_has_a_form_that_does_not_wait(void **state)
{
	struct bed b = bed_make(3, "20000");
	struct kv_client *c = b.client;
	struct kv_slice key = kv_slice_str("k"), one = kv_slice_str("1");
	struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	struct slot slots[5];
	struct kv_session *session = kv_session_new();
	struct kv_options o = defaults;
	struct kv_write_id id;
	for (int i = 0; i < 5; i++)
		slots[i] = (struct slot){&seen, i};
	assert_int_equal(kv_write_id_new(c, 0, &id, NULL), KV_OK);
	assert_int_equal(kv_cas_async(c, NULL, key, NULL, one, on_answer, &slots[0], NULL), KV_OK);
	wait_for(&seen, 1);
	assert_int_equal(kv_add_async(c, NULL, key, 2, on_answer, &slots[1], NULL), KV_OK);
	wait_for(&seen, 2);
	assert_int_equal(kv_append_async(c, NULL, key, one, on_answer, &slots[2], NULL), KV_OK);
	wait_for(&seen, 3);
	assert_int_equal(kv_outcome_async(c, NULL, key, &id, on_answer, &slots[3], NULL), KV_OK);
	o.session = session;
	assert_int_equal(kv_get_async(c, &o, key, on_answer, &slots[4], NULL), KV_OK);
	kv_session_free(session); /* the request has what it needs */
	wait_for(&seen, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(seen.status[i], KV_OK);
	assert_int_equal(seen.number[1], 3);
	assert_int_equal(seen.number[2], 2);
	assert_int_equal(seen.outcome, KV_WRITE_NOT_APPLIED);
	assert_int_equal(kv_cas_async(c, NULL, key, NULL, one, NULL, NULL, NULL), KV_INVALID);
	assert_int_equal(kv_outcome_async(c, NULL, key, NULL, on_answer, NULL, NULL), KV_INVALID);
	bed_free(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_is_sent_as_such_and_strong),
		cmocka_unit_test(a_condition_that_fails_tells_what_is_there),
		cmocka_unit_test(a_value_is_compared_by_its_hash),
		cmocka_unit_test(compare_and_set_takes_the_version_read_or_none),
		cmocka_unit_test(each_key_of_a_batch_has_its_condition),
		cmocka_unit_test(sums_and_sizes_come_back),
		cmocka_unit_test(a_sum_whose_answer_was_lost_is_added_once),
		cmocka_unit_test(only_decimal_numbers_of_64_bits_are_numbers),
		cmocka_unit_test(a_write_in_doubt_has_an_id_that_tells_what_became_of_it),
		cmocka_unit_test(a_write_found_not_applied_never_is),
		cmocka_unit_test(a_write_with_an_id_given_is_sent_as_that_write),
		cmocka_unit_test(no_id_is_made_without_a_cluster),
		cmocka_unit_test(a_session_sends_what_it_saw_of_the_key),
		cmocka_unit_test(a_session_sees_what_is_done_at_other_levels),
		cmocka_unit_test(without_a_session_the_client_has_one),
		cmocka_unit_test(a_bounded_read_tells_how_old_it_may_be),
		cmocka_unit_test(every_update_has_a_form_that_does_not_wait),
	};
	return test_run("client_updates", tests);
}
