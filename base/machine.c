/* SPDX-License-Identifier: Apache-2.0 */
#include "base/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

enum { TEXT_SIZE = 512 };

uint64_t machine_memory_within(uint64_t physical, const char *limit)
{
	char *end;
	errno = 0;
	unsigned long long bytes = strtoull(limit, &end, 10);
	if (errno != 0 || end == limit || bytes == 0 || bytes > physical)
		return physical;
	return bytes;
}

/** The first line of the file that begins with PREFIX, without it and its newline; false if there is none. */
static bool read_line(const char *path, const char *prefix, char ret[TEXT_SIZE])
{
	FILE *file = fopen(path, "re");
	bool found = false;
	while (file && !found && fgets(ret, TEXT_SIZE, file))
		found = strncmp(ret, prefix, strlen(prefix)) == 0;
	if (file)
		fclose(file);
	if (found)
		memmove(ret, ret + strlen(prefix), strlen(ret) - strlen(prefix) + 1);
	ret[found ? strcspn(ret, "\n") : 0] = '\0';
	return found;
}

uint64_t machine_memory(void)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	char group[TEXT_SIZE], path[2 * TEXT_SIZE], limit[TEXT_SIZE];
	/* Version 1, as a container sees it. */
	if (read_line(CGROUP_ROOT "/memory/memory.limit_in_bytes", "", limit))
		bytes = machine_memory_within(bytes, limit);
	if (!read_line("/proc/self/cgroup", "0::", group))
		return bytes;
	/* A limit may stand at any level above, too. */
	for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
		*end = '\0';
		snprintf(path, sizeof path, CGROUP_ROOT "%s/memory.max", group);
		if (read_line(path, "", limit))
			bytes = machine_memory_within(bytes, limit);
	}
	return bytes;
}
