/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: a mixed load on keys of its own, then all checkers over what its clients were told and what the replicas hold, then
 * the keys are taken away again.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/verify_end.h"
#include "cli/verify_report.h"
#include "verify/shorten.h"
#include "verify/verify.h"

enum { CLIENTS_DEFAULT = 8, KEYS_DEFAULT = 5, DURATION_DEFAULT_MS = 10000, WAKE_MS = 100, SETTLE_MS = 15000 };
enum { SHORTEN_MS = 5000, EXIT_CHECK_FAILED = 10 };

/* Buckets from here on are for runs like this; others begin at 0. */
#define BUCKET_FIRST UINT32_C(0xF0000000)

struct run {
	struct ctl *ctl;
	struct kv_node *nodes;
	size_t node_count;
	struct verify_load load;
	struct verify_end end;
	struct verify_result result;
};

static void run_load(struct run *run)
{
	struct verify_load *l = &run->load;
	const struct args *args = &run->ctl->args;
	struct progress progress;
	progress_start(&progress, "verify", "operations");
	usec_t whole_us = l->until_us == USEC_NEVER ? 0 : l->until_us - progress.start_us;
	verify_load_start(l);
	while (!verify_load_wait(l, WAKE_MS)) {
		if (interrupt_pending())
			l->stop = true;
		if (args->ops)
			progress_update(&progress, l->done, l->done, args->ops);
		else
			progress_update(&progress, l->done, progress_elapsed_us(&progress), whole_us);
	}
	progress_clear(&progress);
	run->result.took_us = progress_elapsed_us(&progress);
}

/* --- judging --- */

/* What a shortened history is judged with. */
struct judge {
	const struct replicas *copies; /* of the key; NULL: the history alone */
};

static bool judge_again(const struct history *h, struct verdict *v, void *arg)
{
	const struct judge *j = arg;
	uint32_t undecided;
	return j->copies ? verify_replicas(h, j->copies, v) : verify_history(h, v, &undecided);
}

static void shorten_failure(struct run *run, const struct replicas *copies)
{
	struct verify_result *r = &run->result;
	struct judge j = {0};
	uint32_t key = r->verdict.key;
	if (key >= run->load.plan.key_count)
		return;
	for (uint32_t i = 0; i < run->load.history.count; i++)
		r->key_ops += run->load.history.ops[i].key == key;
	for (uint32_t i = 0; copies && i < copies->count; i++) {
		if (copies->copies[i].key == key)
			replicas_add(&r->copies, &copies->copies[i]);
	}
	j.copies = copies ? &r->copies : NULL;
	struct shorten how = {.judge = judge_again,
			      .arg = &j,
			      .whole = copies,
			      .until_us = clock_mono_us() + SHORTEN_MS * USEC_PER_MSEC};
	struct verdict v;
	if (shorten(&how, &run->load.history, key, &r->shortest, &v))
		r->verdict = v;
}

static void judge(struct run *run)
{
	struct verify_result *r = &run->result;
	struct history *h = &run->load.history;
	r->judged = true;
	if (!verify_history(h, &r->verdict, &r->undecided)) {
		shorten_failure(run, NULL);
		return;
	}
	struct replicas copies;
	if (!verify_end_settle(&run->end, SETTLE_MS, &copies, &r->no_copies))
		return;
	r->copies_judged = true;
	if (!verify_replicas(h, &copies, &r->verdict))
		shorten_failure(run, &copies);
	replicas_release(&copies);
}

static bool was_any_done(const struct history *h)
{
	for (uint32_t i = 0; i < h->count; i++) {
		if (history_is_write(&h->ops[i]) && history_is_answered(&h->ops[i]))
			return true;
	}
	return false;
}

/** Load, closing reads and verdict. Gives the exit code. */
static int run_checks(struct run *run)
{
	struct kv_error err;
	run_load(run);
	if (interrupt_pending())
		return INTERRUPT_EXIT_CODE;
	if (run->load.refused.status != KV_OK)
		return ctl_fail(run->ctl, "the load", &run->load.refused);
	enum kv_status status = verify_end_read(&run->end, &err);
	if (interrupt_pending())
		return INTERRUPT_EXIT_CODE;
	judge(run);
	if (interrupt_pending() && !run->result.verdict.violated)
		return INTERRUPT_EXIT_CODE;
	if (run->result.verdict.violated)
		return EXIT_CHECK_FAILED;
	/* What was answered is right, but the end is not known: that is no PASS. */
	run->result.judged = status == KV_OK && was_any_done(&run->load.history);
	if (status != KV_OK)
		return ctl_fail(run->ctl, "a closing read", &err);
	return run->result.judged ? 0
				  : ctl_fail(run->ctl, "no write was carried out",
					     &(struct kv_error){.status = KV_UNAVAILABLE});
}

static int clean(struct run *run)
{
	struct kv_error err;
	if (run->ctl->args.keep) {
		ctl_say(run->ctl, "kept %u keys in bucket %u", run->load.plan.key_count, run->load.bucket);
		return 0;
	}
	uint32_t left = verify_end_clean(&run->end, &err);
	run->result.cleaned = left == 0;
	if (left == 0)
		return 0;
	ctl_say(run->ctl, "%u keys are left in bucket %u", left, run->load.bucket);
	return err.status == KV_OK ? 1 : ctl_fail(run->ctl, "taking the keys away", &err);
}

/* --- the command --- */

static void run_init(struct run *run)
{
	const struct args *args = &run->ctl->args;
	uint64_t duration_ms = args->duration_ms ? args->duration_ms : DURATION_DEFAULT_MS;
	bool bounded_by_ops = args->ops && !args->duration_ms;
	run->result.seed = args_given(args, FLAG_SEED) ? args->seed : rng_entropy() >> 32;
	run->load = (struct verify_load){
		.client_count = args_given(args, FLAG_CLIENTS) ? args->clients : CLIENTS_DEFAULT,
		.bucket = BUCKET_FIRST | (uint32_t)(rng_entropy() & ~BUCKET_FIRST),
		.timeout_ms = ctl_timeout_ms(run->ctl),
		.ops_max = args->ops,
		.until_us = bounded_by_ops ? USEC_NEVER : clock_mono_us() + duration_ms * USEC_PER_MSEC,
	};
	run->end = (struct verify_end){
		.load = &run->load,
		.client = run->ctl->client,
		.nodes = run->nodes,
		.node_count = run->node_count,
		.timeout_ms = ctl_timeout_ms(run->ctl),
		.stops = interrupt_pending,
	};
}

static int run_all(struct run *run)
{
	const struct args *args = &run->ctl->args;
	struct kv_error err;
	uint32_t keys = args_given(args, FLAG_KEYS) ? (uint32_t)args->keys : KEYS_DEFAULT;
	run_init(run);
	if (verify_load_open(&run->load, run->nodes, run->node_count, run->result.seed, keys, &err) != KV_OK)
		return ctl_fail(run->ctl, NULL, &err);
	ctl_say(run->ctl, "seed %" PRIu64 ", bucket %" PRIu32, run->result.seed, run->load.bucket);
	int code = run_checks(run);
	int left = clean(run);
	verify_report(run->ctl, &run->load, &run->result, run->nodes, run->node_count);
	return ctl_worse(code, left);
}

int cmd_verify(struct ctl *ctl)
{
	struct run run = {.ctl = ctl};
	struct kv_error err;
	if (args_given(&ctl->args, FLAG_KEYS) && ctl->args.keys > VERIFY_BUSY_MAX)
		return ctl_usage(ctl, "at most %u keys at a time", VERIFY_BUSY_MAX);
	if (!ctl_open(ctl, NULL))
		return status_exit_code(KV_INVALID);
	if (kv_nodes(ctl->client, &run.nodes, &run.node_count, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	interrupt_defer();
	int code = run_all(&run);
	verify_load_release(&run.load);
	verify_result_release(&run.result);
	kv_nodes_free(run.nodes);
	return code;
}
