/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <getopt.h>

#include "cli/text.h"

void args_init(struct args *args)
{
	*args = (struct args){
		.endpoints = "127.0.0.1:7001",
		.level = KV_LEVEL_EVENTUAL,
		.prefix = "",
		.clients = 1,
		.ratio_put = 1,
		.ratio_get = 1,
		.size = 100,
		.keys = 10000,
		.dir = "kvd-dev",
	};
}

struct word {
	const char *text;
	int value;
};

static bool choose(const char *text, const struct word *words, size_t count, int *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, words[i].text) == 0) {
			*ret = words[i].value;
			return true;
		}
	}
	return false;
}

/* One reader a kind of value. Each returns NULL, or says what is allowed. */

static const char *read_output(const char *text, enum output_format *ret)
{
	static const struct word words[] = {
		{"table", OUTPUT_TABLE}, {"json", OUTPUT_JSON}, {"jsonl", OUTPUT_JSONL}, {"raw", OUTPUT_RAW}};
	int value;
	if (!choose(text, words, ARRAY_SIZE(words), &value))
		return "allowed are table, json, jsonl, raw";
	*ret = (enum output_format)value;
	return NULL;
}

static const char *read_level(const char *text, enum kv_level *ret, uint32_t *ret_staleness_ms)
{
	static const struct word words[] = {
		{"strong", KV_LEVEL_STRONG}, {"session", KV_LEVEL_SESSION}, {"eventual", KV_LEVEL_EVENTUAL}};
	int value = KV_LEVEL_BOUNDED;
	uint64_t bound_ms = 0;
	if (strcmp(text, "bounded") == 0)
		return "say how old the value may be, like bounded=2s";
	if (strncmp(text, "bounded=", 8) == 0) {
		if (!text_duration_ms(text + 8, &bound_ms) || bound_ms < 1 || bound_ms > 3600000)
			return "write a time from 1ms to 1h, like bounded=2s";
	} else if (!choose(text, words, ARRAY_SIZE(words), &value)) {
		return "allowed are strong, session, bounded=TIME and eventual";
	}
	*ret = (enum kv_level)value;
	*ret_staleness_ms = (uint32_t)bound_ms;
	return NULL;
}

const char *args_read_level(const char *text, struct args *ret)
{
	return read_level(text, &ret->level, &ret->staleness_ms);
}

static const char *read_distribution(const char *text, double *ret_zipf)
{
	char *end = NULL;
	double exponent = 0.99;
	if (strcmp(text, "uniform") == 0) {
		*ret_zipf = 0;
		return NULL;
	}
	if (strncmp(text, "zipf", 4) != 0)
		return "allowed are uniform, zipf and zipf=EXPONENT";
	if (text[4]) {
		exponent = text[4] == '=' ? strtod(text + 5, &end) : 0;
		if (!(exponent >= 0.01 && exponent <= 10) || !end || *end)
			return "write an exponent from 0.01 to 10, like zipf=0.99";
	}
	*ret_zipf = exponent;
	return NULL;
}

static const char *read_hash(const char *text, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789abcdefABCDEF");
	if (digits == 0 || digits > 16 || text[digits])
		return "write up to 16 hexadecimal digits";
	*ret = strtoull(text, NULL, 16);
	return NULL;
}

/* The value is compared by its hash. */
static const char *read_value_hash(const char *text, struct args *args)
{
	args->if_value = text;
	args->if_hash = kv_hash(kv_slice_str(text));
	return NULL;
}

static const char *read_write(const char *text, enum write_kind *ret)
{
	static const struct word words[] = {
		{"put", WRITE_PUT}, {"cas", WRITE_CAS}, {"incr", WRITE_INCR}, {"append", WRITE_APPEND}};
	int value;
	if (!choose(text, words, ARRAY_SIZE(words), &value))
		return "allowed are put, cas, incr, append";
	*ret = (enum write_kind)value;
	return NULL;
}

static const char *read_acks(const char *text, enum kv_acks *ret)
{
	static const struct word words[] = {
		{"1", KV_ACKS_ONE}, {"majority", KV_ACKS_MAJORITY}, {"all", KV_ACKS_ALL}};
	int value;
	if (!choose(text, words, ARRAY_SIZE(words), &value))
		return "allowed are 1, majority, all";
	*ret = (enum kv_acks)value;
	return NULL;
}

static const char *read_timeout(const char *text, uint32_t *ret)
{
	uint64_t ms;
	if (!text_duration_ms(text, &ms) || ms < 1 || ms > 60000)
		return "write a time from 1ms to 60s, like 500ms or 5s";
	*ret = (uint32_t)ms;
	return NULL;
}

static const char *read_ttl(const char *text, uint64_t *ret)
{
	if (!text_duration_ms(text, ret) || *ret < 1)
		return "write a time with its unit, like 500ms, 30s, 5m, 12h or 7d";
	return NULL;
}

static const char *read_format(const char *text, enum rows_format *ret)
{
	static const struct word words[] = {{"jsonl", ROWS_JSONL}, {"tsv", ROWS_TSV}};
	int value;
	if (!choose(text, words, ARRAY_SIZE(words), &value))
		return "allowed are jsonl and tsv";
	*ret = (enum rows_format)value;
	return NULL;
}

static const char *read_ratio(const char *text, uint32_t *ret_put, uint32_t *ret_get)
{
	char put[16];
	const char *colon = strchr(text, ':');
	uint64_t put_share, get_share;
	if (!colon || (size_t)(colon - text) >= sizeof put)
		return "write two numbers, like 1:4";
	memcpy(put, text, (size_t)(colon - text));
	put[colon - text] = '\0';
	if (!text_count(put, 0, 1000, &put_share) || !text_count(colon + 1, 0, 1000, &get_share) ||
	    put_share + get_share == 0)
		return "write two numbers from 0 to 1000, like 1:4, not both 0";
	*ret_put = (uint32_t)put_share;
	*ret_get = (uint32_t)get_share;
	return NULL;
}

static const char *read_small(const char *text, uint64_t min, uint64_t max, const char *allowed, uint32_t *ret)
{
	uint64_t value;
	if (!text_count(text, min, max, &value))
		return allowed;
	*ret = (uint32_t)value;
	return NULL;
}

static const char *read_count(const char *text, uint64_t *ret)
{
	return text_count(text, 1, UINT64_C(1) << 48, ret) ? NULL : "write a number above 0";
}

static const char *read_switch(const char *text, bool *ret)
{
	static const struct word words[] = {{"1", 1}, {"true", 1}, {"yes", 1}, {"0", 0}, {"false", 0}, {"no", 0}};
	int value = 1;
	if (text && !choose(text, words, ARRAY_SIZE(words), &value))
		return "allowed are true and false";
	*ret = value;
	return NULL;
}

static const char *read_text(const char *text, const char **ret)
{
	*ret = text;
	return NULL;
}

/** Sets one flag from TEXT (NULL for a flag without value). NULL, or what is allowed. */
static const char *set_flag(struct args *args, enum flag flag, const char *text)
{
	switch (flag) {
	case FLAG_OUTPUT:
		return read_output(text, &args->output);
	case FLAG_ENDPOINTS:
		return *text ? read_text(text, &args->endpoints) : "write host:port,host:port";
	case FLAG_ZONE:
		return strlen(text) <= 64 ? read_text(text, &args->zone) : "at most 64 bytes";
	case FLAG_CONTEXT:
		return read_text(text, &args->context);
	case FLAG_TIMEOUT:
		return read_timeout(text, &args->timeout_ms);
	case FLAG_CONSISTENCY:
		return read_level(text, &args->level, &args->staleness_ms);
	case FLAG_BUCKET:
		return read_small(text, 0, UINT32_MAX, "write a number up to 4294967295", &args->bucket);
	case FLAG_ACKS:
		return read_acks(text, &args->acks);
	case FLAG_RECEIPT:
		return read_switch(text, &args->receipt);
	case FLAG_TTL:
		return read_ttl(text, &args->ttl_ms);
	case FLAG_IF_ABSENT:
		return read_switch(text, &args->if_absent);
	case FLAG_IF_PRESENT:
		return read_switch(text, &args->if_present);
	case FLAG_IF_VERSION:
		return kv_version_parse(text, &args->if_version) ? NULL
								 : "write a version as kvctl get -o json shows it";
	case FLAG_IF_VALUE:
		return read_value_hash(text, args);
	case FLAG_IF_HASH:
		return read_hash(text, &args->if_hash);
	case FLAG_FENCE:
		return text_count(text, 1, UINT64_MAX, &args->fence) ? NULL : "write a number above 0";
	case FLAG_SESSION_FILE:
		return *text ? read_text(text, &args->session_file) : "write a path";
	case FLAG_FILE:
		return read_text(text, &args->file);
	case FLAG_LIMIT:
		return read_count(text, &args->limit);
	case FLAG_CURSOR:
		return read_text(text, &args->cursor);
	case FLAG_KEYS_ONLY:
		return read_switch(text, &args->keys_only);
	case FLAG_FORMAT:
		return read_format(text, &args->format);
	case FLAG_PREFIX:
		return read_text(text, &args->prefix);
	case FLAG_REPLICA:
		return read_text(text, &args->replica);
	case FLAG_RAW:
		return read_switch(text, &args->raw);
	case FLAG_INFLIGHT:
		return read_small(text, 1, 4096, "write a number from 1 to 4096", &args->inflight);
	case FLAG_CLIENTS:
		return read_small(text, 1, 20000, "write a number from 1 to 20000", &args->clients);
	case FLAG_OPS:
		return read_count(text, &args->ops);
	case FLAG_SECONDS:
		return text_count(text, 1, 86400, &args->seconds) ? NULL : "write a number from 1 to 86400";
	case FLAG_DURATION:
		return read_ttl(text, &args->duration_ms);
	case FLAG_RATIO:
		return read_ratio(text, &args->ratio_put, &args->ratio_get);
	case FLAG_WRITE:
		return read_write(text, &args->write);
	case FLAG_SIZE:
		return text_size(text, 0, 16u << 20, &args->size) ? NULL
								  : "write a size up to 16MiB, like 100 or 4KiB";
	case FLAG_KEYS:
		return read_count(text, &args->keys);
	case FLAG_SEED:
		return text_count(text, 0, UINT64_C(1) << 63, &args->seed) ? NULL : "write a number";
	case FLAG_KEEP:
		return read_switch(text, &args->keep);
	case FLAG_NAME:
		return strlen(text) <= 64 ? read_text(text, &args->name) : "at most 64 bytes";
	case FLAG_PARTITIONS:
		return read_small(text, 16, 4096, "write a power of two from 16 to 4096", &args->partitions);
	case FLAG_REPLICAS:
		return read_small(text, 1, 7, "write an odd number from 1 to 7", &args->replicas);
	case FLAG_REPLACE:
		return *text ? read_text(text, &args->replace) : "write the name of a node";
	case FLAG_GONE:
		return read_switch(text, &args->gone);
	case FLAG_PLAN:
		return read_switch(text, &args->plan);
	case FLAG_WAIT:
		return read_switch(text, &args->wait);
	case FLAG_SCRUB:
		return read_switch(text, &args->scrub);
	case FLAG_NODE:
		return *text ? read_text(text, &args->node) : "name a node, as kvctl node ls shows it";
	case FLAG_TIMES:
		return read_count(text, &args->times);
	case FLAG_CONFIG:
		return *text ? read_text(text, &args->config) : "write a path";
	case FLAG_SURVIVORS:
		return *text ? read_text(text, &args->survivors) : "write names of nodes, separated by commas";
	case FLAG_CLUSTER:
		return *text ? read_text(text, &args->cluster) : "write a name";
	case FLAG_YES:
		return read_switch(text, &args->yes);
	case FLAG_TRACE:
		return read_switch(text, &args->trace);
	case FLAG_TRACEPARENT:
		return read_text(text, &args->traceparent); /* the library checks it */
	case FLAG_WITHIN:
		return read_ttl(text, &args->within_ms);
	case FLAG_DIR:
		return *text ? read_text(text, &args->dir) : "write a path";
	case FLAG_MIX:
		return read_text(text, &args->mix);
	case FLAG_DISTRIBUTION:
		return read_distribution(text, &args->zipf);
	case FLAG_KEY_SIZE:
		return read_small(text, 1, 64, "write a number from 1 to 64", &args->key_size);
	case FLAG_PRELOAD:
		return read_switch(text, &args->preload);
	case FLAG_RATE:
		return text_count(text, 1, 10000000, &args->rate) ? NULL : "write a number from 1 to 10000000";
	case FLAG_THREADS:
		return read_small(text, 1, 64, "write a number from 1 to 64", &args->threads);
	case FLAG_INTERVAL:
		return read_ttl(text, &args->interval_ms);
	case FLAG_HELP:
		return read_switch(text, &args->help);
	case FLAG_VERSION:
		return read_switch(text, &args->version);
	case FLAG_COUNT:
		break;
	}
	KV_UNREACHABLE("no such flag");
}

/** getopt's tables for the set ALLOWED. Values above 255 stand for long options. */
struct tables {
	struct option longs[FLAG_COUNT + 1];
	char shorts[3 * FLAG_COUNT + 3];
};

enum { LONG_BASE = 256 };

static void build_tables(struct tables *t, flag_set allowed, bool leading)
{
	size_t longs = 0, shorts = 0;
	*t = (struct tables){0};
	if (leading)
		t->shorts[shorts++] = '+';
	t->shorts[shorts++] = ':';
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (!flag_set_has(allowed, (enum flag)flag))
			continue;
		const struct flag_info *info = flag_info((enum flag)flag);
		int has_value = info->value ? required_argument : no_argument;
		t->longs[longs++] = (struct option){info->name, has_value, NULL, LONG_BASE + flag};
		if (info->letter) {
			t->shorts[shorts++] = info->letter;
			if (has_value == required_argument)
				t->shorts[shorts++] = ':';
		}
	}
}

static enum flag flag_of(int code)
{
	if (code >= LONG_BASE)
		return (enum flag)(code - LONG_BASE);
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (flag_info((enum flag)flag)->letter == code)
			return (enum flag)flag;
	}
	KV_UNREACHABLE("a letter getopt was not given");
}

static void explain_unknown(const char *word, flag_set allowed, struct buf *why)
{
	char name[64];
	snprintf(name, sizeof name, "%s", word + strspn(word, "-"));
	name[strcspn(name, "=")] = '\0';
	const char *names[FLAG_COUNT] = {NULL};
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (flag_set_has(allowed, (enum flag)flag))
			names[flag] = flag_info((enum flag)flag)->name;
	}
	const char *nearest = text_nearest(name, names, FLAG_COUNT);
	buf_printf(why, "unknown flag --%s", name);
	if (nearest)
		buf_printf(why, "; did you mean --%s?", nearest);
}

/** getopt refused something: optopt is the letter, the code of a long option, or 0 for an unknown one. */
static void explain_mistake(char **argv, int code, flag_set allowed, struct buf *why)
{
	if (code == ':' && optopt >= LONG_BASE)
		buf_printf(why, "--%s needs a value (%s)", flag_info(flag_of(optopt))->name,
			   flag_info(flag_of(optopt))->help);
	else if (code == ':')
		buf_printf(why, "-%c needs a value (%s)", optopt, flag_info(flag_of(optopt))->help);
	else if (optopt >= LONG_BASE)
		buf_printf(why, "--%s takes no value", flag_info(flag_of(optopt))->name);
	else if (optopt != 0)
		buf_printf(why, "unknown flag -%c", optopt);
	else
		explain_unknown(argv[optind - 1], allowed, why);
}

/* getopt takes "-5" for flags. While it works the minus of such words is another byte. */
enum { MINUS = '\1' };

static void hide_minus(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *digits = argv[i] + 1;
		if (argv[i][0] == '-' && *digits && digits[strspn(digits, "0123456789")] == '\0')
			argv[i][0] = MINUS;
	}
}

static void show_minus(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == MINUS)
			argv[i][0] = '-';
	}
}

static int parse_words(struct args *args, int argc, char **argv, flag_set allowed, bool leading, struct buf *why)
{
	struct tables t;
	build_tables(&t, allowed, leading);
	opterr = 0;
	optind = 0; /* makes glibc start over, also after a scan that stopped early */
	for (;;) {
		int code = getopt_long(argc, argv, t.shorts, t.longs, NULL);
		if (code == -1)
			return optind;
		if (code == '?' || code == ':') {
			explain_mistake(argv, code, allowed, why);
			return 0;
		}
		enum flag flag = flag_of(code);
		if (optarg && *optarg == MINUS)
			*optarg = '-';
		const char *mistake = set_flag(args, flag, optarg);
		if (mistake) {
			buf_printf(why, "--%s %s: %s", flag_info(flag)->name, optarg ? optarg : "", mistake);
			return 0;
		}
		args->texts[flag] = optarg;
		args->given |= FLAG_BIT(flag);
		args->typed |= FLAG_BIT(flag);
	}
}

int args_parse(struct args *args, int argc, char **argv, flag_set allowed, bool leading, struct buf *why)
{
	hide_minus(argc, argv);
	int first = parse_words(args, argc, argv, allowed, leading, why);
	show_minus(argc, argv);
	return first;
}

const char *args_default(struct args *args, enum flag flag, const char *text)
{
	KV_ASSERT(!args_given(args, flag));
	const char *mistake = set_flag(args, flag, text);
	if (mistake)
		return mistake;
	args->texts[flag] = text;
	args->given |= FLAG_BIT(flag);
	return NULL;
}

bool args_environment(struct args *args, flag_set allowed, struct buf *why)
{
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (!flag_set_has(allowed, (enum flag)flag) || !flag_info((enum flag)flag)->environment ||
		    args_given(args, (enum flag)flag))
			continue;
		CLEANUP(buf_release) struct buf name = BUF_INIT;
		flag_variable((enum flag)flag, &name);
		const char *text = getenv(buf_cstr(&name));
		if (!text || !*text)
			continue;
		const char *mistake = args_default(args, (enum flag)flag, text);
		if (mistake) {
			buf_printf(why, "%s=%s: %s", buf_cstr(&name), text, mistake);
			return false;
		}
	}
	return true;
}
