/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline_coverage.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "coverage/coverage.h"
#include "coverage/talkers.h"
#include "pipeline_internal.h"
#include "probe/scan.h"
#include "probe/tls_kind.h"

#define JOBS_MAX   16384
#define TICK_MS	   500
#define OWNERS_MAX 1024
#define FILES_MAX  4096

/* Files of one process that are read for traces of a TLS library. */
#define SEARCHES_MAX 32U
/* A connection's data records say the same again and again: the last that were heard of, by id. */
#define HEARD_MAX 1024U

/* A record's copy. */
struct coverage_job {
	enum record_type type;
	struct record_who *who; /* RECORD_HELLO; owned; or NULL */
	union {
		struct record_hello hello;
		struct record_open open;
		struct record_socket socket;
		uint64_t conn_id; /* RECORD_DATA, RECORD_CLOSE */
	};
};

/* The process behind a ClientHello. */
struct owner {
	struct identity_process process;
	struct identity_place place;
	enum tls_kind kind;
	unsigned int waiting; /* ClientHellos that are not judged yet */
};

struct pipeline_coverage {
	struct pipeline *pipeline;
	struct coverage *coverage;
	struct talkers *talkers;
	struct queue *jobs;
	struct map *owners; /* process to struct owner */
	struct map *files;  /* device and inode to what kind of TLS is inside */
	/* Of the process that is being looked at: the best so far, and how many files may still be read. */
	enum tls_kind kind;
	unsigned int searches;
	uint64_t lost_seen, control_lost_seen;
	pthread_t thread;
	bool running;
	atomic_uint_least64_t lost;
	uint64_t heard[HEARD_MAX]; /* capture thread only */
};

/* --- what a process uses ------------------------------------------------------------- */

/* A file's kind and whether it was searched, as a map's value: never NULL. */
#define FILE_KNOWN    0x100U
#define FILE_SEARCHED 0x200U

static unsigned int file_look(int fd, const char *path, unsigned int known, bool search)
{
	enum tls_kind kind = known ? (enum tls_kind)(known & 0xff) : tls_kind_find(fd, path);
	unsigned int searched = known & FILE_SEARCHED;
	if (search && kind == TLS_NONE && !searched) {
		kind = tls_kind_search(fd);
		searched = FILE_SEARCHED;
	}
	return FILE_KNOWN | searched | kind;
}

static enum tls_kind kind_of_mapping(struct pipeline_coverage *c, const struct scan_mapping *m)
{
	uint64_t key = map_mix(map_mix(map_mix(0, m->dev_major), m->dev_minor), m->inode);
	unsigned int known = (unsigned int)(uintptr_t)map_get(c->files, key);
	bool search = c->searches > 0;
	if (known && (!search || (known & FILE_SEARCHED) || (known & 0xff) != TLS_NONE))
		return (enum tls_kind)(known & 0xff);
	_cleanup_close_ int fd = scan_open_mapping(m);
	if (fd < 0)
		return TLS_NONE;
	known = file_look(fd, m->path, known, search);
	if (search)
		c->searches--;
	/* An inode number may be used again: what is known is forgotten now and then. */
	if (map_len(c->files) >= FILES_MAX)
		map_clear(c->files);
	(void)map_put(c->files, key, (void *)(uintptr_t)known);
	return (enum tls_kind)(known & 0xff);
}

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct pipeline_coverage *c = ctx;
	c->kind = MAX(c->kind, kind_of_mapping(c, m));
}

/* Its files are read only if nothing is known by their names and symbols. */
static enum tls_kind kind_of_process(struct pipeline_coverage *c, pid_t pid)
{
	c->kind = TLS_NONE;
	c->searches = 0;
	(void)scan_process(pid, on_mapping, c);
	if (c->kind == TLS_NONE) {
		c->searches = SEARCHES_MAX;
		(void)scan_process(pid, on_mapping, c);
	}
	return c->kind;
}

/* --- processes ----------------------------------------------------------------------- */

static uint64_t owner_key(const struct record_hello *h)
{
	return map_mix(map_mix(0, h->tgid), h->process_gen);
}

static void owner_free(struct owner *owner)
{
	identity_place_done(&owner->place);
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

static struct owner *owner_new(struct pipeline_coverage *c, const struct record_hello *h,
			       const struct record_who *who)
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
	/* First what only a living process tells. */
	if (who)
		owner->kind = kind_of_process(c, (pid_t)h->tgid);
	pipeline_process(c->pipeline, &owner->process, who);
	if (!who)
		owner->kind = kind_of_process(c, (pid_t)h->tgid);
	(void)identity_whois_place(c->pipeline->options.whois, &owner->process, &owner->place);
	return owner;
}

/* Looked at now, for it may be gone when its ClientHello is judged. */
static void owner_note(struct pipeline_coverage *c, const struct record_hello *h,
		       const struct record_who *who)
{
	struct owner *owner = map_get(c->owners, owner_key(h));
	if (!h->tgid)
		return;
	if (!owner) {
		if (map_len(c->owners) >= OWNERS_MAX)
			owners_clear(c, false);
		owner = owner_new(c, h, who);
		if (!owner || map_put(c->owners, owner_key(h), owner) < 0) {
			if (owner)
				owner_free(owner);
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
	struct owner *owner = map_get(c->owners, owner_key(h));
	enum tls_kind kind = owner ? owner->kind : TLS_NONE;
	const struct record_socket socket = {.family = h->family};
	char message_id[UUID_LEN], local[ADDRESS_MAX], remote[ADDRESS_MAX];
	struct flow flow = {0};

	int r = uuid_v7(clock_mono_to_real_ns(h->ts_ns), message_id);
	if (r < 0)
		return r;
	if (owner)
		(void)identity_whois_place(p->options.whois, &owner->process, &owner->place);
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
		.place = owner ? &owner->place : NULL,
		.host_name = p->host_name,
		.machine_id = p->machine_id[0] ? p->machine_id : NULL,
	};
	const struct event_blind blind = {
		.library = tls_kind_library(kind),
		.reason = programs_state(p->options.programs).reads
				  ? tls_kind_reason(kind)
				  : "no program is probed: the agent was started so, or return probes harm "
				    "programs on this "
				    "kernel",
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

static void job_done(struct coverage_job *job)
{
	free(job->who);
	free(job);
}

static void handle(struct pipeline_coverage *c, const struct coverage_job *job)
{
	switch (job->type) {
	case RECORD_HELLO:
		talkers_note(c->talkers, job->hello.tgid, job->hello.start_boot_ns);
		owner_note(c, &job->hello, job->who);
		coverage_hello(c->coverage, &job->hello);
		break;
	case RECORD_OPEN:
		talkers_note(c->talkers, job->open.tgid, job->open.start_boot_ns);
		coverage_open(c->coverage, &job->open);
		break;
	case RECORD_SOCKET:
		coverage_socket(c->coverage, job->socket.conn_id, job->socket.cookie);
		break;
	case RECORD_DATA:
		coverage_plaintext(c->coverage, job->conn_id);
		break;
	case RECORD_CLOSE:
		coverage_close(c->coverage, job->conn_id);
		break;
	default:
		break;
	}
}

/* What had no room, here or in the ring, may have told of a connection that can be read. */
static void note_losses(struct pipeline_coverage *c)
{
	struct counter_value counters[COUNTER_MAX];
	uint64_t lost = atomic_load_explicit(&c->lost, memory_order_relaxed);
	uint64_t control_lost = c->control_lost_seen;

	if (programs_counters(c->pipeline->options.programs, counters) >= 0)
		control_lost = counters[COUNTER_RING_FULL_CONTROL].count;
	if (lost != c->lost_seen || control_lost != c->control_lost_seen)
		coverage_lost(c->coverage, clock_mono_ns());
	c->lost_seen = lost;
	c->control_lost_seen = control_lost;
}

static void *coverage_main(void *arg)
{
	struct pipeline_coverage *c = arg;
	void *items[64];
	bool closed = false;
	uint64_t next_tick_ns = 0;

	thread_begin("coverage", BEHIND_NICE);
	while (!closed) {
		size_t n = queue_pop(c->jobs, items, ARRAY_SIZE(items), TICK_MS, &closed);
		for (size_t i = 0; i < n; i++) {
			handle(c, items[i]);
			job_done(items[i]);
		}
		uint64_t now_ns = clock_mono_ns();
		if (now_ns < next_tick_ns)
			continue;
		next_tick_ns = now_ns + TICK_MS * NSEC_PER_MSEC;
		note_losses(c);
		coverage_tick(c->coverage, now_ns);
	}
	note_losses(c);
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
		r = talkers_new(&c->talkers);
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
	talkers_free(&c->talkers);
	owners_clear(c, true);
	map_free(&c->owners);
	map_free(&c->files);
	queue_free(&c->jobs);
	free(c);
	*coverage = NULL;
}

static bool is_wanted(struct pipeline_coverage *c, const struct ring_record *rec)
{
	if (rec->type == RECORD_DATA) {
		uint64_t *heard = &c->heard[map_mix(0, rec->data->conn_id) % HEARD_MAX];
		bool again = *heard == rec->data->conn_id;
		*heard = rec->data->conn_id;
		return !again;
	}
	return rec->type == RECORD_HELLO || rec->type == RECORD_OPEN || rec->type == RECORD_SOCKET ||
	       rec->type == RECORD_CLOSE;
}

static void job_fill(struct coverage_job *job, const struct ring_record *rec, struct record_who *who)
{
	job->type = rec->type;
	job->who = who;
	if (rec->type == RECORD_HELLO)
		job->hello = *rec->hello;
	else if (rec->type == RECORD_OPEN)
		job->open = *rec->open;
	else if (rec->type == RECORD_SOCKET)
		job->socket = *rec->socket;
	else
		job->conn_id = rec->type == RECORD_DATA ? rec->data->conn_id : rec->close->conn_id;
}

void pipeline_coverage_record(struct pipeline_coverage *c, const struct ring_record *rec,
			      struct record_who *who)
{
	if (!c || !is_wanted(c, rec)) {
		free(who);
		return;
	}
	struct coverage_job *job = malloc(sizeof(*job));
	if (job)
		job_fill(job, rec, who);
	else
		free(who);
	if (!job || queue_push_timed(c->jobs, job, 1, 0) < 0) {
		atomic_fetch_add_explicit(&c->lost, 1, memory_order_relaxed);
		if (rec->type == RECORD_DATA)
			c->heard[map_mix(0, rec->data->conn_id) % HEARD_MAX] = 0;
		if (job)
			job_done(job);
	}
}

/* [[pid, start]...]: the start in nanoseconds of the boot clock. */
static json_t *talkers_status(const struct pipeline_coverage *c)
{
	_cleanup_free_ struct talker *list = calloc(TALKERS_MAX, sizeof(*list));
	size_t n = list ? talkers_list(c->talkers, list, TALKERS_MAX) : 0;
	json_t *status = json_array();
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(status, json_pack("[I, I]", (json_int_t)list[i].pid,
							      (json_int_t)list[i].start_boot_ns));
	return status;
}

json_t *pipeline_coverage_status(const struct pipeline_coverage *c)
{
	struct coverage_stats s = coverage_stats(c->coverage);
	const struct {
		const char *name;
		uint64_t count;
	} counts[] = {
		{"connections", s.connections},
		{"readable", s.readable},
		{"decrypted", s.decrypted},
		{"silent", s.silent},
		{"blind", s.blind},
		{"suppressed", s.suppressed},
		{"undecided", s.undecided},
		{"waiting", s.waiting},
		{"lost", s.table_full + atomic_load(&c->lost)},
	};
	json_t *status = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		(void)json_object_set_new(status, counts[i].name, json_integer((json_int_t)counts[i].count));
	if (status && s.connections)
		json_object_set_new(status, "percent",
				    json_real(100.0 * (double)s.decrypted / (double)s.connections));
	if (status)
		json_object_set_new(status, "processes", talkers_status(c));
	return status;
}
