/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Frame headers of HTTP/2 (RFC 9113 sections 4.1 and 6): reading one, and judging whether bytes can be one.
 * No I/O, no clock, no globals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/message.h"

#define HTTP2_HEADER_LEN    9
#define HTTP2_FRAME_DEFAULT 16384 /* the largest payload unless the peer allows more */

extern const char http2_preface[];
#define HTTP2_PREFACE_LEN      24
#define HTTP2_PREFACE_LINE_LEN 16 /* its first line */

enum http2_type {
	HTTP2_DATA,
	HTTP2_HEADERS,
	HTTP2_PRIORITY,
	HTTP2_RST_STREAM,
	HTTP2_SETTINGS,
	HTTP2_PUSH_PROMISE,
	HTTP2_PING,
	HTTP2_GOAWAY,
	HTTP2_WINDOW_UPDATE,
	HTTP2_CONTINUATION,
	HTTP2_ALTSVC = 0x0a,	      /* RFC 7838 */
	HTTP2_ORIGIN = 0x0c,	      /* RFC 8336 */
	HTTP2_PRIORITY_UPDATE = 0x10, /* RFC 9218 */
};

enum {
	HTTP2_END_STREAM = 0x01,
	HTTP2_ACK = 0x01,
	HTTP2_END_HEADERS = 0x04,
	HTTP2_PADDED = 0x08,
	HTTP2_HAS_PRIORITY = 0x20,
};

struct http2_frame {
	uint32_t len; /* of the payload */
	uint8_t type; /* enum http2_type, or any other */
	uint8_t flags;
	bool reserved; /* the bit before the stream identifier is set */
	uint32_t stream;
};

struct http2_frame http2_frame_read(const uint8_t data[static HTTP2_HEADER_LEN]);

/* Whether a sender of that role can have sent the frame: a type of RFC 9113 with the flags, the length and
 * the kind of stream that it has there, none longer than max_len. Much stricter than a receiver has to be:
 * for places where a frame begins only perhaps. */
bool http2_frame_plausible(enum http_role role, const struct http2_frame *frame, uint32_t max_len);

/* Whether data begins with a plausible frame, followed by plausible ones as far as the data goes. evidence:
 * one of them must be HEADERS or DATA, or the first one what a server's first frame has to be. */
bool http2_frames_plausible(enum http_role role, const uint8_t *data, size_t len, uint32_t max_len,
			    bool evidence);

/* What a RST_STREAM says, in plain words, static. by: who sent it. */
const char *http2_reset_text(enum http_role by, uint32_t code);
