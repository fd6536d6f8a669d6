/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http1_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

int http1_new(struct http1 **ret_parser, enum http_role role, uint64_t conn_id,
	      const struct http_limits *limits, const struct http1_ops *ops, void *ctx)
{
	_cleanup_(http1_free) struct http1 *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->role = role;
	p->conn_id = conn_id;
	p->limits = limits;
	p->ops = ops;
	p->ctx = ctx;
	buf_init(&p->head, limits->max_head);
	int r = http_draft_init(&p->draft, limits);
	if (r < 0)
		return r;
	*ret_parser = TAKE_PTR(p);
	return 0;
}

void http1_free(struct http1 **parser)
{
	if (!*parser)
		return;
	http_draft_done(&(*parser)->draft);
	buf_done(&(*parser)->head);
	free(*parser);
	*parser = NULL;
}

uint64_t http1_offset(const struct http1 *p)
{
	return p->offset;
}

uint64_t http1_known_end(const struct http1 *p)
{
	return p->state == HTTP1_BODY ? p->offset + p->left : p->own_end;
}

uint64_t http1_passable(const struct http1 *p, uint64_t max_seen)
{
	bool long_enough = p->state == HTTP1_BODY && p->draft.msg && p->offset - p->first_offset > max_seen;
	return long_enough ? p->offset + p->left : 0;
}

void http1_take(struct http1 *p, struct http1_input *in, size_t len)
{
	in->data += len;
	in->len -= len;
	p->offset += len;
	p->own_end = p->offset;
}

/* --- the ways a message, or the lack of one, ends ---------------------------------------- */

void http1_unreadable(struct http1 *p, uint64_t offset, uint64_t len, const char *why)
{
	if (len)
		p->ops->unreadable(p->ctx, offset, len, false, GAP_NONE, why);
}

void http1_rewind(struct http1 *p, enum http1_state state)
{
	p->state = state;
	p->seen_any = true;
	p->first_offset = p->offset;
	p->begun = false;
	buf_reset(&p->head);
	if (p->stop && state != HTTP1_STOPPED) {
		p->state = HTTP1_STOPPED;
		p->why = p->stop;
	} else if (p->leave) {
		p->state = HTTP1_LEFT;
	}
}

void http1_lose(struct http1 *p, const char *why)
{
	p->why = why;
	http1_rewind(p, HTTP1_LOST);
	p->ops->lost(p->ctx);
}

void http1_finish(struct http1 *p, enum http_end end, const char *problem)
{
	bool tunnel = p->tunnel;
	if (!p->draft.msg) {
		http1_rewind(p, HTTP1_START);
		return;
	}
	struct http_message *msg = http_draft_finish(&p->draft, end, problem);
	msg->wire_bytes = p->offset - p->first_offset;
	p->own_end = http1_known_end(p);
	/* A long head's buffer would outlive its use on an idle connection. */
	buf_done(&p->head);
	p->tunnel = p->bodiless = false;
	http1_rewind(p, HTTP1_START);
	p->ops->end(p->ctx, msg, tunnel);
}

void http1_fail(struct http1 *p, enum http_end end, const char *problem)
{
	http1_finish(p, end, problem);
	http1_lose(p, problem);
}

void http1_reject(struct http1 *p)
{
	if (p->begun)
		p->ops->cancel(p->ctx);
	http_draft_drop(&p->draft);
}

void http1_reject_and_lose(struct http1 *p, const char *why)
{
	uint64_t from = p->first_offset;
	http1_reject(p);
	http1_lose(p, why);
	http1_unreadable(p, from, p->offset - from, why);
}

static int out_of_memory(struct http1 *p)
{
	p->stop = "out of memory";
	if (p->draft.msg)
		http1_finish(p, HTTP_END_LIMIT, "out of memory");
	else
		http1_reject_and_lose(p, "out of memory");
	return -ENOMEM;
}

/* --- feeding ----------------------------------------------------------------------------- */

static int step(struct http1 *p, struct http1_input *in)
{
	switch (p->state) {
	case HTTP1_START:
		return http1_head_start(p, in);
	case HTTP1_HEAD:
		return http1_head_step(p, in);
	case HTTP1_LOST:
	case HTTP1_STOPPED:
	case HTTP1_LEFT:
		break;
	default:
		return http1_body_step(p, in);
	}
	http1_unreadable(p, p->offset, in->len, p->why);
	http1_take(p, in, in->len);
	return 0;
}

void http1_answered(struct http1 *p)
{
	bool before_body = p->state == HTTP1_BODY || (p->state == HTTP1_CHUNK_SIZE && !p->digits);
	p->bodiless = before_body && p->draft.msg && !p->draft.msg->coded_total &&
		      !p->draft.msg->missing_bytes && http_head_expects(p->draft.msg);
}

static void finish_bodiless(struct http1 *p)
{
	p->left = 0;
	http1_finish(p, HTTP_END_COMPLETE, "the body was not sent: the answer came without asking for it");
}

int http1_data(struct http1 *p, const struct stream_chunk *chunk)
{
	struct http1_input in = {.chunk = chunk, .data = chunk->data, .len = chunk->len};
	p->piece++;
	/* A request line, to its end: less could be the body. */
	if (p->bodiless && chunk->call_start && memchr(in.data, '\n', in.len) &&
	    http_start_resync(p->role, in.data, in.len))
		finish_bodiless(p);
	p->bodiless = false;
	if (p->state == HTTP1_LOST && chunk->call_start && http_start_resync(p->role, in.data, in.len))
		http1_rewind(p, HTTP1_START);
	while (in.len && p->state != HTTP1_LEFT) {
		int r = step(p, &in);
		if (r < 0) {
			r = out_of_memory(p);
			http1_unreadable(p, p->offset, in.len, p->why);
			http1_take(p, &in, in.len);
			return r;
		}
	}
	return 0;
}

/* --- gaps -------------------------------------------------------------------------------- */

static void missing_outside(struct http1 *p, uint64_t len, enum gap_reason reason, const char *why)
{
	uint64_t offset = p->offset;
	p->offset += len;
	p->first_offset = p->offset;
	p->ops->unreadable(p->ctx, offset, len, true, reason, why);
}

/* Not captured, inside the message at hand. */
static void missing_inside(struct http1 *p, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	if (p->draft.msg) {
		p->offset += len;
		http_draft_missing(&p->draft, len, reason);
		p->draft.msg->last_ts_ns = ts_ns;
	} else {
		missing_outside(p, len, reason, "after the end that the stream announced");
	}
}

static void gap_at_start(struct http1 *p, uint64_t len, enum gap_reason reason)
{
	static const char why[] = "not captured, between messages";
	if (p->offset > p->first_offset)
		http1_reject_and_lose(p, why);
	else
		http1_lose(p, why);
	missing_outside(p, len, reason, why);
}

static int gap_in_head(struct http1 *p, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	int r = http1_read_cut_head(p);
	if (r < 0)
		return r;
	/* Part of an interim response: the one that counts is still to come. */
	if (http1_is_interim(p->draft.msg)) {
		gap_at_start(p, len, reason);
		return 0;
	}
	missing_inside(p, len, ts_ns, reason);
	http1_fail(p, HTTP_END_GAP, "bytes are missing in the head");
	return 0;
}

static void gap_in_sized(struct http1 *p, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	uint64_t inside = MIN(len, p->left);
	missing_inside(p, inside, ts_ns, reason);
	p->own_end = p->offset;
	p->left -= inside;
	if (!p->left)
		http1_finish(p, HTTP_END_COMPLETE, NULL);
	if (len > inside && p->state == HTTP1_STOPPED)
		missing_outside(p, len - inside, reason, p->why);
	else if (len > inside)
		gap_at_start(p, len - inside, reason);
}

static void gap_in_chunked(struct http1 *p, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	missing_inside(p, len, ts_ns, reason);
	http1_fail(p, HTTP_END_GAP, "bytes are missing in a chunked body");
}

int http1_gap(struct http1 *p, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	int r = 0;
	p->bodiless = false;
	switch (p->state) {
	case HTTP1_START:
		gap_at_start(p, len, reason);
		break;
	case HTTP1_HEAD:
		r = gap_in_head(p, len, ts_ns, reason);
		break;
	case HTTP1_BODY:
		gap_in_sized(p, len, ts_ns, reason);
		break;
	case HTTP1_BODY_CLOSE:
		missing_inside(p, len, ts_ns, reason);
		break;
	case HTTP1_LOST:
	case HTTP1_STOPPED:
	case HTTP1_LEFT:
		missing_outside(p, len, reason, p->why);
		break;
	default:
		gap_in_chunked(p, len, ts_ns, reason);
		break;
	}
	if (r < 0) {
		r = out_of_memory(p);
		missing_outside(p, len, reason, p->why);
	}
	return r;
}

/* --- endings ----------------------------------------------------------------------------- */

/* Whether a head that the connection's end cut short is worth a message. */
static bool head_says_something(const struct http1 *p)
{
	return p->start_line || http_start_check(p->role, p->head.data, p->head.len) == HTTP_START_YES;
}

static void close_head(struct http1 *p)
{
	static const char why[] = "the connection ended before a message was there";
	/* Without memory for more, the message is given without it. */
	if (head_says_something(p))
		(void)http1_read_cut_head(p);
	if (head_says_something(p) && !http1_is_interim(p->draft.msg))
		http1_finish(p, HTTP_END_CLOSED, NULL);
	else
		http1_reject_and_lose(p, why);
}

void http1_close(struct http1 *p)
{
	switch (p->state) {
	case HTTP1_START:
		if (p->offset > p->first_offset)
			http1_reject_and_lose(p, "the connection ended before a message was there");
		break;
	case HTTP1_HEAD:
		close_head(p);
		break;
	case HTTP1_LOST:
	case HTTP1_STOPPED:
	case HTTP1_LEFT:
		break;
	case HTTP1_BODY_CLOSE:
		/* The compressed data tells what the framing cannot: that the connection ended too early. */
		http1_finish(p, http_draft_inside(&p->draft) ? HTTP_END_CLOSED : HTTP_END_COMPLETE, NULL);
		break;
	default:
		if (p->bodiless) {
			finish_bodiless(p);
			break;
		}
		http1_finish(p, http_draft_said_done(&p->draft) ? HTTP_END_COMPLETE : HTTP_END_CLOSED, NULL);
		break;
	}
	http1_stop(p, "after the connection's end");
}

void http1_stop(struct http1 *p, const char *why)
{
	if (p->state == HTTP1_START && p->offset > p->first_offset)
		http1_reject_and_lose(p, why);
	if (!p->stop)
		p->stop = why;
	if (p->state == HTTP1_START || p->state == HTTP1_LOST)
		http1_rewind(p, HTTP1_STOPPED);
	if (p->state == HTTP1_STOPPED)
		p->why = p->stop;
}

void http1_leave(struct http1 *p)
{
	if (p->state == HTTP1_START && p->offset > p->first_offset)
		http1_reject_and_lose(p, "not HTTP");
	p->leave = true;
	if (p->state == HTTP1_START || p->state == HTTP1_LOST)
		http1_rewind(p, HTTP1_LEFT);
}

bool http1_left(const struct http1 *p)
{
	return p->state == HTTP1_LEFT;
}

bool http1_idle(const struct http1 *p)
{
	return p->state == HTTP1_START || p->state == HTTP1_LOST;
}

void http1_return(struct http1 *p, uint64_t offset, const char *lost)
{
	p->leave = false;
	p->offset = p->own_end = offset;
	p->why = lost;
	http1_rewind(p, lost ? HTTP1_LOST : HTTP1_START);
}

uint64_t http1_done_ts(const struct http1 *p)
{
	return http_draft_said_done(&p->draft) ? p->draft.msg->last_ts_ns : UINT64_MAX;
}

void http1_finish_done(struct http1 *p)
{
	if (!http_draft_said_done(&p->draft))
		return;
	struct http_message *msg = http_draft_finish(&p->draft, HTTP_END_COMPLETE, NULL);
	msg->wire_bytes = p->offset - p->first_offset;
	p->begun = false;
	p->ops->end(p->ctx, msg, false);
}
