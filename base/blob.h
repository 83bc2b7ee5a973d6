/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Immutable bytes with a reference count: one value shared by messages, actions and records without copies.
 *
 * The count is not atomic: all references to one blob belong to one thread (the core's). To pass bytes to another
 * thread, pass a copy, or keep the reference here until that thread is done with the slice.
 */
#ifndef KV_BASE_BLOB_H
#define KV_BASE_BLOB_H

#include "base/slice.h"

struct blob {
	uint32_t refs; /* private; 1 when made */
	size_t size;   /* read-only */
	uint8_t data[];
};

/** A blob with a copy of BYTES and one reference, the caller's. NULL when out of memory. */
MUST_USE struct blob *blob_new(struct slice bytes);

/** As blob_new, but the caller fills data[0..size) before anyone else sees the blob. NULL when out of memory. */
MUST_USE struct blob *blob_new_uninit(size_t size);

/** Adds a reference and returns BLOB. NULL gives NULL. */
struct blob *blob_ref(struct blob *blob);

/** Gives a reference back; the last one frees the bytes. NULL is allowed. */
void blob_unref(struct blob *blob);

/** The bytes, borrowed as long as a reference is held. NULL gives the absent slice. */
static inline struct slice blob_slice(const struct blob *blob)
{
	return blob ? slice_of(blob->data, blob->size) : slice_of(NULL, 0);
}

#endif
