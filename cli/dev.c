/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"

enum { POLL_MS = 20, ASK_MS = 500 };

#define START_US (60 * USEC_PER_SEC) /* until a node answers; recovery of its log included */

int dev_fail(const struct dev *dev, const struct error *err)
{
	ctl_say(dev->ctl, "%s", err->message);
	return status_exit_code(err->status);
}

static void find_nodes(struct dev *dev)
{
	for (dev->next_number = 1; dev->count < DEV_NODES_MAX; dev->next_number++) {
		struct dev_node *node = &dev->nodes[dev->count];
		dev_node_init(node, dev->dir, dev->next_number);
		if (!dev_node_exists(node))
			break;
		dev->count += !dev_node_has_left(node);
	}
}

bool dev_open(struct dev *dev, struct ctl *ctl)
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
	find_nodes(dev);
	return true;
}

void dev_close(struct dev *dev)
{
	if (dev->lock_fd >= 0)
		close(dev->lock_fd);
}

struct dev_node *dev_find_node(struct dev *dev, const char *name)
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

static bool has_answered(struct dev_node *node, void *arg)
{
	struct dev_question *question = arg;
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

enum kv_status dev_start_nodes(struct dev *dev, struct error *err)
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

enum kv_status dev_wait_addresses(struct dev_node *node, struct error *err)
{
	return wait_until(node, has_addresses, NULL, "did not tell its addresses", err);
}

enum kv_status dev_wait_answer(struct dev_node *node, struct dev_question *question, struct error *err)
{
	return wait_until(node, has_answered, question, question->ready ? "did not get ready" : "did not answer",
			  err);
}

/** One address a line, of the nodes that have a status page. */
static enum kv_status write_http(const struct dev *dev, struct error *err)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	for (unsigned i = 0; i < dev->count; i++) {
		char http[DEV_ADDRESS_SIZE];
		if (dev_node_http(&dev->nodes[i], http))
			buf_printf(&text, "%s\n", http);
	}
	return dev_write_file(dev->dir, "http", buf_slice(&text), err);
}

enum kv_status dev_write_endpoints(const struct dev *dev, struct buf *endpoints, struct error *err)
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
	return status == KV_OK ? write_http(dev, err) : status;
}

enum kv_status dev_create_node(struct dev *dev, struct error *err)
{
	KV_ASSERT(dev->count < DEV_NODES_MAX);
	struct dev_node *node = &dev->nodes[dev->count];
	dev_node_init(node, dev->dir, dev->next_number);
	enum kv_status status = dev_node_create(node, dev->next_number, err);
	if (status == KV_OK) {
		dev->count++;
		dev->next_number++;
	}
	return status;
}

enum kv_status dev_drop_node(struct dev *dev, struct dev_node *node, struct error *err)
{
	enum kv_status status = dev_node_mark_left(node, err);
	if (status != KV_OK)
		return status;
	size_t at = (size_t)(node - dev->nodes);
	KV_ASSERT(at < dev->count);
	dev->count--;
	memmove(node, node + 1, (dev->count - at) * sizeof *node);
	return KV_OK;
}

bool dev_wait_stopped(struct dev_node *nodes, unsigned count, usec_t timeout_us)
{
	usec_t until_us = clock_mono_us() + timeout_us;
	for (unsigned i = 0; i < count; i++) {
		while (dev_node_pid(&nodes[i]) != 0 || dev_node_holds_store(&nodes[i])) {
			if (clock_mono_us() > until_us)
				return false;
			poll(NULL, 0, POLL_MS);
		}
	}
	return true;
}
