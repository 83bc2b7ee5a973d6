/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Writes JSON, compact, into a buffer as it is told the parts. Text that is not UTF-8 has its bad bytes replaced by U+FFFD.
 *
 * NAME is the member's name inside an object and NULL inside an array or at the top. One owner, no locking.
 */
#ifndef KV_BASE_JSONW_H
#define KV_BASE_JSONW_H

#include "base/buf.h"

struct jsonw {
	struct buf *out; /* public: borrowed */
	bool comma;      /* private: something stands before the next value */
	unsigned depth;  /* private */
};

#define JSONW_INIT(out_) ((struct jsonw){.out = (out_)})

void jsonw_object(struct jsonw *w, const char *name);
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w, const char *name);
void jsonw_array_end(struct jsonw *w);

void jsonw_text(struct jsonw *w, const char *name, struct slice text);
void jsonw_str(struct jsonw *w, const char *name, const char *text);
void jsonw_u64(struct jsonw *w, const char *name, uint64_t value);
void jsonw_i64(struct jsonw *w, const char *name, int64_t value);
void jsonw_bool(struct jsonw *w, const char *name, bool value);
void jsonw_null(struct jsonw *w, const char *name);

#endif
