/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A cluster of four nodes in which one partition moves: from nodes 0, 1, 2 to nodes 0, 1, 3. Maps are put into force by hand,
 * as if voters had decided on them.
 */
#ifndef KV_UNIT_MOVE_STORY_H
#define KV_UNIT_MOVE_STORY_H

#include "replication/core.h"
#include "tests/unit/core_cluster.h"

#define STRONG(...)   ((struct msg_request){.level = LEVEL_STRONG, __VA_ARGS__})
#define EVENTUAL(...) ((struct msg_request){.level = LEVEL_EVENTUAL, __VA_ARGS__})

enum { STAYS_A, STAYS_B, LEAVES, JOINS, JOINS_TOO, KEYS = 24, NAME_SIZE = 24 };

/** A map that a test makes of the cluster's. */
struct story_map {
	struct map_desc desc;
	node_id rows[PARTITIONS * REPLICAS];
	uint64_t epochs[PARTITIONS];
	struct map_move move;
};

struct story {
	struct cluster *c;
	uint16_t partition;
	char keys[KEYS][NAME_SIZE]; /* of the partition */
	struct story_map *maps;     /* all that were made; the last is the present one */
	uint32_t map_count;
};

/** The cluster is ready and has none of the keys. NODES: 4, or 5 where two nodes join. */
struct story story_begin(void);
struct story story_of(uint32_t nodes);
void story_end(struct story *s);

/** The next map: the partition moves as session NUMBER; ends with the new row; or is given up. Nobody has it yet. */
const struct map_desc *map_with_move(struct story *s, uint8_t session);
const struct map_desc *map_with_two(struct story *s, uint8_t session); /* nodes 1 and 2 leave, 3 and 4 join */
const struct map_desc *map_after_move(struct story *s);
const struct map_desc *map_with_return(struct story *s,
				       uint8_t session); /* node 2, which left, joins again and 3 leaves */
const struct map_desc *map_after_two(struct story *s);
const struct map_desc *map_without_move(struct story *s);

/** The map is durable and in force on node I, or on all. */
void install(struct story *s, node_id i, const struct map_desc *map);
void install_all(struct story *s, const struct map_desc *map);

/** The node dies and comes back with its disk and the newest map that it was given. */
void restart(struct story *s, node_id i, const struct map_desc *map);

/** What node I says of the partition in its durable state; 0 if nothing. */
enum move_stage stage_at(const struct story *s, node_id i);

/** Lets time pass until node JOINS, or all of those that join, has that stage. False after MS. */
bool reach(struct story *s, enum move_stage stage, uint32_t ms);

/** What core 0 of node I has heard of the new member; NULL nothing. */
const struct msg_move *heard(const struct story *s, node_id i);

/** Puts a value under each key, strongly or not. The value is the key's own name with SUFFIX. */
void fill(struct story *s, const char *suffix, struct msg_request how);

/** A strong read of each key through node I finds just that. */
void assert_filled(struct story *s, node_id i, const char *suffix);

/** Rows of the partition on node I's disk. */
uint32_t rows_at(const struct story *s, node_id i);

/** Keys of the partition of which node I holds a weak copy. */
uint32_t weak_at(const struct story *s, node_id i);

#endif
