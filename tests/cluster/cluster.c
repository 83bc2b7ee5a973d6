/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/cluster.h"

#include "tests/cluster/harness.h"

enum { CLIENT_MS = 5000, STATUS_MS = 500, READY_MS = 20000, SETTLE_MS = 60000, FORM_MS = 15000 };

struct kv_client *cluster_open_client(const char *endpoints, unsigned timeout_ms)
{
	struct kv_error err;
	struct kv_client *client = NULL;
	char timeout[16];
	struct kv_config *config = kv_config_new();
	snprintf(timeout, sizeof timeout, "%u", MIN(timeout_ms, 60000u));
	enum kv_status status = kv_config_set(config, "endpoints", endpoints, &err);
	if (status == KV_OK)
		status = kv_config_set(config, "timeout_ms", timeout, &err);
	if (status == KV_OK)
		status = kv_open(config, &client, &err);
	kv_config_free(config);
	if (status != KV_OK)
		fail_msg("no client for %s: %s", endpoints, err.message);
	return client;
}

static void cluster_end(void *arg)
{
	struct cluster *c = arg;
	for (unsigned i = 0; i < c->count; i++) {
		process_kill(&c->nodes[i]);
		process_release(&c->nodes[i]);
	}
	kv_close(c->client, 0);
	proxy_free(c->net);
	free(c);
}

static void start_first(struct cluster *c, unsigned index)
{
	const struct cluster_options *o = &c->options;
	struct process *p = &c->nodes[index];
	char name[16];
	snprintf(name, sizeof name, "n%u", index);
	process_init(p, c->directory, name);
	p->shards = o->shards ? o->shards : 1;
	p->settings = o->settings;
	p->compare_ms = o->compare_ms;
	p->listen_peer = index + 1 == (o->nodes ? o->nodes : 3) ? o->listen_peer : NULL;
	if (o->faulty)
		process_make_faulty(p);
	if (c->net) {
		p->advertise_client = proxy_client_address(c->net, index);
		p->advertise_peer = proxy_peer_address(c->net, index);
	}
	if (o->prepare)
		o->prepare(p, index);
	process_start(p);
	if (c->net)
		proxy_point(c->net, index, p->client, p->peer);
}

static void add_endpoint(struct cluster *c, unsigned index)
{
	const struct process *p = &c->nodes[index];
	size_t used = strlen(c->endpoints);
	snprintf(c->endpoints + used, sizeof c->endpoints - used, "%s%s", index ? "," : "",
		 p->advertise_client ? p->advertise_client : p->client);
}

unsigned cluster_spawn(struct cluster *c)
{
	KV_ASSERT(c->count < CLUSTER_NODES_MAX);
	start_first(c, c->count);
	return c->count++;
}

struct cluster *cluster_new_unformed(const struct cluster_options *options)
{
	static const struct cluster_options defaults;
	const struct cluster_options *o = options ? options : &defaults;
	struct cluster *c = xcalloc(1, sizeof *c);
	harness_at_teardown(cluster_end, c);
	c->directory = harness_directory();
	c->options = *o;
	unsigned count = o->nodes ? o->nodes : 3;
	if (o->proxied)
		c->net = proxy_new(count + o->spares, o->seed);
	while (c->count < count)
		add_endpoint(c, cluster_spawn(c));
	c->client = cluster_open_client(c->endpoints, harness_ms(CLIENT_MS));
	return c;
}

enum kv_status cluster_form(struct cluster *c, unsigned from, unsigned partitions, struct kv_error *err)
{
	const char *addresses[CLUSTER_NODES_MAX];
	struct kv_cluster_spec spec = KV_CLUSTER_SPEC_INIT;
	for (unsigned i = 0; i < c->count; i++)
		addresses[i] = process_peer_address(&c->nodes[i]);
	spec.name = "test";
	spec.partitions = partitions ? partitions : 64;
	spec.replicas = MIN(c->count, 3u);
	spec.peer_addresses = addresses;
	spec.address_count = c->count;
	return kv_cluster_init(c->client, c->nodes[from].client, &spec, harness_ms(FORM_MS), err);
}

struct cluster *cluster_new(const struct cluster_options *options)
{
	struct cluster *c = cluster_new_unformed(options);
	struct kv_error err;
	if (cluster_form(c, 0, options ? options->partitions : 0, &err) != KV_OK)
		fail_msg("the cluster could not be formed: %s: %s", kv_status_name(err.status), err.message);
	cluster_await_together(c);
	return c;
}

struct kv_node_status *cluster_status(struct cluster *c, unsigned index)
{
	struct kv_node_status *status = NULL;
	if (kv_status_get(c->client, c->nodes[index].client, harness_ms(STATUS_MS), &status, NULL) != KV_OK)
		return NULL;
	return status;
}

void cluster_status_free(struct kv_node_status **status) { kv_node_status_free(*status); }

uint64_t cluster_counter(const struct kv_node_status *status, const char *name)
{
	for (size_t i = 0; i < status->counter_count; i++) {
		if (strcmp(status->counters[i].name, name) == 0)
			return status->counters[i].value;
	}
	fail_msg("no counter %s", name);
	return 0;
}

/** A node's answer that may take a while, because it or the machine has much to do. */
struct enquiry {
	struct cluster *cluster;
	unsigned index;
	struct kv_node_status *status;
};

static bool is_answered(void *arg)
{
	struct enquiry *e = arg;
	e->status = cluster_status(e->cluster, e->index);
	return e->status != NULL;
}

uint64_t cluster_counter_of(struct cluster *c, unsigned index, const char *name)
{
	struct enquiry e = {.cluster = c, .index = index};
	harness_await(is_answered, &e, READY_MS, "a node that says how it is");
	uint64_t value = cluster_counter(e.status, name);
	kv_node_status_free(e.status);
	return value;
}

void cluster_check_alive(struct cluster *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (c->nodes[i].pid && !c->gone[i] && !process_is_alive(&c->nodes[i]))
			fail_msg("node %u is gone", i);
	}
}

/** A node of a cluster, for conditions. */
struct watched {
	struct cluster *cluster;
	unsigned index;
};

static bool is_ready(void *arg)
{
	const struct watched *w = arg;
	cluster_check_alive(w->cluster);
	CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(w->cluster, w->index);
	return status && status->ready;
}

void cluster_await_ready(struct cluster *c, unsigned index)
{
	struct watched w = {.cluster = c, .index = index};
	harness_await(is_ready, &w, READY_MS, "a node that serves");
}

static bool runs(const struct cluster *c, unsigned index)
{
	return c->nodes[index].pid > 0 && !c->nodes[index].paused && !c->gone[index];
}

static bool sees_all_up(const struct cluster *c, const struct kv_node_status *status)
{
	unsigned up = 0, running = 0;
	for (unsigned i = 0; i < c->count; i++)
		running += runs(c, i);
	for (size_t i = 0; i < status->peer_count; i++) {
		enum kv_peer_state state = status->peers[i].state;
		up += state == KV_PEER_UP && status->peers[i].node != status->index;
	}
	return up + 1 >= running;
}

static bool are_together(void *arg)
{
	struct cluster *c = arg;
	bool together = true;
	cluster_check_alive(c);
	for (unsigned i = 0; i < c->count && together; i++) {
		if (!runs(c, i))
			continue;
		CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(c, i);
		together = status && status->ready && sees_all_up(c, status);
	}
	return together;
}

void cluster_await_together(struct cluster *c)
{
	harness_await(are_together, c, READY_MS, "nodes that serve and see each other");
}

static uint64_t hints_at(struct cluster *c, unsigned index)
{
	CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(c, index);
	if (!status)
		return UINT64_MAX;
	uint64_t pending = 0;
	for (size_t i = 0; i < status->peer_count; i++)
		pending += status->peers[i].hints_pending + status->peers[i].partitions_dirty;
	return pending;
}

static bool has_no_hints(void *arg)
{
	struct cluster *c = arg;
	cluster_check_alive(c);
	for (unsigned i = 0; i < c->count; i++) {
		if (!c->gone[i] && hints_at(c, i) != 0)
			return false;
	}
	return true;
}

void cluster_await_settled(struct cluster *c)
{
	cluster_await_together(c);
	if (harness_wait(has_no_hints, c, SETTLE_MS))
		return;
	for (unsigned i = 0; i < c->count; i++)
		if (!c->gone[i])
			print_error("node %u still has %llu hints\n", i, (unsigned long long)hints_at(c, i));
	fail_msg("hints were not delivered");
}

void cluster_start(struct cluster *c, unsigned index)
{
	process_start(&c->nodes[index]);
	if (c->net)
		proxy_point(c->net, index, c->nodes[index].client, c->nodes[index].peer);
}

void cluster_restart(struct cluster *c, unsigned index)
{
	cluster_start(c, index);
	cluster_await_ready(c, index);
}

static void check_serves_at(struct cluster *c, enum kv_level level, const char *key)
{
	struct kv_options options = KV_OPTIONS_INIT;
	struct kv_item item;
	struct kv_error err;
	options.level = level;
	/* By a majority at least, so that any two replicas asked next have it between them. */
	options.acks = level == KV_LEVEL_EVENTUAL ? KV_ACKS_MAJORITY : KV_ACKS_DEFAULT;
	if (kv_put(c->client, &options, kv_slice_str(key), kv_slice_str("served"), NULL, &err) != KV_OK)
		fail_msg("a put of %s failed: %s: %s", key, kv_status_name(err.status), err.message);
	if (kv_get(c->client, &options, kv_slice_str(key), &item, &err) != KV_OK)
		fail_msg("a get of %s failed: %s: %s", key, kv_status_name(err.status), err.message);
	bool same = item.value.size == 6 && memcmp(item.value.data, "served", 6) == 0;
	kv_item_release(&item);
	assert_true(same);
}

void cluster_check_serves(struct cluster *c)
{
	static unsigned asked;
	char key[32];
	cluster_check_alive(c);
	snprintf(key, sizeof key, "served-%u", asked++);
	check_serves_at(c, KV_LEVEL_STRONG, key);
	snprintf(key, sizeof key, "served-%u", asked++);
	check_serves_at(c, KV_LEVEL_EVENTUAL, key);
}
