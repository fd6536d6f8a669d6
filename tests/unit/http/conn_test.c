/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: who is given when, early responses, streams that say [DONE], resynchronisation, bounds. */
#include "feed.h"

#include <malloc.h>

#include "base/macro.h"

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static const struct http_message *last(const struct feed *f)
{
	assert_true(f->n > 0);
	return f->messages[f->n - 1];
}

static void finish(struct feed *f)
{
	feed_close(f);
	feed_check_sums(f);
	feed_check_order(f);
	feed_done(f);
}

static void test_given_at_once(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\no");
	assert_int_equal(f.n, 0);
	feed_text(&f, STREAM_WRITE, "k");
	assert_int_equal(f.n, 1);
	assert_int_equal(f.messages[0]->first_ts_ns, 1000);
	assert_int_equal(f.messages[0]->last_ts_ns, 1001);
	feed_text(&f, STREAM_READ, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
	assert_int_equal(f.n, 1);
	feed_text(&f, STREAM_READ, "k");
	assert_int_equal(f.n, 2);
	assert_int_equal(f.messages[1]->first_ts_ns, 1002);
	assert_int_equal(f.messages[1]->last_ts_ns, 1003);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 204 \r\n\r\n");
	assert_int_equal(f.n, 4);
	finish(&f);
}

/* Seen from the server: requests are what it reads. */
static void test_server_side(void **state)
{
	struct feed f = {.ts_ns = 1000, .swap = 1};
	(void)state;
	assert_int_equal(http_conn_new(&f.conn, 7, STREAM_READ, NULL, &feed_ops, &f), 0);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, OK);
	feed_lose(&f, STREAM_READ, 9);
	feed_text(&f, STREAM_WRITE, "\x01");
	feed_text(&f, STREAM_READ, "\x02\x03");
	assert_int_equal(f.n, 2);
	assert_int_equal(f.messages[0]->role, HTTP_REQUEST);
	assert_int_equal(f.messages[1]->role, HTTP_RESPONSE);
	assert_int_equal(f.unreadable[STREAM_READ], 1);
	assert_int_equal(f.unreadable[STREAM_WRITE], 2);
	assert_int_equal(f.missing[STREAM_WRITE], 9);
	finish(&f);
}

static void test_early_response_waits(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234");
	feed_text(&f, STREAM_READ, "HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n\r\nno");
	assert_int_equal(f.n, 0);
	feed_text(&f, STREAM_WRITE, "567");
	assert_int_equal(f.n, 0);
	feed_text(&f, STREAM_WRITE, "89" GET);
	assert_int_equal(f.n, 3);
	assert_int_equal(f.messages[0]->role, HTTP_REQUEST);
	assert_int_equal(f.messages[0]->end, HTTP_END_COMPLETE);
	assert_true(f.messages[0]->body_sha256_valid);
	check_hash(f.messages[0], "0123456789", 10);
	assert_int_equal(f.messages[1]->status, 413);
	assert_int_equal(f.messages[1]->exchange, f.messages[0]->exchange);
	assert_false(f.messages[1]->orphan);
	feed_text(&f, STREAM_READ, OK);
	assert_int_equal(last(&f)->exchange, f.messages[2]->exchange);
	finish(&f);
}

static void test_early_response_then_close(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234");
	feed_text(&f, STREAM_READ, "HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno");
	/* One more, which nobody can have asked for. */
	feed_text(&f, STREAM_READ, OK);
	assert_int_equal(f.n, 1);
	assert_true(f.messages[0]->orphan);
	feed_close(&f);
	assert_int_equal(f.n, 3);
	assert_int_equal(f.messages[1]->end, HTTP_END_CLOSED);
	assert_int_equal(f.messages[1]->body_total, 5);
	assert_false(f.messages[1]->body_sha256_valid);
	assert_int_equal(f.messages[2]->status, 401);
	assert_int_equal(f.messages[2]->end, HTTP_END_COMPLETE);
	assert_int_equal(f.messages[2]->exchange, f.messages[1]->exchange);
	feed_done(&f);
}

static void test_response_to_half_a_head(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "GET /slow HTT");
	feed_text(&f, STREAM_READ, "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(f.n, 0);
	feed_close(&f);
	assert_int_equal(f.n, 2);
	assert_string_equal(f.messages[0]->method, "GET");
	assert_null(f.messages[0]->target);
	assert_int_equal(f.messages[1]->status, 408);
	assert_int_equal(f.messages[1]->exchange, f.messages[0]->exchange);
	feed_check_sums(&f);
	feed_done(&f);
}

/* What seemed to be a request, and was answered, turns out to be none. */
static void test_request_taken_back(void **state)
{
	struct feed f;
	(void)state;
	for (int whole = 0; whole < 2; whole++) {
		feed_init(&f, NULL);
		feed_text(&f, STREAM_WRITE, "garb");
		feed_text(&f, STREAM_READ, "HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nn");
		if (whole)
			feed_text(&f, STREAM_READ, "o");
		assert_int_equal(f.n, 0);
		feed_text(&f, STREAM_WRITE, "\x01\x02");
		if (!whole)
			feed_text(&f, STREAM_READ, "o");
		assert_int_equal(f.n, 1);
		assert_true(f.messages[0]->orphan);
		assert_int_equal(f.unreadable[STREAM_WRITE], 6);
		finish(&f);
	}
}

static void test_unasked_response(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_READ, OK);
	assert_int_equal(f.n, 1);
	assert_true(f.messages[0]->orphan);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, OK);
	assert_int_equal(f.n, 3);
	assert_true(f.messages[1]->exchange != f.messages[0]->exchange);
	assert_int_equal(f.messages[2]->exchange, f.messages[1]->exchange);
	assert_false(f.messages[2]->orphan);
	finish(&f);
}

/* The thread that reads is recorded before the one that wrote: time stamps tell who came first. */
static void test_response_recorded_first(void **state)
{
	struct feed f;
	(void)state;
	for (int whole = 0; whole < 2; whole++) {
		feed_init(&f, NULL);
		f.ts_ns = 2000;
		feed_text(&f, STREAM_READ, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
		if (whole)
			feed_text(&f, STREAM_READ, "k");
		f.ts_ns = 1900;
		feed_text(&f, STREAM_WRITE, GET);
		f.ts_ns = 2100;
		if (!whole)
			feed_text(&f, STREAM_READ, "k");
		feed_text(&f, STREAM_WRITE, "GET /b HTTP/1.1\r\n\r\n");
		feed_text(&f, STREAM_READ, "HTTP/1.1 204 \r\n\r\n");
		assert_int_equal(f.n, 4);
		const struct http_message *response = f.messages[whole ? 0 : 1];
		assert_int_equal(response->status, 200);
		assert_int_equal(response->orphan, whole);
		if (!whole)
			assert_int_equal(response->exchange, f.messages[0]->exchange);
		assert_string_equal(f.messages[2]->target, "/b");
		assert_int_equal(f.messages[3]->status, 204);
		assert_int_equal(f.messages[3]->exchange, f.messages[2]->exchange);
		finish(&f);
	}
}

static void test_no_answer(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_close(&f);
	assert_int_equal(f.n, 1);
	/* Nothing after the end is a message. */
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, OK);
	feed_close(&f);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.unreadable[STREAM_WRITE], strlen(GET));
	feed_check_sums(&f);
	feed_done(&f);
}

/* --- [DONE]
 * -------------------------------------------------------------------------------------------------- */

#define SSE_HEAD                                                                                             \
	"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: "           \
	"chunked\r\n\r\n"
#define IDLE_NS 200000000ULL

static void say_chunk(struct feed *f, const char *body)
{
	char text[300];
	snprintf(text, sizeof(text), "%zx\r\n%s\r\n", strlen(body), body);
	feed_text(f, STREAM_READ, text);
}

static void test_done_lines(void **state)
{
	static const struct {
		const char *body;
		bool done;
	} cases[] = {
		{"data: {}\n\ndata: [DONE]\n\n", true},
		{"data: {}\r\n\r\ndata: [DONE]\r\n\r\n", true},
		{"data: {}\n\ndata: [DONE]\n", true},
		{"data: {}\n\ndata: [DONE]", true},
		{"data: {}\r\rdata: [DONE]\r\r", true},
		{"data:[DONE]\n\n", true},
		{"data: [DONE]", true},
		{"data: [DONE", false},
		{"data: [DONE]x\n\n", false},
		{"xdata: [DONE]\n\n", false},
		{"data: {}\n\n", false},
		{"data: [DONE]\n\ndata: {}\n\n", false},
		{"data: {\"content\": \"data: [DONE]\n\n", false},
		{"event: response.completed\ndata: {}\n\n", true},
		{"event: response.completed\ndata: {}\n", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t cut = 0; cut < strlen(cases[i].body); cut++) {
			struct feed f;
			char first[100];
			snprintf(first, sizeof(first), "%.*s", (int)cut, cases[i].body);
			feed_init(&f, NULL);
			feed_text(&f, STREAM_WRITE, GET);
			feed_text(&f, STREAM_READ, SSE_HEAD);
			assert_true(http_conn_idle(f.conn, f.ts_ns) == UINT64_MAX);
			if (cut)
				say_chunk(&f, first);
			say_chunk(&f, cases[i].body + cut);
			uint64_t due = http_conn_idle(f.conn, f.ts_ns);
			assert_int_equal(f.n, 1);
			if (!cases[i].done) {
				assert_true(due == UINT64_MAX);
				feed_close(&f);
				assert_int_equal(last(&f)->end, HTTP_END_CLOSED);
				assert_false(last(&f)->body_sha256_valid);
				feed_done(&f);
				continue;
			}
			assert_true(due == f.ts_ns - 1 + IDLE_NS);
			assert_true(http_conn_idle(f.conn, due - 1) == due);
			assert_int_equal(f.n, 1);
			assert_true(http_conn_idle(f.conn, due) == UINT64_MAX);
			assert_int_equal(f.n, 2);
			assert_int_equal(last(&f)->end, HTTP_END_COMPLETE);
			assert_int_equal(last(&f)->exchange, 1);
			assert_true(last(&f)->body_sha256_valid);
			check_hash(last(&f), cases[i].body, strlen(cases[i].body));
			/* The end comes late, with the next response behind it. */
			feed_text(&f, STREAM_WRITE, "GET /b HTTP/1.1\r\n\r\n");
			feed_text(&f, STREAM_READ, "0\r\n\r\n" OK);
			assert_int_equal(f.n, 4);
			assert_int_equal(last(&f)->exchange, 2);
			assert_int_equal(last(&f)->body_len, 2);
			assert_int_equal(f.unreadable[STREAM_READ], 0);
			feed_close(&f);
			assert_int_equal(f.n, 4);
			feed_done(&f);
		}
}

static void test_done_then_closed(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, SSE_HEAD);
	say_chunk(&f, "data: [DONE]\n\n");
	feed_close(&f);
	assert_int_equal(f.n, 2);
	assert_int_equal(last(&f)->end, HTTP_END_COMPLETE);
	assert_true(last(&f)->body_sha256_valid);
	feed_check_sums(&f);
	feed_done(&f);
	/* Other content may say so without meaning it. */
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ndata: [DONE]\n\n");
	assert_true(http_conn_idle(f.conn, 1ULL << 60) == UINT64_MAX);
	feed_close(&f);
	assert_int_equal(last(&f)->end, HTTP_END_CLOSED);
	feed_done(&f);
}

static void test_more_after_done(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, SSE_HEAD);
	say_chunk(&f, "data: [DONE]\n\n");
	http_conn_idle(f.conn, f.ts_ns + IDLE_NS);
	assert_int_equal(f.n, 2);
	say_chunk(&f, "data: more\n\n");
	assert_int_equal(f.unreadable[STREAM_READ], 12);
	/* A gap where the rest of the stream should be loses the thread, until the next response. */
	feed_lose(&f, STREAM_READ, 5);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, OK);
	assert_int_equal(f.n, 4);
	assert_int_equal(last(&f)->exchange, 2);
	assert_int_equal(f.missing[STREAM_READ], 5);
	assert_int_equal(f.unreadable[STREAM_READ], 12);
	feed_close(&f);
	feed_check_order(&f);
	feed_done(&f);
}

static void finish_sized_and_drain(struct feed *f, bool gap)
{
	feed_init(f, NULL);
	feed_text(f, STREAM_WRITE, GET);
	feed_text(f, STREAM_READ,
		  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 20\r\n\r\ndata: "
		  "[DONE]\n\n");
	http_conn_idle(f->conn, f->ts_ns + IDLE_NS);
	assert_int_equal(f->n, 2);
	if (gap)
		feed_lose(f, STREAM_READ, 6);
	else
		feed_text(f, STREAM_READ, ": end\n");
	feed_text(f, STREAM_WRITE, GET);
	feed_text(f, STREAM_READ, OK);
	assert_int_equal(f->n, 4);
	assert_int_equal(f->unreadable[STREAM_READ], gap ? 0 : 6);
	assert_int_equal(f->missing[STREAM_READ], gap ? 6 : 0);
	finish(f);
}

static void test_done_before_the_length(void **state)
{
	struct feed f;
	(void)state;
	finish_sized_and_drain(&f, false);
	finish_sized_and_drain(&f, true);
}

/* --- losing and finding the thread
 * --------------------------------------------------------------------------- */

static void test_malformed_once(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz");
	assert_int_equal(f.n, 1);
	assert_int_equal(f.messages[0]->end, HTTP_END_MALFORMED);
	assert_string_equal(f.messages[0]->problem, "a chunk size is not a hexadecimal number");
	for (int i = 0; i < 1000; i++)
		feed_text(&f, STREAM_WRITE, "{\"not\": \"http\"}");
	assert_int_equal(f.n, 1);
	assert_int_equal(f.unreadable[STREAM_WRITE], 2 + 15000);
	feed_text(&f, STREAM_READ, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(f.n, 2);
	assert_int_equal(last(&f)->exchange, 1);
	feed_text(&f, STREAM_WRITE, "GET /next HTTP/1.1\r\n\r\n");
	assert_int_equal(f.n, 3);
	assert_string_equal(last(&f)->target, "/next");
	finish(&f);
}

static void test_resync_needs_a_start(void **state)
{
	static const struct {
		const char *text;
		bool found;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", true},   {"GET ", true},
		{"GET /aaaaaaaaaaaaa", true},	    {"GET / HTTP/2.0\r\n\r\n", false},
		{"GET / \r\n\r\n", false},	    {"GET", false},
		{" GET / HTTP/1.1\r\n\r\n", false}, {"{GET / HTTP/1.1\r\n\r\n", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int call_start = 0; call_start < 2; call_start++) {
			struct feed f;
			bool found = cases[i].found && call_start;
			size_t len = strlen(cases[i].text);
			feed_init(&f, NULL);
			feed_lose(&f, STREAM_WRITE, 10);
			assert_int_equal(feed_raw(&f, STREAM_WRITE, cases[i].text, len, call_start), 0);
			feed_close(&f);
			assert_int_equal(f.n, found);
			assert_int_equal(f.unreadable[STREAM_WRITE], found ? 0 : len);
			feed_check_sums(&f);
			feed_done(&f);
		}
}

static void test_random_bytes(void **state)
{
	static char noise[1 << 16];
	uint32_t x = 12345;
	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (char)(x >> 24);
	}
	for (size_t piece = 1; piece < 5000; piece = piece * 3 + 1) {
		struct feed f;
		feed_init(&f, NULL);
		f.unguarded = true;
		for (size_t at = 0; at < sizeof(noise); at += piece) {
			size_t n = piece < sizeof(noise) - at ? piece : sizeof(noise) - at;
			feed_call(&f, STREAM_WRITE, noise + at, n);
			feed_call(&f, STREAM_READ, noise + at, n);
		}
		feed_close(&f);
		feed_check_sums(&f);
		assert_int_equal(f.n, 0);
		assert_int_equal(f.unreadable[STREAM_WRITE], sizeof(noise));
		assert_int_equal(f.unreadable[STREAM_READ], sizeof(noise));
		feed_done(&f);
	}
}

/* --- bounds
 * -------------------------------------------------------------------------------------------------- */

static void test_length_is_not_trusted(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\nx");
	feed_text(&f, STREAM_READ,
		  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nx");
	size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
	assert_true(after - before < 100000);
	finish(&f);
}

static void test_body_memory_is_bounded(void **state)
{
	struct http_limits limits = http_limits_default;
	static char block[65536];
	struct feed f;
	(void)state;
	limits.max_body = 100000;
	feed_init(&f, &limits);
	f.unguarded = true;
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 200 OK\r\n\r\n");
	for (int i = 0; i < 1600; i++)
		feed_call(&f, STREAM_READ, block, sizeof(block));
	size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
	assert_true(after - before < 300000);
	feed_close(&f);
	assert_int_equal(last(&f)->body_len, 100000);
	assert_int_equal(last(&f)->body_total, 1600 * 65536);
	assert_true(last(&f)->body_sha256_valid);
	feed_check_sums(&f);
	feed_done(&f);
}

static void test_pending_limit(void **state)
{
	struct http_limits limits = http_limits_default;
	struct feed f;
	(void)state;
	/* No response is ever captured: each request past the limit settles the oldest. */
	limits.max_pending = 4;
	feed_init(&f, &limits);
	for (int i = 0; i < 10; i++) {
		feed_text(&f, STREAM_WRITE, GET);
		feed_lose(&f, STREAM_READ, 100);
	}
	assert_int_equal(f.n, 16);
	for (size_t i = 0; i < f.n; i++)
		assert_int_equal(f.messages[i]->end,
				 f.messages[i]->role == HTTP_REQUEST ? HTTP_END_COMPLETE : HTTP_END_UNSEEN);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, OK);
	assert_int_equal(last(&f)->status, 200);
	assert_int_equal(last(&f)->exchange, 11);
	finish(&f);
	/* All at once: after the limit nothing is paired, nothing is paired wrongly. */
	feed_init(&f, &limits);
	for (int i = 0; i < 10; i++)
		feed_text(&f, STREAM_WRITE, GET);
	for (int i = 0; i < 10; i++)
		feed_text(&f, STREAM_READ, OK);
	assert_int_equal(f.n, 20);
	for (size_t i = 10; i < f.n; i++)
		assert_true(f.messages[i]->orphan);
	finish(&f);
	limits.max_pending = 0;
	feed_init(&f, &limits);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, OK);
	assert_int_equal(f.n, 2);
	assert_true(f.messages[1]->orphan);
	finish(&f);
}

static void test_deep_pipeline(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	f.unguarded = true;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1024; i++)
			feed_text(&f, STREAM_WRITE, GET);
		for (int i = 0; i < 1024; i++) {
			feed_text(&f, STREAM_READ, OK);
			assert_int_equal(last(&f)->exchange, round * 1024 + i + 1);
			assert_false(last(&f)->orphan);
		}
	}
	feed_close(&f);
	feed_check_sums(&f);
	feed_done(&f);
}

/* Many headers, many folds, many interim responses: none takes more than its share of time or memory. */
static void test_hostile_heads(void **state)
{
	struct http_limits limits = http_limits_default;
	struct feed f;
	(void)state;
	limits.max_head = 8 << 20;
	size_t len = 0, folds = 1000000;
	char *text = malloc(folds * 4 + 100);
	assert_non_null(text);
	len += (size_t)sprintf(text, "GET / HTTP/1.1\r\nA: b\r\n");
	for (size_t i = 0; i < folds; i++, len += 4)
		memcpy(text + len, " x\r\n", 4);
	len += (size_t)sprintf(text + len, "\r\n");
	feed_init(&f, &limits);
	feed_call(&f, STREAM_WRITE, text, len);
	assert_int_equal(f.n, 1);
	assert_int_equal(strlen(f.messages[0]->headers[0].value), 1 + 2 * folds);
	free(text);
	f.unguarded = true;
	for (int i = 0; i < 100000; i++)
		feed_text(&f, STREAM_READ, "HTTP/1.1 102 Wait\r\n\r\n");
	assert_int_equal(f.n, 1);
	feed_text(&f, STREAM_READ, OK);
	assert_int_equal(last(&f)->exchange, 1);
	assert_int_equal(last(&f)->wire_bytes, 100000 * 21 + strlen(OK));
	finish(&f);
}

/* The rest of a long body may be left out: only its bytes, and only if its length is known. */
static void test_passable(void **state)
{
	static const char *const never[] = {
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n0123456789",
		"POST / HTTP/1.1\r\nContent-Length: 90\r\nX: 0123456789", GET};
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n0123456789");
	uint64_t seen = f.at[STREAM_WRITE];
	assert_int_equal(http_conn_passable(f.conn, STREAM_WRITE, seen), 0);
	assert_int_equal(http_conn_passable(f.conn, STREAM_WRITE, seen - 1), seen + 90);
	assert_int_equal(http_conn_passable(f.conn, STREAM_READ, 0), 0);
	feed_lose(&f, STREAM_WRITE, 90);
	feed_text(&f, STREAM_WRITE, GET);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.messages[0]->missing_bytes, 90);
	assert_int_equal(f.messages[0]->end, HTTP_END_COMPLETE);
	assert_false(f.messages[0]->body_sha256_valid);
	finish(&f);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		feed_init(&f, NULL);
		feed_text(&f, STREAM_WRITE, never[i]);
		assert_int_equal(http_conn_passable(f.conn, STREAM_WRITE, 0), 0);
		finish(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given_at_once),
		cmocka_unit_test(test_server_side),
		cmocka_unit_test(test_early_response_waits),
		cmocka_unit_test(test_early_response_then_close),
		cmocka_unit_test(test_response_to_half_a_head),
		cmocka_unit_test(test_request_taken_back),
		cmocka_unit_test(test_unasked_response),
		cmocka_unit_test(test_response_recorded_first),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_done_lines),
		cmocka_unit_test(test_done_then_closed),
		cmocka_unit_test(test_more_after_done),
		cmocka_unit_test(test_done_before_the_length),
		cmocka_unit_test(test_malformed_once),
		cmocka_unit_test(test_resync_needs_a_start),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_length_is_not_trusted),
		cmocka_unit_test(test_body_memory_is_bounded),
		cmocka_unit_test(test_pending_limit),
		cmocka_unit_test(test_deep_pipeline),
		cmocka_unit_test(test_hostile_heads),
		cmocka_unit_test(test_passable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
