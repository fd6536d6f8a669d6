/* SPDX-License-Identifier: Apache-2.0 */

/* libFuzzer: the messages of a WebSocket session. The first byte of the input chooses the session (see
 * OPTION_*); each line after it is a message, whose first byte says who sent it and how it came ("c" or "s":
 * whole; "C" or "S": cut by a limit; "l" or "L": bytes of it are lost; "x": the server closes; "b": as "s",
 * binary). Checked besides the sanitizers: a request comes before its response, each exactly once; all that
 * is given can be written as JSON; each message is in one exchange or left out. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "openai/session.h"
#include "must.h"

#define OPTION_RESPONSES   0x01
#define OPTION_OTHER	   0x02 /* a path of no known API */
#define OPTION_TRANSCRIBES 0x04
#define OPTION_NO_END	   0x08 /* freed without an end */

#define EXCHANGES_MAX 4096

struct seen {
	uint8_t at[EXCHANGES_MAX]; /* 1: request, 2: response too */
	uint64_t bytes;
};

static void check_json(const json_t *value)
{
	if (!value)
		return;
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	must(text != NULL);
	free(text);
}

static void check_text(const char *text)
{
	if (!text)
		return;
	must(utf8_valid(text, strlen(text), NULL));
	for (; *text; text++)
		must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static uint8_t *place(struct seen *seen, const struct http_message *msg)
{
	must(msg->exchange >> 32 == 5);
	must(msg->protocol == HTTP_WEBSOCKET && !msg->body && msg->body_len <= msg->body_total);
	must(msg->first_ts_ns && msg->first_ts_ns <= msg->last_ts_ns);
	seen->bytes += msg->body_total;
	return &seen->at[(uint32_t)msg->exchange % EXCHANGES_MAX];
}

static void on_request(void *ctx, const struct http_message *msg, const struct openai_request *req)
{
	uint8_t *at = place(ctx, msg);
	must(*at == 0);
	*at = 1;
	check_json(req->input);
	check_json(req->instructions);
	check_json(req->tools);
	check_json(req->parameters);
	check_text(req->model);
	check_text(req->problem);
	must(!json_object_get(req->parameters, "client_secret"));
}

static void on_response(void *ctx, const struct http_message *msg, const struct openai_request *req,
			const struct openai_response *resp)
{
	uint8_t *at = place(ctx, msg);
	must(*at == 1);
	*at = 2;
	must(req && msg->status == 101);
	check_json(resp->output);
	check_json(resp->text);
	check_json(resp->usage);
	check_json(resp->error);
	check_json(resp->extra);
	check_json(resp->finish_reason);
	check_text(resp->model);
	check_text(resp->response_id);
	check_text(resp->problem);
	must(resp->prompt_tokens >= -1 && resp->completion_tokens >= -1 && resp->total_tokens >= -1);
	must(resp->outcome != OPENAI_INTERRUPTED || resp->finish_reason || !resp->whole);
}

static void say(struct openai_session *session, char how, const uint8_t *data, size_t size, uint64_t now_ns)
{
	struct http_message msg = {
		.protocol = HTTP_WEBSOCKET, .opcode = 1, .first_ts_ns = now_ns, .last_ts_ns = now_ns};
	msg.role = how == 'c' || how == 'C' || how == 'l' ? HTTP_REQUEST : HTTP_RESPONSE;
	if (how == 'x')
		msg.opcode = 8;
	if (how == 'b')
		msg.opcode = 2;
	/* Of its exact size, so that the sanitizer sees a read past its end. */
	msg.body = size ? malloc(size) : NULL;
	must(!size || msg.body);
	if (size)
		memcpy(msg.body, data, size);
	msg.body_len = size;
	msg.body_total = size + (how == 'C' || how == 'S' ? 10 : 0);
	if (how == 'l' || how == 'L') {
		msg.missing_bytes = 10;
		msg.end = HTTP_END_GAP;
	}
	must(openai_session_message(session, &msg) == 0);
	free(msg.body);
}

static void end(struct openai_session *session, struct seen *seen, uint64_t now_ns)
{
	struct openai_session_counts counts;
	must(openai_session_end(session, now_ns) == 0);
	must(openai_session_end(session, now_ns) == 0);
	openai_session_counts(session, &counts);
	must(seen->bytes + counts.left_out_bytes == counts.bytes);
	for (size_t i = 0; i < EXCHANGES_MAX; i++)
		must(seen->at[i] != 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct openai_session_ops ops = {.on_request = on_request, .on_response = on_response};
	struct openai_request handshake = {.kind = OPENAI_REALTIME, .operation = "x"};
	struct openai_session *session = NULL;
	uint64_t now_ns = 1;

	if (size < 1 || size > 64 * 1024)
		return -1;
	struct seen *seen = calloc(1, sizeof(*seen));
	must(seen != NULL);
	uint8_t option = data[0];
	handshake.path = (char *)(option & OPTION_RESPONSES ? "/v1/responses"
				  : option & OPTION_OTHER   ? "/x"
							    : "/v1/realtime");
	const char *target =
		option & OPTION_TRANSCRIBES ? "/v1/realtime?intent=transcription" : handshake.path;
	must(openai_session_new(&session, &handshake, target, 1, 5, &ops, seen) == 0);
	for (size_t i = 1; i < size && now_ns < 2000;) {
		const uint8_t *line = data + i, *stop = memchr(line, '\n', size - i);
		size_t len = stop ? (size_t)(stop - line) : size - i;
		if (len)
			say(session, (char)line[0], line + 1, len - 1, now_ns++);
		i += len + 1;
	}
	if (!(option & OPTION_NO_END))
		end(session, seen, now_ns);
	openai_session_free(&session);
	free(seen);
	return 0;
}
