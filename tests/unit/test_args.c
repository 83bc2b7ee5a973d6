/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/man.h"

#define ALL (FLAG_BIT(FLAG_COUNT) - 1)

/** A command line, cut at its spaces. */
struct line {
	char text[256];
	char *words[24];
	int count;
};

static void line_cut(struct line *line, const char *text)
{
	line->count = 0;
	snprintf(line->text, sizeof line->text, "%s", text);
	for (char *at = line->text; *at;) {
		line->words[line->count++] = at;
		at += strcspn(at, " ");
		if (*at)
			*at++ = '\0';
	}
	line->words[line->count] = NULL;
}

/** Parses TEXT, which begins with the program. Gives the index of the first operand, or 0 and the mistake in WHY. */
static int parse(struct line *line, const char *text, struct args *args, flag_set allowed, bool leading,
		 struct buf *why)
{
	line_cut(line, text);
	args_init(args);
	return args_parse(args, line->count, line->words, allowed, leading, why);
}

static const struct command *find(const char *text, int *ret_words, struct buf *why)
{
	struct line line;
	line_cut(&line, text);
	return commands_find(line.count, line.words, ret_words, why);
}

static void flags_may_stand_anywhere(void **state)
{
	(void)state;
	struct line line;
	struct args args;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	int first = parse(&line, "kvctl key -o json value --timeout=5s -c strong --ttl 1m --acks all --bucket 9",
			  &args, ALL, false, &why);
	assert_int_equal(first, line.count - 2);
	assert_string_equal(line.words[first], "key");
	assert_string_equal(line.words[first + 1], "value");
	assert_int_equal(args.output, OUTPUT_JSON);
	assert_int_equal(args.timeout_ms, 5000);
	assert_int_equal(args.level, KV_LEVEL_STRONG);
	assert_int_equal(args.ttl_ms, 60000);
	assert_int_equal(args.acks, KV_ACKS_ALL);
	assert_int_equal(args.bucket, 9);
	assert_true(args_typed(&args, FLAG_TTL));
	assert_false(args_given(&args, FLAG_RECEIPT));
}

static void levels_and_conditions_are_read(void **state)
{
	(void)state;
	struct line line;
	struct args args;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	int first = parse(&line,
			  "kvctl key -c bounded=2s --if-version 0192f3c4a5b60001-ffff000000000007 --fence 9 "
			  "--if-hash 2d06800538d394c2",
			  &args, ALL, false, &why);
	assert_int_equal(first, line.count - 1);
	assert_int_equal(args.level, KV_LEVEL_BOUNDED);
	assert_int_equal(args.staleness_ms, 2000);
	assert_true(args.if_version.id == 0xffff000000000007);
	assert_int_equal(args.fence, 9);
	assert_true(args.if_hash == kv_hash(kv_slice_str("")));
	assert_int_not_equal(parse(&line, "kvctl -c session --if-value -5 --write incr", &args, ALL, false, &why),
			     0);
	assert_int_equal(args.level, KV_LEVEL_SESSION);
	assert_string_equal(args.if_value, "-5");
	assert_true(args.if_hash == kv_hash(kv_slice_str("-5")));
	assert_int_equal(args.write, WRITE_INCR);
}

static void negative_numbers_are_operands(void **state)
{
	(void)state;
	struct line line;
	struct args args;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	int first = parse(&line, "kvctl -15 key -o json -7 -- -8 -o", &args, ALL, false, &why);
	assert_int_equal(first, line.count - 5);
	assert_string_equal(line.words[first], "-15");
	assert_string_equal(line.words[first + 1], "key");
	assert_string_equal(line.words[first + 2], "-7");
	assert_string_equal(line.words[first + 3], "-8");
	assert_string_equal(line.words[first + 4], "-o");
	assert_int_equal(args.output, OUTPUT_JSON);
	assert_int_equal(parse(&line, "kvctl key -5x", &args, ALL, false, &why), 0);
}

static void leading_flags_end_at_the_command(void **state)
{
	(void)state;
	struct line line;
	struct args args;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse(&line, "kvctl -o raw get --nonsense", &args, ALL, true, &why), 3);
	assert_int_equal(args.output, OUTPUT_RAW);
}

static void mistakes_are_explained(void **state)
{
	(void)state;
	static const struct {
		const char *line, *says;
	} bad[] = {
		{"kvctl --tiemout 1s", "did you mean --timeout?"},
		{"kvctl --tiemout=1s x", "did you mean --timeout?"},
		{"kvctl -x x", "unknown flag -x"},
		{"kvctl x --timeout", "--timeout needs a value"},
		{"kvctl x -o", "-o needs a value"},
		{"kvctl --receipt=x x", "--receipt takes no value"},
		{"kvctl --timeout 5", "1ms to 60s"},
		{"kvctl --timeout 61s", "1ms to 60s"},
		{"kvctl -o yaml", "table, json, jsonl, raw"},
		{"kvctl -c bounded", "like bounded=2s"},
		{"kvctl -c bounded=2", "1ms to 1h"},
		{"kvctl -c bounded=2h", "1ms to 1h"},
		{"kvctl -c quorum", "allowed are strong, session, bounded=TIME and eventual"},
		{"kvctl --if-version 7", "write a version"},
		{"kvctl --if-hash xyz", "hexadecimal"},
		{"kvctl --if-hash 00112233445566778", "up to 16"},
		{"kvctl --fence 0", "above 0"},
		{"kvctl --fence -5", "above 0"},
		{"kvctl --session-file=", "write a path"},
		{"kvctl --write del", "put, cas, incr, append"},
		{"kvctl --acks 2", "1, majority, all"},
		{"kvctl --ttl 0s", "30s"},
		{"kvctl --ratio 1", "1:4"},
		{"kvctl --ratio 0:0", "not both 0"},
		{"kvctl --partitions 15", "power of two"},
		{"kvctl --size 17MiB", "16MiB"},
		{"kvctl --format csv", "jsonl and tsv"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct line line;
		struct args args;
		CLEANUP(buf_release) struct buf why = BUF_INIT;
		assert_int_equal(parse(&line, bad[i].line, &args, ALL, false, &why), 0);
		if (!strstr(buf_cstr(&why), bad[i].says))
			fail_msg("%s: %s", bad[i].line, buf_cstr(&why));
	}
}

static void a_command_takes_only_its_own_flags(void **state)
{
	(void)state;
	struct line line;
	struct args args;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	assert_int_equal(parse(&line, "kvctl --ttl 1s", &args, FLAG_BIT(FLAG_TIMEOUT), false, &why), 0);
	assert_string_equal(buf_cstr(&why), "unknown flag --ttl");
}

static void the_environment_gives_way_to_the_command_line(void **state)
{
	(void)state;
	struct line line;
	struct args args;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	setenv("KVCTL_OUTPUT", "json", 1);
	setenv("KVCTL_TIMEOUT", "7s", 1);
	setenv("KVCTL_ACKS", "", 1);
	setenv("KVCTL_TTL", "1s", 1);
	assert_int_equal(parse(&line, "kvctl -o raw", &args, ALL, false, &why), 3);
	assert_true(args_environment(&args, ALL, &why));
	assert_int_equal(args.output, OUTPUT_RAW);
	assert_int_equal(args.timeout_ms, 7000);
	assert_true(args_given(&args, FLAG_TIMEOUT));
	assert_false(args_typed(&args, FLAG_TIMEOUT));
	assert_false(args_given(&args, FLAG_ACKS));
	assert_int_equal(args.ttl_ms, 0);
	setenv("KVCTL_TIMEOUT", "soon", 1);
	args_init(&args);
	assert_false(args_environment(&args, ALL, &why));
	assert_non_null(strstr(buf_cstr(&why), "KVCTL_TIMEOUT=soon"));
	unsetenv("KVCTL_OUTPUT");
	unsetenv("KVCTL_TIMEOUT");
	unsetenv("KVCTL_ACKS");
	unsetenv("KVCTL_TTL");
}

/* There are more flags than bits in a word of 64. */
static void a_set_of_flags_holds_all_of_them(void **state)
{
	(void)state;
	flag_set set = 0;
	for (int flag = 0; flag <= FLAG_COUNT; flag++) {
		assert_false(flag_set_has(set, (enum flag)flag));
		set |= FLAG_BIT(flag);
		assert_true(flag_set_has(set, (enum flag)flag));
	}
	assert_true(set == ALL + FLAG_BIT(FLAG_COUNT));
	assert_true(flag_set_has(FLAG_BIT(100), (enum flag)100));
	assert_false(flag_set_has(FLAG_BIT(100), (enum flag)36));
}

static void commands_have_one_or_two_words(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	int words;
	assert_string_equal(find("get k", &words, &why)->name, "get");
	assert_int_equal(words, 1);
	assert_string_equal(find("partition locate k", &words, &why)->name, "partition locate");
	assert_int_equal(words, 2);
	assert_null(find("dev", &words, &why));
	assert_non_null(strstr(buf_cstr(&why), "dev up, dev down"));
	buf_clear(&why);
	assert_null(find("laod", &words, &why));
	assert_string_equal(buf_cstr(&why), "unknown command \"laod\"; did you mean \"load\"?");
	buf_clear(&why);
	assert_null(find("node drain", &words, &why));
	assert_non_null(strstr(buf_cstr(&why), "SIGTERM"));
	buf_clear(&why);
	assert_null(find("backup", &words, &why));
	assert_string_equal(
		buf_cstr(&why),
		"no command \"backup\": there are no backups by kvctl; docs/operating.md says how to copy a node, "
		"kvctl export writes all values");
}

static void every_command_can_write_its_own_format(void **state)
{
	(void)state;
	size_t count;
	const struct command *commands = commands_all(&count);
	for (size_t i = 0; i < count; i++) {
		bool has_flag = flag_set_has(commands[i].flags, FLAG_OUTPUT);
		assert_true(has_flag == (commands[i].outputs != 0));
		assert_true(!has_flag || (commands[i].outputs & commands[i].output));
		CLEANUP(buf_release) struct buf help = BUF_INIT;
		command_help(&commands[i], &help);
		for (const char *line = buf_cstr(&help); *line; line += strcspn(line, "\n") + 1)
			assert_in_range(strcspn(line, "\n"), 0, 116);
	}
}

static void every_listed_command_has_a_manual_page(void **state)
{
	(void)state;
	size_t count;
	const struct command *commands = commands_all(&count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_release) struct buf page = BUF_INIT;
		CLEANUP(buf_release) struct buf heading = BUF_INIT;
		if (!*commands[i].group)
			continue;
		assert_non_null(man_page_of(commands[i].group));
		assert_true(man_page(man_page_of(commands[i].group), &page));
		buf_printf(&heading, "## kvctl %s\n", commands[i].name);
		assert_non_null(strstr(buf_cstr(&page), buf_cstr(&heading)));
	}
}

static void the_choices_of_a_flag_are_taken(void **state)
{
	(void)state;
	for (int flag = 0; flag < FLAG_COUNT; flag++) {
		const char *choices = flag_choices((enum flag)flag);
		for (const char *at = choices ? choices : ""; *at; at += strspn(at, " ")) {
			struct args args;
			char choice[32];
			size_t size = strcspn(at, " ");
			snprintf(choice, sizeof choice, "%.*s%s", (int)size, at, at[size - 1] == '=' ? "1s" : "");
			args_init(&args);
			assert_null(args_default(&args, (enum flag)flag, choice));
			at += size;
		}
	}
}

static void the_worst_exit_code_wins(void **state)
{
	(void)state;
	assert_int_equal(ctl_worse(0, 3), 3);
	assert_int_equal(ctl_worse(5, 3), 5);
	assert_int_equal(ctl_worse(8, 5), 8);
	assert_int_equal(ctl_worse(2, 8), 8);
	assert_int_equal(ctl_worse(0, 0), 0);
	struct kv_error doubtful = {.status = KV_DEADLINE, .in_doubt = true}, plain = {.status = KV_DEADLINE};
	assert_int_equal(ctl_exit_code(&doubtful), 8);
	assert_int_equal(ctl_exit_code(&plain), 6);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_may_stand_anywhere),
		cmocka_unit_test(levels_and_conditions_are_read),
		cmocka_unit_test(negative_numbers_are_operands),
		cmocka_unit_test(leading_flags_end_at_the_command),
		cmocka_unit_test(mistakes_are_explained),
		cmocka_unit_test(a_command_takes_only_its_own_flags),
		cmocka_unit_test(the_environment_gives_way_to_the_command_line),
		cmocka_unit_test(a_set_of_flags_holds_all_of_them),
		cmocka_unit_test(commands_have_one_or_two_words),
		cmocka_unit_test(every_command_can_write_its_own_format),
		cmocka_unit_test(every_listed_command_has_a_manual_page),
		cmocka_unit_test(the_choices_of_a_flag_are_taken),
		cmocka_unit_test(the_worst_exit_code_wins),
	};
	return test_run("args", tests);
}
