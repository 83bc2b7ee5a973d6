/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/core.h"

#include "proto/keyhash.h"

uint64_t core_next_id(struct node_core *core) { return ++core->id_last; }

hlc_t core_clock(const struct node_core *core) { return hlc_peek(&core->clock, core->now.wall_us); }

bool core_yields(const struct node_core *core)
{
	return core->op_count > core->config.ops_max / 4 || core->write_bytes > WRITE_BYTES_MAX / 8;
}

bool core_fresh_version(struct node_core *core, struct version *ret)
{
	hlc_t hlc;
	if (BUGGIFY(core, clock_waits) || !hlc_now(&core->clock, core->now.wall_us, &hlc)) {
		core->stats.clock_waits++;
		return false;
	}
	*ret = version_of_node(hlc, core->self);
	return true;
}

bool core_is_ahead(const struct node_core *core, struct version v)
{
	return v.hlc > hlc_from_wall_us(core->now.wall_us) + hlc_from_ms(MAX_DRIFT_MS);
}

void core_observe(struct node_core *core, hlc_t seen)
{
	(void)hlc_observe(&core->clock, core->now.wall_us, seen, MAX_DRIFT_MS);
}

struct msg *core_msg(struct node_core *core, uint16_t opcode, uint64_t id, bool reply)
{
	struct msg *m = actions_msg(core->out);
	m->opcode = opcode;
	m->id = id;
	m->reply = reply;
	m->shard = core->config.shard;
	return m;
}

bool core_clock_is_current(const struct node_core *core)
{
	return hlc_from_wall_us(core->now.wall_us) > core->boot_limit;
}

/**
 * The reading that messages carry. Until physical time has passed the limit of the life before, the clock stands at that
 * limit, and others must not be drawn up to a second ahead by it.
 */
hlc_t core_stamp(const struct node_core *core)
{
	return core_clock_is_current(core) ? core_clock(core) : hlc_from_wall_us(core->now.wall_us);
}

void core_send(struct node_core *core, node_id to, struct msg *m)
{
	m->hlc = core_stamp(core);
	/* What was planned or made under an older map says so itself. */
	if (m->epoch == 0)
		m->epoch = core->map ? core->map->desc.epoch : 0;
	if (to == core->self) {
		if (m->opcode == OP_PREPARE && !m->reply && BUGGIFY(core, own_replica_apart))
			return; /* as if the own disk took longer than all others */
		struct local_msg *local = actions_alloc(core->out, sizeof *local);
		*local = (struct local_msg){.msg = m};
		ilist_push_back(&core->local, &local->link);
		return;
	}
	struct action *a = actions_add(core->out, ACT_SEND);
	a->send.to = to;
	a->send.msg = m;
}

void core_send_first(struct node_core *core, struct msg *m)
{
	if (core->config.shard == 0) {
		core_send(core, core->self, m);
		return;
	}
	m->hlc = core_stamp(core);
	m->epoch = core->map->desc.epoch;
	struct action *a = actions_add(core->out, ACT_SEND);
	a->send.to = core->self;
	a->send.msg = m;
}

void core_reply(struct node_core *core, uint64_t client, const struct msg *m)
{
	struct msg *sent = actions_copy(core->out, m, sizeof *m);
	sent->hlc = core_stamp(core);
	sent->epoch = core->map ? core->map->desc.epoch : 0;
	struct action *a = actions_add(core->out, ACT_REPLY);
	a->reply.client = client;
	a->reply.msg = sent;
}

/** Tokens count up by one, so the writes under way fill a ring. */
static void note_write_size(struct node_core *core, uint64_t token, uint32_t size)
{
	size_t capacity = core->write_sizes_capacity;
	if (token - core->write_done > capacity) {
		size_t grown = MAX(capacity * 2, (size_t)64);
		struct write_under_way *sizes = xcalloc(grown, sizeof *sizes);
		for (uint64_t t = core->write_done + 1; t < token; t++)
			sizes[t % grown] = core->write_sizes[t % capacity];
		free(core->write_sizes);
		core->write_sizes = sizes;
		core->write_sizes_capacity = capacity = grown;
	}
	core->write_sizes[token % capacity] = (struct write_under_way){size, core->now.mono_us};
	core->write_bytes += size;
}

uint64_t core_write(struct node_core *core, const struct disk_put *puts, uint32_t count)
{
	struct action *a = actions_add(core->out, ACT_WRITE);
	a->write.token = ++core->write_issued;
	a->write.count = count;
	a->write.puts = actions_copy(core->out, puts, count * sizeof *puts);
	size_t size = 0;
	for (uint32_t i = 0; i < count; i++)
		size += puts[i].key.key.size + puts[i].value.size;
	KV_ASSERT(size <= UINT32_MAX);
	note_write_size(core, core->write_issued, (uint32_t)size);
	pace_write(core);
	core->stats.disk_writes++;
	return core->write_issued;
}

uint64_t core_drop(struct node_core *core, uint16_t partition)
{
	struct action *a = actions_add(core->out, ACT_DROP);
	a->drop.token = ++core->write_issued;
	a->drop.partition = partition;
	note_write_size(core, core->write_issued, 0);
	core->stats.disk_writes++;
	return core->write_issued;
}

void core_written(struct node_core *core, uint64_t token)
{
	KV_ASSERT(token <= core->write_issued);
	while (core->write_done < token) {
		core->write_done++;
		struct write_under_way w = core->write_sizes[core->write_done % core->write_sizes_capacity];
		core->write_bytes -= w.size;
		disk_watch_add(&core->disk, core->now.mono_us - w.since_us);
	}
}

static uint64_t add_wait(struct node_core *core, enum disk_wait_kind kind, void *owner)
{
	struct disk_wait *wait = xcalloc(1, sizeof *wait);
	wait->token = ++core->token_last;
	wait->kind = kind;
	wait->owner = owner;
	hmap_add(&core->reads, &wait->node, hash_u64(wait->token));
	return wait->token;
}

uint64_t core_read(struct node_core *core, enum disk_wait_kind kind, void *owner, const struct disk_key *key)
{
	struct action *a = actions_add(core->out, ACT_READ);
	a->read.token = add_wait(core, kind, owner);
	a->read.key = *key;
	core->stats.disk_reads++;
	return a->read.token;
}

uint64_t core_look(struct node_core *core, enum disk_wait_kind kind, void *owner, const struct disk_key *key)
{
	uint64_t token = core_read(core, kind, owner, key);
	core->out->items[core->out->count - 1].read.look = true;
	return token;
}

uint64_t core_scan(struct node_core *core, enum disk_wait_kind kind, void *owner, const struct disk_scan *scan)
{
	struct action *a = actions_add(core->out, ACT_SCAN);
	a->scan.token = add_wait(core, kind, owner);
	a->scan.scan = *scan;
	return a->scan.token;
}

void core_peer(struct node_core *core, node_id index, struct slice address)
{
	struct action *a = actions_add(core->out, ACT_PEER);
	a->peer.index = index;
	a->peer.address = actions_copy_slice(core->out, address);
}

void core_stop(struct node_core *core, enum kv_status status, const char *why)
{
	struct action *a = actions_add(core->out, ACT_STOP);
	a->stop.status = status;
	a->stop.why = actions_copy_slice(core->out, slice_str(why));
}

void core_save_map(struct node_core *core, const struct map_desc *desc)
{
	struct action *a = actions_add(core->out, ACT_SAVE_MAP);
	/* The description may live in a message or in a formation that ends before the actions are carried out. */
	struct cluster_map *copy = cluster_map_new(desc);
	a->save_map.map = actions_hold_map(core->out, copy);
}

bool core_buggify(struct node_core *core, const char *place)
{
	bool at_work = hash64_seeded(slice_str(place), core->config.buggify_seed) % 4 == 0;
	return at_work && rng_chance(&core->rng, 200000);
}

struct place core_locate(const struct node_core *core, struct slice key)
{
	uint64_t hash = key_hash(key);
	struct place p;
	p.partition = hash_partition(hash, core->map->desc.partitions);
	p.leaf = hash_leaf(hash, core->map->desc.partitions);
	p.row = cluster_map_row(core->map, p.partition);
	return p;
}
