/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <unistd.h>

#include "base/klog.h"
#include "server/settings.h"

static unsigned applied;
static uint64_t inflight;
static char file[] = "/tmp/kvd-test-settings-XXXXXX";

static void apply(void *owner, const struct config *now)
{
	applied++;
	inflight = now->limits_inflight;
}

static void write_file(const char *yaml)
{
	FILE *out = fopen(file, "w");
	assert_non_null(out);
	fputs(yaml, out);
	fclose(out);
}

static void start(struct settings *s, const char *yaml, const char *const *environment)
{
	struct config config;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	write_file(yaml);
	assert_int_equal(config_load(file, environment, &config, &why), KV_OK);
	settings_init(s, &config, apply, NULL);
	settings_set_file(s, file, environment);
	config_release(&config);
	applied = 0;
}

static void assert_entry(struct settings *s, const char *name, const char *value, enum config_source source,
			 const char *waits)
{
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(1 << 20);
	struct msg_config told = {0};
	assert_true(settings_list(s, &arena, 0, &told));
	for (uint32_t i = 0; i < told.count; i++) {
		const struct config_entry *e = &told.entries[i];
		if (!slice_equal(e->name, slice_str(name)))
			continue;
		assert_slice_equal(e->value, slice_str(value));
		assert_int_equal(e->source, source);
		assert_int_equal(e->needs_restart, waits != NULL);
		if (waits)
			assert_slice_equal(e->waits, slice_str(waits));
		return;
	}
	fail_msg("%s is not told", name);
}

static void assert_refused(struct settings *s, const char *name, const char *value, enum kv_status status,
			   const char *part)
{
	struct error error;
	assert_int_equal(settings_set(s, slice_str(name), slice_str(value), &error), status);
	if (!strstr(error.message, part))
		fail_msg("\"%s\" is not in \"%s\"", part, error.message);
	assert_int_equal(applied, 0);
}

static void values_come_with_where_they_come_from(void **state)
{
	const char *const environment[] = {"KVD_LIMITS_OPERATIONS=77", NULL};
	struct settings s;
	start(&s, "node: {data_dir: /d}\nlimits: {inflight: 9}\n", environment);
	assert_entry(&s, "node.data_dir", "/d", CONFIG_FILE, NULL);
	assert_entry(&s, "limits.inflight", "9", CONFIG_FILE, NULL);
	assert_entry(&s, "limits.operations", "77", CONFIG_ENVIRONMENT, NULL);
	assert_entry(&s, "limits.memory", "256MiB", CONFIG_DEFAULT, NULL);
	assert_entry(&s, "test.compare_interval", "1m", CONFIG_DEFAULT, NULL);
	settings_release(&s);
}

static void a_default_is_told_as_a_value_would_be(void **state)
{
	struct settings s;
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(1 << 20);
	struct msg_config told = {0};
	start(&s, "node: {data_dir: /d, name: n}\nshards: 2\n", NULL);
	assert_true(settings_list(&s, &arena, 0, &told));
	for (uint32_t i = 0; i < told.count; i++) {
		if (told.entries[i].source == CONFIG_DEFAULT)
			assert_slice_equal(told.entries[i].value, told.entries[i].fallback);
	}
	settings_release(&s);
}

static void a_live_key_changes_and_others_do_not(void **state)
{
	struct settings s;
	struct error error;
	start(&s, "node: {data_dir: /d}\n", NULL);
	assert_refused(&s, "limits.inflght", "5", KV_INVALID, "did you mean limits.inflight?");
	assert_refused(&s, "limits.inflight", "0", KV_INVALID, "from 1 to 65536");
	assert_refused(&s, "shards", "2", KV_REFUSED, "restart the node");
	assert_refused(&s, "", "2", KV_INVALID, "there is no key");
	assert_int_equal(settings_set(&s, slice_str("limits.inflight"), slice_str("5"), &error), KV_OK);
	assert_int_equal(applied, 1);
	assert_int_equal(inflight, 5);
	assert_entry(&s, "limits.inflight", "5", CONFIG_SET, NULL);
	settings_release(&s);
}

static void a_file_read_again_takes_live_keys_and_tells_of_the_others(void **state)
{
	struct settings s;
	struct error error;
	start(&s, "node: {data_dir: /d}\nshards: 1\nlimits: {inflight: 9}\n", NULL);
	assert_int_equal(settings_set(&s, slice_str("limits.inflight"), slice_str("5"), &error), KV_OK);
	write_file("node: {data_dir: /d}\nshards: 3\nlimits: {inflight: 12}\n");
	settings_reload(&s);
	assert_int_equal(inflight, 12);
	assert_entry(&s, "limits.inflight", "12", CONFIG_FILE, NULL);
	assert_entry(&s, "shards", "1", CONFIG_FILE, "3");
	/* What the file no longer says is the default again. */
	write_file("node: {data_dir: /d}\nshards: 1\n");
	settings_reload(&s);
	assert_entry(&s, "limits.inflight", "256", CONFIG_DEFAULT, NULL);
	assert_entry(&s, "shards", "1", CONFIG_FILE, NULL);
	settings_release(&s);
}

static void a_file_with_a_mistake_changes_nothing(void **state)
{
	struct settings s;
	start(&s, "node: {data_dir: /d}\nlimits: {inflight: 9}\n", NULL);
	write_file("node: {data_dir: /d}\nlimits: {inflight: 12, conections: 4}\n");
	settings_reload(&s);
	assert_int_equal(applied, 0);
	assert_entry(&s, "limits.inflight", "9", CONFIG_FILE, NULL);
	unlink(file);
	settings_reload(&s);
	assert_int_equal(applied, 0);
	settings_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_with_where_they_come_from),
		cmocka_unit_test(a_default_is_told_as_a_value_would_be),
		cmocka_unit_test(a_live_key_changes_and_others_do_not),
		cmocka_unit_test(a_file_read_again_takes_live_keys_and_tells_of_the_others),
		cmocka_unit_test(a_file_with_a_mistake_changes_nothing),
	};
	log_configure(LOG_ERROR, LOG_LOGFMT);
	int fd = mkstemp(file);
	KV_ASSERT(fd >= 0);
	close(fd);
	int code = test_run("settings", tests);
	unlink(file);
	return code;
}
