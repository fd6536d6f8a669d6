/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2's stream identifiers to their end, out of order, and by the million. */
#include "flow.h"

#include "base/map.h"

#define ID_MAX	   0x7fffffffU
#define GET	   "\x82\x84"
#define NO_CONTENT "\x89"

static const char not_begun[] = "of a stream whose beginning was not captured, or that has ended";
static const char too_many[] = "more streams are open than the limit";

static void ask(struct flow *f, uint32_t id)
{
	FLOW_FRAME(f, W, HTTP2_HEADERS, FLOW_BOTH, id, GET);
}

static void answer(struct flow *f, uint32_t id)
{
	FLOW_FRAME(f, R, HTTP2_HEADERS, FLOW_BOTH, id, NO_CONTENT);
}

static void check_pair(struct flow *f, uint64_t n, uint32_t id)
{
	flow_flush(f);
	for (int role = HTTP_REQUEST; role <= HTTP_RESPONSE; role++) {
		assert_int_equal(f->n[role], n);
		assert_int_equal(f->last[role]->exchange, n);
		assert_int_equal(f->last[role]->stream_id, id);
		assert_int_equal(f->last[role]->end, HTTP_END_COMPLETE);
	}
}

/* After the last identifier there is none (RFC 9113 section 5.1.1): what uses one again is reported. */
static void test_exhausted(void **state)
{
	struct flow f;
	(void)state;
	flow_open_http2(&f, NULL);
	ask(&f, ID_MAX - 2);
	answer(&f, ID_MAX - 2);
	check_pair(&f, 1, ID_MAX - 2);
	ask(&f, ID_MAX);
	answer(&f, ID_MAX);
	check_pair(&f, 2, ID_MAX);

	static const uint32_t again[] = {1, ID_MAX - 2, ID_MAX, ID_MAX | 1U << 31};
	for (size_t i = 0; i < ARRAY_SIZE(again); i++) {
		ask(&f, again[i]);
		FLOW_FRAME(&f, W, HTTP2_DATA, HTTP2_END_STREAM, again[i], "x");
		answer(&f, again[i]);
		flow_flush(&f);
		assert_string_equal(f.why, not_begun);
		assert_int_equal(f.unreadable[W], (i + 1) * 21);
		assert_int_equal(f.unreadable[R], (i + 1) * 10);
	}
	flow_end(&f);
	assert_int_equal(f.n[HTTP_REQUEST], 2);
	assert_int_equal(f.n[HTTP_RESPONSE], 2);
	flow_done(&f);
}

/* An identifier below one that was used is closed. Its header block is nobody's, but what it puts into the
 * compression table is there for those that follow. */
static void test_backwards(void **state)
{
	struct flow f;
	(void)state;
	flow_open_http2(&f, NULL);
	ask(&f, 101);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, 99, GET "\x40\x01n\x01v");
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_BOTH, 103, GET "\xbe");
	flow_flush(&f);
	assert_int_equal(f.n[HTTP_REQUEST], 2);
	assert_int_equal(f.unreadable[W], 9 + 7);
	assert_string_equal(f.why, not_begun);
	assert_int_equal(f.last[HTTP_REQUEST]->stream_id, 103);
	assert_string_equal(http_message_header(f.last[HTTP_REQUEST], "n"), "v");
	answer(&f, 99);
	answer(&f, 103);
	flow_flush(&f);
	assert_int_equal(f.unreadable[R], 10);
	assert_int_equal(f.last[HTTP_RESPONSE]->exchange, 2);
	answer(&f, 101);
	flow_flush(&f);
	assert_int_equal(f.n[HTTP_RESPONSE], 2);
	assert_int_equal(f.last[HTTP_RESPONSE]->exchange, 1);
	flow_end(&f);
	flow_done(&f);
}

/* A second request on a stream that still waits for its answer is not the first one's, nor another. */
static void test_used_twice(void **state)
{
	struct flow f;
	(void)state;
	flow_open_http2(&f, NULL);
	ask(&f, 5);
	ask(&f, 5);
	answer(&f, 5);
	check_pair(&f, 1, 5);
	assert_int_equal(f.unreadable[W], 11);
	assert_string_equal(f.why, "of a message that had ended");
	/* On one whose body is still to come it is trailers, and no proper ones. */
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, 7, GET);
	FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, 7, "\x82\x85");
	FLOW_FRAME(&f, W, HTTP2_DATA, HTTP2_END_STREAM, 7, "x");
	flow_flush(&f);
	const struct http_message *m = f.last[HTTP_REQUEST];
	assert_int_equal(m->end, HTTP_END_MALFORMED);
	assert_string_equal(m->problem,
			    "there are two header blocks, and the second does not end the stream");
	assert_string_equal(m->target, "/");
	assert_int_equal(m->wire_bytes, 11 + 11 + 10);
	flow_end(&f);
	flow_done(&f);
}

/* --- by the million ---------------------------------------------------------------------- */

static uint32_t nth_id(size_t n)
{
	return 1 + (uint32_t)n * (ID_MAX / MANY / 2 * 2);
}

static void judge_in_order(struct flow *f, const struct http_message *m)
{
	assert_int_equal(m->exchange, f->n[m->role]);
	assert_int_equal(m->stream_id, nth_id(f->n[m->role] - 1));
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_null(m->problem);
}

/* All 31 bits of them, one after the other. */
static void run_short_streams(size_t n)
{
	struct flow f;
	flow_open_http2(&f, NULL);
	f.judge = judge_in_order;
	for (size_t i = 0; i < n; i += 100) {
		for (size_t j = i; j < i + 100; j++)
			ask(&f, nth_id(j));
		for (size_t j = i; j < i + 100; j++)
			answer(&f, nth_id(j));
	}
	flow_end(&f);
	assert_int_equal(f.n[HTTP_REQUEST], n);
	assert_int_equal(f.n[HTTP_RESPONSE], n);
	flow_done(&f);
}

static void test_short_streams(void **state)
{
	(void)state;
	flow_check_cost(run_short_streams, MANY, 256 << 10);
}

static void judge_given_up(struct flow *f, const struct http_message *m)
{
	bool old = m->role == HTTP_RESPONSE;
	assert_int_equal(m->exchange, f->n[m->role]);
	assert_int_equal(m->end, old ? HTTP_END_UNSEEN : HTTP_END_COMPLETE);
	if (old)
		assert_string_equal(m->problem, too_many);
}

/* Never answered: past the limit each new stream costs the oldest its place, and that is on record. */
static void run_unanswered(size_t n)
{
	struct flow f;
	flow_open_http2(&f, NULL);
	f.judge = judge_given_up;
	for (size_t i = 0; i < n; i++)
		ask(&f, nth_id(i));
	flow_end(&f);
	assert_int_equal(f.n[HTTP_REQUEST], n);
	assert_int_equal(f.n[HTTP_RESPONSE], n - http_limits_default.max_streams);
	flow_done(&f);
}

static void test_unanswered(void **state)
{
	(void)state;
	flow_check_cost(run_unanswered, MANY / 8, 2 << 20);
}

static void judge_unfinished(struct flow *f, const struct http_message *m)
{
	(void)f;
	assert_int_equal(m->body_total, m->role == HTTP_REQUEST ? 1 : 0);
	if (m->end == HTTP_END_LIMIT || m->end == HTTP_END_UNSEEN)
		assert_string_equal(m->problem, too_many);
	else
		assert_int_equal(m->end, HTTP_END_CLOSED);
}

/* Neither answered nor ended. */
static void run_unfinished(size_t n)
{
	struct flow f;
	flow_open_http2(&f, NULL);
	f.judge = judge_unfinished;
	for (size_t i = 0; i < n; i++) {
		FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, nth_id(i), GET);
		FLOW_FRAME(&f, W, HTTP2_DATA, 0, nth_id(i), "x");
	}
	flow_end(&f);
	assert_int_equal(f.ends[HTTP_REQUEST][HTTP_END_LIMIT], n - http_limits_default.max_streams);
	assert_int_equal(f.ends[HTTP_RESPONSE][HTTP_END_UNSEEN], n - http_limits_default.max_streams);
	assert_int_equal(f.ends[HTTP_REQUEST][HTTP_END_CLOSED], http_limits_default.max_streams);
	flow_done(&f);
}

static void test_unfinished(void **state)
{
	(void)state;
	flow_check_cost(run_unfinished, MANY / 8, 4 << 20);
}

static void judge_orphan(struct flow *f, const struct http_message *m)
{
	assert_true(m->orphan);
	assert_int_equal(m->exchange, f->n[HTTP_RESPONSE]);
}

/* Answers that nobody asked for. */
static void run_unasked(size_t n)
{
	struct flow f;
	flow_open_http2(&f, NULL);
	f.judge = judge_orphan;
	for (size_t i = 0; i < n; i++)
		answer(&f, nth_id(i));
	flow_end(&f);
	assert_int_equal(f.n[HTTP_RESPONSE], n);
	assert_int_equal(f.n[HTTP_REQUEST], 0);
	flow_done(&f);
}

static void test_unasked(void **state)
{
	(void)state;
	flow_check_cost(run_unasked, MANY / 8, 4 << 20);
}

/* A peer that knows how identifiers are looked up must not be able to make that slow. */
static uint32_t ids[1024];

static double frames_on(const uint32_t *on, size_t n)
{
	struct flow f;
	flow_open_http2(&f, NULL);
	for (size_t i = 0; i < n; i++)
		FLOW_FRAME(&f, W, HTTP2_HEADERS, FLOW_HEAD, on[i], GET);
	flow_flush(&f);
	double start = meter_seconds();
	for (size_t i = 0; i < MANY / 2; i++)
		FLOW_FRAME(&f, W, HTTP2_DATA, 0, on[i % n], "");
	flow_flush(&f);
	double took = meter_seconds() - start;
	flow_end(&f);
	assert_int_equal(f.n[HTTP_REQUEST], n);
	flow_done(&f);
	return took;
}

static void test_chosen_ids(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = 2 * (uint32_t)i + 1;
	double usual = frames_on(ids, ARRAY_SIZE(ids));
	uint32_t id = 1;
	for (size_t n = 0; n < ARRAY_SIZE(ids); id += 2)
		if (map_mix(0, id) % 2048 == 0)
			ids[n++] = id;
	double chosen = frames_on(ids, ARRAY_SIZE(ids));
	if (chosen > usual * 4 + 0.05)
		fail_msg("%.3f s, and %.3f s with identifiers that collide", usual, chosen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exhausted),  cmocka_unit_test(test_backwards),
		cmocka_unit_test(test_used_twice), cmocka_unit_test(test_short_streams),
		cmocka_unit_test(test_unanswered), cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_unasked),	   cmocka_unit_test(test_chosen_ids),
	};
	return meter_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
