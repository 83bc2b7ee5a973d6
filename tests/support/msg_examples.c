/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/msg_examples.h"

#define TEXT(literal)                                                                                              \
	{                                                                                                          \
		.data = (const uint8_t *)(literal), .size = sizeof(literal) - 1                                    \
	}

/* 2025-01-01 00:00:00 UTC in milliseconds, as a reading of the hybrid clock. */
#define NEW_YEAR (1735689600000ull * HLC_UNITS_PER_MS)

static const struct lineage accept_lineage[] = {
	{.ver = {.hlc = NEW_YEAR - 65536, .id = 1}, .rid = {.client = 0x1122334455667788, .seq = 6}, .result = 1},
};

const struct msg_example msg_examples[] = {
	{"HELLO",
	 {
		 .opcode = OP_HELLO,
		 .id = 1,
		 .hello =
			 {
				 .kind = HELLO_CLIENT,
				 .proto_min = 1,
				 .proto_max = 1,
				 .index = NODE_NONE,
				 .name = TEXT("libkv 0.1.0"),
				 .frame_size_max = 1u << 20,
				 .window = 256,
			 },
	 }},
	{"PUT",
	 {
		 .opcode = OP_PUT,
		 .id = 7,
		 .epoch = 1,
		 .request =
			 {
				 .key = TEXT("user:42"),
				 .value = TEXT("hello"),
				 .value_hash = 0x9555e8555c62dcfd,
				 .level = LEVEL_STRONG,
				 .deadline_ms = 1000,
				 .rid = {.client = 0x1122334455667788, .seq = 7},
			 },
	 }},
	{"PUT reply",
	 {
		 .opcode = OP_PUT,
		 .reply = true,
		 .id = 7,
		 .hlc = NEW_YEAR + 3,
		 .epoch = 1,
		 .result = {.status = KV_OK, .version = {.hlc = NEW_YEAR, .id = 2ull << 48}},
	 }},
	{"ACCEPT",
	 {
		 .opcode = OP_ACCEPT,
		 .id = 9001,
		 .hlc = NEW_YEAR + 1,
		 .epoch = 1,
		 .replica =
			 {
				 .partition = 639, /* of user:42 in 1024 */
				 .key = TEXT("user:42"),
				 .deadline_ms = 990,
				 .record =
					 {
						 .ver = {.hlc = NEW_YEAR, .id = 2ull << 48},
						 .org = {.hlc = NEW_YEAR, .id = 2ull << 48},
						 .strong = true,
						 .has_value = true,
						 .rid = {.client = 0x1122334455667788, .seq = 7},
						 .value_hash = 0x9555e8555c62dcfd,
						 .value_size = 5,
						 .lin_count = 1,
						 .lin = accept_lineage,
						 .value = TEXT("hello"),
					 },
			 },
	 }},
};
const size_t msg_example_count = ARRAY_SIZE(msg_examples);

const struct msg *msg_example_get(const char *title)
{
	for (size_t i = 0; i < msg_example_count; i++)
		if (strcmp(msg_examples[i].title, title) == 0)
			return &msg_examples[i].msg;
	KV_UNREACHABLE("no such example");
}
