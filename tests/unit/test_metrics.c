/* SPDX-License-Identifier: Apache-2.0 */
/* Also writes the document: test_metrics --write docs/metrics.md. */
#include "tests/support/test.h"

#include <ctype.h>
#include <stdio.h>

#include "server/metrics.h"

static const char *document_path;
static struct status model;
static struct hist recent_us[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT];

static void read_all(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rbe");
	assert_non_null(file);
	size_t size;
	do {
		uint8_t *at = buf_extend(out, 4096);
		size = fread(at, 1, 4096, file);
		out->size -= 4096 - size;
	} while (size > 0);
	fclose(file);
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t size = strlen(name), end = strlen(suffix);
	return size >= end && strcmp(name + size - end, suffix) == 0;
}

static void the_document_is_the_table(void **state)
{
	CLEANUP(buf_release) struct buf found = BUF_INIT;
	CLEANUP(buf_release) struct buf expected = BUF_INIT;
	read_all(document_path, &found);
	metrics_document(&expected);
	if (!slice_equal(buf_slice(&found), buf_slice(&expected)))
		fail_msg("test_metrics --write %s brings it up to date", document_path);
}

static void names_say_type_and_unit(void **state)
{
	size_t count;
	const struct metric *list = metrics_list(&count);
	for (size_t i = 0; i < count; i++) {
		const char *name = list[i].name;
		assert_int_equal(strncmp(name, "kvd_", 4), 0);
		for (const char *c = name; *c; c++)
			assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
		assert_int_equal(has_suffix(name, "_total"), list[i].type == METRIC_COUNTER);
		if (list[i].type == METRIC_HISTOGRAM)
			assert_true(has_suffix(name, "_seconds"));
		for (size_t j = 0; j < METRIC_SAMPLES_MAX && list[i].samples[j].offset; j++) {
			bool seconds = list[i].samples[j].unit == METRIC_US || list[i].samples[j].unit == METRIC_MS;
			assert_int_equal(seconds, strstr(name, "_seconds") != NULL);
			assert_int_equal(list[i].samples[j].labels != NULL, list[i].labels != NULL);
		}
		assert_true(strlen(list[i].help) > 0);
		assert_null(strpbrk(list[i].help, "|\n\\"));
		assert_int_equal(list[i].write != NULL, list[i].samples[0].offset == 0);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(list[j].name, name);
	}
}

static bool is_shown(size_t offset)
{
	size_t count;
	const struct metric *list = metrics_list(&count);
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < METRIC_SAMPLES_MAX; j++) {
			if (list[i].samples[j].offset == offset)
				return true;
		}
	}
	return false;
}

static void every_number_that_is_counted_is_a_metric(void **state)
{
	/* These are told by node instead. */
	static const size_t by_node[] = {offsetof(struct status, core.hints_pending),
					 offsetof(struct status, core.partitions_dirty)};
	/* And this by kvd_state. */
	static const size_t by_state = offsetof(struct status, numbers.insecure);
#define CHECK_(name)                                                                                               \
	if (!is_shown(offsetof(struct status, core.name)) && offsetof(struct status, core.name) != by_node[0] &&   \
	    offsetof(struct status, core.name) != by_node[1])                                                      \
		fail_msg("%s is no metric", #name);
	CORE_COUNTERS(CHECK_)
#undef CHECK_
#define CHECK_(name)                                                                                               \
	if (!is_shown(offsetof(struct status, numbers.name)) && offsetof(struct status, numbers.name) != by_state) \
		fail_msg("%s is no metric", #name);
	STATUS_SERVER_NUMBERS(CHECK_)
#undef CHECK_
}

/** A cluster of three whose second node has a name that a label cannot hold as it is. */
static void fill_model(void)
{
	static const struct map_node nodes[] = {
		{.index = 0, .state = NODE_NORMAL, .name = {(const uint8_t *)"n1", 2}},
		{.index = 1, .state = NODE_NORMAL, .name = {(const uint8_t *)"n\"2\n", 4}},
		{.index = 2, .state = NODE_REMOVED, .name = {(const uint8_t *)"n3", 2}}};
	static const node_id rows[16] = {0, 1};
	static struct map_desc map = {
		.partitions = 16, .replicas = 1, .node_count = 3, .nodes = nodes, .rows = rows};
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++) {
			hist_init(&model.took_us[op][level]);
			hist_init(&recent_us[op][level]);
		}
	}
	hist_init(&model.sync_us);
	hist_init(&model.loop_lag_us);
	hist_init(&model.queue_us[OPSTATS_QUEUE_CLIENT]);
	hist_init(&model.queue_us[OPSTATS_QUEUE_PEER]);
	hist_add(&model.queue_us[OPSTATS_QUEUE_PEER], 7);
	model.core.peer_took[1][REPLICA_WRITE] = (struct replica_took){.count = 3, .us = 4500};
	model.map = &map;
	model.version = slice_str("1.2");
	model.index = 0;
	model.uptime_us = 1500000;
	model.core.peer_count = 3;
	model.core.peers[0] = (struct status_peer){.index = 0, .state = STATUS_PEER_MYSELF};
	model.core.peers[1] = (struct status_peer){.index = 1, .state = STATUS_PEER_SUSPECT, .hints_pending = 7};
	model.core.peers[2] = (struct status_peer){.index = 2, .state = STATUS_PEER_DOWN};
	model.core.peer_ahead_ms[1] = -1250;
	model.repair.oldest_ms = UINT64_MAX;
	model.results[OPSTATS_GET][3][KV_NOT_FOUND] = 2;
	for (uint64_t us = 1; us <= 1000; us++) {
		hist_add(&model.took_us[OPSTATS_GET][3], us);
		hist_add(&recent_us[OPSTATS_GET][3], us);
	}
}

static void render(struct buf *out)
{
	fill_model();
	metrics_write(&(struct metrics_view){.now = &model,
					     .recent_us = (const struct hist(*)[OPSTATS_LEVEL_COUNT])recent_us},
		      out);
}

static void assert_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);
	if (!at || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line %s", line);
}

static void the_model_shows(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	render(&out);
	const char *text = buf_cstr(&out);
	assert_line(text, "# TYPE kvd_uptime_seconds gauge");
	assert_line(text, "kvd_uptime_seconds 1.500000");
	assert_line(text, "kvd_build_info{version=\"1.2\"} 1");
	assert_line(text, "kvd_hints_pending{target=\"n_2_\"} 7");
	assert_line(text, "kvd_peer_up{peer=\"n_2_\"} 0.5");
	assert_line(text, "kvd_peer_clock_ahead_seconds{peer=\"n_2_\"} -1.250");
	assert_line(text, "kvd_aae_oldest_equal_seconds 1.500");
	assert_line(text, "kvd_requests_total{op=\"get\",level=\"strong\",result=\"not_found\"} 2");
	assert_line(text, "kvd_request_duration_seconds_count{op=\"get\",level=\"strong\"} 1000");
	assert_line(text, "kvd_request_duration_seconds_bucket{op=\"get\",level=\"strong\",le=\"+Inf\"} 1000");
	assert_line(text, "kvd_request_duration_seconds_sum{op=\"get\",level=\"strong\"} 0.500500");
	assert_line(text, "kvd_request_latency_seconds{op=\"get\",level=\"strong\",stat=\"max\"} 0.001000");
	assert_line(text, "kvd_wal_sync_duration_seconds_bucket{le=\"0.001\"} 0");
	assert_line(text, "kvd_partitions{state=\"settled\"} 15");
	assert_line(text, "# TYPE kvd_replica_duration_seconds summary");
	assert_line(text, "kvd_replica_duration_seconds_sum{peer=\"n_2_\",op=\"write\"} 0.004500");
	assert_line(text, "kvd_replica_duration_seconds_count{peer=\"n_2_\",op=\"write\"} 3");
	assert_line(text, "kvd_replica_duration_seconds_count{peer=\"n_2_\",op=\"read\"} 0");
	assert_line(text, "kvd_queue_delay_seconds_count{class=\"peer\"} 1");
	assert_line(text, "kvd_queue_delay_seconds_sum{class=\"client\"} 0.000000");
	assert_null(strstr(text, "n3")); /* a removed node is no peer */
	assert_null(strstr(text, "op=\"put\""));
}

static void buckets_never_fall(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	render(&out);
	static const char head[] = "kvd_request_duration_seconds_bucket{";
	unsigned long long last = 0, buckets = 0;
	for (const char *at = buf_cstr(&out); (at = strstr(at, head)); at++, buckets++) {
		unsigned long long value = strtoull(strchr(at, ' ') + 1, NULL, 10);
		assert_true(value >= last);
		last = value;
	}
	assert_int_equal(last, 1000);
	assert_int_equal(buckets, 16);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--write") == 0) {
		CLEANUP(buf_release) struct buf text = BUF_INIT;
		metrics_document(&text);
		FILE *file = fopen(argv[2], "wbe");
		bool good = file && fwrite(text.data, 1, text.size, file) == text.size;
		return file && fclose(file) == 0 && good ? 0 : 1;
	}
	document_path = argc > 1 ? argv[1] : "docs/metrics.md";
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document_is_the_table),
		cmocka_unit_test(names_say_type_and_unit),
		cmocka_unit_test(every_number_that_is_counted_is_a_metric),
		cmocka_unit_test(the_model_shows),
		cmocka_unit_test(buckets_never_fall),
	};
	return test_run("metrics", tests);
}
