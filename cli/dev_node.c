/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dev_node.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_SIZE_MAX = 64 << 10 };

void dev_node_init(struct dev_node *node, const char *dir, unsigned number)
{
	*node = (struct dev_node){0};
	snprintf(node->name, sizeof node->name, "n%u", number);
	snprintf(node->dir, sizeof node->dir, "%s/%s", dir, node->name);
}

static void node_path(const struct dev_node *node, const char *name, char ret[DEV_PATH_SIZE])
{
	size_t size = (size_t)snprintf(ret, DEV_PATH_SIZE, "%s/%s", node->dir, name);
	KV_ASSERT(size < DEV_PATH_SIZE);
}

/** Appends what the file holds, up to a bound. */
static bool read_path(const char *path, struct buf *ret)
{
	FILE *file = fopen(path, "rbe");
	if (!file)
		return false;
	uint8_t *at = buf_extend(ret, TEXT_SIZE_MAX);
	size_t got = fread(at, 1, TEXT_SIZE_MAX, file);
	ret->size -= TEXT_SIZE_MAX - got;
	fclose(file);
	return true;
}

enum kv_status dev_write_file(const char *dir, const char *name, struct slice text, struct error *err)
{
	char path[DEV_PATH_SIZE], fresh[DEV_PATH_SIZE];
	if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path ||
	    snprintf(fresh, sizeof fresh, "%s/.%s.new", dir, name) >= (int)sizeof fresh)
		return error_set(err, KV_IO, "the path of %s is too long", name);
	FILE *file = fopen(fresh, "wbe");
	bool good = file && (text.size == 0 || fwrite(text.data, 1, text.size, file) == text.size);
	good = (file && fclose(file) == 0) && good;
	if (!good || rename(fresh, path) != 0)
		return error_set(err, KV_IO, "cannot write %.180s: %s", path, strerror(errno));
	return KV_OK;
}

bool dev_node_exists(const struct dev_node *node)
{
	char path[DEV_PATH_SIZE];
	node_path(node, "kvd.yaml", path);
	return access(path, F_OK) == 0;
}

bool dev_node_has_left(const struct dev_node *node)
{
	char path[DEV_PATH_SIZE];
	node_path(node, "left", path);
	return access(path, F_OK) == 0;
}

enum kv_status dev_node_mark_left(const struct dev_node *node, struct error *err)
{
	return dev_write_file(node->dir, "left", (struct slice){0}, err);
}

enum kv_status dev_node_create(const struct dev_node *node, unsigned number, struct error *err)
{
	if (mkdir(node->dir, 0755) != 0 && errno != EEXIST)
		return error_set(err, KV_IO, "cannot create %.180s: %s", node->dir, strerror(errno));
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	buf_printf(&text,
		   "node:\n"
		   "  name: %s\n"
		   "  data_dir: \"%s/data\"\n"
		   "  zone: z%u\n"
		   "listen:\n"
		   "  client: 127.0.0.1:0\n"
		   "  peer: 127.0.0.1:0\n"
		   "  http: 127.0.0.1:0\n",
		   node->name, node->dir, number);
	return dev_write_file(node->dir, "kvd.yaml", buf_slice(&text), err);
}

/* ---- The process -------------------------------------------------------------------------------------------------- */

/** False for a process that has ended and waits to be reaped. */
static bool is_alive(pid_t pid)
{
	char path[64];
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (!read_path(path, &text))
		return false;
	const char *after_name = strrchr(buf_cstr(&text), ')');
	return after_name && after_name[1] == ' ' && after_name[2] != 'Z' && after_name[2] != 'X';
}

/** True if one of the process's arguments is the node's configuration. */
static bool serves_node(const struct dev_node *node, pid_t pid)
{
	char path[64], config[DEV_PATH_SIZE];
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	node_path(node, "kvd.yaml", config);
	if (!read_path(path, &text))
		return false;
	buf_append_u8(&text, 0);
	for (size_t at = 0; at < text.size; at += strlen((const char *)text.data + at) + 1) {
		if (strcmp((const char *)text.data + at, config) == 0)
			return true;
	}
	return false;
}

pid_t dev_node_pid(const struct dev_node *node)
{
	char path[DEV_PATH_SIZE];
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	node_path(node, "pid", path);
	if (!read_path(path, &text))
		return 0;
	long pid = strtol(buf_cstr(&text), NULL, 10);
	if (pid <= 1 || pid > INT32_MAX || !is_alive((pid_t)pid) || !serves_node(node, (pid_t)pid))
		return 0;
	return (pid_t)pid;
}

bool dev_node_holds_store(const struct dev_node *node)
{
	char path[DEV_PATH_SIZE];
	node_path(node, "data/store/LOCK", path); /* RocksDB's, a lock of fcntl(2) */
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	bool held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return held;
}

void dev_node_signal(const struct dev_node *node, int signal_number)
{
	pid_t pid = dev_node_pid(node);
	if (pid > 0)
		kill(pid, signal_number);
}

/** In the child: becomes kvd. Tells errno through REPORT if it cannot. */
NORETURN static void become_kvd(const char *kvd, const char *config, const char *log, int report)
{
	char *const arguments[] = {(char *)(uintptr_t) "kvd", (char *)(uintptr_t) "--config",
				   (char *)(uintptr_t)config, NULL};
	int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (in >= 0 && out >= 0 && setsid() >= 0 && dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGPIPE, SIG_DFL);
		if (in > 2)
			close(in);
		if (out > 2)
			close(out);
		execv(kvd, arguments);
	}
	int reason = errno;
	ssize_t written = write(report, &reason, sizeof reason);
	_exit(written == sizeof reason ? 126 : 127);
}

enum kv_status dev_node_start(struct dev_node *node, const char *kvd, struct error *err)
{
	char config[DEV_PATH_SIZE], log[DEV_PATH_SIZE], text[32];
	int report[2];
	node_path(node, "kvd.yaml", config);
	node_path(node, "log", log);
	if (pipe2(report, O_CLOEXEC) != 0)
		return error_set(err, KV_IO, "cannot make a pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		become_kvd(kvd, config, log, report[1]);
	close(report[1]);
	int reason = pid < 0 ? errno : 0;
	if (pid > 0 && read(report[0], &reason, sizeof reason) == sizeof reason)
		waitpid(pid, NULL, 0);
	close(report[0]);
	if (reason != 0)
		return error_set(err, KV_IO, "cannot start %.160s for %s: %s", kvd, node->name, strerror(reason));
	node->child = pid;
	snprintf(text, sizeof text, "%d\n", (int)pid);
	return dev_write_file(node->dir, "pid", slice_str(text), err);
}

/** The log's last line that tells of an error; its last line if none does. */
static void last_words(const struct dev_node *node, struct buf *ret)
{
	char path[DEV_PATH_SIZE];
	node_path(node, "log", path);
	FILE *file = fopen(path, "rbe");
	if (!file)
		return;
	char line[512];
	bool has_error = false;
	while (fgets(line, sizeof line, file)) {
		bool is_error = strstr(line, "level=error") || strstr(line, "\"level\":\"error\"");
		if (has_error && !is_error)
			continue;
		has_error = is_error;
		buf_clear(ret);
		line[strcspn(line, "\n")] = '\0';
		buf_append_str(ret, line);
	}
	fclose(file);
}

bool dev_node_has_failed(struct dev_node *node, struct error *err)
{
	if (node->child == 0 || waitpid(node->child, NULL, WNOHANG) != node->child)
		return false;
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	node->child = 0;
	last_words(node, &words);
	error_set(err, KV_IO, "%s ended at once; %s/log says: %s", node->name, node->name, buf_cstr(&words));
	return true;
}

static bool find_line(const char *text, const char *door, char ret[DEV_ADDRESS_SIZE])
{
	size_t size = strlen(door);
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, door, size) != 0 || line[size] != '=')
			continue;
		size_t length = strcspn(line + size + 1, "\n");
		snprintf(ret, DEV_ADDRESS_SIZE, "%.*s", (int)length, line + size + 1);
		return length > 0 && length < DEV_ADDRESS_SIZE;
	}
	return false;
}

bool dev_node_addresses(const struct dev_node *node, char ret_client[DEV_ADDRESS_SIZE],
			char ret_peer[DEV_ADDRESS_SIZE])
{
	char path[DEV_PATH_SIZE];
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	node_path(node, "data/addresses", path);
	return read_path(path, &text) && find_line(buf_cstr(&text), "client", ret_client) &&
	       find_line(buf_cstr(&text), "peer", ret_peer);
}

bool dev_node_http(const struct dev_node *node, char ret[DEV_ADDRESS_SIZE])
{
	char path[DEV_PATH_SIZE];
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	node_path(node, "data/addresses", path);
	return read_path(path, &text) && find_line(buf_cstr(&text), "http", ret);
}

/* ---- Finding kvd -------------------------------------------------------------------------------------------------- */

static bool find_in_path(char ret[DEV_PATH_SIZE])
{
	const char *path = getenv("PATH");
	for (const char *at = path ? path : ""; *at;) {
		size_t size = strcspn(at, ":");
		int length = snprintf(ret, DEV_PATH_SIZE, "%.*s/kvd", (int)size, at);
		if (size > 0 && length < DEV_PATH_SIZE && access(ret, X_OK) == 0)
			return true;
		at += size;
		at += *at == ':';
	}
	return false;
}

static bool find_beside(char ret[DEV_PATH_SIZE])
{
	/* In the build directory kvctl and kvd have folders of their own. */
	static const char *const places[] = {"kvd", "../server/kvd", "../sbin/kvd"};
	char self[DEV_PATH_SIZE];
	ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
	if (size <= 0)
		return false;
	self[size] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int length = snprintf(ret, DEV_PATH_SIZE, "%s/%s", self, places[i]);
		struct stat info;
		if (length < DEV_PATH_SIZE && stat(ret, &info) == 0 && S_ISREG(info.st_mode) &&
		    access(ret, X_OK) == 0)
			return true;
	}
	return false;
}

enum kv_status dev_find_kvd(char ret[DEV_PATH_SIZE], struct error *err)
{
	const char *named = getenv("KVD");
	if (named && *named) {
		if (snprintf(ret, DEV_PATH_SIZE, "%s", named) < DEV_PATH_SIZE && access(ret, X_OK) == 0)
			return KV_OK;
		return error_set(err, KV_NOT_FOUND, "KVD=%.160s is no program", named);
	}
	if (find_beside(ret) || find_in_path(ret))
		return KV_OK;
	return error_set(err, KV_NOT_FOUND, "there is no kvd beside kvctl or in PATH; name it with KVD=...");
}
