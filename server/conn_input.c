/* SPDX-License-Identifier: Apache-2.0 */
/* The reading half of a connection: from bytes to checked, decoded messages. */
#include "base/clock.h"
#include "proto/codec.h"
#include "proto/opcode.h"
#include "server/conn.h"

/* Reads a readable connection may do before the others get their turn; input that is not worth a budget entry. */
enum { READS_MAX = 4, SMALL_INPUT = 1024 };

static struct frame_limits limits_of(const struct conn *c)
{
	if (c->state == CONN_HELLO)
		return FRAME_LIMITS_HELLO;
	if (c->kind == HELLO_PEER)
		return FRAME_LIMITS_OPEN(PAGE_SIZE_MAX);
	return FRAME_LIMITS_OPEN(c->set->config.value_size_max);
}

/** A header that is no good. Returns how many of the bytes at hand are done with. */
static size_t take_bad_header(struct conn *c, enum frame_error error, const struct frame_header *header,
			      size_t size)
{
	bool answerable = error == FRAME_HUGE || error == FRAME_TOO_LARGE;
	bool closes = frame_error_closes(error) || c->state == CONN_HELLO;
	struct frame_limits limits = limits_of(c);
	if (answerable)
		conn_send_error(
			c, header->opcode, header->request_id, KV_TOO_LARGE,
			"frame of %u bytes meta and %u bytes value; allowed here are %u and %u (limits.value_size)",
			header->meta_size, header->value_size,
			opcode_is_admin_sized(header->opcode) ? limits.meta_admin_max : limits.meta_max,
			limits.value_max);
	else if (error != FRAME_BAD_MAGIC)
		conn_send_error(c, 0, 0, frame_error_status(error), "%s", frame_error_text(error));
	if (!closes) {
		c->skip = (uint64_t)header->meta_size + header->value_size;
		return FRAME_HEADER_SIZE;
	}
	if (error == FRAME_BAD_MAGIC)
		conn_close(c); /* not our protocol: our answer would not be understood either */
	else
		conn_finish(c);
	return size;
}

static void take_hello(struct conn *c, const struct msg *msg)
{
	if (msg->opcode != OP_HELLO || msg->reply) {
		conn_send_error(c, 0, msg->id, KV_INVALID, "the first frame of a connection must be HELLO, not %s",
				opcode_name(msg->opcode));
		conn_finish(c);
		return;
	}
	struct msg reply = {.opcode = OP_HELLO, .reply = true, .id = msg->id};
	c->set->config.events->hello(c->set->config.owner, c, &msg->hello, &reply);
	conn_send(c, &reply);
	if (c->state == CONN_DEAD)
		return;
	if (reply.hello.status != KV_OK) {
		conn_finish(c);
		return;
	}
	c->state = CONN_OPEN;
	conn_watch(c, NULL);
}

/** One whole frame whose header is good. */
static void take_frame(struct conn *c, const struct frame_header *header, const uint8_t *body)
{
	struct conn_set *set = c->set;
	struct slice meta = slice_of(body, header->meta_size);
	struct slice value = slice_of(body + header->meta_size, header->value_size);
	stats_add(&set->config.stats->frames_received, 1);
	if (!frame_body_check(header, meta, value)) {
		conn_send_error(c, header->opcode, header->request_id, KV_CORRUPT,
				"the frame's body does not match its checksum");
		conn_finish(c);
		return;
	}
	arena_reset(&set->arena);
	struct msg msg = {0};
	enum kv_status status = codec_decode(header, meta, value, &set->arena, &msg);
	if (status == KV_OK && c->state == CONN_HELLO) {
		take_hello(c, &msg);
	} else if (status == KV_OK) {
		set->config.events->message(set->config.owner, c, header, meta, value, &msg);
	} else if (status == KV_UNSUPPORTED) {
		conn_send_error(c, header->opcode, header->request_id, status,
				"opcode 0x%04x%s is not known to this node (version %s)", header->opcode,
				header->flags & FRAME_REPLY ? " (reply)" : "", KVD_VERSION);
	} else {
		conn_send_error(c, header->opcode, header->request_id, status, "%s: %s",
				opcode_name(header->opcode), status_text(status));
	}
	if (status != KV_OK && c->state == CONN_HELLO)
		conn_finish(c);
}

/** Takes the frame at the beginning of DATA. 0: it is not all there; c->need says how many bytes it takes. */
static size_t take_one(struct conn *c, const uint8_t *data, size_t size)
{
	c->need = FRAME_HEADER_SIZE;
	if (size < FRAME_HEADER_SIZE)
		return 0;
	struct frame_limits limits = limits_of(c);
	struct frame_header header;
	enum frame_error error = frame_header_decode(data, &limits, &header);
	if (error != FRAME_OK)
		return take_bad_header(c, error, &header, size);
	c->need = frame_size(&header);
	if (size < c->need)
		return 0;
	take_frame(c, &header, data + FRAME_HEADER_SIZE);
	return c->need;
}

/** Keeps the bytes for later. The memory is the whole frame's, so that the rest is read straight into its place. */
static bool keep(struct conn *c, const uint8_t *data, size_t size)
{
	size_t want = MAX(c->need, c->in.size + size);
	if (want > SMALL_INPUT && want > c->in_taken) {
		if (!budget_take(c->set->config.budget, want - c->in_taken))
			return false;
		c->in_taken = want;
	}
	buf_reserve(&c->in, want - c->in.size);
	buf_append(&c->in, data, size);
	return true;
}

static void forget_input(struct conn *c)
{
	buf_release(&c->in);
	budget_give(c->set->config.budget, c->in_taken);
	c->in_taken = 0;
}

/** No memory for the frame that begins with what is kept and DATA: refuses the request and skips its body. */
static void refuse_frame(struct conn *c, const uint8_t *data, size_t size)
{
	struct frame_limits limits = limits_of(c);
	struct frame_header header;
	size_t have = c->in.size + size;
	const uint8_t *start = c->in.size ? c->in.data : data;
	bool known = (c->in.size ? c->in.size : size) >= FRAME_HEADER_SIZE &&
		     frame_header_decode(start, &limits, &header) == FRAME_OK;
	if (!known || have > frame_size(&header)) {
		conn_send_error(c, 0, 0, KV_OVERLOADED, "no memory left for input; connect again later");
		conn_finish(c);
		return;
	}
	c->skip = frame_size(&header) - have;
	forget_input(c);
	conn_send_error(c, header.opcode, header.request_id, KV_OVERLOADED,
			"no memory left for a request of %zu bytes; the limit for all connections is limits.memory",
			frame_size(&header));
}

static void keep_or_refuse(struct conn *c, const uint8_t *data, size_t size)
{
	if (!keep(c, data, size))
		refuse_frame(c, data, size);
}

static bool takes_input(const struct conn *c) { return c->state == CONN_HELLO || c->state == CONN_OPEN; }

/** Completes the frame of which a part is kept; returns how much of DATA went into it. */
static size_t complete_kept(struct conn *c, const uint8_t *data, size_t size)
{
	KV_ASSERT(c->in.size <= c->need);
	size_t taken = MIN(size, c->need - c->in.size);
	buf_append(&c->in, data, taken);
	if (c->in.size < c->need)
		return taken;
	size_t done = take_one(c, c->in.data, c->in.size);
	if (c->state == CONN_DEAD)
		return taken;
	if (done > 0)
		forget_input(c);
	else
		keep_or_refuse(c, NULL, 0); /* it was the header; now the size is known */
	return taken;
}

static void process(struct conn *c, const uint8_t *data, size_t size)
{
	while (size > 0 && takes_input(c) && !conn_is_paused(c)) {
		size_t taken;
		if (c->skip > 0) {
			taken = (size_t)MIN((uint64_t)size, c->skip);
			c->skip -= taken;
		} else if (c->in.size > 0) {
			taken = complete_kept(c, data, size);
		} else {
			taken = take_one(c, data, size);
			if (taken == 0) {
				keep_or_refuse(c, data, size);
				return;
			}
		}
		data += taken;
		size -= taken;
	}
	if (takes_input(c) && size > 0)
		keep_or_refuse(c, data, size);
}

void conn_resume(struct conn *c)
{
	if (!takes_input(c) || conn_is_paused(c))
		return;
	struct buf kept = c->in;
	size_t taken = c->in_taken;
	c->in = BUF_INIT;
	c->in_taken = 0;
	process(c, kept.data, kept.size);
	buf_release(&kept);
	budget_give(c->set->config.budget, taken);
	conn_update_reading(c);
}

void conn_read(struct conn *c)
{
	uint8_t *scratch = c->set->scratch;
	for (int i = 0; i < READS_MAX && c->state != CONN_DEAD && c->reading; i++) {
		bool kept = takes_input(c) && c->in.size > 0;
		size_t gap = kept ? c->need - c->in.size : 0;
		if (kept)
			buf_reserve(&c->in, gap);
		const struct iovec parts[] = {
			{.iov_base = kept ? c->in.data + c->in.size : scratch, .iov_len = gap},
			{.iov_base = scratch, .iov_len = CONN_SCRATCH_SIZE},
		};
		size_t size;
		enum transport_result result = transport_read(&c->transport, parts, 2, &size);
		if (result == TRANSPORT_AGAIN)
			return;
		if (result != TRANSPORT_OK) {
			conn_close(c);
			return;
		}
		stats_add(&c->set->config.stats->bytes_received, size);
		size_t filled = MIN(size, gap);
		c->in.size += filled;
		if (filled > 0 && filled == gap)
			complete_kept(c, NULL, 0);
		process(c, scratch, size - filled);
		if (c->state != CONN_DEAD)
			conn_update_reading(c);
		if (size < gap + CONN_SCRATCH_SIZE)
			return; /* the socket is empty: its next bytes raise the event again */
	}
}
