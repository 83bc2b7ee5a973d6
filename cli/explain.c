/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/explain.h"

#include "base/status.h"
#include "cli/text.h"

static bool is_none(struct kv_version v) { return v.hlc == 0 && v.id == 0; }

static bool is_same(struct kv_version a, struct kv_version b) { return kv_version_compare(a, b) == 0; }

static bool is_member(const struct explain_node *n) { return n->old || n->next; }

static bool is_joining(const struct explain_node *n) { return n->next && !n->old; }

/** What is in memory is known to be whole, whatever became of the disk below it. */
static bool is_damaged(const struct explain_node *n)
{
	return n->answers && (n->e.disk == KV_ON_DISK_DAMAGED || n->e.disk == KV_ON_DISK_UNREADABLE);
}

/** What it says of its copy can be built on. */
static bool tells(const struct explain_node *n) { return n->answers && (!is_damaged(n) || n->e.in_memory); }

static bool has_copy(const struct explain_node *n) { return tells(n) && !is_none(n->e.copy); }

static bool is_expired(const struct explain *x, const struct explain_node *n)
{
	return n->e.expires_ms != 0 && n->e.expires_ms <= x->now_ms;
}

/** Nothing is there because a deletion that new was removed for good. */
static bool dropped_newest(const struct explain *x, const struct explain_node *n)
{
	return tells(n) && is_none(n->e.copy) && kv_version_compare(x->newest->e.copy, n->e.drop) <= 0;
}

static bool has_newest(const struct explain *x, const struct explain_node *n)
{
	return has_copy(n) && is_same(n->e.version, x->newest->e.version);
}

bool explain_is_behind(const struct explain *x, const struct explain_node *n)
{
	return x->newest && is_member(n) && tells(n) && !has_newest(x, n) && !dropped_newest(x, n) &&
	       !(is_joining(n) && n->e.stage != KV_MOVE_DONE);
}

/** The same version with another value: no rule allows that. */
static bool contradicts(const struct explain *x, const struct explain_node *n)
{
	return x->newest && is_member(n) && has_copy(n) && is_same(n->e.copy, x->newest->e.copy) &&
	       (n->e.value_hash != x->newest->e.value_hash || n->e.tombstone != x->newest->e.tombstone);
}

static bool has_majority(const struct explain *x)
{
	return x->old_serving * 2 > x->old_count && (!x->moving || x->next_serving * 2 > x->next_count);
}

static void count_node(struct explain *x, const struct explain_node *n)
{
	bool serves = n->answers && n->e.serves && !is_damaged(n);
	if (n->answers)
		x->now_ms = MAX(x->now_ms, n->e.clock_ms);
	if (!is_member(n))
		return;
	x->members++;
	x->answering += n->answers;
	x->old_count += n->old;
	x->next_count += n->next;
	x->old_serving += n->old && serves;
	x->next_serving += n->next && serves;
	if (has_copy(n) && (!x->newest || kv_version_compare(x->newest->e.copy, n->e.copy) < 0))
		x->newest = n;
}

void explain_judge(struct explain *x, const struct explain_node *nodes, size_t count, bool moving)
{
	*x = (struct explain){.nodes = nodes, .count = count, .moving = moving};
	for (size_t i = 0; i < count; i++)
		count_node(x, &nodes[i]);
	bool damaged = false, behind = false;
	for (size_t i = 0; i < count; i++) {
		const struct explain_node *n = &nodes[i];
		damaged |= (is_member(n) && is_damaged(n)) || contradicts(x, n);
		behind |= explain_is_behind(x, n);
		x->holders += x->newest && is_member(n) && has_newest(x, n);
	}
	if (damaged)
		x->state = EXPLAIN_DAMAGED;
	else if (!has_majority(x))
		x->state = EXPLAIN_NO_MAJORITY;
	else if (behind)
		x->state = EXPLAIN_BEHIND;
	else if (x->answering < x->members)
		x->state = EXPLAIN_PARTIAL;
	else
		x->state = x->newest ? EXPLAIN_AGREE : EXPLAIN_NOWHERE;
}

/* ---- Words ---- */

/** "n1", "n1 and n3", "n1, n2 and n3": the nodes for which PICK holds. Returns how many. */
static size_t append_names(const struct explain *x,
			   bool (*pick)(const struct explain *, const struct explain_node *), struct buf *out)
{
	size_t count = 0, told = 0;
	for (size_t i = 0; i < x->count; i++)
		count += pick(x, &x->nodes[i]);
	for (size_t i = 0; i < x->count; i++) {
		if (!pick(x, &x->nodes[i]))
			continue;
		buf_printf(out, "%s%s", told == 0 ? "" : told + 1 == count ? " and " : ", ", x->nodes[i].name);
		told++;
	}
	return count;
}

static bool pick_serving(const struct explain *x, const struct explain_node *n)
{
	return is_member(n) && n->answers && n->e.serves && !is_damaged(n);
}

static bool pick_damaged(const struct explain *x, const struct explain_node *n)
{
	return is_member(n) && is_damaged(n);
}

static bool pick_holder(const struct explain *x, const struct explain_node *n)
{
	return x->newest && is_member(n) && has_newest(x, n) && !is_damaged(n);
}

/** What the newest copy is: "version V, 5 B". */
static void append_newest(const struct explain *x, struct buf *out)
{
	char version[KV_VERSION_TEXT_SIZE];
	if (!x->newest) {
		buf_append_str(out, "there is no such key");
		return;
	}
	const struct kv_explanation *e = &x->newest->e;
	kv_version_format(e->version, version);
	if (e->tombstone) {
		buf_printf(out, "it is deleted, version %s", version);
		return;
	}
	buf_printf(out, "version %s, ", version);
	text_append_size(out, e->value_size);
	if (is_expired(x, x->newest))
		buf_append_str(out, ", whose time to live has ended");
}

static void append_missing_majority(const struct explain *x, struct buf *out)
{
	if (x->moving)
		buf_printf(out, "%u of %u present and %u of %u new replicas serve it", x->old_serving, x->old_count,
			   x->next_serving, x->next_count);
	else
		buf_printf(out, "%u of %u replicas serve%s it", x->old_serving, x->old_count,
			   x->old_serving == 1 ? "s" : "");
	buf_append_str(out, ": no majority, so strong requests for it fail; eventual ones ");
	CLEANUP(buf_release) struct buf names = BUF_INIT;
	if (append_names(x, pick_serving, &names) > 0)
		buf_printf(out, "are served by %s", buf_cstr(&names));
	else
		buf_append_str(out, "fail as well");
}

static void append_behind_names(const struct explain *x, struct buf *out)
{
	if (append_names(x, explain_is_behind, out) == 1)
		buf_append_str(out, " is behind");
	else
		buf_append_str(out, " are behind");
	buf_append_str(out, "; the newest is ");
	if (x->newest->e.tombstone)
		buf_append_str(out, "a deletion: ");
	append_newest(x, out);
	buf_append_str(out, ", on ");
	append_names(x, pick_holder, out);
}

void explain_words(const struct explain *x, struct buf *out)
{
	switch (x->state) {
	case EXPLAIN_AGREE:
		buf_printf(out, "all %u replicas agree: ", x->members);
		append_newest(x, out);
		return;
	case EXPLAIN_NOWHERE:
		buf_printf(out,
			   "none of the %u replicas has it: it was never written, or its deletion is forgotten",
			   x->members);
		return;
	case EXPLAIN_PARTIAL:
		buf_printf(out, "%u of %u replicas answer and agree: ", x->answering, x->members);
		append_newest(x, out);
		return;
	case EXPLAIN_BEHIND:
		append_behind_names(x, out);
		return;
	case EXPLAIN_NO_MAJORITY:
		append_missing_majority(x, out);
		return;
	case EXPLAIN_DAMAGED: {
		CLEANUP(buf_release) struct buf names = BUF_INIT;
		size_t count = append_names(x, pick_damaged, &names);
		if (count == 0)
			buf_append_str(out, "replicas hold different values under one version");
		else
			buf_printf(out, "the record%s on %s %s damaged", count == 1 ? "" : "s", buf_cstr(&names),
				   count == 1 ? "is" : "are");
		return;
	}
	}
	KV_UNREACHABLE("explain state");
}

/* ---- Notes ---- */

/** Who keeps a hint of the key, or a mark for its partition, for N; false: nobody that answers. */
static bool append_keepers(const struct explain *x, const struct explain_node *n, struct buf *out)
{
	bool any = false;
	for (size_t i = 0; i < x->count; i++) {
		const struct explain_node *keeper = &x->nodes[i];
		for (uint32_t j = 0; keeper->answers && j < keeper->e.hint_count; j++) {
			const struct kv_explained_hint *hint = &keeper->e.hints[j];
			if (hint->target != n->index)
				continue;
			buf_printf(out, "%s%s", any ? " and " : "",
				   hint->key ? "a hint waits on " : "its whole partition is marked on ");
			buf_append_str(out, keeper->name);
			any = true;
		}
	}
	return any;
}

static void note_behind(const struct explain *x, const struct explain_node *n, struct buf *out)
{
	char version[KV_VERSION_TEXT_SIZE];
	kv_version_format(n->e.version, version);
	if (is_none(n->e.copy))
		buf_printf(out, "%s has nothing of it; ", n->name);
	else
		buf_printf(out, "%s has %s %s; ", n->name, n->e.tombstone ? "deletion" : "version", version);
	if (append_keepers(x, n, out))
		buf_append_str(out, " and is delivered when it is reached\n");
	else
		buf_append_str(
			out,
			"no hint waits for it: a strong read of the key brings it up to date, and so does the next "
			"comparison (kvctl repair run)\n");
}

static void note_silent(const struct explain *x, const struct explain_node *n, struct buf *out)
{
	buf_printf(out, "%s does not answer (%s)", n->name, n->error ? n->error : "no answer");
	CLEANUP(buf_release) struct buf keepers = BUF_INIT;
	if (append_keepers(x, n, &keepers))
		buf_printf(out, "; %s", buf_cstr(&keepers));
	buf_append_str(out, "\n");
}

static void note_damaged(const struct explain *x, const struct explain_node *n, struct buf *out)
{
	CLEANUP(buf_release) struct buf holders = BUF_INIT;
	buf_printf(out,
		   n->e.disk == KV_ON_DISK_UNREADABLE
			   ? "%s cannot read the block its record is in (its checksum is wrong)"
			   : "%s has a record that does not match its checksum",
		   n->name);
	if (n->e.in_memory)
		buf_append_str(out, "; it still has the value in memory");
	buf_append_str(
		out,
		". It stops when it needs the record, and does not take it from others as if nothing had been: "
		"what it promised is lost with it. Replace it: kvctl node add ADDRESS --replace ");
	buf_printf(out, "%s, then kvctl cluster commit", n->name);
	size_t count = append_names(x, pick_holder, &holders);
	if (count > 0)
		buf_printf(out, ". Nothing is lost: %s %s whole", buf_cstr(&holders),
			   count == 1 ? "has it" : "have it");
	else
		buf_append_str(out, ". No other replica that answers has the key");
	buf_append_str(out, "\n");
}

static const char *stage_word(enum kv_move_stage stage)
{
	switch (stage) {
	case KV_MOVE_WAITING:
		return "has not begun";
	case KV_MOVE_OPENING:
		return "asks the present ones for their floors";
	case KV_MOVE_COPYING:
		return "copies";
	case KV_MOVE_CHECKING:
		return "compares what it copied";
	case KV_MOVE_DONE:
		return "has everything and waits for the map";
	}
	return "is at a stage this kvctl does not know";
}

static void note_moving(const struct explain *x, const struct explain_node *n, struct buf *out)
{
	if (is_joining(n)) {
		buf_printf(out, "%s is becoming a replica", n->name);
		if (n->answers)
			buf_printf(out, " and %s", stage_word(n->e.stage));
		buf_append_str(out, "\n");
	} else if (n->old && !n->next) {
		buf_printf(out, "%s is a replica until the move of the partition is done\n", n->name);
	}
}

static void note_copy(const struct explain *x, const struct explain_node *n, struct buf *out)
{
	const struct kv_explanation *e = &n->e;
	if (contradicts(x, n))
		buf_printf(out, "%s has another value than %s under the same version: report this\n", n->name,
			   x->newest->name);
	if (has_copy(n) && e->weak)
		buf_printf(
			out,
			"%s's copy is weak: it came below a ballot promised before and counts for no majority until a "
			"strong read or write settles the key\n",
			n->name);
	if (has_copy(n) && kv_version_compare(e->copy, e->promised) < 0)
		buf_printf(
			out,
			"%s has promised a ballot above its copy: a conditional write is under way or was given up\n",
			n->name);
	if (e->writing)
		buf_printf(out, "%s is just writing it to its disk\n", n->name);
	if (!e->serves && is_member(n) && !is_joining(n))
		buf_printf(out, "%s does not serve the partition yet\n", n->name);
}

static void note_node(const struct explain *x, const struct explain_node *n, struct buf *out)
{
	if (!is_member(n)) {
		if (has_copy(n))
			buf_printf(out,
				   "%s is no replica and still has a copy, which is removed when nobody needs it\n",
				   n->name);
		return;
	}
	if (x->moving)
		note_moving(x, n, out);
	if (!n->answers) {
		note_silent(x, n, out);
		return;
	}
	if (is_damaged(n))
		note_damaged(x, n, out);
	if (explain_is_behind(x, n))
		note_behind(x, n, out);
	note_copy(x, n, out);
}

/** Of the nodes' maps one is newer: they are being told, or cannot be. */
static void note_maps(const struct explain *x, struct buf *out)
{
	uint64_t newest = 0;
	for (size_t i = 0; i < x->count; i++)
		newest = MAX(newest, x->nodes[i].answers ? x->nodes[i].e.config_epoch : 0);
	for (size_t i = 0; i < x->count; i++) {
		const struct explain_node *n = &x->nodes[i];
		if (n->answers && is_member(n) && n->e.config_epoch < newest)
			buf_printf(out, "%s knows the partition's replicas as of map %llu, others as of %llu\n",
				   n->name, (unsigned long long)n->e.config_epoch, (unsigned long long)newest);
	}
}

void explain_notes(const struct explain *x, struct buf *out)
{
	if (x->state == EXPLAIN_DAMAGED && !has_majority(x)) {
		append_missing_majority(x, out);
		buf_append_str(out, "\n");
	}
	if (x->moving)
		buf_append_str(
			out,
			"the partition is moving: strong requests need a majority of its present and of its new "
			"replicas\n");
	for (size_t i = 0; i < x->count; i++)
		note_node(x, &x->nodes[i], out);
	note_maps(x, out);
	if (x->state == EXPLAIN_BEHIND && x->holders * 2 <= x->members && x->answering == x->members)
		buf_printf(
			out,
			"the newest version is on %u of %u replicas: an eventual write on its way, or a strong one that met "
			"no majority; the next strong read settles it\n",
			x->holders, x->members);
	if (x->newest && x->newest->e.fence != 0)
		buf_printf(out, "writes with a fence need at least %llu\n", (unsigned long long)x->newest->e.fence);
}

/* ---- Names ---- */

const char *explain_holds(const struct explain *x, const struct explain_node *n)
{
	if (!n->answers)
		return "no answer";
	if (n->e.disk == KV_ON_DISK_UNREADABLE)
		return "unreadable";
	if (n->e.disk == KV_ON_DISK_DAMAGED)
		return "damaged";
	if (is_none(n->e.copy))
		return "nothing";
	return n->e.tombstone ? "deletion" : is_expired(x, n) ? "expired" : "value";
}

const char *explain_state_name(enum explain_state state)
{
	static const char *const names[] = {
		[EXPLAIN_AGREE] = "agree",   [EXPLAIN_NOWHERE] = "nowhere",         [EXPLAIN_PARTIAL] = "partial",
		[EXPLAIN_BEHIND] = "behind", [EXPLAIN_NO_MAJORITY] = "no_majority", [EXPLAIN_DAMAGED] = "damaged"};
	return names[state];
}

int explain_exit_code(enum explain_state state)
{
	enum { CHECK_FAILED = 10 };
	switch (state) {
	case EXPLAIN_NOWHERE:
		return status_exit_code(KV_NOT_FOUND);
	case EXPLAIN_NO_MAJORITY:
		return status_exit_code(KV_UNAVAILABLE);
	case EXPLAIN_DAMAGED:
		return CHECK_FAILED;
	default:
		return 0;
	}
}
