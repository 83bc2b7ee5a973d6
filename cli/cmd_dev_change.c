/* SPDX-License-Identifier: Apache-2.0 */
/* dev add, dev remove: the cluster on this machine grows and shrinks while it serves. */
#include <poll.h>
#include <signal.h>

#include "base/clock.h"
#include "cli/change.h"
#include "cli/dev.h"

enum { POLL_MS = 250 };

#define NOTICE_US (10 * USEC_PER_SEC)

/** Opens the client at the nodes that run. False after an error, which it has told. */
static bool open_running(struct dev *dev)
{
	CLEANUP(buf_release) struct buf endpoints = BUF_INIT;
	for (unsigned i = 0; i < dev->count; i++) {
		char client[DEV_ADDRESS_SIZE], peer[DEV_ADDRESS_SIZE];
		if (dev_node_pid(&dev->nodes[i]) != 0 && dev_node_addresses(&dev->nodes[i], client, peer))
			buf_printf(&endpoints, "%s%s", endpoints.size ? "," : "", client);
	}
	if (endpoints.size > 0)
		return ctl_open(dev->ctl, buf_cstr(&endpoints));
	ctl_say(dev->ctl, "no node runs in %s; start them with kvctl dev up", dev->dir);
	return false;
}

static int write_endpoints(const struct dev *dev)
{
	CLEANUP(buf_release) struct buf endpoints = BUF_INIT;
	struct error err;
	if (dev_write_endpoints(dev, &endpoints, &err) != KV_OK)
		return dev_fail(dev, &err);
	printf("export KVCTL_ENDPOINTS=%s\n", buf_cstr(&endpoints));
	return 0;
}

/** Commits what was staged and waits for it. */
static int carry_out(struct ctl *ctl)
{
	struct kv_plan *plan;
	int code = change_commit(ctl, &plan);
	if (code == 0)
		code = change_wait(ctl, plan);
	kv_plan_free(plan);
	return code;
}

/* ---- dev add ------------------------------------------------------------------------------------------------------ */

/** The node that is to be replaced; REPLACES its index in the map. NULL after a mistake, which it has told. */
static struct dev_node *find_replaced(struct dev *dev, uint16_t *ret_index, int *ret_code)
{
	struct dev_node *node = dev_find_node(dev, dev->ctl->args.replace);
	*ret_code = 1;
	if (!node)
		return NULL;
	if (dev_node_pid(node) != 0) {
		ctl_say(dev->ctl, "%s runs: kill it first, or let it leave with kvctl dev remove", node->name);
		return NULL;
	}
	*ret_index = ctl_find_node(dev->ctl, node->name, ret_code);
	return *ret_index == KV_NODE_NONE ? NULL : node;
}

/** The others take a while to notice that the node to be replaced is dead. */
static enum kv_status stage(struct ctl *ctl, const char *peer, uint16_t replaces, struct kv_error *why)
{
	usec_t until_us = clock_mono_us() + NOTICE_US;
	enum kv_status status;
	do {
		status = kv_node_add(ctl->client, peer, replaces, ctl_timeout_ms(ctl), why);
	} while (status == KV_REFUSED && replaces != KV_NODE_NONE && clock_mono_us() < until_us &&
		 poll(NULL, 0, POLL_MS) == 0);
	return status;
}

/** Starts the last node, which is empty, and stages it. *ret_peer is where it listens for others. */
static int start_and_stage(struct dev *dev, uint16_t replaces, char peer[DEV_ADDRESS_SIZE])
{
	struct dev_node *node = &dev->nodes[dev->count - 1];
	char kvd[DEV_PATH_SIZE], client[DEV_ADDRESS_SIZE];
	struct error err;
	enum kv_status status = dev_find_kvd(kvd, &err);
	if (status == KV_OK)
		status = dev_node_start(node, kvd, &err);
	if (status == KV_OK)
		status = dev_wait_addresses(node, &err);
	/* It is asked by the others: this client knows its cluster, to which the node does not belong yet. */
	if (status == KV_OK && !dev_node_addresses(node, client, peer))
		status = error_set(&err, KV_IO, "%s lost its addresses", node->name);
	if (status != KV_OK)
		return dev_fail(dev, &err);
	struct kv_error why;
	if (stage(dev->ctl, peer, replaces, &why) != KV_OK)
		return ctl_fail(dev->ctl, node->name, &why);
	return 0;
}

static int run_add(struct dev *dev)
{
	uint16_t replaces = KV_NODE_NONE;
	struct error err;
	int code = 0;
	struct dev_node *replaced = dev->ctl->args.replace ? find_replaced(dev, &replaces, &code) : NULL;
	if (dev->ctl->args.replace && !replaced)
		return code;
	if (dev_create_node(dev, &err) != KV_OK)
		return dev_fail(dev, &err);
	struct dev_node *node = &dev->nodes[dev->count - 1];
	char peer[DEV_ADDRESS_SIZE], name[sizeof node->name];
	memcpy(name, node->name, sizeof name);
	code = start_and_stage(dev, replaces, peer);
	if (code != 0) {
		/* Part of no cluster, and not to be started with the others. */
		dev_node_signal(node, SIGKILL);
		if (dev_drop_node(dev, node, &err) != KV_OK)
			dev_fail(dev, &err);
		return code;
	}
	if (!change_wait_known(dev->ctl, peer))
		ctl_say(dev->ctl, "%s is not in the map yet", name);
	code = carry_out(dev->ctl);
	if (code != 0)
		return code;
	if (replaced && dev_drop_node(dev, replaced, &err) != KV_OK)
		return dev_fail(dev, &err);
	ctl_say(dev->ctl, "%s is part of the cluster", name);
	return write_endpoints(dev);
}

int cmd_dev_add(struct ctl *ctl)
{
	struct dev dev;
	if (!dev_open(&dev, ctl))
		return 1;
	int code = 1;
	if (dev.count == DEV_NODES_MAX)
		ctl_say(ctl, "%s holds %u nodes, which is the most", dev.dir, dev.count);
	else if (open_running(&dev))
		code = run_add(&dev);
	dev_close(&dev);
	return code;
}

/* ---- dev remove --------------------------------------------------------------------------------------------------- */

static int run_remove(struct dev *dev, struct dev_node *node)
{
	struct kv_error why;
	struct error err;
	int code = 0;
	bool gone = dev_node_pid(node) == 0;
	uint16_t index = ctl_find_node(dev->ctl, node->name, &code);
	if (index == KV_NODE_NONE)
		return code;
	if (kv_node_remove(dev->ctl->client, index, gone, ctl_timeout_ms(dev->ctl), &why) != KV_OK)
		return ctl_fail(dev->ctl, node->name, &why);
	code = carry_out(dev->ctl);
	if (code != 0)
		return code;
	if (!dev_wait_stopped(node, 1, DEV_STOP_US)) {
		ctl_say(dev->ctl, "%s has left and still runs; stopping it", node->name);
		dev_node_signal(node, SIGTERM);
	}
	ctl_say(dev->ctl, "%s has left the cluster", node->name);
	if (dev_drop_node(dev, node, &err) != KV_OK)
		return dev_fail(dev, &err);
	return write_endpoints(dev);
}

int cmd_dev_remove(struct ctl *ctl)
{
	struct dev dev;
	if (!dev_open(&dev, ctl))
		return 1;
	int code = 1;
	struct dev_node *node = dev_find_node(&dev, ctl->operands[0]);
	if (node && open_running(&dev))
		code = run_remove(&dev, node);
	dev_close(&dev);
	return code;
}
