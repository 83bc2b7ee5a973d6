/* SPDX-License-Identifier: Apache-2.0 */
#include "client/admin.h"
#include "client/map_call.h"

/* Says whom CALL is for. Waits for the map if TARGET is a name. */
static enum kv_status set_target(struct kv_client *client, struct call *call, const char *target,
				 struct kv_error *err)
{
	struct request *r = &call->request;
	if (!target) {
		r->target = TARGET_ANY;
		return KV_OK;
	}
	if (endpoint_is_valid(slice_str(target))) {
		r->target = TARGET_ADDRESS;
		r->address = target;
		return KV_OK;
	}
	struct reply *source;
	enum kv_status status = map_get(client, &source, err);
	if (status != KV_OK)
		return status;
	r->target = TARGET_NODE;
	r->node = route_find_name(source->msg.map.map, target);
	reply_unref(source);
	if (r->node == NODE_NONE)
		return client_error(err, KV_INVALID, "\"%.80s\" is neither host:port nor the name of a node",
				    target);
	return KV_OK;
}

enum kv_status admin_call_init(struct kv_client *client, struct call *call, uint16_t opcode,
			       enum retry_safety safety, const char *target, unsigned timeout_ms,
			       struct kv_error *err)
{
	uint32_t limit_ms;
	enum kv_status status = options_timeout(&client->engine.config, timeout_ms, &limit_ms, err);
	if (status == KV_OK)
		status = call_may_wait(client, err);
	if (status != KV_OK)
		return status;
	call_init(client, call, opcode, TARGET_ANY, safety, limit_ms);
	return set_target(client, call, target, err);
}

enum kv_status kv_ping(struct kv_client *client, const char *target, unsigned timeout_ms, uint64_t *ret_us,
		       struct kv_error *err)
{
	struct call call;
	enum kv_status status = admin_call_init(client, &call, OP_PING, RETRY_READ, target, timeout_ms, err);
	if (status != KV_OK)
		return status;
	if (target)
		call.request.tries_max = 1;
	status = call_run(client, &call, err);
	if (status != KV_OK)
		return status;
	if (ret_us)
		*ret_us = call.request.took_us;
	reply_unref(call.request.reply);
	return KV_OK;
}

static size_t counter_names_size(const struct msg_status *m)
{
	size_t size = 0;
	for (uint32_t i = 0; i < m->counter_count; i++)
		size += m->counters[i].name.size + 1;
	return size;
}

/* One block: the struct, peers, counters, names. */
static struct kv_node_status *status_build(const struct msg_status *m)
{
	size_t peers_size = m->peer_count * sizeof(struct kv_peer_status);
	size_t counters_size = m->counter_count * sizeof(struct kv_counter);
	struct kv_node_status *s = xcalloc(1, sizeof *s + peers_size + counters_size + counter_names_size(m));
	struct kv_peer_status *peers = (void *)(s + 1);
	struct kv_counter *counters = (void *)((char *)peers + peers_size);
	char *names = (char *)counters + counters_size;
	for (uint32_t i = 0; i < m->peer_count; i++) {
		peers[i] = (struct kv_peer_status){
			.node = m->peers[i].index,
			.state = (enum kv_peer_state)m->peers[i].state,
			.round_trip_us = m->peers[i].round_trip_us,
			.hints_pending = m->peers[i].hints_pending,
			.partitions_dirty = m->peers[i].partitions_dirty,
			.link_bad = m->peers[i].link_bad,
			.degraded = m->peers[i].degraded,
			.health = m->peers[i].health,
			.disk_p99_us = m->peers[i].disk_p99_us,
			.disk_free_pct = m->peers[i].disk_free_pct,
			.disk_low = m->peers[i].disk_low,
		};
	}
	for (uint32_t i = 0; i < m->counter_count; i++) {
		counters[i] = (struct kv_counter){.name = names, .value = m->counters[i].value};
		call_copy_text(names, m->counters[i].name.size + 1, m->counters[i].name);
		names += m->counters[i].name.size + 1;
	}
	s->peer_count = m->peer_count;
	s->peers = peers;
	s->counter_count = m->counter_count;
	s->counters = counters;
	return s;
}

_Static_assert(sizeof(struct kv_node_status) % _Alignof(struct kv_peer_status) == 0, "peers follow the struct");
_Static_assert(sizeof(struct kv_peer_status) % _Alignof(struct kv_counter) == 0, "counters follow the peers");

static struct kv_node_status *status_from(const struct msg_status *m)
{
	struct kv_node_status *s = status_build(m);
	if (!uuid_is_zero(&m->cluster))
		uuid_format(&m->cluster, s->cluster);
	uuid_format(&m->node, s->node);
	call_copy_text(s->name, sizeof s->name, m->name);
	call_copy_text(s->version, sizeof s->version, m->version);
	s->index = m->index;
	s->ready = m->ready;
	s->incarnation = m->incarnation;
	s->map_epoch = m->map_epoch;
	s->uptime_ms = m->uptime_ms;
	s->shards = m->shards;
	return s;
}

enum kv_status kv_status_get(struct kv_client *client, const char *target, unsigned timeout_ms,
			     struct kv_node_status **ret_status, struct kv_error *err)
{
	struct call call;
	enum kv_status status = admin_call_init(client, &call, OP_STATUS, RETRY_READ, target, timeout_ms, err);
	if (status != KV_OK)
		return status;
	status = call_run(client, &call, err);
	if (status != KV_OK)
		return status;
	*ret_status = status_from(&call.request.reply->msg.status);
	reply_unref(call.request.reply);
	return KV_OK;
}

void kv_node_status_free(struct kv_node_status *status) { free(status); }

enum kv_status kv_cluster_init(struct kv_client *client, const char *target, const struct kv_cluster_spec *spec,
			       unsigned timeout_ms, struct kv_error *err)
{
	struct kv_cluster_spec s;
	struct call call;
	enum kv_status status = options_copy(spec, &s, sizeof s, err);
	if (status != KV_OK)
		return status;
	if (s.address_count == 0 || s.address_count > NODES_MAX || !s.peer_addresses)
		return client_error(err, KV_INVALID, "a cluster is formed of 1 to %u nodes, not %zu", NODES_MAX,
				    s.address_count);
	status = admin_call_init(client, &call, OP_CLUSTER_INIT, RETRY_ONCE,
				 target ? target : client->engine.config.endpoints[0], timeout_ms, err);
	if (status != KV_OK)
		return status;
	struct slice addresses[NODES_MAX];
	for (size_t i = 0; i < s.address_count; i++)
		addresses[i] = slice_str(s.peer_addresses[i]);
	call.request.tries_max = 1;
	call.request.msg.cluster_init = (struct msg_cluster_init){
		.name = s.name ? slice_str(s.name) : slice_of(NULL, 0),
		.partitions = s.partitions,
		.replicas = s.replicas,
		.address_count = (uint32_t)s.address_count,
		.addresses = addresses,
	};
	status = call_run(client, &call, err);
	if (status == KV_OK)
		reply_unref(call.request.reply);
	return status;
}
