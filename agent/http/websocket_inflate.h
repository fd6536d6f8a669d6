/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* permessage-deflate (RFC 7692 section 7.2.2): the messages of one direction, decompressed as their bytes
 * come. Embedded by value. No I/O, no clock, no globals. Memory: one window of at most 32 KiB and zlib's
 * state of some 10 KiB, from the first compressed message on; without context takeover only while there is
 * one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

struct http_limits;

/* What the handshake says of one direction. */
struct websocket_deflate {
	bool agreed;
	bool no_context_takeover;
	uint8_t window_bits; /* 8..15 */
};

struct websocket_inflate {
	const struct http_limits *limits; /* borrowed: max_decoded, ratio_from, max_ratio, decoders */
	struct websocket_deflate params;
	z_stream z;
	bool ready;	  /* z is set up */
	bool broken;	  /* what comes builds on bytes that are not known */
	bool final;	  /* a block said that it is the last, and nothing came after it */
	uint64_t charged; /* to limits.decoders */
	uint64_t in, out; /* of the message at hand */
};

/* Takes what was decompressed; a negative return ends the call that gave it, which returns the same. */
typedef int (*websocket_inflate_fn)(void *ctx, const uint8_t *data, size_t len);

void websocket_inflate_init(struct websocket_inflate *inf, const struct http_limits *limits,
			    const struct websocket_deflate *params);
void websocket_inflate_done(struct websocket_inflate *inf);

/* A message begins. 0; -EPIPE: broken, it cannot be decompressed; -ENOBUFS: limits.decoders is used up;
 * -ENOMEM. After the latter two the caller calls websocket_inflate_break(). */
int websocket_inflate_begin(struct websocket_inflate *inf);

/* Payload bytes of the message. 0; -EBADMSG: not DEFLATE data; -E2BIG: over a limit; -ENOMEM. After an error
 * the caller calls websocket_inflate_break(). */
int websocket_inflate_add(struct websocket_inflate *inf, const uint8_t *data, size_t len,
			  websocket_inflate_fn fn, void *ctx);

/* The message has ended. Errors as above. */
int websocket_inflate_end(struct websocket_inflate *inf);

/* The message at hand, or one between the last and the next, is not known to its end. With context takeover
 * nothing after it can be decompressed. */
void websocket_inflate_break(struct websocket_inflate *inf);
