/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What happened in a run, in order: a hash over all of it and the last entries for people.
 *
 * An entry is four numbers under a name. Nothing that depends on addresses enters, so that one seed gives one hash.
 */
#ifndef KV_SIM_TRACE_H
#define KV_SIM_TRACE_H

#include "base/buf.h"
#include "base/types.h"

#define TRACE_KEPT 400u

/*      kind              a         b         c         d */
#define TRACE_KINDS(X)                                                                                             \
	X(boot, "node", "incarnation", "hlc_limit", "")                                                            \
	X(crash, "node", "lost_batches", "", "")                                                                   \
	X(deaf, "node", "until_us", "", "")                                                                        \
	X(alone, "node", "until_us", "", "")                                                                       \
	X(pause, "node", "until_us", "", "")                                                                       \
	X(stop, "node", "status", "", "")                                                                          \
	X(lose, "node", "why", "", "")                                                                             \
	X(full, "node", "until_us", "", "")                                                                        \
	X(sync_failed, "node", "writes", "", "")                                                                   \
	X(storm, "until_us", "patience_us", "", "")                                                                \
	X(clock, "node", "offset_us", "", "")                                                                      \
	X(cut, "from_mask", "to_mask", "", "")                                                                     \
	X(join, "from_mask", "to_mask", "", "")                                                                    \
	X(heal, "", "", "", "")                                                                                    \
	X(send, "from", "to", "opcode", "id")                                                                      \
	X(lost, "from", "to", "opcode", "id")                                                                      \
	X(twice, "from", "to", "opcode", "id")                                                                     \
	X(deliver, "from", "to", "opcode", "id")                                                                   \
	X(reply, "node", "client", "status", "token")                                                              \
	X(write, "node", "core", "token", "puts")                                                                  \
	X(drop, "node", "core", "token", "partition")                                                              \
	X(durable, "node", "core", "token", "")                                                                    \
	X(read, "node", "core", "token", "found")                                                                  \
	X(scan, "node", "core", "token", "rows")                                                                   \
	X(change, "node", "kind", "about", "turn")                                                                 \
	X(changed, "node", "kind", "status", "turn")                                                               \
	X(map, "node", "epoch", "", "")                                                                            \
	X(invoke, "client", "node", "op", "attempt")                                                               \
	X(answer, "client", "op", "status", "in_doubt")                                                            \
	X(timeout, "client", "op", "died", "")

enum trace_kind {
#define TRACE_KIND_(name, a, b, c, d) TRACE_##name,
	TRACE_KINDS(TRACE_KIND_)
#undef TRACE_KIND_
};

struct trace_entry {
	usec_t at_us;
	enum trace_kind kind;
	uint64_t a, b, c, d;
};

struct trace {
	uint64_t hash;                       /* read-only: of all entries so far */
	uint64_t count;                      /* read-only */
	bool verbose;                        /* public: also print each entry to stdout */
	bool keeps_all;                      /* public: keep all entries, not only the last */
	struct trace_entry *all;             /* private, if keeps_all */
	uint64_t all_count, all_capacity;    /* private */
	struct trace_entry kept[TRACE_KEPT]; /* private */
};

void trace_add(struct trace *t, usec_t at_us, enum trace_kind kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/** Mixes numbers into the hash without an entry: for what is too frequent to keep. */
void trace_mix(struct trace *t, uint64_t a, uint64_t b);

void trace_release(struct trace *t);

/**
 * Appends what was kept of the time from FROM_US to TO_US, at most COUNT entries, without background messages: heartbeats, hints
 * and maps. Only if all was kept.
 */
void trace_print_between(const struct trace *t, usec_t from_us, usec_t to_us, uint32_t count, struct buf *out);

/** Appends the last COUNT entries as text, oldest first. */
void trace_print(const struct trace *t, uint32_t count, struct buf *out);

#endif
