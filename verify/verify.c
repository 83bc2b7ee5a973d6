/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify.h"

#include "verify/check_agree.h"
#include "verify/check_bounded.h"
#include "verify/check_durable.h"
#include "verify/check_fence.h"
#include "verify/check_gone.h"
#include "verify/check_honest.h"
#include "verify/check_linear.h"
#include "verify/check_once.h"
#include "verify/check_session.h"
#include "verify/check_version.h"
#include "verify/resolve.h"

bool verify_history(const struct history *h, struct verdict *v, uint32_t *ret_undecided)
{
	struct history resolved;
	resolve(h, &resolved);
	*ret_undecided = 0;
	/* From the plain statements to the search: the first that fails says most. */
	bool holds = check_honest(h, v) && check_once(&resolved, v) && check_gone(&resolved, v) &&
		     check_version(&resolved, v) && check_fence(&resolved, v) && check_session(&resolved, v) &&
		     check_bounded(&resolved, v) && check_linear(&resolved, v, ret_undecided);
	resolve_release(&resolved);
	return holds;
}

bool verify_replicas(const struct history *h, const struct replicas *r, struct verdict *v)
{
	struct history resolved;
	resolve(h, &resolved);
	bool holds = check_honest_replicas(h, r, v) && check_durable(&resolved, r, v) &&
		     check_gone_replicas(&resolved, r, v) && check_agree(r, v);
	resolve_release(&resolved);
	return holds;
}
