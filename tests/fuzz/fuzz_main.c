/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Runs a fuzz target without a fuzzer.
 *
 *   test_fuzz_x                all seeds and MUTATIONS of each, the same ones every time; TAP on stdout
 *   test_fuzz_x FILE...        the files: to look at a crash that the fuzzer found
 *   test_fuzz_x --write DIR    writes the seeds as files: the fuzzer's first corpus
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "base/rng.h"

enum { MUTATIONS = 400, EDITS_MAX = 4 };

static void edit(struct rng *rng, struct buf *b)
{
	uint64_t at = b->size > 0 ? rng_below(rng, b->size) : 0;
	switch (rng_below(rng, b->size > 0 ? 6 : 1)) {
	case 0:
		buf_append_u8(b, (uint8_t)rng_next(rng));
		return;
	case 1:
		b->data[at] ^= (uint8_t)(1u << rng_below(rng, 8));
		return;
	case 2:
		b->data[at] = (uint8_t)rng_next(rng);
		return;
	case 3: /* interesting for lengths and varints */
		b->data[at] = rng_chance(rng, 500000) ? 0xFF : 0x00;
		return;
	case 4: /* cut behind AT */
		b->size = at;
		return;
	case 5: { /* a piece once more at the end */
		uint64_t size = rng_below(rng, MIN(b->size - at, (uint64_t)64) + 1);
		buf_reserve(b, size);
		buf_append(b, b->data + at, size);
		return;
	}
	}
}

/** From an exact heap copy, so that a read past the end is seen by the sanitizers. */
static void run(struct slice input)
{
	uint8_t *copy = xmalloc(MAX(input.size, (size_t)1));
	if (input.size > 0)
		memcpy(copy, input.data, input.size);
	LLVMFuzzerTestOneInput(copy, input.size);
	free(copy);
}

static int run_seeds(void)
{
	CLEANUP(buf_release) struct buf seed = BUF_INIT, input = BUF_INIT;
	uint32_t count = 0;
	run(slice_of(NULL, 0));
	for (; buf_clear(&seed), fuzz_seed(count, &seed); count++) {
		struct rng rng;
		rng_init(&rng, count);
		run(buf_slice(&seed));
		for (int i = 0; i < MUTATIONS; i++) {
			buf_clear(&input);
			buf_append_slice(&input, buf_slice(&seed));
			for (uint64_t edits = rng_between(&rng, 1, EDITS_MAX); edits > 0; edits--)
				edit(&rng, &input);
			run(buf_slice(&input));
		}
	}
	printf("1..1\n%s 1 - seeds_and_their_mutations_are_handled # %u seeds\n", count > 0 ? "ok" : "not ok",
	       count);
	return count > 0 ? 0 : 1;
}

static int run_file(const char *path)
{
	CLEANUP(buf_release) struct buf input = BUF_INIT;
	FILE *file = fopen(path, "rb");
	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	uint8_t piece[4096];
	size_t size;
	while ((size = fread(piece, 1, sizeof piece, file)) > 0)
		buf_append(&input, piece, size);
	fclose(file);
	run(buf_slice(&input));
	return 0;
}

static int write_seeds(const char *dir)
{
	CLEANUP(buf_release) struct buf seed = BUF_INIT, path = BUF_INIT;
	for (uint32_t i = 0; buf_clear(&seed), fuzz_seed(i, &seed); i++) {
		buf_clear(&path);
		buf_printf(&path, "%s/seed-%04u", dir, i);
		FILE *file = fopen(buf_cstr(&path), "wb");
		bool written = file && fwrite(seed.data, 1, seed.size, file) == seed.size;
		if (!file || fclose(file) != 0 || !written) {
			fprintf(stderr, "%s: %s\n", buf_cstr(&path), strerror(errno));
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--write") == 0)
		return write_seeds(argv[2]);
	if (argc == 1)
		return run_seeds();
	int failed = 0;
	for (int i = 1; i < argc; i++)
		failed |= run_file(argv[i]);
	return failed;
}
