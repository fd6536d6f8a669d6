/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Writes conversations in HTTP/2, a frame a record, header blocks by libnghttp2's encoder. */

#include "feed.h"

#include <nghttp2/nghttp2.h>

#include "http/http2_frame.h"

#define WIRE_RECORDS 128
#define W	     STREAM_WRITE
#define R	     STREAM_READ

struct wire {
	struct record records[WIRE_RECORDS];
	size_t n;
	nghttp2_hd_deflater *encoder[2];
};

static inline void wire_raw(struct wire *w, enum stream_dir dir, const void *data, size_t len)
{
	char *copy = malloc(len + 1);
	assert_non_null(copy);
	if (len)
		memcpy(copy, data, len);
	assert_true(w->n < WIRE_RECORDS);
	w->records[w->n++] = (struct record){dir, copy, len};
}

static inline void wire_frame(struct wire *w, enum stream_dir dir, unsigned type, unsigned flags,
			      uint32_t stream, const void *payload, size_t len)
{
	uint8_t *frame = malloc(HTTP2_HEADER_LEN + len);
	assert_non_null(frame);
	for (int i = 0; i < 3; i++)
		frame[i] = (uint8_t)(len >> (16 - 8 * i));
	frame[3] = (uint8_t)type;
	frame[4] = (uint8_t)flags;
	for (int i = 0; i < 4; i++)
		frame[5 + i] = (uint8_t)(stream >> (24 - 8 * i));
	if (len)
		memcpy(frame + HTTP2_HEADER_LEN, payload, len);
	wire_raw(w, dir, frame, HTTP2_HEADER_LEN + len);
	free(frame);
}

#define FRAME(w, dir, type, flags, stream, payload)                                                          \
	wire_frame(w, dir, type, flags, stream, payload, sizeof(payload) - 1)

static inline void wire_data(struct wire *w, enum stream_dir dir, unsigned flags, uint32_t stream,
			     const char *text)
{
	wire_frame(w, dir, HTTP2_DATA, flags, stream, text, strlen(text));
}

/* The header block of "name: value" lines. The caller frees it. */
static inline uint8_t *wire_block(struct wire *w, enum stream_dir dir, const char *lines, size_t *ret_len)
{
	nghttp2_nv nv[32];
	size_t n = 0;
	char *text = strdup(lines);
	uint8_t *block = malloc(65536);
	assert_non_null(block);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *colon = strchr(line + 1, ':');
		*colon = 0;
		nv[n++] = (nghttp2_nv){(uint8_t *)line, (uint8_t *)colon + 2, strlen(line), strlen(colon + 2),
				       NGHTTP2_NV_FLAG_NONE};
	}
	ssize_t len = nghttp2_hd_deflate_hd(w->encoder[dir], block, 65536, nv, n);
	assert_true(len >= 0);
	free(text);
	*ret_len = (size_t)len;
	return block;
}

static inline void wire_head(struct wire *w, enum stream_dir dir, unsigned flags, uint32_t stream,
			     const char *lines)
{
	size_t len;
	uint8_t *block = wire_block(w, dir, lines, &len);
	wire_frame(w, dir, HTTP2_HEADERS, flags, stream, block, len);
	free(block);
}

#define GET_A ":method: GET\n:scheme: https\n:authority: a.example\n:path: /a\nuser-agent: test\n"
#define POST_B                                                                                               \
	":method: POST\n:scheme: https\n:authority: a.example\n:path: /b\nuser-agent: test\n"                \
	"content-type: application/json\n"
#define OK_JSON	  ":status: 200\ncontent-type: application/json\n"
#define OK_STREAM ":status: 200\ncontent-type: text/event-stream\n"
#define BOTH_ENDS (HTTP2_END_HEADERS | HTTP2_END_STREAM)

static inline void wire_init(struct wire *w)
{
	*w = (struct wire){};
	for (int dir = 0; dir < 2; dir++)
		assert_int_equal(nghttp2_hd_deflate_new(&w->encoder[dir], 4096), 0);
}

/* With the preface and both SETTINGS. */
static inline void wire_open(struct wire *w)
{
	wire_init(w);
	wire_raw(w, W, http2_preface, HTTP2_PREFACE_LEN);
	FRAME(w, W, HTTP2_SETTINGS, 0, 0, "\0\3\0\0\0\x64\0\4\0\1\0\0");
	FRAME(w, R, HTTP2_SETTINGS, 0, 0, "");
	FRAME(w, R, HTTP2_SETTINGS, HTTP2_ACK, 0, "");
	FRAME(w, W, HTTP2_SETTINGS, HTTP2_ACK, 0, "");
}

static inline void wire_done(struct wire *w)
{
	for (size_t i = 0; i < w->n; i++)
		free((void *)w->records[i].data);
	for (int dir = 0; dir < 2; dir++)
		nghttp2_hd_deflate_del(w->encoder[dir]);
}

/* Whole, byte by byte and at every split it gives that text. */
static inline void wire_check(struct wire *w, const struct http_limits *limits, const char *want)
{
	check_talk_limits(w->records, w->n, limits, want);
	wire_done(w);
}

/* Plays the records from that one on, as the calls that they are. */
static inline void wire_play(struct wire *w, struct feed *f, size_t from)
{
	for (; from < w->n; from++)
		feed_call(f, w->records[from].dir, w->records[from].data, w->records[from].len);
}

/* The connection ends: what came out, as text. The caller frees it. */
static inline char *feed_end(struct feed *f)
{
	feed_close(f);
	feed_check_sums(f);
	feed_check_order(f);
	char *text = feed_render(f);
	feed_done(f);
	return text;
}

static inline void feed_expect(struct feed *f, const char *want)
{
	char *got = feed_end(f);
	assert_string_equal(got, want);
	free(got);
}
