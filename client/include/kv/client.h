/* SPDX-License-Identifier: Apache-2.0 */
/**
 * libkvclient: talks to a kvd cluster. This header is the manual.
 *
 *     struct kv_error err;
 *     struct kv_config *config = kv_config_new();
 *     struct kv_client *client = NULL;
 *     if (kv_config_set(config, "endpoints", "10.0.0.1:7001,10.0.0.2:7001", &err) == KV_OK &&
 *         kv_open(config, &client, &err) == KV_OK &&
 *         kv_put(client, NULL, kv_slice_str("greeting"), kv_slice_str("hello"), NULL, &err) == KV_OK)
 *             puts("stored");
 *     kv_close(client, 0);
 *     kv_config_free(config);
 *
 * A client finds all nodes through any of its endpoints, keeps one connection a node, and sends each request to a
 * replica of its key. Requests share the connections: any number of threads may call at once, and a thread that has
 * many keys should use the batch or the asynchronous calls.
 *
 * Conventions
 *  - Every call that can fail returns an enum kv_status and fills a struct kv_error, which may be NULL. Outputs are named
 *    ret_x and are written only on success, unless said otherwise. Nothing uses errno or global state.
 *  - Bytes given to a call are borrowed until it returns; asynchronous calls copy them.
 *  - All structs that a caller fills begin with `size`, set by their INIT macro: a program built against an older header
 *    keeps its meaning with a newer library. All other fields may be left zero.
 *  - A time-out covers everything a call does: name lookup, connecting, waiting for room, every retry. Milliseconds.
 *
 * What the outcome of a write means
 *   KV_OK                          applied, as durable as asked
 *   any error, in_doubt false      not applied, and never will be
 *   any error, in_doubt true       it may have been applied, or may still be: read before you decide
 *
 * Retries happen inside the library, where they are safe. Reads go to another replica. Every write has an id and a time, fixed
 * before its first try, so sending it again is the same write: it takes effect at most once, and a repeated kv_add gets
 * the sum of the first. Refusals that changed nothing (overload, not enough replicas, an old map, contention) are retried
 * with growing random pauses, within the time-out and a budget that keeps retries from feeding an overload. A write that is
 * in doubt nevertheless can be settled: see kv_outcome.
 *
 * Threads: a client has one I/O thread of its own; all calls may be made from any thread except where noted, but not from
 * a callback if they wait. With kv_config_set_event_base the client runs in the caller's libevent loop instead and
 * starts no thread (a host name lookup excepted); then only the _async calls, kv_open and kv_close work.
 */
#ifndef KV_CLIENT_H
#define KV_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <kv/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct event_base;

/** A connection to a cluster. */
struct kv_client;

/** How to open one. */
struct kv_config;

/** Borrowed bytes. Absent is {NULL, 0}. */
struct kv_slice {
	const void *data;
	size_t size;
};

/** The bytes of a string without its NUL. */
static inline struct kv_slice kv_slice_str(const char *text)
{
	struct kv_slice s = {text, strlen(text)};
	return s;
}

static inline struct kv_slice kv_slice_of(const void *data, size_t size)
{
	struct kv_slice s = {data, size};
	return s;
}

/**
 * Names one write for ever, together with its key: all its retries, by whatever client, are that write. All zero: none.
 * Comes with every write that is done (kv_item), with every one in doubt (kv_error), or beforehand from kv_write_id_new.
 */
struct kv_write_id {
	uint64_t t0;      /* the cluster's clock before its first try */
	uint64_t client;  /* that tried it first */
	uint64_t seq;     /* of that client's writes */
	uint32_t attempt; /* 0: was never sent; otherwise the next try is a retry */
};

/**
 * Why a call failed. message says what, why and what to do next, in one line without full stop.
 * After KV_OK the message is empty.
 */
struct kv_error {
	enum kv_status status;
	bool in_doubt; /* a write that may have been applied */
	char message[240];
	struct kv_write_id write; /* with in_doubt: for kv_outcome, or to try it again; otherwise zero */
};

/** "NOT_FOUND"; "UNKNOWN" for numbers of a newer node. Static storage. */
const char *kv_status_name(enum kv_status status);

/** One sentence in lower case without full stop. Static storage. */
const char *kv_status_text(enum kv_status status);

/** "0.1.0". Static storage. */
const char *kv_library_version(void);

/**
 * One point in the one order of all values of a key: greater hlc first, then greater id. {0, 0} means "never written".
 * hlc is milliseconds since 1970 above 16 bits of fraction, on the cluster's clock.
 */
struct kv_version {
	uint64_t hlc;
	uint64_t id;
};

/** Room for the text form and its NUL: 16 hex digits, a dash, 16 hex digits. */
#define KV_VERSION_TEXT_SIZE 34

void kv_version_format(struct kv_version version, char text[KV_VERSION_TEXT_SIZE]);

/** Reads exactly the text form. False, and *ret_version untouched, for anything else. */
bool kv_version_parse(const char *text, struct kv_version *ret_version);

/** <0, 0, >0 as A is older than, equal to, newer than B. */
int kv_version_compare(struct kv_version a, struct kv_version b);

/** XXH3 (64 bits) of VALUE: what kv_options.expected_hash is compared with, and kv_entry.value_hash. */
uint64_t kv_hash(struct kv_slice value);

/* ---- Configuration ---------------------------------------------------------------------------------------------- */

/** A configuration with every default. Never NULL. Free it with kv_config_free; an open client does not need it. */
struct kv_config *kv_config_new(void);

/** NULL is allowed. */
void kv_config_free(struct kv_config *config);

/**
 * Sets one key from text. Checked at once: KV_INVALID for an unknown key or a bad value, and nothing is changed.
 *
 *   key                 default     meaning
 *   endpoints           (none)      "host:port,host:port" of any nodes, at most 64; "[::1]:7001" for IPv6. Required
 *   name                kvclient    what the node's logs call this client, at most 64 bytes
 *   zone                (none)      where the client is: nodes whose zone is the same are asked first, but for strong writes
 *                                   that compare or add, which keep the order of the key's replicas; at most 64 bytes
 *   level               eventual    default level: strong, session, bounded, eventual
 *   acks                1           default acks of eventual writes: 1, majority, all
 *   staleness_ms        1000        default bound of the level bounded, 1 to 3600000
 *   timeout_ms          1000        default time-out of a call, 1 to 60000
 *   connect_timeout_ms  300         for one attempt to connect to one node, 1 to 60000
 *   max_inflight        256         unanswered requests on one connection, 1 to 4096; the node may set it lower
 *   retry_attempts      3           tries of one request, the first included, 1 to 16
 *   route               replica     where a request about a key goes first: to a replica of it, or to an "endpoint", one
 *                                   of those given, which forwards it (for tests, and where only these can be reached)
 */
enum kv_status kv_config_set(struct kv_config *config, const char *key, const char *value, struct kv_error *err);

/**
 * Runs the client in BASE instead of a thread of its own. BASE must outlive the client. The callbacks then run in BASE's
 * loop. kv_open and kv_close must be called on its thread; the _async calls may be made from any.
 */
void kv_config_set_event_base(struct kv_config *config, struct event_base *base);

/* ---- Open and close --------------------------------------------------------------------------------------------- */

/**
 * Opens a client; copies what it needs from CONFIG. Does not wait for a connection: that nodes are unreachable shows in
 * the first call, or in kv_ping. KV_INVALID: no endpoints. KV_OVERLOADED: out of threads or descriptors.
 */
enum kv_status kv_open(const struct kv_config *config, struct kv_client **ret_client, struct kv_error *err);

/**
 * Ends a client and frees it. New requests are refused with KV_CLOSED at once; those in flight have DRAIN_MS to finish, what
 * is left then fails with KV_CLOSED, a write that was sent with KV_IN_DOUBT. Every callback has run when this returns.
 * All iterators of the client must be closed before. Not from a callback. In the caller's event loop nothing
 * is waited for: unfinished requests fail inside this call. NULL is allowed.
 */
void kv_close(struct kv_client *client, unsigned drain_ms);

/* ---- Options ---------------------------------------------------------------------------------------------------- */

enum kv_level {
	KV_LEVEL_DEFAULT = 0,  /* the client's default */
	KV_LEVEL_EVENTUAL = 1, /* nearest replica; writes durable on `acks` replicas, the rest follows */
	KV_LEVEL_SESSION = 2,  /* reads never older than what the session saw; writes as eventual */
	KV_LEVEL_BOUNDED = 3,  /* reads at most staleness_ms old; not for writes, whose default is then eventual */
	KV_LEVEL_STRONG = 4    /* linearizable; writes durable on a majority */
};

enum kv_acks { KV_ACKS_DEFAULT = 0, KV_ACKS_ONE = 1, KV_ACKS_MAJORITY = 2, KV_ACKS_ALL = 3 };

/** What one thread of work has seen of the data. See kv_session_new. */
struct kv_session;

/**
 * How one request is carried out. What the node does not offer yet answers KV_UNSUPPORTED.
 *
 * Conditions (expected, expected_hash, if_absent, if_present) are for kv_put, kv_cas, kv_del and their batches; all given must
 * hold. If one does not, nothing is changed and the answer is KV_CONDITION_FAILED with the present version and value.
 * A request with a condition or a fence, and kv_cas, kv_add, kv_append and kv_outcome, are strong: the level may be left
 * at its default, and every other one gives KV_INVALID.
 */
struct kv_options {
	uint32_t size; /* sizeof(struct kv_options) */
	enum kv_level level;
	enum kv_acks acks;     /* writes of the levels eventual and session */
	uint32_t timeout_ms;   /* 0: the client's default; at most 60000 */
	uint64_t ttl_ms;       /* kv_put, kv_cas: forget the value after; 0: keep for ever */
	uint32_t bucket;       /* 0: the default bucket */
	uint32_t staleness_ms; /* KV_LEVEL_BOUNDED; 0: the client's default */
	const struct kv_version
		*expected; /* only if this is the present version, {0, 0}: absent; NULL: any. Borrowed */
	bool if_absent;    /* only if the key is not there */
	bool if_present;   /* only if the key is there */
	bool receipt;      /* ask for a receipt with the answer */
	const uint64_t *expected_hash; /* only if kv_hash of the present value is this; NULL: any. Borrowed */
	/* Writes: refused with KV_CONDITION_FAILED if a higher fence was used on the key; else the key's fence becomes this
	 * one. For holders of a lock whose number grows: one that lost it without knowing changes nothing. 0: none. */
	uint64_t fence;
	/* Reads and writes note in it what they saw; with it the default level is KV_LEVEL_SESSION. NULL: none or, at that
	 * level, the client's own. It may be freed while requests are under way. */
	struct kv_session *session;
	/* Writes of one key: be this write, tried again if its attempt is not 0. Key, value and conditions must be those of
	 * the first try. NULL: a new one. Borrowed. */
	const struct kv_write_id *write;
	/* The caller's W3C trace context, "00-<32 digits>-<16 digits>-01" as a traceparent header has it: the spans of the nodes
	 * that carry the request out belong to that trace, below that span; with the flag 01 they are kept and exported. KV_INVALID
	 * for anything else. NULL: none. Borrowed */
	const char *traceparent;
	bool timeline; /* ask for a timeline with the answer: kv_item_timeline; the request is traced then in any case */
};

#define KV_OPTIONS_INIT                                                                                            \
	{                                                                                                          \
		sizeof(struct kv_options), KV_LEVEL_DEFAULT, KV_ACKS_DEFAULT, 0, 0, 0, 0, NULL, false, false,      \
			false, NULL, 0, NULL, NULL, NULL, false                                                    \
	}

/* ---- Answers ---------------------------------------------------------------------------------------------------- */

/** "No such node" where a node's index is expected. */
#define KV_NODE_NONE 0xFFFFu

/** Most replicas a receipt or a row of the map names. */
#define KV_ROW_MAX 14

struct kv_receipt_replica {
	uint16_t node; /* index in kv_nodes */
	enum kv_status
		status; /* KV_OK: it has what was written or read; KV_CONFLICT: it refused; KV_UNAVAILABLE: it was not
				* asked, or had not answered when this answer was given */
	struct kv_version version;
};

/** How a request was carried out. */
struct kv_receipt {
	enum kv_level asked, achieved;
	struct kv_version version;
	uint64_t epoch;        /* of the cluster map it was carried out in */
	uint32_t acks;         /* replicas that hold it */
	uint32_t hinted;       /* replicas that will be told later */
	uint32_t rounds;       /* phases of messages it took */
	uint32_t staleness_ms; /* bound on how old the answer may be; 0: not known, or a write */
	bool repaired;
	uint32_t attempts; /* times this library sent the request */
	uint32_t replica_count;
	struct kv_receipt_replica replicas[KV_ROW_MAX];
};

/** "No node" in a span. */
#define KV_SPAN_NODE_NONE 0xFFFFu

/** A stretch of the time that a request took. Names may be added with later versions. */
struct kv_span {
	const char
		*name; /* request, queue, backoff, turn, read, copy, prepare, accept, direct, push, forward, scan,
			     replica, serve, disk, commit, sync: docs/tracing.md. Static storage */
	const char *result; /* of a message: ack, reject, ..., "unanswered"; of a request: its status. NULL: none */
	uint32_t parent;    /* index of an earlier span; the first is nobody's child */
	uint16_t node;      /* index of where it was spent */
	uint16_t peer;      /* of who was asked; KV_SPAN_NODE_NONE: nobody */
	bool open;          /* it had not ended when it was told */
	uint64_t start_us;  /* since the request came to the node that tells */
	uint64_t took_us;
};

/** Where the time of a request went, as the node that coordinated it tells. */
struct kv_timeline {
	char trace_id[33];     /* 32 hexadecimal digits */
	const char *operation; /* "PUT". Static storage */
	uint16_t node;         /* who tells */
	uint16_t partition;
	enum kv_level level;
	uint64_t epoch;           /* of the cluster map */
	struct kv_version ballot; /* the last one; {0, 0}: none */
	uint32_t rounds;          /* of messages to replicas */
	enum kv_status status;
	bool in_doubt;
	uint64_t took_us;   /* at the node */
	uint64_t client_us; /* here, from the last sending to its answer */
	uint32_t left_out;  /* events that there was no room for */
	uint32_t span_count;
	const struct kv_span *spans; /* the first is the whole; parents come before children */
};

struct kv_memory;

/**
 * A value read, or what is known of a value written (then value is absent). Everything it points to lives until
 * kv_item_release.
 */
struct kv_item {
	struct kv_slice value;
	struct kv_version version;
	uint64_t expires_ms;              /* since 1970 on the cluster's clock; 0: never */
	const struct kv_receipt *receipt; /* NULL unless asked for */
	struct kv_memory *memory;         /* private */
	struct kv_write_id write;         /* of the write; zero after a read */
	uint32_t staleness_ms;            /* of a read: the value is at most that old; 0: not known */
	uint32_t reserved;
};

/** Gives the memory back and clears *ITEM. A zeroed or cleared item and NULL are allowed. Any thread. */
void kv_item_release(struct kv_item *item);

/** A second item on the same memory, released on its own: to keep what a callback was shown. Any thread. */
struct kv_item kv_item_ref(const struct kv_item *item);

/** The timeline that came with the answer, as long as ITEM lives. NULL: none was asked for, or the node knows of none. */
const struct kv_timeline *kv_item_timeline(const struct kv_item *item);

/** The number in an answer to kv_add (the sum), kv_append (the size) or kv_outcome of one. False if there is none. */
bool kv_item_number(const struct kv_item *item, int64_t *ret_number);

/* ---- One key, waiting ------------------------------------------------------------------------------------------- */
/* OPTIONS NULL means all defaults. Keys have 1 to 4096 bytes: an empty one gives KV_INVALID, a longer one KV_TOO_LARGE.
 *
 * RET_ITEM is the caller's to release, and may be NULL for writes. It is filled with KV_OK (writes: version and write id) and
 * with KV_CONDITION_FAILED (present version, {0, 0} if the key is absent; the value where value.data is not NULL); with a
 * receipt wanted KV_NOT_FOUND fills it too; with a timeline wanted every error does that a node answered, to the last
 * try or an earlier one, for kv_item_timeline alone.
 * After any other error it is cleared. */

/** KV_NOT_FOUND: no such key. */
enum kv_status kv_get(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      struct kv_item *ret_item, struct kv_error *err);

/** Values over 16 MiB, or over what the node takes, give KV_TOO_LARGE. KV_CONFLICT: other strong writes of the key kept it
 *  from finishing in the time given; not applied, like every error that is not in doubt. */
enum kv_status kv_put(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      struct kv_slice value, struct kv_item *ret_item, struct kv_error *err);

/** Deleting what is not there is KV_OK, unless a condition says otherwise. */
enum kv_status kv_del(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      struct kv_item *ret_item, struct kv_error *err);

/** kv_put if the present version is *EXPECTED, which kv_get told; NULL: if the key is absent. KV_INVALID: the options have
 *  expected or if_absent as well. KV_CONDITION_FAILED as told above. */
enum kv_status kv_cas(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      const struct kv_version *expected, struct kv_slice value, struct kv_item *ret_item,
		      struct kv_error *err);

/**
 * Adds DELTA to the number that the value is, in decimal; an absent key is 0. *RET_SUM (may be NULL) is set with KV_OK.
 * A time to live stays as it is; options with one, or with conditions, give KV_INVALID. KV_CONDITION_FAILED: the value
 * is no number of 64 bits, or the sum would pass -2^63+1 or 2^63-1.
 */
enum kv_status kv_add(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      int64_t delta, int64_t *ret_sum, struct kv_item *ret_item, struct kv_error *err);

/** Appends VALUE to the value; an absent key is empty. *RET_SIZE (may be NULL) is the new size in bytes, set with KV_OK. As to
 *  options like kv_add. KV_TOO_LARGE: the value would be; nothing is changed. */
enum kv_status kv_append(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			 struct kv_slice value, uint64_t *ret_size, struct kv_item *ret_item, struct kv_error *err);

/* ---- Writes and what became of them ----------------------------------------------------------------------------- */

/**
 * A new id for a write to come, to be kept somewhere safe before kv_options.write uses it: after a crash the same write can be
 * tried again, by another process too, without a second effect. Waits for a node to tell the cluster's time;
 * TIMEOUT_MS 0 means the client's default. KV_NOT_READY, KV_UNAVAILABLE, KV_DEADLINE: no node tells it.
 */
enum kv_status kv_write_id_new(struct kv_client *client, unsigned timeout_ms, struct kv_write_id *ret_id,
			       struct kv_error *err);

/** Room for the text of a write to a key of that many bytes, and its NUL. */
#define KV_WRITE_TEXT_SIZE(key_size) (3 * (size_t)(key_size) + 52)

/**
 * The write as one word of printable ASCII that holds the key too, cut at ROOM bytes with its NUL. Returns the size of the
 * whole text without its NUL, as snprintf does.
 */
size_t kv_write_id_format(const struct kv_write_id *id, struct kv_slice key, char *text, size_t room);

/** Reads exactly that form; RET_KEY has room for strlen(TEXT) bytes. The attempt is 1, as it may have been sent. False, and
 *  the id untouched, for anything else. */
bool kv_write_id_parse(const char *text, struct kv_write_id *ret_id, void *ret_key, size_t *ret_key_size);

/** What became of a write. */
enum kv_write_outcome {
	KV_WRITE_COMMITTED = 1,   /* took effect, once */
	KV_WRITE_NOT_APPLIED = 2, /* did not, and never will: this answer makes it final */
	KV_WRITE_EXPIRED = 3      /* too long ago, or too much has happened since, to tell */
};

/** "committed", "not_applied", "expired"; "unknown" for others. Static storage. */
const char *kv_write_outcome_name(enum kv_write_outcome outcome);

/**
 * Asks what became of the strong write of that id (KV_INVALID: NULL, or without t0 or client) to KEY; for eventual ones it cannot
 * be told. Repeating it gives the same answer until it is expired. RET_ITEM (may be NULL, the caller's to release) has
 * version and kv_item_number of a committed write. A retry of a write that was found not applied answers
 * KV_CONDITION_FAILED. Of the options time-out, bucket and receipt count.
 */
enum kv_status kv_outcome(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			  const struct kv_write_id *id, enum kv_write_outcome *ret_outcome,
			  struct kv_item *ret_item, struct kv_error *err);

/** The same for the text of kv_write_id_format. KV_INVALID: it is not one. */
enum kv_status kv_outcome_text(struct kv_client *client, const struct kv_options *options, const char *text,
			       enum kv_write_outcome *ret_outcome, struct kv_item *ret_item, struct kv_error *err);

/** kv_outcome's answer in an item that a callback was shown; 0 if it is none. */
enum kv_write_outcome kv_item_outcome(const struct kv_item *item);

/* ---- Sessions --------------------------------------------------------------------------------------------------- */
/*
 * A session remembers for the last 170 keys which versions it wrote and read. A read at KV_LEVEL_SESSION through any node and
 * any client then never shows less: it waits or asks other replicas instead. For keys that it has forgotten every read asks
 * all replicas. Each client has one of its own, used at that level when none is given. Any number of threads may use
 * one at once.
 */

/** Largest token of kv_session_export, in bytes. */
#define KV_SESSION_TOKEN_SIZE_MAX 4096

/** An empty session. Never NULL. Free it with kv_session_free. */
struct kv_session *kv_session_new(void);

/** NULL is allowed. Requests under way keep what they need. */
void kv_session_free(struct kv_session *session);

/** Writes the session as opaque bytes, to go on with it elsewhere or later, and returns how many. */
size_t kv_session_export(struct kv_session *session, uint8_t token[KV_SESSION_TOKEN_SIZE_MAX]);

/** Adds what an exported session had seen. An empty token adds nothing. KV_INVALID, and nothing is added: it is no token. */
enum kv_status kv_session_import(struct kv_session *session, struct kv_slice token, struct kv_error *err);

/* ---- Many keys, waiting ----------------------------------------------------------------------------------------- */
/* Single requests sent together: each has its own outcome, and they are not atomic across keys. */

struct kv_pair {
	struct kv_slice key;
	struct kv_slice value;
};

/** What became of one key of a batch. */
struct kv_outcome {
	struct kv_error error;
	struct kv_item item;
};

/** Releases the items of COUNT outcomes. */
void kv_outcomes_release(struct kv_outcome *outcomes, size_t count);

/**
 * Fills all COUNT OUTCOMES (caller's array, released with kv_outcomes_release) in any case. Returns KV_OK if every key gave
 * KV_OK or, for reads, KV_NOT_FOUND; otherwise the status of the first that did not, and ERR is its error.
 * More than 1000 keys or 16 MiB of keys and values: KV_TOO_LARGE for each, nothing is sent.
 */
/* Conditions, fence and session hold for each key; kv_options.write gives KV_INVALID. */
enum kv_status kv_mget(struct kv_client *client, const struct kv_options *options, const struct kv_slice *keys,
		       size_t count, struct kv_outcome *outcomes, struct kv_error *err);
enum kv_status kv_mput(struct kv_client *client, const struct kv_options *options, const struct kv_pair *pairs,
		       size_t count, struct kv_outcome *outcomes, struct kv_error *err);
enum kv_status kv_mdel(struct kv_client *client, const struct kv_options *options, const struct kv_slice *keys,
		       size_t count, struct kv_outcome *outcomes, struct kv_error *err);

/* ---- Not waiting ------------------------------------------------------------------------------------------------ */

/**
 * Called exactly once for each accepted request, also on time-out and kv_close, on the client's I/O thread or in the caller's
 * event loop, never inside the call that submitted it and never under a lock. ERROR and ITEM are lent for the call
 * (kv_item_ref keeps an item); ITEM is never NULL, and empty where there is nothing to tell.
 * It may submit further requests but must not wait, nor close the client.
 */
typedef void (*kv_callback)(struct kv_client *client, const struct kv_error *error, const struct kv_item *item,
			    void *arg);

/**
 * As their namesakes. Key and value are copied. If one of these fails (KV_INVALID, KV_TOO_LARGE, KV_CLOSED, or KV_OVERLOADED
 * when 65536 requests or 256 MiB of keys and values are waiting already) the callback never runs.
 */
enum kv_status kv_get_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    kv_callback callback, void *arg, struct kv_error *err);
enum kv_status kv_put_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    struct kv_slice value, kv_callback callback, void *arg, struct kv_error *err);
enum kv_status kv_del_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    kv_callback callback, void *arg, struct kv_error *err);
enum kv_status kv_cas_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    const struct kv_version *expected, struct kv_slice value, kv_callback callback,
			    void *arg, struct kv_error *err);
/** The sum is kv_item_number of the item. */
enum kv_status kv_add_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    int64_t delta, kv_callback callback, void *arg, struct kv_error *err);
/** The size is kv_item_number of the item. */
enum kv_status kv_append_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			       struct kv_slice value, kv_callback callback, void *arg, struct kv_error *err);
/** The outcome is kv_item_outcome of the item. */
enum kv_status kv_outcome_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
				const struct kv_write_id *id, kv_callback callback, void *arg,
				struct kv_error *err);

/* ---- Scan ------------------------------------------------------------------------------------------------------- */

/** An iterator over the keys of all partitions, one partition after the other: unordered across them. One thread a time. */
struct kv_scan;

struct kv_scan_options {
	uint32_t size;          /* sizeof(struct kv_scan_options) */
	uint32_t bucket;        /* 0: the default bucket */
	uint32_t timeout_ms;    /* of each page; 0: the client's default */
	uint32_t page_items;    /* entries fetched at once, at most 1000; 0: 1000 */
	struct kv_slice prefix; /* only keys that begin with it; absent: all */
	struct kv_slice
		cursor; /* from kv_scan_cursor of an earlier scan with the same prefix; absent: from the start */
	uint16_t node; /* only what this node holds, asked of itself; KV_NODE_NONE: any replica of each partition */
	bool raw;      /* also deleted, expired and weak copies: what is on that replica */
};

#define KV_SCAN_OPTIONS_INIT                                                                                       \
	{                                                                                                          \
		sizeof(struct kv_scan_options), 0, 0, 0, {NULL, 0}, {NULL, 0}, KV_NODE_NONE, false                 \
	}

struct kv_entry {
	struct kv_slice key;
	struct kv_slice value;
	struct kv_version version; /* of the value: what kv_get shows */
	struct kv_version copy;    /* of this replica's copy of it */
	uint64_t expires_ms;       /* 0: never */
	uint64_t value_hash;       /* XXH3 of the value */
	uint16_t partition;
	bool tombstone; /* deleted; only with raw */
	bool weak;      /* stored below a promise; only with raw */
	bool strong;    /* written by a strong request */
};

/** Each page is an eventual read of one replica. OPTIONS NULL: everything. Close with kv_scan_close. */
enum kv_status kv_scan_open(struct kv_client *client, const struct kv_scan_options *options,
			    struct kv_scan **ret_scan, struct kv_error *err);

/**
 * The next entry; its bytes live until the next call on the same scan. KV_NOT_FOUND: there are no more. After another error
 * the same call may be repeated: it goes on where it failed.
 */
enum kv_status kv_scan_next(struct kv_scan *scan, struct kv_entry *ret_entry, struct kv_error *err);

/**
 * Where to start a later scan to see every entry not yet returned: opaque bytes, at most 4400, lent until the next call.
 * It may repeat up to one page of entries that were returned. Absent when the scan is at its end.
 */
struct kv_slice kv_scan_cursor(struct kv_scan *scan);

/** NULL is allowed. */
void kv_scan_close(struct kv_scan *scan);

/* ---- The ledger of conflicts ------------------------------------------------------------------------------------ */
/*
 * An eventual value that lost to a concurrent one is kept for a time in a ledger of the replicas that saw it lose. To restore
 * it, put it again.
 */

/** An iterator over the ledgers of all nodes, one partition after the other. One thread a time. */
struct kv_ledger;

/** Why a value is in the ledger. */
enum kv_ledger_cause {
	KV_LEDGER_LATE = 1,        /* a newer version was there when it came */
	KV_LEDGER_OVERWRITTEN = 2, /* an eventual write that had not seen it took its place */
	KV_LEDGER_STRONG = 3       /* a strong write took its place at about the same time */
};

/** "late", "overwritten", "strong"; "unknown" for numbers of a newer node. Static storage. */
const char *kv_ledger_cause_name(enum kv_ledger_cause cause);

struct kv_ledger_options {
	uint32_t size;       /* sizeof(struct kv_ledger_options) */
	uint32_t bucket;     /* 0: the default bucket */
	uint32_t timeout_ms; /* of each page; 0: the client's default */
	struct kv_slice key; /* only of this key; absent: of all */
};

#define KV_LEDGER_OPTIONS_INIT                                                                                     \
	{                                                                                                          \
		sizeof(struct kv_ledger_options), 0, 0, { NULL, 0 }                                                \
	}

struct kv_ledger_entry {
	struct kv_slice key;
	struct kv_slice value;     /* absent, with a value_hash, if it was too large to be kept */
	struct kv_version version; /* of this value */
	struct kv_version winner;  /* it lost to */
	enum kv_ledger_cause cause;
	uint64_t expires_ms; /* of the entry, since 1970 on the cluster's clock */
	uint64_t value_hash; /* XXH3 of the value */
	uint16_t partition;
	uint16_t node; /* that told of it first; others may have it too */
};

/** OPTIONS NULL: everything. KV_NOT_READY as in kv_cluster_info. Close with kv_ledger_close. */
enum kv_status kv_ledger_open(struct kv_client *client, const struct kv_ledger_options *options,
			      struct kv_ledger **ret_ledger, struct kv_error *err);

/**
 * The next entry, each once though several replicas hold it; its bytes live until the next call on the same ledger.
 * KV_NOT_FOUND: there are no more. Another error tells that a node could not be asked, once a node: calls after it go on
 * without that node.
 */
enum kv_status kv_ledger_next(struct kv_ledger *ledger, struct kv_ledger_entry *ret_entry, struct kv_error *err);

/** NULL is allowed. */
void kv_ledger_close(struct kv_ledger *ledger);

/* ---- The cluster ------------------------------------------------------------------------------------------------ */

/** Text of a 16-byte identity with its NUL. */
#define KV_UUID_TEXT_SIZE 37

struct kv_cluster_info {
	char uuid[KV_UUID_TEXT_SIZE];
	char name[65];
	uint64_t epoch; /* of the cluster map */
	uint32_t partitions;
	uint32_t replicas; /* of each partition */
	uint32_t node_count;
	uint32_t move_count; /* partitions on the way to other nodes */
	uint32_t voter_count;
	uint16_t voters[5];     /* nodes that keep the map */
	uint64_t feature_level; /* what came up to it is in use; see kv_upgrade_finalize */
};

/** The cluster as its map tells. KV_NOT_READY: the nodes are not part of a cluster yet. */
enum kv_status kv_cluster_info(struct kv_client *client, struct kv_cluster_info *ret_info, struct kv_error *err);

enum kv_node_state {
	KV_NODE_JOINING = 1, /* gets partitions */
	KV_NODE_NORMAL = 2,
	KV_NODE_LEAVING = 3, /* gives its partitions away */
	KV_NODE_REMOVED = 4, /* for ever */
	KV_NODE_STAGED = 5,  /* waits for a commit, holds nothing */
};

struct kv_node {
	uint16_t index;
	enum kv_node_state state;
	uint32_t weight;
	uint32_t partitions; /* whose row names it */
	char uuid[KV_UUID_TEXT_SIZE];
	char name[65];
	char zone[65];
	char client_address[257]; /* host:port */
	char peer_address[257];
	bool leave_staged;      /* a commit makes it leave */
	bool gone_staged;       /* a commit removes it at once */
	bool keep_staged;       /* LEAVING: a commit makes it stay */
	uint16_t replaces;      /* STAGED: whose place it takes at the commit; KV_NODE_NONE */
	uint32_t feature_level; /* greatest that its version can do */
};

/** All nodes of the map, by index. *ret_nodes is freed with kv_nodes_free. KV_NOT_READY as in kv_cluster_info. */
enum kv_status kv_nodes(struct kv_client *client, struct kv_node **ret_nodes, size_t *ret_count,
			struct kv_error *err);
void kv_nodes_free(struct kv_node *nodes);

/** Where a key or partition lives. */
struct kv_location {
	uint64_t hash;  /* of the key; 0 from kv_locate_partition */
	uint64_t epoch; /* of the map that says so */
	uint16_t partition;
	uint16_t leaf; /* slice of the partition; 0 from kv_locate_partition */
	uint16_t node_count;
	uint16_t nodes[KV_ROW_MAX]; /* indexes in kv_nodes, preferred coordinator first */
	/* Bit I: nodes[I] is a replica now, and will be one after the move under way; both the same without one. While they
	 * differ a strong request needs a majority of each. */
	uint16_t members, members_next;
};

enum kv_status kv_locate(struct kv_client *client, struct kv_slice key, struct kv_location *ret_location,
			 struct kv_error *err);
/** KV_INVALID: no such partition. */
enum kv_status kv_locate_partition(struct kv_client *client, uint32_t partition, struct kv_location *ret_location,
				   struct kv_error *err);

/* The calls below go to one node. TARGET is "host:port", the name of a node in the map, or NULL for any endpoint.
 * TIMEOUT_MS 0 means the client's default. */

/** Asks for a sign of life; *ret_us (may be NULL) is the time it took in microseconds, without connecting. */
enum kv_status kv_ping(struct kv_client *client, const char *target, unsigned timeout_ms, uint64_t *ret_us,
		       struct kv_error *err);

enum kv_peer_state { KV_PEER_UP = 1, KV_PEER_SUSPECT = 2, KV_PEER_DOWN = 3, KV_PEER_MYSELF = 4 };

struct kv_peer_status {
	uint16_t node; /* index in kv_nodes */
	enum kv_peer_state state;
	uint64_t round_trip_us;
	uint64_t hints_pending;    /* keys to tell it about when it is back */
	uint32_t partitions_dirty; /* partitions with more changes than hints could hold */
	bool link_bad;             /* it is alive and does not answer the node that tells this */
	bool degraded;             /* its disk has been slow for a while: it is asked last */
	uint32_t health;           /* how far it trusts itself: 0 fully, to 7 */
	uint32_t disk_p99_us;      /* slowest hundredth of its synced writes; 0: not known */
	uint32_t disk_free_pct;    /* 0: not known */
	bool disk_low; /* its disk is nearly full: it stores no value that takes more room than what was there */
};

struct kv_counter {
	const char *name;
	uint64_t value;
};

/** A node as it sees itself and the others. */
struct kv_node_status {
	char cluster[KV_UUID_TEXT_SIZE]; /* empty: part of no cluster yet */
	char node[KV_UUID_TEXT_SIZE];
	char name[65];
	char version[65];
	uint16_t index;       /* KV_NODE_NONE: none */
	bool ready;           /* serves requests */
	uint64_t incarnation; /* starts so far */
	uint64_t map_epoch;
	uint64_t uptime_ms;
	uint32_t shards;
	size_t peer_count;
	const struct kv_peer_status *peers;
	size_t counter_count;
	const struct kv_counter *counters;
};

/** *ret_status is one block of memory, freed with kv_node_status_free. Never asks another node than TARGET. */
enum kv_status kv_status_get(struct kv_client *client, const char *target, unsigned timeout_ms,
			     struct kv_node_status **ret_status, struct kv_error *err);
void kv_node_status_free(struct kv_node_status *status);

/** A cluster to be. */
struct kv_cluster_spec {
	uint32_t size;                     /* sizeof(struct kv_cluster_spec) */
	uint32_t partitions;               /* power of two, 16 to 4096; 0: 1024 */
	uint32_t replicas;                 /* odd, 1 to 7; 0: the smaller of 3 and the nodes, made odd */
	const char *name;                  /* at most 64 bytes */
	const char *const *peer_addresses; /* host:port of empty nodes, the asked one among them */
	size_t address_count;              /* 1 to 256 */
};

#define KV_CLUSTER_SPEC_INIT                                                                                       \
	{                                                                                                          \
		sizeof(struct kv_cluster_spec), 0, 0, NULL, NULL, 0                                                \
	}

/**
 * Forms a cluster: asks the node TARGET (NULL: the first endpoint) to do so. Sent once; in_doubt if no answer came, then
 * kv_status_get tells. KV_REFUSED: a node is part of a cluster already or holds data.
 */
enum kv_status kv_cluster_init(struct kv_client *client, const char *target, const struct kv_cluster_spec *spec,
			       unsigned timeout_ms, struct kv_error *err);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
