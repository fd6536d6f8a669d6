/* SPDX-License-Identifier: Apache-2.0 */
#include "http/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "http/http_conn.h"
#include "http/multipart.h"

#define MARKS_FIRST 8

/* The kept body leaves the draft. */
static void give_back(struct http_draft *draft)
{
	if (draft->limits->budget)
		draft->limits->budget->used -= draft->body.len;
	draft->full = false;
}

static void drop_readers(struct http_draft *draft)
{
	coding_free(&draft->coding);
	multipart_free(&draft->multipart);
}

int http_draft_init(struct http_draft *draft, const struct http_limits *limits)
{
	*draft = (struct http_draft){.limits = limits};
	draft->total = &draft->own_total;
	buf_init(&draft->body, limits->max_body);
	return sha256_new(&draft->sha);
}

void http_draft_done(struct http_draft *draft)
{
	/* A parser that could not be made has none. */
	if (!draft->limits)
		return;
	http_draft_drop(draft);
	sha256_free(&draft->sha);
}

void http_draft_count_in(struct http_draft *draft, struct coding_total *total)
{
	draft->total = total;
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
	draft->sse_end = (struct sse_end){0};
	draft->codings = (struct coding_list){};
	draft->content_coded = draft->stopped = draft->unsound = draft->multipart_wanted = false;
	draft->coding_end = HTTP_END_COMPLETE;
	return 0;
}

static void remark(struct http_draft *draft, const char *problem)
{
	if (!draft->msg->problem)
		draft->msg->problem = problem;
}

static void leave_coded(struct http_draft *draft, enum http_end end, const char *problem)
{
	draft->codings = (struct coding_list){};
	draft->content_coded = false;
	if (end != HTTP_END_COMPLETE) {
		draft->coding_end = end;
		draft->unsound = true;
	}
	remark(draft, problem);
}

static void check_codings(struct http_draft *draft)
{
	if (draft->codings.many)
		leave_coded(draft, HTTP_END_LIMIT,
			    "the body has more codings than the limit, and is kept as it was sent");
	else if (draft->codings.unknown)
		leave_coded(
			draft, HTTP_END_COMPLETE,
			"the body has a content-encoding that cannot be removed, and is kept as it was sent");
}

void http_draft_head(struct http_draft *draft)
{
	const struct http_message *msg = draft->msg;
	draft->stream = msg->role == HTTP_RESPONSE && http_message_is_type(msg, "text/event-stream");
	draft->multipart_wanted = multipart_is(http_message_header(msg, "content-type"));
	for (size_t i = 0; i < msg->n_headers; i++)
		if (strcmp(msg->headers[i].name, "content-encoding") == 0)
			coding_list_add(&draft->codings, msg->headers[i].value, draft->limits->max_codings);
	draft->content_coded = draft->codings.n;
	check_codings(draft);
}

void http_draft_transfer_codings(struct http_draft *draft, const struct coding_list *list)
{
	if (list->unknown) {
		/* What is under a coding that stays is out of reach. */
		leave_coded(draft, HTTP_END_COMPLETE, NULL);
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		coding_list_push(&draft->codings, list->kinds[i], draft->limits->max_codings);
	draft->codings.many |= list->many;
	check_codings(draft);
}

void http_draft_drop(struct http_draft *draft)
{
	drop_readers(draft);
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

static int keep_body(struct http_draft *draft, const uint8_t *data, size_t len)
{
	size_t keep = draft->full ? 0 : MIN(len, draft->body.max - draft->body.len);
	struct http_budget *budget = draft->limits->budget;
	if (budget)
		keep = MIN(keep, budget->max - budget->used);
	draft->full = keep < len;
	/* A first copy into an absent buffer would still allocate with nothing to keep. */
	if (!keep)
		return 0;
	int r = buf_append(&draft->body, data, keep);
	if (r < 0)
		draft->full = true;
	else if (budget)
		budget->used += keep;
	return r;
}

static int read_parts(struct http_draft *draft, const uint8_t *data, size_t len)
{
	if (draft->multipart_wanted) {
		draft->multipart_wanted = false;
		const char *type = http_message_header(draft->msg, "content-type");
		int r = multipart_new(&draft->multipart, type, draft->limits);
		if (r == -EBADMSG)
			remark(draft, "the multipart body has no usable boundary");
		else if (r < 0)
			return r;
	}
	return draft->multipart ? multipart_feed(draft->multipart, data, len) : 0;
}

/* Bytes of the decoded body. */
static int plain_bytes(struct http_draft *draft, const uint8_t *data, size_t len)
{
	struct http_message *msg = draft->msg;
	int r = 0;
	if (!len)
		return 0;
	if (draft->now_piece != draft->piece) {
		draft->piece = draft->now_piece;
		msg->reads++;
		r = mark(draft, draft->now_ns);
	}
	if (draft->stream)
		sse_end_feed(&draft->sse_end, data, len);
	int kept = keep_body(draft, data, len);
	sha256_update(draft->sha, data, len);
	msg->body_total += len;
	int parts = read_parts(draft, data, len);
	r = r < 0 ? r : kept;
	return r < 0 ? r : parts;
}

/* --- codings ----------------------------------------------------------------------------- */

static int on_decoded(void *ctx, const uint8_t *data, size_t len)
{
	struct http_draft *draft = ctx;
	draft->msg->decoded |= draft->content_coded;
	return plain_bytes(draft, data, len);
}

/* What follows is counted, no more. */
static void stop_coding(struct http_draft *draft, enum http_end end, const char *problem)
{
	remark(draft, problem);
	coding_free(&draft->coding);
	draft->stopped = draft->unsound = true;
	draft->coding_end = end;
}

/* The header names a coding that the body does not have. A server that does not look at the header reads such
 * a body all the same, so it must not vanish from the record. Begins anew, with the body as it was sent. */
static int restart_as_sent(struct http_draft *draft, const uint8_t *data, size_t len)
{
	struct http_message *msg = draft->msg;
	uint8_t first[CODING_FIRST_LEN];
	const uint8_t *before;
	size_t before_len;
	coding_is_text(draft->coding, &before, &before_len);
	memcpy(first, before, before_len);

	if (draft->multipart)
		draft->multipart_wanted = true;
	drop_readers(draft);
	give_back(draft);
	buf_reset(&draft->body);
	sha256_reset(draft->sha);
	msg->body_total = msg->reads = msg->n_marks = 0;
	draft->sse_end = (struct sse_end){0};
	draft->piece = 0;
	msg->decoded = draft->content_coded;
	leave_coded(draft, HTTP_END_MALFORMED,
		    "the body does not have the coding that its header names, and is kept as "
		    "it was sent");
	draft->unsound = false;
	int r = plain_bytes(draft, first, before_len);
	int rest = plain_bytes(draft, data, len);
	return r < 0 ? r : rest;
}

static int begin_coding(struct http_draft *draft)
{
	int r = coding_new(&draft->coding, &draft->codings, draft->limits, on_decoded, draft);
	if (r == 0)
		coding_count_in(draft->coding, draft->total);
	return r;
}

static int coded_bytes(struct http_draft *draft, const uint8_t *data, size_t len)
{
	const uint8_t *first;
	size_t first_len;
	int r = 0;
	if (!draft->coding)
		r = begin_coding(draft);
	if (r == 0)
		r = coding_feed(draft->coding, data, len);
	if (r == 0)
		return 0;
	if (r == -EBADMSG && coding_is_text(draft->coding, &first, &first_len))
		return restart_as_sent(draft, data, len);
	if (r == -ENOMEM)
		stop_coding(draft, HTTP_END_LIMIT, "out of memory");
	else
		stop_coding(draft, r == -EBADMSG ? HTTP_END_MALFORMED : HTTP_END_LIMIT,
			    coding_problem(draft->coding));
	return r == -ENOMEM ? r : 0;
}

bool http_draft_inside(const struct http_draft *draft)
{
	return draft->msg && draft->coding && !coding_at_end(draft->coding) && !http_draft_said_done(draft);
}

static void end_coding(struct http_draft *draft, enum http_end end)
{
	const uint8_t *first;
	size_t first_len;
	if (!draft->coding)
		return;
	if (coding_at_end(draft->coding))
		draft->msg->decoded |= draft->content_coded;
	else if (coding_is_text(draft->coding, &first, &first_len))
		/* Without memory for it, the little there is is hashed and counted all the same. */
		(void)restart_as_sent(draft, NULL, 0);
	else if (end == HTTP_END_COMPLETE && http_draft_inside(draft))
		stop_coding(draft, HTTP_END_MALFORMED, "the body ends inside its compressed data");
	coding_free(&draft->coding);
}

int http_draft_body(struct http_draft *draft, const uint8_t *data, size_t len, uint64_t piece, uint64_t ts_ns)
{
	draft->now_piece = piece;
	draft->now_ns = ts_ns;
	draft->msg->coded_total += len;
	draft->msg->last_ts_ns = ts_ns;
	if (draft->stopped)
		return 0;
	return draft->codings.n ? coded_bytes(draft, data, len) : plain_bytes(draft, data, len);
}

void http_draft_missing(struct http_draft *draft, uint64_t len, enum gap_reason reason)
{
	draft->msg->missing_bytes += len;
	if (draft->msg->missing_reason == GAP_NONE)
		draft->msg->missing_reason = reason;
	if (draft->codings.n && !draft->stopped)
		stop_coding(draft, HTTP_END_GAP, "decompression was stopped: bytes of the body are missing");
	if (draft->multipart)
		multipart_missing(draft->multipart);
}

static void end_parts(struct http_draft *draft)
{
	struct http_message *msg = draft->msg;
	const char *problem = NULL;
	if (!draft->multipart)
		return;
	multipart_end(draft->multipart, &msg->parts, &msg->n_parts, &problem);
	remark(draft, problem);
	multipart_free(&draft->multipart);
}

struct http_message *http_draft_finish(struct http_draft *draft, enum http_end end, const char *problem)
{
	if (problem)
		draft->msg->problem = problem;
	end_coding(draft, end);
	end_parts(draft);
	struct http_message *msg = TAKE_PTR(draft->msg);
	msg->end = end;
	if (end == HTTP_END_COMPLETE && draft->coding_end != HTTP_END_COMPLETE)
		msg->end = draft->coding_end;
	else if (end == HTTP_END_COMPLETE && draft->flawed)
		msg->end = HTTP_END_MALFORMED;
	sha256_final(draft->sha, msg->body_sha256);
	sha256_reset(draft->sha);
	msg->body_sha256_valid = end == HTTP_END_COMPLETE && msg->missing_bytes == 0 && !draft->unsound;
	msg->body_len = draft->body.len;
	msg->body = draft->body.data;
	give_back(draft);
	draft->body.data = NULL;
	draft->body.len = draft->body.cap = 0;
	return msg;
}

bool http_draft_said_done(const struct http_draft *draft)
{
	return draft->msg && draft->stream && sse_end_said(&draft->sse_end);
}
