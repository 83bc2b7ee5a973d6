/* SPDX-License-Identifier: Apache-2.0 */
/**
 * docs/protocol.md says what the code does: every field of every message has its row, every row its field, every opcode
 * and status its number, and the hex dumps are what the codec makes. Argument: the document.
 */
#include "tests/support/test.h"

#include "base/status.h"
#include "proto/client.pb-c.h"
#include "proto/codec.h"
#include "proto/map.pb-c.h"
#include "proto/peer.pb-c.h"
#include "tests/support/msg_examples.h"

static struct buf document;

/** The text between the line HEADING and the next line that begins with END; NULL if there is none. Caller frees. */
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

static const char *type_name(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT32:
		return "uint32";
	case PROTOBUF_C_TYPE_UINT64:
		return "uint64";
	case PROTOBUF_C_TYPE_SINT64:
		return "sint64";
	case PROTOBUF_C_TYPE_FIXED64:
		return "fixed64";
	case PROTOBUF_C_TYPE_BOOL:
		return "bool";
	case PROTOBUF_C_TYPE_BYTES:
		return "bytes";
	case PROTOBUF_C_TYPE_ENUM:
		return ((const ProtobufCEnumDescriptor *)f->descriptor)->short_name;
	case PROTOBUF_C_TYPE_MESSAGE:
		return ((const ProtobufCMessageDescriptor *)f->descriptor)->short_name;
	default:
		fail_msg("%s: a type that the document has no word for", f->name);
		return NULL;
	}
}

static bool is_common(const ProtobufCMessageDescriptor *m, const ProtobufCFieldDescriptor *f)
{
	return f->id <= 3 && m != &kv__bare__descriptor && strcmp(m->fields[0].name, "hlc") == 0;
}

static void assert_documented(const ProtobufCMessageDescriptor *m)
{
	CLEANUP(buf_release) struct buf heading = BUF_INIT, row = BUF_INIT;
	buf_printf(&heading, "### %s", m->short_name);
	CLEANUP(free_ptr) char *text = section(buf_cstr(&heading), "##");
	if (!text)
		fail_msg("no section %s", buf_cstr(&heading));
	unsigned fields = 0, rows = 0;
	for (unsigned i = 0; i < m->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->fields[i];
		if (is_common(m, f))
			continue;
		fields++;
		buf_clear(&row);
		buf_printf(&row, "\n| %u | `%s` | %s%s%s | ", f->id, f->name,
			   f->label == PROTOBUF_C_LABEL_REPEATED ? "repeated " : "", type_name(f),
			   f->flags & PROTOBUF_C_FIELD_FLAG_PACKED ? " packed" : "");
		if (!strstr(text, buf_cstr(&row)))
			fail_msg("%s lacks the row%s", m->short_name, buf_cstr(&row));
	}
	for (const char *at = text; (at = strstr(at, "| `")); at += 3)
		rows++;
	assert_int_equal(rows, fields);
}

static void every_field_of_every_message_has_its_row(void **state)
{
	static const ProtobufCMessageDescriptor *const messages[] = {
		&kv__bare__descriptor,           &kv__hello__descriptor,
		&kv__request__descriptor,        &kv__result__descriptor,
		&kv__receipt__descriptor,        &kv__receipt_replica__descriptor,
		&kv__scan_item__descriptor,      &kv__cluster_init__descriptor,
		&kv__status__descriptor,         &kv__status_peer__descriptor,
		&kv__status_counter__descriptor, &kv__map_node__descriptor,
		&kv__map_move__descriptor,       &kv__cluster_map__descriptor,
		&kv__map_message__descriptor,    &kv__init__descriptor,
		&kv__lineage__descriptor,        &kv__record__descriptor,
		&kv__carrier__descriptor,        &kv__replica_request__descriptor,
		&kv__replica_reply__descriptor,  &kv__heartbeat__descriptor,
		&kv__hint__descriptor,
	};
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
		assert_documented(messages[i]);
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
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	if (!file) {
		fprintf(stderr, "usage: %s docs/protocol.md\n", argv[0]);
		return 2;
	}
	char piece[4096];
	size_t size;
	while ((size = fread(piece, 1, sizeof piece, file)) > 0)
		buf_append(&document, piece, size);
	fclose(file);
	int failed = test_run("protocol_doc", tests);
	buf_release(&document);
	return failed;
}
