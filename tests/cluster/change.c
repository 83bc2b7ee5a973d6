/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/change.h"

#include "tests/cluster/harness.h"

enum { ASK_MS = 3000, ASKED_MS = 30000, DONE_MS = 90000 };

/** A change that is asked for. */
struct order {
	struct cluster *cluster;
	enum kv_status (*give)(const struct order *o, struct kv_error *err);
	const char *address;
	uint16_t node;
	bool flag;
};

static bool is_carried_out(void *arg)
{
	struct order *o = arg;
	struct kv_error err;
	enum kv_status status = o->give(o, &err);
	/* A node that died a moment ago. */
	if (status == KV_REFUSED && strstr(err.message, "stop it first"))
		return false;
	if (status != KV_OK && status != KV_UNAVAILABLE && status != KV_IN_DOUBT && status != KV_DEADLINE &&
	    status != KV_NOT_READY && status != KV_OVERLOADED && status != KV_CLOSED)
		fail_msg("a change was refused: %s: %s", kv_status_name(status), err.message);
	return status == KV_OK;
}

static void carry_out(struct cluster *c, struct order o)
{
	o.cluster = c;
	harness_await(is_carried_out, &o, ASKED_MS, "a change that is carried out");
}

/* ---- the map ---- */

/** Copies what the map says of the node; false if it is in none. */
static bool find_node(struct cluster *c, unsigned index, struct kv_node *ret)
{
	struct kv_node *nodes;
	size_t count;
	bool found = false;
	kv_ping(c->client, NULL, harness_ms(ASK_MS), NULL, NULL); /* whose answer tells of a newer map */
	if (kv_nodes(c->client, &nodes, &count, NULL) != KV_OK)
		return false;
	for (size_t i = 0; i < count && !found; i++) {
		found = strcmp(nodes[i].name, c->nodes[index].name) == 0;
		if (found)
			*ret = nodes[i];
	}
	kv_nodes_free(nodes);
	return found;
}

static struct kv_node node_of(struct cluster *c, unsigned index)
{
	struct kv_node node;
	if (!find_node(c, index, &node))
		fail_msg("%s is not in the map", c->nodes[index].name);
	return node;
}

unsigned change_partitions(struct cluster *c, unsigned index) { return node_of(c, index).partitions; }

enum kv_node_state change_state(struct cluster *c, unsigned index) { return node_of(c, index).state; }

uint16_t change_map_index(struct cluster *c, unsigned index)
{
	struct kv_node node;
	return find_node(c, index, &node) ? node.index : KV_NODE_NONE;
}

/* ---- orders ---- */

static enum kv_status give_add(const struct order *o, struct kv_error *err)
{
	return kv_node_add(o->cluster->client, o->address, o->node, harness_ms(ASK_MS), err);
}

static enum kv_status give_remove(const struct order *o, struct kv_error *err)
{
	return kv_node_remove(o->cluster->client, o->node, o->flag, harness_ms(ASK_MS), err);
}

static enum kv_status give_commit(const struct order *o, struct kv_error *err)
{
	return kv_changes_commit(o->cluster->client, /* any epoch */ 0, harness_ms(ASK_MS), err);
}

static enum kv_status give_discard(const struct order *o, struct kv_error *err)
{
	return kv_changes_discard(o->cluster->client, harness_ms(ASK_MS), err);
}

static enum kv_status give_pause(const struct order *o, struct kv_error *err)
{
	return kv_moves_pause(o->cluster->client, o->flag, harness_ms(ASK_MS), err);
}

void change_stage(struct cluster *c, unsigned index, unsigned replaces)
{
	uint16_t place = replaces == CHANGE_NOBODY ? KV_NODE_NONE : change_map_index(c, replaces);
	if (replaces != CHANGE_NOBODY)
		c->gone[replaces] = true;
	carry_out(c, (struct order){
			     .give = give_add, .address = process_peer_address(&c->nodes[index]), .node = place});
}

unsigned change_add(struct cluster *c, unsigned replaces)
{
	unsigned index = cluster_spawn(c);
	change_stage(c, index, replaces);
	return index;
}

void change_remove(struct cluster *c, unsigned index, bool gone)
{
	carry_out(c, (struct order){.give = give_remove, .node = change_map_index(c, index), .flag = gone});
	c->leaves[index] = true;
}

bool change_try_add(struct cluster *c, unsigned index, unsigned ms)
{
	return kv_node_add(c->client, process_peer_address(&c->nodes[index]), KV_NODE_NONE, ms, NULL) == KV_OK;
}

bool change_try_remove(struct cluster *c, unsigned index, unsigned ms)
{
	return kv_node_remove(c->client, change_map_index(c, index), /* gone: */ false, ms, NULL) == KV_OK;
}

bool change_try_commit(struct cluster *c, unsigned ms)
{
	return kv_changes_commit(c->client, /* any epoch */ 0, ms, NULL) == KV_OK;
}

/** From the commit on they may end at any moment. What the client knows of the map may be older than what was staged. */
static void note_leavers(struct cluster *c)
{
	struct kv_node node;
	for (unsigned i = 0; i < c->count; i++) {
		if (c->leaves[i] || (find_node(c, i, &node) && (node.leave_staged || node.gone_staged)))
			c->gone[i] = true;
		c->leaves[i] = false;
	}
}

void change_commit(struct cluster *c)
{
	note_leavers(c);
	carry_out(c, (struct order){.give = give_commit});
}

void change_commit_if_staged(struct cluster *c)
{
	struct kv_node *nodes;
	size_t count;
	bool staged = false;
	kv_ping(c->client, NULL, harness_ms(ASK_MS), NULL, NULL);
	assert_int_equal(kv_nodes(c->client, &nodes, &count, NULL), KV_OK);
	for (size_t i = 0; i < count; i++)
		staged |= nodes[i].state == KV_NODE_STAGED || nodes[i].leave_staged;
	kv_nodes_free(nodes);
	if (staged)
		change_commit(c);
}

void change_discard(struct cluster *c)
{
	carry_out(c, (struct order){.give = give_discard});
	memset(c->leaves, 0, sizeof c->leaves);
}

void change_pause(struct cluster *c, bool pause)
{
	carry_out(c, (struct order){.give = give_pause, .flag = pause});
}

/* ---- how far it is ---- */

struct kv_moves *change_moves(struct cluster *c)
{
	struct kv_moves *moves = NULL;
	return kv_moves_get(c->client, NULL, harness_ms(ASK_MS), &moves, NULL) == KV_OK ? moves : NULL;
}

/** The greatest epoch among the running nodes; 0 unless all tell the same. */
static uint64_t common_epoch(struct cluster *c)
{
	uint64_t epoch = 0;
	for (unsigned i = 0; i < c->count; i++) {
		if (c->gone[i] || c->nodes[i].pid <= 0 || c->nodes[i].paused)
			continue;
		CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(c, i);
		if (!status || (epoch && status->map_epoch != epoch))
			return 0;
		epoch = status->map_epoch;
	}
	return epoch;
}

static bool nobody_arrives_or_leaves(struct cluster *c, uint64_t epoch)
{
	struct kv_cluster_info info;
	struct kv_node *nodes;
	size_t count;
	kv_ping(c->client, NULL, harness_ms(ASK_MS), NULL, NULL);
	if (kv_cluster_info(c->client, &info, NULL) != KV_OK || info.epoch != epoch || info.move_count > 0 ||
	    kv_nodes(c->client, &nodes, &count, NULL) != KV_OK)
		return false;
	bool settled = true;
	for (size_t i = 0; i < count; i++)
		settled &= nodes[i].state != KV_NODE_JOINING && nodes[i].state != KV_NODE_LEAVING;
	kv_nodes_free(nodes);
	return settled;
}

static bool look(struct cluster *c, void (*each)(const struct kv_moves *moves))
{
	struct kv_moves *moves = change_moves(c);
	bool done = moves && moves->count == 0 && moves->waiting == 0;
	uint64_t epoch = moves ? moves->epoch : 0;
	if (moves && each)
		each(moves);
	kv_moves_free(moves);
	return done && common_epoch(c) == epoch && nobody_arrives_or_leaves(c, epoch);
}

bool change_is_done(struct cluster *c) { return look(c, NULL); }

struct waiting {
	struct cluster *cluster;
	void (*each)(const struct kv_moves *moves);
};

static bool is_done(void *arg)
{
	struct waiting *w = arg;
	cluster_check_alive(w->cluster);
	return look(w->cluster, w->each);
}

static void tell_moves(struct cluster *c)
{
	struct kv_moves *moves = change_moves(c);
	if (!moves)
		return;
	print_error("epoch %llu, %zu moves, %u waiting%s\n", (unsigned long long)moves->epoch, moves->count,
		    moves->waiting, moves->paused ? ", paused" : "");
	for (size_t i = 0; i < moves->count; i++)
		print_error("partition %u to %u from %u, stage %u, %llu bytes, %u retries: %s\n",
			    moves->moves[i].partition, moves->moves[i].node, moves->moves[i].source,
			    moves->moves[i].stage, (unsigned long long)moves->moves[i].bytes_done,
			    moves->moves[i].retries, moves->moves[i].message);
	kv_moves_free(moves);
}

void change_await_done_in(struct cluster *c, unsigned ms, void (*each)(const struct kv_moves *moves))
{
	struct waiting w = {.cluster = c, .each = each};
	if (harness_wait(is_done, &w, ms))
		return;
	tell_moves(c);
	fail_msg("the change did not come to its end");
}

void change_await_done(struct cluster *c) { change_await_done_in(c, DONE_MS, NULL); }
