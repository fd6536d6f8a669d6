/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One direction of a WebSocket connection (RFC 6455), from the first byte after the handshake: bytes and gaps
 * in, messages out. Compression by permessage-deflate (RFC 7692) is removed. No I/O, no clock, no globals.
 * Used by http_conn.c. Memory is bounded by the limits.
 *
 * Each text and binary message, and each close frame (opcode 8; the body is its two-byte code and the
 * reason), becomes a struct http_message. Pings and pongs are read over: they belong to no message and are
 * only counted, websocket_framing().
 *
 * Every byte given belongs to exactly one message (http_message.wire_bytes: headers and payloads of its
 * frames), or is a ping's or pong's, or is reported through unreadable(). A missing byte is a message's
 * (missing_bytes) or is reported.
 *
 * What breaks a rule but leaves the framing clear (a mask where none may be, a length written too long, a
 * fragment that continues nothing, which is reported unreadable) is read on. Otherwise, and after a gap that
 * goes past a frame's payload, synchronisation is lost until a call of the watched process begins like a
 * message's first frame or a control frame. A message is never put together across such a place. */

#include <stdbool.h>
#include <stdint.h>

#include "http/http_conn.h"
#include "http/message.h"
#include "http/websocket_inflate.h"

/* Callbacks must not feed the parser. */
struct websocket_ops {
	/* Ownership of msg moves. */
	void (*message)(void *ctx, struct http_message *msg);

	/* Bytes that belong to no message. missing: not captured. */
	void (*unreadable)(void *ctx, uint64_t len, bool missing, const char *why);
};

struct websocket_start {
	enum http_role role; /* whose direction: HTTP_REQUEST for what the client sends */
	uint64_t conn_id;
	uint64_t exchange; /* of the handshake; its messages get the same */
	uint64_t offset;   /* position of the first byte */
	struct websocket_deflate deflate;
	const char *lost; /* set: something is missing before this place, or unknown; static, says what */
};

struct websocket;

/* limits, ops and ctx are borrowed and outlive the parser. 0; -ENOMEM. */
int websocket_new(struct websocket **ret_ws, const struct websocket_start *start,
		  const struct http_limits *limits, const struct websocket_ops *ops, void *ctx);
void websocket_free(struct websocket **ws);

/* The chunk, or gap, begins at websocket_offset(). 0; -ENOMEM: the message at hand was given as far as it is
 * known, the rest is reported unreadable, and so is all that comes. */
int websocket_data(struct websocket *ws, const struct stream_chunk *chunk);
int websocket_gap(struct websocket *ws, uint64_t len, uint64_t ts_ns, enum gap_reason reason);

/* The direction has ended: what is unfinished is given. */
void websocket_close(struct websocket *ws);

/* What is unfinished is given, and all that comes is reported unreadable. */
void websocket_stop(struct websocket *ws, enum http_end end, const char *why);

/* Position up to which the direction is known. */
uint64_t websocket_offset(const struct websocket *ws);

/* Captured bytes of pings and pongs so far. */
uint64_t websocket_framing(const struct websocket *ws);
