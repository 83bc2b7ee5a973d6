/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Seeded bugs, to test the tests: each breaks one rule that some checker must miss.
 *
 * MUTANT(name) is the constant false unless the build has -Dmutants=true; then it is true while that mutant is switched on.
 * At most one is on in a process. A build with mutants is for tests and never installed.
 */
#ifndef KV_BASE_MUTANT_H
#define KV_BASE_MUTANT_H

#include "base/base.h"
#include "base/mutant_names.h"

enum mutant {
	MUTANT_NONE,
#define MUTANT_ENUM_(name, text) MUTANT_##name,
	MUTANT_NAMES(MUTANT_ENUM_)
#undef MUTANT_ENUM_
		MUTANT_COUNT
};

#ifdef KV_MUTANTS
extern enum mutant mutant_on;
#define MUTANT(name) (mutant_on == MUTANT_##name)
#else
#define MUTANT(name) ((void)MUTANT_##name, false)
#endif

/** True if this build can switch mutants on. */
bool mutant_is_built(void);

/** The mutant with that name; MUTANT_COUNT if there is none. "none" is MUTANT_NONE. */
enum mutant mutant_find(const char *name);

/** Name and broken rule; static storage. */
const char *mutant_name(enum mutant mutant);
const char *mutant_text(enum mutant mutant);

/** Switches one on, MUTANT_NONE for none. Before any thread starts; false if this build has none. */
MUST_USE bool mutant_switch(enum mutant mutant);

#endif
