/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The texts of --help, and their parts that manual pages have as well.
 */
#ifndef KV_CLI_HELP_H
#define KV_CLI_HELP_H

#include "cli/commands.h"

/** The list of commands, and the text of one. */
void commands_help(struct buf *out);
void command_help(const struct command *command, struct buf *out);

/** What a flag does with a command: its values, default and variable. */
void help_flag(const struct command *command, enum flag flag, struct buf *out);

/** All exit codes, in lines of their own. */
void help_exit_codes(struct buf *out);

#endif
