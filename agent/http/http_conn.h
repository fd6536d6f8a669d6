/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One observed HTTP connection: both directions, requests paired with responses.
 *
 * A passive observer. It does no I/O, reads no clock, does not log, has no globals; bytes and time stamps in,
 * messages out through the callbacks. One connection is used by one thread at a time. Memory is bounded by
 * the limits whatever the bytes are.
 *
 * HTTP/1.0 and 1.1 (RFC 9110, RFC 9112), and HTTP/2 (RFC 9113): of a connection that opens with its preface,
 * or that is picked up in the middle and shows calls which begin with frames before any message of HTTP/1.
 * http2.h says what is different there.
 *
 * After a request with `Upgrade: websocket` that is answered with 101, both directions are WebSocket (RFC
 * 6455; see websocket.h): the handshake's exchange is given first, then messages with HTTP_WEBSOCKET and the
 * same exchange number, each when it has ended. What the client sends before the answer is held, at most
 * limits.max_head bytes of memory, and the answer decides what it is. If the answer was not captured, it
 * counts as given when the client goes on with WebSocket frames; what was agreed on compression is unknown
 * then. */

#include <stddef.h>
#include <stdint.h>

#include "http/message.h"

/* Memory that several connections share; used by one thread. Of the body bytes that they keep of messages not
 * yet given: what would go over max is hashed and counted but not kept, as if max_body had been reached. */
struct http_budget {
	uint64_t used, max;
};

struct http_limits {
	size_t max_head; /* bytes of start line and headers together, and of chunk extensions and trailers */
	size_t max_headers; /* number of header fields */
	size_t max_body;    /* body bytes kept per message; the rest is hashed and counted */
	size_t max_pending; /* HTTP/1: requests without a response on one connection */
	/* HTTP/2: streams that are followed at a time on one connection. For a new one the oldest is given as
	 * it is, as HTTP_END_LIMIT, and what comes on it is reported unreadable. max_head also bounds one
	 * header block, before and after decompression. */
	size_t max_streams;
	size_t max_heads; /* HTTP/2: bytes of header fields of all messages that are not given yet */
	struct http_budget *budget; /* shared, borrowed; or NULL */
	uint64_t done_idle_ns;	    /* see http_conn_idle() */

	/* Content- and transfer-codings, and the first three also compressed WebSocket messages. On reaching
	 * one of these, decompression stops for good: what came out before is kept, the rest is counted as it
	 * was sent, and the message ends with HTTP_END_LIMIT.
	 */
	uint64_t max_decoded; /* bytes that come out of a decoder for one body; for all bodies of a connection
			       * (HTTP/1: of one of its directions), max_ratio times what went in more */
	uint64_t ratio_from;  /* past so many bytes, at most max_ratio times what went in */
	uint32_t max_ratio;
	size_t max_codings; /* codings on one body; with more, it stays as it was sent */
	size_t max_decoder; /* memory of all decoders of one body; a zstd window is at most a quarter of it */
	struct http_budget
		*decoders; /* memory of the decoders of all connections; shared, borrowed; or NULL */

	/* Multipart bodies. */
	size_t max_parts;      /* what follows is not listed */
	size_t max_part_head;  /* bytes of a part's header fields that are read */
	size_t max_part_value; /* bytes kept of the content of one part that is no file */
	size_t max_part_text;  /* of all such contents, names and types of a message */
};

extern const struct http_limits http_limits_default;

struct http_conn_ops {
	/* A message has ended. Ownership of msg moves to the callee. A request is given before its response,
	 * and no message twice: a response that ends before its request has (an early 4xx) waits until the
	 * request has ended too, or the connection. */
	void (*on_message)(void *ctx, struct http_message *msg);

	/* len bytes at this place belong to no message: after lost synchronisation, or not HTTP.
	 * `why` is static text. missing: they were not captured either (a gap outside any message).
	 * Over a connection, the sum of these and of http_message.missing_bytes is the sum of the gaps. */
	void (*on_unreadable)(void *ctx, enum stream_dir dir, uint64_t len, bool missing, const char *why);
};

struct http_conn;

/* request_dir: the direction in which requests flow (STREAM_WRITE for a client process).
 * ops and ctx are borrowed and outlive the connection. 0; -ENOMEM. */
int http_conn_new(struct http_conn **ret_conn, uint64_t conn_id, enum stream_dir request_dir,
		  const struct http_limits *limits, const struct http_conn_ops *ops, void *ctx);
/* Gives nothing more: call http_conn_close() first to get what is unfinished. */
void http_conn_free(struct http_conn **conn);

/* 0; -ENOMEM: the connection is unusable from here on (bytes after the messages at hand are reported
 * unreadable). Malformed input is not an error of the call: it ends the message and the parser looks for the
 * next message start, which is where a call of the watched process begins like one.
 *
 * Responses are paired with requests in order. After a loss the positions decide (stream_chunk.peer_offset),
 * and a response whose request they do not prove is given as an orphan. A request whose response is known to
 * be lost gets one with HTTP_END_UNSEEN. A client that pipelines is not paired any more after a loss. */
int http_conn_data(struct http_conn *conn, const struct stream_chunk *chunk);
int http_conn_gap(struct http_conn *conn, const struct stream_gap *gap);

/* Position in that direction up to which nothing but the body of one message comes, of which more than
 * max_seen bytes have gone by: they may be left out, and are then given as a gap. 0: there is none such. */
uint64_t http_conn_passable(const struct http_conn *conn, enum stream_dir dir, uint64_t max_seen);

/* The connection has ended: unfinished messages are given; close-delimited bodies, and streams that said
 * [DONE], as complete. A pending request without any response byte gets no response message, unless bytes
 * are known to be missing there (HTTP_END_UNSEEN). 0; -ENOMEM. */
int http_conn_close(struct http_conn *conn, uint64_t ts_ns);

/* Clients drop a connection, or keep it without reading on, once a stream said `data: [DONE]`: a
 * text/event-stream response whose body's last event is that one and to which nothing was added for
 * limits.done_idle_ns is given as complete. What ends its framing later is skipped; more body bytes are
 * reported unreadable. Returns the time at which to call again, UINT64_MAX for never. */
uint64_t http_conn_idle(struct http_conn *conn, uint64_t now_ns);

/* Captured bytes of the direction that are neither in a message nor reported: HTTP/2's own framing, and
 * WebSocket's pings and pongs. */
uint64_t http_conn_framing(const struct http_conn *conn, enum stream_dir dir);
