/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Small text files in the data directory, replaced as a whole: after a crash the old or the new text is there.
 */
#ifndef KV_SERVER_FILES_H
#define KV_SERVER_FILES_H

#include "base/buf.h"
#include "base/status.h"

/** Creates the directory and its parents with mode 0700; one that exists is fine. KV_IO with the reason in ERR. */
MUST_USE enum kv_status files_make_directory(const char *path, struct error *err);

/**
 * Tries to write and sync FILES_ROOM bytes there, and removes them. KV_IO with the reason in ERR. Asked before the engine
 * opens, which may end the process on a disk without room instead of saying so.
 */
MUST_USE enum kv_status files_check_room(const char *directory, struct error *err);

#define FILES_ROOM ((size_t)1 << 20)

/** Writes DIRECTORY/NAME durably by writing another file and renaming it. */
MUST_USE enum kv_status files_replace(const char *directory, const char *name, struct slice text,
				      struct error *err);

/** Renames durably within the directory. */
MUST_USE enum kv_status files_rename(const char *directory, const char *from, const char *to, struct error *err);

/** Appends the file's text. KV_NOT_FOUND without one; KV_IO also if it is longer than 64 KiB. */
MUST_USE enum kv_status files_read(const char *directory, const char *name, struct buf *ret, struct error *err);

#endif
