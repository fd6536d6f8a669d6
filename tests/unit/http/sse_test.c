/* SPDX-License-Identifier: Apache-2.0 */
/* Event streams whole, byte by byte, at every split; line ends of every kind; limits. */
#include "guard.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/sse.h"

struct log {
	struct buf text;
	uint64_t last_end;
};

static void on_event(void *ctx, const struct sse_event *e)
{
	struct log *log = ctx;
	assert_int_equal(e->data[e->data_len], 0);
	assert_true(e->offset < e->end && e->offset >= log->last_end);
	log->last_end = e->end;
	assert_int_equal(buf_appendf(&log->text, "%s|", e->event), 0);
	for (size_t i = 0; i < e->data_len; i++)
		assert_int_equal(buf_append(&log->text, e->data[i] ? &e->data[i] : "\\0", e->data[i] ? 1 : 2),
				 0);
	assert_int_equal(buf_appendf(&log->text, "|%llu-%llu\n", (unsigned long long)e->offset,
				     (unsigned long long)e->end),
			 0);
}

static void feed_guarded(struct sse *sse, const char *data, size_t len)
{
	uint8_t *copy = guard_copy(data, len);
	assert_int_equal(sse_feed(sse, copy, len), 0);
	guard_free(copy, len);
}

static char *decode(const char *data, size_t len, size_t max, const size_t *cuts, size_t n_cuts)
{
	struct log log = {};
	struct sse *sse;
	size_t from = 0;
	buf_init(&log.text, 1 << 20);
	assert_int_equal(sse_new(&sse, max, on_event, &log), 0);
	for (size_t i = 0; i <= n_cuts; i++) {
		size_t to = i < n_cuts ? cuts[i] : len;
		feed_guarded(sse, data + from, to - from);
		from = to;
	}
	assert_int_equal(sse_end(sse), 0);
	assert_int_equal(buf_appendf(&log.text, "skipped %llu\n", (unsigned long long)sse_skipped(sse)), 0);
	sse_free(&sse);
	return buf_take_str(&log.text);
}

static void check_cuts(const char *data, size_t len, size_t max, const size_t *cuts, size_t n_cuts,
		       const char *want)
{
	char *got = decode(data, len, max, cuts, n_cuts);
	if (strcmp(got, want) != 0)
		fail_msg("%zu cuts, first %zu: got\n%sexpected\n%s", n_cuts, n_cuts ? cuts[0] : 0, got, want);
	free(got);
}

static void check(const char *data, size_t len, size_t max, const char *want)
{
	size_t *all = calloc(len + 1, sizeof(*all));
	assert_non_null(all);
	for (size_t i = 0; i < len; i++)
		all[i] = i;
	check_cuts(data, len, max, NULL, 0, want);
	check_cuts(data, len, max, all, len, want);
	for (size_t i = 0; i < len; i++)
		for (size_t j = i; j < (len < 80 ? len : i + 1); j++)
			check_cuts(data, len, max, (const size_t[]){i, j}, 2, want);
	free(all);
}

#define CHECK(data, want)	   check(data, sizeof(data) - 1, 1000, want)
#define CHECK_MAX(max, data, want) check(data, sizeof(data) - 1, max, want)

static void test_line_ends(void **state)
{
	(void)state;
	CHECK("data: a\n\ndata: b\n\n", "|a|0-9\n|b|9-18\nskipped 0\n");
	CHECK("data: a\r\n\r\ndata: b\r\n\r\n", "|a|0-11\n|b|11-22\nskipped 0\n");
	CHECK("data: a\r\rdata: b\r\r", "|a|0-9\n|b|9-18\nskipped 0\n");
	CHECK("data: a\r\n\rdata: b\n\r\ndata: c\r\n\n\r", "|a|0-10\n|b|10-20\n|c|20-30\nskipped 0\n");
	CHECK("data: a\n\r\n\r\n\ndata: b\r\r\n\n", "|a|0-10\n|b|13-23\nskipped 0\n");
}

static void test_fields(void **state)
{
	(void)state;
	CHECK("data\n\n", "||0-6\nskipped 0\n");
	CHECK("data:\n\n", "||0-7\nskipped 0\n");
	CHECK("data: \n\n", "||0-8\nskipped 0\n");
	CHECK("data:x\ndata:  y\ndata\ndata: z\n\n", "|x\n y\n\nz|0-30\nskipped 0\n");
	CHECK("event: a\nevent: delta\ndata: x\n\ndata: y\n\n", "delta|x|0-31\n|y|31-40\nskipped 0\n");
	CHECK("event: only\n\ndata: x\n\n", "|x|13-22\nskipped 0\n");
	CHECK("id: 1\nretry: 5\nData: no\ndatax: no\n data: no\ndata: yes\n\n", "|yes|0-55\nskipped 0\n");
	CHECK("\n\n\n", "skipped 0\n");
	CHECK("", "skipped 0\n");
}

static void test_comments_bom_nul(void **state)
{
	(void)state;
	CHECK(": hi\n:\n\n: x\ndata: a\n: y\ndata: b\n\n", "|a\nb|12-33\nskipped 0\n");
	CHECK("\xef\xbb\xbf"
	      "data: a\n\n\xef\xbb\xbf"
	      "data: b\n\n",
	      "|a|3-12\nskipped 0\n");
	CHECK("\xef\xbb\xbf: c\ndata: a\n\n", "|a|7-16\nskipped 0\n");
	CHECK("\xef\xbb\xbf\n\xef\xbb\xbf"
	      "data: a\n\n",
	      "skipped 0\n");
	CHECK("data: a\0b\n\n", "|a\\0b|0-11\nskipped 0\n");
	CHECK("data: \xff\xfe\n\n", "|\xff\xfe|0-10\nskipped 0\n");
}

static void test_unfinished(void **state)
{
	(void)state;
	CHECK("data: a\n", "|a|0-8\nskipped 0\n");
	CHECK("data: a", "|a|0-7\nskipped 0\n");
	CHECK("data: a\r", "|a|0-8\nskipped 0\n");
	CHECK("data: [DONE]\n\ndata: {\"cut", "|[DONE]|0-14\n|{\"cut|14-25\nskipped 0\n");
	CHECK("data: a\n\ndat", "|a|0-9\nskipped 0\n");
	CHECK("data: a\n\n: comment", "|a|0-9\nskipped 0\n");
}

static void test_limits(void **state)
{
	(void)state;
	/* A line of 10 bytes fits, one of 11 takes its event with it. */
	CHECK_MAX(10, "data: 1234\n\ndata: 12345\n\ndata: ok\n\n", "|1234|0-12\n|ok|25-35\nskipped 1\n");
	CHECK_MAX(10, "data: a\nx23456789012\ndata: b\n\ndata: c\n\n", "|c|30-39\nskipped 1\n");
	/* Data that is too long together. */
	CHECK_MAX(10, "data:12345\ndata:6789\n\ndata:12345\ndata:67890\n\nevent:e\ndata:1\n\n",
		  "|12345\n6789|0-22\ne|1|45-61\nskipped 1\n");
	/* A comment is not part of an event, however long. */
	CHECK_MAX(10, "data: a\n: comment comment comment\ndata: b\n\n", "|a\nb|0-43\nskipped 0\n");
	CHECK_MAX(10, "\xef\xbb\xbf: comment comment comment\ndata: b\n\n", "|b|29-38\nskipped 0\n");
	/* One that has not ended counts too. */
	CHECK_MAX(10, "data: 12345", "skipped 1\n");
	CHECK_MAX(0, "data\n\ndata\n\n\n", "skipped 2\n");
}

static void test_decoder_is_as_new(void **state)
{
	struct log log = {};
	struct sse *sse;
	(void)state;
	buf_init(&log.text, 1000);
	assert_int_equal(sse_new(&sse, 100, on_event, &log), 0);
	for (int i = 0; i < 3; i++) {
		log.last_end = 0;
		feed_guarded(sse,
			     "\xef\xbb\xbf"
			     "data: a\r",
			     11);
		assert_int_equal(sse_end(sse), 0);
	}
	assert_string_equal((char *)log.text.data, "|a|3-11\n|a|3-11\n|a|3-11\n");
	sse_free(&sse);
	buf_done(&log.text);
}

static size_t memory_used(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

static void test_line_of_100_mb(void **state)
{
	static char block[1 << 20];
	static const char *const starts[] = {"data: ", ": ", "x"};
	(void)state;
	memset(block, 'x', sizeof(block));
	for (size_t s = 0; s < 3; s++) {
		struct log log = {};
		struct sse *sse;
		buf_init(&log.text, 1 << 20);
		assert_int_equal(sse_new(&sse, 1 << 16, on_event, &log), 0);
		size_t before = memory_used(), most = 0;
		assert_int_equal(sse_feed(sse, starts[s], strlen(starts[s])), 0);
		for (int i = 0; i < 100; i++) {
			assert_int_equal(sse_feed(sse, block, sizeof(block)), 0);
			if (memory_used() - before > most)
				most = memory_used() - before;
		}
		assert_true(most <= 3 << 16);
		assert_int_equal(sse_feed(sse, "\n\ndata: ok\n\n", 12), 0);
		assert_int_equal(sse_end(sse), 0);
		assert_int_equal(sse_skipped(sse), s != 1);
		assert_memory_equal(log.text.data, "|ok|", 4);
		sse_free(&sse);
		buf_done(&log.text);
	}
}

static uint32_t seed = 7;

static uint32_t random_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

/* Pieces of streams in any order: the result must not depend on where reads end. */
static void test_random_streams(void **state)
{
	static const char *const words[] = {"data",
					    "data:",
					    "event",
					    ":",
					    " ",
					    "\n",
					    "\r",
					    "\r\n",
					    "\n\n",
					    "x",
					    "yyyyyyyyyyyyyyyyy",
					    "\xef\xbb\xbf",
					    "data: {}\n\n"};
	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[400];
		size_t len = 0, cuts[8], n_cuts = random_below(8);
		size_t max = random_below(40);
		for (uint32_t n = random_below(20); n; n--) {
			const char *word = words[random_below(sizeof(words) / sizeof(words[0]))];
			memcpy(text + len, word, strlen(word));
			len += strlen(word);
		}
		for (size_t i = 0; i < n_cuts; i++) {
			size_t low = i ? cuts[i - 1] : 0;
			cuts[i] = low + random_below((uint32_t)(len - low + 1));
		}
		char *want = decode(text, len, max, NULL, 0);
		check_cuts(text, len, max, cuts, n_cuts, want);
		free(want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_ends),	 cmocka_unit_test(test_fields),
		cmocka_unit_test(test_comments_bom_nul), cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_limits),		 cmocka_unit_test(test_decoder_is_as_new),
		cmocka_unit_test(test_line_of_100_mb),	 cmocka_unit_test(test_random_streams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
