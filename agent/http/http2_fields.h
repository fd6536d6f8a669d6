/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A header block of HTTP/2 into a message (RFC 9113 section 8.3): pseudo-header fields become method, target,
 * status and a header named "host". No I/O, no clock, no globals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/hpack.h"
#include "http/message.h"

struct http2_facts {
	bool pseudo;  /* there was a pseudo-header field */
	bool flawed;  /* breaks the grammar, though all is read; msg->problem says how */
	bool over;    /* fields were left out: over a limit */
	bool unknown; /* fields were left out: see http_message.unknown_headers */
	size_t size;  /* of what msg holds now, as hpack_limits.max_size counts */
};

/* Into msg, whose method, target, status and headers are unset. Arguments and errors as of hpack_block();
 * *ret_facts is set in any case, and what was read before an error is in msg. */
int http2_fields_read(struct http_message *msg, struct hpack *hpack, const uint8_t *data, size_t len,
		      bool cut, const struct hpack_limits *limits, struct http2_facts *ret_facts);
