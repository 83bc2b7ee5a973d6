/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Does the order of versions explain the history? White box and fast (O(n log n) a key): the store answers each operation
 * with the version it wrote or read, and claims that versions order the register's values.
 *
 *   value     one version names one value, and one write; a strong get returns a value under the version that its write
 *             was answered with; no get returns a value that nobody wrote or that was refused
 *   future    a get does not end before the write of what it returns was invoked
 *   order     a strong operation invoked after another one completed has a version that is not lower; a strong write a
 *             higher one
 *
 * Operations without an answer take part only through the gets that returned their value. Not judged: a strong get that
 * found nothing and was given no version (check_linear judges it), and order among eventual operations.
 */
#ifndef KV_VERIFY_CHECK_VERSION_H
#define KV_VERIFY_CHECK_VERSION_H

#include "verify/history.h"

/** Returns false and fills V on a violation. */
bool check_version(const struct history *h, struct verdict *v);

#endif
