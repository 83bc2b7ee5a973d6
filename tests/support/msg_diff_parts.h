/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the files of msg_diff share: each macro leaves the calling function with the name of a field that differs.
 */
#ifndef KV_TESTS_SUPPORT_MSG_DIFF_PARTS_H
#define KV_TESTS_SUPPORT_MSG_DIFF_PARTS_H

#include "proto/msg.h"

#define DIFFER_UNLESS(same, name)                                                                                  \
	do {                                                                                                       \
		if (!(same))                                                                                       \
			return name;                                                                               \
	} while (0)
#define SAME(field)         DIFFER_UNLESS(a->field == b->field, #field)
#define SAME_BYTES(field)   DIFFER_UNLESS(slice_equal(a->field, b->field), #field)
#define SAME_UUID(field)    DIFFER_UNLESS(uuid_equal(&a->field, &b->field), #field)
#define SAME_VERSION(field) DIFFER_UNLESS(same_version(a->field, b->field), #field)
#define SAME_PART(difference)                                                                                      \
	do {                                                                                                       \
		const char *part_ = difference;                                                                    \
		if (part_)                                                                                         \
			return part_;                                                                              \
	} while (0)

static inline bool same_version(struct version a, struct version b) { return a.hlc == b.hlc && a.id == b.id; }

/** The bodies of a cluster that changes; both messages have the same opcode and direction. */
const char *msg_change_difference(const struct msg *a, const struct msg *b);

const char *msg_node_difference(const struct map_node *a, const struct map_node *b);

#endif
