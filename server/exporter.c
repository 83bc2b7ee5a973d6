/* SPDX-License-Identifier: Apache-2.0 */
#include "server/exporter.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/klog.h"
#include "server/address.h"

enum {
	BATCH_MAX = 128,    /* traces of one request */
	INTERVAL_MS = 250,  /* between two looks for traces */
	TIMEOUT_S = 5,      /* of one request */
	FAREWELL_MS = 1000, /* for the last one */
};

#define FAILURE_LOG_INTERVAL_US (30 * USEC_PER_SEC)

struct exporter {
	struct exporter_config config;
	struct traces **traces;
	int stop_fd;
	pthread_t thread;
	/* of the thread */
	struct event_base *base;
	struct event *timer, *stop;
	struct evhttp_connection *connection; /* of the request under way, or of the one before; NULL: none */
	bool waiting;                         /* for the collector's address, or for an answer */
	bool stopping;
	uint64_t under_way; /* traces in the request */
	struct buf body;    /* of the request, until the address is known */
	struct address_lookup *lookup;
	int lookup_fd;
	struct event *looked_up;
};

static void log_failure(const struct exporter *e, int code, uint64_t dropped)
{
	static struct log_limit limit;
	uint64_t suppressed;
	if (log_limit_pass(&limit, clock_mono_us(), FAILURE_LOG_INTERVAL_US, &suppressed))
		log_warn("trace.export_failed", L_STR("collector", e->config.collector), L_U64("http_status", code),
			 L_U64("dropped", dropped), L_U64("suppressed", suppressed),
			 L_STR("action", "the traces are dropped; check trace.collector"));
}

static void settle(struct exporter *e, bool taken, int code)
{
	stats_add(taken ? &e->config.stats->traces_exported : &e->config.stats->traces_dropped, e->under_way);
	if (!taken)
		log_failure(e, code, e->under_way);
	e->waiting = false;
	e->under_way = 0;
	if (e->stopping)
		event_base_loopexit(e->base, NULL);
}

static void on_answer(struct evhttp_request *request, void *data)
{
	int code = request ? evhttp_request_get_response_code(request) : 0;
	settle(data, code >= 200 && code < 300, code);
}

/** References to what all shards have kept since the last time, as many as fit into a request. */
static size_t gather(struct exporter *e, struct kept_trace **batch)
{
	size_t count = 0;
	for (uint32_t i = 0; i < e->config.count; i++) {
		uint64_t lost;
		count += traces_take(e->traces[i], batch + count, BATCH_MAX - count, &lost);
		stats_add(&e->config.stats->traces_dropped, lost);
	}
	return count;
}

static void post(struct exporter *e, const struct address *collector)
{
	char text[ADDRESS_TEXT_SIZE], host[ADDRESS_SIZE_MAX];
	uint16_t port;
	address_format(collector, text);
	bool split = address_split(slice_str(text), host, &port);
	KV_ASSERT(split);
	if (e->connection)
		evhttp_connection_free(
			e->connection); /* a collector may have closed it: each request has its own */
	e->connection = evhttp_connection_base_new(e->base, NULL, host, port);
	struct evhttp_request *request = evhttp_request_new(on_answer, e);
	if (!e->connection || !request) {
		if (request)
			evhttp_request_free(request);
		settle(e, false, 0);
		return;
	}
	evhttp_connection_set_timeout(e->connection, TIMEOUT_S);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	evhttp_add_header(headers, "Host", e->config.collector);
	evhttp_add_header(headers, "Content-Type", "application/json");
	evhttp_add_header(headers, "Connection", "close");
	evbuffer_add(evhttp_request_get_output_buffer(request), e->body.data, e->body.size);
	buf_release(&e->body);
	/* The request is the connection's from here on; after an error it is gone, and nobody was called. */
	if (evhttp_make_request(e->connection, request, EVHTTP_REQ_POST, "/v1/traces") != 0)
		settle(e, false, 0);
}

static void poll_lookup(struct exporter *e)
{
	struct address address;
	enum kv_status status = address_lookup_poll(e->lookup, &address, NULL);
	if (status == KV_AGAIN)
		return;
	address_lookup_free(e->lookup);
	e->lookup = NULL;
	if (status == KV_OK)
		post(e, &address);
	else
		settle(e, false, 0);
}

static void on_lookup(evutil_socket_t fd, short what, void *data)
{
	struct exporter *e = data;
	eventfd_t count;
	(void)eventfd_read(e->lookup_fd, &count);
	if (e->lookup)
		poll_lookup(e);
}

/** The collector may move to another address: each request looks its name up. */
static void find_and_post(struct exporter *e)
{
	struct address address;
	if (address_resolve(slice_str(e->config.collector), /* numeric_only: */ true, &address, NULL) == KV_OK) {
		post(e, &address);
		return;
	}
	e->lookup = address_lookup_start(e->config.collector, e->lookup_fd);
	if (e->lookup)
		poll_lookup(e);
	else
		settle(e, false, 0);
}

/** Sends what there is, unless a request is under way. False if there was nothing to send. */
static bool send_batch(struct exporter *e)
{
	struct kept_trace *batch[BATCH_MAX];
	if (e->waiting)
		return true;
	size_t count = gather(e, batch);
	if (count == 0)
		return false;
	buf_release(&e->body);
	otlp_encode(&e->config.source, batch, count, &e->body);
	for (size_t i = 0; i < count; i++)
		kept_trace_unref(batch[i]);
	e->waiting = true;
	e->under_way = count;
	find_and_post(e);
	return true;
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct exporter *e = data;
	if (!e->stopping)
		send_batch(e);
}

static void on_stop(evutil_socket_t fd, short what, void *data)
{
	struct exporter *e = data;
	const struct timeval farewell = {.tv_usec = FAREWELL_MS * 1000 - 1};
	bool busy = e->waiting;
	e->stopping = !busy;
	if (!busy && !send_batch(e)) {
		event_base_loopexit(e->base, NULL);
		return;
	}
	e->stopping = true;
	event_base_loopexit(e->base, &farewell);
}

static void *exporter_main(void *data)
{
	struct exporter *e = data;
	const struct timeval interval = {.tv_usec = INTERVAL_MS * 1000};
	event_add(e->timer, &interval);
	event_add(e->stop, NULL);
	event_add(e->looked_up, NULL);
	event_base_dispatch(e->base);
	return NULL;
}

struct exporter *exporter_new(const struct exporter_config *config)
{
	struct exporter *e = xcalloc(1, sizeof *e);
	e->config = *config;
	e->traces = xcalloc(config->count, sizeof(struct traces *));
	memcpy(e->traces, config->traces, config->count * sizeof(struct traces *));
	e->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->base = event_base_new();
	e->lookup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	KV_ASSERT(e->stop_fd >= 0 && e->lookup_fd >= 0 && e->base);
	e->timer = event_new(e->base, -1, EV_PERSIST, on_timer, e);
	e->stop = event_new(e->base, e->stop_fd, EV_READ, on_stop, e);
	e->looked_up = event_new(e->base, e->lookup_fd, EV_READ | EV_PERSIST, on_lookup, e);
	KV_ASSERT(e->timer && e->stop && e->looked_up);
	int failed = pthread_create(&e->thread, NULL, exporter_main, e);
	KV_ASSERT(failed == 0);
	pthread_setname_np(e->thread, "kvd-exporter");
	return e;
}

void exporter_free(struct exporter *e)
{
	if (!e)
		return;
	uint64_t one = 1;
	ssize_t size = write(e->stop_fd, &one, sizeof one);
	KV_ASSERT(size == sizeof one);
	pthread_join(e->thread, NULL);
	stats_add(&e->config.stats->traces_dropped, e->under_way);
	if (e->connection)
		evhttp_connection_free(e->connection);
	event_free(e->timer);
	event_free(e->stop);
	event_free(e->looked_up);
	event_base_free(e->base);
	address_lookup_free(e->lookup);
	buf_release(&e->body);
	close(e->stop_fd);
	close(e->lookup_fd);
	free(e->traces);
	free(e);
}
