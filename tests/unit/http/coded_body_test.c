/* SPDX-License-Identifier: Apache-2.0 */
/* Coded and multipart bodies of messages: every conversation whole, byte by byte and at every split. */
#include "feed.h"
#include "compress.h"

#include "http/draft.h"

#define GET	 "GET /a HTTP/1.1\r\n\r\n"
#define GET_TEXT "1 request GET /a 1.1 complete missing=0 wire=19\n  body 0/0 [] hashed\n"
#define NOTHING	 "unreadable 0 0 missing 0 0\n"
#define STOPPED	 "decompression was stopped: "

static struct buf made(int format, const char *text)
{
	struct buf b;
	buf_init(&b, 64 << 20);
	compress_to(&b, format, text, strlen(text));
	return b;
}

/* A response with these header lines and that body, by length, in chunks of `chunk` bytes, or up to the end.
 */
enum framing { BY_LENGTH, BY_CLOSE, BY_CHUNKS };

static struct buf response(const char *fields, enum framing framing, const void *body, size_t len,
			   size_t chunk)
{
	struct buf b;
	buf_init(&b, 64 << 20);
	put(&b, "HTTP/1.1 200 OK\r\n%s", fields);
	if (framing == BY_LENGTH)
		put(&b, "Content-Length: %zu\r\n", len);
	put(&b, "\r\n");
	if (framing != BY_CHUNKS) {
		assert_int_equal(buf_append(&b, body, len), 0);
		return b;
	}
	for (size_t at = 0; at < len; at += chunk) {
		size_t n = len - at < chunk ? len - at : chunk;
		put(&b, "%zx\r\n", n);
		assert_int_equal(buf_append(&b, (const uint8_t *)body + at, n), 0);
		put(&b, "\r\n");
	}
	put(&b, "0\r\n\r\n");
	return b;
}

/* The response to GET ends so, and has that body; `coded` bytes were on the wire. */
static void check_response(const struct buf *wire, const char *end, const char *fields, const char *body,
			   bool hashed, bool decoded, size_t coded)
{
	struct record records[] = {{STREAM_WRITE, GET, sizeof(GET) - 1},
				   {STREAM_READ, (char *)wire->data, wire->len}};
	struct buf want;
	buf_init(&want, 1 << 20);
	put(&want, GET_TEXT "1 response 200 1.1 %s missing=0 wire=%zu\n%s  body %zu/%zu [%s] %s\n", end,
	    wire->len, fields, strlen(body), strlen(body), body, hashed ? "hashed" : "no hash");
	if (decoded || coded != strlen(body))
		put(&want, "  %s %zu\n", decoded ? "decoded" : "coded", coded);
	put(&want, NOTHING);
	char *text = buf_take_str(&want);
	check_talk(records, 2, text);
	free(text);
}

static const char text[] =
	"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0}]}";

static void test_formats(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++)
		for (enum framing framing = BY_LENGTH; framing <= BY_CHUNKS; framing++) {
			char fields[64], want[128];
			struct buf body = made(all_formats[i], text);
			const char *name = format_name(all_formats[i]);
			snprintf(fields, sizeof(fields), "Content-Encoding: %s\r\n%s", name,
				 framing == BY_CHUNKS ? "Transfer-Encoding: chunked\r\n" : "");
			struct buf wire = response(fields, framing, body.data, body.len, 11);
			snprintf(want, sizeof(want), "  content-encoding: [%s]\n", name);
			if (framing == BY_LENGTH)
				snprintf(want + strlen(want), 64, "  content-length: [%zu]\n", body.len);
			else if (framing == BY_CHUNKS)
				snprintf(want + strlen(want), 64, "  transfer-encoding: [chunked]\n");
			check_response(&wire, "complete", want, text, true, true, body.len);
			buf_done(&wire);
			buf_done(&body);
		}
}

/* Chunks, then transfer-codings, then content-codings, over several lines. */
static void test_order(void **state)
{
	(void)state;
	struct buf a = made(GZIP, text), b;
	buf_init(&b, 1 << 20);
	compress_to(&b, BR, a.data, a.len);
	buf_reset(&a);
	compress_to(&a, ZLIB, b.data, b.len);
	struct buf wire =
		response("Content-Encoding: x-gzip\r\nContent-Encoding:BR\r\nTransfer-Encoding: deflate\r\n"
			 "Transfer-Encoding: chunked\r\n",
			 BY_CHUNKS, a.data, a.len, 50);
	check_response(
		&wire, "complete",
		"  content-encoding: [x-gzip]\n  content-encoding: [BR]\n  transfer-encoding: [deflate]\n"
		"  transfer-encoding: [chunked]\n",
		text, true, true, a.len);
	buf_done(&wire);
	/* A transfer-coding alone is no content-coding; without chunks it lasts until the connection's end.
	 */
	buf_reset(&a);
	compress_to(&a, GZIP, text, strlen(text));
	wire = response("Transfer-Encoding: gzip\r\n", BY_CLOSE, a.data, a.len, 0);
	check_response(&wire, "complete", "  transfer-encoding: [gzip]\n", text, true, false, a.len);
	buf_done(&wire);
	wire = response("Transfer-Encoding: X-GZip, chunked\r\n", BY_CHUNKS, a.data, a.len, 1000);
	check_response(&wire, "complete", "  transfer-encoding: [X-GZip, chunked]\n", text, true, false,
		       a.len);
	buf_done(&wire);
	/* Under a content-coding that stays, the transfer-coding is removed all the same. */
	wire = response("Content-Encoding: aes128gcm\r\nTransfer-Encoding: gzip, chunked\r\n", BY_CHUNKS,
			a.data, a.len, 1000);
	check_response(&wire,
		       "complete (the body has a content-encoding that cannot be removed, and is kept as it "
		       "was sent)",
		       "  content-encoding: [aes128gcm]\n  transfer-encoding: [gzip, chunked]\n", text, true,
		       false, a.len);
	buf_done(&wire);
	buf_done(&a);
	buf_done(&b);
}

static void test_kept_as_sent(void **state)
{
	static const struct {
		const char *fields, *want, *end;
		bool hashed;
	} cases[] = {
		{"Content-Encoding: compress\r\n", "  content-encoding: [compress]\n",
		 "complete (the body has a content-encoding that cannot be removed, and is kept as it was "
		 "sent)",
		 true},
		{"Content-Encoding: gzip, exi\r\n", "  content-encoding: [gzip, exi]\n",
		 "complete (the body has a content-encoding that cannot be removed, and is kept as it was "
		 "sent)",
		 true},
		{"Content-Encoding: br, br, br\r\nContent-Encoding: br, br\r\n",
		 "  content-encoding: [br, br, br]\n  content-encoding: [br, br]\n",
		 "limit (the body has more codings than the limit, and is kept as it was sent)", false},
		{"Content-Encoding: gzip\r\nTransfer-Encoding: br\r\n",
		 "  content-encoding: [gzip]\n  transfer-encoding: [br]\n",
		 "complete (the body has a transfer-encoding other than chunked, which is kept)", true},
		{"Transfer-Encoding: chunked, gzip\r\n", "  transfer-encoding: [chunked, gzip]\n",
		 "complete (the body has a transfer-encoding other than chunked, which is kept)", true},
		{"Content-Encoding: identity\r\n", "  content-encoding: [identity]\n", "complete", true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf wire = response(cases[i].fields, BY_CLOSE, "\x1f\x8b!", 3, 0);
		check_response(&wire, cases[i].end, cases[i].want, "\x1f\x8b!", cases[i].hashed, false, 3);
		buf_done(&wire);
	}
	/* With the chunks taken off, what is under them is not touched. */
	struct buf wire = response("Transfer-Encoding: gzip, chunked, chunked\r\n", BY_CHUNKS, "abc", 3, 3);
	check_response(&wire,
		       "complete (the body is chunked more than once; only the outer coding is removed)",
		       "  transfer-encoding: [gzip, chunked, chunked]\n", "abc", true, false, 3);
	buf_done(&wire);
}

/* Text under the name of a coding: what a server reads that does not look at the header must not vanish. */
static void test_text_as_sent(void **state)
{
	static const char *const names[] = {"gzip", "deflate", "br", "zstd"};
	static const char end[] = "malformed (the body does not have the coding that its header names, and "
				  "is kept as it was sent)";
	char want[100], fields[100];
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(fields, sizeof(fields), "Content-Encoding: %s\r\n", names[i]);
		struct buf wire = response(fields, BY_LENGTH, text, strlen(text), 0);
		snprintf(want, sizeof(want), "  content-encoding: [%s]\n  content-length: [%zu]\n", names[i],
			 strlen(text));
		check_response(&wire, end, want, text, true, true, strlen(text));
		buf_done(&wire);
	}
	/* Too short for the decoder to notice. */
	struct buf wire = response("Content-Encoding: deflate\r\n", BY_LENGTH, "1", 1, 0);
	check_response(&wire, end, "  content-encoding: [deflate]\n  content-length: [1]\n", "1", true, true,
		       1);
	buf_done(&wire);
}

static void test_flaws(void **state)
{
	(void)state;
	struct buf body = made(GZIP, text), wire;
	char want[100];

	snprintf(want, sizeof(want), "  content-encoding: [gzip]\n  content-length: [%zu]\n", body.len + 4);
	assert_int_equal(buf_append_str(&body, "more"), 0);
	wire = response("Content-Encoding: gzip\r\n", BY_LENGTH, body.data, body.len, 0);
	check_response(&wire, "malformed (" STOPPED "something else follows the compressed data)", want, text,
		       false, true, body.len);
	buf_done(&wire);

	body.len -= 4;
	body.data[body.len - 7] ^= 1; /* the checksum */
	wire = response("Content-Encoding: gzip\r\n", BY_CLOSE, body.data, body.len, 0);
	check_response(&wire, "malformed (" STOPPED "the compressed data is corrupt)",
		       "  content-encoding: [gzip]\n", text, false, true, body.len);
	buf_done(&wire);
	body.data[body.len - 7] ^= 1;

	/* Ends inside: by its framing, by the connection's end before its framing's, by that as its framing.
	 */
	snprintf(want, sizeof(want), "  content-encoding: [gzip]\n  content-length: [%zu]\n", body.len - 1);
	wire = response("Content-Encoding: gzip\r\n", BY_LENGTH, body.data, body.len - 1, 0);
	check_response(&wire, "malformed (the body ends inside its compressed data)", want, text, false, true,
		       body.len - 1);
	buf_done(&wire);
	snprintf(want, sizeof(want), "  content-encoding: [gzip]\n  content-length: [%zu]\n", body.len);
	wire = response("Content-Encoding: gzip\r\n", BY_LENGTH, body.data, body.len, 0);
	wire.len--;
	check_response(&wire, "closed", want, text, false, true, body.len - 1);
	buf_done(&wire);
	wire = response("Content-Encoding: gzip\r\n", BY_CLOSE, body.data, body.len - 1, 0);
	check_response(&wire, "closed", "  content-encoding: [gzip]\n", text, false, true, body.len - 1);
	buf_done(&wire);
	/* What follows on the connection is read on. */
	wire = response("Content-Encoding: gzip\r\n", BY_LENGTH, "\x1f\x8b\x08\xe0zz", 6, 0);
	struct record records[] = {{STREAM_WRITE, GET, sizeof(GET) - 1},
				   {STREAM_READ, (char *)wire.data, wire.len},
				   {STREAM_WRITE, GET, sizeof(GET) - 1},
				   {STREAM_READ, "HTTP/1.1 204 \r\n\r\n", 17}};
	check_talk(records, 4,
		   GET_TEXT
		   "1 response 200 1.1 malformed (" STOPPED
		   "the compressed data is corrupt) missing=0 wire=68\n"
		   "  content-encoding: [gzip]\n  content-length: [6]\n  body 0/0 [] no hash\n  coded 6\n2"
		   " request GET /a 1.1 complete missing=0 wire=19\n  body 0/0 [] hashed\n"
		   "2 response 204 1.1 complete missing=0 wire=17\n  body 0/0 [] hashed\n" NOTHING);
	buf_done(&wire);
	buf_done(&body);
}

/* No body, whatever the header says. */
static void test_no_body(void **state)
{
	static const char *const responses[] = {
		"HTTP/1.1 304 A\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n",
		"HTTP/1.1 204 A\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n",
		"HTTP/1.1 200 A\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 205 A\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		struct feed f;
		feed_init(&f, NULL);
		feed_text(&f, STREAM_WRITE, GET);
		feed_text(&f, STREAM_READ, responses[i]);
		assert_int_equal(f.n, 2);
		assert_int_equal(f.messages[1]->end, HTTP_END_COMPLETE);
		assert_true(f.messages[1]->body_sha256_valid);
		assert_null(f.messages[1]->problem);
		feed_done(&f);
	}
	/* RFC 9112 section 6.3 does not list 205: its framing holds. */
	struct feed f;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, "HTTP/1.1 205 A\r\n\r\nno");
	assert_int_equal(f.n, 1);
	feed_close(&f);
	assert_int_equal(f.messages[1]->body_total, 2);
	feed_done(&f);
}

/* A compressed stream comes out event by event, each with its time, and [DONE] ends it. */
static void test_events(void **state)
{
	static const char *const events[] = {"data: {\"a\":1}\n\n", "data: {\"b\":2}\n\n",
					     "data: [DONE]\n\n"};
	(void)state;
	for (size_t i = 0; i < N_FORMATS; i++) {
		struct feed f;
		struct press press;
		struct buf head;
		char chunk[32];
		feed_init(&f, NULL);
		press_init(&press, all_formats[i]);
		buf_init(&head, 1000);
		put(&head,
		    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: %s\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n",
		    format_name(all_formats[i]));
		feed_text(&f, STREAM_WRITE, GET);
		feed_call(&f, STREAM_READ, (char *)head.data, head.len);
		buf_done(&head);
		uint64_t times[3];
		for (size_t e = 0; e < 3; e++) {
			press_add(&press, events[e], strlen(events[e]), false);
			snprintf(chunk, sizeof(chunk), "%zx\r\n", press.out.len);
			feed_text(&f, STREAM_READ, chunk);
			times[e] = f.ts_ns;
			feed_call(&f, STREAM_READ, (char *)press.out.data, press.out.len);
			feed_text(&f, STREAM_READ, "\r\n");
			buf_reset(&press.out);
		}
		assert_int_equal(f.n, 1);
		/* The data's own end never comes. */
		assert_int_equal(http_conn_idle(f.conn, f.ts_ns + http_limits_default.done_idle_ns),
				 UINT64_MAX);
		assert_int_equal(f.n, 2);
		const struct http_message *m = f.messages[1];
		assert_int_equal(m->end, HTTP_END_COMPLETE);
		assert_null(m->problem);
		assert_true(m->decoded && m->body_sha256_valid);
		assert_int_equal(m->body_total, 44);
		assert_int_equal(m->n_marks, 3);
		for (size_t e = 0; e < 3; e++) {
			assert_int_equal(m->marks[e].body_offset, e * 15);
			assert_int_equal(m->marks[e].ts_ns, times[e]);
		}
		feed_done(&f);
		press_done(&press);
	}
}

static void test_bomb(void **state)
{
	(void)state;
	struct feed f;
	struct http_budget budget = {.max = 1 << 20}, decoders = {.max = 64 << 20};
	struct http_limits limits = http_limits_default;
	struct buf body;
	limits.budget = &budget;
	limits.decoders = &decoders;
	buf_init(&body, 64 << 20);
	compress_zeros(&body, GZIP, 256 << 20);
	struct buf wire = response("Content-Encoding: gzip\r\n", BY_LENGTH, body.data, body.len, 0);
	feed_init(&f, &limits);
	f.unguarded = true;
	feed_text(&f, STREAM_WRITE, GET);
	for (size_t at = 0; at < wire.len; at += 16384)
		feed_call(&f, STREAM_READ, (char *)wire.data + at,
			  wire.len - at < 16384 ? wire.len - at : 16384);
	assert_int_equal(f.n, 2);
	const struct http_message *m = f.messages[1];
	assert_int_equal(m->end, HTTP_END_LIMIT);
	assert_string_equal(m->problem, STOPPED "the body grows by more than the limit");
	assert_int_equal(m->body_total, limits.ratio_from);
	assert_int_equal(m->coded_total, body.len);
	assert_false(m->body_sha256_valid);
	assert_int_equal(budget.used, 0);
	assert_int_equal(decoders.used, 0);
	feed_check_sums(&f);
	feed_done(&f);
	/* Dropped in the middle, nothing is left either. */
	feed_init(&f, &limits);
	feed_text(&f, STREAM_WRITE, GET);
	feed_call(&f, STREAM_READ, (char *)wire.data, 200);
	assert_true(decoders.used > 0);
	feed_done(&f);
	assert_int_equal(decoders.used, 0);
	/* No memory for the decoders of all connections: the body is counted. */
	decoders.max = 10;
	feed_init(&f, &limits);
	feed_text(&f, STREAM_WRITE, GET);
	feed_call(&f, STREAM_READ, (char *)wire.data, 200);
	feed_close(&f);
	assert_int_equal(f.messages[1]->end, HTTP_END_CLOSED);
	assert_string_equal(f.messages[1]->problem, STOPPED "it needs more memory than the limit");
	assert_int_equal(f.messages[1]->body_total, 0);
	assert_true(f.messages[1]->coded_total > 100);
	feed_done(&f);
	buf_done(&wire);
	buf_done(&body);
}

/* A gap at any place of a coded body: what came before stays, the rest is counted, and the framing goes on.
 */
static void test_gap(void **state)
{
	(void)state;
	struct buf body = made(GZIP, text);
	struct buf wire = response("Content-Encoding: gzip\r\n", BY_LENGTH, body.data, body.len, 0);
	size_t head = wire.len - body.len;
	for (size_t from = head; from < wire.len; from++) {
		struct feed f;
		feed_init(&f, NULL);
		feed_text(&f, STREAM_WRITE, GET);
		feed_call(&f, STREAM_READ, (char *)wire.data, from);
		feed_lose(&f, STREAM_READ, 1);
		if (from + 1 == wire.len)
			feed_gap(&f, STREAM_READ);
		feed_raw(&f, STREAM_READ, (char *)wire.data + from + 1, wire.len - from - 1, false);
		assert_int_equal(f.n, 2);
		const struct http_message *m = f.messages[1];
		assert_int_equal(m->end, HTTP_END_GAP);
		assert_string_equal(m->problem, STOPPED "bytes of the body are missing");
		assert_int_equal(m->missing_bytes, 1);
		assert_int_equal(m->coded_total, body.len - 1);
		assert_false(m->body_sha256_valid);
		assert_true(m->body_total <= strlen(text));
		if (m->body_total)
			assert_memory_equal(m->body, text, m->body_total);
		assert_int_equal(m->decoded, m->body_total > 0);
		feed_check_sums(&f);
		feed_check_order(&f);
		feed_done(&f);
	}
	buf_done(&wire);
	buf_done(&body);
}

/* --- multipart --------------------------------------------------------------------------- */

#define FORM                                                                                                 \
	"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"                         \
	"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: "         \
	"audio/wav\r\n\r\n"                                                                                  \
	"RIFF\r\n--b--\r\n"
#define FORM_PARTS "  part model - - 9 [whisper-1]\n  part file a.wav audio/wav 4 []\n"

static void test_parts(void **state)
{
	(void)state;
	check_talk(TALK(REQ("POST /a HTTP/1.1\r\nContent-Type: multipart/form-data; "
			    "boundary=b\r\nContent-Length: 172\r\n\r\n" FORM)),
		   "1 request POST /a 1.1 complete missing=0 wire=260\n  content-type: [multipart/form-data; "
		   "boundary=b]\n"
		   "  content-length: [172]\n  body 172/172 [" FORM "] hashed\n" FORM_PARTS NOTHING);
	check_talk(
		TALK(REQ("POST /a HTTP/1.1\r\nContent-Type: multipart/mixed\r\nContent-Length: 1\r\n\r\nx")),
		"1 request POST /a 1.1 complete (the multipart body has no usable boundary) missing=0 "
		"wire=71\n"
		"  content-type: [multipart/mixed]\n  content-length: [1]\n  body 1/1 [x] hashed\n" NOTHING);
	/* Compressed, under a limit for the body that the parts do not share. */
	struct http_limits limits = http_limits_default;
	struct http_budget budget = {.max = 1000};
	struct buf body = made(GZIP, FORM), wire, want;
	limits.max_body = 3;
	limits.budget = &budget;
	buf_init(&wire, 1 << 20);
	buf_init(&want, 1 << 20);
	put(&wire,
	    "POST /a HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Encoding: gzip\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    body.len);
	assert_int_equal(buf_append(&wire, body.data, body.len), 0);
	put(&want,
	    "1 request POST /a 1.1 complete missing=0 wire=%zu\n  content-type: [multipart/form-data; "
	    "boundary=b]\n"
	    "  content-encoding: [gzip]\n  content-length: [%zu]\n  body 172/3 [--b] hashed\n  decoded "
	    "%zu\n" FORM_PARTS NOTHING,
	    wire.len, body.len, body.len);
	struct record record = {STREAM_WRITE, (char *)wire.data, wire.len};
	check_talk_limits(&record, 1, &limits, (char *)want.data);
	assert_int_equal(budget.used, 0);
	/* Text under a coding's name: the parts begin anew as well. */
	buf_reset(&want);
	put(&want,
	    "1 request POST /a 1.1 malformed (the body does not have the coding that its header names, and "
	    "is kept as it "
	    "was sent) missing=0 wire=282\n  content-type: [multipart/form-data; boundary=b]\n  "
	    "content-encoding: [br]\n"
	    "  content-length: [172]\n  body 172/172 [" FORM "] hashed\n  decoded 172\n" FORM_PARTS NOTHING);
	check_talk(TALK(REQ("POST /a HTTP/1.1\r\nContent-Type: multipart/form-data; "
			    "boundary=b\r\nContent-Encoding: br\r\n"
			    "Content-Length: 172\r\n\r\n" FORM)),
		   (char *)want.data);
	buf_done(&body);
	buf_done(&wire);
	buf_done(&want);
}

static void test_parts_with_a_gap(void **state)
{
	static const char head[] = "POST /a HTTP/1.1\r\nContent-Type: multipart/form-data; "
				   "boundary=b\r\nContent-Length: 172\r\n\r\n";
	(void)state;
	struct feed f;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, head);
	feed_call(&f, STREAM_WRITE, FORM, 60);
	feed_lose(&f, STREAM_WRITE, 2);
	feed_raw(&f, STREAM_WRITE, FORM + 62, sizeof(FORM) - 1 - 62, false);
	assert_int_equal(f.n, 1);
	const struct http_message *m = f.messages[0];
	assert_int_equal(m->end, HTTP_END_COMPLETE);
	assert_int_equal(m->n_parts, 2);
	assert_false(m->parts[0].whole);
	assert_int_equal(m->parts[0].bytes, 7);
	assert_true(m->parts[1].whole);
	assert_int_equal(m->parts[1].bytes, 4);
	feed_done(&f);
}

/* --- Expect: 100-continue ---------------------------------------------------------------- */

#define EXPECT	"POST /a HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n"
#define REFUSED "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"
#define REFUSED_TEXT                                                                                         \
	"1 response 417 1.1 complete missing=0 wire=38\n  content-length: [0]\n  body 0/0 [] hashed\n"
#define UNSENT                                                                                               \
	"1 request POST /a 1.1 complete (the body was not sent: the answer came without asking for it) "     \
	"missing=0 "                                                                                         \
	"wire=61\n  expect: [100-Continue]\n  content-length: [5]\n  body 0/0 [] hashed\n"

/* The calls are whole here: what begins a call like a request is one. */
static void check_calls(const struct record *records, size_t n, const char *want)
{
	char *got = play_cut(records, n, NULL, 0, false, NULL);
	expect_same(got, want, NULL, 0);
	free(got);
}

static void test_expect(void **state)
{
	(void)state;
	check_calls(TALK(REQ(EXPECT), RESP(REFUSED), REQ("GET /b HTTP/1.1\r\n\r\n"),
			 RESP("HTTP/1.1 204 \r\n\r\n")),
		    UNSENT REFUSED_TEXT
		    "2 request GET /b 1.1 complete missing=0 wire=19\n  body 0/0 [] hashed\n"
		    "2 response 204 1.1 complete missing=0 wire=17\n  body 0/0 [] hashed\n" NOTHING);
	check_calls(TALK(REQ(EXPECT), RESP(REFUSED)), UNSENT REFUSED_TEXT NOTHING);
	/* It is sent all the same, as after a 100; and a body that looks like a request, but for its line's
	 * end. */
	check_talk(TALK(REQ(EXPECT), RESP(REFUSED), REQ("{..}x" GET)),
		   "1 request POST /a 1.1 complete missing=0 wire=66\n  expect: [100-Continue]\n  "
		   "content-length: [5]\n"
		   "  body 5/5 [{..}x] hashed\n" REFUSED_TEXT
		   "2 request GET /a 1.1 complete missing=0 wire=19\n  body 0/0 [] hashed\n" NOTHING);
	check_calls(TALK(REQ(EXPECT), RESP("HTTP/1.1 100 Continue\r\n\r\n"), REQ("GET /"), RESP(REFUSED)),
		    "1 request POST /a 1.1 complete missing=0 wire=66\n  expect: [100-Continue]\n  "
		    "content-length: [5]\n"
		    "  body 5/5 [GET /] hashed\n"
		    "1 response 417 1.1 complete missing=0 wire=63\n  content-length: [0]\n  body 0/0 [] "
		    "hashed\n" NOTHING);
	/* Without the header, the length holds. */
	check_calls(TALK(REQ("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), RESP(REFUSED),
			 REQ("GET / HTTP/1.1\r\n\r\n")),
		    "1 request POST /a 1.1 complete missing=0 wire=44\n  content-length: [5]\n  body 5/5 "
		    "[GET /] hashed\n" REFUSED_TEXT "unreadable 13 0 missing 0 0\n");
}

static void test_old_version_with_chunks(void **state)
{
	(void)state;
	check_talk(TALK(REQ("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: "
			    "1\r\n\r\n1\r\na\r\n0\r\n\r\n")),
		   "1 request POST /a 1.0 complete (there is a transfer-encoding in an HTTP/1.0 message) "
		   "missing=0 wire=78\n"
		   "  transfer-encoding: [chunked]\n  content-length: [1]\n  body 1/1 [a] hashed\n" NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_kept_as_sent),
		cmocka_unit_test(test_text_as_sent),
		cmocka_unit_test(test_flaws),
		cmocka_unit_test(test_no_body),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_parts_with_a_gap),
		cmocka_unit_test(test_expect),
		cmocka_unit_test(test_old_version_with_chunks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
