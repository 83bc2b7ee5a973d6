/* SPDX-License-Identifier: Apache-2.0 */
/* Identities of a simulated node: how one ends, what comes after it, and what the cluster's map makes of it. */
#include "base/mutant.h"
#include "replication/record.h"
#include "replication/version.h"
#include "storage/store_mem.h"
#include "tests/sim/faults.h"
#include "tests/sim/node_inside.h"

/* The disk of a node that is down is gone for ever. */
void node_lost(struct sim_node *n, enum kv_status why)
{
	struct sim *sim = n->sim;
	n->lost = true;
	sim->lost_count++;
	maps_bury(&sim->maps, &n->uuid);
	trace_add(&sim->trace, sim->now_us, TRACE_lose, n->index, why, 0, 0);
	admin_machine_is_free(sim, n);
}

/* --- mutants: the old identity comes back --- */

static bool keep_row(void *arg, struct slice key, struct slice value)
{
	struct store *to = arg;
	struct store_op op = {.table = STORE_META, .key = key, .value = value};
	enum kv_status status = store_write(to, &op, 1, /* sync: */ false);
	KV_ASSERT(status == KV_OK);
	return true;
}

/* Takes a record over unless a newer one is there. */
static bool merge_row(void *arg, struct slice key, struct slice value)
{
	struct store *to = arg;
	struct buf there = BUF_INIT, here = BUF_INIT; /* records are read where they are aligned */
	struct record theirs, ours = {0};
	buf_append_slice(&here, value);
	enum kv_status read = store_get(to, STORE_DATA, key, /* cache_only: */ false, &there);
	bool good = record_decode(buf_slice(&here), &theirs) == KV_OK &&
		    (read != KV_OK || record_decode(buf_slice(&there), &ours) == KV_OK);
	KV_ASSERT(good);
	if (version_less(ours.ver, theirs.ver)) {
		struct store_op op = {.table = STORE_DATA, .key = key, .value = value};
		enum kv_status status = store_write(to, &op, 1, /* sync: */ false);
		KV_ASSERT(status == KV_OK);
	}
	buf_release(&there);
	buf_release(&here);
	return true;
}

/* Without its records, as an operator might make it; or with those that all other replicas have. */
static void come_back(struct sim_node *n, bool caught_up)
{
	struct sim *sim = n->sim;
	struct store *fresh = store_mem_new(n->boot);
	store_mem_foreach(n->store, STORE_META, keep_row, fresh);
	for (uint32_t i = 0; caught_up && i < sim->options.node_count; i++)
		if (i != n->index && !sim->nodes[i].lost)
			store_mem_foreach(sim->nodes[i].store, STORE_DATA, merge_row, fresh);
	store_close(n->store);
	n->store = fresh;
	enum kv_status status = store_mem_sync(n->store);
	KV_ASSERT(status == KV_OK);
	faults_restart_later(sim, n);
}

/* --- the end of one --- */

void sim_node_lose_disk(struct sim_node *n)
{
	struct sim *sim = n->sim;
	if (n->lost || n->left)
		return;
	bool was_up = n->up;
	if (was_up)
		sim_node_crash(n);
	sim->cover.lost_disks++;
	/* Who was given up stays away whatever its disk holds. */
	if ((MUTANT(losedisk) || MUTANT(losedisk2)) && !maps_is_dead(&sim->maps, &n->uuid)) {
		trace_add(&sim->trace, sim->now_us, TRACE_lose, n->index, KV_OK, 0, 0);
		if (was_up)
			come_back(n, MUTANT(losedisk2));
		return;
	}
	node_lost(n, KV_OK);
}

void sim_node_renew(struct sim_node *n)
{
	struct sim *sim = n->sim;
	KV_ASSERT(!n->up && (n->lost || n->left));
	store_close(n->store);
	n->store = store_mem_new(rng_next(&sim->change_rng));
	for (size_t i = 0; i < sizeof n->uuid.bytes; i++)
		n->uuid.bytes[i] = (uint8_t)rng_between(&sim->change_rng, 1, 255);
	n->life++;
	n->epoch = 0;
	n->lost = n->left = false;
	n->token[0] = '\0';
	snprintf(n->name, sizeof n->name, "n%u-%u", n->index, n->life);
	if (rng_chance(&sim->change_rng, 500000))
		snprintf(n->address, sizeof n->address, "n%u:%u", n->index, 7000 + n->life);
}

/* --- in the map --- */

enum node_state sim_node_state(const struct sim_node *n)
{
	const struct map_node *node = maps_find(&n->sim->maps, &n->uuid);
	return node ? node->state : (enum node_state)0;
}

bool sim_node_is_member(const struct sim_node *n)
{
	const struct sim_options *o = &n->sim->options;
	enum node_state state = sim_node_state(n);
	if (n->lost || n->left)
		return false;
	if (!o->membership || !n->sim->maps.newest)
		return n->index < o->node_count - o->spare_count;
	return state == NODE_JOINING || state == NODE_NORMAL || state == NODE_LEAVING;
}

bool sim_node_is_spare(const struct sim_node *n)
{
	return n->sim->maps.newest && !n->lost && !n->left && sim_node_state(n) == 0;
}
