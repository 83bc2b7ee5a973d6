/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first program: writes a key strongly, reads it back at both levels, and tells how it went.
 *
 *     cc hello.c $(pkg-config --cflags --libs kvclient) -o hello
 *     ./hello 127.0.0.1:7001,127.0.0.1:7002
 */
#include <inttypes.h>
#include <stdio.h>

#include <kv/client.h>

static int failed(const char *what, const struct kv_error *err)
{
	fprintf(stderr, "hello: %s: %s: %s%s\n", what, kv_status_name(err->status), err->message,
		err->in_doubt ? " (it may have been applied)" : "");
	return 1;
}

static int say_hello(struct kv_client *client)
{
	struct kv_slice key = kv_slice_str("hello");
	struct kv_slice value = kv_slice_str("world");
	struct kv_options strong = KV_OPTIONS_INIT;
	struct kv_item item;
	struct kv_error err;
	strong.level = KV_LEVEL_STRONG;
	strong.receipt = true;

	/* Linearizable, and durable on a majority when this returns. */
	if (kv_put(client, &strong, key, value, &item, &err) != KV_OK)
		return failed("put", &err);
	char version[KV_VERSION_TEXT_SIZE];
	kv_version_format(item.version, version);
	printf("wrote version %s", version);
	if (item.receipt)
		printf(", %u replicas hold it", (unsigned)item.receipt->acks);
	printf("\n");
	kv_item_release(&item);

	/* Sees every strong write that was acknowledged before. */
	if (kv_get(client, &strong, key, &item, &err) != KV_OK)
		return failed("strong get", &err);
	printf("strong read: %.*s\n", (int)item.value.size, (const char *)item.value.data);
	kv_item_release(&item);

	/* Cheaper: from one replica, which may not have heard of the latest write yet. */
	enum kv_status status = kv_get(client, NULL, key, &item, &err);
	if (status == KV_OK) {
		printf("eventual read: %.*s\n", (int)item.value.size, (const char *)item.value.data);
		kv_item_release(&item);
	} else if (status == KV_NOT_FOUND) {
		printf("eventual read: not there yet\n");
	} else {
		return failed("eventual get", &err);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct kv_error err;
	struct kv_client *client = NULL;
	if (argc != 2) {
		fprintf(stderr, "usage: hello HOST:PORT[,HOST:PORT...]\n");
		return 2;
	}
	struct kv_config *config = kv_config_new();
	enum kv_status status = kv_config_set(config, "endpoints", argv[1], &err);
	if (status == KV_OK)
		status = kv_config_set(config, "name", "hello", &err);
	if (status == KV_OK)
		status = kv_open(config, &client, &err);
	kv_config_free(config);
	if (status != KV_OK)
		return failed("open", &err);

	int result = say_hello(client);
	kv_close(client, /* drain_ms= */ 0);
	return result;
}
