/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

/* Requests of every kind, with bodies in the shape that the API gives them. */

#define HEX32 "abababababababababababababababababababababababababababababababab"

static const struct {
	const char *method, *target, *body;
	const char *operation;
	enum openai_kind kind;
	const char *model, *deployment;
	const char *prompt, *input, *instructions, *tools, *parameters;
	bool stream;
} cases[] = {
	{"POST", "/v1/completions", "{\"model\":\"m\",\"prompt\":\"Say\",\"max_tokens\":7,\"stream\":false}",
	 "createCompletion", OPENAI_COMPLETION, "m", NULL, "\"Say\"", NULL, NULL, NULL, "{\"max_tokens\":7}",
	 false},
	{"POST", "/openai/deployments/d/completions?api-version=2024-10-21",
	 "{\"prompt\":[\"a\",\"b\"],\"stream\":true}", "Completions_Create", OPENAI_COMPLETION, NULL, "d",
	 "[\"a\",\"b\"]", NULL, NULL, NULL, NULL, true},
	{"POST", "/v1/embeddings", "{\"model\":\"e\",\"input\":[[1,2],[3]],\"encoding_format\":\"base64\"}",
	 "createEmbedding", OPENAI_EMBEDDING, "e", NULL, NULL, "[[1,2],[3]]", NULL, NULL,
	 "{\"encoding_format\":\"base64\"}", false},
	{"POST", "/openai/deployments/d/embeddings?api-version=2023-05-15", "{\"input\":\"a\"}",
	 "embeddings_create", OPENAI_EMBEDDING, NULL, "d", NULL, "\"a\"", NULL, NULL, NULL, false},
	{"POST", "/v1/moderations", "{\"input\":\"a\"}", "createModeration", OPENAI_OBJECT, NULL, NULL, NULL,
	 "\"a\"", NULL, NULL, NULL, false},
	{"POST", "/openai/v1/responses?api-version=preview",
	 "{\"model\":\"o\",\"input\":[{\"role\":\"user\",\"content\":\"x\"}],\"instructions\":\"Be kind.\","
	 "\"tools\":[{\"type\":\"web_search\"}],\"store\":false,\"stream\":true,\"prompt\":{\"id\":\"p\"}}",
	 "createResponse", OPENAI_RESPONSE, "o", "o", NULL, "[{\"role\":\"user\",\"content\":\"x\"}]",
	 "\"Be kind.\"", "[{\"type\":\"web_search\"}]", "{\"store\":false,\"prompt\":{\"id\":\"p\"}}", true},
	{"POST", "/v1/audio/speech", "{\"model\":\"tts-1\",\"input\":\"Hi\",\"voice\":\"alloy\"}",
	 "createSpeech", OPENAI_SPEECH, "tts-1", NULL, NULL, "\"Hi\"", NULL, NULL, "{\"voice\":\"alloy\"}",
	 false},
	{"POST", "/v1/images/generations", "{\"model\":\"i\",\"prompt\":\"a cat\",\"n\":2}", "createImage",
	 OPENAI_IMAGE, "i", NULL, "\"a cat\"", NULL, NULL, NULL, "{\"n\":2}", false},
	{"POST", "/v1/threads/t/runs", "{\"assistant_id\":\"a\",\"stream\":true,\"instructions\":\"i\"}",
	 "createRun", OPENAI_RUN, NULL, NULL, NULL, NULL, "\"i\"", NULL, "{\"assistant_id\":\"a\"}", true},
	{"POST", "/v1/videos", "{\"model\":\"sora-2\",\"prompt\":\"p\"}", "createVideo", OPENAI_OBJECT,
	 "sora-2", NULL, "\"p\"", NULL, NULL, NULL, NULL, false},
	{"POST", "/openai/v1/fine_tuning/jobs", "{\"model\":\"gpt-4o-mini\",\"training_file\":\"f\"}",
	 "createFineTuningJob", OPENAI_OBJECT, "gpt-4o-mini", NULL, NULL, NULL, NULL, NULL,
	 "{\"training_file\":\"f\"}", false},
	{"POST", "/openai/batches?api-version=2024-10-21",
	 "{\"input_file_id\":\"f\",\"endpoint\":\"/chat/completions\"}", "Batch_Create", OPENAI_OBJECT, NULL,
	 NULL, NULL, NULL, NULL, NULL, "{\"input_file_id\":\"f\",\"endpoint\":\"/chat/completions\"}", false},
	{"GET", "/v1/models/gpt-4o", "", "retrieveModel", OPENAI_OBJECT, "gpt-4o", NULL, NULL, NULL, NULL,
	 NULL, NULL, false},
	{"POST", "/engines/davinci/completions", "{\"prompt\":\"x\"}", "createCompletion", OPENAI_COMPLETION,
	 "davinci", NULL, "\"x\"", NULL, NULL, NULL, NULL, false},
	{"DELETE", "/v1/responses/resp_1", "", "deleteResponse", OPENAI_OBJECT, NULL, NULL, NULL, NULL, NULL,
	 NULL, NULL, false},
	{"POST", "/v1/responses/resp_1/cancel", "", "cancelResponse", OPENAI_RESPONSE, NULL, NULL, NULL, NULL,
	 NULL, NULL, NULL, false},
	{"GET", "/v1/realtime?model=gpt-realtime&api-key=SECRET", "", "connectRealtime", OPENAI_REALTIME,
	 "gpt-realtime", NULL, NULL, NULL, NULL, NULL, NULL, false},
	{"GET", "/openai/realtime?api-version=2025-04-01-preview&deployment=rt-1&api-key=SECRET", "",
	 "Realtime_Connect", OPENAI_REALTIME, NULL, "rt-1", NULL, NULL, NULL, NULL, NULL, false},
	{"GET", "/openai/v1/realtime?model=rt", "", "connectRealtime", OPENAI_REALTIME, "rt", "rt", NULL,
	 NULL, NULL, NULL, NULL, false},
	{"GET", "/v1/realtime?model=a%20b&deployment=%00", "", "connectRealtime", OPENAI_REALTIME, NULL, NULL,
	 NULL, NULL, NULL, NULL, NULL, false},
	{"POST", "/v1/chat/completions?model=SECRET&deployment=SECRET", "{\"messages\":[]}",
	 "createChatCompletion", OPENAI_CHAT, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false},
};

static void test_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fx_ struct fx fx = fx_request(cases[i].target, cases[i].body);
		fx.msg.method = (char *)cases[i].method;
		_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
		assert_text(req->operation, cases[i].operation);
		assert_int_equal(req->kind, cases[i].kind);
		assert_text(req->model, cases[i].model);
		assert_text(req->deployment_id, cases[i].deployment);
		assert_json(req->prompt, cases[i].prompt);
		assert_json(req->input, cases[i].input);
		assert_json(req->instructions, cases[i].instructions);
		assert_json(req->tools, cases[i].tools);
		assert_json(req->parameters, cases[i].parameters);
		assert_int_equal(req->stream, cases[i].stream);
		assert_null(req->files);
		assert_null(req->body);
		assert_null(req->problem);
	}
}

static void test_wrong_types(void **state)
{
	(void)state;
	static const char body[] =
		"{\"model\":\"m\",\"input\":{\"a\":1},\"instructions\":5,\"prompt\":true,\"tools\":\"x\"}";
	_cleanup_fx_ struct fx fx = fx_request("/v1/responses", body);
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_null(req->input);
	assert_json(req->parameters,
		    "{\"input\":{\"a\":1},\"instructions\":5,\"prompt\":true,\"tools\":\"x\"}");
	assert_says(req->problem, "input is not text or an array");
	assert_says(req->problem, "instructions is not text or an array");
	assert_says(req->problem, "prompt is not text or an array");
	assert_says(req->problem, "tools is not an array");
}

static void test_lacking(void **state)
{
	(void)state;
	static const struct {
		const char *target, *body, *problem;
	} lacking[] = {
		{"/v1/embeddings", "{\"model\":\"m\"}", "the body has no input"},
		{"/v1/embeddings", "", "there is no body"},
		{"/v1/completions", "", "there is no body"},
		{"/v1/audio/transcriptions", "", "there is no body"},
		{"/v1/images/edits", "", "there is no body"},
		{"/v1/responses", "[1]", "the body is not a JSON object"},
		{"/v1/responses", "hello", "is not JSON"},
		{"/v1/files", "hello", "is not JSON"},
		{"/v1/batches", "{", "ends early"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(lacking); i++) {
		_cleanup_fx_ struct fx fx = fx_request(lacking[i].target, lacking[i].body);
		_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
		assert_says(req->problem, lacking[i].problem);
	}
}

static struct http_part part(const char *name, const char *filename, const char *type, const char *data)
{
	struct http_part p = {.name = (char *)name,
			      .filename = (char *)filename,
			      .content_type = (char *)type,
			      .bytes = strlen(data),
			      .whole = true};
	memset(p.sha256, 0xab, sizeof(p.sha256));
	if (!filename && *data) {
		p.data = (uint8_t *)data;
		p.data_len = strlen(data);
	}
	return p;
}

static void test_form(void **state)
{
	(void)state;
	struct http_part parts[] = {
		part("file", "a \"\xff.wav", "audio/wav", "RIFF...."),
		part("model", NULL, NULL, "whisper-1"),
		part("prompt", NULL, "text/plain; charset=utf-8", "names: \xc3\xa9"),
		part("timestamp_granularities[]", NULL, NULL, "word"),
		part("timestamp_granularities[]", NULL, NULL, "segment"),
		part("include[]", NULL, NULL, "logprobs"),
		part("twice", NULL, NULL, "1"),
		part("twice", NULL, NULL, "2"),
		part("twice", NULL, NULL, "3"),
		part("temperature", NULL, NULL, "0.2"),
		part("empty", NULL, NULL, ""),
		part("stream", NULL, NULL, "True"),
		part("image", NULL, "image/png", "\x89PNG"),
		part(NULL, NULL, NULL, "nameless"),
	};
	_cleanup_fx_ struct fx fx = fx_request("/v1/audio/transcriptions", "--x\r\n...");
	fx_header(&fx, "content-type", "multipart/form-data; boundary=x");
	fx.msg.body_total = 9000000; /* more than is kept, which does not matter */
	fx.msg.parts = parts;
	fx.msg.n_parts = ARRAY_SIZE(parts);
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_text(req->operation, "createTranscription");
	assert_text(req->model, "whisper-1");
	assert_true(req->stream);
	assert_json(req->prompt, "\"names: \xc3\xa9\"");
	assert_json(req->parameters,
		    "{\"timestamp_granularities\":[\"word\",\"segment\"],\"include\":[\"logprobs\"]"
		    ",\"twice\":[\"1\",\"2\",\"3\"],\"temperature\":\"0.2\",\"empty\":\"\"}");
	assert_json(
		req->files,
		"[{\"name\":\"file\",\"file-name\":\"a \\\"\xef\xbf\xbd.wav\",\"content-type\":\"audio/wav\","
		"\"bytes\":8,\"sha256\":\"" HEX32 "\"},"
		"{\"name\":\"image\",\"content-type\":\"image/png\",\"bytes\":4,\"sha256\":\"" HEX32 "\"},"
		"{\"bytes\":8,\"sha256\":\"" HEX32 "\"}]");
	assert_null(req->body);
	assert_null(req->problem);
}

static void test_form_flaws(void **state)
{
	(void)state;
	static const char long_text[] =
		"0123456789012345678901234567890123456789012345678901234567890123456789\xc3";
	struct http_part parts[] = {
		part("model", NULL, NULL, "gpt-im"),   /* half a name */
		part("prompt", NULL, NULL, long_text), /* cut by a limit */
		part("bad\xfe", NULL, NULL,
		     "a\xff"
		     "b"),
		part("image", "i.png", "image/png", "\x89PNG"),
	};
	parts[0].whole = false;
	parts[1].bytes = 5000;
	parts[3].whole = false;
	_cleanup_fx_ struct fx fx = fx_request("/v1/images/edits", "--x");
	fx.msg.parts = parts;
	fx.msg.n_parts = ARRAY_SIZE(parts);
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_null(req->model);
	assert_int_equal(json_string_length(req->prompt), 70);
	assert_json(req->parameters, "{\"bad\xef\xbf\xbd\":\"a\xef\xbf\xbd"
				     "b\"}");
	assert_json(req->files, "[{\"name\":\"image\",\"file-name\":\"i.png\",\"content-type\":\"image/png\","
				"\"bytes\":4}]");
	assert_says(req->problem, "2 fields of the form are cut");
	assert_says(req->problem, "1 fields of the form are not UTF-8");

	_cleanup_fx_ struct fx none = fx_request("/v1/files", "--x\r\nbroken");
	fx_header(&none, "content-type", "multipart/form-data; boundary=y");
	_cleanup_req_ struct openai_request *unread = fx_read_request(&none);
	assert_says(unread->problem, "the form in the body could not be read");
	assert_json(unread->body, "\"--x\\r\\nbroken\"");
}

static void test_files(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request("/v1/uploads/u/parts", "\xff\xfe\x00");
	fx_header(&fx, "content-type", "application/octet-stream");
	fx.msg.body_total = 5000000;
	memset(fx.msg.body_sha256, 0xab, sizeof(fx.msg.body_sha256));
	fx.msg.body_sha256_valid = true;
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_json(req->files, "[{\"content-type\":\"application/octet-stream\",\"bytes\":5000000,"
				"\"sha256\":\"" HEX32 "\"}]");
	assert_null(req->body);
	assert_null(req->parameters);
	assert_null(req->problem);

	/* What is asked of a model is not hidden by a wrong type. */
	_cleanup_fx_ struct fx chat = fx_request("/v1/chat/completions", "{\"messages\":[1]}");
	fx_header(&chat, "content-type", "application/octet-stream");
	_cleanup_req_ struct openai_request *asked = fx_read_request(&chat);
	assert_json(asked->messages, "[1]");
	assert_null(asked->files);

	_cleanup_fx_ struct fx offer =
		fx_request("/v1/realtime/calls?model=m", "v=0\r\no=- 1 2 IN IP4 0\r\n");
	fx_header(&offer, "content-type", "application/sdp");
	_cleanup_req_ struct openai_request *call = fx_read_request(&offer);
	assert_json(call->body, "\"v=0\\r\\no=- 1 2 IN IP4 0\\r\\n\"");
	assert_null(call->problem);
}

static void test_websocket(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request("/v1/responses?model=m", "");
	fx.msg.method = (char *)"GET";
	fx_header(&fx, "upgrade", "WebSocket");
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_text(req->operation, "connectResponses");
	assert_int_equal(req->kind, OPENAI_REALTIME);
	assert_text(req->model, "m");
	assert_null(req->problem);
}

/* Decoded bodies are read; what could not be decoded is kept and said. */
static void test_codings(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request("/v1/responses", "{\"input\":\"x\"}");
	fx_header(&fx, "content-encoding", "gzip");
	fx.msg.decoded = true;
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_json(req->input, "\"x\"");
	assert_null(req->problem);

	_cleanup_fx_ struct fx broken = fx_request("/v1/responses", "\x1f\x8b");
	fx_header(&broken, "content-encoding", "gzip");
	_cleanup_req_ struct openai_request *unread = fx_read_request(&broken);
	assert_says(unread->problem, "compressed (gzip)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),	   cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_lacking),	   cmocka_unit_test(test_form),
		cmocka_unit_test(test_form_flaws), cmocka_unit_test(test_files),
		cmocka_unit_test(test_websocket),  cmocka_unit_test(test_codings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
