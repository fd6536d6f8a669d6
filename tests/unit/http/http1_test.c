/* SPDX-License-Identifier: Apache-2.0 */
/* Framing and grammar: every conversation whole, byte by byte and at every split. */
#include "feed.h"

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

#define GET_TEXT "request GET /a 1.1 complete missing=0 wire=28\n  host: [h]\n  body 0/0 [] hashed\n"
#define NOTHING	 "unreadable 0 0 missing 0 0\n"

static void test_content_length(void **state)
{
	(void)state;
	check_talk(TALK(REQ("POST /v1/chat?x=1 HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: "
			    "5\r\n\r\nhello"),
			RESP("HTTP/1.1 200 OK\r\ncontent-length:3\r\n\r\nabc"), REQ(GET),
			RESP("HTTP/1.0 404 \r\nContent-Length: 0\r\n\r\n")),
		   "1 request POST /v1/chat?x=1 1.1 complete missing=0 wire=76\n"
		   "  host: [api.openai.com]\n  content-length: [5]\n  body 5/5 [hello] hashed\n"
		   "1 response 200 1.1 complete missing=0 wire=40\n  content-length: [3]\n  body 3/3 [abc] "
		   "hashed\n"
		   "2 " GET_TEXT "2 response 404 1.0 complete missing=0 wire=36\n  content-length: [0]\n  "
		   "body 0/0 [] hashed\n" NOTHING);
}

static void test_head_and_body_separate(void **state)
{
	(void)state;
	check_talk(TALK(REQ("POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\n"), REQ("abc"), REQ("def"),
			RESP("HTTP/1.1 200 OK\r\n"), RESP("Content-Length: 2\r\n\r\n"), RESP("hi")),
		   "1 request POST / 1.1 complete missing=0 wire=44\n  content-length: [6]\n  body 6/6 "
		   "[abcdef] hashed\n"
		   "1 response 200 1.1 complete missing=0 wire=40\n  content-length: [2]\n  body 2/2 [hi] "
		   "hashed\n" NOTHING);
}

static void test_chunked(void **state)
{
	(void)state;
	check_talk(TALK(REQ(GET),
			RESP("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
			     "4\r\nWiki\r\n6;x=\"y z\"\r\npedia \r\n0A \t\r\n0123456789\r\n00\r\n\r\n"),
			REQ(GET), RESP("HTTP/1.1 204 No\r\n\r\n")),
		   "1 " GET_TEXT
		   "1 response 200 1.1 complete missing=0 wire=99\n  transfer-encoding: [Chunked]\n"
		   "  body 20/20 [Wikipedia 0123456789] hashed\n"
		   "2 " GET_TEXT
		   "2 response 204 1.1 complete missing=0 wire=19\n  body 0/0 [] hashed\n" NOTHING);
}

static void test_chunked_trailers_and_bare_lf(void **state)
{
	(void)state;
	check_talk(TALK(REQ("POST / HTTP/1.1\nTransfer-Encoding: compress,\n\tchunked\n\n3\nabc\n0\nX: "
			    "y\nContent-Length: 9\n\n"),
			RESP("HTTP/1.1 200\nTransfer-Encoding: chunked\n\n1\r\n!\r\n0\r\nDigest: x\r\n\rZ: "
			     "1\r\n\r\n")),
		   "1 request POST / 1.1 complete (the body has a transfer-encoding other than chunked, "
		   "which is kept) "
		   "missing=0 wire=87\n"
		   "  transfer-encoding: [compress, chunked]\n  body 3/3 [abc] hashed\n"
		   "1 response 200 1.1 complete missing=0 wire=70\n  transfer-encoding: [chunked]\n"
		   "  body 1/1 [!] hashed\n" NOTHING);
}

static void test_interim(void **state)
{
	(void)state;
	check_talk(TALK(REQ("PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
			RESP("HTTP/1.1 100 Continue\r\n\r\n"), REQ("ok"),
			RESP("HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\nHTTP/1.1 200 "
			     "OK\r\nContent-Length: 1\r\n\r\n1")),
		   "1 request PUT /x 1.1 complete missing=0 wire=62\n  expect: [100-continue]\n  "
		   "content-length: [2]\n"
		   "  body 2/2 [ok] hashed\n"
		   "1 response 200 1.1 complete missing=0 wire=104\n  content-length: [1]\n  body 1/1 [1] "
		   "hashed\n" NOTHING);
}

static void test_pipelining(void **state)
{
	(void)state;
	check_talk(
		TALK(REQ(GET GET "HEAD /b HTTP/1.1\r\n\r\n" GET),
		     RESP("HTTP/1.1 200 A\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 304 B\r\nContent-Length: "
			  "9\r\n\r\n"
			  "HTTP/1.1 200 C\r\nContent-Length: 77\r\n\r\nHTTP/1.1 201 D\r\nContent-Length: "
			  "1\r\n\r\n4")),
		"1 " GET_TEXT "1 response 200 1.1 complete missing=0 wire=38\n  content-length: [1]\n  body "
		"1/1 [1] hashed\n"
		"2 " GET_TEXT
		"2 response 304 1.1 complete missing=0 wire=37\n  content-length: [9]\n  body 0/0 [] hashed\n"
		"3 request HEAD /b 1.1 complete missing=0 wire=20\n  body 0/0 [] hashed\n"
		"3 response 200 1.1 complete missing=0 wire=38\n  content-length: [77]\n  body 0/0 [] "
		"hashed\n"
		"4 " GET_TEXT "4 response 201 1.1 complete missing=0 wire=38\n  content-length: [1]\n  body "
		"1/1 [4] hashed\n" NOTHING);
}

static void test_connect(void **state)
{
	(void)state;
	check_talk(
		TALK(REQ("CONNECT h:1 HTTP/1.1\r\n\r\n"),
		     RESP("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), REQ("GET / HTTP/1.1\r\n\r\n"),
		     RESP("xyz")),
		"1 request CONNECT h:1 1.1 complete missing=0 wire=24\n  body 0/0 [] hashed\n"
		"1 response 200 1.1 complete missing=0 wire=38\n  content-length: [5]\n  body 0/0 [] hashed\n"
		"unreadable 18 3 missing 0 0\n");
	check_talk(TALK(REQ("CONNECT h:1 HTTP/1.1\r\n\r\n"),
			RESP("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"), REQ(GET),
			RESP("HTTP/1.1 204 \r\n\r\n")),
		   "1 request CONNECT h:1 1.1 complete missing=0 wire=24\n  body 0/0 [] hashed\n"
		   "1 response 403 1.1 complete missing=0 wire=40\n  content-length: [2]\n  body 2/2 [no] "
		   "hashed\n"
		   "2 " GET_TEXT
		   "2 response 204 1.1 complete missing=0 wire=17\n  body 0/0 [] hashed\n" NOTHING);
}

static void test_switching_protocols(void **state)
{
	(void)state;
	check_talk(TALK(REQ("GET /rt HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
			RESP("HTTP/1.1 101 Switching\r\n\r\n\x81\x05hello"),
			REQ("\x81\x85GET / HTTP/1.1\r\n\r\n")),
		   "1 request GET /rt 1.1 complete missing=0 wire=40\n  upgrade: [websocket]\n  body 0/0 [] "
		   "hashed\n"
		   "1 response 101 1.1 complete missing=0 wire=26\n  body 0/0 [] hashed\n"
		   "unreadable 20 7 missing 0 0\n");
}

static void test_close_delimited(void **state)
{
	(void)state;
	check_talk(TALK(REQ("GET / HTTP/1.0\r\n\r\n"), RESP("HTTP/1.0 200 OK\r\n\r\nall "),
			RESP("of it\r\n0\r\n\r\n")),
		   "1 request GET / 1.0 complete missing=0 wire=18\n  body 0/0 [] hashed\n"
		   "1 response 200 1.0 complete missing=0 wire=35\n  body 16/16 [all of it\r\n0\r\n\r\n] "
		   "hashed\n" NOTHING);
	check_talk(TALK(REQ("GET / HTTP/1.1\r\n\r\n"),
			RESP("HTTP/1.1 200 OK\r\nTransfer-Encoding: compress\r\n\r\nzz")),
		   "1 request GET / 1.1 complete missing=0 wire=18\n  body 0/0 [] hashed\n"
		   "1 response 200 1.1 complete (the body has a transfer-encoding other than chunked, which "
		   "is kept) "
		   "missing=0 wire=50\n  transfer-encoding: [compress]\n  body 2/2 [zz] hashed\n" NOTHING);
}

static void test_cut_by_close(void **state)
{
	(void)state;
	check_talk(TALK(REQ("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"),
			RESP("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")),
		   "1 request POST / 1.1 closed missing=0 wire=41\n  content-length: [9]\n  body 3/3 [abc] "
		   "no hash\n"
		   "1 response 200 1.1 closed missing=0 wire=52\n  transfer-encoding: [chunked]\n"
		   "  body 2/2 [ab] no hash\n" NOTHING);
	check_talk(TALK(REQ("POST /p HTTP/1.1\r\nHost: h\r\nConte"), RESP("HTTP/1.1 2")),
		   "1 request POST /p 1.1 closed missing=0 wire=32\n  host: [h]\n  body 0/0 [] no hash\n"
		   "1 response 0 1.0 closed missing=0 wire=10\n  body 0/0 [] no hash\n" NOTHING);
	check_talk(TALK(REQ("\r\nPOS"), RESP("HTT")), "unreadable 5 3 missing 0 0\n");
	check_talk(TALK(REQ(GET), RESP("HTTP/1.1 100 Continue\r\n\r\n")),
		   "1 " GET_TEXT "unreadable 0 25 missing 0 0\n");
	check_talk(TALK(REQ(GET), RESP("HTTP/1.1 102 P\r\nA: b")),
		   "1 " GET_TEXT "unreadable 0 20 missing 0 0\n");
}

static void test_both_encodings(void **state)
{
	(void)state;
	check_talk(TALK(REQ("POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: "
			    "chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
			RESP("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\n!")),
		   "1 request POST / 1.1 complete (there are both transfer-encoding and content-length; the "
		   "former counts) "
		   "missing=0 wire=77\n  content-length: [4]\n  transfer-encoding: [chunked]\n  body 1/1 [a] "
		   "hashed\n"
		   "1 response 200 1.1 complete missing=0 wire=68\n  transfer-encoding: [identity]\n"
		   "  content-length: [1]\n  body 1/1 [!] hashed\n" NOTHING);
	check_talk(TALK(REQ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\nrest")),
		   "1 request POST / 1.1 malformed (the last transfer-encoding of a request is not chunked) "
		   "missing=0 wire=53\n  transfer-encoding: [chunked, gzip]\n  body 0/0 [] no hash\n"
		   "unreadable 4 0 missing 0 0\n");
	check_talk(TALK(REQ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
			    "chunked\r\n\r\n0\r\n\r\n")),
		   "1 request POST / 1.1 complete (the body is chunked more than once; only the outer coding "
		   "is removed) "
		   "missing=0 wire=80\n  transfer-encoding: [chunked]\n  transfer-encoding: [chunked]\n"
		   "  body 0/0 [] hashed\n" NOTHING);
}

static void test_several_lengths(void **state)
{
	(void)state;
	check_talk(TALK(REQ("POST / HTTP/1.1\r\nContent-Length: 2, 02\r\nContent-Length: 2\r\n\r\nab" GET)),
		   "1 request POST / 1.1 complete missing=0 wire=63\n  content-length: [2, 02]\n  "
		   "content-length: [2]\n"
		   "  body 2/2 [ab] hashed\n2 " GET_TEXT NOTHING);
	check_talk(TALK(REQ("POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n.ab.")),
		   "1 request POST / 1.1 malformed (content-length is given twice with different values) "
		   "missing=0 wire=57\n  content-length: [2]\n  content-length: [3]\n  body 0/0 [] no hash\n"
		   "unreadable 4 0 missing 0 0\n");
	check_talk(TALK(REQ(GET), RESP("HTTP/1.1 200 OK\r\nContent-Length: 1,\r\n\r\nx")),
		   "1 " GET_TEXT
		   "1 response 200 1.1 malformed (content-length is not a number) missing=0 wire=39\n"
		   "  content-length: [1,]\n  body 0/0 [] no hash\nunreadable 0 1 missing 0 0\n");
}

static void test_length_values(void **state)
{
	static const struct {
		const char *value, *problem;
	} cases[] = {
		{"-1", "content-length is not a number"},
		{"+1", "content-length is not a number"},
		{"0x10", "content-length is not a number"},
		{"", "content-length is not a number"},
		{"1 2", "content-length is not a number"},
		{"9223372036854775808", "content-length is too large"},
		{"18446744073709551617", "content-length is too large"},
		{"99999999999999999999999999999999999", "content-length is too large"},
		{"9223372036854775807", NULL},
		{"00000000000000000000000000000000000001", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct feed f;
		char text[200];
		snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nContent-Length: %s\r\n\r\nx",
			 cases[i].value);
		feed_init(&f, NULL);
		feed_text(&f, STREAM_WRITE, text);
		feed_close(&f);
		feed_check_sums(&f);
		assert_int_equal(f.n, 1);
		if (cases[i].problem) {
			assert_string_equal(f.messages[0]->problem, cases[i].problem);
			assert_int_equal(f.messages[0]->end, HTTP_END_MALFORMED);
			assert_int_equal(f.unreadable[STREAM_WRITE], 1);
		} else {
			assert_null(f.messages[0]->problem);
			assert_int_equal(f.messages[0]->body_len, 1);
		}
		feed_done(&f);
	}
}

static void test_chunk_sizes(void **state)
{
	static const struct {
		const char *size;
		enum http_end end;
	} cases[] = {
		{"8000000000000000", HTTP_END_LIMIT},
		{"7fffffffffffffff", HTTP_END_CLOSED},
		{"ffffffffffffffff", HTTP_END_LIMIT},
		{"00000000000000001", HTTP_END_LIMIT},
		{"10000000000000000", HTTP_END_LIMIT},
		{"0000000000000001", HTTP_END_CLOSED},
		{"", HTTP_END_MALFORMED},
		{"-1", HTTP_END_MALFORMED},
		{" 1", HTTP_END_MALFORMED},
		{"0x1", HTTP_END_MALFORMED},
		{"1g", HTTP_END_MALFORMED},
		{";a=b", HTTP_END_MALFORMED},
		{"1;a\rb", HTTP_END_MALFORMED},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct feed f;
		char text[200];
		snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\nx",
			 cases[i].size);
		feed_init(&f, NULL);
		feed_text(&f, STREAM_WRITE, text);
		feed_close(&f);
		feed_check_sums(&f);
		assert_int_equal(f.n, 1);
		assert_int_equal(f.messages[0]->end, cases[i].end);
		assert_true((f.messages[0]->problem != NULL) == (cases[i].end != HTTP_END_CLOSED));
		assert_int_equal(f.messages[0]->body_len, cases[i].end == HTTP_END_CLOSED);
		feed_done(&f);
	}
}

static void test_chunk_without_end(void **state)
{
	(void)state;
	check_talk(TALK(REQ(GET), RESP("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n")),
		   "1 " GET_TEXT
		   "1 response 200 1.1 malformed (a chunk is not followed by a line end) missing=0 wire=52\n"
		   "  transfer-encoding: [chunked]\n  body 2/2 [ab] no hash\nunreadable 0 4 missing 0 0\n");
}

static void test_empty_lines_first(void **state)
{
	(void)state;
	check_talk(TALK(REQ("\r\n\n" GET "\r\n" GET),
			RESP("\r\nHTTP/1.1 204 \r\n\r\n\nHTTP/1.1 204 \r\n\r\n"), REQ("\r\n")),
		   "1 request GET /a 1.1 complete missing=0 wire=31\n  host: [h]\n  body 0/0 [] hashed\n"
		   "1 response 204 1.1 complete missing=0 wire=19\n  body 0/0 [] hashed\n"
		   "2 request GET /a 1.1 complete missing=0 wire=30\n  host: [h]\n  body 0/0 [] hashed\n"
		   "2 response 204 1.1 complete missing=0 wire=18\n  body 0/0 [] hashed\n"
		   "unreadable 2 0 missing 0 0\n");
}

static void test_fold_and_names(void **state)
{
	(void)state;
	check_talk(TALK(REQ("GET /a HTTP/1.1\r\nX-A: one\r\n  two\r\n\tthree \r\n \r\nX-B:\r\n v\r\nX-a:\t "
			    "\r\n\r\n")),
		   "1 request GET /a 1.1 complete missing=0 wire=66\n  x-a: [one two three]\n  x-b: [v]\n  "
		   "x-a: []\n"
		   "  body 0/0 [] hashed\n" NOTHING);
}

static void test_flawed_headers(void **state)
{
	(void)state;
	/* What is wrong does not stop what follows from being read. */
	check_talk(
		TALK(REQ("POST / HTTP/1.1\r\nX: a\0b\x01\x7f\xff\tc\rd\r\nContent-Length : 2\r\n\r\nokGET /a "
			 "HTTP/1.1\r\nHost: h\r\n\r\n")),
		"1 request POST / 1.1 malformed (a header value holds control bytes) missing=0 wire=56\n"
		"  x: [a?b??\xff\tc?d]\n  content-length: [2]\n  body 2/2 [ok] hashed\n2 " GET_TEXT NOTHING);
	check_talk(TALK(REQ("GET / HTTP/1.1\r\n folded\r\nnonsense\r\n: v\r\nA\0: v\r\nB: w\r\n\r\n")),
		   "1 request GET / 1.1 malformed (a header line continues none) missing=0 wire=55\n"
		   "  b: [w]\n  body 0/0 [] hashed\n" NOTHING);
	check_talk(
		TALK(REQ("GET /a b\0c HTTP/1.1\r\n\r\n")),
		"1 request GET /a b?c 1.1 malformed (the request target holds control bytes or white space) "
		"missing=0 wire=23\n  body 0/0 [] hashed\n" NOTHING);
}

static void test_malformed_start_lines(void **state)
{
	(void)state;
	check_talk(TALK(REQ("GET / HTTP/2.7\r\nHost: h\r\n\r\n")),
		   "1 request GET - 1.0 malformed (the start line is malformed) missing=0 wire=16\n  body "
		   "0/0 [] no hash\n"
		   "unreadable 11 0 missing 0 0\n");
	check_talk(TALK(REQ(GET), RESP("HTTP/1.1 2x0 OK\r\n\r\n")),
		   "1 " GET_TEXT
		   "1 response 0 1.0 malformed (the start line is malformed) missing=0 wire=17\n"
		   "  body 0/0 [] no hash\nunreadable 0 2 missing 0 0\n");
	check_talk(TALK(REQ(GET), RESP("HTTP/1.1 099 OK\r\n\r\n")),
		   "1 " GET_TEXT
		   "1 response 0 1.0 malformed (the start line is malformed) missing=0 wire=17\n"
		   "  body 0/0 [] no hash\nunreadable 0 2 missing 0 0\n");
}

static void test_no_http_at_all(void **state)
{
	(void)state;
	check_talk(
		TALK(REQ("hello world\n"), RESP("\x16\x03\x01"), REQ("HELO mail\r\n"), RESP("220 ready\r\n")),
		"unreadable 23 14 missing 0 0\n");
	/* A method name has an end. */
	struct feed f;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n\r\n");
	feed_close(&f);
	feed_check_sums(&f);
	assert_int_equal(f.n, 0);
	feed_done(&f);
}

/* --- limits ------------------------------------------------------------------------------ */

static void test_head_limit(void **state)
{
	struct http_limits limits = http_limits_default;
	(void)state;
	limits.max_head = 40;
	check_talk_limits(
		TALK(REQ("GET /a HTTP/1.1\r\nHost: h\r\nX: 0123456789\r\n\r\n.")), &limits,
		"1 request GET /a 1.1 limit (start line and headers are longer than the limit) "
		"missing=0 wire=40\n  host: [h]\n  body 0/0 [] no hash\nunreadable 4 0 missing 0 0\n");
	struct feed f;
	feed_init(&f, &limits);
	feed_text(&f, STREAM_WRITE, "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n\r\n");
	char *got = feed_render(&f);
	assert_string_equal(got,
			    "1 request GET - 1.0 limit (start line and headers are longer than the limit) "
			    "missing=0 wire=40\n  body 0/0 [] no hash\nunreadable 26 0 missing 0 0\n");
	free(got);
	feed_done(&f);
	/* Exactly the limit is allowed. */
	check_talk_limits(TALK(REQ("GET /a HTTP/1.1\r\nHost: h\r\nX: 012345678\r\n")), &limits,
			  "1 request GET /a 1.1 closed missing=0 wire=40\n  host: [h]\n  x: [012345678]\n"
			  "  body 0/0 [] no hash\n" NOTHING);
	limits.max_head = 28;
	check_talk_limits(TALK(REQ(GET)), &limits, "1 " GET_TEXT NOTHING);
}

static void test_one_megabyte_header(void **state)
{
	struct feed f;
	size_t len = 1 << 20;
	char *big = malloc(len);
	(void)state;
	assert_non_null(big);
	memset(big, 'x', len);
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST /p HTTP/1.1\r\nHost: h\r\nX-Big: ");
	feed_call(&f, STREAM_WRITE, big, len);
	feed_text(&f, STREAM_WRITE, "\r\n\r\n");
	feed_text(&f, STREAM_READ, "HTTP/1.1 431 Too large\r\nContent-Length: 0\r\n\r\n");
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 204 \r\n\r\n");
	feed_close(&f);
	feed_check_sums(&f);
	feed_check_order(&f);
	assert_int_equal(f.n, 4);
	assert_int_equal(f.messages[0]->end, HTTP_END_LIMIT);
	assert_int_equal(f.messages[0]->wire_bytes, 256 * 1024);
	assert_string_equal(http_message_header(f.messages[0], "host"), "h");
	assert_int_equal(f.messages[1]->status, 431);
	assert_int_equal(f.messages[1]->exchange, 1);
	assert_string_equal(f.messages[2]->target, "/a");
	assert_int_equal(f.messages[3]->exchange, f.messages[2]->exchange);
	feed_done(&f);
	free(big);
}

static void test_header_count_limit(void **state)
{
	struct http_limits limits = http_limits_default;
	(void)state;
	limits.max_headers = 2;
	check_talk_limits(
		TALK(REQ("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n 3\r\nC: 4\r\n\r\n")), &limits,
		"1 request GET / 1.1 limit (there are more header fields than the limit) missing=0 wire=40\n"
		"  a: [1]\n  b: [2 3]\n  body 0/0 [] no hash\n" NOTHING);
}

static void test_chunk_extra_limit(void **state)
{
	struct http_limits limits = http_limits_default;
	(void)state;
	limits.max_head = 48;
	/* Each chunk may have its extension; one that is too long is what counts. */
	check_talk_limits(TALK(REQ(GET), RESP("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
					      "1;aaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n1;"
					      "aaaaaaaaaaaaaaaaaaaaaaaaa\r\ny\r\n0\r\n\r\n")),
			  &limits,
			  "1 " GET_TEXT "1 response 200 1.1 complete missing=0 wire=116\n"
			  "  transfer-encoding: [chunked]\n  body 2/2 [xy] hashed\n" NOTHING);
	struct feed f;
	char text[1000];
	for (int trailer = 0; trailer < 2; trailer++) {
		feed_init(&f, &limits);
		int n = snprintf(text, sizeof(text),
				 "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s%0200d",
				 trailer ? "0\r\nT: " : "1;", 0);
		feed_call(&f, STREAM_WRITE, text, (size_t)n);
		feed_close(&f);
		feed_check_sums(&f);
		assert_int_equal(f.n, 1);
		assert_int_equal(f.messages[0]->end, HTTP_END_LIMIT);
		assert_string_equal(f.messages[0]->problem,
				    trailer ? "trailers are longer than the limit"
					    : "chunk extensions are longer than the limit");
		feed_done(&f);
	}
}

static void test_body_limit(void **state)
{
	struct http_limits limits = http_limits_default;
	(void)state;
	for (limits.max_body = 0; limits.max_body < 12; limits.max_body++) {
		struct feed f;
		feed_init(&f, &limits);
		feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234");
		feed_text(&f, STREAM_WRITE, "56789" GET);
		feed_text(&f, STREAM_READ,
			  "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
			  "chunked\r\n\r\n3\r\nabc\r\n7\r\ndefghij\r\n0\r\n\r\n");
		feed_close(&f);
		feed_check_sums(&f);
		feed_check_order(&f);
		assert_int_equal(f.n, 3);
		for (size_t i = 0; i < 3; i += 2) {
			const struct http_message *m = f.messages[i];
			const char *body = i ? "abcdefghij" : "0123456789";
			size_t kept = limits.max_body < 10 ? limits.max_body : 10;
			assert_int_equal(m->end, HTTP_END_COMPLETE);
			assert_int_equal(m->body_total, 10);
			assert_int_equal(m->body_len, kept);
			if (kept)
				assert_memory_equal(m->body, body, kept);
			assert_true(m->body_sha256_valid);
			check_hash(m, body, 10);
		}
		feed_done(&f);
	}
}

static void test_marks_are_bounded(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 3000\r\n\r\n");
	for (int i = 0; i < 3000; i++)
		feed_text(&f, STREAM_WRITE, "x");
	assert_int_equal(f.n, 1);
	const struct http_message *m = f.messages[0];
	assert_int_equal(m->n_marks, 1024);
	assert_int_equal(m->reads, 3000);
	assert_int_equal(http_message_time_at(m, 0), 1001);
	assert_int_equal(http_message_time_at(m, 500), 1501);
	assert_int_equal(http_message_time_at(m, 2999), 1001 + 1023);
	assert_int_equal(m->first_ts_ns, 1000);
	assert_int_equal(m->last_ts_ns, 4000);
	feed_close(&f);
	feed_check_sums(&f);
	feed_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content_length),
		cmocka_unit_test(test_head_and_body_separate),
		cmocka_unit_test(test_chunked),
		cmocka_unit_test(test_chunked_trailers_and_bare_lf),
		cmocka_unit_test(test_interim),
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_switching_protocols),
		cmocka_unit_test(test_close_delimited),
		cmocka_unit_test(test_cut_by_close),
		cmocka_unit_test(test_both_encodings),
		cmocka_unit_test(test_several_lengths),
		cmocka_unit_test(test_length_values),
		cmocka_unit_test(test_chunk_sizes),
		cmocka_unit_test(test_chunk_without_end),
		cmocka_unit_test(test_empty_lines_first),
		cmocka_unit_test(test_fold_and_names),
		cmocka_unit_test(test_flawed_headers),
		cmocka_unit_test(test_malformed_start_lines),
		cmocka_unit_test(test_no_http_at_all),
		cmocka_unit_test(test_head_limit),
		cmocka_unit_test(test_one_megabyte_header),
		cmocka_unit_test(test_header_count_limit),
		cmocka_unit_test(test_chunk_extra_limit),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_marks_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
