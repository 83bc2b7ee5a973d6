/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A session kept in a file between runs of kvctl: one line, the session's token in base64.
 *
 * Several runs may use one file at once. What a run saw is added to what is in the file then, under a lock, so nothing that any
 * of them saw is lost.
 */
#ifndef KV_CLI_SESSION_FILE_H
#define KV_CLI_SESSION_FILE_H

#include <kv/client.h>

#include "base/status.h"

/** Adds what the file has to SESSION; no file, or an empty one, has nothing. KV_IO; KV_INVALID: it holds no session. */
MUST_USE enum kv_status session_file_load(const char *path, struct kv_session *session, struct error *err);

/** Adds what SESSION saw to the file, and makes one for its owner alone if there is none. Errors as above. */
MUST_USE enum kv_status session_file_save(const char *path, struct kv_session *session, struct error *err);

#endif
