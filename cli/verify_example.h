/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A counter-example for people and for programs: the operations and copies of one key that cannot all be right.
 *
 * Versions are numbered from the oldest, @1, so that their order can be read. A write whose own answer does not matter is shown
 * only if others tell of its value.
 */
#ifndef KV_CLI_VERIFY_EXAMPLE_H
#define KV_CLI_VERIFY_EXAMPLE_H

#include <jansson.h>
#include <kv/client.h>

#include "base/buf.h"
#include "verify/replicas.h"

struct verify_example {
	/* Borrowed; set by the caller. */
	const struct history *history; /* short, of one key alone */
	const struct verdict *verdict;
	const struct replicas *copies; /* of that key; NULL: they do not matter */
	const struct kv_node *nodes;
	size_t node_count;

	bool *shown; /* read-only, by operation */
	uint32_t shown_count;
	struct stamp *versions; /* private: in order */
	uint32_t version_count;
};

/** Decides what is shown. Release it. */
void verify_example_init(struct verify_example *x);
void verify_example_release(struct verify_example *x);

/** What is wrong, with versions as numbers. */
void verify_example_message(const struct verify_example *x, struct buf *out);

/** One line each, ended. */
void verify_example_text(const struct verify_example *x, struct buf *out);

/** {"operations": [...], "copies": [...]} */
json_t *verify_example_json(const struct verify_example *x);

#endif
