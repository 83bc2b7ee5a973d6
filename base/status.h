/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What became of a request. See base/status_codes.h for the table.
 */
#ifndef KV_BASE_STATUS_H
#define KV_BASE_STATUS_H

#include "base/base.h"
#include "base/status_codes.h"

enum status_class { STATUS_DONE, STATUS_FINAL, STATUS_RETRY, STATUS_DOUBT };

/** Short upper-case name without prefix, "NOT_FOUND". Unknown numbers give "UNKNOWN". Static storage. */
const char *status_name(enum kv_status status);

/** One sentence in lower case, no full stop. Static storage. */
const char *status_text(enum kv_status status);

/** Class of the code. Unknown numbers (from a newer node) are STATUS_DOUBT: the careful reading. */
enum status_class status_class(enum kv_status status);

/** kvctl's exit code for it, 0 to 11. Unknown numbers give 1. */
int status_exit_code(enum kv_status status);

/** True if NUMBER is in the table. */
bool status_is_known(uint32_t number);

/**
 * An error as a human reads it: used where configuration, start-up or an API call fails.
 * message says what, why and what to do next. in_doubt: a write may have happened.
 */
struct error {
	enum kv_status status;
	bool in_doubt;
	char message[240];
};

/** Fills ERR (may be NULL) and returns STATUS, so that `return error_set(...)` reads well. */
enum kv_status error_set(struct error *err, enum kv_status status, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
