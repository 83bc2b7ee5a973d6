/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/each_node.h"

#include <pthread.h>

#include "base/base.h"

enum { THREADS_MAX = 16 };

/** Threads take one number after the other until none is left. */
struct asking {
	size_t count;
	void (*ask)(void *arg, size_t i);
	void *arg;
	_Atomic size_t next;
};

static void *ask(void *arg)
{
	struct asking *a = arg;
	for (size_t i = a->next++; i < a->count; i = a->next++)
		a->ask(a->arg, i);
	return NULL;
}

void each_node(size_t count, void (*ask_one)(void *arg, size_t i), void *arg)
{
	struct asking a = {.count = count, .ask = ask_one, .arg = arg};
	pthread_t threads[THREADS_MAX];
	size_t started = 0, wanted = MIN(count, (size_t)THREADS_MAX);
	while (started + 1 < wanted && pthread_create(&threads[started], NULL, ask, &a) == 0)
		started++;
	ask(&a);
	while (started > 0)
		pthread_join(threads[--started], NULL);
}
