/* SPDX-License-Identifier: Apache-2.0 */
#include "server/slow_ops.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/klog.h"
#include "server/shard.h"

#define SLOW_LOG_INTERVAL_US (200 * USEC_PER_MSEC) /* five lines a second at most */

static bool is_call(enum span_kind kind) { return kind == SPAN_REPLICA || kind == SPAN_FORWARD; }

static void put_times(struct buf *out, const struct timeline_span *s)
{
	buf_printf(out, "@%llu+%llu", (unsigned long long)s->start_us, (unsigned long long)s->took_us);
}

/** "1=ack@40+812[sync@45+790]": who answered what, asked when, after how long, and what it says took its time. */
static void put_call(struct buf *out, const struct msg_timeline *t, uint32_t index)
{
	const struct timeline_span *call = &t->spans[index];
	buf_printf(out, "%u=%s", call->peer,
		   call->open                   ? "unanswered"
		   : call->kind == SPAN_REPLICA ? answer_name((enum replica_answer)call->result)
						: status_name((enum kv_status)call->result));
	put_times(out, call);
	bool parts = false;
	for (uint32_t i = index + 1; i < t->span_count; i++) {
		if (t->spans[i].parent != index)
			continue;
		buf_printf(out, "%s%s", parts ? " " : "[", span_name(t->spans[i].kind));
		put_times(out, &t->spans[i]);
		parts = true;
	}
	if (parts)
		buf_append_str(out, "]");
}

/** What lies right below the whole: phases with their calls, or the parts of a replica's serving. */
static void put_part(struct buf *out, const struct msg_timeline *t, uint32_t index)
{
	const struct timeline_span *part = &t->spans[index];
	buf_printf(out, "%s%s", out->size > 0 ? " " : "", span_name(part->kind));
	put_times(out, part);
	bool calls = false;
	if (is_call(part->kind)) {
		buf_append_str(out, "(");
		put_call(out, t, index);
		calls = true;
	}
	for (uint32_t i = index + 1; i < t->span_count; i++) {
		if (t->spans[i].parent != index || !is_call(t->spans[i].kind))
			continue;
		buf_append_str(out, calls ? " " : "(");
		put_call(out, t, i);
		calls = true;
	}
	if (calls)
		buf_append_str(out, ")");
}

void slow_op_tell(const struct msg_timeline *t, usec_t wall_us, struct slow_op *ret)
{
	KV_ASSERT(t->span_count > 0);
	*ret = (struct slow_op){
		.trace_hi = t->context.trace_hi,
		.trace_lo = t->context.trace_lo,
		.wall_us = wall_us,
		.took_us = t->took_us,
		.opcode = t->opcode,
		.replica = t->spans[0].kind == SPAN_SERVE,
		.level = t->level,
		.partition = t->partition,
		.status = t->status,
		.in_doubt = t->in_doubt,
		.rounds = t->rounds,
		.epoch = t->epoch,
	};
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	for (uint32_t i = 1; i < t->span_count; i++) {
		if (t->spans[i].parent != 0)
			continue;
		put_part(&text, t, i);
		if (t->spans[i].kind == SPAN_QUEUE)
			ret->queue_us = t->spans[i].took_us;
	}
	bool cut = text.size >= sizeof ret->timeline;
	size_t size = cut ? sizeof ret->timeline - sizeof "..." : text.size;
	if (size > 0)
		memcpy(ret->timeline, text.data, size);
	memcpy(ret->timeline + size, cut ? "..." : "", cut ? sizeof "..." : 1);
}

void slow_op_log(const struct slow_op *op, struct version ballot, struct log_limit *limit)
{
	uint64_t suppressed;
	char trace[33], version[34] = "none";
	if (!log_limit_pass(limit, clock_mono_us(), SLOW_LOG_INTERVAL_US, &suppressed))
		return;
	snprintf(trace, sizeof trace, "%016llx%016llx", (unsigned long long)op->trace_hi,
		 (unsigned long long)op->trace_lo);
	if (op->replica) {
		log_warn("replica.slow", L_STR("trace", trace), L_STR("opcode", opcode_name(op->opcode)),
			 L_U64("partition", op->partition), L_U64("epoch", op->epoch),
			 L_U64("took_us", op->took_us), L_U64("queue_us", op->queue_us),
			 L_STR("timeline", op->timeline), L_U64("suppressed", suppressed));
		return;
	}
	if (ballot.hlc != 0)
		snprintf(version, sizeof version, "%016llx-%016llx", (unsigned long long)ballot.hlc,
			 (unsigned long long)ballot.id);
	log_warn("request.slow", L_STR("trace", trace), L_STR("opcode", opcode_name(op->opcode)),
		 L_STR("level", level_text(op->level)), L_U64("partition", op->partition),
		 L_U64("epoch", op->epoch), L_STR("status", status_name(op->status)),
		 L_STR("in_doubt", op->in_doubt ? "yes" : "no"), L_U64("took_us", op->took_us),
		 L_U64("queue_us", op->queue_us), L_U64("rounds", op->rounds), L_STR("ballot", version),
		 L_STR("timeline", op->timeline), L_U64("suppressed", suppressed));
}

static bool is_newer(const struct slow_op *a, const struct slow_op *b) { return a->wall_us > b->wall_us; }

size_t slow_ops_recent(struct server *server, struct slow_op *ret, size_t max)
{
	size_t count = 0;
	CLEANUP(free_ptr) struct slow_op *one = xcalloc(SLOW_OPS_KEPT, sizeof *one);
	for (uint32_t i = 0; i < server->shard_count; i++) {
		size_t more = traces_slow(&server->shards[i]->traces, one, MIN(max, SLOW_OPS_KEPT));
		for (size_t k = 0; k < more; k++) {
			size_t at = count < max ? count++ : max;
			if (at == max && (max == 0 || !is_newer(&one[k], &ret[--at])))
				continue;
			for (; at > 0 && is_newer(&one[k], &ret[at - 1]); at--)
				ret[at] = ret[at - 1];
			ret[at] = one[k];
		}
	}
	return count;
}
