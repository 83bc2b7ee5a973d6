/* SPDX-License-Identifier: Apache-2.0 */
/* dev up, down, kill, start, ls: a cluster of processes on this machine. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/dev_node.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/text.h"

enum { NODES_MAX = 16, NODES_DEFAULT = 3, POLL_MS = 20, ASK_MS = 500 };

#define START_US (60 * USEC_PER_SEC) /* until a node answers; recovery of its log included */
#define FORM_MS  30000
#define STOP_US  (20 * USEC_PER_SEC) /* until SIGKILL; longer than kvd drains */

struct dev {
	struct ctl *ctl;
	char dir[DEV_PATH_SIZE - 64]; /* absolute, with room for the files' names */
	int lock_fd;
	struct dev_node nodes[NODES_MAX];
	unsigned count;
};

static int fail(const struct dev *dev, const struct error *err)
{
	ctl_say(dev->ctl, "%s", err->message);
	return status_exit_code(err->status);
}

/** Opens the directory, which must exist, keeps others out, and finds its nodes. */
static bool dev_open(struct dev *dev, struct ctl *ctl)
{
	*dev = (struct dev){.ctl = ctl, .lock_fd = -1};
	CLEANUP(free_ptr) char *path = realpath(ctl->args.dir, NULL);
	if (!path || strlen(path) >= sizeof dev->dir) {
		ctl_say(ctl, "%s: %s", ctl->args.dir, path ? "the path is too long" : strerror(errno));
		return false;
	}
	if (strpbrk(path, "\"\\\n")) {
		ctl_say(ctl, "%s: quotes, backslashes and newlines in the path are not supported", path);
		return false;
	}
	memcpy(dev->dir, path, strlen(path) + 1);
	char lock[DEV_PATH_SIZE];
	snprintf(lock, sizeof lock, "%s/lock", dev->dir);
	dev->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (dev->lock_fd < 0 || flock(dev->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		ctl_say(ctl, "%s: %s", lock,
			errno == EWOULDBLOCK ? "another kvctl dev is at work here" : strerror(errno));
		if (dev->lock_fd >= 0)
			close(dev->lock_fd);
		return false;
	}
	while (dev->count < NODES_MAX) {
		dev_node_init(&dev->nodes[dev->count], dev->dir, dev->count + 1);
		if (!dev_node_exists(&dev->nodes[dev->count]))
			break;
		dev->count++;
	}
	return true;
}

static void dev_close(struct dev *dev)
{
	if (dev->lock_fd >= 0)
		close(dev->lock_fd);
}

static struct dev_node *find_node(struct dev *dev, const char *name)
{
	for (unsigned i = 0; i < dev->count; i++) {
		if (strcmp(dev->nodes[i].name, name) == 0)
			return &dev->nodes[i];
	}
	ctl_say(dev->ctl, "there is no node \"%s\" in %s", name, dev->dir);
	return NULL;
}

/* ---- Waiting ------------------------------------------------------------------------------------------------------ */

/** Asks CONDITION again and again until it holds, the process ends, or the time is over. */
static enum kv_status wait_until(struct dev_node *node, bool (*condition)(struct dev_node *, void *), void *arg,
				 const char *what, struct error *err)
{
	usec_t until_us = clock_mono_us() + START_US;
	while (!condition(node, arg)) {
		if (dev_node_has_failed(node, err))
			return KV_IO;
		if (clock_mono_us() > until_us)
			return error_set(err, KV_DEADLINE, "%s %s within %llu s; see %.120s/log", node->name, what,
					 (unsigned long long)(START_US / USEC_PER_SEC), node->dir);
		poll(NULL, 0, POLL_MS);
	}
	return KV_OK;
}

static bool has_addresses(struct dev_node *node, void *arg)
{
	(void)arg;
	char client[DEV_ADDRESS_SIZE], peer[DEV_ADDRESS_SIZE];
	return dev_node_addresses(node, client, peer);
}

/** What to find out from a node by asking it. */
struct question {
	struct kv_client *client;
	bool ready;      /* in: it must serve requests; else an answer will do */
	bool in_cluster; /* out */
};

static bool has_answered(struct dev_node *node, void *arg)
{
	struct question *question = arg;
	char client[DEV_ADDRESS_SIZE], peer[DEV_ADDRESS_SIZE];
	struct kv_node_status *status;
	if (!dev_node_addresses(node, client, peer) ||
	    kv_status_get(question->client, client, ASK_MS, &status, NULL) != KV_OK)
		return false;
	bool good = strcmp(status->name, node->name) == 0 && (status->ready || !question->ready);
	question->in_cluster = status->cluster[0] != '\0';
	kv_node_status_free(status);
	return good;
}

/** Starts what does not run, and waits until all have their addresses. */
static enum kv_status start_nodes(struct dev *dev, struct error *err)
{
	char kvd[DEV_PATH_SIZE];
	enum kv_status status = dev_find_kvd(kvd, err);
	for (unsigned i = 0; status == KV_OK && i < dev->count; i++) {
		if (dev_node_pid(&dev->nodes[i]) == 0)
			status = dev_node_start(&dev->nodes[i], kvd, err);
	}
	for (unsigned i = 0; status == KV_OK && i < dev->count; i++)
		status = wait_until(&dev->nodes[i], has_addresses, NULL, "did not tell its addresses", err);
	return status;
}

/* ---- dev up ------------------------------------------------------------------------------------------------------- */

static enum kv_status write_endpoints(const struct dev *dev, struct buf *endpoints, struct error *err)
{
	for (unsigned i = 0; i < dev->count; i++) {
		char client[DEV_ADDRESS_SIZE], peer[DEV_ADDRESS_SIZE];
		if (!dev_node_addresses(&dev->nodes[i], client, peer))
			return error_set(err, KV_IO, "%s lost its addresses", dev->nodes[i].name);
		buf_printf(endpoints, "%s%s", i ? "," : "", client);
	}
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	buf_printf(&line, "%s\n", buf_cstr(endpoints));
	enum kv_status status = dev_write_file(dev->dir, "endpoints", buf_slice(&line), err);
	return status == KV_OK ? dev_write_file(dev->dir, "http", (struct slice){0}, err) : status;
}

static enum kv_status form_cluster(struct dev *dev, struct error *err)
{
	char client[NODES_MAX][DEV_ADDRESS_SIZE], peer[NODES_MAX][DEV_ADDRESS_SIZE];
	const char *addresses[NODES_MAX];
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
		struct question question = {.client = dev->ctl->client};
		status = wait_until(&dev->nodes[i], has_answered, &question, "did not answer", err);
		in_cluster = in_cluster || question.in_cluster;
	}
	if (status == KV_OK && !in_cluster)
		status = form_cluster(dev, err);
	for (unsigned i = 0; status == KV_OK && i < dev->count; i++) {
		struct question question = {.client = dev->ctl->client, .ready = true};
		status = wait_until(&dev->nodes[i], has_answered, &question, "did not get ready", err);
	}
	return status;
}

static enum kv_status create_nodes(struct dev *dev, unsigned count, struct error *err)
{
	enum kv_status status = KV_OK;
	while (status == KV_OK && dev->count < count) {
		unsigned number = dev->count + 1;
		dev_node_init(&dev->nodes[dev->count], dev->dir, number);
		status = dev_node_create(&dev->nodes[dev->count], number, err);
		dev->count += status == KV_OK;
	}
	return status;
}

static int run_up(struct dev *dev, unsigned count)
{
	CLEANUP(buf_release) struct buf endpoints = BUF_INIT;
	struct error err;
	enum kv_status status = create_nodes(dev, count, &err);
	if (status == KV_OK)
		status = start_nodes(dev, &err);
	if (status == KV_OK)
		status = write_endpoints(dev, &endpoints, &err);
	if (status != KV_OK)
		return fail(dev, &err);
	if (!ctl_open(dev->ctl, buf_cstr(&endpoints)))
		return 1;
	status = bring_up(dev, &err);
	if (status != KV_OK)
		return fail(dev, &err);
	ctl_say(dev->ctl, "%u nodes are up in %s; to reach them:", dev->count, dev->dir);
	printf("export KVCTL_ENDPOINTS=%s\n", buf_cstr(&endpoints));
	return 0;
}

int cmd_dev_up(struct ctl *ctl)
{
	uint64_t count = NODES_DEFAULT;
	if (ctl->operand_count > 0 && !text_count(ctl->operands[0], 1, NODES_MAX, &count))
		return ctl_usage(ctl, "\"%s\" is no number of nodes from 1 to %d", ctl->operands[0], NODES_MAX);
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

/** True when none of the first COUNT nodes runs, within the time. */
static bool wait_stopped(struct dev_node *nodes, unsigned count, usec_t timeout_us)
{
	usec_t until_us = clock_mono_us() + timeout_us;
	for (unsigned i = 0; i < count; i++) {
		while (dev_node_pid(&nodes[i]) != 0) {
			if (clock_mono_us() > until_us)
				return false;
			poll(NULL, 0, POLL_MS);
		}
	}
	return true;
}

int cmd_dev_down(struct ctl *ctl)
{
	struct dev dev;
	if (!dev_open(&dev, ctl))
		return 1;
	for (unsigned i = 0; i < dev.count; i++)
		dev_node_signal(&dev.nodes[i], SIGTERM);
	int code = 0;
	if (!wait_stopped(dev.nodes, dev.count, STOP_US)) {
		for (unsigned i = 0; i < dev.count; i++) {
			if (dev_node_pid(&dev.nodes[i]) != 0)
				ctl_say(ctl, "%s did not stop; killing it", dev.nodes[i].name);
			dev_node_signal(&dev.nodes[i], SIGKILL);
		}
		code = wait_stopped(dev.nodes, dev.count, STOP_US) ? 0 : 1;
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
	struct dev_node *node = find_node(&dev, ctl->operands[0]);
	if (node && dev_node_pid(node) == 0) {
		ctl_say(ctl, "%s does not run", node->name);
	} else if (node) {
		dev_node_signal(node, SIGKILL);
		code = wait_stopped(node, 1, STOP_US) ? 0 : 1;
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
		status = wait_until(node, has_addresses, NULL, "did not tell its addresses", &err);
	if (status != KV_OK)
		return fail(dev, &err);
	if (!dev_node_addresses(node, client, peer) || !ctl_open(dev->ctl, client))
		return 1;
	struct question question = {.client = dev->ctl->client, .ready = true};
	status = wait_until(node, has_answered, &question, "did not get ready", &err);
	if (status != KV_OK)
		return fail(dev, &err);
	CLEANUP(buf_release) struct buf endpoints = BUF_INIT;
	if (write_endpoints(dev, &endpoints, &err) != KV_OK)
		return fail(dev, &err);
	ctl_say(dev->ctl, "%s is up at %s", node->name, client);
	return 0;
}

int cmd_dev_start(struct ctl *ctl)
{
	struct dev dev;
	if (!dev_open(&dev, ctl))
		return 1;
	struct dev_node *node = find_node(&dev, ctl->operands[0]);
	int code = node ? run_start(&dev, node) : 1;
	dev_close(&dev);
	return code;
}

int cmd_dev_ls(struct ctl *ctl)
{
	static const struct output_column columns[] = {
		{"NODE", "name", COLUMN_RAW},        {"STATE", "state", COLUMN_RAW},
		{"PID", "pid", COLUMN_RIGHT},        {"CLIENT_ADDRESS", "client_address", COLUMN_RAW},
		{"PEER_ADDRESS", "peer_address", 0}, {"LOG", "log", 0}};
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
		snprintf(log, sizeof log, "%s/log", node->dir);
		json_set_text(row, "log", log);
		output_add(&out, row);
	}
	output_end(&out);
	dev_close(&dev);
	return 0;
}
