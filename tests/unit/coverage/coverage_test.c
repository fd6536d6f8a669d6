/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "coverage/coverage.h"

#define SECOND 1000000000ULL

struct world {
	struct coverage *coverage;
	unsigned int blind, judged;
	uint64_t connections; /* of the last event */
	char host[OAITAP_NAME_MAX];
	uint32_t tgid;
};

static void on_blind(void *ctx, const struct record_hello *hello, uint64_t connections)
{
	struct world *w = ctx;
	w->blind++;
	w->connections = connections;
	w->tgid = hello->tgid;
	memcpy(w->host, hello->sni, sizeof(w->host));
}

static void on_judged(void *ctx, const struct record_hello *hello)
{
	(void)hello;
	((struct world *)ctx)->judged++;
}

static const struct coverage_ops ops = {.on_blind = on_blind, .on_judged = on_judged};

static void begin(struct world *w)
{
	*w = (struct world){0};
	assert_int_equal(coverage_new(&w->coverage, &ops, w), 0);
}

static void hello(struct world *w, uint32_t tgid, const char *host, uint64_t cookie, uint64_t ts_ns)
{
	struct record_hello h = {.tgid = tgid, .process_gen = tgid, .cookie = cookie, .ts_ns = ts_ns};
	snprintf(h.sni, sizeof(h.sni), "%s", host);
	coverage_hello(w->coverage, &h);
}

static void opened(struct world *w, uint64_t id, uint32_t tgid, const char *host, uint64_t ts_ns)
{
	struct record_open o = {.conn_id = id, .tgid = tgid, .process_gen = tgid, .ts_ns = ts_ns};
	snprintf(o.sni, sizeof(o.sni), "%s", host);
	coverage_open(w->coverage, &o);
}

static struct coverage_stats end(struct world *w, uint64_t now_ns)
{
	coverage_tick(w->coverage, now_ns);
	struct coverage_stats s = coverage_stats(w->coverage);
	coverage_free(&w->coverage);
	return s;
}

static void test_nobody_answers(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	hello(&w, 7, "api.openai.com", 1, SECOND);
	coverage_tick(w.coverage, SECOND + COVERAGE_GRACE_NS - 1);
	assert_int_equal(w.blind, 0);
	struct coverage_stats s = end(&w, SECOND + COVERAGE_GRACE_NS);
	assert_int_equal(w.blind, 1);
	assert_int_equal(w.judged, 1);
	assert_int_equal(w.connections, 1);
	assert_int_equal(w.tgid, 7);
	assert_string_equal(w.host, "api.openai.com");
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.waiting, 0);
}

/* Whatever comes first, with the socket known or not: h ClientHello, o opened, s socket. */
static void test_every_order(void **state)
{
	static const char *const orders[] = {"hos", "ohs", "osh", "ho", "oh"};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		struct world w;
		begin(&w);
		for (const char *p = orders[i]; *p; p++) {
			if (*p == 'h')
				hello(&w, 7, "api.openai.com", 1, SECOND);
			else if (*p == 'o')
				opened(&w, 100, 7, "API.openai.com", SECOND);
			else
				coverage_socket(w.coverage, 100, 1);
		}
		struct coverage_stats s = end(&w, 60 * SECOND);
		assert_int_equal(w.blind, 0);
		assert_int_equal(w.judged, 1);
		assert_int_equal(s.readable, 1);
		assert_int_equal(s.connections, 1);
	}
}

static void test_who_cannot_answer(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	opened(&w, 1, 8, "api.openai.com", SECOND);    /* another process */
	opened(&w, 2, 7, "eu.api.openai.com", SECOND); /* another host */
	opened(&w, 3, 7, "api.openai.com", SECOND);
	coverage_socket(w.coverage, 3, 99);		 /* another socket */
	opened(&w, 4, 7, "api.openai.com", 20 * SECOND); /* too late */
	coverage_socket(w.coverage, 12345, 1);		 /* nobody */
	hello(&w, 7, "api.openai.com", 1, SECOND);
	(void)end(&w, 30 * SECOND);
	assert_int_equal(w.blind, 1);
}

/* Three can be read and one cannot: one is told. */
static void test_counted_one_by_one(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	for (uint64_t i = 0; i < 4; i++)
		hello(&w, 7, "api.openai.com", i + 1, SECOND + i);
	for (uint64_t i = 0; i < 2; i++)
		opened(&w, i + 1, 7, "api.openai.com", SECOND + i);
	opened(&w, 3, 7, "", SECOND); /* picked up by its Host line */
	struct coverage_stats s = end(&w, 60 * SECOND);
	assert_int_equal(s.readable, 3);
	assert_int_equal(s.blind, 1);
	assert_int_equal(w.blind, 1);
}

/* A server's connections say nothing about what the process asks. */
static void test_servers_do_not_answer(void **state)
{
	struct world w;
	struct record_open o = {
		.conn_id = 5, .tgid = 7, .process_gen = 7, .ts_ns = SECOND, .role = RECORD_SERVER};
	(void)state;
	begin(&w);
	coverage_open(w.coverage, &o);
	hello(&w, 7, "api.openai.com", 1, SECOND);
	(void)end(&w, 60 * SECOND);
	assert_int_equal(w.blind, 1);
}

static void test_told_once_an_hour(void **state)
{
	struct world w;
	uint64_t cookie = 1;
	(void)state;
	begin(&w);
	for (uint64_t t = 1; t <= 3000; t += 10) {
		hello(&w, 7, "api.openai.com", cookie++, t * SECOND);
		coverage_tick(w.coverage, (t + 6) * SECOND);
	}
	assert_int_equal(w.blind, 1);
	hello(&w, 7, "eu.api.openai.com", cookie++, 3001 * SECOND);
	hello(&w, 9, "api.openai.com", cookie++, 3001 * SECOND);
	coverage_tick(w.coverage, 3007 * SECOND);
	assert_int_equal(w.blind, 3);
	hello(&w, 7, "api.openai.com", cookie++, 4000 * SECOND);
	struct coverage_stats s = end(&w, 4006 * SECOND);
	assert_int_equal(w.blind, 4);
	assert_int_equal(w.connections, 300);
	assert_int_equal(s.blind, 303);
	assert_int_equal(s.suppressed, 299);
}

static void test_finish(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	hello(&w, 7, "api.openai.com", 1, SECOND);
	hello(&w, 7, "eu.api.openai.com", 2, 9 * SECOND / 2);
	coverage_finish(w.coverage, 5 * SECOND);
	assert_int_equal(w.blind, 1);
	assert_string_equal(w.host, "api.openai.com");
	assert_int_equal(w.judged, 2);
	coverage_free(&w.coverage);
}

/* Memory does not grow with what has been answered, and a full table is counted. */
static void test_bounds(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	for (uint64_t i = 1; i <= 3ULL * COVERAGE_CONNS_MAX; i++) {
		opened(&w, i, 7, "api.openai.com", SECOND);
		hello(&w, 7, "api.openai.com", i, SECOND);
		coverage_socket(w.coverage, i, i);
	}
	assert_int_equal(coverage_stats(w.coverage).readable, 3ULL * COVERAGE_CONNS_MAX);
	assert_int_equal(coverage_stats(w.coverage).table_full, 0);
	for (uint64_t i = 1; i <= COVERAGE_FLOWS_MAX + 5; i++)
		hello(&w, (uint32_t)i, "api.openai.com", i, SECOND);
	assert_int_equal(coverage_stats(w.coverage).table_full, 5);
	struct coverage_stats s = end(&w, 60 * SECOND);
	assert_int_equal(s.blind, COVERAGE_FLOWS_MAX);
	assert_int_equal(w.judged, 3ULL * COVERAGE_CONNS_MAX + COVERAGE_FLOWS_MAX + 5);
}

/* Random arrivals of one process and host: as many are blind as there are ClientHellos without a connection.
 */
static void test_random(void **state)
{
	(void)state;
	srandom(7);
	for (int round = 0; round < 2000; round++) {
		struct world w;
		unsigned int hellos = 1 + (unsigned int)random() % 8,
			     conns = (unsigned int)random() % (hellos + 1);
		char events[32];
		unsigned int n = 0, next_hello = 0, next_conn = 0;
		begin(&w);
		for (unsigned int i = 0; i < hellos; i++)
			events[n++] = 'h';
		for (unsigned int i = 0; i < conns; i++)
			events[n++] = 'o';
		for (unsigned int i = n; i > 1; i--) {
			unsigned int j = (unsigned int)random() % i;
			char swap = events[i - 1];
			events[i - 1] = events[j];
			events[j] = swap;
		}
		for (unsigned int i = 0; i < n; i++) {
			if (events[i] == 'h') {
				next_hello++;
				hello(&w, 7, "api.openai.com", next_hello, SECOND + i);
			} else {
				next_conn++;
				opened(&w, next_conn, 7, random() % 4 ? "api.openai.com" : "", SECOND + i);
				if (random() % 2)
					coverage_socket(w.coverage, next_conn, next_conn);
			}
		}
		struct coverage_stats s = end(&w, 60 * SECOND);
		assert_int_equal(s.readable, conns);
		assert_int_equal(s.blind, hellos - conns);
		assert_int_equal(w.judged, hellos);
		assert_int_equal(s.waiting, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_every_order),
		cmocka_unit_test(test_who_cannot_answer),
		cmocka_unit_test(test_counted_one_by_one),
		cmocka_unit_test(test_servers_do_not_answer),
		cmocka_unit_test(test_told_once_an_hour),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
