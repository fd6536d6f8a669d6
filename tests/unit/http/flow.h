/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Feeds a connection's parser by the million: what comes out is counted, and only the last message of either
 * role is kept. Small pieces are gathered into calls of up to FLOW_CALL bytes. */

#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "http/http2_frame.h"
#include "http/http_conn.h"
#include "meter.h"

#define W	  STREAM_WRITE
#define R	  STREAM_READ
#define FLOW_CALL 16384
#define FLOW_HEAD HTTP2_END_HEADERS
#define FLOW_BOTH (HTTP2_END_HEADERS | HTTP2_END_STREAM)

/* How often: a million times, and less under the sanitizers, which take long. */
#ifdef __SANITIZE_ADDRESS__
#define MANY 200000
#else
#define MANY 1000000
#endif

struct flow {
	struct http_conn *conn;
	uint64_t at[2], fed, ts_ns;
	uint8_t call[FLOW_CALL];
	size_t call_len;
	enum stream_dir call_dir;

	struct http_message *last[2];		     /* owned; by enum http_role */
	uint64_t n[2], ends[2][HTTP_END_UNSEEN + 1]; /* messages, and how they ended */
	uint64_t wire, body;			     /* bytes, of all */
	uint64_t unreadable[2];
	const char *why;					     /* the last one's */
	void (*judge)(struct flow *f, const struct http_message *m); /* each message; or NULL */
};

static inline void flow_on_message(void *ctx, struct http_message *m)
{
	struct flow *f = ctx;
	f->n[m->role]++;
	f->ends[m->role][m->end]++;
	f->wire += m->wire_bytes;
	f->body += m->body_total;
	assert_int_equal(m->missing_bytes, 0);
	if (f->judge)
		f->judge(f, m);
	http_message_free(&f->last[m->role]);
	f->last[m->role] = m;
}

static inline void flow_on_unreadable(void *ctx, enum stream_dir dir, uint64_t len, bool missing,
				      const char *why)
{
	struct flow *f = ctx;
	assert_false(missing);
	f->unreadable[dir] += len;
	f->why = why;
}

static const struct http_conn_ops flow_ops = {
	.on_message = flow_on_message,
	.on_unreadable = flow_on_unreadable,
};

static inline void flow_init(struct flow *f, const struct http_limits *limits)
{
	memset(f, 0, sizeof(*f));
	f->ts_ns = 1000;
	assert_int_equal(http_conn_new(&f->conn, 7, W, limits, &flow_ops, f), 0);
}

static inline void flow_chunk(struct flow *f, enum stream_dir dir, const void *data, size_t len,
			      bool call_start)
{
	struct stream_chunk chunk = {
		.conn_id = 7,
		.dir = dir,
		.offset = f->at[dir],
		.peer_offset = f->at[!dir],
		.ts_ns = f->ts_ns,
		.call_start = call_start,
		.data = data,
		.len = len,
	};
	f->at[dir] += len;
	f->fed += len;
	assert_int_equal(http_conn_data(f->conn, &chunk), 0);
}

/* What is gathered goes out as one call. */
static inline void flow_flush(struct flow *f)
{
	size_t len = f->call_len;
	f->call_len = 0;
	if (len)
		flow_chunk(f, f->call_dir, f->call, len, true);
	f->ts_ns++;
}

static inline void flow_bytes(struct flow *f, enum stream_dir dir, const void *data, size_t len)
{
	const uint8_t *p = data;
	if (f->call_len && (f->call_dir != dir || len > sizeof(f->call) - f->call_len))
		flow_flush(f);
	f->call_dir = dir;
	for (bool start = true; len > sizeof(f->call); start = false) {
		flow_chunk(f, dir, p, sizeof(f->call), start);
		p += sizeof(f->call);
		len -= sizeof(f->call);
	}
	memcpy(f->call + f->call_len, p, len);
	f->call_len += len;
}

static inline void flow_text(struct flow *f, enum stream_dir dir, const char *text)
{
	flow_bytes(f, dir, text, strlen(text));
}

static inline void flow_frame(struct flow *f, enum stream_dir dir, unsigned type, unsigned flags,
			      uint32_t stream, const void *payload, size_t len)
{
	static uint8_t frame[HTTP2_HEADER_LEN + (1 << 16)];
	assert_true(len <= sizeof(frame) - HTTP2_HEADER_LEN);
	for (int i = 0; i < 3; i++)
		frame[i] = (uint8_t)(len >> (16 - 8 * i));
	frame[3] = (uint8_t)type;
	frame[4] = (uint8_t)flags;
	for (int i = 0; i < 4; i++)
		frame[5 + i] = (uint8_t)(stream >> (24 - 8 * i));
	if (len)
		memcpy(frame + HTTP2_HEADER_LEN, payload, len);
	flow_bytes(f, dir, frame, HTTP2_HEADER_LEN + len);
}

#define FLOW_FRAME(f, dir, type, flags, stream, payload)                                                     \
	flow_frame(f, dir, type, flags, stream, payload, sizeof(payload) - 1)

static inline void flow_open_http2(struct flow *f, const struct http_limits *limits)
{
	flow_init(f, limits);
	flow_text(f, W, http2_preface);
	FLOW_FRAME(f, W, HTTP2_SETTINGS, 0, 0, "");
	FLOW_FRAME(f, R, HTTP2_SETTINGS, 0, 0, "");
}

/* Every byte is in a message, reported, or framing. */
static inline void flow_end(struct flow *f)
{
	flow_flush(f);
	assert_int_equal(http_conn_close(f->conn, f->ts_ns), 0);
	uint64_t framing = http_conn_framing(f->conn, W) + http_conn_framing(f->conn, R);
	assert_int_equal(f->wire + f->unreadable[W] + f->unreadable[R] + framing, f->fed);
}

static inline void flow_done(struct flow *f)
{
	http_conn_free(&f->conn);
	http_message_free(&f->last[HTTP_REQUEST]);
	http_message_free(&f->last[HTTP_RESPONSE]);
}

/* Libraries keep some memory for good from their first use on. */
static inline void flow_warm(void)
{
	static struct flow f;
	flow_open_http2(&f, NULL);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, 1, "\x82\x84");
	flow_end(&f);
	flow_done(&f);
}

/* run(n) takes time in proportion to n, and no more memory than `most` whatever n is. A slower machine
 * changes nothing, a square would be 16 times the time. */
static inline void flow_check_cost(void (*run)(size_t n), size_t n, size_t most)
{
	flow_warm();
	size_t before = meter_begin();
	double start = meter_seconds();
	run(n / 4);
	double quarter = meter_seconds() - start;
	run(n);
	double all = meter_seconds() - start - quarter;
	if (getenv("FLOW_SHOW"))
		print_message("%zu: %.3f s, a quarter %.3f s, peak %zu\n", n, all, quarter,
			      meter_peak - before);
	if (meter_peak - before > most)
		fail_msg("%zu bytes of memory, more than %zu", meter_peak - before, most);
	if (all > quarter * 10 + 0.05)
		fail_msg("%.3f s for a quarter, %.3f s for all", quarter, all);
	assert_int_equal(meter_live, before);
}
