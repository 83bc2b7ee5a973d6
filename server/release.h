/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What this build can do, as other nodes and what is on disk have to know it. One object file of its own, so that a test can link the
 * same server as the release after this one.
 *
 * A feature that older releases do not understand, on the wire or on disk, gets the next level and is used only while the cluster
 * map's feature_level has reached it: kvctl upgrade finalize raises that once every node can. Until then any node may go back.
 */
#ifndef KV_SERVER_RELEASE_H
#define KV_SERVER_RELEASE_H

#include "base/types.h"

struct release {
	const char *version;
	uint32_t proto_min, proto_max; /* of frames and messages; HELLO chooses */
	uint32_t feature_level;        /* greatest that this build can do, below 64 */
};

extern const struct release release;

/** Its levels as a set of features, as maps and HELLO have it. */
static inline uint64_t release_features(void) { return (1ull << release.feature_level) - 1; }

#endif
