/* SPDX-License-Identifier: Apache-2.0 */

/* libFuzzer: request and response bodies of the openai stage. The first byte of the input chooses what the
 * rest is (see OPTION_*), the second the status (lower three bits) and the kind of the operation or, of a
 * request, its path; from 128 on the rest of a request is a form, a field or a file on each line. Checked
 * besides the sanitizers: everything that was read can be written as JSON, names are UTF-8, and a body that
 * had to be kept has a reason.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iagent tests/fuzz/openai_fuzz.c
 * agent/openai/[a-z]*.c \ agent/http/message.c agent/http/sse.c agent/base/{buf,utf8,digest}.c -ljansson
 * -lcrypto -lm
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "openai/exchange.h"
#include "must.h"

#define OPTION_RESPONSE 0x01 /* else a request */
#define OPTION_UNKNOWN	0x02 /* of an operation that is not in the table */
#define OPTION_SSE	0x04 /* content-type text/event-stream; of a request: one of `types` */
#define OPTION_STREAM	0x08 /* the request asked for a stream; of a response with SSE: one of `types` */
#define OPTION_ORPHAN	0x10 /* the request was not captured */
#define OPTION_CLOSED	0x20 /* ended by the connection */
#define OPTION_LIMIT	0x40 /* more was seen than kept */
#define OPTION_TARGET	0x80 /* request: the rest up to the first LF is the target, the next line the host */

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

/* By kind. */
static const char *const paths[] = {
	"/openai/v1/chat/completions",
	"/v1/completions",
	"/openai/deployments/d/embeddings?api-version=2024-10-21",
	"/v1/responses",
	"/v1/images/edits",
	"/v1/audio/speech",
	"/v1/audio/transcriptions",
	"/v1/threads/t/runs",
	"/v1/realtime?model=m",
	"/v1/files",
};
static const enum openai_kind kinds[] = {
	OPENAI_CHAT,   OPENAI_COMPLETION, OPENAI_EMBEDDING, OPENAI_RESPONSE, OPENAI_IMAGE,
	OPENAI_SPEECH, OPENAI_TRANSCRIPT, OPENAI_RUN,	    OPENAI_REALTIME, OPENAI_OBJECT,
};
static const char *const types[] = {"text/plain", "application/octet-stream", "audio/mpeg",
				    "application/json"};

#define PARTS_MAX 16

/* "name=value" is a field, "name:file name" a file; '!' before it: cut. */
static size_t split_parts(struct http_part *parts, char *text)
{
	size_t n = 0;
	char *line, *rest = text;
	while (n < PARTS_MAX && (line = strsep(&rest, "\n"))) {
		bool cut = *line == '!';
		struct http_part p = {.whole = !cut, .bytes = strlen(line)};
		line += cut;
		p.name = *line ? strsep(&line, "=:") : NULL;
		if (line && text[0] % 2)
			p.filename = line;
		else if (line)
			p.data = (uint8_t *)line, p.data_len = strlen(line);
		parts[n++] = p;
	}
	return n;
}

static void check_request(const struct http_message *msg)
{
	struct openai_request *req = NULL;
	must(openai_request_new(&req, msg) == 0);
	check_json(req->messages);
	check_json(req->prompt);
	check_json(req->input);
	check_json(req->instructions);
	check_json(req->files);
	check_json(req->tools);
	check_json(req->parameters);
	check_json(req->body);
	check_text(req->backend);
	check_text(req->path);
	check_text(req->api_version);
	check_text(req->deployment_id);
	check_text(req->model);
	check_text(req->problem);
	must(req->operation && (req->kind == OPENAI_UNKNOWN) == !strcmp(req->operation, "Unknown"));
	must(req->kind != OPENAI_CHAT || !req->body || req->problem);
	openai_request_free(&req);
}

static void check_response(const struct http_message *msg, const struct openai_request *req)
{
	struct openai_response *resp = NULL;
	must(openai_response_new(&resp, req, msg) == 0);
	check_json(resp->choices);
	check_json(resp->output);
	check_json(resp->data);
	check_json(resp->text);
	check_json(resp->files);
	check_json(resp->finish_reason);
	check_json(resp->usage);
	check_json(resp->content_filter);
	check_json(resp->error);
	check_json(resp->extra);
	check_json(resp->body);
	check_text(resp->model);
	check_text(resp->response_id);
	check_text(resp->problem);
	must(resp->prompt_tokens >= -1 && resp->completion_tokens >= -1 && resp->total_tokens >= -1);
	must(!req || req->kind != OPENAI_CHAT || !resp->body || resp->problem);
	openai_response_free(&resp);
}

/* Takes a line off the input; the caller frees it. */
static char *take_line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = memchr(*data, '\n', *size);
	size_t len = end ? (size_t)(end - *data) : *size;
	char *line = strndup((const char *)*data, len);
	must(line != NULL);
	*data += len + (end != NULL);
	*size -= len + (end != NULL);
	return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = {200, 0, 201, 400, 401, 429, 500, 999};
	if (size < 2)
		return -1;
	uint8_t option = data[0], second = data[1];
	size_t kind = (second >> 3) % ARRAY_SIZE(kinds);
	data += 2;
	size -= 2;

	char *target = NULL, *host = NULL, *form = NULL;
	struct http_header headers[3];
	struct http_part parts[PARTS_MAX];
	struct http_message msg = {.role = HTTP_REQUEST, .method = (char *)"POST", .headers = headers};
	struct openai_request req = {.kind = option & OPTION_UNKNOWN ? OPENAI_UNKNOWN : kinds[kind],
				     .operation = "x",
				     .stream = option & OPTION_STREAM,
				     .answers_file = second >= 240,
				     .answers_key = second >= 200};
	if (option & OPTION_RESPONSE) {
		const char *type = option & OPTION_STREAM && kind ? types[second % 4] : "text/event-stream";
		msg.role = HTTP_RESPONSE;
		msg.status = statuses[second % 8];
		if (option & OPTION_SSE)
			headers[msg.n_headers++] = (struct http_header){(char *)"content-type", (char *)type};
	} else if (option & OPTION_TARGET) {
		target = take_line(&data, &size);
		host = take_line(&data, &size);
		headers[msg.n_headers++] = (struct http_header){(char *)"host", host};
		headers[msg.n_headers++] = (struct http_header){(char *)"upgrade", (char *)"websocket"};
		msg.target = target;
		if (second % 2)
			msg.method = (char *)"GET";
	} else {
		msg.target = (char *)(option & OPTION_UNKNOWN ? "/v1/unheard" : paths[kind]);
		if (kind == 8)
			msg.method = (char *)"GET";
		if (option & OPTION_SSE)
			headers[msg.n_headers++] =
				(struct http_header){(char *)"content-type", (char *)types[second % 4]};
	}
	if (msg.role == HTTP_REQUEST && second >= 128) {
		form = strndup((const char *)data, size);
		must(form != NULL);
		msg.parts = parts;
		msg.n_parts = split_parts(parts, form);
	}

	/* Of its exact size, so that the sanitizer sees a read past its end. */
	msg.body = size ? malloc(size) : NULL;
	must(!size || msg.body);
	if (size)
		memcpy(msg.body, data, size);
	msg.body_len = size;
	msg.body_total = size + (option & OPTION_LIMIT ? 100 : 0);
	msg.end = option & OPTION_CLOSED ? HTTP_END_CLOSED : HTTP_END_COMPLETE;
	if (option & OPTION_RESPONSE)
		check_response(&msg, option & OPTION_ORPHAN ? NULL : &req);
	else
		check_request(&msg);
	free(msg.body);
	free(target);
	free(host);
	free(form);
	return 0;
}
