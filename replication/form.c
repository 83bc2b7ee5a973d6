/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/form.h"

#include "base/hash.h"
#include "replication/placement.h"
#include "replication/voters.h"

enum form_phase { FORM_RESERVING, FORM_SAVING, FORM_SPREADING };

/** The formation this node leads. */
struct form {
	enum form_phase phase;
	uint64_t client;
	usec_t deadline_us;
	usec_t resend_us;
	struct uuid cluster;
	struct slice name;
	uint32_t partitions, replicas;
	uint32_t count;
	node_id self;
	struct map_node nodes[NODES_MAX]; /* slices point into arena; uuid zero until reserved */
	bool acked[NODES_MAX];            /* has the map on disk */
	struct arena arena;
};

enum { FORM_ARENA_MAX = 1 << 20 };

void form_release(struct node_core *core)
{
	if (!core->form)
		return;
	arena_release(&core->form->arena);
	free(core->form);
	core->form = NULL;
}

static struct slice form_copy(struct form *f, struct slice text)
{
	struct slice copy = arena_copy(&f->arena, text);
	KV_ASSERT(copy.data);
	return copy;
}

static void reply_status(struct node_core *core, uint64_t client, enum kv_status status, bool in_doubt,
			 const char *text)
{
	struct msg *m = core_msg(core, OP_CLUSTER_INIT, 0, /* reply= */ true);
	m->result.status = status;
	m->result.in_doubt = in_doubt;
	m->result.message = actions_copy_slice(core->out, slice_str(text));
	core_reply(core, client, m);
}

static void form_end(struct node_core *core, enum kv_status status, bool in_doubt, const char *text)
{
	reply_status(core, core->form->client, status, in_doubt, text);
	form_release(core);
	if (!core->map)
		core->self = NODE_NONE; /* the index was the formation's */
}

static int own_position(const struct node_core *core, const struct msg_cluster_init *in)
{
	for (uint32_t i = 0; i < in->address_count; i++) {
		if (slice_equal(in->addresses[i], core->config.peer_address))
			return (int)i;
	}
	return -1;
}

/** Why the request cannot be carried out, or NULL. TEXT is room for it. */
static const char *form_refusal(const struct node_core *core, const struct msg_cluster_init *in, char text[240])
{
	char cluster[UUID_TEXT_SIZE];
	if (core->map) {
		uuid_format(&core->map->desc.cluster, cluster);
		snprintf(text, 240,
			 "this node already belongs to cluster %s; a cluster is formed of empty nodes only",
			 cluster);
		return text;
	}
	if (core->now.mono_us < core->reserved_until_us)
		return "this node is taking part in forming another cluster; wait for that, or a minute, and try again";
	if (core->form)
		return "this node is forming a cluster right now; wait for the answer to that request";
	if (own_position(core, in) < 0) {
		snprintf(text, 240,
			 "this node's peer address %.*s is not in the list; name all nodes, this one included",
			 (int)core->config.peer_address.size, (const char *)core->config.peer_address.data);
		return text;
	}
	for (uint32_t i = 0; i < in->address_count; i++) {
		for (uint32_t j = 0; j < i; j++) {
			if (slice_equal(in->addresses[i], in->addresses[j]))
				return "the list names one address twice";
		}
	}
	return NULL;
}

static void send_reserves(struct node_core *core)
{
	struct form *f = core->form;
	for (node_id i = 0; i < f->count; i++) {
		if (i == f->self || !uuid_is_zero(&f->nodes[i].uuid))
			continue;
		struct msg *m = core_msg(core, OP_INIT_RESERVE, core_next_id(core), /* reply= */ false);
		m->init = (struct msg_init){.cluster = f->cluster,
					    .from = f->self,
					    .index = i,
					    .from_address = core->config.peer_address};
		core_send(core, i, m);
	}
	f->resend_us = core->now.mono_us + FORM_RESEND_US;
}

struct map_node form_describe_self(const struct node_core *core, node_id index)
{
	return (struct map_node){.index = index,
				 .uuid = core->config.node,
				 .state = NODE_NORMAL,
				 .name = core->config.name,
				 .peer_address = core->config.peer_address,
				 .client_address = core->config.client_address,
				 .zone = core->config.zone,
				 .weight = core->config.weight,
				 .features = core->config.features};
}

static void form_check_complete(struct node_core *core);

void form_start(struct node_core *core, uint64_t client, const struct msg *m, usec_t arrived_us)
{
	const struct msg_cluster_init *in = &m->cluster_init;
	char text[240];
	const char *refusal = form_refusal(core, in, text);
	if (refusal) {
		reply_status(core, client, KV_REFUSED, false, refusal);
		return;
	}
	struct form *f = xcalloc(1, sizeof *f);
	core->form = f;
	f->arena = ARENA_INIT(FORM_ARENA_MAX);
	f->client = client;
	f->count = in->address_count;
	f->self = (node_id)own_position(core, in);
	f->name = form_copy(f, in->name);
	f->partitions = in->partitions ? in->partitions : PARTITIONS_DEFAULT;
	uint32_t most = MIN(REPLICAS_DEFAULT, f->count);
	f->replicas = in->replicas ? in->replicas : most - (most % 2 == 0);
	uint64_t high = rng_next(&core->rng), low = rng_next(&core->rng);
	memcpy(f->cluster.bytes, &high, 8);
	memcpy(f->cluster.bytes + 8, &low, 8);
	f->deadline_us = arrived_us + (in->deadline_ms ? in->deadline_ms : FORM_DEADLINE_MS) * USEC_PER_MSEC;
	f->nodes[f->self] = form_describe_self(core, f->self);
	for (node_id i = 0; i < f->count; i++) {
		if (i != f->self)
			core_peer(core, i, form_copy(f, in->addresses[i]));
	}
	core->self = f->self;
	send_reserves(core);
	form_check_complete(core);
}

/** Why this node cannot take part, or NULL. */
static const char *reserve_refusal(const struct node_core *core, const struct msg_init *in)
{
	/* A leader that starts anew has given its former formation up. */
	bool other =
		!uuid_equal(&core->reserved_for, &in->cluster) && core->reserved_asker != hash64(in->from_address);
	if (core->map && !uuid_equal(&core->map->desc.cluster, &in->cluster))
		return "it already belongs to a cluster";
	if (!core->map && other && (core->form || core->now.mono_us < core->reserved_until_us))
		return "it is taking part in forming another cluster";
	return NULL;
}

void form_reserve(struct node_core *core, const struct msg *m)
{
	const struct msg_init *in = &m->init;
	if (in->from >= NODES_MAX || in->index >= NODES_MAX || in->from == in->index)
		return;
	const char *refusal = reserve_refusal(core, in);
	/* Who is refused is outside this node's map or formation, where its index belongs to somebody else. */
	node_id to = core->map || core->form ? NODE_GUEST : in->from;
	core_peer(core, to, in->from_address);
	core->guest_until_us = core->now.mono_us + FORM_GUEST_US;
	if (!core->map && !refusal) {
		core->reserved_for = in->cluster;
		core->reserved_asker = hash64(in->from_address);
		core->reserved_until_us = core->now.mono_us + FORM_RESERVE_US;
	}
	struct msg *reply = core_msg(core, OP_INIT_RESERVE, m->id, /* reply= */ true);
	reply->shard = m->shard;
	reply->hlc = core_stamp(core);
	reply->init = *in;
	reply->init.status = refusal ? KV_REFUSED : KV_OK;
	reply->init.message = refusal ? slice_str(refusal) : slice_of(NULL, 0);
	reply->init.self = form_describe_self(core, in->index);
	/* Not by core_send: an index of a formation says nothing about this node's own. */
	struct action *a = actions_add(core->out, ACT_SEND);
	a->send.to = to;
	a->send.msg = reply;
}

/** What every node can do. */
static uint32_t common_level(const struct form *f)
{
	uint64_t common = UINT64_MAX;
	for (node_id i = 0; i < f->count; i++)
		common &= f->nodes[i].features;
	return feature_level_of(common);
}

static void form_save(struct node_core *core)
{
	struct form *f = core->form;
	node_id *rows = arena_alloc(&f->arena, (size_t)f->partitions * f->replicas * sizeof *rows);
	uint64_t *epochs = arena_alloc(&f->arena, f->partitions * sizeof *epochs);
	struct error err = {0};
	struct placement_input plan = {
		.partitions = f->partitions, .replicas = f->replicas, .node_count = f->count, .nodes = f->nodes};
	if (!rows || !epochs || placement_plan(&plan, rows, &err) != KV_OK) {
		form_end(core, KV_INVALID, false, rows && epochs ? err.message : "out of memory for the map");
		return;
	}
	for (uint32_t p = 0; p < f->partitions; p++)
		epochs[p] = 1;
	struct map_desc desc = {.cluster = f->cluster,
				.name = f->name,
				.epoch = 1,
				.partitions = f->partitions,
				.replicas = f->replicas,
				.node_count = f->count,
				.nodes = f->nodes,
				.rows = rows,
				.config_epochs = epochs,
				.feature_level = common_level(f)};
	desc.voter_count = voters_choose(&desc, NULL, desc.voters);
	if (cluster_map_check(&desc, &err) != KV_OK) {
		form_end(core, KV_REFUSED, false, err.message);
		return;
	}
	f->phase = FORM_SAVING;
	core->map_spread.saving = true;
	core_save_map(core, &desc);
}

static void form_check_complete(struct node_core *core)
{
	struct form *f = core->form;
	for (node_id i = 0; i < f->count; i++) {
		if (uuid_is_zero(&f->nodes[i].uuid))
			return;
	}
	form_save(core);
}

void form_reserved(struct node_core *core, const struct msg *m)
{
	struct form *f = core->form;
	const struct msg_init *in = &m->init;
	if (!f || f->phase != FORM_RESERVING || !uuid_equal(&in->cluster, &f->cluster) || in->index >= f->count)
		return;
	if (in->status != KV_OK) {
		char text[240];
		snprintf(text, sizeof text, "node %.*s cannot take part: %.*s", (int)in->self.peer_address.size,
			 (const char *)in->self.peer_address.data, (int)in->message.size,
			 (const char *)in->message.data);
		form_end(core, KV_REFUSED, false, text);
		return;
	}
	struct map_node *node = &f->nodes[in->index];
	if (!uuid_is_zero(&node->uuid))
		return;
	*node = in->self;
	node->index = in->index;
	node->state = NODE_NORMAL;
	node->name = form_copy(f, in->self.name);
	node->peer_address = form_copy(f, in->self.peer_address);
	node->client_address = form_copy(f, in->self.client_address);
	node->zone = form_copy(f, in->self.zone);
	form_check_complete(core);
}

static bool form_is_spread(const struct form *f)
{
	for (uint32_t i = 0; i < f->count; i++) {
		if (!f->acked[i])
			return false;
	}
	return true;
}

static void form_spread(struct node_core *core)
{
	struct form *f = core->form;
	for (node_id i = 0; i < f->count; i++) {
		if (!f->acked[i])
			map_spread_push(core, i);
	}
	f->resend_us = core->now.mono_us + FORM_RESEND_US;
}

void form_map_saved(struct node_core *core)
{
	struct form *f = core->form;
	if (!f || f->phase != FORM_SAVING)
		return;
	KV_ASSERT(uuid_equal(&core->map->desc.cluster, &f->cluster)); /* one map at a time is saved */
	f->phase = FORM_SPREADING;
	f->acked[f->self] = true;
	if (form_is_spread(f))
		form_end(core, KV_OK, false, "");
	else
		form_spread(core);
}

void form_map_acked(struct node_core *core, node_id from, const struct msg *m)
{
	struct form *f = core->form;
	if (!f || f->phase != FORM_SPREADING || from >= f->count || m->map.have_epoch < core->map->desc.epoch)
		return;
	f->acked[from] = true;
	if (form_is_spread(f))
		form_end(core, KV_OK, false, "");
}

void form_tick(struct node_core *core)
{
	if (core->config.shard != 0)
		return;
	if (core->guest_until_us != 0 && core->now.mono_us >= core->guest_until_us) {
		core->guest_until_us = 0;
		core_peer(core, NODE_GUEST, slice_of(NULL, 0));
	}
	struct form *f = core->form;
	if (!f)
		return;
	if (core->now.mono_us >= f->deadline_us) {
		if (f->phase == FORM_RESERVING) {
			core->self = NODE_NONE;
			form_end(
				core, KV_UNAVAILABLE, false,
				"not every node answered in time; check that each runs and its peer address is reachable");
		} else {
			form_end(
				core, KV_IN_DOUBT, true,
				"the cluster is formed but some node has not confirmed the map yet; it gets it when reachable");
		}
		return;
	}
	if (core->now.mono_us < f->resend_us)
		return;
	if (f->phase == FORM_RESERVING)
		send_reserves(core);
	else if (f->phase == FORM_SPREADING)
		form_spread(core);
}
