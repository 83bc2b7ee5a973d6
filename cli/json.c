/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json.h"

#include "base/buf.h"
#include "cli/text.h"

void json_release(json_t **json) { json_decref(*json); }

void json_set(json_t *object, const char *name, json_t *value)
{
	KV_ASSERT(value != NULL);
	int failed = json_object_set_new(object, name, value);
	KV_ASSERT(failed == 0);
}

void json_set_bytes(json_t *object, const char *name, struct slice bytes)
{
	if (text_is_utf8(bytes)) {
		json_set(object, name,
			 json_stringn_nocheck(bytes.data ? (const char *)bytes.data : "", bytes.size));
		return;
	}
	CLEANUP(buf_release) struct buf text = BUF_INIT, field = BUF_INIT;
	buf_printf(&field, "%s_b64", name);
	text_base64_encode(&text, bytes);
	json_set(object, buf_cstr(&field), json_stringn_nocheck((const char *)text.data, text.size));
}

void json_set_text(json_t *object, const char *name, const char *text)
{
	json_set_bytes(object, name, slice_str(text));
}

void json_set_number(json_t *object, const char *name, uint64_t number)
{
	/* JSON numbers of 64 bits without sign are not portable; nothing that is counted gets there. */
	json_set(object, name, json_integer((json_int_t)MIN(number, (uint64_t)INT64_MAX)));
}

void json_set_bool(json_t *object, const char *name, bool value) { json_set(object, name, json_boolean(value)); }
