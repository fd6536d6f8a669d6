/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the pipeline's own files only. */

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "base/queue.h"
#include "base/thread.h"
#include "event/event.h"
#include "http/http_conn.h"
#include "identity/reader.h"
#include "pipeline.h"
#include "pipeline_coverage.h"
#include "pipeline_policy.h"
#include "ring/ring.h"
#include "stream/stream.h"

#define WORKERS_MAX 4

/* The capture thread has little to do and must do it in time: what it does not take from the ring is lost.
 * The others have queues, and leave the processor to the programs that are watched. */
#define CAPTURE_NICE (-20)
#define BEHIND_NICE  5

/* But when work piles up they must not starve: what finds no room in their queues is lost in the end. All
 * hurry together, whoever's queue is full: else the next one starves. */
struct hurry {
	atomic_uint fullest; /* percent: the queue that was found fullest in this round of looking */
	atomic_uint_least64_t until_ns;
};

/* percent: how full the caller's queue is; *nice_value: the caller's, changed when it must be. */
void hurry(struct hurry *all, int *nice_value, unsigned int percent);

/* How long each thread lets work gather before it looks again. All of it together is a hundredth of a second.
 * In the first, two processors can copy some megabytes: the ring must have room for that. */
#define GATHER_RING_MIN	  (8U << 20)
#define CAPTURE_GATHER_US 200
#define WORKER_GATHER_US  2000
#define OUTLET_GATHER_US  5000

/* A record_who comes right before the record of its connection, but others' come between. By id: what is
 * overwritten has waited in vain, for the other record found no room. */
#define WHOS_MAX 256U

/* What the capture thread tells a worker. */
enum job_kind { JOB_OPEN, JOB_NAME, JOB_MESSAGE, JOB_CLOSE };

struct job {
	enum job_kind kind;
	uint64_t conn_id;
	struct http_message *msg;	 /* JOB_MESSAGE; owned */
	struct record_socket socket;	 /* JOB_MESSAGE */
	struct identity_process process; /* JOB_OPEN; as far as the kernel said; owned */
	struct record_who *who;		 /* JOB_OPEN; owned; NULL: it found no room */
	enum record_role role;		 /* JOB_OPEN */
	uint32_t file_id;		 /* JOB_OPEN */
	uint64_t cgroup_id;		 /* JOB_OPEN */
	char sni[OAITAP_NAME_MAX];	 /* JOB_OPEN, JOB_NAME */
};

void job_free(struct job **job);

struct worker {
	struct pipeline *pipeline;
	pthread_t thread;
	struct queue *jobs;
	struct map *conns; /* id to struct worker_conn */
	struct identity_reader *reader;
	struct worker_policy policy;
};

/* An event on its way to several sinks. */
struct shared_event {
	atomic_uint refs;
	struct event *event;
};

void shared_event_unref(struct shared_event *shared);

/* A sink with a queue and a thread of its own, so that a terminal that nobody reads holds up neither the
 * store nor the capture. */
struct outlet {
	struct sink *sink;
	struct queue *queue; /* struct shared_event */
	pthread_t thread;
	bool running;
	bool may_drop; /* drops and counts when its reader stands still; otherwise makes the workers wait */
	atomic_bool stalled, off, stop;
	struct hurry *hurry; /* the pipeline's */
	atomic_uint_least64_t written, lost;
};

/* Written by the thread named, read by any. */
struct pipeline_counters {
	atomic_uint_least64_t unreadable_bytes,
		missing_bytes;			    /* capture: bytes in no message, captured or not */
	atomic_uint_least64_t messages, incomplete; /* capture */
	atomic_uint_least64_t requests, responses, build_failed; /* workers */
	/* workers, coverage: processes of connections: whom the kernel described, who was looked up in /proc,
	 * and of whom neither told all */
	atomic_uint_least64_t seen_by_kernel, looked_up, unknown_processes;
	/* workers: WebSockets, and their messages that are in no event; these are final when a session ends
	 */
	atomic_uint_least64_t sessions, session_left_out, session_left_out_bytes;
};

struct pipeline {
	struct pipeline_options options;
	struct http_limits limits;
	struct http_budget bodies, decoders; /* capture thread */
	struct ring *ring;
	struct stream *stream;
	struct worker workers[WORKERS_MAX];
	size_t n_workers;
	struct outlet outlets[PIPELINE_SINKS_MAX];
	size_t n_outlets;
	pthread_t capture;
	bool capture_running;
	atomic_bool stop;
	struct hurry hurry;
	struct pipeline_counters counters;
	struct pipeline_policy policy;
	struct pipeline_coverage *coverage; /* NULL: ClientHellos cannot be seen */
	uint64_t started_ns;
	char host_name[256];
	char machine_id[33]; /* hashed; "" if there is none */

	/* Capture thread only. */
	struct record_who *whos[WHOS_MAX]; /* that wait for their connection's record; owned */
	struct capture_conn *due;	   /* connections that http_conn_idle() wants to see again */
	uint64_t control_lost, reconcile_until_ns;
};

void *capture_main(void *pipeline);
extern const struct stream_ops capture_stream_ops;
void capture_on_record(void *pipeline, const struct ring_record *rec);

/* pipeline_who.c: takes what the kernel saw of a process, and looks up what else is known. who may be NULL.
 * Not for the capture thread. */
void pipeline_process(struct pipeline *pipeline, struct identity_process *process,
		      const struct record_who *who);
/* Capture thread: a copy that who_take() finds by the record's id, once. */
void who_keep(struct pipeline *pipeline, const struct record_who *who);
struct record_who *who_take(struct pipeline *pipeline, uint64_t id); /* owned; NULL: there is none */
void whos_clear(struct pipeline *pipeline);

/* Hands an event to every sink; takes it. Any thread. */
void pipeline_publish(struct pipeline *pipeline, struct event *event);

/* "10.0.0.1:443", "[::1]:443"; NULL: not known. */
#define ADDRESS_MAX 64
const char *pipeline_format_address(const struct record_socket *socket, const uint8_t address[16],
				    uint16_t port, char ret_text[static ADDRESS_MAX]);

/* outlet.c: */
int outlet_init(struct outlet *outlet, struct sink *sink, bool may_drop,
		struct hurry *hurry_of); /* and starts its thread */
void outlet_done(struct outlet *outlet); /* waits until what is queued is written, or given up */
void outlet_put(struct outlet *outlet, struct shared_event *shared);

int worker_init(struct worker *worker, struct pipeline *pipeline); /* and starts its thread */
void worker_done(struct worker *worker); /* waits for it; the queue is closed already */
