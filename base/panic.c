/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

NORETURN void kv_panic_at(const char *file, int line, const char *expression)
{
	/* One write to stderr, without the logger: it may be the logger that is broken. */
	char text[512];
	int size = snprintf(text, sizeof text, "level=error event=panic file=%s line=%d expression=\"%s\"\n", file,
			    line, expression);
	if (size > 0) {
		text[sizeof text - 2] = '\n'; /* a cut line still ends */
		ssize_t ignored = write(STDERR_FILENO, text, MIN((size_t)size, sizeof text - 1));
		(void)ignored;
	}
	abort();
}

void *xmalloc(size_t size)
{
	void *ptr = malloc(size ? size : 1);
	if (!ptr)
		kv_panic_at(__FILE__, __LINE__, "out of memory");
	return ptr;
}

void *xcalloc(size_t count, size_t size)
{
	void *ptr = calloc(count ? count : 1, size ? size : 1);
	if (!ptr)
		kv_panic_at(__FILE__, __LINE__, "out of memory");
	return ptr;
}

void *xrealloc(void *ptr, size_t size)
{
	void *moved = realloc(ptr, size ? size : 1);
	if (!moved)
		kv_panic_at(__FILE__, __LINE__, "out of memory");
	return moved;
}

char *xstrdup(const char *text)
{
	KV_ASSERT(text);
	size_t size = strlen(text) + 1;
	char *copy = xmalloc(size);
	memcpy(copy, text, size);
	return copy;
}

void free_ptr(void *ptr_to_ptr)
{
	/* Copied, not cast: the variable is some `T *`, and reading it as `void *` would break the aliasing rules. */
	void *ptr;
	memcpy(&ptr, ptr_to_ptr, sizeof ptr);
	free(ptr);
	ptr = NULL;
	memcpy(ptr_to_ptr, &ptr, sizeof ptr);
}
