/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The flags of all commands in one table: names, and what help, completion and the environment know of them. What they
 * mean is read in cli/args.h.
 */
#ifndef KV_CLI_FLAGS_H
#define KV_CLI_FLAGS_H

#include "base/buf.h"

enum flag {
	FLAG_OUTPUT,
	FLAG_ENDPOINTS,
	FLAG_ZONE,
	FLAG_CONTEXT,
	FLAG_TIMEOUT,
	FLAG_BUCKET,
	FLAG_CONSISTENCY,
	FLAG_ACKS,
	FLAG_RECEIPT,
	FLAG_TTL,
	FLAG_IF_ABSENT,
	FLAG_IF_PRESENT,
	FLAG_IF_VERSION,
	FLAG_IF_VALUE,
	FLAG_IF_HASH,
	FLAG_FENCE,
	FLAG_SESSION_FILE,
	FLAG_FILE,
	FLAG_LIMIT,
	FLAG_CURSOR,
	FLAG_KEYS_ONLY,
	FLAG_FORMAT,
	FLAG_PREFIX,
	FLAG_REPLICA,
	FLAG_RAW,
	FLAG_INFLIGHT,
	FLAG_CLIENTS,
	FLAG_OPS,
	FLAG_SECONDS,
	FLAG_DURATION,
	FLAG_RATIO,
	FLAG_WRITE,
	FLAG_SIZE,
	FLAG_KEYS,
	FLAG_SEED,
	FLAG_KEEP,
	FLAG_NAME,
	FLAG_PARTITIONS,
	FLAG_REPLICAS,
	FLAG_REPLACE,
	FLAG_GONE,
	FLAG_PLAN,
	FLAG_WAIT,
	FLAG_SCRUB,
	FLAG_NODE,
	FLAG_TIMES,
	FLAG_CONFIG,
	FLAG_SURVIVORS,
	FLAG_CLUSTER,
	FLAG_YES,
	FLAG_WITHIN,
	FLAG_DIR,
	FLAG_TRACE,
	FLAG_TRACEPARENT,
	FLAG_MIX,
	FLAG_DISTRIBUTION,
	FLAG_KEY_SIZE,
	FLAG_PRELOAD,
	FLAG_RATE,
	FLAG_THREADS,
	FLAG_INTERVAL,
	FLAG_HELP,
	FLAG_VERSION,
	FLAG_COUNT
};

/** A set of flags: FLAG_BIT(a) | FLAG_BIT(b), also in an initialiser. */
typedef unsigned __int128 flag_set;

#define FLAG_BIT(flag) ((flag_set)1 << (flag))

_Static_assert(FLAG_COUNT < 128, "every flag has a bit in a flag_set");

static inline bool flag_set_has(flag_set set, enum flag flag) { return (set & FLAG_BIT(flag)) != 0; }

struct flag_info {
	const char *name;  /* long form, without dashes */
	char letter;       /* short form; 0: none */
	const char *value; /* what its value is called; NULL: takes none */
	bool environment;  /* KVCTL_<NAME> sets it too */
	const char *help;
};

/** Static storage. */
const struct flag_info *flag_info(enum flag flag);

/** Writes the name of the flag's variable, "KVCTL_OUTPUT". */
void flag_variable(enum flag flag, struct buf *out);

/**
 * The words its value is one of, separated by blanks; one that ends with '=' goes on. NULL: not a matter of words. Static
 * storage.
 */
const char *flag_choices(enum flag flag);

#endif
