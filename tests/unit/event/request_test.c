/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/event/fixture.h"

static void test_request(void **state)
{
	(void)state;
	json_t *json = build_request(NULL);
	check_common(json);
	check_text(json, "model", "gpt-4o-asked");
	check_text(json, "method", "POST");
	check_text(json, "path", "/openai/deployments/gpt-4o/chat/completions");
	check_text(json, "content-type", "application/json");
	check_text(json, "headers/host", "contoso.openai.azure.com");
	check_text(json, "headers/user-agent", "AzureOpenAI/Python 1.2.3");
	check_absent(json, "headers/authorization");
	assert_true(json_equal(at(json, "messages"), request.messages));
	assert_true(json_equal(at(json, "tools"), request.tools));
	assert_true(json_equal(at(json, "parameters"), request.parameters));
	check_absent(json, "body");
	check_absent(json, "body-base64");
	json_decref(json);
}

static void test_unknown_operation(void **state)
{
	(void)state;
	json_decref(request.messages);
	json_decref(request.tools);
	json_decref(request.parameters);
	request = (struct openai_request){
		.operation = "Unknown",
		.path = "/v1/new?api-key=1234",
		.body = json_string("cGxhaW4="),
		.body_base64 = true,
	};
	json_t *json = build_request(NULL);
	check_text(json, "operation", "Unknown");
	check_text(json, "body-base64", "cGxhaW4=");
	check_absent(json, "body");
	check_absent(json, "messages");
	check_text(json, "path", "/v1/new");
	json_decref(json);

	request.body_base64 = false;
	json = build_request(NULL);
	check_text(json, "body", "cGxhaW4=");
	check_absent(json, "body-base64");
	json_decref(json);
}

/* Every member of a body has its key. */
static void test_members(void **state)
{
	(void)state;
	request.prompt = json_pack("[s]", "p");
	request.input = json_string("i");
	request.instructions = json_string("n");
	request.files = json_pack("[{s:s,s:s,s:s,s:i}]", "name", "file", "file-name", "a.wav", "content-type",
				  "audio/wav", "bytes", 7);
	json_t *json = build_request(NULL);
	assert_true(json_equal(at(json, "prompt"), request.prompt));
	assert_true(json_equal(at(json, "input"), request.input));
	assert_true(json_equal(at(json, "instructions"), request.instructions));
	assert_true(json_equal(at(json, "files"), request.files));
	check_absent(json, "coded-bytes");
	json_decref(json);
}

/* Of a body that is given as files nothing is missed that was not kept; of any other it is. */
static void test_capture(void **state)
{
	(void)state;
	message.body_total = 4000;
	request.files = json_pack("[{s:i}]", "bytes", 4000);
	json_t *json = build_request(NULL);
	assert_true(json_is_true(at(json, "capture/complete")));
	check_absent(json, "capture/truncated");
	check_int(json, "body-bytes", 4000);
	json_decref(json);

	request.body = json_string("--x");
	json = build_request(NULL);
	assert_true(json_is_false(at(json, "capture/complete")));
	check_text(json, "capture/reason", "max-body");
	check_int(json, "capture/truncated/0/bytes", 3990);
	json_decref(json);

	json_decref(request.files);
	request.files = NULL;
	message.body_total = 10;
	message.unknown_headers = 3;
	message.decoded = true;
	message.coded_total = 6;
	json = build_request(NULL);
	check_text(json, "capture/reason", "unknown-headers");
	check_int(json, "capture/missing-bytes", 0);
	check_int(json, "body-bytes", 10);
	check_int(json, "coded-bytes", 6);
	check_problem(json, "header fields are missing");
	json_decref(json);
}

/* What a session says has no headers of its own: the credentials are those of its handshake. */
static void test_session(void **state)
{
	(void)state;
	struct http_header credential[] = {{(char *)"authorization", (char *)"Bearer sk-1234567890abcdef"}};
	const struct http_message handshake = {.headers = credential, .n_headers = 1};
	struct event_secrets *secrets = NULL;
	assert_int_equal(event_secrets_new(&secrets, &handshake), 0);
	request.instructions = NULL;
	json_decref(request.parameters);
	request.parameters = json_pack("{s:s}", "note", "my key is sk-1234567890abcdef");
	context.secrets = secrets;
	message.protocol = HTTP_WEBSOCKET;
	message.headers = NULL;
	message.n_headers = 0;
	json_t *json = build_request(NULL);
	check_text(json, "parameters/note", "my key is [credential]");
	json_decref(json);
	event_secrets_free(&secrets);
}

/* Nothing is known but the ids. */
static void test_bare(void **state)
{
	struct openai_request bare = {.operation = "Unknown"};
	struct event *event = NULL;
	(void)state;
	context = (struct event_context){.message_id = MESSAGE_ID};
	message = (struct http_message){.end = HTTP_END_GAP, .missing_bytes = 5, .missing_reason = GAP_LOST};
	assert_int_equal(event_build_request(&event, &context, 0, &message, &bare), 0);
	json_t *json = parse(event);
	event_free(&event);
	check_text(json, "event-time", "1970-01-01T00:00:00.000000Z");
	check_text(json, "operation", "Unknown");
	check_text(json, "identity/kind", "none");
	check_absent(json, "backend");
	check_absent(json, "method");
	check_absent(json, "path");
	check_absent(json, "process");
	check_absent(json, "connection");
	check_absent(json, "host");
	check_absent(json, "body-sha256");
	json_decref(json);
}

static void test_paths(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"/a/b", "/a/b"},
		{"/a?subscription-key=secret", "/a"},
		{"/a#f", "/a"},
		{"/a/https://x/y", "/a/https://x/y"},
		{"https://user:pass@h.example/v1/x?k=v", "/v1/x"},
		{"https://user:pass@h.example", ""},
		{"https://user:pass@h.example?k=v", ""},
		{"user:pass@h.example:443", "h.example:443"},
		{"*", "*"},
		{"", ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		request.path = (char *)(uintptr_t)rows[i].in;
		json_t *json = build_request(NULL);
		check_text(json, "path", rows[i].out);
		json_decref(json);
	}
}

static void test_headers(void **state)
{
	static const char *const refused[] = {"api-key",
					      "ocp-apim-subscription-key",
					      "cookie",
					      "x-api-key",
					      "proxy-authorization",
					      "x-custom",
					      "x-stainles",
					      "user-agent2"};
	char *text;
	(void)state;
	add_header("x-stainless-lang", "python");
	add_header("x-stainless-retry-count", "1");
	add_header("traceparent", "00-1-2-3");
	add_header("accept", "a");
	add_header("accept", "b");
	add_header("api-key", "0123456789abcdef0123456789abcdef");
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		add_header(refused[i], "THE-VALUE-OF-A-REFUSED-HEADER");
	json_t *json = build_request(&text);
	check_text(json, "headers/x-stainless-lang", "python");
	check_text(json, "headers/x-stainless-retry-count", "1");
	check_text(json, "headers/traceparent", "00-1-2-3");
	check_text(json, "headers/accept", "a, b");
	assert_int_equal(json_object_size(at(json, "headers")), 7);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_null(json_object_get(at(json, "headers"), refused[i]));
	assert_null(strstr(text, "REFUSED"));
	assert_null(strstr(text, "0123456789abcdef"));
	assert_null(strstr(text, TOKEN));
	free(text);
	json_decref(json);
}

/* A request that repeats its own credentials wherever it can. */
static void test_repeated_credential(void **state)
{
	char path[200];
	char *text;
	(void)state;
	snprintf(path, sizeof(path), "/openai/deployments/%s/chat", TOKEN);
	request.path = path;
	request.deployment_id = request.model = TOKEN;
	add_header("x-stainless-token", "t=" TOKEN);
	add_header("cookie", "theme=dark; session=0123456789abcdef");
	json_object_set_new(request.parameters, "user", json_string(TOKEN TOKEN));
	json_object_set_new(request.parameters, TOKEN, json_string("session=0123456789abcdef"));
	request.problem = "cannot read " TOKEN;
	json_t *json = build_request(&text);
	assert_null(strstr(text, TOKEN));
	assert_null(strstr(text, "U0lHTkFUVVJF"));
	assert_null(strstr(text, "0123456789abcdef"));
	check_text(json, "path", "/openai/deployments/[credential]/chat");
	check_text(json, "model", "[credential]");
	check_text(json, "headers/x-stainless-token", "t=[credential]");
	check_text(json, "parameters/user", "[credential][credential]");
	check_problem(json, "credential was repeated");
	free(text);
	json_decref(json);
}

/* A placeholder for a key is a word like others. */
static void test_short_credential(void **state)
{
	(void)state;
	headers[1].value = "Bearer dummy";
	json_object_set_new(request.parameters, "user", json_string("dummy"));
	json_t *json = build_request(NULL);
	check_text(json, "parameters/user", "dummy");
	check_absent(json, "problem");
	json_decref(json);
}

static void test_problems_joined(void **state)
{
	char longest[3000];
	(void)state;
	message.end = HTTP_END_MALFORMED;
	message.problem = "chunk size is not a number";
	request.problem = "not JSON at byte 7";
	json_t *json = build_request(NULL);
	check_text(json, "problem", "chunk size is not a number; not JSON at byte 7");
	json_decref(json);

	request.problem = "chunk size is not a number"; /* the same twice */
	json = build_request(NULL);
	check_text(json, "problem", "chunk size is not a number");
	json_decref(json);

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	request.problem = longest;
	json = build_request(NULL);
	assert_in_range(json_string_length(at(json, "problem")), 1024, 1100);
	json_decref(json);
}

/* Every byte but NUL, wherever text goes. */
static void test_hostile_text(void **state)
{
	char bad[300];
	(void)state;
	for (size_t i = 0; i < sizeof(bad) - 1; i++)
		bad[i] = (char)(i % 255 + 1);
	bad[sizeof(bad) - 1] = 0;
	headers[0].value = headers[2].value = headers[3].value = bad;
	add_header("x-stainless-\xff\"\\", bad);
	add_header("x-stainless-\xfe\"\\", bad);
	message.method = "G\xc3\"T";
	request.path = request.api_version = request.deployment_id = request.model = request.backend = bad;
	request.problem = bad;
	process.exe = process.user = process.cgroup = process.unit = bad;
	memset(process.comm, 0xff, sizeof(process.comm)); /* no NUL */
	caller.name = bad;
	connection.sni = bad;
	context.host_name = bad;
	json_array_append_new(request.messages, json_stringn_nocheck("\xff\0\x01", 3));
	json_t *json = build_request(NULL);
	assert_int_equal(json_object_size(at(json, "headers")), 3);
	check_text(json, "method", "G\xef\xbf\xbd\"T");
	assert_int_equal(json_string_length(at(json, "messages/1")), 5);
	assert_int_equal(json_string_length(at(json, "process/comm")), 3 * sizeof(process.comm));
	check_problem(json, "U+FFFD");
	json_decref(json);
}

static void test_deep(void **state)
{
	json_t *deep = json_string("core");
	(void)state;
	for (int i = 0; i < 2000; i++)
		deep = json_pack("[o]", deep);
	json_array_append_new(request.messages, deep);
	json_t *json = build_request(NULL);
	check_problem(json, "nested too deep");
	json_decref(json);
}

static void test_expires(void **state)
{
	static const struct {
		int64_t expires;
		const char *text;
	} rows[] = {{0, NULL},
		    {-1, NULL},
		    {INT64_MAX, NULL},
		    {INT64_MIN, NULL},
		    {1, "1970-01-01T00:00:01.000000Z"}};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		caller.expires = rows[i].expires;
		json_t *json = build_request(NULL);
		check_text(json, "identity/expires", rows[i].text);
		json_decref(json);
	}
}

static void test_key_identity(void **state)
{
	(void)state;
	json_decref(caller.roles);
	json_decref(caller.scopes);
	json_decref(caller.groups);
	json_decref(caller.key_labels);
	context.claimed = NULL;
	caller = (struct identity_caller){
		.kind = IDENTITY_API_KEY,
		.key_fingerprint = "hmac-sha256:00112233445566778899aabbccddeeff",
	};
	json_t *json = build_request(NULL);
	check_text(json, "identity/kind", "api-key");
	check_text(json, "identity/key-fingerprint", caller.key_fingerprint);
	assert_int_equal(json_object_size(at(json, "identity")), 2);
	json_decref(json);
}

static void test_ids_differ(void **state)
{
	char first[37] = "";
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct event *event = NULL;
		assert_int_equal(event_build_request(&event, &context, TIME_NS, &message, &request), 0);
		assert_string_not_equal(event->event_id, first);
		assert_int_equal(event->event_id[14], '7');
		memcpy(first, event->event_id, sizeof(first));
		event_free(&event);
	}
}

#define fresh(f) cmocka_unit_test_setup_teardown(f, setup_request, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(test_request),
		fresh(test_unknown_operation),
		fresh(test_members),
		fresh(test_capture),
		fresh(test_session),
		fresh(test_bare),
		fresh(test_paths),
		fresh(test_headers),
		fresh(test_repeated_credential),
		fresh(test_short_credential),
		fresh(test_problems_joined),
		fresh(test_hostile_text),
		fresh(test_deep),
		fresh(test_expires),
		fresh(test_key_identity),
		fresh(test_ids_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
