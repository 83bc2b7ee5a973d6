/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/opcode.h"
#include "tests/support/msg_diff_parts.h"
#include "tests/support/msg_gen.h"

const char *msg_node_difference(const struct map_node *a, const struct map_node *b)
{
	SAME(index);
	SAME_UUID(uuid);
	SAME(state);
	SAME_BYTES(name);
	SAME_BYTES(peer_address);
	SAME_BYTES(client_address);
	SAME_BYTES(zone);
	SAME(weight);
	SAME(features);
	SAME(leave_staged);
	SAME(keep_staged);
	SAME(gone_staged);
	SAME(replaces);
	return NULL;
}

static const char *differ_move(const struct map_move *a, const struct map_move *b)
{
	SAME(partition);
	SAME(old_count);
	SAME(new_count);
	for (uint16_t i = 0; i < a->old_count; i++)
		SAME(old_row[i]);
	for (uint16_t i = 0; i < a->new_count; i++)
		SAME(new_row[i]);
	SAME_UUID(session);
	return NULL;
}

const char *msg_map_difference(const struct map_desc *a, const struct map_desc *b)
{
	SAME_UUID(cluster);
	SAME_BYTES(name);
	SAME(epoch);
	SAME(partitions);
	SAME(replicas);
	SAME(node_count);
	for (uint32_t i = 0; i < a->node_count; i++)
		SAME_PART(msg_node_difference(&a->nodes[i], &b->nodes[i]));
	for (uint32_t i = 0; i < a->partitions * a->replicas; i++)
		SAME(rows[i]);
	for (uint32_t i = 0; i < a->partitions; i++)
		SAME(config_epochs[i]);
	SAME(move_count);
	for (uint32_t i = 0; i < a->move_count; i++)
		SAME_PART(differ_move(&a->moves[i], &b->moves[i]));
	SAME(voter_count);
	for (uint32_t i = 0; i < a->voter_count; i++)
		SAME(voters[i]);
	SAME(token_count);
	for (uint32_t i = 0; i < a->token_count; i++) {
		SAME(tokens[i].hash);
		SAME(tokens[i].expires_ms);
	}
	SAME(paused);
	SAME(feature_level);
	return NULL;
}

static const char *differ_vote(const struct msg_vote *a, const struct msg_vote *b)
{
	SAME_VERSION(ballot);
	SAME(epoch);
	DIFFER_UNLESS(!a->map == !b->map, "map");
	if (a->map)
		SAME_PART(msg_map_difference(a->map, b->map));
	SAME(status);
	SAME_VERSION(promised);
	SAME_VERSION(accepted);
	return NULL;
}

static const char *differ_join(const struct msg_join *a, const struct msg_join *b)
{
	SAME_BYTES(token);
	SAME_PART(msg_node_difference(&a->self, &b->self));
	SAME(status);
	SAME_BYTES(message);
	return NULL;
}

static const char *differ_move_message(const struct msg_move *a, const struct msg_move *b)
{
	SAME(partition);
	SAME_UUID(session);
	SAME(fence);
	SAME_VERSION(seal);
	SAME_VERSION(drop);
	SAME(keys);
	SAME(bytes);
	SAME_BYTES(cursor);
	SAME(done);
	SAME_BYTES(page);
	SAME(stage);
	SAME(keys_done);
	SAME(bytes_done);
	SAME(bytes_per_sec);
	SAME(source);
	SAME(retries);
	SAME_BYTES(message);
	SAME(status);
	return NULL;
}

static const char *differ_tree(const struct msg_tree *a, const struct msg_tree *b)
{
	SAME(root_count);
	for (uint32_t i = 0; i < a->root_count; i++) {
		SAME(roots[i].partition);
		SAME(roots[i].config_epoch);
		SAME(roots[i].hash);
	}
	SAME(partition);
	SAME(leaf);
	SAME_BYTES(cursor);
	SAME(done);
	SAME_BYTES(page);
	SAME(status);
	return NULL;
}

static const char *differ_gc(const struct msg_gc *a, const struct msg_gc *b)
{
	SAME(partition);
	SAME(step);
	SAME_VERSION(floor);
	SAME_BYTES(page);
	SAME(status);
	return NULL;
}

static const char *differ_change(const struct msg_change *a, const struct msg_change *b)
{
	SAME(kind);
	SAME(node);
	SAME_BYTES(address);
	SAME_BYTES(client_address);
	SAME(features);
	SAME(weight);
	SAME(ttl_ms);
	SAME(epoch);
	SAME(deadline_ms);
	return NULL;
}

static const char *differ_plan(const struct msg_plan *a, const struct msg_plan *b)
{
	SAME(status);
	SAME_BYTES(message);
	SAME(epoch);
	SAME(staged);
	SAME(moves);
	SAME(bytes);
	SAME(duration_ms);
	SAME(duration_busy_ms);
	SAME(survives);
	SAME(node_count);
	for (uint32_t i = 0; i < a->node_count; i++) {
		SAME(nodes[i].index);
		SAME(nodes[i].before);
		SAME(nodes[i].after);
		SAME(nodes[i].moves_in);
		SAME(nodes[i].moves_out);
		SAME(nodes[i].bytes_in);
		SAME(nodes[i].bytes_out);
	}
	return NULL;
}

static const char *differ_move_status(const struct move_status *a, const struct move_status *b)
{
	SAME(partition);
	SAME(old_count);
	SAME(new_count);
	for (uint32_t i = 0; i < a->old_count; i++)
		SAME(old_row[i]);
	for (uint32_t i = 0; i < a->new_count; i++)
		SAME(new_row[i]);
	SAME(node);
	SAME(stage);
	SAME(keys);
	SAME(bytes);
	SAME(keys_done);
	SAME(bytes_done);
	SAME(bytes_per_sec);
	SAME(source);
	SAME(retries);
	SAME(age_ms);
	SAME_BYTES(message);
	return NULL;
}

static const char *differ_move_list(const struct msg_move_list *a, const struct msg_move_list *b)
{
	SAME(epoch);
	SAME(waiting);
	SAME(paused);
	SAME(count);
	for (uint32_t i = 0; i < a->count; i++)
		SAME_PART(differ_move_status(&a->moves[i], &b->moves[i]));
	return NULL;
}

static const char *differ_repair(const struct msg_repair *a, const struct msg_repair *b)
{
	SAME(shard);
	SAME(run);
	SAME(scrub);
	SAME(status);
	SAME(shards);
	SAME(partitions);
	SAME(oldest_ms);
	SAME(building);
	SAME(exchanges);
	SAME(differing);
	SAME(repaired);
	SAME(scrubbed);
	SAME(corrupt);
	SAME(tombstones);
	SAME(purge_age_ms);
	SAME(purge_blocked);
	SAME(purge_blocked_by);
	SAME(pair_count);
	for (uint32_t i = 0; i < a->pair_count; i++) {
		SAME(pairs[i].partition);
		SAME(pairs[i].peer);
		SAME(pairs[i].equal_age_ms);
	}
	return NULL;
}

static const char *differ_explained_record(const struct record *a, const struct record *b)
{
	SAME_VERSION(ver);
	SAME_VERSION(org);
	SAME(weak);
	SAME(tombstone);
	SAME(strong);
	SAME(value_hash);
	SAME(value_size);
	SAME(expires_ms);
	SAME(fence);
	SAME(rid.client);
	SAME(rid.seq);
	return NULL;
}

static const char *differ_explanation(const struct msg_explanation *a, const struct msg_explanation *b)
{
	SAME(status);
	SAME_BYTES(message);
	SAME(partition);
	SAME(leaf);
	SAME(config_epoch);
	SAME(member);
	SAME(serves);
	SAME(stage);
	SAME(disk);
	SAME(stored_size);
	SAME(in_memory);
	SAME(writing);
	SAME_PART(differ_explained_record(&a->record, &b->record));
	SAME(lineage);
	SAME(memories);
	SAME_VERSION(promised);
	SAME_VERSION(promise);
	SAME_VERSION(memory);
	SAME_VERSION(seal);
	SAME_VERSION(drop);
	SAME(tree);
	SAME(more_hints);
	SAME(hint_count);
	SAME(pair_count);
	for (uint32_t i = 0; i < a->hint_count; i++) {
		SAME(hints[i].target);
		SAME(hints[i].key);
		SAME(hints[i].partition);
		SAME_VERSION(hints[i].ver);
		SAME(hints[i].created);
	}
	for (uint32_t i = 0; i < a->pair_count; i++) {
		SAME(pairs[i].partition);
		SAME(pairs[i].peer);
		SAME(pairs[i].equal_age_ms);
	}
	return NULL;
}

static const char *differ_config(const struct msg_config *a, const struct msg_config *b)
{
	SAME(status);
	SAME_BYTES(file);
	SAME(count);
	for (uint32_t i = 0; i < a->count; i++) {
		SAME_BYTES(entries[i].name);
		SAME_BYTES(entries[i].value);
		SAME_BYTES(entries[i].fallback);
		SAME(entries[i].scope);
		SAME(entries[i].source);
		SAME_BYTES(entries[i].waits);
		SAME(entries[i].needs_restart);
	}
	return NULL;
}

static const char *differ_hot_keys(const struct msg_hot_keys *a, const struct msg_hot_keys *b)
{
	SAME(status);
	SAME(window_ms);
	SAME(total);
	SAME(count);
	for (uint32_t i = 0; i < a->count; i++) {
		SAME(keys[i].bucket);
		SAME_BYTES(keys[i].key);
		SAME(keys[i].reads);
		SAME(keys[i].writes);
		SAME(keys[i].error);
	}
	return NULL;
}

const char *msg_change_difference(const struct msg *a, const struct msg *b)
{
	switch (opcode_body(a->opcode, a->reply)) {
	case BODY_VOTE:
		return differ_vote(&a->vote, &b->vote);
	case BODY_JOIN:
		return differ_join(&a->join, &b->join);
	case BODY_MOVE:
		return differ_move_message(&a->move, &b->move);
	case BODY_TREE:
		return differ_tree(&a->tree, &b->tree);
	case BODY_GC:
		return differ_gc(&a->gc, &b->gc);
	case BODY_PROBE:
		DIFFER_UNLESS(a->probe.target == b->probe.target, "target");
		DIFFER_UNLESS(a->probe.reached == b->probe.reached, "reached");
		return NULL;
	case BODY_CHANGE:
		return differ_change(&a->change, &b->change);
	case BODY_PLAN:
		return differ_plan(&a->plan, &b->plan);
	case BODY_MOVE_LIST:
		return differ_move_list(&a->move_list, &b->move_list);
	case BODY_REPAIR:
		return differ_repair(&a->repair, &b->repair);
	case BODY_EXPLAIN:
		DIFFER_UNLESS(a->explain.bucket == b->explain.bucket, "bucket");
		DIFFER_UNLESS(slice_equal(a->explain.key, b->explain.key), "key");
		return NULL;
	case BODY_EXPLANATION:
		return differ_explanation(&a->explanation, &b->explanation);
	case BODY_CONFIG:
		return differ_config(&a->config, &b->config);
	case BODY_CONFIG_SET:
		DIFFER_UNLESS(slice_equal(a->config_set.name, b->config_set.name), "name");
		DIFFER_UNLESS(slice_equal(a->config_set.value, b->config_set.value), "value");
		return NULL;
	case BODY_HOT_KEYS:
		return differ_hot_keys(&a->hot_keys, &b->hot_keys);
	default:
		return NULL;
	}
}
