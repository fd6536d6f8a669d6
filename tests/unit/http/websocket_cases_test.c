/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations that other implementations made (tests/support/ws_cases.py,
 * tests/conformance/ws_autobahn.py): each message that they sent comes out, whole, in order, and no other.
 * Where a side broke the protocol, what it had said before comes out all the same, and it shows that
 * something is wrong. The file is the argument, or the committed one, of which there are few. */
#include "feed.h"
#include "report.h"

#include "case_file.h"

struct call {
	enum stream_dir dir;
	uint8_t *data; /* owned */
	size_t len;
};

struct expected {
	enum http_role role;
	unsigned opcode;
	bool cut; /* its end does not come */
	uint64_t len;
	char sha256[SHA256_HEX_LEN];
};

struct ws_case {
	const char *name;
	struct call *calls;	   /* owned */
	struct expected *messages; /* owned */
	size_t n_calls, n_messages;
	bool broken[2], loose[2]; /* by enum http_role */
};

/* --- the file ---------------------------------------------------------------------------- */

static enum http_role role_of(const char *side)
{
	return strncmp(side, "client", 6) == 0 ? HTTP_REQUEST : HTTP_RESPONSE;
}

static void read_call(struct ws_case *c, const char *rest)
{
	struct call *call = &c->calls[c->n_calls++];
	call->dir = role_of(rest) == HTTP_REQUEST ? STREAM_WRITE : STREAM_READ;
	call->data = case_hex(strchr(rest, ' ') + 1, &call->len);
}

static void read_message(struct ws_case *c, const char *rest)
{
	unsigned long long len;
	struct expected *e = &c->messages[c->n_messages++];
	e->role = role_of(rest);
	int n = sscanf(rest, "%*s %u %llu %64s", &e->opcode, &len, e->sha256);
	e->cut = n == 1 && strstr(rest, " cut");
	assert_true(n == 3 || e->cut);
	e->len = e->cut ? 0 : len;
}

static void read_case(const struct file_case *from, struct ws_case *c)
{
	const char *rest;
	*c = (struct ws_case){.name = from->name};
	c->calls = calloc(from->n, sizeof(*c->calls));
	c->messages = calloc(from->n, sizeof(*c->messages));
	assert_true(c->calls && c->messages);
	for (size_t i = 0; i < from->n; i++) {
		if ((rest = case_line(from->lines[i], "call")))
			read_call(c, rest);
		else if ((rest = case_line(from->lines[i], "message")))
			read_message(c, rest);
		else if ((rest = case_line(from->lines[i], "broken")))
			c->broken[role_of(rest)] = true;
		else if ((rest = case_line(from->lines[i], "loose")))
			c->loose[role_of(rest)] = true;
		else
			fail_msg("%s: %s", c->name, from->lines[i]);
	}
}

static void free_case(struct ws_case *c)
{
	for (size_t i = 0; i < c->n_calls; i++)
		free(c->calls[i].data);
	free(c->calls);
	free(c->messages);
}

/* --- the check --------------------------------------------------------------------------- */

static void check_message(const struct ws_case *c, const struct http_message *m, const struct expected *e)
{
	char sum[SHA256_HEX_LEN];
	if (e->cut && m->opcode == e->opcode && m->end != HTTP_END_COMPLETE)
		return;
	hex_encode(m->body_sha256, SHA256_LEN, sum);
	if (m->end == HTTP_END_COMPLETE && !m->problem && m->body_sha256_valid && m->opcode == e->opcode &&
	    m->body_total == e->len && strcmp(sum, e->sha256) == 0)
		return;
	fail_msg("%s: a message is %u, %llu bytes, end %s (%s), and not %u, %llu bytes", c->name, m->opcode,
		 (unsigned long long)m->body_total, end_name(m->end), m->problem ? m->problem : "no problem",
		 e->opcode, (unsigned long long)e->len);
}

static const struct expected *next_expected(const struct ws_case *c, enum http_role role, size_t *next)
{
	while (*next < c->n_messages && c->messages[*next].role != role)
		++*next;
	return *next < c->n_messages ? &c->messages[(*next)++] : NULL;
}

static void check_role(const struct ws_case *c, const struct feed *f, enum http_role role)
{
	size_t next = 0;
	bool flawed = f->unreadable[role == HTTP_REQUEST ? STREAM_WRITE : STREAM_READ] > 0;
	bool strict = !c->broken[role] && !c->loose[role];
	if (strict && flawed)
		fail_msg("%s: bytes were not read: %s", c->name, f->why);
	for (size_t i = 0; i < f->n; i++) {
		const struct http_message *m = f->messages[i];
		if (m->role != role || m->protocol != HTTP_WEBSOCKET)
			continue;
		const struct expected *e = next_expected(c, role, &next);
		if (e)
			check_message(c, m, e);
		else if (strict)
			fail_msg("%s: more messages than were sent", c->name);
		else
			flawed |= m->problem || m->end != HTTP_END_COMPLETE;
	}
	if (next_expected(c, role, &next))
		fail_msg("%s: a message did not come out", c->name);
	if (c->broken[role] && !flawed)
		fail_msg("%s: nothing says that the protocol was broken", c->name);
}

static void check(const struct ws_case *c, const struct feed *f)
{
	feed_check_sums(f);
	feed_check_order(f);
	assert_true(f->n >= 2);
	assert_int_equal(f->messages[0]->protocol, HTTP_1);
	assert_int_equal(f->messages[1]->protocol, HTTP_1);
	check_role(c, f, HTTP_REQUEST);
	check_role(c, f, HTTP_RESPONSE);
}

/* step: bytes of each piece that the calls are cut into, 0: not at all. */
static void play(const struct ws_case *c, size_t step)
{
	struct feed f;
	feed_init(&f, NULL);
	f.unguarded = true;
	for (size_t i = 0; i < c->n_calls; i++) {
		const struct call *call = &c->calls[i];
		size_t n = step ? step : call->len;
		for (size_t at = 0; at < call->len; at += n)
			assert_int_equal(feed_raw(&f, call->dir, (const char *)call->data + at,
						  call->len - at < n ? call->len - at : n, at == 0),
					 0);
	}
	feed_close(&f);
	check(c, &f);
	feed_done(&f);
}

/* The client sends all it has before it reads the answer. */
static void play_early(const struct ws_case *c)
{
	static const enum stream_dir order[] = {STREAM_WRITE, STREAM_READ};
	struct http_limits limits = http_limits_default;
	struct feed f;
	limits.max_head = 64 << 20;
	feed_init(&f, &limits);
	f.unguarded = true;
	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < c->n_calls; i++)
			if (c->calls[i].dir == order[pass])
				feed_call(&f, order[pass], (const char *)c->calls[i].data, c->calls[i].len);
	feed_close(&f);
	check(c, &f);
	feed_done(&f);
}

static void test_conversation(void **state)
{
	struct ws_case c;
	read_case(*state, &c);
	play(&c, 0);
	play(&c, 1);
	play(&c, 7);
	play(&c, 1000);
	play_early(&c);
	free_case(&c);
}

int main(int argc, char **argv)
{
	struct report report = {};
	struct case_file file;
	case_file_load(&file, argc > 1 ? argv[1] : "tests/unit/http/websocket.cases");
	for (size_t i = 0; i < file.n; i++)
		report_add(&report, file.cases[i].name, test_conversation, &file.cases[i]);
	int r = report_run(&report, "websocket");
	case_file_done(&file);
	return r;
}
