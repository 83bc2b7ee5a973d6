/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <stdarg.h>

struct status_row {
	uint32_t number;
	enum status_class class;
	int exit_code;
	const char *name;
	const char *text;
};

static const struct status_row status_rows[] = {
#define ROW(name_, number_, class_, exit_, text_) {number_, STATUS_##class_, exit_, #name_, text_},
	KV_STATUS_TABLE(ROW)
#undef ROW
};

static const struct status_row *status_row(uint32_t number)
{
	for (size_t i = 0; i < ARRAY_SIZE(status_rows); i++) {
		if (status_rows[i].number == number)
			return &status_rows[i];
	}
	return NULL;
}

const char *status_name(enum kv_status status)
{
	const struct status_row *row = status_row((uint32_t)status);
	return row ? row->name + sizeof("KV_") - 1 : "UNKNOWN";
}

const char *status_text(enum kv_status status)
{
	const struct status_row *row = status_row((uint32_t)status);
	return row ? row->text : "unknown status";
}

enum status_class status_class(enum kv_status status)
{
	const struct status_row *row = status_row((uint32_t)status);
	return row ? row->class : STATUS_DOUBT;
}

int status_exit_code(enum kv_status status)
{
	const struct status_row *row = status_row((uint32_t)status);
	return row ? row->exit_code : 1;
}

bool status_is_known(uint32_t number) { return status_row(number) != NULL; }

enum kv_status error_set(struct error *err, enum kv_status status, const char *format, ...)
{
	KV_ASSERT(format);
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
