/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2, all bytes there: each kind of frame, whole, byte by byte and at every split; what is malformed;
 * bounds. */
#include "frames.h"

#define END    HTTP2_END_STREAM
#define HEAD   HTTP2_END_HEADERS
#define AGENT  "  host: [a.example]\n  user-agent: [test]\n"
#define NOBODY "  body 0/0 [] hashed\n"
#define NOHASH "  body 0/0 [] no hash\n"
#define QUIET  "unreadable 0 0 missing 0 0\n"

static void test_one_exchange(void **state)
{
	struct wire w;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, HEAD, 1, POST_B);
	wire_data(&w, W, 0, 1, "{\"a\":");
	FRAME(&w, R, HTTP2_WINDOW_UPDATE, 0, 0, "\0\0\1\0");
	wire_data(&w, W, 0, 1, "1}");
	wire_data(&w, W, END, 1, "");
	wire_head(&w, R, HEAD, 1, OK_JSON);
	wire_data(&w, R, END, 1, "[1]");
	FRAME(&w, W, HTTP2_PING, 0, 0, "12345678");
	wire_check(&w, NULL,
		   "1 request POST /b stream 1 unknown=0 complete missing=0 wire=76\n" AGENT
		   "  content-type: [application/json]\n  body 7/7 [{\"a\":1}] hashed\n"
		   "1 response 200 stream 1 unknown=0 complete missing=0 wire=35\n"
		   "  content-type: [application/json]\n  body 3/3 [[1]] hashed\n" QUIET);
}

/* Streams that interleave, padding, priority, CONTINUATION, interim responses, trailers. */
static void test_every_shape(void **state)
{
	struct wire w;
	size_t len;
	uint8_t padded[300] = {3, 0, 0, 0, 0, 77};
	(void)state;
	wire_open(&w);
	uint8_t *block = wire_block(&w, W, GET_A, &len);
	memcpy(padded + 6, block, len);
	wire_frame(&w, W, HTTP2_HEADERS, BOTH_ENDS | HTTP2_PADDED | HTTP2_HAS_PRIORITY, 1, padded, len + 9);
	free(block);
	block = wire_block(&w, W, POST_B, &len);
	wire_frame(&w, W, HTTP2_HEADERS, 0, 3, block, 2);
	wire_frame(&w, W, HTTP2_CONTINUATION, 0, 3, NULL, 0);
	wire_frame(&w, W, HTTP2_CONTINUATION, HEAD, 3, block + 2, len - 2);
	free(block);
	FRAME(&w, W, HTTP2_DATA, HTTP2_PADDED, 3, "\4xy\0\0\0\0");
	wire_head(&w, R, HEAD, 3, ":status: 100\n");
	wire_head(&w, R, HEAD, 1, ":status: 103\nlink: x\n");
	wire_head(&w, R, HEAD, 1, OK_JSON);
	FRAME(&w, W, HTTP2_PRIORITY, 0, 3, "\0\0\0\0\1");
	FRAME(&w, W, HTTP2_DATA, HTTP2_PADDED, 3, "\1\0");
	wire_data(&w, R, 0, 1, "a");
	wire_head(&w, W, BOTH_ENDS, 3, "x-sum: 1\n");
	wire_head(&w, R, HEAD, 3, OK_JSON);
	wire_data(&w, R, 0, 3, "b");
	FRAME(&w, R, HTTP2_DATA, END | HTTP2_PADDED, 1, "\0A");
	wire_head(&w, R, BOTH_ENDS, 3, "x-sum: 2\n");
	FRAME(&w, R, 0xbe, 0xff, 0, "grease");
	FRAME(&w, R, HTTP2_ALTSVC, 0, 0, "\0\0");
	wire_check(&w, NULL,
		   "1 request GET /a stream 1 unknown=0 complete missing=0 wire=38\n" AGENT NOBODY
		   "1 response 200 stream 1 unknown=0 complete missing=0 wire=60\n"
		   "  content-type: [application/json]\n  body 2/2 [aA] hashed\n"
		   "2 request POST /b stream 3 unknown=0 complete missing=0 wire=92\n" AGENT
		   "  content-type: [application/json]\n  body 2/2 [xy] hashed\n"
		   "2 response 200 stream 3 unknown=0 complete missing=0 wire=51\n"
		   "  content-type: [application/json]\n  body 1/1 [b] hashed\n"
		   "unreadable 0 15 missing 0 0\n");
}

static void test_resets(void **state)
{
	struct wire w;
	(void)state;
	wire_open(&w);
	/* By the client, before it has sent all; by the server, before it answered; in the middle; after it.
	 */
	wire_head(&w, W, HEAD, 1, POST_B);
	FRAME(&w, W, HTTP2_RST_STREAM, 0, 1, "\0\0\0\x8");
	wire_head(&w, W, BOTH_ENDS, 3, GET_A);
	FRAME(&w, R, HTTP2_RST_STREAM, 0, 3, "\0\0\0\x7");
	wire_head(&w, W, BOTH_ENDS, 5, GET_A);
	wire_head(&w, R, HEAD, 5, OK_JSON);
	wire_data(&w, R, 0, 5, "part");
	FRAME(&w, R, HTTP2_RST_STREAM, 0, 5, "\0\0\0\x63");
	wire_head(&w, W, HEAD, 7, POST_B);
	wire_head(&w, R, BOTH_ENDS, 7, ":status: 413\n");
	FRAME(&w, R, HTTP2_RST_STREAM, 0, 7, "\0\0\0\0");
	wire_data(&w, W, 0, 7, "late");
	FRAME(&w, W, HTTP2_RST_STREAM, 0, 99, "\0\0\0\0");
	wire_check(&w, NULL,
		   "1 request POST /b stream 1 unknown=0 closed (the client reset the stream: CANCEL) "
		   "missing=0 wire=55\n" AGENT "  content-type: [application/json]\n" NOHASH
		   "1 response 0 stream 1 unknown=0 closed (the client reset the stream: CANCEL) "
		   "missing=0 wire=0\n" NOHASH
		   "2 request GET /a stream 3 unknown=0 complete missing=0 wire=17\n" AGENT NOBODY
		   "2 response 0 stream 3 unknown=0 closed (the server reset the stream: REFUSED_STREAM) "
		   "missing=0 wire=13\n" NOHASH
		   "3 request GET /a stream 5 unknown=0 complete missing=0 wire=17\n" AGENT NOBODY
		   "3 response 200 stream 5 unknown=0 closed (the server reset the stream with an error code "
		   "that is not known) missing=0 wire=49\n  content-type: [application/json]\n"
		   "  body 4/4 [part] no hash\n"
		   "4 request POST /b stream 7 unknown=0 closed (the server reset the stream: NO_ERROR) "
		   "missing=0 wire=18\n" AGENT "  content-type: [application/json]\n" NOHASH
		   "4 response 413 stream 7 unknown=0 complete missing=0 wire=14\n" NOBODY
		   "unreadable 13 0 missing 0 0\n");
}

static void test_goaway(void **state)
{
	static const char refused[] = "the server went away without taking up the request (GOAWAY)";
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	for (uint32_t id = 1; id <= 5; id += 2)
		wire_head(&w, W, id == 5 ? HEAD : BOTH_ENDS, id, GET_A);
	FRAME(&w, R, HTTP2_GOAWAY, 0, 0, "\x7f\xff\xff\xff\0\0\0\0");
	FRAME(&w, R, HTTP2_GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0bye");
	wire_data(&w, W, END, 5, "x");
	wire_head(&w, W, BOTH_ENDS, 7, GET_A);
	wire_head(&w, R, BOTH_ENDS, 1, ":status: 204\n");
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	assert_int_equal(f.n, 8);
	for (size_t i = 0; i < f.n; i++) {
		const struct http_message *m = f.messages[i];
		if (m->role == HTTP_REQUEST || m->stream_id == 1) {
			assert_int_equal(m->end, HTTP_END_COMPLETE);
			continue;
		}
		assert_int_equal(m->end, HTTP_END_CLOSED);
		assert_string_equal(m->problem, refused);
		assert_false(m->orphan);
	}
	free(feed_end(&f));
	wire_done(&w);
}

static void test_push(void **state)
{
	struct wire w;
	size_t len;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	/* What it inserts is used right after. */
	uint8_t *block = wire_block(&w, R, ":method: GET\n:path: /p\nx-new: value\n", &len),
		promise[200] = {0, 0, 0, 2};
	memcpy(promise + 4, block, len);
	free(block);
	wire_frame(&w, R, HTTP2_PUSH_PROMISE, HEAD, 1, promise, len + 4);
	wire_head(&w, R, HEAD, 2, ":status: 200\nx-new: value\n");
	wire_data(&w, R, END, 2, "pushed");
	wire_head(&w, R, HEAD, 1, ":status: 200\nx-new: value\n");
	wire_data(&w, R, END, 1, "asked");
	wire_check(&w, NULL,
		   "1 request GET /a stream 1 unknown=0 complete missing=0 wire=29\n" AGENT NOBODY
		   "1 response 200 stream 1 unknown=0 complete missing=0 wire=25\n  x-new: [value]\n"
		   "  body 5/5 [asked] hashed\nunreadable 0 55 missing 0 0\n");
}

/* A content-coding is removed across frames; not across bytes that may be missing. */
static void test_coded_body(void **state)
{
	static const char gzip[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\x03\0\0\0";
	for (int lost = 0; lost < 2; lost++) {
		struct wire w;
		struct feed f;
		(void)state;
		wire_open(&w);
		wire_head(&w, W, BOTH_ENDS, 1, GET_A);
		wire_head(&w, R, HEAD, 1, ":status: 200\ncontent-encoding: gzip\ncontent-length: 23\n");
		wire_frame(&w, R, HTTP2_DATA, 0, 1, gzip, 11);
		feed_init(&f, NULL);
		wire_play(&w, &f, 0);
		if (lost)
			feed_lose(&f, R, 30);
		size_t n = w.n;
		wire_frame(&w, R, HTTP2_DATA, END, 1, gzip + 11, 12);
		wire_play(&w, &f, n);
		assert_int_equal(f.n, 2);
		const struct http_message *m = f.messages[1];
		assert_int_equal(m->coded_total, 23);
		assert_int_equal(m->end, lost ? HTTP_END_GAP : HTTP_END_COMPLETE);
		assert_int_equal(m->body_sha256_valid, !lost);
		if (!lost) {
			assert_int_equal(m->body_len, 3);
			assert_memory_equal(m->body, "abc", 3);
		} else {
			assert_true(m->body_len == 0 || memcmp(m->body, "abc", m->body_len) == 0);
		}
		free(feed_end(&f));
		wire_done(&w);
	}
}

static void test_head_and_lengths(void **state)
{
	struct wire w;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, ":method: HEAD\n:path: /a\n");
	wire_head(&w, R, BOTH_ENDS, 1, ":status: 200\ncontent-length: 10\n");
	wire_head(&w, W, HEAD, 3, ":method: POST\n:path: /a\ncontent-length: 3\n");
	wire_data(&w, W, END, 3, "four");
	wire_head(&w, R, BOTH_ENDS, 3, ":status: 200\ncontent-length: x\n");
	wire_head(&w, W, BOTH_ENDS, 5, ":method: CONNECT\n:authority: b:443\n");
	wire_check(
		&w, NULL,
		"1 request HEAD /a stream 1 unknown=0 complete missing=0 wire=19\n" NOBODY
		"1 response 200 stream 1 unknown=0 complete missing=0 wire=15\n  content-length: "
		"[10]\n" NOBODY
		"2 request POST /a stream 3 unknown=0 malformed (the body is not as long as content-length "
		"says) missing=0 wire=31\n  content-length: [3]\n  body 4/4 [four] hashed\n"
		"2 response 200 stream 3 unknown=0 malformed (content-length is not a number) missing=0 "
		"wire=14\n  content-length: [x]\n" NOBODY
		"3 request CONNECT b:443 stream 5 unknown=0 complete missing=0 wire=24\n  host: "
		"[b:443]\n" NOBODY QUIET);
}

/* A client that has what content-length promised does not wait for a frame that only says that it was all. */
static void test_length_without_end(void **state)
{
	struct wire w;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, ":method: GET\n:path: /a\n");
	wire_head(&w, R, HEAD, 1, ":status: 200\ncontent-length: 4\n");
	wire_data(&w, R, 0, 1, "four");
	wire_head(&w, W, BOTH_ENDS, 3, ":method: GET\n:path: /a\n");
	wire_head(&w, R, HEAD, 3, ":status: 200\ncontent-length: 5\n");
	wire_data(&w, R, 0, 3, "four");
	wire_check(&w, NULL,
		   "1 request GET /a stream 1 unknown=0 complete missing=0 wire=14\n" NOBODY
		   "1 response 200 stream 1 unknown=0 complete missing=0 wire=27\n  content-length: [4]\n"
		   "  body 4/4 [four] hashed\n"
		   "2 request GET /a stream 3 unknown=0 complete missing=0 wire=14\n" NOBODY
		   "2 response 200 stream 3 unknown=0 closed missing=0 wire=27\n  content-length: [5]\n"
		   "  body 4/4 [four] no hash\n" QUIET);
}

/* --- what is malformed ------------------------------------------------------------------- */

static void check_request(const char *lines, const char *want)
{
	struct wire w;
	struct feed f;
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, lines);
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	assert_int_equal(f.n, 1);
	f.messages[0]->wire_bytes = 0;
	struct buf b;
	buf_init(&b, 1 << 20);
	put_message(&b, f.messages[0]);
	char *got = buf_take_str(&b);
	assert_string_equal(got, want);
	free(got);
	feed_done(&f);
	wire_done(&w);
}

#define ASKED	   "1 request GET / stream 1 unknown=0 "
#define FLAW(what) ASKED "malformed (" what ") missing=0 wire=0\n"
#define GET_SLASH  ":method: GET\n:path: /\n"

static void test_malformed_fields(void **state)
{
	(void)state;
	check_request(GET_SLASH "A: b\n", FLAW("a header name holds capital letters") "  a: [b]\n" NOBODY);
	check_request(GET_SLASH "a: b\x01"
				"c\n",
		      FLAW("a header value holds control bytes") "  a: [b?c]\n" NOBODY);
	check_request(GET_SLASH "a b: c\nd:  e \n",
		      FLAW("a header field has no proper name") "  d: [e]\n" NOBODY);
	check_request(GET_SLASH ":path: /2\n", FLAW("a pseudo-header field is there twice") NOBODY);
	check_request(GET_SLASH ":status: 200\n",
		      FLAW("there is a pseudo-header field that has no place here") NOBODY);
	check_request("a: b\n" GET_SLASH,
		      FLAW("a pseudo-header field comes after others") "  a: [b]\n" NOBODY);
	check_request(GET_SLASH ":authority: x\nhost: y\n",
		      FLAW("the host field is not what :authority says") "  host: [x]\n  host: [y]\n" NOBODY);
	check_request(GET_SLASH ":authority: x\na: b\nhost: x\n",
		      ASKED "complete missing=0 wire=0\n  a: [b]\n  host: [x]\n" NOBODY);
	check_request(":path: /\n", "1 request - / stream 1 unknown=0 malformed (the request has no :method) "
				    "missing=0 wire=0\n" NOBODY);
	check_request(":method: GET\n",
		      "1 request GET - stream 1 unknown=0 malformed (the request has no :path) "
		      "missing=0 wire=0\n" NOBODY);
	check_request("a: b\n",
		      "1 request - - stream 1 unknown=0 malformed (the request has neither :method nor "
		      ":path) missing=0 wire=0\n  a: [b]\n" NOBODY);
	check_request(":method: G T\n:path: /a b\n",
		      "1 request G T /a b stream 1 unknown=0 malformed (the method is not a token) missing=0 "
		      "wire=0\n" NOBODY);
	check_request(
		":method: GET\n:path: /a b\n",
		"1 request GET /a b stream 1 unknown=0 malformed (the request target holds control bytes or "
		"white space) missing=0 wire=0\n" NOBODY);
}

static void test_malformed_frames(void **state)
{
	struct wire w;
	(void)state;
	/* Padding longer than the frame; a block that is not HPACK; frames too short; the next stream is
	 * well.
	 */
	wire_open(&w);
	wire_head(&w, W, HEAD, 1, GET_A);
	FRAME(&w, W, HTTP2_DATA, HTTP2_PADDED, 1, "\7abcdef");
	FRAME(&w, W, HTTP2_DATA, HTTP2_PADDED | END, 1, "");
	FRAME(&w, R, HTTP2_HEADERS, HEAD, 1, "\x88\x80");
	wire_data(&w, R, END, 1, "x");
	FRAME(&w, W, HTTP2_HEADERS, BOTH_ENDS | HTTP2_HAS_PRIORITY, 3, "\0\0");
	FRAME(&w, W, HTTP2_RST_STREAM, 0, 3, "\0");
	FRAME(&w, W, HTTP2_GOAWAY, 0, 0, "\0");
	FRAME(&w, R, HTTP2_GOAWAY, 0, 0, "\0\0\0\0");
	FRAME(&w, W, HTTP2_HEADERS, BOTH_ENDS, 5, "\x82\x84");
	FRAME(&w, R, HTTP2_DATA, END, 5, "y");
	wire_check(
		&w, NULL,
		"1 request GET /a stream 1 unknown=0 malformed (padding is longer than its frame) missing=0 "
		"wire=54\n" AGENT NOBODY
		"1 response 200 stream 1 unknown=0 malformed (the header block is malformed) missing=0 "
		"wire=21\n  body 1/1 [x] hashed\n"
		"2 request - - stream 3 unknown=0 malformed (a frame is too short for its type) missing=0 "
		"wire=11\n" NOBODY "3 request GET / stream 5 unknown=0 complete missing=0 wire=11\n" NOBODY
		"3 response 0 stream 5 unknown=0 malformed (there is a body before the header fields) "
		"missing=0 wire=10\n  body 1/1 [y] hashed\n" QUIET);
}

static void test_broken_blocks(void **state)
{
	struct wire w;
	size_t len;
	(void)state;
	wire_open(&w);
	uint8_t *block = wire_block(&w, W, GET_A, &len);
	wire_frame(&w, W, HTTP2_HEADERS, 0, 1, block, 3);
	free(block);
	FRAME(&w, W, HTTP2_PING, 0, 0, "12345678");
	wire_data(&w, W, END, 1, "x");
	FRAME(&w, W, HTTP2_CONTINUATION, HEAD, 1, "\x82");
	/* The table is not known any more, but this uses none of it. */
	FRAME(&w, W, HTTP2_HEADERS, BOTH_ENDS, 3, "\x82\x84\xbe");
	/* An odd stream that was passed over, an even one, stream 0. */
	FRAME(&w, W, HTTP2_HEADERS, BOTH_ENDS, 1, "\x82\x84");
	FRAME(&w, W, HTTP2_HEADERS, BOTH_ENDS, 4, "\x82\x84");
	FRAME(&w, W, HTTP2_HEADERS, BOTH_ENDS, 0, "\x82\x84");
	FRAME(&w, W, HTTP2_DATA, END, 0, "z");
	wire_check(&w, NULL,
		   "1 request GET - stream 1 unknown=0 malformed (a header block is not finished) missing=0 "
		   "wire=22\n  body 1/1 [x] hashed\n"
		   "2 request GET / stream 3 unknown=1 complete missing=0 wire=12\n" NOBODY
		   "unreadable 53 0 missing 0 0\n");
}

static void test_trailers_that_do_not_end(void **state)
{
	struct wire w;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, HEAD, 1, GET_A);
	wire_head(&w, W, HEAD, 1, "x-sum: 1\n");
	wire_data(&w, W, END, 1, "x");
	wire_head(&w, R, BOTH_ENDS, 1, ":status: 103\n");
	wire_check(
		&w, NULL,
		"1 request GET /a stream 1 unknown=0 malformed (there are two header blocks, and the second "
		"does not end the stream) missing=0 wire=56\n" AGENT "  body 1/1 [x] hashed\n"
		"1 response 103 stream 1 unknown=0 complete missing=0 wire=13\n" NOBODY QUIET);
}

/* The other end does not speak HTTP/2 after all. */
static void test_server_of_http1(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_init(&w);
	wire_raw(&w, W, http2_preface, HTTP2_PREFACE_LEN);
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	feed_text(&f, R, "HTTP/1.1 400 Bad Request\r\n\r\n");
	feed_expect(&f, "1 request GET /a stream 1 unknown=0 complete missing=0 wire=29\n" AGENT NOBODY
			"unreadable 0 28 missing 0 0\n");
	wire_done(&w);
}

/* Only the exact bytes are a preface. */
static void test_not_a_preface(void **state)
{
	(void)state;
	check_talk(TALK(REQ("PRI * HTTP/2.0\n\r\nSM\r\n\r\n")),
		   "1 request PRI - 1.0 malformed (the start line is "
		   "malformed) missing=0 wire=15\n" NOHASH "unreadable 8 0 missing 0 0\n");
	/* One that goes on differently: no frames. */
	check_talk(TALK(REQ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\nGET / HTTP/1.1\r\n\r\n")),
		   "unreadable 24 0 missing 0 0\n");
}

/* --- pairs and times --------------------------------------------------------------------- */

static void test_times(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, HEAD, 1, POST_B); /* 1005 */
	wire_data(&w, W, 0, 1, "a");
	wire_data(&w, W, END, 1, "");		      /* 1007 */
	wire_head(&w, R, HEAD, 1, ":status: 103\n");  /* 1008 */
	wire_head(&w, R, HEAD, 1, OK_STREAM);	      /* 1009 */
	wire_data(&w, R, 0, 1, "data: 1\n\n");	      /* 1010 */
	wire_data(&w, R, END, 1, "data: [DONE]\n\n"); /* 1011 */
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.messages[0]->first_ts_ns, 1005);
	assert_int_equal(f.messages[0]->last_ts_ns, 1007);
	assert_int_equal(f.messages[1]->first_ts_ns, 1009);
	assert_int_equal(f.messages[1]->last_ts_ns, 1011);
	assert_int_equal(f.messages[1]->reads, 2);
	assert_int_equal(http_message_time_at(f.messages[1], 0), 1010);
	assert_int_equal(http_message_time_at(f.messages[1], 9), 1011);
	assert_int_equal(f.messages[1]->protocol, HTTP_2);
	free(feed_end(&f));
	wire_done(&w);
}

static void test_early_response_waits(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, HEAD, 1, POST_B);
	wire_head(&w, R, BOTH_ENDS, 1, ":status: 401\n");
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	assert_int_equal(f.n, 0);
	size_t n = w.n;
	wire_data(&w, W, END, 1, "body");
	wire_play(&w, &f, n);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.messages[0]->body_len, 4);
	assert_int_equal(f.messages[1]->status, 401);
	free(feed_end(&f));
	wire_done(&w);
}

/* The writing thread's record comes after that of the thread that read the answer. */
static void test_request_recorded_late(void **state)
{
	for (int late = 0; late < 2; late++) {
		struct wire w;
		struct feed f;
		(void)state;
		wire_open(&w);
		feed_init(&f, NULL);
		wire_play(&w, &f, 0);
		size_t n = w.n;
		wire_head(&w, R, BOTH_ENDS, 1, ":status: 200\n");
		wire_play(&w, &f, n);
		assert_int_equal(f.n, 0);
		n = w.n;
		wire_head(&w, W, BOTH_ENDS, 1, GET_A);
		/* Whether the write call began before the response came. */
		f.ts_ns = late ? 5000 : 900;
		wire_play(&w, &f, n);
		assert_int_equal(f.n, 2);
		assert_int_equal(f.messages[0]->role, late ? HTTP_RESPONSE : HTTP_REQUEST);
		assert_int_equal(f.messages[!late]->orphan, late);
		assert_int_equal(f.messages[0]->exchange == f.messages[1]->exchange, !late);
		f.ts_ns = 6000;
		free(feed_end(&f));
		wire_done(&w);
	}
}

static void test_orphan_is_given_when_idle(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	wire_head(&w, R, BOTH_ENDS, 1, ":status: 200\n");
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	uint64_t due = http_conn_idle(f.conn, f.ts_ns);
	assert_int_equal(due, f.ts_ns - 1 + http_limits_default.done_idle_ns);
	assert_int_equal(f.n, 0);
	assert_int_equal(http_conn_idle(f.conn, due), UINT64_MAX);
	assert_int_equal(f.n, 1);
	assert_true(f.messages[0]->orphan);
	f.ts_ns = due;
	free(feed_end(&f));
	wire_done(&w);
}

/* --- streams that say [DONE] ------------------------------------------------------------- */

static void done_stream(struct wire *w, struct feed *f)
{
	wire_open(w);
	wire_head(w, W, BOTH_ENDS, 1, GET_A);
	wire_head(w, R, HEAD, 1, OK_STREAM);
	wire_data(w, R, 0, 1, "data: [DONE]\n\n");
	feed_init(f, NULL);
	wire_play(w, f, 0);
	assert_int_equal(f->n, 1);
}

static void test_done_then_idle(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	done_stream(&w, &f);
	uint64_t due = http_conn_idle(f.conn, f.ts_ns);
	assert_int_equal(http_conn_idle(f.conn, due), UINT64_MAX);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.messages[1]->end, HTTP_END_COMPLETE);
	assert_true(f.messages[1]->body_sha256_valid);
	/* What ends it later is framing; a body is not. */
	f.ts_ns = due;
	size_t n = w.n;
	wire_data(&w, R, 0, 1, "more");
	wire_head(&w, R, BOTH_ENDS, 1, "x-sum: 1\n");
	wire_play(&w, &f, n);
	assert_int_equal(f.unreadable[R], 4);
	assert_string_equal(f.why, "after the end that the stream announced");
	free(feed_end(&f));
	wire_done(&w);
}

static void test_done_then_reset_or_closed(void **state)
{
	for (int reset = 0; reset < 2; reset++) {
		struct wire w;
		struct feed f;
		(void)state;
		done_stream(&w, &f);
		if (reset)
			FRAME(&w, W, HTTP2_RST_STREAM, 0, 1, "\0\0\0\x8");
		wire_play(&w, &f, w.n - (reset ? 1 : 0));
		assert_int_equal(f.n, 1 + reset);
		char *text = feed_end(&f);
		assert_non_null(strstr(text, "response 200 stream 1 unknown=0 complete missing=0"));
		assert_non_null(strstr(text, "unreadable 0 0 "));
		free(text);
		wire_done(&w);
	}
}

/* --- bounds ------------------------------------------------------------------------------ */

static void test_too_many_streams(void **state)
{
	struct http_limits limits = http_limits_default;
	struct wire w;
	(void)state;
	limits.max_streams = 2;
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	wire_head(&w, W, HEAD, 3, GET_A);
	wire_head(&w, W, BOTH_ENDS, 5, GET_A);
	wire_head(&w, W, BOTH_ENDS, 7, GET_A);
	wire_data(&w, W, END, 3, "gone");
	wire_head(&w, R, BOTH_ENDS, 7, ":status: 204\n");
	wire_head(&w, R, BOTH_ENDS, 1, ":status: 204\n");
#define MANY "(more streams are open than the limit) missing=0 "
	wire_check(&w, &limits,
		   "1 request GET /a stream 1 unknown=0 complete missing=0 wire=29\n" AGENT NOBODY
		   "1 response 0 stream 1 unknown=0 unseen " MANY "wire=0\n" NOHASH
		   "2 request GET /a stream 3 unknown=0 limit " MANY "wire=17\n" AGENT NOHASH
		   "2 response 0 stream 3 unknown=0 unseen " MANY "wire=0\n" NOHASH
		   "3 request GET /a stream 5 unknown=0 complete missing=0 wire=17\n" AGENT NOBODY
		   "4 request GET /a stream 7 unknown=0 complete missing=0 wire=17\n" AGENT NOBODY
		   "4 response 204 stream 7 unknown=0 complete missing=0 wire=10\n" NOBODY
		   "unreadable 13 10 missing 0 0\n");
}

static void test_header_limits(void **state)
{
	struct http_limits limits = http_limits_default;
	struct wire w;
	(void)state;
	limits.max_headers = 5;
	limits.max_head = 250;
	wire_open(&w);
	/* One field too many. */
	wire_head(&w, W, BOTH_ENDS, 1, GET_A "a: b\n");
	/* Too large once it is decoded. */
	wire_head(&w, W, BOTH_ENDS, 3,
		  ":method: GET\n:path: /\n"
		  "x-long: "
		  "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
		  "00000000000000000000000000000000000000000000000000\n"
		  "x: 1\n");
	/* Nothing is out of step. */
	wire_head(&w, W, BOTH_ENDS, 5, GET_A);
	wire_check(&w, &limits,
		   "1 request GET /a stream 1 unknown=0 limit (there are more header fields than the limit) "
		   "missing=0 wire=34\n" AGENT NOHASH
		   "2 request GET / stream 3 unknown=0 limit (there are more header fields than the limit) "
		   "missing=0 wire=112\n  x: [1]\n" NOHASH
		   "3 request GET /a stream 5 unknown=0 complete missing=0 wire=17\n" AGENT NOBODY QUIET);
}

static void test_long_block(void **state)
{
	struct http_limits limits = http_limits_default;
	struct wire w;
	struct feed f;
	(void)state;
	limits.max_head = 100;
	wire_open(&w);
	FRAME(&w, W, HTTP2_HEADERS, 0, 1,
	      "\x82\x84\x40\x01"
	      "a\x01"
	      "b");
	for (int i = 0; i < 60; i++)
		FRAME(&w, W, HTTP2_CONTINUATION, i == 59 ? HEAD : 0, 1, "\x00\x01x\x01y");
	wire_data(&w, W, END, 1, "body");
	FRAME(&w, W, HTTP2_HEADERS, BOTH_ENDS, 3, "\x82\x84\xbe");
	feed_init(&f, &limits);
	wire_play(&w, &f, 0);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.messages[0]->end, HTTP_END_LIMIT);
	assert_string_equal(f.messages[0]->problem, "a header block is longer than the limit");
	assert_string_equal(f.messages[0]->target, "/");
	assert_int_equal(f.messages[0]->body_len, 4);
	assert_int_equal(f.messages[0]->wire_bytes, 16 + 60 * 14 + 13);
	assert_int_equal(f.messages[1]->unknown_headers, 1);
	free(feed_end(&f));
	wire_done(&w);
}

/* One entry and many references to it, on many streams that stay open. */
static void test_bomb(void **state)
{
	struct wire w;
	struct feed f;
	uint8_t block[16000];
	(void)state;
	wire_open(&w);
	memcpy(block,
	       "\x82\x84\x40\x01"
	       "a\x7f\xa1\x1e",
	       8);
	memset(block + 8, 'x', 4000);
	memset(block + 4008, 0xbe, sizeof(block) - 4008);
	wire_frame(&w, W, HTTP2_HEADERS, HEAD, 1, block, sizeof(block));
	size_t n = w.n;
	memset(block + 2, 0xbe, sizeof(block) - 2);
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	for (uint32_t id = 3; id < 2000; id += 2) {
		struct wire one = {};
		wire_frame(&one, W, HTTP2_HEADERS, HEAD, id, block, sizeof(block));
		wire_play(&one, &f, 0);
		free((void *)one.records[0].data);
	}
	assert_int_equal(n, w.n);
	feed_close(&f);
	feed_check_sums(&f);
	size_t kept = 0;
	for (size_t i = 0; i < f.n; i++)
		for (size_t j = 0; j < f.messages[i]->n_headers; j++)
			kept += strlen(f.messages[i]->headers[j].value);
	assert_true(kept > 1 << 20);
	assert_true(kept <= http_limits_default.max_heads);
	feed_done(&f);
	wire_done(&w);
}

/* Rapid reset, and frames of a byte: nothing stays behind. */
static void test_floods(void **state)
{
	struct feed f;
	struct wire w;
	(void)state;
	wire_open(&w);
	feed_init(&f, NULL);
	f.unguarded = true;
	wire_play(&w, &f, 0);
	for (uint32_t id = 1; id < 20001; id += 2) {
		char frames[] = "\0\0\2\1\4\0\0\0\0\x82\x84\0\0\4\3\0\0\0\0\0\0\0\0\x8\0\0\6\4\0\0\0\0\0\0\5"
				"\0\0\x40\0";
		for (int i = 0; i < 4; i++)
			frames[5 + i] = frames[16 + i] = (char)(id >> (24 - 8 * i));
		feed_call(&f, W, frames, sizeof(frames) - 1);
	}
	assert_int_equal(f.n, 20000);
	free(feed_end(&f));
	wire_done(&w);
}

static void test_server_side(void **state)
{
	struct feed f = {.ts_ns = 1000, .swap = 1};
	struct wire w;
	(void)state;
	assert_int_equal(http_conn_new(&f.conn, 7, STREAM_READ, NULL, &feed_ops, &f), 0);
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	wire_head(&w, R, BOTH_ENDS, 1, OK_JSON);
	FRAME(&w, R, 0xbe, 0, 0, "");
	wire_play(&w, &f, 0);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.messages[0]->role, HTTP_REQUEST);
	assert_int_equal(f.unreadable[STREAM_WRITE], 9);
	free(feed_end(&f));
	wire_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_exchange),
		cmocka_unit_test(test_every_shape),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_goaway),
		cmocka_unit_test(test_push),
		cmocka_unit_test(test_coded_body),
		cmocka_unit_test(test_head_and_lengths),
		cmocka_unit_test(test_length_without_end),
		cmocka_unit_test(test_malformed_fields),
		cmocka_unit_test(test_malformed_frames),
		cmocka_unit_test(test_broken_blocks),
		cmocka_unit_test(test_trailers_that_do_not_end),
		cmocka_unit_test(test_server_of_http1),
		cmocka_unit_test(test_not_a_preface),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_early_response_waits),
		cmocka_unit_test(test_request_recorded_late),
		cmocka_unit_test(test_orphan_is_given_when_idle),
		cmocka_unit_test(test_done_then_idle),
		cmocka_unit_test(test_done_then_reset_or_closed),
		cmocka_unit_test(test_too_many_streams),
		cmocka_unit_test(test_header_limits),
		cmocka_unit_test(test_long_block),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_floods),
		cmocka_unit_test(test_server_side),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
