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
#include "base/macro.h"
#include "pipeline_internal.h"

/* Body bytes of unfinished messages, all connections together. */
#define BODIES_MAX (256ULL << 20)
/* What decompresses them. */
#define DECODERS_MAX (256ULL << 20)

void pipeline_publish(struct pipeline *p, struct event *event)
{
	struct shared_event *shared = malloc(sizeof(*shared));
	if (!shared) {
		atomic_fetch_add(&p->counters.build_failed, 1);
		event_free(&event);
		return;
	}
	atomic_init(&shared->refs, (unsigned int)p->n_outlets + 1);
	shared->event = event;
	for (size_t i = 0; i < p->n_outlets; i++)
		outlet_put(&p->outlets[i], shared);
	shared_event_unref(shared);
}

/* --- priority ------------------------------------------------------------------------ */

#define HURRY_PERCENT	   3U
#define HURRY_MUCH_PERCENT 10U
#define HURRY_NS	   (250 * NSEC_PER_MSEC)
#define HURRY_NICE	   (-10)
#define HURRY_MUCH_NICE	   (-20)

/* A level lasts for a while after the last queue that asked for it. */
void hurry(struct hurry *all, int *nice_value, unsigned int percent)
{
	uint64_t now_ns = clock_mono_ns();

	if (percent >= HURRY_PERCENT) {
		bool over = now_ns >= atomic_load(&all->until_ns);
		if (over || percent > atomic_load(&all->fullest))
			atomic_store(&all->fullest, percent);
		atomic_store(&all->until_ns, now_ns + HURRY_NS);
	}
	int wanted = BEHIND_NICE;
	if (now_ns < atomic_load(&all->until_ns))
		wanted = atomic_load(&all->fullest) >= HURRY_MUCH_PERCENT ? HURRY_MUCH_NICE : HURRY_NICE;
	if (wanted == *nice_value)
		return;
	*nice_value = wanted;
	thread_set_nice(wanted);
}

/* --- start and stop ------------------------------------------------------------------ */

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

/* The first sink is the store: it may make the others wait, but loses nothing for being slow. */
static int start_outlets(struct pipeline *p)
{
	for (; p->n_outlets < p->options.n_sinks; p->n_outlets++) {
		int r = outlet_init(&p->outlets[p->n_outlets], p->options.sinks[p->n_outlets],
				    p->n_outlets > 0, &p->hurry);
		if (r < 0)
			return r;
	}
	return 0;
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
	int r = -pthread_create(&p->capture, NULL, capture_main, p);
	p->capture_running = r == 0;
	return r;
}

int pipeline_start(struct pipeline **ret_pipeline, const struct pipeline_options *options)
{
	_cleanup_(pipeline_stop) struct pipeline *p = calloc(1, sizeof(*p));
	if (!p) {
		policy_unref(options->policy);
		return -ENOMEM;
	}
	p->options = *options;
	pipeline_policy_init(&p->policy, options->policy);
	p->limits = http_limits_default;
	p->limits.max_body = options->config->max_body;
	p->limits.budget = &p->bodies;
	p->limits.decoders = &p->decoders;
	p->decoders.max = DECODERS_MAX;
	p->bodies.max = MAX(BODIES_MAX, 4 * options->config->max_body);
	p->started_ns = clock_mono_ns();
	read_host(p);
	if (p->options.enforcer && p->options.enforcer->start)
		p->options.enforcer->start(p->options.enforcer->ctx, p);
	int r = start_outlets(p);
	if (r >= 0)
		r = stream_new(&p->stream, OAITAP_CONNS_MAX, &capture_stream_ops, p);
	if (r >= 0)
		r = ring_new(&p->ring, programs_ring_fd(options->programs), capture_on_record, p);
	if (r >= 0 && programs_state(options->programs).hello)
		r = pipeline_coverage_start(&p->coverage, p);
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
	pipeline_coverage_stop(&p->coverage);
	for (size_t i = 0; i < p->n_workers; i++)
		queue_close(p->workers[i].jobs);
	for (size_t i = 0; i < p->n_workers; i++)
		worker_done(&p->workers[i]);
	if (p->options.enforcer && p->options.enforcer->stop)
		p->options.enforcer->stop(p->options.enforcer->ctx);
	for (size_t i = 0; i < p->n_outlets; i++)
		outlet_done(&p->outlets[i]);
	whos_clear(p);
	ring_free(&p->ring);
	stream_free(&p->stream);
	pipeline_policy_done(&p->policy);
	free(p);
	*pipeline = NULL;
}

/* --- status -------------------------------------------------------------------------- */

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
	[COUNTER_HELLO_CUT] = {"hello-cut", false},
	[COUNTER_NESTED] = {"nested", false},
	[COUNTER_UNDECIDED] = {"undecided", false},
	[COUNTER_TWICE] = {"twice", false},
	[COUNTER_HELLOS] = {"hellos", false},
	[COUNTER_SKIPPED] = {"skipped", true},
	[COUNTER_SENDFILE] = {"sendfile", true},
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
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "seen", number(c->messages), "incomplete",
			 number(c->incomplete), "unreadable-bytes", number(c->unreadable_bytes),
			 "missing-bytes", number(c->missing_bytes), "websockets", number(c->sessions),
			 "left-out", number(c->session_left_out), "left-out-bytes",
			 number(c->session_left_out_bytes));
}

static json_t *events_status(const struct pipeline *p)
{
	const struct pipeline_counters *c = &p->counters;
	return json_pack("{s:o, s:o, s:o}", "request", number(c->requests), "response", number(c->responses),
			 "failed", number(c->build_failed));
}

/* Processes of connections, and what the kubelet told. */
static json_t *identity_status(const struct pipeline *p)
{
	const struct pipeline_counters *c = &p->counters;
	struct identity_whois_stats s = identity_whois_stats(p->options.whois);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kernel", number(c->seen_by_kernel), "proc",
			 number(c->looked_up), "unknown", number(c->unknown_processes), "containers",
			 number(s.containers), "pods", number(s.pods), "kubelet-lists", number(s.lists),
			 "kubelet-failed", number(s.failed));
}

static json_t *sinks_status(const struct pipeline *p)
{
	json_t *sinks = json_object();
	for (size_t i = 0; i < p->n_outlets; i++) {
		const struct outlet *o = &p->outlets[i];
		json_object_set_new(
			sinks, o->sink->ops->name,
			json_pack("{s:o, s:o}", "written", number(o->written), "lost", number(o->lost)));
	}
	return sinks;
}

static json_t *queues_status(const struct pipeline *p)
{
	uint64_t workers = 0, sinks = 0;
	for (size_t i = 0; i < p->n_workers; i++)
		workers += queue_waits(p->workers[i].jobs);
	for (size_t i = 0; i < p->n_outlets; i++)
		sinks += queue_waits(p->outlets[i].queue);
	return json_pack("{s:o, s:o}", "worker-waits", number(workers), "sink-waits", number(sinks));
}

/* How it is done on this kernel. */
static json_t *ways_status(const struct pipeline *p)
{
	struct programs_state s = programs_state(p->options.programs);
	const char *attach = programs_has_multi(p->options.programs) ? "uprobe_multi" : "uprobe";
	return json_pack("{s:s, s:s, s:b}", "attach", s.reads ? attach : "none", "sockets",
			 s.sockets ? s.sockets : "SSL_set_fd", "hellos", s.hello);
}

static json_t *attach_status(const struct probe_stats *s)
{
	return json_pack("{s:o,s:o,s:o,s:o}", "count", number(s->attach_count), "p50-us",
			 number(s->attach_p50_us), "p99-us", number(s->attach_p99_us), "max-us",
			 number(s->attach_max_us));
}

static json_t *probe_status(const struct probe *probe)
{
	struct targets_stats t = probe_stats(probe);
	struct probe_stats s = probe_watch_stats(probe);
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "files", number(t.files_attached),
			 "functions", number(t.functions_attached), "released", number(t.files_released),
			 "failed", number(t.failed), "malformed", number(t.malformed), "checked",
			 number(t.files_checked), "namespaces", number(s.namespaces), "vanished",
			 number(s.vanished), "unopened", number(s.unopened), "lost-mappings",
			 number(s.lost_records), "attach", attach_status(&s));
}

int pipeline_status(struct pipeline *p, const struct probe *probe, struct buf *out)
{
	json_t *left_out = NULL;
	json_t *dropped = kernel_status(p, &left_out);
	json_t *root =
		json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
			  OAITAP_VERSION, "pid", number((uint64_t)getpid()), "uptime-s",
			  number((clock_mono_ns() - p->started_ns) / NSEC_PER_SEC), "ring", ring_status(p),
			  "connections", connections_status(p), "messages", messages_status(p), "events",
			  events_status(p), "policy", pipeline_policy_status(&p->policy), "sinks",
			  sinks_status(p), "queues", queues_status(p), "probes", probe_status(probe), "ways",
			  ways_status(p), "dropped", dropped, "left-out", left_out);
	const struct policy_enforcer *enforcer = p->options.enforcer;
	json_t *blocks = root && enforcer && enforcer->status ? enforcer->status(enforcer->ctx) : NULL;
	if (blocks)
		json_object_set_new(root, "block", blocks);
	if (root)
		json_object_set_new(root, "identity", identity_status(p));
	if (root && p->coverage)
		json_object_set_new(root, "coverage", pipeline_coverage_status(p->coverage));
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!text)
		return -ENOMEM;
	int r = buf_append_str(out, text);
	free(text);
	return r;
}
