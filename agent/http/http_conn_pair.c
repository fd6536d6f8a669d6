/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_conn_internal.h"

#include <stdlib.h>

#include "base/macro.h"
#include "http/websocket_handshake.h"

/* How responses find their requests.
 *
 * While every byte is there, first come, first served. After a loss that is no longer safe: a response, or a
 * request, may have vanished whole. From then on the positions decide (`lossy`). A client that does not
 * pipeline has read the response to one request before it writes the next, so a response that begins at read
 * position R, captured when the client had written W bytes, answers the last request that
 *   - was written at a read position of at most R, and
 *   - is followed by no other request before W. Bytes before W that are not known may be one, unless the
 * response begins exactly where the request was written. The requests before that one have lost their
 * responses. Where the positions do not prove it, a response stays without request: a missing pair is better
 * than a wrong one. For the same reason a connection that was seen to pipeline is not paired any more after a
 * loss (`unpaired`): its positions prove nothing. */

static const char unseen[] = "the response's beginning was not captured";
static const char unproven[] = "the response was not captured, or could not be told from others after a loss";

/* --- exchanges --------------------------------------------------------------------------- */

/* Gives the entry's response, if there is one, and forgets the entry. */
static void settle(struct http_conn *c, struct pending *e)
{
	struct http_message *msg = TAKE_PTR(e->response);
	pending_remove(&c->queue, e);
	if (msg)
		c->ops->on_message(c->ctx, msg);
}

static void report_lost(struct http_conn *c, struct pending *e, const char *why)
{
	uint64_t lost = e->lost;
	e->lost = 0;
	if (lost)
		c->ops->on_unreadable(c->ctx, http_conn_response_dir(c), lost, true, why);
}

/* The entry's response is lost, or so it must be taken. */
static void give_unseen(struct http_conn *c, struct pending *e, const char *problem)
{
	struct http_message *msg = calloc(1, sizeof(*msg));
	e->answered = true;
	if (msg) {
		msg->role = HTTP_RESPONSE;
		msg->conn_id = c->id;
		msg->exchange = e->exchange;
		msg->end = HTTP_END_UNSEEN;
		msg->problem = problem;
		msg->missing_bytes = msg->wire_bytes = e->lost;
		msg->missing_reason = e->lost_reason;
		msg->first_ts_ns = msg->last_ts_ns = c->now_ns;
		e->response = msg;
	} else {
		c->out_of_memory = true;
		report_lost(c, e, "out of memory");
	}
	if (e->done)
		settle(c, e);
}

void http_conn_give_unseen(struct http_conn *c, struct pending *e)
{
	give_unseen(c, e, unseen);
}

/* The response will not be told apart from others, or the connection has ended. */
static void release(struct http_conn *c, struct pending *e)
{
	if (e->lost)
		give_unseen(c, e, unseen);
	else
		settle(c, e);
}

void http_conn_release_unanswered(struct http_conn *c)
{
	struct pending *e;
	while ((e = pending_first_unanswered(&c->queue)))
		release(c, e);
}

static void notice_loss(struct http_conn *c)
{
	c->lossy = true;
	if (c->pipelined && !c->unpaired) {
		c->unpaired = true;
		http_conn_release_unanswered(c);
	}
}

static void notice_pipelining(struct http_conn *c)
{
	c->pipelined = true;
	if (c->lossy)
		notice_loss(c);
}

/* --- requests ---------------------------------------------------------------------------- */

/* True if the last request was written, and this one too, with nothing read of the response to the former. A
 * client that does not pipeline never does that; that it seems to, because a response went by uncaptured,
 * shows in the position. */
static bool pipelines(struct http_conn *c, uint64_t peer)
{
	const struct pending *last = pending_last(&c->queue);
	if (!last || last->answered)
		return false;
	return peer == last->peer || (!c->lossy && peer <= http1_offset(c->responses));
}

static void make_room(struct http_conn *c)
{
	if (c->queue.n < c->limits.max_pending)
		return;
	notice_loss(c);
	struct pending *oldest = pending_first_unanswered(&c->queue);
	if (oldest)
		give_unseen(c, oldest, "later requests were answered or are waiting too");
}

static void push_request(struct http_conn *c, uint64_t peer, bool answered)
{
	struct pending *e;
	make_room(c);
	if (c->unpaired || c->queue.n >= c->limits.max_pending)
		return;
	if (pending_push(&c->queue, &e) < 0) {
		c->out_of_memory = true;
		return;
	}
	e->exchange = c->request;
	e->peer = peer;
	e->answered = answered;
}

static void on_request_begin(void *ctx, const struct stream_chunk *chunk, uint64_t offset)
{
	struct http_conn *c = ctx;
	uint64_t peer = chunk->peer_offset;
	const struct pending *last = pending_last(&c->queue);
	(void)offset;

	if (last)
		peer = MAX(peer, last->peer);
	/* A thread that reads can be recorded before the one that wrote what is answered: the write call had
	 * begun before the response came, but its record comes after it. */
	if (c->response_begun && c->response_matched && c->response_orphan &&
	    chunk->ts_ns < c->response_ts_ns) {
		c->response_orphan = false;
		c->request = c->response;
		push_request(c, peer, true);
		return;
	}
	c->request = ++c->exchanges;
	if (chunk->ts_ns < c->orphan_ts_ns)
		return;
	if (pipelines(c, peer))
		notice_pipelining(c);
	push_request(c, peer, false);
}

static void on_request_cancel(void *ctx)
{
	struct http_conn *c = ctx;
	struct pending *e = pending_find(&c->queue, c->request);
	if (c->response_matched && c->response == c->request)
		c->response_orphan = true;
	c->request = 0;
	if (!e)
		return;
	if (e->response)
		e->response->orphan = e->response->end != HTTP_END_UNSEEN;
	report_lost(c, e, "not captured, between messages");
	settle(c, e);
}

static enum http_method_kind on_request_head(void *ctx, const struct http_message *msg)
{
	struct http_conn *c = ctx;
	struct pending *e = pending_find(&c->queue, c->request);
	if (e) {
		e->kind = http_method_kind(msg);
		e->upgrade = websocket_upgrade(msg);
	}
	return HTTP_METHOD_OTHER;
}

/* Its end is where its framing says. */
static bool framing_is_clear(const struct http_message *msg)
{
	return !msg->missing_bytes && (msg->end == HTTP_END_COMPLETE || msg->body_sha256_valid);
}

/* The request, which has ended, may be the last of HTTP. */
static void follow_upgrade(struct http_conn *c, const struct http_message *msg, const struct pending *e)
{
	if (!framing_is_clear(msg))
		return;
	if (upgrade_wants_request(&c->upgrade) && websocket_upgrade(msg)) {
		c->out_of_memory |= upgrade_open_request(&c->upgrade) < 0;
	} else if (e && e->upgrade && !e->answered) {
		c->asking = e->exchange;
		upgrade_ask(&c->upgrade);
	}
}

static void on_request_end(void *ctx, struct http_message *msg, bool tunnel)
{
	struct http_conn *c = ctx;
	struct pending *e = pending_find(&c->queue, c->request);
	(void)tunnel;
	/* Not so what is left of HTTP/2's preface when bytes of it are lost. */
	c->spoke_http1 |= msg->target != NULL;
	msg->exchange = c->request;
	c->request = 0;
	if (e) {
		e->done = true;
		e->end = http1_known_end(c->requests);
		e->kind = http_method_kind(msg);
	}
	follow_upgrade(c, msg, e);
	c->ops->on_message(c->ctx, msg);
	bool at_hand = e && c->response_matched && c->response == e->exchange;
	if (e && e->answered && !at_hand)
		settle(c, e);
}

/* --- responses --------------------------------------------------------------------------- */

static void on_response_begin(void *ctx, const struct stream_chunk *chunk, uint64_t offset)
{
	struct http_conn *c = ctx;
	c->response_begun = true;
	c->response_matched = c->response_orphan = false;
	c->response = 0;
	c->response_start = offset;
	c->response_peer = chunk->peer_offset;
	c->response_ts_ns = chunk->ts_ns;
}

static void on_response_cancel(void *ctx)
{
	struct http_conn *c = ctx;
	c->response_begun = false;
}

static uint64_t request_end(const struct http_conn *c, const struct pending *e)
{
	return e->done ? e->end : http1_known_end(c->requests);
}

static void drop_before(struct http_conn *c, uint64_t exchange)
{
	for (size_t i = 0; pending_at(&c->queue, i)->exchange != exchange;) {
		struct pending *e = pending_at(&c->queue, i);
		size_t n = c->queue.n;
		if (!e->answered)
			give_unseen(c, e, unseen);
		if (c->queue.n == n)
			i++;
	}
}

/* The request that the response at hand answers, or NULL; see the top of this file. */
static struct pending *find_request(struct http_conn *c)
{
	if (c->unpaired)
		return NULL;
	if (!c->lossy)
		return pending_first_unanswered(&c->queue);
	struct pending *e = pending_before(&c->queue, c->response_start);
	if (!e)
		return NULL;
	uint64_t exchange = e->exchange;
	drop_before(c, exchange);
	e = pending_find(&c->queue, exchange);
	if (e->answered)
		return NULL;
	if (c->response_start > e->peer && request_end(c, e) < c->response_peer) {
		give_unseen(c, e, unproven);
		return NULL;
	}
	return e;
}

static struct pending *match(struct http_conn *c)
{
	struct pending *e = find_request(c);
	c->response_matched = true;
	c->response_orphan = !e;
	c->response = e ? e->exchange : ++c->exchanges;
	if (e) {
		e->answered = true;
		report_lost(c, e, "not captured, before the response");
	}
	return e;
}

static enum http_method_kind on_response_head(void *ctx, const struct http_message *msg)
{
	struct http_conn *c = ctx;
	const struct pending *e = match(c);
	(void)msg;
	if (e && !e->done && e->exchange == c->request)
		http1_answered(c->requests);
	return e ? e->kind : HTTP_METHOD_OTHER;
}

/* The 101 response begins WebSocket. */
static bool grants(const struct http_conn *c, const struct http_message *msg, const struct pending *e)
{
	if (msg->status != 101 || !websocket_upgrade(msg) || c->upgrade.granted)
		return false;
	return !e || (e->upgrade && e->done);
}

void http_conn_settle_upgrade(struct http_conn *c)
{
	if (c->upgrade.waiting && !pending_find(&c->queue, c->asking))
		c->out_of_memory |= upgrade_refuse(&c->upgrade) < 0;
}

void http_conn_stop_http1(struct http_conn *c, const char *why)
{
	http1_stop(c->responses, why);
	http1_stop(c->requests, why);
}

static void on_response_end(void *ctx, struct http_message *msg, bool tunnel)
{
	struct http_conn *c = ctx;
	struct websocket_deflate deflate[2];
	if (!c->response_matched)
		match(c);
	struct pending *e = c->response_orphan ? NULL : pending_find(&c->queue, c->response);
	bool websocket = tunnel && grants(c, msg, e);
	websocket_extensions(msg, deflate);
	msg->exchange = c->response;
	msg->orphan = !e;
	c->response_begun = c->response_matched = false;
	c->spoke_http1 |= msg->status != 0;
	if (msg->orphan)
		c->orphan_ts_ns = msg->first_ts_ns;
	if (e) {
		/* A response that came early waits for its request, which may well go on. */
		e->response = msg;
		if (e->done)
			settle(c, e);
	} else {
		c->ops->on_message(c->ctx, msg);
	}
	if (websocket)
		c->out_of_memory |= upgrade_grant(&c->upgrade, c->response, deflate, NULL) < 0;
	else if (tunnel)
		http_conn_stop_http1(c, "the connection is not HTTP any more");
	http_conn_settle_upgrade(c);
}

/* --- both directions --------------------------------------------------------------------- */

static void on_lost(void *ctx)
{
	notice_loss(ctx);
}

static void on_preface(void *ctx)
{
	struct http_conn *c = ctx;
	c->preface = http1_offset(c->requests);
	/* It looked like a request's beginning. */
	if (c->exchanges == 1 && !c->response_begun && !c->spoke_http1)
		c->exchanges = 0;
	http1_stop(c->requests, "HTTP/2 is read elsewhere");
}

static void on_request_unreadable(void *ctx, uint64_t offset, uint64_t len, bool missing,
				  enum gap_reason reason, const char *why)
{
	struct http_conn *c = ctx;
	(void)offset;
	(void)reason;
	/* The preface and what follows it in the same chunk: HTTP/2 will count them. */
	if (!c->preface)
		c->ops->on_unreadable(c->ctx, c->request_dir, len, missing, why);
}

/* What is missing while a request waits is put down to its response; which of the requests shows in the
 * position. */
static void on_response_unreadable(void *ctx, uint64_t offset, uint64_t len, bool missing,
				   enum gap_reason reason, const char *why)
{
	struct http_conn *c = ctx;
	struct pending *e = missing ? pending_before(&c->queue, offset) : NULL;
	if (!e || e->answered) {
		c->ops->on_unreadable(c->ctx, http_conn_response_dir(c), len, missing, why);
		return;
	}
	e->lost += len;
	if (e->lost_reason == GAP_NONE)
		e->lost_reason = reason;
}

const struct http1_ops http_conn_request_ops = {
	.begin = on_request_begin,
	.cancel = on_request_cancel,
	.head = on_request_head,
	.end = on_request_end,
	.lost = on_lost,
	.preface = on_preface,
	.unreadable = on_request_unreadable,
};

const struct http1_ops http_conn_response_ops = {
	.begin = on_response_begin,
	.cancel = on_response_cancel,
	.head = on_response_head,
	.end = on_response_end,
	.lost = on_lost,
	.preface = on_preface,
	.unreadable = on_response_unreadable,
};
