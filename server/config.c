/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/machine.h"
#include "proto/limits.h"
#include "server/config_inside.h"

enum { FILE_SIZE_MAX = 1 << 20 };

#define KEY_(scope_, section_, name_, kind_, fallback_, min_, max_, field_, help_)                                 \
	{                                                                                                          \
		.section = section_, .name = name_, .kind = kind_, .fallback = fallback_, .scope = scope_,         \
		.min = min_, .max = max_, .offset = offsetof(struct config, field_), .help = help_                 \
	}
#define KEY(...)  KEY_(CONFIG_STATIC, __VA_ARGS__)
#define LIVE(...) KEY_(CONFIG_LIVE, __VA_ARGS__)
#define MIB       ((uint64_t)1 << 20)

/* What storage.record_cache_size is between if the machine decides. */
#define RECORD_CACHE_MIN (64 * MIB)
#define RECORD_CACHE_MAX (1024 * MIB)

/* Keys of one section stand together. */
static const struct config_key keys[] = {
	KEY("node", "name", CONFIG_NAME, "", 0, NAME_SIZE_MAX, node_name,
	    "how people call the node: up to 64 letters, digits, `-`, `_`, `.`; without one the host's name"),
	KEY("node", "data_dir", CONFIG_TEXT, NULL, 1, 3072, node_data_dir,
	    "directory of identity, data and addresses; made if missing. Must be given (`--dev` makes one)"),
	KEY("node", "zone", CONFIG_NAME, "", 0, NAME_SIZE_MAX, node_zone,
	    "failure domain, a name like the node's; replicas are spread over zones"),
	KEY("node", "weight", CONFIG_COUNT, "100", 1, 10000, node_weight,
	    "share of the partitions relative to other nodes, 1 to 10000"),
	KEY("listen", "client", CONFIG_ADDRESS, "127.0.0.1:7001", 1, ADDRESS_SIZE_MAX - 1, listen_client,
	    "where clients connect"),
	KEY("listen", "peer", CONFIG_ADDRESS, "127.0.0.1:7101", 1, ADDRESS_SIZE_MAX - 1, listen_peer,
	    "where other nodes connect; the cluster map names it, so a node in a cluster keeps it, "
	    "or is started once with `--moved`"),
	KEY("listen", "http", CONFIG_DOOR, "127.0.0.1:7201", 0, ADDRESS_SIZE_MAX - 1, listen_http,
	    "where `/metrics`, `/healthz`, `/readyz`, `/status.json` and the status page are; `off`: "
	    "nowhere. A node whose http port is taken says so in its log and serves without "
	    "([monitoring.md](monitoring.md))"),
	KEY("advertise", "client", CONFIG_ADDRESS, "", 0, ADDRESS_SIZE_MAX - 1, advertise_client,
	    "what clients are told to dial; without it `listen.client`"),
	KEY("advertise", "peer", CONFIG_ADDRESS, "", 0, ADDRESS_SIZE_MAX - 1, advertise_peer,
	    "what other nodes are told to dial; without it `listen.peer`"),
	KEY("join", "seeds", CONFIG_ADDRESSES, "", 0, 3072, join_seeds,
	    "peer addresses of nodes, separated by commas, up to 16: a node that is in no cluster "
	    "asks them in turn to be admitted; one that is in a cluster and reaches none of its "
	    "nodes tells its address there"),
	KEY("join", "token_file", CONFIG_TEXT, "", 0, 3072, join_token_file,
	    "file with the token that admits it, made by `kvctl cluster token`; no one but its owner "
	    "may read it"),
	KEY("", "shards", CONFIG_COUNT, "0", 0, SHARDS_MAX, shards,
	    "threads that serve requests, each with its part of the partitions, up to 64; 0: 1 on up "
	    "to 4 cores, else half the cores, at most 16"),
	KEY("", "insecure", CONFIG_BOOL, "false", 0, 0, insecure,
	    "allow addresses other than loopback although connections are not encrypted"),
	LIVE("limits", "connections", CONFIG_COUNT, "12000", 16, 1000000, limits_connections,
	     "client connections, 16 to 1000000; further ones are told OVERLOADED. Lowered, with a "
	     "warning, to what the limit of open files allows"),
	LIVE("limits", "inflight", CONFIG_COUNT, "256", 1, 65536, limits_inflight,
	     "requests a connection may have unanswered, 1 to 65536; beyond them it is not read"),
	LIVE("limits", "operations", CONFIG_COUNT, "4096", 16, 1000000, limits_operations,
	     "client operations a shard works on at once, 16 to 1000000; further ones are told OVERLOADED"),
	LIVE("limits", "value_size", CONFIG_SIZE, "1MiB", 1024, VALUE_SIZE_MAX, limits_value_size,
	     "largest value a client may write, 1KiB to 16MiB"),
	LIVE("limits", "memory", CONFIG_SIZE, "256MiB", 64 * MIB, MIB << 20, limits_memory,
	     "buffers of all connections together, 64MiB or more"),
	LIVE("limits", "disk_reserve", CONFIG_SIZE, "0B", 0, UINT64_MAX, limits_disk_reserve,
	     "so much of the disk stays free: with less, the node stores no value that takes more "
	     "room than what it replaces, and writes that need it are refused with NO_SPACE; reads "
	     "and deletions go on. 0: a twentieth of the disk, at most 1GiB"),
	LIVE("limits", "drain", CONFIG_DURATION, "10s", 0, 600 * USEC_PER_SEC, limits_drain_us,
	     "how long running requests may take to finish after SIGTERM, up to 10m"),
	KEY("storage", "memory", CONFIG_SIZE, "0B", 0, MIB << 20, storage_memory,
	    "bounds both caches and the writes kept in memory together; at least 16MiB more than the "
	    "sizes given for the caches. 0B: the caches' and four times `storage.write_buffer_size`"),
	KEY("storage", "cache_size", CONFIG_SIZE, "128MiB", 8 * MIB, MIB << 20, storage_cache_size,
	    "cache of data blocks, 8MiB or more"),
	KEY("storage", "record_cache_size", CONFIG_SIZE, "0B", 0, MIB << 20, storage_record_cache_size,
	    "memory for records that were asked for or written lately, some 500 bytes each beside key and "
	    "value: requests for them do not ask the storage engine. 0B: a sixteenth of the machine's "
	    "memory, from 64MiB to 1GiB, and at most half of what `storage.memory` leaves beside "
	    "`storage.cache_size` and 16MiB; 1B: none"),
	KEY("storage", "write_buffer_size", CONFIG_SIZE, "8MiB", 1 * MIB, 4096 * MIB, storage_write_buffer_size,
	    "writes kept in memory before they become a file, 1MiB to 4GiB; sooner where "
	    "`storage.memory` asks for it"),
	KEY("storage", "reader_threads", CONFIG_COUNT, "2", 1, 64, storage_reader_threads,
	    "threads for reads that memory cannot answer and for scans, 1 to 64"),
	KEY("deletes", "keep", CONFIG_DURATION, "240m", USEC_PER_SEC, 24 * 3600 * USEC_PER_SEC, deletes_keep_us,
	    "how long a deletion, or a value whose life has ended, is kept at least before its space "
	    "is given back, 1s to 1440m; the same on all nodes"),
	LIVE("log", "level", CONFIG_LEVEL, "info", 0, 0, log_level,
	     "least important lines to write: debug, info, warn or error"),
	LIVE("log", "format", CONFIG_FORMAT, "logfmt", 0, 0, log_format, "logfmt or json; always to stderr"),
	LIVE("trace", "slow", CONFIG_DURATION, "100ms", 0, 60 * USEC_PER_SEC, trace_slow_us,
	     "an operation that takes so long is logged with all that happened, up to 60s; 0: every one is"),
	KEY("trace", "collector", CONFIG_ADDRESS, "", 0, ADDRESS_SIZE_MAX - 1, trace_collector,
	    "host:port that takes traces as OTLP over HTTP, `POST /v1/traces`; empty: nobody gets them"),
	KEY("test", "wall_offset_ms", CONFIG_OFFSET, "0", 0, 3600 * 1000, test_wall_offset_ms,
	    "shifts the node's clock by as many milliseconds, up to an hour either way. For tests of "
	    "wrong clocks only"),
	KEY("test", "compare_interval", CONFIG_DURATION, "60s", 100 * USEC_PER_MSEC, 3600 * USEC_PER_SEC,
	    test_compare_interval_us,
	    "how often two nodes compare what they share, 100ms to 60m. For tests that cannot wait so long"),
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
		if (config_store(c, key, value))
			return true;
		buf_printf(why, "%s in the environment: ", buf_cstr(&variable));
	} else if (text->value) {
		value = text->value;
		*source = CONFIG_FILE;
		if (config_store(c, key, value))
			return true;
		buf_printf(why, "%s:%u: %s: ", file, text->line, buf_cstr(&path));
	} else if (key->fallback) {
		bool stored = config_store(c, key, key->fallback);
		KV_ASSERT(stored);
		*source = CONFIG_DEFAULT;
		return true;
	} else {
		buf_printf(why, "%s: %s is missing; set it there or as %s\n", file, buf_cstr(&path),
			   buf_cstr(&variable));
		return false;
	}
	buf_printf(why, "\"%.60s\" is not allowed; ", value);
	config_tell_allowed(key, why);
	buf_append_str(why, "\n");
	/* So that the other mistakes are told, too. */
	bool stored = !key->fallback || config_store(c, key, key->fallback);
	KV_ASSERT(stored);
	return false;
}

uint64_t config_record_cache(const struct config *c)
{
	if (c->storage_record_cache_size)
		return c->storage_record_cache_size;
	uint64_t size = MIN(MAX(machine_memory() / 16, RECORD_CACHE_MIN), RECORD_CACHE_MAX);
	uint64_t left = c->storage_memory - MIN(c->storage_memory, c->storage_cache_size + STORAGE_WRITES_MIN);
	return c->storage_memory ? MIN(size, left / 2) : size;
}

uint64_t config_storage_memory(const struct config *c)
{
	if (c->storage_memory)
		return c->storage_memory - config_record_cache(c);
	return c->storage_cache_size + 4 * c->storage_write_buffer_size;
}

unsigned config_line_of(const struct config_text *texts, size_t offset)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].offset == offset)
			return texts[i].line;
	}
	KV_UNREACHABLE("no such field");
}

static void fill_automatic(struct config *c)
{
	if (c->shards == 0) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);
		c->shards = cores <= 4 ? 1 : MIN((uint64_t)cores / 2, (uint64_t)16);
	}
	if (c->node_name[0] == '\0') {
		char host[NAME_SIZE_MAX + 1] = "";
		if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0' || !config_name_is_valid(host))
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
		good &= config_check(&c, texts, file, why);
		if (!good)
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

/** The key that NAME, without KVD_, may be meant for: the path with a dot in place of the first underscore, or of none. */
static const struct config_key *nearest_key(const char *name)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	for (const char *c = name; *c; c++)
		buf_printf(&path, "%c", tolower((unsigned char)*c));
	const char *nearest = config_nearest(buf_slice(&path));
	char *underscore = memchr(path.data, '_', path.size);
	if (!nearest && underscore) {
		*underscore = '.';
		nearest = config_nearest(buf_slice(&path));
	}
	return nearest ? config_find(slice_str(nearest)) : NULL;
}

bool config_stray_next(const char *const *environment, size_t *at, struct buf *name, struct buf *meant)
{
	static const char prefix[] = "KVD_";
	for (; environment && environment[*at]; ++*at) {
		const char *one = environment[*at];
		size_t size = strcspn(one, "=");
		if (strncmp(one, prefix, sizeof prefix - 1) != 0 || size == sizeof prefix - 1)
			continue;
		buf_clear(name);
		buf_append(name, one, size);
		const struct config_key *key = nearest_key(buf_cstr(name) + sizeof prefix - 1);
		buf_clear(meant);
		if (!key || strcmp(environment_name(key, meant), buf_cstr(name)) == 0)
			continue;
		++*at;
		return true;
	}
	return false;
}

bool config_change(struct config *c, const struct config_key *key, const char *text, enum config_source source,
		   struct buf *why)
{
	if (config_store(c, key, text)) {
		c->sources[key - keys] = (uint8_t)source;
		return true;
	}
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	config_key_path(key, &path);
	buf_printf(why, "%s: \"%.60s\" is not allowed; ", buf_cstr(&path), text);
	config_tell_allowed(key, why);
	return false;
}

void config_copy(const struct config *from, struct config *ret)
{
	struct config c = *from;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		bool owned = config_is_text(keys[i].kind);
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
