/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "http/http2_internal.h"

#define SETTING_LEN	       6
#define SETTING_MAX_FRAME_SIZE 5
#define FRAME_MAX	       ((1 << 24) - 1)

static const char not_frames[] = "waiting for a frame of HTTP/2 to begin";
static const char in_framing[] = "not captured, in the connection's own framing";
static const char between[] = "not captured, between frames";
static const char had_ended[] = "of a message that had ended";
static const char after_done[] = "after the end that the stream announced";
static const char not_begun[] = "of a stream whose beginning was not captured, or that has ended";
static const char pushed[] = "of a stream that the server opened, which is not followed";
static const char odd_frame[] = "a frame of a type that is not known";
static const char block_rest[] = "the rest of a header block whose beginning was not captured";

/* What is being read. */
struct input {
	const uint8_t *data;
	size_t len;
};

/* --- the object -------------------------------------------------------------------------- */

static void side_init(struct http2 *h, enum http_role role, enum stream_dir dir,
		      const struct http2_start *start)
{
	struct http2_side *side = &h->side[role];
	*side = (struct http2_side){.role = role, .dir = dir, .offset = start->offset[dir]};
	buf_init(&side->block, h->limits->max_head);
	side->state = HTTP2_LOST;
	side->strict = true;
	side->why = not_frames;
	if (role == HTTP_RESPONSE && start->preface && !side->offset) {
		side->state = HTTP2_FRAME;
		side->strict = false;
	} else if (role == HTTP_REQUEST && (start->preface || !side->offset)) {
		side->state = HTTP2_START;
		side->strict = false;
		side->framing = side->preface = start->preface ? HTTP2_PREFACE_LINE_LEN : 0;
	}
}

int http2_new(struct http2 **ret_http2, uint64_t conn_id, enum stream_dir request_dir,
	      const struct http_limits *limits, const struct http_conn_ops *ops, void *ctx,
	      const struct http2_start *start)
{
	_cleanup_(http2_free) struct http2 *h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->conn_id = conn_id;
	h->limits = limits;
	h->ops = ops;
	h->ctx = ctx;
	h->exchanges = start->exchanges;
	h->goaway = UINT32_MAX;
	h->max_frame = HTTP2_FRAME_DEFAULT;
	h->idle_ns = UINT64_MAX;
	side_init(h, HTTP_REQUEST, request_dir, start);
	side_init(h, HTTP_RESPONSE, request_dir == STREAM_WRITE ? STREAM_READ : STREAM_WRITE, start);
	int r = map_new(&h->streams);
	for (int role = HTTP_REQUEST; r == 0 && role <= HTTP_RESPONSE; role++)
		r = hpack_new(&h->side[role].hpack, !h->side[role].strict);
	if (r < 0)
		return r;
	*ret_http2 = TAKE_PTR(h);
	return 0;
}

void http2_free(struct http2 **http2)
{
	struct http2 *h = *http2;
	if (!h)
		return;
	http2_free_all(h);
	map_free(&h->streams);
	for (int role = HTTP_REQUEST; role <= HTTP_RESPONSE; role++) {
		buf_done(&h->side[role].block);
		hpack_free(&h->side[role].hpack);
	}
	free(h);
	*http2 = NULL;
}

static struct http2_side *side_of(struct http2 *h, enum stream_dir dir)
{
	return &h->side[h->side[HTTP_REQUEST].dir == dir ? HTTP_REQUEST : HTTP_RESPONSE];
}

uint64_t http2_offset(const struct http2 *h, enum stream_dir dir)
{
	return h->side[h->side[HTTP_REQUEST].dir == dir ? HTTP_REQUEST : HTTP_RESPONSE].offset;
}

uint64_t http2_framing(const struct http2 *h, enum stream_dir dir)
{
	return h->side[h->side[HTTP_REQUEST].dir == dir ? HTTP_REQUEST : HTTP_RESPONSE].framing;
}

void http2_unreadable(struct http2 *h, enum http_role role, uint64_t len, bool missing, const char *why)
{
	if (len)
		h->ops->on_unreadable(h->ctx, h->side[role].dir, len, missing, why);
}

/* --- whose bytes ------------------------------------------------------------------------- */

/* The message that the frame at hand belongs to, while it is open; or NULL. */
static struct http2_half *frame_half(const struct http2_side *side)
{
	return side->owner == HTTP2_OWN_MESSAGE ? http2_half_of(side, side->stream) : NULL;
}

/* Counts bytes of the frame at hand. */
static void charge(struct http2 *h, struct http2_side *side, uint64_t len, enum gap_reason missing)
{
	struct http2_half *half = frame_half(side);
	if (!half) {
		bool framing = side->owner == HTTP2_OWN_CONNECTION;
		if (framing && !missing)
			side->framing += len;
		else
			http2_unreadable(h, side->role, len, missing,
					 framing			   ? in_framing
					 : side->owner == HTTP2_OWN_NOBODY ? side->nobody
									   : had_ended);
		return;
	}
	half->wire += len;
	half->last_ts_ns = side->ts_ns;
	if (half->draft.msg) {
		half->draft.msg->last_ts_ns = side->ts_ns;
		if (missing)
			http_draft_missing(&half->draft, len, missing);
	} else if (missing) {
		half->missing += len;
		if (half->missing_reason == GAP_NONE)
			half->missing_reason = missing;
	}
}

static void take(struct http2_side *side, struct input *in, size_t len)
{
	in->data += len;
	in->len -= len;
	side->offset += len;
}

static void own_nobody(struct http2_side *side, const char *why)
{
	side->owner = HTTP2_OWN_NOBODY;
	side->nobody = why;
}

/* --- losing and finding the place -------------------------------------------------------- */

static int lose(struct http2 *h, struct http2_side *side, enum gap_reason reason, const char *why)
{
	int r = 0;
	if (side->block_open) {
		r = http2_block_lose(h, side, reason);
		http2_block_close(h, side);
	}
	side->state = HTTP2_LOST;
	side->strict = true;
	side->why = why;
	side->head_len = 0;
	side->stream = NULL;
	hpack_reset(side->hpack);
	http2_mark_lost(h, side, reason);
	if (side->role == HTTP_REQUEST)
		http2_release_held(h, UINT64_MAX);
	return r;
}

static void begin_frames(struct http2_side *side)
{
	side->state = HTTP2_FRAME;
	side->head_len = 0;
}

static bool begins_here(const struct http2 *h, const struct http2_side *side, const uint8_t *data, size_t len)
{
	return http2_frames_plausible(side->role, data, len, h->max_frame, false);
}

/* --- who owns a frame -------------------------------------------------------------------- */

/* The frame is of an open message, or of one that is over. */
static void own_half(struct http2_side *side, struct http2_stream *s)
{
	struct http2_half *half = &s->half[side->role];
	side->stream = s;
	if (!half->ended)
		side->owner = HTTP2_OWN_MESSAGE;
	else if (!half->early)
		own_nobody(side, had_ended);
}

static int own_data(struct http2 *h, struct http2_side *side)
{
	struct http2_stream *s = http2_stream_find(h, side->frame.stream);
	struct http2_half *half = s ? &s->half[side->role] : NULL;
	if (!s || (side->role == HTTP_REQUEST && !half->begun)) {
		own_nobody(side, side->frame.stream % 2 ? not_begun : pushed);
		return 0;
	}
	own_half(side, s);
	if (half->begun && !half->ended && !half->head) {
		half->head = true;
		http_draft_head(&half->draft);
	}
	if (half->begun || half->ended)
		return 0;
	return http2_begin_blind(h, s, side->role, side->frame_ts_ns);
}

/* The stream of a header block, made if it has to be; NULL: the block is nobody's. */
static int header_stream(struct http2 *h, struct http2_side *side, struct http2_stream **ret_stream)
{
	const struct http2_side *requests = &h->side[HTTP_REQUEST];
	uint32_t id = side->frame.stream;
	struct http2_stream *s = http2_stream_find(h, id);
	bool fresh = id % 2 && id > requests->last_id;
	*ret_stream = NULL;
	if (side->role == HTTP_REQUEST) {
		if (!fresh && !(s && s->half[HTTP_REQUEST].begun))
			return 0;
		side->last_id = MAX(side->last_id, id);
	} else if (!s && !fresh && !(id % 2 && requests->strict)) {
		return 0;
	}
	*ret_stream = s;
	return s ? 0 : http2_stream_new(h, id, ret_stream);
}

static int own_headers(struct http2 *h, struct http2_side *side)
{
	struct http2_stream *s;
	side->block_open = true;
	side->block_skip = false;
	side->block_id = side->frame.stream;
	side->block_ends = side->frame.flags & HTTP2_END_STREAM;
	side->block_ts_ns = side->frame_ts_ns;
	side->block_stream = NULL;
	int r = header_stream(h, side, &s);
	if (r < 0)
		return r;
	if (!s) {
		own_nobody(side, side->frame.stream % 2 ? not_begun : pushed);
		return 0;
	}
	own_half(side, s);
	side->block_stream = side->owner == HTTP2_OWN_NOBODY ? NULL : s;
	return 0;
}

static void own_promise(struct http2_side *side)
{
	side->block_open = true;
	side->block_skip = side->block_ends = false;
	side->block_id = side->frame.stream;
	side->block_stream = NULL;
	own_nobody(side, pushed);
}

static void own_continuation(struct http2_side *side)
{
	if (!side->block_open) {
		own_promise(side);
		/* Its beginning inserted into the table what is not known here. */
		side->block_skip = true;
		own_nobody(side, block_rest);
	} else if (side->block_stream) {
		own_half(side, side->block_stream);
	} else {
		own_nobody(side, side->frame.stream % 2 ? not_begun : pushed);
	}
}

static void own_reset(struct http2 *h, struct http2_side *side)
{
	struct http2_stream *s = http2_stream_find(h, side->frame.stream);
	side->stream = s;
	if (!s || s->half[side->role].ended)
		return;
	if (side->role == HTTP_RESPONSE || s->half[HTTP_REQUEST].begun)
		side->owner = HTTP2_OWN_MESSAGE;
}

static bool is_extension(uint8_t type)
{
	return type == HTTP2_ALTSVC || type == HTTP2_ORIGIN || type == HTTP2_PRIORITY_UPDATE;
}

static int find_owner(struct http2 *h, struct http2_side *side)
{
	side->owner = HTTP2_OWN_CONNECTION;
	side->stream = NULL;
	switch (side->frame.type) {
	case HTTP2_DATA:
		return own_data(h, side);
	case HTTP2_HEADERS:
		return own_headers(h, side);
	case HTTP2_PUSH_PROMISE:
		own_promise(side);
		return 0;
	case HTTP2_CONTINUATION:
		own_continuation(side);
		return 0;
	case HTTP2_RST_STREAM:
		own_reset(h, side);
		return 0;
	default:
		if (side->frame.type > HTTP2_CONTINUATION && !is_extension(side->frame.type))
			own_nobody(side, odd_frame);
		return 0;
	}
}

/* --- frames ------------------------------------------------------------------------------ */

static bool is_block(uint8_t type)
{
	return type == HTTP2_HEADERS || type == HTTP2_PUSH_PROMISE || type == HTTP2_CONTINUATION;
}

/* Bytes of the payload that stand before the content, or all that is read of it. */
static uint32_t fixed_want(const struct http2_frame *f)
{
	uint32_t padded = f->flags & HTTP2_PADDED ? 1 : 0;
	switch (f->type) {
	case HTTP2_DATA:
		return padded;
	case HTTP2_HEADERS:
		return padded + (f->flags & HTTP2_HAS_PRIORITY ? 5 : 0);
	case HTTP2_PUSH_PROMISE:
		return padded + 4;
	case HTTP2_RST_STREAM:
		return 4;
	case HTTP2_SETTINGS:
		return f->len ? SETTING_LEN : 0;
	case HTTP2_GOAWAY:
		return 8;
	default:
		return 0;
	}
}

/* The frame's own lengths contradict each other. */
static int bad_frame(struct http2 *h, struct http2_side *side, const char *problem)
{
	struct http2_half *half = frame_half(side);
	side->skip = true;
	side->fixed_want = side->fixed_len;
	side->padding = 0;
	if (is_block(side->frame.type))
		return http2_block_break(h, side, problem);
	if (half)
		http2_flaw(half, problem);
	return 0;
}

static int begin_frame(struct http2 *h, struct http2_side *side)
{
	struct http2_frame *f = &side->frame;
	int r = 0;
	*f = http2_frame_read(side->head);
	side->head_len = 0;
	if (side->strict && !is_extension(f->type) && !http2_frame_plausible(side->role, f, h->max_frame)) {
		r = lose(h, side, GAP_LOST, not_frames);
		http2_unreadable(h, side->role, HTTP2_HEADER_LEN, false, not_frames);
		return r;
	}
	if (side->block_open && (f->type != HTTP2_CONTINUATION || f->stream != side->block_id)) {
		r = http2_block_break(h, side, "a header block is not finished");
		http2_block_close(h, side);
	}
	if (r == 0)
		r = find_owner(h, side);
	if (r < 0)
		own_nobody(side, "out of memory");
	/* For DATA of a message that ended early this much is framing, the rest is not. */
	charge(h, side, HTTP2_HEADER_LEN, GAP_NONE);
	if (r < 0)
		return r;
	if (f->type == HTTP2_DATA && side->owner == HTTP2_OWN_CONNECTION)
		own_nobody(side, after_done);
	side->state = HTTP2_PAYLOAD;
	side->left = f->len;
	side->skip = false;
	side->padding = side->fixed_len = 0;
	side->fixed_want = fixed_want(f);
	return side->fixed_want > f->len ? bad_frame(h, side, "a frame is too short for its type") : 0;
}

static void read_setting(struct http2 *h, struct http2_side *side)
{
	const uint8_t *p = side->fixed;
	uint32_t value = (uint32_t)p[2] << 24 | (uint32_t)p[3] << 16 | (uint32_t)p[4] << 8 | p[5];
	if ((p[0] << 8 | p[1]) == SETTING_MAX_FRAME_SIZE && value <= FRAME_MAX)
		h->max_frame = MAX(h->max_frame, value);
	if (side->left >= SETTING_LEN)
		side->fixed_len = 0;
}

static int fixed_done(struct http2 *h, struct http2_side *side)
{
	uint8_t type = side->frame.type;
	if (type == HTTP2_SETTINGS) {
		read_setting(h, side);
		return 0;
	}
	if (!(side->frame.flags & HTTP2_PADDED) || !(type == HTTP2_DATA || is_block(type)))
		return 0;
	if (side->fixed[0] > side->left)
		return bad_frame(h, side, "padding is longer than its frame");
	side->padding = side->fixed[0];
	return 0;
}

static uint32_t fixed_be32(const struct http2_side *side, size_t at)
{
	const uint8_t *p = side->fixed + at;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void end_data(struct http2 *h, struct http2_side *side)
{
	struct http2_stream *s = side->stream;
	if (!s || !(side->frame.flags & HTTP2_END_STREAM))
		return;
	if (s->half[side->role].early)
		http2_early_over(h, s, side->role);
	else
		http2_end(h, s, side->role, HTTP_END_COMPLETE, NULL);
}

static void end_reset(struct http2 *h, struct http2_side *side)
{
	if (!side->stream || side->frame.len != 4)
		return;
	uint32_t code = side->skip ? UINT32_MAX : fixed_be32(side, 0);
	http2_reset(h, side->stream, http2_reset_text(side->role, code));
}

static int end_frame(struct http2 *h, struct http2_side *side)
{
	int r = 0;
	switch (side->frame.type) {
	case HTTP2_DATA:
		end_data(h, side);
		break;
	case HTTP2_HEADERS:
	case HTTP2_PUSH_PROMISE:
	case HTTP2_CONTINUATION:
		if (side->frame.flags & HTTP2_END_HEADERS)
			r = http2_block_end(h, side);
		break;
	case HTTP2_RST_STREAM:
		end_reset(h, side);
		break;
	case HTTP2_GOAWAY:
		if (side->role == HTTP_RESPONSE && !side->skip)
			http2_refuse_above(h, fixed_be32(side, 0) & 0x7fffffff);
		break;
	default:
		break;
	}
	side->stream = NULL;
	begin_frames(side);
	return r;
}

/* --- feeding ----------------------------------------------------------------------------- */

static int step_start(struct http2 *h, struct http2_side *side, struct input *in, bool call_start)
{
	size_t n = 0;
	while (n < in->len && side->preface + n < HTTP2_PREFACE_LEN &&
	       in->data[n] == (uint8_t)http2_preface[side->preface + n])
		n++;
	take(side, in, n);
	side->framing += n;
	side->preface += n;
	if (side->preface == HTTP2_PREFACE_LEN)
		begin_frames(side);
	if (side->preface == HTTP2_PREFACE_LEN || !in->len)
		return 0;
	/* What seemed to be a preface stays counted as framing. */
	int r = lose(h, side, GAP_LOST, not_frames);
	if (!side->preface && call_start && begins_here(h, side, in->data, in->len))
		begin_frames(side);
	return r;
}

static int step_frame(struct http2 *h, struct http2_side *side, struct input *in)
{
	size_t n = MIN(in->len, HTTP2_HEADER_LEN - side->head_len);
	if (!side->head_len)
		side->frame_ts_ns = side->ts_ns;
	memcpy(side->head + side->head_len, in->data, n);
	side->head_len += n;
	take(side, in, n);
	return side->head_len == HTTP2_HEADER_LEN ? begin_frame(h, side) : 0;
}

static int content(struct http2 *h, struct http2_side *side, const uint8_t *data, size_t len)
{
	if (side->skip)
		return 0;
	if (is_block(side->frame.type))
		return http2_block_bytes(h, side, data, len);
	struct http2_half *half = frame_half(side);
	return half && side->frame.type == HTTP2_DATA ? http2_body(h, side, half, data, len) : 0;
}

static int step_payload(struct http2 *h, struct http2_side *side, struct input *in)
{
	const uint8_t *data = in->data;
	bool fixed = side->fixed_len < side->fixed_want, padding = !fixed && side->left <= side->padding;
	uint32_t want = fixed	  ? side->fixed_want - side->fixed_len
			: padding ? side->left
				  : side->left - side->padding;
	size_t n = MIN(in->len, (size_t)want);
	take(side, in, n);
	side->left -= (uint32_t)n;
	charge(h, side, n, GAP_NONE);
	if (!fixed)
		return padding ? 0 : content(h, side, data, n);
	memcpy(side->fixed + side->fixed_len, data, n);
	side->fixed_len += (uint32_t)n;
	return side->fixed_len == side->fixed_want ? fixed_done(h, side) : 0;
}

static int step(struct http2 *h, struct http2_side *side, struct input *in, bool call_start)
{
	int r = 0;
	switch (side->state) {
	case HTTP2_START:
		return step_start(h, side, in, call_start);
	case HTTP2_FRAME:
		r = step_frame(h, side, in);
		break;
	case HTTP2_PAYLOAD:
		r = step_payload(h, side, in);
		break;
	case HTTP2_LOST:
		http2_mark_skipped(h, side, GAP_LOST);
		/* fall through */
	case HTTP2_STOPPED:
		http2_unreadable(h, side->role, in->len, false, side->why);
		take(side, in, in->len);
		return 0;
	}
	if (r == 0 && side->state == HTTP2_PAYLOAD && !side->left)
		r = end_frame(h, side);
	return r;
}

static int check_memory(struct http2 *h, int r)
{
	if (r == 0 && !h->out_of_memory)
		return 0;
	h->out_of_memory = false;
	http2_stop(h, "out of memory");
	return -ENOMEM;
}

int http2_data(struct http2 *h, const struct stream_chunk *chunk)
{
	struct http2_side *side = side_of(h, chunk->dir);
	struct input in = {.data = chunk->data, .len = chunk->len};
	int r = 0;
	side->piece++;
	side->ts_ns = h->now_ns = chunk->ts_ns;
	/* A write call that began after a response does not carry its request. */
	if (side->role == HTTP_REQUEST)
		http2_release_held(h, chunk->ts_ns);
	if (side->state == HTTP2_LOST && chunk->call_start && begins_here(h, side, in.data, in.len))
		begin_frames(side);
	while (in.len) {
		int one = check_memory(h, step(h, side, &in, chunk->call_start));
		r = r < 0 ? r : one;
	}
	return r;
}

/* --- gaps -------------------------------------------------------------------------------- */

/* Of the frame's payload, within its bounds. */
static int gap_inside(struct http2 *h, struct http2_side *side, uint32_t len, enum gap_reason reason)
{
	struct http2_half *half = frame_half(side);
	bool fixed = side->fixed_len < side->fixed_want;
	uint32_t room = side->left - MIN(side->left, side->padding);
	int r = 0;
	side->left -= len;
	if (is_block(side->frame.type) && (fixed || room))
		r = http2_block_lose(h, side, reason);
	charge(h, side, len, reason);
	half = frame_half(side);
	if (half && side->frame.type == HTTP2_DATA) {
		if (!fixed && !side->skip)
			half->data += MIN(len, room);
		/* Where the padding begins is not known. */
		if (fixed)
			http2_half_lost(half, reason);
	}
	if (fixed) {
		side->skip = true;
		side->fixed_want = side->fixed_len;
	}
	return r;
}

static int gap_outside(struct http2 *h, struct http2_side *side, uint64_t len, enum gap_reason reason)
{
	size_t cut = side->state == HTTP2_FRAME ? side->head_len : 0;
	int r = 0;
	if (side->state == HTTP2_FRAME || side->state == HTTP2_START)
		r = lose(h, side, reason, not_frames);
	http2_mark_skipped(h, side, reason);
	http2_unreadable(h, side->role, cut, false, "a frame's header that was cut short");
	http2_unreadable(h, side->role, len, true, side->state == HTTP2_STOPPED ? side->why : between);
	return r;
}

int http2_gap(struct http2 *h, enum stream_dir dir, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	struct http2_side *side = side_of(h, dir);
	int r = 0;
	side->ts_ns = h->now_ns = ts_ns;
	side->offset += len;
	if (reason == GAP_NONE)
		reason = GAP_LOST;
	if (side->state == HTTP2_PAYLOAD) {
		uint32_t inside = (uint32_t)MIN(len, (uint64_t)side->left);
		len -= inside;
		r = gap_inside(h, side, inside, reason);
		if (r == 0 && !side->left)
			r = end_frame(h, side);
	}
	/* After a failure the rest is reported by the state that it leaves. */
	r = check_memory(h, r);
	if (!len)
		return r;
	int more = check_memory(h, gap_outside(h, side, len, reason));
	return r < 0 ? r : more;
}

/* --- endings ----------------------------------------------------------------------------- */

static void stop_sides(struct http2 *h, const char *why)
{
	for (int role = HTTP_REQUEST; role <= HTTP_RESPONSE; role++) {
		struct http2_side *side = &h->side[role];
		size_t cut = side->state == HTTP2_FRAME ? side->head_len : 0;
		if (side->state == HTTP2_STOPPED)
			continue;
		side->head_len = 0;
		side->block_open = false;
		buf_done(&side->block);
		side->state = HTTP2_STOPPED;
		side->why = why;
		http2_unreadable(h, side->role, cut, false, why);
	}
}

int http2_close(struct http2 *h, uint64_t ts_ns)
{
	int r = 0;
	h->now_ns = ts_ns;
	for (int role = HTTP_REQUEST; role <= HTTP_RESPONSE; role++) {
		int one = http2_block_cut(h, &h->side[role]);
		r = r < 0 ? r : one;
	}
	stop_sides(h, "after the connection's end");
	http2_end_all(h, HTTP_END_CLOSED, NULL);
	if (r == 0 && h->out_of_memory)
		r = -ENOMEM;
	h->out_of_memory = false;
	return r;
}

void http2_stop(struct http2 *h, const char *why)
{
	stop_sides(h, why);
	http2_end_all(h, HTTP_END_LIMIT, why);
	h->out_of_memory = false;
}
