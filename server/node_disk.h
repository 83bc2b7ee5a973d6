/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The disk half of the adapter: a core's reads, writes and scans carried to the engine, and back as events.
 *
 * Reads ask memory first, on the loop; what memory cannot answer, and every scan, goes to the reader threads. Writes go
 * to the commit thread. Used by node.c only.
 */
#ifndef KV_SERVER_NODE_DISK_H
#define KV_SERVER_NODE_DISK_H

#include "server/node.h"

struct node_read;

/** LOOK: what cannot be read is told in the event; otherwise it stops the process. */
void node_disk_read(struct node *n, uint64_t token, const struct disk_key *key, bool look);
void node_disk_write(struct node *n, uint64_t token, const struct disk_put *puts, uint32_t count);

/** Removes the partition's rows in every table but the hints', in turn with the writes. */
void node_disk_drop(struct node *n, uint64_t token, uint16_t partition);

void node_disk_scan(struct node *n, uint64_t token, const struct disk_scan *scan);

/** Takes the next read that memory answered, as an event that borrows from it; NULL if there is none. */
struct node_read *node_disk_next_ready(struct node *n, struct node_event *ret);

/** The event has been stepped. */
void node_disk_recycle(struct node *n, struct node_read *read);

void node_disk_release(struct node *n);

/** Steps one event and what it makes ready. Not while another is being stepped. */
void node_step(struct node *n, struct node_event *event);

#endif
