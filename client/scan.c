/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "client/map_call.h"

enum { CURSOR_FORMAT = 1 };

struct kv_scan {
	struct kv_client *client;
	struct kv_scan_options options;
	uint32_t timeout_ms;
	struct reply *map;  /* the rows as they were at the start */
	uint32_t partition; /* where the next page, or the present one, is from */
	struct buf prefix;
	struct buf page_start; /* cursor that gave the present page, or gives the next one */
	struct reply *page;    /* NULL: to be fetched */
	uint32_t next_item;
	struct buf position; /* what kv_scan_cursor lends */
};

static const struct map_desc *scan_map(const struct kv_scan *scan) { return scan->map->msg.map.map; }

static bool row_has(const struct map_desc *map, uint32_t partition, node_id node)
{
	node_id row[ROW_MAX];
	uint32_t count = route_row(map, (uint16_t)partition, row);
	for (uint32_t i = 0; i < count; i++) {
		if (row[i] == node)
			return true;
	}
	return false;
}

/* Steps over partitions of which the chosen node holds nothing. */
static void skip_foreign(struct kv_scan *scan)
{
	const struct map_desc *map = scan_map(scan);
	if (scan->options.node == KV_NODE_NONE)
		return;
	while (scan->partition < map->partitions && !row_has(map, scan->partition, scan->options.node)) {
		scan->partition++;
		buf_clear(&scan->page_start);
	}
}

static enum kv_status parse_cursor(struct kv_scan *scan, struct slice cursor, struct kv_error *err)
{
	if (cursor.size == 0)
		return KV_OK;
	struct reader r = reader_of(cursor);
	uint8_t format = reader_u8(&r);
	scan->partition = reader_le16(&r);
	if (r.failed || format != CURSOR_FORMAT || r.rest.size > CURSOR_SIZE_MAX ||
	    scan->partition >= scan_map(scan)->partitions)
		return client_error(err, KV_INVALID, "the scan cursor is not one of this cluster");
	buf_append_slice(&scan->page_start, r.rest);
	return KV_OK;
}

static enum kv_status check_options(const struct kv_scan_options *o, struct kv_error *err)
{
	if (o->page_items > SCAN_ITEMS_MAX)
		return client_error(err, KV_INVALID, "page_items is %u; at most %u is allowed", o->page_items,
				    SCAN_ITEMS_MAX);
	if (o->prefix.size > KEY_SIZE_MAX)
		return client_error(err, KV_TOO_LARGE, "the prefix has %zu bytes: at most %u are allowed",
				    o->prefix.size, KEY_SIZE_MAX);
	return KV_OK;
}

static enum kv_status scan_begin(struct kv_scan *scan, struct kv_error *err)
{
	struct kv_scan_options *o = &scan->options;
	enum kv_status status = map_get(scan->client, &scan->map, err);
	if (status != KV_OK)
		return status;
	if (o->node != KV_NODE_NONE && o->node >= scan_map(scan)->node_count)
		return client_error(err, KV_INVALID, "the cluster map has no node %u", o->node);
	status = parse_cursor(scan, slice_in(o->cursor), err);
	buf_append_slice(&scan->prefix, slice_in(o->prefix));
	return status;
}

enum kv_status kv_scan_open(struct kv_client *client, const struct kv_scan_options *options,
			    struct kv_scan **ret_scan, struct kv_error *err)
{
	struct kv_scan_options o = KV_SCAN_OPTIONS_INIT;
	uint32_t timeout_ms;
	enum kv_status status = options ? options_copy(options, &o, sizeof o, err) : KV_OK;
	if (status == KV_OK)
		status = check_options(&o, err);
	if (status == KV_OK)
		status = options_timeout(&client->engine.config, o.timeout_ms, &timeout_ms, err);
	if (status != KV_OK)
		return status;
	struct kv_scan *scan = xcalloc(1, sizeof *scan);
	scan->client = client;
	scan->options = o;
	scan->timeout_ms = timeout_ms;
	status = scan_begin(scan, err);
	if (status != KV_OK) {
		kv_scan_close(scan);
		return status;
	}
	*ret_scan = scan;
	return client_ok(err);
}

static enum kv_status fetch_page(struct kv_scan *scan, struct kv_error *err)
{
	const struct kv_scan_options *o = &scan->options;
	struct call call;
	bool one_node = o->node != KV_NODE_NONE;
	call_init(scan->client, &call, OP_SCAN, one_node ? TARGET_NODE : TARGET_ROW, RETRY_READ, scan->timeout_ms);
	call.request.partition = (uint16_t)scan->partition;
	call.request.node = o->node;
	call.request.msg.request = (struct msg_request){
		.bucket = o->bucket,
		.level = LEVEL_EVENTUAL,
		.partition = (uint16_t)scan->partition,
		.cursor = buf_slice(&scan->page_start),
		.prefix = buf_slice(&scan->prefix),
		.limit = o->page_items,
		.raw = o->raw,
	};
	enum kv_status status = call_run(scan->client, &call, err);
	if (status == KV_NOT_FOUND) {
		reply_unref(call.request.reply);
		return client_error(err, KV_INTERNAL, "the node does not know partition %u", scan->partition);
	}
	if (status != KV_OK)
		return status;
	scan->page = call.request.reply;
	scan->next_item = 0;
	return KV_OK;
}

/* The present page is used up: on to where the next one begins. */
static void leave_page(struct kv_scan *scan)
{
	struct slice cursor = scan->page->msg.result.cursor;
	buf_clear(&scan->page_start);
	if (cursor.size > 0)
		buf_append_slice(&scan->page_start, cursor);
	else
		scan->partition++;
	reply_unref(scan->page);
	scan->page = NULL;
}

static void entry_fill(struct kv_entry *to, const struct scan_item *from, uint32_t partition)
{
	*to = (struct kv_entry){
		.key = slice_out(from->key),
		.value = slice_out(from->value),
		.version = {.hlc = from->org.hlc, .id = from->org.id},
		.copy = {.hlc = from->ver.hlc, .id = from->ver.id},
		.expires_ms = from->expires_ms,
		.value_hash = from->value_hash,
		.partition = (uint16_t)partition,
		.tombstone = from->tombstone,
		.weak = from->weak,
		.strong = from->strong,
	};
}

enum kv_status kv_scan_next(struct kv_scan *scan, struct kv_entry *ret_entry, struct kv_error *err)
{
	for (;;) {
		if (scan->page && scan->next_item < scan->page->msg.result.item_count) {
			entry_fill(ret_entry, &scan->page->msg.result.items[scan->next_item++], scan->partition);
			return client_ok(err);
		}
		if (scan->page)
			leave_page(scan);
		skip_foreign(scan);
		if (scan->partition >= scan_map(scan)->partitions)
			return client_error(err, KV_NOT_FOUND, "the scan is at its end");
		enum kv_status status = fetch_page(scan, err);
		if (status != KV_OK)
			return status;
	}
}

struct kv_slice kv_scan_cursor(struct kv_scan *scan)
{
	uint32_t partition = scan->partition;
	struct slice start = buf_slice(&scan->page_start);
	if (scan->page && scan->next_item == scan->page->msg.result.item_count) {
		start = scan->page->msg.result.cursor;
		partition += start.size == 0;
	}
	if (partition >= scan_map(scan)->partitions)
		return (struct kv_slice){0};
	buf_clear(&scan->position);
	buf_append_u8(&scan->position, CURSOR_FORMAT);
	buf_append_le16(&scan->position, (uint16_t)partition);
	buf_append_slice(&scan->position, start);
	return slice_out(buf_slice(&scan->position));
}

void kv_scan_close(struct kv_scan *scan)
{
	if (!scan)
		return;
	reply_unref(scan->map);
	reply_unref(scan->page);
	buf_release(&scan->prefix);
	buf_release(&scan->page_start);
	buf_release(&scan->position);
	free(scan);
}
