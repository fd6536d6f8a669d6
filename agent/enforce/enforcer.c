/* SPDX-License-Identifier: Apache-2.0 */
#include "enforce/enforcer.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/queue.h"
#include "base/thread.h"
#include "enforce/block_programs.h"
#include "enforce/blocks.h"
#include "enforce/cgroup.h"
#include "enforce/destroy.h"

#define JOBS_MAX  4096
#define BATCH_MAX 64
/* A violation is acted on before what is only recorded. */
#define ENFORCER_NICE (-10)
#define BLOCK_MAX_S   (366ULL * 24 * 3600)

enum job_kind { JOB_HELLO, JOB_BLOCK, JOB_LIFT };

struct job {
	enum job_kind kind;
	/* Of JOB_HELLO only its process, family, local address and port, and cookie. */
	struct enforcer_subject subject;
	bool proxied;	 /* JOB_HELLO */
	uint64_t for_ns; /* JOB_BLOCK, and so the rest */
	void *data;
	char reason[ENFORCER_REASON_MAX];
};

/* What a block needs for its reports. */
struct story {
	struct enforcer_subject subject;
	char cgroup[ENFORCER_PATH_MAX];
	char reason[ENFORCER_REASON_MAX];
	void *data;
};

struct counters {
	atomic_uint_least64_t blocks, blocked, violations, ended, not_ended, refused, not_blocked, addresses,
		proxied, lost;
};

struct enforcer {
	char cgroup[PATH_MAX];
	const struct enforcer_ops *ops;
	void *ctx;
	struct block_programs *programs;
	struct queue *jobs;
	pthread_t thread;
	bool running;
	struct blocks *blocks; /* its thread only */
	struct counters counters;
};

static void add(atomic_uint_least64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void data_free(const struct enforcer *e, void *data)
{
	if (data)
		e->ops->data_free(data);
}

/* --- connections --------------------------------------------------------------------- */

static int end_connection(struct enforcer *e, const struct enforcer_subject *s, uint64_t *ended)
{
	struct destroy_target t = {
		.tgid = s->pid,
		.start_boot_ns = s->start_boot_ns,
		.cookie = s->socket.cookie,
		.family = s->socket.family,
		.local_port = s->socket.local_port,
		.remote_port = s->socket.remote_port,
	};
	memcpy(t.local, s->socket.local, sizeof(t.local));
	memcpy(t.remote, s->socket.remote, sizeof(t.remote));
	int r = destroy_connection(&t);
	if (r < 0) {
		add(&e->counters.not_ended, 1);
		log_debug("a connection of process %u is not ended: %s", s->pid, strerror(-r));
		return r;
	}
	add(&e->counters.ended, 1);
	(*ended)++;
	return 0;
}

/* The peer as connect() was told: a packet may have been translated since. */
static void peer_fill(struct record_socket *socket, const struct block_address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool is_v4 = memcmp(address->ip, mapped, sizeof(mapped)) == 0;

	socket->family = is_v4 ? AF_INET : AF_INET6;
	memset(socket->remote, 0, sizeof(socket->remote));
	memcpy(socket->remote, address->ip + (is_v4 ? sizeof(mapped) : 0), is_v4 ? 4 : 16);
	socket->remote_port = address->port;
}

/* --- blocks -------------------------------------------------------------------------- */

static void report(const struct enforcer *e, const struct block *b, struct enforcer_report *r)
{
	const struct story *story = b->data;

	r->scope = b->key.tgid ? ENFORCER_PROCESS : ENFORCER_CGROUP;
	r->cgroup = story->cgroup;
	r->subject = &story->subject;
	r->reason = story->reason;
	r->data = story->data;
	r->begun_ns = b->begun_ns;
	r->until_ns = b->until_ns;
	r->violations = b->violations;
	r->ended = b->ended;
	e->ops->on_report(e->ctx, r);
}

/* Whom to block: the cgroup, unless it is somebody else's too, or nobody knows whose. 0; -ENOENT: nobody. */
static int key_choose(const struct enforcer *e, const struct enforcer_subject *s, struct block_key *ret_key,
		      char ret_path[static ENFORCER_PATH_MAX])
{
	bool known = s->cgroup_id && cgroup_path(e->cgroup, s->cgroup_id, ret_path, ENFORCER_PATH_MAX) == 0;

	if (!known)
		ret_path[0] = 0;
	if (s->scope == ENFORCER_CGROUP && known && !cgroup_is_shared(ret_path)) {
		*ret_key = (struct block_key){.id = s->cgroup_id};
		return 0;
	}
	if (!s->pid || !s->start_boot_ns)
		return -ENOENT;
	*ret_key = (struct block_key){.id = s->start_boot_ns, .tgid = s->pid};
	return 0;
}

/* Has the kernel refuse, and the table know. 1: a new block; 0: an extended one; negative errno. */
static int refuse(struct enforcer *e, const struct block_key *key, uint64_t for_ns, struct block **ret_block)
{
	uint64_t now_ns = clock_mono_ns();
	int r = blocks_add(e->blocks, key, now_ns, for_ns, ret_block);
	if (r < 0)
		return r;
	int failed = block_programs_block(e->programs, key, (*ret_block)->until_ns);
	if (failed < 0 && r == 1) {
		struct block gone;
		(void)blocks_take(e->blocks, key, &gone);
	}
	return failed < 0 ? failed : r;
}

static const char *why_nobody(int error)
{
	switch (error) {
	case -ENOENT:
		return "neither its cgroup nor its start is known";
	case -ENOSPC:
	case -E2BIG:
		return "too many are blocked already";
	default:
		return strerror(-error);
	}
}

/* True: a block began, and the story is its own now. */
static bool violation(struct enforcer *e, struct job *job, struct story *story)
{
	struct enforcer_report r = {.what = ENFORCER_BEGIN};
	struct block_key key;
	struct block *block = NULL;
	uint64_t none = 0;

	int how = key_choose(e, &job->subject, &key, story->cgroup);
	if (how == 0)
		how = refuse(e, &key, job->for_ns, &block);
	r.end_error = end_connection(e, &job->subject, how < 0 ? &none : &block->ended);
	if (how < 0) {
		add(&e->counters.not_blocked, 1);
		log_warn("process %u is not blocked after a violation: %s", job->subject.pid,
			 why_nobody(how));
	}
	if (how != 1)
		return false;
	add(&e->counters.blocks, 1);
	add(&e->counters.blocked, 1);
	story->subject = job->subject;
	memcpy(story->reason, job->reason, sizeof(story->reason));
	story->data = TAKE_PTR(job->data);
	block->data = story;
	report(e, block, &r);
	return true;
}

static void violation_job(struct enforcer *e, struct job *job)
{
	_cleanup_free_ struct story *story = calloc(1, sizeof(*story));
	if (!story) {
		add(&e->counters.not_blocked, 1);
		return;
	}
	if (violation(e, job, story))
		story = NULL;
}

static void block_end(struct enforcer *e, struct block *b, bool lifted)
{
	struct enforcer_report r = {.what = ENFORCER_END, .lifted = lifted};
	struct block_refusals refusals;
	struct story *story = b->data;

	block_programs_unblock(e->programs, &b->key, &refusals);
	r.refused_connects = refusals.connects;
	r.refused_datagrams = refusals.datagrams;
	add(&e->counters.refused, refusals.connects + refusals.datagrams);
	atomic_fetch_sub(&e->counters.blocked, 1);
	report(e, b, &r);
	data_free(e, story->data);
	free(story);
}

static void blocks_end(struct enforcer *e, uint64_t now_ns)
{
	struct block b;
	while (blocks_take_due(e->blocks, now_ns, &b))
		block_end(e, &b, now_ns == UINT64_MAX);
}

/* --- ClientHellos -------------------------------------------------------------------- */

static void hello_job(struct enforcer *e, struct job *job)
{
	struct enforcer_subject *s = &job->subject;
	struct block_connect c;
	uint64_t now_ns = clock_mono_ns();

	if (block_programs_take_connect(e->programs, s->socket.cookie, &c) < 0)
		return; /* it was there before the agent */
	/* A proxy that was asked to connect leads to other hosts as well. */
	if (job->proxied)
		add(&e->counters.proxied, 1);
	else if (block_programs_learn(e->programs, &c.address, now_ns) == 0)
		add(&e->counters.addresses, 1);
	struct block *b = c.blocked.id ? blocks_find(e->blocks, &c.blocked) : NULL;
	if (!b || b->until_ns <= now_ns)
		return;
	peer_fill(&s->socket, &c.address);
	(void)end_connection(e, s, &b->ended);
}

/* --- thread -------------------------------------------------------------------------- */

static void job_free(const struct enforcer *e, struct job *job)
{
	data_free(e, job->data);
	free(job);
}

static void job_run(struct enforcer *e, struct job *job)
{
	switch (job->kind) {
	case JOB_HELLO:
		hello_job(e, job);
		break;
	case JOB_BLOCK:
		violation_job(e, job);
		break;
	case JOB_LIFT:
		blocks_end(e, UINT64_MAX);
		break;
	}
}

/* Until the next block is over: -1, there is none. */
static int wait_ms(const struct enforcer *e)
{
	uint64_t next_ns = blocks_next_ns(e->blocks), now_ns = clock_mono_ns();
	if (next_ns == UINT64_MAX)
		return -1;
	uint64_t left_ms = (next_ns - MIN(next_ns, now_ns)) / NSEC_PER_MSEC + 1;
	return (int)MIN(left_ms, (uint64_t)INT_MAX);
}

static void *enforcer_main(void *arg)
{
	struct enforcer *e = arg;
	void *items[BATCH_MAX];
	bool closed = false;

	thread_begin("enforce", ENFORCER_NICE);
	while (!closed) {
		size_t n = queue_pop(e->jobs, items, BATCH_MAX, wait_ms(e), &closed);
		for (size_t i = 0; i < n; i++) {
			job_run(e, items[i]);
			job_free(e, items[i]);
		}
		blocks_end(e, clock_mono_ns());
	}
	blocks_end(e, UINT64_MAX);
	return NULL;
}

/* --- from other threads -------------------------------------------------------------- */

static int job_push(struct enforcer *e, struct job *job)
{
	int r = queue_push_timed(e->jobs, job, 1, 0);
	if (r < 0) {
		add(&e->counters.lost, 1);
		job_free(e, job);
	}
	return r < 0 ? -EAGAIN : 0;
}

void enforcer_hello(struct enforcer *e, const struct record_hello *hello)
{
	struct job *job = calloc(1, sizeof(*job));
	if (!job) {
		add(&e->counters.lost, 1);
		return;
	}
	job->kind = JOB_HELLO;
	job->proxied = hello->before > 0;
	job->subject.pid = hello->tgid;
	job->subject.start_boot_ns = hello->start_boot_ns;
	job->subject.socket.cookie = hello->cookie;
	job->subject.socket.family = hello->family;
	job->subject.socket.local_port = hello->local_port;
	memcpy(job->subject.socket.local, hello->local, sizeof(hello->local));
	(void)job_push(e, job);
}

int enforcer_block(struct enforcer *e, const struct enforcer_subject *subject, uint64_t seconds,
		   const char *reason, void *data)
{
	add(&e->counters.violations, 1);
	struct job *job = calloc(1, sizeof(*job));
	if (!job) {
		data_free(e, data);
		add(&e->counters.lost, 1);
		return -ENOMEM;
	}
	job->kind = JOB_BLOCK;
	job->subject = *subject;
	job->for_ns = MIN(seconds, BLOCK_MAX_S) * NSEC_PER_SEC;
	job->data = data;
	snprintf(job->reason, sizeof(job->reason), "%s", reason);
	return job_push(e, job);
}

int enforcer_lift(struct enforcer *e)
{
	struct job *job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->kind = JOB_LIFT;
	return job_push(e, job);
}

struct enforcer_stats enforcer_stats(const struct enforcer *e)
{
	const struct counters *c = &e->counters;
	return (struct enforcer_stats){
		.blocks = c->blocks,
		.blocked = c->blocked,
		.violations = c->violations,
		.ended = c->ended,
		.not_ended = c->not_ended,
		.refused = c->refused,
		.not_blocked = c->not_blocked,
		.addresses = c->addresses,
		.proxied = c->proxied,
		.lost = c->lost,
	};
}

/* --- start and stop ------------------------------------------------------------------ */

static const char *why_no_destroy(void)
{
	int r = destroy_try();
	if (r == 0)
		return NULL;
	return r == -EPERM ? "CAP_NET_ADMIN is missing: connections cannot be ended"
			   : "connections cannot be ended: a kernel built with CONFIG_INET_DIAG_DESTROY";
}

const char *enforcer_why_not(const char *cgroup)
{
	struct block_programs *programs = NULL;
	char *error = NULL;

	if (!cgroup[0])
		return "cgroup v2 is not mounted";
	const char *why = why_no_destroy();
	if (!why && block_programs_load(&programs, ENFORCER_ADDRESS_AGE_NS, &error) < 0)
		why = "the kernel does not take the programs that refuse connections";
	block_programs_free(&programs);
	free(error);
	return why;
}

static int start(struct enforcer *e, const struct enforcer_options *options, char **ret_error)
{
	int r = block_programs_load(&e->programs, options->address_age_ns, ret_error);
	if (r >= 0)
		r = block_programs_attach(e->programs, e->cgroup, ret_error);
	if (r >= 0)
		r = blocks_new(&e->blocks);
	if (r >= 0)
		r = queue_new(&e->jobs, JOBS_MAX, UINT64_MAX);
	if (r < 0)
		return r;
	r = -pthread_create(&e->thread, NULL, enforcer_main, e);
	e->running = r == 0;
	return r;
}

int enforcer_new(struct enforcer **ret_enforcer, const struct enforcer_options *options,
		 const struct enforcer_ops *ops, void *ctx, char **ret_error)
{
	const char *why = options->cgroup[0] ? why_no_destroy() : "cgroup v2 is not mounted";
	if (why) {
		*ret_error = strdup(why);
		return -EOPNOTSUPP;
	}
	_cleanup_(enforcer_free) struct enforcer *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	snprintf(e->cgroup, sizeof(e->cgroup), "%s", options->cgroup);
	e->ops = ops;
	e->ctx = ctx;
	int r = start(e, options, ret_error);
	if (r < 0)
		return r;
	*ret_enforcer = TAKE_PTR(e);
	return 0;
}

void enforcer_free(struct enforcer **enforcer)
{
	struct enforcer *e = *enforcer;
	if (!e)
		return;
	if (e->running) {
		queue_close(e->jobs);
		pthread_join(e->thread, NULL);
	}
	if (e->jobs)
		queue_free(&e->jobs);
	if (e->blocks)
		blocks_free(&e->blocks);
	block_programs_free(&e->programs);
	free(e);
	*enforcer = NULL;
}
