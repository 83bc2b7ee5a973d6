/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/support/bed.h"

static struct kv_ledger *open_ledger(struct bed *b, const char *key)
{
	struct kv_ledger_options o = KV_LEDGER_OPTIONS_INIT;
	struct kv_ledger *ledger;
	if (key)
		o.key = kv_slice_str(key);
	assert_int_equal(kv_ledger_open(b->client, &o, &ledger, &b->err), KV_OK);
	return ledger;
}

static void each_entry_is_told_once_though_several_nodes_hold_it(void **state)
{
	enum { COUNT = 20 };
	struct bed b = bed_make(3, "20000");
	char key[16], value[16];
	uint32_t seen[COUNT] = {0}, count = 0;
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(key, sizeof key, "key%u", i / 2);
		snprintf(value, sizeof value, "%u", i);
		for (uint32_t node = 0; node <= i % 3; node++)
			fake_lose(b.f, node, key, value, i + 1);
	}
	struct kv_ledger *ledger = open_ledger(&b, NULL);
	struct kv_ledger_entry entry;
	while (kv_ledger_next(ledger, &entry, &b.err) == KV_OK) {
		uint32_t i = (uint32_t)entry.version.hlc - 1;
		assert_in_range(i, 0, COUNT - 1);
		snprintf(key, sizeof key, "key%u", i / 2);
		snprintf(value, sizeof value, "%u", i);
		assert_int_equal(entry.key.size, strlen(key));
		assert_memory_equal(entry.key.data, key, strlen(key));
		assert_memory_equal(entry.value.data, value, strlen(value));
		assert_int_equal(entry.winner.id, 2);
		assert_string_equal(kv_ledger_cause_name(entry.cause), "late");
		seen[i]++;
		count++;
	}
	assert_int_equal(b.err.status, KV_NOT_FOUND);
	assert_int_equal(kv_ledger_next(ledger, &entry, &b.err), KV_NOT_FOUND);
	assert_int_equal(count, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(seen[i], 1);
	kv_ledger_close(ledger);
	bed_free(&b);
}

static void the_ledger_of_one_key_asks_only_its_replicas(void **state)
{
	struct bed b = bed_make(3, "20000");
	fake_lose(b.f, 1, "key", "lost", 1);
	fake_lose(b.f, 1, "keys", "other", 2);
	fake_lose(b.f, 2, "key", "also lost", 3);
	struct kv_ledger *ledger = open_ledger(&b, "key");
	struct kv_ledger_entry entry;
	uint32_t count = 0;
	for (; kv_ledger_next(ledger, &entry, &b.err) == KV_OK; count++)
		assert_int_equal(entry.key.size, 3);
	assert_int_equal(count, 2);
	assert_int_equal(fake_request_count(b.f), 3);
	kv_ledger_close(ledger);
	bed_free(&b);
}

static void a_node_that_cannot_be_asked_is_told_once_and_left_out(void **state)
{
	struct bed b = bed_make(3, "20000");
	fake_lose(b.f, 0, "a", "lost", 1);
	fake_lose(b.f, 2, "b", "lost", 2);
	fake_kill(b.f, 1);
	struct kv_ledger *ledger = open_ledger(&b, NULL);
	struct kv_ledger_entry entry;
	uint32_t count = 0, errors = 0;
	enum kv_status status;
	while ((status = kv_ledger_next(ledger, &entry, &b.err)) != KV_NOT_FOUND) {
		count += status == KV_OK;
		errors += status != KV_OK;
	}
	assert_int_equal(count, 2);
	assert_int_equal(errors, 1);
	kv_ledger_close(ledger);
	bed_free(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_entry_is_told_once_though_several_nodes_hold_it),
		cmocka_unit_test(the_ledger_of_one_key_asks_only_its_replicas),
		cmocka_unit_test(a_node_that_cannot_be_asked_is_told_once_and_left_out),
	};
	return test_run("client_ledger", tests);
}
