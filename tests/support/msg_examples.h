/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The messages that docs/protocol.md shows as bytes and whose frames test_codec.c pins. Static storage, never
 * changed.
 */
#ifndef KV_TESTS_SUPPORT_MSG_EXAMPLES_H
#define KV_TESTS_SUPPORT_MSG_EXAMPLES_H

#include "proto/msg.h"

struct msg_example {
	const char *title; /* as in the document */
	struct msg msg;
};

extern const struct msg_example msg_examples[];
extern const size_t msg_example_count;

/** The example of that title; it must exist. */
const struct msg *msg_example_get(const char *title);

#endif
