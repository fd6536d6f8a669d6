/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http2_frame.h"

#include "base/macro.h"

const char http2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
_Static_assert(sizeof(http2_preface) - 1 == HTTP2_PREFACE_LEN, "RFC 9113 section 3.4");

static uint32_t read_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct http2_frame http2_frame_read(const uint8_t data[static HTTP2_HEADER_LEN])
{
	return (struct http2_frame){
		.len = read_be32(data) >> 8,
		.type = data[3],
		.flags = data[4],
		.reserved = data[5] & 0x80,
		.stream = read_be32(data + 5) & 0x7fffffff,
	};
}

/* --- plausible? -------------------------------------------------------------------------- */

/* By type. */
static const struct rule {
	uint8_t flags;		    /* that are defined */
	bool stream, connection;    /* on a stream; on stream 0 */
	uint32_t min_len, multiple; /* multiple 0: just min_len */
} rules[] = {
	[HTTP2_DATA] = {HTTP2_END_STREAM | HTTP2_PADDED, true, false, 0, 1},
	[HTTP2_HEADERS] = {HTTP2_END_STREAM | HTTP2_END_HEADERS | HTTP2_PADDED | HTTP2_HAS_PRIORITY, true,
			   false, 1, 1},
	[HTTP2_PRIORITY] = {0, true, false, 5, 0},
	[HTTP2_RST_STREAM] = {0, true, false, 4, 0},
	[HTTP2_SETTINGS] = {HTTP2_ACK, false, true, 0, 6},
	[HTTP2_PUSH_PROMISE] = {HTTP2_END_HEADERS | HTTP2_PADDED, true, false, 4, 1},
	[HTTP2_PING] = {HTTP2_ACK, false, true, 8, 0},
	[HTTP2_GOAWAY] = {0, false, true, 8, 1},
	[HTTP2_WINDOW_UPDATE] = {0, true, true, 4, 0},
	[HTTP2_CONTINUATION] = {HTTP2_END_HEADERS, true, false, 0, 1},
};

static bool length_fits(const struct rule *rule, uint32_t len)
{
	if (len < rule->min_len)
		return false;
	return rule->multiple ? len % rule->multiple == 0 : len == rule->min_len;
}

bool http2_frame_plausible(enum http_role role, const struct http2_frame *f, uint32_t max_len)
{
	if (f->type >= ARRAY_SIZE(rules) || f->len > max_len || f->reserved)
		return false;
	const struct rule *rule = &rules[f->type];
	if (f->flags & ~rule->flags || !length_fits(rule, f->len))
		return false;
	if (!(f->stream ? rule->stream : rule->connection))
		return false;
	switch (f->type) {
	case HTTP2_SETTINGS:
		return !(f->flags & HTTP2_ACK) || !f->len;
	case HTTP2_DATA:
	case HTTP2_HEADERS:
	case HTTP2_CONTINUATION:
		/* A server sends on streams that it opened too. */
		return role == HTTP_RESPONSE || f->stream % 2;
	case HTTP2_PUSH_PROMISE:
		return role == HTTP_RESPONSE && f->stream % 2;
	default:
		return true;
	}
}

bool http2_frames_plausible(enum http_role role, const uint8_t *data, size_t len, uint32_t max_len,
			    bool evidence)
{
	bool first = true;
	if (len < HTTP2_HEADER_LEN)
		return false;
	while (len >= HTTP2_HEADER_LEN) {
		struct http2_frame f = http2_frame_read(data);
		/* The rest of a header block tells nothing, so it is no place to begin. */
		if (!http2_frame_plausible(role, &f, max_len) || (first && f.type == HTTP2_CONTINUATION))
			return false;
		if (f.type == HTTP2_DATA || f.type == HTTP2_HEADERS)
			evidence = false;
		if (first && role == HTTP_RESPONSE && f.type == HTTP2_SETTINGS && !(f.flags & HTTP2_ACK))
			evidence = false;
		first = false;
		if (len - HTTP2_HEADER_LEN < f.len)
			return !evidence;
		data += HTTP2_HEADER_LEN + f.len;
		len -= HTTP2_HEADER_LEN + f.len;
	}
	return !evidence;
}

/* --- resets ------------------------------------------------------------------------------ */

/* RFC 9113 section 7. */
#define REASONS(who)                                                                                         \
	{                                                                                                    \
		who " reset the stream: NO_ERROR", who " reset the stream: PROTOCOL_ERROR",                  \
			who " reset the stream: INTERNAL_ERROR",                                             \
			who " reset the stream: FLOW_CONTROL_ERROR",                                         \
			who " reset the stream: SETTINGS_TIMEOUT", who " reset the stream: STREAM_CLOSED",   \
			who " reset the stream: FRAME_SIZE_ERROR", who " reset the stream: REFUSED_STREAM",  \
			who " reset the stream: CANCEL", who " reset the stream: COMPRESSION_ERROR",         \
			who " reset the stream: CONNECT_ERROR", who " reset the stream: ENHANCE_YOUR_CALM",  \
			who " reset the stream: INADEQUATE_SECURITY",                                        \
			who " reset the stream: HTTP_1_1_REQUIRED"                                           \
	}

const char *http2_reset_text(enum http_role by, uint32_t code)
{
	static const char *const reasons[][14] = {
		[HTTP_REQUEST] = REASONS("the client"),
		[HTTP_RESPONSE] = REASONS("the server"),
	};
	if (code < ARRAY_SIZE(reasons[by]))
		return reasons[by][code];
	return by == HTTP_REQUEST ? "the client reset the stream with an error code that is not known"
				  : "the server reset the stream with an error code that is not known";
}
