/* SPDX-License-Identifier: Apache-2.0 */
/* The answers to one phase of an operation, counted until a majority is there. */
#include "bench/micro/micro.h"
#include "replication/quorum.h"

/** Three answers and a verdict after each. */
MEASURED static void measure_quorum_of_three(const struct row *row)
{
	for (int i = 0; i < MICRO_CALLS; i++) {
		struct quorum q;
		quorum_init(&q, row, need_majority(row));
		for (uint32_t at = 0; at < row->count; at++) {
			MICRO_USE(quorum_add(&q, at, true));
			MICRO_USE(quorum_verdict(&q));
		}
		MICRO_USE(quorum_complete(&q));
	}
}

/** While a partition moves: three old members, three new ones. */
MEASURED static void measure_quorum_joint(const struct row *row)
{
	for (int i = 0; i < MICRO_CALLS; i++) {
		struct quorum q;
		quorum_init(&q, row, need_majority(row));
		for (uint32_t at = 0; at < row->count; at++) {
			MICRO_USE(quorum_add(&q, at, true));
			MICRO_USE(quorum_verdict(&q));
		}
		MICRO_USE(quorum_complete(&q));
	}
}

int main(void)
{
	static const node_id nodes[6] = {0, 1, 2, 3, 4, 5};
	const struct row plain = {.count = 3, .nodes = nodes, .config_epoch = 1, .old = 7, .next = 7};
	const struct row joint = {.count = 6, .nodes = nodes, .config_epoch = 2, .old = 7, .next = 56};
	measure_quorum_of_three(&plain);
	measure_quorum_joint(&joint);
	return 0;
}
