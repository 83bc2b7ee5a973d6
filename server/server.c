/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/klog.h"
#include "base/rng.h"
#include "server/exporter.h"
#include "server/fatal.h"
#include "server/files.h"
#include "server/insight.h"
#include "server/map_store.h"
#include "server/release.h"
#include "server/shard.h"
#include "server/watchdog.h"
#include "storage/keyspace.h"
#include "storage/store_rocks.h"

#define ADDRESSES_FILE "addresses"

enum { DESCRIPTORS_RESERVED = 1024 }; /* for the engine's files, peers and threads */

/** Raises the limit of open files as far as allowed; tells it, and returns how many client connections fit into it. */
static uint64_t raise_descriptor_limit(uint64_t wanted, _Atomic uint64_t *ret_open_files)
{
	struct rlimit limit;
	*ret_open_files = 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return wanted;
	uint64_t need = wanted + DESCRIPTORS_RESERVED;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	*ret_open_files = limit.rlim_cur;
	if (limit.rlim_cur >= need)
		return wanted;
	uint64_t fits = limit.rlim_cur > 2 * DESCRIPTORS_RESERVED ? limit.rlim_cur - DESCRIPTORS_RESERVED
								  : limit.rlim_cur / 2;
	log_warn("connections.lowered", L_U64("limits_connections", wanted), L_U64("connections_max", fits),
		 L_U64("open_files_max", limit.rlim_cur),
		 L_STR("action", "raise the limit of open files (ulimit -n)"));
	return fits;
}

static enum kv_status open_store(struct server *s, struct error *err)
{
	enum kv_status status = files_make_directory(s->config->node_data_dir, err);
	if (status == KV_OK)
		status = files_check_room(s->config->node_data_dir, err);
	if (status != KV_OK)
		return status;
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	buf_printf(&path, "%s/store", s->config->node_data_dir);
	status = store_rocks_open(&(struct rocks_config){.path = buf_cstr(&path),
							 .memory = config_storage_memory(s->config),
							 .cache_size = s->config->storage_cache_size,
							 .write_buffer_size = s->config->storage_write_buffer_size,
							 .create_if_missing = true},
				  &s->store, err);
	if (status == KV_OK)
		fatal_set_store(s->store, store_rocks_failure);
	fatal_set_data_dir(s->config->node_data_dir);
	return status;
}

/** The port that the addresses file of an earlier start names for a door, or 0. */
static uint16_t recorded_port(const char *data_dir, const char *door)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	if (files_read(data_dir, ADDRESSES_FILE, &text, NULL) != KV_OK)
		return 0;
	size_t door_size = strlen(door);
	for (const char *line = buf_cstr(&text); line;) {
		const char *end = strchrnul(line, '\n');
		char host[ADDRESS_SIZE_MAX];
		uint16_t port;
		if (strncmp(line, door, door_size) == 0 && line[door_size] == '=' &&
		    address_split(slice_of(line + door_size + 1, (size_t)(end - line) - door_size - 1), host,
				  &port))
			return port;
		line = *end ? end + 1 : NULL;
	}
	return 0;
}

/** KEEP: other nodes know the recorded port, so no other will do. */
static enum kv_status open_door(struct server *s, struct server_door *door, const char *name, const char *text,
				bool keep, struct error *err)
{
	*door = (struct server_door){
		.server = s, .kind = strcmp(name, "peer") == 0 ? HELLO_PEER : HELLO_CLIENT, .fd = -1};
	uint16_t port = recorded_port(s->config->node_data_dir, name);
	struct address bound;
	enum kv_status status = listener_bind(text, port, &door->fd, &bound, err);
	if (status != KV_OK && port != 0 && !keep)
		status = listener_bind(text, 0, &door->fd, &bound, err);
	if (status != KV_OK)
		return status;
	const char *colon = strrchr(text, ':');
	snprintf(door->address, sizeof door->address, "%.*s:%u", (int)(colon - text), text, address_port(&bound));
	return KV_OK;
}

/** Without the HTTP port the node serves its data all the same: it says what is wrong and goes on. */
static void open_http(struct server *s)
{
	struct error err;
	s->http_door = (struct server_door){.fd = -1};
	if (config_http_is_off(s->config))
		return;
	if (open_door(s, &s->http_door, "http", s->config->listen_http, /* keep: */ false, &err) != KV_OK) {
		log_error("http.unavailable", L_STR("reason", err.message),
			  L_STR("action",
				"the node runs without metrics and status page; free the port and restart it"));
		s->http_door = (struct server_door){.fd = -1};
	}
}

static enum kv_status open_doors(struct server *s, bool moved, struct error *err)
{
	enum kv_status status =
		open_door(s, &s->client_door, "client", s->config->listen_client, /* keep: */ false, err);
	if (status == KV_OK)
		status = open_door(s, &s->peer_door, "peer", s->config->listen_peer, s->in_cluster && !moved, err);
	if (status != KV_OK)
		return status;
	open_http(s);
	pages_init(&s->pages, s->http_door.address, server_advertised(s, HELLO_PEER));
	return KV_OK;
}

const char *server_advertised(const struct server *s, enum hello_kind kind)
{
	const char *text = kind == HELLO_PEER ? s->config->advertise_peer : s->config->advertise_client;
	if (text[0] != '\0')
		return text;
	return kind == HELLO_PEER ? s->peer_door.address : s->client_door.address;
}

static enum kv_status write_addresses(struct server *s, struct error *err)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	buf_printf(&text, "client=%s\npeer=%s\n", s->client_door.address, s->peer_door.address);
	if (s->http_door.address[0] != '\0')
		buf_printf(&text, "http=%s\n", s->http_door.address);
	return files_replace(s->config->node_data_dir, ADDRESSES_FILE, buf_slice(&text), err);
}

/** The greatest clock limit any core of this node ever made durable, whatever the number of shards was then. */
static enum kv_status load_hlc_limit(struct server *s, hlc_t *ret, struct error *err)
{
	struct store_scan *scan;
	enum kv_status status = store_scan_open(s->store, STORE_META, slice_str(META_HLC_LIMIT "/"),
						slice_str(META_HLC_LIMIT "0"), &scan);
	*ret = 0;
	if (status == KV_OK) {
		struct store_row row;
		while (store_scan_next(s->store, scan, &row, &status)) {
			if (row.value.size == sizeof(hlc_t))
				*ret = MAX(*ret, load_le64(row.value.data));
			else
				status = KV_CORRUPT;
			if (status != KV_OK)
				break;
		}
		store_scan_close(s->store, scan);
	}
	if (status != KV_OK)
		return error_set(err, status, "the stored clock limits cannot be read: %s", status_text(status));
	return KV_OK;
}

static enum kv_status build_shards(struct server *s, hlc_t hlc_limit, struct error *err)
{
	const struct config *config = s->config;
	struct core_config core = {
		.shard_count = (uint32_t)config->shards,
		.node = s->identity.node,
		.incarnation = s->identity.incarnation,
		.boot_nonce = s->identity.boot_nonce,
		.name = slice_str(config->node_name),
		.peer_address = slice_str(server_advertised(s, HELLO_PEER)),
		.client_address = slice_str(server_advertised(s, HELLO_CLIENT)),
		.zone = slice_str(config->node_zone),
		.weight = (uint32_t)config->node_weight,
		.features = release_features(),
		.seed_count = s->join.seed_count,
		.join_token = slice_str(s->join.token),
		.hlc_limit = hlc_limit,
		.map = s->in_cluster ? &s->map : NULL,
		.value_size_max = (uint32_t)config->limits_value_size,
		.ops_max = (uint32_t)config->limits_operations,
		.record_cache_bytes = config_record_cache(config) / config->shards,
		.exchange_interval_us = config->test_compare_interval_us,
		.slow_us = MAX(config->trace_slow_us, (usec_t)1),
		.gc_grace_ms = (uint32_t)(config->deletes_keep_us / USEC_PER_MSEC),
	};
	memcpy(core.seeds, s->join.seeds, sizeof core.seeds);
	s->shards = xcalloc(config->shards, sizeof *s->shards);
	for (; s->shard_count < config->shards; s->shard_count++) {
		core.seed = rng_entropy();
		core.shard = s->shard_count;
		enum kv_status status = shard_new(s, s->shard_count, &core, &s->shards[s->shard_count], err);
		if (status != KV_OK)
			return status;
	}
	return KV_OK;
}

/** What a higher feature level brought may be on this disk. */
static enum kv_status check_level(const struct map_desc *map, struct error *err)
{
	if (map->feature_level <= release.feature_level)
		return KV_OK;
	return error_set(
		err, KV_REFUSED,
		"the cluster was finalized at feature level %llu, kvd %s can do %u: install the version that the node had",
		(unsigned long long)map->feature_level, release.version, release.feature_level);
}

static enum kv_status open_steps(struct server *s, bool moved, struct error *err)
{
	enum kv_status status = open_store(s, err);
	if (status == KV_OK)
		status = identity_start(s->config->node_data_dir, s->store, &s->identity, err);
	if (status != KV_OK)
		return status;
	status = map_store_load(s->store, &s->map_arena, &s->map, err);
	s->in_cluster = status == KV_OK;
	if (status != KV_OK && status != KV_NOT_FOUND)
		return status;
	join_take_seeds(s->config, &s->join);
	status = s->in_cluster ? check_level(&s->map, err) : join_load_token(s->config, &s->join, err);
	if (status != KV_OK)
		return status;
	if (s->in_cluster)
		map_log_changed(&s->map_log, &s->map);
	lives_init(&s->lives);
	status = lives_load(&s->lives, s->store, err);
	if (status != KV_OK)
		return status;
	hlc_t hlc_limit = 0;
	status = load_hlc_limit(s, &hlc_limit, err);
	if (status == KV_OK)
		status = open_doors(s, moved, err);
	if (status == KV_OK && s->in_cluster)
		status = identity_check_map(&s->identity, &s->map, server_advertised(s, HELLO_PEER), moved, err);
	if (status == KV_OK)
		status = write_addresses(s, err);
	if (status != KV_OK)
		return status;
	s->commit = commit_new(s->store);
	commit_watch_room(s->commit, s->config->node_data_dir);
	commit_keep_free(s->commit, s->config->limits_disk_reserve);
	s->watchdog = watchdog_new(s->commit, DISK_STUCK_US);
	s->reader = reader_new((unsigned)s->config->storage_reader_threads);
	return build_shards(s, hlc_limit, err);
}

/** Live settings come into force: here what is shared, and in each shard what is its own. */
static void apply_settings(void *owner, const struct config *now)
{
	struct server *s = owner;
	log_configure(now->log_level, now->log_format);
	atomic_store(&s->budget.limit, now->limits_memory);
	commit_keep_free(s->commit, now->limits_disk_reserve);
	atomic_store(&s->connections_max, raise_descriptor_limit(now->limits_connections, &s->open_files_max));
	for (uint32_t i = 0; i < s->shard_count; i++)
		shard_post_limits(s->shards[i], now);
}

void server_set_file(struct server *s, const char *file, const char *const *environment)
{
	settings_set_file(&s->settings, file, environment);
}

enum kv_status server_open(struct server *s, const struct config *config, bool moved, struct error *err)
{
	*s = (struct server){.config = config,
			     .client_door.fd = -1,
			     .peer_door.fd = -1,
			     .http_door.fd = -1,
			     .started_us = clock_mono_us()};
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	KV_ASSERT(s->wake_fd >= 0);
	settings_init(&s->settings, config, apply_settings, s);
	atomic_store(&s->budget.limit, config->limits_memory);
	s->connections_max = raise_descriptor_limit(config->limits_connections, &s->open_files_max);
	enum kv_status status = open_steps(s, moved, err);
	if (status != KV_OK)
		server_close(s);
	return status;
}

static bool is_full(const struct server *s, enum hello_kind kind)
{
	if (kind == HELLO_PEER)
		return stats_get(&s->stats.connections_peer) >= PEER_CONNECTIONS_MAX;
	return stats_get(&s->stats.connections) >= s->connections_max;
}

/** On shard 0's thread: deals connections out in turn. */
static void on_accepted(void *owner, int fd)
{
	struct server_door *door = owner;
	struct server *s = door->server;
	if (is_full(s, door->kind)) {
		stats_add(&s->stats.connections_refused, 1);
		listener_refuse(
			fd, KV_OVERLOADED,
			"the node has as many connections as limits.connections allows; use another node or try later");
		return;
	}
	uint32_t to = s->next_shard++ % s->shard_count;
	if (to == 0)
		conn_accept(&s->shards[0]->conns, fd, door->kind);
	else
		shard_post_accept(s->shards[to], fd, door->kind);
}

static void open_listener(struct server *s, struct server_door *door)
{
	listener_start(&door->listener, &s->shards[0]->loop, door->fd, on_accepted, door);
	door->fd = -1;
}

static void start_exporter(struct server *s)
{
	if (s->config->trace_collector[0] == '\0')
		return;
	CLEANUP(free_ptr) struct traces **traces = xcalloc(s->shard_count, sizeof(struct traces *));
	for (uint32_t i = 0; i < s->shard_count; i++)
		traces[i] = &s->shards[i]->traces;
	s->exporter = exporter_new(
		&(struct exporter_config){.collector = s->config->trace_collector,
					  .source = {.name = s->config->node_name, .version = release.version},
					  .traces = traces,
					  .count = s->shard_count,
					  .stats = &s->stats});
}

static void form_alone(struct server *s)
{
	const struct slice address = slice_str(server_advertised(s, HELLO_PEER));
	const struct msg msg = {
		.opcode = OP_CLUSTER_INIT,
		.id = 1,
		.cluster_init = {.name = slice_str("dev"), .address_count = 1, .addresses = &address},
	};
	shard_post_request(s->shards[0], &msg);
}

static void start_http(struct server *s)
{
	struct error err;
	int fd = s->http_door.fd;
	s->http_door.fd = -1;
	if (fd >= 0 && insight_start(s, fd, &s->insight, &err) != KV_OK)
		log_error("http.unavailable", L_STR("reason", err.message),
			  L_STR("action", "the node runs without metrics and status page; restart it"));
}

void server_start(struct server *s, bool form)
{
	/* The loop is nobody's yet: the first shard's thread begins with the doors open. */
	open_listener(s, &s->client_door);
	open_listener(s, &s->peer_door);
	s->running = true;
	for (uint32_t i = 0; i < s->shard_count; i++)
		shard_start(s->shards[i]);
	start_exporter(s);
	start_http(s);
	char id[UUID_TEXT_SIZE];
	uuid_format(&s->identity.node, id);
	log_info("server.started", L_STR("version", release.version), L_STR("name", s->config->node_name),
		 L_STR("node", id), L_U64("incarnation", s->identity.incarnation),
		 L_STR("client", s->client_door.address), L_STR("peer", s->peer_door.address),
		 L_STR("http", s->http_door.address[0] ? s->http_door.address : "off"),
		 L_STR("data_dir", s->config->node_data_dir), L_U64("shards", s->shard_count),
		 L_U64("epoch", s->in_cluster ? s->map.epoch : 0));
	if (form && !s->in_cluster)
		form_alone(s);
}

static void wake(struct server *s)
{
	uint64_t one = 1;
	ssize_t size = write(s->wake_fd, &one, sizeof one);
	(void)size; /* the counter cannot be full */
}

void server_fail(struct server *s, enum kv_status status, struct slice why)
{
	log_error("server.failed", L_STR("status", status_name(status)), L_BYTES("reason", why));
	atomic_store(&s->refused, status == KV_IDENTITY || status == KV_VERSION || status == KV_CORRUPT);
	if (status == KV_CORRUPT)
		identity_damage(s->config->node_data_dir);
	atomic_store(&s->failed, true);
	wake(s);
}

void server_retire(struct server *s)
{
	if (!atomic_exchange(&s->retired, true))
		log_info("server.left", L_STR("name", s->config->node_name),
			 L_STR("action", "its data directory is of no use any more"));
	wake(s);
}

/** Tells the service manager that the loops turn, if it is time to. */
static void watch_loops(struct server *s)
{
	uint64_t beats[SHARDS_MAX];
	for (uint32_t i = 0; i < s->shard_count; i++)
		beats[i] = atomic_load_explicit(&s->shards[i]->beats, memory_order_relaxed);
	notify_watch(&s->notify, beats);
}

/** Waits for a signal (true) or a word from a shard, until UNTIL_US or something is to be told to the service manager. */
static bool wait_for_signal(struct server *s, int signal_fd, usec_t until_us)
{
	watch_loops(s);
	until_us = MIN(until_us, s->notify.next_us);
	usec_t now_us = clock_mono_us();
	int timeout_ms = until_us == USEC_NEVER ? -1
			 : until_us > now_us    ? (int)((until_us - now_us) / USEC_PER_MSEC + 1)
						: 0;
	struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN}, {.fd = s->wake_fd, .events = POLLIN}};
	if (poll(fds, ARRAY_SIZE(fds), timeout_ms) <= 0)
		return false;
	uint64_t count;
	struct signalfd_siginfo info;
	if (fds[1].revents && read(s->wake_fd, &count, sizeof count) < 0)
		KV_ASSERT(errno == EAGAIN);
	if (!fds[0].revents || read(signal_fd, &info, sizeof info) != sizeof info)
		return false;
	if (info.ssi_signo == SIGHUP) {
		notify_reloading(&s->notify);
		settings_reload(&s->settings);
		notify_reloaded(&s->notify);
		return false;
	}
	log_info("server.signalled", L_STR("signal", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM"));
	return true;
}

/** A node serves once all its shards do; one that is in no cluster does what it can do at once. */
static void tell_if_ready(struct server *s)
{
	if (s->notify.ready)
		return;
	for (uint32_t i = 0; s->in_cluster && i < s->shard_count; i++) {
		struct shard_status status;
		shard_status_copy(s->shards[i], &status);
		if (!status.ready)
			return;
	}
	notify_ready(&s->notify, s->in_cluster ? "serving" : "waiting to become part of a cluster");
}

static bool all_quiet(const struct server *s)
{
	for (uint32_t i = 0; i < s->shard_count; i++) {
		if (!atomic_load(&s->shards[i]->quiet))
			return false;
	}
	return true;
}

static void drain(struct server *s, int signal_fd)
{
	usec_t start_us = clock_mono_us();
	usec_t until_us = start_us + settings_drain_us(&s->settings);
	atomic_store(&s->draining, true);
	for (uint32_t i = 0; i < s->shard_count; i++)
		shard_post_drain(s->shards[i]);
	bool cut = false;
	while (!all_quiet(s) && !cut && !atomic_load(&s->failed))
		cut = wait_for_signal(s, signal_fd, until_us) || clock_mono_us() >= until_us;
	log_info("server.drained", L_STR("complete", cut ? "no" : "yes"),
		 L_U64("took_us", clock_mono_us() - start_us));
}

int server_run(struct server *s)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	int signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	KV_ASSERT(signal_fd >= 0);
	notify_init(&s->notify, s->shard_count);
	bool signalled = false;
	while (!signalled && !atomic_load(&s->failed) && !atomic_load(&s->retired)) {
		tell_if_ready(s);
		signalled = wait_for_signal(s, signal_fd,
					    s->notify.ready ? USEC_NEVER : clock_mono_us() + SHARD_PUBLISH_US);
	}
	notify_stopping(&s->notify);
	if (!atomic_load(&s->failed))
		drain(s, signal_fd);
	close(signal_fd);
	notify_release(&s->notify);
	return !atomic_load(&s->failed) ? 0 : atomic_load(&s->refused) ? SERVER_REFUSED : SERVER_FAILED;
}

static void close_door(struct server_door *door)
{
	listener_stop(&door->listener);
	if (door->fd > 0)
		close(door->fd);
	door->fd = -1;
}

void server_close(struct server *s)
{
	if (s->running) {
		for (uint32_t i = 0; i < s->shard_count; i++)
			shard_post_stop(s->shards[i]);
		for (uint32_t i = 0; i < s->shard_count; i++)
			shard_join(s->shards[i]);
	}
	exporter_free(s->exporter);
	insight_stop(s->insight);
	watchdog_free(s->watchdog);
	commit_free(s->commit);
	reader_free(s->reader);
	close_door(&s->client_door);
	close_door(&s->peer_door);
	close_door(&s->http_door);
	for (uint32_t i = 0; i < s->shard_count; i++)
		shard_free(s->shards[i]);
	free(s->shards);
	arena_release(&s->map_arena);
	map_log_release(&s->map_log);
	settings_release(&s->settings);
	pages_release(&s->pages);
	fatal_set_store(NULL, NULL);
	fatal_set_data_dir(NULL);
	store_close(s->store);
	if (s->wake_fd > 0)
		close(s->wake_fd);
	if (s->running)
		log_info("server.stopped", L_U64("uptime_ms", (clock_mono_us() - s->started_us) / USEC_PER_MSEC));
	*s = (struct server){.client_door.fd = -1, .peer_door.fd = -1, .http_door.fd = -1, .wake_fd = -1};
}
