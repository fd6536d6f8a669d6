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
	coverage_finish(w->coverage, now_ns);
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

/* Owner unknown: it is nobody's, unless a socket says otherwise. */
static void test_unknown_owner(void **state)
{
	static const char *const orders[] = {"hos", "ohs", "osh"};
	struct world w;
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		begin(&w);
		for (const char *p = orders[i]; *p; p++) {
			if (*p == 'h')
				hello(&w, 0, "api.openai.com", 1, SECOND);
			else if (*p == 'o')
				opened(&w, 100, 7, "api.openai.com", SECOND);
			else
				coverage_socket(w.coverage, 100, 1);
		}
		struct coverage_stats s = end(&w, 60 * SECOND);
		assert_int_equal(w.blind, 0);
		assert_int_equal(s.readable, 1);
	}
	begin(&w);
	hello(&w, 0, "api.openai.com", 1, SECOND);
	opened(&w, 100, 7, "api.openai.com", SECOND);
	(void)end(&w, 60 * SECOND);
	assert_int_equal(w.blind, 1);
	assert_int_equal(w.tgid, 0);
}

static void test_plaintext(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	/* Before and after its judgement, by socket and by host; one handshake fails. */
	for (uint64_t i = 1; i <= 5; i++)
		opened(&w, i, 7, "api.openai.com", SECOND);
	coverage_plaintext(w.coverage, 1);
	coverage_socket(w.coverage, 1, 1);
	for (uint64_t i = 1; i <= 5; i++)
		hello(&w, 7, "api.openai.com", i, SECOND);
	coverage_socket(w.coverage, 2, 2);
	coverage_plaintext(w.coverage, 2);
	coverage_plaintext(w.coverage, 3);
	coverage_close(w.coverage, 3);
	coverage_tick(w.coverage, 7 * SECOND);
	coverage_plaintext(w.coverage, 4);
	coverage_plaintext(w.coverage, 4);
	coverage_close(w.coverage, 5);
	coverage_plaintext(w.coverage, 999);
	coverage_close(w.coverage, 999);
	struct coverage_stats s = end(&w, 200 * SECOND);
	assert_int_equal(s.connections, 5);
	assert_int_equal(s.readable, 5);
	assert_int_equal(s.decrypted, 4);
	assert_int_equal(s.silent, 1);
	assert_int_equal(w.blind, 0);
	assert_int_equal(w.judged, 5);
}

/* Open before the agent was: it has no ClientHello. */
static void test_open_before(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	opened(&w, 1, 7, "", SECOND);
	coverage_plaintext(w.coverage, 1);
	opened(&w, 2, 7, "api.openai.com", SECOND); /* never connected */
	coverage_tick(w.coverage, 6 * SECOND);
	assert_int_equal(coverage_stats(w.coverage).connections, 0);
	coverage_finish(w.coverage, 7 * SECOND);
	struct coverage_stats s = end(&w, 8 * SECOND);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.decrypted, 1);
	assert_int_equal(w.judged, 0);
}

/* What was answered by host alone is corrected by sockets that become known afterwards: of A, B and C the
 * third is blind, whichever was taken for it. */
static void test_late_sockets(void **state)
{
	(void)state;
	for (unsigned int order = 0; order < 6; order++) {
		static const uint64_t orders[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
						      {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
		for (unsigned int swap = 0; swap < 2; swap++) {
			struct world w;
			begin(&w);
			opened(&w, 11, 7, "api.openai.com", SECOND);
			opened(&w, 12, 7, "api.openai.com", SECOND);
			for (size_t i = 0; i < 3; i++)
				hello(&w, 7, "api.openai.com", orders[order][i], SECOND + i);
			coverage_tick(w.coverage, 7 * SECOND);
			assert_int_equal(coverage_stats(w.coverage).blind, 1);
			coverage_socket(w.coverage, swap ? 12 : 11, swap ? 2 : 1);
			coverage_tick(w.coverage, 8 * SECOND);
			assert_int_equal(coverage_stats(w.coverage).blind, 1);
			coverage_socket(w.coverage, swap ? 11 : 12, swap ? 1 : 2);
			struct coverage_stats s = end(&w, 20 * SECOND);
			assert_int_equal(w.blind, 1);
			assert_int_equal(s.blind, 1);
			assert_int_equal(s.suppressed, 0);
			assert_int_equal(s.readable, 2);
			assert_int_equal(s.connections, 3);
		}
	}
}

/* It answered for another by host; its own ClientHello was never seen. */
static void test_answer_taken_back(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	hello(&w, 7, "api.openai.com", 1, SECOND);
	opened(&w, 11, 7, "api.openai.com", SECOND);
	coverage_tick(w.coverage, 7 * SECOND);
	assert_int_equal(w.blind, 0);
	coverage_socket(w.coverage, 11, 99);
	struct coverage_stats s = end(&w, 8 * SECOND);
	assert_int_equal(w.blind, 1);
	assert_int_equal(w.judged, 1);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.readable, 0);
}

/* Found at a later request: what came before was not read, and was told. */
static void test_picked_up_late(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	hello(&w, 7, "api.openai.com", 1, SECOND);
	coverage_tick(w.coverage, 7 * SECOND);
	opened(&w, 11, 7, "", 20 * SECOND);
	coverage_socket(w.coverage, 11, 1);
	coverage_plaintext(w.coverage, 11);
	struct coverage_stats s = end(&w, 200 * SECOND);
	assert_int_equal(w.blind, 1);
	assert_int_equal(s.blind, 1);
	assert_int_equal(s.connections, 1);
}

static void test_losses(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	hello(&w, 7, "api.openai.com", 1, 100 * SECOND);
	hello(&w, 8, "api.openai.com", 2, 102 * SECOND);
	opened(&w, 5, 8, "api.openai.com", 102 * SECOND);
	coverage_lost(w.coverage, 101 * SECOND);
	hello(&w, 9, "api.openai.com", 3, 120 * SECOND);
	struct coverage_stats s = end(&w, 130 * SECOND);
	assert_int_equal(s.undecided, 1);
	assert_int_equal(s.readable, 1);
	assert_int_equal(w.blind, 1);
	assert_int_equal(w.tgid, 9);
	assert_int_equal(w.judged, 3);
}

/* A full table of connections gives up those that have answered, not the new ones. */
static void test_many_without_socket(void **state)
{
	struct world w;
	uint64_t n = 0;
	(void)state;
	begin(&w);
	for (uint64_t second = 1; second <= 20; second++) {
		for (uint64_t i = 0; i < 10000; i++, n++) {
			opened(&w, n + 1, 7, "api.openai.com", second * SECOND + i);
			hello(&w, 7, "api.openai.com", n + 1, second * SECOND + i);
			if (i % 8192 == 0)
				coverage_tick(w.coverage, (second + 5) * SECOND + i);
		}
		coverage_tick(w.coverage, (second + 6) * SECOND);
	}
	struct coverage_stats s = end(&w, 400 * SECOND);
	assert_int_equal(s.table_full, 0);
	assert_int_equal(s.readable, n);
	assert_int_equal(w.blind, 0);
	assert_int_equal(w.judged, n);
}

#define RANDOM_FLOWS 10
struct random_flow {
	uint32_t tgid;
	const char *host;
	bool readable, socket;
	char left[4]; /* what is still to arrive: h, o, s, p */
};

/* Removes one of what is left that may come now: the connection first, then its socket and plaintext. */
static char random_next(struct random_flow *f)
{
	for (int tries = 0; tries < 8; tries++) {
		size_t i = (size_t)random() % sizeof(f->left);
		char c = f->left[i];
		if (!c || ((c == 's' || c == 'p') && memchr(f->left, 'o', sizeof(f->left))))
			continue;
		f->left[i] = 0;
		return c;
	}
	return 0;
}

static void random_flow(struct random_flow *f, bool one_host)
{
	static const char *const hosts[] = {"api.openai.com", "eu.api.openai.com"};
	f->tgid = 7 + (uint32_t)random() % 2;
	f->host = hosts[one_host ? 0 : random() % 2];
	f->readable = random() % 2;
	f->socket = random() % 2;
	memcpy(f->left, f->readable ? f->socket ? "hosp" : "hop\0" : "h\0\0", sizeof(f->left));
}

static void random_step(struct world *w, struct random_flow *f, uint64_t id, bool one_host, uint64_t ts_ns)
{
	switch (random_next(f)) {
	case 'h':
		hello(w, f->tgid, f->host, id, ts_ns);
		break;
	case 'o':
		opened(w, id, f->tgid, one_host && random() % 3 == 0 ? "" : f->host, ts_ns);
		break;
	case 's':
		coverage_socket(w->coverage, id, id);
		break;
	case 'p':
		coverage_plaintext(w->coverage, id);
		break;
	}
}

/* Connections of two processes in any order of arrival, sockets even after the judgement: as many are blind
 * as cannot be read, and one event is made for each process and host of those. */
static void test_random(void **state)
{
	(void)state;
	srandom(7);
	for (int round = 0; round < 10000; round++) {
		struct world w;
		struct random_flow flows[RANDOM_FLOWS];
		unsigned int readable = 0, sources = 0;
		bool one_host = round % 2, late = round % 3 == 0, seen[4] = {false};
		size_t n = 1 + (size_t)random() % RANDOM_FLOWS;

		begin(&w);
		for (size_t i = 0; i < n; i++) {
			random_flow(&flows[i], one_host);
			readable += flows[i].readable;
			size_t source = (flows[i].tgid - 7) * 2 + (flows[i].host[0] == 'e');
			if (!flows[i].readable && !seen[source]) {
				seen[source] = true;
				sources++;
			}
		}
		for (unsigned int step = 0; step < 400; step++) {
			size_t i = (size_t)random() % n;
			uint64_t now_ns = SECOND + step * SECOND / 200;
			if (late &&
			    (memchr("sp", flows[i].left[2], 2) && !flows[i].left[0] && !flows[i].left[1]))
				continue;
			random_step(&w, &flows[i], i + 1, one_host, now_ns);
			coverage_tick(w.coverage, now_ns);
		}
		coverage_tick(w.coverage, 9 * SECOND);
		for (unsigned int step = 0; step < 400; step++) {
			size_t i = (size_t)random() % n;
			random_step(&w, &flows[i], i + 1, one_host, 10 * SECOND);
			if (random() % 2)
				coverage_tick(w.coverage, 10 * SECOND);
		}
		coverage_tick(w.coverage, 11 * SECOND);
		assert_int_equal(coverage_stats(w.coverage).decrypted, readable);
		struct coverage_stats s = end(&w, 200 * SECOND);
		assert_int_equal(s.connections, n);
		assert_int_equal(s.readable, readable);
		assert_int_equal(s.blind, n - readable);
		assert_int_equal(w.blind, sources);
		assert_int_equal(s.suppressed, n - readable - sources);
		assert_int_equal(w.judged, n);
		assert_int_equal(s.waiting + s.table_full + s.undecided, 0);
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
		cmocka_unit_test(test_unknown_owner),
		cmocka_unit_test(test_plaintext),
		cmocka_unit_test(test_open_before),
		cmocka_unit_test(test_late_sockets),
		cmocka_unit_test(test_answer_taken_back),
		cmocka_unit_test(test_picked_up_late),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_many_without_socket),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
