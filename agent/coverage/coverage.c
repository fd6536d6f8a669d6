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
#include "coverage/told.h"

/* How long after it began a connection can answer: a program may make its TLS object well before it connects.
 */
#define ANSWER_NS (60ULL * 1000 * 1000 * 1000)
#define KEEP_NS	  (ANSWER_NS + 2 * COVERAGE_GRACE_NS)
#define FINISH_NS (1ULL * 1000 * 1000 * 1000)

struct readable_conn;

/* A ClientHello. */
struct seen_hello {
	struct record_hello record;
	enum hello_state {
		HELLO_WAITING,
		HELLO_VOUCHED, /* answered for by host alone; a socket may tell otherwise */
		HELLO_BLIND,   /* told; kept in case its connection's socket becomes known */
	} state;
	bool told;			/* HELLO_BLIND: with an event, not just counted */
	struct readable_conn *conn;	/* HELLO_VOUCHED */
	struct seen_hello *prev, *next; /* HELLO_WAITING, HELLO_BLIND: in order of arrival */
};

/* A connection that can be read. */
struct readable_conn {
	uint64_t id, ts_ns, cookie; /* cookie 0: its socket is not known */
	uint64_t process, bucket;
	enum conn_state {
		CONN_OPEN,     /* has not answered; in its bucket if its socket is not known */
		CONN_VOUCHING, /* for `hello`, by host alone */
		CONN_SETTLED,  /* for its own socket; no plaintext yet */
		CONN_STATES,
	} state;
	bool plaintext, closed;
	struct seen_hello *hello;
	struct readable_conn *prev, *next;	     /* of its state, in order of arrival */
	struct readable_conn *peer_prev, *peer_next; /* of its bucket, in order of arrival */
	char host[OAITAP_NAME_MAX];		     /* "": any */
};

struct conn_list {
	struct readable_conn *first, *last;
};

struct hello_list {
	struct seen_hello *first, *last;
	size_t len;
};

struct coverage {
	const struct coverage_ops *ops;
	void *ctx;
	struct hello_list waiting, blind;
	struct conn_list conns[CONN_STATES];
	size_t n_vouching;
	struct map *hellos;  /* by cookie */
	struct map *by_id;   /* connections */
	struct map *bound;   /* CONN_OPEN by cookie */
	struct map *buckets; /* process and host to struct conn_list: CONN_OPEN without cookie */
	struct told *told;
	uint64_t lost_ns;
	struct {
		atomic_uint_least64_t connections, readable, decrypted, blind, suppressed, undecided, waiting,
			table_full;
	} stats;
};

static void add(atomic_uint_least64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void take(atomic_uint_least64_t *counter, uint64_t n)
{
	atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}

static uint64_t process_key(uint32_t tgid, uint64_t gen)
{
	return map_mix(map_mix(0, tgid), gen);
}

#define append_to(list, item)                                                                                \
	do {                                                                                                 \
		(item)->prev = (list)->last;                                                                 \
		(item)->next = NULL;                                                                         \
		*((list)->last ? &(list)->last->next : &(list)->first) = (item);                             \
		(list)->last = (item);                                                                       \
	} while (0)

#define unlink_from(list, item)                                                                              \
	do {                                                                                                 \
		*((item)->prev ? &(item)->prev->next : &(list)->first) = (item)->next;                       \
		*((item)->next ? &(item)->next->prev : &(list)->last) = (item)->prev;                        \
	} while (0)

/* --- life ---------------------------------------------------------------------------- */

int coverage_new(struct coverage **ret_coverage, const struct coverage_ops *ops, void *ctx)
{
	_cleanup_(coverage_free) struct coverage *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->ops = ops;
	c->ctx = ctx;
	struct map **maps[] = {&c->hellos, &c->by_id, &c->bound, &c->buckets};
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		int e = map_new(maps[i]);
		if (e < 0)
			return e;
	}
	int r = told_new(&c->told);
	if (r < 0)
		return r;
	*ret_coverage = TAKE_PTR(c);
	return 0;
}

void coverage_free(struct coverage **coverage)
{
	struct coverage *c = *coverage;
	if (!c)
		return;
	struct map **maps[] = {&c->hellos, &c->by_id, &c->buckets};
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		map_clear_free(*maps[i]);
		map_free(maps[i]);
	}
	map_free(&c->bound);
	told_free(&c->told);
	free(c);
	*coverage = NULL;
}

/* --- connections: lists and indexes --------------------------------------------------- */

static void bucket_add(struct coverage *c, struct readable_conn *conn)
{
	struct conn_list *bucket = map_get(c->buckets, conn->bucket);
	if (!bucket) {
		bucket = calloc(1, sizeof(*bucket));
		if (!bucket || map_put(c->buckets, conn->bucket, bucket) < 0) {
			add(&c->stats.table_full, 1); /* it answers by its socket alone */
			free(bucket);
			return;
		}
	}
	conn->peer_prev = bucket->last;
	conn->peer_next = NULL;
	*(bucket->last ? &bucket->last->peer_next : &bucket->first) = conn;
	bucket->last = conn;
}

static void bucket_remove(struct coverage *c, struct readable_conn *conn)
{
	struct conn_list *bucket = map_get(c->buckets, conn->bucket);
	if (!bucket || (bucket->first != conn && !conn->peer_prev))
		return; /* there was no memory for it */
	*(conn->peer_prev ? &conn->peer_prev->peer_next : &bucket->first) = conn->peer_next;
	*(conn->peer_next ? &conn->peer_next->peer_prev : &bucket->last) = conn->peer_prev;
	conn->peer_prev = conn->peer_next = NULL;
	if (bucket->first)
		return;
	map_remove(c->buckets, conn->bucket);
	free(bucket);
}

static void index_add(struct coverage *c, struct readable_conn *conn)
{
	if (!conn->cookie)
		bucket_add(c, conn);
	else if (map_put(c->bound, conn->cookie, conn) < 0)
		add(&c->stats.table_full, 1);
}

static void index_remove(struct coverage *c, struct readable_conn *conn)
{
	if (!conn->cookie)
		bucket_remove(c, conn);
	else if (map_get(c->bound, conn->cookie) == conn)
		map_remove(c->bound, conn->cookie);
}

static void conn_move(struct coverage *c, struct readable_conn *conn, enum conn_state state)
{
	if (conn->state == CONN_OPEN)
		index_remove(c, conn);
	unlink_from(&c->conns[conn->state], conn);
	c->n_vouching += (state == CONN_VOUCHING) - (size_t)(conn->state == CONN_VOUCHING);
	conn->state = state;
	append_to(&c->conns[state], conn);
	if (state == CONN_OPEN)
		index_add(c, conn);
}

static void conn_free(struct coverage *c, struct readable_conn *conn)
{
	if (conn->state == CONN_OPEN)
		index_remove(c, conn);
	unlink_from(&c->conns[conn->state], conn);
	c->n_vouching -= conn->state == CONN_VOUCHING;
	map_remove(c->by_id, conn->id);
	free(conn);
}

/* --- ClientHellos: lists ------------------------------------------------------------- */

static struct hello_list *list_of(struct coverage *c, const struct seen_hello *hello)
{
	return hello->state == HELLO_WAITING ? &c->waiting : hello->state == HELLO_BLIND ? &c->blind : NULL;
}

static void hello_list(struct coverage *c, struct seen_hello *hello)
{
	struct hello_list *list = list_of(c, hello);
	append_to(list, hello);
	list->len++;
	if (list == &c->waiting)
		add(&c->stats.waiting, 1);
}

static void hello_unlist(struct coverage *c, struct seen_hello *hello)
{
	struct hello_list *list = list_of(c, hello);
	if (!list)
		return;
	unlink_from(list, hello);
	list->len--;
	if (list == &c->waiting)
		take(&c->stats.waiting, 1);
}

/* A blind one was handed back when it was told. */
static void hello_free(struct coverage *c, struct seen_hello *hello)
{
	hello_unlist(c, hello);
	map_remove(c->hellos, hello->record.cookie);
	if (hello->state != HELLO_BLIND)
		c->ops->on_judged(c->ctx, &hello->record);
	free(hello);
}

/* --- who answers for whom ------------------------------------------------------------ */

static void count_readable(struct coverage *c, const struct readable_conn *conn)
{
	add(&c->stats.connections, 1);
	add(&c->stats.readable, 1);
	if (conn->plaintext)
		add(&c->stats.decrypted, 1);
}

static void conn_settle(struct coverage *c, struct readable_conn *conn)
{
	if (conn->plaintext || conn->closed)
		conn_free(c, conn);
	else
		conn_move(c, conn, CONN_SETTLED);
}

/* What was answered by host alone stays so. */
static void vouch_final(struct coverage *c, struct readable_conn *conn)
{
	struct seen_hello *hello = TAKE_PTR(conn->hello);
	hello_free(c, hello);
	conn_settle(c, conn);
}

static void vouch(struct coverage *c, struct seen_hello *hello, struct readable_conn *conn)
{
	if (c->n_vouching >= COVERAGE_VOUCHED_MAX)
		vouch_final(c, c->conns[CONN_VOUCHING].first);
	hello_unlist(c, hello);
	hello->state = HELLO_VOUCHED;
	hello->conn = conn;
	conn->hello = hello;
	conn_move(c, conn, CONN_VOUCHING);
	count_readable(c, conn);
}

/* The connection is free to answer for another, the ClientHello has nobody. */
static void unvouch(struct coverage *c, struct seen_hello *hello)
{
	struct readable_conn *conn = hello->conn;
	hello->state = HELLO_WAITING;
	hello->conn = NULL;
	hello_list(c, hello);
	take(&c->stats.connections, 1);
	take(&c->stats.readable, 1);
	if (conn->plaintext)
		take(&c->stats.decrypted, 1);
	conn->hello = NULL;
	conn_move(c, conn, CONN_OPEN);
}

static uint64_t source_of(const struct seen_hello *hello)
{
	const struct record_hello *r = &hello->record;
	return told_key(process_key(r->tgid, r->process_gen), r->sni);
}

/* A blind one has turned out to be readable: most likely another of its process and host is the blind one. */
static void untell(struct coverage *c, const struct seen_hello *hello)
{
	take(&c->stats.blind, 1);
	take(&c->stats.connections, 1);
	if (told_undo(c->told, source_of(hello), hello->told))
		take(&c->stats.suppressed, 1);
}

static bool in_time(const struct readable_conn *conn, const struct seen_hello *hello)
{
	return conn->ts_ns <= hello->record.ts_ns + COVERAGE_GRACE_NS &&
	       hello->record.ts_ns <= conn->ts_ns + ANSWER_NS;
}

/* Its socket is the ClientHello's. */
static void answer(struct coverage *c, struct seen_hello *hello, struct readable_conn *conn)
{
	if (hello->state == HELLO_VOUCHED)
		unvouch(c, hello);
	if (hello->state == HELLO_WAITING) {
		count_readable(c, conn);
	} else if (in_time(conn, hello)) {
		untell(c, hello);
		count_readable(c, conn);
	} /* else: picked up at a later request; what came before was not read. */
	hello_free(c, hello);
	conn_settle(c, conn);
}

static struct readable_conn *find_in(struct coverage *c, const struct seen_hello *hello, const char *host)
{
	const struct record_hello *r = &hello->record;
	const struct conn_list *bucket =
		map_get(c->buckets, told_key(process_key(r->tgid, r->process_gen), host));
	for (struct readable_conn *conn = bucket ? bucket->first : NULL; conn; conn = conn->peer_next)
		if (in_time(conn, hello) && strcasecmp(conn->host, host) == 0)
			return conn;
	return NULL;
}

/* One that names the host is better than one that could be of any. */
static struct readable_conn *find_answer(struct coverage *c, const struct seen_hello *hello)
{
	struct readable_conn *conn = find_in(c, hello, hello->record.sni);
	return conn ? conn : find_in(c, hello, "");
}

/* --- connections: records ------------------------------------------------------------ */

/* An open one that is given up was open before the agent was, or its ClientHello was not seen. */
static void conn_give_up(struct coverage *c, struct readable_conn *conn)
{
	if (conn->state == CONN_VOUCHING) {
		vouch_final(c, conn);
		return;
	}
	if (conn->state == CONN_OPEN && conn->plaintext)
		count_readable(c, conn);
	conn_free(c, conn);
}

/* Those that have answered are worth least. */
static void conns_make_room(struct coverage *c, uint64_t now_ns)
{
	static const enum conn_state order[] = {CONN_SETTLED, CONN_VOUCHING, CONN_OPEN};
	for (size_t i = 0; i < ARRAY_SIZE(order) && map_len(c->by_id) >= COVERAGE_CONNS_MAX; i++)
		while (c->conns[order[i]].first && map_len(c->by_id) >= COVERAGE_CONNS_MAX) {
			if (order[i] == CONN_OPEN) {
				add(&c->stats.table_full, 1);
				coverage_lost(c, now_ns);
			}
			conn_give_up(c, c->conns[order[i]].first);
		}
}

void coverage_open(struct coverage *c, const struct record_open *open)
{
	if (open->role != RECORD_CLIENT || map_get(c->by_id, open->conn_id))
		return;
	conns_make_room(c, open->ts_ns);
	struct readable_conn *conn = calloc(1, sizeof(*conn));
	if (!conn || map_put(c->by_id, open->conn_id, conn) < 0) {
		add(&c->stats.table_full, 1);
		coverage_lost(c, open->ts_ns);
		free(conn);
		return;
	}
	conn->id = open->conn_id;
	conn->ts_ns = open->ts_ns;
	conn->process = process_key(open->tgid, open->process_gen);
	memcpy(conn->host, open->sni, MIN(sizeof(conn->host) - 1, strnlen(open->sni, sizeof(open->sni))));
	conn->bucket = told_key(conn->process, conn->host);
	append_to(&c->conns[CONN_OPEN], conn);
	index_add(c, conn);
}

void coverage_socket(struct coverage *c, uint64_t conn_id, uint64_t cookie)
{
	struct readable_conn *conn = map_get(c->by_id, conn_id);
	if (!conn || !cookie || conn->cookie || conn->state == CONN_SETTLED)
		return;
	struct seen_hello *hello = map_get(c->hellos, cookie);
	if (conn->state == CONN_VOUCHING && conn->hello == hello) {
		conn->cookie = cookie;
		vouch_final(c, conn);
		return;
	}
	if (conn->state == CONN_VOUCHING)
		unvouch(c, conn->hello);
	index_remove(c, conn);
	conn->cookie = cookie;
	index_add(c, conn);
	if (hello)
		answer(c, hello, conn);
}

void coverage_plaintext(struct coverage *c, uint64_t conn_id)
{
	struct readable_conn *conn = map_get(c->by_id, conn_id);
	if (!conn || conn->plaintext)
		return;
	conn->plaintext = true;
	if (conn->state != CONN_OPEN)
		add(&c->stats.decrypted, 1);
	if (conn->state == CONN_SETTLED)
		conn_free(c, conn);
}

void coverage_close(struct coverage *c, uint64_t conn_id)
{
	struct readable_conn *conn = map_get(c->by_id, conn_id);
	if (!conn)
		return;
	conn->closed = true;
	if (conn->state == CONN_SETTLED)
		conn_free(c, conn);
}

/* --- ClientHellos -------------------------------------------------------------------- */

void coverage_hello(struct coverage *c, const struct record_hello *record)
{
	bool room = c->waiting.len < COVERAGE_FLOWS_MAX && !map_get(c->hellos, record->cookie);
	struct seen_hello *hello = room ? calloc(1, sizeof(*hello)) : NULL;

	if (!hello || map_put(c->hellos, record->cookie, hello) < 0) {
		add(&c->stats.table_full, 1);
		free(hello);
		c->ops->on_judged(c->ctx, record);
		return;
	}
	hello->record = *record;
	hello_list(c, hello);
	/* Its connection may have been quicker. */
	struct readable_conn *conn = map_get(c->bound, record->cookie);
	if (conn)
		answer(c, hello, conn);
}

static void hello_blind(struct coverage *c, struct seen_hello *hello, uint64_t now_ns)
{
	uint64_t connections = 0;
	enum told_what what = told_blind(c->told, source_of(hello), now_ns, &connections);

	add(&c->stats.connections, 1);
	add(&c->stats.blind, 1);
	hello->told = what != TOLD_LATER;
	if (what == TOLD_NOW)
		c->ops->on_blind(c->ctx, &hello->record, connections);
	else if (what == TOLD_LATER)
		add(&c->stats.suppressed, 1);
	c->ops->on_judged(c->ctx, &hello->record);
	hello_unlist(c, hello);
	hello->state = HELLO_BLIND;
	if (c->blind.len >= COVERAGE_FLOWS_MAX)
		hello_free(c, c->blind.first);
	hello_list(c, hello);
}

/* What was lost may have come a little before the ClientHello, or any time since. */
static bool may_be_lost(const struct coverage *c, const struct seen_hello *hello)
{
	return c->lost_ns && hello->record.ts_ns <= c->lost_ns + COVERAGE_GRACE_NS;
}

static void judge(struct coverage *c, struct seen_hello *hello, uint64_t now_ns)
{
	struct readable_conn *conn = find_answer(c, hello);

	if (conn) {
		vouch(c, hello, conn);
	} else if (may_be_lost(c, hello)) {
		add(&c->stats.undecided, 1);
		hello_free(c, hello);
	} else {
		hello_blind(c, hello, now_ns);
	}
}

/* --- time ---------------------------------------------------------------------------- */

void coverage_lost(struct coverage *c, uint64_t now_ns)
{
	c->lost_ns = MAX(c->lost_ns, now_ns);
}

static bool is_older(uint64_t ts_ns, uint64_t age_ns, uint64_t now_ns)
{
	return now_ns >= ts_ns && now_ns - ts_ns >= age_ns;
}

void coverage_tick(struct coverage *c, uint64_t now_ns)
{
	while (c->waiting.first && is_older(c->waiting.first->record.ts_ns, COVERAGE_GRACE_NS, now_ns))
		judge(c, c->waiting.first, now_ns);
	for (int state = CONN_OPEN; state <= CONN_VOUCHING; state++)
		while (c->conns[state].first && is_older(c->conns[state].first->ts_ns, KEEP_NS, now_ns))
			conn_give_up(c, c->conns[state].first);
	while (c->blind.first && is_older(c->blind.first->record.ts_ns, KEEP_NS, now_ns))
		hello_free(c, c->blind.first);
}

void coverage_finish(struct coverage *c, uint64_t now_ns)
{
	while (c->waiting.first) {
		struct seen_hello *hello = c->waiting.first;
		if (is_older(hello->record.ts_ns, FINISH_NS, now_ns)) {
			judge(c, hello, now_ns);
			continue;
		}
		add(&c->stats.undecided, 1);
		hello_free(c, hello);
	}
	for (int state = CONN_OPEN; state <= CONN_VOUCHING; state++)
		while (c->conns[state].first)
			conn_give_up(c, c->conns[state].first);
}

struct coverage_stats coverage_stats(const struct coverage *c)
{
	struct coverage_stats s = {
		.connections = atomic_load_explicit(&c->stats.connections, memory_order_relaxed),
		.readable = atomic_load_explicit(&c->stats.readable, memory_order_relaxed),
		.decrypted = atomic_load_explicit(&c->stats.decrypted, memory_order_relaxed),
		.blind = atomic_load_explicit(&c->stats.blind, memory_order_relaxed),
		.suppressed = atomic_load_explicit(&c->stats.suppressed, memory_order_relaxed),
		.undecided = atomic_load_explicit(&c->stats.undecided, memory_order_relaxed),
		.waiting = atomic_load_explicit(&c->stats.waiting, memory_order_relaxed),
		.table_full = atomic_load_explicit(&c->stats.table_full, memory_order_relaxed),
	};
	s.silent = s.readable - MIN(s.readable, s.decrypted);
	return s;
}
