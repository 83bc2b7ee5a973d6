/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <ctype.h>

#include "base/machine.h"
#include "server/config.h"
#include "server/config_yaml.h"

static enum kv_status parse(const char *yaml, const char *const *environment, struct config *ret, struct buf *why)
{
	*ret = (struct config){0};
	return config_parse(slice_str(yaml), "kvd.yaml", environment, ret, why);
}

static void assert_refused(const char *yaml, const char *expected)
{
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	struct config config;
	assert_int_equal(parse(yaml, NULL, &config, &why), KV_INVALID);
	if (!strstr(buf_cstr(&why), expected))
		print_error("expected: %s\ngot: %s\n", expected, buf_cstr(&why));
	assert_non_null(strstr(buf_cstr(&why), expected));
}

static void a_directory_is_all_that_has_to_be_said(void **state)
{
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse("node: {data_dir: /var/lib/kvd}\n", NULL, &config, &why), KV_OK);
	assert_string_equal(config.node_data_dir, "/var/lib/kvd");
	assert_string_equal(config.listen_client, "127.0.0.1:7001");
	assert_true(config.node_name[0] != '\0');
	assert_true(config.shards >= 1);
	assert_int_equal(config.limits_value_size, 1 << 20);
	assert_int_equal(config.limits_drain_us, 10 * USEC_PER_SEC);
	assert_int_equal(config.log_level, LOG_INFO);
}

static void units_stand_in_values(void **state)
{
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(
		parse("node: {data_dir: /d, weight: 7}\nlimits: {value_size: 64KiB, drain: 200ms}\n"
		      "storage:\n  cache_size: 1GiB\n  memory: 1200MiB\ntest: {wall_offset_ms: -600000, compare_interval: 1500ms}\ninsecure: true\n"
		      "log: {level: debug, format: json}\n",
		      NULL, &config, &why),
		KV_OK);
	assert_int_equal(config.node_weight, 7);
	assert_int_equal(config.limits_value_size, 64 << 10);
	assert_int_equal(config.limits_drain_us, 200 * USEC_PER_MSEC);
	assert_int_equal(config.storage_cache_size, 1 << 30);
	assert_int_equal(config.storage_memory, 1200u << 20);
	assert_int_equal(config.test_wall_offset_ms, -600000);
	assert_int_equal(config.test_compare_interval_us, 1500 * USEC_PER_MSEC);
	assert_true(config.insecure);
	assert_int_equal(config.log_level, LOG_DEBUG);
	assert_int_equal(config.log_format, LOG_JSON);
}

/** What the engine and the cache of records get with STORAGE, the text of that section. */
static void assert_shares(const char *storage, uint64_t record_cache, uint64_t engine)
{
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT, yaml = BUF_INIT;
	buf_printf(&yaml, "node: {data_dir: /d}\nstorage: {%s}\n", storage);
	assert_int_equal(parse(buf_cstr(&yaml), NULL, &config, &why), KV_OK);
	assert_int_equal(config_record_cache(&config) >> 20, record_cache);
	assert_int_equal(config_storage_memory(&config) >> 20, engine);
}

static void one_budget_is_shared_out(void **state)
{
	uint64_t suits = MIN(MAX(machine_memory() / 16, (uint64_t)64 << 20), (uint64_t)1 << 30) >> 20;
	assert_shares("cache_size: 128MiB", suits, 128 + 4 * 8);
	assert_shares("record_cache_size: 300MiB, cache_size: 64MiB, write_buffer_size: 4MiB", 300, 64 + 4 * 4);
	assert_shares("memory: 168MiB", (168 - 128 - 16) / 2, 168 - 12);
	assert_shares("memory: 144MiB", 0, 144);
	assert_shares("memory: 1GiB, record_cache_size: 500MiB", 500, 524);
}

static void a_variable_that_looks_like_an_override_is_told(void **state)
{
	const char *const environment[] = {"PATH=/bin",
					   "KVD_LIMITS_MEMROY=1",
					   "KVD_LIMITS_MEMORY=64MiB",
					   "KVD_INSECUR=true",
					   "KVD_SERVICE_HOST=10.0.0.1",
					   "KVD_NODE_DATADIR=/d",
					   "KVD_=",
					   "KVD_PORT=tcp://10.0.0.1",
					   NULL};
	static const char *const expected[][2] = {{"KVD_LIMITS_MEMROY", "KVD_LIMITS_MEMORY"},
						  {"KVD_INSECUR", "KVD_INSECURE"},
						  {"KVD_NODE_DATADIR", "KVD_NODE_DATA_DIR"}};
	CLEANUP(buf_release) struct buf name = BUF_INIT, meant = BUF_INIT;
	size_t at = 0;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_true(config_stray_next(environment, &at, &name, &meant));
		assert_string_equal(buf_cstr(&name), expected[i][0]);
		assert_string_equal(buf_cstr(&meant), expected[i][1]);
	}
	assert_false(config_stray_next(environment, &at, &name, &meant));
	at = 0;
	assert_false(config_stray_next(NULL, &at, &name, &meant));
}

static void nothing_needs_no_unit(void **state)
{
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse("node: {data_dir: /d}\ntrace: {slow: 0}\n", NULL, &config, &why), KV_OK);
	assert_int_equal(config.trace_slow_us, 0);
}

static void the_environment_comes_before_the_file(void **state)
{
	const char *const environment[] = {"KVD_NODE_DATA_DIR=/elsewhere", "KVD_SHARDS=3", "KVD_NODE_WEIGHTS=9",
					   NULL};
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse("shards: 2\nnode: {data_dir: /d}\n", environment, &config, &why), KV_OK);
	assert_string_equal(config.node_data_dir, "/elsewhere");
	assert_int_equal(config.shards, 3);
	assert_int_equal(config.node_weight, 100);
}

static void a_bad_override_names_its_variable(void **state)
{
	const char *const environment[] = {"KVD_SHARDS=many", NULL};
	struct config config;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse("node: {data_dir: /d}\n", environment, &config, &why), KV_INVALID);
	assert_non_null(strstr(buf_cstr(&why), "KVD_SHARDS in the environment: \"many\" is not allowed"));
}

static void unknown_keys_are_refused_with_line_and_suggestion(void **state)
{
	assert_refused("node:\n  data_dir: /d\n  nam: x\n",
		       "kvd.yaml:3: unknown key \"nam\" in section node; did you mean \"name\"?");
	assert_refused("# comment\nnode: {data_dir: /d}\nlimit: {}\n",
		       "kvd.yaml:3: unknown key \"limit\"; did you mean \"limits\"?");
	assert_refused(
		"zzzzzz: 1\n",
		"allowed here: node listen advertise join shards insecure limits storage deletes log trace test");
}

static void bad_values_are_refused_with_line_and_what_is_allowed(void **state)
{
	assert_refused(
		"node:\n  data_dir: /d\nstorage:\n  cache_size: 64 MB\n",
		"kvd.yaml:4: storage.cache_size: \"64 MB\" is not allowed; write a whole number with B, KiB, MiB or GiB");
	assert_refused("node: {data_dir: /d}\nlimits:\n  value_size: 17MiB\n",
		       "kvd.yaml:3: limits.value_size: \"17MiB\"");
	assert_refused(
		"node: {data_dir: /d}\nstorage: {memory: 100MiB}\n",
		"kvd.yaml:2: storage.memory: 100 MiB with caches of 128 MiB leave less than 16 MiB for writes");
	assert_refused(
		"node: {data_dir: /d}\nstorage: {record_cache_size: 1GiB, memory: 1GiB}\n",
		"kvd.yaml:2: storage.memory: 1024 MiB with caches of 1152 MiB leave less than 16 MiB for writes");
	assert_refused("node: {data_dir: /d}\nlog: {level: loud}\n", "allowed are debug, info, warn, error");
	assert_refused("node: {data_dir: /d}\nlisten: {peer: 7101}\n", "kvd.yaml:2: listen.peer: \"7101\"");
	assert_refused("node: {data_dir: /d, name: \"a b\"}\n", "kvd.yaml:1: node.name:");
	assert_refused("node: {data_dir: /d}\ntest: {wall_offset_ms: 4000000}\n", "from -3600000 to 3600000");
	assert_refused("node: {data_dir: /d}\nlimits: {drain: 99999999999999999999s}\n",
		       "kvd.yaml:2: limits.drain");
}

static void what_the_file_does_not_know_or_has_twice_is_told_with_all_the_rest(void **state)
{
	struct config config;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse("node: {data_dir: /d, wieght: [1, {a: b}]}\n"
			       "storrage: {memory: 1GiB, more: [1, 2]}\n"
			       "log:\n"
			       "  level: {a: b}\n"
			       "  format: json\n"
			       "node: {name: n1}\n"
			       "limits: 5\n"
			       "shards: 1\n"
			       "shards: 2\n",
			       NULL, &config, &why),
			 KV_INVALID);
	static const char *const expected[] = {
		"kvd.yaml:1: unknown key \"wieght\" in section node; did you mean \"weight\"?",
		"kvd.yaml:2: unknown key \"storrage\"; did you mean \"storage\"?",
		"kvd.yaml:4: level needs one value",
		"kvd.yaml:6: section node is given twice, first in line 1; put its keys together",
		"kvd.yaml:7: limits is a section",
		"kvd.yaml:9: shards is given twice, first in line 8",
	};
	const char *at = buf_cstr(&why);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const char *found = strstr(at, expected[i]);
		if (!found)
			fail_msg("\"%s\" is not in \"%s\"", expected[i], at);
		at = found + 1;
	}
}

/** Found by the fuzzer: a long file of nothing but unknown keys took minutes to be told in full. */
static void a_file_of_mistakes_is_not_read_to_its_end(void **state)
{
	struct config config;
	CLEANUP(buf_release) struct buf yaml = BUF_INIT;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	for (unsigned i = 0; i < 50000; i++)
		buf_printf(&yaml, "k%u: 1\n", i);
	assert_int_equal(parse(buf_cstr(&yaml), NULL, &config, &why), KV_INVALID);
	assert_non_null(strstr(buf_cstr(&why), "kvd.yaml:20: unknown key \"k19\""));
	assert_non_null(strstr(buf_cstr(&why), "kvd.yaml:21: so many mistakes"));
	assert_true(why.size < 16384);
}

static void every_mistake_is_told_at_once(void **state)
{
	struct config config;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(
		parse("shards: x\nlog:\n  level: y\nlisten: {client: 10.0.0.1:7001}\n", NULL, &config, &why),
		KV_INVALID);
	assert_non_null(strstr(buf_cstr(&why), "kvd.yaml:4: listen.client: 10.0.0.1:7001 is not loopback"));
	assert_non_null(strstr(buf_cstr(&why), "kvd.yaml:1: shards"));
	assert_non_null(strstr(buf_cstr(&why), "kvd.yaml:3: log.level"));
	assert_non_null(strstr(buf_cstr(&why), "node.data_dir is missing"));
}

static void shapes_that_are_no_configuration_are_refused(void **state)
{
	assert_refused("node: 3\n", "kvd.yaml:1: node is a section");
	assert_refused("shards:\nnode: {data_dir: /d}\n", "kvd.yaml:1: shards needs one value");
	assert_refused("shards: [1, 2]\n", "kvd.yaml:1: shards needs one value");
	assert_refused("shards: 1\nshards: 2\n", "kvd.yaml:2: shards is given twice, first in line 1");
	assert_refused("- node\n", "kvd.yaml:1: the file is a mapping");
	assert_refused("node: {data_dir: /d\n", "not YAML");
	assert_refused("node: &a {data_dir: /d}\nlog: *a\n", "kvd.yaml:2: aliases are not allowed");
	assert_refused("", "node.data_dir is missing");
	assert_refused("# nothing\n", "node.data_dir is missing");
}

static void open_networks_need_a_word(void **state)
{
	assert_refused("node: {data_dir: /d}\nlisten:\n  client: 10.0.0.1:7001\n",
		       "kvd.yaml:3: listen.client: 10.0.0.1:7001 is not loopback");
	assert_refused("insecure: true\nnode: {data_dir: /d}\nlisten: {peer: \"0.0.0.0:7101\"}\n",
		       "stands for every interface");
	assert_refused("node: {data_dir: /d}\nlisten: {peer: \"127.0.0.1:7\", client: \"127.0.0.1:7\"}\n",
		       "give them two ports");
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(
		parse("insecure: true\nnode: {data_dir: /d}\nlisten: {client: \"10.0.0.1:7001\", peer: \"[::1]:0\"}\n",
		      NULL, &config, &why),
		KV_OK);
}

static void what_is_advertised_can_be_dialled(void **state)
{
	assert_refused("node: {data_dir: /d}\nadvertise: {peer: \"10.0.0.1:0\"}\n",
		       "kvd.yaml:2: advertise.peer: 10.0.0.1:0 cannot be dialled");
	assert_refused("node: {data_dir: /d}\nadvertise: {client: \"0.0.0.0:7001\"}\n",
		       "kvd.yaml:2: advertise.client: 0.0.0.0:7001 cannot be dialled");
	assert_refused("node: {data_dir: /d}\nadvertise: {client: here}\n", "write host:port");
	assert_refused("node: {data_dir: /d}\nlisten: {peer: \"0.0.0.0:7101\"}\nadvertise: {peer: \"a.b:7101\"}\n",
		       "is not loopback");
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse("insecure: true\nnode: {data_dir: /d}\nlisten: {peer: \"0.0.0.0:7101\"}\n"
			       "advertise: {peer: \"a.b:9\"}\n",
			       NULL, &config, &why),
			 KV_OK);
	assert_string_equal(config.advertise_peer, "a.b:9");
	assert_string_equal(config.advertise_client, "");
}

static void a_file_that_is_not_there_is_said(void **state)
{
	struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(config_load("/nowhere/kvd.yaml", NULL, &config, &why), KV_IO);
	assert_non_null(strstr(buf_cstr(&why), "/nowhere/kvd.yaml: cannot be read"));
}

static void the_files_that_come_with_it_are_good(void **state)
{
	static const char *const files[] = {"conf/kvd.yaml", "conf/kvd-dev.yaml"};
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		CLEANUP(buf_release) struct buf path = BUF_INIT;
		buf_printf(&path, "%s/%s", SOURCE_ROOT, files[i]);
		CLEANUP(config_release) struct config config = {0};
		CLEANUP(buf_release) struct buf why = BUF_INIT;
		enum kv_status status = config_load(buf_cstr(&path), NULL, &config, &why);
		if (status != KV_OK)
			print_error("%s", buf_cstr(&why));
		assert_int_equal(status, KV_OK);
	}
}

/**
 * Gives conf/kvd.yaml with its commented keys and sections taken for lines of its own: those with # and either no blank or two behind
 * it.
 */
static void read_annotated(struct buf *ret)
{
	FILE *file = fopen(SOURCE_ROOT "/conf/kvd.yaml", "r");
	assert_non_null(file);
	char line[256];
	while (fgets(line, sizeof line, file)) {
		bool key = line[0] == '#' && (strncmp(line + 1, "  ", 2) == 0 || !strchr(" \n", line[1]));
		buf_append_str(ret, key ? line + 1 : line);
	}
	fclose(file);
}

/** True if line NUMBER of TEXT, from 1, is a comment in words. */
static bool is_comment(const char *text, unsigned number)
{
	for (unsigned i = 1; i < number && text; i++) {
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return text && (strncmp(text, "  # ", 4) == 0 || strncmp(text, "# ", 2) == 0);
}

static void the_annotated_file_explains_every_key_and_shows_its_default(void **state)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT, why = BUF_INIT;
	read_annotated(&text);
	size_t count;
	const struct config_key *keys = config_keys(&count);
	struct config_text *texts = xcalloc(count, sizeof *texts);
	enum kv_status status = config_yaml_parse(buf_slice(&text), "kvd.yaml", keys, count, texts, &why);
	if (status != KV_OK)
		print_error("%s", buf_cstr(&why));
	assert_int_equal(status, KV_OK);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_release) struct buf path = BUF_INIT;
		config_key_path(&keys[i], &path);
		if (!texts[i].value)
			print_error("conf/kvd.yaml does not show %s\n", buf_cstr(&path));
		assert_non_null(texts[i].value);
		if (!is_comment(buf_cstr(&text), texts[i].line - 1))
			fail_msg("conf/kvd.yaml does not explain %s", buf_cstr(&path));
		if (keys[i].fallback)
			assert_string_equal(texts[i].value, keys[i].fallback);
		else
			assert_string_equal(texts[i].value, "/var/lib/kvd");
	}
	config_yaml_release(texts, count);
	free(texts);
}

/** A value that no key takes is refused in the name of the variable it came from. */
static void every_key_may_be_overridden(void **state)
{
	char value[5000];
	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	size_t count;
	const struct config_key *keys = config_keys(&count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_release)
		struct buf variable = BUF_INIT, expected = BUF_INIT, set = BUF_INIT, why = BUF_INIT;
		buf_printf(&variable, "KVD_%s%s%s", keys[i].section, keys[i].section[0] ? "_" : "", keys[i].name);
		for (size_t at = 0; at < variable.size; at++)
			variable.data[at] = (uint8_t)toupper(variable.data[at]);
		buf_printf(&expected, "%s in the environment: ", buf_cstr(&variable));
		buf_printf(&set, "%s=%s", buf_cstr(&variable), value);
		const char *const environment[] = {buf_cstr(&set), NULL};
		struct config config;
		assert_int_equal(parse("node: {data_dir: /d}\n", environment, &config, &why), KV_INVALID);
		assert_non_null(strstr(buf_cstr(&why), buf_cstr(&expected)));
	}
}

#define DOCUMENT SOURCE_ROOT "/docs/configuration.md"

static void append_row(const struct config_key *key, struct buf *out)
{
	buf_append_str(out, "| `");
	config_key_path(key, out);
	if (key->fallback && key->fallback[0])
		buf_printf(out, "` | `%s` |", key->fallback);
	else
		buf_append_str(out, "` | - |");
	buf_printf(out, " %s%s |\n", key->help, key->scope == CONFIG_LIVE ? "; live" : "");
}

/** Gives the document with the rows as the table of keys has them; *RET_ROWS counts the rows of keys that there are. */
static void make_document(struct buf *ret, size_t *ret_rows)
{
	FILE *file = fopen(DOCUMENT, "r");
	assert_non_null(file);
	char line[1024], path[128];
	*ret_rows = 0;
	while (fgets(line, sizeof line, file)) {
		bool row = sscanf(line, "| `%127[a-z_.]`", path) == 1;
		const struct config_key *key = row ? config_find(slice_str(path)) : NULL;
		if (key)
			append_row(key, ret);
		else
			buf_append_str(ret, line);
		*ret_rows += row;
	}
	fclose(file);
}

/** The rows are those of the table; a key that is new gets one by hand, empty, and test_config --write fills it. */
static void the_document_is_made_of_the_table_of_keys(void **state)
{
	CLEANUP(buf_release) struct buf made = BUF_INIT, there = BUF_INIT;
	size_t rows, count;
	make_document(&made, &rows);
	const struct config_key *keys = config_keys(&count);
	FILE *file = fopen(DOCUMENT, "r");
	assert_non_null(file);
	char line[1024];
	while (fgets(line, sizeof line, file))
		buf_append_str(&there, line);
	fclose(file);
	assert_int_equal(rows, count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_release) struct buf row = BUF_INIT;
		append_row(&keys[i], &row);
		if (!strstr(buf_cstr(&there), buf_cstr(&row)))
			fail_msg("docs/configuration.md lacks: %s", buf_cstr(&row));
	}
	assert_string_equal(buf_cstr(&there), buf_cstr(&made));
}

static int write_document(void)
{
	CLEANUP(buf_release) struct buf made = BUF_INIT;
	size_t rows;
	make_document(&made, &rows);
	FILE *file = fopen(DOCUMENT, "we");
	bool good = file && fwrite(made.data, 1, made.size, file) == made.size;
	return (file && fclose(file) != 0) || !good;
}

static void seeds_are_a_list_of_addresses(void **state)
{
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(
		parse("node: {data_dir: /d}\njoin: {seeds: \"127.0.0.1:7101, b.c:7102\", token_file: /t}\n", NULL,
		      &config, &why),
		KV_OK);
	const char *at = config.join_seeds;
	struct slice one;
	assert_true(config_address_next(&at, &one) && slice_equal(one, slice_str("127.0.0.1:7101")));
	assert_true(config_address_next(&at, &one) && slice_equal(one, slice_str("b.c:7102")));
	assert_false(config_address_next(&at, &one));
	assert_refused("node: {data_dir: /d}\njoin: {seeds: here}\n", "write up to 16 host:port");
	assert_refused("node: {data_dir: /d}\njoin: {seeds: \"a:0\"}\n", "kvd.yaml:2: join.seeds");
	assert_refused("node: {data_dir: /d}\njoin: {token_file: /t}\n", "join.token_file needs join.seeds");
}

/** A field that a copy shared would be freed twice. */
static void a_copy_owns_all_its_texts(void **state)
{
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(config_release) struct config copy = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse("node: {data_dir: /d}\n", NULL, &config, &why), KV_OK);
	config_copy(&config, &copy);
	size_t count, texts = 0;
	const struct config_key *keys = config_keys(&count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_release) struct buf value = BUF_INIT;
		config_value(&config, &keys[i], &value);
		char *const *ours = (char *const *)(const void *)((const char *)&config + keys[i].offset);
		char *const *theirs = (char *const *)(const void *)((const char *)&copy + keys[i].offset);
		bool text = keys[i].kind == CONFIG_TEXT || keys[i].kind == CONFIG_NAME ||
			    keys[i].kind == CONFIG_ADDRESS || keys[i].kind == CONFIG_DOOR ||
			    keys[i].kind == CONFIG_ADDRESSES;
		if (!text)
			continue;
		texts++;
		assert_string_equal(*theirs, buf_cstr(&value));
		assert_ptr_not_equal(*ours, *theirs);
	}
	assert_true(texts >= 9);
}

static void the_http_port_may_be_off(void **state)
{
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse("node: {data_dir: /d}\nlisten: {http: off}\n", NULL, &config, &why), KV_OK);
	assert_true(config_http_is_off(&config));
	config_release(&config);
	assert_int_equal(parse("node: {data_dir: /d}\nlisten: {http: \"\"}\n", NULL, &config, &why), KV_OK);
	assert_true(config_http_is_off(&config));
	config_release(&config);
	assert_int_equal(parse("node: {data_dir: /d}\n", NULL, &config, &why), KV_OK);
	assert_false(config_http_is_off(&config));
	assert_string_equal(config.listen_http, "127.0.0.1:7201");
	assert_refused("node: {data_dir: /d}\nlisten: {http: none}\n", "or off");
	assert_refused("node: {data_dir: /d}\nlisten: {http: \"0.0.0.0:7201\"}\n", "is not loopback");
	config_release(&config);
	assert_int_equal(parse("insecure: true\nnode: {data_dir: /d}\nlisten: {http: \"0.0.0.0:7201\"}\n", NULL,
			       &config, &why),
			 KV_OK);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--write") == 0)
		return write_document();
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_is_all_that_has_to_be_said),
		cmocka_unit_test(units_stand_in_values),
		cmocka_unit_test(one_budget_is_shared_out),
		cmocka_unit_test(a_variable_that_looks_like_an_override_is_told),
		cmocka_unit_test(nothing_needs_no_unit),
		cmocka_unit_test(the_environment_comes_before_the_file),
		cmocka_unit_test(a_bad_override_names_its_variable),
		cmocka_unit_test(unknown_keys_are_refused_with_line_and_suggestion),
		cmocka_unit_test(bad_values_are_refused_with_line_and_what_is_allowed),
		cmocka_unit_test(what_the_file_does_not_know_or_has_twice_is_told_with_all_the_rest),
		cmocka_unit_test(a_file_of_mistakes_is_not_read_to_its_end),
		cmocka_unit_test(every_mistake_is_told_at_once),
		cmocka_unit_test(shapes_that_are_no_configuration_are_refused),
		cmocka_unit_test(open_networks_need_a_word),
		cmocka_unit_test(what_is_advertised_can_be_dialled),
		cmocka_unit_test(seeds_are_a_list_of_addresses),
		cmocka_unit_test(a_copy_owns_all_its_texts),
		cmocka_unit_test(the_http_port_may_be_off),
		cmocka_unit_test(a_file_that_is_not_there_is_said),
		cmocka_unit_test(the_files_that_come_with_it_are_good),
		cmocka_unit_test(the_annotated_file_explains_every_key_and_shows_its_default),
		cmocka_unit_test(every_key_may_be_overridden),
		cmocka_unit_test(the_document_is_made_of_the_table_of_keys),
	};
	return test_run("config", tests);
}
