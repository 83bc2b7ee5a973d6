/* SPDX-License-Identifier: Apache-2.0 */
/* cluster init, node ls, partition ls, partition locate. */
#include "cli/change.h"
#include "cli/json.h"
#include "cli/output.h"

int cmd_cluster_init(struct ctl *ctl)
{
	const struct args *args = &ctl->args;
	if (args->partitions & (args->partitions - 1))
		return ctl_usage(ctl, "--partitions %u is no power of two", args->partitions);
	if (args->replicas && args->replicas % 2 == 0)
		return ctl_usage(ctl, "--replicas %u is even: a majority of an odd number costs no more",
				 args->replicas);
	if (args->replicas > (uint32_t)ctl->operand_count)
		return ctl_usage(ctl, "--replicas %u needs as many nodes, and %d are given", args->replicas,
				 ctl->operand_count);
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct kv_cluster_spec spec = KV_CLUSTER_SPEC_INIT;
	spec.name = args->name;
	spec.partitions = args->partitions;
	spec.replicas = args->replicas;
	spec.peer_addresses = (const char *const *)ctl->operands;
	spec.address_count = (size_t)ctl->operand_count;
	struct kv_error err;
	if (kv_cluster_init(ctl->client, NULL, &spec, ctl_timeout_ms(ctl), &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	ctl_say(ctl, "the cluster of %d nodes is formed", ctl->operand_count);
	return 0;
}

/** What a commit does to it. */
static void set_change(json_t *row, const struct kv_node *node, const struct kv_node *nodes, size_t count)
{
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	if (node->state == KV_NODE_STAGED && node->replaces != KV_NODE_NONE)
		buf_printf(&words, "replaces %s", change_node_name(nodes, count, node->replaces));
	else if (node->state == KV_NODE_STAGED)
		buf_append_str(&words, "joins");
	else if (node->gone_staged)
		buf_append_str(&words, "gone");
	else if (node->leave_staged)
		buf_append_str(&words, "leaves");
	else if (node->keep_staged)
		buf_append_str(&words, "stays");
	if (words.size > 0)
		json_set_text(row, "change", buf_cstr(&words));
}

int cmd_node_ls(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"NODE", "name", COLUMN_RAW},
						       {"STATE", "state", 0},
						       {"CHANGE", "change", 0},
						       {"ZONE", "zone", 0},
						       {"WEIGHT", "weight", COLUMN_RIGHT},
						       {"PARTITIONS", "partitions", COLUMN_RIGHT},
						       {"CLIENT_ADDRESS", "client_address", COLUMN_RAW},
						       {"PEER_ADDRESS", "peer_address", COLUMN_RAW},
						       {"UUID", "uuid", 0}};
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct kv_node *nodes;
	size_t count;
	struct kv_error err;
	if (kv_nodes(ctl->client, &nodes, &count, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	struct output out;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < count; i++) {
		json_t *row = json_object();
		json_set_text(row, "name", nodes[i].name);
		json_set_number(row, "index", nodes[i].index);
		json_set_text(row, "state", change_node_word(nodes[i].state));
		set_change(row, &nodes[i], nodes, count);
		json_set_text(row, "zone", nodes[i].zone);
		json_set_number(row, "weight", nodes[i].weight);
		json_set_number(row, "partitions", nodes[i].partitions);
		json_set_text(row, "client_address", nodes[i].client_address);
		json_set_text(row, "peer_address", nodes[i].peer_address);
		json_set_text(row, "uuid", nodes[i].uuid);
		output_add(&out, row);
	}
	output_end(&out);
	kv_nodes_free(nodes);
	return 0;
}

/** The names of a row's nodes, as a JSON array and, for table and raw text, as one word. */
static void set_replicas(json_t *row, const struct kv_location *location, const struct kv_node *nodes, size_t count)
{
	json_t *names = json_array();
	CLEANUP(buf_release) struct buf list = BUF_INIT;
	for (uint16_t i = 0; i < location->node_count; i++) {
		const char *name = "?";
		for (size_t j = 0; j < count; j++) {
			if (nodes[j].index == location->nodes[i])
				name = nodes[j].name;
		}
		json_array_append_new(names, json_string(name));
		buf_printf(&list, "%s%s", i ? "," : "", name);
	}
	json_set(row, "nodes", names);
	json_set_text(row, "replicas", buf_cstr(&list));
}

static json_t *partition_row(const struct kv_location *location, const struct kv_node *nodes, size_t count)
{
	json_t *row = json_object();
	json_set_number(row, "partition", location->partition);
	set_replicas(row, location, nodes, count);
	json_set_number(row, "map_epoch", location->epoch);
	return row;
}

static int list_partitions(struct ctl *ctl, const struct kv_node *nodes, size_t count)
{
	static const struct output_column columns[] = {{"PARTITION", "partition", COLUMN_RIGHT | COLUMN_RAW},
						       {"REPLICAS", "replicas", COLUMN_RAW}};
	struct kv_cluster_info info;
	struct kv_error err;
	if (kv_cluster_info(ctl->client, &info, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	struct output out;
	int code = 0;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (uint32_t i = 0; code == 0 && i < info.partitions; i++) {
		struct kv_location location;
		if (kv_locate_partition(ctl->client, i, &location, &err) == KV_OK)
			output_add(&out, partition_row(&location, nodes, count));
		else
			code = ctl_fail(ctl, NULL, &err);
	}
	output_end(&out);
	return code;
}

int cmd_partition_ls(struct ctl *ctl)
{
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct kv_node *nodes;
	size_t count;
	struct kv_error err;
	if (kv_nodes(ctl->client, &nodes, &count, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	int code = list_partitions(ctl, nodes, count);
	kv_nodes_free(nodes);
	return code;
}

int cmd_partition_locate(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"KEY", "key", 0},
						       {"HASH", "hash", 0},
						       {"PARTITION", "partition", COLUMN_RIGHT | COLUMN_RAW},
						       {"REPLICAS", "replicas", COLUMN_RAW}};
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct kv_location location;
	struct kv_node *nodes;
	size_t count;
	struct kv_error err;
	enum kv_status status = kv_locate(ctl->client, kv_slice_str(ctl->operands[0]), &location, &err);
	if (status == KV_OK)
		status = kv_nodes(ctl->client, &nodes, &count, &err);
	if (status != KV_OK)
		return ctl_fail(ctl, ctl->operands[0], &err);
	char hash[20];
	snprintf(hash, sizeof hash, "%016llx", (unsigned long long)location.hash);
	json_t *row = partition_row(&location, nodes, count);
	json_set_text(row, "key", ctl->operands[0]);
	json_set_text(row, "hash", hash);
	json_set_number(row, "leaf", location.leaf);
	output_one(ctl->args.output, columns, ARRAY_SIZE(columns), row);
	kv_nodes_free(nodes);
	return 0;
}
