/* SPDX-License-Identifier: Apache-2.0 */
#include "server/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "base/aside.h"

struct address_lookup {
	struct aside aside;
	enum kv_status status;
	struct address found;
	struct error error;
	char text[ADDRESS_SIZE_MAX + 1];
};

static bool port_parse(struct slice text, uint16_t *ret)
{
	uint32_t port = 0;
	if (text.size == 0 || text.size > 5)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		port = port * 10 + (uint32_t)(text.data[i] - '0');
	}
	if (port > UINT16_MAX)
		return false;
	*ret = (uint16_t)port;
	return true;
}

bool address_split(struct slice text, char ret_host[ADDRESS_SIZE_MAX], uint16_t *ret_port)
{
	const uint8_t *colon = text.size ? memrchr(text.data, ':', text.size) : NULL;
	if (!colon)
		return false;
	struct slice host = slice_of(text.data, (size_t)(colon - text.data));
	struct slice port = slice_of(colon + 1, text.size - host.size - 1);
	if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
		host = slice_of(host.data + 1, host.size - 2);
	else if (memchr(host.data, ':', host.size))
		return false; /* IPv6 without brackets: which part is the port? */
	if (host.size == 0 || host.size >= ADDRESS_SIZE_MAX || memchr(host.data, 0, host.size))
		return false;
	if (!port_parse(port, ret_port))
		return false;
	memcpy(ret_host, host.data, host.size);
	ret_host[host.size] = '\0';
	return true;
}

enum kv_status address_resolve(struct slice text, bool numeric_only, struct address *ret, struct error *err)
{
	char host[ADDRESS_SIZE_MAX];
	uint16_t port;
	if (!address_split(text, host, &port))
		return error_set(err, KV_INVALID,
				 "\"%.*s\" is not an address: write host:port, like 127.0.0.1:7001",
				 (int)MIN(text.size, 80u), (const char *)text.data);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	if (numeric_only)
		hints.ai_flags |= AI_NUMERICHOST;
	char port_text[8];
	snprintf(port_text, sizeof port_text, "%u", port);
	struct addrinfo *found;
	int failed = getaddrinfo(host, port_text, &hints, &found);
	if (failed == EAI_NONAME && numeric_only)
		return KV_AGAIN;
	if (failed != 0)
		return error_set(err, KV_UNAVAILABLE, "host \"%.80s\" is not known: %s", host,
				 gai_strerror(failed));
	KV_ASSERT(found->ai_addrlen <= sizeof ret->storage);
	*ret = (struct address){.size = found->ai_addrlen};
	memcpy(&ret->storage, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return KV_OK;
}

static void look_up(struct aside *aside)
{
	struct address_lookup *l = container_of(aside, struct address_lookup, aside);
	l->status = address_resolve(slice_str(l->text), /* numeric_only: */ false, &l->found, &l->error);
}

static void release(struct aside *aside) { free(container_of(aside, struct address_lookup, aside)); }

struct address_lookup *address_lookup_start(const char *text, int wake_fd)
{
	struct address_lookup *l = xcalloc(1, sizeof *l);
	KV_ASSERT(strlen(text) < sizeof l->text);
	snprintf(l->text, sizeof l->text, "%s", text);
	if (aside_start(&l->aside, look_up, release, wake_fd))
		return l;
	free(l);
	return NULL;
}

enum kv_status address_lookup_poll(struct address_lookup *lookup, struct address *ret, struct error *err)
{
	if (!aside_is_done(&lookup->aside))
		return KV_AGAIN;
	if (lookup->status == KV_OK)
		*ret = lookup->found;
	else if (err)
		*err = lookup->error;
	return lookup->status;
}

void address_lookup_free(struct address_lookup *lookup)
{
	if (lookup)
		aside_leave(&lookup->aside);
}

void address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "?";
	if (address->storage.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)&address->storage;
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		snprintf(text, ADDRESS_TEXT_SIZE, "[%s]:%u", host, ntohs(v6->sin6_port));
		return;
	}
	const struct sockaddr_in *v4 = (const void *)&address->storage;
	inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
	snprintf(text, ADDRESS_TEXT_SIZE, "%s:%u", host, ntohs(v4->sin_port));
}

uint16_t address_port(const struct address *address)
{
	if (address->storage.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)&address->storage)->sin6_port);
	return ntohs(((const struct sockaddr_in *)(const void *)&address->storage)->sin_port);
}

void address_set_port(struct address *address, uint16_t port)
{
	if (address->storage.ss_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)&address->storage)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)(void *)&address->storage)->sin_port = htons(port);
}

bool address_is_loopback(const struct address *address)
{
	if (address->storage.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(
			&((const struct sockaddr_in6 *)(const void *)&address->storage)->sin6_addr);
	const struct sockaddr_in *v4 = (const void *)&address->storage;
	return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
}

bool address_is_any(const struct address *address)
{
	if (address->storage.ss_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(
			&((const struct sockaddr_in6 *)(const void *)&address->storage)->sin6_addr);
	return ((const struct sockaddr_in *)(const void *)&address->storage)->sin_addr.s_addr == htonl(INADDR_ANY);
}
