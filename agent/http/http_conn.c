/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_conn_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "http/http2_frame.h"
#include "http/websocket_frame.h"
#include "http/websocket_handshake.h"

const struct http_limits http_limits_default = {
	.max_head = 256 * 1024,
	.max_headers = 256,
	.max_body = 4 * 1024 * 1024,
	.max_pending = 1024,
	.max_streams = 1024,
	.max_heads = 4 * 1024 * 1024,
	.done_idle_ns = 200 * 1000 * 1000,
	.max_decoded = 64 * 1024 * 1024,
	.ratio_from = 1024 * 1024,
	.max_ratio = 200,
	.max_codings = 4,
	.max_decoder = 32 * 1024 * 1024,
	.max_parts = 256,
	.max_part_head = 8 * 1024,
	.max_part_value = 64 * 1024,
	.max_part_text = 1024 * 1024,
};

/* --- the connection ---------------------------------------------------------------------- */

int http_conn_new(struct http_conn **ret_conn, uint64_t conn_id, enum stream_dir request_dir,
		  const struct http_limits *limits, const struct http_conn_ops *ops, void *ctx)
{
	_cleanup_(http_conn_free) struct http_conn *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->id = conn_id;
	c->request_dir = request_dir;
	c->limits = limits ? *limits : http_limits_default;
	c->ops = ops;
	c->ctx = ctx;
	int r = http1_new(&c->requests, HTTP_REQUEST, conn_id, &c->limits, &http_conn_request_ops, c);
	if (r == 0)
		r = http1_new(&c->responses, HTTP_RESPONSE, conn_id, &c->limits, &http_conn_response_ops, c);
	if (r < 0)
		return r;
	c->upgrade = (struct upgrade){
		.conn_id = conn_id,
		.limits = &c->limits,
		.ops = ops,
		.ctx = ctx,
		.dir = {request_dir, http_conn_response_dir(c)},
		.http1 = {c->requests, c->responses},
	};
	*ret_conn = TAKE_PTR(c);
	return 0;
}

void http_conn_free(struct http_conn **conn)
{
	struct http_conn *c = *conn;
	if (!c)
		return;
	http1_free(&c->requests);
	http1_free(&c->responses);
	http2_free(&c->http2);
	upgrade_done(&c->upgrade);
	pending_done(&c->queue);
	free(c);
	*conn = NULL;
}

static enum http_role role_of(const struct http_conn *c, enum stream_dir dir)
{
	return dir == c->request_dir ? HTTP_REQUEST : HTTP_RESPONSE;
}

static int check_memory(struct http_conn *c, int r)
{
	if (r == 0 && !c->out_of_memory)
		return 0;
	c->out_of_memory = false;
	upgrade_stop(&c->upgrade, HTTP_END_LIMIT, "out of memory");
	http_conn_stop_http1(c, "out of memory");
	return -ENOMEM;
}

/* --- HTTP/2 ------------------------------------------------------------------------------ */

static uint64_t known_to(const struct http_conn *c, enum stream_dir dir)
{
	return c->http2 ? http2_offset(c->http2, dir) : upgrade_offset(&c->upgrade, role_of(c, dir));
}

/* From here on, or in the request direction from the preface's first line on. */
static int read_on_as_http2(struct http_conn *c)
{
	http1_close(c->requests);
	http1_close(c->responses);
	http_conn_release_unanswered(c);
	struct http2_start start = {.preface = c->preface, .exchanges = c->exchanges};
	start.offset[c->request_dir] = c->preface ? c->preface : http1_offset(c->requests);
	start.offset[http_conn_response_dir(c)] = http1_offset(c->responses);
	int r = http2_new(&c->http2, c->id, c->request_dir, &c->limits, c->ops, c->ctx, &start);
	if (r < 0 && c->preface)
		c->ops->on_unreadable(c->ctx, c->request_dir, http1_offset(c->requests), false,
				      "out of memory");
	c->preface = 0;
	return r;
}

/* The first call of HTTP/2 that is seen of a connection that was open before. */
static bool begins_http2(const struct http_conn *c, const struct stream_chunk *chunk)
{
	return !c->spoke_http1 && !c->request && !c->response_begun && chunk->call_start &&
	       http2_frames_plausible(role_of(c, chunk->dir), chunk->data, chunk->len, HTTP2_FRAME_DEFAULT,
				      true);
}

static int feed_http2(struct http_conn *c, const struct stream_chunk *chunk)
{
	uint64_t from = http2_offset(c->http2, chunk->dir);
	struct stream_chunk rest = *chunk;
	rest.data += from - chunk->offset;
	rest.len -= from - chunk->offset;
	rest.call_start &= from == chunk->offset;
	rest.offset = from;
	return rest.len ? http2_data(c->http2, &rest) : 0;
}

/* --- WebSocket --------------------------------------------------------------------------- */

/* The answer to the request for WebSocket was not captured, and here is a frame in its stead. */
static bool goes_on_as_websocket(struct http_conn *c, const struct stream_chunk *chunk)
{
	if (!c->upgrade.waiting || !chunk->call_start || !http1_idle(c->responses))
		return false;
	const struct pending *e = pending_find(&c->queue, c->asking);
	return e && e->lost && !e->answered &&
	       websocket_frame_plausible(role_of(c, chunk->dir), true, chunk->data, chunk->len);
}

static int grant_unseen(struct http_conn *c)
{
	static const struct websocket_deflate any = {.agreed = true, .window_bits = 15};
	const struct websocket_deflate deflate[2] = {any, any};
	uint64_t exchange = c->asking;
	http_conn_give_unseen(c, pending_find(&c->queue, exchange));
	return upgrade_grant(&c->upgrade, exchange, deflate, "the answer to the handshake was not captured");
}

/* --- feeding ----------------------------------------------------------------------------- */

static int feed_data(struct http_conn *c, const struct stream_chunk *chunk)
{
	int r = 0;
	if (goes_on_as_websocket(c, chunk))
		r = grant_unseen(c);
	if (!c->http2 && begins_http2(c, chunk)) {
		r = read_on_as_http2(c);
	} else if (!c->http2) {
		int fed = upgrade_data(&c->upgrade, role_of(c, chunk->dir), chunk);
		http_conn_settle_upgrade(c);
		r = r < 0 ? r : fed;
	}
	if (c->preface) {
		int more = read_on_as_http2(c);
		r = r < 0 ? r : more;
	}
	return c->http2 ? feed_http2(c, chunk) : r;
}

/* A gap that spans several responses is cut where they meet, as far as the requests' positions tell. */
static int feed_gap(struct http_conn *c, enum stream_dir dir, uint64_t end, uint64_t ts_ns,
		    enum gap_reason reason)
{
	enum http_role role = role_of(c, dir);
	int r = 0;
	for (uint64_t from; (from = known_to(c, dir)) < end;) {
		if (c->http2)
			return http2_gap(c->http2, dir, end - from, ts_ns, reason);
		uint64_t to = role == HTTP_RESPONSE ? pending_boundary(&c->queue, from, end) : end;
		int one = upgrade_gap(&c->upgrade, role, to - from, ts_ns, reason);
		r = r < 0 ? r : one;
	}
	http_conn_settle_upgrade(c);
	return r;
}

int http_conn_data(struct http_conn *c, const struct stream_chunk *chunk)
{
	struct stream_chunk part = *chunk;
	int r = 0;

	c->now_ns = chunk->ts_ns;
	/* The stream stage leaves no holes and gives nothing twice. Should it ever, the count stays right. */
	if (part.offset > known_to(c, part.dir))
		r = feed_gap(c, part.dir, part.offset, part.ts_ns, GAP_LOST);
	uint64_t known = known_to(c, part.dir) - part.offset;
	if (known >= part.len)
		return check_memory(c, r);
	if (known) {
		part.data += known;
		part.len -= known;
		part.offset += known;
		part.call_start = false;
	}
	int fed = feed_data(c, &part);
	return check_memory(c, r < 0 ? r : fed);
}

int http_conn_gap(struct http_conn *c, const struct stream_gap *gap)
{
	uint64_t end = gap->len > UINT64_MAX - gap->offset ? UINT64_MAX : gap->offset + gap->len;
	c->now_ns = gap->ts_ns;
	return check_memory(c, feed_gap(c, gap->dir, end, gap->ts_ns, gap->reason));
}

uint64_t http_conn_passable(const struct http_conn *c, enum stream_dir dir, uint64_t max_seen)
{
	return http1_passable(dir == c->request_dir ? c->requests : c->responses, max_seen);
}

int http_conn_close(struct http_conn *c, uint64_t ts_ns)
{
	c->now_ns = ts_ns;
	if (c->http2)
		return check_memory(c, http2_close(c->http2, ts_ns));
	/* Without an answer, what follows the request is as likely HTTP; frames cannot be taken for that. */
	while (c->upgrade.waiting)
		c->out_of_memory |= upgrade_refuse(&c->upgrade) < 0;
	upgrade_stop(&c->upgrade, HTTP_END_CLOSED, "after the connection's end");
	/* First the request, so that a response that came early has something to follow. */
	http1_close(c->requests);
	http1_close(c->responses);
	http_conn_release_unanswered(c);
	return check_memory(c, 0);
}

uint64_t http_conn_framing(const struct http_conn *c, enum stream_dir dir)
{
	const struct websocket *ws = c->upgrade.websocket[role_of(c, dir)];
	if (c->http2)
		return http2_framing(c->http2, dir);
	return ws ? websocket_framing(ws) : 0;
}

uint64_t http_conn_idle(struct http_conn *c, uint64_t now_ns)
{
	if (c->http2)
		return http2_idle(c->http2, now_ns);
	uint64_t last_ns = http1_done_ts(c->responses);
	if (last_ns > UINT64_MAX - c->limits.done_idle_ns)
		return UINT64_MAX;
	if (now_ns < last_ns + c->limits.done_idle_ns)
		return last_ns + c->limits.done_idle_ns;
	c->now_ns = now_ns;
	http1_finish_done(c->responses);
	return UINT64_MAX;
}
