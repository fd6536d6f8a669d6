/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http2_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

#define GOAWAYS_MAX 16 /* a server says it twice; each is a walk over the streams */

static const char unseen[] = "the response's beginning was not captured";
static const char not_begun[] = "the connection ended before a message was there";
static const char perhaps_lost[] = "bytes of the connection are missing that may be part of the message";
static const char too_many[] = "more streams are open than the limit";
static const char refused[] = "the server went away without taking up the request (GOAWAY)";

static uint64_t add_sat(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* --- the table --------------------------------------------------------------------------- */

/* A peer chooses the identifiers. So that it cannot choose those that collide, where the object lies has a
 * part. */
static uint64_t key_of(const struct http2 *h, uint32_t id)
{
	return map_mix((uintptr_t)h, id);
}

struct http2_stream *http2_stream_find(struct http2 *h, uint32_t id)
{
	return map_get(h->streams, key_of(h, id));
}

static void half_done(struct http2 *h, struct http2_half *half)
{
	h->heads -= half->heads;
	half->heads = 0;
	http_draft_done(&half->draft);
}

/* A message that waits here takes as much as it did while it came. */
static void count_response(struct http2 *h, struct http2_stream *s, const struct http2_half *half)
{
	const struct http_message *msg = s->response;
	struct http_budget *budget = h->limits->budget;
	h->heads += s->heads = half->heads;
	s->kept = msg->body_len;
	for (size_t i = 0; i < msg->n_parts; i++)
		s->kept += msg->parts[i].data_len;
	if (budget)
		budget->used += s->kept;
}

static void uncount_response(struct http2 *h, struct http2_stream *s)
{
	h->heads -= s->heads;
	if (h->limits->budget)
		h->limits->budget->used -= s->kept;
	s->heads = 0;
	s->kept = 0;
}

static void stream_free(struct http2 *h, struct http2_stream *s)
{
	for (int role = HTTP_REQUEST; role <= HTTP_RESPONSE; role++) {
		struct http2_side *side = &h->side[role];
		if (side->stream == s)
			side->stream = NULL;
		if (side->block_stream == s)
			side->block_stream = NULL;
		half_done(h, &s->half[role]);
	}
	uncount_response(h, s);
	http_message_free(&s->response);
	h->n_held -= s->held;
	*(s->prev ? &s->prev->next : &h->first) = s->next;
	*(s->next ? &s->next->prev : &h->last) = s->prev;
	map_remove(h->streams, key_of(h, s->id));
	free(s);
}

/* --- messages leave ---------------------------------------------------------------------- */

static void give_response(struct http2 *h, struct http2_stream *s)
{
	struct http_message *msg = TAKE_PTR(s->response);
	if (!msg)
		return;
	uncount_response(h, s);
	msg->orphan = !s->half[HTTP_REQUEST].begun;
	h->ops->on_message(h->ctx, msg);
}

/* Gives the response if nothing keeps it, and forgets the stream if it has nothing more to say. */
static void settle(struct http2 *h, struct http2_stream *s)
{
	const struct http2_half *request = &s->half[HTTP_REQUEST], *response = &s->half[HTTP_RESPONSE];
	bool request_open = s->held || ((request->begun || request->wire) && !request->ended);
	if (!request_open)
		give_response(h, s);
	if (!request_open && !request->early && response->ended && !response->early)
		stream_free(h, s);
}

/* Whatever is there goes now. */
static void drop(struct http2 *h, struct http2_stream *s)
{
	give_response(h, s);
	stream_free(h, s);
}

static void release(struct http2 *h, struct http2_stream *s)
{
	h->n_held -= s->held;
	s->held = false;
	settle(h, s);
}

void http2_release_held(struct http2 *h, uint64_t ts_ns)
{
	struct http2_stream *next;
	for (struct http2_stream *s = h->first; s && h->n_held; s = next) {
		next = s->next;
		if (s->held && s->response->first_ts_ns < ts_ns)
			release(h, s);
	}
}

/* --- messages end ------------------------------------------------------------------------ */

void http2_flaw(struct http2_half *half, const char *problem)
{
	if (!half->draft.msg)
		return;
	half->draft.flawed = true;
	if (!half->draft.msg->problem)
		half->draft.msg->problem = problem;
}

/* What content-length says of the DATA of this message (RFC 9113 section 8.1.1). 1: said; 0: not; -EBADMSG.
 */
static int length_said(const struct http2_stream *s, enum http_role role, const struct http_message *msg,
		       uint64_t *ret_length)
{
	const char *value = msg ? http_message_header(msg, "content-length") : NULL;
	uint64_t length = 0;
	if (!value || (role == HTTP_RESPONSE && (s->head_method || msg->status == 304)))
		return 0;
	if (!*value)
		return -EBADMSG;
	for (const char *p = value; *p; p++) {
		if (*p < '0' || *p > '9' || length > (UINT64_MAX - 9) / 10)
			return -EBADMSG;
		length = length * 10 + (uint64_t)(*p - '0');
	}
	*ret_length = length;
	return 1;
}

static void check_length(const struct http2_stream *s, enum http_role role, struct http2_half *half)
{
	uint64_t length;
	int said = length_said(s, role, half->draft.msg, &length);
	if (said < 0)
		http2_flaw(half, "content-length is not a number");
	else if (said && length != half->data)
		http2_flaw(half, "the body is not as long as content-length says");
}

/* Clients that have all that content-length promised do not wait for the frame that says it was all: curl, if
 * END_STREAM comes in a frame of its own. */
static bool has_whole_length(const struct http2_stream *s, enum http_role role, const struct http2_half *half)
{
	uint64_t length;
	return !half->lost && !half->capped && length_said(s, role, half->draft.msg, &length) > 0 &&
	       length == half->data;
}

/* A message that has not begun, or had to be dropped. */
static struct http_message *empty_message(struct http2 *h, struct http2_half *half, enum http_role role,
					  enum http_end end, const char *problem)
{
	struct http_message *msg = calloc(1, sizeof(*msg));
	if (!msg)
		return NULL;
	msg->role = role;
	msg->conn_id = h->conn_id;
	msg->end = end;
	msg->problem = problem;
	msg->missing_bytes = half->missing;
	msg->missing_reason = half->missing_reason;
	msg->first_ts_ns = msg->last_ts_ns = half->wire ? half->last_ts_ns : h->now_ns;
	return msg;
}

static void report(struct http2 *h, struct http2_half *half, enum http_role role, const char *why)
{
	uint64_t missing = half->draft.msg ? half->draft.msg->missing_bytes : half->missing;
	http2_unreadable(h, role, half->wire - missing, false, why);
	http2_unreadable(h, role, missing, true, why);
}

static struct http_message *finish(struct http2 *h, struct http2_stream *s, enum http_role role,
				   enum http_end end, const char *problem)
{
	struct http2_half *half = &s->half[role];
	struct http_message *msg = half->draft.msg;
	if (end == HTTP_END_CLOSED && has_whole_length(s, role, half)) {
		end = HTTP_END_COMPLETE;
		problem = NULL;
	}
	if ((end == HTTP_END_COMPLETE || end == HTTP_END_CLOSED) && half->capped) {
		end = HTTP_END_LIMIT;
		problem = half->why;
	} else if (end == HTTP_END_COMPLETE && half->lost) {
		end = HTTP_END_GAP;
	} else if (end == HTTP_END_COMPLETE && !half->early) {
		check_length(s, role, half);
	}
	if (end == HTTP_END_GAP && !problem && !(msg && msg->problem))
		problem = perhaps_lost;
	msg = msg ? http_draft_finish(&half->draft, end, problem)
		  : empty_message(h, half, role, end, problem);
	if (!msg) {
		h->out_of_memory = true;
		report(h, half, role, "out of memory");
		return NULL;
	}
	if (half->lost && msg->missing_reason == GAP_NONE)
		msg->missing_reason = half->lost_reason;
	msg->protocol = HTTP_2;
	msg->stream_id = s->id;
	msg->exchange = s->exchange;
	msg->wire_bytes = half->wire;
	return msg;
}

static void request_ended(struct http2 *h, struct http2_stream *s, struct http_message *msg)
{
	if (msg)
		h->ops->on_message(h->ctx, msg);
	settle(h, s);
}

static void response_ended(struct http2 *h, struct http2_stream *s, struct http_message *msg)
{
	struct http2_half *request = &s->half[HTTP_REQUEST];
	const struct http2_side *requests = &h->side[HTTP_REQUEST];
	/* Its end is probably what was lost. */
	if (request->begun && !request->ended && request->lost) {
		http2_end(h, s, HTTP_REQUEST, HTTP_END_GAP, NULL);
		return;
	}
	/* A thread that reads can be recorded before the one that wrote what is answered. */
	if (msg && !request->begun && !request->ended && s->id > requests->last_id &&
	    requests->state != HTTP2_STOPPED) {
		s->held = true;
		h->n_held++;
		h->idle_ns = MIN(h->idle_ns, add_sat(msg->last_ts_ns, h->limits->done_idle_ns));
	}
	settle(h, s);
}

void http2_end(struct http2 *h, struct http2_stream *s, enum http_role role, enum http_end end,
	       const char *problem)
{
	struct http2_half *half = &s->half[role];
	if (half->ended)
		return;
	struct http_message *msg = finish(h, s, role, end, problem);
	half->begun = half->ended = true;
	if (role == HTTP_RESPONSE && msg) {
		s->response = msg;
		count_response(h, s, half);
	}
	half_done(h, half);
	if (role == HTTP_REQUEST)
		request_ended(h, s, msg);
	else
		response_ended(h, s, msg);
}

void http2_reject(struct http2 *h, struct http2_stream *s, enum http_role role, const char *why)
{
	struct http2_half *half = &s->half[role];
	if (half->ended)
		return;
	report(h, half, role, why);
	half->begun = false;
	half->ended = true;
	half_done(h, half);
	settle(h, s);
}

void http2_early_over(struct http2 *h, struct http2_stream *s, enum http_role role)
{
	s->half[role].early = false;
	settle(h, s);
}

/* --- messages begin ---------------------------------------------------------------------- */

static void end_request(struct http2 *h, struct http2_stream *s, enum http_end end, const char *problem)
{
	struct http2_half *half = &s->half[HTTP_REQUEST];
	if (half->begun)
		http2_end(h, s, HTTP_REQUEST, end == HTTP_END_CLOSED && half->lost ? HTTP_END_GAP : end,
			  problem);
	else if (half->wire && !half->ended)
		http2_reject(h, s, HTTP_REQUEST, problem ? problem : not_begun);
}

static void end_response(struct http2 *h, struct http2_stream *s, enum http_end end, const char *problem)
{
	struct http2_half *half = &s->half[HTTP_RESPONSE];
	if (half->ended)
		return;
	half->early = half->begun && http_draft_said_done(&half->draft);
	if (half->early)
		http2_end(h, s, HTTP_RESPONSE, HTTP_END_COMPLETE, NULL);
	else if (half->begun)
		http2_end(h, s, HTTP_RESPONSE, end == HTTP_END_CLOSED && half->lost ? HTTP_END_GAP : end,
			  problem);
	else if (s->half[HTTP_REQUEST].begun && half->lost)
		http2_end(h, s, HTTP_RESPONSE, HTTP_END_UNSEEN, problem ? problem : unseen);
	else if (half->wire)
		http2_reject(h, s, HTTP_RESPONSE, problem ? problem : not_begun);
}

/* Ends both messages, and the stream. */
static void end_stream(struct http2 *h, struct http2_stream *s, enum http_end end, const char *problem)
{
	uint32_t id = s->id;
	end_request(h, s, end, problem);
	s = http2_stream_find(h, id);
	if (s)
		end_response(h, s, end, problem);
	s = http2_stream_find(h, id);
	if (s)
		drop(h, s);
}

void http2_end_all(struct http2 *h, enum http_end end, const char *problem)
{
	while (h->first)
		end_stream(h, h->first, end, problem);
}

void http2_free_all(struct http2 *h)
{
	while (h->first)
		stream_free(h, h->first);
}

static void make_room(struct http2 *h)
{
	while (h->first && map_len(h->streams) >= h->limits->max_streams) {
		struct http2_stream *s = h->first;
		/* On record, like a response that is lost. */
		if (s->half[HTTP_REQUEST].begun)
			s->half[HTTP_RESPONSE].lost = true;
		end_stream(h, s, HTTP_END_LIMIT, too_many);
	}
}

int http2_stream_new(struct http2 *h, uint32_t id, struct http2_stream **ret_stream)
{
	make_room(h);
	struct http2_stream *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	int r = map_put(h->streams, key_of(h, id), s);
	if (r < 0) {
		free(s);
		return r;
	}
	s->id = id;
	s->exchange = ++h->exchanges;
	s->prev = h->last;
	*(h->last ? &h->last->next : &h->first) = s;
	h->last = s;
	*ret_stream = s;
	return 0;
}

int http2_begin(struct http2 *h, struct http2_stream *s, enum http_role role, uint64_t ts_ns)
{
	struct http2_half *half = &s->half[role];
	int r = 0;
	if (!half->draft.sha)
		r = http_draft_init(&half->draft, h->limits);
	http_draft_count_in(&half->draft, &h->total);
	if (r == 0)
		r = http_draft_begin(&half->draft, role, h->conn_id, ts_ns);
	if (r < 0)
		return r;
	half->begun = true;
	if (role == HTTP_REQUEST && s->held) {
		s->held = false;
		h->n_held--;
	}
	if (half->missing)
		http_draft_missing(&half->draft, half->missing, half->missing_reason);
	return 0;
}

int http2_begin_blind(struct http2 *h, struct http2_stream *s, enum http_role role, uint64_t ts_ns)
{
	struct http2_half *half = &s->half[role];
	int r = http2_begin(h, s, role, ts_ns);
	if (r < 0)
		return r;
	half->head = true;
	http_draft_head(&half->draft);
	if (half->lost)
		half->draft.msg->problem = unseen;
	else
		http2_flaw(half, "there is a body before the header fields");
	return 0;
}

void http2_unbegin(struct http2 *h, struct http2_stream *s, enum http_role role)
{
	struct http2_half *half = &s->half[role];
	half->missing = half->draft.msg->missing_bytes;
	half->missing_reason = half->draft.msg->missing_reason;
	http_draft_drop(&half->draft);
	half->begun = half->capped = false;
	h->heads -= half->heads;
	half->heads = 0;
}

int http2_body(struct http2 *h, struct http2_side *side, struct http2_half *half, const uint8_t *data,
	       size_t len)
{
	half->data += len;
	int r = http_draft_body(&half->draft, data, len, side->piece, side->ts_ns);
	if (http_draft_said_done(&half->draft))
		h->idle_ns = MIN(h->idle_ns, add_sat(side->ts_ns, h->limits->done_idle_ns));
	return r;
}

/* --- losses, resets ---------------------------------------------------------------------- */

void http2_mark_lost(struct http2 *h, struct http2_side *side, enum gap_reason reason)
{
	for (struct http2_stream *s = h->first; s; s = s->next)
		http2_half_lost(&s->half[side->role], reason);
	side->marked = h->exchanges;
}

void http2_mark_skipped(struct http2 *h, struct http2_side *side, enum gap_reason reason)
{
	for (struct http2_stream *s = h->last; s && s->exchange > side->marked; s = s->prev)
		http2_half_lost(&s->half[side->role], reason);
	side->marked = h->exchanges;
}

void http2_half_lost(struct http2_half *half, enum gap_reason reason)
{
	if (half->ended)
		return;
	if (!half->lost)
		half->lost_reason = reason;
	half->lost = true;
	if (half->draft.msg)
		http_draft_missing(&half->draft, 0, reason);
}

void http2_reset(struct http2 *h, struct http2_stream *s, const char *text)
{
	struct http2_half *response = &s->half[HTTP_RESPONSE];
	uint32_t id = s->id;
	if (s->half[HTTP_REQUEST].begun && !response->begun && !response->ended) {
		/* None will come, and that is on record. */
		http2_end(h, s, HTTP_REQUEST, HTTP_END_CLOSED, text);
		s = http2_stream_find(h, id);
		http2_end(h, s, HTTP_RESPONSE, HTTP_END_CLOSED, text);
		return;
	}
	end_stream(h, s, HTTP_END_CLOSED, text);
}

void http2_refuse_above(struct http2 *h, uint32_t last_id)
{
	struct http2_stream *next;
	if (last_id >= h->goaway || h->goaways == GOAWAYS_MAX)
		return;
	h->goaway = last_id;
	h->goaways++;
	for (struct http2_stream *s = h->first; s; s = next) {
		next = s->next;
		http2_refuse(h, s);
	}
}

void http2_refuse(struct http2 *h, struct http2_stream *s)
{
	if (s->id > h->goaway && s->half[HTTP_REQUEST].begun && !s->half[HTTP_RESPONSE].begun)
		http2_end(h, s, HTTP_RESPONSE, HTTP_END_CLOSED, refused);
}

/* --- pauses ------------------------------------------------------------------------------ */

/* When the stream is due; UINT64_MAX: never. */
static uint64_t due_ns(const struct http2 *h, const struct http2_stream *s)
{
	const struct http2_half *response = &s->half[HTTP_RESPONSE];
	if (s->held)
		return add_sat(s->response->last_ts_ns, h->limits->done_idle_ns);
	if (!response->ended && http_draft_said_done(&response->draft))
		return add_sat(response->draft.msg->last_ts_ns, h->limits->done_idle_ns);
	return UINT64_MAX;
}

/* The stream's time has come. */
static void end_idle(struct http2 *h, struct http2_stream *s)
{
	uint32_t id = s->id;
	if (!s->held) {
		s->half[HTTP_RESPONSE].early = true;
		http2_end(h, s, HTTP_RESPONSE, HTTP_END_COMPLETE, NULL);
		s = http2_stream_find(h, id);
	}
	/* It has waited long enough for its request as well. */
	if (s && s->held)
		release(h, s);
}

uint64_t http2_idle(struct http2 *h, uint64_t now_ns)
{
	struct http2_stream *next;
	uint64_t next_ns = UINT64_MAX;
	if (h->idle_ns == UINT64_MAX || now_ns < h->idle_ns)
		return h->idle_ns;
	h->now_ns = now_ns;
	for (struct http2_stream *s = h->first; s; s = next) {
		next = s->next;
		uint64_t due = due_ns(h, s);
		if (due > now_ns)
			next_ns = MIN(next_ns, due);
		else
			end_idle(h, s);
	}
	h->idle_ns = next_ns;
	return next_ns;
}
