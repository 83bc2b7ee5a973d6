/* SPDX-License-Identifier: Apache-2.0 */
#include "client/endpoint.h"

#include <netdb.h>

#include "base/aside.h"

struct endpoint_lookup {
	struct aside aside;
	const char *why;
	struct endpoint_addresses found;
	char text[ADDRESS_SIZE_MAX];
};

/* Takes TEXT apart; the host loses its brackets. */
static bool split(struct slice text, char host[ADDRESS_SIZE_MAX], char port[6])
{
	const uint8_t *colon =
		text.size > 0 && text.size < ADDRESS_SIZE_MAX ? memrchr(text.data, ':', text.size) : NULL;
	if (!colon)
		return false;
	struct slice name = slice_of(text.data, (size_t)(colon - text.data));
	struct slice digits = slice_of(colon + 1, text.size - name.size - 1);
	uint32_t number = 0;
	for (size_t i = 0; i < digits.size && i < 6; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return false;
		number = number * 10 + (uint32_t)(digits.data[i] - '0');
	}
	if (digits.size == 0 || digits.size > 5 || number == 0 || number > UINT16_MAX)
		return false;
	if (name.size > 2 && name.data[0] == '[' && name.data[name.size - 1] == ']')
		name = slice_of(name.data + 1, name.size - 2);
	else if (memchr(name.data, ':', name.size))
		return false;
	if (name.size == 0 || memchr(name.data, '\0', name.size) || memchr(name.data, ' ', name.size))
		return false;
	memcpy(host, name.data, name.size);
	host[name.size] = '\0';
	memcpy(port, digits.data, digits.size);
	port[digits.size] = '\0';
	return true;
}

bool endpoint_is_valid(struct slice text)
{
	char host[ADDRESS_SIZE_MAX], port[6];
	return split(text, host, port);
}

/* Returns what getaddrinfo does. */
static int find(const char *text, int flags, struct endpoint_addresses *ret)
{
	char host[ADDRESS_SIZE_MAX], port[6];
	if (!split(slice_str(text), host, port))
		return EAI_NONAME;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
	struct addrinfo *first = NULL;
	int failed = getaddrinfo(host, port, &hints, &first);
	if (failed != 0)
		return failed;
	ret->count = 0;
	for (struct addrinfo *a = first; a && ret->count < ENDPOINT_ADDRESSES_MAX; a = a->ai_next) {
		memcpy(&ret->list[ret->count].storage, a->ai_addr, a->ai_addrlen);
		ret->list[ret->count].size = a->ai_addrlen;
		ret->count++;
	}
	freeaddrinfo(first);
	return 0;
}

bool endpoint_numeric(const char *text, struct endpoint_addresses *ret)
{
	return find(text, AI_NUMERICHOST, ret) == 0;
}

static void look_up(struct aside *aside)
{
	struct endpoint_lookup *lookup = container_of(aside, struct endpoint_lookup, aside);
	int failed = find(lookup->text, 0, &lookup->found);
	if (failed != 0)
		lookup->found.count = 0;
	lookup->why = failed ? gai_strerror(failed) : NULL;
}

static void release(struct aside *aside) { free(container_of(aside, struct endpoint_lookup, aside)); }

struct endpoint_lookup *endpoint_lookup_start(const char *text, int wake_fd)
{
	struct endpoint_lookup *lookup = xcalloc(1, sizeof *lookup);
	snprintf(lookup->text, sizeof lookup->text, "%s", text);
	if (aside_start(&lookup->aside, look_up, release, wake_fd))
		return lookup;
	free(lookup);
	return NULL;
}

bool endpoint_lookup_poll(struct endpoint_lookup *lookup, struct endpoint_addresses *ret, const char **ret_why)
{
	if (!aside_is_done(&lookup->aside))
		return false;
	*ret = lookup->found;
	*ret_why = lookup->why;
	return true;
}

void endpoint_lookup_free(struct endpoint_lookup *lookup)
{
	if (lookup)
		aside_leave(&lookup->aside);
}
