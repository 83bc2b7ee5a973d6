/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/files.h"
#include "server/identity.h"
#include "storage/store_mem.h"

static char dir[64];
static struct store *store;

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *at)
{
	return remove(path);
}

static int fresh(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/kvd-test-XXXXXX");
	store = store_mem_new(1);
	return mkdtemp(dir) ? 0 : -1;
}

static int gone(void **state)
{
	store_close(store);
	return nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static enum kv_status start(struct identity *ret)
{
	struct error error = {0};
	enum kv_status status = identity_start(dir, store, ret, &error);
	assert_true(status == KV_OK || error.message[0] != '\0');
	return status;
}

static void forget_store(void)
{
	store_close(store);
	store = store_mem_new(2);
}

static void remove_file(const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

static void an_identity_is_minted_once_and_counts_its_starts(void **state)
{
	struct identity first, second;
	assert_int_equal(start(&first), KV_OK);
	assert_false(uuid_is_zero(&first.node));
	assert_int_equal(first.incarnation, 1);
	assert_int_equal(store_mem_pending(store), 0); /* the start is counted durably */
	assert_int_equal(start(&second), KV_OK);
	assert_true(uuid_equal(&first.node, &second.node));
	assert_int_equal(second.incarnation, 2);
	assert_int_not_equal(first.boot_nonce, second.boot_nonce);
}

static void two_fresh_directories_are_two_nodes(void **state)
{
	struct identity first, second;
	assert_int_equal(start(&first), KV_OK);
	remove_file(IDENTITY_FILE);
	forget_store();
	assert_int_equal(start(&second), KV_OK);
	assert_false(uuid_equal(&first.node, &second.node));
}

static void an_identity_without_its_store_is_refused(void **state)
{
	struct identity identity;
	assert_int_equal(start(&identity), KV_OK);
	forget_store();
	assert_int_equal(start(&identity), KV_IDENTITY);
}

static void a_store_without_its_file_is_refused(void **state)
{
	struct identity identity;
	assert_int_equal(start(&identity), KV_OK);
	remove_file(IDENTITY_FILE);
	assert_int_equal(start(&identity), KV_IDENTITY);
}

static void a_node_that_met_damage_starts_again_only_if_told_to(void **state)
{
	struct identity first, later;
	struct error error;
	assert_int_equal(start(&first), KV_OK);
	identity_damage(dir);
	identity_damage(dir); /* every thread may meet it */
	assert_int_equal(identity_start(dir, store, &later, &error), KV_IDENTITY);
	assert_non_null(strstr(error.message, "met a damaged record: replace it with an empty one"));
	assert_int_equal(files_rename(dir, IDENTITY_DAMAGED_FILE, IDENTITY_FILE, &error), KV_OK);
	assert_int_equal(start(&later), KV_OK);
	assert_true(uuid_equal(&first.node, &later.node));
}

static void a_file_of_another_node_is_refused(void **state)
{
	struct identity identity;
	struct error error;
	assert_int_equal(start(&identity), KV_OK);
	assert_int_equal(
		files_replace(dir, IDENTITY_FILE, slice_str("00112233-4455-6677-8899-aabbccddeeff\n"), &error),
		KV_OK);
	assert_int_equal(start(&identity), KV_IDENTITY);
	assert_int_equal(files_replace(dir, IDENTITY_FILE, slice_str("not a uuid\n"), &error), KV_OK);
	assert_int_equal(start(&identity), KV_IDENTITY);
}

static void data_without_an_identity_is_refused(void **state)
{
	struct identity identity;
	const struct store_op op = {.table = STORE_DATA, .key = slice_str("k"), .value = slice_str("v")};
	assert_int_equal(store_write(store, &op, 1, true), KV_OK);
	assert_int_equal(start(&identity), KV_IDENTITY);
}

static void a_first_start_that_crashed_is_finished_by_the_next(void **state)
{
	struct identity first, second;
	struct error error;
	/* Before the store knew of it. */
	assert_int_equal(
		files_replace(dir, IDENTITY_NEW_FILE, slice_str("00112233-4455-6677-8899-aabbccddeeff\n"), &error),
		KV_OK);
	assert_int_equal(start(&first), KV_OK);
	assert_int_equal(first.node.bytes[15], 0xff);
	/* After that, before the file had its name. */
	assert_int_equal(files_rename(dir, IDENTITY_FILE, IDENTITY_NEW_FILE, &error), KV_OK);
	assert_int_equal(start(&second), KV_OK);
	assert_true(uuid_equal(&first.node, &second.node));
	assert_int_equal(second.incarnation, 2);
}

static void the_map_must_know_the_node_at_its_address(void **state)
{
	struct identity identity;
	assert_int_equal(start(&identity), KV_OK);
	struct map_node node = {
		.uuid = identity.node, .state = NODE_NORMAL, .peer_address = slice_str("127.0.0.1:7101")};
	struct map_desc map = {.node_count = 1, .nodes = &node};
	struct error error;
	assert_int_equal(identity_check_map(&identity, &map, "127.0.0.1:7101", /* moved: */ false, &error), KV_OK);
	assert_int_equal(identity_check_map(&identity, &map, "127.0.0.1:7102", /* moved: */ false, &error),
			 KV_IDENTITY);
	assert_int_equal(identity_check_map(&identity, &map, "127.0.0.1:7102", /* moved: */ true, &error), KV_OK);
	assert_non_null(strstr(error.message, "127.0.0.1:7101"));
	assert_non_null(strstr(error.message, "127.0.0.1:7102"));
	assert_non_null(strstr(error.message, "old address"));
	node.state = NODE_REMOVED;
	assert_int_equal(identity_check_map(&identity, &map, "127.0.0.1:7101", /* moved: */ false, &error),
			 KV_IDENTITY);
	map.node_count = 0;
	assert_int_equal(identity_check_map(&identity, &map, "127.0.0.1:7101", /* moved: */ false, &error),
			 KV_IDENTITY);
}

#define identity_test(fn) cmocka_unit_test_setup_teardown(fn, fresh, gone)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		identity_test(an_identity_is_minted_once_and_counts_its_starts),
		identity_test(two_fresh_directories_are_two_nodes),
		identity_test(an_identity_without_its_store_is_refused),
		identity_test(a_store_without_its_file_is_refused),
		identity_test(a_node_that_met_damage_starts_again_only_if_told_to),
		identity_test(a_file_of_another_node_is_refused),
		identity_test(data_without_an_identity_is_refused),
		identity_test(a_first_start_that_crashed_is_finished_by_the_next),
		identity_test(the_map_must_know_the_node_at_its_address),
	};
	return test_run("identity", tests);
}
