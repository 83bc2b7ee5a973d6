/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/served.h"

#include "replication/core.h"
#include "replication/timeline.h"

enum { SERVED_SPANS_MAX = 5 };

static uint32_t between(usec_t from_us, usec_t to_us)
{
	return to_us > from_us ? (uint32_t)MIN(to_us - from_us, (usec_t)UINT32_MAX) : 0;
}

static struct served_time measure(const struct node_core *core, const struct served *s)
{
	usec_t now_us = core->now.mono_us;
	usec_t began_us = MIN(MAX(core->write_began_us, s->ready_us), now_us);
	return (struct served_time){
		.queue_us = between(s->arrived_us, s->taken_us),
		.disk_us = between(s->taken_us, s->ready_us),
		.commit_us = between(s->ready_us, began_us),
		.sync_us = between(began_us, now_us),
	};
}

static void tell(struct node_core *core, const struct served *s, const struct served_time *time,
		 const struct msg *m)
{
	usec_t took_us = core->now.mono_us - s->arrived_us;
	uint64_t span = core_span(core, core_next_id(core));
	struct timeline_span *spans = actions_alloc(core->out, SERVED_SPANS_MAX * sizeof *spans);
	spans[0] = (struct timeline_span){.kind = SPAN_SERVE,
					  .node = core->self,
					  .peer = NODE_NONE,
					  .took_us = took_us,
					  .result = m->answer.answer,
					  .id = span};
	uint32_t count = 1;
	usec_t at_us = 0;
	const uint32_t parts[] = {time->queue_us, time->disk_us, time->commit_us, time->sync_us};
	const enum span_kind kinds[] = {SPAN_QUEUE, SPAN_DISK, SPAN_COMMIT, SPAN_SYNC};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i] == 0)
			continue;
		spans[count] = (struct timeline_span){.kind = kinds[i],
						      .node = core->self,
						      .peer = NODE_NONE,
						      .start_us = at_us,
						      .took_us = parts[i],
						      .id = timeline_child_span(span, count)};
		count++;
		at_us += parts[i];
	}
	struct msg_timeline *told = actions_alloc(core->out, sizeof *told);
	*told = (struct msg_timeline){
		.context = trace_is_none(&s->trace) ? timeline_context(span) : s->trace,
		.span = span,
		.node = core->self,
		.opcode = m->opcode,
		.partition = m->answer.partition,
		.epoch = node_core_epoch(core),
		.took_us = took_us,
		.span_count = count,
		.spans = spans,
		.arrived_us = s->arrived_us,
		.slow = took_us >= core->config.slow_us,
	};
	actions_add(core->out, ACT_TRACE)->trace.timeline = told;
}

void served_answer(struct node_core *core, const struct served *s, node_id to, struct msg *m)
{
	bool own = to == core->self;
	/* What the own coordinator waits for is told as its operation. */
	bool slow = s->awaited && !own && core->now.mono_us - s->arrived_us >= core->config.slow_us;
	if (!own && !slow && trace_is_none(&s->trace))
		return;
	struct served_time time = measure(core, s);
	if (own || !trace_is_none(&s->trace))
		m->answer.served = time;
	if (slow || s->trace.sampled)
		tell(core, s, &time, m);
}
