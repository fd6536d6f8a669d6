/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A message while its bytes arrive: codings removed, body up to the limit, hash over all of it, arrival
 * marks, parts, and whether a stream has said its end. Embedded by value in the parser of one direction.
 * Decoders and the reader of parts exist only while there is a body that needs them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "http/coding.h"
#include "http/message.h"
#include "http/sse_end.h"

#define DRAFT_MARKS_MAX 1024

struct http_limits;
struct multipart;

struct http_draft {
	struct http_message *msg; /* owned; NULL: none is being read */
	struct buf body;
	const struct http_limits *limits; /* borrowed */
	bool full;			  /* something was not kept, so nothing after it is */
	struct sha256 *sha;		  /* owned */
	size_t marks_cap;
	uint64_t piece;		    /* the captured piece that brought the last body byte */
	uint64_t now_piece, now_ns; /* the one being read */
	bool flawed;		    /* malformed, though its framing is clear */
	bool stream;		    /* a text/event-stream response: its end is watched for */
	struct sse_end sse_end;

	struct coding_total own_total, *total; /* of the messages of this draft, or of several; borrowed */
	struct coding_list codings;	       /* to be removed: content-codings, then transfer-codings */
	bool content_coded;		       /* there are content-codings among them */
	struct coding *coding;		       /* owned; NULL: not begun, or over */
	bool stopped;			       /* what follows is counted as it was sent, no more */
	bool unsound;			       /* the body is not all that was sent */
	enum http_end coding_end;    /* what the codings make of a message whose framing is complete */
	bool multipart_wanted;	     /* from the first body byte on */
	struct multipart *multipart; /* owned, or NULL */
};

/* limits are borrowed and outlive the draft, which must stay where it is. 0; -ENOMEM. */
int http_draft_init(struct http_draft *draft, const struct http_limits *limits);
void http_draft_done(struct http_draft *draft);

/* The bodies count together with those of other drafts. total is borrowed and outlives the draft. */
void http_draft_count_in(struct http_draft *draft, struct coding_total *total);

/* Begins a message; there must be none. 0; -ENOMEM. */
int http_draft_begin(struct http_draft *draft, enum http_role role, uint64_t conn_id, uint64_t ts_ns);

/* The message's header fields are there: what they say of the body (content-encoding, content-type) holds for
 * the bytes to come. */
void http_draft_head(struct http_draft *draft);

/* HTTP/1, after http_draft_head(): the body bytes to come have these codings on top. */
void http_draft_transfer_codings(struct http_draft *draft, const struct coding_list *list);

/* Drops the message. */
void http_draft_drop(struct http_draft *draft);

/* Body bytes, without what frames them; `piece` numbers the captured piece they came in, from 1. Flaws and
 * limits of the codings are no errors of the call: they show when the message is finished. 0; -ENOMEM: not
 * all are kept, though all are counted; the message should be finished. */
int http_draft_body(struct http_draft *draft, const uint8_t *data, size_t len, uint64_t piece,
		    uint64_t ts_ns);

/* Bytes were not captured. A coding cannot be followed past them. */
void http_draft_missing(struct http_draft *draft, uint64_t len, enum gap_reason reason);

/* The body's coded data has begun and not come to its end, nor did the stream say its end. */
bool http_draft_inside(const struct http_draft *draft);

/* Hands the message over. problem (static, or NULL) replaces what is noted so far. Never fails. */
struct http_message *http_draft_finish(struct http_draft *draft, enum http_end end, const char *problem);

/* The message is a stream that has said that it is at its end (sse_end.h). */
bool http_draft_said_done(const struct http_draft *draft);
