/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etcd: gRPC, by libnghttp2 and the few messages of etcdserverpb.KV that are needed, written by hand. This is the door etcd's own
 * clients use; its JSON gateway would add work on the server.
 *
 *   PutRequest    key = 1, value = 2
 *   RangeRequest  key = 1, serializable = 7
 *   TxnRequest    success = 2 (RequestOp: request_put = 2)
 */
#include <nghttp2/nghttp2.h>

#include "bench/compare/load.h"

struct etcd {
	nghttp2_session *session;
};

/** A request's stream: what is sent, and what is known of the answer. */
struct stream {
	struct load_lane *lane;
	struct buf body;
	size_t body_sent, answer_size;
	bool status_good;
};

/* ---- Messages ----------------------------------------------------------------------------------------------------- */

static void put_varint(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_append_u8(out, (uint8_t)(value | 0x80));
	buf_append_u8(out, (uint8_t)value);
}

static void put_bytes(struct buf *out, unsigned field, const void *data, size_t size)
{
	put_varint(out, field << 3 | 2);
	put_varint(out, size);
	buf_append(out, data, size);
}

static void put_pair(struct buf *out, const struct load_options *options, uint64_t number)
{
	char key[LOAD_KEY_SIZE_MAX + 1];
	put_bytes(out, 1, key, load_key(options, number, key));
	put_bytes(out, 2, load_value(options), options->value_size);
}

/** One transaction that puts all keys of the lane. */
static void put_batch(struct buf *out, const struct load_options *options, const struct load_lane *lane)
{
	CLEANUP(buf_release) struct buf pair = BUF_INIT;
	CLEANUP(buf_release) struct buf op = BUF_INIT;
	for (uint32_t i = 0; i < lane->count; i++) {
		buf_clear(&pair);
		buf_clear(&op);
		put_pair(&pair, options, lane->number + i);
		put_bytes(&op, 2, pair.data, pair.size);
		put_bytes(out, 2, op.data, op.size);
	}
}

/** A gRPC message: not compressed, its size, itself. Gives the path to send it to. */
static const char *write_message(struct buf *out, const struct load_options *options, const struct load_lane *lane,
				 enum load_kind kind)
{
	const char *path = "/etcdserverpb.KV/Range";
	buf_append_u8(out, 0);
	buf_append_be32(out, 0);
	if (lane->count > 1) {
		path = "/etcdserverpb.KV/Txn";
		put_batch(out, options, lane);
	} else if (kind == LOAD_PUT) {
		path = "/etcdserverpb.KV/Put";
		put_pair(out, options, lane->number);
	} else {
		char key[LOAD_KEY_SIZE_MAX + 1];
		put_bytes(out, 1, key, load_key(options, lane->number, key));
		if (options->serializable) {
			put_varint(out, 7 << 3);
			put_varint(out, 1);
		}
	}
	for (unsigned i = 0; i < 4; i++)
		out->data[1 + i] = (uint8_t)((out->size - 5) >> (24 - 8 * i));
	return path;
}

/* ---- Streams ------------------------------------------------------------------------------------------------------ */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
			 nghttp2_data_source *source, void *user)
{
	(void)session, (void)id, (void)user;
	struct stream *stream = source->ptr;
	size_t size = MIN(room, stream->body.size - stream->body_sent);
	memcpy(to, stream->body.data + stream->body_sent, size);
	stream->body_sent += size;
	if (stream->body_sent == stream->body.size)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)size;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
		     const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
	(void)flags, (void)user;
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (stream && name_size == 11 && memcmp(name, "grpc-status", 11) == 0)
		stream->status_good = value_size == 1 && value[0] == '0';
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
		   void *user)
{
	(void)flags, (void)data, (void)user;
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
	if (stream)
		stream->answer_size += size;
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
	struct load_conn *conn = user;
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
	if (!stream)
		return 0;
	bool good = error == 0 && stream->status_good;
	if (conn->options->kind == LOAD_GET) /* the value must be in it */
		good = good && stream->answer_size > conn->options->value_size;
	struct load_lane *lane = stream->lane;
	buf_release(&stream->body);
	free(stream);
	load_answer(lane, good);
	return 0;
}

static void etcd_open(struct load_conn *conn)
{
	nghttp2_session_callbacks *callbacks;
	struct etcd *etcd = conn->state = xcalloc(1, sizeof *etcd);
	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		load_die("out of memory");
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	if (nghttp2_session_client_new(&etcd->session, callbacks, conn) != 0 ||
	    nghttp2_submit_settings(etcd->session, NGHTTP2_FLAG_NONE, NULL, 0) != 0)
		load_die("out of memory");
	nghttp2_session_callbacks_del(callbacks);
}

static void etcd_close(struct load_conn *conn)
{
	struct etcd *etcd = conn->state;
	nghttp2_session_del(etcd->session);
	free(etcd);
}

#define HEADER(name, value)                                                                                        \
	{                                                                                                          \
		(uint8_t *)(name), (uint8_t *)(value), strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE           \
	}

static void etcd_request(struct load_conn *conn, struct load_lane *lane, enum load_kind kind)
{
	struct etcd *etcd = conn->state;
	struct stream *stream = xcalloc(1, sizeof *stream);
	stream->lane = lane;
	const char *path = write_message(&stream->body, conn->options, lane, kind);
	const nghttp2_nv headers[] = {HEADER(":method", "POST"),
				      HEADER(":scheme", "http"),
				      HEADER(":path", path),
				      HEADER(":authority", conn->address),
				      HEADER("content-type", "application/grpc"),
				      HEADER("te", "trailers")};
	nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_body};
	if (nghttp2_submit_request(etcd->session, NULL, headers, ARRAY_SIZE(headers), &body, stream) < 0)
		load_die("%s takes no more requests", conn->address);
}

static void etcd_flush(struct load_conn *conn)
{
	struct etcd *etcd = conn->state;
	const uint8_t *bytes;
	ssize_t size;
	while ((size = nghttp2_session_mem_send(etcd->session, &bytes)) > 0)
		buf_append(&conn->out, bytes, (size_t)size);
	if (size < 0)
		load_die("%s: %s", conn->address, nghttp2_strerror((int)size));
}

static bool etcd_input(struct load_conn *conn, const uint8_t *data, size_t size)
{
	struct etcd *etcd = conn->state;
	conn->dirty = true; /* acknowledgements and window updates */
	return nghttp2_session_mem_recv(etcd->session, data, size) == (ssize_t)size;
}

const struct load_driver load_etcd = {.name = "etcd",
				      .batch = 100,
				      .open = etcd_open,
				      .close = etcd_close,
				      .request = etcd_request,
				      .input = etcd_input,
				      .flush = etcd_flush};
