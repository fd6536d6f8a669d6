/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Server-sent events (WHATWG HTML section 9.2.6, "Interpreting an event stream"), incremental.
 * LF, CR and CRLF line ends, in any mixture and split anywhere; comments; multi-line data; a leading BOM.
 * No I/O, no clock, no globals; memory bounded by max_event. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct sse_event {
	const char *event; /* "" if the field was absent; NUL-terminated; borrowed for the call */
	const char *data;  /* joined by LF; NUL-terminated (and may hold NULs); borrowed for the call */
	size_t data_len;
	uint64_t offset; /* stream position of the event's first byte, comments before it not counted */
	uint64_t end;	 /* stream position after its last byte (the blank line's end) */
};

typedef void (*sse_event_fn)(void *ctx, const struct sse_event *event);

struct sse; /* opaque */

/* max_event: bytes of one event's data and of one line; an event that has more is skipped whole and counted
 * (a longer comment is only skipped). fn must not feed the decoder. 0; -ENOMEM. */
int sse_new(struct sse **ret_sse, size_t max_event, sse_event_fn fn, void *ctx);
void sse_free(struct sse **sse);

/* An event is given once the byte after its end has come, or with sse_end(): a CR may be half a line end.
 * 0; -ENOMEM: the event at hand is skipped and counted, the rest of data is not read. */
int sse_feed(struct sse *sse, const void *data, size_t len);

/* The stream has ended. By the standard an event without its blank line is discarded; we want to know what
 * was on the wire, so a pending event that has data is given as well, its last line perhaps cut. The decoder
 * is as new afterwards, but for the count of sse_skipped(). 0; -ENOMEM. */
int sse_end(struct sse *sse);

/* Events left out because they were longer than max_event. */
uint64_t sse_skipped(const struct sse *sse);
