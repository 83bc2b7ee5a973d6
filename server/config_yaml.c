/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config_yaml.h"

#include <cyaml/cyaml.h>
#include <yaml.h>

enum { TEXT_SIZE_MAX = 4096, SECTIONS_MAX = 16, MISTAKES_MAX = 20 };

struct walk {
	const char *file;
	const struct config_key *keys;
	size_t count;
	struct config_text *texts;
	struct buf *why;
	yaml_parser_t parser;
	unsigned mistakes; /* told so far; the reading goes on to find the others */
	size_t section_lines
		[CONFIG_KEYS_MAX]; /* where the section of each key began, at the place of its first key; 0: not yet */
};

/** Of what makes it impossible to read on. */
static enum kv_status refuse(struct walk *w, size_t line)
{
	buf_printf(w->why, "%s:%zu: ", w->file, line);
	return KV_INVALID;
}

/** Of what does not: the caller goes on behind it. */
static void note(struct walk *w, size_t line)
{
	buf_printf(w->why, "%s:%zu: ", w->file, line);
	w->mistakes++;
}

unsigned config_distance(const char *a, const char *b)
{
	enum { LONGEST = 64 };
	size_t a_size = strlen(a), b_size = strlen(b);
	if (a_size >= LONGEST || b_size >= LONGEST)
		return LONGEST;
	unsigned row[LONGEST];
	for (unsigned j = 0; j <= b_size; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_size; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b_size; j++) {
			unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[b_size];
}

/** The words that may stand where NAME stands: sections and bare keys at the top, keys inside a section. */
static const char *word_at(const struct walk *w, const char *section, size_t i)
{
	const struct config_key *key = &w->keys[i];
	if (section)
		return strcmp(key->section, section) == 0 ? key->name : NULL;
	if (key->section[0] == '\0')
		return key->name;
	return i > 0 && strcmp(w->keys[i - 1].section, key->section) == 0 ? NULL : key->section;
}

static void note_word(struct walk *w, const char *section, const char *word, size_t line)
{
	note(w, line);
	buf_printf(w->why, "unknown key \"%.40s\"%s%s; ", word, section ? " in section " : "",
		   section ? section : "");
	const char *nearest = NULL;
	for (size_t i = 0; i < w->count; i++) {
		const char *allowed = word_at(w, section, i);
		if (allowed && config_distance(word, allowed) <= 2 &&
		    (!nearest || config_distance(word, allowed) < config_distance(word, nearest)))
			nearest = allowed;
	}
	if (nearest)
		buf_printf(w->why, "did you mean \"%s\"? ", nearest);
	buf_append_str(w->why, "allowed here:");
	for (size_t i = 0; i < w->count; i++) {
		if (word_at(w, section, i))
			buf_printf(w->why, " %s", word_at(w, section, i));
	}
	buf_append_str(w->why, "\n");
}

static enum kv_status next(struct walk *w, yaml_event_t *ret)
{
	if (yaml_parser_parse(&w->parser, ret)) {
		if (ret->type != YAML_ALIAS_EVENT)
			return KV_OK;
		enum kv_status status = refuse(w, ret->start_mark.line + 1);
		buf_append_str(w->why, "aliases are not allowed; write the value out\n");
		yaml_event_delete(ret);
		return status;
	}
	enum kv_status status = refuse(w, w->parser.problem_mark.line + 1);
	buf_printf(w->why, "not YAML: %s\n", w->parser.problem ? w->parser.problem : "unreadable");
	return status;
}

/** Passes over what began with an event of that type. */
static enum kv_status pass_over(struct walk *w, yaml_event_type_t type)
{
	int depth = 0;
	for (;;) {
		bool begins = type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
		bool ends = type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT;
		depth += begins - ends;
		if (depth <= 0)
			return KV_OK;
		yaml_event_t event;
		enum kv_status status = next(w, &event);
		if (status != KV_OK)
			return status;
		type = event.type;
		yaml_event_delete(&event);
	}
}

/** Reads the value of a key, which must be one scalar. */
static enum kv_status walk_value(struct walk *w, size_t index, size_t line)
{
	yaml_event_t event;
	enum kv_status status = next(w, &event);
	if (status != KV_OK)
		return status;
	bool scalar = event.type == YAML_SCALAR_EVENT;
	bool empty = scalar && event.data.scalar.length == 0 && event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	bool has_nul = scalar && memchr(event.data.scalar.value, 0, event.data.scalar.length);
	yaml_event_type_t type = event.type;
	yaml_event_delete(&event);
	struct config_text *text = &w->texts[index];
	if (!scalar || empty || has_nul) {
		note(w, line);
		buf_printf(w->why, "%s needs one value\n", w->keys[index].name);
	} else if (text->line) {
		note(w, line);
		buf_printf(w->why, "%s is given twice, first in line %u\n", w->keys[index].name, text->line);
	}
	text->line = (unsigned)line;
	return pass_over(w, type);
}

static enum kv_status walk_mapping(struct walk *w, const char *section);

/** FIRST: the place of the section's first key. */
static enum kv_status walk_section(struct walk *w, size_t first, size_t line)
{
	const char *section = w->keys[first].section;
	yaml_event_t event;
	enum kv_status status = next(w, &event);
	if (status != KV_OK)
		return status;
	yaml_event_type_t type = event.type;
	yaml_event_delete(&event);
	if (w->section_lines[first] != 0) {
		note(w, line);
		buf_printf(w->why, "section %s is given twice, first in line %zu; put its keys together\n", section,
			   w->section_lines[first]);
		return pass_over(w, type);
	}
	w->section_lines[first] = line;
	if (type == YAML_MAPPING_START_EVENT)
		return walk_mapping(w, section);
	note(w, line);
	buf_printf(w->why, "%s is a section: its keys stand indented below it, or as {key: value}\n", section);
	return pass_over(w, type);
}

static enum kv_status walk_key(struct walk *w, const char *section, const char *word, size_t line)
{
	for (size_t i = 0; i < w->count; i++) {
		const char *allowed = word_at(w, section, i);
		if (!allowed || strcmp(allowed, word) != 0)
			continue;
		bool is_section = !section && w->keys[i].section[0] != '\0';
		return is_section ? walk_section(w, i, line) : walk_value(w, i, line);
	}
	note_word(w, section, word, line);
	yaml_event_t event;
	enum kv_status status = next(w, &event);
	if (status != KV_OK)
		return status;
	yaml_event_type_t type = event.type;
	yaml_event_delete(&event);
	return pass_over(w, type);
}

/** The start of the mapping has been read; reads to its end. Two levels deep at most. */
static enum kv_status walk_mapping(struct walk *w, const char *section)
{
	for (;;) {
		yaml_event_t event;
		enum kv_status status = next(w, &event);
		if (status != KV_OK)
			return status;
		size_t line = event.start_mark.line + 1;
		bool end = event.type == YAML_MAPPING_END_EVENT;
		char word[64] = "";
		if (event.type == YAML_SCALAR_EVENT)
			snprintf(word, sizeof word, "%s", (const char *)event.data.scalar.value);
		yaml_event_delete(&event);
		if (end)
			return KV_OK;
		if (w->mistakes >= MISTAKES_MAX) {
			status = refuse(w, line);
			buf_append_str(
				w->why,
				"so many mistakes that the rest is not looked at; is this a configuration of kvd?\n");
			return status;
		}
		status = walk_key(w, section, word, line);
		if (status != KV_OK)
			return status;
	}
}

static enum kv_status walk_document(struct walk *w)
{
	for (;;) {
		yaml_event_t event;
		enum kv_status status = next(w, &event);
		if (status != KV_OK)
			return status;
		yaml_event_type_t type = event.type;
		size_t line = event.start_mark.line + 1;
		yaml_event_delete(&event);
		if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT)
			continue;
		if (type == YAML_STREAM_END_EVENT)
			return KV_NOT_FOUND; /* nothing but comments */
		if (type == YAML_MAPPING_START_EVENT)
			return walk_mapping(w, NULL);
		status = refuse(w, line);
		buf_append_str(w->why, "the file is a mapping of sections, like node: {data_dir: /var/lib/kvd}\n");
		return status;
	}
}

struct cyaml_report {
	char message[160];
	unsigned line;
};

/** libcyaml speaks in log lines: the first names the mistake, the first of the backtrace the place. */
static void on_cyaml_log(cyaml_log_t level, void *data, const char *format, va_list args)
{
	struct cyaml_report *report = data;
	char line[160];
	vsnprintf(line, sizeof line, format, args);
	line[strcspn(line, "\n")] = '\0';
	const char *place = strstr(line, "(line: ");
	if (!report->message[0])
		memcpy(report->message, line, sizeof line);
	else if (place && report->line == 0)
		report->line = (unsigned)strtoul(place + strlen("(line: "), NULL, 10);
}

/** The schema libcyaml loads by, built from the keys: an array of texts, one a key, sections being runs of it. */
struct schema {
	cyaml_schema_field_t fields[CONFIG_KEYS_MAX + SECTIONS_MAX]; /* of sections, each run ended */
	cyaml_schema_field_t top[CONFIG_KEYS_MAX + SECTIONS_MAX + 1];
	cyaml_schema_value_t root;
};

static cyaml_schema_field_t scalar_field(const char *name, size_t slot)
{
	return (cyaml_schema_field_t){.key = name,
				      .data_offset = (uint32_t)(slot * sizeof(char *)),
				      .value = {.type = CYAML_STRING,
						.flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
						.data_size = sizeof(char),
						.string = {.min = 0, .max = TEXT_SIZE_MAX}}};
}

static void schema_build(struct schema *s, const struct config_key *keys, size_t count)
{
	*s = (struct schema){0};
	size_t fields = 0, top = 0;
	for (size_t i = 0; i < count;) {
		const char *section = keys[i].section;
		if (section[0] == '\0') {
			s->top[top++] = scalar_field(keys[i].name, i);
			i++;
			continue;
		}
		size_t first = i;
		cyaml_schema_field_t *run = &s->fields[fields];
		for (; i < count && strcmp(keys[i].section, section) == 0; i++)
			s->fields[fields++] = scalar_field(keys[i].name, i - first);
		fields++; /* the zeroed end mark */
		s->top[top++] =
			(cyaml_schema_field_t){.key = section,
					       .data_offset = (uint32_t)(first * sizeof(char *)),
					       .value = {.type = CYAML_MAPPING,
							 .flags = CYAML_FLAG_OPTIONAL,
							 .data_size = (uint32_t)((i - first) * sizeof(char *)),
							 .mapping = {.fields = run}}};
	}
	s->root = (cyaml_schema_value_t){.type = CYAML_MAPPING,
					 .flags = CYAML_FLAG_POINTER,
					 .data_size = (uint32_t)(count * sizeof(char *)),
					 .mapping = {.fields = s->top}};
}

static enum kv_status load_values(struct walk *w, struct slice yaml)
{
	struct schema schema;
	schema_build(&schema, w->keys, w->count);
	struct cyaml_report report = {0};
	cyaml_config_t config = {.log_fn = on_cyaml_log,
				 .log_ctx = &report,
				 .mem_fn = cyaml_mem,
				 .log_level = CYAML_LOG_ERROR,
				 .flags = CYAML_CFG_NO_ALIAS};
	char **values = NULL;
	cyaml_err_t failed =
		cyaml_load_data(yaml.data, yaml.size, &config, &schema.root, (cyaml_data_t **)&values, NULL);
	if (failed != CYAML_OK) {
		enum kv_status status = refuse(w, report.line);
		buf_printf(w->why, "%s\n", report.message[0] ? report.message : cyaml_strerror(failed));
		return status;
	}
	for (size_t i = 0; i < w->count; i++) {
		if (values[i])
			w->texts[i].value = xstrdup(values[i]);
	}
	cyaml_free(&config, &schema.root, values, 0);
	return KV_OK;
}

enum kv_status config_yaml_parse(struct slice yaml, const char *file, const struct config_key *keys, size_t count,
				 struct config_text *ret, struct buf *why)
{
	KV_ASSERT(count <= CONFIG_KEYS_MAX);
	if (yaml.size == 0)
		return KV_OK; /* libyaml takes no absent text */
	struct walk w = {.file = file, .keys = keys, .count = count, .texts = ret, .why = why};
	if (!yaml_parser_initialize(&w.parser))
		return KV_OVERLOADED;
	yaml_parser_set_input_string(&w.parser, yaml.data, yaml.size);
	enum kv_status status = walk_document(&w);
	yaml_parser_delete(&w.parser);
	if (status == KV_NOT_FOUND)
		return KV_OK;
	/* The walk gave every mistake its exact line; libcyaml loads the values by the schema. */
	if (status == KV_OK && w.mistakes > 0)
		status = KV_INVALID;
	return status == KV_OK ? load_values(&w, yaml) : status;
}

void config_yaml_release(struct config_text *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(texts[i].value);
		texts[i] = (struct config_text){0};
	}
}
