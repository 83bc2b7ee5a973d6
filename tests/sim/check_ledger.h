/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Judges the conflict ledgers on all disks at the end of a run.
 *
 *   ledger   every entry can be read, names a key of the run and a cause, lost to another version than its own, and keeps
 *            the value of an eventual put of that key that was not refused, under the version that put was answered
 *            with; a deletion that lost is one that somebody asked for; no core keeps more than its bounds; each core lists what
 *            its disk holds and has not ended, page by page
 *
 * That every lost value is there cannot be asked for: what was concurrent is a guess, and late values may be lost with a crash.
 */
#ifndef KV_SIM_CHECK_LEDGER_H
#define KV_SIM_CHECK_LEDGER_H

#include "verify/history.h"

struct sim;

/** Returns false and fills V on a violation. Asks the cores, so nothing of the run may come after it. Adds the entries seen to the run's counts. */
bool check_ledger(struct sim *sim, struct verdict *v);

#endif
