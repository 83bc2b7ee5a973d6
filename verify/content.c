/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/content.h"

#include "base/hash.h"

/* The two highest bits tell what a content is: 00 a put or nothing, 01 an integer, 1x longer than one write. */
#define NUMBER_BIT (UINT64_C(1) << 62)
#define CHAIN_BIT  (UINT64_C(1) << 63)
#define SUM_BIAS   CONTENT_SUM_MAX

uint64_t content_number(int64_t n)
{
	if (n <= -CONTENT_SUM_MAX || n >= CONTENT_SUM_MAX)
		return CONTENT_FOREIGN;
	return NUMBER_BIT | (uint64_t)(n + SUM_BIAS);
}

bool content_is_number(uint64_t c, int64_t *ret)
{
	if (c != CONTENT_NONE && (c & (NUMBER_BIT | CHAIN_BIT)) != NUMBER_BIT)
		return false;
	*ret = c == CONTENT_NONE ? 0 : (int64_t)(c & ~NUMBER_BIT) - SUM_BIAS;
	return true;
}

uint64_t content_append(uint64_t c, uint64_t piece)
{
	if (c == CONTENT_NONE)
		return piece;
	uint64_t chain = hash_u64(hash_u64(c) ^ piece) | CHAIN_BIT;
	return chain == CONTENT_FOREIGN ? CHAIN_BIT : chain;
}

uint32_t content_number_size(int64_t n)
{
	char text[24];
	return (uint32_t)snprintf(text, sizeof text, "%lld", (long long)n);
}
