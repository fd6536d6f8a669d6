/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* HTTP/1.0 and 1.1 in one direction of a connection: bytes and gaps in, messages out (RFC 9112).
 * No I/O, no clock, no globals. Used by http_conn.c; http_conn_pair.c pairs the two directions. Memory is
 * bounded by the limits.
 *
 * Every byte given, captured or missing, belongs to exactly one message (http_message.wire_bytes) or is
 * reported through unreadable(). The exception is the framing that follows a message which
 * http1_finish_done() gave early.
 *
 * Out of synchronisation (after a gap in a place the framing cannot bridge, or after bytes that are not
 * HTTP), the parser waits for a call of the watched process that begins like a message. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/head.h"
#include "http/http_conn.h"
#include "http/message.h"

/* Callbacks must not feed the parser; http1_stop() and http1_leave() may be called from end(). */
struct http1_ops {
	/* A message begins at this chunk's place `offset`; for responses, with the interim ones before it.
	 * Followed by exactly one end() or cancel(). */
	void (*begin)(void *ctx, const struct stream_chunk *chunk, uint64_t offset);

	/* What began is no message; its bytes come through unreadable(). */
	void (*cancel)(void *ctx);

	/* The head is there, of a response that is not interim or of a request. Returns, for a response, the
	 * method it answers. Not called for a message that ends within its head. */
	enum http_method_kind (*head)(void *ctx, const struct http_message *msg);

	/* Ownership of msg moves. tunnel: what follows in both directions is not HTTP. */
	void (*end)(void *ctx, struct http_message *msg, bool tunnel);

	/* Synchronisation is lost from here on. Comes before the bytes concerned are reported. */
	void (*lost)(void *ctx);

	/* The connection opened with the first line of the HTTP/2 preface, which is reported unreadable next.
	 */
	void (*preface)(void *ctx);

	/* Bytes that belong to no message. missing: not captured. */
	void (*unreadable)(void *ctx, uint64_t offset, uint64_t len, bool missing, enum gap_reason reason,
			   const char *why);
};

struct http1;

/* ops, ctx and limits are borrowed and outlive the parser. 0; -ENOMEM. */
int http1_new(struct http1 **ret_parser, enum http_role role, uint64_t conn_id,
	      const struct http_limits *limits, const struct http1_ops *ops, void *ctx);
void http1_free(struct http1 **parser);

/* 0; -ENOMEM: the message at hand was given as far as it is known, the rest is reported unreadable, and the
 * parser is stopped. */
int http1_data(struct http1 *parser, const struct stream_chunk *chunk);
int http1_gap(struct http1 *parser, uint64_t len, uint64_t ts_ns, enum gap_reason reason);

/* The direction has ended: what is unfinished is given. */
void http1_close(struct http1 *parser);

/* All bytes after the message at hand (or from now on, if there is none) are reported unreadable. */
void http1_stop(struct http1 *parser, const char *why);

/* What follows the message at hand (or, without one, all from now on) is for another parser: http1_data()
 * takes nothing more, and http1_offset() says where that begins. No gap may be given meanwhile. */
void http1_leave(struct http1 *parser);

/* It has left. */
bool http1_left(const struct http1 *parser);

/* It reads, and no message is at hand. */
bool http1_idle(const struct http1 *parser);

/* It reads on after having left, from this position. lost: static, or NULL if a message begins there. */
void http1_return(struct http1 *parser, uint64_t offset, const char *lost);

/* Position up to which the direction is known. */
uint64_t http1_offset(const struct http1 *parser);

/* Position at which the message at hand, or in end() the one that is given, ends, as far as its framing says
 * by now. A gap that it could not be followed through is not counted in: other messages may lie there. */
uint64_t http1_known_end(const struct http1 *parser);

/* Position at which the body at hand ends, if its length was given and more than max_seen bytes of its
 * message have gone by; else 0. */
uint64_t http1_passable(const struct http1 *parser, uint64_t max_seen);

/* The request at hand is answered. If it waited to be asked for its body (Expect: 100-continue) and none of
 * that came, it may go without: what begins like a request is then the next one. */
void http1_answered(struct http1 *parser);

/* Time of the last byte of a stream that said [DONE] and has not ended; UINT64_MAX: none. */
uint64_t http1_done_ts(const struct http1 *parser);

/* Gives that stream's message as complete. Its framing is followed on, for what comes after it. */
void http1_finish_done(struct http1 *parser);
