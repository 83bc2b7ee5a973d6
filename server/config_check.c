/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config_inside.h"

#include "proto/limits.h"
#include "server/address.h"

#define MIB ((uint64_t)1 << 20)

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
	uint64_t caches = c->storage_cache_size + c->storage_record_cache_size;
	if (c->storage_memory == 0 || c->storage_memory >= caches + STORAGE_WRITES_MIN)
		return true;
	buf_printf(
		why,
		"%s:%u: storage.memory: %llu MiB with caches of %llu MiB leave less than %llu MiB for writes; raise it, "
		"or lower storage.cache_size or storage.record_cache_size\n",
		file, config_line_of(texts, offsetof(struct config, storage_memory)),
		(unsigned long long)(c->storage_memory / MIB), (unsigned long long)(caches / MIB),
		(unsigned long long)(STORAGE_WRITES_MIN / MIB));
	return false;
}

bool config_check(const struct config *c, const struct config_text *texts, const char *file, struct buf *why)
{
	bool good = check_address(c, "listen.client", c->listen_client, c->advertise_client,
				  config_line_of(texts, offsetof(struct config, listen_client)), file, why);
	good &= check_address(c, "listen.peer", c->listen_peer, c->advertise_peer,
			      config_line_of(texts, offsetof(struct config, listen_peer)), file, why);
	/* Nobody is told to dial it: it may stand for every interface. */
	if (!config_http_is_off(c))
		good &= check_address(c, "listen.http", c->listen_http, c->listen_http,
				      config_line_of(texts, offsetof(struct config, listen_http)), file, why);
	good &= check_advertised("advertise.client", c->advertise_client,
				 config_line_of(texts, offsetof(struct config, advertise_client)), file, why);
	good &= check_advertised("advertise.peer", c->advertise_peer,
				 config_line_of(texts, offsetof(struct config, advertise_peer)), file, why);
	if (c->join_token_file[0] && !c->join_seeds[0]) {
		buf_printf(why, "%s:%u: join.token_file needs join.seeds: whom to show it to\n", file,
			   config_line_of(texts, offsetof(struct config, join_token_file)));
		good = false;
	}
	char host[ADDRESS_SIZE_MAX];
	uint16_t port = 0;
	bool split = address_split(slice_str(c->listen_peer), host, &port);
	KV_ASSERT(split);
	if (port != 0 && strcmp(c->listen_client, c->listen_peer) == 0) {
		buf_printf(why, "%s:%u: listen.client and listen.peer are both %s; give them two ports\n", file,
			   config_line_of(texts, offsetof(struct config, listen_peer)), c->listen_peer);
		good = false;
	}
	good &= check_storage(c, texts, file, why);
	return good;
}
