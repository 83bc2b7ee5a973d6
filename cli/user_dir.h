/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Where kvctl keeps files of its user, as the XDG base directory specification says.
 */
#ifndef KV_CLI_USER_DIR_H
#define KV_CLI_USER_DIR_H

#include "base/buf.h"
#include "base/status.h"

/**
 * Appends "DIR/kvctl", DIR being what VARIABLE ("XDG_CONFIG_HOME") says or FALLBACK (".config") in the home directory. False: there
 * is neither.
 */
MUST_USE bool user_dir(const char *variable, const char *fallback, struct buf *out);

/** Makes the directory and those above it, for their owner alone. KV_IO. */
MUST_USE enum kv_status user_dir_make(const char *path, struct error *err);

#endif
