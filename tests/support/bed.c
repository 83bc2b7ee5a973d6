/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/bed.h"

#include "tests/support/test.h"

struct kv_client *bed_open_client(const char *endpoints, const char *timeout_ms)
{
	struct kv_config *config = kv_config_new();
	struct kv_client *client = NULL;
	assert_int_equal(kv_config_set(config, "endpoints", endpoints, NULL), KV_OK);
	assert_int_equal(kv_config_set(config, "timeout_ms", timeout_ms, NULL), KV_OK);
	assert_int_equal(kv_config_set(config, "connect_timeout_ms", "5000", NULL), KV_OK);
	assert_int_equal(kv_open(config, &client, NULL), KV_OK);
	kv_config_free(config);
	return client;
}

struct bed bed_make(uint32_t nodes, const char *timeout_ms)
{
	struct bed b = {.f = fake_start(nodes)};
	b.client = bed_open_client(fake_endpoints(b.f), timeout_ms);
	/* From here on the map is known. */
	struct kv_cluster_info info;
	assert_int_equal(kv_cluster_info(b.client, &info, NULL), KV_OK);
	return b;
}

void bed_free(struct bed *b)
{
	kv_close(b->client, 0);
	fake_stop(b->f);
}

void bed_script(struct bed *b, const char *key, enum fake_action action, uint32_t count)
{
	fake_script(b->f, fake_owner(b->f, key), (struct fake_step){.action = action, .count = count});
}

void bed_script_status(struct bed *b, const char *key, enum kv_status status, bool in_doubt, uint32_t count)
{
	struct fake_step step = {.action = FAKE_STATUS, .status = status, .in_doubt = in_doubt, .count = count};
	fake_script(b->f, fake_owner(b->f, key), step);
}
