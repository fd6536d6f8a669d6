/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/macro.h"
#include "pipeline_internal.h"

#define EVENTS_MAX	  8192
#define EVENTS_WEIGHT_MAX (64ULL << 20)
#define BATCH_MAX	  256
#define CONNS_MAX	  OAITAP_CONNS_MAX
#define SINK_TRIES	  3
#define SINK_RETRY_US	  100000

/* --- publisher
 * ----------------------------------------------------------------------------------------------- */

/* What a sink does not take after a few tries is lost to it, and counted. */
static void write_batch(struct pipeline *p, struct sink *sink, struct event *const *events, size_t n)
{
	size_t done = 0;
	for (int i = 0; done < n; i++) {
		size_t taken = 0;
		int r = sink->ops->write(sink, events + done, n - done, &taken);
		done += taken;
		if (r >= 0 || done == n)
			break;
		if (i + 1 == SINK_TRIES) {
			atomic_fetch_add(&p->counters.lost, n - done);
			log_error("%s: %zu events are lost: %s", sink->ops->name, n - done, strerror(-r));
			return;
		}
		usleep(SINK_RETRY_US);
	}
	int r = sink->ops->flush(sink);
	if (r < 0)
		log_error("%s: what was written may not be durable: %s", sink->ops->name, strerror(-r));
}

static void *publisher_main(void *arg)
{
	struct pipeline *p = arg;
	void *items[BATCH_MAX];
	struct event *batch[BATCH_MAX];
	bool closed = false;

	while (!closed) {
		size_t n = queue_pop(p->events, items, BATCH_MAX, -1, &closed);
		for (size_t i = 0; i < n; i++)
			batch[i] = items[i];
		for (size_t i = 0; n && i < p->options.n_sinks; i++)
			write_batch(p, p->options.sinks[i], batch, n);
		for (size_t i = 0; i < n; i++)
			event_free(&batch[i]);
		atomic_fetch_add(&p->counters.published, n);
	}
	return NULL;
}

/* --- start and stop
 * -------------------------------------------------------------------------------------------- */

/* The machine's id identifies it for ever, so only its hash is told: machine-id(5) asks for that. */
static void read_host(struct pipeline *p)
{
	char id[64] = "";
	uint8_t sum[SHA256_LEN];
	struct sha256 *hash = NULL;

	if (gethostname(p->host_name, sizeof(p->host_name) - 1) < 0)
		snprintf(p->host_name, sizeof(p->host_name), "unknown");
	FILE *f = fopen("/etc/machine-id", "re");
	if (!f)
		return;
	if (fgets(id, sizeof(id), f) && strlen(id) >= 32 && sha256_new(&hash) == 0) {
		sha256_update(hash, "oaitap ", 7);
		sha256_update(hash, id, 32);
		sha256_final(hash, sum);
		hex_encode(sum, sizeof(p->machine_id) / 2, p->machine_id);
		sha256_free(&hash);
	}
	fclose(f);
}

static int start_threads(struct pipeline *p)
{
	int n_cpus = get_nprocs();
	size_t n = (size_t)MAX(1, MIN(n_cpus, WORKERS_MAX));

	for (; p->n_workers < n; p->n_workers++) {
		int r = worker_init(&p->workers[p->n_workers], p);
		if (r < 0)
			return r;
	}
	int r = -pthread_create(&p->publisher, NULL, publisher_main, p);
	p->publisher_running = r == 0;
	if (r < 0)
		return r;
	r = -pthread_create(&p->capture, NULL, capture_main, p);
	p->capture_running = r == 0;
	return r;
}

int pipeline_start(struct pipeline **ret_pipeline, const struct pipeline_options *options)
{
	_cleanup_(pipeline_stop) struct pipeline *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->options = *options;
	p->limits = http_limits_default;
	p->limits.max_body = options->config->max_body;
	p->started_ns = clock_mono_ns();
	read_host(p);
	int r = queue_new(&p->events, EVENTS_MAX, EVENTS_WEIGHT_MAX);
	if (r >= 0)
		r = stream_new(&p->stream, CONNS_MAX, &capture_stream_ops, p);
	if (r >= 0)
		r = ring_new(&p->ring, programs_ring_fd(options->programs), capture_on_record, p);
	if (r >= 0)
		r = start_threads(p);
	if (r < 0)
		return r;
	*ret_pipeline = TAKE_PTR(p);
	return 0;
}

void pipeline_stop(struct pipeline **pipeline)
{
	struct pipeline *p = *pipeline;
	if (!p)
		return;
	/* In the order data flows: each stage is empty before the next one is told to end. */
	atomic_store(&p->stop, true);
	if (p->capture_running)
		pthread_join(p->capture, NULL);
	for (size_t i = 0; i < p->n_workers; i++)
		queue_close(p->workers[i].jobs);
	for (size_t i = 0; i < p->n_workers; i++)
		worker_done(&p->workers[i]);
	if (p->events)
		queue_close(p->events);
	if (p->publisher_running)
		pthread_join(p->publisher, NULL);
	queue_free(&p->events);
	ring_free(&p->ring);
	stream_free(&p->stream);
	free(p);
	*pipeline = NULL;
}

/* --- status
 * ---------------------------------------------------------------------------------------------------- */

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *counted(const struct counter_value *c, bool bytes)
{
	return bytes ? json_pack("{s:o, s:o}", "count", number(c->count), "bytes", number(c->bytes))
		     : json_pack("{s:o}", "count", number(c->count));
}

/* Names of the kernel's counters, and whether they count bytes. */
static const struct {
	const char *name;
	bool bytes;
} counter_names[COUNTER_MAX] = {
	[COUNTER_RING_FULL_DATA] = {"ring-full", true},
	[COUNTER_RING_FULL_CONTROL] = {"ring-full-control", false},
	[COUNTER_CALL_LIMIT] = {"call-limit", true},
	[COUNTER_FAULT] = {"fault", true},
	[COUNTER_CONN_TABLE_FULL] = {"connection-table-full", false},
	[COUNTER_PROC_TABLE_FULL] = {"process-table-full", false},
	[COUNTER_THREAD_TABLE_FULL] = {"thread-table-full", false},
	[COUNTER_SCRATCH_FULL] = {"scratch-full", false},
	[COUNTER_NESTED] = {"nested", false},
	[COUNTER_UNDECIDED] = {"undecided", false},
	[COUNTER_HTTP2_UNNAMED] = {"http2-unnamed", false},
};

/* What was lost, and what was left out on purpose. */
static json_t *kernel_status(struct pipeline *p, json_t **ret_left_out)
{
	struct counter_value values[COUNTER_MAX];
	json_t *dropped = json_object();
	*ret_left_out = json_object();
	if (programs_counters(p->options.programs, values) < 0)
		return dropped;
	for (int i = 0; i < COUNTER_MAX; i++) {
		json_t *to = i >= COUNTER_NESTED ? *ret_left_out : dropped;
		json_object_set_new(to, counter_names[i].name, counted(&values[i], counter_names[i].bytes));
	}
	return dropped;
}

static json_t *ring_status(const struct pipeline *p)
{
	struct ring_stats ring = ring_stats(p->ring);
	return json_pack("{s:o, s:o, s:o}", "records", number(ring.records), "bytes", number(ring.bytes),
			 "bad", number(ring.bad));
}

static json_t *connections_status(const struct pipeline *p)
{
	struct stream_stats stream = stream_stats(p->stream);
	return json_pack("{s:o, s:o, s:o, s:o}", "seen", number(stream.connections), "open",
			 number(stream.open), "table-full", number(stream.table_full), "table-full-bytes",
			 number(stream.table_bytes));
}

static json_t *messages_status(const struct pipeline *p)
{
	const struct pipeline_counters *c = &p->counters;
	return json_pack("{s:o, s:o, s:o, s:o}", "seen", number(c->messages), "incomplete",
			 number(c->incomplete), "unreadable-bytes", number(c->unreadable_bytes),
			 "missing-bytes", number(c->missing_bytes));
}

static json_t *events_status(const struct pipeline *p)
{
	const struct pipeline_counters *c = &p->counters;
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "request", number(c->requests), "response",
			 number(c->responses), "failed", number(c->build_failed), "published",
			 number(c->published), "lost", number(c->lost));
}

static json_t *queues_status(const struct pipeline *p)
{
	uint64_t waits = 0;
	for (size_t i = 0; i < p->n_workers; i++)
		waits += queue_waits(p->workers[i].jobs);
	return json_pack("{s:o, s:o}", "worker-waits", number(waits), "publisher-waits",
			 number(queue_waits(p->events)));
}

static json_t *probe_status(const struct probe *probe)
{
	struct targets_stats t = probe_stats(probe);
	return json_pack("{s:o,s:o,s:o,s:o,s:o}", "files", number(t.files_attached), "functions",
			 number(t.functions_attached), "failed", number(t.failed), "checked",
			 number(t.files_checked), "lost-mappings", number(probe_lost(probe)));
}

int pipeline_status(struct pipeline *p, const struct probe *probe, struct buf *out)
{
	json_t *left_out = NULL;
	json_t *dropped = kernel_status(p, &left_out);
	json_t *root = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
				 OAITAP_VERSION, "pid", number((uint64_t)getpid()), "uptime-s",
				 number((clock_mono_ns() - p->started_ns) / NSEC_PER_SEC), "ring",
				 ring_status(p), "connections", connections_status(p), "messages",
				 messages_status(p), "events", events_status(p), "queues", queues_status(p),
				 "probes", probe_status(probe), "dropped", dropped, "left-out", left_out);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!text)
		return -ENOMEM;
	int r = buf_append_str(out, text);
	free(text);
	return r;
}
