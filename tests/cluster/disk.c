/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cluster/harness.h"

bool disk_log(const struct process *p, char ret_path[PROCESS_PATH_MAX + 64], uint64_t *ret_size)
{
	char store[PROCESS_PATH_MAX + 16];
	unsigned long newest = 0;
	snprintf(store, sizeof store, "%s/store", p->data_dir);
	DIR *directory = opendir(store);
	if (!directory)
		return false;
	for (struct dirent *entry; (entry = readdir(directory));) {
		char *end;
		unsigned long number = strtoul(entry->d_name, &end, 10);
		if (end != entry->d_name && strcmp(end, ".log") == 0)
			newest = MAX(newest, number);
	}
	closedir(directory);
	struct stat about;
	snprintf(ret_path, PROCESS_PATH_MAX + 64, "%s/%06lu.log", store, newest);
	if (newest == 0 || stat(ret_path, &about) != 0)
		return false;
	*ret_size = (uint64_t)about.st_size;
	return true;
}

uint64_t disk_log_synced(const struct process *p)
{
	char path[PROCESS_PATH_MAX + 64];
	uint64_t size;
	struct stat about;
	if (!disk_log(p, path, &size) || stat(path, &about) != 0)
		return 0;
	for (unsigned i = 0; i < PRELOAD_FILES_MAX; i++) {
		const struct preload_file *file = &p->faults->files[i];
		if (file->inode == about.st_ino)
			return MIN(file->synced_size, size);
	}
	return 0;
}

bool disk_has_unsynced(void *process)
{
	const struct process *p = process;
	char path[PROCESS_PATH_MAX + 64];
	uint64_t size;
	return disk_log(p, path, &size) && size > disk_log_synced(p);
}

uint64_t disk_lose_unsynced(const struct process *p, struct rng *rng)
{
	char path[PROCESS_PATH_MAX + 64];
	uint64_t size;
	assert_int_equal(p->pid, 0);
	if (!disk_log(p, path, &size))
		return 0;
	uint64_t kept = rng_between(rng, disk_log_synced(p), size);
	assert_int_equal(truncate(path, (off_t)kept), 0);
	return size - kept;
}

void disk_damage_log(const struct process *p)
{
	char path[PROCESS_PATH_MAX + 64];
	uint64_t size;
	unsigned char byte;
	assert_int_equal(p->pid, 0);
	assert_true(disk_log(p, path, &size));
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	off_t at = (off_t)(size / 2);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}
