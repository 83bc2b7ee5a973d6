/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Manual pages of kvctl as scdoc reads them: kvctl(1), and one for each group of commands.
 */
#ifndef KV_CLI_MAN_H
#define KV_CLI_MAN_H

#include "cli/commands.h"

/** Writes the page "kvctl" or "kvctl-data". False: there is none of that name. */
MUST_USE bool man_page(const char *name, struct buf *out);

/** The name of the page that has the commands of a group. NULL: of an unknown group. Static storage. */
const char *man_page_of(const char *group);

#endif
