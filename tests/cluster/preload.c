/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands between a node and the C library (LD_PRELOAD): a clock that can be set, a disk that fails on command.
 *
 * Everything goes to the kernel directly: no look-ups, no memory, nothing that a sanitizer's runtime might not be ready for.
 */
#include "tests/cluster/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { HANG_LOOK_NS = 2000000 };

static struct preload_control idle;
static struct preload_control *control = &idle;

__attribute__((constructor)) static void map_control(void)
{
	const char *path = getenv(PRELOAD_CONTROL);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		control = at;
	close(fd);
}

/* ---- clock ---- */

EXPORT int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (syscall(SYS_clock_gettime, id, ts) != 0)
		return -1;
	int64_t offset_us = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? control->wall_offset_us : 0;
	int64_t ns = ts->tv_nsec + offset_us % 1000000 * 1000;
	ts->tv_sec += offset_us / 1000000 + (ns >= 1000000000) - (ns < 0);
	ts->tv_nsec = ns >= 1000000000 ? ns - 1000000000 : ns < 0 ? ns + 1000000000 : ns;
	return 0;
}

/* ---- sync ---- */

static void strike(int error)
{
	control->failures++;
	errno = error;
}

static struct preload_file *file_of(uint64_t inode)
{
	for (unsigned i = 0; i < PRELOAD_FILES_MAX; i++) {
		struct preload_file *file = &control->files[(inode + i) % PRELOAD_FILES_MAX];
		uint64_t held = 0;
		if (file->inode == inode || atomic_compare_exchange_strong(&file->inode, &held, inode))
			return file;
		if (held == inode)
			return file;
	}
	return NULL;
}

static void pass(long ns)
{
	syscall(SYS_nanosleep, &(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
}

static int sync_with(long number, int fd)
{
	struct stat about;
	bool known = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
	if (control->sync_delay_us)
		pass(control->sync_delay_us * 1000L);
	while (control->sync_hangs)
		pass(HANG_LOOK_NS);
	if (control->sync_fails) {
		strike(EIO);
		return -1;
	}
	if (syscall(number, fd) != 0)
		return -1;
	/* Also smaller than before: a new file may get the number of one that was removed. */
	struct preload_file *file = known ? file_of(about.st_ino) : NULL;
	if (file)
		file->synced_size = (uint64_t)about.st_size;
	return 0;
}

EXPORT int fsync(int fd) { return sync_with(SYS_fsync, fd); }

EXPORT int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

/* ---- room ---- */

/** The log on standard error and sockets are not the disk. */
static bool has_no_room(int fd)
{
	struct stat about;
	if (!control->disk_full || fd <= STDERR_FILENO || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
		return false;
	strike(ENOSPC);
	return true;
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
	return has_no_room(fd) ? -1 : syscall(SYS_write, fd, data, size);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return has_no_room(fd) ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return pwrite(fd, data, size, at); }

EXPORT int fallocate(int fd, int mode, off_t at, off_t size)
{
	return has_no_room(fd) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, size);
}

EXPORT int fallocate64(int fd, int mode, off64_t at, off64_t size) { return fallocate(fd, mode, at, size); }
