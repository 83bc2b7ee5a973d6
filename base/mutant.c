/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mutant.h"

#include <string.h>

static const struct {
	const char *name, *text;
} mutants[] = {{"none", "no rule is broken"},
#define MUTANT_ROW_(name, text) {#name, text},
	       MUTANT_NAMES(MUTANT_ROW_)
#undef MUTANT_ROW_
};

_Static_assert(ARRAY_SIZE(mutants) == MUTANT_COUNT, "one row a mutant");

#ifdef KV_MUTANTS
enum mutant mutant_on;
#endif

bool mutant_is_built(void)
{
#ifdef KV_MUTANTS
	return true;
#else
	return false;
#endif
}

enum mutant mutant_find(const char *name)
{
	for (int i = MUTANT_NONE; i < MUTANT_COUNT; i++) {
		if (strcmp(mutants[i].name, name) == 0)
			return (enum mutant)i;
	}
	return MUTANT_COUNT;
}

const char *mutant_name(enum mutant mutant)
{
	KV_ASSERT(mutant < MUTANT_COUNT);
	return mutants[mutant].name;
}

const char *mutant_text(enum mutant mutant)
{
	KV_ASSERT(mutant < MUTANT_COUNT);
	return mutants[mutant].text;
}

bool mutant_switch(enum mutant mutant)
{
	KV_ASSERT(mutant < MUTANT_COUNT);
#ifdef KV_MUTANTS
	mutant_on = mutant;
	return true;
#else
	return mutant == MUTANT_NONE;
#endif
}
