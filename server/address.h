/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Network addresses as people write them, `host:port` or `[v6]:port`, and as the system takes them.
 */
#ifndef KV_SERVER_ADDRESS_H
#define KV_SERVER_ADDRESS_H

#include <sys/socket.h>

#include "base/slice.h"
#include "base/status.h"
#include "proto/limits.h"

struct address {
	struct sockaddr_storage storage;
	socklen_t size;
};

#define ADDRESS_TEXT_SIZE 64 /* of a numeric address with port and NUL */

/** Takes TEXT apart without looking the host up. Port 0 is allowed. False if it is not host:port. */
MUST_USE bool address_split(struct slice text, char ret_host[ADDRESS_SIZE_MAX], uint16_t *ret_port);

/**
 * Finds the address. With NUMERIC_ONLY the call does not wait, and KV_AGAIN means that a name has to be looked up.
 * KV_INVALID: not host:port. KV_UNAVAILABLE: no such host. ERR may be NULL.
 */
MUST_USE enum kv_status address_resolve(struct slice text, bool numeric_only, struct address *ret,
					struct error *err);

/** One look-up of a name on its way: it may take many seconds, and holds nobody up. */
struct address_lookup;

/** Starts one of address TEXT; writes to the eventfd WAKE_FD when it is done. NULL if no thread can be had. */
MUST_USE struct address_lookup *address_lookup_start(const char *text, int wake_fd);

/** KV_AGAIN: not done yet. Otherwise as address_resolve. */
MUST_USE enum kv_status address_lookup_poll(struct address_lookup *lookup, struct address *ret, struct error *err);

/** Ends or abandons it; WAKE_FD is not touched any more when this returns. NULL is allowed. */
void address_lookup_free(struct address_lookup *lookup);

/** Writes the numeric form. */
void address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);

/** Loopback: reachable from this machine only. Any: "all interfaces", which others cannot be told to dial. */
bool address_is_loopback(const struct address *address);
bool address_is_any(const struct address *address);

#endif
