/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Does the order of versions explain the history? White box and fast (O(n log n) a key): the store answers each operation
 * with the version it wrote or read, and claims that versions order the register's values.
 *
 *   value       one version names one content, and one write; a strong get returns a write's content under the version that
 *               the write was answered with
 *   order       a strong operation invoked after another one completed has a version that is not lower; a strong write a
 *               higher one. A condition that failed counts as a read of what it was told
 *   predecessor a write that demanded a version has no other effective version between that one and its own; one that
 *               demanded a content or absence has the write of that content, or nothing, right before it
 *
 * A version is known to be effective if a strong write was answered with it or a strong operation read it. Operations
 * without an answer take part only through those. Not judged: a strong get that found nothing and was given no version
 * (check_linear judges it), and order among eventual operations.
 */
#ifndef KV_VERIFY_CHECK_VERSION_H
#define KV_VERIFY_CHECK_VERSION_H

#include "verify/history.h"

/** Returns false and fills V on a violation. */
bool check_version(const struct history *h, struct verdict *v);

#endif
