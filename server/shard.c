/* SPDX-License-Identifier: Apache-2.0 */
#include "server/shard.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/klog.h"
#include "base/rng.h"
#include "proto/codec.h"

static void publish(struct shard *s)
{
	struct msg_hello hello = {0};
	node_core_hello(s->node.core, &hello);
	pthread_mutex_lock(&s->status_mutex);
	node_core_stats(s->node.core, &s->status.core);
	s->status.cluster = hello.cluster;
	s->status.index = node_core_index(s->node.core);
	s->status.epoch = node_core_epoch(s->node.core);
	s->status.ready = node_core_is_ready(s->node.core);
	pthread_mutex_unlock(&s->status_mutex);
}

void shard_status_copy(struct shard *s, struct shard_status *ret)
{
	pthread_mutex_lock(&s->status_mutex);
	*ret = s->status;
	pthread_mutex_unlock(&s->status_mutex);
}

void shard_told_copy(struct shard *s, enum shard_told what, struct buf *ret)
{
	buf_clear(ret);
	pthread_mutex_lock(&s->status_mutex);
	buf_append_slice(ret, buf_slice(&s->told[what]));
	pthread_mutex_unlock(&s->status_mutex);
}

void shard_tell(struct shard *s, enum shard_told what, struct slice bytes)
{
	pthread_mutex_lock(&s->status_mutex);
	buf_clear(&s->told[what]);
	buf_append_slice(&s->told[what], bytes);
	pthread_mutex_unlock(&s->status_mutex);
}

/** Asks the own core as a client would; the answers are kept by shard_tell. */
static void ask_core(struct shard *s)
{
	const struct node_origin origin = {.shard = s->index};
	const struct msg repair = {.opcode = OP_REPAIR, .id = 1, .repair = {.shard = s->index}};
	const struct msg moves = {.opcode = OP_MOVE_LIST, .id = 1};
	usec_t now_us = clock_mono_us();
	node_request(&s->node, &origin, &repair, now_us);
	if (s->index == 0)
		node_request(&s->node, &origin, &moves, now_us);
}

void shard_hot_keys(struct shard *s, struct hot_sum *sum)
{
	pthread_mutex_lock(&s->status_mutex);
	hot_sum_add(sum, s->hot_last);
	pthread_mutex_unlock(&s->status_mutex);
}

void shard_took(struct shard *s, struct hist ret[LATENCY_GROUPS])
{
	pthread_mutex_lock(&s->status_mutex);
	for (int g = 0; g < LATENCY_GROUPS; g++)
		hist_merge(&ret[g], &s->took_last[g]);
	pthread_mutex_unlock(&s->status_mutex);
}

static void turn_window(struct shard *s, usec_t now_us)
{
	if (now_us < s->window_until_us)
		return;
	pthread_mutex_lock(&s->status_mutex);
	struct hot_keys *last = s->hot_last;
	s->hot_last = s->hot;
	latency_window_turn(&s->latency, s->opstats, s->took_last);
	pthread_mutex_unlock(&s->status_mutex);
	hot_keys_clear(last);
	s->hot = last;
	s->window_until_us = now_us + HOT_WINDOW_US;
}

static void tell_if_quiet(struct shard *s)
{
	if (!s->draining || atomic_load(&s->quiet) || node_requests_open(&s->node) > 0 ||
	    !conn_set_is_quiet(&s->conns))
		return;
	atomic_store(&s->quiet, true);
	uint64_t one = 1;
	ssize_t size = write(s->server->wake_fd, &one, sizeof one);
	(void)size; /* the counter cannot be full */
}

static void on_house(void *data)
{
	struct shard *s = data;
	usec_t now_us = clock_mono_us();
	if (s->house_us != 0)
		hist_add(&s->opstats->loop_lag_us, now_us > s->house_us ? now_us - s->house_us : 0);
	conn_set_check_times(&s->conns, now_us);
	if (now_us >= s->ask_us) {
		s->ask_us = now_us + SHARD_ASK_US;
		ask_core(s);
	}
	publish(s);
	atomic_fetch_add_explicit(&s->beats, 1, memory_order_relaxed);
	turn_window(s, now_us);
	s->house_us = now_us + SHARD_PUBLISH_US;
	loop_timer_set(&s->house, s->house_us);
}

static void after_round(void *data)
{
	struct shard *s = data;
	conn_set_flush(&s->conns);
	peer_set_flush(&s->peers);
	node_arm(&s->node);
	tell_if_quiet(s);
}

enum kv_status shard_new(struct server *server, uint32_t index, const struct core_config *core, struct shard **ret,
			 struct error *err)
{
	struct shard *s = xcalloc(1, sizeof *s);
	s->server = server;
	s->index = index;
	s->status.index = NODE_NONE;
	s->opstats = opstats_new();
	latency_window_init(&s->latency);
	for (int g = 0; g < LATENCY_GROUPS; g++)
		hist_init(&s->took_last[g]);
	enum kv_status status = loop_init(&s->loop, err);
	if (status != KV_OK) {
		free(s->opstats);
		free(s);
		return status;
	}
	pthread_mutex_init(&s->status_mutex, NULL);
	traces_init(&s->traces);
	s->hot = xcalloc(1, sizeof *s->hot);
	s->hot_last = xcalloc(1, sizeof *s->hot_last);
	loop_set_after_round(&s->loop, after_round, s);
	loop_timer_init(&s->house, &s->loop, on_house, s);
	conn_set_init(&s->conns,
		      &(struct conn_config){.loop = &s->loop,
					    .events = &shard_conn_events,
					    .owner = s,
					    .budget = &server->budget,
					    .stats = &server->stats,
					    .inflight_max = (uint32_t)server->config->limits_inflight,
					    .value_size_max = (uint32_t)server->config->limits_value_size});
	peer_set_init(&s->peers, &(struct peer_config){.loop = &s->loop,
						       .stats = &server->stats,
						       .events = &shard_peer_events,
						       .owner = s,
						       .seed = rng_entropy()});
	node_init(&s->node, &(struct node_config){.loop = &s->loop,
						  .store = server->store,
						  .commit = server->commit,
						  .reader = server->reader,
						  .stats = &server->stats,
						  .opstats = s->opstats,
						  .events = &shard_node_events,
						  .owner = s,
						  .core = core});
	if (index == 0 && core->map) {
		status = codec_map_encode(core->map, &s->told[SHARD_MAP]);
		KV_ASSERT(status == KV_OK); /* it was decoded from what is stored */
	}
	*ret = s;
	return KV_OK;
}

static void *shard_main(void *data)
{
	struct shard *s = data;
	node_start(&s->node);
	on_house(s);
	loop_run(&s->loop);
	return NULL;
}

void shard_start(struct shard *s)
{
	int failed = pthread_create(&s->thread, NULL, shard_main, s);
	KV_ASSERT(failed == 0);
	char name[16];
	snprintf(name, sizeof name, "kvd-shard-%u", s->index);
	pthread_setname_np(s->thread, name);
}

void shard_join(struct shard *s) { pthread_join(s->thread, NULL); }

void shard_free(struct shard *s)
{
	if (!s)
		return;
	conn_set_release(&s->conns);
	peer_set_release(&s->peers);
	loop_timer_release(&s->house);
	/* First what came back from the threads and was not looked at, then what it refers to. */
	loop_drop_inbox(&s->loop);
	node_release(&s->node);
	loop_release(&s->loop);
	arena_release(&s->arena);
	for (size_t i = 0; i < SHARD_TOLD_COUNT; i++)
		buf_release(&s->told[i]);
	free(s->opstats);
	pthread_mutex_destroy(&s->status_mutex);
	traces_release(&s->traces);
	free(s->hot);
	free(s->hot_last);
	free(s);
}

/** An order from another thread. */
struct order {
	struct loop_item item;
	struct shard *shard;
	int fd; /* accept */
	enum hello_kind kind;
	struct buf bytes;                                      /* map: as stored; request: a whole frame */
	uint32_t inflight_max, operations_max, value_size_max; /* limits */
	usec_t slow_us;                                        /* the same */
};

static struct order *order_new(struct shard *s, void (*run)(struct loop_item *item, bool live))
{
	struct order *order = xcalloc(1, sizeof *order);
	order->item.run = run;
	order->shard = s;
	order->fd = -1;
	return order;
}

static void order_free(struct order *order)
{
	buf_release(&order->bytes);
	free(order);
}

static void run_accept(struct loop_item *item, bool live)
{
	struct order *order = container_of(item, struct order, item);
	if (live)
		conn_accept(&order->shard->conns, order->fd, order->kind);
	else
		close(order->fd);
	order_free(order);
}

void shard_post_accept(struct shard *s, int fd, enum hello_kind kind)
{
	struct order *order = order_new(s, run_accept);
	order->fd = fd;
	order->kind = kind;
	loop_post(&s->loop, &order->item);
}

static void run_drain(struct loop_item *item, bool live)
{
	struct order *order = container_of(item, struct order, item);
	struct shard *s = order->shard;
	order_free(order);
	if (!live)
		return;
	s->draining = true;
	if (s->index == 0) {
		listener_stop(&s->server->client_door.listener);
		listener_stop(&s->server->peer_door.listener);
	}
	conn_set_drain(&s->conns);
}

void shard_post_drain(struct shard *s) { loop_post(&s->loop, &order_new(s, run_drain)->item); }

static void run_stop(struct loop_item *item, bool live)
{
	struct order *order = container_of(item, struct order, item);
	struct shard *s = order->shard;
	order_free(order);
	if (!live)
		return;
	if (s->index == 0) {
		listener_stop(&s->server->client_door.listener);
		listener_stop(&s->server->peer_door.listener);
	}
	loop_stop(&s->loop);
}

void shard_post_stop(struct shard *s) { loop_post(&s->loop, &order_new(s, run_stop)->item); }

static void run_limits(struct loop_item *item, bool live)
{
	struct order *order = container_of(item, struct order, item);
	struct shard *s = order->shard;
	if (live) {
		s->conns.config.inflight_max = order->inflight_max;
		s->conns.config.value_size_max = order->value_size_max;
		node_core_set_limits(s->node.core, order->operations_max, order->value_size_max);
		node_core_set_slow(s->node.core, order->slow_us);
	}
	order_free(order);
}

void shard_post_limits(struct shard *s, const struct config *now)
{
	struct order *order = order_new(s, run_limits);
	order->inflight_max = (uint32_t)now->limits_inflight;
	order->operations_max = (uint32_t)now->limits_operations;
	order->value_size_max = (uint32_t)now->limits_value_size;
	order->slow_us = MAX(now->trace_slow_us, (usec_t)1);
	loop_post(&s->loop, &order->item);
}

static void run_map(struct loop_item *item, bool live)
{
	struct order *order = container_of(item, struct order, item);
	struct shard *s = order->shard;
	if (live) {
		s->arena.limit = codec_arena_max(order->bytes.size);
		struct map_desc map;
		enum kv_status status = codec_map_decode(buf_slice(&order->bytes), &s->arena, &map);
		KV_ASSERT(status == KV_OK); /* this process encoded it */
		if (s->index == 0) {
			map_log_changed(&s->server->map_log, &map);
			shard_tell(s, SHARD_MAP, buf_slice(&order->bytes));
		}
		node_map_saved(&s->node, &map);
		arena_reset(&s->arena);
		peer_set_greet_again(&s->peers);
		publish(s);
	}
	order_free(order);
}

void shard_post_map(struct shard *s, struct slice stored)
{
	struct order *order = order_new(s, run_map);
	buf_append_slice(&order->bytes, stored);
	loop_post(&s->loop, &order->item);
}

static void run_request(struct loop_item *item, bool live)
{
	struct order *order = container_of(item, struct order, item);
	struct shard *s = order->shard;
	if (live) {
		const struct frame_limits limits = FRAME_LIMITS_OPEN(VALUE_SIZE_MAX);
		struct frame_header header;
		enum frame_error error = frame_header_decode(order->bytes.data, &limits, &header);
		KV_ASSERT(error == FRAME_OK);
		struct slice meta = slice_of(order->bytes.data + FRAME_HEADER_SIZE, header.meta_size);
		struct slice value = slice_of(meta.data + meta.size, header.value_size);
		struct msg msg = {0};
		s->arena.limit = codec_arena_max(header.meta_size);
		enum kv_status status = codec_decode(&header, meta, value, &s->arena, &msg);
		KV_ASSERT(status == KV_OK);
		node_request(&s->node, &(struct node_origin){.shard = s->index, .id = msg.id, .opcode = msg.opcode},
			     &msg, clock_mono_us());
		arena_reset(&s->arena);
	}
	order_free(order);
}

void shard_post_request(struct shard *s, const struct msg *msg)
{
	struct order *order = order_new(s, run_request);
	enum kv_status status = codec_encode(msg, &order->bytes);
	KV_ASSERT(status == KV_OK);
	loop_post(&s->loop, &order->item);
}
