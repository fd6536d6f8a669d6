/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders: whole, byte by byte and at every split; what is corrupt, cut or follows; bombs. */
#include "compress.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "http/coding.h"
#include "http/http_conn.h"

struct result {
	struct buf out;
	int error;
	bool at_end;
	bool text;
	const char *problem;
};

static int on_out(void *ctx, const uint8_t *data, size_t len)
{
	struct result *r = ctx;
	assert_true(len > 0 && len <= CODING_PIECE);
	return buf_append(&r->out, data, len);
}

/* Decodes the bytes, cut where cuts say (0: byte by byte). */
static struct result decode(const char *codings, const void *data, size_t len, size_t cut,
			    const struct http_limits *limits)
{
	struct result result = {.error = 0};
	struct coding_list list = {0};
	struct coding *coding;
	const uint8_t *first;
	size_t first_len;

	buf_init(&result.out, SIZE_MAX / 2);
	limits = limits ? limits : &http_limits_default;
	coding_list_add(&list, codings, limits->max_codings);
	assert_false(list.unknown || list.many);
	assert_int_equal(coding_new(&coding, &list, limits, on_out, &result), 0);
	for (size_t at = 0; at < len && !result.error;) {
		size_t n = !cut ? 1 : at < cut ? cut : len - at;
		uint8_t *copy = guard_copy((const uint8_t *)data + at, n);
		result.error = coding_feed(coding, copy, n);
		guard_free(copy, n);
		at += n;
	}
	result.problem = coding_problem(coding);
	result.at_end = !result.error && coding_at_end(coding);
	result.text = coding_is_text(coding, &first, &first_len);
	assert_true((result.problem != NULL) == (result.error != 0));
	coding_free(&coding);
	return result;
}

static void check_decode(const char *codings, const struct buf *data, const char *want, int error,
			 bool at_end)
{
	for (size_t cut = 0; cut <= data->len; cut++) {
		struct result r = decode(codings, data->data, data->len, cut, NULL);
		if (r.out.len != strlen(want) || (r.out.len && memcmp(r.out.data, want, r.out.len) != 0))
			fail_msg("%s cut at %zu: [%s] instead of [%s]", codings, cut,
				 r.out.len ? (char *)r.out.data : "", want);
		assert_int_equal(r.error, error);
		assert_int_equal(r.at_end, at_end);
		buf_done(&r.out);
	}
}

static struct buf made(int format, const char *text)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	compress_to(&b, format, text, strlen(text));
	return b;
}

static const char text[] =
	"{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"one one one two two two "
	"one one one two\"}]}";

static void test_formats(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++) {
		struct buf b = made(all_formats[i], text);
		check_decode(format_name(all_formats[i]), &b, text, 0, true);
		buf_done(&b);
		b = made(all_formats[i], "");
		check_decode(format_name(all_formats[i]), &b, "", 0, true);
		buf_done(&b);
		b = made(all_formats[i], "x");
		check_decode(format_name(all_formats[i]), &b, "x", 0, true);
		buf_done(&b);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *value;
		size_t n;
		bool unknown, many;
	} cases[] = {
		{"gzip", 1, false, false},
		{"X-GZip", 1, false, false},
		{" , br ,\t,zstd\t,", 2, false, false},
		{"identity", 0, false, false},
		{"Identity,deflate", 1, false, false},
		{"", 0, false, false},
		{"compress", 0, true, false},
		{"aes128gcm, gzip", 1, true, false},
		{"gzip;q=1", 0, true, false},
		{"gzi", 0, true, false},
		{"gzip gzip", 0, true, false},
		{"br,br,br,br", 4, false, false},
		{"br,br,br,br,br", 4, false, true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coding_list list = {0};
		coding_list_add(&list, cases[i].value, 4);
		assert_int_equal(list.n, cases[i].n);
		assert_int_equal(list.unknown, cases[i].unknown);
		assert_int_equal(list.many, cases[i].many);
	}
	struct coding_list list = {0};
	coding_list_add(&list, "gzip", 4);
	coding_list_add(&list, "br, zstd", 4);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.kinds[0], CODING_GZIP);
	assert_int_equal(list.kinds[2], CODING_ZSTD);
	/* The limit of the array holds whatever the caller's is. */
	for (int i = 0; i < 20; i++)
		coding_list_push(&list, CODING_BR, SIZE_MAX);
	assert_int_equal(list.n, CODING_STAGES);
	assert_true(list.many);
}

static void test_stacked(void **state)
{
	(void)state;
	struct buf inner = made(GZIP, text), outer;
	buf_init(&outer, 1 << 20);
	compress_to(&outer, BR, inner.data, inner.len);
	check_decode("gzip, br", &outer, text, 0, true);
	/* The other order is another body: gzip's magic is not what br begins with. */
	struct result r = decode("br, gzip", outer.data, outer.len, 1, NULL);
	assert_int_equal(r.error, -EBADMSG);
	buf_done(&r.out);
	buf_done(&outer);
	compress_to(&outer, ZSTD, inner.data, inner.len);
	buf_reset(&inner);
	compress_to(&inner, ZLIB, outer.data, outer.len);
	check_decode("x-gzip,zstd,identity,Deflate", &inner, text, 0, true);
	buf_done(&inner);
	buf_done(&outer);
}

static void test_members_and_frames(void **state)
{
	(void)state;
	struct buf b = made(GZIP, "one ");
	compress_to(&b, GZIP, "", 0);
	compress_to(&b, GZIP, "two", 3);
	check_decode("gzip", &b, "one two", 0, true);
	buf_done(&b);

	static const uint8_t skippable[] = {0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'};
	assert_int_equal(buf_append(&b, skippable, sizeof(skippable)), 0);
	compress_to(&b, ZSTD, "one ", 4);
	assert_int_equal(buf_append(&b, skippable, sizeof(skippable)), 0);
	compress_to(&b, ZSTD, "two", 3);
	check_decode("zstd", &b, "one two", 0, true);
	buf_done(&b);
}

static void test_flushes_come_out(void **state)
{
	static const char *const events[] = {"data: one\n\n", "data: two\n\n", "data: [DONE]\n\n"};
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++) {
		struct press press;
		struct result result = {.error = 0};
		struct coding_list list = {0};
		struct coding *coding;
		size_t total = 0;

		press_init(&press, all_formats[i]);
		buf_init(&result.out, 1000);
		coding_list_add(&list, format_name(all_formats[i]), 4);
		assert_int_equal(coding_new(&coding, &list, &http_limits_default, on_out, &result), 0);
		for (size_t e = 0; e < 3; e++) {
			press_add(&press, events[e], strlen(events[e]), false);
			assert_int_equal(coding_feed(coding, press.out.data, press.out.len), 0);
			buf_reset(&press.out);
			total += strlen(events[e]);
			assert_int_equal(result.out.len, total);
			assert_memory_equal(result.out.data + total - strlen(events[e]), events[e],
					    strlen(events[e]));
			assert_false(coding_at_end(coding));
		}
		press_add(&press, "", 0, true);
		assert_int_equal(coding_feed(coding, press.out.data, press.out.len), 0);
		assert_int_equal(result.out.len, total);
		assert_true(coding_at_end(coding));
		coding_free(&coding);
		buf_done(&result.out);
		press_done(&press);
	}
}

/* Cut everywhere: never at the end, nothing that was not sent, and more with more. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++) {
		struct buf b = made(all_formats[i], text);
		size_t before = 0;
		for (size_t len = 1; len < b.len; len++) {
			struct result r = decode(format_name(all_formats[i]), b.data, len, len, NULL);
			assert_int_equal(r.error, 0);
			assert_false(r.at_end);
			assert_false(r.text && len > 8);
			assert_true(r.out.len >= before && r.out.len <= strlen(text));
			assert_memory_equal(r.out.len ? (char *)r.out.data : "", text, r.out.len);
			before = r.out.len;
			buf_done(&r.out);
		}
		buf_done(&b);
	}
	struct result r = decode("gzip, br", NULL, 0, 0, NULL);
	assert_true(r.at_end);
}

static void test_trailing_garbage(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++) {
		struct buf b = made(all_formats[i], text);
		assert_int_equal(buf_append_str(&b, "\n"), 0);
		check_decode(format_name(all_formats[i]), &b, text, -EBADMSG, false);
		struct result r = decode(format_name(all_formats[i]), b.data, b.len, 7, NULL);
		assert_string_equal(r.problem,
				    "decompression was stopped: something else follows the compressed data");
		buf_done(&r.out);
		buf_done(&b);
	}
}

/* Each bit of each byte flipped: an error, or an end that is not reached, or another text; never a crash.
 * What gzip and zlib give whole is right, since they carry a checksum. */
static void test_flipped_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++) {
		struct buf b = made(all_formats[i], text);
		size_t noticed = 0;
		for (size_t bit = 0; bit < b.len * 8; bit++) {
			b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			struct result r = decode(format_name(all_formats[i]), b.data, b.len, b.len, NULL);
			bool right = r.out.len == strlen(text) && memcmp(r.out.data, text, r.out.len) == 0;
			if (r.at_end && (all_formats[i] == GZIP || all_formats[i] == ZLIB))
				assert_true(right);
			noticed += !right || r.error || !r.at_end;
			buf_done(&r.out);
			b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_true(noticed > b.len * 8 / 2);
		buf_done(&b);
	}
}

static void test_corrupt(void **state)
{
	static const struct {
		const char *coding;
		size_t len;
		const char *data;
		bool text; /* it may as well be */
	} cases[] = {
		{"gzip", 10, "\x1f\x8b\x09\0\0\0\0\0\0\0", false},   /* no method of RFC 1952 */
		{"gzip", 10, "\x1f\x8b\x08\xe0\0\0\0\0\0\0", false}, /* reserved flags */
		{"deflate", 6, "\x78\x20\1\0\0\0",
		 false}, /* wants a dictionary: taken for bare, which it is not */
		{"deflate", 3, "\x07\xff\xff", false}, /* reserved block type */
		{"br", 1, "\x11", false},	       /* reserved window size */
		{"zstd", 8, "\x27\xb5\x2f\xfd\0\0\0\0",
		 true}, /* the format of 2016, which the library would read */
		{"zstd", 6, "\x28\xb5\x2f\xfd\x08\0", false},	    /* reserved bit */
		{"zstd", 7, "\x28\xb5\x2f\xfd\x21\x01\x00", false}, /* wants a dictionary */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;
		buf_init(&b, 100);
		assert_int_equal(buf_append(&b, cases[i].data, cases[i].len), 0);
		check_decode(cases[i].coding, &b, "", -EBADMSG, false);
		struct result r = decode(cases[i].coding, b.data, b.len, 1, NULL);
		assert_string_equal(r.problem, "decompression was stopped: the compressed data is corrupt");
		assert_int_equal(r.text, cases[i].text);
		buf_done(&r.out);
		buf_done(&b);
	}
}

static void test_text_is_recognised(void **state)
{
	static const char *const codings[] = {"gzip", "deflate", "br", "zstd", "gzip, br", "br, gzip"};
	static const char *const bodies[] = {text, "{\"a\":1}\n", "--b\r\nX: y\r\n\r\nz\r\n--b--\r\n",
					     "[1,2,3,4,5,6,7]"};
	(void)state;
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
		for (size_t j = 0; j < sizeof(bodies) / sizeof(bodies[0]); j++)
			for (size_t cut = 0; cut <= strlen(bodies[j]); cut++) {
				struct result r = decode(codings[i], bodies[j], strlen(bodies[j]), cut, NULL);
				assert_false(r.at_end);
				assert_true(r.text);
				buf_done(&r.out);
			}
}

/* --- limits ------------------------------------------------------------------------------ */

static uint64_t counted;

static int count_out(void *ctx, const uint8_t *data, size_t len)
{
	(void)ctx;
	(void)data;
	counted += len;
	return 0;
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What comes out of the data, given in pieces as the probes do. The decoders' memory is watched through the
 * budget. */
static int explode(const char *codings, const struct buf *data, const struct http_limits *base,
		   const char **ret_problem, uint64_t *ret_memory)
{
	struct http_budget budget = {.max = UINT64_MAX};
	struct http_limits limits = *base;
	struct coding_list list = {0};
	struct coding *coding;
	int r;

	limits.decoders = &budget;
	counted = 0;
	*ret_memory = 0;
	coding_list_add(&list, codings, limits.max_codings);
	assert_int_equal(coding_new(&coding, &list, &limits, count_out, NULL), 0);
	size_t at = 0;
	for (r = 0; at < data->len && r == 0; at += 16384) {
		r = coding_feed(coding, data->data + at, data->len - at < 16384 ? data->len - at : 16384);
		*ret_memory = budget.used > *ret_memory ? budget.used : *ret_memory;
	}
	*ret_problem = coding_problem(coding);
	coding_free(&coding);
	assert_int_equal(budget.used, 0);
	return r;
}

static void test_bombs(void **state)
{
	const uint64_t gigabyte = 1ULL << 30;
	const char *problem;
	uint64_t memory;
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++) {
		struct buf b;
		buf_init(&b, 64 << 20);
		compress_zeros(&b, all_formats[i],
			       format_name(all_formats[i])[0] == 'd' ? gigabyte / 8 : gigabyte);
		double before = seconds();
		assert_int_equal(
			explode(format_name(all_formats[i]), &b, &http_limits_default, &problem, &memory),
			-EFBIG);
		double took = seconds() - before;
		assert_int_equal(counted, http_limits_default.ratio_from);
		assert_string_equal(problem,
				    "decompression was stopped: the body grows by more than the limit");
		assert_true(memory > 0 && memory <= http_limits_default.max_decoder);
		if (took > 0.25)
			fail_msg("format %d took %.3f s", all_formats[i], took);

		/* Without the ratio, the size. */
		struct http_limits limits = http_limits_default;
		limits.max_ratio = UINT32_MAX;
		assert_int_equal(explode(format_name(all_formats[i]), &b, &limits, &problem, &memory),
				 -EFBIG);
		assert_int_equal(counted, limits.max_decoded);
		assert_string_equal(problem, "decompression was stopped: the body is larger than the limit");
		assert_true(memory <= limits.max_decoder);
		buf_done(&b);
	}
}

static void test_stacked_bombs(void **state)
{
	static const int outer_formats[] = {GZIP, BR, ZSTD};
	const char *problem;
	uint64_t memory;
	(void)state;
	struct buf inner, outer;
	buf_init(&inner, 64 << 20);
	buf_init(&outer, 64 << 20);
	compress_zeros(&inner, GZIP, 1ULL << 30);
	for (size_t i = 0; i < 3; i++) {
		char codings[64];
		snprintf(codings, sizeof(codings), "gzip, %s", format_name(outer_formats[i]));
		compress_to(&outer, outer_formats[i], inner.data, inner.len);
		assert_int_equal(explode(codings, &outer, &http_limits_default, &problem, &memory), -EFBIG);
		assert_int_equal(counted, http_limits_default.ratio_from);
		assert_true(memory <= http_limits_default.max_decoder);
		buf_done(&outer);
	}
	/* Nothing comes out at the end, but a lot in between: what a decoder gives another counts too. */
	buf_done(&inner);
	static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff};
	assert_int_equal(buf_append(&inner, skippable, sizeof(skippable)), 0);
	uint8_t *zeros = calloc(1, 32 << 20);
	assert_int_equal(buf_append(&inner, zeros, 32 << 20), 0);
	free(zeros);
	compress_to(&outer, GZIP, inner.data, inner.len);
	assert_int_equal(explode("zstd, gzip", &outer, &http_limits_default, &problem, &memory), -EFBIG);
	assert_int_equal(counted, 0);
	assert_string_equal(problem, "decompression was stopped: the body grows by more than the limit");
	buf_done(&inner);
	buf_done(&outer);
}

static void test_size_limit_is_exact(void **state)
{
	struct http_limits limits = http_limits_default;
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++) {
		struct buf b = made(all_formats[i], text);
		limits.max_decoded = strlen(text);
		for (size_t cut = 0; cut <= b.len; cut++) {
			struct result r = decode(format_name(all_formats[i]), b.data, b.len, cut, &limits);
			assert_int_equal(r.error, 0);
			assert_true(r.at_end);
			buf_done(&r.out);
		}
		limits.max_decoded--;
		for (size_t cut = 0; cut <= b.len; cut++) {
			struct result r = decode(format_name(all_formats[i]), b.data, b.len, cut, &limits);
			assert_int_equal(r.error, -EFBIG);
			assert_int_equal(r.out.len, strlen(text) - 1);
			buf_done(&r.out);
		}
		buf_done(&b);
	}
}

static void test_ordinary_ratio_passes(void **state)
{
	const char *problem;
	uint64_t memory;
	size_t len = 8 << 20;
	char *log = malloc(len);
	(void)state;
	/* Repetitive, though not as a bomb is. */
	for (size_t at = 0, n = 0; at < len; at++)
		log[at] = at % 64 < 10 ? (char)('a' + (n = n * 1103515245 + 12345) / 65536 % 26)
				       : "the same text again "[at % 20];
	for (size_t i = 0; i < N_FORMATS; i++) {
		struct buf b;
		buf_init(&b, 64 << 20);
		compress_to(&b, all_formats[i], log, len);
		assert_int_equal(
			explode(format_name(all_formats[i]), &b, &http_limits_default, &problem, &memory), 0);
		assert_int_equal(counted, len);
		buf_done(&b);
	}
	free(log);
}

static void test_memory_limits(void **state)
{
	struct http_limits limits = http_limits_default;
	struct http_budget budget = {.max = 1000};
	struct coding_list list = {0};
	struct coding *coding = NULL;
	const char *problem;
	uint64_t memory;
	(void)state;

	/* A zstd frame that asks for 16 MiB, over a quarter of the 32 MiB; and one for 8 MiB. */
	static const uint8_t window_16m[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 14 << 3, 0, 0, 0},
			     window_8m[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x01, 0, 0};
	struct result r = decode("zstd", window_16m, sizeof(window_16m), 0, NULL);
	assert_int_equal(r.error, -EFBIG);
	assert_string_equal(r.problem, "decompression was stopped: the window is larger than the limit");
	r = decode("zstd", window_8m, sizeof(window_8m), 0, NULL);
	assert_int_equal(r.error, 0);
	assert_true(r.at_end);

	/* All connections together. */
	limits.decoders = &budget;
	for (size_t i = 0; i < 2; i++) {
		list = (struct coding_list){0};
		coding_list_add(&list, i ? "gzip" : "zstd", 4);
		assert_int_equal(coding_new(&coding, &list, &limits, count_out, NULL), -ENOBUFS);
		assert_null(coding);
		assert_int_equal(budget.used, 0);
	}
	assert_string_equal(coding_problem(NULL),
			    "decompression was stopped: it needs more memory than the limit");

	/* Two frames of 8 MiB do not fit into 9 MiB at once. */
	struct coding *other = NULL;
	list = (struct coding_list){0};
	coding_list_add(&list, "zstd", 4);
	budget.max = 9 << 20;
	assert_int_equal(coding_new(&coding, &list, &limits, count_out, NULL), 0);
	assert_int_equal(coding_new(&other, &list, &limits, count_out, NULL), 0);
	assert_int_equal(coding_feed(coding, window_8m, 8), 0);
	assert_true(budget.used > 8 << 20 && budget.used <= budget.max);
	assert_int_equal(coding_feed(other, window_8m, 8), -EFBIG);
	assert_true(budget.used <= budget.max);
	coding_free(&coding);
	coding_free(&other);
	assert_int_equal(budget.used, 0);

	/* br allocates its window as the content grows. */
	struct buf b;
	buf_init(&b, 64 << 20);
	compress_zeros(&b, BR, 8 << 20);
	limits = http_limits_default;
	limits.max_ratio = UINT32_MAX;
	limits.max_decoder = 256 << 10;
	assert_int_equal(explode("br", &b, &limits, &problem, &memory), -EFBIG);
	assert_string_equal(problem, "decompression was stopped: it needs more memory than the limit");
	assert_true(memory <= limits.max_decoder);
	buf_done(&b);
}

static int refuse_out(void *ctx, const uint8_t *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
	return -ENOMEM;
}

static void test_callback_ends_it(void **state)
{
	struct coding_list list = {0};
	struct coding *coding;
	(void)state;
	struct buf b = made(GZIP, text);
	coding_list_add(&list, "gzip", 4);
	assert_int_equal(coding_new(&coding, &list, &http_limits_default, refuse_out, NULL), 0);
	assert_int_equal(coding_feed(coding, b.data, b.len), -ENOMEM);
	coding_free(&coding);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_stacked),
		cmocka_unit_test(test_members_and_frames),
		cmocka_unit_test(test_flushes_come_out),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_trailing_garbage),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_text_is_recognised),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_stacked_bombs),
		cmocka_unit_test(test_size_limit_is_exact),
		cmocka_unit_test(test_ordinary_ratio_passes),
		cmocka_unit_test(test_memory_limits),
		cmocka_unit_test(test_callback_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
