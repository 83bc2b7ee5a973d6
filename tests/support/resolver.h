/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The system's resolver, made slow: a program that links this waits for each host whose name ends in ".slow" until it is let go, and
 * then finds it at 127.0.0.1. All other names are looked up as ever. Any thread.
 */
#ifndef KV_TESTS_RESOLVER_H
#define KV_TESTS_RESOLVER_H

#include "base/types.h"

/** Questions for slow names so far. */
unsigned resolver_asked(void);

/** Answers given. */
unsigned resolver_answered(void);

/** Lets the questions so far go, and those to come if OPEN. */
void resolver_let_go(bool open);

#endif
