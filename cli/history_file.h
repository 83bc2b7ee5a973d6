/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The lines of earlier shells, one a line, the newest last, in ${XDG_STATE_HOME:-~/.local/state}/kvctl/history. Only its owner may
 * read it. Several shells may add to it at once.
 */
#ifndef KV_CLI_HISTORY_FILE_H
#define KV_CLI_HISTORY_FILE_H

#include "base/buf.h"

enum { HISTORY_LINES = 1000 };

/** Calls TAKE with each of the last HISTORY_LINES lines, the oldest first. What cannot be read is no history. */
void history_file_load(void (*take)(void *arg, const char *line), void *arg);

/** Adds a line. What cannot be written is not kept. */
void history_file_add(const char *line);

#endif
