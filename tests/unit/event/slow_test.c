/* SPDX-License-Identifier: Apache-2.0 */
/* An answer that takes an hour, from the bytes of a connection to its event: one event, whole, with the right
 * times, whatever the transport is. The clock is simulated, and each second asks whether something is due. */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "event/event.h"
#include "http/http_conn.h"
#include "openai/session.h"

#define SECOND_NS 1000000000ULL
#define MINUTE_NS (60 * SECOND_NS)
#define MINUTE_MS 60000.0
#define MINUTES	  60
#define CLIENT	  STREAM_WRITE
#define SERVER	  STREAM_READ
#define BODY	  "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"
#define DELTA	  "{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"w\"}}]}"
#define FINISH                                                                                               \
	"{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define EVENT(json) "data: " json "\n\n"
#define DONE	    "data: [DONE]\n\n"

/* What pipeline.c joins, for one connection. */
struct chain {
	struct http_conn *http;
	uint64_t at[2], now_ns;
	struct openai_request *request;
	uint64_t request_ns;
	struct openai_session *session;
	size_t n[2];	  /* events, by role */
	json_t *response; /* the last one */
};

static const struct event_context context = {.message_id = "019ab123-4567-7abc-8def-0123456789ab"};

static void on_response_event(struct chain *c, const struct http_message *msg,
			      const struct openai_request *req, const struct openai_response *resp)
{
	struct event *event;
	json_error_t error;
	assert_int_equal(
		event_build_response(&event, &context, msg->last_ts_ns, msg, req, resp, c->request_ns), 0);
	json_decref(c->response);
	c->response = json_loads(event->text, 0, &error);
	assert_non_null(c->response);
	event_free(&event);
	c->n[HTTP_RESPONSE]++;
}

static void on_said(void *ctx, const struct http_message *msg, const struct openai_request *req)
{
	struct chain *c = ctx;
	(void)req;
	c->request_ns = msg->first_ts_ns;
	c->n[HTTP_REQUEST]++;
}

static void on_answered(void *ctx, const struct http_message *msg, const struct openai_request *req,
			const struct openai_response *resp)
{
	on_response_event(ctx, msg, req, resp);
}

static const struct openai_session_ops session_ops = {.on_request = on_said, .on_response = on_answered};

static void on_message(void *ctx, struct http_message *msg)
{
	struct chain *c = ctx;
	struct openai_response *resp;
	if (msg->protocol == HTTP_WEBSOCKET) {
		assert_int_equal(openai_session_message(c->session, msg), 0);
	} else if (msg->role == HTTP_REQUEST) {
		assert_int_equal(openai_request_new(&c->request, msg), 0);
		c->request_ns = msg->first_ts_ns;
		c->n[HTTP_REQUEST]++;
	} else if (msg->status == 101) {
		c->n[HTTP_REQUEST] = 0;
		assert_int_equal(openai_session_new(&c->session, c->request, "/v1/realtime?model=m", 7, 1,
						    &session_ops, c),
				 0);
	} else {
		assert_int_equal(openai_response_new(&resp, c->request, msg), 0);
		on_response_event(c, msg, c->request, resp);
		openai_response_free(&resp);
	}
	http_message_free(&msg);
}

static void on_unreadable(void *ctx, enum stream_dir dir, uint64_t len, bool missing, const char *why)
{
	(void)ctx;
	(void)dir;
	(void)missing;
	fail_msg("%llu bytes are unreadable: %s", (unsigned long long)len, why);
}

static const struct http_conn_ops ops = {.on_message = on_message, .on_unreadable = on_unreadable};

static void feed(struct chain *c, enum stream_dir dir, const void *data, size_t len)
{
	struct stream_chunk chunk = {
		.conn_id = 7,
		.dir = dir,
		.offset = c->at[dir],
		.peer_offset = c->at[!dir],
		.ts_ns = c->now_ns,
		.call_start = true,
		.data = data,
		.len = len,
	};
	c->at[dir] += len;
	assert_int_equal(http_conn_data(c->http, &chunk), 0);
}

/* --- transports -------------------------------------------------------------------------- */

static void http1_ask(struct chain *c)
{
	char text[300];
	snprintf(text, sizeof(text),
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: "
		 "%zu\r\n\r\n" BODY,
		 sizeof(BODY) - 1);
	feed(c, CLIENT, text, strlen(text));
}

static void http1_answer(struct chain *c)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
	feed(c, SERVER, head, sizeof(head) - 1);
}

static void http1_part(struct chain *c, const char *text)
{
	char chunk[300];
	snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(text), text);
	feed(c, SERVER, chunk, strlen(chunk));
}

static void frame(struct chain *c, enum stream_dir dir, uint8_t type, uint8_t flags, uint8_t stream,
		  const char *payload, size_t len)
{
	char bytes[400] = {(char)(len >> 16), (char)(len >> 8), (char)len, (char)type, (char)flags, 0, 0, 0,
			   (char)stream};
	assert_true(len <= sizeof(bytes) - 9);
	if (len)
		memcpy(bytes + 9, payload, len);
	feed(c, dir, bytes, 9 + len);
}

static void http2_ask(struct chain *c)
{
	static const char head[] = "\x83\x87\x04\x14/v1/chat/completions\x01\x0e"
				   "api.openai.com";
	feed(c, CLIENT, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	frame(c, CLIENT, 4, 0, 0, "", 0);
	frame(c, CLIENT, 1, 4, 1, head, sizeof(head) - 1);
	frame(c, CLIENT, 0, 1, 1, BODY, sizeof(BODY) - 1);
}

static void http2_answer(struct chain *c)
{
	static const char head[] = "\x88\x0f\x10\x11text/event-stream";
	frame(c, SERVER, 4, 0, 0, "", 0);
	frame(c, SERVER, 1, 4, 1, head, sizeof(head) - 1);
}

static void http2_part(struct chain *c, const char *text)
{
	frame(c, SERVER, 0, 0, 1, text, strlen(text));
}

static const struct transport {
	void (*ask)(struct chain *c);
	void (*answer)(struct chain *c);
	void (*part)(struct chain *c, const char *text);
} transports[] = {
	{http1_ask, http1_answer, http1_part},
	{http2_ask, http2_answer, http2_part},
};

/* --- an hour ----------------------------------------------------------------------------- */

static void begin(struct chain *c)
{
	*c = (struct chain){.now_ns = 5 * SECOND_NS};
	assert_int_equal(http_conn_new(&c->http, 7, CLIENT, NULL, &ops, c), 0);
}

static void end(struct chain *c)
{
	openai_session_free(&c->session);
	openai_request_free(&c->request);
	json_decref(c->response);
	http_conn_free(&c->http);
}

/* Nothing is due meanwhile. */
static void minute(struct chain *c)
{
	size_t before = c->n[HTTP_RESPONSE];
	for (int i = 0; i < 60; i++) {
		c->now_ns += SECOND_NS;
		assert_true(http_conn_idle(c->http, c->now_ns) == UINT64_MAX);
	}
	assert_int_equal(c->n[HTTP_RESPONSE], before);
}

static const json_t *at(const struct chain *c, const char *first, const char *second)
{
	const json_t *value = json_object_get(c->response, first);
	return second ? json_object_get(value, second) : value;
}

static void check_event(const struct chain *c, double first_byte, double first_token, double duration,
			const char *outcome)
{
	assert_int_equal(c->n[HTTP_REQUEST], 1);
	assert_int_equal(c->n[HTTP_RESPONSE], 1);
	assert_true(json_number_value(at(c, "timing", "time-to-first-byte-ms")) == first_byte);
	assert_true(json_number_value(at(c, "timing", "time-to-first-token-ms")) == first_token);
	assert_true(json_number_value(at(c, "timing", "duration-ms")) == duration);
	assert_string_equal(json_string_value(at(c, "outcome", NULL)), outcome);
	assert_int_equal(json_is_true(at(c, "capture", "complete")), strcmp(outcome, "ok") == 0);
}

static void check_words(const struct chain *c, size_t n)
{
	const json_t *choice = json_array_get(at(c, "choices", NULL), 0);
	const char *text = json_string_value(json_object_get(json_object_get(choice, "message"), "content"));
	assert_non_null(text);
	assert_int_equal(strlen(text), n);
	assert_int_equal(strspn(text, "w"), n);
}

static void stream_for(struct chain *c, const struct transport *t, size_t minutes)
{
	begin(c);
	t->ask(c);
	minute(c);
	t->answer(c);
	for (size_t i = 0; i < minutes; i++) {
		minute(c);
		t->part(c, EVENT(DELTA));
	}
	minute(c);
}

/* An event a minute. With [DONE] it is over, and said so once the pause for it is. */
static void test_stream(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		struct chain c;
		stream_for(&c, &transports[i], MINUTES);
		transports[i].part(&c, EVENT(FINISH));
		transports[i].part(&c, DONE);
		uint64_t due_ns = http_conn_idle(c.http, c.now_ns);
		assert_true(due_ns == c.now_ns + http_limits_default.done_idle_ns);
		assert_true(http_conn_idle(c.http, due_ns - 1) == due_ns);
		assert_int_equal(c.n[HTTP_RESPONSE], 0);
		assert_true(http_conn_idle(c.http, due_ns) == UINT64_MAX);
		check_event(&c, MINUTE_MS, 2 * MINUTE_MS, (MINUTES + 2) * MINUTE_MS, "ok");
		check_words(&c, MINUTES);
		assert_int_equal(json_integer_value(at(&c, "timing", "chunks")), MINUTES + 1);
		/* An hour later the connection ends, and there is nothing more to say. */
		for (int m = 0; m < MINUTES; m++)
			minute(&c);
		assert_int_equal(http_conn_close(c.http, c.now_ns), 0);
		assert_int_equal(c.n[HTTP_RESPONSE], 1);
		end(&c);
	}
}

/* The connection ends half an hour after the last word: the event's times are those of the bytes. */
static void test_broken_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		struct chain c;
		stream_for(&c, &transports[i], MINUTES / 2);
		for (int m = 0; m < MINUTES / 2; m++)
			minute(&c);
		assert_int_equal(http_conn_close(c.http, c.now_ns), 0);
		check_event(&c, MINUTE_MS, 2 * MINUTE_MS, (MINUTES / 2 + 1) * MINUTE_MS, "interrupted");
		check_words(&c, MINUTES / 2);
		assert_string_equal(json_string_value(at(&c, "capture", "reason")), "closed");
		end(&c);
	}
}

static void say(struct chain *c, enum stream_dir dir, const char *text)
{
	char bytes[400];
	size_t len = strlen(text), n = 0;
	bytes[n++] = (char)0x81;
	bytes[n++] = (char)((dir == CLIENT ? 0x80 : 0) | (len < 126 ? len : 126));
	if (len >= 126) {
		bytes[n++] = (char)(len >> 8);
		bytes[n++] = (char)len;
	}
	/* The mask is zero. */
	for (int i = 0; i < 4 && dir == CLIENT; i++)
		bytes[n++] = 0;
	assert_true(n + len <= sizeof(bytes));
	memcpy(bytes + n, text, len);
	feed(c, dir, bytes, n + len);
}

#define ASK                                                                                                  \
	"GET /v1/realtime?model=m HTTP/1.1\r\nHost: api.openai.com\r\nConnection: Upgrade\r\n"               \
	"Upgrade: websocket\r\n\r\n"
#define GRANT "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

/* A session that is silent for an hour, and then has a response of an hour. */
static void test_session(void **state)
{
	struct chain c;
	(void)state;
	begin(&c);
	feed(&c, CLIENT, ASK, sizeof(ASK) - 1);
	feed(&c, SERVER, GRANT, sizeof(GRANT) - 1);
	assert_non_null(c.session);
	for (int m = 0; m < MINUTES; m++) {
		minute(&c);
		feed(&c, SERVER, "\x89\0", 2);
		feed(&c, CLIENT, "\x8a\x80\0\0\0\0", 6);
	}
	say(&c, CLIENT, "{\"type\":\"response.create\"}");
	minute(&c);
	say(&c, SERVER, "{\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}");
	for (int m = 0; m < MINUTES; m++) {
		minute(&c);
		say(&c, SERVER,
		    "{\"type\":\"response.output_text.delta\",\"response_id\":\"r\",\"item_id\":\"i\","
		    "\"output_index\":0,"
		    "\"content_index\":0,\"delta\":\"w\"}");
	}
	minute(&c);
	assert_int_equal(c.n[HTTP_RESPONSE], 0);
	say(&c, SERVER,
	    "{\"type\":\"response.done\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[]}"
	    "}");
	check_event(&c, MINUTE_MS, 2 * MINUTE_MS, (MINUTES + 2) * MINUTE_MS, "ok");
	for (int m = 0; m < MINUTES; m++)
		minute(&c);
	assert_int_equal(http_conn_close(c.http, c.now_ns), 0);
	assert_int_equal(openai_session_end(c.session, c.now_ns), 0);
	assert_int_equal(c.n[HTTP_RESPONSE], 1);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
