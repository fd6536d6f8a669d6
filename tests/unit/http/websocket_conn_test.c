/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: from the handshake to WebSocket, or not; what the client sends before the answer; losses
 * around the handshake. */
#include "feed.h"

#define ASK_HEAD                                                                                             \
	"GET /v1/realtime?model=m HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
#define ASK	   ASK_HEAD "\r\n"
#define GRANT_HEAD "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
#define GRANT	   GRANT_HEAD "\r\n"
#define DEFLATE	   "Sec-WebSocket-Extensions: permessage-deflate"
#define GET	   "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK	   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* Frames: of the client, masked with zeros, and of the server. */
#define HI	"\x81\x82\0\0\0\0hi"
#define YO	"\x82\x82\0\0\0\0yo"
#define PING_UP "\x89\x80\0\0\0\0"
#define HELLO	"\x81\x05hello"
#define PONG	"\x8a\x00"
#define BYE	"\x88\x02\x03\xe8"
/* "Hello", compressed, twice: the second time with the context of the first. */
#define HELLO_1 "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
#define HELLO_2 "\xc1\x05\xf2\x00\x11\x00\x00"

#define ASKED                                                                                                \
	"1 request GET /v1/realtime?model=m 1.1 complete missing=0 wire=87\n  host: [h]\n"                   \
	"  connection: [Upgrade]\n  upgrade: [websocket]\n  body 0/0 [] hashed\n"
#define GRANTED                                                                                              \
	"1 response 101 1.1 complete missing=0 wire=77\n  upgrade: [WebSocket]\n"                            \
	"  connection: [Upgrade]\n  body 0/0 [] hashed\n"
#define NOTHING_ELSE "unreadable 0 0 missing 0 0\n"

static void test_handshake(void **state)
{
	(void)state;
	check_talk(TALK(REQ(ASK), RESP(GRANT HELLO PONG), REQ(PING_UP HI YO), RESP(HELLO BYE)),
		   ASKED "1 client 1 complete missing=0 wire=8\n  body 2/2 [hi] hashed\n"
			 "1 client 2 complete missing=0 wire=8\n  body 2/2 [yo] hashed\n" GRANTED
			 "1 server 1 complete missing=0 wire=7\n  body 5/5 [hello] hashed\n"
			 "1 server 1 complete missing=0 wire=7\n  body 5/5 [hello] hashed\n"
			 "1 server 8 complete missing=0 wire=4\n  body 2/2 [\x03\xe8] hashed\n" NOTHING_ELSE);
}

/* Client frames in the same call as the request, or before the 101 was read. */
static void test_client_is_early(void **state)
{
	static const char want[] =
		ASKED "1 client 1 complete missing=0 wire=8\n  body 2/2 [hi] hashed\n"
		      "1 client 2 complete missing=0 wire=8\n  body 2/2 [yo] hashed\n" GRANTED
		      "1 server 1 complete missing=0 wire=7\n  body 5/5 [hello] hashed\n" NOTHING_ELSE;
	(void)state;
	check_talk(TALK(REQ(ASK HI YO), RESP(GRANT HELLO)), want);
	check_talk(TALK(REQ(ASK HI), REQ(YO), RESP(GRANT), RESP(HELLO)), want);
	check_talk(TALK(REQ(ASK), REQ(HI), RESP(GRANT HELLO), REQ(YO)), want);
}

/* HTTP before the handshake, an interim response, other tokens, several lines. */
static void test_after_http(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, GET);
	feed_text(&f, STREAM_READ, OK);
	feed_text(&f, STREAM_WRITE,
		  "GET /b HTTP/1.1\r\nUpgrade: h2c , other\r\nUPGRADE: foo,\tWebSocket \r\n\r\n");
	feed_text(&f, STREAM_READ,
		  "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n" HELLO);
	feed_call(&f, STREAM_WRITE, HI, sizeof(HI) - 1);
	feed_close(&f);
	feed_check_sums(&f);
	feed_check_order(&f);
	assert_int_equal(f.n, 6);
	for (int i = 4; i < 6; i++) {
		assert_int_equal(f.messages[i]->protocol, HTTP_WEBSOCKET);
		assert_int_equal(f.messages[i]->exchange, 2);
		assert_int_equal(f.messages[i]->opcode, 1);
	}
	assert_int_equal(f.messages[4]->role, HTTP_RESPONSE);
	assert_int_equal(f.messages[5]->role, HTTP_REQUEST);
	feed_done(&f);
}

static void test_server_side(void **state)
{
	struct feed f = {.ts_ns = 1000, .swap = 1};
	(void)state;
	assert_int_equal(http_conn_new(&f.conn, 7, STREAM_READ, NULL, &feed_ops, &f), 0);
	feed_text(&f, STREAM_WRITE, ASK);
	feed_text(&f, STREAM_READ, GRANT);
	feed_call(&f, STREAM_WRITE, HI PING_UP, sizeof(HI PING_UP) - 1);
	feed_text(&f, STREAM_READ, HELLO);
	feed_close(&f);
	feed_check_sums(&f);
	assert_int_equal(f.n, 4);
	assert_int_equal(f.messages[2]->role, HTTP_REQUEST);
	assert_int_equal(f.messages[3]->role, HTTP_RESPONSE);
	assert_int_equal(http_conn_framing(f.conn, STREAM_READ), 6);
	assert_int_equal(http_conn_framing(f.conn, STREAM_WRITE), 0);
	feed_done(&f);
}

static void test_compression(void **state)
{
	(void)state;
	check_talk(TALK(REQ(ASK), RESP(GRANT_HEAD DEFLATE "\r\n\r\n" HELLO_1 HELLO_2)),
		   ASKED "1 response 101 1.1 complete missing=0 wire=123\n  upgrade: [WebSocket]\n"
			 "  connection: [Upgrade]\n  sec-websocket-extensions: [permessage-deflate]\n"
			 "  body 0/0 [] hashed\n"
			 "1 server 1 complete missing=0 wire=9\n  body 5/5 [Hello] hashed\n  decoded 7\n"
			 "1 server 1 complete missing=0 wire=7\n  body 5/5 [Hello] hashed\n  decoded "
			 "5\n" NOTHING_ELSE);
}

/* Whether the second message, which needs context, can be read in either direction. */
static void check_extensions(const char *line, bool compressed, bool client_context, bool server_context)
{
	static const char up[] =
		"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00";
	struct feed f;
	char grant[512];
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, ASK);
	snprintf(grant, sizeof(grant), GRANT_HEAD "%s\r\n\r\n", line);
	feed_text(&f, STREAM_READ, grant);
	feed_call(&f, STREAM_WRITE, up, sizeof(up) - 1);
	feed_call(&f, STREAM_READ, HELLO_1 HELLO_2, sizeof(HELLO_1 HELLO_2) - 1);
	feed_close(&f);
	feed_check_sums(&f);
	assert_int_equal(f.n, compressed ? 6 : 2);
	for (size_t i = 2; i < f.n; i++) {
		bool readable = i % 2 == 0 || (i == 3 ? client_context : server_context);
		assert_int_equal(f.messages[i]->end, readable ? HTTP_END_COMPLETE : HTTP_END_MALFORMED);
	}
	feed_done(&f);
}

static void test_extensions(void **state)
{
	(void)state;
	check_extensions("X: y", false, false, false);
	check_extensions("Sec-WebSocket-Extensions:", false, false, false);
	check_extensions("Sec-WebSocket-Extensions: x-webkit-deflate-frame", false, false, false);
	check_extensions("Sec-WebSocket-Extensions: permessage-deflate-2", false, false, false);
	check_extensions(DEFLATE, true, true, true);
	check_extensions("SEC-WEBSOCKET-EXTENSIONS: other; a=b, Permessage-Deflate", true, true, true);
	check_extensions("Sec-WebSocket-Extensions: other\r\n" DEFLATE, true, true, true);
	check_extensions(DEFLATE ";client_no_context_takeover", true, false, true);
	check_extensions(DEFLATE "; Server_No_Context_Takeover", true, true, false);
	check_extensions(DEFLATE "; server_no_context_takeover ;\tclient_no_context_takeover", true, false,
			 false);
	check_extensions(DEFLATE "; server_max_window_bits=10; client_max_window_bits=\"9\"", true, true,
			 true);
	check_extensions(DEFLATE "; server_max_window_bits=99; client_max_window_bits", true, true, true);
	check_extensions(DEFLATE "; server_max_window_bits=; ;;=; client_max_window_bits=x", true, true,
			 true);
	/* The first one counts. */
	check_extensions(DEFLATE ", permessage-deflate; server_no_context_takeover", true, true, true);
}

/* --- not WebSocket ----------------------------------------------------------------------- */

/* early: the client does not wait for the answer. */
static void check_not_websocket(const char *request, const char *response, bool early)
{
	struct feed f;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, request);
	if (early)
		feed_call(&f, STREAM_WRITE, HI, sizeof(HI) - 1);
	feed_text(&f, STREAM_READ, response);
	feed_call(&f, STREAM_WRITE, HI, sizeof(HI) - 1);
	feed_text(&f, STREAM_READ, HELLO);
	feed_close(&f);
	feed_check_sums(&f);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.messages[1]->exchange, f.messages[0]->exchange);
	assert_int_equal(f.unreadable[STREAM_WRITE], early ? 16 : 8);
	assert_int_equal(f.unreadable[STREAM_READ], 7);
	feed_done(&f);
}

static void test_other_tunnels(void **state)
{
	(void)state;
	check_not_websocket("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
			    "HTTP/1.1 101 X\r\nUpgrade: h2c\r\n\r\n", false);
	/* Nobody asked. */
	check_not_websocket("GET / HTTP/1.1\r\n\r\n", GRANT, false);
	check_not_websocket("GET / HTTP/1.1\r\nUpgrade: websockets\r\n\r\n", GRANT, false);
	check_not_websocket("CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", false);
	for (int early = 0; early < 2; early++) {
		/* Offered both, the server took the other one, or none. */
		check_not_websocket("GET / HTTP/1.1\r\nUpgrade: websocket, h2c\r\n\r\n",
				    "HTTP/1.1 101 X\r\nUpgrade: h2c\r\n\r\n", early);
		check_not_websocket("CONNECT / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
				    "HTTP/1.1 200 OK\r\n\r\n", early);
		check_not_websocket(ASK, OK, early);
	}
}

/* Refused: HTTP goes on, also with what was sent before the answer. */
static void test_refused(void **state)
{
	static const char want[] =
		"%s"
		"1 response 200 1.1 complete missing=0 wire=40\n  content-length: [2]\n"
		"  body 2/2 [ok] hashed\n"
		"2 request GET /a 1.1 complete missing=0 wire=28\n  host: [h]\n  body 0/0 [] hashed\n"
		"2 response 200 1.1 complete missing=0 wire=40\n  content-length: [2]\n"
		"  body 2/2 [ok] hashed\n" NOTHING_ELSE;
	char text[1024];
	(void)state;
	snprintf(text, sizeof(text), want, ASKED);
	check_talk(TALK(REQ(ASK), RESP(OK), REQ(GET), RESP(OK)), text);
	check_talk(TALK(REQ(ASK GET), RESP(OK), RESP(OK)), text);
	check_talk(TALK(REQ(ASK GET), RESP(OK OK)), text);
	check_talk(TALK(REQ(ASK), REQ(GET), RESP(OK OK)), text);
}

/* Asked again and again, in one go; the last one is granted. */
static void test_refused_many_times(void **state)
{
	struct feed f;
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 20);
	feed_init(&f, NULL);
	f.unguarded = true;
	for (int i = 0; i < 500; i++)
		assert_int_equal(buf_append_str(&b, ASK), 0);
	assert_int_equal(buf_append(&b, HI, sizeof(HI) - 1), 0);
	for (size_t at = 0; at < b.len; at += 1000)
		feed_call(&f, STREAM_WRITE, (char *)b.data + at, b.len - at < 1000 ? b.len - at : 1000);
	assert_int_equal(f.n, 1);
	b.len = 0;
	for (int i = 0; i < 499; i++)
		assert_int_equal(buf_append_str(&b, OK), 0);
	assert_int_equal(buf_append_str(&b, GRANT HELLO), 0);
	feed_call(&f, STREAM_READ, (char *)b.data, b.len);
	feed_close(&f);
	feed_check_sums(&f);
	feed_check_order(&f);
	assert_int_equal(f.n, 1002);
	assert_int_equal(f.unreadable[0] + f.unreadable[1], 0);
	for (size_t i = 1000; i < 1002; i++)
		assert_int_equal(f.messages[i]->exchange, 500);
	feed_done(&f);
	buf_done(&b);
}

static void test_never_answered(void **state)
{
	(void)state;
	check_talk(TALK(REQ(ASK HI)), ASKED "unreadable 8 0 missing 0 0\n");
	check_talk(TALK(REQ(ASK GET)), ASKED "2 request GET /a 1.1 complete missing=0 wire=28\n  host: [h]\n "
					     " body 0/0 [] hashed\n" NOTHING_ELSE);
	check_talk(TALK(REQ(ASK ASK)), ASKED
		   "2 request GET /v1/realtime?model=m 1.1 complete missing=0 wire=87\n  host: [h]\n"
		   "  connection: [Upgrade]\n  upgrade: [websocket]\n  body 0/0 [] hashed\n" NOTHING_ELSE);
}

/* What cannot be held is reported, and what follows the answer is found again. */
static void test_too_much_to_hold(void **state)
{
	static char frame[8 + 60000] = "\x82\xfe\xea\x60\0\0\0\0";
	struct feed f;
	(void)state;
	for (int granted = 0; granted < 2; granted++) {
		feed_init(&f, NULL);
		feed_text(&f, STREAM_WRITE, ASK);
		for (int i = 0; i < 4; i++)
			feed_call(&f, STREAM_WRITE, frame, sizeof(frame));
		assert_int_equal(f.unreadable[STREAM_WRITE], 0);
		feed_call(&f, STREAM_WRITE, frame, sizeof(frame));
		assert_int_equal(f.unreadable[STREAM_WRITE], 5 * sizeof(frame));
		feed_call(&f, STREAM_WRITE, frame, sizeof(frame));
		assert_int_equal(f.unreadable[STREAM_WRITE], 6 * sizeof(frame));
		feed_text(&f, STREAM_READ, granted ? GRANT : OK);
		if (granted)
			feed_call(&f, STREAM_WRITE, HI, sizeof(HI) - 1);
		else
			feed_text(&f, STREAM_WRITE, GET);
		assert_int_equal(f.n, 3);
		assert_int_equal(f.messages[2]->end, HTTP_END_COMPLETE);
		assert_int_equal(f.unreadable[STREAM_WRITE], 6 * sizeof(frame));
		feed_close(&f);
		feed_check_sums(&f);
		feed_done(&f);
	}
}

/* --- losses ------------------------------------------------------------------------------ */

static void test_gap_before_the_answer(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, ASK);
	feed_call(&f, STREAM_WRITE, HI, sizeof(HI) - 1);
	feed_call(&f, STREAM_WRITE, "\x81\x84\0\0\0\0a", 7);
	feed_lose(&f, STREAM_WRITE, 2);
	feed_call(&f, STREAM_WRITE, "b" YO, sizeof(YO));
	feed_text(&f, STREAM_READ, GRANT);
	feed_close(&f);
	feed_check_sums(&f);
	assert_int_equal(f.n, 5);
	assert_int_equal(f.messages[3]->missing_bytes, 2);
	assert_int_equal(f.messages[3]->body_total, 2);
	assert_int_equal(f.messages[4]->end, HTTP_END_COMPLETE);
	feed_done(&f);
}

/* The 101 was not captured: the frames tell. What was agreed on is not known. */
static void test_answer_lost(void **state)
{
	struct feed f;
	(void)state;
	for (int server_first = 0; server_first < 2; server_first++) {
		feed_init(&f, NULL);
		feed_text(&f, STREAM_WRITE, ASK);
		feed_lose(&f, STREAM_READ, sizeof(GRANT) - 1);
		if (server_first)
			feed_text(&f, STREAM_READ, HELLO);
		feed_call(&f, STREAM_WRITE, HI, sizeof(HI) - 1);
		feed_call(&f, STREAM_READ, HELLO_1 BYE, sizeof(HELLO_1 BYE) - 1);
		feed_close(&f);
		feed_check_sums(&f);
		feed_check_order(&f);
		assert_int_equal(f.n, server_first ? 6 : 5);
		assert_int_equal(f.unreadable[0] + f.unreadable[1], 0);
		if (server_first) {
			assert_int_equal(f.messages[1]->end, HTTP_END_UNSEEN);
			assert_int_equal(f.messages[1]->missing_bytes, sizeof(GRANT) - 1);
			assert_int_equal(f.messages[2]->role, HTTP_RESPONSE);
			assert_int_equal(f.messages[2]->exchange, 1);
			assert_int_equal(f.messages[3]->role, HTTP_REQUEST);
			assert_int_equal(f.messages[3]->exchange, 1);
			assert_int_equal(f.messages[4]->end, HTTP_END_GAP);
			assert_int_equal(f.messages[4]->body_len, 0);
			assert_int_equal(f.messages[5]->opcode, 8);
		}
		feed_done(&f);
	}
}

/* The same, with a loss that shows only afterwards: what the client sent meanwhile is not lost. */
static void test_answer_lost_noticed_late(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_WRITE, ASK);
	feed_lose(&f, STREAM_READ, sizeof(GRANT) - 1);
	feed_call(&f, STREAM_WRITE, HI, sizeof(HI) - 1);
	assert_int_equal(f.n, 1);
	feed_text(&f, STREAM_READ, HELLO);
	feed_call(&f, STREAM_WRITE, YO, sizeof(YO) - 1);
	feed_close(&f);
	feed_check_sums(&f);
	feed_check_order(&f);
	assert_int_equal(f.n, 5);
	assert_int_equal(f.unreadable[0] + f.unreadable[1], 0);
	feed_done(&f);
}

/* The request was not captured. */
static void test_request_lost(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_lose(&f, STREAM_WRITE, sizeof(ASK) - 1);
	feed_text(&f, STREAM_READ, GRANT HELLO);
	feed_call(&f, STREAM_WRITE, HI, sizeof(HI) - 1);
	feed_close(&f);
	feed_check_sums(&f);
	assert_int_equal(f.n, 3);
	assert_true(f.messages[0]->orphan);
	assert_int_equal(f.messages[1]->protocol, HTTP_WEBSOCKET);
	assert_int_equal(f.messages[1]->exchange, f.messages[0]->exchange);
	assert_int_equal(f.messages[2]->role, HTTP_REQUEST);
	assert_int_equal(f.messages[2]->exchange, f.messages[0]->exchange);
	assert_int_equal(f.unreadable[0] + f.unreadable[1], 0);
	feed_done(&f);
}

/* The record of the request comes after the one of its answer. */
static void test_request_recorded_late(void **state)
{
	struct feed f;
	(void)state;
	feed_init(&f, NULL);
	feed_text(&f, STREAM_READ, GRANT HELLO);
	feed_call(&f, STREAM_WRITE, ASK HI, sizeof(ASK HI) - 1);
	feed_call(&f, STREAM_WRITE, YO, sizeof(YO) - 1);
	feed_close(&f);
	feed_check_sums(&f);
	assert_int_equal(f.n, 5);
	assert_int_equal(f.messages[2]->protocol, HTTP_1);
	assert_int_equal(f.messages[3]->protocol, HTTP_WEBSOCKET);
	assert_int_equal(f.messages[4]->end, HTTP_END_COMPLETE);
	assert_int_equal(f.unreadable[0] + f.unreadable[1], 0);
	feed_done(&f);
}

static bool is_said(const struct http_message *m)
{
	static const char *const all[] = {"hi", "yo", "hello", "Hello", "\x03\xe8", "three"};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (m->body_len == strlen(all[i]) && memcmp(m->body, all[i], m->body_len) == 0)
			return true;
	return false;
}

static const struct record recorded[] = {
	REQ(ASK_HEAD DEFLATE "\r\n\r\n"),
	RESP(GRANT_HEAD DEFLATE "\r\n\r\n"),
	RESP(HELLO),
	REQ(HI),
	RESP(HELLO_1),
	RESP(HELLO_2),
	REQ(PING_UP),
	RESP(PONG HELLO),
	REQ("\x01\x82\0\0\0\0th"
	    "\x80\x83\0\0\0\0ree"),
	REQ("\x88\x82\0\0\0\0\x03\xe8"),
	RESP(BYE),
};
#define N_RECORDED (sizeof(recorded) / sizeof(recorded[0]))

/* Bytes [from, to) of the conversation, both directions in order, are lost. */
static void play_lossy(size_t from, size_t to)
{
	struct feed f;
	size_t pos = 0;
	feed_init(&f, NULL);
	f.unguarded = true;
	for (size_t i = 0; i < N_RECORDED; i++) {
		const struct record *r = &recorded[i];
		size_t before = from <= pos ? 0 : from - pos < r->len ? from - pos : r->len;
		size_t after = to <= pos ? 0 : to - pos < r->len ? to - pos : r->len;
		assert_int_equal(feed_raw(&f, r->dir, r->data, before, true), 0);
		if (after > before)
			feed_lose(&f, r->dir, after - before);
		after = after > before ? after : before;
		assert_int_equal(feed_raw(&f, r->dir, r->data + after, r->len - after, after == 0), 0);
		pos += r->len;
	}
	feed_gap(&f, STREAM_WRITE);
	feed_gap(&f, STREAM_READ);
	feed_close(&f);
	feed_check_sums(&f);
	feed_check_order(&f);
	for (size_t i = 0; i < f.n; i++) {
		const struct http_message *m = f.messages[i];
		if (m->protocol == HTTP_WEBSOCKET && m->body_sha256_valid && !is_said(m))
			fail_msg("lost %zu..%zu: a message that was not sent", from, to);
	}
	/* A record of a whole message that the loss spares, after the handshake, is not lost with it. */
	if (from >= recorded[0].len + recorded[1].len)
		assert_true(f.n >= 2);
	feed_done(&f);
}

static void test_every_run_is_lost(void **state)
{
	size_t len = talk_len(recorded, N_RECORDED);
	(void)state;
	for (size_t from = 0; from < len; from++)
		for (size_t to = from + 1; to <= len; to++)
			play_lossy(from, to);
}

/* Each record lost, alone and with those after it: which messages are still whole is known. */
static void test_every_record_is_lost(void **state)
{
	(void)state;
	for (uint32_t lost = 0; lost < UINT32_C(1) << N_RECORDED; lost++) {
		struct feed f;
		size_t ws = 0, want = 0;
		bool read_gap = false;
		feed_init(&f, NULL);
		f.unguarded = true;
		for (size_t i = 0; i < N_RECORDED; i++) {
			const struct record *r = &recorded[i];
			if (lost >> i & 1)
				feed_lose(&f, r->dir, r->len);
			else
				feed_call(&f, r->dir, r->data, r->len);
		}
		feed_gap(&f, STREAM_WRITE);
		feed_gap(&f, STREAM_READ);
		feed_close(&f);
		feed_check_sums(&f);
		feed_check_order(&f);
		for (size_t i = 0; i < f.n; i++) {
			const struct http_message *m = f.messages[i];
			bool whole = m->protocol == HTTP_WEBSOCKET && m->body_sha256_valid;
			ws += whole;
			assert_true(!whole || is_said(m));
		}
		/* With the handshake there, every message whose record is, but for those that need context.
		 */
		for (size_t i = 2; i < N_RECORDED; i++) {
			bool here = !(lost >> i & 1), compressed = i == 4 || i == 5;
			read_gap |= !here && recorded[i].dir == STREAM_READ;
			want += here && i != 6 && !(compressed && read_gap);
		}
		if (!(lost & 3))
			assert_int_equal(ws, want);
		feed_done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),	   cmocka_unit_test(test_client_is_early),
		cmocka_unit_test(test_after_http),	   cmocka_unit_test(test_server_side),
		cmocka_unit_test(test_compression),	   cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_other_tunnels),	   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_many_times), cmocka_unit_test(test_never_answered),
		cmocka_unit_test(test_too_much_to_hold),   cmocka_unit_test(test_gap_before_the_answer),
		cmocka_unit_test(test_answer_lost),	   cmocka_unit_test(test_answer_lost_noticed_late),
		cmocka_unit_test(test_request_lost),	   cmocka_unit_test(test_request_recorded_late),
		cmocka_unit_test(test_every_run_is_lost),  cmocka_unit_test(test_every_record_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
