/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations between a client and a server of libnghttp2, of which bytes are lost or the beginning was not
 * seen: no value is wrong, no message has a byte of another, every byte counts once. */
#include "frames.h"

#define IDS_MAX	    40
#define RECORDS_MAX 2048

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

/* --- conversations ----------------------------------------------------------------------- */

struct exchange {
	size_t want[2], sent[2]; /* bytes of body, by enum http_role */
	bool early, interim, trailers;
	bool answered;
};

struct sim {
	nghttp2_session *ends[2]; /* by the direction in which it sends */
	struct exchange exchanges[IDS_MAX];
	unsigned n_ids, limit, answered;
	size_t max_body;
	bool plain; /* a record for each frame, no padding */
	struct record records[RECORDS_MAX];
	size_t n;
};

static unsigned id_of(uint32_t stream)
{
	assert_true(stream % 2);
	return (stream - 1) / 2;
}

/* Each body is made of one letter, so that a byte of another shows. */
static char letter(enum http_role role, unsigned id)
{
	return (char)((role == HTTP_REQUEST ? 'A' : 'a') + id % 26);
}

struct pair {
	const char *name;
	char value[40];
};

/* What the message's header fields are. */
static size_t fields_of(enum http_role role, unsigned id, struct pair *ret_pairs)
{
	size_t n = 0;
#define PAIR(field, ...)                                                                                     \
	do {                                                                                                 \
		ret_pairs[n].name = field;                                                                   \
		snprintf(ret_pairs[n++].value, sizeof(ret_pairs[0].value), __VA_ARGS__);                     \
	} while (0)
	if (role == HTTP_REQUEST) {
		PAIR(":method", "%s", id % 4 ? "POST" : "PUT");
		PAIR(":scheme", "https");
		PAIR(":authority", "h%u.example", id % 3);
		PAIR(":path", "/v1/%04u", id);
		PAIR("authorization", "Bearer token-%u", id % 2);
		PAIR("user-agent", "test/1.0");
	} else {
		PAIR(":status", "%u", 206 + id);
		PAIR("x-region", "Sweden Central");
	}
	PAIR("content-type", "text/x-%u", id % 5);
	PAIR("x-id", "%04u", id);
	return n;
}

static size_t make_nv(enum http_role role, unsigned id, struct pair *pairs, nghttp2_nv *ret_nv)
{
	size_t n = fields_of(role, id, pairs);
	for (size_t i = 0; i < n; i++)
		ret_nv[i] = (nghttp2_nv){(uint8_t *)pairs[i].name, (uint8_t *)pairs[i].value,
					 strlen(pairs[i].name), strlen(pairs[i].value), NGHTTP2_NV_FLAG_NONE};
	return n;
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t len, uint32_t *flags,
			 nghttp2_data_source *source, void *ctx)
{
	struct sim *sim = ctx;
	enum http_role role = session == sim->ends[W] ? HTTP_REQUEST : HTTP_RESPONSE;
	unsigned id = id_of((uint32_t)stream);
	struct exchange *e = &sim->exchanges[id];
	size_t left = e->want[role] - e->sent[role], n = 1 + random_below(300);
	(void)source;
	n = n < left ? n : left;
	n = n < len ? n : len;
	memset(buf, letter(role, id), n);
	e->sent[role] += n;
	/* Sometimes the end comes apart. */
	if (n < left || (n && random_below(3) == 0))
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (e->trailers && role == HTTP_RESPONSE) {
		nghttp2_nv nv = {(uint8_t *)"x-sum", (uint8_t *)"1234", 5, 4, NGHTTP2_NV_FLAG_NONE};
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		assert_int_equal(nghttp2_submit_trailer(session, stream, &nv, 1), 0);
	}
	return (ssize_t)n;
}

static const nghttp2_data_provider body = {.read_callback = read_body};

static void answer(struct sim *sim, uint32_t stream)
{
	nghttp2_nv nv[10];
	struct pair pairs[10];
	struct exchange *e = &sim->exchanges[id_of(stream)];
	if (e->answered)
		return;
	e->answered = true;
	sim->answered++;
	if (e->interim) {
		nghttp2_nv hint = {(uint8_t *)":status", (uint8_t *)"103", 7, 3, NGHTTP2_NV_FLAG_NONE};
		assert_int_equal(nghttp2_submit_headers(sim->ends[R], NGHTTP2_FLAG_NONE, (int32_t)stream,
							NULL, &hint, 1, NULL),
				 0);
	}
	size_t n = make_nv(HTTP_RESPONSE, id_of(stream), pairs, nv);
	assert_int_equal(nghttp2_submit_response(sim->ends[R], (int32_t)stream, nv, n,
						 e->want[HTTP_RESPONSE] || e->trailers ? &body : NULL),
			 0);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct sim *sim = ctx;
	bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	if (session != sim->ends[R] || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (ends || sim->exchanges[id_of((uint32_t)frame->hd.stream_id)].early)
		answer(sim, (uint32_t)frame->hd.stream_id);
	return 0;
}

static ssize_t pad(nghttp2_session *session, const nghttp2_frame *frame, size_t max, void *ctx)
{
	const struct sim *sim = ctx;
	size_t more = !sim->plain && random_below(4) == 0 ? random_below(20) : 0;
	(void)session;
	return (ssize_t)(frame->hd.length + more < max ? frame->hd.length + more : max);
}

static void ask(struct sim *sim)
{
	nghttp2_nv nv[10];
	struct pair pairs[10];
	unsigned id = sim->n_ids++;
	struct exchange *e = &sim->exchanges[id];
	for (int role = 0; role < 2; role++)
		e->want[role] = random_below(4) ? random_below((uint32_t)sim->max_body) : 0;
	e->early = random_below(5) == 0;
	e->interim = random_below(5) == 0;
	e->trailers = random_below(5) == 0;
	size_t n = make_nv(HTTP_REQUEST, id, pairs, nv);
	assert_int_equal(
		nghttp2_submit_request(sim->ends[W], NULL, nv, n, e->want[HTTP_REQUEST] ? &body : NULL, NULL),
		(int32_t)(2 * id + 1));
}

static void record(struct sim *sim, enum stream_dir dir, const uint8_t *data, size_t len)
{
	struct record *last = sim->n ? &sim->records[sim->n - 1] : NULL;
	bool join = !sim->plain && last && last->dir == dir && random_below(3) == 0;
	char *copy = realloc(join ? (void *)last->data : NULL, (join ? last->len : 0) + len);
	assert_non_null(copy);
	memcpy(copy + (join ? last->len : 0), data, len);
	if (join) {
		last->data = copy;
		last->len += len;
		return;
	}
	assert_true(sim->n < RECORDS_MAX);
	sim->records[sim->n++] = (struct record){dir, copy, len};
}

/* One call's worth in that direction. */
static bool pump(struct sim *sim, enum stream_dir dir)
{
	const uint8_t *data;
	ssize_t len = nghttp2_session_mem_send(sim->ends[dir], &data);
	assert_true(len >= 0);
	if (!len)
		return false;
	record(sim, dir, data, (size_t)len);
	assert_int_equal(nghttp2_session_mem_recv(sim->ends[!dir], data, (size_t)len), len);
	return true;
}

static void converse(struct sim *sim, unsigned n_ids, size_t max_body, bool plain)
{
	nghttp2_session_callbacks *callbacks;
	memset(sim, 0, sizeof(*sim));
	sim->max_body = max_body;
	sim->plain = plain;
	assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_select_padding_callback(callbacks, pad);
	assert_int_equal(nghttp2_session_client_new(&sim->ends[W], callbacks, sim), 0);
	assert_int_equal(nghttp2_session_server_new(&sim->ends[R], callbacks, sim), 0);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_settings_entry table = {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, random_below(3) ? 4096 : 100};
	for (int dir = 0; dir < 2; dir++)
		assert_int_equal(nghttp2_submit_settings(sim->ends[dir], NGHTTP2_FLAG_NONE, &table, 1), 0);
	assert_true(pump(sim, W));
	for (bool moved = true; moved || sim->n_ids < n_ids;) {
		if (sim->n_ids < n_ids && (!moved || random_below(4) == 0))
			ask(sim);
		enum stream_dir dir = (enum stream_dir)random_below(2);
		moved = pump(sim, dir) || pump(sim, !dir);
	}
	assert_int_equal(sim->answered, n_ids);
}

static void sim_done(struct sim *sim)
{
	for (size_t i = 0; i < sim->n; i++)
		free((void *)sim->records[i].data);
	for (int dir = 0; dir < 2; dir++)
		nghttp2_session_del(sim->ends[dir]);
}

/* --- what must hold ---------------------------------------------------------------------- */

static void check_header(const struct pair *pairs, size_t n, const struct http_header *h)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = strcmp(pairs[i].name, ":authority") == 0 ? "host" : pairs[i].name;
		if (strcmp(name, h->name) != 0)
			continue;
		assert_string_equal(h->value, pairs[i].value);
		return;
	}
	fail_msg("a header that nobody sent: %s: %s", h->name, h->value);
}

static const char *value_of(const struct pair *pairs, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	fail();
	return NULL;
}

/* Everything that a message says is true. */
static void check_message(const struct sim *sim, const struct http_message *m)
{
	struct pair pairs[10];
	/* What is left of a preface. */
	if (m->protocol == HTTP_1) {
		assert_true(!m->target && (!m->method || !strcmp(m->method, "PRI")));
		assert_true(m->role == HTTP_REQUEST || m->end == HTTP_END_UNSEEN);
		return;
	}
	assert_int_equal(m->protocol, HTTP_2);
	unsigned id = id_of(m->stream_id);
	assert_true(id < sim->n_ids);
	size_t n = fields_of(m->role, id, pairs), want = sim->exchanges[id].want[m->role];
	if (m->method)
		assert_string_equal(m->method, value_of(pairs, n, ":method"));
	if (m->target)
		assert_string_equal(m->target, value_of(pairs, n, ":path"));
	if (m->status)
		assert_int_equal(m->status, atoi(value_of(pairs, n, ":status")));
	for (size_t i = 0; i < m->n_headers; i++)
		check_header(pairs, n, &m->headers[i]);
	for (size_t i = 0; i < m->body_len; i++)
		assert_int_equal(m->body[i], letter(m->role, id));
	assert_true(m->body_total <= want);
	assert_true(m->end != HTTP_END_MALFORMED && m->end != HTTP_END_LIMIT);
	if (m->body_sha256_valid)
		assert_int_equal(m->body_total, want);
	if (m->end == HTTP_END_COMPLETE) {
		assert_true(m->body_total + m->missing_bytes >= want);
		assert_int_equal(m->body_sha256_valid, !m->missing_bytes);
		/* The host is a header, :scheme is not. */
		assert_true(m->n_headers + m->unknown_headers >= (m->role == HTTP_REQUEST ? 5 : 3));
	}
	if (m->end == HTTP_END_GAP)
		assert_true(m->missing_reason != GAP_NONE && m->problem);
}

static const struct http_message *find(const struct feed *f, enum http_role role, unsigned id)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->messages[i]->protocol == HTTP_2 && f->messages[i]->role == role &&
		    id_of(f->messages[i]->stream_id) == id)
			return f->messages[i];
	return NULL;
}

static void check_all(const struct sim *sim, const struct feed *f)
{
	feed_check_sums(f);
	feed_check_order(f);
	for (size_t i = 0; i < f->n; i++) {
		const struct http_message *m = f->messages[i];
		check_message(sim, m);
		/* Pairs go by streams. */
		for (size_t j = 0; j < i; j++)
			if (m->protocol == HTTP_2 && f->messages[j]->exchange == m->exchange)
				assert_int_equal(f->messages[j]->stream_id, m->stream_id);
	}
}

static bool whole(const struct http_message *m)
{
	return m && m->end == HTTP_END_COMPLETE && m->body_sha256_valid && !m->unknown_headers &&
	       !m->problem && m->n_headers == (m->role == HTTP_REQUEST ? 5U : 3U);
}

static void check_whole(const struct sim *sim, const struct feed *f)
{
	assert_int_equal(f->n, 2 * sim->n_ids);
	for (unsigned id = 0; id < sim->n_ids; id++) {
		const struct http_message *request = find(f, HTTP_REQUEST, id),
					  *response = find(f, HTTP_RESPONSE, id);
		assert_true(whole(request) && whole(response));
		assert_int_equal(request->exchange, response->exchange);
		assert_false(response->orphan);
	}
	assert_int_equal(f->unreadable[0] + f->unreadable[1] + f->missing[0] + f->missing[1], 0);
}

/* --- runs -------------------------------------------------------------------------------- */

static void test_nothing_lost(void **state)
{
	static struct sim sim;
	(void)state;
	for (int round = 0; round < 150; round++) {
		struct feed f;
		converse(&sim, 1 + random_below(IDS_MAX), 2000, random_below(2));
		feed_init(&f, NULL);
		f.unguarded = round % 8;
		for (size_t i = 0; i < sim.n; i++) {
			const struct record *r = &sim.records[i];
			for (size_t from = 0, n; from < r->len; from += n) {
				n = 1 + random_below(random_below(4) ? 40 : 4000);
				n = n < r->len - from ? n : r->len - from;
				assert_int_equal(feed_raw(&f, r->dir, r->data + from, n, from == 0), 0);
			}
		}
		/* Given as soon as their last frame is there. */
		assert_int_equal(f.n, 2 * sim.n_ids);
		feed_close(&f);
		check_all(&sim, &f);
		check_whole(&sim, &f);
		feed_done(&f);
		sim_done(&sim);
	}
}

/* Which of the run [from, from + len) of the whole conversation lies in this record. */
static void feed_without(struct feed *f, const struct record *r, size_t at, size_t from, size_t len)
{
	size_t cut = from > at ? from - at : 0, end = from + len > at ? from + len - at : 0;
	cut = cut < r->len ? cut : r->len;
	end = end < r->len ? end : r->len;
	end = end > cut ? end : cut;
	assert_int_equal(feed_raw(f, r->dir, r->data, cut, true), 0);
	if (end > cut)
		feed_lose(f, r->dir, end - cut);
	assert_int_equal(feed_raw(f, r->dir, r->data + end, r->len - end, end == 0), 0);
}

/* The run lies in the payload of one DATA frame without padding; then only that message is concerned. */
static bool only_in_data(const struct record *r, size_t at, size_t from, size_t len, uint32_t *ret_stream)
{
	if (r->len < HTTP2_HEADER_LEN)
		return false;
	struct http2_frame frame = http2_frame_read((const uint8_t *)r->data);
	*ret_stream = frame.stream;
	return from >= at + HTTP2_HEADER_LEN && from + len <= at + r->len && frame.type == HTTP2_DATA &&
	       frame.len + HTTP2_HEADER_LEN == r->len && !(frame.flags & HTTP2_PADDED);
}

static void check_others(const struct sim *sim, const struct feed *f, enum http_role role, uint32_t stream,
			 size_t len)
{
	assert_int_equal(f->n, 2 * sim->n_ids);
	for (unsigned id = 0; id < sim->n_ids; id++) {
		for (int r = 0; r < 2; r++) {
			const struct http_message *m = find(f, (enum http_role)r, id);
			assert_non_null(m);
			if (r != (int)role || m->stream_id != stream) {
				assert_true(whole(m));
				continue;
			}
			assert_int_equal(m->end, HTTP_END_COMPLETE);
			assert_int_equal(m->missing_bytes, len);
			assert_int_equal(m->body_total + len, sim->exchanges[id].want[r]);
		}
	}
}

static void test_every_run_of_bytes(void **state)
{
	static const size_t lens[] = {1, 3, 9, 10, 31, 100, 400};
	static struct sim sim;
	(void)state;
	for (int round = 0; round < 3; round++) {
		size_t total = 0, tried = 0;
		converse(&sim, 4, 80, true);
		total = talk_len(sim.records, sim.n);
		for (size_t from = 0; from < total; from++) {
			for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
				struct feed f;
				size_t at = 0;
				uint32_t stream = 0;
				enum stream_dir dir = W;
				bool one = false;
				feed_init(&f, NULL);
				f.unguarded = true;
				for (size_t i = 0; i < sim.n; i++) {
					const struct record *r = &sim.records[i];
					uint32_t owner;
					feed_without(&f, r, at, from, lens[l]);
					if (only_in_data(r, at, from, lens[l], &owner)) {
						one = true;
						stream = owner;
						dir = r->dir;
						tried++;
					}
					at += r->len;
				}
				feed_gap(&f, W);
				feed_gap(&f, R);
				feed_close(&f);
				check_all(&sim, &f);
				if (one)
					check_others(&sim, &f, dir == W ? HTTP_REQUEST : HTTP_RESPONSE,
						     stream, lens[l]);
				feed_done(&f);
			}
		}
		assert_true(tried > 10);
		sim_done(&sim);
	}
}

/* Bursts of whole records, or of any bytes. Returns how many messages were whole. */
static size_t play_lossy(const struct sim *sim, bool bytes, uint32_t rate)
{
	struct feed f;
	size_t n_whole = 0;
	bool losing = false;
	feed_init(&f, NULL);
	f.unguarded = true;
	for (size_t i = 0; i < sim->n; i++) {
		const struct record *r = &sim->records[i];
		for (size_t from = 0, n; from < r->len; from += n) {
			n = bytes ? 1 + random_below(40) : r->len;
			n = n < r->len - from ? n : r->len - from;
			losing = losing ? random_below(3) != 0 : random_below(100) < rate;
			if (losing)
				feed_lose(&f, r->dir, n);
			else
				assert_int_equal(feed_raw(&f, r->dir, r->data + from, n, from == 0), 0);
		}
	}
	feed_gap(&f, W);
	feed_gap(&f, R);
	feed_close(&f);
	check_all(sim, &f);
	for (size_t i = 0; i < f.n; i++)
		n_whole += whole(f.messages[i]);
	feed_done(&f);
	return n_whole;
}

static void test_random_losses(void **state)
{
	static struct sim sim;
	size_t n_whole = 0, n_messages = 0;
	(void)state;
	for (int round = 0; round < 600; round++) {
		converse(&sim, 2 + random_below(IDS_MAX - 2), random_below(2) ? 200 : 2000, random_below(2));
		for (int again = 0; again < 4; again++) {
			n_whole += play_lossy(&sim, again & 1, 1 + random_below(again < 2 ? 3 : 20));
			n_messages += 2 * sim.n_ids;
		}
		sim_done(&sim);
	}
	/* Resynchronisation works: far more is read than what comes before the first loss. */
	assert_true(n_whole > n_messages / 10);
}

/* The first records came before the agent did: positions count from the first that is seen. */
static void test_from_the_middle(void **state)
{
	static struct sim sim;
	size_t n_read = 0, n_rounds = 0;
	(void)state;
	for (int round = 0; round < 400; round++) {
		converse(&sim, IDS_MAX, 300, random_below(2));
		for (int again = 0; again < 4; again++, n_rounds++) {
			struct feed f;
			size_t first = 1 + random_below((uint32_t)sim.n / 2);
			feed_init(&f, NULL);
			f.unguarded = true;
			for (size_t i = first; i < sim.n; i++)
				feed_call(&f, sim.records[i].dir, sim.records[i].data, sim.records[i].len);
			feed_close(&f);
			check_all(&sim, &f);
			for (size_t i = 0; i < f.n; i++)
				n_read += f.messages[i]->end == HTTP_END_COMPLETE &&
					  (f.messages[i]->target || f.messages[i]->status);
			feed_done(&f);
		}
		sim_done(&sim);
	}
	assert_true(n_read > n_rounds * IDS_MAX / 2);
}

/* --- single facts ------------------------------------------------------------------------ */

#define END   HTTP2_END_STREAM
#define HEAD  HTTP2_END_HEADERS
#define AGENT "  host: [a.example]\n  user-agent: [test]\n"
#define ASKED                                                                                                \
	"1 request GET /a stream 1 unknown=0 complete missing=0 wire=29\n" AGENT "  body 0/0 [] hashed\n"
#define NOHASH "  body 0/0 [] no hash\n"

/* Plays all but `len` bytes at `at` of the record. */
static void play_without(struct wire *w, struct feed *f, size_t record, size_t at, size_t len)
{
	feed_init(f, NULL);
	for (size_t i = 0; i < w->n; i++) {
		if (i != record)
			feed_call(f, w->records[i].dir, w->records[i].data, w->records[i].len);
		else
			feed_without(f, &w->records[i], 0, at, len);
	}
	feed_gap(f, W);
	feed_gap(f, R);
	wire_done(w);
}

static void test_gap_in_data(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	wire_head(&w, R, HEAD, 1, ":status: 200\n");
	wire_data(&w, R, END, 1, "0123456789");
	play_without(&w, &f, 7, 11, 3);
	feed_expect(&f, ASKED "1 response 200 stream 1 unknown=0 complete missing=3 wire=29\n"
			      "  body 7/7 [0156789] no hash\nunreadable 0 0 missing 0 0\n");
	/* Where the padding begins is lost with its length: the rest of the frame may be either. */
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	wire_head(&w, R, HEAD, 1, ":status: 200\n");
	FRAME(&w, R, HTTP2_DATA, END | HTTP2_PADDED, 1, "\3abcde\0\0\0");
	play_without(&w, &f, 7, 9, 2);
	feed_expect(&f, ASKED
		    "1 response 200 stream 1 unknown=0 gap (bytes of the connection are missing that may "
		    "be part of the message) missing=2 wire=28\n  body 0/0 [] no hash\n"
		    "unreadable 0 0 missing 0 0\n");
	/* In the padding itself. */
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	wire_head(&w, R, HEAD, 1, ":status: 200\n");
	FRAME(&w, R, HTTP2_DATA, END | HTTP2_PADDED, 1, "\3abcde\0\0\0");
	play_without(&w, &f, 7, 16, 2);
	feed_expect(&f, ASKED "1 response 200 stream 1 unknown=0 complete missing=2 wire=28\n"
			      "  body 5/5 [abcde] no hash\nunreadable 0 0 missing 0 0\n");
}

/* The frame's length leads on; what was read before the gap counts; the table begins anew. */
static void test_gap_in_header_block(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, HEAD, 1, GET_A);
	wire_data(&w, W, END, 1, "body");
	wire_head(&w, W, BOTH_ENDS, 3, GET_A);
	/* Within the user-agent, the last field. */
	play_without(&w, &f, 5, 25, 2);
	feed_expect(&f,
		    "1 request GET /a stream 1 unknown=0 gap (bytes of the connection are missing that "
		    "may be part "
		    "of the message) missing=2 wire=42\n  host: [a.example]\n  body 4/4 [body] no hash\n"
		    "2 request GET /a stream 3 unknown=2 complete missing=0 wire=17\n  body 0/0 [] hashed\n"
		    "unreadable 0 0 missing 0 0\n");
}

static void test_gap_in_frame_header(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, HEAD, 1, GET_A);
	wire_data(&w, W, 0, 1, "lost frame");
	wire_data(&w, W, 0, 1, "not a start of frames");
	wire_data(&w, W, 0, 1, "read");
	wire_data(&w, W, END, 1, "on");
	/* One record in two calls: the second does not begin with a frame. */
	w.records[7].len -= 1;
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	free(feed_end(&f));
	w.records[7].len += 1;
	play_without(&w, &f, 6, 4, 3);
	feed_expect(&f, "1 request GET /a stream 1 unknown=0 gap (bytes of the connection are missing that "
			"may be part "
			"of the message) missing=0 wire=83\n" AGENT
			"  body 27/27 [not a start of framesreadon] no hash\n"
			"unreadable 16 0 missing 3 0\n");
}

/* What comes right after a loss is no frame: skipped up to a call that begins with one. */
static void test_resynchronisation(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, HEAD, 1, GET_A);
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	feed_lose(&f, W, 100);
	feed_text(&f, W, "{\"text\":\"the middle of a frame\"}");
	feed_call(&f, W, "\0\0\4\0\0\0\0\0\1body\0\0\4\0\1\0\0\0", 21);
	feed_call(&f, W, "\0\0\4\0\1\0\0\0\1tail", 13);
	/* A frame that is followed by what is none. */
	feed_lose(&f, W, 5);
	feed_call(&f, W, "\0\0\1\0\0\0\0\0\1xHTTP/1.1 ", 19);
	feed_expect(&f, "1 request GET /a stream 1 unknown=0 gap (bytes of the connection are missing that "
			"may be part "
			"of the message) missing=0 wire=42\n" AGENT "  body 4/4 [body] no hash\n"
			"unreadable 72 0 missing 105 0\n");
	wire_done(&w);
}

/* Requests whose answers may have been in the gap are told so, at the end. */
static void test_unseen(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	feed_lose(&f, R, 50);
	feed_gap(&f, R);
	size_t n = w.n;
	wire_head(&w, W, BOTH_ENDS, 3, GET_A);
	wire_play(&w, &f, n);
	feed_expect(&f, ASKED
		    "1 response 0 stream 1 unknown=0 unseen (the response's beginning was not captured) "
		    "missing=0 wire=0\n" NOHASH
		    "2 request GET /a stream 3 unknown=0 complete missing=0 wire=17\n" AGENT
		    "  body 0/0 [] hashed\nunreadable 0 0 missing 0 50\n");
	wire_done(&w);
}

/* Only the end of a response was captured. */
static void test_beginning_lost(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_open(&w);
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	wire_head(&w, W, BOTH_ENDS, 3, GET_A);
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	feed_lose(&f, R, 50);
	size_t n = w.n;
	wire_data(&w, R, END, 1, "end");
	wire_head(&w, R, BOTH_ENDS, 3, "x-sum: 1\n");
	wire_play(&w, &f, n);
	assert_int_equal(f.n, 4);
#define LOST_BEGINNING " gap (the response's beginning was not captured) missing=0 "
	feed_expect(&f, ASKED
		    "1 response 0 stream 1 unknown=0" LOST_BEGINNING "wire=12\n  body 3/3 [end] no hash\n"
		    "2 request GET /a stream 3 unknown=0 complete missing=0 wire=17\n" AGENT
		    "  body 0/0 [] hashed\n2 response 0 stream 3 unknown=0" LOST_BEGINNING "wire=17\n" NOHASH
		    "unreadable 0 0 missing 0 50\n");
	wire_done(&w);
}

/* A call of frames is what tells that it is HTTP/2; a message of HTTP/1 tells that it is not. */
static void test_picked_up(void **state)
{
	struct wire w;
	struct feed f;
	(void)state;
	wire_init(&w);
	wire_raw(&w, W, "{\"the middle\":1}", 16);
	FRAME(&w, W, HTTP2_WINDOW_UPDATE, 0, 0, "\0\0\1\0");
	wire_data(&w, R, END, 9, "of what was not seen");
	wire_head(&w, W, BOTH_ENDS, 11, GET_A);
	wire_head(&w, R, BOTH_ENDS, 11, ":status: 204\n");
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	feed_expect(&f,
		    "2 request GET /a stream 11 unknown=0 complete missing=0 wire=29\n" AGENT
		    "  body 0/0 [] hashed\n2 response 204 stream 11 unknown=0 complete missing=0 wire=10\n"
		    "  body 0/0 [] hashed\nunreadable 29 29 missing 0 0\n");
	wire_done(&w);
	wire_init(&w);
	feed_init(&f, NULL);
	feed_text(&f, W, "GET / HTTP/1.1\r\n\r\n");
	wire_head(&w, W, BOTH_ENDS, 11, GET_A);
	wire_play(&w, &f, 0);
	feed_expect(&f, "1 request GET / 1.1 complete missing=0 wire=18\n  body 0/0 [] hashed\n"
			"unreadable 29 0 missing 0 0\n");
	wire_done(&w);
	/* Nor may frames hide in the middle of a head. */
	wire_init(&w);
	feed_init(&f, NULL);
	feed_text(&f, W, "POST / HTTP/1.1\r\nContent-Length: 29\r\nx: ");
	wire_head(&w, W, BOTH_ENDS, 11, GET_A);
	wire_play(&w, &f, 0);
	feed_text(&f, W, "\r\n\r\n");
	char *text = feed_end(&f);
	assert_non_null(strstr(text, "1 request POST / 1.1"));
	free(text);
	wire_done(&w);
}

/* The server's SETTINGS are recorded before the client's preface. */
static void test_server_first(void **state)
{
	struct wire w;
	(void)state;
	wire_init(&w);
	FRAME(&w, R, HTTP2_SETTINGS, 0, 0, "\0\3\0\0\0\x64");
	wire_raw(&w, W, http2_preface, HTTP2_PREFACE_LEN);
	FRAME(&w, W, HTTP2_SETTINGS, 0, 0, "");
	wire_head(&w, W, BOTH_ENDS, 1, GET_A);
	wire_head(&w, R, BOTH_ENDS, 1, ":status: 204\n");
	struct feed f;
	feed_init(&f, NULL);
	wire_play(&w, &f, 0);
	feed_expect(&f, ASKED
		    "1 response 204 stream 1 unknown=0 complete missing=0 wire=10\n  body 0/0 [] hashed\n"
		    "unreadable 0 0 missing 0 0\n");
	wire_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_lost),
		cmocka_unit_test(test_every_run_of_bytes),
		cmocka_unit_test(test_random_losses),
		cmocka_unit_test(test_from_the_middle),
		cmocka_unit_test(test_gap_in_data),
		cmocka_unit_test(test_gap_in_header_block),
		cmocka_unit_test(test_gap_in_frame_header),
		cmocka_unit_test(test_resynchronisation),
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_beginning_lost),
		cmocka_unit_test(test_picked_up),
		cmocka_unit_test(test_server_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
