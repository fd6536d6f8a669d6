/* SPDX-License-Identifier: Apache-2.0 */
/* Header blocks of HTTP/2 as hostile peers write them: without end, in a thousand pieces, with tables,
 * strings and references that grow. Memory is bounded, and the messages say what was cut. */
#include "flow.h"

#define GET "\x82\x84"
#define OK  "\x88"

static const char long_block[] = "a header block is longer than the limit";
static const char many_fields[] = "there are more header fields than the limit";
static const char long_field[] = "a header field is longer than the limit";

/* --- blocks without end ------------------------------------------------------------------ */

/* How it comes to its end after all. */
enum stop { LAST_FRAME, CLOSE, RESET, OTHER_FRAME };

static enum stop how;
static size_t piece_len;

/* n CONTINUATION frames, each of so many bytes of header fields (CVE-2024-27316). */
static void run_continuations(size_t n)
{
	static uint8_t piece[16384];
	struct flow f;
	for (size_t i = 0; i < sizeof(piece); i += 8)
		memcpy(piece + i, "\x00\x02hi\x03you", 8);
	flow_open_http2(&f, NULL);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, 0, 1, GET "\x00\x01n\x01v");
	for (size_t i = 0; i < n; i++)
		flow_frame(&f, W, HTTP2_CONTINUATION, 0, 1, piece, piece_len);
	if (how == LAST_FRAME)
		FLOW_FRAME(&f, W, HTTP2_CONTINUATION, FLOW_HEAD, 1, "");
	if (how == OTHER_FRAME || how == LAST_FRAME)
		FLOW_FRAME(&f, W, HTTP2_DATA, HTTP2_END_STREAM, 1, "body");
	if (how == RESET)
		FLOW_FRAME(&f, R, HTTP2_RST_STREAM, 0, 1, "\0\0\0\xb");
	flow_end(&f);
	const struct http_message *m = f.last[HTTP_REQUEST];
	assert_int_equal(m->end, HTTP_END_LIMIT);
	assert_string_equal(m->problem, long_block);
	assert_string_equal(m->target, "/");
	assert_string_equal(http_message_header(m, "n"), "v");
	assert_int_equal(m->body_total, how == OTHER_FRAME || how == LAST_FRAME ? 4 : 0);
	assert_int_equal(m->wire_bytes, 9 + 7 + n * (9 + piece_len) + (how == LAST_FRAME ? 9 : 0) +
						(how == OTHER_FRAME || how == LAST_FRAME ? 13 : 0));
	flow_done(&f);
}

static void test_endless_block(void **state)
{
	(void)state;
	piece_len = 16384;
	for (how = LAST_FRAME; how <= OTHER_FRAME; how++)
		flow_check_cost(run_continuations, MANY / 200, 1 << 20);
	piece_len = 8;
	how = LAST_FRAME;
	flow_check_cost(run_continuations, MANY, 1 << 20);
}

/* Without a byte in them they are not over any limit; nothing stays of them. */
static void run_empty_continuations(size_t n)
{
	struct flow f;
	flow_open_http2(&f, NULL);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, HTTP2_END_STREAM, 1, "");
	for (size_t i = 0; i < n; i++)
		flow_frame(&f, W, HTTP2_CONTINUATION, 0, 1, GET, i == n / 2 ? 2 : 0);
	FLOW_FRAME(&f, W, HTTP2_CONTINUATION, FLOW_HEAD, 1, "");
	flow_flush(&f);
	const struct http_message *m = f.last[HTTP_REQUEST];
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_null(m->problem);
	assert_int_equal(m->wire_bytes, 9 + n * 9 + 2 + 9);
	flow_end(&f);
	flow_done(&f);
}

static void test_empty_continuations(void **state)
{
	(void)state;
	flow_check_cost(run_empty_continuations, MANY, 64 << 10);
}

/* On streams whose block is nobody's. */
static void run_promises(size_t n)
{
	static const uint8_t piece[16384];
	struct flow f;
	flow_open_http2(&f, NULL);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, 1, GET);
	FLOW_FRAME(&f, R, HTTP2_PUSH_PROMISE, 0, 1, "\0\0\0\2" GET);
	for (size_t i = 0; i < n; i++)
		flow_frame(&f, R, HTTP2_CONTINUATION, 0, 1, piece, sizeof(piece));
	FLOW_FRAME(&f, R, HTTP2_CONTINUATION, FLOW_HEAD, 1, "");
	FLOW_FRAME(&f, R, HTTP2_HEADERS, FLOW_BOTH, 1, OK "\xbe");
	flow_end(&f);
	assert_int_equal(f.unreadable[R], 9 + 6 + n * (9 + sizeof(piece)) + 9);
	const struct http_message *m = f.last[HTTP_RESPONSE];
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_int_equal(m->status, 200);
	assert_int_equal(m->unknown_headers, 1);
	flow_done(&f);
}

static void test_endless_promise(void **state)
{
	(void)state;
	flow_check_cost(run_promises, MANY / 200, 1 << 20);
}

/* An interim response whose block is over the limit takes nothing from the one that counts. */
static void test_long_interim(void **state)
{
	struct http_limits limits = http_limits_default;
	struct flow f;
	(void)state;
	limits.max_headers = 1;
	flow_open_http2(&f, &limits);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, 1, GET);
	FLOW_FRAME(&f, R, HTTP2_HEADERS, FLOW_HEAD, 1,
		   "\x08\x03"
		   "103\x00\x01"
		   "a\x01"
		   "b\x00\x01"
		   "c\x01"
		   "d");
	FLOW_FRAME(&f, R, HTTP2_HEADERS, FLOW_BOTH, 1, OK);
	flow_flush(&f);
	assert_int_equal(f.last[HTTP_RESPONSE]->status, 200);
	assert_int_equal(f.last[HTTP_RESPONSE]->end, HTTP_END_COMPLETE);
	flow_end(&f);
	flow_done(&f);
}

/* --- the compression table --------------------------------------------------------------- */

#define MOST_SIZE "\x3f\xe0\xff\xff\xff\x0f" /* an update to 2^32 - 1 */
#define OUR_SIZE  "\x3f\xe1\xff\x03"	     /* to 65,536 */

/* A table of any size is allowed and said to be in use; what is inserted into it is 1,000 bytes at a time. */
static void run_large_table(size_t n)
{
	static uint8_t block[8 + 1000] = {0x82, 0x84, 0x40, 0x01,
					  'n',	0x7f, 0xe9, 0x06}; /* 127 + 873 bytes */
	struct flow f;
	memset(block + 8, 'x', 1000);
	flow_open_http2(&f, NULL);
	FLOW_FRAME(&f, R, HTTP2_SETTINGS, 0, 0, "\0\1\xff\xff\xff\xff");
	FLOW_FRAME(&f, W, HTTP2_SETTINGS, HTTP2_ACK, 0, "");
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, 1, MOST_SIZE GET);
	for (size_t i = 1; i < n; i++)
		flow_frame(&f, W, HTTP2_HEADERS, FLOW_BOTH, 1 + 2 * (uint32_t)i, block, sizeof(block));
	assert_int_equal(f.ends[HTTP_REQUEST][HTTP_END_COMPLETE], f.n[HTTP_REQUEST]);
	/* The 63 last ones fit; the one before is still in the sender's table, but not in ours. */
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, 1 + 2 * (uint32_t)n, GET "\xfc\xfd");
	flow_end(&f);
	const struct http_message *m = f.last[HTTP_REQUEST];
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_int_equal(m->n_headers, 1);
	assert_int_equal(strlen(http_message_header(m, "n")), 1000);
	assert_int_equal(m->unknown_headers, 1);
	flow_done(&f);
}

static void test_large_table(void **state)
{
	(void)state;
	flow_check_cost(run_large_table, MANY / 20, 2 << 20);
}

/* A block of size updates, a field in the end. */
static void run_size_updates(size_t n)
{
	static uint8_t block[3 * 5 * 1024 + 2];
	struct flow f;
	size_t len = 0;
	for (; len < sizeof(block) - 2; len += 5)
		memcpy(block + len, "\x20" OUR_SIZE, 5);
	memcpy(block + len, GET, 2);
	flow_open_http2(&f, NULL);
	for (size_t i = 0; i < n; i++)
		flow_frame(&f, W, HTTP2_HEADERS, FLOW_BOTH, 1 + 2 * (uint32_t)i, block, sizeof(block));
	/* Among fields there may be none. */
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, 1 + 2 * (uint32_t)n, GET OUR_SIZE);
	flow_end(&f);
	assert_int_equal(f.ends[HTTP_REQUEST][HTTP_END_COMPLETE], n);
	assert_int_equal(f.last[HTTP_REQUEST]->end, HTTP_END_MALFORMED);
	assert_string_equal(f.last[HTTP_REQUEST]->problem, "the header block is malformed");
	flow_done(&f);
}

static void test_size_updates(void **state)
{
	(void)state;
	flow_check_cost(run_size_updates, MANY / 1000, 1 << 20);
}

/* --- fields ------------------------------------------------------------------------------ */

/* A string over the limit, that is there or only promised. What it would have put into the table is unknown.
 */
static void test_long_strings(void **state)
{
	static const struct {
		const char *start;
		size_t len, more;
	} cases[] = {
		{"\x40\x01n\x7f\x82\xff\x03", 7, 65537},      /* a value of 65,537 bytes */
		{"\x40\x7f\x82\xff\x03", 5, 65537},	      /* a name */
		{"\x40\x01n\x7f\x80\xff\xff\xff\x0f", 9, 10}, /* a value of 4 GiB */
		{"\x40\x01n\xff\x81\xff\xff\xff\x07", 9, 10}, /* 2 GiB, Huffman-coded */
	};
	static uint8_t filler[16384];
	(void)state;
	memset(filler, 'x', sizeof(filler));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flow f;
		size_t before = meter_begin();
		flow_open_http2(&f, NULL);
		FLOW_FRAME(&f, W, HTTP2_HEADERS, HTTP2_END_STREAM, 1,
			   GET "\x40\x01"
			       "a\x01"
			       "b");
		flow_frame(&f, W, HTTP2_CONTINUATION, 0, 1, cases[i].start, cases[i].len);
		for (size_t left = cases[i].more; left;) {
			size_t n = MIN(left, sizeof(filler));
			left -= n;
			flow_frame(&f, W, HTTP2_CONTINUATION, left ? 0 : FLOW_HEAD, 1, filler, n);
		}
		FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, 3, GET "\xbe\xbf");
		flow_flush(&f);
		assert_int_equal(f.ends[HTTP_REQUEST][HTTP_END_LIMIT], 1);
		assert_int_equal(f.last[HTTP_REQUEST]->unknown_headers, 2);
		assert_int_equal(f.last[HTTP_REQUEST]->n_headers, 0);
		/* The same block on a second look: what it was. */
		FLOW_FRAME(&f, W, HTTP2_HEADERS, HTTP2_END_STREAM, 5,
			   GET "\x40\x01"
			       "a\x01"
			       "b");
		flow_frame(&f, W, HTTP2_CONTINUATION, FLOW_HEAD, 5, cases[i].start, cases[i].len);
		flow_flush(&f);
		const struct http_message *m = f.last[HTTP_REQUEST];
		if (i > 1) {
			assert_int_equal(m->end, HTTP_END_LIMIT);
			assert_string_equal(m->problem, long_field);
			assert_string_equal(http_message_header(m, "a"), "b");
		}
		flow_end(&f);
		flow_done(&f);
		assert_true(meter_peak - before < 1 << 20);
	}
}

/* One large value, 16,000 references to it on each of many streams. */
static void run_references(size_t n)
{
	static uint8_t insert[60000] = {0x3f, 0xe1, 0xff, 0x03, 0x82, 0x84, 0x40,
					0x01, 'a',  0x7f, 0xe1, 0xd1, 0x03};
	static uint8_t block[16002] = {0x82, 0x84};
	const size_t value = 127 + 0x61 + (0x51 << 7) + (0x03 << 14);
	struct flow f;
	memset(insert + 13, 'x', value);
	memset(block + 2, 0xbe, sizeof(block) - 2);
	flow_open_http2(&f, NULL);
	flow_frame(&f, W, HTTP2_HEADERS, FLOW_BOTH, 1, insert, 13 + value);
	for (size_t i = 1; i < n; i++)
		flow_frame(&f, W, HTTP2_HEADERS, FLOW_HEAD, 1 + 2 * (uint32_t)i, block, sizeof(block));
	for (size_t i = 1; i < n; i++) {
		FLOW_FRAME(&f, W, HTTP2_DATA, HTTP2_END_STREAM, 1 + 2 * (uint32_t)i, "");
		flow_flush(&f);
		if (i == 1)
			assert_int_equal(f.last[HTTP_REQUEST]->n_headers,
					 http_limits_default.max_head / value);
	}
	flow_end(&f);
	assert_int_equal(f.n[HTTP_REQUEST], n);
	assert_int_equal(f.ends[HTTP_REQUEST][HTTP_END_LIMIT], n - 1);
	assert_string_equal(f.last[HTTP_REQUEST]->problem, many_fields);
	/* All streams' fields are under one bound, and for the last ones nothing was left. */
	assert_null(f.last[HTTP_REQUEST]->target);
	flow_done(&f);
}

static void test_references(void **state)
{
	(void)state;
	flow_check_cost(run_references, 1024, http_limits_default.max_heads + (4 << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endless_block),	cmocka_unit_test(test_empty_continuations),
		cmocka_unit_test(test_endless_promise), cmocka_unit_test(test_long_interim),
		cmocka_unit_test(test_large_table),	cmocka_unit_test(test_size_updates),
		cmocka_unit_test(test_long_strings),	cmocka_unit_test(test_references),
	};
	return meter_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
