/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 conversations between implementations that nobody here wrote (h2_memory.py, h2_record.py), with what
 * hyperframe and hpack read in them. Seen by the client and by the server, in calls as they were and cut
 * anywhere, exactly these messages come out. With calls lost, what comes out as complete is one of them.
 * Where a client breaks the protocol on purpose, what the server answered comes out, and nothing that was not
 * sent. */
#include "../unit/http/feed.h"
#include "report.h"

#include "base/digit.h"
#include "base/macro.h"
#include "case_file.h"

#define LOSSES	  24	      /* a conversation is played so often with a call lost */
#define LOSS_STEP 2654435761u /* calls take turns: each must be met, whatever its place among them */

struct call {
	enum stream_dir dir;
	uint8_t *data; /* owned */
	size_t len;
};

struct field {
	char *name, *value; /* owned */
};

struct expected {
	enum http_role role;
	unsigned stream;
	bool complete, seen;
	char *method, *target; /* owned, or NULL */
	int status;
	uint64_t len;
	char sha256[SHA256_HEX_LEN];
	struct field *fields; /* owned */
	size_t n;
};

struct talk {
	const char *name;
	struct call *calls;	   /* owned */
	struct expected *messages; /* owned */
	size_t n_calls, n_messages;
	bool hostile;
};

/* --- the file ---------------------------------------------------------------------------- */

/* The next word, percent-decoded; NULL for "-". */
static char *read_word(const char **at)
{
	size_t len = strcspn(*at, " "), n = 0;
	char *word = malloc(len + 1);
	assert_non_null(word);
	for (size_t i = 0; i < len; i++) {
		char c = (*at)[i];
		if (c == '%' && i + 2 < len) {
			c = (char)(hex_digit((uint8_t)(*at)[i + 1]) << 4 | hex_digit((uint8_t)(*at)[i + 2]));
			i += 2;
		} else if (c == '%') {
			continue;
		}
		word[n++] = c;
	}
	word[n] = 0;
	*at += len + ((*at)[len] == ' ');
	if (strcmp(word, "-") == 0)
		free(TAKE_PTR(word));
	return word;
}

static void read_call(struct talk *t, const char *rest)
{
	struct call *call = &t->calls[t->n_calls++];
	call->dir = strncmp(rest, "client", 6) == 0 ? STREAM_WRITE : STREAM_READ;
	call->data = case_hex(strchr(rest, ' ') + 1, &call->len);
}

static void read_message(struct talk *t, enum http_role role, const char *rest, size_t max_fields)
{
	struct expected *e = &t->messages[t->n_messages++];
	unsigned long long len;
	char end[16];
	int at = 0;
	e->role = role;
	e->fields = calloc(max_fields + 1, sizeof(*e->fields));
	assert_int_equal(sscanf(rest, "%u %15s %n", &e->stream, end, &at), 2);
	e->complete = strcmp(end, "complete") == 0;
	rest += at;
	if (role == HTTP_REQUEST) {
		e->method = read_word(&rest);
		e->target = read_word(&rest);
	} else {
		char *status = read_word(&rest);
		e->status = atoi(status);
		free(status);
	}
	assert_int_equal(sscanf(rest, "%llu %64s", &len, e->sha256), 2);
	e->len = len;
}

static void read_field(struct talk *t, const char *rest)
{
	assert_true(t->n_messages > 0);
	struct expected *e = &t->messages[t->n_messages - 1];
	free(read_word(&rest));
	free(read_word(&rest));
	e->fields[e->n].name = read_word(&rest);
	e->fields[e->n++].value = read_word(&rest);
}

static size_t count_fields(const struct file_case *from, size_t i)
{
	size_t n = 0;
	while (i + n < from->n && case_line(from->lines[i + n], "field"))
		n++;
	return n;
}

static void read_talk(const struct file_case *from, struct talk *t)
{
	const char *rest;
	*t = (struct talk){.name = from->name};
	t->calls = calloc(from->n, sizeof(*t->calls));
	t->messages = calloc(from->n, sizeof(*t->messages));
	assert_true(t->calls && t->messages);
	for (size_t i = 0; i < from->n; i++) {
		if ((rest = case_line(from->lines[i], "call")))
			read_call(t, rest);
		else if ((rest = case_line(from->lines[i], "request")))
			read_message(t, HTTP_REQUEST, rest, count_fields(from, i + 1));
		else if ((rest = case_line(from->lines[i], "response")))
			read_message(t, HTTP_RESPONSE, rest, count_fields(from, i + 1));
		else if ((rest = case_line(from->lines[i], "field")))
			read_field(t, rest);
		else if (case_line(from->lines[i], "hostile"))
			t->hostile = true;
		else
			fail_msg("%s: %s", t->name, from->lines[i]);
	}
}

static void free_talk(struct talk *t)
{
	for (size_t i = 0; i < t->n_calls; i++)
		free(t->calls[i].data);
	for (size_t i = 0; i < t->n_messages; i++) {
		struct expected *e = &t->messages[i];
		for (size_t j = 0; j < e->n; j++) {
			free(e->fields[j].name);
			free(e->fields[j].value);
		}
		free(e->fields);
		free(e->method);
		free(e->target);
	}
	free(t->calls);
	free(t->messages);
}

/* --- the check --------------------------------------------------------------------------- */

static struct expected *find(const struct talk *t, const struct http_message *m)
{
	for (size_t i = 0; i < t->n_messages; i++)
		if (t->messages[i].role == m->role && t->messages[i].stream == m->stream_id)
			return &t->messages[i];
	return NULL;
}

static bool same_text(const char *a, const char *b)
{
	return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* What is not as expected, in a word; NULL: nothing. after_loss: what is not known may be absent. */
static const char *difference(const struct http_message *m, const struct expected *e, bool after_loss)
{
	char sum[SHA256_HEX_LEN];
	bool all = !after_loss || !m->unknown_headers;
	if (m->protocol != HTTP_2)
		return "protocol";
	if ((m->end == HTTP_END_COMPLETE) != e->complete)
		return "end";
	if ((all || m->method) && !same_text(m->method, e->method))
		return "method";
	if ((all || m->target) && !same_text(m->target, e->target))
		return "target";
	if ((all || m->status) && m->status != e->status)
		return "status";
	if (all && m->n_headers != e->n)
		return "number of fields";
	for (size_t i = 0; all && i < e->n; i++)
		if (strcmp(m->headers[i].name, e->fields[i].name) != 0 ||
		    strcmp(m->headers[i].value, e->fields[i].value) != 0)
			return e->fields[i].name;
	if (m->body_total != e->len)
		return "length";
	if (e->complete && !m->body_sha256_valid)
		return "no hash";
	hex_encode(m->body_sha256, SHA256_LEN, sum);
	if (m->body_sha256_valid && strcmp(sum, e->sha256) != 0)
		return "hash";
	return NULL;
}

static void complain(const struct talk *t, const char *played, const struct http_message *m, const char *what)
{
	fail_msg("%s, %s: %s on stream %u, %d %s %s, %llu bytes, end %s (%s): %s", t->name, played,
		 m->role == HTTP_REQUEST ? "request" : "response", m->stream_id, m->status, m->method,
		 m->target, (unsigned long long)m->body_total, end_name(m->end), m->problem, what);
}

/* Exactly what is expected comes out. */
static void check_all(const struct talk *t, const struct feed *f, const char *played)
{
	for (size_t i = 0; i < t->n_messages; i++)
		t->messages[i].seen = false;
	for (size_t i = 0; i < f->n; i++) {
		const struct http_message *m = f->messages[i];
		struct expected *e = find(t, m);
		if (!e || e->seen)
			complain(t, played, m, "nobody sent it");
		e->seen = true;
		const char *what = difference(m, e, false);
		if (what || m->orphan || m->unknown_headers)
			complain(t, played, m, what ? what : "orphan");
		/* Whoever was not told the end is told why. */
		if (!e->complete && m->end != HTTP_END_CLOSED && !m->problem)
			complain(t, played, m, "no reason");
	}
	for (size_t i = 0; i < t->n_messages; i++)
		if (!t->messages[i].seen)
			fail_msg("%s, %s: a %s on stream %u did not come out", t->name, played,
				 t->messages[i].role == HTTP_REQUEST ? "request" : "response",
				 t->messages[i].stream);
	/* Streams that the server pushed, frames that are not known, and what came after an end. */
	assert_int_equal(f->missing[0] + f->missing[1], 0);
}

/* After a loss, what cannot be judged: it is said that bytes or fields are not known, or what ended the
 * message was lost with the call. */
static bool says_loss(const struct http_message *m, const struct expected *e)
{
	return m->missing_bytes || (e ? !e->complete : m->unknown_headers > 0);
}

/* What seems whole and without a flaw is what was sent; not everything has to come out. */
static void check_no_other(const struct talk *t, const struct feed *f, const char *played, bool after_loss)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct http_message *m = f->messages[i];
		const struct expected *e = find(t, m);
		if (m->end != HTTP_END_COMPLETE || m->problem || (after_loss && says_loss(m, e)))
			continue;
		/* To a preface that is none servers answer in HTTP/1. */
		if (t->hostile && !t->n_messages && m->protocol == HTTP_1)
			continue;
		const char *what = e ? difference(m, e, after_loss) : "nobody sent it";
		if (what)
			complain(t, played, m, what);
	}
}

/* The server kept the protocol: each of its answers comes out, and that it refused a request is said. */
static void check_answers(const struct talk *t, const struct feed *f, const char *played)
{
	for (size_t i = 0; i < t->n_messages; i++) {
		const struct expected *e = &t->messages[i];
		bool found = e->role == HTTP_REQUEST;
		for (size_t j = 0; j < f->n && !found; j++) {
			const struct http_message *m = f->messages[j];
			found = find(t, m) == e && !difference(m, e, false) &&
				(e->complete || e->status || m->problem);
		}
		if (!found)
			fail_msg("%s, %s: the answer on stream %u did not come out", t->name, played,
				 e->stream);
	}
}

/* --- playing ----------------------------------------------------------------------------- */

static void start(struct feed *f, bool server)
{
	*f = (struct feed){.ts_ns = 1000, .swap = server, .unguarded = true};
	assert_int_equal(http_conn_new(&f->conn, 7, server ? STREAM_READ : STREAM_WRITE, NULL, &feed_ops, f),
			 0);
}

/* The calls, cut into pieces of that size (0: not at all), without the one of that number. A server that
 * speaks first is known by the header of its first frame, which no cut may go through: nothing else says yet
 * what the connection is. */
static void play(const struct talk *t, struct feed *f, size_t step, size_t lost)
{
	bool begun = false;
	for (size_t i = 0; i < t->n_calls; i++) {
		const struct call *call = &t->calls[i];
		begun |= call->dir == STREAM_WRITE;
		size_t n = step && begun ? step : call->len;
		if (i == lost) {
			feed_lose(f, call->dir, call->len);
			continue;
		}
		for (size_t at = 0; at < call->len; at += n)
			assert_int_equal(feed_raw(f, call->dir, (const char *)call->data + at,
						  MIN(call->len - at, n), at == 0),
					 0);
	}
	feed_gap(f, STREAM_WRITE);
	feed_gap(f, STREAM_READ);
	feed_close(f);
	feed_check_sums(f);
	feed_check_order(f);
}

static void play_whole(const struct talk *t, size_t step, bool server)
{
	struct feed f;
	char played[64];
	snprintf(played, sizeof(played), "%s, pieces of %zu", server ? "server" : "client", step);
	start(&f, server);
	play(t, &f, step, SIZE_MAX);
	if (t->hostile) {
		check_no_other(t, &f, played, false);
		check_answers(t, &f, played);
	} else {
		check_all(t, &f, played);
	}
	feed_done(&f);
}

static void play_lossy(const struct talk *t, size_t lost)
{
	struct feed f;
	char played[64];
	snprintf(played, sizeof(played), "without call %zu", lost);
	start(&f, false);
	play(t, &f, 0, lost);
	check_no_other(t, &f, played, true);
	feed_done(&f);
}

static void test_talk(void **state)
{
	static const size_t steps[] = {0, 1, 7, 1000};
	struct talk t;
	read_talk(*state, &t);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		play_whole(&t, steps[i], false);
	play_whole(&t, 0, true);
	for (size_t i = 0; i < LOSSES; i++)
		play_lossy(&t, (size_t)((uint32_t)i * LOSS_STEP) % t.n_calls);
	free_talk(&t);
}

int main(int argc, char **argv)
{
	struct report report = {};
	struct case_file file;
	if (argc != 2) {
		fprintf(stderr, "usage: http2_cases FILE\n");
		return 2;
	}
	case_file_load(&file, argv[1]);
	for (size_t i = 0; i < file.n; i++)
		report_add(&report, file.cases[i].name, test_talk, &file.cases[i]);
	int r = report_run(&report, "http2");
	case_file_done(&file);
	return r;
}
