/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Plays the bytes of one direction into a WebSocket parser, cut and with losses, and writes down what comes
 * out. */

#include "ws_frames.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "http/websocket.h"

#define RUN_START 1000 /* position of the first byte */

struct ws_run {
	struct websocket *ws;
	struct websocket_start start;
	struct http_message **messages; /* owned */
	size_t n, cap;
	uint64_t at, fed, gaps;
	uint64_t unreadable, missing;
	const char *why;
	uint64_t ts_ns;
};

static inline void run_message(void *ctx, struct http_message *msg)
{
	struct ws_run *r = ctx;
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 16;
		r->messages = realloc(r->messages, r->cap * sizeof(*r->messages));
		assert_non_null(r->messages);
	}
	r->messages[r->n++] = msg;
}

static inline void run_unreadable(void *ctx, uint64_t len, bool missing, const char *why)
{
	struct ws_run *r = ctx;
	assert_true(len > 0);
	assert_non_null(why);
	*(missing ? &r->missing : &r->unreadable) += len;
	r->why = why;
}

static const struct websocket_ops run_ops = {.message = run_message, .unreadable = run_unreadable};

static inline void run_init(struct ws_run *r, enum http_role role, const struct websocket_deflate *deflate,
			    const struct http_limits *limits)
{
	*r = (struct ws_run){.at = RUN_START, .ts_ns = 1};
	r->start = (struct websocket_start){.role = role, .conn_id = 7, .exchange = 3, .offset = RUN_START};
	if (deflate)
		r->start.deflate = *deflate;
	assert_int_equal(
		websocket_new(&r->ws, &r->start, limits ? limits : &http_limits_default, &run_ops, r), 0);
}

static inline void run_done(struct ws_run *r)
{
	for (size_t i = 0; i < r->n; i++)
		http_message_free(&r->messages[i]);
	free(r->messages);
	websocket_free(&r->ws);
}

static inline void run_data(struct ws_run *r, const void *data, size_t len, bool call_start)
{
	if (!len)
		return;
	uint8_t *copy = guard_copy(data, len);
	struct stream_chunk chunk = {.conn_id = 7,
				     .offset = r->at,
				     .ts_ns = r->ts_ns++,
				     .call_start = call_start,
				     .data = copy,
				     .len = len};
	assert_int_equal(websocket_data(r->ws, &chunk), 0);
	guard_free(copy, len);
	r->at += len;
	r->fed += len;
	assert_int_equal(websocket_offset(r->ws), r->at);
}

static inline void run_gap(struct ws_run *r, uint64_t len)
{
	if (!len)
		return;
	assert_int_equal(websocket_gap(r->ws, len, r->ts_ns++, GAP_RING_FULL), 0);
	r->at += len;
	r->gaps += len;
	assert_int_equal(websocket_offset(r->ws), r->at);
}

static inline void run_check_message(const struct http_message *m, const struct ws_run *r)
{
	struct sha256 *sha;
	uint8_t sum[SHA256_LEN];
	assert_int_equal(m->role, r->start.role);
	assert_int_equal(m->protocol, HTTP_WEBSOCKET);
	assert_int_equal(m->conn_id, 7);
	assert_int_equal(m->exchange, 3);
	assert_null(m->method);
	assert_null(m->target);
	assert_int_equal(m->n_headers, 0);
	assert_true(m->first_ts_ns >= 1 && m->first_ts_ns <= m->last_ts_ns && m->last_ts_ns < r->ts_ns);
	assert_true(m->coded_total + m->missing_bytes < m->wire_bytes);
	assert_true(m->decoded || m->body_total == 0 || m->body_total == m->coded_total);
	assert_true(m->end == HTTP_END_COMPLETE || m->end == HTTP_END_CLOSED || m->problem);
	assert_int_equal(m->n_marks, m->reads < 1024 ? m->reads : 1024);
	for (size_t i = 0; i < m->n_marks; i++)
		assert_in_range(m->marks[i].ts_ns, m->first_ts_ns, m->last_ts_ns);
	if (!m->body_sha256_valid || m->body_len != m->body_total)
		return;
	assert_int_equal(sha256_new(&sha), 0);
	sha256_update(sha, m->body, m->body_len);
	sha256_final(sha, sum);
	sha256_free(&sha);
	assert_memory_equal(sum, m->body_sha256, SHA256_LEN);
}

static inline void run_close(struct ws_run *r)
{
	uint64_t wire = 0, missing = r->missing;
	websocket_close(r->ws);
	for (size_t i = 0; i < r->n; i++) {
		run_check_message(r->messages[i], r);
		wire += r->messages[i]->wire_bytes;
		missing += r->messages[i]->missing_bytes;
	}
	assert_int_equal(missing, r->gaps);
	assert_int_equal(wire + r->unreadable + r->missing + websocket_framing(r->ws), r->fed + r->gaps);
}

static inline void run_put(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void run_put(struct buf *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(text));
	put_bytes(b, text, (size_t)n);
}

static inline char *run_render(const struct ws_run *r)
{
	static const char *const ends[] = {"complete", "closed", "gap", "malformed", "limit", "unseen"};
	struct buf b;
	buf_init(&b, 64 << 20);
	for (size_t i = 0; i < r->n; i++) {
		const struct http_message *m = r->messages[i];
		run_put(&b, "%u %s%s%s", m->opcode, ends[m->end], m->decoded ? " decoded" : "",
			m->body_sha256_valid ? "" : " no hash");
		if (m->missing_bytes)
			run_put(&b, " missing=%llu", (unsigned long long)m->missing_bytes);
		if (m->problem)
			run_put(&b, " (%s)", m->problem);
		run_put(&b, " %llu [", (unsigned long long)m->body_total);
		for (size_t j = 0; j < m->body_len && j < 100; j++) {
			uint8_t c = m->body[j];
			run_put(&b, c >= ' ' && c < 0x7f ? "%c" : "<%02x>", c);
		}
		run_put(&b, "]\n");
	}
	if (r->unreadable || r->missing)
		run_put(&b, "unreadable %llu missing %llu\n", (unsigned long long)r->unreadable,
			(unsigned long long)r->missing);
	if (websocket_framing(r->ws))
		run_put(&b, "framing %llu\n", (unsigned long long)websocket_framing(r->ws));
	return buf_take_str(&b);
}

/* What the bytes give, cut every `step` bytes, or once at `cut`. Only the first piece begins a call. */
static inline char *run_play(enum http_role role, const struct websocket_deflate *deflate,
			     const struct http_limits *limits, const struct buf *bytes, size_t step,
			     size_t cut)
{
	struct ws_run r;
	run_init(&r, role, deflate, limits);
	for (size_t from = 0; from < bytes->len;) {
		size_t to = step ? from + step : from < cut ? cut : bytes->len;
		to = to < bytes->len ? to : bytes->len;
		run_data(&r, bytes->data + from, to - from, from == 0);
		from = to;
	}
	run_close(&r);
	char *text = run_render(&r);
	run_done(&r);
	return text;
}

static inline void run_expect(char *got, const char *want, size_t step, size_t cut)
{
	if (strcmp(got, want) != 0)
		fail_msg("step %zu, cut %zu:\n%s\nbut expected:\n%s", step, cut, got, want);
	free(got);
}

/* Whole, byte by byte, in small pieces, and cut in two everywhere. */
static inline void run_check(enum http_role role, const struct websocket_deflate *deflate,
			     const struct http_limits *limits, const struct buf *bytes, const char *want)
{
	for (size_t step = 0; step < 8; step++)
		run_expect(run_play(role, deflate, limits, bytes, step, bytes->len), want, step, 0);
	for (size_t cut = 1; cut < bytes->len; cut++)
		run_expect(run_play(role, deflate, limits, bytes, 0, cut), want, 0, cut);
}
