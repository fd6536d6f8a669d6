/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations that other implementations made (tests/support/ws_cases.py): each message that they sent
 * comes out, whole, in order, and no other. The file is the argument, or $OAITAP_WS_CASES, or the committed
 * one, of which there are few. */
#include "feed.h"

#define CALLS_MAX    8192
#define MESSAGES_MAX 256

struct call {
	enum stream_dir dir;
	char *data; /* owned */
	size_t len;
};

struct expected {
	enum http_role role;
	unsigned opcode;
	uint64_t len;
	char sha256[SHA256_HEX_LEN];
};

struct ws_case {
	char name[64];
	struct call calls[CALLS_MAX];
	struct expected messages[MESSAGES_MAX];
	size_t n_calls, n_messages;
};

static const char *path = "tests/unit/http/websocket.cases";

/* --- the file ---------------------------------------------------------------------------- */

static unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void read_call(struct ws_case *c, const char *side, const char *hex)
{
	assert_true(c->n_calls < CALLS_MAX);
	struct call *call = &c->calls[c->n_calls++];
	call->dir = strcmp(side, "client") == 0 ? STREAM_WRITE : STREAM_READ;
	call->len = strlen(hex) / 2;
	call->data = malloc(call->len);
	assert_non_null(call->data);
	for (size_t i = 0; i < call->len; i++)
		call->data[i] = (char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
}

static void read_message(struct ws_case *c, const char *side, const char *rest)
{
	unsigned long long len;
	assert_true(c->n_messages < MESSAGES_MAX);
	struct expected *e = &c->messages[c->n_messages++];
	e->role = strcmp(side, "client") == 0 ? HTTP_REQUEST : HTTP_RESPONSE;
	assert_int_equal(sscanf(rest, "%u %llu %64s", &e->opcode, &len, e->sha256), 3);
	e->len = len;
}

/* False: the file has ended. */
static bool read_case(FILE *file, struct ws_case *c)
{
	char *line = NULL, word[16], side[16];
	size_t cap = 0;
	int at;
	c->n_calls = c->n_messages = 0;
	while (getline(&line, &cap, file) > 0) {
		line[strcspn(line, "\n")] = 0;
		if (strcmp(line, "end") == 0) {
			free(line);
			return true;
		}
		if (sscanf(line, "case %63s", c->name) == 1)
			continue;
		assert_int_equal(sscanf(line, "%15s %15s %n", word, side, &at), 2);
		if (strcmp(word, "call") == 0)
			read_call(c, side, line + at);
		else
			read_message(c, side, line + at);
	}
	free(line);
	return false;
}

static void free_calls(struct ws_case *c)
{
	for (size_t i = 0; i < c->n_calls; i++)
		free(c->calls[i].data);
}

/* --- the check --------------------------------------------------------------------------- */

static void check_role(const struct ws_case *c, const struct feed *f, enum http_role role)
{
	size_t next = 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct http_message *m = f->messages[i];
		char sum[SHA256_HEX_LEN];
		if (m->role != role || m->protocol != HTTP_WEBSOCKET)
			continue;
		while (next < c->n_messages && c->messages[next].role != role)
			next++;
		if (next == c->n_messages)
			fail_msg("%s: more messages than were sent", c->name);
		const struct expected *e = &c->messages[next++];
		hex_encode(m->body_sha256, SHA256_LEN, sum);
		if (m->end != HTTP_END_COMPLETE || m->problem || !m->body_sha256_valid ||
		    m->opcode != e->opcode || m->body_total != e->len || strcmp(sum, e->sha256) != 0)
			fail_msg("%s: message %zu is %u, %llu bytes, end %s (%s), and not %u, %llu bytes",
				 c->name, next, m->opcode, (unsigned long long)m->body_total,
				 end_name(m->end), m->problem ? m->problem : "no problem", e->opcode,
				 (unsigned long long)e->len);
	}
	for (; next < c->n_messages; next++)
		if (c->messages[next].role == role)
			fail_msg("%s: a message did not come out", c->name);
}

static void check(const struct ws_case *c, const struct feed *f)
{
	feed_check_sums(f);
	feed_check_order(f);
	assert_true(f->n == c->n_messages + 2);
	assert_int_equal(f->messages[0]->protocol, HTTP_1);
	assert_int_equal(f->unreadable[0] + f->unreadable[1], 0);
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
			assert_int_equal(feed_raw(&f, call->dir, call->data + at,
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
				feed_call(&f, order[pass], c->calls[i].data, c->calls[i].len);
	feed_close(&f);
	check(c, &f);
	feed_done(&f);
}

static void test_cases(void **state)
{
	static struct ws_case c;
	FILE *file = fopen(path, "r");
	size_t n = 0;
	(void)state;
	if (!file)
		fail_msg("%s cannot be opened", path);
	while (read_case(file, &c)) {
		play(&c, 0);
		play(&c, 1);
		play(&c, 7);
		play(&c, 1000);
		play_early(&c);
		free_calls(&c);
		n++;
	}
	fclose(file);
	print_message("%zu conversations of %s\n", n, path);
	assert_true(n >= 10);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};
	const char *given = getenv("OAITAP_WS_CASES");
	if (argc > 1)
		path = argv[1];
	else if (given && *given)
		path = given;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
