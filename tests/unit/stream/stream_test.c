/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

/* Writes down what comes out, one word an event. */
struct log {
	char text[4096];
	int refuse;
	struct stream_conn last;
};

__attribute__((format(printf, 2, 3))) static void note(struct log *log, const char *fmt, ...)
{
	size_t len = strlen(log->text);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(log->text + len, sizeof(log->text) - len, fmt, ap);
	va_end(ap);
}

static int on_open(void *ctx, struct stream_conn *conn)
{
	struct log *log = ctx;
	note(log, "open%d(%s) ", (int)conn->id, conn->sni);
	log->last = *conn;
	return log->refuse;
}

static void on_chunk(void *ctx, struct stream_conn *conn, const struct stream_chunk *c)
{
	note(ctx, "%c%d@%d:%.*s%s ", c->dir == STREAM_WRITE ? 'w' : 'r', (int)conn->id, (int)c->offset,
	     (int)c->len, (const char *)c->data, c->call_start ? "!" : "");
}

static void on_gap(void *ctx, struct stream_conn *conn, const struct stream_gap *g)
{
	note(ctx, "gap%d@%d+%d/%d ", (int)conn->id, (int)g->offset, (int)g->len, (int)g->reason);
}

static void on_close(void *ctx, struct stream_conn *conn, uint64_t ts_ns)
{
	(void)ts_ns;
	note(ctx, "close%d ", (int)conn->id);
}

static void on_socket(void *ctx, struct stream_conn *conn)
{
	note(ctx, "socket%d:%d ", (int)conn->id, (int)conn->socket.remote_port);
}

static const struct stream_ops ops = {on_open, on_chunk, on_gap, on_socket, on_close};

static void feed_open(struct stream *s, uint64_t id, const char *sni)
{
	struct record_open rec = {.conn_id = id, .tgid = 42, .sni_len = (uint16_t)strlen(sni)};
	struct ring_record r = {.type = RECORD_OPEN, .open = &rec};
	snprintf(rec.sni, sizeof(rec.sni), "%s", sni);
	stream_record(s, &r);
}

static void feed_data(struct stream *s, uint64_t id, uint8_t dir, uint64_t offset, const char *text,
		      uint8_t loss)
{
	size_t len = strlen(text);
	struct record_data *rec = calloc(1, sizeof(*rec) + len);
	assert_non_null(rec);
	rec->conn_id = id;
	rec->tgid = 42;
	rec->dir = dir;
	rec->offset = offset;
	rec->payload_len = (uint32_t)len;
	rec->call_start = 1;
	rec->loss = loss;
	memcpy(rec->payload, text, len);
	stream_record(s, &(struct ring_record){.type = RECORD_DATA, .data = rec});
	free(rec);
}

static void feed_record(struct stream *s, const struct record_data *rec)
{
	stream_record(s, &(struct ring_record){.type = RECORD_GAP, .data = rec});
}

static void feed_gap(struct stream *s, uint64_t id, uint64_t offset, uint64_t len, uint8_t loss)
{
	struct record_data rec = {.conn_id = id, .offset = offset, .gap_len = len, .gap_loss = loss};
	feed_record(s, &rec);
}

static void feed_close(struct stream *s, uint64_t id, uint64_t end_write, uint64_t end_read, uint8_t loss)
{
	struct record_close rec = {.conn_id = id, .end = {end_write, end_read}, .loss = {loss, loss}};
	stream_record(s, &(struct ring_record){.type = RECORD_CLOSE, .close = &rec});
}

static void run(size_t max_conns, void (*fn)(struct stream *s, struct log *log), const char *want)
{
	static struct log log;
	struct stream *s = NULL;
	log = (struct log){0};
	assert_int_equal(stream_new(&s, max_conns, &ops, &log), 0);
	fn(s, &log);
	assert_string_equal(log.text, want);
	stream_free(&s);
	assert_null(s);
}

static void in_order(struct stream *s, struct log *log)
{
	(void)log;
	feed_open(s, 1, "api.openai.com");
	feed_data(s, 1, 0, 0, "ab", 0);
	feed_data(s, 1, 1, 0, "xyz", 0);
	feed_data(s, 1, 0, 2, "c", 0);
	feed_close(s, 1, 3, 3, 0);
}

static void with_gaps(struct stream *s, struct log *log)
{
	(void)log;
	feed_open(s, 1, "h");
	feed_data(s, 1, 0, 10, "ab", RECORD_LOSS_RING_FULL);
	feed_gap(s, 1, 12, 100, RECORD_LOSS_CALL_LIMIT);
	feed_gap(s, 1, 120, 5, RECORD_LOSS_FAULT);
	feed_data(s, 1, 0, 125, "z", 0);
	/* What is missing before a gap is missing for a reason of its own. */
	feed_record(s, &(struct record_data){.conn_id = 1,
					     .offset = 128,
					     .gap_len = 2,
					     .loss = RECORD_LOSS_RING_FULL,
					     .gap_loss = RECORD_LOSS_SKIPPED});
	feed_close(s, 1, 134, 7, RECORD_LOSS_RING_FULL);
}

static void overlapping(struct stream *s, struct log *log)
{
	(void)log;
	feed_open(s, 1, "h");
	feed_data(s, 1, 0, 0, "abcd", 0);
	feed_data(s, 1, 0, 2, "cdef", 0);
	feed_data(s, 1, 0, 0, "abc", 0);
	assert_int_equal(stream_stats(s).overlap, 5);
	feed_close(s, 1, 3, 0, 0);
}

static void unannounced(struct stream *s, struct log *log)
{
	feed_data(s, 7, 0, 5, "late", RECORD_LOSS_RING_FULL);
	assert_int_equal(log->last.tgid, 42);
	feed_open(s, 7, "too late");
	feed_close(s, 8, 1, 1, 0);
	stream_close_all(s, 1);
	assert_int_equal(stream_stats(s).open, 0);
}

static void full_table(struct stream *s, struct log *log)
{
	(void)log;
	feed_open(s, 1, "a");
	feed_open(s, 2, "b");
	feed_open(s, 3, "c");
	feed_data(s, 3, 0, 0, "lost", 0);
	assert_int_equal(stream_stats(s).table_full, 2);
	assert_int_equal(stream_stats(s).table_bytes, 4);
	feed_close(s, 1, 0, 0, 0);
	feed_data(s, 3, 0, 4, "kept", 0);
}

static void refused(struct stream *s, struct log *log)
{
	log->refuse = -1;
	feed_open(s, 1, "a");
	assert_int_equal(stream_stats(s).open, 0);
	feed_close(s, 1, 5, 5, 0);
}

static void closed_from_outside(struct stream *s, struct log *log)
{
	const uint64_t end[2] = {9, 0};
	size_t cursor = 0;
	(void)log;
	feed_open(s, 1, "a");
	feed_data(s, 1, 0, 0, "abc", 0);
	assert_int_equal(stream_next(s, &cursor)->id, 1);
	assert_null(stream_next(s, &cursor));
	stream_close(s, 1, end, 0);
	stream_close(s, 1, end, 0);
}

static void socket_known(struct stream *s, struct log *log)
{
	struct record_socket rec = {.conn_id = 1, .family = 2, .remote_port = 443};
	struct ring_record r = {.type = RECORD_SOCKET, .socket = &rec};
	(void)log;
	stream_record(s, &r); /* of nobody */
	feed_open(s, 1, "h");
	stream_record(s, &r);
	feed_data(s, 1, RECORD_WRITE, 0, "a", RECORD_LOSS_NONE);
	feed_gap(s, 1, 1, 5, RECORD_LOSS_SENDFILE);
}

static void test_socket(void **state)
{
	(void)state;
	run(4, socket_known, "open1(h) socket1:443 w1@0:a! gap1@1+5/6 ");
}

static void test_in_order(void **state)
{
	(void)state;
	run(4, in_order, "open1(api.openai.com) w1@0:ab! r1@0:xyz! w1@2:c! close1 ");
}

static void test_gaps(void **state)
{
	(void)state;
	run(4, with_gaps,
	    "open1(h) gap1@0+10/1 w1@10:ab! gap1@12+100/2 gap1@112+8/4 gap1@120+5/3 w1@125:z! gap1@126+2/1 "
	    "gap1@128+2/5 "
	    "gap1@130+4/1 "
	    "gap1@0+7/1 "
	    "close1 ");
}

static void test_overlap(void **state)
{
	(void)state;
	run(4, overlapping, "open1(h) w1@0:abcd! w1@4:ef close1 ");
}

static void test_unannounced(void **state)
{
	(void)state;
	run(4, unannounced, "open7() gap7@0+5/1 w7@5:late! close7 ");
}

static void test_full_table(void **state)
{
	(void)state;
	run(2, full_table, "open1(a) open2(b) close1 open3() gap3@0+4/4 w3@4:kept! ");
}

static void test_refused(void **state)
{
	(void)state;
	run(2, refused, "open1(a) ");
}

static void test_closed_from_outside(void **state)
{
	(void)state;
	run(2, closed_from_outside, "open1(a) w1@0:abc! gap1@3+6/4 close1 ");
}

/* Any order, any loss: what is given is contiguous in each direction. */
static uint64_t next_offset[2];

static void check_chunk(void *ctx, struct stream_conn *conn, const struct stream_chunk *c)
{
	(void)ctx;
	(void)conn;
	assert_int_equal(c->offset, next_offset[c->dir]);
	assert_true(c->len > 0);
	next_offset[c->dir] += c->len;
}

static void check_gap(void *ctx, struct stream_conn *conn, const struct stream_gap *g)
{
	(void)ctx;
	(void)conn;
	assert_int_equal(g->offset, next_offset[g->dir]);
	assert_true(g->len > 0 && g->reason != GAP_NONE);
	next_offset[g->dir] += g->len;
}

static int accept_open(void *ctx, struct stream_conn *conn)
{
	(void)ctx;
	(void)conn;
	return 0;
}

static void ignore_close(void *ctx, struct stream_conn *conn, uint64_t ts_ns)
{
	(void)ctx;
	(void)conn;
	(void)ts_ns;
}

static void test_contiguous_whatever_comes(void **state)
{
	static const struct stream_ops checking = {accept_open, check_chunk, check_gap, NULL, ignore_close};
	struct stream *s = NULL;
	(void)state;
	assert_int_equal(stream_new(&s, 4, &checking, NULL), 0);
	feed_open(s, 1, "h");
	srand(3);
	for (int i = 0; i < 20000; i++) {
		uint64_t at = (uint64_t)rand() % 1000 + (uint64_t)i / 10;
		if (rand() % 4)
			feed_data(s, 1, (uint8_t)(rand() % 2), at, "0123456789" + rand() % 9,
				  (uint8_t)(rand() % 4));
		else
			feed_gap(s, 1, at, (uint64_t)rand() % 50 + 1, (uint8_t)(rand() % 4));
	}
	stream_free(&s);
}

static void feed_socket(struct stream *s, uint64_t id, uint64_t cookie)
{
	struct record_socket rec = {.conn_id = id, .family = 2, .remote_port = 443, .cookie = cookie};
	stream_record(s, &(struct ring_record){.type = RECORD_SOCKET, .socket = &rec});
}

static const char *name_of(struct stream *s, uint64_t id)
{
	size_t cursor = 0;
	for (struct stream_conn *conn; (conn = stream_next(s, &cursor));)
		if (conn->id == id)
			return conn->sni;
	return NULL;
}

/* After fork(): connections 2 and up are the child's. All objects have address 0 here but the last. */
static void test_inherited_name(void **state)
{
	static const struct stream_ops quiet = {accept_open, check_chunk, check_gap, NULL, ignore_close};
	struct record_open elsewhere = {.conn_id = 5, .tgid = 43, .ssl = 16};
	struct stream *s = NULL;
	(void)state;
	assert_int_equal(stream_new(&s, 8, &quiet, NULL), 0);
	feed_open(s, 1, "h");
	feed_socket(s, 1, 77);
	feed_socket(s, 1, 77);
	feed_open(s, 2, "");
	feed_socket(s, 2, 77);
	assert_string_equal(name_of(s, 2), "h");
	feed_open(s, 3, "");
	feed_socket(s, 3, 78); /* another socket */
	assert_string_equal(name_of(s, 3), "");
	feed_open(s, 4, "own");
	feed_socket(s, 4, 77);
	assert_string_equal(name_of(s, 4), "own");
	stream_record(s, &(struct ring_record){.type = RECORD_OPEN, .open = &elsewhere});
	feed_socket(s, 5, 77); /* another object */
	assert_string_equal(name_of(s, 5), "");
	stream_close(s, 1, NULL, 0);
	feed_open(s, 6, "");
	feed_socket(s, 6, 77); /* nobody knows any more */
	assert_string_equal(name_of(s, 6), "");
	feed_open(s, 7, "");
	feed_socket(s, 7, 0);
	feed_open(s, 8, "x");
	feed_socket(s, 8, 0); /* a socket without a number is no other's */
	assert_string_equal(name_of(s, 7), "");
	stream_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_unannounced),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_closed_from_outside),
		cmocka_unit_test(test_contiguous_whatever_comes),
		cmocka_unit_test(test_inherited_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
