/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/context.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/text.h"
#include "cli/user_dir.h"

enum { FILE_SIZE_MAX = 1 << 20, TEXT_SIZE_MAX = 4096 };

/* ---- The file ----------------------------------------------------------------------------------------------------- */

static const cyaml_schema_field_t context_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct context, name, 1, 64),
	CYAML_FIELD_STRING_PTR("endpoints", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct context, endpoints, 0,
			       TEXT_SIZE_MAX),
	CYAML_FIELD_STRING_PTR("zone", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct context, zone, 0, 64),
	CYAML_FIELD_STRING_PTR("consistency", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct context, consistency,
			       0, 64),
	CYAML_FIELD_STRING_PTR("timeout", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct context, timeout, 0, 64),
	CYAML_FIELD_STRING_PTR("output", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct context, output, 0, 64),
	CYAML_FIELD_END};

static const cyaml_schema_value_t context_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct context, context_fields)};

static const cyaml_schema_field_t file_fields[] = {
	CYAML_FIELD_STRING_PTR("current", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct contexts, current, 0,
			       64),
	CYAML_FIELD_SEQUENCE_COUNT("contexts", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct contexts, list,
				   count, &context_entry, 0, CONTEXTS_MAX),
	CYAML_FIELD_END};

static const cyaml_schema_value_t file_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct contexts, file_fields)};

/** libcyaml speaks in log lines: the first names the mistake, the first with a line the place. */
struct mistake {
	char text[160];
	unsigned line;
};

static void on_cyaml_log(cyaml_log_t level, void *data, const char *format, va_list arguments)
{
	struct mistake *mistake = data;
	char line[160];
	(void)level;
	vsnprintf(line, sizeof line, format, arguments);
	line[strcspn(line, "\n")] = '\0';
	const char *place = strstr(line, "line: ");
	if (!mistake->text[0])
		memcpy(mistake->text, line, sizeof line);
	if (place && mistake->line == 0)
		mistake->line = (unsigned)strtoul(place + strlen("line: "), NULL, 10);
}

static cyaml_config_t cyaml_settings(struct mistake *mistake)
{
	return (cyaml_config_t){.log_fn = on_cyaml_log,
				.log_ctx = mistake,
				.mem_fn = cyaml_mem,
				.log_level = CYAML_LOG_ERROR,
				.flags = CYAML_CFG_NO_ALIAS};
}

static enum kv_status io_error(struct error *err, const char *path)
{
	return error_set(err, KV_IO, "%s: %s", path, strerror(errno));
}

static enum kv_status directory_path(struct buf *out, struct error *err)
{
	if (user_dir("XDG_CONFIG_HOME", ".config", out))
		return KV_OK;
	return error_set(err, KV_IO, "contexts are kept in the home directory, and HOME is not set");
}

static enum kv_status read_file(const char *path, struct buf *out, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? KV_OK : io_error(err, path);
	ssize_t got;
	do {
		uint8_t *at = buf_extend(out, 4096);
		got = read(fd, at, 4096);
		out->size -= 4096 - (size_t)MAX(got, (ssize_t)0);
	} while (got > 0 && out->size <= FILE_SIZE_MAX);
	enum kv_status status = got < 0 ? io_error(err, path) : KV_OK;
	close(fd);
	if (status == KV_OK && out->size > FILE_SIZE_MAX)
		status = error_set(err, KV_INVALID, "%s: larger than contexts can be", path);
	return status;
}

/** Nothing but blank lines and comments: libcyaml refuses a text without a document. */
static bool is_blank(struct slice text)
{
	bool comment = false;
	for (size_t i = 0; i < text.size; i++) {
		char c = ((const char *)text.data)[i];
		if (c == '\n')
			comment = false;
		else if (c == '#')
			comment = true;
		else if (!comment && c != ' ' && c != '\t' && c != '\r')
			return false;
	}
	return true;
}

static enum kv_status check_names(const struct contexts *c, const char *path, struct error *err)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (!context_name_is_good(c->list[i].name))
			return error_set(err, KV_INVALID, "%s: \"%.64s\" is no name of a context", path,
					 c->list[i].name);
		if (contexts_find(c, c->list[i].name) != &c->list[i])
			return error_set(err, KV_INVALID, "%s: there are two contexts \"%.64s\"", path,
					 c->list[i].name);
	}
	return KV_OK;
}

enum kv_status contexts_load(struct contexts *ret, struct error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	*ret = (struct contexts){0};
	if (!user_dir("XDG_CONFIG_HOME", ".config", &path))
		return KV_OK;
	buf_append_str(&path, "/config.yaml");
	enum kv_status status = read_file(buf_cstr(&path), &text, err);
	if (status != KV_OK || is_blank(buf_slice(&text)))
		return status;
	struct mistake mistake = {0};
	cyaml_config_t settings = cyaml_settings(&mistake);
	struct contexts *loaded = NULL;
	cyaml_err_t failed =
		cyaml_load_data(text.data, text.size, &settings, &file_schema, (cyaml_data_t **)&loaded, NULL);
	if (failed != CYAML_OK)
		return error_set(err, KV_INVALID, "%s:%u: %s", buf_cstr(&path), MAX(mistake.line, 1u),
				 mistake.text[0] ? mistake.text : cyaml_strerror(failed));
	*ret = *loaded;
	free(loaded); /* cyaml_mem is realloc */
	status = check_names(ret, buf_cstr(&path), err);
	if (status != KV_OK)
		contexts_release(ret);
	return status;
}

/** Writes beside the file and puts it in its place. */
static enum kv_status replace_file(const char *path, const char *text, size_t size, struct error *err)
{
	CLEANUP(buf_release) struct buf beside = BUF_INIT;
	buf_printf(&beside, "%s.%ld", path, (long)getpid());
	int fd = open(buf_cstr(&beside), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return io_error(err, buf_cstr(&beside));
	ssize_t put = write(fd, text, size);
	bool good = put == (ssize_t)size && fsync(fd) == 0;
	if (!good && put >= 0 && (size_t)put < size)
		errno = ENOSPC;
	enum kv_status status = good ? KV_OK : io_error(err, path);
	close(fd);
	if (status == KV_OK && rename(buf_cstr(&beside), path) != 0)
		status = io_error(err, path);
	if (status != KV_OK)
		unlink(buf_cstr(&beside));
	return status;
}

enum kv_status contexts_save(const struct contexts *contexts, struct error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	enum kv_status status = directory_path(&path, err);
	if (status == KV_OK)
		status = user_dir_make(buf_cstr(&path), err);
	if (status != KV_OK)
		return status;
	buf_append_str(&path, "/config.yaml");
	struct mistake mistake = {0};
	cyaml_config_t settings = cyaml_settings(&mistake);
	char *text = NULL;
	size_t size = 0;
	cyaml_err_t failed = cyaml_save_data(&text, &size, &settings, &file_schema, contexts, 0);
	if (failed != CYAML_OK)
		return error_set(err, KV_IO, "%s: %s", buf_cstr(&path),
				 mistake.text[0] ? mistake.text : cyaml_strerror(failed));
	status = replace_file(buf_cstr(&path), text, size, err);
	free(text);
	return status;
}

/* ---- The list ----------------------------------------------------------------------------------------------------- */

char **context_text(struct context *context, enum flag flag)
{
	switch ((int)flag) {
	case FLAG_ENDPOINTS:
		return &context->endpoints;
	case FLAG_ZONE:
		return &context->zone;
	case FLAG_CONSISTENCY:
		return &context->consistency;
	case FLAG_TIMEOUT:
		return &context->timeout;
	case FLAG_OUTPUT:
		return &context->output;
	default:
		KV_UNREACHABLE("no flag of a context");
	}
}

static void context_release(struct context *c)
{
	free(c->name);
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (flag_set_has(CONTEXT_FLAGS, (enum flag)flag))
			free(*context_text(c, (enum flag)flag));
	}
	*c = (struct context){0};
}

void contexts_release(struct contexts *contexts)
{
	for (unsigned i = 0; i < contexts->count; i++)
		context_release(&contexts->list[i]);
	free(contexts->list);
	free(contexts->current);
	*contexts = (struct contexts){0};
}

struct context *contexts_find(const struct contexts *contexts, const char *name)
{
	for (unsigned i = 0; i < contexts->count; i++) {
		if (strcmp(contexts->list[i].name, name) == 0)
			return &contexts->list[i];
	}
	return NULL;
}

struct context *contexts_add(struct contexts *contexts, const char *name)
{
	KV_ASSERT(context_name_is_good(name));
	KV_ASSERT(!contexts_find(contexts, name));
	contexts->list = xrealloc(contexts->list, (contexts->count + 1) * sizeof *contexts->list);
	struct context *added = &contexts->list[contexts->count++];
	*added = (struct context){.name = xstrdup(name)};
	return added;
}

void contexts_remove(struct contexts *contexts, struct context *context)
{
	size_t index = (size_t)(context - contexts->list);
	KV_ASSERT(index < contexts->count);
	if (contexts->current && strcmp(contexts->current, context->name) == 0)
		free(TAKE_PTR(contexts->current));
	context_release(context);
	memmove(context, context + 1, (contexts->count - index - 1) * sizeof *context);
	contexts->count--;
}

bool context_name_is_good(const char *name)
{
	size_t size = strlen(name);
	return size >= 1 && size <= 64 && strcmp(name, CONTEXT_DEFAULT) != 0 &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == size;
}

static bool apply_texts(struct context *context, struct args *args, flag_set allowed, struct buf *why)
{
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		if (!flag_set_has(allowed & CONTEXT_FLAGS & ~args->given, (enum flag)flag))
			continue;
		const char *text = *context_text(context, (enum flag)flag);
		if (!text || !*text)
			continue;
		const char *mistake = args_default(args, (enum flag)flag, text);
		if (mistake) {
			buf_printf(why, "context \"%s\", %s %s: %s", context->name,
				   flag_info((enum flag)flag)->name, text, mistake);
			return false;
		}
	}
	return true;
}

bool contexts_apply(struct contexts *contexts, struct args *args, flag_set allowed, struct buf *why)
{
	const char *name = args->context ? args->context : contexts->current;
	if (!name || !*name || strcmp(name, CONTEXT_DEFAULT) == 0)
		return true;
	struct context *context = contexts_find(contexts, name);
	if (context)
		return apply_texts(context, args, allowed, why);
	CLEANUP(free_ptr) const char **names = xcalloc(contexts->count + 1, sizeof *names);
	for (unsigned i = 0; i < contexts->count; i++)
		names[i] = contexts->list[i].name;
	const char *nearest = text_nearest(name, names, contexts->count);
	buf_printf(why, "there is no context \"%s\"%s; kvctl ctx ls shows them", name,
		   args->context ? "" : ", though it is the current one");
	if (nearest)
		buf_printf(why, "; did you mean \"%s\"?", nearest);
	return false;
}
