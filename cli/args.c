/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <ctype.h>
#include <getopt.h>

#include "cli/text.h"

static const struct flag_info flags[FLAG_COUNT] = {
	[FLAG_OUTPUT] = {"output", 'o', "FORMAT", true, "table, json, jsonl or raw"},
	[FLAG_ENDPOINTS] = {"endpoints", 'e', "LIST", true, "client addresses of any nodes (127.0.0.1:7001)"},
	[FLAG_ZONE] = {"zone", 0, "ZONE", true, "where you are: nodes of that zone are asked first"},
	[FLAG_CONTEXT] = {"context", 0, "NAME", true, "the context to take other flags from (the current one)"},
	[FLAG_TIMEOUT] = {"timeout", 0, "TIME", true, "for each request, like 500ms or 5s"},
	[FLAG_CONSISTENCY] = {"consistency", 'c', "LEVEL", true,
			      "strong, session, bounded=TIME or eventual (eventual)"},
	[FLAG_ACKS] = {"acks", 0, "N", true, "replicas an eventual write waits for: 1, majority, all (1)"},
	[FLAG_RECEIPT] = {"receipt", 0, NULL, true, "tell how the request was carried out"},
	[FLAG_TTL] = {"ttl", 0, "TIME", false, "forget it after that time, like 30s or 7d"},
	[FLAG_IF_ABSENT] = {"if-absent", 0, NULL, false, "only if the key is not there"},
	[FLAG_IF_PRESENT] = {"if-present", 0, NULL, false, "only if the key is there"},
	[FLAG_IF_VERSION] = {"if-version", 0, "VERSION", false, "only if this is the present version"},
	[FLAG_IF_VALUE] = {"if-value", 0, "VALUE", false, "only if this is the present value"},
	[FLAG_IF_HASH] = {"if-hash", 0, "HASH", false,
			  "only if this is the XXH3 of the present value, in hexadecimal"},
	[FLAG_FENCE] = {"fence", 0, "N", false, "only if no higher fence was used on the key"},
	[FLAG_SESSION_FILE] = {"session-file", 0, "PATH", true, "where the session is kept; implies -c session"},
	[FLAG_FILE] = {"file", 0, "PATH", false, "take the value from a file"},
	[FLAG_LIMIT] = {"limit", 0, "N", false, "at most so many entries"},
	[FLAG_CURSOR] = {"cursor", 0, "CURSOR", false, "go on where an earlier scan stopped"},
	[FLAG_KEYS_ONLY] = {"keys-only", 0, NULL, false, "leave the values out"},
	[FLAG_FORMAT] = {"format", 0, "FORMAT", true, "of the rows: jsonl or tsv"},
	[FLAG_PREFIX] = {"prefix", 0, "PREFIX", false, "only keys that begin with it"},
	[FLAG_REPLICA] = {"replica", 0, "NODE", false, "only what this node itself holds"},
	[FLAG_RAW] = {"raw", 0, NULL, false, "also deletions and expired values, with versions"},
	[FLAG_INFLIGHT] = {"inflight", 0, "N", true, "requests under way at once"},
	[FLAG_CLIENTS] = {"clients", 0, "N", true, "clients, each with connections of its own"},
	[FLAG_OPS] = {"ops", 0, "N", false, "stop after so many requests"},
	[FLAG_SECONDS] = {"seconds", 0, "N", false, "stop after so many seconds (10)"},
	[FLAG_DURATION] = {"duration", 0, "TIME", false, "stop after that time, like 30s or 5m"},
	[FLAG_RATIO] = {"ratio", 0, "PUT:GET", false, "how many writes to how many reads (1:1)"},
	[FLAG_WRITE] = {"write", 0, "KIND", false, "what the writes are: put, cas, incr or append (put)"},
	[FLAG_SIZE] = {"size", 0, "SIZE", false, "of each value, like 100 or 4KiB (100)"},
	[FLAG_KEYS] = {"keys", 0, "N", false, "different keys, chosen at random"},
	[FLAG_SEED] = {"seed", 0, "N", false, "of what is drawn at random (another one each time)"},
	[FLAG_KEEP] = {"keep", 0, NULL, false, "leave the keys behind"},
	[FLAG_NAME] = {"name", 0, "NAME", false, "of the cluster"},
	[FLAG_PARTITIONS] = {"partitions", 0, "N", false, "a power of two, 16 to 4096 (1024)"},
	[FLAG_REPLICAS] = {"replicas", 0, "N", false, "of each key: odd, 1 to 7 (3, or fewer with fewer nodes)"},
	[FLAG_REPLACE] = {"replace", 0, "NODE", false, "a dead node, in whose place it comes"},
	[FLAG_GONE] = {"gone", 0, NULL, false, "it is dead for ever: nothing is copied from it"},
	[FLAG_PLAN] = {"plan", 0, NULL, false, "only tell what would happen"},
	[FLAG_WAIT] = {"wait", 0, NULL, false, "wait until it is done, telling how far it is"},
	[FLAG_SCRUB] = {"scrub", 0, NULL, false, "and read every record and check it"},
	[FLAG_CONFIG] = {"config", 0, "FILE", false, "kvd's configuration on this machine"},
	[FLAG_SURVIVORS] = {"survivors", 0, "LIST", false, "all nodes that stay, separated by commas"},
	[FLAG_CLUSTER] = {"cluster", 0, "NAME", false,
			  "the cluster's name or identity, so that no other one is meant"},
	[FLAG_YES] = {"yes", 0, NULL, false, "do it"},
	[FLAG_WITHIN] = {"within", 0, "TIME", false, "give up if it takes longer (waits for ever)"},
	[FLAG_DIR] = {"dir", 0, "DIR", true, "where the nodes live (kvd-dev)"},
	[FLAG_HELP] = {"help", 'h', NULL, false, "show this text"},
	[FLAG_VERSION] = {"version", 0, NULL, false, "show the version"},
};

const struct flag_info *flag_info(enum flag flag)
{
	KV_ASSERT(flag < FLAG_COUNT);
	return &flags[flag];
}

void flag_variable(enum flag flag, struct buf *out)
{
	buf_append_str(out, "KVCTL_");
	for (const char *at = flag_info(flag)->name; *at; at++)
		buf_append_u8(out, *at == '-' ? '_' : (uint8_t)toupper((unsigned char)*at));
}

const char *flag_choices(enum flag flag)
{
	switch ((int)flag) {
	case FLAG_OUTPUT:
		return "table json jsonl raw";
	case FLAG_CONSISTENCY:
		return "strong session bounded= eventual";
	case FLAG_ACKS:
		return "1 majority all";
	case FLAG_FORMAT:
		return "jsonl tsv";
	case FLAG_WRITE:
		return "put cas incr append";
	default:
		return NULL;
	}
}

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
		return read_small(text, 1, 256, "write a number from 1 to 256", &args->clients);
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
	case FLAG_CONFIG:
		return *text ? read_text(text, &args->config) : "write a path";
	case FLAG_SURVIVORS:
		return *text ? read_text(text, &args->survivors) : "write names of nodes, separated by commas";
	case FLAG_CLUSTER:
		return *text ? read_text(text, &args->cluster) : "write a name";
	case FLAG_YES:
		return read_switch(text, &args->yes);
	case FLAG_WITHIN:
		return read_ttl(text, &args->within_ms);
	case FLAG_DIR:
		return *text ? read_text(text, &args->dir) : "write a path";
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
		int has_value = flags[flag].value ? required_argument : no_argument;
		t->longs[longs++] = (struct option){flags[flag].name, has_value, NULL, LONG_BASE + flag};
		if (flags[flag].letter) {
			t->shorts[shorts++] = flags[flag].letter;
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
		if (flags[flag].letter == code)
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
			names[flag] = flags[flag].name;
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
		buf_printf(why, "--%s needs a value (%s)", flags[flag_of(optopt)].name,
			   flags[flag_of(optopt)].help);
	else if (code == ':')
		buf_printf(why, "-%c needs a value (%s)", optopt, flags[flag_of(optopt)].help);
	else if (optopt >= LONG_BASE)
		buf_printf(why, "--%s takes no value", flags[flag_of(optopt)].name);
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
			buf_printf(why, "--%s %s: %s", flags[flag].name, optarg ? optarg : "", mistake);
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
		if (!flag_set_has(allowed, (enum flag)flag) || !flags[flag].environment ||
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
