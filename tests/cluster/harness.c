/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/harness.h"

#include <ftw.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/klog.h"

enum {
	LOOK_MS = 10,
	LONG_WAIT_MS = 2000,
	LOGS_MAX = 64,
	ENDS_MAX = 64,
	LOG_TAIL = 12 << 10,
	DIRECTORIES_MAX = 32,
	CALL_MS_MAX = 60000 /* what the client takes */
};

/* One program, one main thread. */
static struct {
	int argc;
	char **argv;
	char *directories[DIRECTORIES_MAX];
	unsigned directory_count;
	char *logs[LOGS_MAX];
	unsigned log_count;
	struct {
		void (*end)(void *arg);
		void *arg;
	} ends[ENDS_MAX];
	unsigned end_count;
} harness;

static const char *path_given(int n, const char *variable)
{
	const char *path = harness.argc > n ? harness.argv[n] : getenv(variable);
	if (!path) {
		fprintf(stderr, "usage: %s KVD PRELOAD, or KVD and KVD_PRELOAD in the environment\n",
			harness.argv[0]);
		exit(2);
	}
	return path;
}

const char *harness_kvd(void) { return path_given(1, "KVD"); }

const char *harness_preload(void) { return path_given(2, "KVD_PRELOAD"); }

const char *harness_argument(int n) { return 2 + n < harness.argc ? harness.argv[2 + n] : NULL; }

/**
 * A network of its own, where that may be had: a node that comes back finds its ports free, whatever tests run beside this one and
 * whatever ports the system gave to their connections meanwhile.
 */
static void own_network(void)
{
	if (unshare(CLONE_NEWNET) != 0)
		return;
	struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	KV_ASSERT(fd >= 0);
	int failed = ioctl(fd, SIOCSIFFLAGS, &loopback);
	KV_ASSERT(failed == 0);
	close(fd);
}

void harness_begin(int argc, char **argv)
{
	own_network();
	harness.argc = argc;
	harness.argv = argv;
	harness_kvd();
	log_configure(LOG_ERROR, LOG_LOGFMT);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("KV_TEST_FILTER"))
		cmocka_set_test_filter(getenv("KV_TEST_FILTER"));
}

int harness_skip(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	return 0;
}

const char *harness_directory(void)
{
	const char *base = getenv("TMPDIR");
	char path[256];
	snprintf(path, sizeof path, "%s/kvd-cluster-XXXXXX", base && *base ? base : "/tmp");
	assert_true(harness.directory_count < DIRECTORIES_MAX);
	assert_non_null(mkdtemp(path));
	char *kept = xstrdup(path);
	harness.directories[harness.directory_count++] = kept;
	return kept;
}

void harness_watch_log(const char *path)
{
	for (unsigned i = 0; i < harness.log_count; i++) {
		if (strcmp(harness.logs[i], path) == 0)
			return;
	}
	assert_true(harness.log_count < LOGS_MAX);
	harness.logs[harness.log_count++] = xstrdup(path);
}

void harness_at_teardown(void (*end)(void *arg), void *arg)
{
	KV_ASSERT(harness.end_count < ENDS_MAX);
	harness.ends[harness.end_count].end = end;
	harness.ends[harness.end_count++].arg = arg;
}

void harness_end_now(void (*end)(void *arg), void *arg)
{
	unsigned i = 0;
	while (harness.ends[i].end != end || harness.ends[i].arg != arg)
		KV_ASSERT(++i < harness.end_count);
	harness.end_count--;
	memmove(&harness.ends[i], &harness.ends[i + 1], (harness.end_count - i) * sizeof harness.ends[0]);
	end(arg);
}

int harness_teardown(void **state)
{
	while (harness.end_count > 0) {
		harness.end_count--;
		harness.ends[harness.end_count].end(harness.ends[harness.end_count].arg);
	}
	return 0;
}

static unsigned number_from(const char *variable, unsigned otherwise)
{
	const char *text = getenv(variable);
	unsigned number = text ? (unsigned)strtoul(text, NULL, 10) : 0;
	return number ? number : otherwise;
}

unsigned harness_ms(unsigned ms) { return ms * number_from("KV_TEST_TIME_SCALE", SANITIZED ? 4 : 1); }

unsigned harness_call_ms(unsigned ms) { return MIN(harness_ms(ms), (unsigned)CALL_MS_MAX); }

size_t harness_bytes(size_t size) { return SANITIZED ? size * 6 : size; }

unsigned harness_rounds(unsigned rounds) { return number_from("KV_CLUSTER_ROUNDS", SANITIZED ? 1 : rounds); }

/* The longest that a nap lasted over its time: for so long the machine kept this program from running. */
static usec_t stalled_us;

static void nap(void)
{
	usec_t due_us = clock_mono_us() + LOOK_MS * USEC_PER_MSEC;
	poll(NULL, 0, LOOK_MS);
	usec_t now_us = clock_mono_us();
	if (now_us > due_us)
		stalled_us = MAX(stalled_us, now_us - due_us);
}

usec_t harness_stalled_us(void) { return stalled_us; }

bool harness_wait_for(const char *name, bool (*condition)(void *arg), void *arg, unsigned timeout_ms)
{
	usec_t began_us = clock_mono_us(), end_us = began_us + harness_ms(timeout_ms) * USEC_PER_MSEC;
	bool holds;
	while (!(holds = condition(arg)) && clock_mono_us() < end_us)
		nap();
	usec_t took_us = clock_mono_us() - began_us;
	if (took_us >= LONG_WAIT_MS * USEC_PER_MSEC)
		print_error("waited %.1f s: %s\n", (double)took_us / 1e6, name);
	return holds;
}

bool harness_holds(bool (*condition)(void *arg), void *arg, unsigned ms)
{
	usec_t end_us = clock_mono_us() + ms * USEC_PER_MSEC;
	do {
		if (!condition(arg))
			return false;
		nap();
	} while (clock_mono_us() < end_us);
	return true;
}

/** The last MAX bytes of a file. */
static void read_tail(const char *path, long max, struct buf *out)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
	long from = size > max ? size - max : 0;
	if (size > 0 && fseek(file, from, SEEK_SET) == 0) {
		size_t want = (size_t)(size - from);
		size_t got = fread(buf_extend(out, want), 1, want, file);
		out->size -= want - got;
	}
	fclose(file);
}

bool harness_file_has(const char *path, const char *text)
{
	CLEANUP(buf_release) struct buf content = BUF_INIT;
	read_tail(path, 64 << 20, &content);
	return content.size > 0 && memmem(content.data, content.size, text, strlen(text)) != NULL;
}

static bool log_is_clean(const char *path)
{
	static const char *const reports[] = {"AddressSanitizer", "ThreadSanitizer", "LeakSanitizer",
					      "runtime error:",   "event=panic",     "Assertion `"};
	/*
	 * A node that could not write stops, and says so first. RocksDB meanwhile tries to recover from a full disk by itself and
	 * may assert, before the node is gone, that its log was whole.
	 */
	bool stopped = harness_file_has(path, "event=commit.failed");
	for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
		const char *report = reports[i];
		if (!harness_file_has(path, report))
			continue;
		if (stopped && strcmp(report, "Assertion `") == 0 &&
		    harness_file_has(path, "Assertion `sync_without_flush_called_'"))
			continue;
		fprintf(stderr, "# %s: holds \"%s\"\n", path, report);
		return false;
	}
	return true;
}

static void show_log(const char *path)
{
	CLEANUP(buf_release) struct buf tail = BUF_INIT;
	read_tail(path, LOG_TAIL, &tail);
	fprintf(stderr, "# ---- end of %s\n%s\n", path, buf_cstr(&tail));
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *at)
{
	return remove(path);
}

int harness_end(bool passed)
{
	harness_teardown(NULL);
	for (unsigned i = 0; i < harness.log_count; i++)
		passed &= log_is_clean(harness.logs[i]);
	for (unsigned i = 0; i < harness.log_count; i++) {
		if (!passed)
			show_log(harness.logs[i]);
		free(harness.logs[i]);
	}
	for (unsigned i = 0; i < harness.directory_count; i++) {
		if (passed)
			nftw(harness.directories[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
		else
			fprintf(stderr, "# kept: %s\n", harness.directories[i]);
		free(harness.directories[i]);
	}
	return passed ? 0 : 1;
}
