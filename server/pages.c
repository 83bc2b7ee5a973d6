/* SPDX-License-Identifier: Apache-2.0 */
#include "server/pages.h"

#include "server/address.h"

static bool is_loopback(const char *text)
{
	struct address address;
	if (address_resolve(slice_str(text), /* numeric_only= */ true, &address, NULL) == KV_OK)
		return address_is_loopback(&address);
	return strncmp(text, "localhost:", 10) == 0;
}

static bool is_any(const char *text)
{
	struct address address;
	return address_resolve(slice_str(text), /* numeric_only= */ true, &address, NULL) == KV_OK &&
	       address_is_any(&address);
}

void pages_init(struct pages *p, const char *http, const char *peer)
{
	char host[ADDRESS_SIZE_MAX], ignored_host[ADDRESS_SIZE_MAX];
	uint16_t port, ignored_port;
	*p = (struct pages){.mutex = PTHREAD_MUTEX_INITIALIZER};
	if (!address_split(slice_str(http), ignored_host, &port) ||
	    !address_split(slice_str(peer), host, &ignored_port))
		return;
	if (is_any(http))
		snprintf(p->own, sizeof p->own, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
	else if (!is_loopback(http) || is_loopback(peer))
		snprintf(p->own, sizeof p->own, "%s", http);
}

void pages_release(struct pages *p)
{
	for (size_t i = 0; i < NODES_MAX; i++)
		free(p->told[i]);
	*p = (struct pages){.mutex = PTHREAD_MUTEX_INITIALIZER};
}

/** Letters that a host and port may have: a page makes a link of them. */
static bool is_address(struct slice text)
{
	char host[ADDRESS_SIZE_MAX];
	uint16_t port;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && (c == 0 || !strchr(".-_:[]", c)))
			return false;
	}
	return address_split(text, host, &port) && port != 0;
}

void pages_note(struct pages *p, node_id node, struct slice address)
{
	if (node >= NODES_MAX)
		return;
	char *told = NULL;
	if (is_address(address)) {
		told = xmalloc(address.size + 1);
		memcpy(told, address.data, address.size);
		told[address.size] = '\0';
	}
	pthread_mutex_lock(&p->mutex);
	char *before = p->told[node];
	p->told[node] = told;
	pthread_mutex_unlock(&p->mutex);
	free(before);
}

void pages_copy(struct pages *p, struct arena *arena, struct slice ret[NODES_MAX])
{
	pthread_mutex_lock(&p->mutex);
	for (size_t i = 0; i < NODES_MAX; i++) {
		ret[i] = (struct slice){0};
		if (!p->told[i])
			continue;
		ret[i] = arena_copy(arena, slice_str(p->told[i]));
		KV_ASSERT(ret[i].data);
	}
	pthread_mutex_unlock(&p->mutex);
}
