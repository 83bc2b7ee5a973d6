/* SPDX-License-Identifier: Apache-2.0 */
#include "server/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/klog.h"

enum { TURNS_PER_DEADLINE = 4, MESSAGE_SIZE = 256 };

/** A socket connected to the manager's, or -1. A name that begins with @ is in the abstract name space. */
static int connect_to(const char *name)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t size = strlen(name);
	if ((name[0] != '/' && name[0] != '@') || size >= sizeof to.sun_path) {
		log_warn("notify.refused", L_STR("socket", name), L_STR("reason", "no path of a socket"));
		return -1;
	}
	memcpy(to.sun_path, name, size);
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (name[0] == '/'));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, length) == 0)
		return fd;
	log_warn("notify.refused", L_STR("socket", name), L_STR("reason", strerror(errno)));
	if (fd >= 0)
		close(fd);
	return -1;
}

/** The watchdog's deadline if it is meant for this process, else 0. */
static usec_t watchdog_deadline(void)
{
	const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	if (!text || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	char *end;
	unsigned long long deadline_us = strtoull(text, &end, 10);
	return *end == '\0' && text[0] != '-' ? deadline_us : 0;
}

void notify_init(struct notify *n, uint32_t count)
{
	*n = (struct notify){.fd = -1, .next_us = USEC_NEVER, .count = count};
	const char *name = getenv("NOTIFY_SOCKET");
	if (!name || name[0] == '\0')
		return;
	n->fd = connect_to(name);
	n->turn_us = n->fd >= 0 ? watchdog_deadline() / TURNS_PER_DEADLINE : 0;
	if (n->turn_us == 0)
		return;
	n->beats = xcalloc(count, sizeof *n->beats);
	n->next_us = clock_mono_us() + n->turn_us;
}

void notify_release(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	free(n->beats);
	*n = (struct notify){.fd = -1, .next_us = USEC_NEVER};
}

static bool tell(struct notify *n, const char *text)
{
	if (n->fd < 0)
		return false;
	ssize_t size = send(n->fd, text, strlen(text), MSG_NOSIGNAL);
	if (size >= 0)
		return true;
	log_warn("notify.failed", L_STR("told", text), L_STR("reason", strerror(errno)));
	return false;
}

void notify_ready(struct notify *n, const char *status)
{
	if (n->ready)
		return;
	n->ready = true;
	char text[MESSAGE_SIZE];
	snprintf(text, sizeof text, "READY=1\nSTATUS=%s", status);
	tell(n, text);
}

void notify_reloading(struct notify *n)
{
	char text[MESSAGE_SIZE];
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, (uint64_t)clock_mono_us());
	tell(n, text);
}

void notify_reloaded(struct notify *n) { tell(n, "READY=1"); }

void notify_stopping(struct notify *n) { tell(n, "STOPPING=1\nSTATUS=draining"); }

bool notify_watch(struct notify *n, const uint64_t *beats)
{
	usec_t now_us = clock_mono_us();
	if (now_us < n->next_us)
		return false;
	n->next_us = now_us + n->turn_us;
	uint32_t still = 0;
	for (uint32_t i = 0; i < n->count; i++) {
		still += n->beats[i] == beats[i];
		n->beats[i] = beats[i];
	}
	if (still > 0 && !n->stuck)
		log_warn("loop.stuck", L_U64("loops", still), L_U64("looked_us", n->turn_us),
			 L_STR("action",
			       "the watchdog is not told; the service manager restarts the node if it lasts"));
	n->stuck = still > 0;
	return still == 0 && tell(n, "WATCHDOG=1");
}
