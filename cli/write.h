/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What commands that write have in common: where the value comes from, and how the result is told.
 */
#ifndef KV_CLI_WRITE_H
#define KV_CLI_WRITE_H

#include <jansson.h>

#include "cli/commands.h"
#include "cli/output.h"

/** Sets "NAME" to the version's text. */
void json_set_version(json_t *row, const char *name, struct kv_version version);

/**
 * The value of a write: the operand INDEX, or the file of --file, or standard input for "-". BYTES holds what was read. False, with
 * the exit code, after a mistake or error, which it has told.
 */
MUST_USE bool write_value(struct ctl *ctl, int index, struct buf *bytes, struct slice *ret_value,
			  int *ret_exit_code);

/** Columns of write_row; without the number, which is called "value" or "size". */
extern const struct output_column write_columns[3];

/**
 * What became of a write of KEY, as a row: version, or what is there instead, or the id of what is in doubt. NUMBER (NULL: none) is
 * the field for the item's number.
 */
json_t *write_row(struct ctl *ctl, struct slice key, const char *number, const struct kv_error *err,
		  const struct kv_item *item);

/** Tells an error of a write to KEY on standard error, with what can be done about it. Gives the exit code. */
int write_fail(const struct ctl *ctl, const char *key, const struct kv_error *err, const struct kv_item *item);

/** Tells one write's result, and gives the exit code. With NUMBER the raw text is the number alone, not the version. */
int write_finish(struct ctl *ctl, const char *key, const char *number, const struct kv_error *err,
		 const struct kv_item *item);

#endif
