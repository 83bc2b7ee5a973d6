/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The timeline of a request, inside other messages. Only proto/codec*.c include this.
 */
#ifndef KV_PROTO_CODEC_TIMELINE_H
#define KV_PROTO_CODEC_TIMELINE_H

#include "proto/client.pb-c.h"
#include "proto/codec_internal.h"

/** The generated form of one timeline; must be released when the message is packed. */
struct codec_timeline {
	Kv__Timeline pb;
	Kv__TimelineSpan *spans; /* heap */
	Kv__TimelineSpan **pointers;
};

void codec_timeline_set(const struct msg_timeline *t, struct codec_timeline *ret);

/** Accepts a zeroed struct. Fits CLEANUP. */
void codec_timeline_release(struct codec_timeline *timeline);

/** The timeline in the arena. KV_TOO_LARGE with too many spans, KV_INVALID if a number does not fit. */
MUST_USE enum kv_status codec_timeline_get(struct codec_in *in, const Kv__Timeline *pb,
					   const struct msg_timeline **ret);

#endif
