/* SPDX-License-Identifier: Apache-2.0 */
#include "client/options.h"

#include <stdarg.h>

#include "client/endpoint.h"
#include "client/trace.h"
#include "client/write_id.h"
#include "proto/msg.h"

enum kv_status client_error(struct kv_error *err, enum kv_status status, const char *format, ...)
{
	if (!err)
		return status;
	err->status = status;
	err->in_doubt = false;
	va_list args;
	va_start(args, format);
	vsnprintf(err->message, sizeof err->message, format, args);
	va_end(args);
	return status;
}

enum kv_status client_ok(struct kv_error *err)
{
	if (err)
		*err = (struct kv_error){.status = KV_OK};
	return KV_OK;
}

struct choice {
	const char *name;
	uint32_t value;
};

static const struct choice level_choices[] = {
	{"eventual", KV_LEVEL_EVENTUAL},
	{"session", KV_LEVEL_SESSION},
	{"bounded", KV_LEVEL_BOUNDED},
	{"strong", KV_LEVEL_STRONG},
	{NULL, 0},
};

static const struct choice acks_choices[] = {
	{"1", KV_ACKS_ONE},
	{"majority", KV_ACKS_MAJORITY},
	{"all", KV_ACKS_ALL},
	{NULL, 0},
};

static const struct choice route_choices[] = {
	{"replica", ROUTE_TO_REPLICA},
	{"endpoint", ROUTE_TO_ENDPOINT},
	{NULL, 0},
};

/* Keys with a number (choices NULL) or a word. */
struct key_row {
	const char *key;
	size_t offset;
	uint32_t initial, low, high;
	const struct choice *choices;
};

static const struct key_row key_rows[] = {
	{"level", offsetof(struct kv_config, level), KV_LEVEL_EVENTUAL, 0, 0, level_choices},
	{"acks", offsetof(struct kv_config, acks), KV_ACKS_ONE, 0, 0, acks_choices},
	{"staleness_ms", offsetof(struct kv_config, staleness_ms), 1000, 1, STALENESS_MAX_MS, NULL},
	{"timeout_ms", offsetof(struct kv_config, timeout_ms), DEADLINE_DEFAULT_MS, DEADLINE_MIN_MS,
	 DEADLINE_MAX_MS, NULL},
	{"connect_timeout_ms", offsetof(struct kv_config, connect_timeout_ms), 300, 1, DEADLINE_MAX_MS, NULL},
	{"max_inflight", offsetof(struct kv_config, max_inflight), CONN_INFLIGHT_MAX, 1, MAX_INFLIGHT_MAX, NULL},
	{"retry_attempts", offsetof(struct kv_config, retry_attempts), 3, 1, RETRY_ATTEMPTS_MAX, NULL},
	{"route", offsetof(struct kv_config, route), ROUTE_TO_REPLICA, 0, 0, route_choices},
};

static uint32_t *key_field(struct kv_config *config, const struct key_row *row)
{
	return (uint32_t *)(void *)((char *)config + row->offset);
}

struct kv_config *kv_config_new(void)
{
	struct kv_config *config = xcalloc(1, sizeof *config);
	for (size_t i = 0; i < ARRAY_SIZE(key_rows); i++)
		*key_field(config, &key_rows[i]) = key_rows[i].initial;
	snprintf(config->name, sizeof config->name, "kvclient");
	return config;
}

void kv_config_free(struct kv_config *config) { free(config); }

void kv_config_set_event_base(struct kv_config *config, struct event_base *base) { config->base = base; }

static enum kv_status set_endpoints(struct kv_config *config, const char *value, struct kv_error *err)
{
	CLEANUP(free_ptr) struct kv_config *next = xmalloc(sizeof *next);
	*next = *config;
	next->endpoint_count = 0;
	const char *at = value;
	for (;;) {
		const char *end = strchrnul(at, ',');
		struct slice text = slice_of(at, (size_t)(end - at));
		while (text.size > 0 && *text.data == ' ')
			text = slice_of(text.data + 1, text.size - 1);
		if (!endpoint_is_valid(text))
			return client_error(err, KV_INVALID,
					    "endpoint \"%.*s\" is not host:port, like 127.0.0.1:7001",
					    (int)MIN(text.size, 80u), (const char *)text.data);
		if (next->endpoint_count == ENDPOINTS_MAX)
			return client_error(err, KV_INVALID, "more than %u endpoints", ENDPOINTS_MAX);
		char *to = next->endpoints[next->endpoint_count++];
		memcpy(to, text.data, text.size);
		to[text.size] = '\0';
		if (*end == '\0')
			break;
		at = end + 1;
	}
	*config = *next;
	return client_ok(err);
}

static enum kv_status set_name(struct kv_config *config, const char *value, struct kv_error *err)
{
	size_t size = strlen(value);
	if (size == 0 || size > NAME_SIZE_MAX)
		return client_error(err, KV_INVALID, "name has %zu bytes; 1 to %u are allowed", size,
				    NAME_SIZE_MAX);
	memcpy(config->name, value, size + 1);
	return client_ok(err);
}

static enum kv_status set_zone(struct kv_config *config, const char *value, struct kv_error *err)
{
	size_t size = strlen(value);
	if (size > NAME_SIZE_MAX)
		return client_error(err, KV_INVALID, "zone has %zu bytes; at most %u are allowed", size,
				    NAME_SIZE_MAX);
	memcpy(config->zone, value, size + 1);
	return client_ok(err);
}

static enum kv_status set_number(uint32_t *field, const struct key_row *row, const char *value,
				 struct kv_error *err)
{
	uint64_t number = 0;
	const char *at = value;
	while (*at >= '0' && *at <= '9' && number <= UINT32_MAX)
		number = number * 10 + (uint64_t)(*at++ - '0');
	if (at == value || *at != '\0' || number < row->low || number > row->high)
		return client_error(err, KV_INVALID, "%s must be a number from %u to %u, not \"%.40s\"", row->key,
				    row->low, row->high, value);
	*field = (uint32_t)number;
	return client_ok(err);
}

static enum kv_status set_choice(uint32_t *field, const struct key_row *row, const char *value,
				 struct kv_error *err)
{
	for (const struct choice *c = row->choices; c->name; c++) {
		if (strcmp(c->name, value) == 0) {
			*field = c->value;
			return client_ok(err);
		}
	}
	char names[80] = "";
	size_t used = 0;
	for (const struct choice *c = row->choices; c->name; c++)
		used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", c->name);
	return client_error(err, KV_INVALID, "%s must be one of %s, not \"%.40s\"", row->key, names, value);
}

enum kv_status kv_config_set(struct kv_config *config, const char *key, const char *value, struct kv_error *err)
{
	if (!key || !value)
		return client_error(err, KV_INVALID, "a configuration key and its value must be given");
	if (strcmp(key, "endpoints") == 0)
		return set_endpoints(config, value, err);
	if (strcmp(key, "name") == 0)
		return set_name(config, value, err);
	if (strcmp(key, "zone") == 0)
		return set_zone(config, value, err);
	for (size_t i = 0; i < ARRAY_SIZE(key_rows); i++) {
		const struct key_row *row = &key_rows[i];
		if (strcmp(key, row->key) != 0)
			continue;
		if (row->choices)
			return set_choice(key_field(config, row), row, value, err);
		return set_number(key_field(config, row), row, value, err);
	}
	return client_error(err, KV_INVALID,
			    "unknown configuration key \"%.60s\"; see kv_config_set in kv/client.h", key);
}

enum kv_status options_copy(const void *given, void *ret, size_t ret_size, struct kv_error *err)
{
	uint32_t size;
	memcpy(&size, given, sizeof size);
	if (size < sizeof size || size > 4096)
		return client_error(err, KV_INVALID, "options have size %u: start from their INIT macro", size);
	const uint8_t *bytes = given;
	for (size_t i = ret_size; i < size; i++) {
		if (bytes[i] != 0)
			return client_error(err, KV_UNSUPPORTED,
					    "options of a later version of this library (%s) are set",
					    kv_library_version());
	}
	memset(ret, 0, ret_size);
	memcpy(ret, given, MIN(size, ret_size));
	return KV_OK;
}

enum kv_status options_timeout(const struct kv_config *config, unsigned given_ms, uint32_t *ret_ms,
			       struct kv_error *err)
{
	if (given_ms > DEADLINE_MAX_MS)
		return client_error(err, KV_INVALID, "timeout_ms is %u; at most %u is allowed", given_ms,
				    DEADLINE_MAX_MS);
	*ret_ms = given_ms ? given_ms : config->timeout_ms;
	return KV_OK;
}

bool options_has_condition(const struct kv_options *o)
{
	return o->if_absent || o->if_present || o->expected || o->expected_hash;
}

static enum kv_status check_ranges(const struct kv_options *o, struct kv_error *err)
{
	if ((unsigned)o->level > KV_LEVEL_STRONG)
		return client_error(err, KV_INVALID, "level %u does not exist", (unsigned)o->level);
	if ((unsigned)o->acks > KV_ACKS_ALL)
		return client_error(err, KV_INVALID, "acks %u does not exist", (unsigned)o->acks);
	if (o->ttl_ms > TTL_MS_MAX)
		return client_error(err, KV_INVALID, "ttl_ms is over %llu", TTL_MS_MAX);
	if (o->staleness_ms > STALENESS_MAX_MS)
		return client_error(err, KV_INVALID, "staleness_ms is %u; at most %u is allowed", o->staleness_ms,
				    STALENESS_MAX_MS);
	if (o->if_absent && (o->if_present || o->expected || o->expected_hash))
		return client_error(err, KV_INVALID, "if_absent excludes if_present, expected and expected_hash");
	struct trace_context context;
	if (o->traceparent && !traceparent_parse(o->traceparent, &context))
		return client_error(
			err, KV_INVALID,
			"traceparent \"%.60s\" is not 00-, 32 and 16 hexadecimal digits and flags, like "
			"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
			o->traceparent);
	if (o->write && !write_id_is_set(o->write))
		return client_error(err, KV_INVALID, "the write id is empty: take it from kv_write_id_new");
	return KV_OK;
}

static bool is_arithmetic(uint16_t opcode) { return opcode == OP_ADD || opcode == OP_APPEND; }

static enum kv_status check_use(uint16_t opcode, const struct kv_options *o, struct kv_error *err)
{
	bool write = opcode == OP_PUT || opcode == OP_DEL || is_arithmetic(opcode);
	if (options_has_condition(o) && opcode != OP_PUT && opcode != OP_DEL)
		return client_error(err, KV_INVALID, "conditions are for puts and deletes");
	if (o->fence && !write)
		return client_error(err, KV_INVALID, "a fence is for writes");
	if (o->write && !write)
		return client_error(err, KV_INVALID, "a write id is for writes");
	if (o->ttl_ms && is_arithmetic(opcode))
		return client_error(err, KV_INVALID, "ttl_ms is for puts: kv_add and kv_append leave it as it is");
	return KV_OK;
}

/* Sets the level, and what depends on it. */
static enum kv_status settle_level(const struct kv_config *config, uint16_t opcode, struct kv_options *o,
				   struct kv_error *err)
{
	bool read = opcode == OP_GET;
	bool strong_only = is_arithmetic(opcode) || opcode == OP_OUTCOME || options_has_condition(o) || o->fence;
	if (strong_only && o->level != KV_LEVEL_DEFAULT && o->level != KV_LEVEL_STRONG)
		return client_error(err, KV_INVALID,
				    "conditions, fences, sums and outcomes are strong: ask for no other level");
	if (strong_only) {
		o->level = KV_LEVEL_STRONG;
	} else if (o->level == KV_LEVEL_DEFAULT) {
		o->level = o->session ? KV_LEVEL_SESSION : (enum kv_level)config->level;
		if (o->level == KV_LEVEL_BOUNDED && !read)
			o->level = KV_LEVEL_EVENTUAL;
	} else if (o->level == KV_LEVEL_BOUNDED && !read) {
		return client_error(err, KV_INVALID, "the level bounded is for reads");
	}
	if (o->level != KV_LEVEL_BOUNDED)
		o->staleness_ms = 0;
	else if (o->staleness_ms == 0)
		o->staleness_ms = config->staleness_ms;
	return KV_OK;
}

enum kv_status options_complete(const struct kv_config *config, uint16_t opcode, const struct kv_options *given,
				struct kv_options *ret, struct kv_error *err)
{
	struct kv_options o = KV_OPTIONS_INIT;
	enum kv_status status = given ? options_copy(given, &o, sizeof o, err) : KV_OK;
	if (status == KV_OK)
		status = check_ranges(&o, err);
	if (status == KV_OK)
		status = check_use(opcode, &o, err);
	if (status == KV_OK)
		status = options_timeout(config, o.timeout_ms, &o.timeout_ms, err);
	if (status == KV_OK)
		status = settle_level(config, opcode, &o, err);
	if (status != KV_OK)
		return status;
	if (o.acks == KV_ACKS_DEFAULT)
		o.acks = (enum kv_acks)config->acks;
	*ret = o;
	return KV_OK;
}
