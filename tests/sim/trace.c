/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/trace.h"

#include <inttypes.h>

#include "base/hash.h"
#include "proto/msg.h"

struct trace_name {
	const char *name;
	const char *fields[4];
};

static const struct trace_name names[] = {
#define TRACE_NAME_(name, a, b, c, d) {#name, {a, b, c, d}},
	TRACE_KINDS(TRACE_NAME_)
#undef TRACE_NAME_
};

/* As wire_label made it. */
static void label_print(uint64_t label, struct buf *out)
{
	static const char *const answers[] = {"?",      "RECORD", "PROMISE", "ACK",   "REJECT",
					      "STORED", "OLD",    "EPOCH",   "CLOCK", "BUSY"};
	uint16_t opcode = (uint16_t)label;
	uint32_t outcome = (uint32_t)(label >> 32);
	buf_printf(out, " %s", opcode_name(opcode));
	if (!(label >> 16 & 1))
		return;
	if (opcode_is_replica(opcode))
		buf_printf(out, "(%s)", answers[MIN(outcome, ARRAY_SIZE(answers) - 1)]);
	else
		buf_printf(out, "(reply%s%s)", outcome ? " " : "",
			   outcome ? status_name((enum kv_status)outcome) : "");
}

static void entry_print(const struct trace_entry *e, struct buf *out)
{
	const struct trace_name *name = &names[e->kind];
	const uint64_t values[] = {e->a, e->b, e->c, e->d};
	buf_printf(out, "  t=%" PRIu64 " %s", e->at_us, name->name);
	for (size_t i = 0; i < ARRAY_SIZE(values) && name->fields[i][0]; i++) {
		if (slice_equal(slice_str(name->fields[i]), slice_str("opcode")))
			label_print(values[i], out);
		else if (slice_equal(slice_str(name->fields[i]), slice_str("status")))
			buf_printf(out, " %s", status_name((enum kv_status)values[i]));
		else
			buf_printf(out, " %s=%" PRId64, name->fields[i], (int64_t)values[i]);
	}
	buf_append_str(out, "\n");
}

void trace_mix(struct trace *t, uint64_t a, uint64_t b) { t->hash = hash_u64(t->hash + hash_u64(a) * 3 + b); }

static void keep(struct trace *t, const struct trace_entry *e)
{
	if (t->all_count == t->all_capacity) {
		t->all_capacity = MAX(t->all_capacity * 2, UINT64_C(1024));
		t->all = xrealloc(t->all, t->all_capacity * sizeof(t->all[0]));
	}
	t->all[t->all_count++] = *e;
}

void trace_release(struct trace *t)
{
	free(t->all);
	t->all = NULL;
	t->all_count = t->all_capacity = 0;
}

void trace_add(struct trace *t, usec_t at_us, enum trace_kind kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct trace_entry *e = &t->kept[t->count++ % TRACE_KEPT];
	*e = (struct trace_entry){.at_us = at_us, .kind = kind, .a = a, .b = b, .c = c, .d = d};
	trace_mix(t, at_us, (uint64_t)kind);
	trace_mix(t, a, b);
	trace_mix(t, c, d);
	if (t->keeps_all)
		keep(t, e);
	if (!t->verbose)
		return;
	struct buf line = BUF_INIT;
	entry_print(e, &line);
	fputs(buf_cstr(&line), stdout);
	buf_release(&line);
}

void trace_print(const struct trace *t, uint32_t count, struct buf *out)
{
	uint64_t kept = MIN(MIN(t->count, (uint64_t)TRACE_KEPT), (uint64_t)count);
	for (uint64_t i = t->count - kept; i < t->count; i++)
		entry_print(&t->kept[i % TRACE_KEPT], out);
}

static bool is_background(const struct trace_entry *e)
{
	switch (e->kind) {
	case TRACE_send:
	case TRACE_lost:
	case TRACE_twice:
	case TRACE_deliver: {
		/* The label's place is the third of four. */
		uint16_t opcode = (uint16_t)e->c;
		return !opcode_is_client(opcode) && !opcode_is_replica(opcode);
	}
	default:
		return false;
	}
}

void trace_print_between(const struct trace *t, usec_t from_us, usec_t to_us, uint32_t count, struct buf *out)
{
	for (uint64_t i = 0; i < t->all_count && count > 0; i++) {
		const struct trace_entry *e = &t->all[i];
		if (e->at_us < from_us || e->at_us > to_us || is_background(e))
			continue;
		entry_print(e, out);
		count--;
	}
}
