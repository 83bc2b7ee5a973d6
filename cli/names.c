/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/names.h"

void names_load(struct ctl *ctl, struct names *names)
{
	*names = (struct names){0};
	if (kv_nodes(ctl->client, &names->nodes, &names->count, NULL) != KV_OK)
		*names = (struct names){0};
}

void names_release(struct names *names) { kv_nodes_free(names->nodes); }

void names_node(const struct names *names, uint16_t node, char ret[NODE_NAME_ROOM])
{
	snprintf(ret, NODE_NAME_ROOM, "#%u", node);
	for (size_t i = 0; i < names->count; i++) {
		if (names->nodes[i].index == node)
			snprintf(ret, NODE_NAME_ROOM, "%s", names->nodes[i].name);
	}
}
