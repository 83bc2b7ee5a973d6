/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/limits.h"
#include "server/address.h"
#include "server/config_yaml.h"

enum { FILE_SIZE_MAX = 1 << 20 };

#define KEY_(scope_, section_, name_, kind_, fallback_, min_, max_, field_)                                        \
	{                                                                                                          \
		.section = section_, .name = name_, .kind = kind_, .fallback = fallback_, .scope = scope_,         \
		.min = min_, .max = max_, .offset = offsetof(struct config, field_)                                \
	}
#define KEY(...)           KEY_(CONFIG_STATIC, __VA_ARGS__)
#define LIVE(...)          KEY_(CONFIG_LIVE, __VA_ARGS__)
#define MIB                ((uint64_t)1 << 20)
#define STORAGE_WRITES_MIN (16 * MIB) /* of storage.memory, beside the cache */

/* Keys of one section stand together. */
static const struct config_key keys[] = {
	KEY("node", "name", CONFIG_NAME, "", 0, NAME_SIZE_MAX, node_name),
	KEY("node", "data_dir", CONFIG_TEXT, NULL, 1, 3072, node_data_dir),
	KEY("node", "zone", CONFIG_NAME, "", 0, NAME_SIZE_MAX, node_zone),
	KEY("node", "weight", CONFIG_COUNT, "100", 1, 10000, node_weight),
	KEY("listen", "client", CONFIG_ADDRESS, "127.0.0.1:7001", 1, ADDRESS_SIZE_MAX - 1, listen_client),
	KEY("listen", "peer", CONFIG_ADDRESS, "127.0.0.1:7101", 1, ADDRESS_SIZE_MAX - 1, listen_peer),
	KEY("listen", "http", CONFIG_DOOR, "127.0.0.1:7201", 0, ADDRESS_SIZE_MAX - 1, listen_http),
	KEY("advertise", "client", CONFIG_ADDRESS, "", 0, ADDRESS_SIZE_MAX - 1, advertise_client),
	KEY("advertise", "peer", CONFIG_ADDRESS, "", 0, ADDRESS_SIZE_MAX - 1, advertise_peer),
	KEY("join", "seeds", CONFIG_ADDRESSES, "", 0, 3072, join_seeds),
	KEY("join", "token_file", CONFIG_TEXT, "", 0, 3072, join_token_file),
	KEY("", "shards", CONFIG_COUNT, "0", 0, SHARDS_MAX, shards),
	KEY("", "insecure", CONFIG_BOOL, "false", 0, 0, insecure),
	LIVE("limits", "connections", CONFIG_COUNT, "12000", 16, 1000000, limits_connections),
	LIVE("limits", "inflight", CONFIG_COUNT, "256", 1, 65536, limits_inflight),
	LIVE("limits", "operations", CONFIG_COUNT, "4096", 16, 1000000, limits_operations),
	LIVE("limits", "value_size", CONFIG_SIZE, "1MiB", 1024, VALUE_SIZE_MAX, limits_value_size),
	LIVE("limits", "memory", CONFIG_SIZE, "256MiB", 64 * MIB, MIB << 20, limits_memory),
	LIVE("limits", "drain", CONFIG_DURATION, "10s", 0, 600 * USEC_PER_SEC, limits_drain_us),
	KEY("storage", "memory", CONFIG_SIZE, "0B", 0, MIB << 20, storage_memory),
	KEY("storage", "cache_size", CONFIG_SIZE, "128MiB", 8 * MIB, MIB << 20, storage_cache_size),
	KEY("storage", "write_buffer_size", CONFIG_SIZE, "8MiB", 1 * MIB, 4096 * MIB, storage_write_buffer_size),
	KEY("storage", "reader_threads", CONFIG_COUNT, "2", 1, 64, storage_reader_threads),
	KEY("deletes", "keep", CONFIG_DURATION, "240m", USEC_PER_SEC, 24 * 3600 * USEC_PER_SEC, deletes_keep_us),
	LIVE("log", "level", CONFIG_LEVEL, "info", 0, 0, log_level),
	LIVE("log", "format", CONFIG_FORMAT, "logfmt", 0, 0, log_format),
	LIVE("trace", "slow", CONFIG_DURATION, "100ms", 0, 60 * USEC_PER_SEC, trace_slow_us),
	KEY("trace", "collector", CONFIG_ADDRESS, "", 0, ADDRESS_SIZE_MAX - 1, trace_collector),
	KEY("test", "wall_offset_ms", CONFIG_OFFSET, "0", 0, 3600 * 1000, test_wall_offset_ms),
	KEY("test", "compare_interval", CONFIG_DURATION, "60s", 100 * USEC_PER_MSEC, 3600 * USEC_PER_SEC,
	    test_compare_interval_us),
};

_Static_assert(ARRAY_SIZE(keys) <= CONFIG_KEYS_MAX, "tables sized by it");
_Static_assert(CONNECTIONS_DEFAULT_MAX == 12000 && CONN_INFLIGHT_MAX == 256 && OPS_MAX == 4096, "defaults above");
_Static_assert(VALUE_SIZE_DEFAULT_MAX == 1 << 20, "defaults above");
_Static_assert(EXCHANGE_INTERVAL_US == 60 * USEC_PER_SEC, "defaults above");
_Static_assert(TRACE_SLOW_US == 100 * USEC_PER_MSEC, "defaults above");
_Static_assert(GC_GRACE_MS == 4 * 3600 * 1000, "defaults above");

const struct config_key *config_keys(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(keys);
	return keys;
}

void config_key_path(const struct config_key *key, struct buf *out)
{
	if (key->section[0])
		buf_printf(out, "%s.", key->section);
	buf_append_str(out, key->name);
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {NULL, 0}};
static const struct unit duration_units[] = {
	{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60 * 1000000}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

/** A whole number and one of the units, with nothing around them; false also on overflow. */
static bool number_parse(const char *text, const struct unit *units, uint64_t *ret)
{
	if (!isdigit((unsigned char)text[0]))
		return false;
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (errno)
		return false;
	for (const struct unit *unit = units; unit->name; unit++) {
		if (strcmp(unit->name, end) == 0)
			return !__builtin_mul_overflow(number, unit->factor, ret);
	}
	return false;
}

static void number_format(struct buf *out, uint64_t value, const struct unit *units)
{
	const struct unit *best = units;
	for (const struct unit *unit = units; unit->name; unit++) {
		if (value >= unit->factor && value % unit->factor == 0)
			best = unit;
	}
	buf_printf(out, "%llu%s", (unsigned long long)(value / best->factor), best->name);
}

/** Says what the key takes, after "...: ". */
static void tell_allowed(const struct config_key *key, struct buf *why)
{
	const struct unit *units = no_units;
	switch (key->kind) {
	case CONFIG_TEXT:
		buf_printf(why, "allowed are %llu to %llu characters", (unsigned long long)key->min,
			   (unsigned long long)key->max);
		return;
	case CONFIG_NAME:
		buf_printf(why, "allowed are up to %llu letters, digits, '-', '_' and '.'",
			   (unsigned long long)key->max);
		return;
	case CONFIG_ADDRESS:
		buf_append_str(why, "write host:port, like 127.0.0.1:7001 or [::1]:7001");
		return;
	case CONFIG_DOOR:
		buf_append_str(why, "write host:port, like 127.0.0.1:7201, or off");
		return;
	case CONFIG_ADDRESSES:
		buf_printf(why, "write up to %u host:port, separated by commas", JOIN_SEEDS_MAX);
		return;
	case CONFIG_BOOL:
		buf_append_str(why, "write true or false");
		return;
	case CONFIG_LEVEL:
		buf_append_str(why, "allowed are debug, info, warn, error");
		return;
	case CONFIG_FORMAT:
		buf_append_str(why, "allowed are logfmt, json");
		return;
	case CONFIG_OFFSET:
		buf_printf(why, "allowed are whole numbers from -%llu to %llu", (unsigned long long)key->max,
			   (unsigned long long)key->max);
		return;
	case CONFIG_SIZE:
		units = size_units;
		buf_append_str(why, "write a whole number with B, KiB, MiB or GiB, from ");
		break;
	case CONFIG_DURATION:
		units = duration_units;
		buf_append_str(why, "write a whole number with us, ms, s or m, from ");
		break;
	case CONFIG_COUNT:
		buf_append_str(why, "write a whole number from ");
		break;
	}
	number_format(why, key->min, units);
	buf_append_str(why, " to ");
	number_format(why, key->max, units);
}

static bool name_is_valid(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0';
}

bool config_address_next(const char **at, struct slice *ret)
{
	const char *begin = *at + strspn(*at, " ,");
	size_t size = strcspn(begin, " ,");
	*at = begin + size;
	*ret = slice_of(begin, size);
	return size > 0;
}

static bool addresses_are_valid(const char *text)
{
	char host[ADDRESS_SIZE_MAX];
	uint16_t port;
	struct slice one;
	unsigned count = 0;
	for (const char *at = text; config_address_next(&at, &one); count++) {
		if (one.size >= ADDRESS_SIZE_MAX || !address_split(one, host, &port) || port == 0)
			return false;
	}
	return count <= JOIN_SEEDS_MAX;
}

static bool text_store(const struct config_key *key, const char *text, char **ret)
{
	size_t size = strlen(text);
	if (size < key->min || size > key->max)
		return false;
	if (key->kind == CONFIG_NAME && !name_is_valid(text))
		return false;
	char host[ADDRESS_SIZE_MAX];
	uint16_t port;
	if (key->kind == CONFIG_ADDRESSES && !addresses_are_valid(text))
		return false;
	if (key->kind == CONFIG_ADDRESS && size > 0 && !address_split(slice_str(text), host, &port))
		return false;
	if (key->kind == CONFIG_DOOR && size > 0 && strcmp(text, "off") != 0 &&
	    !address_split(slice_str(text), host, &port))
		return false;
	free(*ret);
	*ret = xstrdup(text);
	return true;
}

static bool bool_store(const char *text, bool *ret)
{
	*ret = strcmp(text, "true") == 0;
	return *ret || strcmp(text, "false") == 0;
}

static bool offset_store(const struct config_key *key, const char *text, int64_t *ret)
{
	bool negative = text[0] == '-';
	uint64_t number;
	if (!number_parse(text + negative, no_units, &number) || number > key->max)
		return false;
	*ret = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

static bool number_store(const struct config_key *key, const char *text, const struct unit *units, uint64_t *ret)
{
	uint64_t number;
	if (!number_parse(text, units, &number) || number < key->min || number > key->max)
		return false;
	*ret = number;
	return true;
}

/** Parses TEXT into the key's field; false leaves the field alone. */
static bool store_value(struct config *c, const struct config_key *key, const char *text)
{
	void *field = (char *)c + key->offset;
	switch (key->kind) {
	case CONFIG_TEXT:
	case CONFIG_NAME:
	case CONFIG_ADDRESS:
	case CONFIG_DOOR:
	case CONFIG_ADDRESSES:
		return text_store(key, text, field);
	case CONFIG_COUNT:
		return number_store(key, text, no_units, field);
	case CONFIG_SIZE:
		return number_store(key, text, size_units, field);
	case CONFIG_DURATION:
		return number_store(key, text, duration_units, field);
	case CONFIG_OFFSET:
		return offset_store(key, text, field);
	case CONFIG_BOOL:
		return bool_store(text, field);
	case CONFIG_LEVEL:
		return log_level_parse(text, field);
	case CONFIG_FORMAT:
		return log_format_parse(text, field);
	}
	KV_UNREACHABLE("config kind");
}

/** The override's name: KVD_NODE_DATA_DIR. */
static const char *environment_name(const struct config_key *key, struct buf *out)
{
	buf_printf(out, "KVD_%s%s%s", key->section, key->section[0] ? "_" : "", key->name);
	char *text = (char *)out->data;
	for (size_t i = 0; i < out->size; i++)
		text[i] = (char)toupper((unsigned char)text[i]);
	return buf_cstr(out);
}

static const char *environment_value(const char *const *environment, const char *name)
{
	size_t size = strlen(name);
	for (; environment && *environment; environment++) {
		if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=')
			return *environment + size + 1;
	}
	return NULL;
}

/** Takes one key's value from where it is given first. Appends to WHY what is wrong with it. */
static bool take_value(struct config *c, const struct config_key *key, const struct config_text *text,
		       const char *file, const char *const *environment, struct buf *why)
{
	CLEANUP(buf_release) struct buf variable = BUF_INIT;
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	config_key_path(key, &path);
	environment_name(key, &variable);
	const char *value = environment_value(environment, buf_cstr(&variable));
	uint8_t *source = &c->sources[key - keys];
	if (value) {
		*source = CONFIG_ENVIRONMENT;
		if (store_value(c, key, value))
			return true;
		buf_printf(why, "%s in the environment: ", buf_cstr(&variable));
	} else if (text->value) {
		value = text->value;
		*source = CONFIG_FILE;
		if (store_value(c, key, value))
			return true;
		buf_printf(why, "%s:%u: %s: ", file, text->line, buf_cstr(&path));
	} else if (key->fallback) {
		bool stored = store_value(c, key, key->fallback);
		KV_ASSERT(stored);
		*source = CONFIG_DEFAULT;
		return true;
	} else {
		buf_printf(why, "%s: %s is missing; set it there or as %s\n", file, buf_cstr(&path),
			   buf_cstr(&variable));
		return false;
	}
	buf_printf(why, "\"%.60s\" is not allowed; ", value);
	tell_allowed(key, why);
	buf_append_str(why, "\n");
	return false;
}

static unsigned line_of(const struct config_text *texts, size_t offset)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].offset == offset)
			return texts[i].line;
	}
	KV_UNREACHABLE("no such field");
}

bool config_http_is_off(const struct config *c)
{
	return c->listen_http[0] == '\0' || strcmp(c->listen_http, "off") == 0;
}

/** Without encryption only loopback is safe; an address the others cannot dial helps nobody, unless they dial ADVERTISED. */
static bool check_address(const struct config *c, const char *path, const char *text, const char *advertised,
			  unsigned line, const char *file, struct buf *why)
{
	struct address address;
	bool numeric = address_resolve(slice_str(text), /* numeric_only: */ true, &address, NULL) == KV_OK;
	if (numeric && address_is_any(&address) && advertised[0] == '\0') {
		buf_printf(
			why,
			"%s:%u: %s: %s stands for every interface; write the address that clients and nodes dial\n",
			file, line, path, text);
		return false;
	}
	bool loopback = numeric ? address_is_loopback(&address) : strncmp(text, "localhost:", 10) == 0;
	if (!loopback && !c->insecure) {
		buf_printf(
			why,
			"%s:%u: %s: %s is not loopback and connections are not encrypted; use a 127.0.0.1 address, or "
			"set insecure: true if the network is trusted\n",
			file, line, path, text);
		return false;
	}
	return true;
}

/** What others are told to dial is an address of one machine, with its port. */
static bool check_advertised(const char *path, const char *text, unsigned line, const char *file, struct buf *why)
{
	char host[ADDRESS_SIZE_MAX];
	struct address address;
	uint16_t port = 0;
	if (text[0] == '\0')
		return true;
	bool split = address_split(slice_str(text), host, &port);
	KV_ASSERT(split);
	bool any = address_resolve(slice_str(text), /* numeric_only: */ true, &address, NULL) == KV_OK &&
		   address_is_any(&address);
	if (port != 0 && !any)
		return true;
	buf_printf(why, "%s:%u: %s: %s cannot be dialled; write the host and port that others reach this node at\n",
		   file, line, path, text);
	return false;
}

/** Of the storage engine's memory something must be left for writes. */
static bool check_storage(const struct config *c, const struct config_text *texts, const char *file,
			  struct buf *why)
{
	if (c->storage_memory == 0 || c->storage_memory >= c->storage_cache_size + STORAGE_WRITES_MIN)
		return true;
	buf_printf(
		why,
		"%s:%u: storage.memory: %llu MiB with a cache of %llu MiB leave less than %llu MiB for writes; raise it, "
		"or lower storage.cache_size\n",
		file, line_of(texts, offsetof(struct config, storage_memory)),
		(unsigned long long)(c->storage_memory / MIB), (unsigned long long)(c->storage_cache_size / MIB),
		(unsigned long long)(STORAGE_WRITES_MIN / MIB));
	return false;
}

static bool check_whole(struct config *c, const struct config_text *texts, const char *file, struct buf *why)
{
	bool good = check_address(c, "listen.client", c->listen_client, c->advertise_client,
				  line_of(texts, offsetof(struct config, listen_client)), file, why);
	good &= check_address(c, "listen.peer", c->listen_peer, c->advertise_peer,
			      line_of(texts, offsetof(struct config, listen_peer)), file, why);
	/* Nobody is told to dial it: it may stand for every interface. */
	if (!config_http_is_off(c))
		good &= check_address(c, "listen.http", c->listen_http, c->listen_http,
				      line_of(texts, offsetof(struct config, listen_http)), file, why);
	good &= check_advertised("advertise.client", c->advertise_client,
				 line_of(texts, offsetof(struct config, advertise_client)), file, why);
	good &= check_advertised("advertise.peer", c->advertise_peer,
				 line_of(texts, offsetof(struct config, advertise_peer)), file, why);
	if (!c->join_token_file[0] != !c->join_seeds[0]) {
		size_t given = c->join_seeds[0] ? offsetof(struct config, join_seeds)
						: offsetof(struct config, join_token_file);
		buf_printf(why,
			   "%s:%u: join.seeds and join.token_file need each other: whom to ask, and what to show\n",
			   file, line_of(texts, given));
		good = false;
	}
	char host[ADDRESS_SIZE_MAX];
	uint16_t port = 0;
	bool split = address_split(slice_str(c->listen_peer), host, &port);
	KV_ASSERT(split);
	if (port != 0 && strcmp(c->listen_client, c->listen_peer) == 0) {
		buf_printf(why, "%s:%u: listen.client and listen.peer are both %s; give them two ports\n", file,
			   line_of(texts, offsetof(struct config, listen_peer)), c->listen_peer);
		good = false;
	}
	good &= check_storage(c, texts, file, why);
	return good;
}

uint64_t config_storage_memory(const struct config *c)
{
	return c->storage_memory ? c->storage_memory : c->storage_cache_size + 4 * c->storage_write_buffer_size;
}

static void fill_automatic(struct config *c)
{
	if (c->shards == 0) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);
		c->shards = cores <= 4 ? 1 : MIN((uint64_t)cores / 2, (uint64_t)16);
	}
	if (c->node_name[0] == '\0') {
		char host[NAME_SIZE_MAX + 1] = "";
		if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0' || !name_is_valid(host))
			snprintf(host, sizeof host, "kvd");
		free(c->node_name);
		c->node_name = xstrdup(host);
	}
}

enum kv_status config_parse(struct slice yaml, const char *file, const char *const *environment, struct config *ret,
			    struct buf *why)
{
	struct config_text texts[ARRAY_SIZE(keys)] = {{0}};
	struct config c = {0};
	enum kv_status status = config_yaml_parse(yaml, file, keys, ARRAY_SIZE(keys), texts, why);
	if (status == KV_OK) {
		bool good = true;
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			good &= take_value(&c, &keys[i], &texts[i], file, environment, why);
		if (!good || !check_whole(&c, texts, file, why))
			status = KV_INVALID;
	}
	config_yaml_release(texts, ARRAY_SIZE(texts));
	if (status != KV_OK) {
		config_release(&c);
		return status;
	}
	fill_automatic(&c);
	*ret = c;
	return KV_OK;
}

static enum kv_status read_file(const char *file, struct buf *ret, struct buf *why)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat about;
	if (fd < 0 || fstat(fd, &about) != 0) {
		buf_printf(why, "%s: cannot be read: %s\n", file, strerror(errno));
		if (fd >= 0)
			close(fd);
		return KV_IO;
	}
	ssize_t size = 0;
	do {
		ret->size += (size_t)size;
		buf_reserve(ret, 4096);
		size = read(fd, ret->data + ret->size, 4096);
	} while (size > 0 && ret->size <= FILE_SIZE_MAX);
	int failed = errno;
	close(fd);
	if (size == 0)
		return KV_OK;
	buf_printf(why, "%s: %s\n", file,
		   size < 0 ? strerror(failed) : "larger than 1 MiB; this is no configuration");
	return size < 0 ? KV_IO : KV_INVALID;
}

enum kv_status config_load(const char *file, const char *const *environment, struct config *ret, struct buf *why)
{
	CLEANUP(buf_release) struct buf yaml = BUF_INIT;
	if (file) {
		enum kv_status status = read_file(file, &yaml, why);
		if (status != KV_OK)
			return status;
	}
	return config_parse(buf_slice(&yaml), file ? file : "configuration", environment, ret, why);
}

/* ---- Single values ---- */

const struct config_key *config_find(struct slice path)
{
	CLEANUP(buf_release) struct buf one = BUF_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		buf_clear(&one);
		config_key_path(&keys[i], &one);
		if (slice_equal(buf_slice(&one), path))
			return &keys[i];
	}
	return NULL;
}

const char *config_nearest(struct slice path)
{
	static _Thread_local char nearest[128];
	CLEANUP(buf_release) struct buf one = BUF_INIT, wanted = BUF_INIT;
	buf_append_slice(&wanted, path);
	unsigned least = (unsigned)path.size / 3 + 1;
	nearest[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		buf_clear(&one);
		config_key_path(&keys[i], &one);
		unsigned distance = config_distance(buf_cstr(&wanted), buf_cstr(&one));
		if (distance > least || one.size >= sizeof nearest)
			continue;
		least = distance - (distance > 0);
		snprintf(nearest, sizeof nearest, "%s", buf_cstr(&one));
	}
	return nearest[0] ? nearest : NULL;
}

void config_value(const struct config *c, const struct config_key *key, struct buf *out)
{
	const void *field = (const char *)c + key->offset;
	static const char *const levels[] = {
		[LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};
	static const char *const formats[] = {[LOG_LOGFMT] = "logfmt", [LOG_JSON] = "json"};
	switch (key->kind) {
	case CONFIG_TEXT:
	case CONFIG_NAME:
	case CONFIG_ADDRESS:
	case CONFIG_DOOR:
	case CONFIG_ADDRESSES:
		buf_append_str(out, *(char *const *)field);
		return;
	case CONFIG_COUNT:
		number_format(out, *(const uint64_t *)field, no_units);
		return;
	case CONFIG_SIZE:
		number_format(out, *(const uint64_t *)field, size_units);
		return;
	case CONFIG_DURATION:
		number_format(out, *(const uint64_t *)field, duration_units);
		return;
	case CONFIG_OFFSET:
		buf_printf(out, "%lld", (long long)*(const int64_t *)field);
		return;
	case CONFIG_BOOL:
		buf_append_str(out, *(const bool *)field ? "true" : "false");
		return;
	case CONFIG_LEVEL:
		buf_append_str(out, levels[*(const enum log_level *)field]);
		return;
	case CONFIG_FORMAT:
		buf_append_str(out, formats[*(const enum log_format *)field]);
		return;
	}
	KV_UNREACHABLE("config kind");
}

bool config_change(struct config *c, const struct config_key *key, const char *text, enum config_source source,
		   struct buf *why)
{
	if (store_value(c, key, text)) {
		c->sources[key - keys] = (uint8_t)source;
		return true;
	}
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	config_key_path(key, &path);
	buf_printf(why, "%s: \"%.60s\" is not allowed; ", buf_cstr(&path), text);
	tell_allowed(key, why);
	return false;
}

/** True if the field is a string of its own. */
static bool is_text(enum config_kind kind)
{
	return kind == CONFIG_TEXT || kind == CONFIG_NAME || kind == CONFIG_ADDRESS || kind == CONFIG_DOOR ||
	       kind == CONFIG_ADDRESSES;
}

void config_copy(const struct config *from, struct config *ret)
{
	struct config c = *from;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		bool owned = is_text(keys[i].kind);
		char **field = (char **)(void *)((char *)&c + keys[i].offset);
		if (owned)
			*field = xstrdup(*field);
	}
	*ret = c;
}

void config_release(struct config *c)
{
	free(c->node_name);
	free(c->node_data_dir);
	free(c->node_zone);
	free(c->listen_client);
	free(c->listen_peer);
	free(c->listen_http);
	free(c->advertise_client);
	free(c->advertise_peer);
	free(c->join_seeds);
	free(c->join_token_file);
	free(c->trace_collector);
	*c = (struct config){0};
}
