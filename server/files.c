/* SPDX-License-Identifier: Apache-2.0 */
#include "server/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE_MAX = 64 << 10 };

static void path_of(struct buf *out, const char *directory, const char *name, const char *suffix)
{
	buf_printf(out, "%s/%s%s", directory, name, suffix);
}

static enum kv_status io_error(struct error *err, const char *what, const char *path)
{
	return error_set(err, KV_IO, "cannot %s %.150s: %s", what, path, strerror(errno));
}

enum kv_status files_make_directory(const char *path, struct error *err)
{
	CLEANUP(free_ptr) char *part = xstrdup(path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return io_error(err, "create", part);
		*slash = '/';
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return io_error(err, "create", path);
	return KV_OK;
}

static bool write_all(int fd, struct slice text)
{
	while (text.size > 0) {
		ssize_t size = write(fd, text.data, text.size);
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			return false;
		text = slice_of(text.data + size, text.size - (size_t)size);
	}
	return true;
}

static bool sync_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool synced = fsync(fd) == 0;
	close(fd);
	return synced;
}

enum kv_status files_rename(const char *directory, const char *from, const char *to, struct error *err)
{
	CLEANUP(buf_release) struct buf from_path = BUF_INIT;
	CLEANUP(buf_release) struct buf to_path = BUF_INIT;
	path_of(&from_path, directory, from, "");
	path_of(&to_path, directory, to, "");
	if (rename(buf_cstr(&from_path), buf_cstr(&to_path)) != 0 || !sync_directory(directory))
		return io_error(err, "rename to", buf_cstr(&to_path));
	return KV_OK;
}

enum kv_status files_check_room(const char *directory, struct error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	path_of(&path, directory, "room", ".tmp");
	int fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return io_error(err, "create", buf_cstr(&path));
	unlink(buf_cstr(&path));
	CLEANUP(free_ptr) char *bytes = xcalloc(1, FILES_ROOM);
	bool written = write_all(fd, slice_of(bytes, FILES_ROOM)) && fsync(fd) == 0;
	int failed = errno;
	close(fd);
	errno = failed;
	if (!written)
		return error_set(err, KV_IO,
				 "cannot write to %.150s: %s; the node starts once 1 MiB can be written there",
				 directory, strerror(errno));
	return KV_OK;
}

enum kv_status files_replace(const char *directory, const char *name, struct slice text, struct error *err)
{
	CLEANUP(buf_release) struct buf temporary = BUF_INIT;
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	path_of(&temporary, directory, name, ".tmp");
	path_of(&path, directory, name, "");
	int fd = open(buf_cstr(&temporary), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return io_error(err, "create", buf_cstr(&temporary));
	bool written = write_all(fd, text) && fsync(fd) == 0;
	int failed = errno;
	close(fd);
	errno = failed;
	if (!written)
		return io_error(err, "write", buf_cstr(&temporary));
	if (rename(buf_cstr(&temporary), buf_cstr(&path)) != 0 || !sync_directory(directory))
		return io_error(err, "rename to", buf_cstr(&path));
	return KV_OK;
}

enum kv_status files_read(const char *directory, const char *name, struct buf *ret, struct error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	path_of(&path, directory, name, "");
	int fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? KV_NOT_FOUND : io_error(err, "open", buf_cstr(&path));
	size_t before = ret->size;
	buf_reserve(ret, TEXT_SIZE_MAX + 1);
	ssize_t size = read(fd, ret->data + before, TEXT_SIZE_MAX + 1);
	close(fd);
	if (size < 0)
		return io_error(err, "read", buf_cstr(&path));
	if (size > TEXT_SIZE_MAX)
		return error_set(err, KV_IO, "%.150s is longer than 64 KiB; it is no file of kvd", buf_cstr(&path));
	ret->size = before + (size_t)size;
	return KV_OK;
}
