/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/opcode.h"
#include "tests/support/msg_diff_parts.h"
#include "tests/support/msg_gen.h"

static const char *differ_hello(const struct msg_hello *a, const struct msg_hello *b)
{
	SAME(kind);
	SAME(proto_min);
	SAME(proto_max);
	SAME(features);
	SAME_UUID(cluster);
	SAME_UUID(node);
	SAME(index);
	SAME(incarnation);
	SAME(boot_nonce);
	SAME_BYTES(name);
	SAME_BYTES(peer_address);
	SAME_BYTES(http_address);
	SAME(map_epoch);
	SAME(frame_size_max);
	SAME(window);
	SAME(shards);
	SAME_BYTES(auth_mechanisms);
	SAME(status);
	SAME_BYTES(message);
	return NULL;
}

static const char *differ_trace(const struct trace_context *a, const struct trace_context *b)
{
	SAME(trace_hi);
	SAME(trace_lo);
	SAME(span);
	SAME(sampled);
	return NULL;
}

static const char *differ_request(const struct msg_request *a, const struct msg_request *b)
{
	SAME(bucket);
	SAME_BYTES(key);
	SAME_BYTES(value);
	SAME(value_hash);
	SAME(level);
	SAME(acks);
	SAME(deadline_ms);
	SAME(staleness_ms);
	SAME(rid.client);
	SAME(rid.seq);
	SAME(t0);
	SAME(attempt);
	SAME(ttl_ms);
	SAME(fence);
	SAME(has_expected);
	SAME_VERSION(expected);
	SAME(has_expected_hash);
	SAME(expected_hash);
	SAME(if_present);
	SAME(delta);
	SAME_BYTES(session);
	SAME_PART(differ_trace(&a->trace, &b->trace));
	SAME(timeline_wanted);
	SAME(receipt_wanted);
	SAME(forwarded);
	SAME(partition);
	SAME_BYTES(cursor);
	SAME_BYTES(prefix);
	SAME(limit);
	SAME(raw);
	return NULL;
}

static const char *differ_receipt(const struct msg_receipt *a, const struct msg_receipt *b)
{
	SAME(asked);
	SAME(achieved);
	SAME_VERSION(version);
	SAME(epoch);
	SAME(acks);
	SAME(hinted);
	SAME(rounds);
	SAME(staleness_ms);
	SAME(repaired);
	SAME(replica_count);
	for (uint32_t i = 0; i < a->replica_count; i++) {
		SAME(replicas[i].node);
		SAME_VERSION(replicas[i].ver);
		SAME(replicas[i].status);
	}
	return NULL;
}

static const char *differ_timeline(const struct msg_timeline *a, const struct msg_timeline *b)
{
	SAME_PART(differ_trace(&a->context, &b->context));
	SAME(span);
	SAME(node);
	SAME(opcode);
	SAME(level);
	SAME(partition);
	SAME(epoch);
	SAME_VERSION(ballot);
	SAME(rounds);
	SAME(status);
	SAME(in_doubt);
	SAME(took_us);
	SAME(left_out);
	SAME(span_count);
	for (uint32_t i = 0; i < a->span_count; i++) {
		SAME(spans[i].kind);
		SAME(spans[i].parent);
		SAME(spans[i].node);
		SAME(spans[i].peer);
		SAME(spans[i].start_us);
		SAME(spans[i].took_us);
		SAME(spans[i].open);
		SAME(spans[i].result);
	}
	return NULL;
}

static const char *differ_trace_query(const struct msg_trace_query *a, const struct msg_trace_query *b)
{
	SAME(trace_hi);
	SAME(trace_lo);
	return NULL;
}

static const char *differ_traces(const struct msg_traces *a, const struct msg_traces *b)
{
	SAME(status);
	SAME(count);
	for (uint32_t i = 0; i < a->count; i++) {
		SAME(traces[i].wall_us);
		SAME(traces[i].slow);
		SAME_PART(differ_timeline(a->traces[i].timeline, b->traces[i].timeline));
	}
	return NULL;
}

static const char *differ_result(const struct msg_result *a, const struct msg_result *b)
{
	SAME(status);
	SAME(in_doubt);
	SAME(retry_after_ms);
	SAME_BYTES(message);
	SAME_VERSION(version);
	SAME_BYTES(value);
	SAME(value_hash);
	SAME(expires_ms);
	SAME(try_other);
	SAME(outcome);
	SAME(staleness_ms);
	SAME(row_count);
	for (uint16_t i = 0; i < a->row_count; i++)
		SAME(row[i]);
	SAME_BYTES(session);
	SAME(has_receipt);
	if (a->has_receipt)
		SAME_PART(differ_receipt(&a->receipt, &b->receipt));
	DIFFER_UNLESS(!a->timeline == !b->timeline, "timeline");
	if (a->timeline)
		SAME_PART(differ_timeline(a->timeline, b->timeline));
	SAME(item_count);
	for (uint32_t i = 0; i < a->item_count; i++) {
		SAME_BYTES(items[i].key);
		SAME_BYTES(items[i].value);
		SAME_VERSION(items[i].ver);
		SAME_VERSION(items[i].org);
		SAME(items[i].expires_ms);
		SAME(items[i].value_hash);
		SAME(items[i].tombstone);
		SAME(items[i].weak);
		SAME(items[i].strong);
		SAME(items[i].cause);
	}
	SAME_BYTES(cursor);
	return NULL;
}

static const char *differ_record(const struct record *a, const struct record *b)
{
	SAME_VERSION(ver);
	SAME_VERSION(org);
	SAME(weak);
	SAME(tombstone);
	SAME(strong);
	SAME(has_value);
	SAME(rid.client);
	SAME(rid.seq);
	SAME(result);
	SAME(expires_ms);
	SAME(fence);
	SAME(value_hash);
	SAME(value_size);
	SAME_VERSION(lin_floor);
	SAME(lin_count);
	for (uint32_t i = 0; i < a->lin_count; i++) {
		SAME_VERSION(lin[i].ver);
		SAME(lin[i].rid.client);
		SAME(lin[i].rid.seq);
		SAME(lin[i].result);
	}
	SAME_BYTES(value);
	return NULL;
}

static const char *differ_replica(const struct msg_replica *a, const struct msg_replica *b)
{
	SAME(partition);
	SAME(bucket);
	SAME_BYTES(key);
	SAME(deadline_ms);
	SAME(want_value);
	SAME(hinted);
	SAME_VERSION(ballot);
	SAME(rid.client);
	SAME(rid.seq);
	SAME(attempt_count);
	for (uint32_t i = 0; i < a->attempt_count; i++)
		SAME_VERSION(attempts[i]);
	SAME(read_epoch);
	SAME(direct);
	SAME_VERSION(next);
	SAME_PART(differ_trace(&a->trace, &b->trace));
	return differ_record(&a->record, &b->record);
}

static const char *differ_answer(const struct msg_replica_reply *a, const struct msg_replica_reply *b)
{
	SAME(partition);
	SAME(answer);
	SAME_VERSION(drop_floor);
	SAME_VERSION(promise);
	SAME_VERSION(stored);
	SAME(above);
	SAME(no_promise);
	SAME(no_room);
	SAME(out);
	SAME_VERSION(memory_floor);
	SAME(carrier_count);
	for (uint32_t i = 0; i < a->carrier_count; i++) {
		SAME_VERSION(carriers[i].copy);
		SAME_VERSION(carriers[i].attempt);
		SAME(carriers[i].result);
	}
	SAME(config_epoch);
	SAME(served.queue_us);
	SAME(served.disk_us);
	SAME(served.commit_us);
	SAME(served.sync_us);
	return differ_record(&a->record, &b->record);
}

static const char *differ_heartbeat(const struct msg_heartbeat *a, const struct msg_heartbeat *b)
{
	SAME(seq);
	SAME(sent_us);
	SAME(incarnation);
	SAME(map_epoch);
	SAME(health);
	SAME(queue_us);
	SAME(disk_p99_us);
	SAME(disk_free_pct);
	SAME(disk_low);
	SAME(stored_hlc);
	SAME(shards);
	SAME(drained);
	SAME(core);
	return NULL;
}

static const char *differ_hint(const struct msg_hint *a, const struct msg_hint *b)
{
	SAME(pending);
	SAME(granted);
	SAME(pace_ms);
	return NULL;
}

static const char *differ_map(const struct msg_map *a, const struct msg_map *b)
{
	SAME(status);
	SAME(have_epoch);
	DIFFER_UNLESS(!a->map == !b->map, "map");
	return a->map ? msg_map_difference(a->map, b->map) : NULL;
}

static const char *differ_init(const struct msg_init *a, const struct msg_init *b)
{
	SAME_UUID(cluster);
	SAME(from);
	SAME(index);
	SAME_BYTES(from_address);
	SAME(status);
	SAME_BYTES(message);
	return msg_node_difference(&a->self, &b->self);
}

static const char *differ_cluster_init(const struct msg_cluster_init *a, const struct msg_cluster_init *b)
{
	SAME_BYTES(name);
	SAME(partitions);
	SAME(replicas);
	SAME(deadline_ms);
	SAME(address_count);
	for (uint32_t i = 0; i < a->address_count; i++)
		SAME_BYTES(addresses[i]);
	return NULL;
}

static const char *differ_status(const struct msg_status *a, const struct msg_status *b)
{
	SAME(status);
	SAME_BYTES(message);
	SAME_UUID(cluster);
	SAME_UUID(node);
	SAME(index);
	SAME(incarnation);
	SAME(map_epoch);
	SAME(uptime_ms);
	SAME(shards);
	SAME(ready);
	SAME_BYTES(version);
	SAME_BYTES(name);
	SAME(peer_count);
	for (uint32_t i = 0; i < a->peer_count; i++) {
		SAME(peers[i].index);
		SAME(peers[i].state);
		SAME(peers[i].round_trip_us);
		SAME(peers[i].hints_pending);
		SAME(peers[i].partitions_dirty);
		SAME(peers[i].link_bad);
		SAME(peers[i].degraded);
		SAME(peers[i].health);
		SAME(peers[i].disk_p99_us);
		SAME(peers[i].disk_free_pct);
		SAME(peers[i].disk_low);
	}
	SAME(counter_count);
	for (uint32_t i = 0; i < a->counter_count; i++) {
		SAME_BYTES(counters[i].name);
		SAME(counters[i].value);
	}
	return NULL;
}

const char *msg_difference(const struct msg *a, const struct msg *b)
{
	SAME(opcode);
	SAME(reply);
	SAME(id);
	SAME(hlc);
	SAME(epoch);
	SAME(shard);
	switch (opcode_body(a->opcode, a->reply)) {
	case BODY_NONE:
		return NULL;
	case BODY_HELLO:
		return differ_hello(&a->hello, &b->hello);
	case BODY_REQUEST:
		return differ_request(&a->request, &b->request);
	case BODY_TRACE_QUERY:
		return differ_trace_query(&a->trace_query, &b->trace_query);
	case BODY_TRACES:
		return differ_traces(&a->traces, &b->traces);
	case BODY_RESULT:
		return differ_result(&a->result, &b->result);
	case BODY_REPLICA:
		return differ_replica(&a->replica, &b->replica);
	case BODY_ANSWER:
		return differ_answer(&a->answer, &b->answer);
	case BODY_HEARTBEAT:
		return differ_heartbeat(&a->heartbeat, &b->heartbeat);
	case BODY_HINT:
		return differ_hint(&a->hint, &b->hint);
	case BODY_MAP:
		return differ_map(&a->map, &b->map);
	case BODY_INIT:
		return differ_init(&a->init, &b->init);
	case BODY_CLUSTER_INIT:
		return differ_cluster_init(&a->cluster_init, &b->cluster_init);
	case BODY_STATUS:
		return differ_status(&a->status, &b->status);
	default:
		return msg_change_difference(a, b);
	}
}
