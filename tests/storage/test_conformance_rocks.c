/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "storage/store_rocks.h"
#include "tests/storage/conformance.h"

extern char **environ;

enum {
	PATH_SIZE = 256,
	KILL_ROUNDS = 25,
	SYNC_EVERY = 3, /* the killed writer syncs and reports every so many batches */
	REPORT_FD = 3,  /* where it reports */
	FLIPS = 40,
};

/** The directory of the store of the running test; one at a time. */
static char test_path[PATH_SIZE];

/** Small memtables, so that flushes and compactions take part in short tests. */
static struct rocks_config test_config(bool create)
{
	return (struct rocks_config){.path = test_path,
				     .cache_size = 4 << 20,
				     .write_buffer_size = 256 << 10,
				     .create_if_missing = create};
}

static struct store *open_as(const struct rocks_config *config)
{
	struct store *s = NULL;
	struct error err = {0};
	if (store_rocks_open(config, &s, &err) != KV_OK)
		fail_msg("%s: %s", status_name(err.status), err.message);
	return s;
}

static struct store *open_or_fail(bool create)
{
	struct rocks_config config = test_config(create);
	return open_as(&config);
}

/** With memtables that hold a whole test: too few files for a compaction, which would meet damage in the background. */
static struct store *open_at_rest(bool create)
{
	struct rocks_config config = test_config(create);
	config.write_buffer_size = 32 << 20;
	return open_as(&config);
}

static void new_path(void)
{
	const char *base = getenv("TMPDIR");
	snprintf(test_path, sizeof test_path, "%s/kvd-storage-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(test_path));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) { return remove(path); }

static void remove_path(void) { assert_int_equal(nftw(test_path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0); }

static struct store *open_empty(void)
{
	new_path();
	return open_or_fail(/* create= */ true);
}

static struct store *reopen(struct store *s)
{
	store_close(s);
	return open_or_fail(/* create= */ false);
}

static void discard(struct store *s)
{
	store_close(s);
	remove_path();
}

static const struct conformance_engine rocks_engine = {
	.name = "conformance_rocks",
	.open_empty = open_empty,
	.reopen = reopen,
	.discard = discard,
};

/** The newest file in the directory whose name ends in SUFFIX and is a number, or a failed test. */
static void find_file(const char *suffix, char ret[static PATH_SIZE])
{
	DIR *directory = opendir(test_path);
	assert_non_null(directory);
	unsigned long newest = 0;
	struct dirent *entry;
	while ((entry = readdir(directory))) {
		char *end;
		unsigned long number = strtoul(entry->d_name, &end, 10);
		if (end != entry->d_name && strcmp(end, suffix) == 0)
			newest = MAX(newest, number);
	}
	closedir(directory);
	assert_true(newest > 0);
	assert_true(snprintf(ret, PATH_SIZE, "%.200s/%06lu%s", test_path, newest, suffix) < PATH_SIZE);
}

static off_t file_size(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* The writer: this program, started again, that writes numbered batches until it is killed. */

static uint32_t last_number(struct store *s)
{
	struct buf got = BUF_INIT;
	uint32_t last = 0;
	if (store_get(s, STORE_META, slice_str("last"), false, &got) == KV_OK && got.size == 4)
		last = load_le32(got.data);
	buf_release(&got);
	return last;
}

static int writer_main(const char *path)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(test_path, sizeof test_path, "%s", path);
	struct rocks_config config = test_config(/* create= */ true);
	struct store *s;
	struct error err;
	if (store_rocks_open(&config, &s, &err) != KV_OK) {
		fprintf(stderr, "writer: %s\n", err.message);
		return 1;
	}
	for (uint32_t number = last_number(s) + 1;; number++) {
		bool sync = number % SYNC_EVERY == 0;
		if (numbered_write(s, number, sync) != KV_OK)
			return 1;
		if (sync && write(REPORT_FD, &number, sizeof number) != sizeof number)
			return 1;
	}
}

/* The failing one: its disk has no room for a moment. Its exit code is the number of the check that failed. */

static enum kv_status write_without_room(struct store *s, const char *log, uint32_t number)
{
	struct rlimit before, small;
	if (getrlimit(RLIMIT_FSIZE, &before) != 0)
		return KV_INTERNAL;
	small = before;
	small.rlim_cur = (rlim_t)file_size(log) + 10; /* no file may grow past what the log has now */
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &small) != 0)
		return KV_INTERNAL;
	enum kv_status status = numbered_write(s, number, true);
	return setrlimit(RLIMIT_FSIZE, &before) == 0 ? status : KV_INTERNAL;
}

static int fail_main(const char *path)
{
	snprintf(test_path, sizeof test_path, "%s", path);
	struct rocks_config config = test_config(/* create= */ true);
	config.write_buffer_size = 64 << 20; /* all stays in one log */
	struct store *s;
	if (store_rocks_open(&config, &s, NULL) != KV_OK)
		return 1;
	char log[PATH_SIZE];
	find_file(".log", log);
	uint32_t number = 1;
	/* The log is to be the largest file: RocksDB asserts that its diary LOG can be written. */
	for (; file_size(log) < 1 << 20; number++)
		if (numbered_write(s, number, true) != KV_OK)
			return 2;
	uint32_t acked = number - 1;
	if (write(REPORT_FD, &acked, sizeof acked) != sizeof acked)
		return 3;
	if (write_without_room(s, log, number) != KV_IO)
		return 4;
	struct error failure;
	if (!store_rocks_failure(s, &failure) || failure.status != KV_IO || !strstr(failure.message, "IO error"))
		return 5;
	/* There is room again, but what the disk holds is unknown: nothing is written any more. */
	if (numbered_write(s, number, true) != KV_IO || store_write(s, NULL, 0, true) != KV_IO)
		return 6;
	if (store_remove_range(s, STORE_DATA, (struct slice){0}, (struct slice){0}) != KV_IO)
		return 7;
	struct store_stats stats;
	store_stats(s, &stats);
	if (!stats.write_stopped)
		return 8;
	store_close(s);
	return 0;
}

struct child {
	pid_t pid;
	int reports;
};

static struct child child_start(const char *mode)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	posix_spawn_file_actions_t actions;
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	/* Through a high number: dup2 of a descriptor onto itself would keep close-on-exec. */
	int high = fcntl(ends[1], F_DUPFD_CLOEXEC, 100);
	assert_true(high >= 100);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, high, REPORT_FD), 0);
	char program[] = "/proc/self/exe", flag[16];
	snprintf(flag, sizeof flag, "%s", mode);
	char *argv[] = {program, flag, test_path, NULL};
	struct child w = {.reports = ends[0]};
	assert_int_equal(posix_spawn(&w.pid, program, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(high);
	close(ends[1]);
	return w;
}

/** Waits for one report; false once the writer is gone. */
static bool child_report(const struct child *w, uint32_t *ret)
{
	ssize_t got;
	do
		got = read(w->reports, ret, sizeof *ret); /* a pipe write this small is never split */
	while (got < 0 && errno == EINTR);
	return got == sizeof *ret;
}

/** Kills the writer and returns its last report, or ACKED if there was none. */
static uint32_t child_kill(struct child *w, uint32_t acked)
{
	assert_int_equal(kill(w->pid, SIGKILL), 0);
	uint32_t number;
	while (child_report(w, &number))
		acked = number;
	int status;
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_true(WIFSIGNALED(status)); /* it did not stop by itself */
	close(w->reports);
	return acked;
}

static void kill_keeps_every_acknowledged_batch(void **state)
{
	struct rng rng;
	rng_init(&rng, rng_entropy());
	new_path();
	uint32_t acked = 0, last = 0;
	for (int round = 0; round < KILL_ROUNDS; round++) {
		struct child w = child_start("--writer");
		uint64_t reports = rng_chance(&rng, 150000) ? 0 : rng_below(&rng, 60); /* 0: while it opens */
		for (uint64_t i = 0; i < reports; i++)
			assert_true(child_report(&w, &acked));
		acked = child_kill(&w, acked);
		struct store *s = open_or_fail(/* create= */ true);
		/* Behind its last report it wrote at most up to the next one, which it could not send any more. */
		last = numbered_check(s, acked, MAX(acked, last - last % SYNC_EVERY) + SYNC_EVERY);
		/* What was found may never get lost again: the next writer goes on from it. */
		acked = last;
		store_close(s);
	}
	assert_true(last > KILL_ROUNDS);
	remove_path();
}

static void lock_of_another_process_is_named(void **state)
{
	new_path();
	struct child w = child_start("--writer");
	uint32_t acked = 0;
	assert_true(child_report(&w, &acked));
	struct rocks_config config = test_config(/* create= */ true);
	struct store *s = NULL;
	struct error err = {0};
	assert_int_equal(store_rocks_open(&config, &s, &err), KV_REFUSED);
	assert_int_equal(err.status, KV_REFUSED);
	assert_non_null(strstr(err.message, "open in another process"));
	assert_non_null(strstr(err.message, test_path));
	assert_null(s);
	(void)child_kill(&w, acked);
	s = open_or_fail(/* create= */ false); /* a dead process holds no lock */
	assert_int_equal(store_rocks_open(&config, &s, NULL), KV_REFUSED);
	discard(s);
}

/* Damage to files of a closed store. */

static void flip_bit(const char *path, off_t offset, unsigned bit)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	uint8_t byte;
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= (uint8_t)(1u << bit);
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

static void assert_corrupt(const char *word)
{
	struct rocks_config config = test_config(/* create= */ true);
	struct store *s = NULL;
	struct error err = {0};
	assert_int_equal(store_rocks_open(&config, &s, &err), KV_CORRUPT);
	assert_null(s);
	assert_non_null(strstr(err.message, word));
	assert_non_null(strstr(err.message, "replace this node"));
}

/** A closed store whose log holds batches 1 to COUNT, and the log's path. Returns where the last batch begins in it. */
static off_t make_log(uint32_t count, char ret_log[static PATH_SIZE])
{
	new_path();
	struct rocks_config config = test_config(/* create= */ true);
	config.write_buffer_size = 64 << 20; /* all stays in the log */
	struct store *s;
	assert_int_equal(store_rocks_open(&config, &s, NULL), KV_OK);
	find_file(".log", ret_log);
	off_t last_at = 0;
	for (uint32_t number = 1; number <= count; number++) {
		last_at = file_size(ret_log);
		assert_int_equal(numbered_write(s, number, /* sync= */ number == count), KV_OK);
	}
	store_close(s);
	return last_at;
}

static void torn_end_of_the_log_costs_only_the_torn_batch(void **state)
{
	struct rng rng;
	rng_init(&rng, 31);
	for (int round = 0; round < 8; round++) {
		char log[PATH_SIZE];
		enum { COUNT = 30 };
		off_t last_at = make_log(COUNT, log);
		off_t cut = (off_t)rng_between(&rng, (uint64_t)last_at, (uint64_t)file_size(log) - 1);
		assert_int_equal(truncate(log, cut), 0);
		struct store *s = open_or_fail(/* create= */ false);
		assert_int_equal(numbered_check(s, COUNT - 1, COUNT - 1), COUNT - 1);
		/* It goes on from there. */
		assert_int_equal(numbered_write(s, COUNT, true), KV_OK);
		s = reopen(s);
		assert_int_equal(numbered_check(s, COUNT, COUNT), COUNT);
		discard(s);
	}
}

static void log_cut_anywhere_leaves_a_prefix(void **state)
{
	struct rng rng;
	rng_init(&rng, 32);
	char log[PATH_SIZE];
	enum { COUNT = 60 };
	(void)make_log(COUNT, log);
	uint32_t last = COUNT;
	for (int round = 0; round < 6 && last > 0; round++) {
		assert_int_equal(truncate(log, (off_t)rng_below(&rng, (uint64_t)file_size(log))), 0);
		struct store *s = open_or_fail(/* create= */ false);
		last = numbered_check(s, 0, last);
		discard(s);
		(void)make_log(COUNT, log);
		last = COUNT;
	}
	remove_path();
}

static void damage_inside_the_log_is_refused(void **state)
{
	struct rng rng;
	rng_init(&rng, 33);
	char log[PATH_SIZE];
	enum { COUNT = 100 };
	off_t last_at = make_log(COUNT, log);
	off_t size = file_size(log);
	assert_true(last_at > 3 * 32768);
	for (int i = 0; i < FLIPS; i++) {
		off_t at = (off_t)rng_below(&rng, (uint64_t)last_at);
		unsigned bit = (unsigned)rng_below(&rng, 8);
		flip_bit(log, at, bit);
		assert_corrupt("damaged");
		flip_bit(log, at, bit);
		assert_int_equal(file_size(log), size); /* left as it was */
	}
	struct store *s = open_or_fail(/* create= */ false);
	assert_int_equal(numbered_check(s, COUNT, COUNT), COUNT);
	discard(s);
}

/** Overwrites bytes of a file and keeps what was there. */
static void swap_bytes(const char *path, off_t offset, uint8_t *bytes, size_t size)
{
	uint8_t old[16];
	assert_true(size <= sizeof old);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, old, size, offset), size);
	assert_int_equal(pwrite(fd, bytes, size, offset), size);
	memcpy(bytes, old, size);
	close(fd);
}

static void damage_that_looks_like_the_end_of_the_log_is_refused(void **state)
{
	enum { COUNT = 20 };
	char log[PATH_SIZE];
	off_t starts[COUNT];
	struct store *s = open_empty();
	find_file(".log", log);
	for (uint32_t i = 0; i < COUNT; i++) {
		starts[i] = file_size(log);
		struct store_op op = {.table = STORE_META, .key = slice_of(&i, sizeof i), .value = slice_str("v")};
		assert_int_equal(store_write(s, &op, 1, true), KV_OK);
	}
	store_close(s);
	for (size_t i = 0; i < COUNT - 1; i++) {
		uint8_t length[2] = {0xFF, 0xFF}; /* past the file's end */
		swap_bytes(log, starts[i] + 4, length, sizeof length);
		assert_corrupt("damaged");
		swap_bytes(log, starts[i] + 4, length, sizeof length);
		uint8_t header[7] = {0};
		swap_bytes(log, starts[i], header, sizeof header);
		assert_corrupt("damaged");
		swap_bytes(log, starts[i], header, sizeof header);
	}
	/* The last record: what a crash may leave as well. */
	uint8_t length[2] = {0xFF, 0xFF};
	swap_bytes(log, starts[COUNT - 1] + 4, length, sizeof length);
	s = open_or_fail(/* create= */ false);
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(store_get(s, STORE_META, slice_of(&i, sizeof i), false, &got),
				 i < COUNT - 1 ? KV_OK : KV_NOT_FOUND);
	discard(s);
}

static void lost_files_are_refused(void **state)
{
	char log[PATH_SIZE], path[PATH_SIZE];
	(void)make_log(20, log);
	struct store *s = open_or_fail(/* create= */ false); /* moves the log into table files */
	store_close(s);
	static const char *const lost[] = {".sst", "CURRENT", "MANIFEST"};
	for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
		if (lost[i][0] == '.') {
			find_file(lost[i], path);
		} else {
			snprintf(path, sizeof path, "%.200s/CURRENT", test_path);
			if (strcmp(lost[i], "MANIFEST") == 0) {
				char name[64] = {0};
				int fd = open(path, O_RDONLY | O_CLOEXEC);
				assert_true(read(fd, name, sizeof name - 1) > 0);
				close(fd);
				name[strcspn(name, "\n")] = '\0';
				snprintf(path, sizeof path, "%.180s/%.60s", test_path, name);
			}
		}
		char aside[PATH_SIZE + 8];
		snprintf(aside, sizeof aside, "%s.aside", path);
		assert_int_equal(rename(path, aside), 0);
		assert_corrupt("node");
		assert_int_equal(rename(aside, path), 0);
	}
	s = open_or_fail(/* create= */ false);
	assert_int_equal(numbered_check(s, 20, 20), 20);
	discard(s);
}

enum { DAMAGED_BATCHES = 30 };

/** A store with batches 1 to DAMAGED_BATCHES in table files, the first block of each of them damaged. */
static struct store *open_damaged(void)
{
	new_path();
	struct store *s = open_at_rest(/* create= */ true);
	for (uint32_t number = 1; number <= DAMAGED_BATCHES; number++)
		assert_int_equal(numbered_write(s, number, true), KV_OK);
	store_close(s);
	s = open_at_rest(/* create= */ false); /* writes what the log has to tables */
	store_close(s);
	/* Every table file but the probe's, which is smaller. They begin with rows. */
	DIR *directory = opendir(test_path);
	struct dirent *entry;
	while ((entry = readdir(directory))) {
		char path[PATH_SIZE * 2];
		const char *dot = strrchr(entry->d_name, '.');
		if (!dot || strcmp(dot, ".sst") != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", test_path, entry->d_name);
		if (file_size(path) > 2000)
			flip_bit(path, 100, 3);
	}
	closedir(directory);
	return open_at_rest(/* create= */ false);
}

static void damaged_table_file_is_an_error_not_a_wrong_answer(void **state)
{
	struct store *s = open_damaged();
	struct store_scan *scan;
	struct store_row row;
	enum kv_status status = KV_OK;
	for (size_t table = 0; table < STORE_TABLE_COUNT && status == KV_OK; table++) {
		status = store_scan_open(s, (enum store_table)table, (struct slice){0}, (struct slice){0}, &scan);
		if (status != KV_OK)
			break;
		while (store_scan_next(s, scan, &row, &status))
			;
		store_scan_close(s, scan);
	}
	assert_int_equal(status, KV_CORRUPT);
	struct error failure;
	assert_true(store_rocks_failure(s, &failure));
	assert_int_equal(failure.status, KV_CORRUPT);
	assert_non_null(strstr(failure.message, "Corruption"));
	/* After such an error nothing is answered any more. */
	struct buf got = BUF_INIT;
	assert_int_equal(store_get(s, STORE_META, slice_str("last"), false, &got), KV_CORRUPT);
	assert_int_equal(numbered_write(s, 31, true), KV_CORRUPT);
	discard(s);
}

static void a_look_at_a_damaged_block_tells_it_and_the_store_goes_on(void **state)
{
	struct store *s = open_damaged();
	struct error failure;
	uint32_t unreadable = 0;
	for (uint32_t number = 1; number <= DAMAGED_BATCHES; number++) {
		char key[32];
		snprintf(key, sizeof key, "batch-%08u-0", number);
		CLEANUP(buf_release) struct buf got = BUF_INIT;
		buf_append_str(&got, "untouched");
		enum store_table table = (enum store_table)(number % STORE_TABLE_COUNT);
		enum kv_status status = store_look(s, table, slice_str(key), &got);
		assert_int_equal(slice_equal(buf_slice(&got), slice_str("untouched")), status != KV_OK);
		if (status == KV_OK)
			continue; /* in a block that is whole */
		assert_int_equal(status, KV_CORRUPT);
		unreadable++;
	}
	assert_true(unreadable > 0);
	/* As if nobody had asked. */
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	assert_false(store_rocks_failure(s, &failure));
	assert_int_equal(numbered_write(s, DAMAGED_BATCHES + 1, true), KV_OK);
	assert_int_equal(store_look(s, STORE_META, slice_str("last"), &got), KV_OK);
	assert_int_equal(load_le32(got.data), DAMAGED_BATCHES + 1);
	discard(s);
}

static void failed_write_is_final_and_in_doubt(void **state)
{
	new_path();
	struct child c = child_start("--fail");
	uint32_t acked = 0;
	assert_true(child_report(&c, &acked));
	int status;
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	close(c.reports);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	struct store *s = open_or_fail(/* create= */ false);
	uint32_t last = numbered_check(s, acked, acked + 1);
	assert_int_equal(numbered_write(s, last + 1, true), KV_OK);
	discard(s);
}

static void missing_store_is_not_found(void **state)
{
	new_path();
	struct rocks_config config = test_config(/* create= */ false);
	struct store *s = NULL;
	struct error err;
	assert_int_equal(store_rocks_open(&config, &s, &err), KV_NOT_FOUND); /* an empty directory */
	remove_path();
	assert_int_equal(store_rocks_open(&config, &s, &err), KV_NOT_FOUND); /* none */
	assert_non_null(strstr(err.message, test_path));
	char nested[PATH_SIZE + 16];
	snprintf(nested, sizeof nested, "%s/a/b", test_path);
	config.path = nested;
	config.create_if_missing = true;
	assert_int_equal(store_rocks_open(&config, &s, &err), KV_IO); /* no parent to make it in */
	config.path = "/dev/null";
	assert_int_equal(store_rocks_open(&config, &s, &err), KV_IO);
	assert_null(s);
	s = open_or_fail(/* create= */ true); /* makes it */
	discard(s);
}

static void cold_key_answers_again_until_it_is_read(void **state)
{
	new_path();
	struct store *s = open_or_fail(/* create= */ true);
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	struct slice key = slice_str("batch-00000001-0");
	enum store_table table = (enum store_table)(1 % STORE_TABLE_COUNT);
	assert_int_equal(numbered_write(s, 1, true), KV_OK);
	assert_int_equal(store_get(s, table, key, /* cache_only= */ true, &got), KV_OK); /* in the memtable */
	s = reopen(s);
	struct slice untouched = slice_str("untouched");
	buf_clear(&got);
	buf_append_slice(&got, untouched);
	assert_int_equal(store_get(s, table, key, /* cache_only= */ true, &got), KV_AGAIN);
	assert_slice_equal(buf_slice(&got), untouched);
	struct store_stats stats;
	store_stats(s, &stats);
	assert_int_equal(stats.reads_again, 1);
	buf_clear(&got);
	assert_int_equal(store_get(s, table, key, false, &got), KV_OK);
	CLEANUP(buf_release) struct buf cached = BUF_INIT;
	assert_int_equal(store_get(s, table, key, /* cache_only= */ true, &cached), KV_OK);
	assert_slice_equal(buf_slice(&cached), buf_slice(&got));
	struct error failure;
	assert_false(store_rocks_failure(s, &failure)); /* KV_AGAIN is no failure */
	discard(s);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--writer") == 0)
		return writer_main(argv[2]);
	if (argc == 3 && strcmp(argv[1], "--fail") == 0)
		return fail_main(argv[2]);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill_keeps_every_acknowledged_batch),
		cmocka_unit_test(lock_of_another_process_is_named),
		cmocka_unit_test(torn_end_of_the_log_costs_only_the_torn_batch),
		cmocka_unit_test(log_cut_anywhere_leaves_a_prefix),
		cmocka_unit_test(damage_inside_the_log_is_refused),
		cmocka_unit_test(damage_that_looks_like_the_end_of_the_log_is_refused),
		cmocka_unit_test(lost_files_are_refused),
		cmocka_unit_test(damaged_table_file_is_an_error_not_a_wrong_answer),
		cmocka_unit_test(a_look_at_a_damaged_block_tells_it_and_the_store_goes_on),
		cmocka_unit_test(failed_write_is_final_and_in_doubt),
		cmocka_unit_test(missing_store_is_not_found),
		cmocka_unit_test(cold_key_answers_again_until_it_is_read),
	};
	return conformance_run(&rocks_engine, tests, ARRAY_SIZE(tests));
}
