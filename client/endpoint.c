/* SPDX-License-Identifier: Apache-2.0 */
#include "client/endpoint.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

struct endpoint_lookup {
	pthread_mutex_t lock;
	bool done;
	bool abandoned; /* the thread frees it */
	int wake_fd;
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

static void lookup_destroy(struct endpoint_lookup *lookup)
{
	pthread_mutex_destroy(&lookup->lock);
	free(lookup);
}

static void *lookup_main(void *arg)
{
	struct endpoint_lookup *lookup = arg;
	struct endpoint_addresses found = {0};
	int failed = find(lookup->text, 0, &found);
	if (failed != 0)
		found.count = 0;

	pthread_mutex_lock(&lookup->lock);
	lookup->found = found;
	lookup->why = failed ? gai_strerror(failed) : NULL;
	lookup->done = true;
	bool abandoned = lookup->abandoned;
	if (!abandoned)
		(void)eventfd_write(lookup->wake_fd, 1);
	pthread_mutex_unlock(&lookup->lock);
	if (abandoned)
		lookup_destroy(lookup);
	return NULL;
}

struct endpoint_lookup *endpoint_lookup_start(const char *text, int wake_fd)
{
	struct endpoint_lookup *lookup = xcalloc(1, sizeof *lookup);
	pthread_mutex_init(&lookup->lock, NULL);
	lookup->wake_fd = wake_fd;
	snprintf(lookup->text, sizeof lookup->text, "%s", text);

	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_t thread;
	int failed = pthread_create(&thread, &attributes, lookup_main, lookup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (failed == 0)
		return lookup;
	lookup_destroy(lookup);
	return NULL;
}

bool endpoint_lookup_poll(struct endpoint_lookup *lookup, struct endpoint_addresses *ret, const char **ret_why)
{
	pthread_mutex_lock(&lookup->lock);
	bool done = lookup->done;
	if (done) {
		*ret = lookup->found;
		*ret_why = lookup->why;
	}
	pthread_mutex_unlock(&lookup->lock);
	return done;
}

void endpoint_lookup_free(struct endpoint_lookup *lookup)
{
	if (!lookup)
		return;
	pthread_mutex_lock(&lookup->lock);
	bool done = lookup->done;
	lookup->abandoned = true;
	pthread_mutex_unlock(&lookup->lock);
	if (done)
		lookup_destroy(lookup);
}
