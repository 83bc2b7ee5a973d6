/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Messages as they travel in the simulator: through the real codec, so that what it loses or changes breaks a run.
 */
#ifndef KV_SIM_WIRE_H
#define KV_SIM_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "proto/msg.h"

/** Appends the frame of M, which must be encodable. */
void wire_encode(const struct msg *m, struct buf *out);

/** Decodes a frame that wire_encode made. RET points into FRAME and ARENA. */
void wire_decode(struct slice frame, struct arena *arena, struct msg *ret);

/** True for the messages of the protocol, which may also travel as a copy. */
bool wire_can_copy(const struct msg *m);

/** A copy of M with all it points to, in ARENA. */
struct msg *wire_copy(const struct msg *m, struct arena *arena);

/** Which of a node's cores a message is for. PARTITIONS: of the node's map, 0 without one. */
uint32_t wire_core(const struct msg *m, uint32_t partitions, uint32_t core_count);

/** Opcode, direction and outcome in one number, for traces: opcode | reply << 16 | answer or status << 32. */
uint64_t wire_label(const struct msg *m);

#endif
