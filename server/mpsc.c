/* SPDX-License-Identifier: Apache-2.0 */
#include "server/mpsc.h"

bool mpsc_push(struct mpsc *queue, struct mpsc_node *node)
{
	struct mpsc_node *head = atomic_load_explicit(&queue->head, memory_order_relaxed);
	do
		node->next = head;
	while (!atomic_compare_exchange_weak_explicit(&queue->head, &head, node, memory_order_release,
						      memory_order_relaxed));
	return head == NULL;
}

struct mpsc_node *mpsc_take_all(struct mpsc *queue)
{
	struct mpsc_node *newest = atomic_exchange_explicit(&queue->head, NULL, memory_order_acquire);
	struct mpsc_node *oldest = NULL;
	while (newest) {
		struct mpsc_node *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}
