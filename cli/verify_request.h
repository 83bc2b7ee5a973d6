/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One operation of a history as a call of the client library, and the answer as the history has it.
 */
#ifndef KV_CLI_VERIFY_REQUEST_H
#define KV_CLI_VERIFY_REQUEST_H

#include "cli/verify_load.h"

/** Sends what C has under way through VIA; CALLBACK gets C. An error: it is not sent. */
MUST_USE enum kv_status verify_request_send(struct verify_client *c, struct kv_client *via, kv_callback callback,
					    struct kv_error *err);

/**
 * Completes operation INDEX with its answer. DOUBT: an earlier attempt may have had an effect. Under the load's
 * lock while it runs.
 */
void verify_request_record(struct verify_load *l, uint32_t index, bool doubt, const struct kv_error *err,
			   const struct kv_item *item);

#endif
