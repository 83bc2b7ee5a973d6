/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Addresses of nodes, `host:port` or `[v6]:port`, and finding them. Numeric ones are found at once; names are looked up
 * on a thread of their own, because the system's resolver may take many seconds and cannot be stopped.
 */
#ifndef KV_CLIENT_ENDPOINT_H
#define KV_CLIENT_ENDPOINT_H

#include <sys/socket.h>

#include "base/slice.h"
#include "proto/limits.h"

#define ENDPOINT_ADDRESSES_MAX 4u

/** What an endpoint's name stands for, to be tried in order. */
struct endpoint_addresses {
	uint32_t count;
	struct {
		struct sockaddr_storage storage;
		socklen_t size;
	} list[ENDPOINT_ADDRESSES_MAX];
};

/** True for host:port with a port of 1 to 65535. Looks nothing up. */
MUST_USE bool endpoint_is_valid(struct slice text);

/** Finds a numeric address; false if the host is a name. TEXT is valid. */
MUST_USE bool endpoint_numeric(const char *text, struct endpoint_addresses *ret);

/** One look-up of a name in progress. */
struct endpoint_lookup;

/** Starts one; writes to the eventfd WAKE_FD when it is done. NULL if no thread can be had. */
MUST_USE struct endpoint_lookup *endpoint_lookup_start(const char *text, int wake_fd);

/** False: not done yet. True: *ret is set, with count 0 and *ret_why (static text) if the name is not known. */
MUST_USE bool endpoint_lookup_poll(struct endpoint_lookup *lookup, struct endpoint_addresses *ret,
				   const char **ret_why);

/** Ends or abandons it; WAKE_FD is not touched any more when this returns. NULL is allowed. */
void endpoint_lookup_free(struct endpoint_lookup *lookup);

#endif
