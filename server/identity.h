/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Who this node is: an identity minted at its first start, kept in the engine and, for people and scripts, in the plain
 * file IDENTITY. Both must agree.
 *
 * A replica's promises are on its disk, so an identity may never go on without the data it made promises about, nor live
 * twice. What looks like either is refused at start: a lost or foreign engine, a copied directory, a removed node.
 */
#ifndef KV_SERVER_IDENTITY_H
#define KV_SERVER_IDENTITY_H

#include "base/status.h"
#include "base/types.h"
#include "proto/msg.h"
#include "storage/store.h"

#define IDENTITY_FILE         "IDENTITY"
#define IDENTITY_NEW_FILE     "IDENTITY.new"     /* of a first start that has not finished */
#define IDENTITY_DAMAGED_FILE "IDENTITY.damaged" /* a record of this node did not match its checksum */
#define IDENTITY_SPENT_FILE                                                                                        \
	"IDENTITY.rejected" /* what IDENTITY is called once the others said that it may not be used */

struct identity {
	struct uuid node;
	uint64_t incarnation; /* starts so far, this one included */
	uint64_t boot_nonce;  /* random at each start */
};

/**
 * Reads or mints the identity and counts this start, durably. Called once a process, before anything else is written.
 * KV_IDENTITY: refused; KV_IO, KV_CORRUPT: the disk. ERR says what to do.
 */
MUST_USE enum kv_status identity_start(const char *data_dir, struct store *store, struct identity *ret,
				       struct error *err);

/**
 * The others know a later life of this node, or removed it: no start of this directory gets so far again, whatever its number would be.
 * Any thread. A failure is logged: the next start is rejected as this one was.
 */
void identity_spend(const char *data_dir);

/** A record was damaged: this directory does not start again by itself. Any thread. A failure is logged. */
void identity_damage(const char *data_dir);

/** Reads the identity without counting a start. KV_IDENTITY: there is none; KV_CORRUPT, KV_IO: it cannot be read. */
MUST_USE enum kv_status identity_read(struct store *store, struct identity *ret, struct error *err);

/**
 * Checks the identity against the node's durable map and the address it listens on for peers. KV_IDENTITY: this node was
 * removed, is not in the map, or the directory was copied from the node that is. MOVED: the operator says that no other
 * process has it and that the node is to be found at another address from now on.
 */
MUST_USE enum kv_status identity_check_map(const struct identity *identity, const struct map_desc *map,
					   const char *peer_address, bool moved, struct error *err);

#endif
