/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From words to a command that ran: flags before and behind the command, variables, the context, the operands, the session.
 */
#ifndef KV_CLI_RUN_H
#define KV_CLI_RUN_H

#include "cli/commands.h"

/** Starts ARGS with the defaults and what was on the command line of ORIGIN, which lends its texts. */
void run_inherit(struct args *args, const struct args *origin);

/**
 * Runs one command line and gives its exit code; mistakes are told. argv[0] is passed over, as in main. BASE is what flags are when
 * nothing gives them. SHARED (NULL: none) lends its client, and takes over the first that fits.
 */
int run_line(const struct args *base, struct ctl_shared *shared, int argc, char **argv);

#endif
