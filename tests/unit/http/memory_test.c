/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation fails once: no crash, no leak, the counts stay right, and the caller is told. */
#include "feed.h"

#include <errno.h>
#include <limits.h>

#include "http/sse.h"

/* Under a sanitizer the allocator is not ours to replace. */
#if defined(__SANITIZE_ADDRESS__)
int main(void)
{
	print_message("skipped: the sanitizer owns the allocator\n");
	return 0;
}
#else

#include "faults.h"

struct record_of {
	enum stream_dir dir;
	size_t lost;
	const char *text;
	size_t len; /* 0: up to the NUL */
};

#define CODED(coding, data)                                                                                  \
	{STREAM_WRITE, 0, "GET /z HTTP/1.1\r\n\r\n", 0},                                                     \
		{STREAM_READ, 0,                                                                             \
		 "HTTP/1.1 200 OK\r\nContent-Encoding: " coding "\r\nTransfer-Encoding: chunked\r\n\r\n",    \
		 0},                                                                                         \
		{STREAM_READ, 0, data, sizeof(data) - 1},                                                    \
	{                                                                                                    \
		STREAM_READ, 0, "0\r\n\r\n", 0                                                               \
	}

static const struct record_of talk[] = {
	{STREAM_WRITE, 0,
	 "POST /f HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 104\r\n\r\n"
	 "--b\r\nContent-Disposition: form-data; name=n; filename*=utf-8''f\r\nContent-Type: a/b\r\n\r\n"
	 "x\r\n--b\r\n\r\ny\r\n--b--",
	 0},
	{STREAM_READ, 0, "HTTP/1.1 204 \r\n\r\n", 0},
	CODED("gzip", "17\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\x03\0\0\0\r\n"),
	CODED("br", "7\r\n\x0b\x01\x80"
		    "abc\x03\r\n"),
	CODED("zstd", "c\r\n\x28\xb5\x2f\xfd\x20\x03\x19\0\0"
		      "abc\r\n"),
	CODED("deflate, zstd", "e\r\n\x28\xb5\x2f\xfd\x20\x05\x29\0\0\x4b\x4c\x4a\x06\0\r\n"),
	{STREAM_WRITE, 0, "POST /v1 HTTP/1.1\r\nHost: h\r\nX:\r\n folded\r\nContent-Length: 5\r\n\r\nhel", 0},
	{STREAM_READ, 0, "HTTP/1.1 100 Continue\r\n\r\n", 0},
	{STREAM_WRITE, 0, "lo", 0},
	{STREAM_READ, 0,
	 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
	{STREAM_READ, 0, "5\r\nabcde\r\n", 0},
	{STREAM_READ, 0, "2\r\nfg\r\n0\r\n\r\n", 0},
	{STREAM_WRITE, 0, "GET /b HTTP/1.1\r\n\r\n", 0},
	{STREAM_READ, 77, NULL, 0},
	{STREAM_WRITE, 0, "GET /c HTTP/1.1\r\n\r\n", 0},
	{STREAM_READ, 0, "HTTP/1.1 204 \r\n\r\n", 0},
	{STREAM_WRITE, 0, "GET /d HTTP/1.1\r\nA: b\r\nC", 0},
	{STREAM_WRITE, 30, NULL, 0},
	{STREAM_WRITE, 0, "GET /e HTTP/2.1\r\n", 0},
	{STREAM_READ, 0, "HTTP/1.1 2", 0},
	{STREAM_READ, 9, NULL, 0},
	{STREAM_WRITE, 0, "GET /f HTTP/1.1\r\nHost:", 0},
};

#define BYTES(dir, text)                                                                                     \
	{                                                                                                    \
		dir, 0, text, sizeof(text) - 1                                                               \
	}

/* Two blocks that are one, a table that is used, interim and final, padding, losses, resets, an end in a
 * block. */
static const struct record_of talk2[] = {
	BYTES(STREAM_WRITE, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	BYTES(STREAM_WRITE, "\0\0\x0a\1\0\0\0\0\1\x83\x84\x41\1h\x40\1a\1b"),
	BYTES(STREAM_WRITE, "\0\0\6\x9\4\0\0\0\1\x40\1c\1d\xbe"),
	BYTES(STREAM_WRITE, "\0\0\5\0\1\0\0\0\1hello"),
	BYTES(STREAM_READ, "\0\0\5\1\4\0\0\0\1\x48\3\x31\x30\x33"),
	BYTES(STREAM_READ, "\0\0\x9\1\4\0\0\0\1\x88\0\1x\4long"),
	BYTES(STREAM_READ, "\0\0\4\0\x8\0\0\0\1\1ab\0"),
	BYTES(STREAM_READ, "\0\0\6\0\1\0\0\0\1c"),
	{STREAM_READ, 3, NULL, 0},
	BYTES(STREAM_READ, "de"),
	BYTES(STREAM_WRITE, "\0\0\x0a\1\4\0\0\0\3\x83\x84\x41\1i"),
	{STREAM_WRITE, 40, NULL, 0},
	BYTES(STREAM_WRITE, "\0\0\5\1\5\0\0\0\5\x82\x84\x41\1j"),
	BYTES(STREAM_WRITE, "\0\0\5\1\5\0\0\0\7\x82\x84\x41\1k"),
	BYTES(STREAM_READ, "\0\0\4\3\0\0\0\0\5\0\0\0\7"),
	{STREAM_READ, 5, NULL, 0},
	/* A status that is not known, then the response; one that nobody asked for. */
	BYTES(STREAM_READ, "\0\0\1\1\4\0\0\0\7\xbe"),
	BYTES(STREAM_READ, "\0\0\1\1\5\0\0\0\7\x88"),
	BYTES(STREAM_READ, "\0\0\1\1\5\0\0\0\x0b\x88"),
	BYTES(STREAM_WRITE, "\0\0\5\1\5\0\0\0\x0d\x82\x84\x41\1l"),
	BYTES(STREAM_READ, "\0\0\x8\7\0\0\0\0\0\0\0\0\7\0\0\0\0"),
	BYTES(STREAM_WRITE, "\0\0\x9\1\5\0\0\0\x0f\x82\x84\x41\1"),
};

/* 0, or the first error that was reported. */
static int play(struct feed *f, const struct record_of *records, size_t n)
{
	int first = 0;
	for (size_t i = 0; i < n; i++) {
		const struct record_of *r = &records[i];
		uint64_t len = r->lost ? r->lost : r->len ? r->len : strlen(r->text);
		int e;
		if (r->lost) {
			struct stream_gap gap = {
				.dir = r->dir, .offset = f->at[r->dir], .len = len, .ts_ns = f->ts_ns++};
			f->gaps += len;
			e = http_conn_gap(f->conn, &gap);
		} else {
			struct stream_chunk chunk = {.conn_id = 7,
						     .dir = r->dir,
						     .offset = f->at[r->dir],
						     .peer_offset = f->at[!r->dir],
						     .ts_ns = f->ts_ns++,
						     .call_start = true,
						     .data = (const uint8_t *)r->text,
						     .len = len};
			f->fed += len;
			e = http_conn_data(f->conn, &chunk);
		}
		f->at[r->dir] += len;
		assert_true(e == 0 || e == -ENOMEM);
		first = first ? first : e;
	}
	int e = http_conn_close(f->conn, f->ts_ns);
	return first ? first : e;
}

static void check_codings(const struct feed *f)
{
	assert_int_equal(f->n, 19);
	assert_int_equal(f->messages[0]->n_parts, 2);
	assert_string_equal(f->messages[0]->parts[0].filename, "f");
	assert_memory_equal(f->messages[0]->parts[1].data, "y", 1);
	for (size_t i = 3; i < 11; i += 2) {
		assert_true(f->messages[i]->decoded);
		assert_int_equal(f->messages[i]->body_len, 3);
		assert_memory_equal(f->messages[i]->body, "abc", 3);
	}
}

static void check_count(const struct feed *f)
{
	assert_int_equal(f->n, 13);
}

/* Refuses the nth allocation. False: there are not so many. */
static bool play_without(unsigned long n, const struct record_of *records, size_t n_records,
			 void (*check)(const struct feed *f))
{
	struct feed f = {.ts_ns = 1000, .cap = 64};
	f.messages = malloc(f.cap * sizeof(*f.messages));
	faults_arm(n);
	int r = http_conn_new(&f.conn, 7, STREAM_WRITE, NULL, &feed_ops, &f);
	int played = r == 0 ? play(&f, records, n_records) : 0;
	faults_disarm();
	assert_true(r == 0 || (r == -ENOMEM && failed && !f.conn));
	assert_true(played == 0 || failed);
	if (r == 0)
		feed_check_sums(&f);
	if (!failed)
		check(&f);
	feed_done(&f);
	return failed;
}

static void check_each(const struct record_of *records, size_t n_records, void (*check)(const struct feed *f))
{
	unsigned long n = 0;
	/* Libraries keep some memory for good from their first use on. */
	assert_false(play_without(ULONG_MAX, records, n_records, check));
	long before = live;
	for (; play_without(n, records, n_records, check); n++)
		assert_int_equal(live, before);
	/* All of it was reached: there are more allocations than messages. */
	assert_true(n > 40);
}

static void test_connection(void **state)
{
	(void)state;
	check_each(talk, sizeof(talk) / sizeof(talk[0]), check_codings);
}

static void test_http2(void **state)
{
	(void)state;
	check_each(talk2, sizeof(talk2) / sizeof(talk2[0]), check_count);
}

static void on_event(void *ctx, const struct sse_event *event)
{
	(void)event;
	++*(int *)ctx;
}

static void test_sse(void **state)
{
	static const char *const pieces[] = {"event: a\nda", "ta: one\ndata: two\n\n", "data: three", "\r",
					     "\n\r\ndata"};
	unsigned long n = 0;
	(void)state;
	for (bool more = true; more; n++) {
		long before = live;
		struct sse *sse = NULL;
		int events = 0, error = 0;
		faults_arm(n);
		int r = sse_new(&sse, 1000, on_event, &events);
		for (size_t i = 0; r == 0 && i < (sizeof(pieces) / sizeof(pieces[0])); i++) {
			int e = sse_feed(sse, pieces[i], strlen(pieces[i]));
			error = error ? error : e;
		}
		if (r == 0) {
			int e = sse_end(sse);
			error = error ? error : e;
		}
		more = faults_disarm();
		assert_true(failed == (r == -ENOMEM || error == -ENOMEM));
		assert_int_equal(events + (sse ? (int)sse_skipped(sse) : 0) > 0, sse != NULL);
		if (!failed)
			assert_int_equal(events, 3);
		sse_free(&sse);
		assert_int_equal(live, before);
	}
	assert_true(n > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_http2),
		cmocka_unit_test(test_sse),
	};
	if (!faults_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
