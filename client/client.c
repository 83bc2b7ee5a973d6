/* SPDX-License-Identifier: Apache-2.0 */
#include "client/call.h"

#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>

#include "base/hash.h"

const char *kv_status_name(enum kv_status status) { return status_name(status); }

const char *kv_status_text(enum kv_status status) { return status_text(status); }

const char *kv_library_version(void) { return KVD_VERSION; }

void kv_version_format(struct kv_version version, char text[KV_VERSION_TEXT_SIZE])
{
	snprintf(text, KV_VERSION_TEXT_SIZE, "%016" PRIx64 "-%016" PRIx64, version.hlc, version.id);
}

static bool parse_hex(const char *text, uint64_t *ret)
{
	uint64_t number = 0;
	for (int i = 0; i < 16; i++) {
		char c = text[i];
		uint32_t digit;
		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (uint32_t)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			digit = (uint32_t)(c - 'A') + 10;
		else
			return false;
		number = number << 4 | digit;
	}
	*ret = number;
	return true;
}

bool kv_version_parse(const char *text, struct kv_version *ret_version)
{
	struct kv_version v;
	if (strlen(text) != KV_VERSION_TEXT_SIZE - 1 || text[16] != '-')
		return false;
	if (!parse_hex(text, &v.hlc) || !parse_hex(text + 17, &v.id))
		return false;
	*ret_version = v;
	return true;
}

int kv_version_compare(struct kv_version a, struct kv_version b)
{
	if (a.hlc != b.hlc)
		return a.hlc < b.hlc ? -1 : 1;
	return a.id < b.id ? -1 : a.id > b.id;
}

uint64_t kv_hash(struct kv_slice value) { return hash64(slice_in(value)); }

/* ---- Open and close ---- */

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	if (!config)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static void *thread_main(void *arg)
{
	struct kv_client *client = arg;
	event_base_dispatch(client->own_base);
	return NULL;
}

/* The program's signals are none of this thread's business. */
static int start_thread(struct kv_client *client)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&client->thread, NULL, thread_main, client);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}

/* What is left without the engine. */
static void client_free(struct kv_client *client)
{
	if (client->own_base)
		event_base_free(client->own_base);
	session_unref(client->session);
	free(client);
}

enum kv_status kv_open(const struct kv_config *config, struct kv_client **ret_client, struct kv_error *err)
{
	if (config->endpoint_count == 0)
		return client_error(err, KV_INVALID,
				    "no endpoints: set \"endpoints\" to host:port of one or more nodes");
	struct kv_client *client = xcalloc(1, sizeof *client);
	client->session = kv_session_new();
	if (!config->base) {
		client->own_base = new_base();
		if (!client->own_base) {
			client_free(client);
			return client_error(err, KV_OVERLOADED, "cannot make an event loop: out of descriptors");
		}
	}
	enum kv_status status =
		engine_init(&client->engine, config, config->base ? config->base : client->own_base, err);
	if (status != KV_OK) {
		client_free(client);
		return status;
	}
	int failed = client->own_base ? start_thread(client) : 0;
	if (failed) {
		engine_release(&client->engine);
		client_free(client);
		return client_error(err, KV_OVERLOADED, "cannot start a thread: %s", strerror(failed));
	}
	*ret_client = client;
	return client_ok(err);
}

void kv_close(struct kv_client *client, unsigned drain_ms)
{
	if (!client)
		return;
	engine_close(&client->engine, drain_ms);
	if (client->own_base) {
		KV_ASSERT(!pthread_equal(pthread_self(), client->thread));
		pthread_join(client->thread, NULL);
	}
	engine_fail_all(&client->engine);
	engine_release(&client->engine);
	client_free(client);
}
