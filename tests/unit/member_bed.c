/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/member_bed.h"

#include "tests/support/test.h"

static void on_answer(void *owner, node_id node, uint64_t client, const struct msg *reply)
{
	struct bed *b = owner;
	(void)node;
	if (client >= ANSWERS)
		return;
	struct answer *a = &b->answers[client];
	assert_false(a->there); /* one answer each */
	a->there = true;
	struct slice message = reply->opcode == OP_CLUSTER_PLAN ? reply->plan.message : reply->result.message;
	if (reply->opcode == OP_CLUSTER_PLAN) {
		a->plan = reply->plan;
		a->status = reply->plan.status;
	} else {
		a->status = reply->result.status;
		a->in_doubt = reply->result.in_doubt;
		snprintf(a->value, sizeof a->value, "%.*s", (int)reply->result.value.size,
			 (const char *)reply->result.value.data);
	}
	snprintf(a->message, sizeof a->message, "%.*s", (int)message.size, (const char *)message.data);
}

struct bed *bed_new(uint32_t nodes, uint32_t members)
{
	struct bed *b = xcalloc(1, sizeof *b);
	world_init(&b->w, 1, nodes, members);
	b->w.owner = b;
	b->w.answered = on_answer;
	for (node_id i = 0; i < nodes; i++)
		world_start(&b->w, i);
	world_run(&b->w, b->w.now_us + 3 * USEC_PER_SEC);
	return b;
}

void bed_free(struct bed *b)
{
	world_release(&b->w);
	free(b);
}

void bed_pass(struct bed *b, usec_t us) { world_run(&b->w, b->w.now_us + us); }

struct answer *bed_begin(struct bed *b, node_id at, const struct msg_change *change)
{
	struct msg m = {.opcode = OP_CLUSTER_CHANGE, .id = 1, .change = *change};
	uint64_t client = b->asked++;
	assert_true(client < ANSWERS);
	world_ask(&b->w, at, client, &m);
	return &b->answers[client];
}

enum kv_status bed_change(struct bed *b, node_id at, struct msg_change c)
{
	struct answer *a = bed_begin(b, at, &c);
	for (uint32_t i = 0; i < 200 && !a->there; i++)
		bed_pass(b, 100 * USEC_PER_MSEC);
	assert_true(a->there);
	return a->status;
}

const struct answer *bed_last(const struct bed *b) { return &b->answers[b->asked - 1]; }

void bed_expect_refused(struct bed *b, node_id at, struct msg_change c, enum kv_status status, const char *why)
{
	assert_int_equal(bed_change(b, at, c), status);
	if (!strstr(bed_last(b)->message, why))
		fail_msg("'%s' does not say '%s'", bed_last(b)->message, why);
}

const struct map_desc *bed_map(const struct bed *b, node_id node) { return &b->w.nodes[node].core->map->desc; }

const struct map_node *bed_node(const struct bed *b, node_id node) { return &bed_map(b, 0)->nodes[node]; }

struct msg_change bed_add(const char *address)
{
	return (struct msg_change){.kind = NODE_ADD, .node = NODE_NONE, .address = slice_str(address)};
}

struct msg_change bed_about(enum change_kind kind, node_id node)
{
	return (struct msg_change){.kind = kind, .node = node};
}

void bed_stop(struct bed *b, node_id node)
{
	world_crash(&b->w, node);
	bed_pass(b, 4 * USEC_PER_SEC); /* until it is known to be down */
}
