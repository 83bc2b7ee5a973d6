/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/session_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/text.h"

enum { TEXT_SIZE_MAX = (KV_SESSION_TOKEN_SIZE_MAX + 2) / 3 * 4 + 1 };

static enum kv_status io_error(struct error *err, const char *path)
{
	return error_set(err, KV_IO, "%s: %s", path, strerror(errno));
}

/* Adds what the open file has. */
static enum kv_status load_fd(int fd, const char *path, struct kv_session *session, struct error *err)
{
	char text[TEXT_SIZE_MAX + 1];
	CLEANUP(buf_release) struct buf token = BUF_INIT;
	ssize_t size = pread(fd, text, sizeof text, 0);
	if (size < 0)
		return io_error(err, path);
	if (size > 0 && text[size - 1] == '\n')
		size--;
	struct kv_error why;
	if ((size_t)size >= sizeof text || !text_base64_decode(&token, slice_of(text, (size_t)size)) ||
	    kv_session_import(session, kv_slice_of(token.data, token.size), &why) != KV_OK)
		return error_set(err, KV_INVALID, "%s holds no session", path);
	return KV_OK;
}

enum kv_status session_file_load(const char *path, struct kv_session *session, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? KV_OK : io_error(err, path);
	enum kv_status status = flock(fd, LOCK_SH) == 0 ? load_fd(fd, path, session, err) : io_error(err, path);
	close(fd);
	return status;
}

/* Over what is there, which is never longer: a session only grows. */
static enum kv_status save_fd(int fd, const char *path, struct kv_session *session, struct error *err)
{
	uint8_t token[KV_SESSION_TOKEN_SIZE_MAX];
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	text_base64_encode(&text, slice_of(token, kv_session_export(session, token)));
	buf_append_u8(&text, '\n');
	ssize_t put = pwrite(fd, text.data, text.size, 0);
	if (put < 0)
		return io_error(err, path);
	if ((size_t)put < text.size)
		return error_set(err, KV_IO, "%s: the disk is full", path);
	return KV_OK;
}

enum kv_status session_file_save(const char *path, struct kv_session *session, struct error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return io_error(err, path);
	enum kv_status status = flock(fd, LOCK_EX) == 0 ? load_fd(fd, path, session, err) : io_error(err, path);
	if (status == KV_OK)
		status = save_fd(fd, path, session, err);
	close(fd);
	return status;
}
