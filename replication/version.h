/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The one order of everything: values, ballots and floors are versions and compare with each other.
 */
#ifndef KV_REPLICATION_VERSION_H
#define KV_REPLICATION_VERSION_H

#include "base/hash.h"
#include "proto/msg.h"

#define VERSION_NONE        ((struct version){0, 0})
#define VERSION_NODE_CLIENT 0xFFFFu /* node part of versions whose time a client fixed */

/** <0, 0, >0 as A is below, equal to, above B. */
static inline int version_compare(struct version a, struct version b)
{
	if (a.hlc != b.hlc)
		return a.hlc < b.hlc ? -1 : 1;
	if (a.id != b.id)
		return a.id < b.id ? -1 : 1;
	return 0;
}

static inline bool version_less(struct version a, struct version b) { return version_compare(a, b) < 0; }
static inline bool version_at_most(struct version a, struct version b) { return version_compare(a, b) <= 0; }
static inline bool version_equal(struct version a, struct version b) { return version_compare(a, b) == 0; }
static inline bool version_is_none(struct version v) { return v.hlc == 0 && v.id == 0; }
static inline struct version version_max(struct version a, struct version b) { return version_less(a, b) ? b : a; }

/** A coordinator's own version. */
static inline struct version version_of_node(hlc_t hlc, node_id node)
{
	return (struct version){.hlc = hlc, .id = (uint64_t)node << 48};
}

/** The version of an eventual write whose client fixed its time: the same for every retry of RID. */
static inline struct version version_of_request(hlc_t t0, struct request_id rid)
{
	uint64_t hash = hash64(slice_of(&rid, sizeof rid));
	return (struct version){.hlc = t0, .id = (uint64_t)VERSION_NODE_CLIENT << 48 | hash >> 16};
}

/** Above every version with the same or a lower hlc: a floor. */
static inline struct version version_floor(hlc_t hlc) { return (struct version){.hlc = hlc, .id = UINT64_MAX}; }

static inline bool request_id_is_none(struct request_id rid) { return rid.client == 0 && rid.seq == 0; }

static inline bool request_id_equal(struct request_id a, struct request_id b)
{
	return a.client == b.client && a.seq == b.seq;
}

/** True if A comes after B in the same lane: B is over for whoever sent it. */
static inline bool request_id_is_later(struct request_id a, struct request_id b)
{
	return a.client == b.client && (a.seq & b.seq & REQUEST_LANE) && a.seq > b.seq;
}

#endif
