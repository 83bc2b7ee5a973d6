/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What an operator may set: one table of keys, from which come the schema of the file, the defaults, the names of the
 * environment's overrides and the check that docs/configuration.md is complete.
 *
 * A value comes from the environment (KVD_<SECTION>_<KEY>, without section KVD_<KEY>), else from the file, else from
 * the table. Anything unknown, out of range or contradictory is refused with the place and with what is allowed.
 */
#ifndef KV_SERVER_CONFIG_H
#define KV_SERVER_CONFIG_H

#include "base/buf.h"
#include "base/klog.h"
#include "base/status.h"
#include "base/types.h"
#include "proto/msg.h"

#define CONFIG_KEYS_MAX 64

/** Owned strings are never NULL after a successful load. */
struct config {
	/* node */
	char *node_name; /* the host's name if none was given */
	char *node_data_dir;
	char *node_zone;
	uint64_t node_weight;
	/* listen */
	char *listen_client, *listen_peer; /* host:port; port 0: any, kept over restarts */
	char *listen_http;                 /* the same, or "" or "off": none */
	/* advertise */
	char *advertise_client, *advertise_peer; /* host:port that others dial; empty: the address listened on */
	/* join */
	char *join_seeds; /* host:port, separated by commas: whom an empty node asks to be admitted; empty: nobody */
	char *join_token_file; /* or empty */
	/* without section */
	uint64_t shards; /* 1 or more after a load */
	bool insecure;
	/* limits */
	uint64_t limits_connections;
	uint64_t limits_inflight;     /* unanswered requests a connection */
	uint64_t limits_operations;   /* client operations in flight a shard */
	uint64_t limits_value_size;   /* bytes */
	uint64_t limits_memory;       /* bytes, buffers of all connections */
	uint64_t limits_disk_reserve; /* bytes that are to stay free; 0: a share of the disk */
	usec_t limits_drain_us;
	/* storage */
	uint64_t storage_memory; /* bytes; both caches and unwritten writes together; 0: as they need */
	uint64_t storage_cache_size, storage_record_cache_size, storage_write_buffer_size; /* bytes */
	uint64_t storage_reader_threads;
	/* deletes */
	usec_t deletes_keep_us;
	/* log */
	enum log_level log_level;
	enum log_format log_format;
	/* trace */
	usec_t trace_slow_us;  /* operations that take so long are kept and logged */
	char *trace_collector; /* host:port for OTLP over HTTP, or empty */
	/* test */
	int64_t test_wall_offset_ms;
	usec_t test_compare_interval_us; /* between two comparisons with another node */

	uint8_t sources[CONFIG_KEYS_MAX]; /* of each key's value, in the order of config_keys: enum config_source */
};

enum config_kind {
	CONFIG_TEXT,
	CONFIG_NAME,      /* letters, digits, '-', '_', '.' */
	CONFIG_ADDRESS,   /* host:port */
	CONFIG_DOOR,      /* the same, or off */
	CONFIG_ADDRESSES, /* up to JOIN_SEEDS_MAX of them, separated by commas */
	CONFIG_COUNT,
	CONFIG_OFFSET,   /* whole number with sign */
	CONFIG_SIZE,     /* bytes; in text with a unit */
	CONFIG_DURATION, /* microseconds; in text with a unit */
	CONFIG_BOOL,
	CONFIG_LEVEL,  /* of the log */
	CONFIG_FORMAT, /* of the log */
};

/** One key. Static storage. */
struct config_key {
	const char *section; /* "" for none */
	const char *name;
	enum config_kind kind;
	const char *fallback; /* as text; NULL: must be given */
	enum config_scope scope;
	uint64_t min, max; /* of numbers, and of the length of texts */
	size_t offset;     /* in struct config */
	const char *help;  /* docs/configuration.md is made of it */
};

const struct config_key *config_keys(size_t *ret_count);

/** "node.data_dir", or the name alone for keys without section. */
void config_key_path(const struct config_key *key, struct buf *out);

/**
 * Reads the file's text. FILE is only its name for messages. ENVIRONMENT is as in environ; NULL for none. RET is
 * released by config_release. Otherwise KV_INVALID, with one line a mistake in WHY; ret is untouched.
 */
MUST_USE enum kv_status config_parse(struct slice yaml, const char *file, const char *const *environment,
				     struct config *ret, struct buf *why);

/** The same for a file on disk; file NULL: defaults and environment only. KV_IO if the file cannot be read. */
MUST_USE enum kv_status config_load(const char *file, const char *const *environment, struct config *ret,
				    struct buf *why);

/** Bytes for records in memory, of all shards together: as configured, or what suits the machine. */
uint64_t config_record_cache(const struct config *config);

/** Bytes that the engine's cache of blocks and what it has not written to files yet may have together. */
uint64_t config_storage_memory(const struct config *config);

/** True if there is to be no HTTP port. */
bool config_http_is_off(const struct config *config);

/** The key of that path, or NULL. */
const struct config_key *config_find(struct slice path);

/** The known path that is most like PATH, for "did you mean"; NULL if none is. Static storage of the calling thread. */
const char *config_nearest(struct slice path);

/**
 * The next variable of ENVIRONMENT from *AT on that is no override of a key and looks like one: appends its name to NAME and what it may
 * have been meant for to MEANT. False at the end. Others that begin with KVD_ are somebody else's.
 */
MUST_USE bool config_stray_next(const char *const *environment, size_t *at, struct buf *name, struct buf *meant);

/** Appends the key's value as a file would have it. */
void config_value(const struct config *config, const struct config_key *key, struct buf *out);

/** Gives the key the value that TEXT says. False, and nothing happens, if it is not allowed: WHY says what is. */
MUST_USE bool config_change(struct config *config, const struct config_key *key, const char *text,
			    enum config_source source, struct buf *why);

/** Deep copy into RET, which is released with config_release. */
void config_copy(const struct config *from, struct config *ret);

/** The next of a list of addresses; *at moves on. False at the end. */
MUST_USE bool config_address_next(const char **at, struct slice *ret);

/** Accepts a zeroed struct. Fits CLEANUP. */
void config_release(struct config *config);

#endif
