/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a strong write makes of the value that is there: conditions judged, sums and concatenations made.
 *
 * Pure: the same operation on the same record gives the same change.
 */
#ifndef KV_REPLICATION_CHANGE_H
#define KV_REPLICATION_CHANGE_H

#include "replication/record.h"

struct op;

struct change {
	enum kv_status status; /* KV_OK: the value below is to be written. Otherwise why not */
	const char *text;      /* static; NULL with KV_OK */
	bool tombstone;
	struct blob *value;  /* borrowed: op->value or op->made; NULL for a tombstone */
	uint64_t result;     /* as the record keeps it */
	uint64_t expires_ms; /* ADD, APPEND: the present end of life, which stays */
};

/** True if the present value's bytes decide. */
bool change_needs_value(const struct op *op);

/**
 * Judges OP on the record M, whose value a reader sees if VISIBLE, on a key with fence FENCE. Sets op->made where a value has
 * to be made. False when out of memory.
 */
MUST_USE bool change_evaluate(struct op *op, const struct record *m, bool visible, uint64_t fence,
			      uint32_t value_size_max, struct change *ret);

/** Largest text of change_number. */
#define CHANGE_NUMBER_SIZE 24u

/** RESULT of an ADD or APPEND as clients see it: decimal text, written into TEXT. */
struct slice change_number(uint16_t opcode, uint64_t result, char text[CHANGE_NUMBER_SIZE]);

#endif
