/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tells whether a stream of server-sent events has said that it is at its end, while its bytes pass by:
 * clients stop reading there, and what framing comes after it is then never seen. Embedded by value; all zero
 * is a stream's start. Of a line only the beginning is kept. Any line ends, in any mixture and split
 * anywhere.
 *
 * The last event so far is the end if it is
 * - `data: [DONE]`, its line perhaps not ended, or
 * - one whose name (`event:`, or a `type` that comes first in data's object) is that of a last event
 *   (`response.completed`), and whose blank line has come: its data is long.
 *
 * Comments and blank lines after it change nothing, anything else does. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSE_END_LINE 64

struct sse_end {
	char line[SSE_END_LINE]; /* the first bytes of the line at hand */
	size_t len;		 /* kept of it; SSE_END_LINE: it may be longer than that */
	bool cr;		 /* the last byte was a CR: a LF belongs to it */
	bool not_first;		 /* a line has ended: no BOM any more */
	bool has_data;		 /* the event at hand has a data line */
	bool is_last;		 /* it has the name of a last event */
	bool said;		 /* see above; but for [DONE] in an unfinished line */
};

void sse_end_feed(struct sse_end *end, const uint8_t *data, size_t len);

bool sse_end_said(const struct sse_end *end);
