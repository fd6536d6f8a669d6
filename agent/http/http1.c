/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http1.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/digit.h"
#include "base/macro.h"
#include "http/draft.h"
#include "http/http2_frame.h"

#define CHUNK_DIGITS_MAX 16

enum state {
	START,	    /* at a message's place; empty lines are skipped */
	HEAD,	    /* in start line or headers, kept in `head` */
	BODY,	    /* `left` bytes of a content-length body to come */
	BODY_CLOSE, /* the body lasts until the connection ends */
	CHUNK_SIZE, /* before or among the digits of a chunk's size */
	CHUNK_EXT,  /* after them, up to the line's end */
	CHUNK_LF,   /* after the CR of that line */
	CHUNK_DATA, /* `left` bytes of a chunk to come */
	CHUNK_END,  /* its line end to come */
	CHUNK_END_LF,
	TRAILER,    /* at the start of a trailer line */
	TRAILER_LF, /* after the CR of what may be the last line */
	TRAILER_LINE,
	LOST,	 /* waiting for a call that begins like a message */
	STOPPED, /* not HTTP/1 any more */
	LEFT,	 /* the same, and the bytes are for another parser */
};

struct http1 {
	enum http_role role;
	uint64_t conn_id;
	const struct http_limits *limits;
	const struct http1_ops *ops;
	void *ctx;

	enum state state;
	uint64_t offset;  /* of the next byte */
	uint64_t own_end; /* where the last message ends, or will: see http1_known_end() */
	uint64_t piece;	  /* number of the chunk being read */
	const char *why;  /* LOST, STOPPED: the reason */
	const char *stop; /* set: stop after the message at hand */
	bool leave;	  /* leave after the message at hand */
	bool seen_any;	  /* these are not the direction's first bytes */

	/* The message at hand. draft.msg is NULL in a body state after http1_finish_done(). */
	struct http_draft draft;
	bool begun;	       /* begin() was called without end() or cancel() */
	uint64_t first_offset; /* where it began, including what was skipped before its start line */
	struct buf head;
	bool start_line; /* the head's first line is complete */
	size_t line;	 /* where the head's current line begins */
	bool tunnel;

	bool bodiless; /* it may end without its body: see http1_answered() */
	uint64_t left;
	unsigned digits;
	uint64_t size;	/* of the chunk, so far */
	uint64_t extra; /* bytes of this chunk's extensions, or of the trailers, so far */
};

/* What is being read: data + pos is the next byte. */
struct input {
	const struct stream_chunk *chunk;
	const uint8_t *data;
	size_t len;
};

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
	return p->state == BODY ? p->offset + p->left : p->own_end;
}

uint64_t http1_passable(const struct http1 *p, uint64_t max_seen)
{
	bool long_enough = p->state == BODY && p->draft.msg && p->offset - p->first_offset > max_seen;
	return long_enough ? p->offset + p->left : 0;
}

static void take(struct http1 *p, struct input *in, size_t len)
{
	in->data += len;
	in->len -= len;
	p->offset += len;
	p->own_end = p->offset;
}

/* --- the ways a message, or the lack of one, ends ---------------------------------------- */

static void unreadable(struct http1 *p, uint64_t offset, uint64_t len, const char *why)
{
	if (len)
		p->ops->unreadable(p->ctx, offset, len, false, GAP_NONE, why);
}

static void rewind_to(struct http1 *p, enum state state)
{
	p->state = state;
	p->seen_any = true;
	p->first_offset = p->offset;
	p->begun = false;
	buf_reset(&p->head);
	if (p->stop && state != STOPPED) {
		p->state = STOPPED;
		p->why = p->stop;
	} else if (p->leave) {
		p->state = LEFT;
	}
}

static void lose(struct http1 *p, const char *why)
{
	p->why = why;
	rewind_to(p, LOST);
	p->ops->lost(p->ctx);
}

/* Ends the message at hand; the parser is at a message's place afterwards. */
static void finish(struct http1 *p, enum http_end end, const char *problem)
{
	bool tunnel = p->tunnel;
	if (!p->draft.msg) {
		rewind_to(p, START);
		return;
	}
	struct http_message *msg = http_draft_finish(&p->draft, end, problem);
	msg->wire_bytes = p->offset - p->first_offset;
	p->own_end = http1_known_end(p);
	/* A long head's buffer would outlive its use on an idle connection. */
	buf_done(&p->head);
	p->tunnel = p->bodiless = false;
	rewind_to(p, START);
	p->ops->end(p->ctx, msg, tunnel);
}

/* The message, if one is at hand, ends here, and what follows is not understood. */
static void fail(struct http1 *p, enum http_end end, const char *problem)
{
	finish(p, end, problem);
	lose(p, problem);
}

/* What looked like a message's start, or was skipped before one, is none. */
static void reject(struct http1 *p)
{
	if (p->begun)
		p->ops->cancel(p->ctx);
	http_draft_drop(&p->draft);
}

static void reject_and_lose(struct http1 *p, const char *why)
{
	uint64_t from = p->first_offset;
	reject(p);
	lose(p, why);
	unreadable(p, from, p->offset - from, why);
}

static int out_of_memory(struct http1 *p)
{
	p->stop = "out of memory";
	if (p->draft.msg)
		finish(p, HTTP_END_LIMIT, "out of memory");
	else
		reject_and_lose(p, "out of memory");
	return -ENOMEM;
}

/* --- head -------------------------------------------------------------------------------- */

/* What is there of a head that ends too early. */
static int read_cut_head(struct http1 *p)
{
	int r = http_head_read(p->draft.msg, p->head.data, p->head.len, p->limits->max_headers, false,
			       &p->draft.flawed);
	return r == -ENOMEM ? r : 0;
}

static bool is_interim(const struct http_message *msg)
{
	return msg->role == HTTP_RESPONSE && msg->status / 100 == 1 && msg->status != 101;
}

static void begin_body(struct http1 *p, const struct http_framing *f)
{
	p->tunnel = f->tunnel;
	p->left = f->length;
	p->extra = p->digits = 0;
	p->size = 0;
	http_draft_head(&p->draft);
	http_draft_transfer_codings(&p->draft, &f->codings);
	switch (f->kind) {
	case HTTP_BODY_NONE:
		finish(p, HTTP_END_COMPLETE, NULL);
		return;
	case HTTP_BODY_LENGTH:
		p->state = BODY;
		if (!p->left)
			finish(p, HTTP_END_COMPLETE, NULL);
		return;
	case HTTP_BODY_CHUNKED:
		p->state = CHUNK_SIZE;
		return;
	case HTTP_BODY_CLOSE:
		p->state = BODY_CLOSE;
		return;
	}
}

static int finish_head(struct http1 *p)
{
	struct http_message *msg = p->draft.msg;
	struct http_framing framing;
	int r = http_head_read(msg, p->head.data, p->head.len, p->limits->max_headers, true,
			       &p->draft.flawed);
	if (r == -ENOMEM)
		return r;
	if (r == -E2BIG)
		fail(p, HTTP_END_LIMIT, "there are more header fields than the limit");
	else if (r < 0)
		fail(p, HTTP_END_MALFORMED, msg->problem);
	if (r < 0)
		return 0;
	if (is_interim(msg)) {
		http_draft_drop(&p->draft);
		buf_reset(&p->head);
		p->state = START;
		return 0;
	}
	enum http_method_kind asked = p->ops->head(p->ctx, msg);
	r = http_head_framing(msg, asked, p->limits->max_codings, &framing);
	if (r < 0)
		fail(p, HTTP_END_MALFORMED, msg->problem);
	else
		begin_body(p, &framing);
	return 0;
}

/* The head's first line is there. If it is no start line, that is dealt with here. */
static int check_start_line(struct http1 *p)
{
	size_t len = p->head.len - 1;
	if (len && p->head.data[len - 1] == '\r')
		len--;
	if (p->role == HTTP_REQUEST && !p->seen_any && p->offset == HTTP2_PREFACE_LINE_LEN &&
	    memcmp(p->head.data, http2_preface, HTTP2_PREFACE_LINE_LEN) == 0) {
		uint64_t from = p->first_offset;
		reject(p);
		rewind_to(p, START);
		p->ops->preface(p->ctx);
		unreadable(p, from, p->offset - from, p->why);
		return 0;
	}
	if (http_start_line_valid(p->role, p->head.data, len))
		return 0;
	if (!http_start_names_http(p->head.data, len)) {
		reject_and_lose(p, "not HTTP");
		return 0;
	}
	int r = read_cut_head(p);
	if (r == 0)
		fail(p, HTTP_END_MALFORMED, "the start line is malformed");
	return r;
}

/* One more line of the head, or a part of one, is in the buffer. */
static int advance_head(struct http1 *p, bool line_ended)
{
	if (!p->start_line && http_start_check(p->role, p->head.data, p->head.len) == HTTP_START_NO) {
		reject_and_lose(p, "not HTTP");
		return 0;
	}
	if (!line_ended)
		return 0;
	size_t len = p->head.len - p->line;
	bool empty = len == 1 || (len == 2 && p->head.data[p->line] == '\r');
	p->line = p->head.len;
	if (!p->start_line) {
		p->start_line = true;
		return check_start_line(p);
	}
	return empty ? finish_head(p) : 0;
}

static int step_head(struct http1 *p, struct input *in)
{
	const uint8_t *lf = memchr(in->data, '\n', in->len);
	size_t len = lf ? (size_t)(lf - in->data) + 1 : in->len;
	size_t room = p->limits->max_head - p->head.len;
	size_t n = MIN(len, room);
	if (n && buf_append(&p->head, in->data, n) < 0)
		return -ENOMEM;
	take(p, in, n);
	p->draft.msg->last_ts_ns = in->chunk->ts_ns;
	int r = n ? advance_head(p, lf && n == len) : 0;
	if (r < 0 || n == len)
		return r;
	if (p->state != HEAD)
		return 0;
	r = read_cut_head(p);
	if (r == 0)
		fail(p, HTTP_END_LIMIT, "start line and headers are longer than the limit");
	return r;
}

static int step_start(struct http1 *p, struct input *in)
{
	size_t blank = 0;
	while (blank < in->len && (in->data[blank] == '\r' || in->data[blank] == '\n'))
		blank++;
	take(p, in, blank);
	if (!in->len)
		return 0;
	int r = http_draft_begin(&p->draft, p->role, p->conn_id, in->chunk->ts_ns);
	if (r < 0)
		return r;
	if (!p->begun) {
		p->begun = true;
		p->ops->begin(p->ctx, in->chunk, p->offset);
	}
	p->state = HEAD;
	p->start_line = false;
	p->line = 0;
	return 0;
}

/* --- body -------------------------------------------------------------------------------- */

static int body_bytes(struct http1 *p, struct input *in, size_t len)
{
	const uint8_t *data = in->data;
	int r = 0;
	if (p->draft.msg)
		r = http_draft_body(&p->draft, data, len, p->piece, in->chunk->ts_ns);
	else
		unreadable(p, p->offset, len, "after the end that the stream announced");
	take(p, in, len);
	return r;
}

/* A byte or more of framing inside a body. */
static void framing_bytes(struct http1 *p, struct input *in, size_t len)
{
	take(p, in, len);
	if (p->draft.msg)
		p->draft.msg->last_ts_ns = in->chunk->ts_ns;
}

static int step_sized(struct http1 *p, struct input *in)
{
	size_t len = (size_t)MIN((uint64_t)in->len, p->left);
	int r = body_bytes(p, in, len);
	p->left -= len;
	if (r < 0 || p->left)
		return r;
	if (p->state == CHUNK_DATA)
		p->state = CHUNK_END;
	else
		finish(p, HTTP_END_COMPLETE, NULL);
	return 0;
}

static void chunk_line_ended(struct http1 *p)
{
	p->left = p->size;
	p->state = p->size ? CHUNK_DATA : TRAILER;
	p->size = p->extra = 0;
	p->digits = 0;
}

static void step_chunk_size(struct http1 *p, struct input *in)
{
	uint8_t c = in->data[0];
	int value = hex_digit(c);
	if (value >= 0) {
		if (p->digits == CHUNK_DIGITS_MAX || p->size > (uint64_t)INT64_MAX >> 4) {
			fail(p, HTTP_END_LIMIT, "a chunk size is too large");
			return;
		}
		p->size = p->size << 4 | (uint64_t)value;
		p->digits++;
		framing_bytes(p, in, 1);
		return;
	}
	if (!p->digits || !(c == ';' || c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
		fail(p, HTTP_END_MALFORMED, "a chunk size is not a hexadecimal number");
		return;
	}
	p->state = CHUNK_EXT;
}

/* Counts what a sender may add without end. False: over the limit, and dealt with. */
static bool count_extra(struct http1 *p, size_t len, const char *problem)
{
	p->extra += len;
	if (p->extra <= p->limits->max_head)
		return true;
	fail(p, HTTP_END_LIMIT, problem);
	return false;
}

static void step_chunk_ext(struct http1 *p, struct input *in)
{
	const uint8_t *lf = memchr(in->data, '\n', in->len);
	size_t len = lf ? (size_t)(lf - in->data) : in->len;
	const uint8_t *cr = len ? memchr(in->data, '\r', len) : NULL;
	if (cr)
		len = (size_t)(cr - in->data);
	framing_bytes(p, in, len);
	if (!count_extra(p, len, "chunk extensions are longer than the limit") || !in->len)
		return;
	framing_bytes(p, in, 1);
	if (cr)
		p->state = CHUNK_LF;
	else
		chunk_line_ended(p);
}

/* The LF after a CR. */
static bool step_lf(struct http1 *p, struct input *in, const char *problem)
{
	if (in->data[0] != '\n') {
		fail(p, HTTP_END_MALFORMED, problem);
		return false;
	}
	framing_bytes(p, in, 1);
	return true;
}

static void step_chunk_end(struct http1 *p, struct input *in)
{
	static const char problem[] = "a chunk is not followed by a line end";
	if (p->state == CHUNK_END && in->data[0] == '\r') {
		framing_bytes(p, in, 1);
		p->state = CHUNK_END_LF;
	} else if (step_lf(p, in, problem)) {
		p->state = CHUNK_SIZE;
	}
}

/* Trailer fields are skipped: they say nothing that an audit needs, and must not be taken for header fields.
 */
static void step_trailer(struct http1 *p, struct input *in)
{
	if (in->data[0] == '\n') {
		framing_bytes(p, in, 1);
		finish(p, HTTP_END_COMPLETE, NULL);
		return;
	}
	if (in->data[0] == '\r' && p->state == TRAILER) {
		framing_bytes(p, in, 1);
		p->state = TRAILER_LF;
		return;
	}
	p->state = TRAILER_LINE;
}

static void step_trailer_line(struct http1 *p, struct input *in)
{
	const uint8_t *lf = memchr(in->data, '\n', in->len);
	size_t len = lf ? (size_t)(lf - in->data) + 1 : in->len;
	framing_bytes(p, in, len);
	if (count_extra(p, len, "trailers are longer than the limit") && lf)
		p->state = TRAILER;
}

/* --- feeding ----------------------------------------------------------------------------- */

static int step(struct http1 *p, struct input *in)
{
	switch (p->state) {
	case START:
		return step_start(p, in);
	case HEAD:
		return step_head(p, in);
	case BODY:
	case CHUNK_DATA:
		return step_sized(p, in);
	case BODY_CLOSE:
		return body_bytes(p, in, in->len);
	case CHUNK_SIZE:
		step_chunk_size(p, in);
		return 0;
	case CHUNK_EXT:
		step_chunk_ext(p, in);
		return 0;
	case CHUNK_LF:
		if (step_lf(p, in, "a chunk size line holds a bare CR"))
			chunk_line_ended(p);
		return 0;
	case CHUNK_END:
	case CHUNK_END_LF:
		step_chunk_end(p, in);
		return 0;
	case TRAILER:
	case TRAILER_LF:
		step_trailer(p, in);
		return 0;
	case TRAILER_LINE:
		step_trailer_line(p, in);
		return 0;
	case LOST:
	case STOPPED:
	case LEFT:
		break;
	}
	unreadable(p, p->offset, in->len, p->why);
	take(p, in, in->len);
	return 0;
}

void http1_answered(struct http1 *p)
{
	bool before_body = p->state == BODY || (p->state == CHUNK_SIZE && !p->digits);
	p->bodiless = before_body && p->draft.msg && !p->draft.msg->coded_total &&
		      !p->draft.msg->missing_bytes && http_head_expects(p->draft.msg);
}

static void finish_bodiless(struct http1 *p)
{
	p->left = 0;
	finish(p, HTTP_END_COMPLETE, "the body was not sent: the answer came without asking for it");
}

int http1_data(struct http1 *p, const struct stream_chunk *chunk)
{
	struct input in = {.chunk = chunk, .data = chunk->data, .len = chunk->len};
	p->piece++;
	/* A request line, to its end: less could be the body. */
	if (p->bodiless && chunk->call_start && memchr(in.data, '\n', in.len) &&
	    http_start_resync(p->role, in.data, in.len))
		finish_bodiless(p);
	p->bodiless = false;
	if (p->state == LOST && chunk->call_start && http_start_resync(p->role, in.data, in.len))
		rewind_to(p, START);
	while (in.len && p->state != LEFT) {
		int r = step(p, &in);
		if (r < 0) {
			r = out_of_memory(p);
			unreadable(p, p->offset, in.len, p->why);
			take(p, &in, in.len);
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
		reject_and_lose(p, why);
	else
		lose(p, why);
	missing_outside(p, len, reason, why);
}

static int gap_in_head(struct http1 *p, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	int r = read_cut_head(p);
	if (r < 0)
		return r;
	/* Part of an interim response: the one that counts is still to come. */
	if (is_interim(p->draft.msg)) {
		gap_at_start(p, len, reason);
		return 0;
	}
	missing_inside(p, len, ts_ns, reason);
	fail(p, HTTP_END_GAP, "bytes are missing in the head");
	return 0;
}

static void gap_in_sized(struct http1 *p, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	uint64_t inside = MIN(len, p->left);
	missing_inside(p, inside, ts_ns, reason);
	p->own_end = p->offset;
	p->left -= inside;
	if (!p->left)
		finish(p, HTTP_END_COMPLETE, NULL);
	if (len > inside && p->state == STOPPED)
		missing_outside(p, len - inside, reason, p->why);
	else if (len > inside)
		gap_at_start(p, len - inside, reason);
}

static void gap_in_chunked(struct http1 *p, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	missing_inside(p, len, ts_ns, reason);
	fail(p, HTTP_END_GAP, "bytes are missing in a chunked body");
}

int http1_gap(struct http1 *p, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	int r = 0;
	p->bodiless = false;
	switch (p->state) {
	case START:
		gap_at_start(p, len, reason);
		break;
	case HEAD:
		r = gap_in_head(p, len, ts_ns, reason);
		break;
	case BODY:
		gap_in_sized(p, len, ts_ns, reason);
		break;
	case BODY_CLOSE:
		missing_inside(p, len, ts_ns, reason);
		break;
	case LOST:
	case STOPPED:
	case LEFT:
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
		(void)read_cut_head(p);
	if (head_says_something(p) && !is_interim(p->draft.msg))
		finish(p, HTTP_END_CLOSED, NULL);
	else
		reject_and_lose(p, why);
}

void http1_close(struct http1 *p)
{
	switch (p->state) {
	case START:
		if (p->offset > p->first_offset)
			reject_and_lose(p, "the connection ended before a message was there");
		break;
	case HEAD:
		close_head(p);
		break;
	case LOST:
	case STOPPED:
	case LEFT:
		break;
	case BODY_CLOSE:
		/* The compressed data tells what the framing cannot: that the connection ended too early. */
		finish(p, http_draft_inside(&p->draft) ? HTTP_END_CLOSED : HTTP_END_COMPLETE, NULL);
		break;
	default:
		if (p->bodiless) {
			finish_bodiless(p);
			break;
		}
		finish(p, http_draft_said_done(&p->draft) ? HTTP_END_COMPLETE : HTTP_END_CLOSED, NULL);
		break;
	}
	http1_stop(p, "after the connection's end");
}

void http1_stop(struct http1 *p, const char *why)
{
	if (p->state == START && p->offset > p->first_offset)
		reject_and_lose(p, why);
	if (!p->stop)
		p->stop = why;
	if (p->state == START || p->state == LOST)
		rewind_to(p, STOPPED);
	if (p->state == STOPPED)
		p->why = p->stop;
}

void http1_leave(struct http1 *p)
{
	if (p->state == START && p->offset > p->first_offset)
		reject_and_lose(p, "not HTTP");
	p->leave = true;
	if (p->state == START || p->state == LOST)
		rewind_to(p, LEFT);
}

bool http1_left(const struct http1 *p)
{
	return p->state == LEFT;
}

bool http1_idle(const struct http1 *p)
{
	return p->state == START || p->state == LOST;
}

void http1_return(struct http1 *p, uint64_t offset, const char *lost)
{
	p->leave = false;
	p->offset = p->own_end = offset;
	p->why = lost;
	rewind_to(p, lost ? LOST : START);
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
