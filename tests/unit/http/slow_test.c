/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that take a minute for each byte. No head, frame or body is given up because it is slow: the clock is
 * simulated, each minute asks what is due, and what comes out at last has the times of its bytes. */
#include "flow.h"

#define MINUTE	60000000000ULL
#define START	(1000 * MINUTE)
#define ASK	"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
#define ANSWER	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
#define UPGRADE "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define GRANT	"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static struct flow flow;

/* The time of the last byte. */
static uint64_t drip(struct flow *f, enum stream_dir dir, const void *data, size_t len)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < len; i++) {
		uint64_t n = f->n[HTTP_REQUEST] + f->n[HTTP_RESPONSE];
		f->ts_ns += MINUTE;
		assert_true(http_conn_idle(f->conn, f->ts_ns) == UINT64_MAX);
		assert_int_equal(f->n[HTTP_REQUEST] + f->n[HTTP_RESPONSE], n);
		flow_chunk(f, dir, p + i, 1, i == 0);
	}
	return f->ts_ns;
}

static void check_times(const struct http_message *m, uint64_t first_ts_ns, uint64_t last_ts_ns)
{
	assert_non_null(m);
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_true(m->first_ts_ns == first_ts_ns);
	assert_true(m->last_ts_ns == last_ts_ns);
}

static void check_body(const struct http_message *m, uint64_t first_byte_ts_ns)
{
	assert_int_equal(m->body_total, 4);
	assert_int_equal(m->reads, 4);
	for (size_t i = 0; i < 4; i++)
		assert_true(http_message_time_at(m, i) == first_byte_ts_ns + i * MINUTE);
}

static void test_http1(void **state)
{
	struct flow *f = &flow;
	(void)state;
	flow_init(f, NULL);
	f->ts_ns = START;
	uint64_t end = drip(f, W, ASK, sizeof(ASK) - 1);
	check_times(f->last[HTTP_REQUEST], START + MINUTE, end);
	check_body(f->last[HTTP_REQUEST], end - 3 * MINUTE);
	uint64_t answered = drip(f, R, ANSWER, sizeof(ANSWER) - 1);
	check_times(f->last[HTTP_RESPONSE], end + MINUTE, answered);
	check_body(f->last[HTTP_RESPONSE], answered - 10 * MINUTE);
	flow_end(f);
	flow_done(f);
}

/* What is not whole after hours is on record when the connection ends, with what came of it. */
static void test_never_whole(void **state)
{
	struct flow *f = &flow;
	(void)state;
	for (size_t len = 1; len < sizeof(ASK) - 1; len++) {
		flow_init(f, NULL);
		f->ts_ns = START;
		uint64_t end = drip(f, W, ASK, len);
		f->ts_ns += 1000 * MINUTE;
		flow_end(f);
		const struct http_message *m = f->last[HTTP_REQUEST];
		if (!m) {
			assert_int_equal(f->unreadable[W], len);
		} else {
			assert_int_equal(m->end, HTTP_END_CLOSED);
			assert_int_equal(m->wire_bytes, len);
			assert_true(m->first_ts_ns == START + MINUTE && m->last_ts_ns == end);
		}
		assert_true(m || len < sizeof("POST /a HTTP/1.1"));
		flow_done(f);
	}
}

/* A head in CONTINUATION frames of a byte each, and a body. */
static void test_http2(void **state)
{
	static const char head[] = "\0\0\1\1\0\0\0\0\1\x83"
				   "\0\0\1\x9\0\0\0\0\1\x84"
				   "\0\0\0\x9\0\0\0\0\1"
				   "\0\0\1\x9\0\0\0\0\1\x87"
				   "\0\0\0\x9\4\0\0\0\1",
			  body[] = "\0\0\7\0\x9\0\0\0\1\2body\0\0", answer[] = "\0\0\1\1\5\0\0\0\1\x88";
	struct flow *f = &flow;
	(void)state;
	flow_init(f, NULL);
	f->ts_ns = START;
	drip(f, W, http2_preface, HTTP2_PREFACE_LEN);
	uint64_t begin = drip(f, W, "\0\0\0\4\0\0\0\0\0", 9);
	drip(f, R, "\0\0\0\4\0\0\0\0\0", 9);
	begin += 9 * MINUTE;
	uint64_t last = drip(f, W, head, sizeof(head) - 1);
	last = drip(f, W, body, sizeof(body) - 1);
	check_times(f->last[HTTP_REQUEST], begin + MINUTE, last);
	check_body(f->last[HTTP_REQUEST], last - 5 * MINUTE);
	uint64_t answered = drip(f, R, answer, sizeof(answer) - 1);
	check_times(f->last[HTTP_RESPONSE], last + MINUTE, answered);
	flow_end(f);
	flow_done(f);
}

/* A message in two fragments, a ping between. */
static void test_websocket(void **state)
{
	static const char frames[] = "\x01\x82\1\2\3\4cm"
				     "\x89\x80\0\0\0\0"
				     "\x80\x82\0\0\0\0dy";
	struct flow *f = &flow;
	(void)state;
	flow_init(f, NULL);
	flow_text(f, W, UPGRADE);
	flow_text(f, R, GRANT);
	flow_flush(f);
	f->ts_ns = START;
	uint64_t end = drip(f, W, frames, sizeof(frames) - 1);
	const struct http_message *m = f->last[HTTP_REQUEST];
	assert_int_equal(m->protocol, HTTP_WEBSOCKET);
	check_times(m, START + MINUTE, end);
	assert_memory_equal(m->body, "body", 4);
	assert_true(http_message_time_at(m, 0) == START + 7 * MINUTE);
	assert_true(http_message_time_at(m, 3) == end);
	end = drip(f, R, "\x81\4body", 6);
	check_times(f->last[HTTP_RESPONSE], end - 5 * MINUTE, end);
	flow_end(f);
	flow_done(f);
}

/* The one thing that is waited for by the clock: the request of an answer, which may be recorded late. It is
 * given as an orphan then, once, and says so. */
static void test_orphan(void **state)
{
	struct flow *f = &flow;
	(void)state;
	flow_open_http2(f, NULL);
	flow_flush(f);
	f->ts_ns = START;
	flow_chunk(f, R, "\0\0\1\1\5\0\0\0\1\x88", 10, true);
	uint64_t due = START + http_limits_default.done_idle_ns;
	assert_true(http_conn_idle(f->conn, START) == due);
	assert_true(http_conn_idle(f->conn, due - 1) == due);
	assert_int_equal(f->n[HTTP_RESPONSE], 0);
	assert_true(http_conn_idle(f->conn, due) == UINT64_MAX);
	assert_int_equal(f->n[HTTP_RESPONSE], 1);
	assert_true(f->last[HTTP_RESPONSE]->orphan);
	check_times(f->last[HTTP_RESPONSE], START, START);
	flow_end(f);
	assert_int_equal(f->n[HTTP_RESPONSE], 1);
	flow_done(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http1),  cmocka_unit_test(test_never_whole),
		cmocka_unit_test(test_http2),  cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_orphan),
	};
	return meter_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
