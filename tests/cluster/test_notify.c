/* SPDX-License-Identifier: Apache-2.0 */
/* What a node tells its service manager: this program plays systemd. */
#include "tests/cluster/harness.h"

#include <dirent.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/cluster.h"

enum { DEADLINE_MS = 3000, TURN_MS = DEADLINE_MS / 4, WAIT_MS = 20000, STOP_MS = 15000 };

/** The manager's end. */
struct manager {
	int fd;
	char last[512]; /* datagram taken last */
	unsigned alive; /* WATCHDOG=1 so far */
};

static void close_manager(void *arg)
{
	struct manager *m = arg;
	close(m->fd);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

static void manager_open(struct manager *m)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int size = snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", harness_directory());
	assert_in_range(size, 1, sizeof at.sun_path - 1);
	*m = (struct manager){.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
	assert_true(m->fd >= 0);
	assert_int_equal(bind(m->fd, (struct sockaddr *)&at, sizeof at), 0);
	char deadline_us[16];
	snprintf(deadline_us, sizeof deadline_us, "%u", DEADLINE_MS * 1000);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	setenv("WATCHDOG_USEC", deadline_us, 1);
	harness_at_teardown(close_manager, m);
}

static bool take(struct manager *m)
{
	ssize_t size = recv(m->fd, m->last, sizeof m->last - 1, 0);
	if (size < 0)
		return false;
	m->last[size] = '\0';
	m->alive += strcmp(m->last, "WATCHDOG=1") == 0;
	return true;
}

struct expected {
	struct manager *manager;
	const char *text;
};

static bool is_told(void *arg)
{
	struct expected *e = arg;
	while (take(e->manager)) {
		if (strstr(e->manager->last, e->text))
			return true;
	}
	return false;
}

#define assert_told(m, what)                                                                                       \
	do {                                                                                                       \
		struct expected expected = {.manager = (m), .text = (what)};                                       \
		harness_await(is_told, &expected, WAIT_MS, what);                                                  \
	} while (0)

static void a_node_says_when_it_may_be_used_that_it_lives_and_that_it_ends(void **state)
{
	static struct manager m; /* outlives the test: closed after it */
	manager_open(&m);
	struct cluster *c = cluster_new_unformed(&(struct cluster_options){.nodes = 1});
	assert_told(&m, "READY=1\nSTATUS=waiting to become part of a cluster");
	assert_told(&m, "WATCHDOG=1");
	struct kv_error err;
	assert_int_equal(cluster_form(c, 0, 16, &err), KV_OK);
	process_terminate(&c->nodes[0]);
	assert_told(&m, "STOPPING=1");
	assert_int_equal(process_wait(&c->nodes[0], STOP_MS), 0);
	cluster_start(c, 0);
	assert_told(&m, "READY=1\nSTATUS=serving");
	process_kill(&c->nodes[0]);
}

static uint64_t monotonic_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void a_reload_is_told_with_its_time_and_its_end(void **state)
{
	static struct manager m; /* outlives the test: closed after it */
	manager_open(&m);
	struct cluster *c = cluster_new_unformed(&(struct cluster_options){.nodes = 1});
	struct process *p = &c->nodes[0];
	assert_told(&m, "READY=1\nSTATUS=");
	for (int i = 0; i < 2; i++) {
		uint64_t before_us = monotonic_us();
		assert_int_equal(kill(p->pid, SIGHUP), 0);
		assert_told(&m, "RELOADING=1");
		/* systemd takes a reload for the one it asked for only by a time that is not before its signal. */
		const char *at = strstr(m.last, "\nMONOTONIC_USEC=");
		assert_non_null(at);
		uint64_t told_us = strtoull(strchr(at, '=') + 1, NULL, 10);
		assert_in_range(told_us, before_us, monotonic_us());
		assert_told(&m, "READY=1");
		assert_null(strstr(m.last, "STATUS")); /* only the first one has it */
	}
	process_kill(p);
}

/** The thread of this name, or 0. */
static pid_t find_thread(pid_t process, const char *name)
{
	char path[128], text[32] = "";
	snprintf(path, sizeof path, "/proc/%d/task", (int)process);
	DIR *tasks = opendir(path);
	assert_non_null(tasks);
	pid_t found = 0;
	for (struct dirent *entry; (entry = readdir(tasks)) && !found;) {
		snprintf(path, sizeof path, "/proc/%d/task/%.16s/comm", (int)process, entry->d_name);
		FILE *file = fopen(path, "re");
		if (file && fgets(text, sizeof text, file) && strncmp(text, name, strlen(name)) == 0)
			found = (pid_t)atoi(entry->d_name);
		if (file)
			fclose(file);
	}
	closedir(tasks);
	return found;
}

static bool is_silent(void *arg)
{
	struct manager *m = arg;
	unsigned before = m->alive;
	while (take(m))
		;
	return m->alive == before;
}

static bool says_stuck(void *arg)
{
	struct process *p = arg;
	return harness_file_has(p->log, "loop.stuck");
}

static void a_loop_that_hangs_silences_the_watchdog(void **state)
{
	static struct manager m; /* outlives the test: closed after it */
	manager_open(&m);
	struct cluster *c = cluster_new_unformed(&(struct cluster_options){.nodes = 1, .shards = 2});
	struct process *p = &c->nodes[0];
	assert_told(&m, "WATCHDOG=1");
	pid_t thread = find_thread(p->pid, "kvd-shard-1");
	assert_true(thread > 0);
	assert_int_equal(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
	assert_int_equal(waitpid(thread, NULL, __WALL), thread);
	/* The next look may still find that the loop turned since the one before. */
	harness_await(says_stuck, p, WAIT_MS, "a node that notices its loop");
	is_silent(&m);
	assert_true(harness_holds(is_silent, &m, 3 * TURN_MS));
	assert_int_equal(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
	assert_told(&m, "WATCHDOG=1");
	process_kill(p);
}

/** Some containers do not let anyone stop a thread of its own child. */
static bool may_stop_threads(void)
{
	pid_t child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	bool may = ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0;
	kill(child, SIGKILL);
	waitpid(child, NULL, __WALL);
	return may;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_node_says_when_it_may_be_used_that_it_lives_and_that_it_ends),
		harness_test(a_reload_is_told_with_its_time_and_its_end),
		harness_test(a_loop_that_hangs_silences_the_watchdog),
	};
	if (!may_stop_threads())
		return harness_skip("threads cannot be stopped here");
	return harness_run(argc, argv, "notify", tests);
}
