/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/history_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/user_dir.h"

/** With MAKE, its directory is made. False: there is no place for it. */
static bool history_path(struct buf *out, bool make)
{
	if (!user_dir("XDG_STATE_HOME", ".local/state", out))
		return false;
	if (make && user_dir_make(buf_cstr(out), NULL) != KV_OK)
		return false;
	buf_append_str(out, "/history");
	return true;
}

/** Keeps the end of a file that has become long. */
static void shorten(const char *path, char *const *lines, size_t count)
{
	CLEANUP(buf_release) struct buf beside = BUF_INIT;
	buf_printf(&beside, "%s.%ld", path, (long)getpid());
	int fd = open(buf_cstr(&beside), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	FILE *file = fdopen(fd, "w");
	if (!file) {
		close(fd);
		return;
	}
	for (size_t i = 0; i < count; i++)
		fprintf(file, "%s\n", lines[i]);
	bool good = !ferror(file);
	good = fclose(file) == 0 && good;
	if (!good || rename(buf_cstr(&beside), path) != 0)
		unlink(buf_cstr(&beside));
}

void history_file_load(void (*take)(void *arg, const char *line), void *arg)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	FILE *file = history_path(&path, /* make= */ false) ? fopen(buf_cstr(&path), "re") : NULL;
	if (!file)
		return;
	char *ring[HISTORY_LINES] = {NULL}, *last[HISTORY_LINES], *line = NULL;
	size_t room = 0, count = 0, kept = 0;
	for (ssize_t size; (size = getline(&line, &room, file)) > 0;) {
		line[strcspn(line, "\n")] = '\0';
		free(ring[count % HISTORY_LINES]);
		ring[count++ % HISTORY_LINES] = xstrdup(line);
	}
	free(line);
	fclose(file);
	for (size_t i = count > HISTORY_LINES ? count - HISTORY_LINES : 0; i < count; i++)
		last[kept++] = ring[i % HISTORY_LINES];
	if (count > 2 * HISTORY_LINES)
		shorten(buf_cstr(&path), last, kept);
	for (size_t i = 0; i < kept; i++) {
		take(arg, last[i]);
		free(last[i]);
	}
}

void history_file_add(const char *line)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	if (!history_path(&path, /* make= */ true))
		return;
	int fd = open(buf_cstr(&path), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	buf_printf(&text, "%s\n", line);
	(void)!fchmod(fd, 0600);
	(void)!write(fd, text.data, text.size);
	close(fd);
}
