/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/unit/move_story.h"

enum { MAPS_MAX = 16 };

struct story story_begin(void) { return story_of(4); }

struct story story_of(uint32_t nodes)
{
	struct story s = {.c = cluster_new(nodes, 0), .maps = xcalloc(MAPS_MAX, sizeof(struct story_map))};
	s.partition = data_key("k0").partition;
	uint32_t found = 0;
	for (uint32_t i = 0; found < KEYS; i++) {
		char name[NAME_SIZE];
		snprintf(name, sizeof name, "k%u", i);
		if (data_key(name).partition == s.partition)
			memcpy(s.keys[found++], name, sizeof name);
	}
	return s;
}

void story_end(struct story *s)
{
	cluster_free(s->c);
	free(s->maps);
}

static struct story_map *next_map(struct story *s)
{
	assert_true(s->map_count < MAPS_MAX);
	struct story_map *map = &s->maps[s->map_count];
	const struct map_desc *before = s->map_count > 0 ? &s->maps[s->map_count - 1].desc : &s->c->map;
	map->desc = *before;
	map->desc.epoch++;
	memcpy(map->rows, before->rows, sizeof map->rows);
	memcpy(map->epochs, before->config_epochs, sizeof map->epochs);
	map->desc.rows = map->rows;
	map->desc.config_epochs = map->epochs;
	map->epochs[s->partition] = map->desc.epoch;
	map->desc.move_count = 0;
	s->map_count++;
	return map;
}

const struct map_desc *map_with_move(struct story *s, uint8_t session)
{
	struct story_map *map = next_map(s);
	map->move = (struct map_move){.partition = s->partition,
				      .old_count = REPLICAS,
				      .new_count = REPLICAS,
				      .old_row = {STAYS_A, STAYS_B, LEAVES},
				      .new_row = {STAYS_A, STAYS_B, JOINS}};
	map->move.session.bytes[0] = session;
	map->desc.moves = &map->move;
	map->desc.move_count = 1;
	return &map->desc;
}

const struct map_desc *map_with_two(struct story *s, uint8_t session)
{
	const struct map_desc *desc = map_with_move(s, session);
	struct map_move *move = &s->maps[s->map_count - 1].move;
	move->new_row[1] = JOINS;
	move->new_row[2] = JOINS_TOO;
	return desc;
}

static void set_row(struct story_map *map, uint16_t partition, node_id last)
{
	map->rows[partition * REPLICAS + 0] = STAYS_A;
	map->rows[partition * REPLICAS + 1] = STAYS_B;
	map->rows[partition * REPLICAS + 2] = last;
}

const struct map_desc *map_after_move(struct story *s)
{
	struct story_map *map = next_map(s);
	set_row(map, s->partition, JOINS);
	return &map->desc;
}

const struct map_desc *map_with_return(struct story *s, uint8_t session)
{
	const struct map_desc *desc = map_with_move(s, session);
	struct map_move *move = &s->maps[s->map_count - 1].move;
	move->old_row[2] = JOINS;
	move->new_row[2] = LEAVES;
	return desc;
}

const struct map_desc *map_after_two(struct story *s)
{
	const struct map_desc *desc = map_after_move(s);
	struct story_map *map = &s->maps[s->map_count - 1];
	map->rows[s->partition * REPLICAS + 1] = JOINS;
	map->rows[s->partition * REPLICAS + 2] = JOINS_TOO;
	return desc;
}

const struct map_desc *map_without_move(struct story *s)
{
	struct story_map *map = next_map(s);
	set_row(map, s->partition, LEAVES);
	return &map->desc;
}

void install(struct story *s, node_id i, const struct map_desc *map)
{
	struct node_event ev = {.kind = EV_MAP_SAVED, .map.map = map};
	s->c->map.epoch = MAX(s->c->map.epoch, map->epoch); /* what hand-made messages are sent under */
	step(s->c, i, &ev);
}

void install_all(struct story *s, const struct map_desc *map)
{
	for (node_id i = 0; i < s->c->node_count; i++) {
		if (s->c->nodes[i].core)
			install(s, i, map);
	}
	run(s->c);
}

void restart(struct story *s, node_id i, const struct map_desc *map)
{
	if (s->c->nodes[i].core)
		crash(s->c, i);
	start_node(s->c, i, map);
}

enum move_stage stage_at(const struct story *s, node_id i)
{
	struct node_core *core = s->c->nodes[i].core;
	return partitions_are_loaded(core) ? partition_at(core, s->partition)->stage : 0;
}

static bool is_reached(const struct story *s, enum move_stage stage)
{
	bool two = s->c->node_count > JOINS_TOO;
	return stage_at(s, JOINS) == stage && (!two || stage_at(s, JOINS_TOO) == stage);
}

bool reach(struct story *s, enum move_stage stage, uint32_t ms)
{
	for (uint32_t passed = 0; passed < ms && !is_reached(s, stage); passed += 10)
		pass(s->c, 10 * USEC_PER_MSEC);
	return is_reached(s, stage);
}

const struct msg_move *heard(const struct story *s, node_id i)
{
	return moves_report(s->c->nodes[i].core, s->partition, JOINS);
}

static const char *value_of(const char *key, const char *suffix, char value[2 * NAME_SIZE])
{
	snprintf(value, 2 * NAME_SIZE, "%s%s", key, suffix);
	return value;
}

void fill(struct story *s, const char *suffix, struct msg_request how)
{
	char value[2 * NAME_SIZE];
	for (uint32_t i = 0; i < KEYS; i++)
		assert_int_equal(call(s->c, STAYS_A, OP_PUT, s->keys[i], value_of(s->keys[i], suffix, value), how),
				 KV_OK);
}

void assert_filled(struct story *s, node_id i, const char *suffix)
{
	char value[2 * NAME_SIZE];
	for (uint32_t k = 0; k < KEYS; k++)
		assert_reads(s->c, i, s->keys[k], value_of(s->keys[k], suffix, value));
}

uint32_t rows_at(const struct story *s, node_id i)
{
	uint32_t count = 0;
	for (size_t k = 0; k < s->c->nodes[i].row_count; k++) {
		const struct disk_key *key = &s->c->nodes[i].rows[k].key;
		count += key->table == DISK_DATA && key->partition == s->partition;
	}
	return count;
}

uint32_t weak_at(const struct story *s, node_id i)
{
	uint32_t count = 0;
	for (uint32_t k = 0; k < KEYS; k++)
		count += on_disk(s->c, i, s->keys[k]).weak;
	return count;
}
