/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The last resort: a cluster map for the nodes that are left, when so many are gone for ever that their votes or a
 * partition's majority went with them. Everything else in kvd refuses to go on then, for what was acknowledged may be lost.
 *
 * Offline, on a survivor's data directory. The named nodes stay, all others are REMOVED for ever, the voters are chosen among
 * the survivors, and the epoch rises by RECOVERY_EPOCHS, above every map that the lost nodes can have decided. A
 * partition that kept a majority keeps its row: the driver copies it on as after any dead node, and nothing of it is lost. The
 * row of another one is filled up with survivors, which have nothing of it until repair has run. With fewer survivors than
 * a majority of the replicas the cluster goes on with fewer replicas.
 *
 * The result depends on nothing but the map and the list, so the same command on every survivor gives the same map where
 * the maps were the same, and otherwise the one of the newer map wins.
 */
#ifndef KV_SERVER_RECOVERY_H
#define KV_SERVER_RECOVERY_H

#include "base/arena.h"
#include "proto/msg.h"
#include "server/config.h"

struct recovery {
	struct map_desc map;       /* points into arena, and to the texts of the map it was made of */
	struct arena arena;        /* private */
	uint32_t survivors;        /* nodes that stay */
	uint32_t removed;          /* nodes that were part of the cluster and are not any more */
	uint32_t kept;             /* partitions that have a majority left */
	uint32_t without_majority; /* partitions some of whose acknowledged writes may be lost */
	uint32_t lost;             /* partitions without any copy left */
};

/**
 * Makes the map. SURVIVORS are names, identities or index numbers of nodes. KV_INVALID: a name is unknown, means several nodes,
 * is of a removed node, or SELF is not among them; ERR says which. RET is released by recovery_release.
 */
MUST_USE enum kv_status recovery_make(const struct map_desc *map, const struct uuid *self,
				      const char *const *survivors, size_t count, struct recovery *ret,
				      struct error *err);

/** Accepts a zeroed struct. Fits CLEANUP. */
void recovery_release(struct recovery *r);

/** What the command line says. */
struct recovery_order {
	const char *survivors; /* separated by commas */
	const char *cluster;   /* its name or identity: that this is the one that is meant */
	bool confirmed;        /* --yes; without it the plan is told and nothing is written */
};

/**
 * Opens the data directory of CONFIG, tells the plan on standard output and, if it is confirmed, writes the map and a line to
 * DATA_DIR/recoveries. Returns the process's exit code: 11 if it was not confirmed or is refused.
 */
int recovery_run(const struct config *config, const struct recovery_order *order);

#endif
