/* SPDX-License-Identifier: Apache-2.0 */
/* dev up, down, kill, start, ls: a cluster of processes on this machine. */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "cli/dev.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/text.h"

enum { NODES_DEFAULT = 3, FORM_MS = 30000 };

/* ---- dev up ------------------------------------------------------------------------------------------------------- */

static enum kv_status form_cluster(struct dev *dev, struct error *err)
{
	char client[DEV_NODES_MAX][DEV_ADDRESS_SIZE], peer[DEV_NODES_MAX][DEV_ADDRESS_SIZE];
	const char *addresses[DEV_NODES_MAX];
	for (unsigned i = 0; i < dev->count; i++) {
		if (!dev_node_addresses(&dev->nodes[i], client[i], peer[i]))
			return error_set(err, KV_IO, "%s lost its addresses", dev->nodes[i].name);
		addresses[i] = peer[i];
	}
	struct kv_cluster_spec spec = KV_CLUSTER_SPEC_INIT;
	spec.name = "dev";
	spec.partitions = dev->ctl->args.partitions;
	spec.peer_addresses = addresses;
	spec.address_count = dev->count;
	struct kv_error why;
	enum kv_status status = kv_cluster_init(dev->ctl->client, client[0], &spec, FORM_MS, &why);
	if (status != KV_OK)
		return error_set(err, status, "the cluster cannot be formed: %.180s", why.message);
	return KV_OK;
}

/** All nodes answer; forms the cluster if there is none, and waits until every node serves requests. */
static enum kv_status bring_up(struct dev *dev, struct error *err)
{
	enum kv_status status = KV_OK;
	bool in_cluster = false;
	for (unsigned i = 0; status == KV_OK && i < dev->count; i++) {
		struct dev_question question = {.client = dev->ctl->client};
		status = dev_wait_answer(&dev->nodes[i], &question, err);
		in_cluster = in_cluster || question.in_cluster;
	}
	if (status == KV_OK && !in_cluster)
		status = form_cluster(dev, err);
	for (unsigned i = 0; status == KV_OK && i < dev->count; i++) {
		struct dev_question question = {.client = dev->ctl->client, .ready = true};
		status = dev_wait_answer(&dev->nodes[i], &question, err);
	}
	return status;
}

static enum kv_status create_nodes(struct dev *dev, unsigned count, struct error *err)
{
	enum kv_status status = KV_OK;
	while (status == KV_OK && dev->count < count)
		status = dev_create_node(dev, err);
	return status;
}

static int run_up(struct dev *dev, unsigned count)
{
	CLEANUP(buf_release) struct buf endpoints = BUF_INIT;
	struct error err;
	enum kv_status status = create_nodes(dev, count, &err);
	if (status == KV_OK)
		status = dev_start_nodes(dev, &err);
	if (status == KV_OK)
		status = dev_write_endpoints(dev, &endpoints, &err);
	if (status != KV_OK)
		return dev_fail(dev, &err);
	if (!ctl_open(dev->ctl, buf_cstr(&endpoints)))
		return ctl_not_open();
	status = bring_up(dev, &err);
	if (status != KV_OK)
		return dev_fail(dev, &err);
	char http[DEV_ADDRESS_SIZE];
	if (dev_node_http(&dev->nodes[0], http))
		ctl_say(dev->ctl, "status page: http://%s/", http);
	ctl_say(dev->ctl, "%u nodes are up in %s; to reach them:", dev->count, dev->dir);
	printf("export KVCTL_ENDPOINTS=%s\n", buf_cstr(&endpoints));
	return 0;
}

int cmd_dev_up(struct ctl *ctl)
{
	uint64_t count = NODES_DEFAULT;
	if (ctl->operand_count > 0 && !text_count(ctl->operands[0], 1, DEV_NODES_MAX, &count))
		return ctl_usage(ctl, "\"%s\" is no number of nodes from 1 to %d", ctl->operands[0], DEV_NODES_MAX);
	if (ctl->args.partitions & (ctl->args.partitions - 1))
		return ctl_usage(ctl, "--partitions %u is no power of two", ctl->args.partitions);
	if (mkdir(ctl->args.dir, 0755) != 0 && errno != EEXIST) {
		ctl_say(ctl, "cannot create %s: %s", ctl->args.dir, strerror(errno));
		return 1;
	}
	struct dev dev;
	if (!dev_open(&dev, ctl))
		return 1;
	int code;
	if (dev.count > 0 && ctl->operand_count > 0 && dev.count != count)
		code = ctl_usage(ctl, "%s holds a cluster of %u nodes; take another --dir, or leave the number out",
				 dev.dir, dev.count);
	else
		code = run_up(&dev, dev.count > 0 ? dev.count : (unsigned)count);
	dev_close(&dev);
	return code;
}

/* ---- The others --------------------------------------------------------------------------------------------------- */

int cmd_dev_down(struct ctl *ctl)
{
	struct dev dev;
	if (!dev_open(&dev, ctl))
		return 1;
	for (unsigned i = 0; i < dev.count; i++)
		dev_node_signal(&dev.nodes[i], SIGTERM);
	int code = 0;
	if (!dev_wait_stopped(dev.nodes, dev.count, DEV_STOP_US)) {
		for (unsigned i = 0; i < dev.count; i++) {
			if (dev_node_pid(&dev.nodes[i]) != 0)
				ctl_say(ctl, "%s did not stop; killing it", dev.nodes[i].name);
			dev_node_signal(&dev.nodes[i], SIGKILL);
		}
		code = dev_wait_stopped(dev.nodes, dev.count, DEV_STOP_US) ? 0 : 1;
	}
	if (code == 0)
		ctl_say(ctl, "%u nodes are down; their data stays in %s", dev.count, dev.dir);
	else
		ctl_say(ctl, "not all nodes have ended");
	dev_close(&dev);
	return code;
}

int cmd_dev_kill(struct ctl *ctl)
{
	struct dev dev;
	if (!dev_open(&dev, ctl))
		return 1;
	int code = 1;
	struct dev_node *node = dev_find_node(&dev, ctl->operands[0]);
	if (node && dev_node_pid(node) == 0) {
		ctl_say(ctl, "%s does not run", node->name);
	} else if (node) {
		dev_node_signal(node, SIGKILL);
		code = dev_wait_stopped(node, 1, DEV_STOP_US) ? 0 : 1;
		ctl_say(ctl, code == 0 ? "%s is dead" : "%s has not ended", node->name);
	}
	dev_close(&dev);
	return code;
}

static int run_start(struct dev *dev, struct dev_node *node)
{
	char kvd[DEV_PATH_SIZE], client[DEV_ADDRESS_SIZE] = "", peer[DEV_ADDRESS_SIZE];
	struct error err;
	if (dev_node_pid(node) != 0) {
		ctl_say(dev->ctl, "%s runs already", node->name);
		return 0;
	}
	enum kv_status status = dev_find_kvd(kvd, &err);
	if (status == KV_OK)
		status = dev_node_start(node, kvd, &err);
	if (status == KV_OK)
		status = dev_wait_addresses(node, &err);
	if (status != KV_OK)
		return dev_fail(dev, &err);
	if (!dev_node_addresses(node, client, peer) || !ctl_open(dev->ctl, client))
		return 1;
	struct dev_question question = {.client = dev->ctl->client, .ready = true};
	status = dev_wait_answer(node, &question, &err);
	if (status != KV_OK)
		return dev_fail(dev, &err);
	CLEANUP(buf_release) struct buf endpoints = BUF_INIT;
	if (dev_write_endpoints(dev, &endpoints, &err) != KV_OK)
		return dev_fail(dev, &err);
	ctl_say(dev->ctl, "%s is up at %s", node->name, client);
	return 0;
}

int cmd_dev_start(struct ctl *ctl)
{
	struct dev dev;
	if (!dev_open(&dev, ctl))
		return 1;
	struct dev_node *node = dev_find_node(&dev, ctl->operands[0]);
	int code = node ? run_start(&dev, node) : 1;
	dev_close(&dev);
	return code;
}

int cmd_dev_ls(struct ctl *ctl)
{
	static const struct output_column columns[] = {{"NODE", "name", COLUMN_RAW},
						       {"STATE", "state", COLUMN_RAW},
						       {"PID", "pid", COLUMN_RIGHT},
						       {"CLIENT_ADDRESS", "client_address", COLUMN_RAW},
						       {"PEER_ADDRESS", "peer_address", 0},
						       {"HTTP_ADDRESS", "http_address", 0},
						       {"LOG", "log", 0}};
	struct dev dev;
	if (!dev_open(&dev, ctl))
		return 1;
	struct output out;
	output_begin(&out, ctl->args.output, columns, ARRAY_SIZE(columns));
	for (unsigned i = 0; i < dev.count; i++) {
		const struct dev_node *node = &dev.nodes[i];
		char client[DEV_ADDRESS_SIZE], peer[DEV_ADDRESS_SIZE], log[DEV_PATH_SIZE + 8];
		pid_t pid = dev_node_pid(node);
		json_t *row = json_object();
		json_set_text(row, "name", node->name);
		json_set_text(row, "state", pid ? "running" : "stopped");
		if (pid)
			json_set_number(row, "pid", (uint64_t)pid);
		if (dev_node_addresses(node, client, peer)) {
			json_set_text(row, "client_address", client);
			json_set_text(row, "peer_address", peer);
		}
		if (dev_node_http(node, client))
			json_set_text(row, "http_address", client);
		snprintf(log, sizeof log, "%s/log", node->dir);
		json_set_text(row, "log", log);
		output_add(&out, row);
	}
	output_end(&out);
	dev_close(&dev);
	return 0;
}
