/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the header fields of a request and its 101 response say of WebSocket (RFC 6455 section 4, RFC 7692
 * section 7.1). No I/O, no globals, never allocates. */

#include <stdbool.h>

#include "http/message.h"
#include "http/websocket_inflate.h"

/* The message's Upgrade field names websocket. */
bool websocket_upgrade(const struct http_message *msg);

/* What Sec-WebSocket-Extensions of the response says of compression, by role of the sender. A parameter that
 * is not understood counts as absent. */
void websocket_extensions(const struct http_message *response,
			  struct websocket_deflate ret_deflate[static 2]);
