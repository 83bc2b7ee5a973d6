/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which link a request goes to next: one it has not tried in this round, a replica of its key before others, those in the
 * client's zone first unless it is a strong write that rivals may meet, then in the order of the row, or by configuration one of the endpoints before those; among any nodes one that is connected. Links that pause after failures come last. I/O thread.
 */
#ifndef KV_CLIENT_PICK_H
#define KV_CLIENT_PICK_H

#include "client/request.h"

/** NULL: none is left. Uses up r->prefer. A request for one node finds it in the map, which is there. */
struct link *pick_link(struct request *r);

#endif
