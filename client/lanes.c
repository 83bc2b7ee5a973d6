/* SPDX-License-Identifier: Apache-2.0 */
#include "client/lanes.h"

void lanes_init(struct lanes *l, uint64_t client)
{
	KV_ASSERT(client != 0);
	*l = (struct lanes){.client = client};
}

void lanes_release(struct lanes *l)
{
	free(l->free);
	*l = (struct lanes){0};
}

struct request_id lanes_take(struct lanes *l)
{
	uint64_t lane = l->free_count > 0 ? l->free[--l->free_count] : l->next++;
	/* A sum that wraps to 0 would mean "no name"; no client lives long enough to meet it twice. */
	uint64_t client = l->client + lane ? l->client + lane : l->client + l->next++;
	return (struct request_id){.client = client, .seq = REQUEST_LANE | ++l->seq};
}

void lanes_end(struct lanes *l, struct request_id rid, bool in_doubt)
{
	KV_ASSERT(rid.seq & REQUEST_LANE);
	if (in_doubt)
		return;
	if (l->free_count == l->free_capacity) {
		l->free_capacity = MAX(l->free_capacity * 2, (size_t)16);
		l->free = xrealloc(l->free, l->free_capacity * sizeof l->free[0]);
	}
	l->free[l->free_count++] = rid.client - l->client;
}
