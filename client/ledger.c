/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading all ledgers: partition by partition, and in each the ledger of every node of its row, page by page. Entries that
 * another node has told already are passed over.
 */
#include "base/hash.h"
#include "client/map_call.h"
#include "proto/keyhash.h"

_Static_assert(KV_LEDGER_STRONG == (int)LEDGER_STRONG && KV_LEDGER_LATE == (int)LEDGER_LATE,
	       "causes are the wire's");

/* An entry of the present partition that was returned. */
struct told {
	struct hmap_node node;
	uint64_t key_hash;
	struct version ver;
};

struct kv_ledger {
	struct kv_client *client;
	struct kv_ledger_options options;
	uint32_t timeout_ms;
	struct reply *map; /* the rows as they were at the start */
	struct buf key;    /* empty: of all keys */
	uint32_t partition,
		end;           /* where the next page, or the present one, is from; the last one is before `end` */
	uint32_t replica;      /* place in its row */
	struct buf page_start; /* cursor that gives the next page */
	struct reply *page;    /* NULL: to be fetched */
	uint32_t next_item;
	struct hmap told;     /* by hash of key and version */
	bool lost[NODES_MAX]; /* nodes that could not be asked */
};

static const struct map_desc *ledger_map(const struct kv_ledger *l) { return l->map->msg.map.map; }

const char *kv_ledger_cause_name(enum kv_ledger_cause cause)
{
	switch (cause) {
	case KV_LEDGER_LATE:
		return "late";
	case KV_LEDGER_OVERWRITTEN:
		return "overwritten";
	case KV_LEDGER_STRONG:
		return "strong";
	}
	return "unknown"; /* of a newer node */
}

/* ---- What was told ---- */

static void forget_told(struct kv_ledger *l)
{
	struct hmap_node *node;
	while ((node = hmap_first(&l->told))) {
		hmap_remove(&l->told, node);
		free(container_of(node, struct told, node));
	}
}

/* False if it was there already. */
static bool tell(struct kv_ledger *l, const struct scan_item *item)
{
	uint64_t hash = key_hash(item->key);
	uint64_t place = hash ^ hash_u64(item->ver.hlc) ^ hash_u64(item->ver.id + 1);
	for (struct hmap_node *n = hmap_first_same(&l->told, place); n; n = hmap_next_same(n)) {
		const struct told *t = container_of(n, struct told, node);
		if (t->key_hash == hash && t->ver.hlc == item->ver.hlc && t->ver.id == item->ver.id)
			return false;
	}
	struct told *t = xcalloc(1, sizeof *t);
	t->key_hash = hash;
	t->ver = item->ver;
	hmap_add(&l->told, &t->node, place);
	return true;
}

/* ---- Opening ---- */

static enum kv_status ledger_begin(struct kv_ledger *l, struct kv_error *err)
{
	struct slice key = slice_in(l->options.key);
	if (key.size > KEY_SIZE_MAX)
		return client_error(err, KV_TOO_LARGE, "the key has %zu bytes: at most %u are allowed", key.size,
				    KEY_SIZE_MAX);
	enum kv_status status = map_get(l->client, &l->map, err);
	if (status != KV_OK)
		return status;
	l->end = ledger_map(l)->partitions;
	if (key.size > 0) {
		buf_append_slice(&l->key, key);
		l->partition = hash_partition(key_hash(key), l->end);
		l->end = l->partition + 1;
	}
	return KV_OK;
}

enum kv_status kv_ledger_open(struct kv_client *client, const struct kv_ledger_options *options,
			      struct kv_ledger **ret_ledger, struct kv_error *err)
{
	struct kv_ledger_options o = KV_LEDGER_OPTIONS_INIT;
	uint32_t timeout_ms;
	enum kv_status status = options ? options_copy(options, &o, sizeof o, err) : KV_OK;
	if (status == KV_OK)
		status = options_timeout(&client->engine.config, o.timeout_ms, &timeout_ms, err);
	if (status != KV_OK)
		return status;
	struct kv_ledger *l = xcalloc(1, sizeof *l);
	l->client = client;
	l->options = o;
	l->timeout_ms = timeout_ms;
	status = ledger_begin(l, err);
	if (status != KV_OK) {
		kv_ledger_close(l);
		return status;
	}
	*ret_ledger = l;
	return client_ok(err);
}

/* ---- Iterating ---- */

static void next_replica(struct kv_ledger *l)
{
	buf_clear(&l->page_start);
	l->replica++;
}

/* On to a node that can be asked. False at the end; otherwise its index. */
static bool find_node(struct kv_ledger *l, node_id *ret_node)
{
	for (; l->partition < l->end; l->partition++, l->replica = 0) {
		node_id row[ROW_MAX];
		uint32_t count = route_row(ledger_map(l), (uint16_t)l->partition, row);
		for (; l->replica < count; next_replica(l)) {
			if (row[l->replica] >= NODES_MAX || l->lost[row[l->replica]])
				continue;
			*ret_node = row[l->replica];
			return true;
		}
		forget_told(l);
	}
	return false;
}

static enum kv_status fetch_page(struct kv_ledger *l, node_id node, struct kv_error *err)
{
	struct call call;
	call_init(l->client, &call, OP_LEDGER, TARGET_NODE, RETRY_READ, l->timeout_ms);
	call.request.node = node;
	call.request.msg.request = (struct msg_request){
		.bucket = l->options.bucket,
		.level = LEVEL_EVENTUAL,
		.partition = (uint16_t)l->partition,
		.cursor = buf_slice(&l->page_start),
		.prefix = buf_slice(&l->key),
	};
	enum kv_status status = call_run(l->client, &call, err);
	if (status == KV_OK) {
		l->page = call.request.reply;
		l->next_item = 0;
		return KV_OK;
	}
	reply_unref(call.request.reply); /* with KV_NOT_FOUND */
	l->lost[node] = true;
	if (status == KV_NOT_FOUND)
		return client_error(err, KV_INTERNAL, "node %u does not know partition %u", node, l->partition);
	return status;
}

static void leave_page(struct kv_ledger *l)
{
	struct slice cursor = l->page->msg.result.cursor;
	if (cursor.size > 0) {
		buf_clear(&l->page_start);
		buf_append_slice(&l->page_start, cursor);
	} else {
		next_replica(l);
	}
	reply_unref(l->page);
	l->page = NULL;
}

/* The next item of the page that is asked for and new; NULL: none is left. */
static const struct scan_item *next_of_page(struct kv_ledger *l)
{
	const struct msg_result *result = &l->page->msg.result;
	while (l->next_item < result->item_count) {
		const struct scan_item *item = &result->items[l->next_item++];
		bool wanted = l->key.size == 0 || slice_equal(item->key, buf_slice(&l->key));
		if (wanted && tell(l, item))
			return item;
	}
	return NULL;
}

/* Of a large value the ledger keeps the hash alone. */
static bool is_kept(const struct scan_item *item)
{
	return item->value.size > 0 || item->value_hash == 0 || item->value_hash == hash64(item->value);
}

static void entry_fill(const struct kv_ledger *l, const struct scan_item *from, node_id node,
		       struct kv_ledger_entry *to)
{
	*to = (struct kv_ledger_entry){
		.key = slice_out(from->key),
		.value = is_kept(from) ? slice_out(from->value) : (struct kv_slice){0},
		.version = {.hlc = from->ver.hlc, .id = from->ver.id},
		.winner = {.hlc = from->org.hlc, .id = from->org.id},
		.cause = (enum kv_ledger_cause)from->cause,
		.expires_ms = from->expires_ms,
		.value_hash = from->value_hash,
		.partition = (uint16_t)l->partition,
		.node = node,
	};
}

enum kv_status kv_ledger_next(struct kv_ledger *ledger, struct kv_ledger_entry *ret_entry, struct kv_error *err)
{
	node_id node;
	while (find_node(ledger, &node)) {
		enum kv_status status = ledger->page ? KV_OK : fetch_page(ledger, node, err);
		if (status != KV_OK)
			return status;
		const struct scan_item *item = next_of_page(ledger);
		if (item) {
			entry_fill(ledger, item, node, ret_entry);
			return client_ok(err);
		}
		leave_page(ledger);
	}
	return client_error(err, KV_NOT_FOUND, "the ledger is at its end");
}

void kv_ledger_close(struct kv_ledger *ledger)
{
	if (!ledger)
		return;
	reply_unref(ledger->map);
	reply_unref(ledger->page);
	forget_told(ledger);
	hmap_release(&ledger->told);
	buf_release(&ledger->key);
	buf_release(&ledger->page_start);
	free(ledger);
}
