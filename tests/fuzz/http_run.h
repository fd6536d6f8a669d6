/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One connection under a fuzzer: what holds of every message and of the sums. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_conn.h"
#include "must.h"

enum { FLAG_READ = 1, FLAG_GAP = 2, FLAG_CONTINUED = 4, FLAG_PAUSE = 8 };

struct run {
	struct http_conn *conn;
	const struct http_limits *limits;
	enum stream_dir request_dir;
	uint64_t at[2], gaps[2];      /* by direction */
	uint64_t wire[2], missing[2]; /* given back */
	uint64_t now_ns;
	uint8_t seen[4096]; /* by exchange: 1 request, 2 response */
	bool paused;	    /* framing after an early end is not accounted for */
};

static inline void check_message(const struct run *run, const struct http_message *m)
{
	must(m->body_len <= run->limits->max_body && m->body_len <= m->body_total);
	must((m->body != NULL) == (m->body_len > 0) && (!m->body || m->body[m->body_len] == 0));
	must(m->n_headers <= run->limits->max_headers);
	must(m->n_marks <= 1024 && m->n_marks <= m->reads);
	must(m->coded_total + m->missing_bytes <= m->wire_bytes);
	must(m->body_total <= run->limits->max_decoded || m->body_total <= m->coded_total);
	must(m->n_parts <= run->limits->max_parts);
	must(m->first_ts_ns <= m->last_ts_ns);
	must(!m->body_sha256_valid || m->missing_bytes == 0);
	must(!m->missing_bytes || m->missing_reason != GAP_NONE);
	must(m->missing_bytes || m->missing_reason == GAP_NONE || m->protocol != HTTP_1);
	must(m->end != HTTP_END_MALFORMED || m->problem);
	must(m->end != HTTP_END_LIMIT || m->problem);
	must(m->end != HTTP_END_GAP || m->missing_bytes || m->protocol != HTTP_1);
	for (size_t i = 0; i < m->n_headers; i++) {
		must(m->headers[i].name[0] != 0);
		for (const char *p = m->headers[i].name; *p; p++)
			must(!(*p >= 'A' && *p <= 'Z'));
		for (const char *p = m->headers[i].value; *p; p++)
			must((unsigned char)*p >= 0x20 || *p == '\t');
	}
	for (size_t i = 1; i < m->n_marks; i++)
		must(m->marks[i - 1].body_offset < m->marks[i].body_offset);
}

static inline void on_message(void *ctx, struct http_message *m)
{
	struct run *run = ctx;
	enum stream_dir dir = m->role == HTTP_REQUEST ? run->request_dir : !run->request_dir;
	check_message(run, m);
	run->wire[dir] += m->wire_bytes;
	run->missing[dir] += m->missing_bytes;
	must(m->exchange > 0);
	if (m->protocol != HTTP_WEBSOCKET && m->exchange < sizeof(run->seen)) {
		uint8_t bit = m->role == HTTP_REQUEST ? 1 : 2;
		must(!(run->seen[m->exchange] & bit));
		must(bit == 1 || m->orphan || run->seen[m->exchange] & 1);
		run->seen[m->exchange] |= bit;
	}
	http_message_free(&m);
}

static inline void on_unreadable(void *ctx, enum stream_dir dir, uint64_t len, bool missing, const char *why)
{
	struct run *run = ctx;
	must(len > 0 && why);
	run->wire[dir] += len;
	if (missing)
		run->missing[dir] += len;
	must(run->wire[dir] <= run->at[dir]);
}

static const struct http_conn_ops ops = {.on_message = on_message, .on_unreadable = on_unreadable};

static inline void feed(struct run *run, unsigned flags, const uint8_t *data, size_t len)
{
	enum stream_dir dir = flags & FLAG_READ ? STREAM_READ : STREAM_WRITE;
	uint64_t offset = run->at[dir];
	run->now_ns++;
	run->at[dir] += len;
	if (flags & FLAG_GAP) {
		struct stream_gap gap = {
			.dir = dir, .offset = offset, .len = len, .ts_ns = run->now_ns, .reason = GAP_LOST};
		run->gaps[dir] += len;
		must(http_conn_gap(run->conn, &gap) == 0);
		return;
	}
	/* A copy of its own, so that reading past it is noticed. */
	uint8_t *copy = malloc(len);
	must(copy);
	memcpy(copy, data, len);
	struct stream_chunk chunk = {
		.dir = dir,
		.offset = offset,
		.peer_offset = run->at[!dir],
		.ts_ns = run->now_ns,
		.call_start = !(flags & FLAG_CONTINUED),
		.data = copy,
		.len = len,
	};
	must(http_conn_data(run->conn, &chunk) == 0);
	free(copy);
}

static inline void wait_idle(struct run *run)
{
	uint64_t due = http_conn_idle(run->conn, run->now_ns);
	if (due == UINT64_MAX)
		return;
	must(due > run->now_ns);
	run->now_ns = due;
	run->paused = true;
	must(http_conn_idle(run->conn, run->now_ns) > run->now_ns);
}

/* The connection ends: the sums are right. */
static inline void run_end(struct run *run)
{
	must(http_conn_close(run->conn, run->now_ns) == 0);
	for (int dir = 0; dir < 2; dir++) {
		run->wire[dir] += http_conn_framing(run->conn, (enum stream_dir)dir);
		must(run->missing[dir] == run->gaps[dir]);
		must(run->paused ? run->wire[dir] <= run->at[dir] : run->wire[dir] == run->at[dir]);
	}
	http_conn_free(&run->conn);
}
