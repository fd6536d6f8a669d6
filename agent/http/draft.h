/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A message while its bytes arrive: body up to the limit, hash over all of it, arrival marks, and the last
 * few bytes of a stream. Embedded by value in the parser of one direction. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "http/message.h"

#define DRAFT_MARKS_MAX 1024
#define DRAFT_TAIL_LEN	32

struct http_budget;

struct http_draft {
	struct http_message *msg; /* owned; NULL: none is being read */
	struct buf body;
	struct http_budget *budget; /* of all connections, borrowed; or NULL */
	bool full;		    /* something was not kept, so nothing after it is */
	struct sha256 *sha;	    /* owned */
	size_t marks_cap;
	uint64_t piece;		      /* the captured piece that brought the last body byte */
	bool flawed;		      /* malformed, though its framing is clear */
	bool stream;		      /* a text/event-stream response: tail is kept */
	uint8_t tail[DRAFT_TAIL_LEN]; /* the body's last bytes */
	size_t tail_len;
};

/* 0; -ENOMEM. */
int http_draft_init(struct http_draft *draft, size_t max_body, struct http_budget *budget);
void http_draft_done(struct http_draft *draft);

/* Begins a message; there must be none. 0; -ENOMEM. */
int http_draft_begin(struct http_draft *draft, enum http_role role, uint64_t conn_id, uint64_t ts_ns);

/* The message's header fields are there: what they say of the body holds for the bytes to come. */
void http_draft_head(struct http_draft *draft);

/* Drops the message. */
void http_draft_drop(struct http_draft *draft);

/* Body bytes; `piece` numbers the captured piece they came in, from 1. 0; -ENOMEM: not all are kept, though
 * all are hashed and counted. */
int http_draft_body(struct http_draft *draft, const uint8_t *data, size_t len, uint64_t piece,
		    uint64_t ts_ns);

void http_draft_missing(struct http_draft *draft, uint64_t len, enum gap_reason reason);

/* Hands the message over. problem (static, or NULL) replaces what is noted so far. Never fails. */
struct http_message *http_draft_finish(struct http_draft *draft, enum http_end end, const char *problem);

/* The stream's last event so far is `data: [DONE]`, its line perhaps not ended. */
bool http_draft_said_done(const struct http_draft *draft);
