/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the pretended nodes of fake_server hold in common: one small table of keys, the writes they carried out, so that a
 * retry is the same write, and the ledgers of each node. Simple rather than quick; under fake_server's lock.
 */
#ifndef KV_TESTS_SUPPORT_FAKE_STORE_H
#define KV_TESTS_SUPPORT_FAKE_STORE_H

#include "proto/msg.h"

struct fake_store;

struct fake_store *fake_store_new(void);
void fake_store_free(struct fake_store *s);

/** Carries out what concerns one key. RESULT's bytes live until the next call. */
void fake_store_serve(struct fake_store *s, const struct msg *request, struct msg_result *result);

/** One page of two items of a partition of PARTITIONS, or of NODE's ledger. RESULT's bytes live until the next call. */
void fake_store_scan(struct fake_store *s, const struct msg_request *m, uint32_t partitions,
		     struct msg_result *result);
void fake_store_ledger(struct fake_store *s, uint32_t node, const struct msg_request *m, uint32_t partitions,
		       struct msg_result *result);

/** Puts an entry into NODE's ledger: version {HLC, 1}, which lost to {HLC, 2}. Copies. */
void fake_store_lose(struct fake_store *s, uint32_t node, const char *key, const char *value, hlc_t hlc);

#endif
