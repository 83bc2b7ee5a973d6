/* SPDX-License-Identifier: Apache-2.0 */
#include "base/blob.h"

struct blob *blob_new_uninit(size_t size)
{
	if (size > SIZE_MAX - sizeof(struct blob))
		return NULL;
	struct blob *blob = malloc(sizeof *blob + size);
	if (!blob)
		return NULL;
	blob->refs = 1;
	blob->size = size;
	return blob;
}

struct blob *blob_new(struct slice bytes)
{
	KV_ASSERT(bytes.data || bytes.size == 0);
	struct blob *blob = blob_new_uninit(bytes.size);
	if (blob && bytes.size > 0)
		memcpy(blob->data, bytes.data, bytes.size);
	return blob;
}

struct blob *blob_ref(struct blob *blob)
{
	if (!blob)
		return NULL;
	KV_ASSERT(blob->refs > 0);
	KV_ASSERT(blob->refs < UINT32_MAX);
	blob->refs++;
	return blob;
}

void blob_unref(struct blob *blob)
{
	if (!blob)
		return;
	KV_ASSERT(blob->refs > 0);
	if (--blob->refs == 0)
		free(blob);
}
