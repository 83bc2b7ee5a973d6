/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the files of a simulated node share: node.c has its process and events, node_disk.c what it does with its disk, node_life.c its identities. Only they
 * include this.
 */
#ifndef KV_SIM_NODE_INSIDE_H
#define KV_SIM_NODE_INSIDE_H

#include "tests/sim/node.h"
#include "tests/sim/sim.h"

/** Lets a core handle an event, carries out what it wants. Nothing happens if the process is dying. */
void node_step(struct sim_node *n, uint32_t core, struct node_event *event);

/** True if the process ends here, before the next thing it would do. */
bool node_dies_here(struct sim_node *n);

/** The process, which is DYING, ends. */
void node_die(struct sim_node *n);

/** The disk of a node that is down is gone for ever, and its identity with it. */
void node_lost(struct sim_node *n, enum kv_status why);

/* Actions. */
void node_write(struct sim_node *n, uint32_t core, const struct action *a);
void node_read(struct sim_node *n, uint32_t core, uint64_t token, struct disk_work *work);
/** A partition is removed; as with a write, durable with the next sync. */
void node_drop(struct sim_node *n, uint32_t core, const struct action *a);

void node_save_map(struct sim_node *n, uint32_t core, const struct map_desc *map);

/* Events. */
void node_on_disk(struct sim_node *n, const struct sim_event *event);
void node_on_sync(struct sim_node *n);

/** Reads the stored map into ARENA; false if there is none. */
bool node_get_map(struct sim_node *n, struct arena *arena, struct map_desc *ret);
void node_put_map(struct sim_node *n, const struct map_desc *map);

/** Greatest limit that any core has made durable. */
hlc_t node_hlc_limit(struct sim_node *n);

#endif
