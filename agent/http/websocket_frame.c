/* SPDX-License-Identifier: Apache-2.0 */
#include "http/websocket_frame.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

#define FIN	      0x80
#define RSV1	      0x40
#define RSV2_RSV3     0x30
#define MASKED	      0x80
#define CONTROL	      0x08 /* bit of the opcode */
#define LEN_16	      126
#define LEN_64	      127
#define CONTROL_MAX   125
#define PLAUSIBLE_MAX (UINT64_C(64) << 20) /* more than any message that an API takes */

/* What the first two bytes tell. NULL: nothing against them. */
static const char *first_problem(bool compression, const uint8_t *data)
{
	uint8_t opcode = data[0] & 0x0f, len = data[1] & 0x7f;
	bool begins = opcode == WEBSOCKET_TEXT || opcode == WEBSOCKET_BINARY;
	if ((opcode > WEBSOCKET_BINARY && opcode < WEBSOCKET_CLOSE) || opcode > WEBSOCKET_PONG)
		return "a frame has a reserved opcode";
	if (data[0] & RSV2_RSV3)
		return "a frame has reserved bits set";
	if (data[0] & RSV1 && !(compression && begins))
		return compression ? "a frame that begins no message is marked as compressed"
				   : "a frame is marked as compressed, which was not agreed on";
	if (opcode & CONTROL && !(data[0] & FIN))
		return "a control frame is fragmented";
	if (opcode & CONTROL && len > CONTROL_MAX)
		return "a control frame is longer than 125 bytes";
	return NULL;
}

static uint64_t read_be(const uint8_t *data, size_t n)
{
	uint64_t value = 0;
	for (size_t i = 0; i < n; i++)
		value = value << 8 | data[i];
	return value;
}

int websocket_frame_read(enum http_role role, bool compression, const uint8_t *data, size_t len,
			 struct websocket_frame *ret_frame, const char **ret_problem)
{
	if (len < 2)
		return -EAGAIN;
	*ret_problem = first_problem(compression, data);
	if (*ret_problem)
		return -EBADMSG;
	uint8_t short_len = data[1] & 0x7f;
	size_t more = short_len == LEN_16 ? 2 : short_len == LEN_64 ? 8 : 0;
	struct websocket_frame f = {
		.opcode = data[0] & 0x0f,
		.fin = data[0] & FIN,
		.compressed = data[0] & RSV1,
		.masked = data[1] & MASKED,
		.len = short_len,
	};
	f.header_len = 2 + more + (f.masked ? sizeof(f.mask) : 0);
	if (more && len >= 2 + more) {
		f.len = read_be(data + 2, more);
		if (f.len > INT64_MAX) {
			*ret_problem = "the length of a frame is larger than its type allows";
			return -EBADMSG;
		}
	}
	if (len < f.header_len)
		return -EAGAIN;
	if (f.masked)
		memcpy(f.mask, data + 2 + more, sizeof(f.mask));
	if (f.masked != (role == HTTP_REQUEST))
		f.flaw = f.masked ? "the server masked a frame" : "the client did not mask a frame";
	else if ((short_len == LEN_16 && f.len < LEN_16) || (short_len == LEN_64 && f.len <= UINT16_MAX))
		f.flaw = "the length of a frame is written with more bytes than it needs";
	*ret_frame = f;
	return 0;
}

/* The header at data, of which the end may be missing. */
static bool plausible_header(enum http_role role, bool compression, const uint8_t *data, size_t len,
			     struct websocket_frame *frame, bool *ret_whole)
{
	const char *problem;
	int r = websocket_frame_read(role, compression, data, len, frame, &problem);
	*ret_whole = r == 0;
	if (r == -EBADMSG)
		return false;
	if (len >= 2 && (data[1] & MASKED) != (role == HTTP_REQUEST ? MASKED : 0))
		return false;
	if (r == -EAGAIN)
		return true;
	return !frame->flaw && frame->len <= PLAUSIBLE_MAX &&
	       !(frame->opcode == WEBSOCKET_CLOSE && frame->len == 1);
}

bool websocket_frame_plausible(enum http_role role, bool compression, const uint8_t *data, size_t len)
{
	struct websocket_frame first, next;
	bool whole;
	if (len < 2 || (data[0] & 0x0f) == WEBSOCKET_CONTINUATION ||
	    !plausible_header(role, compression, data, len, &first, &whole))
		return false;
	if (!whole || first.header_len + first.len >= len)
		return true;
	size_t used = first.header_len + (size_t)first.len;
	if (!plausible_header(role, compression, data + used, len - used, &next, &whole))
		return false;
	/* A message of one frame is not continued, one of several is. */
	uint8_t opcode = data[used] & 0x0f;
	if (opcode & CONTROL || first.opcode & CONTROL)
		return true;
	return first.fin == (opcode != WEBSOCKET_CONTINUATION);
}

/* Section 7.4 and its registry: the others are reserved, or stand for what no frame says. */
static bool may_be_sent(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

const char *websocket_close_problem(const uint8_t *data, size_t len)
{
	if (len < 2)
		return NULL;
	if (!may_be_sent((unsigned)data[0] << 8 | data[1]))
		return "the close frame has a code that may not be sent";
	return utf8_valid((const char *)data + 2, len - 2, NULL)
		       ? NULL
		       : "the close frame's reason is not valid UTF-8";
}
