/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http1_internal.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "http/http2_frame.h"

int http1_read_cut_head(struct http1 *p)
{
	int r = http_head_read(p->draft.msg, p->head.data, p->head.len, p->limits->max_headers, false,
			       &p->draft.flawed);
	return r == -ENOMEM ? r : 0;
}

bool http1_is_interim(const struct http_message *msg)
{
	return msg->role == HTTP_RESPONSE && msg->status / 100 == 1 && msg->status != 101;
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
		http1_fail(p, HTTP_END_LIMIT, "there are more header fields than the limit");
	else if (r < 0)
		http1_fail(p, HTTP_END_MALFORMED, msg->problem);
	if (r < 0)
		return 0;
	if (http1_is_interim(msg)) {
		http_draft_drop(&p->draft);
		buf_reset(&p->head);
		p->state = HTTP1_START;
		return 0;
	}
	enum http_method_kind asked = p->ops->head(p->ctx, msg);
	r = http_head_framing(msg, asked, p->limits->max_codings, &framing);
	if (r < 0)
		http1_fail(p, HTTP_END_MALFORMED, msg->problem);
	else
		http1_body_begin(p, &framing);
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
		http1_reject(p);
		http1_rewind(p, HTTP1_START);
		p->ops->preface(p->ctx);
		http1_unreadable(p, from, p->offset - from, p->why);
		return 0;
	}
	if (http_start_line_valid(p->role, p->head.data, len))
		return 0;
	if (!http_start_names_http(p->head.data, len)) {
		http1_reject_and_lose(p, "not HTTP");
		return 0;
	}
	int r = http1_read_cut_head(p);
	if (r == 0)
		http1_fail(p, HTTP_END_MALFORMED, "the start line is malformed");
	return r;
}

/* One more line of the head, or a part of one, is in the buffer. */
static int advance_head(struct http1 *p, bool line_ended)
{
	if (!p->start_line && http_start_check(p->role, p->head.data, p->head.len) == HTTP_START_NO) {
		http1_reject_and_lose(p, "not HTTP");
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

int http1_head_step(struct http1 *p, struct http1_input *in)
{
	const uint8_t *lf = memchr(in->data, '\n', in->len);
	size_t len = lf ? (size_t)(lf - in->data) + 1 : in->len;
	size_t room = p->limits->max_head - p->head.len;
	size_t n = MIN(len, room);
	if (n && buf_append(&p->head, in->data, n) < 0)
		return -ENOMEM;
	http1_take(p, in, n);
	p->draft.msg->last_ts_ns = in->chunk->ts_ns;
	int r = n ? advance_head(p, lf && n == len) : 0;
	if (r < 0 || n == len)
		return r;
	if (p->state != HTTP1_HEAD)
		return 0;
	r = http1_read_cut_head(p);
	if (r == 0)
		http1_fail(p, HTTP_END_LIMIT, "start line and headers are longer than the limit");
	return r;
}

int http1_head_start(struct http1 *p, struct http1_input *in)
{
	size_t blank = 0;
	while (blank < in->len && (in->data[blank] == '\r' || in->data[blank] == '\n'))
		blank++;
	http1_take(p, in, blank);
	if (!in->len)
		return 0;
	int r = http_draft_begin(&p->draft, p->role, p->conn_id, in->chunk->ts_ns);
	if (r < 0)
		return r;
	if (!p->begun) {
		p->begun = true;
		p->ops->begin(p->ctx, in->chunk, p->offset);
	}
	p->state = HTTP1_HEAD;
	p->start_line = false;
	p->line = 0;
	return 0;
}
