/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_mix.h"

#include "cli/receipt.h"
#include "cli/text.h"

/* A sum needs a number, and a value that grows should not grow the others' keys: such writes have keys of their own. */
static const struct {
	const char *name, *prefix;
	bool strong_only;
} kinds[] = {
	[BENCH_GET] = {"get", NULL, false},          [BENCH_PUT] = {"put", "bench", false},
	[BENCH_DEL] = {"del", "bench", false},       [BENCH_CAS] = {"cas", "bench/cas", true},
	[BENCH_INCR] = {"incr", "bench/incr", true}, [BENCH_APPEND] = {"append", "bench/append", true},
};

const char *bench_kind_name(enum bench_kind kind) { return kinds[kind].name; }

static bool find_kind(struct slice name, enum bench_kind *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].name) == name.size && memcmp(kinds[i].name, name.data, name.size) == 0) {
			*ret = (enum bench_kind)i;
			return true;
		}
	}
	return false;
}

/** Adds a kind with the level LEVEL, KV_LEVEL_DEFAULT: that of -c where the kind can have it. */
static struct bench_op *add(struct bench_mix *mix, const struct ctl *ctl, enum bench_kind kind, uint32_t share,
			    enum kv_level level)
{
	struct bench_op *op = &mix->ops[mix->count++];
	*op = (struct bench_op){.kind = kind, .share = share, .options = ctl_options(ctl)};
	op->prefix = kinds[kind].prefix;
	if (level != KV_LEVEL_DEFAULT)
		op->options.level = level;
	else if (kinds[kind].strong_only)
		op->options.level = KV_LEVEL_STRONG;
	else if (kind != BENCH_GET && op->options.level == KV_LEVEL_BOUNDED)
		op->options.level = KV_LEVEL_EVENTUAL;
	mix->total += share;
	return op;
}

/** "kind[@level]=share" */
static bool add_text(struct bench_mix *mix, struct ctl *ctl, struct slice text)
{
	const char *begin = (const char *)text.data;
	const char *equals = memchr(begin, '=', text.size);
	const char *at = memchr(begin, '@', text.size);
	enum bench_kind kind;
	struct args level = {.level = KV_LEVEL_DEFAULT};
	uint64_t share = 0;
	char words[2][32] = {{0}};
	const char *end = begin + text.size;
	/* A bound is written with "=" too: bounded=2s. The share is behind the last one. */
	for (const char *next = equals; next; next = memchr(next + 1, '=', (size_t)(end - next - 1)))
		equals = next;
	if (!equals || (at && at > equals) || (size_t)(end - equals - 1) >= sizeof words[0] ||
	    (at && (size_t)(equals - at - 1) >= sizeof words[1]) ||
	    !find_kind(slice_of(begin, (size_t)((at ? at : equals) - begin)), &kind))
		return false;
	memcpy(words[0], equals + 1, (size_t)(end - equals - 1));
	if (at)
		memcpy(words[1], at + 1, (size_t)(equals - at - 1));
	if (!text_count(words[0], 1, 1000, &share) || (at && args_read_level(words[1], &level) != NULL))
		return false;
	if (at && kind != BENCH_GET && level.level == KV_LEVEL_BOUNDED)
		return false;
	if (at && kinds[kind].strong_only && level.level != KV_LEVEL_STRONG)
		return false;
	struct bench_op *op = add(mix, ctl, kind, (uint32_t)share, level.level);
	if (at)
		op->options.staleness_ms = level.staleness_ms;
	return true;
}

static bool parse(struct bench_mix *mix, struct ctl *ctl)
{
	for (const char *at = ctl->args.mix; *at && mix->count < BENCH_OPS_MAX;) {
		size_t size = strcspn(at, ",");
		if (!add_text(mix, ctl, slice_of(at, size))) {
			ctl_usage(
				ctl,
				"--mix: \"%.*s\" is not KIND[@LEVEL]=SHARE, like get@strong=70; kinds are get, put, "
				"del, cas, incr, append, of which the last three are strong",
				(int)size, at);
			return false;
		}
		at += size + (at[size] == ',');
	}
	return mix->count > 0 || (ctl_usage(ctl, "--mix: write KIND=SHARE, like get=70,put=30"), false);
}

static void from_ratio(struct bench_mix *mix, const struct ctl *ctl)
{
	static const enum bench_kind writes[] = {[WRITE_PUT] = BENCH_PUT,
						 [WRITE_CAS] = BENCH_CAS,
						 [WRITE_INCR] = BENCH_INCR,
						 [WRITE_APPEND] = BENCH_APPEND};
	const struct args *args = &ctl->args;
	bool strong = args->write != WRITE_PUT && !args_given(args, FLAG_CONSISTENCY);
	if (args->ratio_put)
		add(mix, ctl, writes[args->write], args->ratio_put, KV_LEVEL_DEFAULT);
	if (args->ratio_get) {
		struct bench_op *get =
			add(mix, ctl, BENCH_GET, args->ratio_get, strong ? KV_LEVEL_STRONG : KV_LEVEL_DEFAULT);
		get->prefix = kinds[writes[args->write]].prefix;
	}
}

/** Notes which keys there are, and the strongest level at which they are asked for. */
static void note_stored(struct bench_mix *mix)
{
	for (size_t i = 0; i < mix->count; i++) {
		const struct bench_op *op = &mix->ops[i];
		size_t j = 0;
		while (j < mix->stored_count && strcmp(mix->ops[mix->stored[j]].prefix, op->prefix) != 0)
			j++;
		if (j == mix->stored_count)
			mix->stored[mix->stored_count++] = i;
		else if (op->options.level == KV_LEVEL_STRONG)
			mix->stored[j] = i;
	}
}

bool bench_mix_init(struct bench_mix *mix, struct ctl *ctl)
{
	*mix = (struct bench_mix){0};
	if (!ctl->args.mix) {
		from_ratio(mix, ctl);
	} else if (args_given(&ctl->args, FLAG_RATIO) || args_given(&ctl->args, FLAG_WRITE)) {
		ctl_usage(ctl, "--mix says all that --ratio and --write do");
		return false;
	} else if (!parse(mix, ctl)) {
		return false;
	}
	/* Reads are of what the first kind of write writes. */
	const char *prefix = kinds[BENCH_PUT].prefix;
	for (size_t i = mix->count; i > 0; i--)
		prefix = mix->ops[i - 1].prefix ? mix->ops[i - 1].prefix : prefix;
	for (size_t i = 0; i < mix->count; i++)
		mix->ops[i].prefix = mix->ops[i].prefix ? mix->ops[i].prefix : prefix;
	note_stored(mix);
	return true;
}

size_t bench_mix_draw(const struct bench_mix *mix, struct rng *rng)
{
	uint64_t at = rng_below(rng, mix->total);
	for (size_t i = 0;; i++) {
		KV_ASSERT(i < mix->count);
		if (at < mix->ops[i].share)
			return i;
		at -= mix->ops[i].share;
	}
}
