/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fatal.h"

#include "base/klog.h"
#include "server/identity.h"

static struct store *explained;
static const char *marked;
static bool (*explain_fn)(struct store *store, struct error *ret);

void fatal_set_store(struct store *store, bool (*explain)(struct store *store, struct error *ret))
{
	explained = store;
	explain_fn = explain;
}

void fatal_set_data_dir(const char *data_dir) { marked = data_dir; }

void fatal_store(const char *event, enum kv_status status)
{
	struct error error;
	bool known = explained && explain_fn(explained, &error);
	log_error(event, L_STR("status", status_name(status)),
		  L_STR("reason", known ? error.message : status_text(status)),
		  L_STR("action",
			"the process stops: what is on disk is uncertain; check the disk, then start it again"));
	if (marked && status == KV_CORRUPT)
		identity_damage(marked);
	abort();
}
