/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader.h"

#include <pthread.h>

struct reader {
	pthread_mutex_t mutex; /* of jobs and stopping */
	pthread_cond_t more;
	struct ilist jobs;
	bool stopping;
	unsigned thread_count;
	pthread_t threads[];
};

/** Waits for a job; NULL when stopping and none is left. */
static struct reader_job *take(struct reader *r)
{
	pthread_mutex_lock(&r->mutex);
	while (ilist_is_empty(&r->jobs) && !r->stopping)
		pthread_cond_wait(&r->more, &r->mutex);
	struct ilink *link = ilist_pop_front(&r->jobs);
	pthread_mutex_unlock(&r->mutex);
	return link ? container_of(link, struct reader_job, link) : NULL;
}

static void *reader_main(void *data)
{
	struct reader *r = data;
	for (struct reader_job *job = take(r); job; job = take(r)) {
		job->work(job);
		loop_post(job->owner, &job->done);
	}
	return NULL;
}

struct reader *reader_new(unsigned count)
{
	KV_ASSERT(count > 0);
	struct reader *r = xcalloc(1, sizeof *r + count * sizeof r->threads[0]);
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->more, NULL);
	ilist_init(&r->jobs);
	for (; r->thread_count < count; r->thread_count++) {
		int failed = pthread_create(&r->threads[r->thread_count], NULL, reader_main, r);
		KV_ASSERT(failed == 0);
		pthread_setname_np(r->threads[r->thread_count], "kvd-reader");
	}
	return r;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->stopping = true;
	pthread_cond_broadcast(&r->more);
	pthread_mutex_unlock(&r->mutex);
	for (unsigned i = 0; i < r->thread_count; i++)
		pthread_join(r->threads[i], NULL);
	pthread_cond_destroy(&r->more);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}

void reader_submit(struct reader *r, struct reader_job *job)
{
	KV_ASSERT(job->owner);
	KV_ASSERT(job->work);
	pthread_mutex_lock(&r->mutex);
	ilist_push_back(&r->jobs, &job->link);
	pthread_cond_signal(&r->more);
	pthread_mutex_unlock(&r->mutex);
}
