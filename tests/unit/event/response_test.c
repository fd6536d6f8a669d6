/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/event/fixture.h"

#include <math.h>

static void test_response(void **state)
{
	(void)state;
	json_t *json = build_response(&request);
	check_common(json);
	check_text(json, "model", "gpt-4o-2024-08-06");
	check_int(json, "status", 200);
	check_text(json, "content-type", "text/event-stream; charset=utf-8");
	check_text(json, "headers/x-ms-region", "West Europe");
	check_text(json, "headers/x-ratelimit-remaining-tokens", "99");
	check_absent(json, "headers/set-cookie");
	check_text(json, "response-id", "chatcmpl-1");
	check_text(json, "finish-reason/0", "stop");
	assert_true(json_equal(at(json, "choices"), response.choices));
	assert_true(json_equal(at(json, "usage"), response.usage));
	assert_true(json_equal(at(json, "content-filter"), response.content_filter));
	assert_true(json_equal(at(json, "response"), response.extra));
	check_int(json, "prompt_tokens", 7);
	check_int(json, "completion_tokens", 0);
	check_int(json, "total_tokens", 8);
	check_text(json, "usage-source", "reported");
	assert_true(json_real_value(at(json, "modeltime")) == 29.1074);
	assert_true(json_real_value(at(json, "timing/time-to-first-byte-ms")) == 1.0);
	assert_true(json_real_value(at(json, "timing/time-to-first-token-ms")) == 2.5);
	assert_true(json_real_value(at(json, "timing/duration-ms")) == 8.0);
	check_int(json, "timing/chunks", 12);
	check_text(json, "outcome", "ok");
	check_absent(json, "error");
	check_absent(json, "path");
	json_decref(json);
}

/* What other operations answer with. */
static void test_members(void **state)
{
	(void)state;
	response.output = json_pack("[{s:s}]", "type", "message");
	response.data = json_pack("[{s:i}]", "index", 0);
	response.text = json_string("Hello.");
	response.files = json_pack("[{s:s,s:i}]", "content-type", "audio/mpeg", "bytes", 9);
	response.cached_tokens = 5;
	response.reasoning_tokens = 4;
	response.prompt_audio_tokens = 0;
	response.completion_audio_tokens = -1;
	response.outcome = OPENAI_TIMEOUT;
	json_t *json = build_response(&request);
	assert_true(json_equal(at(json, "output"), response.output));
	assert_true(json_equal(at(json, "data"), response.data));
	check_text(json, "text", "Hello.");
	assert_true(json_equal(at(json, "files"), response.files));
	check_int(json, "cached_tokens", 5);
	check_int(json, "reasoning_tokens", 4);
	check_int(json, "prompt_audio_tokens", 0);
	check_absent(json, "completion_audio_tokens");
	check_text(json, "outcome", "timeout");
	json_decref(json);
}

static void test_error(void **state)
{
	(void)state;
	response.outcome = OPENAI_HTTP_ERROR;
	response.status = message.status = 429;
	response.error = json_pack("{s:s,s:s}", "code", "429", "message", "wait");
	response.prompt_tokens = response.completion_tokens = response.total_tokens = -1;
	response.usage_source = OPENAI_USAGE_NONE;
	response.model_ms = -1;
	response.first_token_ts_ns = 0;
	json_t *json = build_response(&request);
	check_int(json, "status", 429);
	check_text(json, "outcome", "http-error");
	check_text(json, "error/code", "429");
	check_text(json, "error/message", "wait");
	check_text(json, "usage-source", "none");
	check_absent(json, "prompt_tokens");
	check_absent(json, "completion_tokens");
	check_absent(json, "total_tokens");
	check_absent(json, "modeltime");
	check_absent(json, "timing/time-to-first-token-ms");
	json_decref(json);
}

/* Servers repeat the key that they were given. */
static void test_repeated_credential(void **state)
{
	static char name[] = "authorization", value[] = "Bearer sk-madeupmadeupmadeup12345";
	static struct http_header header = {name, value};
	const struct http_message asked = {.role = HTTP_REQUEST, .headers = &header, .n_headers = 1};
	struct event_secrets *secrets = NULL;
	(void)state;
	assert_int_equal(event_secrets_new(&secrets, &asked), 0);
	response.error =
		json_pack("{s:s}", "message", "Incorrect API key provided: sk-madeupmadeupmadeup12345.");
	context.secrets = secrets;
	json_t *json = build_response(&request);
	context.secrets = NULL;
	check_text(json, "error/message", "Incorrect API key provided: [credential].");
	assert_non_null(json_string_value(at(json, "problem")));
	json_decref(json);
	event_secrets_free(&secrets);
	assert_null(secrets);
}

static void test_unknown_operation(void **state)
{
	(void)state;
	request.operation = "Unknown";
	response.body = json_pack("{s:s}", "any", "shape");
	json_t *json = build_response(&request);
	check_text(json, "path", request.path);
	check_text(json, "body/any", "shape");
	json_decref(json);

	json_decref(response.body);
	response.body = json_string("AAE=");
	response.body_base64 = true;
	json = build_response(&request);
	check_text(json, "body-base64", "AAE=");
	check_absent(json, "body");
	json_decref(json);
}

/* Nothing is known but the ids. */
static void test_bare(void **state)
{
	struct openai_response none = {
		.prompt_tokens = -1,
		.completion_tokens = -1,
		.total_tokens = -1,
		.model_ms = -1,
		.outcome = OPENAI_INTERRUPTED,
	};
	struct event *event = NULL;
	(void)state;
	context = (struct event_context){.message_id = MESSAGE_ID};
	message = (struct http_message){.role = HTTP_RESPONSE, .end = HTTP_END_UNSEEN};
	assert_int_equal(event_build_response(&event, &context, TIME_NS, &message, NULL, &none, 0), 0);
	json_t *json = parse(event);
	event_free(&event);
	check_text(json, "operation", "Unknown");
	check_text(json, "outcome", "interrupted");
	check_text(json, "capture/reason", "unseen");
	check_text(json, "identity/kind", "none");
	check_absent(json, "status");
	check_absent(json, "attempt");
	check_absent(json, "backend");
	check_absent(json, "timing/duration-ms");
	assert_true(json_is_false(at(json, "stream")));
	json_decref(json);
}

static void test_orphan(void **state)
{
	(void)state;
	json_t *json = build_response(NULL);
	check_text(json, "backend", "contoso.openai.azure.com"); /* from the server name, in lower case */
	check_text(json, "operation", "Unknown");
	check_absent(json, "path");
	check_absent(json, "deployment-id");
	assert_true(json_is_true(at(json, "stream"))); /* by its content-type */
	json_decref(json);
}

static void test_capture(void **state)
{
	static const struct {
		uint64_t missing, total;
		enum gap_reason gap;
		enum http_end end;
		bool whole;
		const char *reason, *problem;
	} rows[] = {
		{0, 10, GAP_NONE, HTTP_END_COMPLETE, true, NULL, NULL},
		{0, 10, GAP_NONE, HTTP_END_COMPLETE, false, NULL, NULL},
		{0, 10, GAP_NONE, HTTP_END_CLOSED, true, NULL, NULL},
		{0, 10, GAP_NONE, HTTP_END_CLOSED, false, "closed", "connection ended"},
		{0, 10, GAP_NONE, HTTP_END_MALFORMED, true, "malformed", "not HTTP"},
		{0, 10, GAP_NONE, HTTP_END_LIMIT, false, "limit", "limit"},
		{0, 10, GAP_NONE, HTTP_END_UNSEEN, false, "unseen", "no byte"},
		{0, 10, GAP_LIMIT, HTTP_END_GAP, false, "call-limit", "not captured"},
		{0, 10, GAP_NONE, HTTP_END_GAP, false, "lost", "not captured"},
		{5, 10, GAP_RING_FULL, HTTP_END_GAP, false, "ring-full", "not captured"},
		{5, 10, GAP_RING_FULL, HTTP_END_COMPLETE, true, "ring-full", NULL},
		{5, 10, GAP_LIMIT, HTTP_END_COMPLETE, false, "call-limit", NULL},
		{5, 10, GAP_FAULT, HTTP_END_CLOSED, false, "fault", "connection ended"},
		{5, 10, GAP_LOST, HTTP_END_COMPLETE, false, "lost", NULL},
		{5, 10, GAP_NONE, HTTP_END_COMPLETE, false, "lost", NULL},
		{0, 4000, GAP_NONE, HTTP_END_COMPLETE, true, "max-body", NULL},
		{0, 4000, GAP_NONE, HTTP_END_CLOSED, true, "max-body", NULL},
		{5, 4000, GAP_FAULT, HTTP_END_COMPLETE, true, "fault", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		message.missing_bytes = rows[i].missing;
		message.missing_reason = rows[i].gap;
		message.body_total = rows[i].total;
		message.body_sha256_valid = rows[i].missing == 0;
		message.end = rows[i].end;
		response.whole = rows[i].whole;
		json_t *json = build_response(&request);
		assert_int_equal(json_is_true(at(json, "capture/complete")), rows[i].reason == NULL);
		check_text(json, "capture/reason", rows[i].reason);
		check_int(json, "capture/missing-bytes", (json_int_t)rows[i].missing);
		check_int(json, "body-bytes", (json_int_t)rows[i].total);
		if (rows[i].total > 10) {
			check_text(json, "capture/truncated/0/path", "/body");
			check_int(json, "capture/truncated/0/bytes", (json_int_t)rows[i].total - 10);
			assert_int_equal(at(json, "capture/truncated/0/sha256") != NULL,
					 rows[i].missing == 0);
		} else {
			check_absent(json, "capture/truncated");
		}
		assert_int_equal(at(json, "body-sha256") != NULL, rows[i].missing == 0);
		if (rows[i].problem)
			check_problem(json, rows[i].problem);
		else
			check_absent(json, "problem");
		json_decref(json);
	}
}

static void test_clocks_out_of_order(void **state)
{
	(void)state;
	message.first_ts_ns = 10; /* before the request's first byte */
	response.model_ms = (double)INFINITY;
	json_t *json = build_response(&request);
	check_absent(json, "timing/time-to-first-byte-ms");
	check_absent(json, "modeltime");
	json_decref(json);
}

static void test_outcomes(void **state)
{
	static const char *const names[] = {"ok", "http-error", "stream-error", "filtered", "interrupted"};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		response.outcome = (enum openai_outcome)i;
		json_t *json = build_response(&request);
		check_text(json, "outcome", names[i]);
		json_decref(json);
	}
}

#define fresh(f) cmocka_unit_test_setup_teardown(f, setup_response, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(test_response),
		fresh(test_error),
		fresh(test_members),
		fresh(test_repeated_credential),
		fresh(test_unknown_operation),
		fresh(test_bare),
		fresh(test_orphan),
		fresh(test_capture),
		fresh(test_outcomes),
		fresh(test_clocks_out_of_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
