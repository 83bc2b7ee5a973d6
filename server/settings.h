/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The configuration while the node runs: what may change then, what was changed, and what waits for a restart.
 *
 * Live keys (enum config_scope) change by settings_set, which lasts until the node restarts or reads its file again, and by
 * settings_reload. Static keys stay as they were at the start; what the file says of them since is kept and told.
 *
 * Any thread; APPLY is called by the one that changed something, one at a time.
 */
#ifndef KV_SERVER_SETTINGS_H
#define KV_SERVER_SETTINGS_H

#include <pthread.h>

#include "base/arena.h"
#include "server/config.h"

struct settings {
	void (*apply)(void *owner, const struct config *now); /* private, and all below */
	void *owner;
	const char *file; /* NULL: none */
	const char *const *environment;
	pthread_mutex_t mutex;
	struct config now;       /* in force */
	struct config file_says; /* as of the last reading */
};

/** STARTED is what the node starts with; it is copied. */
void settings_init(struct settings *s, const struct config *started,
		   void (*apply)(void *owner, const struct config *now), void *owner);

/** Accepts a zeroed struct. */
void settings_release(struct settings *s);

/** Where settings_reload reads: as config_load. Before other threads know S. */
void settings_set_file(struct settings *s, const char *file, const char *const *environment);

/**
 * Gives live key NAME the value TEXT. KV_INVALID: no such key, or no such value; KV_REFUSED: it is no live one. ERR then says what is
 * allowed.
 */
MUST_USE enum kv_status settings_set(struct settings *s, struct slice name, struct slice text, struct error *err);

/** Reads the file again and logs what changed, or why nothing did: then all stays as it is. */
void settings_reload(struct settings *s);

/** Fills file, count and entries of RET from ARENA, with room for MORE entries behind them. False if its cap is too low. */
MUST_USE bool settings_list(struct settings *s, struct arena *arena, size_t more, struct msg_config *ret);

/** The value of limits.drain now. */
usec_t settings_drain_us(struct settings *s);

#endif
