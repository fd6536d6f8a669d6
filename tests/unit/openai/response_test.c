/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static const struct openai_request chat_request = {.kind = OPENAI_CHAT, .operation = "createChatCompletion"};
static const struct openai_request other_request = {.kind = OPENAI_UNKNOWN, .operation = "Unknown"};

static const char answer[] = "{\"id\":\"chatcmpl-A1\",\"object\":\"chat.completion\",\"created\":1790000000,"
			     "\"model\":\"gpt-4o-2024-11-20\","
			     "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
			     "\"Blue \\ud83d\\ude00.\",\"refusal\":null},"
			     "\"logprobs\":null,\"finish_reason\":\"stop\",\"content_filter_results\":{"
			     "\"hate\":{\"filtered\":false,"
			     "\"severity\":\"safe\"}}},{\"index\":1,\"message\":{\"role\":\"assistant\","
			     "\"content\":null,\"tool_calls\":[]},"
			     "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":31,"
			     "\"completion_tokens\":7,\"total_tokens\":38,"
			     "\"prompt_tokens_details\":{\"cached_tokens\":0}},\"system_fingerprint\":\"fp_"
			     "1\",\"prompt_filter_results\":"
			     "[{\"prompt_index\":0,\"content_filter_results\":{\"jailbreak\":{\"filtered\":"
			     "false,\"detected\":false}}}]}";

static void test_plain(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_response(200, "application/json", answer);
	fx_header(&fx, "openai-processing-ms", "29.1074");
	fx.msg.reads = 3;
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_int_equal(resp->status, 200);
	assert_text(resp->response_id, "chatcmpl-A1");
	assert_text(resp->model, "gpt-4o-2024-11-20");
	assert_int_equal(json_array_size(resp->choices), 2);
	assert_json(json_object_get(json_array_get(resp->choices, 0), "message"),
		    "{\"role\":\"assistant\",\"content\":\"Blue \xf0\x9f\x98\x80.\",\"refusal\":null}");
	assert_json(resp->finish_reason, "[\"stop\",\"tool_calls\"]");
	assert_json(resp->usage, "{\"prompt_tokens\":31,\"completion_tokens\":7,\"total_tokens\":38,"
				 "\"prompt_tokens_details\":{\"cached_tokens\":0}}");
	assert_int_equal(resp->usage_source, OPENAI_USAGE_REPORTED);
	assert_int_equal(resp->prompt_tokens, 31);
	assert_int_equal(resp->completion_tokens, 7);
	assert_int_equal(resp->total_tokens, 38);
	assert_true(resp->model_ms == 29.1074);
	assert_json(resp->content_filter, "{\"prompt\":[{\"prompt_index\":0,\"content_filter_results\":{"
					  "\"jailbreak\":{\"filtered\":false,"
					  "\"detected\":false}}}],\"choices\":[{\"index\":0,\"content_filter_"
					  "results\":{\"hate\":{\"filtered\":"
					  "false,\"severity\":\"safe\"}}}]}");
	assert_json(
		resp->extra,
		"{\"object\":\"chat.completion\",\"created\":1790000000,\"system_fingerprint\":\"fp_1\"}");
	assert_null(resp->error);
	assert_null(resp->body);
	assert_null(resp->problem);
	assert_int_equal(resp->outcome, OPENAI_OK);
	assert_true(resp->whole);
	assert_int_equal(resp->chunks, 3);
	assert_int_equal(resp->first_token_ts_ns, 0);
}

static void test_tokens(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t tokens;
		bool problem;
	} cases[] = {
		{"0", 0, false},
		{"9007199254740991", 9007199254740991, false},
		{"9007199254740992", -1, true},
		{"-1", -1, true},
		{"1.0", -1, true},
		{"\"5\"", -1, true},
		{"null", -1, false},
		{"99999999999999999999", -1, true},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char body[256];
		snprintf(body, sizeof(body), "{\"choices\":[],\"usage\":{\"prompt_tokens\":%s}}",
			 cases[i].text);
		_cleanup_fx_ struct fx fx = fx_response(200, "application/json", body);
		_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
		assert_int_equal(resp->prompt_tokens, cases[i].tokens);
		assert_int_equal(resp->completion_tokens, -1);
		assert_int_equal(resp->usage_source,
				 cases[i].tokens >= 0 ? OPENAI_USAGE_REPORTED : OPENAI_USAGE_NONE);
		if (cases[i].problem)
			assert_says(resp->problem, "usage.prompt_tokens is not a whole number");
		else
			assert_null(resp->problem);
	}
}

static void test_model_ms(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double ms;
	} cases[] = {
		{"57", 57},
		{"0", 0},
		{"0.5", 0.5},
		{"12.", 12},
		{".25", 0.25},
		{"", -1},
		{".", -1},
		{"-3", -1},
		{"1e3", -1},
		{"nan", -1},
		{"1.2.3", -1},
		{"0x10", -1},
		{"inf", -1},
		{"1,5", -1},
		{"29 ms", -1},
		{"0.001", 0.001},
		{"9999999999999999", -1},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fx_ struct fx fx = fx_response(200, NULL, answer);
		fx_header(&fx, "openai-processing-ms", cases[i].text);
		_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
		assert_true(resp->model_ms == cases[i].ms);
	}
}

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *body, *error, *extra, *filter;
		enum openai_outcome outcome;
	} cases[] = {
		{401, "{\"statusCode\":401,\"message\":\"Unauthorized. Access token is missing.\"}",
		 "{\"code\":\"401\",\"message\":\"Unauthorized. Access token is missing.\"}", NULL, NULL,
		 OPENAI_HTTP_ERROR},
		{401, "{\"error\":{\"code\":\"PermissionDenied\",\"message\":\"The principal lacks it.\"}}",
		 "{\"code\":\"PermissionDenied\",\"message\":\"The principal lacks it.\"}", NULL, NULL,
		 OPENAI_HTTP_ERROR},
		{401,
		 "{\"error\":{\"message\":\"Incorrect API "
		 "key.\",\"type\":\"invalid_request_error\",\"param\":null,"
		 "\"code\":\"invalid_api_key\"}}",
		 "{\"code\":\"invalid_api_key\",\"type\":\"invalid_request_error\",\"message\":\"Incorrect "
		 "API key.\"}",
		 NULL, NULL, OPENAI_HTTP_ERROR},
		{400,
		 "{\"error\":{\"message\":\"Bad.\",\"type\":\"invalid_request_error\",\"param\":\"messages\","
		 "\"code\":null}}",
		 "{\"type\":\"invalid_request_error\",\"message\":\"Bad.\"}",
		 "{\"error_details\":{\"param\":\"messages\"}}", NULL, OPENAI_HTTP_ERROR},
		{429, "{\"error\":{\"code\":429,\"message\":\"Slow down.\"}}",
		 "{\"code\":\"429\",\"message\":\"Slow down.\"}", NULL, NULL, OPENAI_HTTP_ERROR},
		{500, "{\"error\":\"it broke\",\"trace\":1}", "{\"message\":\"it broke\"}", "{\"trace\":1}",
		 NULL, OPENAI_HTTP_ERROR},
		{422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"x\"}]}",
		 "{\"message\":\"[{\\\"loc\\\":[\\\"body\\\"],\\\"msg\\\":\\\"x\\\"}]\"}", NULL, NULL,
		 OPENAI_HTTP_ERROR},
		{400,
		 "{\"object\":\"error\",\"message\":\"too "
		 "long\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
		 "{\"code\":\"400\",\"type\":\"BadRequestError\",\"message\":\"too long\"}",
		 "{\"object\":\"error\",\"param\":null}", NULL, OPENAI_HTTP_ERROR},
		{400,
		 "{\"error\":{\"message\":\"Filtered.\",\"type\":null,\"param\":\"prompt\",\"code\":"
		 "\"content_filter\",\"status\":400,"
		 "\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{"
		 "\"hate\":{\"filtered\":"
		 "true,\"severity\":\"high\"}}}}}",
		 "{\"code\":\"content_filter\",\"message\":\"Filtered.\"}",
		 "{\"error_details\":{\"param\":\"prompt\",\"status\":400,\"innererror\":{\"code\":"
		 "\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{\"hate\":{\"filtered\":true,"
		 "\"severity\":"
		 "\"high\"}}}}}",
		 "{\"prompt\":[{\"content_filter_results\":{\"hate\":{\"filtered\":true,\"severity\":"
		 "\"high\"}}}]}",
		 OPENAI_FILTERED},
		{400,
		 "{\"error\":{\"code\":\"x\",\"inner_error\":{\"code\":\"ResponsibleAIPolicyViolation\","
		 "\"content_filter_results\":{\"sexual\":{\"filtered\":true}}}}}",
		 "{\"code\":\"x\"}",
		 "{\"error_details\":{\"inner_error\":{\"code\":\"ResponsibleAIPolicyViolation\",\"content_"
		 "filter_results\":"
		 "{\"sexual\":{\"filtered\":true}}}}}",
		 "{\"prompt\":[{\"content_filter_results\":{\"sexual\":{\"filtered\":true}}}]}",
		 OPENAI_FILTERED},
		{200, "{\"error\":{\"code\":\"overloaded\",\"message\":\"m\"}}",
		 "{\"code\":\"overloaded\",\"message\":\"m\"}", NULL, NULL, OPENAI_STREAM_ERROR},
		{200, "{\"error\":null,\"choices\":[]}", NULL, "{\"error\":null}", NULL, OPENAI_OK},
		{200, "{\"message\":\"m\",\"choices\":[]}", NULL, "{\"message\":\"m\"}", NULL, OPENAI_OK},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fx_ struct fx fx = fx_response(cases[i].status, "application/json", cases[i].body);
		_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
		assert_json(resp->error, cases[i].error);
		assert_json(resp->extra, cases[i].extra);
		assert_json(resp->content_filter, cases[i].filter);
		assert_int_equal(resp->outcome, cases[i].outcome);
		assert_null(resp->body);
		assert_null(resp->problem);
	}
}

/* The error of an operation that is not in the table is found, and its body stays whole. */
static void test_error_of_unknown(void **state)
{
	(void)state;
	static const char body[] = "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"m\",\"x\":1}}";
	_cleanup_fx_ struct fx fx = fx_response(404, "application/json", body);
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &other_request);
	assert_json(resp->error, "{\"code\":\"DeploymentNotFound\",\"message\":\"m\"}");
	assert_json(resp->body, body);
	assert_null(resp->extra);
	assert_int_equal(resp->outcome, OPENAI_HTTP_ERROR);
}

static void test_not_json(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_response(502, "text/html", "<html>bad gateway</html>");
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_json(resp->body, "\"<html>bad gateway</html>\"");
	assert_int_equal(resp->outcome, OPENAI_HTTP_ERROR);
	assert_says(resp->problem, "is not JSON");
	assert_null(resp->error);

	_cleanup_fx_ struct fx other = fx_response(200, "audio/mpeg", "\xff\xfb\x90");
	_cleanup_resp_ struct openai_response *audio = fx_read_response(&other, &other_request);
	assert_json(audio->body, "\"//uQ\"");
	assert_true(audio->body_base64);
	assert_null(audio->problem);
	assert_int_equal(audio->outcome, OPENAI_OK);
}

static void test_filtered(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_response(
		200, NULL,
		"{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"},{\"index\":1,\"finish_reason\":"
		"\"content_filter\",\"content_filter_results\":{\"violence\":{\"filtered\":true}}}]}");
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_int_equal(resp->outcome, OPENAI_FILTERED);
	assert_json(resp->finish_reason, "[\"stop\",\"content_filter\"]");
	assert_json(resp->content_filter,
		    "{\"choices\":[{\"index\":1,\"content_filter_results\":{\"violence\":"
		    "{\"filtered\":true}}}]}");
}

static void test_wrong_types(void **state)
{
	(void)state;
	static const char body[] =
		"{\"id\":5,\"model\":\"a\\u0000b\",\"choices\":{},\"usage\":[],\"prompt_filter_results\":1}";
	_cleanup_fx_ struct fx fx = fx_response(200, NULL, body);
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_null(resp->response_id);
	assert_null(resp->model);
	assert_null(resp->choices);
	assert_null(resp->usage);
	assert_json(resp->extra, body);
	assert_says(resp->problem, "id is not a name");
	assert_says(resp->problem, "model is not a name");
	assert_says(resp->problem, "choices is not an array");
	assert_says(resp->problem, "usage is not an object");

	_cleanup_fx_ struct fx odd = fx_response(200, NULL,
						 "{\"choices\":[1,null,[],{\"finish_reason\":7,\"index\":"
						 "\"x\",\"content_filter_results\":3}]}");
	_cleanup_resp_ struct openai_response *strange = fx_read_response(&odd, &chat_request);
	assert_null(strange->finish_reason);
	assert_json(strange->choices,
		    "[1,null,[],{\"finish_reason\":7,\"index\":\"x\",\"content_filter_results\":3}]");
}

static void test_unseen(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_response(0, NULL, "");
	fx.msg.end = HTTP_END_UNSEEN;
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_int_equal(resp->status, 0);
	assert_int_equal(resp->outcome, OPENAI_INTERRUPTED);
	assert_false(resp->whole);
	assert_int_equal(resp->prompt_tokens, -1);
	assert_true(resp->model_ms < 0);
}

static void test_interrupted(void **state)
{
	(void)state;
	/* Cut by the end of the connection: what was said is kept, half a name is not. */
	for (size_t len = 0; len < strlen(answer); len++) {
		_cleanup_fx_ struct fx fx = fx_response(200, "application/json", "");
		fx_body(&fx, answer, len);
		fx.msg.end = HTTP_END_CLOSED;
		_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
		assert_int_equal(resp->outcome, OPENAI_INTERRUPTED);
		assert_false(resp->whole);
		assert_non_null(resp->problem);
		assert_true(!resp->model || !strcmp(resp->model, "gpt-4o-2024-11-20"));
		assert_true(!resp->response_id || !strcmp(resp->response_id, "chatcmpl-A1"));
		assert_null(resp->body);
	}
	/* Cut although its framing is complete: the server ended early. */
	_cleanup_fx_ struct fx fx = fx_response(200, "application/json", "{\"choices\":[{\"index\":0,");
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_false(resp->whole);
	assert_int_equal(resp->outcome, OPENAI_INTERRUPTED);
	assert_says(resp->problem, "ends early");
	/* Cut by the limit of what is kept. */
	fx.msg.body_total = 1000;
	_cleanup_resp_ struct openai_response *limited = fx_read_response(&fx, &chat_request);
	assert_true(limited->whole);
	assert_int_equal(limited->outcome, OPENAI_OK);
	assert_says(limited->problem, "only the first 23 of the body's 1000 bytes");
}

static void test_orphan(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_response(200, "application/json", answer);
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, NULL);
	assert_int_equal(resp->total_tokens, 38);
	assert_null(resp->body);

	_cleanup_fx_ struct fx other =
		fx_response(200, "application/json", "{\"object\":\"list\",\"data\":[]}");
	_cleanup_resp_ struct openai_response *list = fx_read_response(&other, NULL);
	assert_json(list->body, "{\"object\":\"list\",\"data\":[]}");
	assert_null(list->extra);
	assert_null(list->problem);
}

static void test_header_model(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_response(429, "application/json", "{\"error\":{\"message\":\"m\"}}");
	fx_header(&fx, "openai-model", "gpt-4o");
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_text(resp->model, "gpt-4o");
	fx.headers[1].value = (char *)"bad\xff";
	_cleanup_resp_ struct openai_response *bad = fx_read_response(&fx, &chat_request);
	assert_null(bad->model);
}

static void test_inexact(void **state)
{
	(void)state;
	static const char body[] = "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"\\udc00\"},"
				   "\"finish_reason\":\"stop\"}]}";
	_cleanup_fx_ struct fx fx = fx_response(200, NULL, body);
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_json(resp->finish_reason, "[\"stop\"]");
	assert_text(json_string_value(resp->body), body);
	assert_says(resp->problem, "surrogate");
	assert_int_equal(resp->outcome, OPENAI_OK);
}

static void test_compressed(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_response(200, "text/event-stream", "\x1f\x8b\x08\xff");
	fx_header(&fx, "content-encoding", "br");
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_says(resp->problem, "compressed (br)");
	assert_true(resp->body_base64);
	fx.headers[0].value = (char *)"application/json";
	_cleanup_resp_ struct openai_response *json = fx_read_response(&fx, &chat_request);
	assert_text(json->problem, "the body is compressed (br) and was not decoded");
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(openai_outcome_name(OPENAI_OK), "ok");
	assert_string_equal(openai_outcome_name(OPENAI_HTTP_ERROR), "http-error");
	assert_string_equal(openai_outcome_name(OPENAI_STREAM_ERROR), "stream-error");
	assert_string_equal(openai_outcome_name(OPENAI_FILTERED), "filtered");
	assert_string_equal(openai_outcome_name(OPENAI_INTERRUPTED), "interrupted");
	struct openai_response *none = NULL;
	openai_response_free(&none);
	struct openai_request *no = NULL;
	openai_request_free(&no);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_model_ms),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_error_of_unknown),
		cmocka_unit_test(test_not_json),
		cmocka_unit_test(test_filtered),
		cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_header_model),
		cmocka_unit_test(test_inexact),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
