/* SPDX-License-Identifier: Apache-2.0 */
#include "server/release.h"

#include "proto/frame.h"

const struct release release = {
	.version = KVD_VERSION,
	.proto_min = PROTO_VERSION_MIN,
	.proto_max = PROTO_VERSION_MAX,
	.feature_level = 1,
};
