/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/batch.h"

#include <inttypes.h>

#include "base/cover.h"

uint64_t batch_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text && text[0] ? strtoull(text, NULL, 10) : otherwise;
}

/* Lines that begin with # are comments in TAP. */
static void print_comment(struct buf *text)
{
	const char *line = buf_cstr(text);
	while (*line) {
		size_t size = strcspn(line, "\n");
		printf("# %.*s\n", (int)size, line);
		line += size + (line[size] == '\n');
	}
	fflush(stdout);
}

void batch_options(uint64_t seed, bool membership, struct sim_options *ret)
{
	sim_options_draw(seed, 0, ret);
	if (membership)
		sim_options_add_changes(ret);
}

bool batch_seed_is_clean(uint64_t seed, bool membership, uint32_t without, struct cover *cover)
{
	struct run_result result;
	struct sim_options options;
	batch_options(seed, membership, &options);
	for (uint32_t i = 0; i < SIM_CLASS_COUNT; i++)
		if (without & 1u << i)
			sim_options_take_out(&options, (enum sim_class)i);
	runner_check(&options, cover, &result);
	if (!result.clean) {
		struct buf again = BUF_INIT;
		sim_options_arguments(&options, 0, &again);
		printf("# seed %" PRIu64 " failed; again: kvsim %s --verbose\n", seed, buf_cstr(&again));
		buf_release(&again);
		print_comment(&result.text);
	}
	buf_release(&result.text);
	return result.clean;
}

uint64_t batch_run(uint64_t first, uint64_t count, bool membership, struct cover *cover)
{
	uint64_t failed = 0;
	for (uint64_t i = 0; i < count; i++)
		failed += !batch_seed_is_clean(first + i, membership, /* without: */ 0, cover);
	struct buf text = BUF_INIT;
	buf_append_str(&text, "COVER ");
	struct buf counters = BUF_INIT;
	cover_print(cover, &counters);
	buf_append_slice(&text, buf_slice(&counters));
	print_comment(&text);
	buf_release(&counters);
	buf_release(&text);
	return failed;
}

bool batch_hit(const char *mark)
{
	bool hit = false;
	for (size_t i = 0; i < cover_mark_count(); i++)
		hit |= cover_mark_at(i)->hit && strcmp(cover_mark_at(i)->name, mark) == 0;
	if (!hit)
		printf("# COVER mark %s was never hit\n", mark);
	return hit;
}

void batch_print_marks(void)
{
	for (size_t i = 0; i < cover_mark_count(); i++)
		if (!cover_mark_at(i)->hit)
			printf("# COVER mark %s was never hit\n", cover_mark_at(i)->name);
}
