/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The text of a configuration file. What is refused says why in whole lines; what is taken keeps the table's limits.
 */
#include "server/config.h"
#include "tests/fuzz/fuzz.h"

static void check_numbers(const struct config *config)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	for (size_t i = 0; i < count; i++) {
		if (keys[i].kind != CONFIG_COUNT && keys[i].kind != CONFIG_SIZE && keys[i].kind != CONFIG_DURATION)
			continue;
		uint64_t value = *(const uint64_t *)(const void *)((const char *)config + keys[i].offset);
		KV_ASSERT(value >= keys[i].min);
		KV_ASSERT(value <= keys[i].max);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	enum kv_status status = config_parse(slice_of(data, size), "kvd.yaml", NULL, &config, &why);
	if (status == KV_OK) {
		KV_ASSERT(why.size == 0);
		KV_ASSERT(config.node_data_dir[0] != '\0');
		KV_ASSERT(config.node_name[0] != '\0');
		KV_ASSERT(config.shards >= 1);
		check_numbers(&config);
		return 0;
	}
	KV_ASSERT(status == KV_INVALID);
	KV_ASSERT(why.size > 0);
	KV_ASSERT(why.data[why.size - 1] == '\n');
	return 0;
}

bool fuzz_seed(uint32_t index, struct buf *out)
{
	static const char *const seeds[] = {
		"node: {data_dir: /var/lib/kvd}\n",
		"# a file\nnode:\n  name: n1\n  data_dir: /d\n  zone: z1\n  weight: 7\nlisten:\n  client: 127.0.0.1:0\n"
		"  peer: \"[::1]:7101\"\n  http: off\nshards: 4\ninsecure: false\n",
		"node: {data_dir: /d}\nlimits: {connections: 100, inflight: 8, operations: 64, value_size: 64KiB, memory: 1GiB, "
		"drain: 200ms}\nstorage: {cache_size: 8MiB, write_buffer_size: 1MiB, reader_threads: 1}\n",
		"node: {data_dir: /d}\nlog: {level: debug, format: json}\ntest: {wall_offset_ms: -600000}\n",
		"node: &a {data_dir: /d}\nlog: *a\n",
		"- [{, }]\n",
	};
	if (index >= ARRAY_SIZE(seeds))
		return false;
	buf_append_str(out, seeds[index]);
	return true;
}
