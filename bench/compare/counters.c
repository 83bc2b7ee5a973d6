/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the counters of the nodes at the addresses, added up, as one JSON object. */
#include <stdio.h>

#include <kv/client.h>

#define COUNTERS_MAX 512

static struct kv_counter sums[COUNTERS_MAX];
static char names[COUNTERS_MAX][64];
static size_t sum_count;

static void add(const struct kv_counter *counter)
{
	size_t i = 0;
	while (i < sum_count && strcmp(names[i], counter->name) != 0)
		i++;
	if (i == COUNTERS_MAX)
		return;
	if (i == sum_count) {
		snprintf(names[i], sizeof names[i], "%s", counter->name);
		sum_count++;
	}
	sums[i].value += counter->value;
}

static int add_node(struct kv_client *client, const char *address)
{
	struct kv_error err;
	struct kv_node_status *status;
	if (kv_status_get(client, address, 5000, &status, &err) != KV_OK) {
		fprintf(stderr, "counters: %s: %s\n", address, err.message);
		return 1;
	}
	for (size_t i = 0; i < status->counter_count; i++)
		add(&status->counters[i]);
	kv_node_status_free(status);
	return 0;
}

int main(int argc, char **argv)
{
	struct kv_error err;
	struct kv_client *client = NULL;
	struct kv_config *config = kv_config_new();
	int code = argc < 2;
	if (code == 0 && (kv_config_set(config, "endpoints", argv[1], &err) != KV_OK ||
			  kv_open(config, &client, &err) != KV_OK)) {
		fprintf(stderr, "counters: %s\n", err.message);
		code = 1;
	}
	for (int i = 1; code == 0 && i < argc; i++)
		code = add_node(client, argv[i]);
	for (size_t i = 0; code == 0 && i < sum_count; i++)
		printf("%s\"%s\":%llu", i ? "," : "{", names[i], (unsigned long long)sums[i].value);
	if (code == 0)
		puts("}");
	kv_close(client, 0);
	kv_config_free(config);
	return code;
}
