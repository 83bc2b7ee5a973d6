/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The values of the flags (cli/flags.h) that one run of a command was given.
 *
 * A value comes from the flag, else from the environment (KVCTL_<FLAG>, where the table allows it), else from the context
 * (cli/context.h), else it is the default.
 * Flags that are part of one request, such as --ttl, have no variable: a forgotten one would change what is written.
 */
#ifndef KV_CLI_ARGS_H
#define KV_CLI_ARGS_H

#include <kv/client.h>

#include "cli/flags.h"
#include "cli/rows.h"

enum output_format { OUTPUT_TABLE = 1, OUTPUT_JSON = 2, OUTPUT_JSONL = 4, OUTPUT_RAW = 8 };

/** What the writes of a measurement are. */
enum write_kind { WRITE_PUT, WRITE_CAS, WRITE_INCR, WRITE_APPEND };

/** Strings are borrowed from argv or the environment. */
struct args {
	flag_set given;                /* on the command line, in the environment or in the context */
	flag_set typed;                /* on the command line */
	const char *texts[FLAG_COUNT]; /* of the values that were given; NULL: of flags without */

	enum output_format output;
	const char *endpoints;
	const char *zone;    /* NULL: none */
	const char *context; /* NULL: the current one */
	uint32_t timeout_ms; /* 0: the library's default */
	uint32_t bucket;
	enum kv_level level;
	uint32_t staleness_ms; /* with KV_LEVEL_BOUNDED */
	enum kv_acks acks;
	bool receipt;
	uint64_t ttl_ms; /* 0: none */
	bool if_absent, if_present;
	struct kv_version if_version; /* if given */
	const char *if_value;         /* NULL: none */
	uint64_t if_hash;             /* if given, or the hash of if_value */
	uint64_t fence;               /* 0: none */
	const char *session_file;     /* NULL: none */
	const char *file;
	uint64_t limit; /* 0: none */
	const char *cursor;
	bool keys_only;
	enum rows_format format;
	const char *prefix;
	const char *replica;
	bool raw;
	uint32_t inflight, clients;
	uint64_t ops, seconds; /* 0: not given */
	uint32_t ratio_put, ratio_get;
	enum write_kind write;
	uint64_t size, keys;
	uint64_t duration_ms; /* 0: not given */
	uint64_t seed;        /* if given */
	bool keep;
	const char *name;
	uint32_t partitions, replicas; /* 0: the cluster's default */
	const char *replace;           /* NULL: none */
	bool gone, plan, wait, scrub;
	const char *node;                         /* NULL: all */
	uint64_t times;                           /* 0: not given */
	const char *config, *survivors, *cluster; /* of kvctl unsafe recover */
	bool yes;
	uint64_t within_ms; /* 0: for ever */
	const char *dir;
	bool trace;
	const char *traceparent; /* NULL: none */
	const char *mix;         /* NULL: by ratio and write */
	double zipf;             /* exponent; 0: all keys alike */
	uint32_t key_size;       /* 0: not given */
	bool preload;            /* of kvctl bench */
	uint64_t rate;           /* a second; 0: closed loop */
	uint32_t threads;        /* 0: not given */
	uint64_t interval_ms;    /* 0: not given */
	bool help, version;
};

static inline bool args_given(const struct args *args, enum flag flag) { return flag_set_has(args->given, flag); }
static inline bool args_typed(const struct args *args, enum flag flag) { return flag_set_has(args->typed, flag); }

/** Reads "strong" or "bounded=2s" into RET's level and staleness. NULL, or what is allowed. */
const char *args_read_level(const char *text, struct args *ret);

/** The defaults, and nothing given. */
void args_init(struct args *args);

/**
 * Takes the flags of the set ALLOWED out of argv[1..], moving the operands to its end, and returns the index of the first
 * operand; with LEADING it stops at the first operand. Negative numbers are operands or values. 0 after a mistake, with
 * a message in WHY.
 */
int args_parse(struct args *args, int argc, char **argv, flag_set allowed, bool leading, struct buf *why);

/** Sets a flag that is not given, as the environment or a context does. NULL, or what is allowed instead of TEXT. */
MUST_USE const char *args_default(struct args *args, enum flag flag, const char *text);

/** Sets what is in ALLOWED, not given, and has a variable. False after a mistake, with a message in WHY. */
MUST_USE bool args_environment(struct args *args, flag_set allowed, struct buf *why);

#endif
