/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A pretended cluster (fake_server.h) with a client of it, for tests of the client.
 */
#ifndef KV_TESTS_SUPPORT_BED_H
#define KV_TESTS_SUPPORT_BED_H

#include <kv/client.h>

#include "tests/support/fake_server.h"

struct bed {
	struct fake_server *f;
	struct kv_client *client;
	struct kv_error err;
};

/** A client with a generous time to connect, and TIMEOUT_MS for each request. */
struct kv_client *bed_open_client(const char *endpoints, const char *timeout_ms);

/** A cluster of NODES nodes whose map the client knows. */
struct bed bed_make(uint32_t nodes, const char *timeout_ms);

void bed_free(struct bed *b);

/** What happens to the next COUNT requests at the first node of KEY's row. */
void bed_script(struct bed *b, const char *key, enum fake_action action, uint32_t count);
void bed_script_status(struct bed *b, const char *key, enum kv_status status, bool in_doubt, uint32_t count);

#endif
