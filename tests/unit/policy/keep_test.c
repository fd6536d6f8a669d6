/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_fixture.h"

#include "policy/policy_internal.h"

#define SECRET "jana.m@example.com"

static struct redact_scratch *scratch;
static struct policy *policy;
static struct policy_decision decision;
static struct policy_kept kept;

static struct http_header headers[] = {
	{(char *)"authorization", (char *)"Bearer abcdefghijklmnopqrstuvwx"},
	{(char *)"user-agent", (char *)"tool/1 (" SECRET ")"},
	{(char *)"content-type", (char *)"application/json"},
	{(char *)"content-length", (char *)"4111111111111111"},
};
static struct http_message msg = {.headers = headers, .n_headers = ARRAY_SIZE(headers)};

static struct openai_request asked(void)
{
	return (struct openai_request){
		.operation = "createChatCompletion",
		.path = (char *)"/v1/users/" SECRET,
		.model = (char *)"gpt-4o",
		.deployment_id = (char *)SECRET,
		.messages = json_pack("[{s:s, s:s}, {s:s, s:[{s:s, s:s}]}]", "role", "system", "content",
				      "\xc3\xa4\xc3\xb6\xc3\xbc", "role", SECRET, "content", "type", "text",
				      "text", "mail " SECRET " now"),
		.tools = json_pack("[{s:s, s:{s:s, s:i, s:b}}]", "type", "function", "function", "name", "f",
				   "n", 7, "strict", 1),
		.input = json_pack("[[i, i]]", 11, 22),
		.parameters =
			json_pack("{s:f, s:{s:s}, s:n}", "temperature", 0.5, "metadata", "who", SECRET, "x"),
		.files = json_pack("[{s:s, s:s, s:s, s:i}]", "name", "file", "file-name", SECRET " 1.txt",
				   "content-type", "text/plain", "bytes", 3),
		.body = json_string("raw " SECRET),
	};
}

static void asked_done(struct openai_request *q)
{
	json_t *const values[] = {q->messages, q->tools, q->input, q->parameters, q->files, q->body};
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		json_decref(values[i]);
}

static void begin(const char *yaml, const struct openai_request *q)
{
	static const struct identity_caller nobody;
	policy = policy_of(yaml);
	policy_decide(&decision, policy, MESSAGE, NULL, q, &nobody);
}

static void end(void)
{
	policy_kept_done(&kept);
	policy_decision_done(&decision);
	policy_unref(&policy);
}

static void keep_asked(const char *yaml, const struct openai_request *q)
{
	begin(yaml, q);
	assert_int_equal(policy_keep_request(&kept, &decision, scratch, &msg, q), 0);
}

static void assert_json(const json_t *value, const char *want)
{
	_cleanup_free_ char *text =
		value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("(none)");
	assert_string_equal(text, want);
}

static void assert_withheld(const char *path, const char *how, const char *why)
{
	for (size_t i = 0; i < kept.report.n_withheld; i++) {
		const struct policy_withheld *w = &kept.report.withheld[i];
		if (strcmp(w->path, path) == 0) {
			assert_string_equal(w->how, how);
			assert_string_equal(w->why, why);
			return;
		}
	}
	fail_msg("%s is not told", path);
}

static const char *header(const char *name)
{
	return http_message_header(kept.msg, name);
}

/* Without a policy nothing is copied. */
static void test_nothing_to_do(void **state)
{
	(void)state;
	struct openai_request q = asked();
	keep_asked("policy: {require_entra: report, models: [x]}\n", &q);
	assert_ptr_equal(kept.msg, &msg);
	assert_ptr_equal(kept.req, &q);
	assert_null(kept.report.rule);
	assert_int_equal(kept.report.n_withheld, 0);
	assert_false(kept.report.has_sample);
	end();
	asked_done(&q);
}

static void test_drop(void **state)
{
	(void)state;
	struct openai_request q = asked();
	keep_asked("policy:\n  fields: {request.messages: drop, request.headers: drop, request.path: drop, "
		   "request.files: drop, request.body: drop}\n",
		   &q);
	assert_null(kept.req->messages);
	assert_null(kept.req->path);
	assert_null(kept.req->files);
	assert_null(kept.req->body);
	assert_ptr_equal(kept.req->tools, q.tools);
	assert_null(header("user-agent"));
	assert_string_equal(header("content-type"), "application/json");
	/* The writer must know what to hide. */
	assert_non_null(header("authorization"));
	assert_int_equal(kept.report.n_withheld, 5);
	assert_withheld("/messages", "drop", "fields");
	assert_withheld("/headers", "drop", "fields");
	end();
	assert_non_null(q.messages);
	asked_done(&q);
}

static void test_mask(void **state)
{
	(void)state;
	struct openai_request q = asked();
	keep_asked(
		"policy:\n  fields: {request.messages: mask, request.tools: mask, request.input: mask, "
		"request.parameters: mask, request.headers: mask, request.path: mask, request.files: mask, "
		"request.body: mask}\n",
		&q);
	/* A role that is none of the API's is a text. */
	assert_json(kept.req->messages,
		    "[{\"role\":\"system\",\"content\":\"[masked]\"},{\"role\":\"[masked]\",\"content\":[{"
		    "\"type\":\"text\",\"text\":\"[masked]\"}]}]");
	assert_json(kept.req->tools, "[{\"type\":\"function\",\"function\":{\"name\":\"[masked]\",\"n\":0,"
				     "\"strict\":true}}]");
	assert_json(kept.req->input, "[[0,0]]");
	assert_json(kept.req->parameters,
		    "{\"temperature\":0,\"metadata\":{\"who\":\"[masked]\"},\"x\":null}");
	assert_json(kept.req->files, "[{\"name\":\"[masked]\",\"file-name\":\"[masked]\",\"content-type\":"
				     "\"text/plain\",\"bytes\":3}]");
	assert_json(kept.req->body, "\"[masked]\"");
	assert_string_equal(kept.req->path, "[masked]");
	assert_string_equal(header("user-agent"), "[masked]");
	assert_string_equal(header("content-type"), "application/json");
	assert_string_equal(header("authorization"), headers[0].value);
	assert_withheld("/parameters", "mask", "fields");
	end();
	asked_done(&q);
}

static void test_hash(void **state)
{
	(void)state;
	char dir[] = "/tmp/oaitap-key-XXXXXX", path[64], *want = NULL, *error = NULL;
	struct identity_key *key = NULL;
	struct openai_request q = asked();
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	assert_int_equal(identity_key_open(&key, path), 0);
	unlink(path);
	rmdir(dir);
	assert_int_equal(policy_try(&policy, "policy:\n  fields: {request.messages: hash}\n", key, &error),
			 0);
	policy_decide(&decision, policy, MESSAGE, NULL, &q, &(struct identity_caller){0});
	assert_int_equal(policy_keep_request(&kept, &decision, scratch, &msg, &q), 0);
	const json_t *first = json_array_get(kept.req->messages, 0),
		     *second = json_array_get(kept.req->messages, 1);
	assert_int_equal(identity_fingerprint(key, "\xc3\xa4\xc3\xb6\xc3\xbc", 6, &want), 0);
	assert_string_equal(json_string_value(json_object_get(first, "content")), want);
	assert_string_equal(json_string_value(json_object_get(first, "role")), "system");
	assert_memory_equal(json_string_value(json_object_get(second, "role")), "hmac-sha256:", 12);
	assert_withheld("/messages", "hash", "fields");
	free(want);
	end();
	/* Without the host's key it says so by its digits. */
	keep_asked("policy:\n  fields: {request.messages: hash}\n", &q);
	first = json_array_get(kept.req->messages, 0);
	assert_string_equal(json_string_value(json_object_get(first, "content")),
			    "hmac-sha256:00000000000000000000000000000000");
	end();
	identity_key_free(&key);
	asked_done(&q);
}

static void test_truncate(void **state)
{
	(void)state;
	struct openai_request q = asked();
	keep_asked("policy:\n  fields: {request.messages: {truncate: 2}, request.headers: {truncate: 4}}\n",
		   &q);
	assert_json(kept.req->messages,
		    "[{\"role\":\"sy\",\"content\":\"\xc3\xa4\xc3\xb6\"},{\"role\":\"ja\",\"content\":[{"
		    "\"type\":\"te\",\"text\":\"ma\"}]}]");
	assert_string_equal(header("user-agent"), "tool");
	assert_withheld("/messages", "truncate", "fields");
	end();
	asked_done(&q);
}

static void test_redact(void **state)
{
	(void)state;
	struct openai_request q = asked();
	keep_asked("policy:\n  redact: [email]\n", &q);
	assert_json(kept.req->messages,
		    "[{\"role\":\"system\",\"content\":\"\xc3\xa4\xc3\xb6\xc3\xbc\"},{\"role\":\"[email]\","
		    "\"content\":[{\"type\":\"text\",\"text\":\"mail [email] now\"}]}]");
	assert_json(kept.req->parameters,
		    "{\"temperature\":0.5,\"metadata\":{\"who\":\"[email]\"},\"x\":null}");
	assert_json(kept.req->body, "\"raw [email]\"");
	assert_string_equal(kept.req->path, "/v1/users/[email]");
	assert_string_equal(kept.req->deployment_id, "[email]");
	assert_string_equal(kept.req->model, "gpt-4o");
	assert_string_equal(header("user-agent"), "tool/1 ([email])");
	assert_string_equal(header("content-length"), "4111111111111111");
	assert_null(strstr(
		json_string_value(json_object_get(json_array_get(kept.req->files, 0), "file-name")), "@"));
	assert_json(json_object_get(json_array_get(kept.req->files, 0), "bytes"), "3");
	assert_int_equal(kept.report.n_withheld, 0);
	bool told = false;
	for (size_t i = 0; i < kept.report.redacted.n_hits; i++)
		told |= strcmp(kept.report.redacted.hits[i].path, "/messages/1/content/0/text") == 0 &&
			strcmp(kept.report.redacted.hits[i].rule, "email") == 0 &&
			kept.report.redacted.hits[i].count == 1;
	assert_true(told);
	end();
	/* What came in is as it was: a session needs it again. */
	assert_json(json_object_get(json_array_get(q.messages, 1), "role"), "\"" SECRET "\"");
	assert_string_equal(q.path, "/v1/users/" SECRET);
	assert_string_equal(headers[1].value, "tool/1 (" SECRET ")");
	asked_done(&q);
}

/* The cut comes after the search: half of a secret is none that could be found. */
static void test_redact_before_truncate(void **state)
{
	(void)state;
	struct openai_request q = asked();
	keep_asked("policy:\n  redact: [email]\n  fields: {request.messages: {truncate: 12}}\n", &q);
	const json_t *content = json_object_get(json_array_get(kept.req->messages, 1), "content");
	assert_json(json_object_get(json_array_get(content, 0), "text"), "\"mail [email]\"");
	end();
	asked_done(&q);
}

/* What cannot be searched is not given: bytes, and a stream in which a text lies in pieces. */
static void test_unreadable(void **state)
{
	(void)state;
	struct openai_request q = asked();
	struct openai_response a = {.body = json_string("data: ja\n\ndata: na.m@example.com\n\n")};
	struct http_header type = {(char *)"content-type", (char *)"text/event-stream; charset=utf-8"};
	struct http_message stream = {.headers = &type, .n_headers = 1};

	q.body_base64 = true;
	keep_asked("policy:\n  redact: [email]\n", &q);
	assert_null(kept.req->body);
	assert_withheld("/body-base64", "drop", "unreadable");
	policy_kept_done(&kept);
	assert_int_equal(policy_keep_response(&kept, &decision, scratch, &stream, &q, &a), 0);
	assert_null(kept.resp->body);
	assert_withheld("/body", "drop", "unreadable");
	end();
	/* Without redactions they stay. */
	begin("policy: {sample: 0.999999999, fields: {request.tools: drop}}\n", &q);
	decision.sampled = true;
	assert_int_equal(policy_keep_response(&kept, &decision, scratch, &stream, &q, &a), 0);
	assert_ptr_equal(kept.resp->body, a.body);
	end();
	json_decref(a.body);
	asked_done(&q);
}

static struct openai_response answered(void)
{
	return (struct openai_response){
		.status = 200,
		.model = (char *)"gpt-4o",
		.choices = json_pack("[{s:i, s:{s:s, s:s}, s:s}]", "index", 3, "message", "role", "assistant",
				     "content", SECRET, "finish_reason", "stop"),
		.text = json_string(SECRET),
		.usage = json_pack("{s:i}", "total_tokens", 3),
		.content_filter = json_pack("{s:[]}", "prompt"),
		.error = json_pack("{s:s, s:s, s:s}", "code", "x", "type", "y", "message", "no " SECRET),
		.extra = json_pack("{s:i, s:s}", "created", 1, "note", SECRET),
	};
}

static void answered_done(struct openai_response *a)
{
	json_t *const values[] = {a->choices, a->text, a->usage, a->content_filter, a->error, a->extra};
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		json_decref(values[i]);
}

static void assert_no_content(const char *why)
{
	const struct openai_response *a = kept.resp;
	assert_null(a->choices);
	assert_null(a->text);
	assert_null(a->extra);
	assert_non_null(a->usage);
	assert_non_null(a->content_filter);
	assert_json(a->error, "{\"code\":\"x\",\"type\":\"y\"}");
	assert_string_equal(a->model, "gpt-4o");
	assert_withheld("/choices", "drop", why);
	assert_withheld("/error/message", "drop", why);
}

static void test_metadata_only(void **state)
{
	(void)state;
	struct openai_request q = asked();
	struct openai_response a = answered();
	/* Whatever fields says. */
	keep_asked(
		"policy: {metadata_only: true, fields: {request.messages: keep, response.choices: mask}}\n",
		&q);
	assert_null(kept.req->messages);
	assert_null(kept.req->tools);
	assert_null(kept.req->input);
	assert_null(kept.req->parameters);
	assert_null(kept.req->files);
	assert_null(kept.req->body);
	assert_string_equal(kept.req->model, "gpt-4o");
	assert_non_null(header("user-agent"));
	assert_withheld("/messages", "drop", "metadata-only");
	policy_kept_done(&kept);
	assert_int_equal(policy_keep_response(&kept, &decision, scratch, &msg, &q, &a), 0);
	assert_no_content("metadata-only");
	end();
	asked_done(&q);
	answered_done(&a);
}

static void test_left_out_by_sampling(void **state)
{
	(void)state;
	struct openai_request q = asked();
	struct openai_response a = answered();
	keep_asked("policy: {sample: 0}\n", &q);
	assert_true(kept.report.has_sample);
	assert_false(kept.report.sampled);
	assert_null(kept.req->messages);
	assert_withheld("/messages", "drop", "sample");
	policy_kept_done(&kept);
	assert_int_equal(policy_keep_response(&kept, &decision, scratch, &msg, &q, &a), 0);
	assert_false(kept.report.sampled);
	assert_no_content("sample");
	end();
	/* The others say so as well. */
	begin("policy: {sample: 0.999999999}\n", &q);
	decision.sampled = true;
	assert_int_equal(policy_keep_request(&kept, &decision, scratch, &msg, &q), 0);
	assert_true(kept.report.has_sample && kept.report.sampled);
	assert_ptr_equal(kept.req->messages, q.messages);
	end();
	asked_done(&q);
	answered_done(&a);
}

static void test_answer_fields(void **state)
{
	(void)state;
	struct openai_response a = answered();
	begin("policy:\n"
	      "  rules:\n"
	      "    - name: some\n"
	      "      fields: {response.choices: mask, response.error: mask, response.response: drop, "
	      "response.text: {truncate: 4}, response.content-filter: drop}\n",
	      NULL);
	assert_int_equal(policy_keep_response(&kept, &decision, scratch, &msg, NULL, &a), 0);
	assert_json(kept.resp->choices,
		    "[{\"index\":3,\"message\":{\"role\":\"assistant\",\"content\":\"[masked]\"},"
		    "\"finish_reason\":\"stop\"}]");
	assert_json(kept.resp->error,
		    "{\"code\":\"[masked]\",\"type\":\"[masked]\",\"message\":\"[masked]\"}");
	assert_json(kept.resp->text, "\"jana\"");
	assert_null(kept.resp->extra);
	assert_null(kept.resp->content_filter);
	assert_null(kept.req);
	assert_string_equal(kept.report.rule, "some");
	end();
	answered_done(&a);
}

/* The whole redaction of an answer: nothing that came from outside is passed by. */
static void test_answer_redacted(void **state)
{
	(void)state;
	struct openai_response a = answered();
	a.response_id = (char *)SECRET;
	a.finish_reason = json_pack("[s]", SECRET);
	json_object_set_new(a.usage, SECRET, json_string(SECRET));
	json_object_set_new(a.content_filter, "x", json_string(SECRET));
	begin("policy: {redact: [email]}\n", NULL);
	assert_int_equal(policy_keep_response(&kept, &decision, scratch, &msg, NULL, &a), 0);
	const struct openai_response *k = kept.resp;
	const json_t *const values[] = {k->choices, k->text,  k->usage,	       k->content_filter,
					k->error,   k->extra, k->finish_reason};
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_free_ char *text = json_dumps(values[i], JSON_ENCODE_ANY);
		if (strchr(text, '@'))
			fail_msg("%zu: %s", i, text);
	}
	assert_string_equal(k->response_id, "[email]");
	end();
	json_decref(a.finish_reason);
	answered_done(&a);
}

static int make_scratch(void **state)
{
	(void)state;
	return redact_scratch_new(&scratch);
}

static int free_scratch(void **state)
{
	(void)state;
	redact_scratch_free(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_truncate),
		cmocka_unit_test(test_redact),
		cmocka_unit_test(test_redact_before_truncate),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_metadata_only),
		cmocka_unit_test(test_left_out_by_sampling),
		cmocka_unit_test(test_answer_fields),
		cmocka_unit_test(test_answer_redacted),
	};
	return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
