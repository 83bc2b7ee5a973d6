/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/chaos.h"

#include "base/clock.h"
#include "tests/cluster/change.h"
#include "tests/cluster/disk.h"
#include "tests/cluster/harness.h"

enum {
	PAUSE_MS_MIN = 100,
	PAUSE_MS_MAX = 1500, /* between two faults */
	SHORT_MS_MAX = 2500,
	LONG_MS = 6500, /* longer than every time-out */
	LONG_PCT = 10,
	END_MS = 15000,
	JUMP_MS = 600000,
	GUEST_MS = 1500,
	UNEASY_MS = 240 /* no clock counts as wrong for that */
};

enum scope { SCOPE_PROCESS, SCOPE_NET, SCOPE_CLOCK, SCOPE_MOMENT };

struct chaos_kind {
	const char *name;
	enum scope
		scope; /* what can have only one fault at a time: the node's process and disk, the net, the node's clock */
	unsigned weight;
	void (*begin)(struct chaos *chaos, struct chaos_fault *f);
	void (*end)(struct chaos *chaos, struct chaos_fault *f);
};

static const struct proxy_weather cut = {.cut = true}, calm;

static void tell(struct chaos *chaos, const char *what, const struct chaos_fault *f)
{
	usec_t at_ms = (clock_mono_us() - chaos->began_us) / USEC_PER_MSEC;
	fprintf(chaos->log, "%6llu.%03llu %s %s n%u %lld\n", (unsigned long long)(at_ms / 1000),
		(unsigned long long)(at_ms % 1000), what, f->kind->name, f->node, (long long)f->amount);
	fflush(chaos->log);
}

static unsigned below(struct chaos *chaos, unsigned bound) { return (unsigned)rng_below(&chaos->rng, bound); }

static struct process *process_of(struct chaos *chaos, const struct chaos_fault *f)
{
	return &chaos->cluster->nodes[f->node];
}

/* ---- processes ---- */

static void kill_begin(struct chaos *chaos, struct chaos_fault *f) { process_kill(process_of(chaos, f)); }

static void start_end(struct chaos *chaos, struct chaos_fault *f) { cluster_start(chaos->cluster, f->node); }

static void pause_begin(struct chaos *chaos, struct chaos_fault *f) { process_pause(process_of(chaos, f)); }

static void pause_end(struct chaos *chaos, struct chaos_fault *f) { process_resume(process_of(chaos, f)); }

static void drain_begin(struct chaos *chaos, struct chaos_fault *f) { process_terminate(process_of(chaos, f)); }

static void drain_end(struct chaos *chaos, struct chaos_fault *f)
{
	int code = process_wait(process_of(chaos, f), END_MS);
	if (code != 0)
		fail_msg("n%u, told to end, ended with code %d", f->node, code);
	start_end(chaos, f);
}

/* ---- disks ---- */

static void hang_begin(struct chaos *chaos, struct chaos_fault *f) { process_of(chaos, f)->faults->sync_hangs = 1; }

static void hang_end(struct chaos *chaos, struct chaos_fault *f) { process_of(chaos, f)->faults->sync_hangs = 0; }

static void power_end(struct chaos *chaos, struct chaos_fault *f)
{
	struct process *p = process_of(chaos, f);
	process_kill(p);
	f->amount = (int64_t)disk_lose_unsynced(p, &chaos->rng);
	p->faults->sync_hangs = 0;
	start_end(chaos, f);
}

static void slow_begin(struct chaos *chaos, struct chaos_fault *f)
{
	f->amount = 10000 + below(chaos, 300000);
	process_of(chaos, f)->faults->sync_delay_us = (uint32_t)f->amount;
}

static void slow_end(struct chaos *chaos, struct chaos_fault *f)
{
	process_of(chaos, f)->faults->sync_delay_us = 0;
}

static void sync_begin(struct chaos *chaos, struct chaos_fault *f) { process_of(chaos, f)->faults->sync_fails = 1; }

static void full_begin(struct chaos *chaos, struct chaos_fault *f) { process_of(chaos, f)->faults->disk_full = 1; }

/** The fault has ended the node by itself, if it wrote anything. */
static void mend_end(struct chaos *chaos, struct chaos_fault *f)
{
	struct process *p = process_of(chaos, f);
	process_kill(p);
	p->faults->sync_fails = 0;
	p->faults->disk_full = 0;
	start_end(chaos, f);
}

/* ---- network ---- */

static void heal_end(struct chaos *chaos, struct chaos_fault *f) { proxy_heal(chaos->cluster->net); }

/** Cuts each pair of nodes on two sides of a random line, both ways or one; amount: the side of each node as a bit. */
static void part(struct chaos *chaos, struct chaos_fault *f, bool both)
{
	struct cluster *c = chaos->cluster;
	f->amount = 1 + below(chaos, (1u << c->count) - 2);
	for (unsigned i = 0; i < c->count; i++) {
		for (unsigned j = 0; j < c->count; j++) {
			bool here = f->amount >> i & 1, there = f->amount >> j & 1;
			if (here != there && (both || here))
				proxy_set(c->net, i, j, &cut);
		}
	}
}

static void part_begin(struct chaos *chaos, struct chaos_fault *f) { part(chaos, f, /* both: */ true); }

static void one_way_begin(struct chaos *chaos, struct chaos_fault *f) { part(chaos, f, /* both: */ false); }

/** The node connects two halves that do not hear each other. */
static void bridge_begin(struct chaos *chaos, struct chaos_fault *f)
{
	part(chaos, f, /* both: */ true);
	for (unsigned i = 0; i < chaos->cluster->count; i++) {
		proxy_set(chaos->cluster->net, i, f->node, &calm);
		proxy_set(chaos->cluster->net, f->node, i, &calm);
	}
}

/** Each direction between each two ends for itself, clients too. */
static void weather_begin(struct chaos *chaos, struct chaos_fault *f)
{
	const unsigned nodes = chaos->cluster->count;
	for (unsigned i = 0; i <= nodes; i++) {
		for (unsigned j = 0; j <= nodes; j++) {
			struct proxy_weather w = {.delay_ms = below(chaos, 30), .jitter_ms = below(chaos, 80)};
			if (below(chaos, 4) == 0)
				w.bytes_per_ms = 10 + below(chaos, 100);
			if (below(chaos, 10) == 0)
				w.cut = true;
			if (below(chaos, 2) == 0)
				proxy_set(chaos->cluster->net, i == nodes ? PROXY_CLIENTS : i,
					  j == nodes ? PROXY_CLIENTS : j, &w);
		}
	}
}

static void clients_begin(struct chaos *chaos, struct chaos_fault *f)
{
	f->amount = below(chaos, 3);
	if (f->amount != 0)
		proxy_set(chaos->cluster->net, PROXY_CLIENTS, f->node, &cut);
	if (f->amount != 1)
		proxy_set(chaos->cluster->net, f->node, PROXY_CLIENTS, &cut);
}

/** Every connection of a node, or those between two ends. */
static void reset_begin(struct chaos *chaos, struct chaos_fault *f)
{
	const unsigned nodes = chaos->cluster->count;
	unsigned other = below(chaos, 2 * nodes);
	f->amount = other;
	for (unsigned i = 0; i <= nodes; i++) {
		if (other >= nodes || i == other)
			proxy_reset(chaos->cluster->net, f->node, i == nodes ? PROXY_CLIENTS : i);
	}
}

/* ---- clocks ---- */

static void set_clock(struct chaos *chaos, unsigned node, int64_t offset_ms)
{
	chaos->cluster->nodes[node].faults->wall_offset_us = (chaos->clock_ms + offset_ms) * 1000;
}

static void uneasy_begin(struct chaos *chaos, struct chaos_fault *f)
{
	f->amount = (int64_t)below(chaos, 2 * UNEASY_MS) - UNEASY_MS;
	set_clock(chaos, f->node, f->amount);
}

static void behind_begin(struct chaos *chaos, struct chaos_fault *f)
{
	f->amount = -(int64_t)below(chaos, JUMP_MS);
	set_clock(chaos, f->node, f->amount);
}

static void clock_end(struct chaos *chaos, struct chaos_fault *f) { set_clock(chaos, f->node, 0); }

static void ahead_begin(struct chaos *chaos, struct chaos_fault *f)
{
	f->amount = below(chaos, JUMP_MS);
	set_clock(chaos, f->node, f->amount);
}

/** The node waits until the times that it gave out have come; so that it need not wait long, they come for all. */
static void ahead_end(struct chaos *chaos, struct chaos_fault *f)
{
	chaos->clock_ms += f->amount + 2 * LONG_MS;
	for (unsigned i = 0; i < chaos->cluster->count; i++)
		set_clock(chaos, i, 0);
}

/* ---- nodes that come and go ---- */

static bool is_taken(const struct chaos *chaos, enum scope scope, unsigned node);

static bool guest_has_state(struct chaos *chaos, enum kv_node_state state)
{
	struct cluster *c = chaos->cluster;
	return change_map_index(c, chaos->guest) != KV_NODE_NONE && change_state(c, chaos->guest) == state;
}

static void guest_asks(struct chaos *chaos)
{
	struct cluster *c = chaos->cluster;
	bool staged =
		change_map_index(c, chaos->guest) != KV_NODE_NONE || change_try_add(c, chaos->guest, GUEST_MS);
	/* Its answer may have been lost. */
	chaos->guest_is_asked |=
		staged && (change_try_commit(c, GUEST_MS) || guest_has_state(chaos, KV_NODE_JOINING) ||
			   guest_has_state(chaos, KV_NODE_NORMAL));
}

/** One step of a node that comes, has its share for a while, and leaves: as far as the other faults let it. */
static void guest_begin(struct chaos *chaos, struct chaos_fault *f)
{
	struct cluster *c = chaos->cluster;
	if (chaos->guest == 0 && c->count < c->options.nodes + c->options.spares) {
		chaos->guest = cluster_spawn(c);
		set_clock(chaos, chaos->guest, 0); /* that of the others, which may have gone ahead */
	}
	f->node = chaos->guest;
	if (chaos->guest == 0)
		return;
	if (guest_has_state(chaos, KV_NODE_REMOVED)) {
		f->amount = 3;
		process_kill(&c->nodes[chaos->guest]); /* cut off it may not have heard of it yet */
		c->gone[chaos->guest] = true;
		chaos->guest = 0;
		chaos->guest_is_asked = chaos->guest_leaves = false;
	} else if (!chaos->guest_is_asked) {
		guest_asks(chaos);
	} else if (!chaos->guest_leaves && guest_has_state(chaos, KV_NODE_NORMAL) &&
		   !is_taken(chaos, SCOPE_PROCESS, chaos->guest)) {
		f->amount = 1;
		chaos->guest_leaves = change_try_remove(c, chaos->guest, GUEST_MS);
		c->gone[chaos->guest] = chaos->guest_leaves; /* no other fault strikes it now */
	} else if (chaos->guest_leaves) {
		f->amount = 2;
		(void)change_try_commit(c, GUEST_MS);
	}
}

/** All faults are over: the guest is in the cluster, or out of it. */
static void settle_guest(struct chaos *chaos)
{
	struct cluster *c = chaos->cluster;
	if (chaos->guest == 0)
		return;
	if (chaos->guest_leaves || !chaos->guest_is_asked) {
		if (!chaos->guest_leaves && change_map_index(c, chaos->guest) == KV_NODE_NONE)
			change_stage(c, chaos->guest, CHANGE_NOBODY);
		change_commit_if_staged(c);
	}
	change_await_done(c);
	chaos->guest_is_asked = true;
}

/* ---- schedule ---- */

static const struct chaos_kind kinds[] = {
	{"kill", SCOPE_PROCESS, 5, kill_begin, start_end},
	{"power-cut", SCOPE_PROCESS, 3, hang_begin, power_end},
	{"pause", SCOPE_PROCESS, 4, pause_begin, pause_end},
	{"drain", SCOPE_PROCESS, 1, drain_begin, drain_end},
	{"hang", SCOPE_PROCESS, 2, hang_begin, hang_end},
	{"slow-disk", SCOPE_PROCESS, 2, slow_begin, slow_end},
	{"sync-failure", SCOPE_PROCESS, 2, sync_begin, mend_end},
	{"full-disk", SCOPE_PROCESS, 1, full_begin, mend_end},
	{"partition", SCOPE_NET, 4, part_begin, heal_end},
	{"one-way", SCOPE_NET, 3, one_way_begin, heal_end},
	{"bridge", SCOPE_NET, 2, bridge_begin, heal_end},
	{"weather", SCOPE_NET, 3, weather_begin, heal_end},
	{"clients-cut", SCOPE_NET, 2, clients_begin, heal_end},
	{"guest", SCOPE_MOMENT, 4, guest_begin, NULL},
	{"reset", SCOPE_MOMENT, 4, reset_begin, NULL},
	{"uneasy-clock", SCOPE_CLOCK, 2, uneasy_begin, clock_end},
	{"clock-behind", SCOPE_CLOCK, 2, behind_begin, clock_end},
	{"clock-ahead", SCOPE_CLOCK, 1, ahead_begin, ahead_end},
};

_Static_assert(ARRAY_SIZE(kinds) <= ARRAY_SIZE(((struct chaos *)NULL)->counts), "one count a kind");

static const struct chaos_kind *draw_kind(struct chaos *chaos)
{
	unsigned sum = 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		sum += kinds[i].weight;
	unsigned at = below(chaos, sum);
	size_t i = 0;
	while (at >= kinds[i].weight)
		at -= kinds[i++].weight;
	return &kinds[i];
}

static bool is_taken(const struct chaos *chaos, enum scope scope, unsigned node)
{
	for (unsigned i = 0; i < CHAOS_FAULTS_MAX; i++) {
		const struct chaos_fault *f = &chaos->faults[i];
		if (f->kind && f->kind->scope == scope && (scope == SCOPE_NET || f->node == node))
			return true;
	}
	return false;
}

static unsigned draw_ms(struct chaos *chaos)
{
	return below(chaos, 100) < LONG_PCT ? LONG_MS : 50 + below(chaos, SHORT_MS_MAX);
}

static void begin_one(struct chaos *chaos)
{
	const struct chaos_kind *kind = draw_kind(chaos);
	unsigned node = below(chaos, chaos->cluster->count), ms = draw_ms(chaos);
	struct chaos_fault *free = NULL;
	for (unsigned i = 0; i < CHAOS_FAULTS_MAX && !free; i++) {
		if (!chaos->faults[i].kind)
			free = &chaos->faults[i];
	}
	if (!free || chaos->cluster->gone[node] || is_taken(chaos, kind->scope, node))
		return;
	*free = (struct chaos_fault){.kind = kind, .node = node, .end_us = clock_mono_us() + ms * USEC_PER_MSEC};
	kind->begin(chaos, free);
	chaos->counts[kind - kinds]++;
	tell(chaos, "begin", free);
	if (kind->scope == SCOPE_MOMENT)
		free->kind = NULL;
}

static void end_one(struct chaos *chaos, struct chaos_fault *f)
{
	f->kind->end(chaos, f);
	tell(chaos, "end", f);
	f->kind = NULL;
}

/** True if the node's present fault may have ended its process. */
static bool may_be_gone(const struct chaos *chaos, unsigned node)
{
	for (unsigned i = 0; i < CHAOS_FAULTS_MAX; i++) {
		const struct chaos_fault *f = &chaos->faults[i];
		if (f->kind && f->node == node && (f->kind->end == mend_end || f->kind->end == drain_end))
			return true;
	}
	return false;
}

static bool are_alive(void *arg)
{
	struct chaos *chaos = arg;
	for (unsigned i = 0; i < chaos->cluster->count; i++) {
		struct process *p = &chaos->cluster->nodes[i];
		if (p->pid && !chaos->cluster->gone[i] && !may_be_gone(chaos, i) && !process_is_alive(p))
			fail_msg("n%u is gone", i);
	}
	return true;
}

/** Ends what is due at UNTIL_US and says when the next one is. */
static usec_t end_due(struct chaos *chaos, usec_t now_us)
{
	usec_t next_us = USEC_NEVER;
	for (unsigned i = 0; i < CHAOS_FAULTS_MAX; i++) {
		struct chaos_fault *f = &chaos->faults[i];
		if (f->kind && f->end_us <= now_us)
			end_one(chaos, f);
		else if (f->kind)
			next_us = MIN(next_us, f->end_us);
	}
	return next_us;
}

void chaos_run(struct chaos *chaos, unsigned ms)
{
	usec_t until_us = clock_mono_us() + ms * USEC_PER_MSEC, next_us = 0;
	for (usec_t now_us; (now_us = clock_mono_us()) < until_us;) {
		usec_t wake_us = end_due(chaos, now_us);
		if (now_us >= next_us) {
			begin_one(chaos);
			next_us = now_us + rng_between(&chaos->rng, PAUSE_MS_MIN, PAUSE_MS_MAX) * USEC_PER_MSEC;
		}
		wake_us = MIN(MIN(wake_us, next_us), until_us);
		now_us = clock_mono_us();
		if (now_us < wake_us)
			harness_holds(are_alive, chaos, (unsigned)((wake_us - now_us) / USEC_PER_MSEC + 1));
	}
	end_due(chaos, USEC_NEVER);
	settle_guest(chaos);
	cluster_await_together(chaos->cluster);
}

static void chaos_end(void *arg)
{
	struct chaos *chaos = arg;
	fclose(chaos->log);
}

void chaos_init(struct chaos *chaos, struct cluster *c, uint64_t seed)
{
	char path[PROCESS_PATH_MAX];
	*chaos = (struct chaos){.cluster = c, .began_us = clock_mono_us()};
	rng_init(&chaos->rng, seed);
	snprintf(path, sizeof path, "%s/chaos.log", c->directory);
	chaos->log = fopen(path, "we");
	assert_non_null(chaos->log);
	harness_watch_log(path);
	harness_at_teardown(chaos_end, chaos);
}

void chaos_describe(const struct chaos *chaos, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		buf_printf(out, "%s%s %u", i ? ", " : "", kinds[i].name, chaos->counts[i]);
}
