/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "http/head.h"
#include "http/http2_internal.h"

/* Header blocks: gathered from their frames, and read once whole. Each one has to go through the decoder in
 * order and to its end; where that is not possible hpack_reset() follows, so that nothing is read with a
 * table that missed an insertion. */

static const char not_begun[] = "of a stream whose beginning was not captured, or that has ended";

struct http2_half *http2_half_of(const struct http2_side *side, struct http2_stream *s)
{
	return s && !s->half[side->role].ended ? &s->half[side->role] : NULL;
}

static void cap(struct http2_half *half, const char *why)
{
	half->capped = true;
	half->why = why;
}

/* Nobody's fields, or trailers: they say nothing that an audit needs, but the table has to follow them. */
static int skip_block(struct http2_side *side, struct http2_half *half, bool cut)
{
	static const struct hpack_limits none = {};
	struct hpack_counts counts;
	int r = hpack_block(side->hpack, side->block.data, side->block.len, cut, &none, NULL, NULL, &counts);
	if (half && (r == -EBADMSG || r == -E2BIG))
		http2_flaw(half, "the trailers' header block is malformed");
	if (half && !side->block_ends)
		http2_flaw(half, "there are two header blocks, and the second does not end the stream");
	return r == -ENOMEM ? r : 0;
}

/* Whether the block that was read is no message's beginning, and dealt with. */
static bool is_no_message(struct http2 *h, struct http2_side *side, const struct http2_facts *facts, bool cut)
{
	struct http2_stream *s = side->block_stream;
	const struct http_message *msg = s->half[side->role].draft.msg;
	bool trailers = !facts->pseudo && side->block_ends && !cut;
	if (side->role == HTTP_REQUEST) {
		if (!trailers || facts->unknown || !side->strict)
			return false;
		http2_reject(h, s, HTTP_REQUEST, not_begun);
		return true;
	}
	if (msg->status / 100 == 1 && !side->block_ends) {
		http2_unbegin(h, s, HTTP_RESPONSE);
		return true;
	}
	/* The one that counts may be still to come. */
	if (cut && !msg->status) {
		http2_unbegin(h, s, HTTP_RESPONSE);
		return true;
	}
	if (s->half[HTTP_REQUEST].begun || !(trailers || (!facts->pseudo && !facts->unknown)))
		return false;
	http2_reject(h, s, HTTP_RESPONSE, not_begun);
	return true;
}

static void judge(struct http2_half *half, int r, const struct http2_facts *facts)
{
	half->draft.flawed |= facts->flawed;
	if (r == -EBADMSG) {
		half->draft.msg->problem = NULL;
		http2_flaw(half, "the header block is malformed");
	} else if (r == -E2BIG) {
		cap(half, "a header field is longer than the limit");
	} else if (facts->over) {
		cap(half, "there are more header fields than the limit");
	}
}

static struct hpack_limits limits_of(const struct http2 *h)
{
	size_t room = h->limits->max_heads - h->heads;
	struct hpack_limits limits = {.max_fields = h->limits->max_headers, .max_size = room};
	if (room > h->limits->max_head)
		limits.max_size = h->limits->max_head;
	return limits;
}

static void head_is_read(struct http2 *h, struct http2_side *side)
{
	struct http2_stream *s = side->block_stream;
	struct http2_half *half = &s->half[side->role];
	half->head = true;
	http_draft_head(&half->draft);
	if (side->role == HTTP_REQUEST) {
		s->head_method = http_method_kind(half->draft.msg) == HTTP_METHOD_HEAD;
		http2_refuse(h, s);
	}
}

static int read_fields(struct http2 *h, struct http2_side *side, bool cut)
{
	struct http2_stream *s = side->block_stream;
	struct http2_half *half = &s->half[side->role];
	struct hpack_limits limits = limits_of(h);
	struct http2_facts facts = {};
	int r = http2_begin(h, s, side->role, side->block_ts_ns);
	if (r < 0)
		return r;
	const struct http_message *msg = half->draft.msg;
	half->draft.msg->last_ts_ns = side->ts_ns;
	r = http2_fields_read(half->draft.msg, side->hpack, side->block.data, side->block.len, cut, &limits,
			      &facts);
	half->heads += facts.size;
	h->heads += facts.size;
	if (r == -ENOMEM)
		return r;
	judge(half, r, &facts);
	/* Trailers. */
	if (half->lost && side->role == HTTP_RESPONSE && !facts.pseudo && !cut &&
	    (side->block_ends || !facts.unknown)) {
		http2_unbegin(h, s, HTTP_RESPONSE);
		return http2_begin_blind(h, s, HTTP_RESPONSE, side->block_ts_ns);
	}
	if (is_no_message(h, side, &facts, cut))
		return 0;
	/* Here it begins: nothing that was lost before is its own. */
	if (msg->status >= 200 && !cut)
		half->lost = false;
	/* With a status that is not known it may be an interim response: what comes next tells. */
	if (side->role == HTTP_REQUEST || msg->status || !facts.unknown || side->block_ends)
		head_is_read(h, side);
	return 0;
}

#define SWAP(a, b)                                                                                           \
	do {                                                                                                 \
		__auto_type _swap = (a);                                                                     \
		(a) = (b);                                                                                   \
		(b) = _swap;                                                                                 \
	} while (0)

static void take_fields(struct http2 *h, struct http2_half *half, struct http_message *next, size_t size)
{
	struct http_message *msg = half->draft.msg;
	SWAP(msg->headers, next->headers);
	SWAP(msg->n_headers, next->n_headers);
	msg->status = next->status;
	msg->problem = next->problem;
	msg->unknown_headers = next->unknown_headers;
	half->draft.flawed = false;
	h->heads += size - half->heads;
	half->heads = size;
}

/* After a response whose status is not known. It was an interim one if another begins now; trailers end the
 * stream. */
static int read_next_fields(struct http2 *h, struct http2_side *side, bool cut)
{
	struct http2_stream *s = side->block_stream;
	struct http2_half *half = &s->half[HTTP_RESPONSE];
	struct hpack_limits limits = limits_of(h);
	struct http2_facts facts = {};
	_cleanup_(http_message_free) struct http_message *next = calloc(1, sizeof(*next));
	if (!next)
		return -ENOMEM;
	next->role = HTTP_RESPONSE;
	int r = http2_fields_read(next, side->hpack, side->block.data, side->block.len, cut, &limits, &facts);
	if (r == -ENOMEM)
		return r;
	if (!next->status && (!facts.unknown || side->block_ends)) {
		head_is_read(h, side);
		return 0;
	}
	take_fields(h, half, next, facts.size);
	half->draft.msg->first_ts_ns = side->block_ts_ns;
	judge(half, r, &facts);
	if (half->draft.msg->status / 100 == 1 && !side->block_ends)
		http2_unbegin(h, s, HTTP_RESPONSE);
	else if (half->draft.msg->status)
		head_is_read(h, side);
	return 0;
}

/* cut: more was to come, and is lost or left out. The table is unknown afterwards. */
static int read_block(struct http2 *h, struct http2_side *side, bool cut)
{
	struct http2_half *half = http2_half_of(side, side->block_stream);
	int r = 0;
	if (side->block_skip)
		hpack_reset(side->hpack);
	else if (half && !half->begun)
		r = read_fields(h, side, cut);
	else if (half && !half->head)
		r = read_next_fields(h, side, cut);
	else
		r = skip_block(side, half, cut);
	side->block_skip = true;
	buf_done(&side->block);
	return r;
}

void http2_block_close(struct http2 *h, struct http2_side *side)
{
	struct http2_stream *s = side->block_stream;
	side->block_open = false;
	side->block_stream = NULL;
	if (!s || !side->block_ends)
		return;
	if (s->half[side->role].early)
		http2_early_over(h, s, side->role);
	else if (!s->half[HTTP_REQUEST].begun && !s->half[HTTP_RESPONSE].begun)
		http2_reject(h, s, side->role, not_begun);
	else
		http2_end(h, s, side->role, HTTP_END_COMPLETE, NULL);
}

int http2_block_end(struct http2 *h, struct http2_side *side)
{
	int r = read_block(h, side, false);
	if (r == 0)
		http2_block_close(h, side);
	return r;
}

int http2_block_lose(struct http2 *h, struct http2_side *side, enum gap_reason reason)
{
	struct http2_half *half = http2_half_of(side, side->block_stream);
	bool head = half && half->head;
	int r = read_block(h, side, true);
	half = http2_half_of(side, side->block_stream);
	/* Trailers are framing. */
	if (half && !head)
		http2_half_lost(half, reason);
	return r;
}

int http2_block_break(struct http2 *h, struct http2_side *side, const char *problem)
{
	int r = read_block(h, side, true);
	struct http2_half *half = http2_half_of(side, side->block_stream);
	if (r == 0 && half && !half->begun)
		r = http2_begin(h, side->block_stream, side->role, side->block_ts_ns);
	if (r == 0 && half) {
		half->head = true;
		http2_flaw(half, problem);
	}
	return r;
}

int http2_block_bytes(struct http2 *h, struct http2_side *side, const uint8_t *data, size_t len)
{
	if (side->block_skip)
		return 0;
	if (len <= side->block.max - side->block.len)
		return buf_append(&side->block, data, len);
	int r = read_block(h, side, true);
	struct http2_half *half = http2_half_of(side, side->block_stream);
	if (half)
		cap(half, "a header block is longer than the limit");
	return r;
}

int http2_block_cut(struct http2 *h, struct http2_side *side)
{
	if (!side->block_open)
		return 0;
	int r = read_block(h, side, true);
	struct http2_stream *s = side->block_stream;
	const struct http2_half *half = http2_half_of(side, s);
	const struct http_message *msg = half ? half->draft.msg : NULL;
	side->block_open = false;
	side->block_stream = NULL;
	if (msg && side->role == HTTP_REQUEST && !msg->method && !msg->target && !msg->n_headers &&
	    !half->data)
		http2_reject(h, s, HTTP_REQUEST, "the connection ended before a message was there");
	return r;
}
