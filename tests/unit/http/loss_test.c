/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations of which records are lost: nothing may be paired wrongly, nothing that is whole may be
 * missed, and every lost byte counts once. What is true is known from the time stamp of each record. */
#include "feed.h"

#define RECORDS_MAX 512
#define IDS_MAX	    64

struct line {
	enum stream_dir dir;
	char data[160];
	size_t len;
	unsigned id;  /* of the exchange */
	bool interim; /* not part of the final response */
};

struct talk {
	struct line lines[RECORDS_MAX];
	size_t n;
	bool lost[RECORDS_MAX];
};

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

static void say(struct talk *t, enum stream_dir dir, unsigned id, bool interim, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
static void say(struct talk *t, enum stream_dir dir, unsigned id, bool interim, const char *fmt, ...)
{
	va_list ap;
	assert_true(t->n < RECORDS_MAX);
	struct line *l = &t->lines[t->n++];
	*l = (struct line){.dir = dir, .id = id, .interim = interim};
	va_start(ap, fmt);
	int n = vsnprintf(l->data, sizeof(l->data), fmt, ap);
	va_end(ap);
	assert_true(n > 0 && (size_t)n < sizeof(l->data));
	l->len = (size_t)n;
}

/* Requests: 0 one record, 1 head and body apart, 2 chunked, 3 asks first, 4 without body, 5 three records of
 * body. */
static void say_request(struct talk *t, unsigned id, unsigned kind)
{
	enum stream_dir w = STREAM_WRITE;
	switch (kind) {
	case 0:
		say(t, w, id, false, "POST /%04u HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody=%04u", id, id);
		break;
	case 1:
		say(t, w, id, false, "POST /%04u HTTP/1.1\r\nContent-Length: 9\r\n\r\n", id);
		say(t, w, id, false, "body=%04u", id);
		break;
	case 2:
		say(t, w, id, false, "POST /%04u HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", id);
		say(t, w, id, false, "9\r\nbody=%04u\r\n", id);
		say(t, w, id, false, "0\r\n\r\n");
		break;
	case 3:
		say(t, w, id, false,
		    "POST /%04u HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", id);
		say(t, STREAM_READ, id, true, "HTTP/1.1 100 Continue\r\n\r\n");
		say(t, w, id, false, "body=%04u", id);
		break;
	case 4:
		say(t, w, id, false, "GET /%04u HTTP/1.1\r\nHost: h\r\n\r\n", id);
		break;
	default:
		say(t, w, id, false, "POST /%04u HTTP/1.1\r\nContent-Length: 9\r\n\r\nbod", id);
		say(t, w, id, false, "y=");
		say(t, w, id, false, "%04u", id);
		break;
	}
}

/* Responses: 0 one record, 1 head and body apart, 2 chunked stream, 3 no body, 4 hints first, 5 many records.
 */
static void say_response(struct talk *t, unsigned id, unsigned kind)
{
	enum stream_dir r = STREAM_READ;
	switch (kind) {
	case 0:
		say(t, r, id, false, "HTTP/1.1 200 OK\r\nX-Id: %04u\r\nContent-Length: 9\r\n\r\nansw=%04u",
		    id, id);
		break;
	case 1:
		say(t, r, id, false, "HTTP/1.1 200 OK\r\nX-Id: %04u\r\nContent-Length: 9\r\n\r\n", id);
		say(t, r, id, false, "answ=%04u", id);
		break;
	case 2:
		say(t, r, id, false,
		    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n");
		say(t, r, id, false, "c\r\ndata: %04u\n\n\r\n", id);
		say(t, r, id, false, "0\r\n\r\n");
		break;
	case 3:
		say(t, r, id, false, "HTTP/1.1 204 No\r\nX-Id: %04u\r\n\r\n", id);
		break;
	case 4:
		say(t, r, id, true, "HTTP/1.1 103 Hints\r\n\r\n");
		say(t, r, id, false, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%04u", id);
		break;
	default:
		say(t, r, id, false, "HTTP/1.1 200 OK\r\nX-Id: ");
		say(t, r, id, false, "%04u\r\nContent-Length: 14\r\n\r\n", id);
		say(t, r, id, false, "answ=%04u", id);
		say(t, r, id, false, "five!");
		break;
	}
}

struct seen {
	const struct http_message *request, *response;
};

/* The exchange that a message truly belongs to: its first byte's record tells. */
static unsigned true_id(const struct talk *t, const struct http_message *m)
{
	assert_in_range(m->first_ts_ns, 1000, 1000 + t->n - 1);
	const struct line *l = &t->lines[m->first_ts_ns - 1000];
	assert_int_equal(l->dir, m->role == HTTP_REQUEST ? STREAM_WRITE : STREAM_READ);
	return l->id;
}

static void play(struct feed *f, const struct talk *t, bool tell_last)
{
	feed_init(f, NULL);
	f->unguarded = true;
	for (size_t i = 0; i < t->n; i++) {
		const struct line *l = &t->lines[i];
		f->ts_ns = 1000 + i;
		if (t->lost[i])
			feed_lose(f, l->dir, l->len);
		else
			feed_call(f, l->dir, l->data, l->len);
	}
	for (int dir = 0; tell_last && dir < 2; dir++)
		feed_gap(f, (enum stream_dir)dir);
	feed_close(f);
}

static void explain(const struct talk *t, const struct feed *f, const char *what, unsigned id)
{
	char *text = feed_render(f);
	print_error("%s, exchange %04u\n", what, id);
	for (size_t i = 0; i < t->n; i++)
		print_error("%zu %s %s%04u %.*s\n", i, t->lost[i] ? "LOST" : "    ",
			    t->lines[i].dir == STREAM_WRITE ? "> " : "< ", t->lines[i].id,
			    (int)t->lines[i].len, t->lines[i].data);
	print_error("%s", text);
	free(text);
	fail();
}

static bool kept(const struct talk *t, unsigned id, enum stream_dir dir)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->lines[i].id == id && t->lines[i].dir == dir && !t->lines[i].interim && t->lost[i])
			return false;
	return true;
}

static bool response_begin_kept(const struct talk *t, unsigned id)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->lines[i].id == id && t->lines[i].dir == STREAM_READ && !t->lines[i].interim)
			return !t->lost[i];
	return false;
}

static const struct http_message *request_of(const struct feed *f, uint64_t exchange)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->messages[i]->exchange == exchange && f->messages[i]->role == HTTP_REQUEST)
			return f->messages[i];
	return NULL;
}

static void check_pairs(const struct talk *t, const struct feed *f, struct seen *ret_seen, bool whole)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct http_message *m = f->messages[i], *request = request_of(f, m->exchange);
		if (m->role == HTTP_REQUEST) {
			ret_seen[true_id(t, m)].request = m;
			continue;
		}
		if (m->end != HTTP_END_UNSEEN)
			ret_seen[true_id(t, m)].response = m;
		if (m->orphan)
			continue;
		if (!request)
			explain(t, f, "a response without request is no orphan", 0);
		unsigned id = true_id(t, request);
		/* Of a request that is not whole the end may be unknown, and with it what it was answered. */
		if (m->end == HTTP_END_UNSEEN && whole && kept(t, id, STREAM_WRITE) &&
		    response_begin_kept(t, id))
			explain(t, f, "a response that was seen is called unseen", id);
		if (m->end != HTTP_END_UNSEEN && true_id(t, m) != id)
			explain(t, f, "wrong pair", id);
	}
}

static void check_body(const struct talk *t, const struct feed *f, const struct http_message *m, unsigned id)
{
	char digits[8];
	snprintf(digits, sizeof(digits), "%04u", id);
	if (!m || m->end != HTTP_END_COMPLETE || m->missing_bytes || !m->body_sha256_valid)
		explain(t, f, "what was captured whole is not given whole", id);
	if (m->body_len && !memmem(m->body, m->body_len, digits, 4))
		explain(t, f, "another body", id);
}

/* whole: all that was captured whole must be found and paired; not so where loss makes the framing ambiguous.
 */
static void check(const struct talk *t, unsigned n_ids, bool tell_last, bool whole)
{
	struct feed f;
	struct seen seen[IDS_MAX] = {};
	play(&f, t, tell_last);
	feed_check_sums(&f);
	feed_check_order(&f);
	check_pairs(t, &f, seen, whole);
	for (unsigned id = 0; whole && id < n_ids; id++) {
		bool request = kept(t, id, STREAM_WRITE), response = kept(t, id, STREAM_READ);
		if (request)
			check_body(t, &f, seen[id].request, id);
		if (response)
			check_body(t, &f, seen[id].response, id);
		if (request && response && seen[id].request->exchange != seen[id].response->exchange)
			explain(t, &f, "captured whole, but not paired", id);
	}
	feed_done(&f);
}

static void check_all_subsets(struct talk *t, unsigned n_ids)
{
	assert_true(t->n < 16);
	for (uint32_t lost = 0; lost < UINT32_C(1) << t->n; lost++) {
		for (size_t i = 0; i < t->n; i++)
			t->lost[i] = lost >> i & 1;
		check(t, n_ids, lost & 1, true);
	}
}

static void test_every_subset(void **state)
{
	static const unsigned kinds[][2] = {{0, 0}, {1, 2}, {2, 1}, {3, 5}, {4, 4}, {0, 2}, {5, 3}, {3, 0}};
	static struct talk t;
	(void)state;
	for (size_t a = 0; a < sizeof(kinds) / sizeof(kinds[0]); a++) {
		t = (struct talk){};
		unsigned id = 0;
		for (; id < 6; id++) {
			struct talk before = t;
			const unsigned *kind = kinds[(a + id) % (sizeof(kinds) / sizeof(kinds[0]))];
			say_request(&t, id, kind[0]);
			say_response(&t, id, kind[1]);
			if (t.n > 12) {
				t = before;
				break;
			}
		}
		check_all_subsets(&t, id);
	}
}

/* The same kind all along: the positions are all that tells one exchange from the next. */
static void test_every_subset_uniform(void **state)
{
	static struct talk t;
	(void)state;
	t = (struct talk){};
	for (unsigned id = 0; id < 6; id++) {
		say_request(&t, id, 0);
		say_response(&t, id, 0);
	}
	check_all_subsets(&t, 6);
}

static void random_talk(struct talk *t, unsigned n_ids)
{
	*t = (struct talk){};
	for (unsigned id = 0; id < n_ids; id++) {
		say_request(t, id, random_below(6));
		say_response(t, id, random_below(6));
		/* A client that writes on before it has read the last piece. */
		struct line *last = &t->lines[t->n - 1];
		if (random_below(8) == 0 && memcmp(last->data, "0\r\n", 3) == 0 && id + 1 < n_ids) {
			struct line tail = *last;
			t->n--;
			say_request(t, ++id, 0);
			t->lines[t->n++] = tail;
			say_response(t, id, random_below(6));
		}
	}
}

static void test_random_losses(void **state)
{
	static struct talk t;
	(void)state;
	for (int round = 0; round < 6000; round++) {
		unsigned n_ids = 2 + random_below(IDS_MAX - 2);
		uint32_t rate = 1 + random_below(30);
		random_talk(&t, n_ids);
		/* Bursts, as a full ring makes them. */
		for (size_t i = 0; i < t.n; i++)
			t.lost[i] = i && t.lost[i - 1] ? random_below(3) != 0 : random_below(100) < rate;
		check(&t, n_ids, random_below(2), true);
	}
}

/* Responses to HEAD whose request is lost promise a body that does not come. */
static void test_lost_head_requests(void **state)
{
	static struct talk t;
	(void)state;
	for (int round = 0; round < 3000; round++) {
		t = (struct talk){};
		for (unsigned id = 0; id < 20; id++) {
			if (random_below(3) == 0) {
				say(&t, STREAM_WRITE, id, false, "HEAD /%04u HTTP/1.1\r\n\r\n", id);
				say(&t, STREAM_READ, id, false,
				    "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n");
			} else {
				say_request(&t, id, random_below(6));
				say_response(&t, id, random_below(6));
			}
		}
		for (size_t i = 0; i < t.n; i++)
			t.lost[i] = random_below(10) == 0;
		check(&t, 20, true, false);
	}
}

static void test_pipelining_with_loss(void **state)
{
	static struct talk t;
	(void)state;
	for (int round = 0; round < 3000; round++) {
		unsigned id = 0;
		t = (struct talk){};
		while (id < 20) {
			unsigned depth = 2 + random_below(4);
			for (unsigned i = 0; i < depth; i++)
				say_request(&t, id + i, random_below(2));
			for (unsigned i = 0; i < depth; i++)
				say_response(&t, id + i, random_below(6));
			id += depth;
		}
		size_t first = 0;
		/* The parser has to have seen that the client pipelines. */
		while (t.lines[first].id < 2)
			first++;
		for (size_t i = first; i < t.n; i++)
			t.lost[i] = random_below(8) == 0;
		check(&t, id, true, false);
	}
}

/* --- loss of any bytes, not of records --------------------------------------------------- */

static void test_any_bytes(void **state)
{
	static struct talk t;
	(void)state;
	for (int round = 0; round < 4000; round++) {
		struct feed f;
		struct seen seen[IDS_MAX] = {};
		unsigned n_ids = 2 + random_below(12);
		uint32_t rate = 1 + random_below(20);
		random_talk(&t, n_ids);
		feed_init(&f, NULL);
		f.unguarded = true;
		for (size_t i = 0; i < t.n; i++) {
			const struct line *l = &t.lines[i];
			for (size_t from = 0, n; from < l->len; from += n) {
				n = 1 + random_below(40);
				n = n < l->len - from ? n : l->len - from;
				f.ts_ns = 1000 + i;
				if (random_below(100) < rate)
					feed_lose(&f, l->dir, n);
				else
					assert_int_equal(feed_raw(&f, l->dir, l->data + from, n, from == 0),
							 0);
			}
		}
		feed_gap(&f, STREAM_READ);
		feed_gap(&f, STREAM_WRITE);
		feed_close(&f);
		feed_check_sums(&f);
		feed_check_order(&f);
		check_pairs(&t, &f, seen, false);
		feed_done(&f);
	}
}

/* --- single facts ------------------------------------------------------------------------ */

static char *render_and_done(struct feed *f)
{
	feed_close(f);
	feed_check_sums(f);
	feed_check_order(f);
	char *text = feed_render(f);
	feed_done(f);
	return text;
}

static void expect(struct feed *f, const char *want)
{
	char *got = render_and_done(f);
	assert_string_equal(got, want);
	free(got);
}

#define GET	 "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_TEXT "request GET /a 1.1 complete missing=0 wire=28\n  host: [h]\n  body 0/0 [] hashed\n"
#define NO_BODY	 "  body 0/0 [] no hash\n"

static void test_gap_in_length_body(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab");
	feed_lose(&f, STREAM_WRITE, 5);
	feed_text(&f, STREAM_WRITE, "yz" GET);
	expect(&f, "1 request POST / 1.1 complete missing=5 wire=47\n  content-length: [9]\n"
		   "  body 4/4 [abyz] no hash\n2 " GET_TEXT "unreadable 0 0 missing 0 0\n");
	/* To the very end: still in step. */
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab");
	feed_lose(&f, STREAM_WRITE, 7);
	assert_int_equal(feed_raw(&f, STREAM_WRITE, GET, strlen(GET), false), 0);
	expect(&f, "1 request POST / 1.1 complete missing=7 wire=47\n  content-length: [9]\n"
		   "  body 2/2 [ab] no hash\n2 " GET_TEXT "unreadable 0 0 missing 0 0\n");
	/* Past it: only a call that begins like a message brings it back. */
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab");
	feed_lose(&f, STREAM_WRITE, 10);
	assert_int_equal(feed_raw(&f, STREAM_WRITE, GET, strlen(GET), false), 0);
	feed_text(&f, STREAM_WRITE, "{\"a\":1}");
	feed_text(&f, STREAM_WRITE, GET);
	expect(&f, "1 request POST / 1.1 complete missing=7 wire=47\n  content-length: [9]\n"
		   "  body 2/2 [ab] no hash\n2 " GET_TEXT "unreadable 35 0 missing 3 0\n");
}

static void test_gap_in_head(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST /x HTTP/1.1\r\nA: b\r\nC: d");
	feed_lose(&f, STREAM_WRITE, 50);
	feed_text(&f, STREAM_WRITE, "more\r\n\r\n");
	feed_text(&f, STREAM_READ, "HTTP/1.1 204 \r\n\r\n");
	expect(&f, "1 request POST /x 1.1 gap (bytes are missing in the head) missing=50 wire=78\n  a: "
		   "[b]\n" NO_BODY "1 response 204 1.1 complete missing=0 wire=17\n  body 0/0 [] hashed\n"
		   "unreadable 8 0 missing 0 0\n");
}

static void test_gap_in_chunked(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	feed_lose(&f, STREAM_READ, 8);
	feed_text(&f, STREAM_READ, "2\r\nhi\r\n0\r\n\r\n");
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 204 \r\n\r\n");
	expect(&f, "1 " GET_TEXT
		   "1 response 200 1.1 gap (bytes are missing in a chunked body) missing=8 wire=63\n"
		   "  transfer-encoding: [chunked]\n  body 3/3 [abc] no hash\n2 " GET_TEXT
		   "2 response 204 1.1 complete missing=0 wire=17\n  body 0/0 [] hashed\nunreadable 0 12 "
		   "missing 0 0\n");
}

static void test_lost_responses_are_on_record(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_lose(&f, STREAM_READ, 100);
	feed_text(&f, STREAM_WRITE, GET);
	feed_lose(&f, STREAM_READ, 200);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 204 \r\n\r\n");
	/* Known as soon as a later request is answered. */
	assert_int_equal(f.n, 6);
	assert_int_equal(f.messages[5]->status, 204);
	feed_text(&f, STREAM_WRITE, GET);
	feed_lose(&f, STREAM_READ, 7);
	feed_gap(&f, STREAM_READ);
	expect(&f,
	       "1 " GET_TEXT
	       "1 response 0 1.0 unseen (the response's beginning was not captured) missing=100 "
	       "wire=100\n" NO_BODY "2 " GET_TEXT "2 response 0 1.0 unseen (the response's beginning was not "
	       "captured) missing=200 wire=200\n" NO_BODY "3 " GET_TEXT
	       "3 response 204 1.1 complete missing=0 wire=17\n  body 0/0 [] hashed\n4 " GET_TEXT
	       "4 response 0 1.0 unseen (the response's beginning was not captured) missing=7 "
	       "wire=7\n" NO_BODY "unreadable 0 0 missing 0 0\n");
}

static void test_lost_requests(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n");
	feed_lose(&f, STREAM_WRITE, 90);
	feed_text(&f, STREAM_READ, "HTTP/1.1 202 \r\nContent-Length: 0\r\n\r\n");
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 203 \r\nContent-Length: 0\r\n\r\n");
#define ANSWER " 1.1 complete missing=0 wire=36\n  content-length: [0]\n  body 0/0 [] hashed\n"
	expect(&f, "1 " GET_TEXT "1 response 201" ANSWER "2 response 202 orphan" ANSWER "3 " GET_TEXT
		   "3 response 203" ANSWER "unreadable 0 0 missing 90 0\n");
}

/* The first request's response is lost, and so is the second request: what comes answers the latter. */
static void test_response_and_next_request_lost(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_lose(&f, STREAM_READ, 30);
	feed_lose(&f, STREAM_WRITE, 40);
	feed_text(&f, STREAM_READ, "HTTP/1.1 202 \r\nContent-Length: 0\r\n\r\n");
	feed_gap(&f, STREAM_WRITE);
	expect(&f, "1 " GET_TEXT "1 response 0 1.0 unseen (the response was not captured, or could not be "
		   "told from others after a loss) missing=30 "
		   "wire=30\n" NO_BODY "2 response 202 orphan" ANSWER "unreadable 0 0 missing 40 0\n");
}

static void test_gap_in_close_delimited(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.0 200 OK\r\n\r\nab");
	feed_lose(&f, STREAM_READ, 6);
	feed_text(&f, STREAM_READ, "yz");
	expect(&f, "1 " GET_TEXT "1 response 200 1.0 complete missing=6 wire=29\n  body 4/4 [abyz] no hash\n"
		   "unreadable 0 0 missing 0 0\n");
}

static void test_gap_reason_and_holes(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab");
	/* A hole that nobody announced, and bytes given twice. */
	struct stream_chunk chunk = {
		.dir = STREAM_WRITE, .offset = 43, .data = (const uint8_t *)"e", .len = 1};
	assert_int_equal(http_conn_data(f.conn, &chunk), 0);
	chunk = (struct stream_chunk){
		.dir = STREAM_WRITE, .offset = 42, .data = (const uint8_t *)"defghi", .len = 6};
	assert_int_equal(http_conn_data(f.conn, &chunk), 0);
	assert_int_equal(http_conn_data(f.conn, &chunk), 0);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.messages[0]->missing_bytes, 3);
	assert_int_equal(f.messages[0]->missing_reason, GAP_LOST);
	assert_int_equal(f.messages[0]->body_len, 6);
	assert_memory_equal(f.messages[0]->body, "abefgh", 6);
	feed_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_subset),
		cmocka_unit_test(test_every_subset_uniform),
		cmocka_unit_test(test_random_losses),
		cmocka_unit_test(test_lost_head_requests),
		cmocka_unit_test(test_pipelining_with_loss),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_gap_in_length_body),
		cmocka_unit_test(test_gap_in_head),
		cmocka_unit_test(test_gap_in_chunked),
		cmocka_unit_test(test_lost_responses_are_on_record),
		cmocka_unit_test(test_lost_requests),
		cmocka_unit_test(test_response_and_next_request_lost),
		cmocka_unit_test(test_gap_in_close_delimited),
		cmocka_unit_test(test_gap_reason_and_holes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
