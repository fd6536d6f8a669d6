/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The facts of one made-up exchange, and looks into the events made of them. */

#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "event/event.h"
#include "event/json_text.h"

#define TIME_NS	   1795446245123456789ULL /* 2026-11-23T15:04:05.123456Z */
#define MESSAGE_ID "019ab123-4567-7abc-8def-0123456789ab"
#define TOKEN	   "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.U0lHTkFUVVJF"

static struct identity_process process;
static struct identity_caller caller;
static json_t *claimed;
static struct event_connection connection;
static struct event_context context;
static struct http_message message;
static struct openai_request request;
static struct openai_response response;
static struct http_header headers[24];
static uint8_t body[64];

/* With OAITAP_EVENTS=FILE the events of these tests are appended to it, one a line, for a check by the
 * schema. */
static inline void record(const struct event *event)
{
	const char *path = getenv("OAITAP_EVENTS");
	FILE *f = path ? fopen(path, "ae") : NULL;
	if (!f)
		return;
	fprintf(f, "%s\n", event->text);
	fclose(f);
}

static inline json_t *parse(const struct event *event)
{
	json_error_t error;
	assert_int_equal(event->len, strlen(event->text)); /* no NUL in it */
	assert_true(utf8_valid(event->text, event->len, NULL));
	assert_null(strchr(event->text, '\n'));
	json_t *json = json_loadb(event->text, event->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!json)
		fail_msg("%s at %d: %.200s", error.text, error.position, event->text);
	assert_string_equal(json_string_value(json_object_get(json, "event-type")), event->type);
	assert_string_equal(json_string_value(json_object_get(json, "event-id")), event->event_id);
	assert_string_equal(json_string_value(json_object_get(json, "message-id")), event->message_id);
	record(event);
	return json;
}

/* A value by its keys and indexes: "capture/truncated/0/path". */
static inline const json_t *at(const json_t *json, const char *path)
{
	char copy[128], *state = NULL;
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key = strtok_r(copy, "/", &state); key && json; key = strtok_r(NULL, "/", &state))
		json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10))
					   : json_object_get(json, key);
	return json;
}

static inline void check_text(const json_t *json, const char *path, const char *want)
{
	const char *got = json_string_value(at(json, path));
	if ((got == NULL) != (want == NULL) || (got && strcmp(got, want) != 0))
		fail_msg("%s is %s, not %s", path, got ? got : "absent", want ? want : "absent");
}

static inline void check_int(const json_t *json, const char *path, json_int_t want)
{
	const json_t *value = at(json, path);
	if (!json_is_integer(value) || json_integer_value(value) != want)
		fail_msg("%s is %lld, not %lld", path, json_integer_value(value), want);
}

static inline void check_absent(const json_t *json, const char *path)
{
	if (at(json, path))
		fail_msg("%s is there", path);
}

static inline void check_problem(const json_t *json, const char *part)
{
	const char *got = json_string_value(at(json, "problem"));
	if (!got || !strstr(got, part))
		fail_msg("problem is %s, without %s", got ? got : "absent", part);
}

static inline void add_header(const char *name, const char *value)
{
	assert_true(message.n_headers < ARRAY_SIZE(headers));
	headers[message.n_headers++] =
		(struct http_header){(char *)(uintptr_t)name, (char *)(uintptr_t)value};
}

static inline void set_who(void)
{
	process = (struct identity_process){
		.pid = 4711,
		.parent_pid = 1,
		.uid = 1000,
		.start_boot_ns = 5,
		.start_real_ns = TIME_NS - 5000000000,
		.comm = "python3",
		.exe = "/usr/bin/python3.11",
		.user = "ann",
		.unit = "app.service",
		.cgroup = "/system.slice/app.service",
	};
	claimed = json_pack("{s:s,s:{s:s}}", "user", "ann", "headers", "x-forwarded-user", "bo");
	caller = (struct identity_caller){
		.kind = IDENTITY_ENTRA,
		.tenant_id = "tid",
		.object_id = "oid",
		.app_id = "app",
		.principal_type = "user",
		.name = "ann@contoso.com",
		.roles = json_pack("[s,s]", "r1", "r2"),
		.resource_id = "/subscriptions/s/x",
		.scopes = json_pack("[s]", "s1"),
		.groups = json_pack("[s]", "g1"),
		.token_id = "uti",
		.issuer = "https://sts.windows.net/tid/",
		.audience = "https://cognitiveservices.azure.com",
		.expires = 1790000000,
		.verification = "unverified",
		.verification_problem = "the token's key is not known",
		.key_name = "team A",
		.key_labels = json_pack("{s:s}", "team", "a"),
		.problem = "a claim of the token has the wrong type",
	};
	connection = (struct event_connection){
		.id = UINT64_MAX,
		.sni = "Contoso.OpenAI.Azure.com",
		.role = "client",
		.protocol = "http/1.1",
		.tls_library = "/usr/lib/x86_64-linux-gnu/libssl.so.3",
		.local = "10.0.0.1:50000",
		.remote = "[2001:db8::1]:443",
	};
	context = (struct event_context){
		.message_id = MESSAGE_ID,
		.connection = &connection,
		.process = &process,
		.caller = &caller,
		.claimed = claimed,
		.host_name = "node1",
		.machine_id = "abcdef",
	};
}

static inline void set_message(enum http_role role)
{
	message = (struct http_message){
		.role = role,
		.conn_id = UINT64_MAX,
		.exchange = 1,
		.version_minor = 1,
		.headers = headers,
		.body = body,
		.body_len = 10,
		.body_total = 10,
		.body_sha256_valid = true,
		.end = HTTP_END_COMPLETE,
		.first_ts_ns = 2000000,
		.last_ts_ns = 9000000,
	};
	memset(message.body_sha256, 0xab, sizeof(message.body_sha256));
}

static inline int setup_request(void **state)
{
	(void)state;
	set_who();
	set_message(HTTP_REQUEST);
	message.method = "POST";
	message.target = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";
	add_header("host", "contoso.openai.azure.com");
	add_header("authorization", "Bearer " TOKEN);
	add_header("content-type", "application/json");
	add_header("user-agent", "AzureOpenAI/Python 1.2.3");
	request = (struct openai_request){
		.kind = OPENAI_CHAT,
		.operation = "ChatCompletions_Create",
		.backend = "contoso.openai.azure.com",
		.path = "/openai/deployments/gpt-4o/chat/completions",
		.api_version = "2024-10-21",
		.deployment_id = "gpt-4o",
		.model = "gpt-4o-asked",
		.stream = true,
		.attempt = 2,
		.messages = json_pack("[{s:s,s:s}]", "role", "user", "content", "hi\n\"there\""),
		.tools = json_pack("[{s:s}]", "type", "function"),
		.parameters = json_pack("{s:f,s:i}", "temperature", 0.2, "n", 2),
	};
	return 0;
}

static inline int setup_response(void **state)
{
	setup_request(state);
	set_message(HTTP_RESPONSE);
	message.status = 200;
	add_header("content-type", "text/event-stream; charset=utf-8");
	add_header("x-ms-region", "West Europe");
	add_header("x-ratelimit-remaining-tokens", "99");
	add_header("set-cookie", "session=1");
	response = (struct openai_response){
		.status = 200,
		.model = "gpt-4o-2024-08-06",
		.response_id = "chatcmpl-1",
		.choices = json_pack("[{s:i,s:{s:s}}]", "index", 0, "message", "content", "yes"),
		.finish_reason = json_pack("[s]", "stop"),
		.usage = json_pack("{s:i}", "prompt_tokens", 7),
		.usage_source = OPENAI_USAGE_REPORTED,
		.prompt_tokens = 7,
		.completion_tokens = 0,
		.total_tokens = 8,
		.cached_tokens = -1,
		.reasoning_tokens = -1,
		.prompt_audio_tokens = -1,
		.completion_audio_tokens = -1,
		.model_ms = 29.1074,
		.content_filter = json_pack("{s:[]}", "prompt"),
		.extra = json_pack("{s:i}", "created", 5),
		.outcome = OPENAI_OK,
		.whole = true,
		.chunks = 12,
		.first_token_ts_ns = 3500000,
	};
	return 0;
}

static inline int teardown(void **state)
{
	json_t *owned[] = {caller.roles,
			   caller.scopes,
			   request.messages,
			   request.tools,
			   request.parameters,
			   request.body,
			   response.choices,
			   response.finish_reason,
			   response.usage,
			   response.content_filter,
			   response.error,
			   response.extra,
			   response.body,
			   request.prompt,
			   request.input,
			   request.instructions,
			   request.files,
			   response.output,
			   response.data,
			   response.text,
			   caller.groups,
			   caller.key_labels,
			   claimed,
			   response.files};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
		json_decref(owned[i]);
	caller = (struct identity_caller){0};
	request = (struct openai_request){0};
	response = (struct openai_response){0};
	return 0;
}

/* The event as JSON and, if asked for, its text too. */
static inline json_t *build_request(char **ret_text)
{
	struct event *event = NULL;
	assert_int_equal(event_build_request(&event, &context, TIME_NS, &message, &request), 0);
	assert_string_equal(event->type, "Request");
	assert_int_equal(event->time_ns, TIME_NS);
	json_t *json = parse(event);
	if (ret_text)
		*ret_text = TAKE_PTR(event->text);
	event_free(&event);
	assert_null(event);
	event_free(&event);
	return json;
}

/* Its request's first byte was written at 1 ms. */
static inline json_t *build_response(const struct openai_request *req)
{
	struct event *event = NULL;
	assert_int_equal(event_build_response(&event, &context, TIME_NS, &message, req, &response, 1000000),
			 0);
	assert_string_equal(event->type, "Response");
	assert_int_equal(event->time_ns, TIME_NS);
	json_t *json = parse(event);
	event_free(&event);
	return json;
}

static inline void check_common(const json_t *json)
{
	static const struct {
		const char *path, *value;
	} texts[] = {
		{"schema", "oaitap/1"},
		{"event-time", "2026-11-23T15:04:05.123456Z"},
		{"message-id", MESSAGE_ID},
		{"backend", "contoso.openai.azure.com"},
		{"operation", "ChatCompletions_Create"},
		{"api-version", "2024-10-21"},
		{"deployment-id", "gpt-4o"},
		{"identity/kind", "entra"},
		{"identity/tenant-id", "tid"},
		{"identity/object-id", "oid"},
		{"identity/app-id", "app"},
		{"identity/principal-type", "user"},
		{"identity/name", "ann@contoso.com"},
		{"identity/roles/1", "r2"},
		{"identity/resource-id", "/subscriptions/s/x"},
		{"identity/scopes/0", "s1"},
		{"identity/groups/0", "g1"},
		{"identity/verification-problem", "the token's key is not known"},
		{"identity/key-name", "team A"},
		{"identity/key-labels/team", "a"},
		{"identity/claimed/user", "ann"},
		{"identity/claimed/headers/x-forwarded-user", "bo"},
		{"identity/token-id", "uti"},
		{"identity/issuer", "https://sts.windows.net/tid/"},
		{"identity/audience", "https://cognitiveservices.azure.com"},
		{"identity/expires", "2026-09-21T14:13:20.000000Z"},
		{"identity/verification", "unverified"},
		{"identity/problem", "a claim of the token has the wrong type"},
		{"process/start-time", "2026-11-23T15:04:00.123456Z"},
		{"process/comm", "python3"},
		{"process/exe", "/usr/bin/python3.11"},
		{"process/user", "ann"},
		{"process/unit", "app.service"},
		{"process/cgroup", "/system.slice/app.service"},
		{"host/name", "node1"},
		{"host/machine-id", "abcdef"},
		{"connection/id", "18446744073709551615"},
		{"connection/sni", "Contoso.OpenAI.Azure.com"},
		{"connection/role", "client"},
		{"connection/protocol", "http/1.1"},
		{"connection/tls-library", "/usr/lib/x86_64-linux-gnu/libssl.so.3"},
		{"connection/local", "10.0.0.1:50000"},
		{"connection/remote", "[2001:db8::1]:443"},
		{"body-sha256", "abababababababababababababababababababababababababababababababab"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		check_text(json, texts[i].path, texts[i].value);
	check_int(json, "process/pid", 4711);
	check_int(json, "process/parent-pid", 1);
	check_int(json, "process/uid", 1000);
	check_int(json, "attempt", 2);
	assert_true(json_is_true(at(json, "stream")));
	check_int(json, "body-bytes", 10);
	assert_true(json_is_true(at(json, "capture/complete")));
	check_int(json, "capture/missing-bytes", 0);
	check_absent(json, "capture/reason");
	check_absent(json, "capture/truncated");
	check_absent(json, "problem");
}
