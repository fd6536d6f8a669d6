/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation fails once on the way from HTTP to WebSocket: no crash, no leak, the counts stay right,
 * and the caller is told. */
#include "feed.h"

#include <errno.h>
#include <limits.h>

/* Under a sanitizer the allocator is not ours to replace. */
#if defined(__SANITIZE_ADDRESS__)
int main(void)
{
	print_message("skipped: the sanitizer owns the allocator\n");
	return 0;
}
#else

#include "faults.h"

#define LOST(dir, len)                                                                                       \
	{                                                                                                    \
		dir, NULL, len                                                                               \
	}
#define ASK   "GET /w HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
#define GRANT "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define SAME  "\xf2\x00\x11\x00\x00"
#define SCRIPT(r, n)                                                                                         \
	{                                                                                                    \
		r, sizeof(r) / sizeof((r)[0]), n                                                             \
	}

/* Frames before the answer, with and without compression, a loss. */
static const struct record granted[] = {
	REQ(ASK "\x81\x82\0\0\0\0h"),
	REQ("i\x89\x80\0\0\0\0"),
	RESP(GRANT "\x81\x02yo"),
	RESP("\xc1\x07" HELLO "\xc1\x05\xf2\x00\x11"),
	RESP("\x00\x00"),
	REQ("\xc1\x87\0\0\0\0" HELLO "\x02\x82\0\0\0\0no"),
	LOST(STREAM_WRITE, 3),
	REQ("\x88\x82\0\0\0\0\x03\xe8"),
	RESP("\x02\x05hal"),
};

/* Refused, with a request that was held, and then granted to a request that comes late. */
static const struct record refused[] = {
	REQ(ASK "GET /a HTTP/1.1\r\n\r\n"),
	REQ(ASK),
	RESP("HTTP/1.1 204 \r\n\r\nHTTP/1.1 204 \r\n\r\n"),
	RESP(GRANT "\xc1\x07" HELLO),
	REQ("\x81\x82\0\0\0\0hi"),
};

/* The answer is lost. */
static const struct record unseen[] = {
	REQ(ASK "\x81\x82\0\0\0\0hi"),
	LOST(STREAM_READ, 9),
	RESP("\x81\x02yo"),
	REQ("\xc1\x87\0\0\0\0" HELLO),
};

struct script {
	const struct record *records;
	size_t n, messages;
};

static const struct script scripts[] = {SCRIPT(granted, 10), SCRIPT(refused, 8), SCRIPT(unseen, 5)};

static int play_record(struct feed *f, const struct record *r)
{
	int e;
	if (r->data) {
		struct stream_chunk chunk = {
			.conn_id = 7,
			.dir = r->dir,
			.offset = f->at[r->dir],
			.peer_offset = f->at[!r->dir],
			.ts_ns = f->ts_ns++,
			.call_start = true,
			.data = (const uint8_t *)r->data,
			.len = r->len,
		};
		f->fed += r->len;
		e = http_conn_data(f->conn, &chunk);
	} else {
		struct stream_gap gap = {.dir = r->dir,
					 .offset = f->at[r->dir],
					 .len = r->len,
					 .ts_ns = f->ts_ns++,
					 .reason = GAP_RING_FULL};
		f->gaps += r->len;
		e = http_conn_gap(f->conn, &gap);
	}
	f->at[r->dir] += r->len;
	assert_true(e == 0 || e == -ENOMEM);
	return e;
}

/* 0, or the first error that was reported. */
static int play(struct feed *f, const struct script *script)
{
	int first = 0;
	for (size_t i = 0; i < script->n; i++) {
		int e = play_record(f, &script->records[i]);
		first = first ? first : e;
	}
	int e = http_conn_close(f->conn, f->ts_ns);
	return first ? first : e;
}

/* Refuses the nth allocation. False: there are not so many. */
static bool play_without(const struct script *script, unsigned long n)
{
	struct feed f = {.ts_ns = 1000, .cap = 64};
	f.messages = malloc(f.cap * sizeof(*f.messages));
	faults_arm(n);
	int r = http_conn_new(&f.conn, 7, STREAM_WRITE, NULL, &feed_ops, &f);
	int played = r == 0 ? play(&f, script) : 0;
	faults_disarm();
	assert_true(r == 0 || (r == -ENOMEM && failed && !f.conn));
	assert_true(played == 0 || failed);
	if (r == 0)
		feed_check_sums(&f);
	if (!failed)
		assert_int_equal(f.n, script->messages);
	feed_done(&f);
	return failed;
}

static void test_every_allocation_fails(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		unsigned long n = 0;
		/* Libraries keep some memory for good from their first use on. */
		assert_false(play_without(&scripts[i], ULONG_MAX));
		long before = live;
		for (; play_without(&scripts[i], n); n++)
			assert_int_equal(live, before);
		/* All of it was reached: there are more allocations than messages. */
		assert_true(n > 3 * scripts[i].messages);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation_fails),
	};
	if (!faults_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
