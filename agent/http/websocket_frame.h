/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Headers of WebSocket frames (RFC 6455 section 5.2). Works on bytes that are there; no I/O, no globals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/message.h"

#define WEBSOCKET_HEADER_MAX 14

enum {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

struct websocket_frame {
	uint8_t opcode;
	bool fin;
	bool compressed; /* RSV1: the message that it begins is (RFC 7692 section 6) */
	bool masked;
	uint8_t mask[4];
	uint64_t len; /* of the payload */
	size_t header_len;
	const char *flaw; /* static text, or NULL: breaks a rule, though its framing is clear */
};

/* role: whose frame it is; a client masks its frames and a server does not. compression: it was agreed on.
 * 0; -EAGAIN: the header is not all there; -EBADMSG: no header of a frame, *ret_problem says why (static). */
int websocket_frame_read(enum http_role role, bool compression, const uint8_t *data, size_t len,
			 struct websocket_frame *ret_frame, const char **ret_problem);

/* Whether these bytes, at a place where a frame begins only perhaps, begin one that begins a message or is a
 * control frame: no flaw, a length one may meet, and what follows the frame (if it is there) must be a
 * header as well. At least two bytes are needed to say so. */
bool websocket_frame_plausible(enum http_role role, bool compression, const uint8_t *data, size_t len);

/* What is wrong with the payload of a close frame that is all there (section 5.5.1): static text; NULL:
 * nothing, or it is half a code. */
const char *websocket_close_problem(const uint8_t *data, size_t len);
