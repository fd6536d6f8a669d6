/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#define AZURE  "/openai/deployments/prod%20chat/chat/completions?api-version=2024-10-21"
#define OPENAI "/v1/chat/completions"

static const char chat[] =
	"{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":"
	"[{\"type\":\"text\",\"text\":\"What is on it? "
	"\\u00e9\\u0000\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
	"\"data:image/png;base64,AAAA\"}}]}],\"model\":\"gpt-4o\",\"stream\":true,\"temperature\":0.1,"
	"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":{\"type\":"
	"\"object\"}}}],"
	"\"tool_choice\":\"auto\",\"functions\":[],\"seed\":9007199254740993,\"stream_options\":{\"include_"
	"usage\":true}}";

static void test_azure_classic(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request(AZURE, chat);
	fx_header(&fx, "host", "Contoso.openai.azure.com:443");
	fx_header(&fx, "x-stainless-retry-count", "2");
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_int_equal(req->kind, OPENAI_CHAT);
	assert_text(req->operation, "ChatCompletions_Create");
	assert_text(req->backend, "contoso.openai.azure.com");
	assert_text(req->path, "/openai/deployments/prod%20chat/chat/completions");
	assert_text(req->api_version, "2024-10-21");
	assert_text(req->deployment_id, "prod chat");
	assert_text(req->model, "gpt-4o");
	assert_true(req->stream);
	assert_int_equal(req->attempt, 2);
	assert_json(
		req->messages,
		"[{\"role\":\"system\",\"content\":\"Be "
		"brief.\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\","
		"\"text\":\"What is on it? \xc3\xa9\\u0000\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
		"\"data:image/png;base64,AAAA\"}}]}]");
	assert_json(req->tools,
		    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":"
		    "{\"type\":\"object\"}}}]");
	assert_json(req->parameters,
		    "{\"temperature\":0.10000000000000001,\"tool_choice\":\"auto\",\"functions\":[],"
		    "\"seed\":9007199254740993,\"stream_options\":{\"include_usage\":true}}");
	assert_null(req->body);
	assert_null(req->problem);
}

static void test_deployment_and_model(void **state)
{
	(void)state;
	static const struct {
		const char *target, *operation, *deployment;
	} cases[] = {
		{"/openai/v1/chat/completions", "createChatCompletion", "gpt-4o"},
		{"/openai/v1/chat/completions?api-version=preview", "createChatCompletion", "gpt-4o"},
		{OPENAI, "createChatCompletion", NULL},
		{"https://api.openai.com" OPENAI, "createChatCompletion", NULL},
		{"/models/chat/completions?api-version=2024-05-01-preview", "getChatCompletions", NULL},
		{"/openai/deployments/d/chat/completions", "ChatCompletions_Create", "d"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fx_ struct fx fx =
			fx_request(cases[i].target, "{\"model\":\"gpt-4o\",\"messages\":[]}");
		_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
		assert_text(req->operation, cases[i].operation);
		assert_text(req->deployment_id, cases[i].deployment);
		assert_text(req->model, "gpt-4o");
		assert_false(req->stream);
		assert_json(req->messages, "[]");
		assert_null(req->parameters);
		assert_null(req->problem);
	}
}

/* Values of the wrong type are kept where everything unknown is. */
static void test_wrong_types(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request(
		OPENAI, "{\"model\":7,\"stream\":\"true\",\"messages\":\"hi\",\"tools\":{},\"n\":null}");
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_null(req->model);
	assert_false(req->stream);
	assert_null(req->messages);
	assert_null(req->tools);
	assert_json(req->parameters,
		    "{\"model\":7,\"stream\":\"true\",\"messages\":\"hi\",\"tools\":{},\"n\":null}");
	assert_says(req->problem, "messages is not an array");
	assert_says(req->problem, "tools is not an array");
	assert_says(req->problem, "model is not a name");
	assert_null(req->body);
}

static void test_attempt(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int attempt;
	} cases[] = {{"0", 0},	{"1", 1}, {"12", 12}, {"", 0},
		     {"-1", 0}, {"x", 0}, {"1x", 0},  {"99999999999", 0}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fx_ struct fx fx = fx_request(OPENAI, "{}");
		fx_header(&fx, "x-stainless-retry-count", cases[i].text);
		_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
		assert_int_equal(req->attempt, cases[i].attempt);
	}
}

/* A body that is not the operation's: kept whole, with a reason that quotes nothing of it. */
static void test_bad_bodies(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		const char *kept, *problem;
		bool base64;
	} cases[] = {
		{"", NULL, "there is no body", false},
		{"hello SECRET", "\"hello SECRET\"", "is not JSON, near byte", false},
		{"[1,2]", "[1,2]", "is not a JSON object", false},
		{"\"SECRET\"", "\"\\\"SECRET\\\"\"", "is not a JSON object", false},
		{"{\"a\":\"SECRET\xff\"}", "\"eyJhIjoiU0VDUkVU/yJ9\"", "is not valid UTF-8, near byte 12",
		 true},
		{"{\"a\":1}\x01", "\"eyJhIjoxfQE=\"", "is not JSON", true},
		{"{\"a\\u0000SECRET\":1}", "\"{\\\"a\\\\u0000SECRET\\\":1}\"", "NUL character in a key",
		 false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fx_ struct fx fx = fx_request(OPENAI, cases[i].body);
		_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
		assert_int_equal(req->kind, OPENAI_CHAT);
		assert_json(req->body, cases[i].kept);
		assert_int_equal(req->body_base64, cases[i].base64);
		assert_says(req->problem, cases[i].problem);
		assert_null(strstr(req->problem, "SECRET"));
		assert_null(req->messages);
		assert_null(req->parameters);
	}
}

/* Read, and next to it the text as sent, because what was read is not all of it. */
static void test_inexact(void **state)
{
	(void)state;
	static const char body[] =
		"{\"model\":\"m\",\"seed\":18446744073709551615,\"messages\":[{\"role\":\"user\","
		"\"content\":\"half \\ud83d\"}],\"stream\":false,\"stream\":true}";
	_cleanup_fx_ struct fx fx = fx_request(OPENAI, body);
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_text(req->model, "m");
	assert_true(req->stream);
	assert_json(req->messages, "[{\"role\":\"user\",\"content\":\"half \xef\xbf\xbd\"}]");
	assert_json(req->parameters, "{\"seed\":\"18446744073709551615\"}");
	assert_text(json_string_value(req->body), body);
	assert_says(req->problem, "too large to be held exactly");
	assert_says(req->problem, "surrogate");
	assert_says(req->problem, "twice");
}

static void test_cut(void **state)
{
	(void)state;
	static const char body[] =
		"{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"0123456789"
		"012345678901234567890123456789012345678901234567890123456789 \xc3";
	_cleanup_fx_ struct fx fx = fx_request(OPENAI, body);
	fx.msg.body_total = 5000;
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_text(req->model, "gpt-4o");
	assert_json(req->messages, "[{\"role\":\"user\",\"content\":\"0123456789"
				   "012345678901234567890123456789012345678901234567890123456789 \"}]");
	assert_null(req->body);
	assert_says(req->problem, "only the first 128 of the body's 5000 bytes were kept");
	assert_says(req->problem, "the body ends early, near byte 127");
}

static void test_gap(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request(OPENAI, "{\"messages\":[]}");
	fx.msg.missing_bytes = 77;
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_says(req->problem, "77 bytes of the message were not captured");

	fx_body(&fx, "", 0);
	fx.msg.missing_bytes = 0;
	fx.msg.end = HTTP_END_CLOSED;
	_cleanup_req_ struct openai_request *none = fx_read_request(&fx);
	assert_says(none->problem, "no body was seen");
}

static void test_compressed(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request(OPENAI, "\x1f\x8b\x08payload");
	fx_header(&fx, "content-encoding", "GZip");
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_says(req->problem, "compressed (gzip)");
	assert_true(req->body_base64);
	assert_json(req->body, "\"H4sIcGF5bG9hZA==\"");

	/* The header stays when the coding is gone. */
	fx_body(&fx, "{\"model\":\"m\"}", 13);
	fx.msg.decoded = true;
	_cleanup_req_ struct openai_request *decoded = fx_read_request(&fx);
	assert_text(decoded->problem, "the body has no messages");
	assert_text(decoded->model, "m");
}

static void test_unknown(void **state)
{
	(void)state;
	static const struct {
		const char *body, *kept, *model;
		bool base64;
	} cases[] = {
		{"{\"model\":\"text-embedding-3-small\",\"input\":[\"a\"]}",
		 "{\"model\":\"text-embedding-3-small\",\"input\":[\"a\"]}", "text-embedding-3-small", false},
		{"[1]", "[1]", NULL, false},
		{"12", "\"12\"", NULL, false},
		{"a=b\r\n\tc", "\"a=b\\r\\n\\tc\"", NULL, false},
		{"bell \a", "\"YmVsbCAH\"", NULL, true},
		{"\xff\xfe", "\"//4=\"", NULL, true},
		{"{\"a\":1,\"a\":2}", "\"{\\\"a\\\":1,\\\"a\\\":2}\"", NULL, false},
		{"", NULL, NULL, false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fx_ struct fx fx = fx_request("/v1/unheard?key=SECRET", cases[i].body);
		_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
		assert_int_equal(req->kind, OPENAI_UNKNOWN);
		assert_text(req->operation, "Unknown");
		assert_text(req->path, "/v1/unheard");
		assert_text(req->model, cases[i].model);
		assert_json(req->body, cases[i].kept);
		assert_int_equal(req->body_base64, cases[i].base64);
		assert_null(req->messages);
		assert_null(req->parameters);
		assert_null(req->problem);
	}
}

/* All bytes once: what is not text is base64, and decodes to the same length. */
static void test_binary(void **state)
{
	(void)state;
	uint8_t bytes[256];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	_cleanup_fx_ struct fx fx = fx_request("/v1/unheard", "");
	fx_body(&fx, bytes, sizeof(bytes));
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_true(req->body_base64);
	assert_int_equal(json_string_length(req->body), (256 + 2) / 3 * 4);
	assert_memory_equal(json_string_value(req->body), "AAECAwQFBgcICQoLDA0ODxAR", 24);
}

static void test_nothing_captured(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request(NULL, "");
	fx.msg.method = NULL;
	fx.msg.end = HTTP_END_GAP;
	_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
	assert_text(req->operation, "Unknown");
	assert_null(req->backend);
	assert_null(req->path);
	assert_null(req->body);
}

/* Every prefix of a request: read or refused, never past its end. */
static void test_every_prefix(void **state)
{
	(void)state;
	for (size_t len = 0; len <= strlen(chat); len++) {
		_cleanup_fx_ struct fx fx = fx_request(AZURE, "");
		fx_body(&fx, chat, len);
		fx.msg.end = len < strlen(chat) ? HTTP_END_CLOSED : HTTP_END_COMPLETE;
		_cleanup_req_ struct openai_request *req = fx_read_request(&fx);
		assert_int_equal(!req->problem, len == strlen(chat));
		assert_true(!req->model || !strcmp(req->model, "gpt-4o"));
		assert_null(req->body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_azure_classic), cmocka_unit_test(test_deployment_and_model),
		cmocka_unit_test(test_wrong_types),   cmocka_unit_test(test_attempt),
		cmocka_unit_test(test_bad_bodies),    cmocka_unit_test(test_inexact),
		cmocka_unit_test(test_cut),	      cmocka_unit_test(test_gap),
		cmocka_unit_test(test_compressed),    cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_binary),	      cmocka_unit_test(test_nothing_captured),
		cmocka_unit_test(test_every_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
