/* SPDX-License-Identifier: Apache-2.0 */
#include "coverage/coverage.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "base/map.h"

/* How long after it began a connection can answer: a program may make its TLS object well before it connects.
 */
#define ANSWER_NS (60ULL * 1000 * 1000 * 1000)
#define FINISH_NS (1ULL * 1000 * 1000 * 1000)

/* A ClientHello that waits. */
struct waiting_flow {
	struct record_hello hello;
	struct waiting_flow *prev, *next; /* in order of arrival */
};

/* A connection that can be read and has not answered yet. */
struct readable_conn {
	uint64_t id, ts_ns, cookie; /* cookie 0: its socket is not known */
	uint64_t process;
	struct readable_conn *prev, *next;	     /* in order of arrival */
	struct readable_conn *peer_prev, *peer_next; /* of the same process */
	char host[OAITAP_NAME_MAX];		     /* "": any */
};

/* A process and a host that are blind. */
struct source {
	uint64_t told_ns;
	uint64_t untold;
};

struct coverage {
	const struct coverage_ops *ops;
	void *ctx;
	struct waiting_flow *flows, *last_flow;
	struct readable_conn *conns, *last_conn;
	struct map *by_cookie;	/* of waiting flows: cookie to struct waiting_flow */
	struct map *by_id;	/* connection id to struct readable_conn */
	struct map *by_process; /* to its first struct readable_conn */
	struct map *sources;
	atomic_uint_least64_t connections, readable, blind, suppressed, waiting, table_full;
};

static void add(atomic_uint_least64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t process_key(uint32_t tgid, uint64_t gen)
{
	return map_mix(map_mix(0, tgid), gen);
}

/* --- life ---------------------------------------------------------------------------- */

int coverage_new(struct coverage **ret_coverage, const struct coverage_ops *ops, void *ctx)
{
	_cleanup_(coverage_free) struct coverage *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->ops = ops;
	c->ctx = ctx;
	int r = map_new(&c->by_cookie);
	if (r >= 0)
		r = map_new(&c->by_id);
	if (r >= 0)
		r = map_new(&c->by_process);
	if (r >= 0)
		r = map_new(&c->sources);
	if (r < 0)
		return r;
	*ret_coverage = TAKE_PTR(c);
	return 0;
}

static void sources_clear(struct coverage *c)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;
	while (c->sources && map_next(c->sources, &cursor, &key, &value))
		free(value);
}

void coverage_free(struct coverage **coverage)
{
	struct coverage *c = *coverage;
	if (!c)
		return;
	for (struct waiting_flow *f = c->flows, *next; f; f = next) {
		next = f->next;
		free(f);
	}
	for (struct readable_conn *conn = c->conns, *next; conn; conn = next) {
		next = conn->next;
		free(conn);
	}
	sources_clear(c);
	map_free(&c->by_cookie);
	map_free(&c->by_id);
	map_free(&c->by_process);
	map_free(&c->sources);
	free(c);
	*coverage = NULL;
}

#define append_to(first, last, item)                                                                         \
	do {                                                                                                 \
		(item)->prev = (last);                                                                       \
		*((last) ? &(last)->next : &(first)) = (item);                                               \
		(last) = (item);                                                                             \
	} while (0)

#define unlink_from(first, last, item)                                                                       \
	do {                                                                                                 \
		*((item)->prev ? &(item)->prev->next : &(first)) = (item)->next;                             \
		*((item)->next ? &(item)->next->prev : &(last)) = (item)->prev;                              \
	} while (0)

/* --- connections that can be read ---------------------------------------------------- */

static void peers_add(struct coverage *c, struct readable_conn *conn)
{
	struct readable_conn *first = map_get(c->by_process, conn->process);
	if (first) {
		conn->peer_next = first->peer_next;
		conn->peer_prev = first;
		if (first->peer_next)
			first->peer_next->peer_prev = conn;
		first->peer_next = conn;
	} else if (map_put(c->by_process, conn->process, conn) < 0) {
		add(&c->table_full, 1); /* it answers by its socket alone */
	}
}

static void peers_remove(struct coverage *c, struct readable_conn *conn)
{
	if (conn->peer_prev)
		conn->peer_prev->peer_next = conn->peer_next;
	if (conn->peer_next)
		conn->peer_next->peer_prev = conn->peer_prev;
	if (map_get(c->by_process, conn->process) != conn)
		return;
	if (conn->peer_next)
		(void)map_put(c->by_process, conn->process, conn->peer_next); /* replaces: cannot fail */
	else
		map_remove(c->by_process, conn->process);
}

/* It has answered, or will not. */
static void conn_drop(struct coverage *c, struct readable_conn *conn)
{
	peers_remove(c, conn);
	map_remove(c->by_id, conn->id);
	unlink_from(c->conns, c->last_conn, conn);
	free(conn);
}

static void flow_drop(struct coverage *c, struct waiting_flow *flow)
{
	map_remove(c->by_cookie, flow->hello.cookie);
	unlink_from(c->flows, c->last_flow, flow);
	atomic_fetch_sub_explicit(&c->waiting, 1, memory_order_relaxed);
	c->ops->on_judged(c->ctx, &flow->hello);
	free(flow);
}

static void answer(struct coverage *c, struct waiting_flow *flow, struct readable_conn *conn)
{
	add(&c->connections, 1);
	add(&c->readable, 1);
	flow_drop(c, flow);
	conn_drop(c, conn);
}

void coverage_open(struct coverage *c, const struct record_open *open)
{
	if (open->role != RECORD_CLIENT || map_get(c->by_id, open->conn_id))
		return;
	struct readable_conn *conn = map_len(c->by_id) < COVERAGE_CONNS_MAX ? calloc(1, sizeof(*conn)) : NULL;
	if (!conn || map_put(c->by_id, open->conn_id, conn) < 0) {
		add(&c->table_full, 1);
		free(conn);
		return;
	}
	conn->id = open->conn_id;
	conn->ts_ns = open->ts_ns;
	conn->process = process_key(open->tgid, open->process_gen);
	memcpy(conn->host, open->sni, MIN(sizeof(conn->host) - 1, strnlen(open->sni, sizeof(open->sni))));
	append_to(c->conns, c->last_conn, conn);
	peers_add(c, conn);
}

void coverage_socket(struct coverage *c, uint64_t conn_id, uint64_t cookie)
{
	struct readable_conn *conn = map_get(c->by_id, conn_id);
	if (!conn || !cookie)
		return;
	conn->cookie = cookie;
	struct waiting_flow *flow = map_get(c->by_cookie, cookie);
	if (flow)
		answer(c, flow, conn);
}

/* --- ClientHellos -------------------------------------------------------------------- */

static struct readable_conn *peers_of(struct coverage *c, const struct waiting_flow *flow)
{
	return map_get(c->by_process, process_key(flow->hello.tgid, flow->hello.process_gen));
}

static struct readable_conn *find_bound(struct coverage *c, const struct waiting_flow *flow)
{
	for (struct readable_conn *conn = peers_of(c, flow); conn; conn = conn->peer_next)
		if (conn->cookie == flow->hello.cookie)
			return conn;
	return NULL;
}

void coverage_hello(struct coverage *c, const struct record_hello *hello)
{
	bool room = map_len(c->by_cookie) < COVERAGE_FLOWS_MAX && !map_get(c->by_cookie, hello->cookie);
	struct waiting_flow *flow = room ? calloc(1, sizeof(*flow)) : NULL;

	if (!flow || map_put(c->by_cookie, hello->cookie, flow) < 0) {
		add(&c->table_full, 1);
		free(flow);
		c->ops->on_judged(c->ctx, hello);
		return;
	}
	flow->hello = *hello;
	append_to(c->flows, c->last_flow, flow);
	add(&c->waiting, 1);
	/* Its connection may have been quicker. */
	struct readable_conn *conn = find_bound(c, flow);
	if (conn)
		answer(c, flow, conn);
}

/* Of a connection whose socket is not known. */
static bool can_answer(const struct readable_conn *conn, const struct waiting_flow *flow)
{
	const struct record_hello *h = &flow->hello;
	return !conn->cookie && (!conn->host[0] || strcasecmp(conn->host, h->sni) == 0) &&
	       conn->ts_ns <= h->ts_ns + COVERAGE_GRACE_NS && h->ts_ns <= conn->ts_ns + ANSWER_NS;
}

/* One that names the host is better than one that could be of any. */
static struct readable_conn *find_answer(struct coverage *c, const struct waiting_flow *flow)
{
	struct readable_conn *found = NULL;

	for (struct readable_conn *conn = peers_of(c, flow); conn; conn = conn->peer_next)
		if (can_answer(conn, flow) && (!found || (!found->host[0] && conn->host[0])))
			found = conn;
	return found;
}

static struct source *source_get(struct coverage *c, const struct record_hello *h)
{
	uint64_t key = process_key(h->tgid, h->process_gen);
	for (const char *p = h->sni; *p; p++)
		key = map_mix(key, (unsigned char)*p | 0x20);
	struct source *s = map_get(c->sources, key);
	if (s)
		return s;
	if (map_len(c->sources) >= COVERAGE_SOURCES_MAX) {
		/* Better told once more than not at all. */
		sources_clear(c);
		map_clear(c->sources);
	}
	s = calloc(1, sizeof(*s));
	if (s && map_put(c->sources, key, s) < 0) {
		free(s);
		s = NULL;
	}
	return s;
}

static void tell_blind(struct coverage *c, const struct waiting_flow *flow, uint64_t now_ns)
{
	struct source *s = source_get(c, &flow->hello);

	add(&c->blind, 1);
	if (s && s->told_ns && now_ns - s->told_ns < COVERAGE_QUIET_NS) {
		s->untold++;
		add(&c->suppressed, 1);
		return;
	}
	c->ops->on_blind(c->ctx, &flow->hello, s ? s->untold + 1 : 1);
	if (s)
		*s = (struct source){.told_ns = now_ns};
}

static void judge(struct coverage *c, struct waiting_flow *flow, uint64_t now_ns)
{
	struct readable_conn *conn = find_answer(c, flow);

	if (conn) {
		answer(c, flow, conn);
		return;
	}
	add(&c->connections, 1);
	tell_blind(c, flow, now_ns);
	flow_drop(c, flow);
}

/* --- time ---------------------------------------------------------------------------- */

static bool is_older(uint64_t ts_ns, uint64_t age_ns, uint64_t now_ns)
{
	return now_ns >= ts_ns && now_ns - ts_ns >= age_ns;
}

void coverage_tick(struct coverage *c, uint64_t now_ns)
{
	while (c->flows && is_older(c->flows->hello.ts_ns, COVERAGE_GRACE_NS, now_ns))
		judge(c, c->flows, now_ns);
	while (c->conns && is_older(c->conns->ts_ns, ANSWER_NS + 2 * COVERAGE_GRACE_NS, now_ns))
		conn_drop(c, c->conns);
}

void coverage_finish(struct coverage *c, uint64_t now_ns)
{
	while (c->flows) {
		if (is_older(c->flows->hello.ts_ns, FINISH_NS, now_ns))
			judge(c, c->flows, now_ns);
		else
			flow_drop(c, c->flows);
	}
}

struct coverage_stats coverage_stats(const struct coverage *c)
{
	return (struct coverage_stats){
		.connections = atomic_load_explicit(&c->connections, memory_order_relaxed),
		.readable = atomic_load_explicit(&c->readable, memory_order_relaxed),
		.blind = atomic_load_explicit(&c->blind, memory_order_relaxed),
		.suppressed = atomic_load_explicit(&c->suppressed, memory_order_relaxed),
		.waiting = atomic_load_explicit(&c->waiting, memory_order_relaxed),
		.table_full = atomic_load_explicit(&c->table_full, memory_order_relaxed),
	};
}
