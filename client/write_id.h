/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Names of writes as one word: `t0-client-seq:key`, three numbers in lower-case hexadecimal and the key, whose bytes other than
 * letters, digits and - . / _ ~ are written %xx. The same write always has the same text. Pure.
 */
#ifndef KV_CLIENT_WRITE_ID_H
#define KV_CLIENT_WRITE_ID_H

#include <kv/client.h>

#include "base/base.h"

/** Complete enough to be asked about or to be tried again. */
static inline bool write_id_is_set(const struct kv_write_id *id) { return id->client != 0 && id->t0 != 0; }

#endif
