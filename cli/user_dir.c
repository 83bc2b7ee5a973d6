/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/user_dir.h"

#include <errno.h>
#include <sys/stat.h>

bool user_dir(const char *variable, const char *fallback, struct buf *out)
{
	const char *directory = getenv(variable), *home = getenv("HOME");
	/* The specification: a path that is not absolute is to be passed over. */
	if (directory && *directory == '/') {
		buf_printf(out, "%s/kvctl", directory);
		return true;
	}
	if (!home || *home != '/')
		return false;
	buf_printf(out, "%s/%s/kvctl", home, fallback);
	return true;
}

enum kv_status user_dir_make(const char *path, struct error *err)
{
	CLEANUP(free_ptr) char *part = xstrdup(path);
	for (char *at = part + 1;; at++) {
		if (*at != '/' && *at != '\0')
			continue;
		char was = *at;
		*at = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return error_set(err, KV_IO, "%s: %s", part, strerror(errno));
		if (was == '\0')
			return KV_OK;
		*at = was;
	}
}
