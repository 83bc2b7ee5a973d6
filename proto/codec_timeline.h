/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The timeline of a request, inside other messages. Only proto/codec*.c include this.
 */
#ifndef KV_PROTO_CODEC_TIMELINE_H
#define KV_PROTO_CODEC_TIMELINE_H

#include "proto/codec_internal.h"

/** Bytes that codec_timeline_put needs at most; 0 for NULL. */
size_t codec_timeline_size_max(const struct msg_timeline *t);

/** Writes field NUMBER at W and returns where the next one goes. Nothing for NULL. */
uint8_t *codec_timeline_put(uint8_t *w, uint32_t number, const struct msg_timeline *t);

/** Reads the field whose tag was just read: the timeline in the arena. *RET must be NULL before: it comes once. */
void codec_timeline_get(struct wire *outer, const struct msg_timeline **ret);

#endif
