/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 as hostile peers write it: resets and control frames by the million, bodies byte by byte, answers
 * that wait. Memory stays flat, the time is linear, and everything is counted. */
#include "flow.h"

#define GET "\x82\x84"
#define OK  "\x88"

/* --- resets ------------------------------------------------------------------------------ */

static const char *reset_text;

static void judge_reset(struct flow *f, const struct http_message *m)
{
	assert_int_equal(m->exchange, f->n[m->role]);
	assert_int_equal(m->end, HTTP_END_CLOSED);
	assert_int_equal(m->status, 0);
	assert_string_equal(m->problem, reset_text);
}

static void reset_all(size_t n, enum stream_dir by)
{
	struct flow f;
	flow_open_http2(&f, NULL);
	f.judge = judge_reset;
	for (size_t i = 0; i < n; i += 50) {
		for (size_t j = i; j < i + 50; j++) {
			FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, 2 * (uint32_t)j + 1, GET);
			if (by == W)
				FLOW_FRAME(&f, W, HTTP2_RST_STREAM, 0, 2 * (uint32_t)j + 1, "\0\0\0\x8");
		}
		for (size_t j = i; j < i + 50 && by == R; j++)
			FLOW_FRAME(&f, R, HTTP2_RST_STREAM, 0, 2 * (uint32_t)j + 1, "\0\0\0\xb");
	}
	flow_end(&f);
	assert_int_equal(f.n[HTTP_REQUEST], n);
	assert_int_equal(f.n[HTTP_RESPONSE], n);
	flow_done(&f);
}

/* CVE-2023-44487. */
static void reset_by_client(size_t n)
{
	reset_text = "the client reset the stream: CANCEL";
	reset_all(n, W);
}

static void reset_by_server(size_t n)
{
	reset_text = "the server reset the stream: ENHANCE_YOUR_CALM";
	reset_all(n, R);
}

static void test_rapid_reset(void **state)
{
	(void)state;
	flow_check_cost(reset_by_client, MANY, 256 << 10);
	flow_check_cost(reset_by_server, MANY / 8, 512 << 10);
}

/* --- control frames ---------------------------------------------------------------------- */

#define SETTING(name, value) "\0" name value
#define PAYLOAD(text)	     text, sizeof(text) - 1

static const struct {
	enum stream_dir dir;
	uint8_t type, flags;
	uint32_t stream;
	const char *payload;
	size_t len;
	bool framing;
} control[] = {
	{W, HTTP2_PING, 0, 0, PAYLOAD("12345678"), true},
	{R, HTTP2_PING, HTTP2_ACK, 0, PAYLOAD("12345678"), true},
	{W, HTTP2_SETTINGS, 0, 0, "", 0, true},
	{R, HTTP2_SETTINGS, HTTP2_ACK, 0, "", 0, true},
	{R, HTTP2_SETTINGS, 0, 0, PAYLOAD(SETTING("\1", "\xff\xff\xff\xff") SETTING("\5", "\0\xff\xff\xff")),
	 true},
	{W, HTTP2_WINDOW_UPDATE, 0, 1, PAYLOAD("\0\0\0\1"), true},
	{W, HTTP2_PRIORITY, 0, 1, PAYLOAD("\0\0\0\3\1"), true},
	{W, HTTP2_PRIORITY_UPDATE, 0, 0, PAYLOAD("\0\0\0\1u=1"), true},
	{R, HTTP2_GOAWAY, 0, 0, PAYLOAD("\0\0\0\1\0\0\0\0"), true},
	{R, HTTP2_RST_STREAM, 0, 99, PAYLOAD("\0\0\0\0"), true},
	{W, HTTP2_DATA, 0, 1, "", 0, false},
	{W, HTTP2_DATA, HTTP2_PADDED, 1, PAYLOAD("\3\0\0\0"), false},
	{R, HTTP2_PUSH_PROMISE, FLOW_HEAD, 1, PAYLOAD("\0\0\0\2" GET), false},
	{R, HTTP2_HEADERS, FLOW_BOTH, 2, PAYLOAD(OK), false},
	{W, 0xfa, 0, 0, "", 0, false},
};

static void run_control(size_t n)
{
	struct flow f;
	uint64_t framing = HTTP2_PREFACE_LEN + 2 * HTTP2_HEADER_LEN;
	flow_open_http2(&f, NULL);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, 1, GET);
	for (size_t i = 0; i < ARRAY_SIZE(control); i++) {
		for (size_t j = 0; j < n; j++)
			flow_frame(&f, control[i].dir, control[i].type, control[i].flags, control[i].stream,
				   control[i].payload, control[i].len);
		framing += control[i].framing ? n * (HTTP2_HEADER_LEN + control[i].len) : 0;
	}
	FLOW_FRAME(&f, W, HTTP2_DATA, HTTP2_END_STREAM, 1, "end");
	FLOW_FRAME(&f, R, HTTP2_HEADERS, FLOW_BOTH, 1, OK);
	flow_end(&f);
	assert_int_equal(http_conn_framing(f.conn, W) + http_conn_framing(f.conn, R), framing);
	assert_int_equal(f.unreadable[R], n * (9 + 6 + 9 + 1));
	assert_int_equal(f.unreadable[W], n * 9);
	const struct http_message *m = f.last[HTTP_REQUEST];
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_int_equal(m->wire_bytes, 11 + n * (9 + 13) + 12);
	assert_int_equal(m->body_total, 3);
	assert_int_equal(m->reads, 1);
	assert_int_equal(f.last[HTTP_RESPONSE]->end, HTTP_END_COMPLETE);
	flow_done(&f);
}

static void test_control_frames(void **state)
{
	(void)state;
	flow_check_cost(run_control, MANY / 5, 256 << 10);
}

/* The server says, of ever fewer streams, that it takes up no more: each time is a walk over all that are
 * open. */
static void run_goaways(size_t n)
{
	struct flow f;
	flow_open_http2(&f, NULL);
	for (uint32_t id = 1; id < 2048; id += 2)
		FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, id, GET);
	for (size_t i = 0; i < n; i++) {
		uint32_t last = (uint32_t)(n - i);
		uint8_t payload[8] = {(uint8_t)(last >> 24), (uint8_t)(last >> 16), (uint8_t)(last >> 8),
				      (uint8_t)last};
		flow_frame(&f, R, HTTP2_GOAWAY, 0, 0, payload, sizeof(payload));
	}
	FLOW_FRAME(&f, R, HTTP2_HEADERS, FLOW_BOTH, 1, OK);
	flow_end(&f);
	assert_int_equal(f.n[HTTP_REQUEST], 1024);
	assert_int_equal(f.n[HTTP_RESPONSE], 1);
	assert_int_equal(f.last[HTTP_RESPONSE]->status, 200);
	flow_done(&f);
}

static void test_goaways(void **state)
{
	(void)state;
	flow_check_cost(run_goaways, MANY / 5, 2 << 20);
}

/* --- bodies ------------------------------------------------------------------------------ */

/* A byte a frame and a frame a call, every other one padded. */
static void run_bytes(size_t n)
{
	struct flow f;
	flow_open_http2(&f, NULL);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, 1, GET);
	flow_flush(&f);
	for (size_t i = 0; i < n; i++) {
		const char padded[] = {1, (char)('a' + i % 26), 0};
		unsigned end = i + 1 == n ? HTTP2_END_STREAM : 0;
		if (i % 2)
			flow_frame(&f, W, HTTP2_DATA, HTTP2_PADDED | end, 1, padded, 3);
		else
			flow_frame(&f, W, HTTP2_DATA, end, 1, padded + 1, 1);
		flow_flush(&f);
	}
	const struct http_message *m = f.last[HTTP_REQUEST];
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_true(m->body_sha256_valid);
	assert_int_equal(m->body_total, n);
	assert_int_equal(m->body_len, n);
	assert_int_equal(m->reads, n);
	assert_int_equal(m->n_marks, 1024);
	assert_int_equal(m->wire_bytes, 11 + n * 11);
	for (size_t i = 0; i < n; i++)
		assert_true(m->body[i] == 'a' + i % 26);
	flow_end(&f);
	flow_done(&f);
}

static void test_bytes(void **state)
{
	(void)state;
	flow_check_cost(run_bytes, MANY, 3 << 20);
}

/* --- answers that wait ------------------------------------------------------------------- */

static void judge_waited(struct flow *f, const struct http_message *m)
{
	(void)f;
	if (m->role == HTTP_REQUEST)
		return;
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_int_equal(m->body_total, 1 << 20);
	assert_true(m->body_sha256_valid);
}

/* Each is whole, but its request is not: it is not given yet, and its body still counts in the budget of all.
 */
static void test_waiting_bodies(void **state)
{
	static const uint8_t piece[1 << 15];
	struct http_limits limits = http_limits_default;
	struct http_budget budget = {.max = 8 << 20};
	struct flow f;
	(void)state;
	limits.budget = &budget;
	size_t before = meter_begin();
	flow_open_http2(&f, &limits);
	f.judge = judge_waited;
	for (uint32_t id = 1; id < 128; id += 2) {
		FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, id, GET);
		FLOW_FRAME(&f, R, HTTP2_HEADERS, FLOW_HEAD, id, OK);
		for (size_t i = 0; i < 32; i++)
			flow_frame(&f, R, HTTP2_DATA, i == 31 ? HTTP2_END_STREAM : 0, id, piece,
				   sizeof(piece));
	}
	flow_flush(&f);
	assert_int_equal(f.n[HTTP_RESPONSE], 0);
	assert_int_equal(budget.used, budget.max);
	assert_true(meter_peak - before < budget.max + (4 << 20));
	/* The first one goes, and there is room for one more. */
	FLOW_FRAME(&f, W, HTTP2_DATA, HTTP2_END_STREAM, 1, "");
	flow_flush(&f);
	assert_int_equal(f.n[HTTP_RESPONSE], 1);
	assert_int_equal(f.last[HTTP_RESPONSE]->body_len, 1 << 20);
	assert_int_equal(budget.used, 7 << 20);
	flow_end(&f);
	assert_int_equal(f.n[HTTP_RESPONSE], 64);
	assert_int_equal(budget.used, 0);
	flow_done(&f);
	/* Dropped, they leave nothing behind. */
	flow_open_http2(&f, &limits);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, 1, GET);
	FLOW_FRAME(&f, R, HTTP2_HEADERS, FLOW_HEAD, 1, OK);
	FLOW_FRAME(&f, R, HTTP2_DATA, HTTP2_END_STREAM, 1, "four");
	flow_flush(&f);
	assert_int_equal(budget.used, 4);
	flow_done(&f);
	assert_int_equal(budget.used, 0);
	assert_int_equal(meter_live, before);
}

/* The same of their header fields. */
static void test_waiting_heads(void **state)
{
	static uint8_t block[60000] = {0x88, 0x00, 0x01, 'a', 0x7f, 0xe1, 0xd1, 0x03}; /* 127 + 59617 bytes */
	struct flow f;
	(void)state;
	memset(block + 8, 'x', sizeof(block) - 8);
	size_t value = 127 + 0x61 + (0x51 << 7) + (0x03 << 14), len = 8 + value;
	assert_true(len <= sizeof(block));
	size_t before = meter_begin();
	flow_open_http2(&f, NULL);
	for (uint32_t id = 1; id < 1024; id += 2) {
		FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, id, GET);
		flow_frame(&f, R, HTTP2_HEADERS, FLOW_BOTH, id, block, len);
	}
	flow_flush(&f);
	assert_int_equal(f.n[HTTP_RESPONSE], 0);
	assert_true(meter_peak - before < http_limits_default.max_heads + (4 << 20));
	flow_end(&f);
	assert_int_equal(f.n[HTTP_RESPONSE], 512);
	assert_int_equal(f.ends[HTTP_RESPONSE][HTTP_END_COMPLETE],
			 http_limits_default.max_heads / (value + 1 + 32));
	assert_int_equal(f.ends[HTTP_RESPONSE][HTTP_END_COMPLETE] + f.ends[HTTP_RESPONSE][HTTP_END_LIMIT],
			 512);
	assert_string_equal(f.last[HTTP_RESPONSE]->problem, "there are more header fields than the limit");
	flow_done(&f);
	assert_int_equal(meter_live, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rapid_reset),    cmocka_unit_test(test_control_frames),
		cmocka_unit_test(test_goaways),	       cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_waiting_bodies), cmocka_unit_test(test_waiting_heads),
	};
	return meter_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
