/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by http1.c, which keeps the parser's place, http1_head.c, which reads up to the end of a head, and
 * http1_body.c, which follows the framing of a body. */

#include "base/buf.h"
#include "http/draft.h"
#include "http/http1.h"

enum http1_state {
	HTTP1_START,	  /* at a message's place; empty lines are skipped */
	HTTP1_HEAD,	  /* in start line or headers, kept in `head` */
	HTTP1_BODY,	  /* `left` bytes of a content-length body to come */
	HTTP1_BODY_CLOSE, /* the body lasts until the connection ends */
	HTTP1_CHUNK_SIZE, /* before or among the digits of a chunk's size */
	HTTP1_CHUNK_EXT,  /* after them, up to the line's end */
	HTTP1_CHUNK_LF,	  /* after the CR of that line */
	HTTP1_CHUNK_DATA, /* `left` bytes of a chunk to come */
	HTTP1_CHUNK_END,  /* its line end to come */
	HTTP1_CHUNK_END_LF,
	HTTP1_TRAILER,	  /* at the start of a trailer line */
	HTTP1_TRAILER_LF, /* after the CR of what may be the last line */
	HTTP1_TRAILER_LINE,
	HTTP1_LOST,    /* waiting for a call that begins like a message */
	HTTP1_STOPPED, /* not HTTP/1 any more */
	HTTP1_LEFT,    /* the same, and the bytes are for another parser */
};

struct http1 {
	enum http_role role;
	uint64_t conn_id;
	const struct http_limits *limits;
	const struct http1_ops *ops;
	void *ctx;

	enum http1_state state;
	uint64_t offset;  /* of the next byte */
	uint64_t own_end; /* where the last message ends, or will: see http1_known_end() */
	uint64_t piece;	  /* number of the chunk being read */
	const char *why;  /* HTTP1_LOST, HTTP1_STOPPED: the reason */
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

/* What is left of the chunk being read. */
struct http1_input {
	const struct stream_chunk *chunk;
	const uint8_t *data;
	size_t len;
};

/* --- heads (http1_head.c) ---------------------------------------------------------------- */

/* At a message's place, and in its head. 0; -ENOMEM. */
int http1_head_start(struct http1 *p, struct http1_input *in);
int http1_head_step(struct http1 *p, struct http1_input *in);

/* What is there of a head that ends too early. 0; -ENOMEM. */
int http1_read_cut_head(struct http1 *p);

/* The response is not the one that counts: another one follows it. */
bool http1_is_interim(const struct http_message *msg);

/* --- bodies (http1_body.c) --------------------------------------------------------------- */

/* The head is there. May give the message. */
void http1_body_begin(struct http1 *p, const struct http_framing *f);

/* In one of the body's states. 0; -ENOMEM. */
int http1_body_step(struct http1 *p, struct http1_input *in);

/* --- the rest (http1.c) ------------------------------------------------------------------ */

/* The next len bytes are dealt with. */
void http1_take(struct http1 *p, struct http1_input *in, size_t len);

void http1_unreadable(struct http1 *p, uint64_t offset, uint64_t len, const char *why);

/* To a message's place, or to where none is looked for. */
void http1_rewind(struct http1 *p, enum http1_state state);

/* Synchronisation is lost. why: static. */
void http1_lose(struct http1 *p, const char *why);

/* Gives the message at hand, if there is one; the parser is at a message's place afterwards. problem: static,
 * or NULL. */
void http1_finish(struct http1 *p, enum http_end end, const char *problem);

/* The same, and what follows is not understood. */
void http1_fail(struct http1 *p, enum http_end end, const char *problem);

/* What looked like a message's start, or was skipped before one, is none. */
void http1_reject(struct http1 *p);
void http1_reject_and_lose(struct http1 *p, const char *why);
