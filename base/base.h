/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The words every file uses: assertions, attributes, cleanup, small macros.
 *
 * Assertions stay on in release builds. A failed one prints its place and expression and aborts: a node that
 * stops is repaired by its quorum, a node that goes on with a broken invariant is not.
 */
#ifndef KV_BASE_BASE_H
#define KV_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/banned.h"

#define MUST_USE                __attribute__((warn_unused_result))
#define NORETURN                __attribute__((noreturn))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define UNUSED                  __attribute__((unused))

/** Calls FN with a pointer to the variable when it leaves its scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/** Yields the pointer and leaves NULL behind: hands a CLEANUP variable to someone else. */
#define TAKE_PTR(ptr)                                                                                              \
	({                                                                                                         \
		__typeof__(&(ptr)) at_ = &(ptr);                                                                   \
		__typeof__(ptr) taken_ = *at_;                                                                     \
		*at_ = NULL;                                                                                       \
		taken_;                                                                                            \
	})

#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define MAX(a, b)                       ((a) > (b) ? (a) : (b))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

NORETURN void kv_panic_at(const char *file, int line, const char *expression);

/** Stops the process if EXPR is false. Never compiled out. One condition an assert. */
#define KV_ASSERT(expr) ((expr) ? (void)0 : kv_panic_at(__FILE__, __LINE__, #expr))

/** An assert too costly for production; on in simulator and tests (meson option verify_asserts). */
#ifdef KV_VERIFY
#define KV_VERIFY_ASSERT(expr) KV_ASSERT(expr)
#else
#define KV_VERIFY_ASSERT(expr) ((void)sizeof(expr))
#endif

#define KV_UNREACHABLE(why) kv_panic_at(__FILE__, __LINE__, "unreachable: " why)

/**
 * malloc that never returns NULL: for start-up and for small bookkeeping whose number a limit bounds.
 * The request path's large buffers use malloc and refuse the request on failure.
 */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
void *xrealloc(void *ptr, size_t size) __attribute__((returns_nonnull, alloc_size(2)));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));

/** CLEANUP helper for plain heap memory: CLEANUP(free_ptr) char *x = ...; */
void free_ptr(void *ptr_to_ptr);

#endif
