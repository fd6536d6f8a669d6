/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* HTTP/2 on one connection (RFC 9113): bytes and gaps of both directions in, messages out. No I/O, no clock,
 * no globals. Used by http_conn.c, whose callbacks it calls. Memory is bounded by the limits.
 *
 * Frames are read by code of our own: nghttp2_session is an endpoint. It keeps a state that depends on what
 * it sends itself, ends the connection at the first thing that it does not expect, and can neither begin in
 * the middle of a connection nor go on after a gap. Header compression is libnghttp2's (hpack.h).
 *
 * Streams pair requests with responses, so a loss never makes a wrong pair. Each stream on which a request or
 * a response begins is an exchange.
 *
 * Every byte given, captured or missing, belongs to exactly one message (http_message.wire_bytes: HEADERS,
 * CONTINUATION, DATA and RST_STREAM of its stream in its direction, frame headers and padding included) or is
 * reported through on_unreadable. The exception is the connection's own framing, which is reported nowhere
 * and counted by http2_framing(): the preface, SETTINGS, PING, WINDOW_UPDATE, GOAWAY, PRIORITY, ALTSVC,
 * ORIGIN, PRIORITY_UPDATE; of a stream's message that was given before: RST_STREAM, and what is left of the
 * framing of one that http2_idle() gave. Missing bytes are always in a message or reported.
 *
 * Streams that a server pushes are not followed: their bytes are reported, their header blocks decoded.
 *
 * Gaps. The frame's length tells where the next one begins, so a gap within a payload is followed through: in
 * DATA it is missing in that message's body; in a header block all that was inserted into the compression
 * table is unknown from there on. A gap that goes past a frame's end, or lies in a frame's header, loses the
 * direction: the table is unknown, and each message that was open in it may lack a part, so it can only end
 * as HTTP_END_GAP, with missing_reason set and missing_bytes perhaps 0; frames of its stream that come later
 * still belong to it. The direction is taken up again where a call of the watched process begins with
 * plausible frames (http2_frame.h); from then on an implausible one loses it again.
 *
 * A connection that is picked up in the middle begins like that in both directions. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http_conn.h"

/* What is known of the connection by now. */
struct http2_start {
	uint64_t offset[2]; /* by enum stream_dir: where the first byte to come stands */
	bool preface;	    /* the first line of the client's preface was just before it, and nothing else */
	uint64_t exchanges; /* numbers that are used up */
};

struct http2;

/* limits, ops and ctx are borrowed and outlive the object. 0; -ENOMEM. */
int http2_new(struct http2 **ret_http2, uint64_t conn_id, enum stream_dir request_dir,
	      const struct http_limits *limits, const struct http_conn_ops *ops, void *ctx,
	      const struct http2_start *start);
/* Gives nothing more. */
void http2_free(struct http2 **http2);

/* Each direction's chunks and gaps are contiguous. 0; -ENOMEM: what is open was given as far as it is known,
 * and all that comes is reported unreadable. */
int http2_data(struct http2 *http2, const struct stream_chunk *chunk);
int http2_gap(struct http2 *http2, enum stream_dir dir, uint64_t len, uint64_t ts_ns, enum gap_reason reason);

/* What is unfinished is given. A request whose response never began stays alone, unless bytes are missing in
 * which it may have been (HTTP_END_UNSEEN); but one that was reset or refused (RST_STREAM, GOAWAY) got a
 * response of status 0 (HTTP_END_CLOSED) at that time. 0; -ENOMEM. */
int http2_close(struct http2 *http2, uint64_t ts_ns);

/* All that is open is given, all bytes from here on are reported unreadable. */
void http2_stop(struct http2 *http2, const char *why);

/* As http_conn_idle(). Besides, a response whose request did not come is given after the same time: it waits
 * because another thread's write may be recorded late. */
uint64_t http2_idle(struct http2 *http2, uint64_t now_ns);

/* Position up to which the direction is known. */
uint64_t http2_offset(const struct http2 *http2, enum stream_dir dir);

/* Captured bytes of the connection's own framing so far. */
uint64_t http2_framing(const struct http2 *http2, enum stream_dir dir);
