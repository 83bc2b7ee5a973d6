/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http_request.h"

#include <string.h>
#include <strings.h>

enum { TARGET_MAX = 1024 };

/** The size of the head, or 0 if its end is not there. *ret_bad: a byte that may stand in no head. */
static size_t head_size(struct slice bytes, bool *ret_bad)
{
	*ret_bad = false;
	for (size_t i = 0; i < bytes.size; i++) {
		uint8_t c = bytes.data[i];
		bool line_end = c == '\n' && i > 0 && bytes.data[i - 1] == '\r';
		bool return_inside = c == '\r' && i + 1 < bytes.size && bytes.data[i + 1] != '\n';
		if (c == 0x7F || return_inside || (c < 0x20 && c != '\t' && c != '\r' && !line_end)) {
			*ret_bad = true;
			return 0;
		}
		if (line_end && i >= 3 && memcmp(bytes.data + i - 3, "\r\n\r\n", 4) == 0)
			return i + 1;
	}
	return 0;
}

/** Cuts the part of *REST before END off, and END. False if END is not there. */
static bool cut(struct slice *rest, const char *end, struct slice *ret)
{
	size_t size = strlen(end);
	const uint8_t *at = memmem(rest->data, rest->size, end, size);
	if (!at)
		return false;
	size_t before = (size_t)(at - rest->data);
	*ret = slice_of(rest->data, before);
	*rest = slice_of(at + size, rest->size - before - size);
	return true;
}

static bool is_word(struct slice text, const char *word)
{
	return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

static struct slice trim(struct slice s)
{
	while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = slice_of(s.data + 1, s.size - 1);
	while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
		s.size--;
	return s;
}

static bool has_word(struct slice list, const char *word)
{
	struct slice one;
	while (cut(&list, ",", &one)) {
		if (is_word(trim(one), word))
			return true;
	}
	return is_word(trim(list), word);
}

/** 0, or the code to refuse the line with. */
static int parse_line(struct slice line, struct http_request *ret)
{
	struct slice method, target;
	if (!cut(&line, " ", &method) || !cut(&line, " ", &target) || method.size == 0)
		return 400;
	bool one_one = slice_equal(line, slice_str("HTTP/1.1"));
	if (!one_one && !slice_equal(line, slice_str("HTTP/1.0")))
		return line.size > 5 && memcmp(line.data, "HTTP/", 5) == 0 ? 505 : 400;
	ret->head = slice_equal(method, slice_str("HEAD"));
	if (!ret->head && !slice_equal(method, slice_str("GET")))
		return 405;
	if (target.size > TARGET_MAX)
		return 414;
	if (target.size == 0 || target.data[0] != '/')
		return 400;
	ret->keep = one_one;
	const uint8_t *query = memchr(target.data, '?', target.size);
	ret->path = query ? slice_of(target.data, (size_t)(query - target.data)) : target;
	return 0;
}

static int parse_header(struct slice line, struct http_request *ret)
{
	struct slice name;
	if (line.data[0] == ' ' || line.data[0] == '\t' || !cut(&line, ":", &name) || name.size == 0 ||
	    name.data[name.size - 1] == ' ' || name.data[name.size - 1] == '\t')
		return 400;
	struct slice value = trim(line);
	if (is_word(name, "content-length"))
		return slice_equal(value, slice_str("0")) ? 0 : 413;
	if (is_word(name, "transfer-encoding"))
		return 413;
	if (is_word(name, "connection") && has_word(value, "close"))
		ret->keep = false;
	return 0;
}

enum http_parse http_request_parse(struct slice bytes, struct http_request *ret, int *ret_code)
{
	bool bad;
	size_t size = head_size(slice_of(bytes.data, MIN(bytes.size, (size_t)HTTP_HEAD_MAX)), &bad);
	*ret_code = bad ? 400 : bytes.size >= HTTP_HEAD_MAX ? 431 : 0;
	if (size == 0)
		return *ret_code ? HTTP_REFUSED : HTTP_INCOMPLETE;
	struct slice rest = slice_of(bytes.data, size - 2), line;
	bool found = cut(&rest, "\r\n", &line);
	KV_ASSERT(found);
	*ret = (struct http_request){.size = size};
	*ret_code = parse_line(line, ret);
	while (*ret_code == 0 && cut(&rest, "\r\n", &line))
		*ret_code = parse_header(line, ret);
	return *ret_code ? HTTP_REFUSED : HTTP_PARSED;
}

const char *http_reason(int code)
{
	switch (code) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Error";
	}
}
