/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http1_internal.h"

#include <errno.h>
#include <string.h>

#include "base/digit.h"
#include "base/macro.h"

#define CHUNK_DIGITS_MAX 16

void http1_body_begin(struct http1 *p, const struct http_framing *f)
{
	p->tunnel = f->tunnel;
	p->left = f->length;
	p->extra = p->digits = 0;
	p->size = 0;
	http_draft_head(&p->draft);
	http_draft_transfer_codings(&p->draft, &f->codings);
	switch (f->kind) {
	case HTTP_BODY_NONE:
		http1_finish(p, HTTP_END_COMPLETE, NULL);
		return;
	case HTTP_BODY_LENGTH:
		p->state = HTTP1_BODY;
		if (!p->left)
			http1_finish(p, HTTP_END_COMPLETE, NULL);
		return;
	case HTTP_BODY_CHUNKED:
		p->state = HTTP1_CHUNK_SIZE;
		return;
	case HTTP_BODY_CLOSE:
		p->state = HTTP1_BODY_CLOSE;
		return;
	}
}

static int body_bytes(struct http1 *p, struct http1_input *in, size_t len)
{
	const uint8_t *data = in->data;
	int r = 0;
	if (p->draft.msg)
		r = http_draft_body(&p->draft, data, len, p->piece, in->chunk->ts_ns);
	else
		http1_unreadable(p, p->offset, len, "after the end that the stream announced");
	http1_take(p, in, len);
	return r;
}

/* A byte or more of framing inside a body. */
static void framing_bytes(struct http1 *p, struct http1_input *in, size_t len)
{
	http1_take(p, in, len);
	if (p->draft.msg)
		p->draft.msg->last_ts_ns = in->chunk->ts_ns;
}

static int step_sized(struct http1 *p, struct http1_input *in)
{
	size_t len = (size_t)MIN((uint64_t)in->len, p->left);
	int r = body_bytes(p, in, len);
	p->left -= len;
	if (r < 0 || p->left)
		return r;
	if (p->state == HTTP1_CHUNK_DATA)
		p->state = HTTP1_CHUNK_END;
	else
		http1_finish(p, HTTP_END_COMPLETE, NULL);
	return 0;
}

static void chunk_line_ended(struct http1 *p)
{
	p->left = p->size;
	p->state = p->size ? HTTP1_CHUNK_DATA : HTTP1_TRAILER;
	p->size = p->extra = 0;
	p->digits = 0;
}

static void step_chunk_size(struct http1 *p, struct http1_input *in)
{
	uint8_t c = in->data[0];
	int value = hex_digit(c);
	if (value >= 0) {
		if (p->digits == CHUNK_DIGITS_MAX || p->size > (uint64_t)INT64_MAX >> 4) {
			http1_fail(p, HTTP_END_LIMIT, "a chunk size is too large");
			return;
		}
		p->size = p->size << 4 | (uint64_t)value;
		p->digits++;
		framing_bytes(p, in, 1);
		return;
	}
	if (!p->digits || !(c == ';' || c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
		http1_fail(p, HTTP_END_MALFORMED, "a chunk size is not a hexadecimal number");
		return;
	}
	p->state = HTTP1_CHUNK_EXT;
}

/* Counts what a sender may add without end. False: over the limit, and dealt with. */
static bool count_extra(struct http1 *p, size_t len, const char *problem)
{
	p->extra += len;
	if (p->extra <= p->limits->max_head)
		return true;
	http1_fail(p, HTTP_END_LIMIT, problem);
	return false;
}

static void step_chunk_ext(struct http1 *p, struct http1_input *in)
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
		p->state = HTTP1_CHUNK_LF;
	else
		chunk_line_ended(p);
}

/* The LF after a CR. */
static bool step_lf(struct http1 *p, struct http1_input *in, const char *problem)
{
	if (in->data[0] != '\n') {
		http1_fail(p, HTTP_END_MALFORMED, problem);
		return false;
	}
	framing_bytes(p, in, 1);
	return true;
}

static void step_chunk_end(struct http1 *p, struct http1_input *in)
{
	static const char problem[] = "a chunk is not followed by a line end";
	if (p->state == HTTP1_CHUNK_END && in->data[0] == '\r') {
		framing_bytes(p, in, 1);
		p->state = HTTP1_CHUNK_END_LF;
	} else if (step_lf(p, in, problem)) {
		p->state = HTTP1_CHUNK_SIZE;
	}
}

/* Trailer fields are skipped: they say nothing that an audit needs, and must not be taken for header fields.
 */
static void step_trailer(struct http1 *p, struct http1_input *in)
{
	if (in->data[0] == '\n') {
		framing_bytes(p, in, 1);
		http1_finish(p, HTTP_END_COMPLETE, NULL);
		return;
	}
	if (in->data[0] == '\r' && p->state == HTTP1_TRAILER) {
		framing_bytes(p, in, 1);
		p->state = HTTP1_TRAILER_LF;
		return;
	}
	p->state = HTTP1_TRAILER_LINE;
}

static void step_trailer_line(struct http1 *p, struct http1_input *in)
{
	const uint8_t *lf = memchr(in->data, '\n', in->len);
	size_t len = lf ? (size_t)(lf - in->data) + 1 : in->len;
	framing_bytes(p, in, len);
	if (count_extra(p, len, "trailers are longer than the limit") && lf)
		p->state = HTTP1_TRAILER;
}

int http1_body_step(struct http1 *p, struct http1_input *in)
{
	switch (p->state) {
	case HTTP1_BODY:
	case HTTP1_CHUNK_DATA:
		return step_sized(p, in);
	case HTTP1_CHUNK_SIZE:
		step_chunk_size(p, in);
		return 0;
	case HTTP1_CHUNK_EXT:
		step_chunk_ext(p, in);
		return 0;
	case HTTP1_CHUNK_LF:
		if (step_lf(p, in, "a chunk size line holds a bare CR"))
			chunk_line_ended(p);
		return 0;
	case HTTP1_CHUNK_END:
	case HTTP1_CHUNK_END_LF:
		step_chunk_end(p, in);
		return 0;
	case HTTP1_TRAILER:
	case HTTP1_TRAILER_LF:
		step_trailer(p, in);
		return 0;
	case HTTP1_TRAILER_LINE:
		step_trailer_line(p, in);
		return 0;
	default:
		return body_bytes(p, in, in->len);
	}
}
