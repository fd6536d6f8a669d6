/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

/* Answers of every kind that are not streams, in the shape that the API gives them. */

#define JSON  "application/json"
#define HEX32 "abababababababababababababababababababababababababababababababab"

static struct openai_response *read_kind(struct fx *fx, enum openai_kind kind)
{
	const struct openai_request req = {.kind = kind, .operation = "x"};
	return fx_read_response(fx, &req);
}

static void set_hash(struct fx *fx)
{
	memset(fx->msg.body_sha256, 0xab, sizeof(fx->msg.body_sha256));
	fx->msg.body_sha256_valid = true;
}

static const struct {
	enum openai_kind kind;
	const char *body;
	const char *id, *model, *choices, *output, *data, *text, *finish, *extra;
	enum openai_outcome outcome;
} cases[] = {
	{OPENAI_COMPLETION,
	 "{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"model\":\"m\",\"choices\":[{\"text\":\"Hi\","
	 "\"index\":0,"
	 "\"finish_reason\":\"length\"}]}",
	 "cmpl-1", "m", "[{\"text\":\"Hi\",\"index\":0,\"finish_reason\":\"length\"}]", NULL, NULL, NULL,
	 "[\"length\"]", "{\"object\":\"text_completion\"}", OPENAI_OK},
	{OPENAI_EMBEDDING,
	 "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.5,-1.0]}],"
	 "\"model\":\"e\"}",
	 NULL, "e", NULL, NULL, "[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.5,-1.0]}]", NULL,
	 NULL, "{\"object\":\"list\"}", OPENAI_OK},
	{OPENAI_RESPONSE,
	 "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"error\":null,\"model\":\"o\","
	 "\"output\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
	 "\"text\":"
	 "\"Hi\"}]}],\"text\":{\"format\":{\"type\":\"text\"}},\"incomplete_details\":null}",
	 "resp_1", "o", NULL,
	 "[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":"
	 "\"Hi\"}]}]",
	 NULL, NULL, "[\"completed\"]",
	 "{\"object\":\"response\",\"status\":\"completed\",\"error\":null,\"text\":{\"format\":{\"type\":"
	 "\"text\"}},"
	 "\"incomplete_details\":null}",
	 OPENAI_OK},
	{OPENAI_RESPONSE,
	 "{\"id\":\"r\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"},"
	 "\"output\":[]}",
	 "r", NULL, NULL, "[]", NULL, NULL, "[\"max_output_tokens\"]",
	 "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}", OPENAI_OK},
	{OPENAI_RESPONSE,
	 "{\"id\":\"r\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"},"
	 "\"output\":[]}",
	 "r", NULL, NULL, "[]", NULL, NULL, "[\"content_filter\"]",
	 "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"}}",
	 OPENAI_FILTERED},
	{OPENAI_RESPONSE, "{\"id\":\"r\",\"status\":\"incomplete\",\"output\":[]}", "r", NULL, NULL, "[]",
	 NULL, NULL, "[\"incomplete\"]", "{\"status\":\"incomplete\"}", OPENAI_OK},
	{OPENAI_RESPONSE,
	 "{\"id\":\"r\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"m\"},"
	 "\"output\":[]}",
	 "r", NULL, NULL, "[]", NULL, NULL, "[\"failed\"]", "{\"status\":\"failed\"}", OPENAI_STREAM_ERROR},
	{OPENAI_RESPONSE, "{\"id\":\"r\",\"status\":\"queued\",\"output\":[]}", "r", NULL, NULL, "[]", NULL,
	 NULL, NULL, "{\"status\":\"queued\"}", OPENAI_OK},
	{OPENAI_IMAGE, "{\"created\":1,\"data\":[{\"b64_json\":\"AAAA\"}]}", NULL, NULL, NULL, NULL,
	 "[{\"b64_json\":\"AAAA\"}]", NULL, NULL, "{\"created\":1}", OPENAI_OK},
	{OPENAI_TRANSCRIPT, "{\"text\":\"Hello.\",\"duration\":1.5}", NULL, NULL, NULL, NULL, NULL,
	 "\"Hello.\"", NULL, "{\"duration\":1.5}", OPENAI_OK},
	{OPENAI_RUN,
	 "{\"id\":\"run_1\",\"object\":\"thread.run\",\"status\":\"requires_action\",\"last_error\":null,"
	 "\"model\":\"m\","
	 "\"usage\":null}",
	 "run_1", "m", NULL, NULL, NULL, NULL, "[\"requires_action\"]",
	 "{\"object\":\"thread.run\",\"status\":\"requires_action\",\"last_error\":null,\"usage\":null}",
	 OPENAI_OK},
	{OPENAI_RUN,
	 "{\"id\":\"run_1\",\"status\":\"failed\",\"last_error\":{\"code\":\"rate_limit_exceeded\","
	 "\"message\":\"m\"}}",
	 "run_1", NULL, NULL, NULL, NULL, NULL, "[\"failed\"]", "{\"status\":\"failed\"}",
	 OPENAI_STREAM_ERROR},
	{OPENAI_OBJECT, "{\"object\":\"list\",\"data\":[{\"id\":\"gpt-4o\"}],\"has_more\":false}", NULL, NULL,
	 NULL, NULL, "[{\"id\":\"gpt-4o\"}]", NULL, NULL, "{\"object\":\"list\",\"has_more\":false}",
	 OPENAI_OK},
	{OPENAI_OBJECT, "{\"id\":\"file-1\",\"object\":\"file\",\"bytes\":5}", "file-1", NULL, NULL, NULL,
	 NULL, NULL, NULL, "{\"object\":\"file\",\"bytes\":5}", OPENAI_OK},
	{OPENAI_OBJECT, "{\"id\":\"resp_1\",\"object\":\"response.deleted\",\"deleted\":true}", "resp_1",
	 NULL, NULL, NULL, NULL, NULL, NULL, "{\"object\":\"response.deleted\",\"deleted\":true}", OPENAI_OK},
	{OPENAI_OBJECT, "{\"id\":\"modr\",\"model\":\"om\",\"results\":[{\"flagged\":true}]}", "modr", "om",
	 NULL, NULL, NULL, NULL, NULL, "{\"results\":[{\"flagged\":true}]}", OPENAI_OK},
	/* A job that failed is looked up: the look-up did not fail. */
	{OPENAI_OBJECT,
	 "{\"id\":\"ftjob\",\"status\":\"failed\",\"error\":{\"code\":\"c\",\"message\":\"m\"}}", "ftjob",
	 NULL, NULL, NULL, NULL, NULL, NULL,
	 "{\"status\":\"failed\",\"error\":{\"code\":\"c\",\"message\":\"m\"}}", OPENAI_OK},
	{OPENAI_OBJECT, "{\"error\":{\"message\":\"m\"}}", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	 OPENAI_STREAM_ERROR},
	{OPENAI_OBJECT,
	 "{\"id\":\"chatcmpl\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{}}]}",
	 "chatcmpl", NULL, "[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{}}]", NULL, NULL, NULL,
	 "[\"stop\"]", NULL, OPENAI_OK},
	{OPENAI_OBJECT, "{\"output\":\"x\",\"data\":{}}", NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	 "{\"output\":\"x\",\"data\":{}}", OPENAI_OK},
};

static void test_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fx_ struct fx fx = fx_response(200, JSON, cases[i].body);
		_cleanup_resp_ struct openai_response *resp = read_kind(&fx, cases[i].kind);
		assert_text(resp->response_id, cases[i].id);
		assert_text(resp->model, cases[i].model);
		assert_json(resp->choices, cases[i].choices);
		assert_json(resp->output, cases[i].output);
		assert_json(resp->data, cases[i].data);
		assert_json(resp->text, cases[i].text);
		assert_json(resp->finish_reason, cases[i].finish);
		assert_json(resp->extra, cases[i].extra);
		assert_int_equal(resp->outcome, cases[i].outcome);
		assert_true(resp->whole);
		assert_null(resp->files);
		assert_null(resp->body);
		assert_null(resp->problem);
	}
}

static void test_lacking(void **state)
{
	(void)state;
	static const struct {
		enum openai_kind kind;
		int status;
		const char *body, *problem;
	} lacking[] = {
		{OPENAI_CHAT, 200, "{}", "neither choices nor an error"},
		{OPENAI_COMPLETION, 200, "{}", "neither choices nor an error"},
		{OPENAI_EMBEDDING, 200, "{}", "neither data nor an error"},
		{OPENAI_IMAGE, 200, "{}", "neither data nor an error"},
		{OPENAI_IMAGE, 200, "{\"data\":1}", "data is not an array"},
		{OPENAI_TRANSCRIPT, 200, "{}", "neither text nor an error"},
		{OPENAI_RESPONSE, 200, "{\"output\":{}}", "output is not an array"},
		{OPENAI_RESPONSE, 200, "", "there is no body"},
		{OPENAI_RUN, 200, "[]", "not a JSON object"},
		{OPENAI_OBJECT, 200, "oops", "is not JSON"},
		{OPENAI_OBJECT, 200, "5", "not a JSON object"},
		{OPENAI_OBJECT, 200, "{\"id\":\"x\"", "ends early"},
		{OPENAI_RESPONSE, 200, "{}", NULL},
		{OPENAI_OBJECT, 200, "{}", NULL},
		{OPENAI_OBJECT, 200, "", NULL},
		{OPENAI_OBJECT, 200, "[1]", NULL},
		{OPENAI_RESPONSE, 204, "", NULL},
		{OPENAI_REALTIME, 101, "", NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(lacking); i++) {
		_cleanup_fx_ struct fx fx = fx_response(lacking[i].status, JSON, lacking[i].body);
		_cleanup_resp_ struct openai_response *resp = read_kind(&fx, lacking[i].kind);
		if (lacking[i].problem)
			assert_says(resp->problem, lacking[i].problem);
		else
			assert_null(resp->problem);
	}
}

static void test_usage(void **state)
{
	(void)state;
	static const struct {
		enum openai_kind kind;
		const char *usage;
		int64_t prompt, completion, total, cached, reasoning, prompt_audio, completion_audio;
	} usages[] = {
		{OPENAI_CHAT,
		 "{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13,\"prompt_tokens_details\":"
		 "{"
		 "\"cached_tokens\":8,\"audio_tokens\":1},\"completion_tokens_details\":{\"reasoning_"
		 "tokens\":2,"
		 "\"audio_tokens\":3,\"accepted_prediction_tokens\":0}}",
		 9, 4, 13, 8, 2, 1, 3},
		{OPENAI_EMBEDDING, "{\"prompt_tokens\":9,\"total_tokens\":9}", 9, -1, 9, -1, -1, -1, -1},
		{OPENAI_RESPONSE,
		 "{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":8},\"output_tokens\":4,"
		 "\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":13}",
		 9, 4, 13, 8, 2, -1, -1},
		{OPENAI_IMAGE,
		 "{\"input_tokens\":9,\"output_tokens\":4,\"input_tokens_details\":{\"image_tokens\":5,"
		 "\"text_tokens\":4}}",
		 9, 4, 13, -1, -1, -1, -1},
		{OPENAI_REALTIME,
		 "{\"input_tokens\":9,\"output_tokens\":4,\"input_token_details\":{\"cached_tokens\":1,"
		 "\"audio_tokens\":7,"
		 "\"cached_tokens_details\":{}},\"output_token_details\":{\"audio_tokens\":3}}",
		 9, 4, 13, 1, -1, 7, 3},
		{OPENAI_TRANSCRIPT,
		 "{\"type\":\"tokens\",\"input_tokens\":9,\"output_tokens\":4,\"total_tokens\":13,\"input_"
		 "token_details\":"
		 "{\"text_tokens\":0,\"audio_tokens\":9}}",
		 9, 4, 13, -1, -1, 9, -1},
		{OPENAI_TRANSCRIPT, "{\"type\":\"duration\",\"seconds\":5}", -1, -1, -1, -1, -1, -1, -1},
		{OPENAI_RUN, "{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":99}", 9, 4, 99,
		 -1, -1, -1, -1},
		{OPENAI_UNKNOWN, "{\"prompt_tokens\":9}", 9, -1, -1, -1, -1, -1, -1},
		{OPENAI_CHAT, "{\"prompt_tokens\":null,\"input_tokens\":5,\"prompt_tokens_details\":null}", 5,
		 -1, -1, -1, -1, -1, -1},
		{OPENAI_CHAT, "{\"prompt_tokens\":9007199254740991,\"completion_tokens\":1}",
		 9007199254740991, 1, -1, -1, -1, -1, -1},
	};
	for (size_t i = 0; i < ARRAY_SIZE(usages); i++) {
		char body[600];
		snprintf(body, sizeof(body), "{\"choices\":[],\"data\":[],\"text\":\"\",\"usage\":%s}",
			 usages[i].usage);
		_cleanup_fx_ struct fx fx = fx_response(200, JSON, body);
		_cleanup_resp_ struct openai_response *resp = read_kind(&fx, usages[i].kind);
		assert_json(resp->usage, usages[i].usage);
		assert_int_equal(resp->prompt_tokens, usages[i].prompt);
		assert_int_equal(resp->completion_tokens, usages[i].completion);
		assert_int_equal(resp->total_tokens, usages[i].total);
		assert_int_equal(resp->cached_tokens, usages[i].cached);
		assert_int_equal(resp->reasoning_tokens, usages[i].reasoning);
		assert_int_equal(resp->prompt_audio_tokens, usages[i].prompt_audio);
		assert_int_equal(resp->completion_audio_tokens, usages[i].completion_audio);
		assert_int_equal(resp->usage_source,
				 usages[i].prompt >= 0 ? OPENAI_USAGE_REPORTED : OPENAI_USAGE_NONE);
		assert_null(resp->problem);
	}
}

static void test_odd_usage(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_response(
		200, JSON,
		"{\"output\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":4,\"total_tokens\":-1,"
		"\"output_tokens_details\":{\"reasoning_tokens\":1.5}}}");
	_cleanup_resp_ struct openai_response *resp = read_kind(&fx, OPENAI_RESPONSE);
	assert_int_equal(resp->total_tokens, -1);
	assert_int_equal(resp->reasoning_tokens, -1);
	assert_says(resp->problem, "usage.total_tokens is not a whole number");
	assert_says(resp->problem, "usage.output_tokens_details.reasoning_tokens is not a whole number");

	/* Nothing is expected of what is not known. */
	_cleanup_fx_ struct fx other = fx_response(200, JSON, "{\"usage\":[],\"error\":5}");
	_cleanup_resp_ struct openai_response *unknown = read_kind(&other, OPENAI_UNKNOWN);
	assert_null(unknown->usage);
	assert_null(unknown->problem);
	assert_json(unknown->body, "{\"usage\":[],\"error\":5}");
}

static void test_files(void **state)
{
	(void)state;
	static const struct {
		enum openai_kind kind;
		bool answers_file;
		const char *type;
		bool file;
	} types[] = {
		{OPENAI_SPEECH, false, "audio/mpeg", true},
		{OPENAI_SPEECH, false, "application/octet-stream", true},
		{OPENAI_SPEECH, false, NULL, true},
		{OPENAI_SPEECH, false, "application/json", false},
		{OPENAI_OBJECT, false, "video/mp4", true},
		{OPENAI_OBJECT, false, "image/webp", true},
		{OPENAI_OBJECT, false, "application/json", false},
		{OPENAI_OBJECT, true, "application/json", true},
		{OPENAI_OBJECT, true, "text/plain", true},
		{OPENAI_OBJECT, true, "text/event-stream", true},
		{OPENAI_CHAT, false, "application/octet-stream", false},
		{OPENAI_UNKNOWN, false, "audio/mpeg", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const struct openai_request req = {
			.kind = types[i].kind, .operation = "x", .answers_file = types[i].answers_file};
		_cleanup_fx_ struct fx fx = fx_response(200, types[i].type, "{\"a\":1}");
		set_hash(&fx);
		_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &req);
		char want[200];
		snprintf(want, sizeof(want), "[{%s%s%s\"bytes\":7,\"sha256\":\"" HEX32 "\"}]",
			 types[i].type ? "\"content-type\":\"" : "", types[i].type ? types[i].type : "",
			 types[i].type ? "\"," : "");
		assert_json(resp->files, types[i].file ? want : NULL);
		if (types[i].file) {
			assert_null(resp->body);
			assert_null(resp->extra);
			assert_null(resp->problem);
		} else {
			assert_true(resp->body || resp->extra);
		}
		assert_int_equal(resp->outcome, OPENAI_OK);
	}
}

static void test_files_apart(void **state)
{
	(void)state;
	/* More than is kept: the hash is of the whole, so nothing is amiss. */
	_cleanup_fx_ struct fx fx = fx_response(200, "audio/mpeg", "\xff\xfb");
	fx.msg.body_total = 20000000;
	set_hash(&fx);
	_cleanup_resp_ struct openai_response *resp = read_kind(&fx, OPENAI_SPEECH);
	assert_json(resp->files,
		    "[{\"content-type\":\"audio/mpeg\",\"bytes\":20000000,\"sha256\":\"" HEX32 "\"}]");
	assert_null(resp->problem);

	/* Cut off: no hash. */
	fx.msg.body_sha256_valid = false;
	fx.msg.end = HTTP_END_CLOSED;
	_cleanup_resp_ struct openai_response *cut = read_kind(&fx, OPENAI_SPEECH);
	assert_json(cut->files, "[{\"content-type\":\"audio/mpeg\",\"bytes\":20000000}]");
	assert_int_equal(cut->outcome, OPENAI_INTERRUPTED);

	/* An error instead of the file. */
	const struct openai_request req = {.kind = OPENAI_OBJECT, .operation = "x", .answers_file = true};
	_cleanup_fx_ struct fx error = fx_response(404, JSON, "{\"error\":{\"message\":\"no such file\"}}");
	_cleanup_resp_ struct openai_response *missing = fx_read_response(&error, &req);
	assert_null(missing->files);
	assert_json(missing->error, "{\"message\":\"no such file\"}");
}

static void test_text(void **state)
{
	(void)state;
	static const struct {
		enum openai_kind kind;
		int status;
		const char *type, *body, *text, *kept, *problem;
	} texts[] = {
		{OPENAI_TRANSCRIPT, 200, "text/plain; charset=utf-8", "Hello.\n", "\"Hello.\\n\"", NULL,
		 NULL},
		{OPENAI_TRANSCRIPT, 200, "text/vtt", "WEBVTT\n\n00:00", "\"WEBVTT\\n\\n00:00\"", NULL, NULL},
		{OPENAI_TRANSCRIPT, 200, "application/x-subrip", "1\r\n", "\"1\\r\\n\"", NULL, NULL},
		{OPENAI_TRANSCRIPT, 200, "text/plain", "{\"text\":1}", "\"{\\\"text\\\":1}\"", NULL, NULL},
		{OPENAI_TRANSCRIPT, 200, "text/plain", "a\xff", NULL, "\"Yf8=\"", "the body is not text"},
		{OPENAI_TRANSCRIPT, 502, "text/html", "<p>", NULL, "\"<p>\"", "is not JSON"},
		{OPENAI_TRANSCRIPT, 200, NULL, "Hello.", NULL, "\"Hello.\"", "is not JSON"},
		{OPENAI_OBJECT, 201, "application/sdp", "v=0\r\n", NULL, "\"v=0\\r\\n\"", NULL},
		{OPENAI_OBJECT, 200, "text/plain", "ok", NULL, "\"ok\"", NULL},
		{OPENAI_OBJECT, 503, "text/plain", "no", NULL, "\"no\"", "is not JSON"},
		{OPENAI_RESPONSE, 200, "text/html", "<p>", NULL, "\"<p>\"", "is not JSON"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_fx_ struct fx fx = fx_response(texts[i].status, texts[i].type, texts[i].body);
		_cleanup_resp_ struct openai_response *resp = read_kind(&fx, texts[i].kind);
		assert_json(resp->text, texts[i].text);
		assert_json(resp->body, texts[i].kept);
		if (texts[i].problem)
			assert_says(resp->problem, texts[i].problem);
		else
			assert_null(resp->problem);
	}
}

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		enum openai_kind kind;
		int status;
		const char *body, *error, *filter;
		enum openai_outcome outcome;
	} errors[] = {
		{OPENAI_EMBEDDING, 429,
		 "{\"statusCode\":429,\"message\":\"Rate limit is exceeded. Try again in 5 seconds.\"}",
		 "{\"code\":\"429\",\"message\":\"Rate limit is exceeded. Try again in 5 seconds.\"}", NULL,
		 OPENAI_HTTP_ERROR},
		{OPENAI_OBJECT, 404,
		 "{\"timestamp\":1,\"status\":404,\"error\":\"Not Found\",\"message\":\"m\"}",
		 "{\"message\":\"m\",\"code\":\"Not Found\"}", NULL, OPENAI_HTTP_ERROR},
		{OPENAI_OBJECT, 401, "{\"error\":\"unauthorized\"}", "{\"message\":\"unauthorized\"}", NULL,
		 OPENAI_HTTP_ERROR},
		{OPENAI_OBJECT, 403,
		 "{\"success\":false,\"errors\":[{\"code\":10000,\"message\":\"Denied\"}]}",
		 "{\"code\":\"10000\",\"message\":\"Denied\"}", NULL, OPENAI_HTTP_ERROR},
		{OPENAI_OBJECT, 400, "{\"errors\":[\"bad\"]}", "{\"message\":\"bad\"}", NULL,
		 OPENAI_HTTP_ERROR},
		{OPENAI_OBJECT, 500, "{\"id\":\"x\",\"error\":{\"message\":\"m\"}}", "{\"message\":\"m\"}",
		 NULL, OPENAI_HTTP_ERROR},
		{OPENAI_OBJECT, 500, "{\"errors\":[]}", NULL, NULL, OPENAI_HTTP_ERROR},
		{OPENAI_RESPONSE, 400,
		 "{\"error\":{\"code\":\"content_filter\",\"message\":\"m\",\"content_filters\":[{"
		 "\"blocked\":true,"
		 "\"source_type\":\"prompt\",\"content_filter_results\":{\"hate\":{\"filtered\":true}}}]}}",
		 "{\"code\":\"content_filter\",\"message\":\"m\"}",
		 "{\"prompt\":[{\"blocked\":true,\"source_type\":\"prompt\",\"content_filter_results\":{"
		 "\"hate\":{"
		 "\"filtered\":true}}}]}",
		 OPENAI_FILTERED},
		{OPENAI_RESPONSE, 400,
		 "{\"error\":{\"message\":\"m\",\"content_filters\":[{\"blocked\":true}]}}",
		 "{\"message\":\"m\"}", "{\"choices\":[{\"blocked\":true}]}", OPENAI_FILTERED},
		{OPENAI_IMAGE, 400, "{\"error\":{\"code\":\"contentFilter\",\"message\":\"m\"}}",
		 "{\"code\":\"contentFilter\",\"message\":\"m\"}", NULL, OPENAI_FILTERED},
		{OPENAI_IMAGE, 400,
		 "{\"error\":{\"code\":\"moderation_blocked\",\"type\":\"image_generation_user_error\"}}",
		 "{\"code\":\"moderation_blocked\",\"type\":\"image_generation_user_error\"}", NULL,
		 OPENAI_FILTERED},
		{OPENAI_CHAT, 400,
		 "{\"code\":\"content_filter\",\"message\":\"m\",\"innererror\":{\"content_filter_result\":{"
		 "\"a\":{}}}}",
		 "{\"code\":\"content_filter\",\"message\":\"m\"}",
		 "{\"prompt\":[{\"content_filter_results\":{\"a\":{}}}]}", OPENAI_FILTERED},
		{OPENAI_CHAT, 408, "{\"error\":{\"code\":\"Timeout\",\"message\":\"m\"}}",
		 "{\"code\":\"Timeout\",\"message\":\"m\"}", NULL, OPENAI_TIMEOUT},
		{OPENAI_CHAT, 408, "", NULL, NULL, OPENAI_TIMEOUT},
		{OPENAI_UNKNOWN, 504, "<html>", NULL, NULL, OPENAI_TIMEOUT},
		{OPENAI_CHAT, 524, "", NULL, NULL, OPENAI_TIMEOUT},
		{OPENAI_CHAT, 500, "{\"error\":{\"type\":\"server_timeout\"}}",
		 "{\"type\":\"server_timeout\"}", NULL, OPENAI_TIMEOUT},
		{OPENAI_CHAT, 200, "{\"error\":{\"code\":\"DeadlineExceeded\"}}",
		 "{\"code\":\"DeadlineExceeded\"}", NULL, OPENAI_TIMEOUT},
		{OPENAI_UNKNOWN, 500, "{\"error\":{\"code\":\"RequestTimedOut\"}}",
		 "{\"code\":\"RequestTimedOut\"}", NULL, OPENAI_TIMEOUT},
		{OPENAI_CHAT, 504, "{\"error\":{\"code\":\"content_filter\"}}",
		 "{\"code\":\"content_filter\"}", NULL, OPENAI_FILTERED},
		{OPENAI_CHAT, 500, "{\"error\":{\"message\":\"timeout\"}}", "{\"message\":\"timeout\"}", NULL,
		 OPENAI_HTTP_ERROR},
	};
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		_cleanup_fx_ struct fx fx = fx_response(errors[i].status, JSON, errors[i].body);
		_cleanup_resp_ struct openai_response *resp = read_kind(&fx, errors[i].kind);
		assert_json(resp->error, errors[i].error);
		assert_json(resp->content_filter, errors[i].filter);
		assert_int_equal(resp->outcome, errors[i].outcome);
	}
	assert_string_equal(openai_outcome_name(OPENAI_TIMEOUT), "timeout");
}

static void test_filters(void **state)
{
	(void)state;
	static const struct {
		enum openai_kind kind;
		const char *body, *filter, *extra;
	} filters[] = {
		{OPENAI_RESPONSE,
		 "{\"output\":[],\"content_filters\":[{\"blocked\":false,\"source_type\":\"prompt\","
		 "\"content_filter_results\":"
		 "{}},{\"blocked\":false,\"source_type\":\"completion\",\"content_filter_results\":{\"hate\":"
		 "{}}}]}",
		 "{\"prompt\":[{\"blocked\":false,\"source_type\":\"prompt\",\"content_filter_results\":{}}],"
		 "\"choices\":[{"
		 "\"blocked\":false,\"source_type\":\"completion\",\"content_filter_results\":{\"hate\":{}}}]"
		 "}",
		 NULL},
		{OPENAI_IMAGE,
		 "{\"data\":[{\"url\":\"u\",\"prompt_filter_results\":{\"hate\":{}},\"content_filter_"
		 "results\":{\"sexual\":{}}}]}",
		 "{\"prompt\":[{\"content_filter_results\":{\"hate\":{}}}],\"choices\":[{\"content_filter_"
		 "results\":{\"sexual\":"
		 "{}}}]}",
		 NULL},
		{OPENAI_COMPLETION,
		 "{\"choices\":[{\"index\":1,\"content_filter_results\":{}}],\"prompt_annotations\":[{"
		 "\"prompt_index\":0}]}",
		 "{\"prompt\":[{\"prompt_index\":0}],\"choices\":[{\"index\":1,\"content_filter_results\":{}}"
		 "]}",
		 NULL},
		{OPENAI_RESPONSE, "{\"content_filters\":7}", NULL, "{\"content_filters\":7}"},
		{OPENAI_RESPONSE, "{\"content_filters\":[7,null]}", "{\"choices\":[7,null]}", NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		_cleanup_fx_ struct fx fx = fx_response(200, JSON, filters[i].body);
		_cleanup_resp_ struct openai_response *resp = read_kind(&fx, filters[i].kind);
		assert_json(resp->content_filter, filters[i].filter);
		assert_json(resp->extra, filters[i].extra);
		assert_null(resp->problem);
	}
}

/* What the service gives out to be used as a credential is in no member, whoever asked. */
static void test_keys(void **state)
{
	(void)state;
	static const struct {
		enum openai_kind kind;
		bool known;
		const char *body, *extra, *kept;
	} keys[] = {
		{OPENAI_OBJECT, true,
		 "{\"value\":\"ek_SECRET\",\"expires_at\":1,\"session\":{\"type\":\"realtime\"}}",
		 "{\"value\":\"[credential]\",\"expires_at\":1,\"session\":{\"type\":\"realtime\"}}", NULL},
		{OPENAI_OBJECT, true, "{\"client_secret\":{\"value\":\"SECRET\",\"expires_at\":1}}",
		 "{\"client_secret\":{\"value\":\"[credential]\",\"expires_at\":1}}", NULL},
		{OPENAI_OBJECT, true, "{\"client_secret\":\"SECRET\"}",
		 "{\"client_secret\":\"[credential]\"}", NULL},
		{OPENAI_OBJECT, true, "{\"api_key\":{\"value\":\"SECRET\"},\"value\":\"SECRET\"}",
		 "{\"api_key\":{\"value\":\"[credential]\"},\"value\":\"[credential]\"}", NULL},
		{OPENAI_UNKNOWN, false, "{\"value\":\"sk-SECRET\"}", NULL, "{\"value\":\"[credential]\"}"},
		{OPENAI_UNKNOWN, false, "{\"client_secret\":{\"value\":\"SECRET\"}}", NULL,
		 "{\"client_secret\":{\"value\":\"[credential]\"}}"},
		{OPENAI_OBJECT, true, "{\"value\":\"SECRET\",\"n\":99999999999999999999}",
		 "{\"value\":\"[credential]\",\"n\":\"99999999999999999999\"}", NULL},
		{OPENAI_OBJECT, true, "{\"value\":\"SECRET", NULL, NULL},
		{OPENAI_OBJECT, true, "value=SECRET", NULL, NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct openai_request req = {
			.kind = keys[i].kind, .operation = "x", .answers_key = keys[i].known};
		_cleanup_fx_ struct fx fx = fx_response(200, JSON, keys[i].body);
		_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &req);
		assert_json(resp->extra, keys[i].extra);
		assert_json(resp->body, keys[i].kept);
		assert_non_null(resp->problem);
		assert_null(strstr(resp->problem, "SECRET"));
	}
	/* A value that is none. */
	_cleanup_fx_ struct fx fx = fx_response(200, JSON, "{\"value\":\"plain\",\"client_secret\":null}");
	_cleanup_resp_ struct openai_response *resp = read_kind(&fx, OPENAI_OBJECT);
	assert_json(resp->extra, "{\"value\":\"plain\",\"client_secret\":null}");
	assert_null(resp->problem);
}

static void test_orphan(void **state)
{
	(void)state;
	static const char body[] = "{\"object\":\"response\",\"output\":[],\"usage\":{\"input_tokens\":5}}";
	_cleanup_fx_ struct fx fx = fx_response(200, JSON, body);
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, NULL);
	assert_json(resp->body, body);
	assert_null(resp->output);
	assert_int_equal(resp->prompt_tokens, 5);
	assert_null(resp->problem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),	cmocka_unit_test(test_lacking),
		cmocka_unit_test(test_usage),	cmocka_unit_test(test_odd_usage),
		cmocka_unit_test(test_files),	cmocka_unit_test(test_files_apart),
		cmocka_unit_test(test_text),	cmocka_unit_test(test_errors),
		cmocka_unit_test(test_filters), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_orphan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
