/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/cover.h"

#include <inttypes.h>

void cover_add_core(struct cover *to, const struct core_stats *stats)
{
#define COVER_SUM_(name) to->cores.name += stats->name;
	CORE_COUNTERS(COVER_SUM_)
#undef COVER_SUM_
}

void cover_add(struct cover *to, const struct cover *from)
{
#define COVER_SUM_(name) to->name += from->name;
	COVER_COUNTERS(COVER_SUM_)
#undef COVER_SUM_
	cover_add_core(to, &from->cores);
}

void cover_print(const struct cover *c, struct buf *out)
{
#define COVER_PRINT_(name) buf_printf(out, "%s%s=%" PRIu64, out->size ? " " : "", #name, c->name);
	COVER_COUNTERS(COVER_PRINT_)
#undef COVER_PRINT_
#define COVER_PRINT_(name) buf_printf(out, " core.%s=%" PRIu64, #name, c->cores.name);
	CORE_COUNTERS(COVER_PRINT_)
#undef COVER_PRINT_
}
