/* SPDX-License-Identifier: Apache-2.0 */
#include "server/insight.h"

#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/page_data.h"
#include "server/status_json.h"

struct insight {
	struct server *server;
	struct loop loop;
	pthread_t thread;
	struct http http;
	struct loop_timer step;
	struct arena arena; /* of the model */
	struct status model;
	usec_t model_us; /* when it was collected; 0: never */
	struct trend trend;
	struct hist recent_us[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT];
};

static void refresh(struct insight *i)
{
	usec_t now_us = clock_mono_us();
	if (i->model_us != 0 && now_us < i->model_us + INSIGHT_FRESH_US)
		return;
	status_collect(i->server, &i->arena, &i->model);
	i->model_us = now_us;
	trend_take(&i->trend, &i->model, now_us);
}

static void on_step(void *data)
{
	struct insight *i = data;
	refresh(i);
	loop_timer_set(&i->step, clock_mono_us() + TREND_STEP_US);
}

/* ---- Pages ---- */

static void get_health(struct insight *i, struct http_answer *answer)
{
	answer->code = 200;
	buf_append_str(&answer->body, "ok\n");
}

static void get_readiness(struct insight *i, struct http_answer *answer)
{
	const char *why;
	refresh(i);
	bool fit = status_is_fit(&i->model, &why);
	answer->code = fit ? 200 : 503;
	buf_printf(&answer->body, "%s\n", fit ? "ready" : why);
}

static struct metrics_view look(struct insight *i)
{
	refresh(i);
	trend_recent(&i->trend, &i->model, i->recent_us);
	return (struct metrics_view){.now = &i->model, .recent_us = i->recent_us};
}

static void get_metrics(struct insight *i, struct http_answer *answer)
{
	const struct metrics_view view = look(i);
	answer->code = 200;
	answer->type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_write(&view, &answer->body);
}

static void get_status(struct insight *i, struct http_answer *answer)
{
	const struct metrics_view view = look(i);
	answer->code = 200;
	answer->type = "application/json";
	status_json(&view, &i->trend, clock_wall_us(), &answer->body);
}

static void get_page(struct insight *i, struct http_answer *answer)
{
	answer->code = 200;
	answer->type = "text/html; charset=utf-8";
	answer->extra = "Content-Security-Policy: " PAGE_POLICY "\r\nReferrer-Policy: no-referrer\r\n";
	buf_append(&answer->body, page_bytes, sizeof page_bytes);
}

static void on_request(void *owner, struct slice path, struct http_answer *answer)
{
	static const struct {
		const char *path;
		void (*get)(struct insight *i, struct http_answer *answer);
	} pages[] = {{"/", get_page},
		     {"/metrics", get_metrics},
		     {"/status.json", get_status},
		     {"/healthz", get_health},
		     {"/readyz", get_readiness}};
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		if (slice_equal(path, slice_str(pages[i].path))) {
			pages[i].get(owner, answer);
			return;
		}
	}
}

/* ---- The thread ---- */

static void *insight_main(void *data)
{
	struct insight *i = data;
	on_step(i);
	loop_run(&i->loop);
	return NULL;
}

static void insight_free(struct insight *i)
{
	http_stop(&i->http);
	loop_timer_release(&i->step);
	loop_release(&i->loop);
	arena_release(&i->arena);
	trend_release(&i->trend);
	free(i);
}

enum kv_status insight_start(struct server *server, int fd, struct insight **ret, struct error *err)
{
	struct insight *i = xcalloc(1, sizeof *i);
	i->server = server;
	enum kv_status status = loop_init(&i->loop, err);
	if (status != KV_OK) {
		free(i);
		close(fd);
		return status;
	}
	trend_init(&i->trend);
	loop_timer_init(&i->step, &i->loop, on_step, i);
	http_start(&i->http, &i->loop, fd, on_request, i);
	int failed = pthread_create(&i->thread, NULL, insight_main, i);
	KV_ASSERT(failed == 0);
	pthread_setname_np(i->thread, "kvd-http");
	*ret = i;
	return KV_OK;
}

/** The order to end; on the stack of who waits for it. */
struct insight_stop {
	struct loop_item item;
	struct loop *loop;
};

static void run_stop(struct loop_item *item, bool live)
{
	struct insight_stop *stop = container_of(item, struct insight_stop, item);
	(void)live;
	loop_stop(stop->loop);
}

void insight_stop(struct insight *i)
{
	if (!i)
		return;
	struct insight_stop stop = {.item.run = run_stop, .loop = &i->loop};
	loop_post(&i->loop, &stop.item);
	pthread_join(i->thread, NULL);
	insight_free(i);
}
