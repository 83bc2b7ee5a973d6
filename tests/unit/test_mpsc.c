/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <pthread.h>

#include "server/mpsc.h"

enum { PRODUCERS = 4, PUSHES = 50000 };

struct item {
	struct mpsc_node node;
	unsigned producer, number;
};

struct producer {
	struct mpsc *queue;
	struct item *items;
	_Atomic unsigned *empty_pushes;
};

static void an_empty_queue_gives_nothing(void **state)
{
	struct mpsc queue = {NULL};
	assert_null(mpsc_take_all(&queue));
}

static void only_the_push_into_an_empty_queue_says_so(void **state)
{
	struct mpsc queue = {NULL};
	struct mpsc_node a, b;
	assert_true(mpsc_push(&queue, &a));
	assert_false(mpsc_push(&queue, &b));
	assert_ptr_equal(mpsc_take_all(&queue), &a);
	assert_ptr_equal(a.next, &b);
	assert_null(b.next);
	assert_true(mpsc_push(&queue, &a));
}

static void *produce(void *data)
{
	struct producer *p = data;
	for (unsigned i = 0; i < PUSHES; i++) {
		if (mpsc_push(p->queue, &p->items[i].node))
			atomic_fetch_add(p->empty_pushes, 1);
	}
	return NULL;
}

static void many_producers_lose_nothing_and_keep_their_order(void **state)
{
	struct mpsc queue = {NULL};
	_Atomic unsigned empty_pushes = 0;
	struct producer producers[PRODUCERS];
	pthread_t threads[PRODUCERS];
	for (unsigned p = 0; p < PRODUCERS; p++) {
		producers[p] = (struct producer){.queue = &queue,
						 .items = xcalloc(PUSHES, sizeof(struct item)),
						 .empty_pushes = &empty_pushes};
		for (unsigned i = 0; i < PUSHES; i++)
			producers[p].items[i] = (struct item){.producer = p, .number = i};
		pthread_create(&threads[p], NULL, produce, &producers[p]);
	}
	unsigned next[PRODUCERS] = {0}, taken = 0, batches = 0;
	while (taken < PRODUCERS * PUSHES) {
		struct mpsc_node *node = mpsc_take_all(&queue);
		batches += node != NULL;
		for (; node; node = node->next, taken++) {
			struct item *item = container_of(node, struct item, node);
			assert_int_equal(item->number, next[item->producer]);
			next[item->producer]++;
		}
	}
	for (unsigned p = 0; p < PRODUCERS; p++) {
		pthread_join(threads[p], NULL);
		free(producers[p].items);
	}
	assert_int_equal(empty_pushes, batches); /* one wake a batch */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_queue_gives_nothing),
		cmocka_unit_test(only_the_push_into_an_empty_queue_says_so),
		cmocka_unit_test(many_producers_lose_nothing_and_keep_their_order),
	};
	return test_run("mpsc", tests);
}
