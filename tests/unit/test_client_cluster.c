/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <kv/client.h>

#include "proto/keyhash.h"
#include "tests/support/fake_server.h"

static struct kv_client *open_client(const struct fake_server *f)
{
	struct kv_config *config = kv_config_new();
	struct kv_client *client = NULL;
	assert_int_equal(kv_config_set(config, "endpoints", fake_endpoints(f), NULL), KV_OK);
	assert_int_equal(kv_config_set(config, "timeout_ms", "20000", NULL), KV_OK);
	assert_int_equal(kv_open(config, &client, NULL), KV_OK);
	kv_config_free(config);
	return client;
}

static void fill(struct kv_client *client, uint32_t count)
{
	char key[16];
	for (uint32_t i = 0; i < count; i++) {
		snprintf(key, sizeof key, "%s%u", i % 2 ? "odd" : "even", i);
		assert_int_equal(kv_put(client, NULL, kv_slice_str(key), kv_slice_str(key), NULL, NULL), KV_OK);
	}
}

static uint32_t count_rest(struct kv_scan *scan)
{
	struct kv_entry entry;
	struct kv_error err;
	uint32_t count = 0;
	enum kv_status status;
	while ((status = kv_scan_next(scan, &entry, &err)) == KV_OK) {
		assert_int_equal(entry.key.size, entry.value.size);
		assert_memory_equal(entry.key.data, entry.value.data, entry.key.size);
		assert_true(entry.version.hlc > 0);
		struct slice key = slice_of(entry.key.data, entry.key.size);
		assert_int_equal(entry.partition, hash_partition(key_hash(key), FAKE_PARTITIONS));
		count++;
	}
	assert_int_equal(status, KV_NOT_FOUND);
	assert_null(kv_scan_cursor(scan).data);
	return count;
}

static void a_scan_sees_every_key_once(void **state)
{
	struct fake_server *f = fake_start(3);
	struct kv_client *client = open_client(f);
	struct kv_scan *scan;
	fill(client, 101);
	assert_int_equal(kv_scan_open(client, NULL, &scan, NULL), KV_OK);
	assert_int_equal(count_rest(scan), 101);
	kv_scan_close(scan);

	struct kv_scan_options o = KV_SCAN_OPTIONS_INIT;
	o.prefix = kv_slice_str("odd");
	assert_int_equal(kv_scan_open(client, &o, &scan, NULL), KV_OK);
	assert_int_equal(count_rest(scan), 50);
	kv_scan_close(scan);
	kv_close(client, 0);
	fake_stop(f);
}

static void a_scan_of_one_node_asks_that_node_and_only_for_its_partitions(void **state)
{
	struct fake_server *f = fake_start(2); /* one replica: each node holds half of the partitions */
	struct kv_client *client = open_client(f);
	struct kv_scan *scan;
	uint32_t total = 0;
	fill(client, 60);
	for (uint16_t node = 0; node < 2; node++) {
		uint32_t before = fake_request_count(f);
		struct kv_scan_options o = KV_SCAN_OPTIONS_INIT;
		o.node = node;
		o.raw = true;
		assert_int_equal(kv_scan_open(client, &o, &scan, NULL), KV_OK);
		total += count_rest(scan);
		kv_scan_close(scan);
		for (uint32_t i = before; i < fake_request_count(f); i++) {
			assert_int_equal(fake_request(f, i).opcode, OP_SCAN);
			assert_int_equal(fake_request(f, i).node, node);
			assert_int_equal(fake_request(f, i).partition % 2, node);
		}
	}
	assert_int_equal(total, 60);
	struct kv_scan_options o = KV_SCAN_OPTIONS_INIT;
	o.node = 2;
	assert_int_equal(kv_scan_open(client, &o, &scan, NULL), KV_INVALID);
	kv_close(client, 0);
	fake_stop(f);
}

static void a_scan_of_one_node_fails_when_it_is_gone(void **state)
{
	struct fake_server *f = fake_start(3);
	struct kv_client *client = open_client(f);
	struct kv_scan *scan;
	struct kv_entry entry;
	struct kv_error err;
	fill(client, 10);
	struct kv_scan_options o = KV_SCAN_OPTIONS_INIT;
	o.node = 1;
	assert_int_equal(kv_scan_open(client, &o, &scan, NULL), KV_OK);
	fake_kill(f, 1);
	assert_int_equal(kv_scan_next(scan, &entry, &err), KV_UNAVAILABLE);
	kv_scan_close(scan);
	kv_close(client, 0);
	fake_stop(f);
}

static void a_scan_goes_on_from_its_cursor(void **state)
{
	struct fake_server *f = fake_start(3);
	struct kv_client *client = open_client(f);
	struct kv_scan *scan;
	struct kv_entry entry;
	fill(client, 40);
	assert_int_equal(kv_scan_open(client, NULL, &scan, NULL), KV_OK);
	for (int i = 0; i < 17; i++)
		assert_int_equal(kv_scan_next(scan, &entry, NULL), KV_OK);
	char cursor[64];
	struct kv_slice lent = kv_scan_cursor(scan);
	assert_in_range(lent.size, 1, sizeof cursor);
	memcpy(cursor, lent.data, lent.size);
	uint32_t rest = count_rest(scan);
	assert_int_equal(rest, 23);
	kv_scan_close(scan);

	struct kv_scan_options o = KV_SCAN_OPTIONS_INIT;
	o.cursor = kv_slice_of(cursor, lent.size);
	assert_int_equal(kv_scan_open(client, &o, &scan, NULL), KV_OK);
	assert_in_range(count_rest(scan), rest, rest + 2);
	kv_scan_close(scan);
	o.cursor = kv_slice_str("x");
	assert_int_equal(kv_scan_open(client, &o, &scan, NULL), KV_INVALID);
	kv_close(client, 0);
	fake_stop(f);
}

static void the_map_tells_nodes_and_places(void **state)
{
	struct fake_server *f = fake_start(3);
	struct kv_client *client = open_client(f);
	struct kv_cluster_info info;
	assert_int_equal(kv_cluster_info(client, &info, NULL), KV_OK);
	assert_string_equal(info.name, "fake");
	assert_int_equal(info.partitions, FAKE_PARTITIONS);
	assert_int_equal(info.replicas, 3);
	assert_int_equal(info.epoch, 1);

	struct kv_node *nodes;
	size_t count;
	assert_int_equal(kv_nodes(client, &nodes, &count, NULL), KV_OK);
	assert_int_equal(count, 3);
	assert_string_equal(nodes[1].name, "n2");
	assert_string_equal(nodes[1].client_address, fake_address(f, 1));
	assert_int_equal(nodes[1].state, KV_NODE_NORMAL);
	assert_int_equal(nodes[1].partitions, FAKE_PARTITIONS);
	kv_nodes_free(nodes);

	struct kv_location at;
	assert_int_equal(kv_locate(client, kv_slice_str("some key"), &at, NULL), KV_OK);
	assert_int_equal(at.partition, hash_partition(key_hash(slice_str("some key")), FAKE_PARTITIONS));
	assert_int_equal(at.nodes[0], fake_owner(f, "some key"));
	assert_int_equal(at.node_count, 3);
	assert_int_equal(at.members, 7);
	assert_int_equal(at.members_next, 7);
	assert_int_equal(kv_locate_partition(client, 15, &at, NULL), KV_OK);
	assert_int_equal(kv_locate_partition(client, 16, &at, NULL), KV_INVALID);
	kv_close(client, 0);
	fake_stop(f);
}

static void a_partition_that_moves_tells_both_its_rows(void **state)
{
	struct fake_server *f = fake_start(4);
	fake_move(f);
	struct kv_client *client = open_client(f);
	struct kv_location at;
	assert_int_equal(kv_locate_partition(client, 0, &at, NULL), KV_OK);
	assert_int_equal(at.node_count, 4);
	assert_int_equal(at.nodes[3], 3);
	assert_int_equal(at.members, 7);
	assert_int_equal(at.members_next, 11);
	assert_int_equal(kv_locate_partition(client, 1, &at, NULL), KV_OK);
	assert_int_equal(at.node_count, 3);
	assert_int_equal(at.members_next, at.members);
	kv_close(client, 0);
	fake_stop(f);
}

static void one_node_is_asked_by_address_or_name(void **state)
{
	struct fake_server *f = fake_start(3);
	struct kv_client *client = open_client(f);
	struct kv_node_status *status;
	struct kv_error err;
	assert_int_equal(kv_status_get(client, "n3", 0, &status, &err), KV_OK);
	assert_int_equal(status->index, 2);
	assert_int_equal(status->peer_count, 3);
	assert_int_equal(status->peers[2].state, KV_PEER_MYSELF);
	assert_int_equal(status->peers[1].hints_pending, 1);
	assert_int_equal(status->counter_count, 2);
	assert_string_equal(status->counters[0].name, "requests");
	assert_string_equal(status->counters[1].name, "maps");
	assert_true(status->ready);
	kv_node_status_free(status);
	assert_int_equal(kv_status_get(client, fake_address(f, 1), 0, &status, &err), KV_OK);
	assert_int_equal(status->index, 1);
	kv_node_status_free(status);
	assert_int_equal(kv_status_get(client, "n9", 0, &status, &err), KV_INVALID);

	uint64_t us;
	assert_int_equal(kv_ping(client, "n1", 0, &us, &err), KV_OK);
	assert_int_equal(kv_ping(client, NULL, 0, NULL, &err), KV_OK);
	fake_kill(f, 2);
	assert_int_equal(kv_ping(client, "n3", 0, NULL, &err), KV_UNAVAILABLE);
	assert_int_equal(kv_status_get(client, fake_address(f, 2), 0, &status, &err), KV_UNAVAILABLE);
	kv_close(client, 0);
	fake_stop(f);
}

static void a_cluster_is_formed_through_one_node(void **state)
{
	struct fake_server *f = fake_start_empty(1);
	struct kv_client *client = open_client(f);
	struct kv_cluster_info info;
	struct kv_error err;
	assert_int_equal(kv_cluster_info(client, &info, &err), KV_NOT_READY);
	const char *addresses[] = {fake_address(f, 0)};
	struct kv_cluster_spec spec = KV_CLUSTER_SPEC_INIT;
	spec.name = "fake";
	assert_int_equal(kv_cluster_init(client, NULL, &spec, 0, &err), KV_INVALID);
	spec.peer_addresses = addresses;
	spec.address_count = 1;
	assert_int_equal(kv_cluster_init(client, NULL, &spec, 0, &err), KV_OK);
	assert_int_equal(kv_cluster_info(client, &info, &err), KV_OK);
	assert_int_equal(kv_put(client, NULL, kv_slice_str("k"), kv_slice_str("v"), NULL, &err), KV_OK);
	kv_close(client, 0);
	fake_stop(f);
}

static void requests_go_through_the_endpoint_if_that_is_the_route(void **state)
{
	struct fake_server *f = fake_start(3);
	uint32_t other = (fake_owner(f, "k") + 1) % 3;
	struct kv_config *config = kv_config_new();
	struct kv_client *client = NULL;
	struct kv_error err;
	assert_int_equal(kv_config_set(config, "route", "elsewhere", &err), KV_INVALID);
	assert_int_equal(kv_config_set(config, "route", "endpoint", &err), KV_OK);
	assert_int_equal(kv_config_set(config, "endpoints", fake_address(f, other), &err), KV_OK);
	assert_int_equal(kv_open(config, &client, &err), KV_OK);
	kv_config_free(config);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kv_put(client, NULL, kv_slice_str("k"), kv_slice_str("v"), NULL, &err), KV_OK);
	assert_int_equal(fake_request_count(f), 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(fake_request(f, i).node, other);
	/* Without it a replica is as good. */
	fake_kill(f, other);
	assert_int_equal(kv_put(client, NULL, kv_slice_str("k"), kv_slice_str("v"), NULL, &err), KV_OK);
	assert_int_equal(fake_request(f, fake_request_count(f) - 1).node, fake_owner(f, "k"));
	kv_close(client, 0);
	fake_stop(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scan_sees_every_key_once),
		cmocka_unit_test(a_scan_of_one_node_asks_that_node_and_only_for_its_partitions),
		cmocka_unit_test(a_scan_of_one_node_fails_when_it_is_gone),
		cmocka_unit_test(a_scan_goes_on_from_its_cursor),
		cmocka_unit_test(the_map_tells_nodes_and_places),
		cmocka_unit_test(a_partition_that_moves_tells_both_its_rows),
		cmocka_unit_test(one_node_is_asked_by_address_or_name),
		cmocka_unit_test(a_cluster_is_formed_through_one_node),
		cmocka_unit_test(requests_go_through_the_endpoint_if_that_is_the_route),
	};
	return test_run("client_cluster", tests);
}
