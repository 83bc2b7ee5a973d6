/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the clients of a run ask for beside plain gets, puts and deletes. Each run has a random part of it: a run with
 * everything mostly shows the commonest, and some have none, so that plain operations meet undisturbed too.
 */
#ifndef KV_SIM_MIX_H
#define KV_SIM_MIX_H

#include "base/buf.h"

#define SIM_MIX_KEYS_MAX 5u

/** What one key is used for. */
enum sim_role {
	SIM_ROLE_ANY,     /* everything the run has */
	SIM_ROLE_COUNTER, /* strong additions alone: the sum must come out */
	SIM_ROLE_LOG,     /* appends alone: every piece once */
	SIM_ROLE_CAS,     /* read, then compare and set */
	SIM_ROLE_FENCED,  /* strong writes with fences */
};

enum sim_delta { SIM_DELTA_ONE, SIM_DELTA_UNIQUE, SIM_DELTA_SIGNED };

struct sim_mix {
	enum sim_role roles[SIM_MIX_KEYS_MAX];
	uint32_t add_pct, append_pct; /* of strong writes on keys for everything */
	uint32_t condition_pct;       /* of strong puts and deletes on those */
	uint32_t presence_pct;        /* of conditions: on presence or absence, whatever the client has seen */
	uint32_t chain_pct;           /* of requests after a strong get: a write conditional on what it saw */
	uint32_t fence_pct;           /* of strong writes on those */
	uint32_t ask_pct;             /* of strong writes in doubt: their outcome is asked for next */
	uint32_t ask_any_pct;         /* of requests: asks for the outcome of any client's last strong write */
	uint32_t session_pct;         /* of eventual requests: in a session */
	uint32_t session_count;       /* clients that share one carry one token */
	uint32_t bounded_pct;         /* of eventual gets: with a bound of staleness */
	uint32_t retry_pct; /* of strong writes without an answer or in doubt: again through another node */
	enum sim_delta delta;
};

void sim_mix_draw(uint64_t seed, struct sim_mix *ret);

/** Appends it as text, fields separated by spaces. */
void sim_mix_print(const struct sim_mix *m, struct buf *out);

#endif
