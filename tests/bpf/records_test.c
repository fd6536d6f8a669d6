/* SPDX-License-Identifier: Apache-2.0 */

/* The BPF programs against a real OpenSSL program (ssl_calls): which records come, and what is in them.
 * Needs root and a kernel with BTF. */

#include "guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/map.h"
#include "probe/programs.h"
#include "probe/scan.h"
#include "probe/targets.h"
#include "ring/ring.h"

#define CONNS_MAX 8
#define BYTES_MAX (20U << 20)

static struct features features;
static const char *program; /* path of ssl_calls */

/* What the records said of one connection. */
struct seen {
	uint64_t id;
	char sni[OAITAP_NAME_MAX];
	uint32_t tgid;
	uint8_t *bytes[2]; /* received, in their places */
	uint64_t next[2];  /* offset that must come next, records and gaps together */
	uint64_t received[2], gaps[2];
	uint64_t end[2];
	struct conn_key key;
	uint8_t role;
	uint32_t file_id;
	struct record_socket socket;
	bool who_first;
	unsigned int opens, closes, data_records, calls[2], last_loss;
};

struct world {
	struct programs *programs;
	struct targets *targets;
	struct ring *ring;
	struct seen conns[CONNS_MAX];
	size_t n_conns;
	pid_t child; /* other programs of the host may use OpenSSL as well */
	unsigned int execs, exits, records, hellos;
	struct record_hello hello; /* the last one */
	unsigned int whos;
	struct record_who who; /* the last one */
	bool tolerate_jumps;
	struct counter_value counters[COUNTER_MAX];
	int status; /* of the child */
};

static uint8_t pattern_at(uint64_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static struct seen *seen_of(struct world *w, uint64_t id)
{
	for (size_t i = 0; i < w->n_conns; i++)
		if (w->conns[i].id == id)
			return &w->conns[i];
	assert_true(w->n_conns < CONNS_MAX);
	struct seen *s = &w->conns[w->n_conns++];
	*s = (struct seen){.id = id};
	for (int d = 0; d < 2; d++) {
		s->bytes[d] = calloc(1, BYTES_MAX);
		assert_non_null(s->bytes[d]);
	}
	return s;
}

static void on_data(struct world *w, const struct record_data *d, bool gap)
{
	struct seen *s = seen_of(w, d->conn_id);
	if (!w->tolerate_jumps)
		assert_int_equal(d->offset, s->next[d->dir]);
	assert_true(d->offset >= s->next[d->dir]);
	assert_int_equal(s->opens, 1);
	s->last_loss = gap ? d->gap_loss : d->loss;
	s->calls[d->dir] += d->call_start;
	s->data_records += !gap;
	if (gap) {
		s->gaps[d->dir] += d->gap_len;
		s->next[d->dir] = d->offset + d->gap_len;
		return;
	}
	assert_true(d->offset + d->payload_len <= BYTES_MAX);
	memcpy(s->bytes[d->dir] + d->offset, d->payload, d->payload_len);
	s->received[d->dir] += d->payload_len;
	s->next[d->dir] = d->offset + d->payload_len;
}

static void on_who(struct world *w, const struct record_who *who)
{
	w->whos++;
	memset(&w->who, 0, sizeof(w->who));
	memcpy(&w->who, who, who->header.len);
}

static bool is_known(const struct world *w, uint64_t id)
{
	for (size_t i = 0; i < w->n_conns; i++)
		if (w->conns[i].id == id)
			return true;
	return false;
}

static bool is_of_child(const struct world *w, const struct ring_record *rec)
{
	switch (rec->type) {
	case RECORD_OPEN:
		return rec->open->tgid == (uint32_t)w->child;
	case RECORD_DATA:
	case RECORD_GAP:
		return rec->data->tgid == (uint32_t)w->child;
	case RECORD_EXEC:
	case RECORD_EXIT:
		return rec->process->tgid == (uint32_t)w->child;
	case RECORD_CLOSE:
		return is_known(w, rec->close->conn_id);
	case RECORD_SOCKET:
		return is_known(w, rec->socket->conn_id);
	case RECORD_HELLO:
		return rec->hello->tgid == (uint32_t)w->child;
	case RECORD_WHO:
		return rec->who->tgid == (uint32_t)w->child;
	}
	return false;
}

static void on_record(void *ctx, const struct ring_record *rec)
{
	struct world *w = ctx;
	struct seen *s;

	if (!is_of_child(w, rec))
		return;
	w->records++;
	switch (rec->type) {
	case RECORD_OPEN:
		s = seen_of(w, rec->open->conn_id);
		s->opens++;
		s->who_first = w->whos && w->who.id == rec->open->conn_id;
		s->tgid = rec->open->tgid;
		s->role = rec->open->role;
		s->file_id = rec->open->file_id;
		s->key = (struct conn_key){.ssl = rec->open->ssl, .tgid = rec->open->tgid};
		memcpy(s->sni, rec->open->sni, sizeof(s->sni));
		break;
	case RECORD_DATA:
	case RECORD_GAP:
		on_data(w, rec->data, rec->type == RECORD_GAP);
		break;
	case RECORD_CLOSE:
		s = seen_of(w, rec->close->conn_id);
		s->closes++;
		s->end[0] = rec->close->end[0];
		s->end[1] = rec->close->end[1];
		break;
	case RECORD_EXEC:
		w->execs++;
		break;
	case RECORD_EXIT:
		w->exits++;
		break;
	case RECORD_SOCKET:
		seen_of(w, rec->socket->conn_id)->socket = *rec->socket;
		break;
	case RECORD_HELLO:
		w->hellos++;
		w->hello = *rec->hello;
		break;
	case RECORD_WHO:
		on_who(w, rec->who);
		break;
	}
}

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct targets *targets = ctx;
	int fd = scan_open_mapping(m);
	if (fd >= 0) {
		assert_true(targets_add(targets, fd, m->path) >= 0);
		close(fd);
	}
}

static pid_t spawn(char *const argv[], int *ret_go)
{
	int go[2];
	assert_int_equal(pipe(go), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(go[0], STDIN_FILENO);
		close(go[0]);
		close(go[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(go[0]);
	*ret_go = go[1];
	return pid;
}

/* The child has mapped libssl once it waits for its byte. */
static void attach_to(struct targets *targets, pid_t pid)
{
	for (int i = 0; i < 500 && targets_stats(targets).files_attached == 0; i++) {
		usleep(10000);
		assert_int_equal(scan_process(pid, on_mapping, targets), 0);
	}
	assert_true(targets_stats(targets).files_attached > 0);
}

struct setup {
	unsigned int roles; /* 0: client */
	void (*on_pause)(struct world *w);
	uint64_t ring_size, max_call;
	bool attach_twice; /* as when one file is reached by two identities (overlayfs) */
	bool drain_late;   /* only when the child has ended */
	bool tolerate_jumps;
};

static void world_run(struct world *w, const struct setup *setup, const char *const *steps)
{
	static char *hosts[] = {"api.openai.com", "*.openai.azure.com"};
	const struct programs_options options = {
		.reads = true,
		.ring_size = setup->ring_size ? setup->ring_size : 16U << 20,
		.max_call = setup->max_call ? setup->max_call : OAITAP_CALL_MAX,
		.hosts = hosts,
		.n_hosts = 2,
		.args = true,
		.roles = setup->roles ? setup->roles : 1U << RECORD_CLIENT,
		.features = &features,
	};
	char *error = NULL;
	char *argv[32] = {(char *)program};
	int go;

	for (int i = 0; steps[i]; i++)
		argv[i + 1] = (char *)steps[i];
	*w = (struct world){.tolerate_jumps = setup->tolerate_jumps};
	if (programs_load(&w->programs, &options, &error) < 0)
		fail_msg("%s", error ? error : "load failed");
	assert_int_equal(targets_new(&w->targets, w->programs), 0);
	assert_int_equal(ring_new(&w->ring, programs_ring_fd(w->programs), on_record, w), 0);
	w->child = spawn(argv, &go);
	attach_to(w->targets, w->child);
	struct targets *again = NULL;
	if (setup->attach_twice) {
		assert_int_equal(targets_new(&again, w->programs), 0);
		attach_to(again, w->child);
	}
	assert_int_equal(write(go, "x", 1), 1);
	close(go);
	pid_t changed;
	while ((changed = waitpid(w->child, &w->status, WNOHANG | WUNTRACED)) == 0 || WIFSTOPPED(w->status)) {
		if (setup->drain_late)
			usleep(1000);
		else
			assert_true(ring_poll(w->ring, 10) >= 0);
		if (changed > 0) {
			while (ring_poll(w->ring, 10) > 0)
				;
			setup->on_pause(w);
			w->status = 0;
			kill(w->child, SIGCONT);
		}
	}
	while (ring_poll(w->ring, 50) > 0)
		;
	assert_int_equal(ring_stats(w->ring).bad, 0);
	assert_int_equal(programs_counters(w->programs, w->counters), 0);
	targets_free(&again);
	assert_true(WIFEXITED(w->status));
	assert_int_equal(WEXITSTATUS(w->status), 0);
}

static void world_done(struct world *w)
{
	for (size_t i = 0; i < w->n_conns; i++) {
		free(w->conns[i].bytes[0]);
		free(w->conns[i].bytes[1]);
	}
	ring_free(&w->ring);
	targets_free(&w->targets);
	programs_free(&w->programs);
}

static void assert_pattern(const struct seen *s, int dir, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		if (s->bytes[dir][i] != pattern_at(i))
			fail_msg("byte %llu is wrong", (unsigned long long)i);
}

static void assert_no_loss(const struct world *w)
{
	for (int i = 0; i < COUNTER_NESTED; i++)
		assert_int_equal(w->counters[i].count, 0);
}

#define STEPS(...)	   ((const char *const[]){__VA_ARGS__, NULL})
#define RUN(w, setup, ...) world_run(w, setup, STEPS(__VA_ARGS__))

static const struct setup plain = {0};

static void test_sizes_both_ways(void **state)
{
	static const unsigned int sizes[] = {1,	   255,	 256,	257,   384,   385,   4095,
					     4096, 4097, 12289, 16383, 16384, 16385, 300000};
	char writes[14][32], reads[14][32];
	const char *steps[32] = {"sni=api.openai.com"};
	uint64_t total = 0;
	struct world w;
	(void)state;

	for (int i = 0; i < 14; i++) {
		snprintf(writes[i], sizeof(writes[i]), "%s=%u", i % 2 ? "write_ex" : "write", sizes[i]);
		snprintf(reads[i], sizeof(reads[i]), "%s=%u", i % 2 ? "read_ex" : "read", sizes[i]);
		steps[1 + 2 * i] = writes[i];
		steps[2 + 2 * i] = reads[i];
		total += sizes[i];
	}
	steps[29] = "free";
	world_run(&w, &(struct setup){0}, steps);
	assert_int_equal(w.n_conns, 1);
	struct seen *s = &w.conns[0];
	assert_string_equal(s->sni, "api.openai.com");
	assert_int_equal(s->received[0], total);
	assert_int_equal(s->received[1], total);
	assert_int_equal(s->calls[0], 14);
	assert_int_equal(s->closes, 1);
	assert_int_equal(s->end[0], total);
	assert_int_equal(s->end[1], total);
	assert_pattern(s, 0, 0, total);
	assert_pattern(s, 1, 0, total);
	assert_no_loss(&w);
	world_done(&w);
}

static void test_one_large_call(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &plain, "sni=contoso.openai.azure.com", "write=8388608", "free");
	assert_int_equal(w.n_conns, 1);
	assert_int_equal(w.conns[0].received[0], 8388608);
	assert_int_equal(w.conns[0].calls[0], 1);
	assert_int_equal(w.conns[0].data_records, 512);
	assert_pattern(&w.conns[0], 0, 0, 8388608);
	assert_no_loss(&w);
	world_done(&w);
}

static void test_call_limit_is_a_gap(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &(struct setup){.max_call = 65536}, "sni=api.openai.com", "write=300000", "write=10", "free");
	struct seen *s = &w.conns[0];
	assert_int_equal(s->received[0], 65546);
	assert_int_equal(s->gaps[0], 300000 - 65536);
	assert_int_equal(s->end[0], 300010);
	assert_pattern(s, 0, 0, 65536);
	assert_pattern(s, 0, 300000, 300010);
	assert_int_equal(w.counters[COUNTER_CALL_LIMIT].bytes, 300000 - 65536);
	world_done(&w);
}

static void test_failed_calls_count_nothing(void **state)
{
	struct world w;
	(void)state;
	/* The BIO pair holds 64 KiB: writing a million bytes fails and is repeated many times. */
	RUN(&w, &plain, "sni=api.openai.com", "fail_read", "fail_write=1000000", "fail_read", "peek=100",
	    "free");
	struct seen *s = &w.conns[0];
	assert_int_equal(s->received[0], 1000000);
	assert_int_equal(s->calls[0], 1);
	assert_int_equal(s->received[1], 100);
	assert_pattern(s, 0, 0, 1000000);
	assert_pattern(s, 1, 0, 100);
	assert_no_loss(&w);
	world_done(&w);
}

/* A write inside a read of the same connection, as node does it. */
static void test_write_inside_read(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &plain, "nested=700", "write=50", "read=60", "free");
	struct seen *s = &w.conns[0];
	assert_int_equal(s->received[0], 750);
	assert_int_equal(s->calls[0], 2);
	assert_int_equal(s->received[1], 60);
	assert_pattern(s, 0, 0, 750);
	assert_int_equal(w.counters[COUNTER_NESTED].count, 0);
	assert_no_loss(&w);
	world_done(&w);
}

static void test_two_probes_count_once(void **state)
{
	const struct setup twice = {.attach_twice = true};
	struct world w;
	(void)state;
	RUN(&w, &twice, "sni=api.openai.com", "write=20000", "read=300", "write_ex=7", "read_ex=9", "free");
	assert_int_equal(w.n_conns, 1);
	assert_int_equal(w.conns[0].received[0], 20007);
	assert_int_equal(w.conns[0].received[1], 309);
	assert_int_equal(w.conns[0].calls[0], 2);
	assert_int_equal(w.conns[0].end[0], 20007);
	assert_pattern(&w.conns[0], 0, 0, 20007);
	assert_true(w.counters[COUNTER_TWICE].count > 0);
	assert_no_loss(&w);
	world_done(&w);
}

static void assert_silent(const char *const *steps)
{
	struct world w;
	world_run(&w, &(struct setup){0}, steps);
	assert_int_equal(w.n_conns, 0);
	assert_int_equal(w.records, 0);
	world_done(&w);
}

static void test_other_hosts_send_nothing(void **state)
{
	(void)state;
	assert_silent(STEPS("sni=example.org", "write=5000", "read=5000", "free"));
	assert_silent(STEPS("sni=openai.azure.com", "write=5000", "free"));
	assert_silent(STEPS("sni=notapi.openai.com", "write=5000", "free"));
	assert_silent(STEPS("sni=api.openai.com.example.org", "write=5000", "free"));
	assert_silent(STEPS("new", "write=5000", "read=5000", "free"));
	assert_silent(
		STEPS("new", "text=GET / HTTP/1.1\\r\\nHost: example.org\\r\\n\\r\\n", "read=5000", "free"));
	assert_silent(STEPS("sni=example.org", "write=5000"));
	assert_silent(STEPS("new", "text=PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n", "read=5000", "free"));
}

static void test_name_forms(void **state)
{
	static const char *const names[] = {"API.OpenAI.com", "api.openai.com.", "a.b.openai.azure.com"};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char sni[64];
		struct world w;
		snprintf(sni, sizeof(sni), "sni=%s", names[i]);
		RUN(&w, &plain, sni, "write=10", "free");
		assert_int_equal(w.n_conns, 1);
		assert_string_equal(w.conns[0].sni, names[i]);
		world_done(&w);
	}
}

static void test_first_bytes_decide(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &plain, "new", "text=GET / HTTP/1.1\\r\\nHost:   contoso.openai.azure.com\\n\\n", "free");
	assert_int_equal(w.n_conns, 1);
	assert_int_equal(w.conns[0].received[0], 50);
	world_done(&w);

	RUN(&w, &plain, "new", "text=POST /v1/x HTTP/1.1\\r\\nhOsT: api.openai.com:443\\r\\n\\r\\n",
	    "read=5000", "write=100", "free");
	assert_int_equal(w.n_conns, 1);
	assert_string_equal(w.conns[0].sni, "");
	assert_int_equal(w.conns[0].received[0], 49 + 100);
	assert_memory_equal(w.conns[0].bytes[0], "POST /v1/x HTTP/1.1\r\nhOsT: api.openai.com:443\r\n\r\n",
			    49);
	assert_int_equal(w.conns[0].received[1], 5000);
	world_done(&w);
}

static void test_head_in_several_writes(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &plain, "new", "text=PO", "text=ST / HTTP/1.1\\r\\nX: 1\\r\\nHos", "text=t: api.openai",
	    "text=.com\\r\\n\\r\\nbody", "free");
	assert_int_equal(w.n_conns, 1);
	assert_int_equal(w.conns[0].received[0], 51);
	assert_memory_equal(w.conns[0].bytes[0],
			    "POST / HTTP/1.1\r\nX: 1\r\nHost: api.openai.com\r\n\r\nbody", 51);
	assert_int_equal(w.conns[0].end[0], 51);
	world_done(&w);
}

/* The agent starts in the middle of a body: the next request is picked up. */
static void test_request_after_other_bytes(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &plain, "new", "text=tail of a body",
	    "text=GET / HTTP/1.1\\r\\nHost: api.openai.com\\r\\n\\r\\n", "free");
	assert_int_equal(w.n_conns, 1);
	assert_int_equal(w.conns[0].received[0], 40);
	assert_memory_equal(w.conns[0].bytes[0], "GET / HTTP/1.1\r\n", 16);
	world_done(&w);
}

/* A connection of HTTP/2 that was open before: it cannot be judged, and counts once. */
static void test_http2_in_the_middle(void **state)
{
	static const char frame[] =
		"text=\\x00\\x00\\x05\\x01\\x25\\x00\\x00\\x00\\x03\\x80\\x00\\x00\\x00\\x10";
	static const char *const others[] = {
		"text=\\x00\\x00\\x05\\x00\\x01\\x00\\x00\\x00\\x03hello", /* DATA */
		"text=\\x00\\x00\\x05\\x01\\x25\\x00\\x00\\x00\\x02hello", /* a stream of the server's */
		"text=\\x00\\x00\\x06\\x01\\x25\\x00\\x00\\x00\\x03hello", /* cut */
		"text=\\x00\\x00\\x05\\x01\\x42\\x00\\x00\\x00\\x03hello", /* unknown flags */
	};
	struct world w;
	(void)state;

	RUN(&w, &plain, "new", "write=100", frame, "read=500", frame, frame, "free", "new", frame, "free");
	assert_int_equal(w.n_conns, 0);
	assert_int_equal(w.records, 0);
	assert_int_equal(w.counters[COUNTER_HTTP2_UNNAMED].count, 2);
	world_done(&w);

	/* What only looked so does not hide the request after it. */
	RUN(&w, &plain, "new", frame, "text=GET / HTTP/1.1\\r\\nHost: api.openai.com\\r\\n\\r\\n", "free");
	assert_int_equal(w.n_conns, 1);
	world_done(&w);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		RUN(&w, &plain, "new", others[i], "free");
		assert_int_equal(w.counters[COUNTER_HTTP2_UNNAMED].count, 0);
		world_done(&w);
	}
}

/* A program that serves and asks itself: each side is a connection, if its role is wanted. */
static void test_roles(void **state)
{
	const struct setup both = {.roles = 1U << RECORD_CLIENT | 1U << RECORD_SERVER};
	const struct setup server = {.roles = 1U << RECORD_SERVER};
	static const char request[] = "POST / HTTP/1.1\\r\\nHost: api.openai.com\\r\\n\\r\\n";
	char text[96];
	struct world w;
	(void)state;

	snprintf(text, sizeof(text), "text=%s", request);
	RUN(&w, &both, "new", text, "read=700", "write=60", "free");
	assert_int_equal(w.n_conns, 2);
	for (int i = 0; i < 2; i++) {
		struct seen *s = &w.conns[i];
		int asks = s->role == RECORD_CLIENT ? RECORD_WRITE : RECORD_READ;
		assert_int_equal(s->received[asks], 41 + 60);
		assert_int_equal(s->received[!asks], 700);
		assert_memory_equal(s->bytes[asks], "POST / HTTP/1.1\r\n", 17);
	}
	assert_int_not_equal(w.conns[0].role, w.conns[1].role);
	assert_no_loss(&w);
	world_done(&w);

	RUN(&w, &server, "sni=api.openai.com", text, "read=700", "free");
	assert_int_equal(w.n_conns, 1);
	assert_int_equal(w.conns[0].role, RECORD_SERVER);
	assert_int_equal(w.conns[0].received[RECORD_READ], 41);
	world_done(&w);

	RUN(&w, &server, "new", "text=GET / HTTP/1.1\\r\\nHost: example.org\\r\\n\\r\\n", "read=700", "free");
	assert_int_equal(w.n_conns, 0);
	assert_int_equal(w.records, 0);
	world_done(&w);
}

static void test_early_data(void **state)
{
	const struct setup both = {.roles = 1U << RECORD_CLIENT | 1U << RECORD_SERVER};
	struct world w;
	(void)state;
	RUN(&w, &plain, "early=1000", "write=50", "read=60", "free");
	assert_int_equal(w.n_conns, 2); /* the first gave the ticket */
	assert_int_equal(w.conns[1].received[0], 1050);
	assert_int_equal(w.conns[1].calls[0], 2);
	assert_int_equal(w.conns[1].received[1], 60);
	assert_pattern(&w.conns[1], 0, 0, 1050);
	assert_no_loss(&w);
	world_done(&w);
	(void)both;
}

static void order_skip(struct world *w)
{
	const struct seen *s = &w->conns[0];
	assert_int_equal(programs_order(w->programs, &s->key, s->id + 1, ORDER_SKIP, RECORD_WRITE, 9),
			 -ENOENT);
	assert_int_equal(programs_order(w->programs, &s->key, s->id, ORDER_SKIP, RECORD_WRITE, 50000), 0);
}

static void test_skip_order(void **state)
{
	const struct setup skip = {.on_pause = order_skip};
	struct world w;
	(void)state;
	RUN(&w, &skip, "sni=api.openai.com", "write=1000", "pause", "write=20000", "write=40000", "write=10",
	    "free");
	struct seen *s = &w.conns[0];
	assert_int_equal(s->end[0], 61010);
	assert_int_equal(s->gaps[0], 49000);
	assert_int_equal(s->received[0], 1000 + 11000 + 10);
	assert_pattern(s, 0, 0, 1000);
	assert_pattern(s, 0, 50000, 61010);
	assert_int_equal(w.counters[COUNTER_SKIPPED].bytes, 49000);
	world_done(&w);
}

static void order_ignore(struct world *w)
{
	const struct seen *s = &w->conns[0];
	assert_int_equal(programs_order(w->programs, &s->key, s->id, ORDER_IGNORE, RECORD_WRITE, 0), 0);
}

static void test_ignore_order(void **state)
{
	const struct setup ignore = {.on_pause = order_ignore};
	struct world w;
	(void)state;
	RUN(&w, &ignore, "sni=api.openai.com", "write=1000", "pause", "write=20000", "read=100", "free");
	assert_int_equal(w.conns[0].received[0], 1000);
	assert_int_equal(w.conns[0].received[1], 0);
	assert_int_equal(w.conns[0].closes, 1);
	world_done(&w);
}

/* The socket is found by what the thread sends, in the call or after it. */
static void test_sockets(void **state)
{
	static const char *const ways[] = {"tcp=api.openai.com", "memory=api.openai.com"};
	static const char *const writes[] = {"write=1", "write=700", "write=16384", "write=40000"};
	(void)state;
	if (!features.send_length && !features.kprobe)
		skip();
	for (size_t i = 0; i < 8; i++) {
		struct world w;
		RUN(&w, &plain, ways[i % 2], writes[i / 2], "free");
		assert_int_equal(w.n_conns, 1);
		const struct record_socket *s = &w.conns[0].socket;
		assert_int_equal(s->family, AF_INET);
		const uint32_t loopback = htonl(INADDR_LOOPBACK);
		assert_memory_equal(s->local, &loopback, 4);
		assert_memory_equal(s->remote, &loopback, 4);
		assert_true(s->local_port && s->remote_port && s->local_port != s->remote_port);
		if (features.skb_owner) {
			assert_int_equal(w.hellos, 1);
			assert_string_equal(w.hello.sni, "api.openai.com");
			assert_int_equal(w.hello.process_gen != 0, 1);
			assert_int_equal(w.hello.cookie, s->cookie);
			assert_int_equal(w.hello.local_port, s->local_port);
			assert_int_equal(w.hello.remote_port, s->remote_port);
			assert_memory_equal(w.hello.remote, &loopback, 4);
		}
		world_done(&w);
	}
}

static void test_free_and_reuse(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &plain, "sni=api.openai.com", "write=100", "free", "sni=api.openai.com", "write=200", "free",
	    "sni=example.org", "write=300", "free");
	assert_int_equal(w.n_conns, 2);
	assert_int_not_equal(w.conns[0].id, w.conns[1].id);
	assert_int_equal(w.conns[0].received[0], 100);
	assert_int_equal(w.conns[0].end[0], 100);
	assert_int_equal(w.conns[1].received[0], 200);
	assert_int_equal(w.conns[1].closes, 1);
	world_done(&w);
}

static void test_exit_and_exec_are_told(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &plain, "sni=api.openai.com", "write=100");
	assert_int_equal(w.exits, 1);
	assert_int_equal(w.conns[0].closes, 0);
	world_done(&w);

	RUN(&w, &plain, "sni=api.openai.com", "write=100", "exec=/bin/true");
	assert_int_equal(w.execs, 1);
	world_done(&w);
}

static bool swept_all(struct programs *programs)
{
	(void)programs_sweep(programs, true);
	return programs_sweep(programs, true) == 0;
}

/* Processes that end without freeing leave nothing in the tables for long. */
/* The components of text[start, end), from the last to the first, as a path. */
static void path_of(const struct record_who *who, size_t start, size_t end, char ret_path[static 8192])
{
	char *at = ret_path + 8191;
	*at = 0;
	while (start < end) {
		size_t len = strlen(who->text + start);
		at -= len + 1;
		at[0] = '/';
		memcpy(at + 1, who->text + start, len);
		start += len + 1;
	}
	memmove(ret_path, at, strlen(at) + 1);
}

/* Whether a line of our own /proc/self/cgroup ends so: the child is where we are. */
static bool is_our_cgroup(const char *path)
{
	char line[8192];
	bool found = false;
	FILE *f = fopen("/proc/self/cgroup", "re");
	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		const char *colon = strchr(strchr(line, ':') + 1, ':');
		found = strcmp(colon + 1, *path ? path : "/") == 0;
	}
	fclose(f);
	return found;
}

static void check_who(const struct record_who *who)
{
	char path[8192], real[PATH_MAX];
	assert_non_null(realpath(program, real));
	path_of(who, 0, who->exe_end, path);
	assert_string_equal(path, real);
	for (size_t i = 0, start = who->exe_end; i < WHO_HIERARCHIES; start = who->cgroup_end[i++]) {
		path_of(who, start, who->cgroup_end[i], path);
		assert_true((i == WHO_UNIFIED) || *path == 0 || is_our_cgroup(path));
		if (i == WHO_UNIFIED)
			assert_true(is_our_cgroup(path));
	}
	assert_int_equal(who->cut, 0);
	assert_true(who->n_parents >= 1);
	assert_int_equal(who->parents[0].tgid, getpid());
	assert_string_equal(who->parents[0].comm, "records_test");
	if (who->n_parents > 1)
		assert_int_equal(who->parents[1].tgid, getppid());
	const char *args = who->text + who->cgroup_end[WHO_OTHER];
	assert_string_equal(args, program);
	assert_string_equal(args + strlen(args) + 1, "sni=api.openai.com");
}

/* Before each connection, however it was found. */
static void test_who_is_told(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &plain, "sni=api.openai.com", "write=10", "free", "new", "sni=api.openai.com", "write=10");
	assert_int_equal(w.whos, w.n_conns);
	for (size_t i = 0; i < w.n_conns; i++)
		assert_true(w.conns[i].who_first);
	check_who(&w.who);
	assert_no_loss(&w);
	world_done(&w);
}

static void test_tables_are_cleared(void **state)
{
	struct world w;
	(void)state;
	RUN(&w, &plain, "sni=example.org", "write=10", "sni=example.org", "write=10");
	/* At least the two of this child; other programs of the host may have left some too. */
	assert_true(programs_sweep(w.programs, false) >= 2);
	assert_true(swept_all(w.programs));
	world_done(&w);
	RUN(&w, &plain, "sni=api.openai.com", "write=10");
	assert_true(programs_sweep(w.programs, true) >= 1);
	assert_true(swept_all(w.programs));
	world_done(&w);
}

/* What the ring has no room for is counted to the byte, and control records still come. */
static void test_full_ring_counts_every_byte(void **state)
{
	struct world w;
	const uint64_t total = 300000 + 5000 + 1000000;
	(void)state;
	const struct setup small = {.ring_size = 65536, .drain_late = true, .tolerate_jumps = true};
	RUN(&w, &small, "sni=api.openai.com", "write=300000", "write=5000", "write=1000000", "free");
	struct seen *s = &w.conns[0];
	assert_int_equal(s->closes, 1);
	assert_int_equal(s->end[0], total);
	assert_true(s->received[0] > 0);
	assert_int_equal(s->received[0] + w.counters[COUNTER_RING_FULL_DATA].bytes, total);
	assert_int_equal(w.counters[COUNTER_RING_FULL_CONTROL].count, 0);
	world_done(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_both_ways),
		cmocka_unit_test(test_one_large_call),
		cmocka_unit_test(test_call_limit_is_a_gap),
		cmocka_unit_test(test_failed_calls_count_nothing),
		cmocka_unit_test(test_write_inside_read),
		cmocka_unit_test(test_two_probes_count_once),
		cmocka_unit_test(test_other_hosts_send_nothing),
		cmocka_unit_test(test_name_forms),
		cmocka_unit_test(test_first_bytes_decide),
		cmocka_unit_test(test_head_in_several_writes),
		cmocka_unit_test(test_request_after_other_bytes),
		cmocka_unit_test(test_http2_in_the_middle),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_early_data),
		cmocka_unit_test(test_skip_order),
		cmocka_unit_test(test_ignore_order),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_free_and_reuse),
		cmocka_unit_test(test_exit_and_exec_are_told),
		cmocka_unit_test(test_who_is_told),
		cmocka_unit_test(test_tables_are_cleared),
		cmocka_unit_test(test_full_ring_counts_every_byte),
	};
	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: records_test PATH-OF-SSL_CALLS [TESTS, as test_s*]\n");
		return 2;
	}
	if (argc == 3)
		cmocka_set_test_filter(argv[2]);
	if (geteuid() != 0) {
		printf("skipped: records_test needs root\n");
		return 0;
	}
	program = argv[1];
	features_detect(&features);
	int r = 0;
	if (features.multi) {
		printf("# uprobe_multi\n");
		r = cmocka_run_group_tests(tests, NULL, NULL);
	}
	printf("# a perf event for each function\n");
	features.multi = false;
	return r | cmocka_run_group_tests(tests, NULL, NULL);
}
