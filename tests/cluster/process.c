/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/harness.h"

enum { START_MS = 20000 };

void process_init(struct process *p, const char *directory, const char *name)
{
	*p = (struct process){.shards = 1};
	snprintf(p->name, sizeof p->name, "%s", name);
	snprintf(p->data_dir, sizeof p->data_dir, "%s/%s", directory, name);
	snprintf(p->config, sizeof p->config, "%s/%s.yaml", directory, name);
	snprintf(p->log, sizeof p->log, "%s/%s.log", directory, name);
	harness_watch_log(p->log);
}

void process_make_faulty(struct process *p)
{
	char path[PROCESS_PATH_MAX + 16];
	snprintf(path, sizeof path, "%s.control", p->data_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof *p->faults), 0);
	p->faults = mmap(NULL, sizeof *p->faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(p->faults != MAP_FAILED);
	close(fd);
}

void process_release(struct process *p)
{
	if (p->faults)
		munmap(p->faults, sizeof *p->faults);
	p->faults = NULL;
}

const char *process_peer_address(const struct process *p)
{
	return p->advertise_peer ? p->advertise_peer : p->peer;
}

static void write_config(const struct process *p)
{
	FILE *file = fopen(p->config, "we");
	assert_non_null(file);
	fprintf(file,
		"node: {name: %s, data_dir: \"%s\"}\n"
		"listen: {client: \"127.0.0.1:0\", peer: \"%s\", http: \"127.0.0.1:0\"}\n"
		"shards: %u\n"
		"storage: {cache_size: 8MiB, write_buffer_size: 8MiB}\n"
		"test: {wall_offset_ms: %" PRId64 ", compare_interval: %ums}\n"
		"%s",
		p->name, p->data_dir, p->listen_peer ? p->listen_peer : "127.0.0.1:0", p->shards, p->wall_offset_ms,
		p->compare_ms ? p->compare_ms : 60000, p->settings ? p->settings : "");
	if (p->advertise_client)
		fprintf(file, "advertise: {client: \"%s\", peer: \"%s\"}\n", p->advertise_client,
			p->advertise_peer);
	assert_int_equal(fclose(file), 0);
}

/* What a faulty node finds in its environment besides. */
struct environment {
	char preload[PROCESS_PATH_MAX], control[PROCESS_PATH_MAX + 64], sanitizer[PROCESS_PATH_MAX];
	char **strings; /* owned; the rest of them belongs to the test program */
};

static void environment_release(struct environment *e) { free(e->strings); }

static void environment_init(struct environment *e, const struct process *p)
{
	size_t count = 0;
	while (environ[count])
		count++;
	*e = (struct environment){.strings = xcalloc(count + 4, sizeof *e->strings)};
	memcpy(e->strings, environ, count * sizeof *e->strings);
	if (!p->faults)
		return;
	/* The sanitizer wants to be the first library, and does not need to be. */
	const char *options = getenv("ASAN_OPTIONS");
	snprintf(e->preload, sizeof e->preload, "LD_PRELOAD=%s", harness_preload());
	snprintf(e->control, sizeof e->control, PRELOAD_CONTROL "=%s.control", p->data_dir);
	snprintf(e->sanitizer, sizeof e->sanitizer, "ASAN_OPTIONS=%s:verify_asan_link_order=0",
		 options ? options : "");
	for (size_t i = 0; i < count; i++) {
		if (strncmp(e->strings[i], "ASAN_OPTIONS=", strlen("ASAN_OPTIONS=")) == 0)
			e->strings[i--] = e->strings[--count];
	}
	e->strings[count++] = e->preload;
	e->strings[count++] = e->control;
	e->strings[count++] = e->sanitizer;
	e->strings[count] = NULL;
}

/** In the child, between fork and exec: only calls that a signal handler might make. */
static void become_kvd(pid_t parent, int log, const char *kvd, const struct process *p, char **environment)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(125);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	char *const argv[] = {(char *)"kvd", (char *)"--config", (char *)p->config, (char *)p->argument, NULL};
	execve(kvd, argv, environment);
	_exit(126);
}

void process_spawn(struct process *p)
{
	assert_int_equal(p->pid, 0);
	write_config(p);
	int log = open(p->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(log >= 0);
	const char *kvd = harness_kvd();
	pid_t parent = getpid();
	CLEANUP(environment_release) struct environment environment;
	environment_init(&environment, p);
	p->paused = false;
	p->pid = fork();
	if (p->pid == 0)
		become_kvd(parent, log, kvd, p, environment.strings);
	close(log);
	assert_true(p->pid > 0);
}

static bool takes_connections(const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1))};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	bool connected = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
	close(fd);
	return connected;
}

/** The file with the addresses may be of an earlier start: counts only if somebody listens there. */
static bool listens(void *arg)
{
	struct process *p = arg;
	if (!process_is_alive(p))
		return true;
	char path[PROCESS_PATH_MAX + 16], client[PROCESS_ADDRESS_MAX], peer[PROCESS_ADDRESS_MAX];
	snprintf(path, sizeof path, "%s/addresses", p->data_dir);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool complete = fscanf(file, "client=%63s peer=%63s", client, peer) == 2;
	fclose(file);
	if (!complete || !strchr(client, ':') || !takes_connections(client))
		return false;
	memcpy(p->client, client, sizeof p->client);
	memcpy(p->peer, peer, sizeof p->peer);
	return true;
}

void process_start(struct process *p)
{
	process_spawn(p);
	harness_await(listens, p, START_MS, "a node that says where it listens");
	if (!p->pid)
		fail_msg("%s ended while it started", p->name);
}

static int reap(struct process *p, int options)
{
	int status;
	pid_t pid;
	do
		pid = waitpid(p->pid, &status, options);
	while (pid < 0 && errno == EINTR);
	if (pid != p->pid)
		return -1;
	p->pid = 0;
	p->paused = false;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void process_kill(struct process *p)
{
	if (p->pid <= 0)
		return;
	kill(p->pid, SIGKILL);
	reap(p, 0);
}

void process_pause(struct process *p)
{
	int status;
	assert_true(p->pid > 0);
	assert_int_equal(kill(p->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(p->pid, &status, WUNTRACED), p->pid);
	assert_true(WIFSTOPPED(status));
	p->paused = true;
}

void process_resume(struct process *p)
{
	assert_true(p->paused);
	assert_int_equal(kill(p->pid, SIGCONT), 0);
	p->paused = false;
}

void process_terminate(struct process *p)
{
	assert_true(p->pid > 0);
	assert_int_equal(kill(p->pid, SIGTERM), 0);
}

struct ending {
	struct process *process;
	int code;
};

static bool has_ended(void *arg)
{
	struct ending *e = arg;
	e->code = reap(e->process, WNOHANG);
	return e->code >= 0;
}

int process_wait(struct process *p, unsigned timeout_ms)
{
	struct ending e = {.process = p};
	assert_true(p->pid > 0);
	harness_await(has_ended, &e, timeout_ms, "the end of a node");
	return e.code;
}

bool process_is_alive(struct process *p)
{
	if (p->pid <= 0)
		return false;
	int code = reap(p, WNOHANG);
	if (code < 0)
		return true;
	print_error("%s ended by itself with code %d\n", p->name, code);
	return false;
}

size_t process_memory(const struct process *p)
{
	char path[64];
	size_t total, resident = 0;
	snprintf(path, sizeof path, "/proc/%d/statm", (int)p->pid);
	FILE *file = p->pid > 0 ? fopen(path, "re") : NULL;
	if (!file)
		return 0;
	if (fscanf(file, "%zu %zu", &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}
