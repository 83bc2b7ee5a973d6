/* SPDX-License-Identifier: Apache-2.0 */
/* The release after this one, as far as a cluster of both can tell: linked in the place of server/release.c. */
#include "proto/frame.h"
#include "server/release.h"

const struct release release = {
	.version = "next",
	.proto_min = PROTO_VERSION_MIN,
	.proto_max = PROTO_VERSION_MAX + 1,
	.feature_level = 2,
};
