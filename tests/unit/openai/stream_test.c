/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <time.h>

#include "base/buf.h"

static const struct openai_request chat_request = {
	.kind = OPENAI_CHAT, .operation = "ChatCompletions_Create", .stream = true};
static const struct openai_request other_request = {
	.kind = OPENAI_UNKNOWN, .operation = "Unknown", .stream = true};

#define SSE  "text/event-stream; charset=utf-8"
#define DONE "data: [DONE]\n\n"
/* A chunk as Azure and OpenAI send it, with these choices. */
#define CHUNK(choices)                                                                                       \
	"data: "                                                                                             \
	"{\"id\":\"chatcmpl-B2\",\"object\":\"chat.completion.chunk\",\"created\":1790000001,\"model\":"     \
	"\"gpt-4o-x\","                                                                                      \
	"\"system_fingerprint\":\"fp_2\",\"choices\":[" choices                                              \
	"],\"usage\":null,\"obfuscation\":\"kJ3\"}\n\n"
#define DELTA(index, delta)                                                                                  \
	"{\"index\":" #index ",\"delta\":" delta ",\"logprobs\":null,\"finish_reason\":null}"
#define FINISH(index, why) "{\"index\":" #index ",\"delta\":{},\"finish_reason\":\"" why "\"}"

static struct openai_response *read_stream(const char *body)
{
	_cleanup_fx_ struct fx fx = fx_response(200, SSE, body);
	return fx_read_response(&fx, &chat_request);
}

static void test_openai(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp = read_stream(
		CHUNK(DELTA(0, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}")) CHUNK(DELTA(
			0, "{\"content\":\"Bl\"}")) CHUNK(DELTA(0, "{\"content\":\"ue \\ud83d\\ude00\"}"))
			CHUNK(DELTA(0, "{\"content\":\" a\\u0000b\"}")) CHUNK(
				FINISH(0, "stop")) "data: "
						   "{\"id\":\"chatcmpl-B2\",\"object\":\"chat.completion."
						   "chunk\",\"model\":\"gpt-4o-x\","
						   "\"choices\":[],\"usage\":{\"prompt_tokens\":10,"
						   "\"completion_tokens\":5,\"total_tokens\":15}}\n\n" DONE);
	assert_json(resp->choices, "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Blue "
				   "\xf0\x9f\x98\x80 a\\u0000b\","
				   "\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}]");
	assert_text(resp->model, "gpt-4o-x");
	assert_text(resp->response_id, "chatcmpl-B2");
	assert_json(resp->finish_reason, "[\"stop\"]");
	assert_json(
		resp->extra,
		"{\"object\":\"chat.completion\",\"created\":1790000001,\"system_fingerprint\":\"fp_2\"}");
	assert_int_equal(resp->prompt_tokens, 10);
	assert_int_equal(resp->completion_tokens, 5);
	assert_int_equal(resp->total_tokens, 15);
	assert_int_equal(resp->usage_source, OPENAI_USAGE_REPORTED);
	assert_int_equal(resp->chunks, 6);
	assert_int_equal(resp->outcome, OPENAI_OK);
	assert_true(resp->whole);
	assert_null(resp->body);
	assert_null(resp->content_filter);
	assert_null(resp->problem);
}

/* The chunk that comes first, and the results of the asynchronous filter, which may come last. */
#define AZURE_FIRST                                                                                          \
	"data: "                                                                                             \
	"{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_"          \
	"results\":"                                                                                         \
	"[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":"        \
	"\"safe\"}}}]}\n\n"
#define AZURE_ASYNC(verdict, offsets)                                                                        \
	"data: "                                                                                             \
	"{\"id\":\"\",\"object\":\"\",\"created\":0,\"model\":\"wrong\",\"choices\":[{\"index\":0,\"finish_" \
	"reason\":"                                                                                          \
	"null,\"content_filter_results\":{\"violence\":" verdict "},\"content_filter_offsets\":" offsets     \
	"}]}\n\n"

static void test_azure(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp = read_stream(
		AZURE_FIRST CHUNK(DELTA(0, "{\"role\":\"assistant\",\"content\":\"\"}"))
			CHUNK(DELTA(0, "{\"content\":\"Hi\"}")) AZURE_ASYNC(
				"{\"filtered\":true,\"severity\":\"high\"}",
				"{\"check_offset\":44,\"start_offset\":44,\"end_offset\":60}")
				CHUNK(FINISH(0, "stop")) AZURE_ASYNC(
					"{\"filtered\":false,\"severity\":\"safe\"}",
					"{\"check_offset\":60,\"start_offset\":44,\"end_offset\":198}") DONE);
	assert_text(resp->model, "gpt-4o-x");
	assert_text(resp->response_id, "chatcmpl-B2");
	assert_json(
		resp->choices,
		"[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"logprobs\":null,"
		"\"finish_reason\":\"stop\",\"content_filter_results\":{\"violence\":{\"filtered\":true,"
		"\"severity\":\"high\"}},"
		"\"content_filter_offsets\":{\"check_offset\":60,\"start_offset\":44,\"end_offset\":198}}]");
	assert_json(resp->content_filter, "{\"prompt\":[{\"prompt_index\":0,\"content_filter_results\":{"
					  "\"hate\":{\"filtered\":false,\"severity\":"
					  "\"safe\"}}}],\"choices\":[{\"index\":0,\"content_filter_results\":"
					  "{\"violence\":{\"filtered\":true,"
					  "\"severity\":\"high\"}}}]}");
	assert_json(
		resp->extra,
		"{\"object\":\"chat.completion\",\"created\":1790000001,\"system_fingerprint\":\"fp_2\"}");
	assert_int_equal(resp->chunks, 6);
	assert_int_equal(resp->usage_source, OPENAI_USAGE_NONE);
	assert_int_equal(resp->prompt_tokens, -1);
	assert_int_equal(resp->outcome, OPENAI_OK);
	assert_null(resp->problem);

	_cleanup_resp_ struct openai_response *old =
		read_stream("data: "
			    "{\"id\":\"\",\"model\":\"wrong\",\"choices\":[],\"prompt_annotations\":[{"
			    "\"prompt_index\":0}]}\n\n" DONE);
	assert_json(old->content_filter, "{\"prompt\":[{\"prompt_index\":0}]}");
	assert_null(old->model);
}

/* A server that never gives an id still says which model answered. */
static void test_no_id(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp = read_stream(
		"data: {\"id\":\"\",\"model\":\"llama\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
		"data: "
		"{\"id\":\"\",\"model\":\"llama\",\"choices\":[{\"delta\":{\"content\":\"y\"},\"finish_"
		"reason\":\"length\"}]}\n\n" DONE);
	assert_text(resp->model, "llama");
	assert_null(resp->response_id);
	assert_json(resp->choices,
		    "[{\"index\":0,\"message\":{\"content\":\"xy\"},\"finish_reason\":\"length\"}]");
}

static void test_interleaved(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp = read_stream(
		CHUNK(DELTA(2, "{\"role\":\"assistant\",\"content\":\"c1\"}"))
			CHUNK(DELTA(0, "{\"role\":\"assistant\",\"content\":\"a1\"}") "," DELTA(
				1, "{\"role\":\"assistant\",\"content\":\"b1\"}"))
				CHUNK(DELTA(1, "{\"content\":\"b2\"}"))
					CHUNK(DELTA(0, "{\"content\":\"a2\"}")) CHUNK(FINISH(1, "length"))
						CHUNK(FINISH(2, "stop") "," FINISH(0, "stop")) DONE);
	assert_int_equal(json_array_size(resp->choices), 3);
	static const char *const contents[] = {"\"a1a2\"", "\"b1b2\"", "\"c1\""};
	for (size_t i = 0; i < 3; i++) {
		json_t *choice = json_array_get(resp->choices, i);
		assert_int_equal(json_integer_value(json_object_get(choice, "index")), i);
		assert_json(json_object_get(json_object_get(choice, "message"), "content"), contents[i]);
	}
	assert_json(resp->finish_reason, "[\"stop\",\"length\",\"stop\"]");
}

static void test_tool_calls(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp = read_stream(
		CHUNK(DELTA(0, "{\"role\":\"assistant\",\"content\":null}")) CHUNK(
			DELTA(0, "{\"tool_calls\":[{\"index\":1,\"id\":\"call_b\",\"type\":\"function\","
				 "\"function\":{\"name\":\"g\","
				 "\"arguments\":\"\"}}]}"))
			CHUNK(DELTA(0, "{\"tool_calls\":[{\"index\":0,\"id\":\"call_a\",\"type\":"
				       "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}"))
				CHUNK(DELTA(0, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{"
					       "\\\"x\\\"\"}},{\"index\":1,"
					       "\"function\":{\"arguments\":\"{}\"}}]}"))
					CHUNK(DELTA(0, "{\"tool_calls\":[{\"index\":0,\"id\":\"call_a\","
						       "\"type\":\"function\",\"function\":"
						       "{\"name\":\"f\",\"arguments\":\":1}\"}}]}"))
						CHUNK(FINISH(0, "tool_calls")) DONE);
	assert_json(json_object_get(json_array_get(resp->choices, 0), "message"),
		    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_a\",\"type\":"
		    "\"function\","
		    "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":\"call_b\","
		    "\"type\":\"function\","
		    "\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}");
	assert_json(resp->finish_reason, "[\"tool_calls\"]");
	assert_null(resp->problem);
}

/* Servers that do not number the calls: a new id begins a new one. */
static void test_tool_calls_without_index(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp =
		read_stream(CHUNK(DELTA(0, "{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\","
					   "\"arguments\":\"1\"}}]}"))
				    CHUNK(DELTA(0, "{\"tool_calls\":[{\"function\":{\"arguments\":\"2\"}}]}"))
					    CHUNK(DELTA(0, "{\"tool_calls\":[{\"id\":\"b\",\"function\":{"
							   "\"name\":\"f\",\"arguments\":\"3\"}}]}"))
						    CHUNK(FINISH(0, "tool_calls")) DONE);
	assert_json(
		json_object_get(json_object_get(json_array_get(resp->choices, 0), "message"), "tool_calls"),
		"[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"12\"}},{\"id\":\"b\","
		"\"function\":{\"name\":"
		"\"f\",\"arguments\":\"3\"}}]");
}

static void test_other_deltas(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp = read_stream(
		CHUNK(DELTA(0, "{\"role\":\"assistant\",\"reasoning_content\":\"think\",\"content\":null,"
			       "\"x\":1}")) CHUNK(DELTA(0, "{\"role\":\"assistant\",\"reasoning_content\":"
							   "\"ing\",\"x\":2}"))
			CHUNK(DELTA(0, "{\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}}")) CHUNK(
				DELTA(0, "{\"function_call\":{\"arguments\":\"}\"},\"refusal\":\"No\"}"))
				CHUNK(DELTA(0, "{\"refusal\":\".\",\"annotations\":[{\"n\":1}]}"))
					CHUNK(DELTA(0, "{\"annotations\":[{\"n\":2}],\"context\":{\"intent\":"
						       "\"a\",\"citations\":[]}}"))
						CHUNK(FINISH(0, "function_call")) DONE);
	assert_json(json_object_get(json_array_get(resp->choices, 0), "message"),
		    "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"thinking\",\"x\":2,"
		    "\"function_call\":"
		    "{\"name\":\"f\",\"arguments\":\"{}\"},\"refusal\":\"No.\",\"annotations\":[{\"n\":1},{"
		    "\"n\":2}],"
		    "\"context\":{\"intent\":\"a\",\"citations\":[]}}");
	assert_null(resp->problem);
}

static void test_logprobs(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp = read_stream(
		CHUNK("{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[{\"token\":"
		      "\"a\",\"logprob\":-1}],"
		      "\"refusal\":null}}")
			CHUNK("{\"index\":0,\"delta\":{\"content\":\"b\"},\"logprobs\":{\"content\":[{"
			      "\"token\":"
			      "\"b\",\"logprob\":-2}],\"refusal\":null},\"finish_reason\":\"stop\","
			      "\"stop_reason\":7}") DONE);
	assert_json(resp->choices, "[{\"index\":0,\"message\":{\"content\":\"ab\"},\"logprobs\":{\"content\":"
				   "[{\"token\":\"a\",\"logprob\":-1},"
				   "{\"token\":\"b\",\"logprob\":-2}],\"refusal\":null},\"finish_reason\":"
				   "\"stop\",\"stop_reason\":7}]");
}

static void test_error_inside(void **state)
{
	(void)state;
	static const char *const errors[] = {
		"data: {\"error\":{\"code\":\"server_error\",\"type\":\"t\",\"message\":\"it broke\"}}\n\n",
		"event: error\ndata: {\"error\":{\"code\":\"server_error\",\"type\":\"t\",\"message\":\"it "
		"broke\"}}\n\n",
		"event: error\ndata: {\"code\":\"server_error\",\"type\":\"t\",\"message\":\"it broke\"}\n\n",
	};
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		char body[2048];
		snprintf(body, sizeof(body), "%s%s",
			 CHUNK(DELTA(0, "{\"role\":\"assistant\",\"content\":\"so far\"}")), errors[i]);
		_cleanup_resp_ struct openai_response *resp = read_stream(body);
		assert_int_equal(resp->outcome, OPENAI_STREAM_ERROR);
		assert_json(resp->error,
			    "{\"code\":\"server_error\",\"type\":\"t\",\"message\":\"it broke\"}");
		assert_json(resp->choices,
			    "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"so far\"},"
			    "\"logprobs\":null,\"finish_reason\":null}]");
		assert_null(resp->finish_reason);
		assert_int_equal(resp->chunks, 2);
		assert_null(resp->body);
	}
	_cleanup_resp_ struct openai_response *filtered =
		read_stream("data: {\"error\":{\"code\":\"content_filter\",\"message\":\"m\"}}\n\n");
	assert_int_equal(filtered->outcome, OPENAI_FILTERED);
}

static void test_filtered(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp =
		read_stream(CHUNK(DELTA(0, "{\"content\":\"x\"}")) CHUNK(FINISH(0, "content_filter")) DONE);
	assert_int_equal(resp->outcome, OPENAI_FILTERED);
	assert_true(resp->whole);
}

static void test_end(void **state)
{
	(void)state;
	static const char part[] = CHUNK(DELTA(0, "{\"content\":\"x\"}"));
	static const struct {
		const char *tail;
		enum http_end end;
		bool whole;
		enum openai_outcome outcome;
		const char *problem;
	} cases[] = {
		{CHUNK(FINISH(0, "stop")) DONE, HTTP_END_COMPLETE, true, OPENAI_OK, NULL},
		/* Clients close right after [DONE]. */
		{CHUNK(FINISH(0, "stop")) DONE, HTTP_END_CLOSED, true, OPENAI_OK, NULL},
		{CHUNK(FINISH(0, "stop")) "data: [DONE]", HTTP_END_CLOSED, true, OPENAI_OK, NULL},
		{CHUNK(FINISH(0, "stop")) "data: [DON", HTTP_END_CLOSED, false, OPENAI_INTERRUPTED,
		 "last event of the stream is cut"},
		{CHUNK(FINISH(0, "stop")), HTTP_END_COMPLETE, true, OPENAI_OK, "does not say [DONE]"},
		{CHUNK(FINISH(0, "stop")), HTTP_END_CLOSED, false, OPENAI_INTERRUPTED, "does not say [DONE]"},
		{"", HTTP_END_COMPLETE, false, OPENAI_INTERRUPTED, "does not say [DONE]"},
		{"", HTTP_END_CLOSED, false, OPENAI_INTERRUPTED, "does not say [DONE]"},
		{"data: {\"choices\":[{\"del", HTTP_END_CLOSED, false, OPENAI_INTERRUPTED,
		 "last event of the stream is cut"},
		{DONE "data: {\"choices\":[]}\n\n", HTTP_END_COMPLETE, true, OPENAI_OK,
		 "1 events follow the end"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char body[2048];
		snprintf(body, sizeof(body), "%s%s", part, cases[i].tail);
		_cleanup_fx_ struct fx fx = fx_response(200, SSE, body);
		fx.msg.end = cases[i].end;
		_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
		assert_int_equal(resp->whole, cases[i].whole);
		assert_int_equal(resp->outcome, cases[i].outcome);
		assert_json(json_object_get(json_object_get(json_array_get(resp->choices, 0), "message"),
					    "content"),
			    "\"x\"");
		if (cases[i].problem)
			assert_says(resp->problem, cases[i].problem);
		else
			assert_null(resp->problem);
	}
}

/* An event that is not JSON is left out, the rest is read, and the body is there as it was sent. */
static void test_broken_events(void **state)
{
	(void)state;
	static const char *const broken[] = {"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\n\n",
					     "data: not json\n\n", "data: 7\n\n",
					     "data: {\"choices\":[],}\n\n"};
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		char body[2048];
		snprintf(body, sizeof(body), "%s%s%s" DONE, CHUNK(DELTA(0, "{\"content\":\"a\"}")), broken[i],
			 CHUNK(DELTA(0, "{\"content\":\"b\"}")));
		_cleanup_resp_ struct openai_response *resp = read_stream(body);
		assert_json(json_object_get(json_object_get(json_array_get(resp->choices, 0), "message"),
					    "content"),
			    "\"ab\"");
		assert_says(resp->problem, "1 events of the stream could not be read exactly");
		assert_text(json_string_value(resp->body), body);
		assert_int_equal(resp->chunks, 3);
	}
}

static void test_limits(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 64 << 20);
	for (int i = 0; i < 200; i++)
		assert_int_equal(
			buf_appendf(&b,
				    "data: "
				    "{\"choices\":[{\"index\":%d,\"delta\":{\"content\":\"c\",\"tool_calls\":"
				    "[{\"index\":%d,\"id\":\"t\"}]}}]}\n\n",
				    199 - i, i),
			0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(
			buf_appendf(&b,
				    "data: "
				    "{\"choices\":[{\"index\":199,\"delta\":{\"tool_calls\":[{\"index\":%d}],"
				    "\"k%d\":\"v\"}}]}\n\n",
				    i, i),
			0);
	assert_int_equal(
		buf_append_str(&b, "data: {\"choices\":[{\"index\":-1},{\"index\":\"0\"},7]}\n\n" DONE), 0);
	_cleanup_fx_ struct fx fx = fx_response(200, SSE, "");
	fx_body(&fx, b.data, b.len);
	buf_done(&b);
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_int_equal(json_array_size(resp->choices), 128);
	json_t *last = json_object_get(json_array_get(resp->choices, 127), "message");
	assert_int_equal(json_array_size(json_object_get(last, "tool_calls")), 128);
	assert_int_equal(json_object_size(last), 64);
	assert_says(resp->problem, "more than 128 choices");
	assert_says(resp->problem, "more than 128 tool calls");
	assert_says(resp->problem, "more values than can be joined");
	assert_says(resp->problem, "no usable index");
	assert_non_null(resp->body);
}

static void test_mixed(void **state)
{
	(void)state;
	_cleanup_resp_ struct openai_response *resp =
		read_stream(CHUNK(DELTA(0, "{\"content\":\"a\"}")) CHUNK(DELTA(0, "{\"content\":[1]}"))
				    CHUNK(DELTA(0, "{\"content\":{\"x\":1},\"tool_calls\":[3]}"))
					    CHUNK(DELTA(0, "{\"content\":\"b\"}"))
						    CHUNK("{\"index\":0,\"delta\":5}") DONE);
	assert_json(json_object_get(json_object_get(json_array_get(resp->choices, 0), "message"), "content"),
		    "\"ab\"");
	assert_says(resp->problem, "not of one type");
	assert_non_null(resp->body);
}

static void test_first_token(void **state)
{
	(void)state;
	static const char head[] = AZURE_FIRST CHUNK(DELTA(0, "{\"role\":\"assistant\",\"content\":\"\"}"));
	static const char token[] = CHUNK(DELTA(0, "{\"content\":\"x\"}"));
	char body[4096];
	snprintf(body, sizeof(body), "%s%s%s" DONE, head, token, token);
	_cleanup_fx_ struct fx fx = fx_response(200, SSE, body);
	struct http_mark marks[] = {{0, 1000},
				    {strlen(head), 2000},
				    {strlen(head) + strlen(token), 3000},
				    {strlen(body) - 3, 4000}};
	fx.msg.marks = marks;
	fx.msg.n_marks = ARRAY_SIZE(marks);
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	assert_int_equal(resp->first_token_ts_ns, 2000);

	fx_body(&fx, head, strlen(head));
	_cleanup_resp_ struct openai_response *none = fx_read_response(&fx, &chat_request);
	assert_int_equal(none->first_token_ts_ns, 0);
}

/* What is a stream, and what is not. */
static void test_detect(void **state)
{
	(void)state;
	static const char stream[] = ": hello\n\n" CHUNK(DELTA(0, "{\"content\":\"x\"}")) DONE;
	_cleanup_fx_ struct fx untyped = fx_response(200, NULL, stream);
	_cleanup_resp_ struct openai_response *asked = fx_read_response(&untyped, &chat_request);
	assert_non_null(asked->choices);

	_cleanup_resp_ struct openai_response *orphan = fx_read_response(&untyped, NULL);
	assert_non_null(orphan->choices);

	_cleanup_fx_ struct fx other =
		fx_response(200, SSE, "event: response.created\ndata: {\"type\":\"x\"}\n\n");
	_cleanup_resp_ struct openai_response *foreign = fx_read_response(&other, NULL);
	assert_null(foreign->choices);
	assert_non_null(foreign->body);
	assert_null(foreign->problem);

	/* A proxy's error under the type that the client asked for. */
	_cleanup_fx_ struct fx json = fx_response(200, SSE, " {\"error\":{\"message\":\"m\"}}");
	_cleanup_resp_ struct openai_response *error = fx_read_response(&json, &chat_request);
	assert_json(error->error, "{\"message\":\"m\"}");

	_cleanup_fx_ struct fx failed = fx_response(429, SSE, "data: {\"error\":{\"message\":\"m\"}}\n\n");
	_cleanup_resp_ struct openai_response *limited = fx_read_response(&failed, &chat_request);
	assert_json(limited->error, "{\"message\":\"m\"}");
	assert_int_equal(limited->outcome, OPENAI_HTTP_ERROR);

	_cleanup_fx_ struct fx empty = fx_response(200, SSE, "");
	_cleanup_resp_ struct openai_response *nothing = fx_read_response(&empty, &chat_request);
	assert_says(nothing->problem, "there is no body");

	_cleanup_fx_ struct fx comments = fx_response(200, SSE, ": a\n\n: b\n\n");
	_cleanup_resp_ struct openai_response *silent = fx_read_response(&comments, &chat_request);
	assert_says(silent->problem, "no chunk of a chat completion");
	assert_int_equal(silent->chunks, 0);
}

static void test_unknown(void **state)
{
	(void)state;
	static const char body[] = "event: response.created\ndata: {\"type\":\"response.created\"}\n\n"
				   "event: response.completed\ndata: {\"type\":\"response.completed\"}\n\n";
	_cleanup_fx_ struct fx fx = fx_response(200, SSE, body);
	fx.msg.end = HTTP_END_CLOSED;
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &other_request);
	assert_text(json_string_value(resp->body), body);
	assert_int_equal(resp->chunks, 2);
	assert_true(resp->whole);
	assert_int_equal(resp->outcome, OPENAI_OK);
	assert_null(resp->problem);
}

static void test_line_ends(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"data: "
		"{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: "
		"[DONE]\r\n\r\n",
		"data:{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\r\rdata:["
		"DONE]\r\r",
		": c\n\n\ndata: {\"choices\":\ndata: [{\"delta\":{\"content\":\"x\"},\ndata: "
		"\"finish_reason\":\"stop\"}]}\n\n\n"
		"data: [DONE] \n\n",
	};
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		_cleanup_resp_ struct openai_response *resp = read_stream(bodies[i]);
		assert_json(resp->choices,
			    "[{\"index\":0,\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]");
		assert_int_equal(resp->chunks, 1);
		assert_null(resp->problem);
	}
}

/* Every prefix of a stream: content only ever grows, and nothing is said to be whole before [DONE]. */
static void test_every_prefix(void **state)
{
	(void)state;
	static const char body[] = AZURE_FIRST CHUNK(DELTA(0, "{\"role\":\"assistant\",\"content\":\"\"}"))
		CHUNK(DELTA(0, "{\"content\":\"gr\xc3\xbcn\"}"))
			CHUNK(DELTA(0, "{\"content\":\" \\ud83d\\ude00\"}")) CHUNK(FINISH(0, "stop")) DONE;
	static const char content[] = "gr\xc3\xbcn \xf0\x9f\x98\x80";
	size_t longest = 0;
	for (size_t len = 0; len <= strlen(body); len++) {
		_cleanup_fx_ struct fx fx = fx_response(200, SSE, "");
		fx_body(&fx, body, len);
		fx.msg.end = HTTP_END_CLOSED;
		_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
		const json_t *text = json_object_get(
			json_object_get(json_array_get(resp->choices, 0), "message"), "content");
		size_t got = json_string_length(text);
		assert_true(got >= longest && got <= strlen(content));
		if (got)
			assert_memory_equal(json_string_value(text), content, got);
		longest = got;
		assert_int_equal(resp->whole, len >= strlen(body) - 2);
		assert_true(!resp->model || !strcmp(resp->model, "gpt-4o-x"));
	}
	assert_int_equal(longest, strlen(content));
}

static double seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Generous for a loaded machine and sanitizers; anything quadratic takes minutes. */
#define SPEED_LIMIT_S 30

static void test_long_stream(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 256 << 20);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_append_str(&b, CHUNK(DELTA(0, "{\"content\":\"word \"}"))), 0);
	assert_int_equal(buf_append_str(&b, CHUNK(FINISH(0, "stop")) DONE), 0);
	_cleanup_fx_ struct fx fx = fx_response(200, SSE, "");
	fx_body(&fx, b.data, b.len);
	buf_done(&b);
	double start = seconds();
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	double took = seconds() - start;
	print_message("100,000 chunks, %zu bytes: %.3f s\n", fx.msg.body_len, took);
	assert_int_equal(resp->chunks, 100001);
	json_t *message = json_object_get(json_array_get(resp->choices, 0), "message");
	assert_int_equal(json_string_length(json_object_get(message, "content")), 500000);
	assert_null(resp->problem);
	assert_true(took < SPEED_LIMIT_S);
}

/* What each chunk repeats is held once and paid for once. */
static void test_long_azure_stream(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 256 << 20);
	for (int i = 0; i < 60000; i++)
		assert_int_equal(buf_appendf(&b,
					     "data: "
					     "{\"id\":\"c\",\"x\":[[%d]],\"choices\":[{\"index\":0,\"delta\":"
					     "{\"content\":\"w\","
					     "\"n\":{\"m\":%d}},\"y\":{\"z\":[%d]},\"content_filter_"
					     "results\":{\"a\":{\"filtered\":"
					     "false,\"s\":{}},\"b\":{\"filtered\":false}}}]}\n\n",
					     i, i, i),
				 0);
	assert_int_equal(buf_append_str(&b, CHUNK(FINISH(0, "stop")) DONE), 0);
	_cleanup_fx_ struct fx fx = fx_response(200, SSE, "");
	fx_body(&fx, b.data, b.len);
	buf_done(&b);
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	json_t *choice = json_array_get(resp->choices, 0);
	assert_int_equal(json_string_length(json_object_get(json_object_get(choice, "message"), "content")),
			 60000);
	assert_json(json_object_get(json_object_get(choice, "message"), "n"), "{\"m\":59999}");
	assert_json(json_object_get(choice, "y"), "{\"z\":[59999]}");
	assert_json(json_object_get(resp->extra, "x"), "[[59999]]");
	assert_null(resp->problem);
}

/* What is not text is bounded, and left out with a reason. */
static void test_too_many_values(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 256 << 20);
	for (int i = 0; i < 30000; i++)
		assert_int_equal(
			buf_append_str(
				&b,
				"data: "
				"{\"choices\":[{\"delta\":{\"a\":[{},{},{},{},{},{},{},{},{},{}]}}]}\n\n"),
			0);
	_cleanup_fx_ struct fx fx = fx_response(200, SSE, "");
	fx_body(&fx, b.data, b.len);
	buf_done(&b);
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &chat_request);
	json_t *array = json_object_get(json_object_get(json_array_get(resp->choices, 0), "message"), "a");
	assert_in_range(json_array_size(array), 200000, 270000);
	assert_says(resp->problem, "more values than can be joined");
	assert_non_null(resp->body);
}

static void test_long_body(void **state)
{
	(void)state;
	size_t len = 2 << 20;
	struct buf b;
	buf_init(&b, 2 * len);
	assert_int_equal(buf_append_str(&b, "{\"messages\":[{\"role\":\"user\",\"content\":\""), 0);
	for (size_t i = 0; i < len / 16; i++)
		assert_int_equal(buf_append_str(&b, "0123456 \\\"\xc3\xbc\\n\\t"), 0);
	assert_int_equal(buf_append_str(&b, "\"}]"), 0);
	_cleanup_fx_ struct fx cut = fx_request("/v1/chat/completions", "");
	fx_body(&cut, b.data, b.len);
	assert_int_equal(buf_append_str(&b, "}"), 0);
	_cleanup_fx_ struct fx fx = fx_request("/v1/chat/completions", "");
	fx_body(&fx, b.data, b.len);
	buf_done(&b);

	double start = seconds();
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	_cleanup_req_ struct openai_request *part = fx_read_request(&cut);
	double took = seconds() - start;
	print_message("2 MiB, whole and cut: %.3f s\n", took);
	assert_null(req->problem);
	assert_says(part->problem, "ends early");
	assert_true(json_equal(req->messages, part->messages));
	assert_true(took < SPEED_LIMIT_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openai),
		cmocka_unit_test(test_azure),
		cmocka_unit_test(test_no_id),
		cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_tool_calls),
		cmocka_unit_test(test_tool_calls_without_index),
		cmocka_unit_test(test_other_deltas),
		cmocka_unit_test(test_logprobs),
		cmocka_unit_test(test_error_inside),
		cmocka_unit_test(test_filtered),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_broken_events),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_first_token),
		cmocka_unit_test(test_detect),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_long_stream),
		cmocka_unit_test(test_long_azure_stream),
		cmocka_unit_test(test_too_many_values),
		cmocka_unit_test(test_long_body),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
