/* SPDX-License-Identifier: Apache-2.0 */
/* Messages by the byte: chunks, heads, fragments and whole connections whose calls carry one byte each, a
 * million times. What they say is right, memory is bounded, and the time is linear. */
#include "flow.h"
#include "ws_frames.h"

#define CHUNKED "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
#define GET	"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define ASK	"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define GRANT	"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"

static struct flow flow;

/* --- HTTP/1 ------------------------------------------------------------------------------ */

static void check_letters(const struct http_message *m, size_t n)
{
	assert_int_equal(m->body_total, n);
	assert_int_equal(m->body_len, MIN(n, http_limits_default.max_body));
	for (size_t i = 0; i < m->body_len; i++)
		assert_true(m->body[i] == 'a' + i % 26);
	assert_true(m->body_sha256_valid);
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_null(m->problem);
}

/* Each chunk holds a byte, and each call a chunk. */
static void run_chunks(size_t n)
{
	struct flow *f = &flow;
	flow_init(f, NULL);
	flow_text(f, W, GET);
	flow_text(f, R, CHUNKED);
	flow_flush(f);
	for (size_t i = 0; i < n; i++) {
		const char chunk[] = {'1', '\r', '\n', (char)('a' + i % 26), '\r', '\n'};
		flow_bytes(f, R, chunk, sizeof(chunk));
		flow_flush(f);
	}
	flow_text(f, R, "0\r\n\r\n");
	flow_flush(f);
	const struct http_message *m = f->last[HTTP_RESPONSE];
	check_letters(m, n);
	assert_int_equal(m->reads, n);
	assert_int_equal(m->n_marks, 1024);
	assert_int_equal(m->wire_bytes, sizeof(CHUNKED) - 1 + n * 6 + 5);
	flow_end(f);
	flow_done(f);
}

/* A byte a call. */
static void run_bytes(size_t n)
{
	struct flow *f = &flow;
	flow_init(f, NULL);
	flow_text(f, W, GET);
	flow_text(f, R, CHUNKED);
	flow_flush(f);
	for (size_t i = 0; i < n; i++) {
		const char chunk[] = {'1', ';', 'x', '\r', '\n', (char)('a' + i % 26), '\r', '\n'};
		for (size_t j = 0; j < sizeof(chunk); j++) {
			flow_bytes(f, R, chunk + j, 1);
			flow_flush(f);
		}
	}
	flow_text(f, R, "0\r\n\r\n");
	flow_flush(f);
	check_letters(f->last[HTTP_RESPONSE], n);
	flow_end(f);
	flow_done(f);
}

static void test_chunks(void **state)
{
	(void)state;
	flow_check_cost(run_chunks, MANY, 3 << 20);
	flow_check_cost(run_bytes, 100000, 1 << 20);
}

/* A head as long as the limit, or longer, a byte a call. */
static void run_head(size_t n)
{
	struct flow *f = &flow;
	flow_init(f, NULL);
	flow_text(f, W, "GET / HTTP/1.1\r\nX: ");
	flow_flush(f);
	for (size_t i = 0; i < n; i++) {
		flow_bytes(f, W, "x", 1);
		flow_flush(f);
	}
	flow_text(f, W, "\r\n\r\n" GET);
	flow_end(f);
	bool over = n > http_limits_default.max_head;
	assert_int_equal(f->n[HTTP_REQUEST], over ? 1 : 2);
	assert_int_equal(f->ends[HTTP_REQUEST][HTTP_END_LIMIT], over);
	if (over)
		assert_string_equal(f->last[HTTP_REQUEST]->problem,
				    "start line and headers are longer than the limit");
	flow_done(f);
}

static void test_head(void **state)
{
	(void)state;
	flow_check_cost(run_head, 200000, 1 << 20);
	flow_check_cost(run_head, MANY, 1 << 20);
}

/* --- WebSocket --------------------------------------------------------------------------- */

static void open_websocket(struct flow *f, const char *extensions)
{
	flow_init(f, NULL);
	flow_text(f, W, ASK);
	flow_text(f, R, GRANT);
	flow_text(f, R, extensions);
	flow_text(f, R, "\r\n");
	flow_flush(f);
	assert_int_equal(f->n[HTTP_RESPONSE], 1);
}

static void client_frame(struct flow *f, unsigned first, const void *data, size_t len)
{
	struct buf b;
	buf_init(&b, 1 << 16);
	put_frame(&b, first, 0x12345678, data, len);
	flow_bytes(f, W, b.data, b.len);
	buf_done(&b);
}

/* A message in fragments of a byte, with empty ones and pings between. */
static void run_fragments(size_t n)
{
	struct flow *f = &flow;
	open_websocket(f, "");
	for (size_t i = 0; i < n; i++) {
		const char letter = (char)('a' + i % 26);
		client_frame(f, (i ? 0 : TEXT) | (i + 1 == n ? FIN : 0), &letter, 1);
		if (i + 1 == n)
			break;
		client_frame(f, 0, "", 0);
		client_frame(f, FIN | PING, "p", 1);
		flow_flush(f);
	}
	flow_flush(f);
	const struct http_message *m = f->last[HTTP_REQUEST];
	check_letters(m, n);
	assert_int_equal(m->opcode, TEXT);
	assert_int_equal(m->reads, n);
	assert_int_equal(m->wire_bytes, n * 7 + (n - 1) * 6);
	assert_int_equal(http_conn_framing(f->conn, W), (n - 1) * 7);
	flow_end(f);
	flow_done(f);
}

static void test_fragments(void **state)
{
	(void)state;
	flow_check_cost(run_fragments, MANY / 2, 3 << 20);
}

static void judge_byte(struct flow *f, const struct http_message *m)
{
	if (m->protocol != HTTP_WEBSOCKET)
		return;
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_int_equal(m->body_total, 1);
	assert_int_equal(m->body[0], m->role == HTTP_REQUEST ? 'a' + (f->n[HTTP_REQUEST] - 2) % 26 : 's');
}

/* Messages of a byte, of both sides. */
static void run_messages(size_t n)
{
	struct flow *f = &flow;
	open_websocket(f, "");
	f->judge = judge_byte;
	for (size_t i = 0; i < n; i += 100) {
		for (size_t j = i; j < i + 100; j++) {
			const char letter = (char)('a' + j % 26);
			client_frame(f, FIN | TEXT, &letter, 1);
		}
		for (size_t j = i; j < i + 100; j++)
			flow_bytes(f, R, "\x82\x01s", 3);
	}
	flow_end(f);
	assert_int_equal(f->n[HTTP_REQUEST], n + 1);
	assert_int_equal(f->n[HTTP_RESPONSE], n + 1);
	flow_done(f);
}

static void test_messages(void **state)
{
	(void)state;
	flow_check_cost(run_messages, MANY / 4, 64 << 10);
}

/* A compressed message in fragments of a byte. */
static void run_compressed_fragments(size_t n)
{
	struct flow *f = &flow;
	struct buf letters, b;
	z_stream z;
	buf_init(&letters, n);
	buf_init(&b, n + 1000);
	/* What hardly gets shorter. */
	for (size_t i = 0, x = 1; i < n; i++, x = x * 6364136223846793005ULL + 1442695040888963407ULL)
		put_byte(&letters, 'a' + (x >> 40) % 26);
	deflater_init(&z, 15);
	put_deflated(&b, &z, letters.data, n);
	deflateEnd(&z);
	open_websocket(f, DEFLATE);
	for (size_t i = 0; i < b.len; i++) {
		client_frame(f, (i ? 0 : TEXT | RSV1) | (i + 1 == b.len ? FIN : 0), b.data + i, 1);
		flow_flush(f);
	}
	const struct http_message *m = f->last[HTTP_REQUEST];
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_int_equal(m->coded_total, b.len);
	assert_int_equal(m->body_len, n);
	assert_memory_equal(m->body, letters.data, n);
	flow_end(f);
	flow_done(f);
	buf_done(&letters);
	buf_done(&b);
}

static void judge_hello(struct flow *f, const struct http_message *m)
{
	(void)f;
	if (m->protocol != HTTP_WEBSOCKET)
		return;
	assert_true(m->decoded);
	assert_int_equal(m->body_len, 5);
	assert_memory_equal(m->body, "Hello", 5);
}

/* Short compressed messages without context: a decoder is made for each. */
static void run_compressed_messages(size_t n)
{
	struct flow *f = &flow;
	open_websocket(f, DEFLATE);
	f->judge = judge_hello;
	for (size_t i = 0; i < n; i++)
		client_frame(f, FIN | TEXT | RSV1, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
	flow_end(f);
	assert_int_equal(f->n[HTTP_REQUEST], n + 1);
	flow_done(f);
}

static void test_compressed(void **state)
{
	(void)state;
	flow_check_cost(run_compressed_fragments, MANY / 4, 4 << 20);
	flow_check_cost(run_compressed_messages, MANY / 5, 128 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks),	   cmocka_unit_test(test_head),
		cmocka_unit_test(test_fragments),  cmocka_unit_test(test_messages),
		cmocka_unit_test(test_compressed),
	};
	return meter_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
