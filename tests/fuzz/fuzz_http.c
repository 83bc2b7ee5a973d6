/* SPDX-License-Identifier: Apache-2.0 */
/** The head of an HTTP request: any bytes give a verdict, and what is taken is taken the same however it arrives. */
#include "server/http_request.h"
#include "tests/fuzz/fuzz.h"

static void check_parsed(struct slice bytes, const struct http_request *request)
{
	KV_ASSERT(request->size >= 4);
	KV_ASSERT(request->size <= MIN(bytes.size, (size_t)HTTP_HEAD_MAX));
	KV_ASSERT(memcmp(bytes.data + request->size - 4, "\r\n\r\n", 4) == 0);
	KV_ASSERT(request->path.size > 0);
	KV_ASSERT(request->path.data[0] == '/');
	KV_ASSERT(!memchr(request->path.data, '?', request->path.size));
	struct http_request again;
	int code;
	for (size_t size = 0; size < request->size; size++)
		KV_ASSERT(http_request_parse(slice_of(bytes.data, size), &again, &code) == HTTP_INCOMPLETE);
	KV_ASSERT(http_request_parse(slice_of(bytes.data, request->size), &again, &code) == HTTP_PARSED);
	KV_ASSERT(again.size == request->size);
	KV_ASSERT(again.keep == request->keep);
	KV_ASSERT(slice_equal(again.path, request->path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request request;
	int code;
	struct slice bytes = slice_of(data, size);
	switch (http_request_parse(bytes, &request, &code)) {
	case HTTP_PARSED:
		check_parsed(bytes, &request);
		return 0;
	case HTTP_REFUSED:
		KV_ASSERT(code >= 400);
		KV_ASSERT(strcmp(http_reason(code), "Error") != 0);
		return 0;
	case HTTP_INCOMPLETE:
		KV_ASSERT(size < HTTP_HEAD_MAX);
		return 0;
	}
	KV_UNREACHABLE("verdict");
}

bool fuzz_seed(uint32_t index, struct buf *out)
{
	static const char *const seeds[] = {
		"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:7201\r\nAccept: text/plain;q=0.5\r\nConnection: keep-alive, close\r\n\r\n",
		"HEAD /status.json?x=%20 HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\na:b\r\n folded\r\n\r\n",
		"POST http://x/ HTTP/2.0\r\n\r\n",
	};
	if (index >= ARRAY_SIZE(seeds))
		return false;
	buf_append_str(out, seeds[index]);
	return true;
}
