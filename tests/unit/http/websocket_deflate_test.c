/* SPDX-License-Identifier: Apache-2.0 */
/* permessage-deflate: what zlib compresses comes out again, with and without context, after losses, and
 * within its limits. */
#include "ws_run.h"

#include <malloc.h>

#define MASK UINT32_C(0x37fa213d)

static const struct websocket_deflate takeover = {.agreed = true, .window_bits = 15};
static const struct websocket_deflate fresh = {
	.agreed = true, .no_context_takeover = true, .window_bits = 15};

static const char *const said[] = {
	"{\"type\":\"response.audio.delta\",\"delta\":\"AAAA\"}",
	"{\"type\":\"response.audio.delta\",\"delta\":\"BBBB\"}",
	"",
	"{\"type\":\"response.audio.delta\",\"delta\":\"CCCC\"}",
};
#define N_SAID (sizeof(said) / sizeof(said[0]))

/* The messages, compressed with one context or with a new one for each; *ret_starts: N_SAID + 1 places. */
static void build(struct buf *b, uint32_t mask, bool keep_context, size_t *ret_starts)
{
	z_stream z;
	struct buf payload;
	buf_init(b, 1 << 20);
	buf_init(&payload, 1 << 20);
	deflater_init(&z, 15);
	for (size_t i = 0; i < N_SAID; i++) {
		payload.len = 0;
		if (!keep_context)
			deflateReset(&z);
		put_deflated(&payload, &z, said[i], strlen(said[i]));
		ret_starts[i] = b->len;
		put_frame(b, FIN | RSV1 | TEXT, mask, payload.data, payload.len);
	}
	ret_starts[N_SAID] = b->len;
	deflateEnd(&z);
	buf_done(&payload);
}

static const char all_said[] =
	"1 complete decoded 46 [{\"type\":\"response.audio.delta\",\"delta\":\"AAAA\"}]\n"
	"1 complete decoded 46 [{\"type\":\"response.audio.delta\",\"delta\":\"BBBB\"}]\n"
	"1 complete decoded 0 []\n"
	"1 complete decoded 46 [{\"type\":\"response.audio.delta\",\"delta\":\"CCCC\"}]\n";

static void test_context(void **state)
{
	size_t starts[N_SAID + 1];
	struct buf b;
	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		build(&b, MASK, keep, starts);
		run_check(HTTP_REQUEST, keep ? &takeover : &fresh, NULL, &b, all_said);
		/* A sender need not use the context that it may keep. */
		run_check(HTTP_REQUEST, &takeover, NULL, &b, all_said);
		buf_done(&b);
		build(&b, NO_MASK, keep, starts);
		run_check(HTTP_RESPONSE, keep ? &takeover : &fresh, NULL, &b, all_said);
		buf_done(&b);
	}
}

static void test_context_is_needed(void **state)
{
	size_t starts[N_SAID + 1];
	struct buf b;
	struct ws_run r;
	(void)state;
	build(&b, NO_MASK, true, starts);
	run_init(&r, HTTP_RESPONSE, &fresh, NULL);
	run_data(&r, b.data, b.len, true);
	run_close(&r);
	assert_int_equal(r.n, N_SAID);
	assert_int_equal(r.messages[0]->end, HTTP_END_COMPLETE);
	assert_int_equal(r.messages[1]->end, HTTP_END_MALFORMED);
	assert_string_equal(r.messages[1]->problem, "the compressed data is malformed");
	assert_false(r.messages[1]->body_sha256_valid);
	run_done(&r);
	buf_done(&b);
}

/* RFC 7692 section 7.2.3. */
static void test_examples(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	put_bytes(&b, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	put_bytes(&b, "\xc1\x05\xf2\x00\x11\x00\x00", 7);
	/* In two frames; without compression; one block that holds it as it is; a final block; two blocks. */
	put_bytes(&b, "\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", 11);
	put_bytes(&b, "\x81\x05Hello", 7);
	put_bytes(&b, "\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 13);
	put_bytes(&b, "\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 10);
	put_bytes(&b, "\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 15);
	put_bytes(&b, "\xc1\x01\x00", 3);
	put_bytes(&b, "\xc1\x05\xf2\x00\x11\x00\x00", 7);
	run_check(HTTP_RESPONSE, &takeover, NULL, &b,
		  "1 complete decoded 5 [Hello]\n"
		  "1 complete decoded 5 [Hello]\n"
		  "1 complete decoded 5 [Hello]\n"
		  "1 complete 5 [Hello]\n"
		  "1 complete decoded 5 [Hello]\n"
		  "1 complete decoded 5 [Hello]\n"
		  "1 complete decoded 5 [Hello]\n"
		  "1 complete decoded 0 []\n"
		  "1 complete decoded 5 [Hello]\n");
	buf_done(&b);
}

/* What the RFC does not allow, or not quite, and some send. */
static void test_tolerated(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	put_bytes(&b, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	/* No byte after the final block; one; and another block. The window outlives it. */
	put_bytes(&b, "\xc1\x07\xf3\x48\xcd\xc9\xc9\x07\x00", 9);
	put_bytes(&b, "\xc1\x05\xf2\x00\x11\x00\x00", 7);
	put_bytes(&b, "\xc1\x0e\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00", 16);
	/* Marked as compressed, and empty. */
	put_bytes(&b, "\xc1\x00", 2);
	put_bytes(&b, "\xc1\x05\xf2\x00\x11\x00\x00", 7);
	run_check(HTTP_RESPONSE, &takeover, NULL, &b,
		  "1 complete decoded 5 [Hello]\n"
		  "1 complete decoded 5 [Hello]\n"
		  "1 complete decoded 5 [Hello]\n"
		  "1 complete decoded 10 [HelloHello]\n"
		  "1 complete decoded 0 []\n"
		  "1 complete decoded 5 [Hello]\n");
	buf_done(&b);
}

static void test_malformed(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	put_bytes(&b, "\xc2\x03\xff\xff\xff", 5);
	put_bytes(&b, "\xc1\x05\xf2\x00\x11\x00\x00", 7);
	put_bytes(&b, "\x81\x05plain", 7);
	run_check(HTTP_RESPONSE, &takeover, NULL, &b,
		  "2 malformed no hash (the compressed data is malformed) 0 []\n"
		  "1 malformed no hash (the message is compressed with the help of earlier bytes that could "
		  "not be "
		  "read) 0 []\n"
		  "1 complete 5 [plain]\n");
	b.len = 0;
	put_bytes(&b, "\xc2\x03\xff\xff\xff", 5);
	put_bytes(&b, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	/* It ends within a block. */
	put_bytes(&b, "\xc1\x04\xf2\x48\xcd\xc9", 6);
	put_bytes(&b, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	run_check(HTTP_RESPONSE, &fresh, NULL, &b,
		  "2 malformed no hash (the compressed data is malformed) 0 []\n"
		  "1 complete decoded 5 [Hello]\n"
		  "1 malformed decoded no hash (the compressed data is malformed) 3 [Hel]\n"
		  "1 complete decoded 5 [Hello]\n");
	b.len = 0;
	put_bytes(&b, "\xc9\x00", 2);
	run_check(HTTP_RESPONSE, &takeover, NULL, &b, "unreadable 2 missing 0\n");
	b.len = 0;
	put_bytes(&b, "\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00", 11);
	run_check(HTTP_RESPONSE, &takeover, NULL, &b,
		  "1 malformed decoded no hash (a frame that begins no message is marked as compressed) 2 "
		  "[He]\n"
		  "unreadable 6 missing 0\n");
	buf_done(&b);
}

/* Text of which a window holds less than the whole. */
static void long_text(char *text, size_t len)
{
	uint32_t x = 1;
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		text[i] = (char)('a' + (x >> 28));
		/* Something to find again far back. */
		if (i >= 3000 && x >> 30 == 0)
			for (int j = 0; j < 40 && i < len; j++, i++)
				text[i] = text[i - 3000];
	}
}

static void test_windows(void **state)
{
	static char text[100000];
	(void)state;
	long_text(text, sizeof(text));
	for (int bits = 9; bits <= 15; bits++) {
		for (uint8_t agreed = bits == 9 ? 8 : (uint8_t)bits; agreed <= 15; agreed += 3) {
			struct websocket_deflate d = {.agreed = true, .window_bits = agreed};
			struct buf b, payload;
			struct ws_run r;
			z_stream z;
			buf_init(&b, 1 << 20);
			buf_init(&payload, 1 << 20);
			deflater_init(&z, bits);
			for (int i = 0; i < 3; i++) {
				payload.len = 0;
				put_deflated(&payload, &z, text + i * 100, sizeof(text) - 200);
				put_frame(&b, FIN | RSV1 | TEXT, NO_MASK, payload.data, payload.len);
			}
			deflateEnd(&z);
			run_init(&r, HTTP_RESPONSE, &d, NULL);
			for (size_t at = 0; at < b.len; at += 1000)
				run_data(&r, b.data + at, b.len - at < 1000 ? b.len - at : 1000, false);
			run_close(&r);
			assert_int_equal(r.n, 3);
			for (int i = 0; i < 3; i++) {
				assert_true(r.messages[i]->body_sha256_valid);
				assert_int_equal(r.messages[i]->body_len, sizeof(text) - 200);
				assert_memory_equal(r.messages[i]->body, text + i * 100, sizeof(text) - 200);
			}
			run_done(&r);
			buf_done(&b);
			buf_done(&payload);
		}
	}
}

/* --- losses ------------------------------------------------------------------------------ */

#define NEEDS_LOST                                                                                           \
	"1 gap no hash (the message is compressed with the help of earlier bytes that were not captured) 0 " \
	"[]\n"

static char *play_gap(const struct websocket_deflate *d, const struct buf *b, size_t from, size_t len)
{
	struct ws_run r;
	run_init(&r, HTTP_RESPONSE, d, NULL);
	run_data(&r, b->data, from, true);
	run_gap(&r, len);
	run_data(&r, b->data + from + len, b->len - from - len, true);
	run_close(&r);
	for (size_t i = 0; i < r.n; i++)
		assert_true(r.messages[i]->end != HTTP_END_GAP ||
			    r.messages[i]->missing_reason == GAP_RING_FULL);
	char *text = run_render(&r);
	run_done(&r);
	return text;
}

static void test_gap(void **state)
{
	size_t starts[N_SAID + 1];
	struct buf b;
	(void)state;
	/* In the second message's payload: framing goes on, the context is gone. */
	build(&b, NO_MASK, true, starts);
	run_expect(play_gap(&takeover, &b, starts[1] + 2, 1),
		   "1 complete decoded 46 [{\"type\":\"response.audio.delta\",\"delta\":\"AAAA\"}]\n"
		   "1 gap no hash missing=1 (bytes of the compressed message are missing) 0 []\n" NEEDS_LOST
			   NEEDS_LOST,
		   1, 0);
	/* Two messages whole. */
	char want[512];
	snprintf(want, sizeof(want),
		 "1 complete decoded 46 [{\"type\":\"response.audio.delta\",\"delta\":\"AAAA\"}]\n" NEEDS_LOST
		 "unreadable 0 missing %zu\n",
		 starts[3] - starts[1]);
	run_expect(play_gap(&takeover, &b, starts[1], starts[3] - starts[1]), want, 2, 0);
	buf_done(&b);
	build(&b, NO_MASK, false, starts);
	run_expect(play_gap(&fresh, &b, starts[1] + 2, 1),
		   "1 complete decoded 46 [{\"type\":\"response.audio.delta\",\"delta\":\"AAAA\"}]\n"
		   "1 gap no hash missing=1 (bytes of the compressed message are missing) 0 []\n"
		   "1 complete decoded 0 []\n"
		   "1 complete decoded 46 [{\"type\":\"response.audio.delta\",\"delta\":\"CCCC\"}]\n",
		   3, 0);
	buf_done(&b);
}

/* Every run of bytes lost: what is given as whole was said. */
static void test_every_run_is_lost(void **state)
{
	size_t starts[N_SAID + 1];
	struct buf b;
	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		build(&b, NO_MASK, keep, starts);
		for (size_t from = 0; from < b.len; from++) {
			for (size_t to = from + 1; to <= b.len; to++) {
				struct ws_run r;
				size_t next = 0, whole = 0, all_there = 0;
				run_init(&r, HTTP_RESPONSE, keep ? &takeover : &fresh, NULL);
				run_data(&r, b.data, from, true);
				run_gap(&r, to - from);
				while (starts[next] < to)
					next++;
				run_data(&r, b.data + to, starts[next] - to, false);
				run_data(&r, b.data + starts[next], b.len - starts[next], true);
				run_close(&r);
				for (size_t i = 0; i < r.n; i++) {
					const struct http_message *m = r.messages[i];
					bool found = !m->body_sha256_valid;
					for (size_t j = 0; j < N_SAID; j++)
						found |= m->body_len == strlen(said[j]) &&
							 (!m->body_len ||
							  memcmp(m->body, said[j], m->body_len) == 0);
					assert_true(found);
					whole += m->body_sha256_valid;
				}
				for (size_t i = 0; i < N_SAID; i++)
					all_there += starts[i + 1] <= from || (!keep && starts[i] >= to);
				assert_int_equal(whole, all_there);
				run_done(&r);
			}
		}
		buf_done(&b);
	}
}

/* A message that ends too early leaves the context as unknown as a gap does. */
static void test_interrupted(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	put_bytes(&b, "\x41\x03\xf2\x48\xcd", 5);
	put_bytes(&b, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	run_check(HTTP_RESPONSE, &takeover, NULL, &b,
		  "1 malformed decoded no hash (another message began before the message's end) 2 [He]\n"
		  "1 malformed no hash (the message is compressed with the help of earlier bytes that could "
		  "not be "
		  "read) 0 []\n");
	run_check(HTTP_RESPONSE, &fresh, NULL, &b,
		  "1 malformed decoded no hash (another message began before the message's end) 2 [He]\n"
		  "1 complete decoded 5 [Hello]\n");
	buf_done(&b);
}

/* --- bombs ------------------------------------------------------------------------------- */

/* About a megabyte that becomes a gigabyte of zeros: blocks that do not build on each other, many times. */
static void build_bomb(struct buf *payload)
{
	static const uint8_t zeros[1 << 20];
	uint8_t out[8192];
	z_stream z;
	deflater_init(&z, 15);
	z.next_in = (Bytef *)zeros;
	z.avail_in = sizeof(zeros);
	z.next_out = out;
	z.avail_out = sizeof(out);
	assert_int_equal(deflate(&z, Z_FULL_FLUSH), Z_OK);
	deflateEnd(&z);
	assert_true(z.avail_out > 0);
	for (int i = 0; i < 1024; i++)
		put_bytes(payload, out, sizeof(out) - z.avail_out);
	payload->len -= 4;
}

static uint64_t play_bomb(const struct buf *payload, const struct http_limits *limits,
			  const struct websocket_deflate *d)
{
	struct buf b;
	struct ws_run r;
	size_t most = 0;
	buf_init(&b, 16 << 20);
	put_frame(&b, FIN | RSV1 | BINARY, NO_MASK, payload->data, payload->len);
	put_bytes(&b, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	put_bytes(&b, "\x81\x05plain", 7);
	run_init(&r, HTTP_RESPONSE, d, limits);
	size_t before = mallinfo2().uordblks;
	for (size_t at = 0; at < b.len; at += 16384) {
		run_data(&r, b.data + at, b.len - at < 16384 ? b.len - at : 16384, true);
		size_t now = mallinfo2().uordblks;
		most = now > most ? now : most;
	}
	assert_true(most < before + limits->max_body * 2 + (1 << 18));
	run_close(&r);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.messages[0]->end, HTTP_END_LIMIT);
	assert_string_equal(r.messages[0]->problem, "the decompressed message is over a limit");
	assert_int_equal(r.messages[0]->coded_total, payload->len);
	assert_int_equal(r.messages[0]->body_len,
			 limits->max_body < limits->max_decoded ? limits->max_body : limits->max_decoded);
	assert_false(r.messages[0]->body_sha256_valid);
	assert_int_equal(r.messages[1]->end, d->no_context_takeover ? HTTP_END_COMPLETE : HTTP_END_LIMIT);
	assert_int_equal(r.messages[2]->end, HTTP_END_COMPLETE);
	uint64_t out = r.messages[0]->body_total;
	run_done(&r);
	buf_done(&b);
	return out;
}

static void test_bombs(void **state)
{
	struct http_limits limits = http_limits_default;
	struct buf payload;
	(void)state;
	buf_init(&payload, 4 << 20);
	build_bomb(&payload);
	assert_true(payload.len < 2 << 20);
	limits.max_body = 1 << 16;
	/* By ratio: soon after the size from which it counts. */
	uint64_t out = play_bomb(&payload, &limits, &takeover);
	assert_true(out > limits.ratio_from && out < limits.ratio_from + (64 << 10));
	/* By size: to the byte. */
	limits.max_ratio = UINT32_MAX;
	assert_int_equal(play_bomb(&payload, &limits, &fresh), limits.max_decoded);
	limits.max_decoded = 12345;
	assert_int_equal(play_bomb(&payload, &limits, &takeover), 12345);
	buf_done(&payload);
}

static void test_limit_is_exact(void **state)
{
	struct http_limits limits = http_limits_default;
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	put_bytes(&b, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	limits.max_decoded = 5;
	run_check(HTTP_RESPONSE, &takeover, &limits, &b, "1 complete decoded 5 [Hello]\n");
	limits.max_decoded = 4;
	run_check(HTTP_RESPONSE, &takeover, &limits, &b,
		  "1 limit decoded no hash (the decompressed message is over a limit) 4 [Hell]\n");
	buf_done(&b);
}

/* Connections share what decompression may take. */
static void test_shared_memory(void **state)
{
	struct http_budget budget = {.max = (32 + 10) * 1024};
	struct http_limits limits = http_limits_default;
	struct ws_run first, second;
	(void)state;
	limits.decoders = &budget;
	run_init(&first, HTTP_RESPONSE, &takeover, &limits);
	run_init(&second, HTTP_RESPONSE, &fresh, &limits);
	assert_int_equal(budget.used, 0);
	/* Without takeover it is only taken while there is a message. */
	run_data(&second, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07", 8, true);
	assert_int_equal(budget.used, budget.max);
	run_data(&second, "\x00", 1, true);
	assert_int_equal(budget.used, 0);
	run_data(&first, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9, true);
	assert_int_equal(budget.used, budget.max);
	run_data(&second, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9, true);
	run_close(&first);
	assert_int_equal(budget.used, 0);
	run_data(&second, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9, true);
	run_close(&second);
	run_expect(run_render(&second),
		   "1 complete decoded 5 [Hello]\n"
		   "1 limit no hash (the memory for decompression is used up) 0 []\n"
		   "1 complete decoded 5 [Hello]\n",
		   0, 0);
	run_done(&first);
	run_done(&second);
	assert_int_equal(budget.used, 0);
}

/* Empty final blocks, two bytes each, cost nothing but themselves. */
static void test_many_final_blocks(void **state)
{
	struct buf b;
	struct ws_run r;
	(void)state;
	buf_init(&b, 8 << 20);
	put_bytes(&b, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	put_frame_head(&b, FIN | RSV1 | TEXT, NO_MASK, 2000000, 8);
	for (int i = 0; i < 1000000; i++)
		put_bytes(&b, "\x03\x00", 2);
	put_bytes(&b, "\xc1\x05\xf2\x00\x11\x00\x00", 7);
	run_init(&r, HTTP_RESPONSE, &takeover, NULL);
	run_data(&r, b.data, b.len, true);
	run_close(&r);
	run_expect(run_render(&r),
		   "1 complete decoded 5 [Hello]\n1 complete decoded 0 []\n1 complete decoded 5 [Hello]\n", 0,
		   0);
	run_done(&r);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_context),
		cmocka_unit_test(test_context_is_needed),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_tolerated),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_every_run_is_lost),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_limit_is_exact),
		cmocka_unit_test(test_shared_memory),
		cmocka_unit_test(test_many_final_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
