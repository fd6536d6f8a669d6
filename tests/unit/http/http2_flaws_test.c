/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 whose frames are right and whose fields are not; trailers; streams that are due at different times;
 * what comes first of a connection that was open before. */
#include "frames.h"

#define END    HTTP2_END_STREAM
#define HEAD   HTTP2_END_HEADERS
#define QUIET  "unreadable 0 0 missing 0 0\n"
#define NOBODY "  body 0/0 [] hashed\n"
#define ASKED  "1 request GET / stream 1 unknown=0 complete missing=0 wire=11\n" NOBODY
#define GET    "\x82\x84"

static void ask(struct wire *w, uint32_t id)
{
	FRAME(w, W, HTTP2_HEADERS, BOTH_ENDS, id, GET);
}

/* An answer of one HEADERS frame. */
static void check_answer(const char *block, size_t len, const char *want)
{
	struct wire w;
	wire_open(&w);
	ask(&w, 1);
	wire_frame(&w, R, HTTP2_HEADERS, BOTH_ENDS, 1, block, len);
	wire_check(&w, NULL, want);
}

#define ANSWER(block, want) check_answer(block, sizeof(block) - 1, ASKED "1 response " want QUIET)

static void test_status(void **state)
{
	(void)state;
	ANSWER("\x88\x89", "200 stream 1 unknown=0 malformed (a pseudo-header field is there twice) "
			   "missing=0 wire=11\n" NOBODY);
	ANSWER("\x08\3abc",
	       "0 stream 1 unknown=0 malformed (the status is not a number of three digits) missing=0 "
	       "wire=14\n" NOBODY);
	ANSWER("\x08\3"
	       "2 0",
	       "0 stream 1 unknown=0 malformed (the status is not a number of three digits) missing=0 "
	       "wire=14\n" NOBODY);
	ANSWER("\x08\3"
	       "099",
	       "0 stream 1 unknown=0 malformed (the status is not a number of three digits) missing=0 "
	       "wire=14\n" NOBODY);
	ANSWER("\x08\4"
	       "2000",
	       "0 stream 1 unknown=0 malformed (the status is not a number of three digits) missing=0 "
	       "wire=15\n" NOBODY);
	ANSWER("\x00\1a\1b",
	       "0 stream 1 unknown=0 malformed (the response has no :status) missing=0 wire=14\n"
	       "  a: [b]\n" NOBODY);
}

static void check_request(const char *block, size_t len, const char *want)
{
	struct wire w;
	wire_open(&w);
	wire_frame(&w, W, HTTP2_HEADERS, BOTH_ENDS, 1, block, len);
	wire_check(&w, NULL, want);
}

#define REQUEST(block, want) check_request(block, sizeof(block) - 1, "1 request " want QUIET)

static void test_request_line(void **state)
{
	(void)state;
	REQUEST("\x02\3G\1T\x84",
		"G?T / stream 1 unknown=0 malformed (the method is not a token) missing=0 wire=15\n" NOBODY);
	REQUEST("\x02\0\x84",
		" / stream 1 unknown=0 malformed (the method is not a token) missing=0 wire=12\n" NOBODY);
	REQUEST("\x82\x04\0",
		"GET  stream 1 unknown=0 malformed (the request target is empty) missing=0 wire=12\n" NOBODY);
	REQUEST("\x82\x84\x82",
		"GET / stream 1 unknown=0 malformed (a pseudo-header field is there twice) missing=0 "
		"wire=12\n" NOBODY);
	REQUEST("\x82\x84\x01\2h\1",
		"GET / stream 1 unknown=0 malformed (the authority holds control bytes) missing=0 "
		"wire=15\n  host: [h?]\n" NOBODY);
}

static void test_lengths(void **state)
{
	static const char *const values[] = {"", "4x", "-1", "99999999999999999999"};
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct wire w;
		struct feed f;
		char block[64] = "\x88\x0f\x0d";
		size_t n = strlen(values[i]);
		block[3] = (char)n;
		memcpy(block + 4, values[i], n);
		wire_open(&w);
		ask(&w, 1);
		wire_frame(&w, R, HTTP2_HEADERS, HEAD, 1, block, 4 + n);
		wire_data(&w, R, END, 1, "body");
		feed_init(&f, NULL);
		wire_play(&w, &f, 0);
		assert_int_equal(f.n, 2);
		assert_int_equal(f.messages[1]->end, HTTP_END_MALFORMED);
		assert_string_equal(f.messages[1]->problem, "content-length is not a number");
		assert_int_equal(f.messages[1]->body_len, 4);
		free(feed_end(&f));
		wire_done(&w);
	}
}

/* The body is whole, but the table is not known any more. */
static void test_malformed_trailers(void **state)
{
	struct wire w;
	(void)state;
	wire_open(&w);
	ask(&w, 1);
	ask(&w, 3);
	FRAME(&w, R, HTTP2_HEADERS, HEAD, 1, "\x88\x40\1a\1b");
	wire_data(&w, R, 0, 1, "body");
	FRAME(&w, R, HTTP2_HEADERS, BOTH_ENDS, 1, "\x40\1c\1d\x80");
	FRAME(&w, R, HTTP2_HEADERS, BOTH_ENDS, 3, "\x88\xbe");
	wire_check(&w, NULL,
		   ASKED "1 response 200 stream 1 unknown=0 malformed (the trailers' header block is "
			 "malformed) missing=0 "
			 "wire=43\n  a: [b]\n  body 4/4 [body] hashed\n"
			 "2 request GET / stream 3 unknown=0 complete missing=0 wire=11\n" NOBODY
			 "2 response 200 stream 3 unknown=1 complete missing=0 wire=11\n" NOBODY QUIET);
}

/* --- streams that said [DONE] ------------------------------------------------------------ */

static void say_done(struct wire *w, struct feed *f, uint32_t id)
{
	size_t from = w->n;
	ask(w, id);
	FRAME(w, R, HTTP2_HEADERS, HEAD, id, "\x88\x0f\x10\x11text/event-stream");
	wire_data(w, R, 0, id, "data: [DONE]\n\n");
	wire_play(w, f, from);
}

/* Each is given when its own time has come, and forgotten with its end: what follows on it is nobody's. */
static void test_done_at_different_times(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	wire_open(&w);
	wire_play(&w, &f, 0);
	say_done(&w, &f, 1);
	uint64_t first_due = f.ts_ns - 1 + http_limits_default.done_idle_ns;
	f.ts_ns += 1000;
	say_done(&w, &f, 3);
	uint64_t second_due = f.ts_ns - 1 + http_limits_default.done_idle_ns;
	assert_true(http_conn_idle(f.conn, f.ts_ns) == first_due);
	assert_true(http_conn_idle(f.conn, first_due) == second_due);
	assert_int_equal(f.n, 3);
	assert_int_equal(f.messages[2]->stream_id, 1);
	assert_true(http_conn_idle(f.conn, second_due) == UINT64_MAX);
	assert_int_equal(f.n, 4);
	assert_int_equal(f.messages[3]->stream_id, 3);
	f.ts_ns = second_due;
	size_t from = w.n;
	wire_data(&w, R, END, 1, "");
	wire_play(&w, &f, from);
	assert_int_equal(f.unreadable[R], 0);
	wire_data(&w, R, END, 1, "");
	wire_play(&w, &f, from + 1);
	assert_int_equal(f.unreadable[R], 9);
	assert_string_equal(f.why, "of a stream whose beginning was not captured, or that has ended");
	free(feed_end(&f));
	wire_done(&w);
}

/* --- in the middle ----------------------------------------------------------------------- */

/* The end of a request is not one. */
static void test_only_trailers(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	wire_init(&w);
	FRAME(&w, W, HTTP2_HEADERS, BOTH_ENDS, 7, "\x00\1a\1b");
	ask(&w, 9);
	wire_play(&w, &f, 0);
	feed_expect(&f, "2 request GET / stream 9 unknown=0 complete missing=0 wire=11\n" NOBODY
			"unreadable 14 0 missing 0 0\n");
	wire_done(&w);
}

/* Only servers promise, and on streams of the client. */
static void test_promise_first(void **state)
{
	static const struct {
		enum stream_dir dir;
		uint32_t stream;
		bool taken;
	} cases[] = {{R, 3, true}, {R, 4, false}, {W, 3, false}};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire w;
		struct feed f;
		feed_init(&f, NULL);
		wire_init(&w);
		FRAME(&w, !cases[i].dir, HTTP2_HEADERS, BOTH_ENDS, 1, "\x82\x84");
		FRAME(&w, cases[i].dir, HTTP2_PUSH_PROMISE, HEAD, cases[i].stream, "\0\0\0\2" GET);
		wire_play(&w, &f, 0);
		assert_string_equal(
			f.why, cases[i].taken ? "of a stream that the server opened, which is not followed"
					      : "waiting for a frame of HTTP/2 to begin");
		assert_int_equal(f.unreadable[cases[i].dir], 15);
		free(feed_end(&f));
		wire_done(&w);
	}
}

/* Where frames began only perhaps, an impossible one within a header block ends it: what there was of it is a
 * message that may lack a part. */
static void test_block_lost_again(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	wire_init(&w);
	FRAME(&w, W, HTTP2_HEADERS, 0, 7, GET "\x00\1a\1b");
	FRAME(&w, W, HTTP2_PING, 0, 7, "12345678");
	ask(&w, 9);
	wire_play(&w, &f, 0);
	feed_expect(&f, "1 request GET / stream 7 unknown=0 gap (bytes of the connection are missing that "
			"may be part of the "
			"message) missing=0 wire=16\n  a: [b]\n  body 0/0 [] no hash\n"
			"2 request GET / stream 9 unknown=0 complete missing=0 wire=11\n" NOBODY
			"unreadable 17 0 missing 0 0\n");
	wire_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_request_line),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_malformed_trailers),
		cmocka_unit_test(test_done_at_different_times),
		cmocka_unit_test(test_only_trailers),
		cmocka_unit_test(test_promise_first),
		cmocka_unit_test(test_block_lost_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
