/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Plays a conversation into a connection's parser: records of both directions in order, with the offsets the
 * kernel would give them, whole or cut into pieces, some of them lost. Writes down what comes out. */

#include "guard.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/http_conn.h"

/* One call of the watched process. */
struct record {
	enum stream_dir dir;
	const char *data;
	size_t len;
};

#define REQ(text)                                                                                            \
	{                                                                                                    \
		STREAM_WRITE, text, sizeof(text) - 1                                                         \
	}
#define RESP(text)                                                                                           \
	{                                                                                                    \
		STREAM_READ, text, sizeof(text) - 1                                                          \
	}
#define RECORDS(...)	 ((const struct record[]){__VA_ARGS__})
#define COUNT_OF(...)	 (sizeof(RECORDS(__VA_ARGS__)) / sizeof(struct record))
#define TALK(...)	 RECORDS(__VA_ARGS__), COUNT_OF(__VA_ARGS__)
#define FEED_MESSAGES	 64
#define FEED_BIG_MESSAGE 120

struct feed {
	struct http_conn *conn;
	uint64_t at[2]; /* position in each direction, lost bytes included */
	uint64_t lost_at[2];
	uint64_t ts_ns;
	int swap;	/* 1: the process is the server */
	bool unguarded; /* copies on the heap instead: a mapping for each piece is slow by the million */

	struct http_message **messages; /* owned, in the order given */
	size_t n, cap;
	uint64_t unreadable[2], missing[2]; /* reported outside messages */
	const char *why;		    /* the last one's */
	uint64_t fed, gaps;		    /* bytes given in, of either kind */
};

static inline void feed_on_message(void *ctx, struct http_message *msg)
{
	struct feed *f = ctx;
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : FEED_MESSAGES;
		f->messages = realloc(f->messages, f->cap * sizeof(*f->messages));
		assert_non_null(f->messages);
	}
	f->messages[f->n++] = msg;
}

static inline void feed_on_unreadable(void *ctx, enum stream_dir dir, uint64_t len, bool missing,
				      const char *why)
{
	struct feed *f = ctx;
	assert_true(len > 0);
	assert_non_null(why);
	(missing ? f->missing : f->unreadable)[dir] += len;
	f->why = why;
}

static const struct http_conn_ops feed_ops = {
	.on_message = feed_on_message,
	.on_unreadable = feed_on_unreadable,
};

static inline void feed_init(struct feed *f, const struct http_limits *limits)
{
	*f = (struct feed){.ts_ns = 1000};
	assert_int_equal(http_conn_new(&f->conn, 7, STREAM_WRITE, limits, &feed_ops, f), 0);
}

static inline void feed_done(struct feed *f)
{
	for (size_t i = 0; i < f->n; i++)
		http_message_free(&f->messages[i]);
	free(f->messages);
	http_conn_free(&f->conn);
}

/* Reports what was lost before this point, as the stream stage does: when the next record tells. */
static inline void feed_gap(struct feed *f, enum stream_dir dir)
{
	struct stream_gap gap = {
		.conn_id = 7,
		.dir = dir ^ f->swap,
		.offset = f->at[dir] - f->lost_at[dir],
		.len = f->lost_at[dir],
		.ts_ns = f->ts_ns,
		.reason = GAP_RING_FULL,
	};
	if (!gap.len)
		return;
	f->gaps += gap.len;
	f->lost_at[dir] = 0;
	assert_int_equal(http_conn_gap(f->conn, &gap), 0);
}

static inline void feed_lose(struct feed *f, enum stream_dir dir, size_t len)
{
	f->at[dir] += len;
	f->lost_at[dir] += len;
	f->ts_ns++;
}

/* The bytes are a copy that ends at a guard page. */
static inline int feed_raw(struct feed *f, enum stream_dir dir, const char *data, size_t len, bool call_start)
{
	if (!len)
		return 0;
	feed_gap(f, dir);
	uint8_t *copy = f->unguarded ? memcpy(malloc(len), data, len) : guard_copy(data, len);
	struct stream_chunk chunk = {
		.conn_id = 7,
		.dir = dir ^ f->swap,
		.offset = f->at[dir],
		.peer_offset = f->at[!dir],
		.ts_ns = f->ts_ns++,
		.call_start = call_start,
		.data = copy,
		.len = len,
	};
	f->at[dir] += len;
	f->fed += len;
	int r = http_conn_data(f->conn, &chunk);
	if (f->unguarded)
		free(copy);
	else
		guard_free(copy, len);
	return r;
}

static inline void feed_call(struct feed *f, enum stream_dir dir, const char *data, size_t len)
{
	assert_int_equal(feed_raw(f, dir, data, len, true), 0);
}

static inline void feed_text(struct feed *f, enum stream_dir dir, const char *text)
{
	feed_call(f, dir, text, strlen(text));
}

/* Everything that came in is in a message or reported, or framing of HTTP/2 or WebSocket itself. Not after
 * http_conn_idle() gave something of HTTP/1. */
static inline void feed_check_sums(const struct feed *f)
{
	uint64_t wire = 0, missing = 0;
	for (size_t i = 0; i < f->n; i++) {
		wire += f->messages[i]->wire_bytes;
		missing += f->messages[i]->missing_bytes;
	}
	missing += f->missing[0] + f->missing[1];
	assert_int_equal(missing, f->gaps);
	wire += f->unreadable[0] + f->unreadable[1] + f->missing[0] + f->missing[1];
	wire += http_conn_framing(f->conn, STREAM_WRITE) + http_conn_framing(f->conn, STREAM_READ);
	assert_int_equal(wire, f->fed + f->gaps);
}

static inline void feed_close(struct feed *f)
{
	assert_int_equal(http_conn_close(f->conn, f->ts_ns), 0);
}

/* --- what came out, as text -------------------------------------------------------------- */

static inline void put(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void put(struct buf *b, const char *fmt, ...)
{
	char *text;
	va_list ap;
	va_start(ap, fmt);
	assert_true(vasprintf(&text, fmt, ap) >= 0);
	va_end(ap);
	assert_int_equal(buf_append_str(b, text), 0);
	free(text);
}

static inline const char *end_name(enum http_end end)
{
	static const char *const names[] = {"complete", "closed", "gap", "malformed", "limit", "unseen"};
	return names[end];
}

static inline void check_hash(const struct http_message *m, const void *body, size_t len)
{
	struct sha256 *sha;
	uint8_t sum[SHA256_LEN];
	assert_int_equal(sha256_new(&sha), 0);
	sha256_update(sha, body, len);
	sha256_final(sha, sum);
	sha256_free(&sha);
	assert_memory_equal(sum, m->body_sha256, SHA256_LEN);
}

static inline void put_part(struct buf *b, const struct http_part *part)
{
	put(b, "  part %s %s %s %llu%s [", part->name ? part->name : "-",
	    part->filename ? part->filename : "-", part->content_type ? part->content_type : "-",
	    (unsigned long long)part->bytes, part->whole ? "" : " not whole");
	assert_true(part->data_len <= part->bytes && (part->data != NULL) == (part->data_len > 0));
	if (part->data_len)
		assert_int_equal(buf_append(b, part->data, part->data_len), 0);
	put(b, "]\n");
}

static inline void put_message(struct buf *b, const struct http_message *m)
{
	if (m->body_sha256_valid && m->body_len == m->body_total)
		check_hash(m, m->body, m->body_len);
	if (m->protocol == HTTP_WEBSOCKET)
		put(b, "%llu %s %u %s", (unsigned long long)m->exchange,
		    m->role == HTTP_REQUEST ? "client" : "server", m->opcode, end_name(m->end));
	else if (m->role == HTTP_REQUEST)
		put(b, "%llu request %s %s", (unsigned long long)m->exchange, m->method ? m->method : "-",
		    m->target ? m->target : "-");
	else
		put(b, "%llu response %d%s", (unsigned long long)m->exchange, m->status,
		    m->orphan ? " orphan" : "");
	if (m->protocol == HTTP_2)
		put(b, " stream %u unknown=%llu %s", m->stream_id, (unsigned long long)m->unknown_headers,
		    end_name(m->end));
	else if (m->protocol == HTTP_1)
		put(b, " 1.%d %s", m->version_minor, end_name(m->end));
	if (m->problem)
		put(b, " (%s)", m->problem);
	put(b, " missing=%llu wire=%llu\n", (unsigned long long)m->missing_bytes,
	    (unsigned long long)m->wire_bytes);
	for (size_t i = 0; i < m->n_headers; i++)
		put(b, "  %s: [%s]\n", m->headers[i].name, m->headers[i].value);
	put(b, "  body %llu/%zu [", (unsigned long long)m->body_total, m->body_len);
	if (m->body_len)
		assert_int_equal(buf_append(b, m->body, m->body_len), 0);
	put(b, "] %s\n", m->body_sha256_valid ? "hashed" : "no hash");
	if (m->decoded || m->coded_total != m->body_total)
		put(b, "  %s %llu\n", m->decoded ? "decoded" : "coded", (unsigned long long)m->coded_total);
	for (size_t i = 0; i < m->n_parts; i++)
		put_part(b, &m->parts[i]);
}

/* The messages by exchange, requests first: splits change when a message is given, not what it is. */
static inline char *feed_render(const struct feed *f)
{
	struct buf b;
	uint64_t last = 0;
	buf_init(&b, 64 << 20);
	for (size_t i = 0; i < f->n; i++)
		if (f->messages[i]->exchange > last)
			last = f->messages[i]->exchange;
	for (uint64_t e = 1; e <= last; e++)
		for (int role = HTTP_REQUEST; role <= HTTP_RESPONSE; role++)
			for (size_t i = 0; i < f->n; i++)
				if (f->messages[i]->exchange == e && (int)f->messages[i]->role == role)
					put_message(&b, f->messages[i]);
	put(&b, "unreadable %llu %llu missing %llu %llu\n", (unsigned long long)f->unreadable[0],
	    (unsigned long long)f->unreadable[1], (unsigned long long)f->missing[0],
	    (unsigned long long)f->missing[1]);
	return buf_take_str(&b);
}

/* Body bytes arrive in what order and how cut: `reads` and the marks follow the pieces. */
static inline void feed_check_marks(const struct http_message *m)
{
	assert_true(m->first_ts_ns <= m->last_ts_ns);
	if (m->body_len)
		assert_int_equal(m->body[m->body_len], 0);
	else
		assert_null(m->body);
	assert_int_equal(m->n_marks, m->reads < 1024 ? m->reads : 1024);
	assert_true((m->body_total == 0) == (m->reads == 0));
	for (size_t i = 0; i < m->n_marks; i++) {
		assert_true(m->marks[i].body_offset < m->body_total);
		assert_true(m->marks[i].ts_ns >= m->first_ts_ns && m->marks[i].ts_ns <= m->last_ts_ns);
		assert_int_equal(http_message_time_at(m, m->marks[i].body_offset), m->marks[i].ts_ns);
		if (i)
			assert_true(m->marks[i].body_offset > m->marks[i - 1].body_offset);
	}
}

/* Requests are given before their responses, nothing twice. */
static inline void feed_check_order(const struct feed *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct http_message *m = f->messages[i];
		bool request = false;
		assert_true(m->exchange > 0);
		assert_int_equal(m->conn_id, 7);
		feed_check_marks(m);
		for (size_t j = 0; j < f->n; j++) {
			const struct http_message *o = f->messages[j];
			if (i == j || o->exchange != m->exchange)
				continue;
			/* The handshake comes first, and once. */
			if (o->protocol == HTTP_WEBSOCKET) {
				assert_true(m->protocol == HTTP_WEBSOCKET || i < j);
				continue;
			}
			assert_true(o->role != m->role || m->protocol == HTTP_WEBSOCKET);
			request |= j < i && o->role == HTTP_REQUEST;
		}
		if (m->role == HTTP_RESPONSE && m->protocol == HTTP_1)
			assert_true(m->orphan || request);
	}
}

/* --- whole, byte by byte, at every split ------------------------------------------------- */

/* Plays the records, each direction's byte stream cut at these positions of the whole conversation. */
static inline char *play_cut(const struct record *records, size_t n, const size_t *cuts, size_t n_cuts,
			     bool broken_calls, const struct http_limits *limits)
{
	struct feed f;
	size_t pos = 0, cut = 0;
	feed_init(&f, limits);
	for (size_t i = 0; i < n; i++) {
		size_t from = 0;
		bool start = true;
		while (from < records[i].len) {
			while (cut < n_cuts && cuts[cut] <= pos + from)
				cut++;
			size_t to = records[i].len;
			if (cut < n_cuts && cuts[cut] < pos + to)
				to = cuts[cut] - pos;
			assert_int_equal(feed_raw(&f, records[i].dir, records[i].data + from, to - from,
						  start || !broken_calls),
					 0);
			start = false;
			from = to;
		}
		pos += records[i].len;
	}
	feed_close(&f);
	feed_check_sums(&f);
	feed_check_order(&f);
	char *text = feed_render(&f);
	feed_done(&f);
	return text;
}

static inline size_t talk_len(const struct record *records, size_t n)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i++)
		len += records[i].len;
	return len;
}

static inline void expect_same(const char *got, const char *want, const size_t *cuts, size_t n_cuts)
{
	if (strcmp(got, want) != 0)
		fail_msg("cut at %zu and %zu of %zu cuts:\n%s\nbut expected:\n%s", n_cuts > 0 ? cuts[0] : 0,
			 n_cuts > 1 ? cuts[1] : 0, n_cuts, got, want);
}

static inline void check_cuts(const struct record *records, size_t n, const size_t *cuts, size_t n_cuts,
			      const struct http_limits *limits, const char *want)
{
	for (int broken = 0; broken < 2; broken++) {
		char *got = play_cut(records, n, cuts, n_cuts, broken, limits);
		expect_same(got, want, cuts, n_cuts);
		free(got);
	}
}

/* The conversation gives that text whole, byte by byte, cut in two everywhere, and (if small) cut in three
 * everywhere. */
static inline void check_talk_limits(const struct record *records, size_t n, const struct http_limits *limits,
				     const char *want)
{
	size_t len = talk_len(records, n);
	size_t *all = calloc(len + 1, sizeof(*all));
	assert_non_null(all);
	for (size_t i = 0; i < len; i++)
		all[i] = i + 1;
	check_cuts(records, n, NULL, 0, limits, want);
	check_cuts(records, n, all, len, limits, want);
	for (size_t i = 1; i < len; i++) {
		check_cuts(records, n, &i, 1, limits, want);
		for (size_t j = i + 1; len <= FEED_BIG_MESSAGE && j < len; j++)
			check_cuts(records, n, (const size_t[]){i, j}, 2, limits, want);
	}
	free(all);
}

static inline void check_talk(const struct record *records, size_t n, const char *want)
{
	check_talk_limits(records, n, NULL, want);
}
