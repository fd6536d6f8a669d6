/* SPDX-License-Identifier: Apache-2.0 */

/* The capture thread: ring → stream → http, then by queue to the connection's worker. */

#include "pipeline_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/thread.h"

#define POLL_MS	     50
#define RECONCILE_NS (10 * NSEC_PER_SEC)

/* How long the first messages of a connection wait for its socket to become known: of a program with memory
 * BIOs it is what the thread sends right after it has written the request, so it comes a moment later. */
#define SOCKET_WAIT_NS (100 * NSEC_PER_SEC / 1000)
#define HELD_MAX       64

/* One connection, as the capture thread sees it. */
struct capture_conn {
	struct pipeline *pipeline;
	struct stream_conn *stream;
	struct http_conn *http;
	struct worker *worker;
	struct job *held[HELD_MAX]; /* messages that wait for the socket */
	size_t n_held;
	uint64_t held_until_ns;
	bool named;	     /* the worker knows the server name, if there is one */
	bool socket_settled; /* known, or not worth waiting for */
	uint64_t passed_to;  /* the kernel was told to leave out what comes before */
	uint64_t due_ns;     /* UINT64_MAX: not in the list */
	struct capture_conn *due_prev, *due_next;
};

static struct worker *worker_of(struct pipeline *p, uint64_t conn_id)
{
	return &p->workers[map_mix(0, conn_id) % p->n_workers];
}

void job_free(struct job **job)
{
	if (!*job)
		return;
	http_message_free(&(*job)->msg);
	identity_process_done(&(*job)->process);
	free((*job)->who);
	free(*job);
	*job = NULL;
}

/* Memory that a message holds, nearly: its head is at most what came on the wire for it. */
static uint64_t message_weight(const struct http_message *msg)
{
	uint64_t head = msg->wire_bytes - MIN(msg->wire_bytes, msg->body_total + msg->missing_bytes);
	return sizeof(*msg) + msg->body_len + msg->n_marks * sizeof(*msg->marks) +
	       msg->n_headers * sizeof(*msg->headers) + MIN(head, (uint64_t)1 << 20);
}

/* Takes the job. Waits while the worker's queue is full: the ring fills meanwhile, and the kernel counts what
 * it has to drop. */
static void job_push(struct worker *w, struct job *job)
{
	uint64_t weight = sizeof(*job) + (job->msg ? message_weight(job->msg) : 0);
	if (!queue_push(w->jobs, job, weight))
		job_free(&job);
}

static struct job *job_new(enum job_kind kind, uint64_t conn_id)
{
	struct job *job = calloc(1, sizeof(*job));
	if (job) {
		job->kind = kind;
		job->conn_id = conn_id;
	}
	return job;
}

/* Gives the held messages to the worker, with the socket if it is known by now. */
static void held_release(struct capture_conn *c)
{
	c->socket_settled = true;
	for (size_t i = 0; i < c->n_held; i++) {
		c->held[i]->socket = c->stream->socket;
		job_push(c->worker, c->held[i]);
	}
	c->n_held = 0;
}

static void job_hold(struct capture_conn *c, struct job *job)
{
	if (c->n_held == 0)
		c->held_until_ns = clock_mono_ns() + SOCKET_WAIT_NS;
	c->held[c->n_held++] = job;
	if (c->n_held == HELD_MAX)
		held_release(c);
}

/* --- http ---------------------------------------------------------------------------- */

static void on_message(void *ctx, struct http_message *msg)
{
	struct capture_conn *c = ctx;
	struct pipeline_counters *n = &c->pipeline->counters;
	struct job *job = job_new(JOB_MESSAGE, c->stream->id);

	atomic_fetch_add_explicit(&n->messages, 1, memory_order_relaxed);
	if (msg->end != HTTP_END_COMPLETE || msg->missing_bytes)
		atomic_fetch_add_explicit(&n->incomplete, 1, memory_order_relaxed);
	if (!job) {
		atomic_fetch_add_explicit(&n->build_failed, 1, memory_order_relaxed);
		http_message_free(&msg);
		return;
	}
	job->msg = msg;
	if (c->socket_settled) {
		job->socket = c->stream->socket;
		job_push(c->worker, job);
	} else {
		job_hold(c, job);
	}
}

static void on_unreadable(void *ctx, enum stream_dir dir, uint64_t len, bool missing, const char *why)
{
	struct capture_conn *c = ctx;
	struct pipeline_counters *n = &c->pipeline->counters;

	atomic_fetch_add_explicit(missing ? &n->missing_bytes : &n->unreadable_bytes, len,
				  memory_order_relaxed);
	log_debug("connection %llu of process %u: %llu bytes %s are in no message: %s",
		  (unsigned long long)c->stream->id, c->stream->tgid, (unsigned long long)len,
		  dir == STREAM_WRITE ? "written" : "read", why);
}

static const struct http_conn_ops http_ops = {.on_message = on_message, .on_unreadable = on_unreadable};

/* --- connections that wait for nothing more to come ---------------------------------- */

static void due_remove(struct capture_conn *c)
{
	if (c->due_ns == UINT64_MAX)
		return;
	if (c->due_prev)
		c->due_prev->due_next = c->due_next;
	else
		c->pipeline->due = c->due_next;
	if (c->due_next)
		c->due_next->due_prev = c->due_prev;
	c->due_prev = c->due_next = NULL;
	c->due_ns = UINT64_MAX;
}

static void due_set(struct capture_conn *c, uint64_t due_ns)
{
	if (due_ns == UINT64_MAX) {
		due_remove(c);
		return;
	}
	if (c->due_ns == UINT64_MAX) {
		c->due_next = c->pipeline->due;
		if (c->due_next)
			c->due_next->due_prev = c;
		c->pipeline->due = c;
	}
	c->due_ns = due_ns;
}

/* When to look at the connection again. */
static uint64_t due_of(struct capture_conn *c, uint64_t now_ns)
{
	uint64_t idle_ns = http_conn_idle(c->http, now_ns);
	return c->n_held ? MIN(idle_ns, c->held_until_ns) : idle_ns;
}

static void due_run(struct pipeline *p, uint64_t now_ns)
{
	struct capture_conn *next;
	for (struct capture_conn *c = p->due; c; c = next) {
		next = c->due_next;
		if (c->due_ns > now_ns)
			continue;
		if (c->n_held && c->held_until_ns <= now_ns)
			held_release(c);
		due_set(c, due_of(c, now_ns));
	}
}

/* --- stream -------------------------------------------------------------------------- */

static void capture_conn_free(struct capture_conn **conn)
{
	if (!*conn)
		return;
	due_remove(*conn);
	http_conn_free(&(*conn)->http);
	free(*conn);
	*conn = NULL;
}

static int announce(struct capture_conn *c)
{
	const struct stream_conn *s = c->stream;
	struct job *job = job_new(JOB_OPEN, s->id);
	if (!job)
		return -ENOMEM;
	job->process = (struct identity_process){
		.pid = s->tgid,
		.parent_pid = s->parent_tgid,
		.uid = s->uid,
		.start_boot_ns = s->start_boot_ns,
	};
	memcpy(job->process.comm, s->comm, sizeof(job->process.comm));
	job->who = who_take(c->pipeline, s->id);
	memcpy(job->sni, s->sni, sizeof(job->sni));
	c->named = s->sni[0];
	job->role = s->role;
	job->cgroup_id = s->cgroup_id;
	job->file_id = s->file_id;
	job_push(c->worker, job);
	return 0;
}

static void announce_name(struct capture_conn *c)
{
	struct job *job = job_new(JOB_NAME, c->stream->id);
	if (!job)
		return;
	memcpy(job->sni, c->stream->sni, sizeof(job->sni));
	c->named = true;
	job_push(c->worker, job);
}

static int on_open(void *ctx, struct stream_conn *stream)
{
	struct pipeline *p = ctx;
	_cleanup_(capture_conn_free) struct capture_conn *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->pipeline = p;
	c->stream = stream;
	c->worker = worker_of(p, stream->id);
	c->socket_settled = !programs_state(p->options.programs).sockets;
	c->due_ns = UINT64_MAX;
	enum stream_dir request_dir = stream->role == RECORD_CLIENT ? STREAM_WRITE : STREAM_READ;
	int r = http_conn_new(&c->http, stream->id, request_dir, &p->limits, &http_ops, c);
	if (r >= 0)
		r = announce(c);
	if (r < 0)
		return r;
	stream->user = TAKE_PTR(c);
	return 0;
}

static void conn_key_of(const struct stream_conn *conn, struct conn_key *ret_key)
{
	*ret_key = (struct conn_key){.ssl = conn->ssl, .tgid = conn->tgid};
}

/* Of a long body the rest is not copied any more. */
static void pass_over(struct capture_conn *c, enum stream_dir dir)
{
	const struct pipeline_options *options = &c->pipeline->options;
	uint64_t until = http_conn_passable(c->http, dir, options->config->max_message);
	if (!until || until == c->passed_to)
		return;
	struct conn_key key;
	conn_key_of(c->stream, &key);
	c->passed_to = until;
	int r = programs_order(options->programs, &key, c->stream->id, ORDER_SKIP,
			       dir == STREAM_WRITE ? RECORD_WRITE : RECORD_READ, until);
	if (r < 0)
		log_debug("connection %llu of process %u: a long message is copied on: %s",
			  (unsigned long long)c->stream->id, c->stream->tgid, strerror(-r));
}

static void on_chunk(void *ctx, struct stream_conn *stream, const struct stream_chunk *chunk)
{
	struct capture_conn *c = stream->user;
	(void)ctx;
	(void)http_conn_data(c->http, chunk);
	pass_over(c, chunk->dir);
	due_set(c, due_of(c, chunk->ts_ns));
}

static void on_gap(void *ctx, struct stream_conn *stream, const struct stream_gap *gap)
{
	struct capture_conn *c = stream->user;
	(void)ctx;
	(void)http_conn_gap(c->http, gap);
}

static void on_socket(void *ctx, struct stream_conn *stream)
{
	struct capture_conn *c = stream->user;
	(void)ctx;
	if (!c->named && stream->sni[0])
		announce_name(c);
	held_release(c);
	due_set(c, due_of(c, clock_mono_ns()));
}

static void on_close(void *ctx, struct stream_conn *stream, uint64_t ts_ns)
{
	struct capture_conn *c = stream->user;
	(void)ctx;
	(void)http_conn_close(c->http, ts_ns);
	held_release(c);
	struct job *job = job_new(JOB_CLOSE, stream->id);
	if (job)
		job_push(c->worker, job);
	capture_conn_free(&c);
}

const struct stream_ops capture_stream_ops = {
	.on_open = on_open,
	.on_chunk = on_chunk,
	.on_gap = on_gap,
	.on_socket = on_socket,
	.on_close = on_close,
};

/* --- processes that are gone --------------------------------------------------------- */

/* Its connections were not freed one by one: ends them where the kernel's table says that they stood. */
static void process_gone(struct pipeline *p, const struct record_process *rec)
{
	size_t cursor = 0;
	struct stream_conn *s;

	while ((s = stream_next(p->stream, &cursor))) {
		if (s->tgid != rec->tgid || (s->process_gen && s->process_gen != rec->process_gen))
			continue;
		struct conn_key key;
		struct conn conn;
		conn_key_of(s, &key);
		bool known = programs_conn_take(p->options.programs, &key, s->id, &conn) == 0;
		const uint64_t end[2] = {known ? conn.end[0] : 0, known ? conn.end[1] : 0};
		stream_close(p->stream, s->id, known ? end : NULL, rec->ts_ns);
	}
}

/* If control records were lost, connections may have ended without our knowing: those that the kernel's table
 * no longer has are over. Of processes whose end was lost the entries go with the next sweep, so this looks
 * again for a while. */
static void reconcile(struct pipeline *p, uint64_t now_ns)
{
	struct counter_value counters[COUNTER_MAX];
	if (programs_counters(p->options.programs, counters) < 0)
		return;
	if (counters[COUNTER_RING_FULL_CONTROL].count != p->control_lost) {
		p->control_lost = counters[COUNTER_RING_FULL_CONTROL].count;
		p->reconcile_until_ns = now_ns + RECONCILE_NS;
	}
	if (now_ns >= p->reconcile_until_ns)
		return;
	size_t cursor = 0;
	struct stream_conn *s;
	while ((s = stream_next(p->stream, &cursor))) {
		struct conn_key key;
		struct conn conn;
		if (!s->ssl)
			continue; /* its announcement was lost, so its place in the table is not known */
		conn_key_of(s, &key);
		if (programs_conn_find(p->options.programs, &key, s->id, &conn) < 0)
			stream_close(p->stream, s->id, NULL, now_ns);
	}
}

/* --- thread -------------------------------------------------------------------------- */

void capture_on_record(void *ctx, const struct ring_record *rec)
{
	struct pipeline *p = ctx;
	if (rec->type == RECORD_WHO) {
		who_keep(p, rec->who);
		return;
	}
	if (rec->type == RECORD_EXIT || rec->type == RECORD_EXEC)
		process_gone(p, rec->process);
	else
		stream_record(p->stream, rec);
	pipeline_coverage_record(p->coverage, rec,
				 rec->type == RECORD_HELLO ? who_take(p, rec->hello->cookie) : NULL);
	const struct policy_enforcer *enforcer = p->options.enforcer;
	if (rec->type == RECORD_HELLO && enforcer && enforcer->hello)
		enforcer->hello(enforcer->ctx, rec->hello);
}

static void tick(struct pipeline *p, uint64_t *next_reconcile_ns)
{
	uint64_t now_ns = clock_mono_ns();
	due_run(p, now_ns);
	if (now_ns >= *next_reconcile_ns) {
		reconcile(p, now_ns);
		*next_reconcile_ns = now_ns + NSEC_PER_SEC;
	}
}

/* More in one go is a stream of data, not of events: no time to lose. */
#define GATHER_BELOW 16

void *capture_main(void *arg)
{
	struct pipeline *p = arg;
	uint64_t next_reconcile_ns = 0;
	const bool may_gather = p->options.config->ring_size >= GATHER_RING_MIN;

	thread_begin("capture", CAPTURE_NICE);
	while (!atomic_load(&p->stop)) {
		int r = ring_poll(p->ring, POLL_MS);
		if (r < 0 && r != -EINTR) {
			log_error("the ring buffer cannot be read: %s", strerror(-r));
			break;
		}
		tick(p, &next_reconcile_ns);
		if (r > 0 && r < GATHER_BELOW && may_gather)
			thread_gather_us(CAPTURE_GATHER_US);
	}
	/* What the probes have sent until now; they still send, so not for ever. */
	for (int i = 0; i < 100 && ring_poll(p->ring, 0) > 0; i++)
		;
	stream_close_all(p->stream, clock_mono_ns());
	return NULL;
}
