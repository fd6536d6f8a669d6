/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline_coverage.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/priority.h"
#include "base/uuid.h"
#include "coverage/coverage.h"
#include "ops/tls_kind.h"
#include "pipeline_internal.h"
#include "probe/scan.h"

#define JOBS_MAX   16384
#define TICK_MS	   500
#define OWNERS_MAX 1024
#define FILES_MAX  4096

/* A record's copy. */
struct coverage_job {
	enum record_type type;
	union {
		struct record_hello hello;
		struct record_open open;
		struct record_socket socket;
	};
};

/* The process behind a ClientHello. */
struct owner {
	struct identity_process process;
	enum tls_kind kind;
	unsigned int waiting; /* ClientHellos that are not judged yet */
};

struct pipeline_coverage {
	struct pipeline *pipeline;
	struct coverage *coverage;
	struct queue *jobs;
	struct map *owners; /* process to struct owner */
	struct map *files;  /* device and inode to what kind of TLS is inside, plus one */
	enum tls_kind kind; /* of the process that is being looked at: the best so far */
	pthread_t thread;
	bool running;
	atomic_uint_least64_t lost;
};

/* --- what a process uses ------------------------------------------------------------- */

/* A library of OpenSSL's name may have its symbols after all. */
static enum tls_kind kind_of_file(int fd, const char *path)
{
	struct elf_symbol symbols[PROBE_FUNCTIONS];
	enum tls_kind kind = tls_kind_of_file(fd, path);
	if (kind == TLS_STRIPPED && probe_functions_find(fd, symbols) > 0)
		return TLS_READABLE;
	return kind;
}

static enum tls_kind kind_of_mapping(struct pipeline_coverage *c, const struct scan_mapping *m)
{
	uint64_t key = map_mix(map_mix(map_mix(0, m->dev_major), m->dev_minor), m->inode);
	uintptr_t known = (uintptr_t)map_get(c->files, key);
	if (known)
		return (enum tls_kind)(known - 1);
	_cleanup_close_ int fd = scan_open_mapping(m);
	if (fd < 0)
		return TLS_NONE;
	enum tls_kind kind = kind_of_file(fd, m->path);
	/* An inode number may be used again: what is known is forgotten now and then. */
	if (map_len(c->files) >= FILES_MAX)
		map_clear(c->files);
	(void)map_put(c->files, key, (void *)((uintptr_t)kind + 1));
	return kind;
}

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct pipeline_coverage *c = ctx;
	c->kind = MAX(c->kind, kind_of_mapping(c, m));
}

static const char *library_name(enum tls_kind kind)
{
	static const char *const names[] = {
		[TLS_NONE] = "unknown",	    [TLS_NSS] = "NSS", [TLS_GNUTLS] = "GnuTLS",
		[TLS_JAVA] = "Java",	    [TLS_GO] = "Go",   [TLS_STRIPPED] = "OpenSSL without symbols",
		[TLS_READABLE] = "OpenSSL",
	};
	return names[kind];
}

static const char *reason_of(enum tls_kind kind)
{
	static const char blind[] = "blind: ";
	if (kind == TLS_READABLE)
		return "its calls were not seen: it was quicker than the probes, or another TLS library is "
		       "linked in";
	if (kind == TLS_NONE)
		return "no TLS library that is known: one linked in without symbols, or the process was gone";
	const char *text = tls_kind_text(kind);
	return strncmp(text, blind, strlen(blind)) == 0 ? text + strlen(blind) : text;
}

/* --- processes ----------------------------------------------------------------------- */

static uint64_t owner_key(const struct record_hello *h)
{
	return map_mix(map_mix(0, h->tgid), h->process_gen);
}

static void owner_free(struct owner *owner)
{
	identity_process_done(&owner->process);
	free(owner);
}

static void owners_clear(struct pipeline_coverage *c, bool all)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;
	while (c->owners && map_next(c->owners, &cursor, &key, &value)) {
		struct owner *owner = value;
		if (!all && owner->waiting)
			continue;
		map_remove(c->owners, key);
		owner_free(owner);
	}
}

static struct owner *owner_new(struct pipeline_coverage *c, const struct record_hello *h)
{
	struct owner *owner = calloc(1, sizeof(*owner));
	if (!owner)
		return NULL;
	owner->process = (struct identity_process){
		.pid = h->tgid,
		.parent_pid = h->parent_tgid,
		.uid = h->uid,
		.start_boot_ns = h->start_boot_ns,
	};
	memcpy(owner->process.comm, h->comm, sizeof(owner->process.comm));
	(void)identity_process_read("/proc", &owner->process);
	c->kind = TLS_NONE;
	(void)scan_process((pid_t)h->tgid, on_mapping, c);
	owner->kind = c->kind;
	return owner;
}

/* Looked at now, for it may be gone when its ClientHello is judged. */
static void owner_note(struct pipeline_coverage *c, const struct record_hello *h)
{
	struct owner *owner = map_get(c->owners, owner_key(h));
	if (!h->tgid)
		return;
	if (!owner) {
		if (map_len(c->owners) >= OWNERS_MAX)
			owners_clear(c, false);
		owner = owner_new(c, h);
		if (!owner || map_put(c->owners, owner_key(h), owner) < 0) {
			free(owner);
			return;
		}
	}
	owner->waiting++;
}

/* --- judgements ---------------------------------------------------------------------- */

static int build(struct pipeline_coverage *c, const struct record_hello *h, uint64_t connections,
		 struct event **ret_event)
{
	const struct pipeline *p = c->pipeline;
	const struct owner *owner = map_get(c->owners, owner_key(h));
	enum tls_kind kind = owner ? owner->kind : TLS_NONE;
	const struct record_socket socket = {.family = h->family};
	char message_id[UUID_LEN], local[ADDRESS_MAX], remote[ADDRESS_MAX];
	struct flow flow = {0};

	int r = uuid_v7(clock_mono_to_real_ns(h->ts_ns), message_id);
	if (r < 0)
		return r;
	(void)programs_flow_find(p->options.programs, h->cookie, &flow);
	const struct event_connection connection = {
		.id = h->cookie,
		.sni = h->sni,
		.role = "client",
		.local = pipeline_format_address(&socket, h->local, h->local_port, local),
		.remote = pipeline_format_address(&socket, h->remote, h->remote_port, remote),
	};
	const struct event_context ctx = {
		.message_id = message_id,
		.connection = &connection,
		.process = owner ? &owner->process : NULL,
		.host_name = p->host_name,
		.machine_id = p->machine_id[0] ? p->machine_id : NULL,
	};
	const struct event_blind blind = {
		.library = library_name(kind),
		.reason = reason_of(kind),
		.bytes_written = flow.bytes_out,
		.bytes_read = flow.bytes_in,
		.connections = connections,
	};
	return event_build_blind(ret_event, &ctx, clock_mono_to_real_ns(h->ts_ns), &blind);
}

static void on_blind(void *ctx, const struct record_hello *hello, uint64_t connections)
{
	struct pipeline_coverage *c = ctx;
	struct event *event = NULL;

	if (build(c, hello, connections, &event) < 0)
		atomic_fetch_add(&c->pipeline->counters.build_failed, 1);
	else
		pipeline_publish(c->pipeline, event);
}

static void on_judged(void *ctx, const struct record_hello *hello)
{
	struct pipeline_coverage *c = ctx;
	struct owner *owner = map_get(c->owners, owner_key(hello));

	if (owner && owner->waiting)
		owner->waiting--;
	programs_flow_remove(c->pipeline->options.programs, hello->cookie);
}

static const struct coverage_ops coverage_ops = {.on_blind = on_blind, .on_judged = on_judged};

/* --- thread -------------------------------------------------------------------------- */

static void handle(struct pipeline_coverage *c, const struct coverage_job *job)
{
	switch (job->type) {
	case RECORD_HELLO:
		owner_note(c, &job->hello);
		coverage_hello(c->coverage, &job->hello);
		break;
	case RECORD_OPEN:
		coverage_open(c->coverage, &job->open);
		break;
	case RECORD_SOCKET:
		coverage_socket(c->coverage, job->socket.conn_id, job->socket.cookie);
		break;
	default:
		break;
	}
}

static void *coverage_main(void *arg)
{
	struct pipeline_coverage *c = arg;
	void *items[64];
	bool closed = false;

	priority_set(BEHIND_NICE);
	while (!closed) {
		size_t n = queue_pop(c->jobs, items, ARRAY_SIZE(items), TICK_MS, &closed);
		for (size_t i = 0; i < n; i++) {
			handle(c, items[i]);
			free(items[i]);
		}
		coverage_tick(c->coverage, clock_mono_ns());
	}
	coverage_finish(c->coverage, clock_mono_ns());
	return NULL;
}

int pipeline_coverage_start(struct pipeline_coverage **ret_coverage, struct pipeline *pipeline)
{
	_cleanup_(pipeline_coverage_stop) struct pipeline_coverage *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->pipeline = pipeline;
	int r = coverage_new(&c->coverage, &coverage_ops, c);
	if (r >= 0)
		r = map_new(&c->owners);
	if (r >= 0)
		r = map_new(&c->files);
	if (r >= 0)
		r = queue_new(&c->jobs, JOBS_MAX, JOBS_MAX);
	if (r >= 0)
		r = -pthread_create(&c->thread, NULL, coverage_main, c);
	if (r < 0)
		return r;
	c->running = true;
	*ret_coverage = TAKE_PTR(c);
	return 0;
}

void pipeline_coverage_stop(struct pipeline_coverage **coverage)
{
	struct pipeline_coverage *c = *coverage;
	if (!c)
		return;
	if (c->running) {
		queue_close(c->jobs);
		pthread_join(c->thread, NULL);
	}
	coverage_free(&c->coverage);
	owners_clear(c, true);
	map_free(&c->owners);
	map_free(&c->files);
	queue_free(&c->jobs);
	free(c);
	*coverage = NULL;
}

void pipeline_coverage_record(struct pipeline_coverage *c, const struct ring_record *rec)
{
	if (!c || (rec->type != RECORD_HELLO && rec->type != RECORD_OPEN && rec->type != RECORD_SOCKET))
		return;
	struct coverage_job *job = malloc(sizeof(*job));
	if (job) {
		job->type = rec->type;
		if (rec->type == RECORD_HELLO)
			job->hello = *rec->hello;
		else if (rec->type == RECORD_OPEN)
			job->open = *rec->open;
		else
			job->socket = *rec->socket;
	}
	if (!job || queue_push_timed(c->jobs, job, 1, 0) < 0) {
		atomic_fetch_add_explicit(&c->lost, 1, memory_order_relaxed);
		free(job);
	}
}

json_t *pipeline_coverage_status(const struct pipeline_coverage *c)
{
	struct coverage_stats s = coverage_stats(c->coverage);
	json_t *status = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "connections", (json_int_t)s.connections,
				   "readable", (json_int_t)s.readable, "blind", (json_int_t)s.blind,
				   "suppressed", (json_int_t)s.suppressed, "waiting", (json_int_t)s.waiting,
				   "lost", (json_int_t)(s.table_full + atomic_load(&c->lost)));
	if (status && s.connections)
		json_object_set_new(status, "percent",
				    json_real(100.0 * (double)s.readable / (double)s.connections));
	return status;
}
