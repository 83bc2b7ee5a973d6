/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/rocks_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "storage/wal_check.h"

enum kv_status rocks_dir_damaged(const char *path, const char *what, struct error *err)
{
	return error_set(err, KV_CORRUPT,
			 "the store in %.60s is damaged and was left as it is (%.60s): "
			 "replace this node by an empty one, which copies from the others",
			 path, what);
}

/** Makes the directory, and its name durable in the parent. */
static enum kv_status directory_create(const char *path, struct error *err)
{
	if (mkdir(path, 0700) != 0)
		return error_set(err, KV_IO, "cannot make the data directory %s: %s", path, strerror(errno));
	CLEANUP(buf_release) struct buf parent = BUF_INIT;
	buf_printf(&parent, "%s/..", path);
	int fd = open(buf_cstr(&parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		return error_set(err, KV_IO, "cannot sync the parent directory of %s: %s", path, strerror(error));
	}
	close(fd);
	return KV_OK;
}

/** What is in a data directory before RocksDB looks at it. */
struct directory_state {
	bool has_current;
	bool has_data;       /* table files or logs that hold something: the store was written to */
	enum kv_status logs; /* KV_CORRUPT if one is damaged where RocksDB would not notice */
};

static enum kv_status log_check(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? KV_OK : KV_IO; /* a process that has it open may just delete it */
	enum kv_status status = wal_check_file(fd);
	close(fd);
	return status;
}

static void directory_entry(int directory, const char *name, struct directory_state *state)
{
	if (strcmp(name, "CURRENT") == 0)
		state->has_current = true;
	const char *dot = strrchr(name, '.');
	if (!dot || strspn(name, "0123456789") != (size_t)(dot - name))
		return;
	bool is_log = strcmp(dot, ".log") == 0;
	struct stat st;
	if ((is_log || strcmp(dot, ".sst") == 0) && fstatat(directory, name, &st, 0) == 0 && st.st_size > 0)
		state->has_data = true;
	if (is_log && state->logs == KV_OK)
		state->logs = log_check(directory, name);
}

enum kv_status rocks_dir_prepare(const char *path, bool create_if_missing, struct error *err)
{
	struct stat st;
	if (stat(path, &st) != 0 && errno == ENOENT) {
		if (!create_if_missing)
			return error_set(err, KV_NOT_FOUND, "there is no data directory %s", path);
		return directory_create(path, err);
	}
	DIR *directory = opendir(path);
	if (!directory)
		return error_set(err, KV_IO, "cannot read the data directory %s: %s", path, strerror(errno));
	struct directory_state state = {.logs = KV_OK};
	struct dirent *entry;
	while ((entry = readdir(directory)))
		directory_entry(dirfd(directory), entry->d_name, &state);
	closedir(directory);
	if (state.logs == KV_IO)
		return error_set(err, KV_IO, "cannot read a log file in %s", path);
	if (state.logs == KV_CORRUPT)
		return rocks_dir_damaged(path, "a log file is damaged before its end", err);
	if (!state.has_current && state.has_data)
		return rocks_dir_damaged(path, "the file CURRENT is missing", err);
	if (!state.has_current && !create_if_missing)
		return error_set(err, KV_NOT_FOUND, "there is no store in %s", path);
	return KV_OK;
}
