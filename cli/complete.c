/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/complete.h"

#include <ctype.h>

#include <kv/admin.h>

#include "base/clock.h"
#include "cli/context.h"

enum { KEYS_MAX = 50, PATIENCE_MS = 1000 };

/** The word being completed. Candidates that do not begin with BEGUN are passed over. */
struct completer {
	struct completions *out;
	const char *begun;
	const struct args *base;
	struct ctl_shared *shared;
	const struct command *command; /* NULL: none yet */
	int count;                     /* of the words behind the command's name, the last is begun */
	char **words;
};

/* ---- Candidates --------------------------------------------------------------------------------------------------- */

static void add_bytes(struct completer *c, struct slice text, const char *help)
{
	struct completions *out = c->out;
	size_t begun = strlen(c->begun);
	if (text.size < begun || memcmp(text.data, c->begun, begun) != 0)
		return;
	if (memchr(text.data, '\0', text.size) || memchr(text.data, '\n', text.size))
		return; /* cannot be typed as a word */
	out->list = xrealloc(out->list, (out->count + 1) * sizeof *out->list);
	char *copy = xmalloc(text.size + 1);
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	out->list[out->count++] = (struct complete_word){copy, help};
}

static void add(struct completer *c, const char *text, const char *help) { add_bytes(c, slice_str(text), help); }

static void add_each(struct completer *c, const char *blank_separated)
{
	for (const char *at = blank_separated; *at;) {
		size_t size = strcspn(at, " ");
		add_bytes(c, slice_of(at, size), "");
		at += size;
		at += strspn(at, " ");
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct complete_word *)a)->text, ((const struct complete_word *)b)->text);
}

static void sort_and_unite(struct completions *out)
{
	size_t kept = 0;
	if (out->count > 0)
		qsort(out->list, out->count, sizeof *out->list, by_text);
	for (size_t i = 0; i < out->count; i++) {
		if (kept > 0 && strcmp(out->list[kept - 1].text, out->list[i].text) == 0)
			free(out->list[i].text);
		else
			out->list[kept++] = out->list[i];
	}
	out->count = kept;
}

void completions_release(struct completions *completions)
{
	for (size_t i = 0; i < completions->count; i++)
		free(completions->list[i].text);
	free(completions->list);
	*completions = (struct completions){0};
}

void completions_common(const struct completions *completions, struct buf *out)
{
	if (completions->count == 0)
		return;
	/* The list is sorted: what its ends have in common all have. */
	const char *first = completions->list[0].text, *last = completions->list[completions->count - 1].text;
	size_t size = 0;
	while (first[size] && first[size] == last[size])
		size++;
	while (size > 0 && ((unsigned char)first[size] & 0xC0) == 0x80)
		size--; /* no half of a letter */
	buf_append(out, first, size);
}

/* ---- From the cluster and the file of contexts -------------------------------------------------------------------- */

/** Opens the client the words say, as far as they say it. */
static bool open_as_typed(struct completer *c, struct ctl *ctl, struct contexts *contexts)
{
	CLEANUP(buf_release) struct buf ignored = BUF_INIT;
	flag_set allowed = c->command->flags;
	*ctl = (struct ctl){.command = c->command, .args = *c->base, .shared = c->shared};
	/* The last word is not finished; the program's place is that of the command's name. */
	CLEANUP(free_ptr) char **words = xcalloc((size_t)c->count + 1, sizeof *words);
	words[0] = (char *)"kvctl";
	for (int i = 0; i + 1 < c->count; i++)
		words[i + 1] = c->words[i];
	(void)!args_parse(&ctl->args, c->count, words, allowed, /* leading: */ false, &ignored);
	bool good = args_environment(&ctl->args, allowed, &ignored) && contexts_load(contexts, NULL) == KV_OK &&
		    contexts_apply(contexts, &ctl->args, allowed, &ignored);
	ctl->args.timeout_ms = PATIENCE_MS;
	return good && ctl_open(ctl, NULL);
}

static void scan_keys(struct completer *c, const struct ctl *ctl)
{
	struct kv_scan_options options = KV_SCAN_OPTIONS_INIT;
	options.bucket = ctl->args.bucket;
	options.prefix = kv_slice_str(c->begun);
	options.timeout_ms = PATIENCE_MS;
	options.page_items = KEYS_MAX;
	usec_t end_us = clock_mono_us() + PATIENCE_MS * USEC_PER_MSEC;
	struct kv_scan *scan;
	struct kv_entry entry;
	if (kv_scan_open(ctl->client, &options, &scan, NULL) != KV_OK)
		return;
	while (c->out->count < KEYS_MAX && clock_mono_us() < end_us && kv_scan_next(scan, &entry, NULL) == KV_OK)
		add_bytes(c, ctl_bytes(entry.key), "");
	kv_scan_close(scan);
}

static void list_nodes(struct completer *c, const struct ctl *ctl)
{
	struct kv_node *nodes;
	size_t count;
	if (kv_nodes(ctl->client, &nodes, &count, NULL) != KV_OK)
		return;
	for (size_t i = 0; i < count; i++) {
		if (nodes[i].state != KV_NODE_REMOVED)
			add(c, nodes[i].name, "");
	}
	kv_nodes_free(nodes);
}

/** Of whichever node answers first. To be set: the live ones alone. */
static void list_settings(struct completer *c, const struct ctl *ctl)
{
	struct kv_node *nodes;
	struct kv_settings *settings = NULL;
	size_t count;
	bool live_only = strcmp(c->command->name, "config set") == 0;
	if (kv_nodes(ctl->client, &nodes, &count, NULL) != KV_OK)
		return;
	for (size_t i = 0; i < count && !settings; i++) {
		if (nodes[i].state != KV_NODE_REMOVED &&
		    kv_settings_get(ctl->client, nodes[i].name, PATIENCE_MS, &settings, NULL) != KV_OK)
			settings = NULL;
	}
	for (size_t i = 0; settings && i < settings->count; i++) {
		const struct kv_setting *s = &settings->settings[i];
		if (!live_only || s->scope == KV_SETTING_LIVE)
			add(c, s->name, "");
	}
	kv_settings_free(settings);
	kv_nodes_free(nodes);
}

static void ask_cluster(struct completer *c, void (*ask)(struct completer *, const struct ctl *))
{
	struct ctl ctl;
	CLEANUP(contexts_release) struct contexts contexts = {0};
	if (flag_set_has(c->command->flags, FLAG_ENDPOINTS) && open_as_typed(c, &ctl, &contexts)) {
		ask(c, &ctl);
		ctl_close(&ctl);
	}
}

static void list_contexts(struct completer *c)
{
	CLEANUP(contexts_release) struct contexts contexts = {0};
	if (contexts_load(&contexts, NULL) != KV_OK)
		return;
	for (unsigned i = 0; i < contexts.count; i++)
		add(c, contexts.list[i].name, "");
	add(c, CONTEXT_DEFAULT, "no context");
}

/* ---- Commands, flags, operands ------------------------------------------------------------------------------------ */

/** The words at place AT of names of commands that begin with the AT words of NOUN. */
static void add_commands(struct completer *c, const char *noun)
{
	size_t count, skip = noun ? strlen(noun) + 1 : 0;
	const struct command *commands = commands_all(&count);
	for (size_t i = 0; i < count; i++) {
		const char *name = commands[i].name;
		if (!*commands[i].group || (noun && (strncmp(name, noun, skip - 1) != 0 || name[skip - 1] != ' ')))
			continue;
		size_t size = strcspn(name + skip, " ");
		bool whole = name[skip + size] == '\0';
		add_bytes(c, slice_of(name + skip, size), whole ? commands[i].summary : "");
	}
}

static void add_flags(struct completer *c, flag_set flags)
{
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		char name[64];
		const struct flag_info *info = flag_info((enum flag)flag);
		snprintf(name, sizeof name, "--%s", info->name);
		if (flag_set_has(flags, (enum flag)flag))
			add(c, name, info->help);
	}
}

static bool is_word(const char *kind, const char *word) { return kind && strcmp(kind, word) == 0; }

/** What a value or operand called KIND in the help may be. */
static void add_kind(struct completer *c, const char *kind)
{
	if (is_word(kind, "KEY") || is_word(kind, "PREFIX"))
		ask_cluster(c, scan_keys);
	else if (is_word(kind, "NODE") || is_word(kind, "OLD"))
		ask_cluster(c, list_nodes);
	else if (is_word(kind, "SETTING"))
		ask_cluster(c, list_settings);
	else if (is_word(kind, "LEVEL") && strncmp(c->command->name, "log ", 4) == 0)
		add_each(c, "debug info warn error");
	else if (is_word(kind, "FILE") || is_word(kind, "PATH") || is_word(kind, "DIR"))
		c->out->files = true;
	else if (is_word(kind, "SHELL"))
		add_each(c, "bash zsh fish");
	else if (is_word(kind, "NAME") && strncmp(c->command->name, "ctx ", 4) == 0)
		list_contexts(c);
}

static void add_value(struct completer *c, enum flag flag)
{
	static const char *const formats[] = {"table", "json", "jsonl", "raw"};
	if (flag == FLAG_OUTPUT) {
		for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
			if (c->command->outputs & 1u << i)
				add(c, formats[i], "");
		}
	} else if (flag_choices(flag)) {
		add_each(c, flag_choices(flag));
	} else if (flag == FLAG_CONTEXT) {
		list_contexts(c);
	} else {
		add_kind(c, flag_info(flag)->value);
	}
}

/** The flag that WORD names with one or two dashes, SIZE bytes of it; FLAG_COUNT: none of the command's. */
static enum flag find_flag(const struct completer *c, const char *word, size_t size)
{
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		const struct flag_info *info = flag_info((enum flag)flag);
		if (!flag_set_has(c->command->flags, (enum flag)flag))
			continue;
		if (size == 2 && word[0] == '-' && info->letter && word[1] == info->letter)
			return (enum flag)flag;
		if (size > 2 && strncmp(word, "--", 2) == 0 && strlen(info->name) == size - 2 &&
		    memcmp(word + 2, info->name, size - 2) == 0)
			return (enum flag)flag;
	}
	return FLAG_COUNT;
}

/** The flag that WORD is and whose value is the next word; FLAG_COUNT: none. */
static enum flag flag_before_value(const struct completer *c, const char *word)
{
	enum flag flag = find_flag(c, word, strlen(word));
	return flag != FLAG_COUNT && flag_info(flag)->value ? flag : FLAG_COUNT;
}

/**
 * What the help calls the operand INDEX: the word in capitals in its place of "KEY [VALUE | -]", where "..." repeats the last
 * one, or all in the last brackets. False: there is no such operand.
 */
static bool operand_kind(const char *operands, size_t index, char ret_kind[16])
{
	char kinds[8][16];
	size_t count = 0, group = 0;
	bool other = false;
	for (const char *at = operands; *at; at++) {
		if (*at == '[')
			group = count;
		other = other || *at == '|';
		size_t size = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		if (size == 0)
			continue;
		if (!other && count < ARRAY_SIZE(kinds) && size < sizeof kinds[0])
			snprintf(kinds[count++], sizeof kinds[0], "%.*s", (int)size, at);
		other = false;
		at += size - 1;
	}
	if (count == 0)
		return false;
	const char *dots = strstr(operands, "...");
	size_t period = dots && dots > operands && dots[-1] == ']' ? count - group : 1;
	while (dots && index >= count)
		index -= period;
	if (index >= count)
		return false;
	memcpy(ret_kind, kinds[index], sizeof kinds[0]);
	return true;
}

/** Operands before the last word. *ret_ended: "--" was among the words, so that flags are none. */
static size_t count_operands(const struct completer *c, bool *ret_ended)
{
	size_t operands = 0;
	*ret_ended = false;
	for (int i = 0; i + 1 < c->count; i++) {
		const char *word = c->words[i];
		if (*ret_ended || word[0] != '-' || !word[1])
			operands++;
		else if (strcmp(word, "--") == 0)
			*ret_ended = true;
		else if (flag_before_value(c, word) != FLAG_COUNT)
			i++;
	}
	return operands;
}

/** "--flag=value", the value being begun: candidates have the flag before them. */
static bool complete_joined(struct completer *c)
{
	const char *equals = strncmp(c->begun, "--", 2) == 0 ? strchr(c->begun, '=') : NULL;
	enum flag flag = equals ? find_flag(c, c->begun, (size_t)(equals - c->begun)) : FLAG_COUNT;
	if (flag == FLAG_COUNT || !flag_info(flag)->value)
		return false;
	const char *whole = c->begun;
	size_t had = c->out->count;
	c->begun = equals + 1;
	add_value(c, flag);
	c->out->files = false;
	for (size_t i = had; i < c->out->count; i++) {
		CLEANUP(buf_release) struct buf text = BUF_INIT;
		buf_append(&text, whole, (size_t)(equals + 1 - whole));
		buf_append_str(&text, c->out->list[i].text);
		free(c->out->list[i].text);
		c->out->list[i].text = xstrdup(buf_cstr(&text));
	}
	return true;
}

static void complete_behind_command(struct completer *c)
{
	bool ended;
	size_t operands = count_operands(c, &ended);
	enum flag before = c->count > 1 && !ended ? flag_before_value(c, c->words[c->count - 2]) : FLAG_COUNT;
	char kind[16];
	if (before != FLAG_COUNT)
		add_value(c, before);
	else if (!ended && c->begun[0] == '-' && !complete_joined(c))
		add_flags(c, c->command->flags | FLAG_BIT(FLAG_HELP));
	else if ((ended || c->begun[0] != '-') && operand_kind(c->command->operands, operands, kind))
		add_kind(c, kind);
}

/** The flag that WORD is, whatever the command, and that takes a value; FLAG_COUNT: none. */
static enum flag valued_flag(const char *word)
{
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		const struct flag_info *info = flag_info((enum flag)flag);
		bool is_short = word[0] == '-' && info->letter && word[1] == info->letter && !word[2];
		if (info->value && (is_short || (strncmp(word, "--", 2) == 0 && strcmp(word + 2, info->name) == 0)))
			return (enum flag)flag;
	}
	return FLAG_COUNT;
}

/** Words before the command are flags that all data commands share. Gives the index of the command's first word. */
static int skip_leading(int count, char **words)
{
	int i = 0;
	while (i + 1 < count && words[i][0] == '-')
		i += valued_flag(words[i]) != FLAG_COUNT ? 2 : 1;
	return i;
}

void complete_words(struct completions *ret, const struct args *base, struct ctl_shared *shared, int count,
		    char **words)
{
	KV_ASSERT(count > 0);
	CLEANUP(buf_release) struct buf ignored = BUF_INIT;
	*ret = (struct completions){0};
	struct completer c = {.out = ret, .begun = words[count - 1], .base = base, .shared = shared};
	int first = skip_leading(count, words), taken = 0;
	bool help = first + 1 < count && strcmp(words[first], "help") == 0;
	if (help)
		first++;
	int behind = count - first; /* 0: the last word is a flag's value */
	c.command = behind > 1 ? commands_find(behind - 1, words + first, &taken, &ignored) : NULL;
	if (c.command && !help) {
		c.count = behind - taken;
		c.words = words + first + taken;
		complete_behind_command(&c);
	} else if (behind == 2) {
		add_commands(&c, words[first]);
	} else if (behind == 1 && c.begun[0] != '-') {
		add_commands(&c, NULL);
		add(&c, "help", "tell more about a command");
	} else if (behind == 0 && flag_choices(valued_flag(words[count - 2]))) {
		add_each(&c, flag_choices(valued_flag(words[count - 2])));
	} else if (behind == 1) {
		add_flags(&c, FLAG_BIT(FLAG_HELP) | FLAG_BIT(FLAG_VERSION));
	}
	sort_and_unite(ret);
}
