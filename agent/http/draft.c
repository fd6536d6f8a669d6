/* SPDX-License-Identifier: Apache-2.0 */
#include "http/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "http/http_conn.h"

#define MARKS_FIRST 8

/* The kept body leaves the draft. */
static void give_back(struct http_draft *draft)
{
	if (draft->budget)
		draft->budget->used -= draft->body.len;
	draft->full = false;
}

int http_draft_init(struct http_draft *draft, size_t max_body, struct http_budget *budget)
{
	*draft = (struct http_draft){.budget = budget};
	buf_init(&draft->body, max_body);
	return sha256_new(&draft->sha);
}

void http_draft_done(struct http_draft *draft)
{
	http_message_free(&draft->msg);
	give_back(draft);
	buf_done(&draft->body);
	sha256_free(&draft->sha);
}

int http_draft_begin(struct http_draft *draft, enum http_role role, uint64_t conn_id, uint64_t ts_ns)
{
	struct http_message *msg = calloc(1, sizeof(*msg));
	if (!msg)
		return -ENOMEM;
	msg->role = role;
	msg->conn_id = conn_id;
	msg->first_ts_ns = msg->last_ts_ns = ts_ns;
	draft->msg = msg;
	draft->marks_cap = 0;
	draft->piece = 0;
	draft->flawed = draft->stream = false;
	draft->tail_len = 0;
	return 0;
}

void http_draft_head(struct http_draft *draft)
{
	const struct http_message *msg = draft->msg;
	draft->stream = msg->role == HTTP_RESPONSE && http_message_is_type(msg, "text/event-stream");
}

void http_draft_drop(struct http_draft *draft)
{
	http_message_free(&draft->msg);
	give_back(draft);
	buf_done(&draft->body);
}

static int mark(struct http_draft *draft, uint64_t ts_ns)
{
	struct http_message *msg = draft->msg;
	if (msg->n_marks == DRAFT_MARKS_MAX)
		return 0;
	if (msg->n_marks == draft->marks_cap) {
		size_t cap = draft->marks_cap ? draft->marks_cap * 2 : MARKS_FIRST;
		struct http_mark *marks = reallocarray(msg->marks, cap, sizeof(*marks));
		if (!marks)
			return -ENOMEM;
		msg->marks = marks;
		draft->marks_cap = cap;
	}
	msg->marks[msg->n_marks++] = (struct http_mark){.body_offset = msg->body_total, .ts_ns = ts_ns};
	return 0;
}

static void keep_tail(struct http_draft *draft, const uint8_t *data, size_t len)
{
	if (len >= DRAFT_TAIL_LEN) {
		memcpy(draft->tail, data + len - DRAFT_TAIL_LEN, DRAFT_TAIL_LEN);
		draft->tail_len = DRAFT_TAIL_LEN;
		return;
	}
	size_t old = MIN(draft->tail_len, DRAFT_TAIL_LEN - len);
	memmove(draft->tail, draft->tail + draft->tail_len - old, old);
	memcpy(draft->tail + old, data, len);
	draft->tail_len = old + len;
}

static int keep_body(struct http_draft *draft, const uint8_t *data, size_t len)
{
	size_t keep = draft->full ? 0 : MIN(len, draft->body.max - draft->body.len);
	if (draft->budget)
		keep = MIN(keep, draft->budget->max - draft->budget->used);
	draft->full = keep < len;
	/* A first copy into an absent buffer would still allocate with nothing to keep. */
	if (!keep)
		return 0;
	int r = buf_append(&draft->body, data, keep);
	if (r < 0)
		draft->full = true;
	else if (draft->budget)
		draft->budget->used += keep;
	return r;
}

int http_draft_body(struct http_draft *draft, const uint8_t *data, size_t len, uint64_t piece, uint64_t ts_ns)
{
	struct http_message *msg = draft->msg;
	int r = 0;
	if (piece != draft->piece) {
		draft->piece = piece;
		msg->reads++;
		r = mark(draft, ts_ns);
	}
	if (draft->stream)
		keep_tail(draft, data, len);
	int kept = keep_body(draft, data, len);
	r = r < 0 ? r : kept;
	sha256_update(draft->sha, data, len);
	msg->body_total += len;
	msg->last_ts_ns = ts_ns;
	return r;
}

void http_draft_missing(struct http_draft *draft, uint64_t len, enum gap_reason reason)
{
	draft->msg->missing_bytes += len;
	if (draft->msg->missing_reason == GAP_NONE)
		draft->msg->missing_reason = reason;
}

struct http_message *http_draft_finish(struct http_draft *draft, enum http_end end, const char *problem)
{
	struct http_message *msg = TAKE_PTR(draft->msg);
	msg->end = end == HTTP_END_COMPLETE && draft->flawed ? HTTP_END_MALFORMED : end;
	if (problem)
		msg->problem = problem;
	sha256_final(draft->sha, msg->body_sha256);
	sha256_reset(draft->sha);
	msg->body_sha256_valid = end == HTTP_END_COMPLETE && msg->missing_bytes == 0;
	msg->body_len = draft->body.len;
	msg->body = draft->body.data;
	give_back(draft);
	draft->body.data = NULL;
	draft->body.len = draft->body.cap = 0;
	return msg;
}

bool http_draft_said_done(const struct http_draft *draft)
{
	static const char *const lines[] = {"data: [DONE]", "data:[DONE]"};
	if (!draft->msg || !draft->stream)
		return false;
	size_t end = draft->tail_len;
	while (end && (draft->tail[end - 1] == '\n' || draft->tail[end - 1] == '\r'))
		end--;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		size_t len = strlen(lines[i]);
		if (end < len || memcmp(draft->tail + end - len, lines[i], len) != 0)
			continue;
		/* At a line's start, or at the body's. */
		if (end > len)
			return draft->tail[end - len - 1] == '\n' || draft->tail[end - len - 1] == '\r';
		return draft->msg->body_total == draft->tail_len;
	}
	return false;
}
