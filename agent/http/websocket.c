/* SPDX-License-Identifier: Apache-2.0 */
#include "http/websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "http/draft.h"
#include "http/websocket_frame.h"

#define UNMASK_PIECE 4096

enum state {
	HEADER,	 /* at a frame's place or in its header, kept in `header` */
	PAYLOAD, /* `left` bytes of `frame` to come */
	LOST,	 /* waiting for a call that begins like a frame */
	STOPPED,
};

/* What the bytes of a frame's payload are. */
enum use {
	USE_MESSAGE, /* of the message at hand */
	USE_CONTROL, /* a ping's or pong's */
	USE_NONE,    /* nobody's: reported unreadable */
};

struct websocket {
	struct websocket_start start;
	const struct http_limits *limits;
	const struct websocket_ops *ops;
	void *ctx;

	enum state state;
	uint64_t offset;  /* of the next byte */
	uint64_t framing; /* see websocket_framing() */
	uint64_t piece;	  /* number of the chunk being read */
	const char *why;  /* LOST, STOPPED: the reason */
	bool closed;	  /* a close frame went by */

	uint8_t header[WEBSOCKET_HEADER_MAX];
	size_t header_len;
	uint64_t header_ts_ns; /* of its first byte */
	struct websocket_frame frame;
	enum use use;
	uint64_t left;
	const char *no_use; /* USE_NONE: the reason */

	/* The message at hand, if draft.msg is set. */
	struct http_draft draft;
	bool compressed;
	uint64_t wire, coded;
	enum http_end end;   /* what is known so far of how it ends */
	const char *problem; /* and why */
	struct utf8_run text;
	struct websocket_inflate inflate;
	/* inflate is broken: how that shows in the messages that it cannot decompress. */
	enum http_end broken_end;
	enum gap_reason broken_reason;
};

/* What is being read: data is the next byte. */
struct input {
	const struct stream_chunk *chunk;
	const uint8_t *data;
	size_t len;
};

int websocket_new(struct websocket **ret_ws, const struct websocket_start *start,
		  const struct http_limits *limits, const struct websocket_ops *ops, void *ctx)
{
	_cleanup_(websocket_free) struct websocket *ws = calloc(1, sizeof(*ws));
	if (!ws)
		return -ENOMEM;
	ws->start = *start;
	ws->limits = limits;
	ws->ops = ops;
	ws->ctx = ctx;
	ws->offset = start->offset;
	websocket_inflate_init(&ws->inflate, limits, &start->deflate);
	if (start->lost) {
		ws->state = LOST;
		ws->why = start->lost;
		ws->broken_end = HTTP_END_GAP;
		websocket_inflate_break(&ws->inflate);
	}
	int r = http_draft_init(&ws->draft, limits);
	if (r < 0)
		return r;
	*ret_ws = TAKE_PTR(ws);
	return 0;
}

void websocket_free(struct websocket **ws)
{
	if (!*ws)
		return;
	http_draft_done(&(*ws)->draft);
	websocket_inflate_done(&(*ws)->inflate);
	free(*ws);
	*ws = NULL;
}

uint64_t websocket_offset(const struct websocket *ws)
{
	return ws->offset;
}

uint64_t websocket_framing(const struct websocket *ws)
{
	return ws->framing;
}

static void take(struct websocket *ws, struct input *in, size_t len)
{
	in->data += len;
	in->len -= len;
	ws->offset += len;
}

/* --- messages ---------------------------------------------------------------------------- */

static void unreadable(struct websocket *ws, uint64_t len, const char *why)
{
	if (len)
		ws->ops->unreadable(ws->ctx, len, false, why);
}

static void missing(struct websocket *ws, uint64_t len, const char *why)
{
	ws->offset += len;
	if (len)
		ws->ops->unreadable(ws->ctx, len, true, why);
}

/* The first cause counts. */
static void note(struct websocket *ws, enum http_end end, const char *problem)
{
	if (ws->end != HTTP_END_COMPLETE)
		return;
	ws->end = end;
	ws->problem = problem;
}

static void break_inflate(struct websocket *ws, enum http_end end, enum gap_reason reason)
{
	if (!ws->inflate.broken) {
		ws->broken_end = end;
		ws->broken_reason = reason;
	}
	websocket_inflate_break(&ws->inflate);
}

static void give(struct websocket *ws)
{
	struct http_message *msg = http_draft_finish(&ws->draft, ws->end, ws->problem);
	msg->wire_bytes = ws->wire;
	msg->coded_total = ws->coded;
	msg->decoded = ws->compressed && (msg->body_total || ws->end == HTTP_END_COMPLETE);
	ws->ops->message(ws->ctx, msg);
}

/* The message at hand, if there is one, ends here, before its end. */
static void cut(struct websocket *ws, enum http_end end, const char *problem)
{
	if (!ws->draft.msg)
		return;
	note(ws, end, problem);
	if (ws->compressed)
		break_inflate(ws, end, ws->draft.msg->missing_reason);
	give(ws);
}

/* Nothing is known of the bytes from here on. */
static void lose(struct websocket *ws, enum http_end end, enum gap_reason reason, const char *why)
{
	size_t header_len = ws->header_len;
	break_inflate(ws, end, reason);
	ws->header_len = 0;
	ws->state = LOST;
	ws->why = why;
	unreadable(ws, header_len, why);
}

static const char *broken_problem(enum http_end end)
{
	switch (end) {
	case HTTP_END_GAP:
		return "the message is compressed with the help of earlier bytes that were not captured";
	case HTTP_END_LIMIT:
		return "the message is compressed with the help of an earlier one that met a limit";
	default:
		return "the message is compressed with the help of earlier bytes that could not be read";
	}
}

static const char *inflate_problem(int r)
{
	switch (r) {
	case -EBADMSG:
		return "the compressed data is malformed";
	case -E2BIG:
		return "the decompressed message is over a limit";
	case -ENOBUFS:
		return "the memory for decompression is used up";
	default:
		return "out of memory";
	}
}

/* What went wrong with the inflater. */
static int inflate_failed(struct websocket *ws, int r)
{
	if (r == -EPIPE) {
		note(ws, ws->broken_end, broken_problem(ws->broken_end));
		if (ws->broken_end == HTTP_END_GAP)
			ws->draft.msg->missing_reason = ws->broken_reason;
		return 0;
	}
	enum http_end end = r == -EBADMSG ? HTTP_END_MALFORMED : HTTP_END_LIMIT;
	note(ws, end, inflate_problem(r));
	break_inflate(ws, end, GAP_NONE);
	return r == -ENOMEM ? r : 0;
}

static int begin_message(struct websocket *ws)
{
	int r = http_draft_begin(&ws->draft, ws->start.role, ws->start.conn_id, ws->header_ts_ns);
	if (r < 0)
		return r;
	http_draft_head(&ws->draft);
	struct http_message *msg = ws->draft.msg;
	msg->protocol = HTTP_WEBSOCKET;
	msg->exchange = ws->start.exchange;
	msg->opcode = ws->frame.opcode;
	if (ws->closed)
		msg->problem = "it was sent after a close frame";
	ws->compressed = ws->frame.compressed;
	ws->wire = ws->coded = 0;
	ws->end = HTTP_END_COMPLETE;
	ws->problem = NULL;
	ws->text = (struct utf8_run){};
	r = ws->compressed ? websocket_inflate_begin(&ws->inflate) : 0;
	return r < 0 ? inflate_failed(ws, r) : 0;
}

static int body_bytes(void *ctx, const uint8_t *data, size_t len)
{
	struct websocket *ws = ctx;
	if (ws->draft.msg->opcode == WEBSOCKET_TEXT)
		utf8_run_add(&ws->text, data, len);
	return http_draft_body(&ws->draft, data, len, ws->piece, ws->draft.msg->last_ts_ns);
}

static int message_bytes(struct websocket *ws, const uint8_t *data, size_t len)
{
	int r;
	ws->coded += len;
	ws->wire += len;
	if (!ws->compressed)
		return body_bytes(ws, data, len);
	if (ws->end != HTTP_END_COMPLETE)
		return 0;
	r = websocket_inflate_add(&ws->inflate, data, len, body_bytes, ws);
	return r < 0 ? inflate_failed(ws, r) : 0;
}

/* Of a whole message, what breaks a rule that neither framing nor content depend on; NULL: nothing. */
static const char *remark(const struct websocket *ws)
{
	const struct http_message *msg = ws->draft.msg;
	if (ws->end != HTTP_END_COMPLETE || msg->missing_bytes)
		return NULL;
	if (msg->opcode == WEBSOCKET_TEXT)
		return utf8_run_valid(&ws->text) ? NULL : "the text is not valid UTF-8";
	const struct buf *body = &ws->draft.body;
	if (msg->opcode == WEBSOCKET_CLOSE && body->len == msg->body_total)
		return websocket_close_problem(body->data, body->len);
	return NULL;
}

static int finish_message(struct websocket *ws)
{
	struct http_message *msg = ws->draft.msg;
	int r = 0;
	if (ws->compressed && ws->end == HTTP_END_COMPLETE) {
		r = websocket_inflate_end(&ws->inflate);
		r = r < 0 ? inflate_failed(ws, r) : 0;
	}
	if (msg->opcode == WEBSOCKET_CLOSE) {
		ws->closed = true;
		if (msg->body_total == 1 && !msg->missing_bytes)
			note(ws, HTTP_END_MALFORMED, "half a code is in the close frame");
	}
	const char *problem = remark(ws);
	if (problem && !msg->problem)
		ws->problem = problem;
	give(ws);
	return r;
}

static int out_of_memory(struct websocket *ws)
{
	cut(ws, HTTP_END_LIMIT, "out of memory");
	lose(ws, HTTP_END_LIMIT, GAP_NONE, "out of memory");
	ws->state = STOPPED;
	return -ENOMEM;
}

/* --- frames ------------------------------------------------------------------------------ */

static void flaw(struct websocket *ws, const char *problem)
{
	ws->draft.flawed = true;
	if (!ws->draft.msg->problem)
		ws->draft.msg->problem = problem;
}

/* A frame that begins a message: what it interrupts does not end any more. */
static int begin_frame_of_message(struct websocket *ws)
{
	cut(ws, HTTP_END_MALFORMED,
	    ws->frame.opcode == WEBSOCKET_CLOSE ? "a close frame came before the message's end"
						: "another message began before the message's end");
	return begin_message(ws);
}

/* The header is whole. */
static int begin_frame(struct websocket *ws)
{
	const struct websocket_frame *f = &ws->frame;
	size_t header_len = ws->header_len;
	int r = 0;
	ws->left = f->len;
	ws->use = USE_MESSAGE;
	if (f->opcode == WEBSOCKET_PING || f->opcode == WEBSOCKET_PONG)
		ws->use = USE_CONTROL;
	else if (f->opcode != WEBSOCKET_CONTINUATION)
		r = begin_frame_of_message(ws);
	else if (!ws->draft.msg)
		ws->use = USE_NONE;
	if (r < 0)
		return r;
	ws->header_len = 0;
	ws->state = PAYLOAD;
	switch (ws->use) {
	case USE_MESSAGE:
		ws->wire += header_len;
		if (f->flaw)
			flaw(ws, f->flaw);
		break;
	case USE_CONTROL:
		ws->framing += header_len;
		break;
	case USE_NONE:
		unreadable(ws, header_len, "a frame continues a message whose beginning is not known");
		break;
	}
	return 0;
}

/* All of the payload went by, or there was none. */
static int end_frame(struct websocket *ws)
{
	ws->state = HEADER;
	return ws->use == USE_MESSAGE && ws->frame.fin ? finish_message(ws) : 0;
}

static int step_header(struct websocket *ws, struct input *in)
{
	const char *problem;
	if (!ws->header_len)
		ws->header_ts_ns = in->chunk->ts_ns;
	ws->header[ws->header_len++] = in->data[0];
	take(ws, in, 1);
	int r = websocket_frame_read(ws->start.role, ws->start.deflate.agreed, ws->header, ws->header_len,
				     &ws->frame, &problem);
	if (r == -EAGAIN)
		return 0;
	if (r == -EBADMSG) {
		cut(ws, HTTP_END_MALFORMED, problem);
		lose(ws, HTTP_END_MALFORMED, GAP_NONE, problem);
		return 0;
	}
	r = begin_frame(ws);
	if (r < 0)
		return r;
	if (ws->use == USE_MESSAGE)
		ws->draft.msg->last_ts_ns = in->chunk->ts_ns;
	return ws->left ? 0 : end_frame(ws);
}

static void unmask(struct websocket *ws, const uint8_t *data, size_t len, uint8_t *ret_plain)
{
	uint64_t at = ws->frame.len - ws->left;
	for (size_t i = 0; i < len; i++)
		ret_plain[i] = data[i] ^ ws->frame.mask[(at + i) % sizeof(ws->frame.mask)];
}

static int payload_bytes(struct websocket *ws, const struct input *in, size_t len)
{
	uint8_t plain[UNMASK_PIECE];
	switch (ws->use) {
	case USE_CONTROL:
		ws->framing += len;
		return 0;
	case USE_NONE:
		unreadable(ws, len, "a frame continues a message whose beginning is not known");
		return 0;
	case USE_MESSAGE:
		break;
	}
	ws->draft.msg->last_ts_ns = in->chunk->ts_ns;
	if (!ws->frame.masked)
		return message_bytes(ws, in->data, len);
	unmask(ws, in->data, len, plain);
	return message_bytes(ws, plain, len);
}

static int step_payload(struct websocket *ws, struct input *in)
{
	size_t len = (size_t)MIN((uint64_t)in->len, ws->left);
	if (ws->use == USE_MESSAGE && ws->frame.masked)
		len = MIN(len, (size_t)UNMASK_PIECE);
	int r = payload_bytes(ws, in, len);
	take(ws, in, len);
	ws->left -= len;
	return r < 0 || ws->left ? r : end_frame(ws);
}

static int step(struct websocket *ws, struct input *in)
{
	switch (ws->state) {
	case HEADER:
		return step_header(ws, in);
	case PAYLOAD:
		return step_payload(ws, in);
	case LOST:
	case STOPPED:
		break;
	}
	size_t len = in->len;
	take(ws, in, len);
	unreadable(ws, len, ws->why);
	return 0;
}

int websocket_data(struct websocket *ws, const struct stream_chunk *chunk)
{
	struct input in = {.chunk = chunk, .data = chunk->data, .len = chunk->len};
	ws->piece++;
	if (ws->state == LOST && chunk->call_start &&
	    websocket_frame_plausible(ws->start.role, ws->start.deflate.agreed, in.data, in.len))
		ws->state = HEADER;
	while (in.len) {
		if (step(ws, &in) < 0) {
			size_t len = in.len;
			(void)out_of_memory(ws);
			take(ws, &in, len);
			unreadable(ws, len, ws->why);
			return -ENOMEM;
		}
	}
	return 0;
}

/* --- gaps and endings -------------------------------------------------------------------- */

static void missing_in_message(struct websocket *ws, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	http_draft_missing(&ws->draft, len, reason);
	ws->draft.msg->last_ts_ns = ts_ns;
	ws->wire += len;
	ws->offset += len;
	if (!ws->compressed)
		return;
	note(ws, HTTP_END_GAP, "bytes of the compressed message are missing");
	break_inflate(ws, HTTP_END_GAP, reason);
}

/* At a frame's place, or in a header: where the next frame begins is not known. */
static void gap_in_header(struct websocket *ws, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	static const char why[] = "not captured, between frames";
	if (ws->draft.msg) {
		missing_in_message(ws, len, ts_ns, reason);
		cut(ws, HTTP_END_GAP, "bytes are missing between the frames of the message");
		len = 0;
	}
	lose(ws, HTTP_END_GAP, reason, why);
	missing(ws, len, why);
}

static int gap_in_payload(struct websocket *ws, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	uint64_t inside = MIN(len, ws->left);
	if (ws->use == USE_MESSAGE)
		missing_in_message(ws, inside, ts_ns, reason);
	else
		missing(ws, inside, "not captured, in a frame of no message");
	ws->left -= inside;
	int r = ws->left ? 0 : end_frame(ws);
	if (r < 0)
		r = out_of_memory(ws);
	if (len > inside && ws->state == STOPPED)
		missing(ws, len - inside, ws->why);
	else if (len > inside)
		gap_in_header(ws, len - inside, ts_ns, reason);
	return r;
}

int websocket_gap(struct websocket *ws, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	switch (ws->state) {
	case HEADER:
		gap_in_header(ws, len, ts_ns, reason);
		return 0;
	case PAYLOAD:
		return gap_in_payload(ws, len, ts_ns, reason);
	case LOST:
	case STOPPED:
		break;
	}
	missing(ws, len, ws->why);
	return 0;
}

void websocket_stop(struct websocket *ws, enum http_end end, const char *why)
{
	cut(ws, end, NULL);
	if (ws->header_len)
		lose(ws, end, GAP_NONE, why);
	ws->state = STOPPED;
	ws->why = why;
	websocket_inflate_done(&ws->inflate);
}

void websocket_close(struct websocket *ws)
{
	websocket_stop(ws, HTTP_END_CLOSED, "after the connection's end");
}
