/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and messages of one direction, without compression: what is right, what is wrong, what is missing.
 */
#include "ws_run.h"

#include <malloc.h>

#define MASK UINT32_C(0x37fa213d)

static void start(struct buf *b)
{
	buf_init(b, 256 << 20);
}

/* The frames are built by the caller into *b, which is freed here. */
static void check(enum http_role role, struct buf *b, const char *want)
{
	run_check(role, NULL, NULL, b, want);
	buf_done(b);
}

/* RFC 6455 section 5.7. */
static void test_examples(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_bytes(&b, "\x81\x05\x48\x65\x6c\x6c\x6f", 7);
	put_bytes(&b, "\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f", 9);
	put_bytes(&b, "\x89\x05\x48\x65\x6c\x6c\x6f", 7);
	check(HTTP_RESPONSE, &b,
	      "1 complete 5 [Hello]\n"
	      "1 complete 5 [Hello]\n"
	      "framing 7\n");
	start(&b);
	put_bytes(&b, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
	put_bytes(&b, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
	check(HTTP_REQUEST, &b, "1 complete 5 [Hello]\nframing 11\n");
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 4, 125, 126, 127, 4095, 4096, 4097, 65535, 65536, 70000};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *body = malloc(sizes[i] + 1);
		assert_non_null(body);
		for (size_t j = 0; j < sizes[i]; j++)
			body[j] = (uint8_t)(j * 31 + j / 256);
		for (enum http_role role = HTTP_REQUEST; role <= HTTP_RESPONSE; role++) {
			struct ws_run r;
			struct buf b;
			start(&b);
			for (int k = 0; k < 3; k++)
				put_frame(&b, FIN | BINARY,
					  role == HTTP_REQUEST ? MASK + (uint32_t)k : NO_MASK, body,
					  sizes[i]);
			run_init(&r, role, NULL, NULL);
			for (size_t from = 0, n = 1; from < b.len; from += n, n = n * 3 % 20011)
				run_data(&r, b.data + from, n < b.len - from ? n : b.len - from, false);
			run_close(&r);
			assert_int_equal(r.n, 3);
			for (int k = 0; k < 3; k++) {
				assert_int_equal(r.messages[k]->end, HTTP_END_COMPLETE);
				assert_true(r.messages[k]->body_sha256_valid);
				assert_int_equal(r.messages[k]->body_len, sizes[i]);
				if (sizes[i])
					assert_memory_equal(r.messages[k]->body, body, sizes[i]);
			}
			run_done(&r);
			buf_done(&b);
		}
		free(body);
	}
}

static void test_fragments_with_control_between(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_frame(&b, TEXT, MASK, "one ", 4);
	put_frame(&b, FIN | PING, 0x01020304, "are you there", 13);
	put_frame(&b, 0, 0, "", 0);
	put_frame(&b, 0, 0xffeeddcc, "two ", 4);
	put_frame(&b, FIN | PONG, MASK, "", 0);
	put_frame(&b, FIN, 0xa0b0c0d0, "three", 5);
	put_frame(&b, FIN | BINARY, MASK, "\x00\xff", 2);
	check(HTTP_REQUEST, &b,
	      "1 complete 13 [one two three]\n"
	      "2 complete 2 [<00><ff>]\n"
	      "framing 25\n");
}

static void test_close(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_frame(&b, FIN | TEXT, NO_MASK, "bye", 3);
	put_frame(&b, FIN | CLOSE, NO_MASK,
		  "\x03\xe8"
		  "done",
		  6);
	check(HTTP_RESPONSE, &b, "1 complete 3 [bye]\n8 complete 6 [<03><e8>done]\n");
	start(&b);
	put_frame(&b, FIN | CLOSE, MASK, "", 0);
	check(HTTP_REQUEST, &b, "8 complete 0 []\n");
	start(&b);
	put_frame(&b, FIN | CLOSE, NO_MASK, "\x03", 1);
	check(HTTP_RESPONSE, &b, "8 malformed no hash (half a code is in the close frame) 1 [<03>]\n");
	/* What a peer must ignore is on the wire all the same. */
	start(&b);
	put_frame(&b, TEXT, NO_MASK, "unfinished", 10);
	put_frame(&b, FIN | CLOSE, NO_MASK, "\x03\xe9", 2);
	put_frame(&b, FIN | TEXT, NO_MASK, "more", 4);
	check(HTTP_RESPONSE, &b,
	      "1 malformed no hash (a close frame came before the message's end) 10 [unfinished]\n"
	      "8 complete 2 [<03><e9>]\n"
	      "1 complete (it was sent after a close frame) 4 [more]\n");
}

/* One close frame with that payload gives that line; the code's two bytes are written as by check(). */
static void check_close(const void *data, size_t len, const char *want)
{
	struct buf b;
	start(&b);
	put_frame(&b, FIN | CLOSE, NO_MASK, data, len);
	check(HTTP_RESPONSE, &b, want);
}

#define BAD_CODE   "8 complete (the close frame has a code that may not be sent) "
#define BAD_REASON "8 complete (the close frame's reason is not valid UTF-8) "

static void test_close_codes(void **state)
{
	(void)state;
	check_close("\x03\xe7", 2, BAD_CODE "2 [<03><e7>]\n");
	check_close("\x03\xe8", 2, "8 complete 2 [<03><e8>]\n");
	check_close("\x03\xeb", 2, "8 complete 2 [<03><eb>]\n");
	check_close("\x03\xec", 2, BAD_CODE "2 [<03><ec>]\n");
	check_close("\x03\xee", 2, BAD_CODE "2 [<03><ee>]\n");
	check_close("\x03\xef", 2, "8 complete 2 [<03><ef>]\n");
	check_close("\x03\xf6", 2, "8 complete 2 [<03><f6>]\n");
	check_close("\x03\xf7", 2, BAD_CODE "2 [<03><f7>]\n");
	check_close("\x0b\xb7", 2, BAD_CODE "2 [<0b><b7>]\n");
	check_close("\x0b\xb8", 2, "8 complete 2 [<0b><b8>]\n");
	check_close("\x13\x87", 2, "8 complete 2 [<13><87>]\n");
	check_close("\x13\x88", 2, BAD_CODE "2 [<13><88>]\n");
	check_close("\x03\xe8\xce", 3, BAD_REASON "3 [<03><e8><ce>]\n");
	check_close("\x03\xe8\xce\xb1", 4, "8 complete 4 [<03><e8><ce><b1>]\n");
}

static void test_connection_ends(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_frame(&b, TEXT, NO_MASK, "one", 3);
	put_bytes(&b, "\x80\x7e\x01", 3);
	check(HTTP_RESPONSE, &b, "1 closed no hash 3 [one]\nunreadable 3 missing 0\n");
	start(&b);
	put_bytes(&b, "\x81\x05he", 4);
	check(HTTP_RESPONSE, &b, "1 closed no hash 2 [he]\n");
	start(&b);
	put_bytes(&b, "\x89\x05he", 4);
	check(HTTP_RESPONSE, &b, "framing 4\n");
	start(&b);
	put_bytes(&b, "\x88\x05\x03", 3);
	check(HTTP_RESPONSE, &b, "8 closed no hash 1 [<03>]\n");
}

/* Where the framing is not clear any more, the rest is reported and the message at hand given as it is. */
static void test_fatal_flaws(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *problem;
	} cases[] = {
		{"\x83\x01x", 3, "a frame has a reserved opcode"},
		{"\x87\x01x", 3, "a frame has a reserved opcode"},
		{"\x8b\x00", 2, "a frame has a reserved opcode"},
		{"\x8f\x00", 2, "a frame has a reserved opcode"},
		{"\xa0\x01x", 3, "a frame has reserved bits set"},
		{"\x91\x01x", 3, "a frame has reserved bits set"},
		{"\xc1\x01x", 3, "a frame is marked as compressed, which was not agreed on"},
		{"\x09\x01x", 3, "a control frame is fragmented"},
		{"\x08\x00", 2, "a control frame is fragmented"},
		{"\x89\x7e\x00\x7e", 4, "a control frame is longer than 125 bytes"},
		{"\x88\x7f\x00\x00\x00\x00\x00\x00\x00\x01x", 11, "a control frame is longer than 125 bytes"},
		{"\x80\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 10,
		 "the length of a frame is larger than its type allows"},
		{"\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10,
		 "the length of a frame is larger than its type allows"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;
		char want[256];
		start(&b);
		put_frame(&b, TEXT, NO_MASK, "begun", 5);
		put_bytes(&b, cases[i].bytes, cases[i].len);
		put_frame(&b, FIN | TEXT, NO_MASK, "not read", 8);
		snprintf(want, sizeof(want), "1 malformed no hash (%s) 5 [begun]\nunreadable %zu missing 0\n",
			 cases[i].problem, cases[i].len + 10);
		check(HTTP_RESPONSE, &b, want);
	}
}

static void test_flaws_with_clear_framing(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_frame(&b, FIN | TEXT, NO_MASK, "one", 3);
	put_frame(&b, FIN | TEXT, MASK, "two", 3);
	check(HTTP_REQUEST, &b,
	      "1 malformed (the client did not mask a frame) 3 [one]\n"
	      "1 complete 3 [two]\n");
	start(&b);
	put_frame(&b, FIN | TEXT, NO_MASK, "one", 3);
	put_frame(&b, FIN | TEXT, MASK, "two", 3);
	check(HTTP_RESPONSE, &b,
	      "1 complete 3 [one]\n"
	      "1 malformed (the server masked a frame) 3 [two]\n");
	start(&b);
	put_frame_head(&b, FIN | TEXT, NO_MASK, 3, 2);
	put_bytes(&b, "one", 3);
	put_frame_head(&b, BINARY, NO_MASK, 3, 8);
	put_bytes(&b, "two", 3);
	put_frame(&b, FIN, NO_MASK, "three", 5);
	check(HTTP_RESPONSE, &b,
	      "1 malformed (the length of a frame is written with more bytes than it needs) 3 [one]\n"
	      "2 malformed (the length of a frame is written with more bytes than it needs) 8 [twothree]\n");
	/* The largest length there is, of which little comes. */
	start(&b);
	put_frame_head(&b, FIN | BINARY, NO_MASK, INT64_MAX, 8);
	put_bytes(&b, "little", 6);
	check(HTTP_RESPONSE, &b, "2 closed no hash 6 [little]\n");
}

static void test_messages_out_of_order(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_frame(&b, 0, NO_MASK, "of nothing", 10);
	put_frame(&b, FIN, NO_MASK, "its end", 7);
	put_frame(&b, TEXT, NO_MASK, "cut", 3);
	put_frame(&b, FIN | BINARY, NO_MASK, "next", 4);
	put_frame(&b, FIN, NO_MASK, "the rest of cut", 15);
	put_frame(&b, FIN | TEXT, NO_MASK, "whole", 5);
	check(HTTP_RESPONSE, &b,
	      "1 malformed no hash (another message began before the message's end) 3 [cut]\n"
	      "2 complete 4 [next]\n"
	      "1 complete 5 [whole]\n"
	      "unreadable 38 missing 0\n");
}

static void test_text_that_is_no_text(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_frame(&b, FIN | TEXT, NO_MASK, "\xce\xba\xf0\x9f\x98\x80", 6);
	put_frame(&b, TEXT, NO_MASK, "\xf0\x9f", 2);
	put_frame(&b, FIN, NO_MASK, "\x98\x80", 2);
	put_frame(&b, FIN | TEXT, NO_MASK, "a\xff", 2);
	put_frame(&b, FIN | TEXT, NO_MASK, "\xed\xa0\x80", 3);
	put_frame(&b, FIN | TEXT, NO_MASK, "\xf0\x9f\x98", 3);
	put_frame(&b, FIN | BINARY, NO_MASK, "\xff", 1);
	check(HTTP_RESPONSE, &b,
	      "1 complete 6 [<ce><ba><f0><9f><98><80>]\n"
	      "1 complete 4 [<f0><9f><98><80>]\n"
	      "1 complete (the text is not valid UTF-8) 2 [a<ff>]\n"
	      "1 complete (the text is not valid UTF-8) 3 [<ed><a0><80>]\n"
	      "1 complete (the text is not valid UTF-8) 3 [<f0><9f><98>]\n"
	      "2 complete 1 [<ff>]\n");
}

/* --- limits ------------------------------------------------------------------------------ */

static void test_body_limit(void **state)
{
	struct http_limits limits = http_limits_default;
	struct http_budget budget = {.max = 6};
	struct buf b;
	(void)state;
	limits.max_body = 4;
	start(&b);
	put_frame(&b, TEXT, NO_MASK, "abc", 3);
	put_frame(&b, FIN, NO_MASK, "def", 3);
	run_check(HTTP_RESPONSE, NULL, &limits, &b, "1 complete 6 [abcd]\n");
	limits.max_body = 100;
	limits.budget = &budget;
	put_frame(&b, FIN | TEXT, NO_MASK, "longer than that", 16);
	run_check(HTTP_RESPONSE, NULL, &limits, &b, "1 complete 6 [abcdef]\n1 complete 16 [longer]\n");
	assert_int_equal(budget.used, 0);
	buf_done(&b);
}

/* A message of a gigabyte in frames of all sizes keeps what the limit says. */
static void test_memory_is_bounded(void **state)
{
	static uint8_t piece[1 << 20];
	struct http_limits limits = http_limits_default;
	struct buf b;
	struct ws_run r;
	(void)state;
	limits.max_body = 1 << 16;
	run_init(&r, HTTP_RESPONSE, NULL, &limits);
	start(&b);
	put_frame_head(&b, BINARY, NO_MASK, UINT64_C(200) << 20, 8);
	run_data(&r, b.data, b.len, true);
	size_t before = mallinfo2().uordblks;
	for (int i = 0; i < 200; i++)
		run_data(&r, piece, sizeof(piece), true);
	b.len = 0;
	for (int i = 0; i < 20000; i++)
		put_frame(&b, 0, NO_MASK, "x", 1);
	size_t with_frames = mallinfo2().uordblks;
	run_data(&r, b.data, b.len, true);
	size_t after = mallinfo2().uordblks;
	assert_true(after < with_frames + (1 << 18) && with_frames < before + (4 << 20));
	run_data(&r, "\x80\x00", 2, true);
	run_close(&r);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.messages[0]->body_total, (200 << 20) + 20000);
	assert_int_equal(r.messages[0]->body_len, 1 << 16);
	assert_true(r.messages[0]->body_sha256_valid);
	run_done(&r);
	buf_done(&b);
}

/* --- gaps -------------------------------------------------------------------------------- */

/* Bytes of b lost from there on; the rest comes with a call of its own, or not. */
static void check_gap(enum http_role role, const struct websocket_deflate *deflate, const struct buf *b,
		      size_t from, size_t len, bool call_start, const char *want)
{
	struct ws_run r;
	run_init(&r, role, deflate, NULL);
	run_data(&r, b->data, from, true);
	run_gap(&r, len);
	run_data(&r, b->data + from + len, b->len - from - len, call_start);
	run_close(&r);
	run_expect(run_render(&r), want, from, len);
	run_done(&r);
}

static void test_gap_in_payload(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_frame(&b, FIN | TEXT, MASK, "0123456789", 10);
	put_frame(&b, FIN | TEXT, MASK, "next", 4);
	/* The mask goes on where it should. */
	check_gap(HTTP_REQUEST, NULL, &b, 9, 2, false,
		  "1 complete no hash missing=2 8 [01256789]\n"
		  "1 complete 4 [next]\n");
	check_gap(HTTP_REQUEST, NULL, &b, 6, 1, false,
		  "1 complete no hash missing=1 9 [123456789]\n"
		  "1 complete 4 [next]\n");
	check_gap(HTTP_REQUEST, NULL, &b, 6, 10, false,
		  "1 complete no hash missing=10 0 []\n"
		  "1 complete 4 [next]\n");
	check_gap(HTTP_REQUEST, NULL, &b, 12, 6, true,
		  "1 complete no hash missing=4 6 [012345]\n"
		  "unreadable 8 missing 2\n");
	/* All of the next frame too, to its end. */
	check_gap(HTTP_REQUEST, NULL, &b, 12, 14, true,
		  "1 complete no hash missing=4 6 [012345]\n"
		  "unreadable 0 missing 10\n");
	buf_done(&b);
}

static void test_gap_at_frames(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_frame(&b, TEXT, NO_MASK, "one", 3);		/* 0..4 */
	put_frame(&b, FIN | PING, NO_MASK, "ping", 4);	/* 5..10 */
	put_frame(&b, FIN, NO_MASK, "two", 3);		/* 11..15 */
	put_frame(&b, FIN | TEXT, NO_MASK, "three", 5); /* 16..22 */
	/* Between the frames of a message; what follows continues nothing and begins no synchronisation. */
	check_gap(HTTP_RESPONSE, NULL, &b, 5, 6, true,
		  "1 gap no hash missing=6 (bytes are missing between the frames of the message) 3 [one]\n"
		  "unreadable 12 missing 0\n");
	check_gap(HTTP_RESPONSE, NULL, &b, 5, 11, true,
		  "1 gap no hash missing=11 (bytes are missing between the frames of the message) 3 [one]\n"
		  "1 complete 5 [three]\n");
	check_gap(HTTP_RESPONSE, NULL, &b, 5, 11, false,
		  "1 gap no hash missing=11 (bytes are missing between the frames of the message) 3 [one]\n"
		  "unreadable 7 missing 0\n");
	/* In the ping. */
	check_gap(HTTP_RESPONSE, NULL, &b, 8, 2, false,
		  "1 complete 6 [onetwo]\n1 complete 5 [three]\nunreadable 0 missing 2\nframing 4\n");
	/* In a header. */
	check_gap(HTTP_RESPONSE, NULL, &b, 17, 1, true,
		  "1 complete 6 [onetwo]\nunreadable 6 missing 1\nframing 6\n");
	check_gap(HTTP_RESPONSE, NULL, &b, 0, 5, true,
		  "1 complete 5 [three]\nunreadable 5 missing 5\nframing 6\n");
	buf_done(&b);
}

static void test_gap_in_close(void **state)
{
	struct buf b;
	(void)state;
	start(&b);
	put_frame(&b, FIN | CLOSE, NO_MASK, "\x03\xe8why", 5);
	check_gap(HTTP_RESPONSE, NULL, &b, 3, 1, false, "8 complete no hash missing=1 4 [<03>why]\n");
	buf_done(&b);
}

static void test_gap_to_the_end_of_positions(void **state)
{
	struct ws_run r;
	(void)state;
	run_init(&r, HTTP_RESPONSE, NULL, NULL);
	run_data(&r, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, true);
	run_gap(&r, UINT64_MAX - RUN_START - 10);
	run_close(&r);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.messages[0]->missing_bytes, INT64_MAX);
	run_done(&r);
}

/* --- resynchronisation ------------------------------------------------------------------- */

static bool begins(enum http_role role, const char *bytes, size_t len, bool call_start)
{
	struct ws_run r;
	run_init(&r, role, NULL, NULL);
	run_gap(&r, 1);
	run_data(&r, bytes, len, call_start);
	bool read = r.unreadable == 0;
	run_close(&r);
	run_done(&r);
	return read;
}

static void test_resync(void **state)
{
	(void)state;
	assert_true(begins(HTTP_RESPONSE, "\x81\x02hi", 4, true));
	assert_false(begins(HTTP_RESPONSE, "\x81\x02hi", 4, false));
	assert_true(begins(HTTP_RESPONSE, "\x81\x02", 2, true));
	assert_true(begins(HTTP_RESPONSE, "\x81\x7e", 2, true));
	assert_true(begins(HTTP_RESPONSE, "\x89\x00", 2, true));
	assert_true(begins(HTTP_RESPONSE, "\x02\x01x", 3, true));
	assert_true(begins(HTTP_RESPONSE, "\x02\x01x\x00\x02", 5, true));
	assert_true(begins(HTTP_RESPONSE, "\x02\x01x\x89\x00", 5, true));
	assert_true(begins(HTTP_RESPONSE, "\x81\x02hi\x81", 5, true));
	assert_true(begins(HTTP_RESPONSE, "\x81\x02hi\x82\x7e", 6, true));
	assert_true(begins(HTTP_REQUEST, "\x81\x82\x01\x02\x03\x04hi", 8, true));
	/* Too little; a continuation; a wrong mask bit; a length written too long or too large. */
	assert_false(begins(HTTP_RESPONSE, "\x81", 1, true));
	assert_false(begins(HTTP_RESPONSE, "\x80\x02hi", 4, true));
	assert_false(begins(HTTP_RESPONSE, "\x00\x02hi", 4, true));
	assert_false(begins(HTTP_RESPONSE, "\x81\x82\x01\x02\x03\x04hi", 8, true));
	assert_false(begins(HTTP_REQUEST, "\x81\x02hi", 4, true));
	assert_false(begins(HTTP_REQUEST, "\x81\x02", 2, true));
	assert_false(begins(HTTP_RESPONSE, "\x81\x7e\x00\x02hi", 6, true));
	assert_false(begins(HTTP_RESPONSE, "\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 10, true));
	assert_false(begins(HTTP_RESPONSE, "\x81\x7f\x00\x00\x00\x01\x00\x00\x00\x00", 10, true));
	assert_true(begins(HTTP_RESPONSE, "\x81\x7f\x00\x00\x00\x00\x03\x00\x00\x00", 10, true));
	/* No frame; what follows is none, or cannot follow; half a code. */
	assert_false(begins(HTTP_RESPONSE, "HTTP/1.1 200 OK\r\n", 17, true));
	assert_false(begins(HTTP_RESPONSE, "{\"a\": 1}", 8, true));
	assert_false(begins(HTTP_RESPONSE, "\xc1\x02hi", 4, true));
	assert_false(begins(HTTP_RESPONSE, "\x81\x02hi{\"", 6, true));
	assert_false(begins(HTTP_RESPONSE, "\x81\x02hi\x80\x00", 6, true));
	assert_false(begins(HTTP_RESPONSE, "\x02\x01x\x81\x00", 5, true));
	assert_false(begins(HTTP_RESPONSE, "\x81\x02hi\x81\x80", 6, true));
	assert_false(begins(HTTP_RESPONSE, "\x88\x01\x03", 3, true));
}

/* A recorded conversation, each frame a call, of which every run of bytes is lost once. */
static void build_recorded(struct buf *b, size_t *ret_starts, size_t *ret_n)
{
	static const char *const text[] = {"{\"type\":\"a\"}", "{\"type\":\"bb\"}", "",
					   "\x81\x03xyz in a body"};
	*ret_n = 0;
	for (int i = 0; i < 4; i++) {
		ret_starts[(*ret_n)++] = b->len;
		put_frame(b, FIN | TEXT, NO_MASK, text[i], strlen(text[i]));
		ret_starts[(*ret_n)++] = b->len;
		put_frame(b, BINARY, NO_MASK, "left", 4);
		ret_starts[(*ret_n)++] = b->len;
		put_frame(b, FIN | PING, NO_MASK, "p", 1);
		ret_starts[(*ret_n)++] = b->len;
		put_frame(b, FIN, NO_MASK, "right", 5);
	}
	ret_starts[(*ret_n)++] = b->len;
	put_frame(b, FIN | CLOSE, NO_MASK, "\x03\xe8", 2);
	ret_starts[*ret_n] = b->len;
}

static bool is_said(const struct http_message *m)
{
	static const char *const all[] = {"{\"type\":\"a\"}",	   "{\"type\":\"bb\"}", "",
					  "\x81\x03xyz in a body", "leftright",		"\x03\xe8"};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (m->body_len == strlen(all[i]) &&
		    (!m->body_len || memcmp(m->body, all[i], m->body_len) == 0))
			return true;
	return false;
}

static void play_lossy(const struct buf *b, const size_t *starts, size_t n, size_t from, size_t to)
{
	struct ws_run r;
	run_init(&r, HTTP_RESPONSE, NULL, NULL);
	for (size_t i = 0; i < n; i++) {
		size_t s = starts[i], e = starts[i + 1];
		size_t kept = from < s ? s : from < e ? from : e;
		run_data(&r, b->data + s, kept - s, true);
		if (r.at < RUN_START + e) {
			size_t end = to < e ? to : e, at = (size_t)(r.at - RUN_START);
			if (end > at)
				run_gap(&r, end - at);
			at = (size_t)(r.at - RUN_START);
			run_data(&r, b->data + at, e - at, at == s);
		}
	}
	run_close(&r);
	size_t whole = 0;
	for (size_t i = 0; i < r.n; i++) {
		bool complete = r.messages[i]->body_sha256_valid;
		whole += complete;
		if (complete && !is_said(r.messages[i]))
			fail_msg("lost %zu..%zu: a message that was not sent", from, to);
	}
	/* Every message whose frames are all there; what a ping carries may be missing between them. */
	size_t all_there = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned opcode = b->data[starts[i]] & 0x0f;
		bool fragmented = b->data[starts[i]] == BINARY;
		size_t end = fragmented ? starts[i + 3] : starts[i + 1];
		bool in_ping = fragmented && from == starts[i + 1] + 2 && to == starts[i + 2];
		if (opcode == 0 || opcode == PING)
			continue;
		all_there += end <= from || starts[i] >= to || in_ping;
	}
	if (whole != all_there)
		fail_msg("lost %zu..%zu: %zu messages are whole, %zu should be", from, to, whole, all_there);
	run_done(&r);
}

static void test_every_run_is_lost(void **state)
{
	size_t starts[64], n;
	struct buf b;
	(void)state;
	start(&b);
	build_recorded(&b, starts, &n);
	for (size_t from = 0; from < b.len; from++)
		for (size_t to = from + 1; to <= b.len; to++)
			play_lossy(&b, starts, n, from, to);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_fragments_with_control_between),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_close_codes),
		cmocka_unit_test(test_connection_ends),
		cmocka_unit_test(test_fatal_flaws),
		cmocka_unit_test(test_flaws_with_clear_framing),
		cmocka_unit_test(test_messages_out_of_order),
		cmocka_unit_test(test_text_that_is_no_text),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_gap_in_payload),
		cmocka_unit_test(test_gap_at_frames),
		cmocka_unit_test(test_gap_in_close),
		cmocka_unit_test(test_gap_to_the_end_of_positions),
		cmocka_unit_test(test_resync),
		cmocka_unit_test(test_every_run_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
