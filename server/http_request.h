/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The head of an HTTP/1 request, as far as a server needs it that only answers GET and HEAD. Pure; no allocation.
 *
 * A request with a body is refused, so that there is nothing to disagree about where one request ends and the next
 * begins. So are folded lines, control characters and a target that is not a path.
 */
#ifndef KV_SERVER_HTTP_REQUEST_H
#define KV_SERVER_HTTP_REQUEST_H

#include "base/slice.h"

#define HTTP_HEAD_MAX 8192u /* bytes of request line and headers */

struct http_request {
	struct slice path; /* begins with '/'; without the query; not decoded */
	bool head;         /* HEAD */
	bool keep;         /* the connection stays open */
	size_t size;       /* bytes of the head, the empty line included */
};

enum http_parse {
	HTTP_PARSED,
	HTTP_INCOMPLETE, /* more bytes are needed */
	HTTP_REFUSED,    /* *ret_code says why; the connection cannot go on */
};

/** Looks at what BYTES begin with. *ret borrows from BYTES. REFUSED: *ret_code is 400, 405, 413, 414, 431 or 505. */
MUST_USE enum http_parse http_request_parse(struct slice bytes, struct http_request *ret, int *ret_code);

/** "Not Found". Static storage. */
const char *http_reason(int code);

#endif
