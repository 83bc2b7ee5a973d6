/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/mix.h"

#include "base/hash.h"
#include "base/rng.h"

static bool percent(struct rng *r, uint32_t pct) { return rng_below(r, 100) < pct; }

/* A share that half of the runs have none of. */
static uint32_t share(struct rng *r, uint32_t low, uint32_t high)
{
	uint32_t pct = (uint32_t)rng_between(r, low, high);
	return percent(r, 50) ? pct : 0;
}

static enum sim_role role_draw(struct rng *r)
{
	static const enum sim_role roles[] = {
		SIM_ROLE_ANY,     SIM_ROLE_ANY, SIM_ROLE_ANY, SIM_ROLE_ANY, SIM_ROLE_COUNTER,
		SIM_ROLE_COUNTER, SIM_ROLE_LOG, SIM_ROLE_CAS, SIM_ROLE_CAS, SIM_ROLE_FENCED,
	};
	return roles[rng_below(r, ARRAY_SIZE(roles))];
}

void sim_mix_draw(uint64_t seed, struct sim_mix *ret)
{
	struct rng r;
	rng_init(&r, hash_u64(seed + 0x6d6978));
	*ret = (struct sim_mix){.session_count = (uint32_t)rng_between(&r, 1, 4), .presence_pct = 25};
	if (percent(&r, 25))
		return;
	for (uint32_t i = 0; i < SIM_MIX_KEYS_MAX; i++)
		ret->roles[i] = role_draw(&r);
	ret->add_pct = share(&r, 5, 50);
	ret->append_pct = share(&r, 5, 30);
	ret->condition_pct = share(&r, 10, 90);
	ret->chain_pct = share(&r, 20, 90);
	ret->fence_pct = share(&r, 5, 40);
	ret->ask_pct = share(&r, 20, 90);
	ret->ask_any_pct = percent(&r, 30) ? (uint32_t)rng_between(&r, 1, 8) : 0;
	ret->session_pct = share(&r, 20, 90);
	ret->bounded_pct = share(&r, 20, 80);
	ret->retry_pct = percent(&r, 60) ? 80 : 0;
	ret->delta = (enum sim_delta)rng_between(&r, SIM_DELTA_ONE, SIM_DELTA_SIGNED);
}

void sim_mix_print(const struct sim_mix *m, struct buf *out)
{
	static const char *const roles[] = {"any", "counter", "log", "cas", "fenced"};
	static const char *const deltas[] = {"one", "unique", "signed"};
	for (uint32_t i = 0; i < SIM_MIX_KEYS_MAX; i++)
		buf_printf(out, "%s%s", i ? "," : "roles=", roles[m->roles[i]]);
	buf_printf(out, " add=%u%% append=%u%% condition=%u%%/%u%% chain=%u%% fence=%u%% ask=%u%%+%u%%", m->add_pct,
		   m->append_pct, m->condition_pct, m->presence_pct, m->chain_pct, m->fence_pct, m->ask_pct,
		   m->ask_any_pct);
	buf_printf(out, " session=%u%%/%u bounded=%u%% strong_retry=%u%% delta=%s", m->session_pct,
		   m->session_count, m->bounded_pct, m->retry_pct, deltas[m->delta]);
}
