/* SPDX-License-Identifier: Apache-2.0 */
/* lock, elect: hold a key, by oneself or while a command runs. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/hold.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/write.h"

enum { TTL_MS = 10000, ASK_MS = 200, RETRY_MS = 500 };

extern char **environ;

/** Waits for MS milliseconds, for the end of the process PIDFD is of (-1: none), or for Ctrl-C. */
static void pause_ms(int pidfd, uint64_t ms)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	poll(&ended, pidfd >= 0, (int)MIN(ms, (uint64_t)60000));
}

/* ---- Until it is held --------------------------------------------------------------------------------------------- */

/** Who had the key when it was looked at last. */
struct holder {
	struct kv_version version; /* {0, 0}: nobody was seen */
	struct buf name;
};

/** Says who has the key, when that changes. A holder that renews it only gives it another version. */
static void tell_holder(const struct ctl *ctl, const struct hold *h, struct kv_version version, struct holder *last)
{
	struct kv_options options = ctl_options(ctl);
	CLEANUP(kv_item_release) struct kv_item item = {0};
	bool first = last->version.hlc == 0;
	if (kv_version_compare(version, last->version) == 0)
		return;
	options.level = KV_LEVEL_STRONG;
	if (kv_get(h->client, &options, h->key, &item, NULL) != KV_OK)
		return;
	last->version = version;
	struct slice name = ctl_bytes(item.value);
	bool same = name.size == last->name.size &&
		    (name.size == 0 || memcmp(name.data, last->name.data, name.size) == 0);
	if (same && !first)
		return;
	buf_clear(&last->name);
	buf_append_slice(&last->name, name);
	ctl_say(ctl, "%s: %.*s has it; waiting", ctl->operands[0], (int)MIN(name.size, (size_t)200),
		name.size > 0 ? (const char *)name.data : "");
}

/** Errors that pass, once the cluster was there at all. */
static bool may_pass(enum kv_status status)
{
	return status == KV_IN_DOUBT || status_class(status) == STATUS_RETRY;
}

/** 0: held. */
static int acquire(struct ctl *ctl, struct hold *h, struct holder *last)
{
	usec_t end = ctl->args.within_ms ? clock_mono_us() + ctl->args.within_ms * USEC_PER_MSEC : USEC_NEVER;
	bool answered = false;
	for (;;) {
		CLEANUP(kv_item_release) struct kv_item present = {0};
		struct kv_error err;
		enum kv_status status = hold_acquire(h, &present, &err);
		if (status == KV_OK)
			return 0;
		if (status != KV_CONDITION_FAILED && !(answered && may_pass(status)))
			return ctl_fail(ctl, ctl->operands[0], &err);
		answered = true;
		if (interrupt_pending())
			return INTERRUPT_EXIT_CODE;
		if (clock_mono_us() >= end) {
			ctl_say(ctl, "%s: not got in time", ctl->operands[0]);
			return status == KV_CONDITION_FAILED ? status_exit_code(status) : ctl_exit_code(&err);
		}
		if (status == KV_CONDITION_FAILED)
			tell_holder(ctl, h, present.version, last);
		uint64_t left_ms = end == USEC_NEVER ? ASK_MS : (end - clock_mono_us()) / USEC_PER_MSEC + 1;
		pause_ms(-1, MIN(left_ms, (uint64_t)ASK_MS));
	}
}

/* ---- While it is held --------------------------------------------------------------------------------------------- */

/** Renews when it is time to. Gives how long nothing is to be done; 0: it is lost. */
static uint64_t keep_ms(struct ctl *ctl, struct hold *h)
{
	struct kv_error err;
	usec_t now = clock_mono_us(), next = hold_renew_us(h);
	if (now < next)
		return (next - now) / USEC_PER_MSEC + 1;
	enum kv_status status = hold_renew(h, &err);
	if (status == KV_OK)
		return keep_ms(ctl, h);
	if (!hold_is_lost(h)) {
		ctl_fail(ctl, "cannot renew it yet", &err);
		usec_t left_ms = (h->until_us - MIN(h->until_us, clock_mono_us())) / USEC_PER_MSEC;
		return MIN(left_ms, (uint64_t)RETRY_MS) + 1;
	}
	return 0;
}

static int say_lost(const struct ctl *ctl)
{
	ctl_say(ctl, "%s is lost: it could not be renewed in time, or was taken away", ctl->operands[0]);
	return status_exit_code(KV_CONDITION_FAILED);
}

/** Holds it until Ctrl-C. */
static int hold_alone(struct ctl *ctl, struct hold *h)
{
	static const struct output_column columns[] = {{"KEY", "key", 0},
						       {"VALUE", "value", 0},
						       {"FENCE", "fence", COLUMN_RIGHT | COLUMN_RAW},
						       {"VERSION", "version", 0}};
	json_t *row = json_object();
	json_set_bytes(row, "key", ctl_bytes(h->key));
	json_set_bytes(row, "value", ctl_bytes(h->value));
	json_set_number(row, "fence", h->fence);
	json_set_version(row, "version", h->version);
	output_one(ctl->args.output, columns, ARRAY_SIZE(columns), row);
	if (!output_flush())
		return 1;
	while (!interrupt_pending()) {
		uint64_t ms = hold_is_lost(h) ? 0 : keep_ms(ctl, h);
		if (ms == 0)
			return say_lost(ctl);
		pause_ms(-1, ms);
	}
	return 0;
}

/** Starts the command of the operands from FIRST on. Its identity, or 0 after an error, which it has told. */
static pid_t start(struct ctl *ctl, const struct hold *h, int first)
{
	char fence[24];
	pid_t child = 0;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	snprintf(fence, sizeof fence, "%llu", (unsigned long long)h->fence);
	setenv("KVCTL_LOCK_KEY", ctl->operands[0], 1);
	setenv("KVCTL_LOCK_FENCE", fence, 1);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE); /* ignored here, which would be inherited */
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	int failed = posix_spawnp(&child, ctl->operands[first], NULL, &attributes, ctl->operands + first, environ);
	posix_spawnattr_destroy(&attributes);
	unsetenv("KVCTL_LOCK_KEY");
	unsetenv("KVCTL_LOCK_FENCE");
	if (failed)
		ctl_say(ctl, "%s: %s", ctl->operands[first], strerror(failed));
	return failed ? 0 : child;
}

static int exit_code_of(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

/** Holds it while a command runs, which is ended if the key is lost. */
static int hold_during(struct ctl *ctl, struct hold *h, int first)
{
	int wait_status, code = -1;
	pid_t child = start(ctl, h, first);
	if (child == 0)
		return 1;
	int pidfd = pidfd_open(child, 0);
	while (waitpid(child, &wait_status, WNOHANG) == 0) {
		uint64_t ms = hold_is_lost(h) ? 0 : keep_ms(ctl, h);
		if (ms == 0 && code < 0) {
			code = say_lost(ctl);
			kill(child, SIGTERM);
		}
		/* Without a descriptor to wait on it is looked at now and then. */
		pause_ms(pidfd, pidfd < 0 || ms == 0 ? MIN(ms + 50, (uint64_t)100) : ms);
	}
	if (pidfd >= 0)
		close(pidfd);
	return code < 0 ? exit_code_of(wait_status) : code;
}

/** FIRST is the operand that begins the command. */
static int hold(struct ctl *ctl, const char *value, int first)
{
	uint64_t ttl_ms = ctl->args.ttl_ms ? ctl->args.ttl_ms : TTL_MS;
	struct kv_error err;
	if (ttl_ms < HOLD_TTL_MS_MIN)
		return ctl_usage(ctl,
				 "--ttl must be at least 2s: clocks may differ, and it is to be renewed in time");
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	struct hold h = {.client = ctl->client,
			 .key = kv_slice_str(ctl->operands[0]),
			 .value = kv_slice_str(value),
			 .bucket = ctl->args.bucket,
			 .ttl_ms = ttl_ms,
			 .timeout_ms = ctl_timeout_ms(ctl)};
	interrupt_defer();
	interrupt_on_terminate();
	struct holder last = {.name = BUF_INIT};
	int code = acquire(ctl, &h, &last);
	buf_release(&last.name);
	if (code == 0)
		code = first < ctl->operand_count ? hold_during(ctl, &h, first) : hold_alone(ctl, &h);
	if (hold_release(&h, &err) != KV_OK) {
		ctl_fail(ctl, ctl->operands[0], &err);
		ctl_say(ctl, "it ends by itself when its time is over");
	}
	return code;
}

int cmd_lock(struct ctl *ctl)
{
	char host[128] = "", value[160];
	gethostname(host, sizeof host - 1);
	snprintf(value, sizeof value, "%s:%ld", host, (long)getpid());
	return hold(ctl, value, 1);
}

int cmd_elect(struct ctl *ctl) { return hold(ctl, ctl->operands[1], 2); }
