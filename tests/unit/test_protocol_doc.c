/* SPDX-License-Identifier: Apache-2.0 */
/**
 * docs/protocol.md says what the code does: every field of every message has its row and every row its field, every
 * opcode and status its number, and the hex dumps are what the codec makes.
 *
 * Arguments: the document and the .proto files.
 */
#include "tests/support/test.h"

#include "base/status.h"
#include "proto/codec.h"
#include "tests/support/msg_examples.h"

static struct buf document;
static const char *proto_files[3];

/** The text between the line HEADING and the next line that begins with END, or NULL. Caller frees. */
static char *section(const char *heading, const char *end)
{
	const char *text = buf_cstr(&document);
	CLEANUP(buf_release) struct buf line = BUF_INIT, stop = BUF_INIT;
	buf_printf(&line, "\n%s\n", heading);
	buf_printf(&stop, "\n%s", end);
	const char *begin = strstr(text, buf_cstr(&line));
	if (!begin)
		return NULL;
	begin += line.size;
	const char *behind = strstr(begin, buf_cstr(&stop));
	return strndup(begin, behind ? (size_t)(behind - begin) + 1 : strlen(begin));
}

/** One field of a .proto file, as its line says. */
struct field {
	char label[16], type[64], name[64];
	unsigned number;
	bool packed;
};

static bool field_parse(const char *line, struct field *ret)
{
	ret->packed = strstr(line, "[packed = true]") != NULL;
	return sscanf(line, "\t%15s %63s %63s = %u", ret->label, ret->type, ret->name, &ret->number) == 4;
}

/** The first three fields of top-level messages, documented once. */
static bool field_is_common(const char *message, const struct field *f)
{
	static const char *const names[] = {"hlc", "epoch", "shard"};
	return strcmp(message, "Bare") != 0 && f->number <= ARRAY_SIZE(names) &&
	       strcmp(f->name, names[f->number - 1]) == 0;
}

static void assert_row(const char *message, const char *text, const struct field *f)
{
	CLEANUP(buf_release) struct buf row = BUF_INIT;
	bool repeated = strcmp(f->label, "repeated") == 0;
	buf_printf(&row, "\n| %u | `%s` | %s%s%s | ", f->number, f->name, repeated ? "repeated " : "", f->type,
		   f->packed ? " packed" : "");
	if (!strstr(text, buf_cstr(&row)))
		fail_msg("%s lacks the row%s", message, buf_cstr(&row));
}

static unsigned rows_of(const char *text)
{
	unsigned rows = 0;
	for (const char *at = text; (at = strstr(at, "| `")); at++)
		rows++;
	return rows;
}

/** Checks one message, whose lines follow in FILE. */
static void assert_documented(FILE *file, const char *message)
{
	CLEANUP(buf_release) struct buf heading = BUF_INIT;
	buf_printf(&heading, "### %s", message);
	CLEANUP(free_ptr) char *text = section(buf_cstr(&heading), "##");
	if (!text)
		fail_msg("the document has no section %s", message);
	unsigned fields = 0;
	char line[256];
	while (fgets(line, sizeof line, file) && line[0] != '}') {
		struct field f;
		if (!field_parse(line, &f) || field_is_common(message, &f))
			continue;
		assert_row(message, text, &f);
		fields++;
	}
	assert_int_equal(rows_of(text), fields);
}

static void every_field_of_every_message_has_its_row(void **state)
{
	unsigned messages = 0;
	for (size_t i = 0; i < ARRAY_SIZE(proto_files); i++) {
		FILE *file = fopen(proto_files[i], "r");
		assert_non_null(file);
		char line[256], message[64];
		while (fgets(line, sizeof line, file))
			if (sscanf(line, "message %63s {", message) == 1) {
				assert_documented(file, message);
				messages++;
			}
		fclose(file);
	}
	assert_in_range(messages, 23, 100);
}

static void every_opcode_has_its_row(void **state)
{
	CLEANUP(buf_release) struct buf row = BUF_INIT;
	for (uint32_t opcode = 0; opcode <= UINT16_MAX; opcode++) {
		if (strcmp(opcode_name((uint16_t)opcode), "UNKNOWN") == 0)
			continue;
		buf_clear(&row);
		buf_printf(&row, "\n| 0x%04X | %s | ", opcode, opcode_name((uint16_t)opcode));
		if (!strstr(buf_cstr(&document), buf_cstr(&row)))
			fail_msg("the document lacks the row%s", buf_cstr(&row));
	}
}

static void every_status_has_its_row(void **state)
{
	static const char *const classes[] = {"done", "final", "retry", "doubt"};
	CLEANUP(buf_release) struct buf row = BUF_INIT;
	for (uint32_t number = 0; status_is_known(number); number++) {
		enum kv_status status = (enum kv_status)number;
		buf_clear(&row);
		buf_printf(&row, "\n| %u | %s | %s | %s |\n", number, status_name(status),
			   classes[status_class(status)], status_text(status));
		if (!strstr(buf_cstr(&document), buf_cstr(&row)))
			fail_msg("the document lacks the row%s", buf_cstr(&row));
	}
}

static void the_hex_dumps_are_what_the_codec_makes(void **state)
{
	CLEANUP(buf_release) struct buf frame = BUF_INIT, dump = BUF_INIT, fence = BUF_INIT;
	for (size_t i = 0; i < msg_example_count; i++) {
		buf_clear(&frame);
		buf_clear(&dump);
		buf_clear(&fence);
		assert_int_equal(codec_encode(&msg_examples[i].msg, &frame), KV_OK);
		for (size_t at = 0; at < frame.size; at++) {
			if (at % 16 == 0)
				buf_printf(&dump, "%s%04zx:", at > 0 ? "\n" : "", at);
			buf_printf(&dump, " %02x", frame.data[at]);
		}
		buf_append_str(&dump, "\n");
		buf_printf(&fence, "```hex %s", msg_examples[i].title);
		CLEANUP(free_ptr) char *text = section(buf_cstr(&fence), "```");
		assert_non_null(text);
		assert_string_equal(text, buf_cstr(&dump));
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_of_every_message_has_its_row),
		cmocka_unit_test(every_opcode_has_its_row),
		cmocka_unit_test(every_status_has_its_row),
		cmocka_unit_test(the_hex_dumps_are_what_the_codec_makes),
	};
	FILE *file = argc == 2 + ARRAY_SIZE(proto_files) ? fopen(argv[1], "rb") : NULL;
	if (!file) {
		fprintf(stderr, "usage: %s docs/protocol.md proto/{client,map,peer}.proto\n", argv[0]);
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(proto_files); i++)
		proto_files[i] = argv[2 + i];
	char piece[4096];
	size_t size;
	while ((size = fread(piece, 1, sizeof piece, file)) > 0)
		buf_append(&document, piece, size);
	fclose(file);
	int failed = test_run("protocol_doc", tests);
	buf_release(&document);
	return failed;
}
