/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How far something long has come, on standard error: a bar that is redrawn if standard output and error are terminals,
 * else a plain line every second. One thread.
 */
#ifndef KV_CLI_PROGRESS_H
#define KV_CLI_PROGRESS_H

#include "base/types.h"

struct progress {
	const char *what;     /* "load"; static */
	const char *unit;     /* what is counted: "records"; static */
	bool terminal, drawn; /* private */
	usec_t start_us;      /* read-only */
	usec_t next_us;       /* private */
};

void progress_start(struct progress *p, const char *what, const char *unit);

/** COUNT units are done; PART of WHOLE of the work (in any measure; WHOLE 0: not known). Draws if it is time to. */
void progress_update(struct progress *p, uint64_t count, uint64_t part, uint64_t whole);

/** Takes the bar away. What follows may be printed. */
void progress_clear(struct progress *p);

/** Since progress_start. */
usec_t progress_elapsed_us(const struct progress *p);

#endif
