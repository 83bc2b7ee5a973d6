/* SPDX-License-Identifier: Apache-2.0 */
#include "client/request.h"

#include <stdarg.h>

#include "base/hash.h"
#include "client/engine.h"
#include "client/pick.h"
#include "proto/codec.h"
#include "proto/keyhash.h"
#include "proto/opcode.h"

enum {
	ATTEMPT_MIN_MS = 20, /* less than this left: no try after the present one */
};

static void on_timer(struct timer *timer);

void request_init(struct request *r, uint16_t opcode, enum request_target target, enum retry_safety safety,
		  void (*done)(struct request *r))
{
	*r = (struct request){
		.msg = {.opcode = opcode},
		.target = target,
		.safety = safety,
		.tries_max = 1,
		.node = NODE_NONE,
		.done = done,
		.timer = {.fire = on_timer},
	};
}

struct kv_write_id request_write_id(const struct request *r)
{
	if (!opcode_is_client(r->msg.opcode) || !r->has_time)
		return (struct kv_write_id){0};
	const struct msg_request *m = &r->msg.request;
	return (struct kv_write_id){
		.t0 = m->t0,
		.client = m->rid.client,
		.seq = m->rid.seq,
		.attempt = r->attempts_before + r->sent_count,
	};
}

/* ---- Ending ---- */

/* Takes R out of the list or link it is in. */
static void request_detach(struct request *r, bool gave_up)
{
	switch (r->phase) {
	case REQUEST_QUEUED:
	case REQUEST_SENT:
		if (r->at)
			link_remove(r->at, r, gave_up);
		break;
	case REQUEST_READY:
	case REQUEST_PARKED:
		if (ilink_is_linked(&r->place))
			ilist_remove(&r->place);
		break;
	case REQUEST_NEW:
	case REQUEST_PAUSED:
	case REQUEST_DONE:
		break;
	}
}

/* Every path ends here, once. R is detached, its error filled but for in_doubt. */
static void request_finish(struct request *r, bool answered_in_doubt)
{
	KV_ASSERT(r->phase != REQUEST_DONE);
	struct engine *e = r->engine;
	enum kv_status status = r->error.status;
	bool ok = status_class(status) == STATUS_DONE;
	r->error.in_doubt = request_is_write(r) && !ok && (r->maybe_applied || answered_in_doubt);
	/* The code alone must not claim that nothing happened. */
	if (r->error.in_doubt && status_class(status) != STATUS_DOUBT)
		r->error.status = KV_IN_DOUBT;
	if (r->error.in_doubt)
		r->error.write = request_write_id(r);
	if (status == KV_OK)
		r->error.message[0] = '\0';
	if (r->in_lane)
		lanes_end(&e->lanes, r->msg.request.rid, r->error.in_doubt);
	r->in_lane = false;
	r->phase = REQUEST_DONE;
	r->at = NULL;
	engine_timer_clear(e, &r->timer);
	ilist_remove(&r->active);
	ilist_push_back(&e->finished, &r->place);
}

static void set_error(struct request *r, enum kv_status status, const char *format, ...) PRINTF_LIKE(3, 4);

static void set_error(struct request *r, enum kv_status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	r->error.status = status;
	vsnprintf(r->error.message, sizeof r->error.message, format, args);
	va_end(args);
}

/* The outcome is not this answer. What it told of its time is kept, for it may be all that is known in the end. */
static void drop_reply(struct request *r)
{
	bool timed = r->reply && r->msg.request.timeline_wanted && opcode_is_client(r->msg.opcode) &&
		     r->reply->msg.opcode == r->msg.opcode && r->reply->msg.result.timeline;
	if (timed) {
		reply_unref(r->timed);
		r->timed = r->reply;
	} else {
		reply_unref(r->reply);
	}
	r->reply = NULL;
}

void request_fail(struct request *r, enum kv_status status, const char *format, ...)
{
	if (r->phase == REQUEST_SENT && request_is_write(r))
		r->maybe_applied = true;
	request_detach(r, /* gave_up= */ false);
	drop_reply(r);
	va_list args;
	va_start(args, format);
	vsnprintf(r->error.message, sizeof r->error.message, format, args);
	va_end(args);
	r->error.status = status;
	request_finish(r, /* answered_in_doubt= */ false);
}

/* ---- Waiting ---- */

static void make_ready(struct request *r)
{
	r->phase = REQUEST_READY;
	r->at = NULL;
	engine_timer_set(r->engine, &r->timer, r->deadline_us);
	ilist_push_back(&r->engine->ready, &r->place);
}

static void park(struct request *r)
{
	r->phase = REQUEST_PARKED;
	r->at = NULL;
	engine_timer_set(r->engine, &r->timer, r->deadline_us);
	ilist_push_back(&r->engine->parked, &r->place);
}

/* Ends R with the error it has, at the end of its tries. */
static void give_up(struct request *r)
{
	drop_reply(r);
	request_finish(r, false);
}

/* A retry after a pause, unless that would only end at the deadline. */
static void pause_request(struct request *r, uint32_t at_least_ms)
{
	uint32_t try = MAX(r->tries + r->contentions, 1u);
	usec_t resume_us = clock_mono_us() + retry_pause_us(&r->engine->rng, try, at_least_ms);
	if (resume_us >= r->deadline_us) {
		give_up(r);
		return;
	}
	r->phase = REQUEST_PAUSED;
	r->at = NULL;
	engine_timer_set(r->engine, &r->timer, resume_us);
}

static void deadline_passed(struct request *r)
{
	char why[120] = "";
	if (r->phase == REQUEST_SENT)
		snprintf(why, sizeof why, "no answer from %.80s", r->at->address);
	else if (r->phase == REQUEST_QUEUED && link_is_open(r->at))
		snprintf(why, sizeof why, "not sent: too much is under way to %.80s", r->at->address);
	else if (r->phase == REQUEST_QUEUED)
		snprintf(why, sizeof why, "not sent: no connection to %.80s", r->at->address);
	else
		snprintf(why, sizeof why, "%.110s", r->error.message[0] ? r->error.message : "not sent");
	if (r->phase == REQUEST_SENT && request_is_write(r))
		r->maybe_applied = true;
	request_detach(r, /* gave_up= */ true);
	drop_reply(r);
	set_error(r, KV_DEADLINE, "%u ms passed: %s", r->timeout_ms, why);
	request_finish(r, false);
}

static void mark_tried(struct request *r, struct link *link)
{
	if (!link)
		return;
	if (r->tried_count == TRIED_MAX)
		r->tried_count = 0;
	r->tried[r->tried_count++] = link;
}

/* The node did not answer in its share of the time: another may. */
static void attempt_passed(struct request *r)
{
	struct link *from = r->at;
	if (request_is_write(r))
		r->maybe_applied = true;
	set_error(r, KV_DEADLINE, "no answer from %.80s in time", from->address);
	retry_budget_failed(&r->engine->budget);
	if (!retry_budget_allows(&r->engine->budget)) {
		engine_timer_set(r->engine, &r->timer, r->deadline_us); /* then wait for this one */
		return;
	}
	r->tries++;
	mark_tried(r, from);
	r->answered_in_round = true;
	link_remove(from, r, /* gave_up= */ true);
	make_ready(r);
}

static void on_timer(struct timer *timer)
{
	struct request *r = container_of(timer, struct request, timer);
	if (clock_mono_us() >= r->deadline_us)
		deadline_passed(r);
	else if (r->phase == REQUEST_PAUSED)
		make_ready(r);
	else if (r->phase == REQUEST_SENT)
		attempt_passed(r);
	else
		engine_timer_set(r->engine, &r->timer, r->deadline_us);
}

/* ---- Routing ---- */

/* A node that has told the map has told the time as well, unless it waits for its own clock. */
static void settle_clock(struct request *r)
{
	request_assign_time(r);
	if (!r->has_time) {
		request_fail(r, KV_NOT_READY, "no node has told the time yet");
		return;
	}
	set_error(r, KV_OK, "%s", "");
	request_finish(r, false);
}

/* True if R was parked or ended because it needs a map that is not there, or one that has what it names. */
static bool settle_map_needs(struct request *r)
{
	struct engine *e = r->engine;
	/* Which nodes are near stands in the map. */
	bool is_choosy = e->config.zone[0] && r->target == TARGET_KEY && !e->route.map && !r->mapless;
	if (!request_needs_map(r) && !is_choosy)
		return false;
	if (!e->route.map) {
		r->mapless = is_choosy; /* once: without a map it goes to any */
		park(r);
		engine_fetch_map(e, NULL);
		return true;
	}
	if (r->target == TARGET_MAP) {
		r->reply = reply_ref(e->route.source);
		set_error(r, KV_OK, "%s", "");
		request_finish(r, false);
		return true;
	}
	if (r->target == TARGET_CLOCK) {
		settle_clock(r);
		return true;
	}
	if (r->target == TARGET_NODE && (r->node >= NODES_MAX || !e->route.links[r->node])) {
		request_fail(r, KV_INVALID, "the cluster map has no node %u", r->node);
		return true;
	}
	if (r->target == TARGET_ROW && r->partition >= e->route.map->partitions) {
		request_fail(r, KV_INVALID, "partition %u does not exist: there are %u", r->partition,
			     e->route.map->partitions);
		return true;
	}
	return false;
}

void request_route(struct request *r)
{
	KV_ASSERT(r->phase == REQUEST_READY);
	if (settle_map_needs(r))
		return;
	struct link *link = pick_link(r);
	if (!link && r->answered_in_round) {
		/* All have been asked, some answered: begin again. */
		r->tried_count = 0;
		r->answered_in_round = false;
		link = pick_link(r);
	}
	if (link) {
		link_submit(link, r);
		return;
	}
	if (r->error.message[0] == '\0')
		set_error(r, KV_UNAVAILABLE, "no node can be reached");
	r->tried_count = 0;
	r->tries++;
	if (r->tries >= r->tries_max)
		give_up(r);
	else
		pause_request(r, 0);
}

/* A name of its own, unless the submitter gave it one, which has its time. */
static void give_name(struct request *r)
{
	struct msg_request *m = &r->msg.request;
	r->has_time = m->rid.client != 0;
	r->in_lane = !r->has_time;
	if (r->in_lane)
		m->rid = lanes_take(&r->engine->lanes);
	KV_ASSERT(!r->has_time || m->t0 != 0);
}

void request_start(struct request *r, struct engine *engine)
{
	KV_ASSERT(r->phase == REQUEST_NEW);
	KV_ASSERT(r->timeout_ms > 0);
	KV_ASSERT(r->tries_max > 0);
	r->engine = engine;
	r->deadline_us = clock_mono_us() + r->timeout_ms * USEC_PER_MSEC;
	ilist_push_back(&engine->active, &r->active);
	if (request_is_write(r) && opcode_is_client(r->msg.opcode))
		give_name(r);
	request_assign_time(r);
	make_ready(r);
}

void request_requeue(struct request *r) { make_ready(r); }

/* ---- Sending ---- */

void request_assign_time(struct request *r)
{
	struct engine *e = r->engine;
	if (r->has_time || !request_is_write(r) || !opcode_is_client(r->msg.opcode))
		return;
	if (!cluster_clock_is_set(&e->clock))
		return;
	r->msg.request.t0 = cluster_clock_issue(&e->clock, clock_mono_us());
	r->has_time = true;
}

/* How long to wait for this answer before another node is asked; the rest of the time is kept for that. */
static usec_t attempt_deadline_us(const struct request *r, usec_t now_us)
{
	bool has_others = r->target != TARGET_NODE && r->target != TARGET_ADDRESS;
	usec_t left_us = r->deadline_us - now_us;
	if (!retry_unanswered(r->safety) || !has_others || r->tries + 1 >= r->tries_max ||
	    left_us < ATTEMPT_MIN_MS * USEC_PER_MSEC)
		return r->deadline_us;
	return now_us + left_us * 3 / 5;
}

/** For a node that waits for another one: it is to say which did not answer before nobody listens any more. */
static uint32_t answer_within_ms(uint32_t left_ms) { return MAX(left_ms - left_ms / 10, 1u); }

bool request_encode(struct request *r, uint64_t id, struct buf *out)
{
	struct engine *e = r->engine;
	struct msg *m = &r->msg;
	usec_t now_us = clock_mono_us();
	usec_t left_us = r->deadline_us > now_us ? r->deadline_us - now_us : 1;
	uint32_t left_ms = (uint32_t)((left_us + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
	m->id = id;
	m->epoch = route_epoch(&e->route);
	if (opcode_body(m->opcode, false) == BODY_REQUEST) {
		m->request.deadline_ms = left_ms;
		/* A node cannot rule out what a retry's first try did, so it doubts where it could refuse. A try that was
		 * refused did nothing, and the next one is the first again. */
		m->request.attempt = r->attempts_before + (r->maybe_applied ? r->sent_count : 0);
		request_assign_time(r);
		if (request_is_write(r) && !r->has_time)
			r->safety = RETRY_ONCE; /* the node makes a name for it, another one each time */
	} else if (m->opcode == OP_CLUSTER_INIT) {
		m->cluster_init.deadline_ms = answer_within_ms(left_ms);
	} else if (m->opcode == OP_CLUSTER_CHANGE) {
		m->change.deadline_ms = MIN(answer_within_ms(left_ms), DEADLINE_MAX_MS);
	}
	enum kv_status status = codec_encode(m, out);
	if (status != KV_OK) {
		r->phase = REQUEST_READY; /* in no list */
		request_fail(r, status, "the request cannot be sent: %s", kv_status_text(status));
		return false;
	}
	r->phase = REQUEST_SENT;
	r->sent_count++;
	r->sent_us = now_us;
	engine_timer_set(e, &r->timer, attempt_deadline_us(r, now_us));
	return true;
}

/* ---- What happened ---- */

struct answer {
	enum kv_status status;
	bool in_doubt;
	uint32_t retry_after_ms;
	struct slice message;
};

static struct answer answer_of(const struct msg *m)
{
	switch (m->opcode) {
	case OP_MAP:
		return (struct answer){.status = m->map.status};
	case OP_STATUS:
		return (struct answer){.status = m->status.status, .message = m->status.message};
	case OP_CLUSTER_PLAN:
		return (struct answer){.status = m->plan.status, .message = m->plan.message};
	case OP_MOVE_LIST:
		return (struct answer){.status = KV_OK};
	case OP_REPAIR:
		return (struct answer){.status = m->repair.status};
	case OP_EXPLAIN:
		return (struct answer){.status = m->explanation.status, .message = m->explanation.message};
	case OP_CONFIG_GET:
		return (struct answer){.status = m->config.status};
	case OP_HOT_KEYS:
		return (struct answer){.status = m->hot_keys.status};
	case OP_TRACES:
		return (struct answer){.status = m->traces.status};
	default:
		return (struct answer){
			.status = m->result.status,
			.in_doubt = m->result.in_doubt,
			.retry_after_ms = m->result.retry_after_ms,
			.message = m->result.message,
		};
	}
}

/* Versions that exist now lie below the next ones of this client. */
static void observe_versions(struct cluster_clock *clock, const struct msg *m)
{
	if (!opcode_is_client(m->opcode) || m->opcode == OP_MAP)
		return;
	cluster_clock_observe_version(clock, m->result.version.hlc);
	for (uint32_t i = 0; i < m->result.item_count; i++)
		cluster_clock_observe_version(clock, m->result.items[i].org.hlc);
}

static bool value_is_whole(const struct msg *m)
{
	return m->opcode != OP_GET || m->result.status != KV_OK || m->result.value_hash == 0 ||
	       hash64(m->result.value) == m->result.value_hash;
}

/* Counts the refusal. False if there is to be no further try. */
static bool may_retry(struct request *r, const struct answer *a)
{
	struct engine *e = r->engine;
	if (retry_is_contention(a->status, a->in_doubt)) {
		r->contentions++;
		return true; /* until the deadline */
	}
	/* An old map is no sign of overload. */
	bool stale = a->status == KV_STALE;
	if (!stale)
		retry_budget_failed(&e->budget);
	r->tries++;
	return r->tries < r->tries_max && retry_answer(r->safety, a->status, a->in_doubt) &&
	       (stale || retry_budget_allows(&e->budget));
}

static void refused(struct request *r, struct link *from, const struct answer *a)
{
	struct engine *e = r->engine;
	r->answered_in_round = true;
	if (a->status == KV_CLOCK)
		cluster_clock_correct(&e->clock, r->reply->msg.hlc, clock_mono_us());
	if (!may_retry(r, a)) {
		request_finish(r, a->in_doubt);
		return;
	}
	if (request_is_write(r) && a->in_doubt)
		r->maybe_applied = true;
	if (!retry_is_contention(a->status, a->in_doubt))
		mark_tried(r, from);
	if (a->status == KV_STALE && r->reply->msg.epoch > route_epoch(&e->route)) {
		r->tried_count = 0; /* the new row decides */
		park(r);
		engine_fetch_map(e, from);
		return;
	}
	pause_request(r, a->retry_after_ms);
}

void request_answered(struct request *r, struct reply *reply)
{
	KV_ASSERT(r->phase == REQUEST_SENT);
	struct link *from = TAKE_PTR(r->at);
	struct engine *e = r->engine;
	drop_reply(r);
	r->reply = reply;
	r->took_us = clock_mono_us() - r->sent_us;
	struct answer a = answer_of(&reply->msg);
	if (reply->msg.opcode == OP_ERROR && a.status == KV_OK)
		a.status = KV_INTERNAL;
	if (!value_is_whole(&reply->msg))
		a = (struct answer){.status = KV_CORRUPT,
				    .message = slice_str("the value does not match its hash")};
	if (a.status != KV_OK && a.message.size > 0)
		set_error(r, a.status, "%.*s (from %.80s)", (int)MIN(a.message.size, 150u),
			  (const char *)a.message.data, from->address);
	else
		set_error(r, a.status, "%s (from %.80s)", kv_status_text(a.status), from->address);
	if (status_class(a.status) == STATUS_DONE) {
		observe_versions(&e->clock, &reply->msg);
		retry_budget_succeeded(&e->budget);
		request_finish(r, false);
		return;
	}
	if (!status_is_known((uint32_t)a.status))
		a.in_doubt = true; /* a newer node's code: the careful reading */
	refused(r, from, &a);
}

void request_lost(struct request *r, bool sent, enum kv_status status, const char *why)
{
	struct link *from = TAKE_PTR(r->at);
	mark_tried(r, from);
	set_error(r, status, "%s", why);
	if (!sent) {
		make_ready(r);
		return;
	}
	if (request_is_write(r))
		r->maybe_applied = true;
	r->tries++;
	r->answered_in_round = true;
	if (!retry_unanswered(r->safety) || r->tries >= r->tries_max)
		give_up(r);
	else
		make_ready(r);
}
