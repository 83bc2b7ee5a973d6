/* SPDX-License-Identifier: Apache-2.0 */
#include "server/settings.h"

#include "base/klog.h"

void settings_init(struct settings *s, const struct config *started,
		   void (*apply)(void *owner, const struct config *now), void *owner)
{
	*s = (struct settings){.apply = apply, .owner = owner};
	int error = pthread_mutex_init(&s->mutex, NULL);
	KV_ASSERT(error == 0);
	config_copy(started, &s->now);
	config_copy(started, &s->file_says);
}

void settings_release(struct settings *s)
{
	if (!s->apply)
		return;
	config_release(&s->now);
	config_release(&s->file_says);
	pthread_mutex_destroy(&s->mutex);
	*s = (struct settings){0};
}

void settings_set_file(struct settings *s, const char *file, const char *const *environment)
{
	s->file = file;
	s->environment = environment;
}

static enum kv_status refuse_unknown(struct slice name, struct error *err)
{
	const char *nearest = config_nearest(name);
	return error_set(err, KV_INVALID, "there is no key \"%.*s\"%s%s%s", (int)MIN(name.size, (size_t)60),
			 (const char *)name.data, nearest ? "; did you mean " : "", nearest ? nearest : "",
			 nearest ? "?" : "");
}

enum kv_status settings_set(struct settings *s, struct slice name, struct slice text, struct error *err)
{
	const struct config_key *key = config_find(name);
	CLEANUP(buf_release) struct buf value = BUF_INIT, why = BUF_INIT;
	if (!key)
		return refuse_unknown(name, err);
	if (key->scope != CONFIG_LIVE)
		return error_set(
			err, KV_REFUSED,
			"%.*s cannot change while the node runs; change it in the node's file and restart the node",
			(int)name.size, (const char *)name.data);
	if (memchr(text.data ? (const char *)text.data : "", 0, text.size))
		return error_set(err, KV_INVALID, "a value has no zero bytes");
	buf_append_slice(&value, text);
	pthread_mutex_lock(&s->mutex);
	bool good = config_change(&s->now, key, buf_cstr(&value), CONFIG_SET, &why);
	if (good)
		s->apply(s->owner, &s->now);
	pthread_mutex_unlock(&s->mutex);
	if (!good)
		return error_set(err, KV_INVALID, "%s", buf_cstr(&why));
	log_info("config.set", L_BYTES("key", name), L_BYTES("value", text));
	return KV_OK;
}

/** The keys whose values differ between A and B, as far as PICK says: told to the log as EVENT. */
static size_t log_changes(const struct config *before, const struct config *after, enum config_scope scope,
			  const char *event, const char *action)
{
	size_t count, changed = 0;
	const struct config_key *keys = config_keys(&count);
	CLEANUP(buf_release) struct buf path = BUF_INIT, old = BUF_INIT, new = BUF_INIT;
	for (size_t i = 0; i < count; i++) {
		buf_clear(&path);
		buf_clear(&old);
		buf_clear(&new);
		config_key_path(&keys[i], &path);
		config_value(before, &keys[i], &old);
		config_value(after, &keys[i], &new);
		if (keys[i].scope != scope || slice_equal(buf_slice(&old), buf_slice(&new)))
			continue;
		changed++;
		log_info(event, L_BYTES("key", buf_slice(&path)), L_BYTES("from", buf_slice(&old)),
			 L_BYTES("to", buf_slice(&new)), L_STR("action", action));
	}
	return changed;
}

/** What is live takes the value of READ; the rest stays. */
static void take_live(struct settings *s, const struct config *read)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	CLEANUP(buf_release) struct buf value = BUF_INIT, why = BUF_INIT;
	for (size_t i = 0; i < count; i++) {
		if (keys[i].scope != CONFIG_LIVE)
			continue;
		buf_clear(&value);
		config_value(read, &keys[i], &value);
		bool good = config_change(&s->now, &keys[i], buf_cstr(&value), (enum config_source)read->sources[i],
					  &why);
		KV_ASSERT(good); /* it was read from there */
	}
}

void settings_reload(struct settings *s)
{
	struct config read = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	if (config_load(s->file, s->environment, &read, &why) != KV_OK) {
		log_error("config.refused", L_BYTES("reason", buf_slice(&why)),
			  L_STR("action", "everything stays as it is; correct the file and send SIGHUP again"));
		return;
	}
	pthread_mutex_lock(&s->mutex);
	size_t changed = log_changes(&s->now, &read, CONFIG_LIVE, "config.changed", "in force");
	size_t waiting = log_changes(&s->now, &read, CONFIG_STATIC, "config.waits", "restart the node");
	take_live(s, &read);
	config_release(&s->file_says);
	s->file_says = read;
	s->apply(s->owner, &s->now);
	pthread_mutex_unlock(&s->mutex);
	log_info("config.read", L_STR("file", s->file ? s->file : ""), L_U64("changed", changed),
		 L_U64("waiting", waiting));
}

static struct slice keep(struct arena *arena, struct buf *text, bool *ok)
{
	if (text->size == 0)
		return slice_of(NULL, 0);
	struct slice copy = arena_copy(arena, buf_slice(text));
	*ok &= copy.data != NULL;
	buf_clear(text);
	return copy;
}

/** The default as a file would have it, so that it compares with values. */
static void append_fallback(const struct config_key *key, struct buf *out)
{
	CLEANUP(config_release) struct config only = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	if (!key->fallback)
		return;
	bool good = config_change(&only, key, key->fallback, CONFIG_DEFAULT, &why);
	KV_ASSERT(good);
	config_value(&only, key, out);
}

bool settings_list(struct settings *s, struct arena *arena, size_t more, struct msg_config *ret)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	struct config_entry *entries = arena_alloc(arena, (count + more) * sizeof *entries);
	CLEANUP(buf_release) struct buf text = BUF_INIT, waits = BUF_INIT;
	bool ok = entries != NULL;
	pthread_mutex_lock(&s->mutex);
	for (size_t i = 0; ok && i < count; i++) {
		struct config_entry *e = &entries[i];
		*e = (struct config_entry){.scope = keys[i].scope, .source = (enum config_source)s->now.sources[i]};
		config_key_path(&keys[i], &text);
		e->name = keep(arena, &text, &ok);
		append_fallback(&keys[i], &text);
		e->fallback = keep(arena, &text, &ok);
		config_value(&s->file_says, &keys[i], &waits);
		config_value(&s->now, &keys[i], &text);
		e->needs_restart =
			keys[i].scope == CONFIG_STATIC && !slice_equal(buf_slice(&text), buf_slice(&waits));
		e->value = keep(arena, &text, &ok);
		if (e->needs_restart)
			e->waits = keep(arena, &waits, &ok);
		buf_clear(&waits);
	}
	pthread_mutex_unlock(&s->mutex);
	ret->count = (uint32_t)count;
	ret->entries = entries;
	ret->file = s->file ? slice_str(s->file) : slice_of(NULL, 0);
	return ok;
}

usec_t settings_drain_us(struct settings *s)
{
	pthread_mutex_lock(&s->mutex);
	usec_t drain_us = s->now.limits_drain_us;
	pthread_mutex_unlock(&s->mutex);
	return drain_us;
}
