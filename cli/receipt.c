/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receipt.h"

#include "cli/json.h"
#include "cli/names.h"

const char *level_name(enum kv_level level)
{
	switch (level) {
	case KV_LEVEL_DEFAULT:
		return "default";
	case KV_LEVEL_EVENTUAL:
		return "eventual";
	case KV_LEVEL_SESSION:
		return "session";
	case KV_LEVEL_BOUNDED:
		return "bounded";
	case KV_LEVEL_STRONG:
		return "strong";
	}
	return "unknown"; /* of a newer node */
}

void receipt_set(struct ctl *ctl, json_t *row, const struct kv_receipt *receipt)
{
	if (!receipt)
		return;
	CLEANUP(names_release) struct names names;
	names_load(ctl, &names);
	char text[KV_VERSION_TEXT_SIZE];
	json_t *object = json_object(), *replicas = json_array();
	json_set_text(object, "asked", level_name(receipt->asked));
	json_set_text(object, "achieved", level_name(receipt->achieved));
	kv_version_format(receipt->version, text);
	json_set_text(object, "version", text);
	json_set_number(object, "epoch", receipt->epoch);
	json_set_number(object, "acks", receipt->acks);
	json_set_number(object, "hinted", receipt->hinted);
	json_set_number(object, "rounds", receipt->rounds);
	json_set_number(object, "attempts", receipt->attempts);
	json_set_number(object, "staleness_ms", receipt->staleness_ms);
	json_set_bool(object, "repaired", receipt->repaired);
	for (uint32_t i = 0; i < receipt->replica_count; i++) {
		const struct kv_receipt_replica *replica = &receipt->replicas[i];
		char name[NODE_NAME_ROOM];
		json_t *entry = json_object();
		names_node(&names, replica->node, name);
		kv_version_format(replica->version, text);
		json_set_text(entry, "node", name);
		json_set_text(entry, "status", kv_status_name(replica->status));
		json_set_text(entry, "version", text);
		json_array_append_new(replicas, entry);
	}
	json_set(object, "replicas", replicas);
	json_set(row, "receipt", object);
}

static void say_replica(struct ctl *ctl, const char *name, const struct kv_receipt_replica *replica)
{
	char version[KV_VERSION_TEXT_SIZE];
	if (replica->status == KV_UNAVAILABLE) {
		ctl_say(ctl, "  %s: not asked, or no answer by then", name);
		return;
	}
	kv_version_format(replica->version, version);
	ctl_say(ctl, "  %s: %s, version %s", name, kv_status_name(replica->status), version);
}

void receipt_say(struct ctl *ctl, const struct kv_receipt *receipt)
{
	if (!receipt)
		return;
	CLEANUP(names_release) struct names names;
	names_load(ctl, &names);
	char text[KV_VERSION_TEXT_SIZE];
	kv_version_format(receipt->version, text);
	ctl_say(ctl, "asked %s, achieved %s, version %s, map epoch %llu", level_name(receipt->asked),
		level_name(receipt->achieved), text, (unsigned long long)receipt->epoch);
	char age[40] = "";
	if (receipt->staleness_ms)
		snprintf(age, sizeof age, ", at most %u ms old", receipt->staleness_ms);
	ctl_say(ctl, "held by %u, hinted for %u, %u rounds, sent %u times%s%s", receipt->acks, receipt->hinted,
		receipt->rounds, receipt->attempts, age, receipt->repaired ? ", repaired" : "");
	for (uint32_t i = 0; i < receipt->replica_count; i++) {
		char name[NODE_NAME_ROOM];
		names_node(&names, receipt->replicas[i].node, name);
		say_replica(ctl, name, &receipt->replicas[i]);
	}
}
