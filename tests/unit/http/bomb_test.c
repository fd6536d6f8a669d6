/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression bombs through a whole connection: a megabyte or so that is ten gigabytes, stacked ones, and
 * the same in many small bodies. What comes out is bounded, so are time and memory, and the messages say what
 * was stopped. */
#include "compress.h"
#include "flow.h"

#include <stdio.h>

#include "http/coding.h"

#define BOMB	 (10ULL << 30)
#define STOPPED	 "decompression was stopped: "
#define GET_HTTP "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

static const char grows[] = STOPPED "the body grows by more than the limit";
static const char too_large[] = STOPPED "the body is larger than the limit";
static const char all_grow[] = STOPPED "the connection's bodies grow by more than the limit";

/* --- making them ------------------------------------------------------------------------- */

/* After each flush a compressor of nothing but zeros is where it was: what comes next can be written again
 * and again. */
static void repeat_flushes(struct buf *out, int format, size_t zeros_len)
{
	static const uint8_t zeros[16 << 20];
	struct press p;
	struct buf first, again;
	assert_true(zeros_len <= sizeof(zeros));
	press_init(&p, format);
	press_add(&p, zeros, zeros_len, false);
	first = p.out;
	buf_init(&p.out, SIZE_MAX / 2);
	press_add(&p, zeros, zeros_len, false);
	again = p.out;
	buf_init(&p.out, SIZE_MAX / 2);
	press_add(&p, zeros, zeros_len, false);
	assert_int_equal(p.out.len, again.len);
	assert_memory_equal(p.out.data, again.data, again.len);
	assert_int_equal(buf_append(out, first.data, first.len), 0);
	for (uint64_t done = zeros_len; done < BOMB; done += zeros_len)
		assert_int_equal(buf_append(out, again.data, again.len), 0);
	buf_done(&first);
	buf_done(&again);
	press_done(&p);
}

/* A frame whose window is 2 MiB, of n blocks that are one byte 131,072 times (RFC 8878 section 3.1.1.2). */
static void zstd_frame(struct buf *out, size_t n)
{
	assert_int_equal(buf_append(out, "\x28\xb5\x2f\xfd\x00\x58", 6), 0);
	for (size_t i = 1; i <= n; i++)
		assert_int_equal(buf_append(out, i == n ? "\x03\x00\x10x" : "\x02\x00\x10x", 4), 0);
}

static void make_bomb(struct buf *out, int format)
{
	buf_init(out, 16 << 20);
	if (format == ZSTD)
		zstd_frame(out, BOMB >> 17);
	else
		repeat_flushes(out, format, format == BR ? 10 << 14 : 16 << 20);
}

static int to_nowhere(void *ctx, const uint8_t *data, size_t len)
{
	(void)data;
	*(uint64_t *)ctx += len;
	return 0;
}

/* How many bytes come out of the first ones, without limits. */
static uint64_t decoded_len(const char *codings, const struct buf *bomb, size_t len)
{
	struct http_limits limits = http_limits_default;
	struct coding_list list = {};
	struct coding *coding;
	uint64_t out = 0;
	limits.max_decoded = UINT64_MAX;
	limits.max_ratio = UINT32_MAX;
	coding_list_add(&list, codings, limits.max_codings);
	assert_int_equal(coding_new(&coding, &list, &limits, to_nowhere, &out), 0);
	assert_int_equal(coding_feed(coding, bomb->data, len), 0);
	coding_free(&coding);
	return out;
}

/* --- one body ---------------------------------------------------------------------------- */

static void feed_http1(struct flow *f, const char *codings, const struct buf *body)
{
	char head[200];
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
		 codings, body->len);
	flow_text(f, W, GET_HTTP);
	flow_text(f, R, head);
	flow_bytes(f, R, body->data, body->len);
	flow_flush(f);
}

static void feed_http2(struct flow *f, const char *codings, const struct buf *body)
{
	uint8_t block[100] = "\x88\x00\x10"
			     "content-encoding";
	size_t n = strlen(codings);
	assert_true(n < 64);
	block[19] = (uint8_t)n;
	memcpy(block + 20, codings, n);
	FLOW_FRAME(f, W, HTTP2_HEADERS, FLOW_BOTH, 1, "\x82\x84");
	flow_frame(f, R, HTTP2_HEADERS, FLOW_HEAD, 1, block, 20 + n);
	for (size_t at = 0, len; at < body->len; at += len) {
		len = MIN(body->len - at, (size_t)HTTP2_FRAME_DEFAULT);
		flow_frame(f, R, HTTP2_DATA, at + len == body->len ? HTTP2_END_STREAM : 0, 1, body->data + at,
			   len);
	}
	flow_flush(f);
}

struct cost {
	double seconds;
	size_t memory;
};

/* out: how many bytes may come out, which are as many as do. */
static void check_body(bool http2, const char *codings, const struct buf *bomb,
		       const struct http_limits *limits, const char *problem, uint64_t out, struct cost most)
{
	static struct flow f;
	flow_warm();
	size_t before = meter_begin();
	double start = meter_seconds();
	if (http2) {
		flow_open_http2(&f, limits);
		feed_http2(&f, codings, bomb);
	} else {
		flow_init(&f, limits);
		feed_http1(&f, codings, bomb);
	}
	double took = meter_seconds() - start;
	const struct http_message *m = f.last[HTTP_RESPONSE];
	assert_non_null(m);
	assert_int_equal(m->end, HTTP_END_LIMIT);
	assert_string_equal(m->problem, problem);
	assert_int_equal(m->coded_total, bomb->len);
	assert_int_equal(m->body_total, out);
	assert_int_equal(m->body_len, MIN(out, (uint64_t)limits->max_body));
	assert_false(m->body_sha256_valid);
	if (getenv("FLOW_SHOW"))
		print_message("%s: %zu bytes, %.3f s, peak %zu\n", codings, bomb->len, took,
			      meter_peak - before);
	if (took > most.seconds)
		fail_msg("%s took %.3f s", codings, took);
	if (meter_peak - before > most.memory)
		fail_msg("%s took %zu bytes of memory", codings, meter_peak - before);
	flow_end(&f);
	flow_done(&f);
	assert_int_equal(meter_live, before);
}

#ifdef __SANITIZE_ADDRESS__
#define SLOWER 8
#else
#define SLOWER 1
#endif

static void test_one_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++) {
		const char *name = format_name(all_formats[i]);
		struct http_limits limits = http_limits_default;
		struct buf bomb;
		make_bomb(&bomb, all_formats[i]);
		/* DEFLATE cannot do more than 1,032 to 1. */
		assert_true(bomb.len < (all_formats[i] < BR ? 11 << 20 : 1 << 20));
		assert_true(decoded_len(name, &bomb, bomb.len / 256) >= BOMB / 300);
		for (int http2 = 0; http2 < 2; http2++) {
			check_body(http2, name, &bomb, &limits, grows, limits.ratio_from,
				   (struct cost){.2 * SLOWER, 8 << 20});
		}
		/* Without the ratio, the size. */
		limits.max_ratio = UINT32_MAX;
		check_body(1, name, &bomb, &limits, too_large, limits.max_decoded,
			   (struct cost){1.5 * SLOWER, 16 << 20});
		buf_done(&bomb);
	}
}

/* A few kilobytes, or less, are ten gigabytes when they were compressed twice or four times. */
static void test_stacked(void **state)
{
	static const struct {
		int format;
		const char *codings;
		int outer[3];
	} cases[] = {
		{GZIP, "gzip, gzip", {GZIP}}, {GZIP, "gzip, br", {BR}},
		{GZIP, "gzip, zstd", {ZSTD}}, {BR, "br, gzip", {GZIP}},
		{BR, "br, br", {BR}},	      {ZSTD, "zstd, gzip", {GZIP}},
		{ZSTD, "zstd, zstd", {ZSTD}}, {ZLIB, "deflate, gzip, br, zstd", {GZIP, BR, ZSTD}},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf bomb;
		make_bomb(&bomb, cases[i].format);
		for (size_t j = 0; j < 3 && cases[i].outer[j]; j++) {
			struct buf outer;
			buf_init(&outer, 16 << 20);
			compress_to(&outer, cases[i].outer[j], bomb.data, bomb.len);
			buf_done(&bomb);
			bomb = outer;
		}
		assert_true(bomb.len < 1 << 16);
		check_body(i % 2, cases[i].codings, &bomb, &http_limits_default, grows,
			   http_limits_default.ratio_from, (struct cost){.2 * SLOWER, 24 << 20});
		buf_done(&bomb);
	}
}

/* --- many bodies ------------------------------------------------------------------------- */

static uint64_t stopped;

static void judge_small(struct flow *f, const struct http_message *m)
{
	(void)f;
	if (m->role == HTTP_REQUEST)
		return;
	if (m->end == HTTP_END_COMPLETE) {
		assert_int_equal(m->body_total, 1 << 20);
		assert_int_equal(stopped, 0);
		return;
	}
	stopped++;
	assert_int_equal(m->end, HTTP_END_LIMIT);
	assert_string_equal(m->problem, all_grow);
}

/* None of them is over a limit, but 38 bytes are a megabyte each time. */
static void run_small_http1(size_t n)
{
	static struct flow f;
	struct buf body;
	buf_init(&body, 100);
	zstd_frame(&body, 8);
	flow_init(&f, NULL);
	f.judge = judge_small;
	stopped = 0;
	for (size_t i = 0; i < n; i++)
		feed_http1(&f, "zstd", &body);
	/* Those that do not grow like that are read as ever. */
	f.judge = NULL;
	buf_done(&body);
	compress_to(&body, GZIP, "an ordinary answer", 18);
	feed_http1(&f, "gzip", &body);
	assert_int_equal(f.last[HTTP_RESPONSE]->end, HTTP_END_COMPLETE);
	assert_memory_equal(f.last[HTTP_RESPONSE]->body, "an ordinary answer", 18);
	flow_end(&f);
	assert_int_equal(f.n[HTTP_RESPONSE], n + 1);
	assert_true(f.body < http_limits_default.max_decoded + (n + 1) * 200 * 64);
	assert_true(stopped > n - 80);
	buf_done(&body);
	flow_done(&f);
}

static void run_small_http2(size_t n)
{
	static struct flow f;
	struct buf body;
	buf_init(&body, 100);
	zstd_frame(&body, 8);
	flow_open_http2(&f, NULL);
	f.judge = judge_small;
	stopped = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t id = 1 + 2 * (uint32_t)i;
		FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, id, "\x82\x84");
		FLOW_FRAME(&f, R, HTTP2_HEADERS, FLOW_HEAD, id,
			   "\x88\x00\x10"
			   "content-encoding\x04zstd");
		flow_frame(&f, R, HTTP2_DATA, HTTP2_END_STREAM, id, body.data, body.len);
	}
	flow_end(&f);
	assert_true(f.body < http_limits_default.max_decoded + n * 200 * 64);
	assert_true(stopped > n - 80);
	buf_done(&body);
	flow_done(&f);
}

static void test_many_bodies(void **state)
{
	(void)state;
	flow_check_cost(run_small_http1, MANY / 250, 8 << 20);
	flow_check_cost(run_small_http2, MANY / 250, 8 << 20);
}

/* One byte each, and four decoders to be made for it. */
static void run_four_decoders(size_t n)
{
	static struct flow f;
	const struct buf body = {.data = (uint8_t *)"\x28", .len = 1};
	flow_init(&f, NULL);
	for (size_t i = 0; i < n; i++)
		feed_http1(&f, "zstd, gzip, br, zstd", &body);
	flow_end(&f);
	assert_int_equal(f.ends[HTTP_RESPONSE][HTTP_END_MALFORMED], n);
	flow_done(&f);
}

static void test_four_decoders(void **state)
{
	(void)state;
	flow_check_cost(run_four_decoders, MANY / 100, 2 << 20);
}

/* On a thousand streams at a time. What they take is under the bound of all, from the first byte on. */
static void test_open_decoders(void **state)
{
	static const struct {
		const char *codings, *first;
	} cases[] = {{"gzip, gzip, gzip, gzip", "\x1f"},
		     {"deflate, deflate, deflate, deflate", "\x78"},
		     {"br, br, br, br", "\x0b"},
		     {"zstd, zstd, zstd, zstd", "\x28"}};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_limits limits = http_limits_default;
		struct http_budget decoders = {.max = 16 << 20};
		static struct flow f;
		uint8_t block[100] = "\x83\x84\x00\x10"
				     "content-encoding";
		size_t n = strlen(cases[i].codings);
		limits.decoders = &decoders;
		flow_warm();
		size_t before = meter_begin();
		flow_open_http2(&f, &limits);
		block[20] = (uint8_t)n;
		memcpy(block + 21, cases[i].codings, n);
		for (uint32_t id = 1; id < 2000; id += 2) {
			flow_frame(&f, W, HTTP2_HEADERS, FLOW_HEAD, id, block, 21 + n);
			flow_frame(&f, W, HTTP2_DATA, 0, id, cases[i].first, 1);
		}
		flow_flush(&f);
		assert_true(decoders.used > decoders.max / 2 && decoders.used <= decoders.max);
		if (meter_peak - before > decoders.max + (5 << 20))
			fail_msg("%s: %zu bytes", cases[i].codings, meter_peak - before);
		flow_end(&f);
		assert_string_equal(f.last[HTTP_REQUEST]->problem,
				    STOPPED "it needs more memory than the limit");
		assert_int_equal(decoders.used, 0);
		flow_done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_body),      cmocka_unit_test(test_stacked),
		cmocka_unit_test(test_many_bodies),   cmocka_unit_test(test_four_decoders),
		cmocka_unit_test(test_open_decoders),
	};
	return meter_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
