/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What every storage engine must do, as tests that do not know which engine it is, and numbered batches for the tests
 * that crash one.
 */
#ifndef KV_TESTS_STORAGE_CONFORMANCE_H
#define KV_TESTS_STORAGE_CONFORMANCE_H

#include "storage/store.h"

struct CMUnitTest;

/** How the suite gets at an engine. */
struct conformance_engine {
	const char *name;
	struct store *(*open_empty)(void);        /* a new store without rows */
	struct store *(*reopen)(struct store *s); /* closes it and opens it again with what was synced */
	void (*discard)(struct store *s);         /* closes it and deletes its files */
};

/** Runs the suite on an engine, then EXTRA (the engine's own tests), as one TAP stream. Gives main's exit code. */
int conformance_run(const struct conformance_engine *engine, const struct CMUnitTest *extra, size_t extra_count);

/**
 * Writes batch NUMBER (1, 2, ...): rows in all tables whose bytes follow from the number, and the number itself under
 * one key that every batch overwrites.
 */
MUST_USE enum kv_status numbered_write(struct store *s, uint32_t number, bool sync);

/**
 * Checks what a crash left: batches 1 to some last one, each whole, and nothing of any later one. The last is not below
 * ACKED nor above WRITTEN. Returns it. Fails the test otherwise.
 */
uint32_t numbered_check(struct store *s, uint32_t acked, uint32_t written);

#endif
