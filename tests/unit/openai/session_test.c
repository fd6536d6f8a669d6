/* SPDX-License-Identifier: Apache-2.0 */
#include "session_fixture.h"

#define REALTIME "/v1/realtime"

#define SESSION_CREATED                                                                                      \
	"{\"type\":\"session.created\",\"event_id\":\"event_1\",\"session\":{\"type\":\"realtime\","         \
	"\"object\":"                                                                                        \
	"\"realtime.session\",\"id\":\"sess_1\",\"model\":\"gpt-realtime\",\"output_modalities\":["          \
	"\"audio\"],"                                                                                        \
	"\"instructions\":\"Be "                                                                             \
	"kind.\",\"tools\":[],\"client_secret\":{\"value\":\"ek_secret\"},\"expires_at\":1,"                 \
	"\"audio\":{\"input\":{\"transcription\":null,\"turn_detection\":{\"type\":\"server_vad\"}},"        \
	"\"output\":{\"voice\":\"marin\",\"speed\":1.0}}}}"
#define RESPONSE_CREATED(id)                                                                                 \
	"{\"type\":\"response.created\",\"event_id\":\"e\",\"response\":{\"object\":\"realtime.response\","  \
	"\"id\":\"" id                                                                                       \
	"\",\"status\":\"in_progress\",\"output\":[],\"conversation_id\":\"conv_1\",\"metadata\":null}}"
#define USAGE                                                                                                \
	"{\"total_tokens\":150,\"input_tokens\":110,\"output_tokens\":40,\"input_token_details\":{\"text_"   \
	"tokens\":90,"                                                                                       \
	"\"audio_tokens\":20,\"cached_tokens\":64},\"output_token_details\":{\"text_tokens\":10,\"audio_"    \
	"tokens\":30}}"
#define RESPONSE_DONE(id, status, details, output)                                                           \
	"{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"object\":\"realtime.response\","     \
	"\"id\":\"" id "\",\"status\":\"" status "\",\"status_details\":" details ",\"output\":" output      \
	",\"conversation_id\":\"conv_1\",\"usage\":" USAGE ",\"metadata\":null}}"

#define MESSAGE(id, role, part)                                                                              \
	"{\"id\":\"" id                                                                                      \
	"\",\"object\":\"realtime.item\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"" role     \
	"\",\"content\":[" part "]}"

/* A conversation in text, as the official client has it. */
static void test_text(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	static const char *const asked[] = {
		"{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"output_modalities\":["
		"\"text\"],"
		"\"instructions\":\"Be brief.\"}}",
		"{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"role\":\"user\","
		"\"content\":[{"
		"\"type\":\"input_text\",\"text\":\"Hello\"}]}}",
		"{\"type\":\"response.create\",\"response\":{\"max_output_tokens\":200}}",
	};
	static const char *const said[] = {
		SESSION_CREATED,
		"{\"type\":\"conversation.item.added\",\"previous_item_id\":null,\"item\":" MESSAGE(
			"item_1", "user", "{\"type\":\"input_text\",\"text\":\"Hello\"}") "}",
		RESPONSE_CREATED("resp_1"),
		"{\"type\":\"rate_limits.updated\",\"rate_limits\":[{\"name\":\"tokens\",\"remaining\":9}]}",
		"{\"type\":\"response.output_item.added\",\"response_id\":\"resp_1\",\"output_index\":0,"
		"\"item\":{\"id\":"
		"\"item_2\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}",
		"{\"type\":\"conversation.item.added\",\"item\":{\"id\":\"item_2\",\"type\":\"message\","
		"\"role\":"
		"\"assistant\",\"content\":[]}}",
		"{\"type\":\"response.output_text.delta\",\"response_id\":\"resp_1\",\"item_id\":\"item_2\","
		"\"output_index\":0,\"content_index\":0,\"delta\":\"Hi\"}",
		RESPONSE_DONE(
			"resp_1", "completed", "null",
			"[" MESSAGE("item_2", "assistant", "{\"type\":\"output_text\",\"text\":\"Hi\"}") "]"),
	};

	talk_begin(&t, REALTIME "?model=gpt-realtime");
	server(&t, said[0]);
	for (size_t i = 0; i < 3; i++)
		client(&t, asked[i]);
	for (size_t i = 1; i < ARRAY_SIZE(said); i++)
		server(&t, said[i]);
	assert_int_equal(t.n, 2);
	talk_end(&t);
	assert_int_equal(t.n, 2);

	const struct openai_request *req = req_of(&t, 0);
	assert_int_equal(req->kind, OPENAI_REALTIME);
	assert_text(req->operation, "connectRealtime");
	assert_text(req->backend, "api.openai.com");
	assert_text(req->model, "gpt-realtime");
	assert_true(req->stream);
	assert_json(req->instructions, "\"Be brief.\"");
	assert_json(req->tools, "[]");
	assert_json(req->input,
		    "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\","
		    "\"text\":\"Hello\"}]}]");
	assert_json(req->parameters,
		    "{\"type\":\"realtime\",\"output_modalities\":[\"text\"],\"audio\":{\"input\":{"
		    "\"transcription\":null,\"turn_detection\":{\"type\":\"server_vad\"}},\"output\":{"
		    "\"voice\":\"marin\",\"speed\":1.0}},\"max_output_tokens\":200}");
	assert_null(req->problem);

	const struct http_message *sent = sent_of(&t, 0), *got = got_of(&t, 0);
	assert_body(sent, asked, 3);
	assert_body(got, said, ARRAY_SIZE(said));
	assert_int_equal(sent->protocol, HTTP_WEBSOCKET);
	assert_text(sent->method, "GET");
	assert_int_equal(sent->exchange, (3ULL << 32) + 1);
	assert_int_equal(got->exchange, sent->exchange);
	assert_int_equal(got->end, HTTP_END_COMPLETE);
	assert_int_equal(sent->first_ts_ns, 1000 + 3 * 15 + 10);
	assert_int_equal(got->first_ts_ns, sent->first_ts_ns + 30);
	assert_int_equal(got->last_ts_ns, t.now_ns - 200);

	const struct openai_response *resp = resp_of(&t, 0);
	assert_text(resp->response_id, "resp_1");
	assert_text(resp->model, "gpt-realtime");
	assert_json(resp->output,
		    "[" MESSAGE("item_2", "assistant", "{\"type\":\"output_text\",\"text\":\"Hi\"}") "]");
	assert_json(resp->finish_reason, "[\"completed\"]");
	assert_int_equal(resp->prompt_tokens, 110);
	assert_int_equal(resp->completion_tokens, 40);
	assert_int_equal(resp->total_tokens, 150);
	assert_int_equal(resp->cached_tokens, 64);
	assert_int_equal(resp->prompt_audio_tokens, 20);
	assert_int_equal(resp->completion_audio_tokens, 30);
	assert_int_equal(resp->usage_source, OPENAI_USAGE_REPORTED);
	assert_json(resp->usage, USAGE);
	assert_json(json_object_get(resp->extra, "rate_limits"), "[{\"name\":\"tokens\",\"remaining\":9}]");
	assert_int_equal(resp->outcome, OPENAI_OK);
	assert_true(resp->whole);
	assert_int_equal(resp->chunks, 4);
	assert_int_equal(resp->first_token_ts_ns, got->last_ts_ns - 15);
	assert_null(resp->problem);
}

static void append(struct talk *t, uint8_t seed, size_t n)
{
	_cleanup_free_ char *audio = audio_base64(seed, n);
	_cleanup_free_ char *text = NULL;
	assert_true(asprintf(&text, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"%s\"}", audio) > 0);
	client(t, text);
}

/* Events of an answer in audio: `n` bytes in two pieces. */
static void speak(struct talk *t, const char *id, const char *name, uint8_t seed, size_t n)
{
	size_t half = n / 3 * 2;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *audio =
			i ? audio_base64((uint8_t)(seed + half), n - half) : audio_base64(seed, half);
		_cleanup_free_ char *text = NULL;
		/* The type comes last: whether the delta is audio is not known before. */
		assert_true(asprintf(&text,
				     "{\"response_id\":\"%s\",\"item_id\":\"it_%s\",\"output_index\":0,"
				     "\"content_index\":0,\"delta\":\"%s\",\"type\":\"%s.delta\"}",
				     id, id, audio, name) > 0);
		server(t, text);
	}
}

/* The server finds the turns by itself and answers; audio both ways. Beta names and those of today. */
static void voice(const char *audio_name, const char *transcript_name, const char *added)
{
	_cleanup_talk_ struct talk t;
	_cleanup_free_ char *in = audio_sum(5, 3000), *out = audio_sum(77, 900), *text = NULL, *want = NULL;

	talk_begin(&t, "/openai/realtime");
	server(&t, SESSION_CREATED);
	append(&t, 5, 1000);
	append(&t, (uint8_t)(5 + 1000), 2000);
	server(&t,
	       "{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":0,\"item_id\":\"u1\"}");
	server(&t,
	       "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"u1\",\"previous_item_id\":null}");
	assert_true(asprintf(&text, "{\"type\":\"%s\",\"item\":%s}", added,
			     MESSAGE("u1", "user", "{\"type\":\"input_audio\",\"transcript\":null}")) > 0);
	server(&t, text);
	assert_int_equal(t.n, 0);
	server(&t, RESPONSE_CREATED("r1"));
	assert_int_equal(t.n, 1);
	speak(&t, "r1", audio_name, 77, 900);
	free(text);
	text = NULL;
	assert_true(asprintf(&text,
			     "{\"type\":\"%s.delta\",\"response_id\":\"r1\",\"item_id\":\"it_r1\",\"delta\":"
			     "\"Good "
			     "day\"}",
			     transcript_name) > 0);
	server(&t, text);
	free(text);
	text = NULL;
	assert_true(asprintf(&text, RESPONSE_DONE("r1", "completed", "null", "[%s]"),
			     "{\"id\":\"it_r1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{"
			     "\"type\":\"audio\","
			     "\"transcript\":\"Good day\"}]}") > 0);
	server(&t, text);
	talk_end(&t);

	assert_int_equal(t.n_requests, 1);
	assert_true(
		asprintf(&want,
			 "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
			 "\"audio\":%s}],\"id\":\"u1\"}]",
			 in) > 0);
	assert_json(req_of(&t, 0)->input, want);
	free(want);
	want = NULL;
	assert_true(asprintf(&want,
			     "[{\"id\":\"it_r1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{"
			     "\"type\":"
			     "\"audio\",\"transcript\":\"Good day\",\"audio\":%s}]}]",
			     out) > 0);
	assert_json(resp_of(&t, 0)->output, want);
	assert_true(resp_of(&t, 0)->first_token_ts_ns > got_of(&t, 0)->first_ts_ns);
	assert_int_equal(resp_of(&t, 0)->chunks, 5);
	assert_null(resp_of(&t, 0)->problem);
}

static void test_voice(void **state)
{
	(void)state;
	voice("response.output_audio", "response.output_audio_transcript", "conversation.item.added");
	voice("response.audio", "response.audio_transcript", "conversation.item.created");
}

/* The client commits and goes on without waiting; its audio has its own item. The transcription is an
 * exchange beside. */
static void test_manual_audio(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	_cleanup_free_ char *in = audio_sum(1, 500), *want = NULL;

	talk_begin(&t, REALTIME);
	server(&t, SESSION_CREATED);
	client(&t, "{\"type\":\"session.update\",\"session\":{\"audio\":{\"input\":{\"turn_detection\":null,"
		   "\"transcription\":{\"model\":\"whisper-1\"}}}}}");
	append(&t, 1, 500);
	client(&t, "{\"type\":\"input_audio_buffer.commit\"}");
	client(&t, "{\"type\":\"response.create\"}");
	append(&t, 9, 30);
	server(&t, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"u1\"}");
	server(&t, "{\"type\":\"conversation.item.added\",\"item\":" MESSAGE(
			   "u1", "user", "{\"type\":\"input_audio\"}") "}");
	server(&t, RESPONSE_CREATED("r1"));
	server(&t, "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"event_id\":\"e\","
		   "\"item_id\":\"u1\","
		   "\"content_index\":0,\"transcript\":\"Hello "
		   "there\",\"usage\":{\"type\":\"tokens\",\"total_tokens\":22,"
		   "\"input_tokens\":13,\"input_token_details\":{\"text_tokens\":0,\"audio_tokens\":13},"
		   "\"output_tokens\":9}}");
	server(&t, RESPONSE_DONE("r1", "completed", "null", "[]"));
	client(&t, "{\"type\":\"input_audio_buffer.clear\"}");
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, RESPONSE_CREATED("r2"));
	server(&t, RESPONSE_DONE("r2", "completed", "null", "[]"));
	talk_end(&t);

	assert_int_equal(t.n_requests, 3);
	assert_true(
		asprintf(&want,
			 "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
			 "\"audio\":%s}],\"id\":\"u1\"}]",
			 in) > 0);
	/* When the request was given the item had no id yet; the list is shared with what the test kept. */
	assert_json(req_of(&t, 0)->input, want);
	assert_json(
		json_object_get(json_object_get(json_object_get(req_of(&t, 0)->parameters, "audio"), "input"),
				"turn_detection"),
		"null");
	assert_json(json_object_get(
			    json_object_get(json_object_get(req_of(&t, 0)->parameters, "audio"), "output"),
			    "voice"),
		    "\"marin\"");

	const struct openai_request *heard = req_of(&t, 1);
	assert_text(heard->model, "whisper-1");
	assert_json(heard->parameters, "{\"transcription\":{\"model\":\"whisper-1\"}}");
	assert_int_equal(sent_of(&t, 1)->body_total, 0);
	assert_int_equal(got_of(&t, 1)->body_total, got_of(&t, 1)->body_len);
	free(want);
	want = NULL;
	assert_true(asprintf(&want,
			     "[{\"id\":\"u1\",\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":"
			     "\"input_audio\",\"audio\":%s}]}]",
			     in) > 0);
	assert_json(heard->input, want);
	const struct openai_response *transcript = resp_of(&t, 0);
	assert_json(transcript->text, "\"Hello there\"");
	assert_int_equal(transcript->prompt_tokens, 13);
	assert_int_equal(transcript->prompt_audio_tokens, 13);
	assert_int_equal(transcript->completion_tokens, 9);
	assert_text(transcript->model, "whisper-1");
	assert_json(transcript->extra, "{\"item_id\":\"u1\",\"content_index\":0}");
	assert_int_equal(transcript->outcome, OPENAI_OK);

	/* What was cleared was sent all the same. */
	_cleanup_free_ char *cleared = audio_sum(9, 30);
	free(want);
	want = NULL;
	assert_true(asprintf(&want, "[{\"type\":\"input_audio_buffer.clear\",\"audio\":%s}]", cleared) > 0);
	assert_json(json_object_get(req_of(&t, 2)->parameters, "conversation_changes"), want);
}

/* Audio inside of items; escapes of base64; what is not audio stays. */
static void test_audio_in_items(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	_cleanup_free_ char *sum = audio_sum(0xfb, 3), *want = NULL;

	talk_begin(&t, REALTIME);
	client(&t, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"role\":\"user\","
		   "\"content\":[{"
		   "\"type\":\"input_audio\",\"audio\":\"\\u002b\\/"
		   "z9\"},{\"type\":\"input_text\",\"text\":\"audio\",\"audio\":"
		   "\"not base64!\"}]}}");
	client(&t, "{\"type\":\"response.create\",\"response\":{\"metadata\":{\"audio\":\"AAAA\"}}}");
	server(&t, RESPONSE_CREATED("r"));
	server(&t, RESPONSE_DONE("r", "completed", "null", "[]"));
	talk_end(&t);
	assert_true(
		asprintf(&want,
			 "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
			 "\"audio\":%s},{\"type\":\"input_text\",\"text\":\"audio\",\"audio\":\"not "
			 "base64!\"}]}]",
			 sum) > 0);
	assert_json(req_of(&t, 0)->input, want);
	assert_json(json_object_get(req_of(&t, 0)->parameters, "metadata"), "{\"audio\":\"AAAA\"}");
}

/* A call of a tool, its output, and the answer to that. */
static void test_tools(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
#define CALL                                                                                                 \
	"{\"id\":\"c1\",\"type\":\"function_call\",\"status\":\"completed\",\"name\":\"weather\",\"call_"    \
	"id\":\"call_1\","                                                                                   \
	"\"arguments\":\"{\\\"city\\\":\\\"Rome\\\"}\"}"
	talk_begin(&t, REALTIME);
	server(&t, SESSION_CREATED);
	client(&t, "{\"type\":\"response.create\",\"response\":{\"tools\":[{\"type\":\"function\",\"name\":"
		   "\"weather\"}]}}");
	server(&t, RESPONSE_CREATED("r1"));
	/* The item may be said before the response says that it is its own. */
	server(&t, "{\"type\":\"conversation.item.created\",\"item\":" CALL "}");
	server(&t, "{\"type\":\"response.output_item.added\",\"response_id\":\"r1\",\"output_index\":0,"
		   "\"item\":{\"id\":\"c1\","
		   "\"type\":\"function_call\"}}");
	server(&t, "{\"type\":\"response.function_call_arguments.delta\",\"response_id\":\"r1\",\"item_id\":"
		   "\"c1\",\"delta\":"
		   "\"{\\\"city\"}");
	server(&t, "{\"type\":\"conversation.item.done\",\"item\":" CALL "}");
	server(&t, RESPONSE_DONE("r1", "completed", "null", "[" CALL "]"));
	client(&t, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"function_call_output\","
		   "\"call_id\":\"call_1\","
		   "\"output\":\"sunny\"}}");
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, "{\"type\":\"conversation.item.added\",\"item\":{\"id\":\"o1\",\"type\":\"function_call_"
		   "output\","
		   "\"call_id\":\"call_1\",\"output\":\"sunny\"}}");
	server(&t, RESPONSE_CREATED("r2"));
	server(&t, RESPONSE_DONE(
			   "r2", "completed", "null",
			   "[" MESSAGE("m", "assistant", "{\"type\":\"output_text\",\"text\":\"Sun\"}") "]"));
	talk_end(&t);

	assert_int_equal(t.n_requests, 2);
	assert_json(req_of(&t, 0)->tools, "[{\"type\":\"function\",\"name\":\"weather\"}]");
	assert_json(resp_of(&t, 0)->output, "[" CALL "]");
	assert_json(req_of(&t, 1)->input,
		    "[{\"type\":\"function_call_output\",\"call_id\":\"call_1\",\"output\":\"sunny\"}]");
	assert_json(req_of(&t, 1)->tools, "[]");
}

/* The user speaks into the answer. */
static void test_interruption(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	talk_begin(&t, REALTIME);
	server(&t, SESSION_CREATED);
	client(&t, "{\"type\":\"response.create\",\"event_id\":\"c1\"}");
	server(&t, RESPONSE_CREATED("r1"));
	server(&t, "{\"type\":\"response.output_audio_transcript.delta\",\"response_id\":\"r1\",\"item_id\":"
		   "\"m1\","
		   "\"delta\":\"Once upon\"}");
	client(&t, "{\"type\":\"response.cancel\"}");
	client(&t, "{\"type\":\"conversation.item.truncate\",\"event_id\":\"x\",\"item_id\":\"m1\",\"content_"
		   "index\":0,"
		   "\"audio_end_ms\":1500}");
	server(&t,
	       RESPONSE_DONE(
		       "r1", "cancelled", "{\"type\":\"cancelled\",\"reason\":\"client_cancelled\"}",
		       "[{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"
		       "\"output_audio\",\"transcript\":null}]}]"));
	server(&t, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"code\":\"response_"
		   "cancel_not_active\","
		   "\"message\":\"no\",\"event_id\":null}}");
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, RESPONSE_CREATED("r2"));
	server(&t, RESPONSE_DONE("r2", "incomplete",
				 "{\"type\":\"incomplete\",\"reason\":\"content_filter\"}", "[]"));
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, RESPONSE_CREATED("r3"));
	server(&t, RESPONSE_DONE("r3", "incomplete",
				 "{\"type\":\"incomplete\",\"reason\":\"max_output_tokens\"}", "[]"));
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, RESPONSE_CREATED("r4"));
	server(&t,
	       RESPONSE_DONE("r4", "failed",
			     "{\"type\":\"failed\",\"error\":{\"type\":\"server_error\",\"code\":\"oops\","
			     "\"message\":\"broken\"}}",
			     "[]"));
	talk_end(&t);

	assert_int_equal(t.n_requests, 4);
	assert_int_equal(resp_of(&t, 0)->outcome, OPENAI_INTERRUPTED);
	assert_true(resp_of(&t, 0)->whole);
	assert_json(resp_of(&t, 0)->finish_reason, "[\"client_cancelled\"]");
	assert_json(resp_of(&t, 0)->output,
		    "[{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{"
		    "\"type\":\"output_audio\",\"transcript\":\"Once upon\"}]}]");
	assert_json(json_object_get(req_of(&t, 1)->parameters, "conversation_changes"),
		    "[{\"type\":\"conversation.item.truncate\",\"item_id\":\"m1\",\"content_index\":0,"
		    "\"audio_end_ms\":1500}]");
	assert_json(json_object_get(resp_of(&t, 1)->extra, "session_errors"),
		    "[{\"type\":\"invalid_request_error\",\"code\":\"response_cancel_not_active\","
		    "\"message\":\"no\","
		    "\"event_id\":null}]");
	assert_null(resp_of(&t, 1)->error);
	assert_int_equal(resp_of(&t, 1)->outcome, OPENAI_FILTERED);
	assert_int_equal(resp_of(&t, 2)->outcome, OPENAI_OK);
	assert_json(resp_of(&t, 2)->finish_reason, "[\"max_output_tokens\"]");
	assert_null(json_object_get(resp_of(&t, 2)->extra, "session_errors"));
	assert_int_equal(resp_of(&t, 3)->outcome, OPENAI_STREAM_ERROR);
	assert_json(resp_of(&t, 3)->error,
		    "{\"code\":\"oops\",\"type\":\"server_error\",\"message\":\"broken\"}");
}

/* Errors belong to the request that they name, or else to the one that waits. */
static void test_errors(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	talk_begin(&t, REALTIME);
	client(&t, "{\"type\":\"response.create\",\"event_id\":\"a\"}");
	client(&t, "{\"type\":\"response.create\",\"event_id\":\"b\"}");
	server(&t, RESPONSE_CREATED("r1"));
	server(&t, "{\"type\":\"error\",\"event_id\":\"e1\",\"error\":{\"type\":\"invalid_request_error\","
		   "\"code\":"
		   "\"conversation_already_has_active_response\",\"message\":\"m\",\"param\":null,\"event_"
		   "id\":\"b\"}}");
	assert_int_equal(t.n, 3);
	assert_int_equal(got_of(&t, 0)->exchange, (3ULL << 32) + 2);
	assert_int_equal(resp_of(&t, 0)->outcome, OPENAI_STREAM_ERROR);
	assert_json(resp_of(&t, 0)->error, "{\"code\":\"conversation_already_has_active_response\",\"type\":"
					   "\"invalid_request_error\",\"message\":\"m\"}");
	assert_true(resp_of(&t, 0)->whole);
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, "{\"type\":\"error\",\"error\":{\"code\":\"conversation_already_has_active_response\","
		   "\"message\":\"m\"}}");
	assert_int_equal(got_of(&t, 1)->exchange, (3ULL << 32) + 3);
	client(&t, "{\"type\":\"response.create\"}");
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, "{\"type\":\"error\",\"error\":{\"code\":\"conversation_already_has_active_response\"}}");
	assert_int_equal(got_of(&t, 2)->exchange, (3ULL << 32) + 4);
	server(&t, "{\"type\":\"error\",\"error\":{\"code\":\"conversation_already_has_active_response\"}}");
	server(&t, RESPONSE_DONE("r1", "completed", "null", "[]"));
	assert_int_equal(got_of(&t, 4)->exchange, (3ULL << 32) + 1);
	/* The change of the configuration was refused. */
	client(&t, "{\"type\":\"session.update\",\"session\":{\"voice\":\"x\"}}");
	server(&t, "{\"type\":\"error\",\"error\":{\"code\":\"invalid_value\",\"param\":\"session.voice\","
		   "\"message\":\"m\"}}");
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, RESPONSE_CREATED("r4"));
	server(&t, RESPONSE_DONE("r4", "completed", "null", "[]"));
	assert_null(json_object_get(req_of(&t, 5)->parameters, "voice"));
	assert_int_equal(json_array_size(json_object_get(resp_of(&t, 5)->extra, "session_errors")), 1);
	/* The last word is an error that no response belongs to. */
	server(&t, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"code\":\"session_"
		   "expired\",\"message\":"
		   "\"over\"}}");
	talk_end(&t);
	assert_int_equal(t.n_requests, 7);
	assert_int_equal(resp_of(&t, 6)->outcome, OPENAI_STREAM_ERROR);
	assert_json(resp_of(&t, 6)->error,
		    "{\"code\":\"session_expired\",\"type\":\"invalid_request_error\",\"message\":\"over\"}");
	assert_false(resp_of(&t, 6)->whole);
}

/* Two in flight: one is the conversation's, one beside it with an input of its own. */
static void test_two_in_flight(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	talk_begin(&t, REALTIME);
	client(&t, "{\"type\":\"conversation.item.create\",\"item\":{\"id\":\"u\",\"type\":\"message\","
		   "\"role\":\"user\","
		   "\"content\":[]}}");
	client(&t, "{\"type\":\"response.create\",\"response\":{\"conversation\":\"none\",\"metadata\":{"
		   "\"topic\":\"b\"},"
		   "\"input\":[{\"type\":\"item_reference\",\"id\":\"u\"}]}}");
	client(&t, "{\"type\":\"response.create\"}");
	/* In the other order: the metadata tells. */
	server(&t, "{\"type\":\"response.created\",\"response\":{\"id\":\"ra\",\"metadata\":null,"
		   "\"conversation_id\":\"c\"}}");
	server(&t,
	       "{\"type\":\"response.created\",\"response\":{\"id\":\"rb\",\"metadata\":{\"topic\":\"b\"},"
	       "\"conversation_id\":null}}");
	server(&t, "{\"type\":\"response.text.delta\",\"response_id\":\"rb\",\"item_id\":\"mb\",\"delta\":"
		   "\"B\"}");
	server(&t, "{\"type\":\"response.text.delta\",\"response_id\":\"ra\",\"item_id\":\"ma\",\"delta\":"
		   "\"A\"}");
	server(&t, "{\"type\":\"response.done\",\"response\":{\"id\":\"rb\",\"status\":\"completed\"}}");
	server(&t, "{\"type\":\"response.done\",\"response\":{\"id\":\"ra\",\"status\":\"completed\"}}");
	talk_end(&t);
	assert_json(req_of(&t, 0)->input, "[{\"type\":\"item_reference\",\"id\":\"u\"}]");
	assert_json(req_of(&t, 1)->input,
		    "[{\"id\":\"u\",\"type\":\"message\",\"role\":\"user\",\"content\":[]}]");
	assert_int_equal(got_of(&t, 0)->exchange, sent_of(&t, 0)->exchange);
	assert_text(resp_of(&t, 0)->response_id, "rb");
	assert_text(resp_of(&t, 1)->response_id, "ra");
	assert_json(resp_of(&t, 0)->output,
		    "[{\"id\":\"mb\",\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":"
		    "\"B\"}]}]");
	assert_json(resp_of(&t, 1)->output,
		    "[{\"id\":\"ma\",\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":"
		    "\"A\"}]}]");
	assert_int_equal(resp_of(&t, 0)->usage_source, OPENAI_USAGE_NONE);
	assert_int_equal(resp_of(&t, 0)->prompt_tokens, -1);
}

/* The connection ends in the midst: what came counts. */
static void test_broken_off(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	_cleanup_free_ char *sum = audio_sum(3, 300), *left = audio_sum(8, 10), *want = NULL;
	struct http_message close = {.role = HTTP_REQUEST, .opcode = 8};
	talk_begin(&t, REALTIME);
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, RESPONSE_CREATED("r1"));
	server(&t, "{\"type\":\"response.output_item.added\",\"response_id\":\"r1\",\"output_index\":0,"
		   "\"item\":{\"id\":\"it_r1\","
		   "\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}");
	speak(&t, "r1", "response.output_audio", 3, 300);
	server(&t, "{\"type\":\"response.output_audio_transcript.delta\",\"response_id\":\"r1\",\"item_id\":"
		   "\"it_r1\",\"delta\":"
		   "\"On\"}");
	server(&t, "{\"type\":\"response.output_audio_transcript.delta\",\"response_id\":\"r1\",\"item_id\":"
		   "\"it_r1\",\"delta\":"
		   "\"ce\"}");
	client(&t, "{\"type\":\"response.create\"}");
	append(&t, 8, 10);
	talk_message(&t, &close, "\x03\xe9gone", 6);
	talk_end(&t);

	assert_int_equal(t.n_requests, 3);
	const struct openai_response *resp = resp_of(&t, 0);
	assert_true(asprintf(&want,
			     "[{\"id\":\"it_r1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{"
			     "\"type\":"
			     "\"output_audio\",\"transcript\":\"Once\",\"audio\":%s}]}]",
			     sum) > 0);
	assert_json(resp->output, want);
	assert_int_equal(resp->outcome, OPENAI_INTERRUPTED);
	assert_false(resp->whole);
	assert_int_equal(got_of(&t, 0)->end, HTTP_END_CLOSED);
	assert_says(resp->problem, "ended before the response did");
	assert_says(resp->problem, "code 1001");
	/* No byte of the second came. */
	assert_null(resp_of(&t, 1)->output);
	assert_int_equal(got_of(&t, 1)->body_total, 0);
	assert_int_equal(resp_of(&t, 1)->outcome, OPENAI_INTERRUPTED);
	/* Audio that was sent and led to nothing. */
	free(want);
	want = NULL;
	assert_true(
		asprintf(&want,
			 "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
			 "\"audio\":%s}]}]",
			 left) > 0);
	assert_json(req_of(&t, 2)->input, want);
	assert_says(resp_of(&t, 2)->problem, "no answer was asked for");
}

/* Lost bytes: said where they are, and the next response is not taken for the one whose end is lost. */
static void test_loss(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	static const char half[] = "{\"type\":\"response.output_text.delta\",\"response_id\":\"r1\",\"del";
	struct http_message lost = {.role = HTTP_RESPONSE,
				    .missing_bytes = 40,
				    .missing_reason = GAP_RING_FULL,
				    .end = HTTP_END_GAP};
	struct http_message kept = {.role = HTTP_REQUEST, .body_total = 5000};
	talk_begin(&t, REALTIME);
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, RESPONSE_CREATED("r1"));
	talk_message(&t, &lost, half, strlen(half));
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, RESPONSE_CREATED("r2"));
	server(&t, RESPONSE_DONE("r2", "completed", "null", "[]"));
	/* Too long to be kept: what was kept ends in the audio. */
	talk_message(&t, &kept, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAAA", 49);
	client(&t, "{\"type\":\"input_audio_buffer.commit\"}");
	client(&t, "{\"type\":\"response.create\"}");
	/* The beginning is lost. */
	server(&t, "{\"type\":\"response.output_text.delta\",\"response_id\":\"r3\",\"item_id\":\"m\","
		   "\"delta\":\"x\"}");
	server(&t, RESPONSE_DONE("r3", "completed", "null", "[]"));
	server(&t, RESPONSE_DONE("r9", "completed", "null", "[]"));
	talk_end(&t);

	assert_int_equal(t.n_requests, 4);
	assert_int_equal(resp_of(&t, 0)->outcome, OPENAI_INTERRUPTED);
	assert_int_equal(got_of(&t, 0)->missing_bytes, 40);
	assert_int_equal(got_of(&t, 0)->missing_reason, GAP_RING_FULL);
	assert_int_equal(got_of(&t, 0)->end, HTTP_END_GAP);
	assert_false(got_of(&t, 0)->body_sha256_valid);
	assert_says(resp_of(&t, 0)->problem, "40 bytes");
	assert_says(resp_of(&t, 0)->problem, "the end of the response was not captured");
	assert_text(resp_of(&t, 1)->response_id, "r2");
	assert_int_equal(got_of(&t, 1)->exchange, sent_of(&t, 1)->exchange);
	assert_int_equal(resp_of(&t, 1)->outcome, OPENAI_OK);
	assert_json(req_of(&t, 2)->input,
		    "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
		    "\"audio\":{\"bytes\":3}}]}]");
	assert_int_equal(sent_of(&t, 2)->body_total - sent_of(&t, 2)->body_len, 5000 - 49);
	assert_false(sent_of(&t, 2)->body_sha256_valid);
	assert_says(req_of(&t, 2)->problem, "were kept");
	assert_text(resp_of(&t, 2)->response_id, "r3");
	assert_int_equal(got_of(&t, 2)->exchange, sent_of(&t, 2)->exchange);
	assert_text(resp_of(&t, 3)->response_id, "r9");
}

/* A response beside the conversation may go on while another begins, whatever was lost. */
static void test_loss_apart(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	struct http_message lost = {.role = HTTP_RESPONSE,
				    .missing_bytes = 40,
				    .missing_reason = GAP_RING_FULL,
				    .end = HTTP_END_GAP};
	talk_begin(&t, REALTIME);
	server(&t, "{\"type\":\"response.created\",\"response\":{\"id\":\"ra\",\"conversation_id\":null}}");
	talk_message(&t, &lost, "{", 1);
	server(&t, RESPONSE_CREATED("rb"));
	server(&t, RESPONSE_DONE("ra", "completed", "null", "[]"));
	server(&t, RESPONSE_DONE("rb", "completed", "null", "[]"));
	talk_end(&t);
	assert_int_equal(t.n_requests, 2);
	assert_text(resp_of(&t, 0)->response_id, "ra");
	assert_int_equal(resp_of(&t, 0)->outcome, OPENAI_OK);
	assert_int_equal(resp_of(&t, 1)->outcome, OPENAI_OK);
}

static void test_transcription_session(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	_cleanup_free_ char *first = audio_sum(1, 60), *want = NULL;
	talk_begin(&t, REALTIME "?intent=transcription");
	server(&t, "{\"type\":\"session.created\",\"session\":{\"type\":\"transcription\",\"audio\":{"
		   "\"input\":{\"transcription\":{"
		   "\"model\":\"gpt-4o-transcribe\",\"language\":\"en\"}}}}}");
	append(&t, 1, 60);
	server(&t, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"i1\"}");
	append(&t, 2, 70);
	server(&t, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"i2\"}");
	server(&t, "{\"type\":\"conversation.item.input_audio_transcription.delta\",\"item_id\":\"i1\","
		   "\"delta\":\"He\"}");
	server(&t, "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"item_id\":\"i1\","
		   "\"transcript\":\"Hey\","
		   "\"usage\":{\"type\":\"duration\",\"seconds\":3}}");
	server(&t, "{\"type\":\"conversation.item.input_audio_transcription.failed\",\"item_id\":\"i2\","
		   "\"error\":{\"code\":"
		   "\"audio_unintelligible\",\"message\":\"?\"}}");
	talk_end(&t);
	assert_int_equal(t.n_requests, 2);
	assert_text(req_of(&t, 0)->model, "gpt-4o-transcribe");
	assert_true(
		asprintf(&want,
			 "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
			 "\"audio\":%s}],\"id\":\"i1\"}]",
			 first) > 0);
	assert_json(req_of(&t, 0)->input, want);
	assert_int_equal(sent_of(&t, 1)->body_total, 0);
	assert_json(resp_of(&t, 0)->text, "\"Hey\"");
	assert_json(resp_of(&t, 0)->usage, "{\"type\":\"duration\",\"seconds\":3}");
	assert_int_equal(resp_of(&t, 0)->usage_source, OPENAI_USAGE_NONE);
	assert_int_equal(resp_of(&t, 0)->chunks, 5);
	assert_true(sent_of(&t, 0)->first_ts_ns < got_of(&t, 0)->first_ts_ns);
	assert_int_equal(resp_of(&t, 1)->outcome, OPENAI_STREAM_ERROR);
	assert_json(resp_of(&t, 1)->error, "{\"code\":\"audio_unintelligible\",\"message\":\"?\"}");
}

static void test_translation_session(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	_cleanup_free_ char *in = audio_base64(4, 20), *in_sum = audio_sum(4, 20),
			    *out_sum = audio_sum(6, 600);
	_cleanup_free_ char *text = NULL, *want = NULL;
	talk_begin(&t, "/v1/realtime/translations");
	server(&t, "{\"type\":\"session.created\",\"session\":{\"type\":\"translation\",\"model\":\"gpt-"
		   "translate\"}}");
	assert_true(asprintf(&text, "{\"type\":\"session.input_audio_buffer.append\",\"audio\":\"%s\"}", in) >
		    0);
	client(&t, text);
	server(&t, "{\"type\":\"session.input_transcript.delta\",\"delta\":\"Guten \"}");
	server(&t, "{\"type\":\"session.input_transcript.delta\",\"delta\":\"Tag\"}");
	speak(&t, "x", "session.output_audio", 6, 600);
	server(&t,
	       "{\"type\":\"session.output_transcript.delta\",\"delta\":\"Good day\",\"item_id\":\"it_x\"}");
	client(&t, "{\"type\":\"session.close\"}");
	server(&t, "{\"type\":\"session.closed\"}");
	talk_end(&t);
	assert_int_equal(t.n_requests, 1);
	assert_true(asprintf(&want,
			     "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_"
			     "audio\",\"audio\":%s,"
			     "\"transcript\":\"Guten Tag\"}]}]",
			     in_sum) > 0);
	assert_json(req_of(&t, 0)->input, want);
	assert_text(req_of(&t, 0)->model, "gpt-translate");
	free(want);
	want = NULL;
	assert_true(asprintf(&want,
			     "[{\"id\":\"it_x\",\"type\":\"message\",\"content\":[{\"type\":\"output_audio\","
			     "\"transcript\":\"Good day\",\"audio\":%s}]}]",
			     out_sum) > 0);
	assert_json(resp_of(&t, 0)->output, want);
	assert_int_equal(resp_of(&t, 0)->outcome, OPENAI_OK);
	assert_true(resp_of(&t, 0)->whole);
}

/* The Responses API over WebSocket: the body of POST /responses, and the events of its stream. */
static void test_responses(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	talk_begin(&t, "/v1/responses");
	client(&t, "{\"type\":\"response.create\",\"model\":\"gpt-x\",\"input\":\"Hi\",\"instructions\":"
		   "\"Short.\",\"tools\":[],"
		   "\"store\":false}");
	server(&t, "{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\","
		   "\"status\":"
		   "\"in_progress\"}}");
	server(&t, "{\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"output_index\":0,\"content_"
		   "index\":0,\"delta\":"
		   "\"Yo\",\"sequence_number\":1}");
	server(&t, "{\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"resp_1\","
		   "\"status\":\"completed\","
		   "\"model\":\"gpt-x-1\",\"output\":[{\"id\":\"m\",\"type\":\"message\",\"content\":[{"
		   "\"type\":\"output_text\","
		   "\"text\":\"Yo\"}]}],\"usage\":{\"input_tokens\":5,\"input_tokens_details\":{\"cached_"
		   "tokens\":1},"
		   "\"output_tokens\":7,\"output_tokens_details\":{\"reasoning_tokens\":3},\"total_tokens\":"
		   "12}}}");
	client(&t, "{\"type\":\"response.create\",\"model\":\"gpt-x\",\"previous_response_id\":\"resp_1\","
		   "\"input\":[]}");
	server(&t, "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_2\"}}");
	server(&t,
	       "{\"type\":\"response.incomplete\",\"response\":{\"id\":\"resp_2\",\"status\":\"incomplete\","
	       "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"output\":[]}}");
	client(&t, "{\"type\":\"response.create\",\"model\":\"nope\"}");
	server(&t, "{\"type\":\"error\",\"status\":400,\"error\":{\"type\":\"invalid_request_error\","
		   "\"code\":\"model_not_found\","
		   "\"message\":\"m\"}}");
	client(&t, "{\"type\":\"response.create\",\"model\":\"gpt-x\",\"input\":\"a\"}");
	server(&t, "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_4\"}}");
	server(&t, "{\"type\":\"response.failed\",\"response\":{\"id\":\"resp_4\",\"status\":\"failed\","
		   "\"error\":{\"code\":"
		   "\"server_error\",\"message\":\"m\"}}}");
	client(&t, "{\"type\":\"response.create\",\"model\":\"gpt-x\",\"input\":\"b\"}");
	server(&t, "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_5\"}}");
	server(&t,
	       "{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"f\",\"type\":"
	       "\"function_call\",\"arguments\":\"\"}}");
	server(&t, "{\"type\":\"response.function_call_arguments.delta\",\"item_id\":\"f\",\"output_index\":"
		   "0,\"delta\":\"{}\"}");
	talk_end(&t);

	assert_int_equal(t.n_requests, 5);
	assert_json(req_of(&t, 0)->input, "\"Hi\"");
	assert_json(req_of(&t, 0)->instructions, "\"Short.\"");
	assert_json(req_of(&t, 0)->tools, "[]");
	assert_json(req_of(&t, 0)->parameters, "{\"store\":false}");
	assert_text(req_of(&t, 0)->model, "gpt-x");
	assert_text(resp_of(&t, 0)->model, "gpt-x-1");
	assert_int_equal(resp_of(&t, 0)->prompt_tokens, 5);
	assert_int_equal(resp_of(&t, 0)->cached_tokens, 1);
	assert_int_equal(resp_of(&t, 0)->reasoning_tokens, 3);
	assert_int_equal(resp_of(&t, 0)->chunks, 3);
	assert_json(resp_of(&t, 1)->finish_reason, "[\"max_output_tokens\"]");
	assert_json(req_of(&t, 1)->parameters, "{\"previous_response_id\":\"resp_1\"}");
	assert_int_equal(resp_of(&t, 2)->outcome, OPENAI_STREAM_ERROR);
	assert_json(resp_of(&t, 2)->error,
		    "{\"code\":\"model_not_found\",\"type\":\"invalid_request_error\",\"message\":\"m\"}");
	assert_json(resp_of(&t, 3)->error, "{\"code\":\"server_error\",\"message\":\"m\"}");
	assert_int_equal(resp_of(&t, 4)->outcome, OPENAI_INTERRUPTED);
	assert_json(resp_of(&t, 4)->output,
		    "[{\"id\":\"f\",\"type\":\"function_call\",\"arguments\":\"{}\"}]");
}

/* Lanes run side by side; a steered response has a successor that nobody asked for by itself. */
static void test_lanes(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	talk_begin(&t, "/openai/v1/responses");
	client(&t, "{\"type\":\"response.create\",\"model\":\"m\",\"input\":\"1\",\"stream_id\":\"one\"}");
	client(&t, "{\"type\":\"response.create\",\"model\":\"m\",\"input\":\"2\",\"stream_id\":\"two\"}");
	server(&t, "{\"type\":\"response.created\",\"stream_id\":\"two\",\"response\":{\"id\":\"r2\"}}");
	server(&t, "{\"type\":\"response.created\",\"stream_id\":\"one\",\"response\":{\"id\":\"r1\"}}");
	server(&t, "{\"type\":\"response.output_text.delta\",\"stream_id\":\"two\",\"item_id\":\"m\","
		   "\"delta\":\"two\"}");
	server(&t, "{\"type\":\"response.output_text.delta\",\"stream_id\":\"one\",\"item_id\":\"m\","
		   "\"delta\":\"one\"}");
	server(&t, "{\"type\":\"response.completed\",\"stream_id\":\"one\",\"response\":{\"id\":\"r1\"}}");
	client(&t, "{\"type\":\"response.steer\",\"previous_response_id\":\"r2\",\"input\":\"stop\"}");
	server(&t, "{\"type\":\"response.incomplete\",\"stream_id\":\"two\",\"response\":{\"id\":\"r2\","
		   "\"incomplete_details\":{"
		   "\"reason\":\"steered\"}}}");
	server(&t, "{\"type\":\"response.created\",\"stream_id\":\"two\",\"response\":{\"id\":\"r3\"}}");
	server(&t, "{\"type\":\"response.completed\",\"stream_id\":\"two\",\"response\":{\"id\":\"r3\"}}");
	talk_end(&t);
	assert_int_equal(t.n_requests, 3);
	assert_json(resp_of(&t, 0)->output, "[{\"id\":\"m\",\"type\":\"message\",\"content\":[{\"type\":"
					    "\"output_text\",\"text\":\"one\"}]}]");
	assert_json(resp_of(&t, 1)->output, "[{\"id\":\"m\",\"type\":\"message\",\"content\":[{\"type\":"
					    "\"output_text\",\"text\":\"two\"}]}]");
	assert_json(resp_of(&t, 1)->finish_reason, "[\"steered\"]");
	assert_int_equal(got_of(&t, 0)->exchange, sent_of(&t, 0)->exchange);
	assert_int_equal(got_of(&t, 1)->exchange, sent_of(&t, 1)->exchange);
	assert_json(req_of(&t, 2)->input, "[\"stop\"]");
}

/* Other uses of WebSockets give nothing but numbers. */
static void test_other(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	struct openai_session_counts counts;
	struct http_message binary = {.role = HTTP_RESPONSE, .opcode = 2};
	talk_begin(&t, "/chat");
	for (int i = 0; i < 100; i++)
		client(&t, "{\"type\":\"hello\"}");
	talk_message(&t, &binary, "\0\xff", 2);
	server(&t, "");
	talk_end(&t);
	openai_session_counts(t.session, &counts);
	assert_int_equal(t.n, 0);
	assert_int_equal(counts.messages, 102);
	assert_int_equal(counts.left_out, 102);
	assert_int_equal(counts.left_out_bytes, 1602);

	/* A gateway's path: what is said tells what it is. */
	_cleanup_talk_ struct talk u;
	talk_begin(&u, "/my/gateway");
	client(&u, "{\"type\":\"response.create\",\"model\":\"m\",\"input\":\"x\"}");
	server(&u, "{\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}");
	talk_end(&u);
	assert_int_equal(u.n_requests, 1);
	assert_json(req_of(&u, 0)->input, "\"x\"");
}

/* What is not JSON, or of no known type, does no harm and is said. */
static void test_unreadable(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	struct openai_session_counts counts;
	static const char *const bad[] = {"",
					  "x",
					  "[]",
					  "\"\\",
					  "{\"type\":",
					  "{\"type\":7}",
					  "{\"audio\":\"",
					  "{\"type\":\"what\"}",
					  "\xff\xfe",
					  "{\"type\":\"error\"}"};
	talk_begin(&t, REALTIME);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		client(&t, bad[i]);
		server(&t, bad[i]);
	}
	client(&t, "{\"type\":\"response.create\",\"response\":7}");
	server(&t, "{\"type\":\"response.done\",\"response\":{\"id\":\"r\",\"usage\":7,\"output\":{},"
		   "\"status\":[]}}");
	talk_end(&t);
	openai_session_counts(t.session, &counts);
	assert_true(counts.unreadable >= 10);
	assert_true(counts.unknown >= 2);
	assert_says(req_of(&t, 0)->problem, "are not JSON objects");
	assert_says(resp_of(&t, 0)->problem, "usage is not an object");
}

/* A transcript that comes before the answer is asked for stands with the audio. */
static void test_early_transcript(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	talk_begin(&t, REALTIME);
	server(&t, SESSION_CREATED);
	append(&t, 1, 3);
	server(&t, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"u1\"}");
	server(&t, "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"item_id\":\"u1\","
		   "\"content_index\":0,"
		   "\"transcript\":\"Yes\"}");
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, RESPONSE_CREATED("r1"));
	server(&t, RESPONSE_DONE("r1", "completed", "null", "[]"));
	talk_end(&t);
	assert_int_equal(t.n_requests, 2);
	assert_json(json_object_get(
			    json_array_get(
				    json_object_get(json_array_get(req_of(&t, 1)->input, 0), "content"), 0),
			    "transcript"),
		    "\"Yes\"");
}

/* A credential is never a parameter, whoever puts it where. Found by the fuzzer. */
static void test_credential(void **state)
{
	(void)state;
	static const struct {
		const char *target, *asked;
	} cases[] = {
		{REALTIME,
		 "{\"type\":\"response.create\",\"response\":{\"client_secret\":{\"value\":\"ek_s\"}}}"},
		{"/v1/responses",
		 "{\"type\":\"response.create\",\"client_secret\":\"ek_s\",\"input\":\"Hi\"}"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_talk_ struct talk t;
		talk_begin(&t, cases[i].target);
		client(&t, cases[i].asked);
		talk_end(&t);
		assert_int_equal(t.n, 2);
		assert_null(json_object_get(req_of(&t, 0)->parameters, "client_secret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_voice),
		cmocka_unit_test(test_manual_audio),
		cmocka_unit_test(test_audio_in_items),
		cmocka_unit_test(test_tools),
		cmocka_unit_test(test_interruption),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_two_in_flight),
		cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_loss_apart),
		cmocka_unit_test(test_transcription_session),
		cmocka_unit_test(test_translation_session),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_lanes),
		cmocka_unit_test(test_other),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_early_transcript),
		cmocka_unit_test(test_credential),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
