/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/replicas.h"

void replicas_release(struct replicas *r)
{
	free(r->copies);
	*r = (struct replicas){0};
}

void replicas_add(struct replicas *r, const struct replica_copy *copy)
{
	if (r->count == r->capacity) {
		r->capacity = MAX(r->capacity * 2, 16u);
		r->copies = xrealloc(r->copies, r->capacity * sizeof(r->copies[0]));
	}
	r->copies[r->count++] = *copy;
}
