/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_fixture.h"

#include "policy/sample.h"

#define MAIL "jana.m@example.com"

static struct redact_scratch *scratch;

static json_t *json_of(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
	if (!value)
		fail_msg("%s: %s", text, error.text);
	return value;
}

/* What the event becomes, as text. */
static char *run(const char *yaml, const char *input, const char *asked, struct policy_sample *ret_sample)
{
	struct policy *policy = policy_of(yaml);
	json_t *in = json_of(input), *request = asked ? json_of(asked) : NULL;
	_cleanup_free_ char *before = json_dumps(in, JSON_ENCODE_ANY);
	int r = policy_sample_run(ret_sample, policy, scratch, in, request);
	_cleanup_free_ char *after = json_dumps(in, JSON_ENCODE_ANY);
	assert_string_equal(before, after);
	char *text = r == 0 ? json_dumps(ret_sample->event, JSON_COMPACT) : NULL;
	if (r == 0) {
		struct policy_sample told = *ret_sample;
		told.rule = strcmp(told.rule, "r") == 0 ? "r" : "default"; /* the policy's will be gone */
		policy_sample_done(ret_sample);
		*ret_sample = told;
	} else {
		assert_int_equal(r, -EINVAL);
	}
	json_decref(in);
	json_decref(request);
	policy_unref(&policy);
	return text;
}

static const char request[] =
	"{\"schema\":\"oaitap/1\",\"event-type\":\"Request\",\"message-id\":\"" MESSAGE
	"\",\"operation\":\"x\","
	"\"model\":\"gpt-4o\",\"identity\":{\"kind\":\"api-key\"},\"process\":{\"unit\":\"a.service\","
	"\"uid\":7},"
	"\"k8s\":{\"namespace\":\"ns\"},\"headers\":{\"user-agent\":\"by " MAIL
	"\"},\"capture\":{\"complete\":true},"
	"\"messages\":[{\"role\":\"user\",\"content\":\"" MAIL "\"}],\"body-base64\":\"AAEC\"}";

static void test_request_event(void **state)
{
	(void)state;
	struct policy_sample s;
	_cleanup_free_ char *text =
		run("policy:\n"
		    "  require_entra: report\n"
		    "  rules:\n"
		    "    - {name: r, when: {units: [a.service], users: [\"7\"], namespaces: [ns], "
		    "kinds: [api-key], models: [gpt-4o]}, redact: [email]}\n",
		    request, NULL, &s);
	assert_string_equal(
		text, "{\"schema\":\"oaitap/1\",\"event-type\":\"Request\",\"message-id\":\"" MESSAGE "\","
		      "\"operation\":\"x\",\"model\":\"gpt-4o\",\"identity\":{\"kind\":\"api-key\"},"
		      "\"process\":{\"unit\":"
		      "\"a.service\",\"uid\":7},\"k8s\":{\"namespace\":\"ns\"},\"headers\":{\"user-agent\":"
		      "\"by [email]\"},"
		      "\"capture\":{\"complete\":true,\"rule\":\"r\",\"withheld\":[{\"path\":\"/"
		      "body-base64\",\"how\":"
		      "\"drop\",\"why\":\"unreadable\"}],\"redacted\":[{\"path\":\"/headers/"
		      "user-agent\",\"rule\":\"email\","
		      "\"count\":1},{\"path\":\"/messages/0/"
		      "content\",\"rule\":\"email\",\"count\":1}]},\"messages\":[{"
		      "\"role\":\"user\",\"content\":\"[email]\"}]}");
	assert_string_equal(s.rule, "r");
	assert_int_equal(s.verdict.violations, POLICY_REQUIRE_ENTRA);
}

static void test_answer_event(void **state)
{
	(void)state;
	static const char yaml[] =
		"policy: {rules: [{name: r, when: {models: [gpt-4o]}, metadata_only: true}]}\n";
	static const char answer[] =
		"{\"event-type\":\"Response\",\"message-id\":\"" MESSAGE "\",\"model\":\"m\","
		"\"choices\":[],\"error\":{\"code\":\"c\",\"message\":\"m\"},\"usage\":{}}";
	struct policy_sample s;
	/* Only its request says for which model. */
	_cleanup_free_ char *with = run(yaml, answer, request, &s);
	assert_string_equal(s.rule, "r");
	assert_null(strstr(with, "choices\":[]"));
	assert_non_null(strstr(with, "\"error\":{\"code\":\"c\"}"));
	_cleanup_free_ char *without = run(yaml, answer, NULL, &s);
	assert_string_equal(s.rule, "default");
	assert_non_null(strstr(without, "choices\":[]"));
}

static void test_bodies(void **state)
{
	(void)state;
	struct policy_sample s;
	_cleanup_free_ char *asked = run(
		"policy: {require_entra: report, sample: 0.000000001, redact: [email], models: [x]}\n",
		"{\"model\":\"gpt-4o\",\"messages\":[\"" MAIL "\"],\"user\":\"" MAIL "\",\"stream\":true}",
		NULL, &s);
	assert_non_null(strstr(asked, "\"messages\":[\"[email]\"]"));
	assert_non_null(strstr(asked, "\"parameters\":{\"user\":\"[email]\"}"));
	assert_non_null(strstr(asked, "\"stream\":true"));
	/* Of a body nobody knows who sent it. */
	assert_int_equal(s.verdict.violations, POLICY_MODELS);
	assert_true(s.sampled);
	_cleanup_free_ char *answered = run("policy: {fields: {response.choices: mask}}\n",
					    "{\"choices\":[\"x\"],\"created\":1}", NULL, &s);
	assert_string_equal(
		answered,
		"{\"event-type\":\"Response\",\"choices\":[\"[masked]\"],\"response\":{\"created\":1},"
		"\"capture\":{\"withheld\":[{\"path\":\"/choices\",\"how\":\"mask\",\"why\":\"fields\"}]}}");
}

static void test_neither(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"7", "\"x\"", "[]", "null", "{\"event-type\":\"Blind\"}", "{\"event-type\":\"Policy\"}"};
	struct policy_sample s;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_null(run("policy: {}\n", texts[i], NULL, &s));
}

/* Members of any type: a file may hold what no event ever had. */
static void test_odd_types(void **state)
{
	(void)state;
	static const char *const values[] = {"7", "null", "\"" MAIL "\"", "[7,[]]", "{\"a\":7}", "true"};
	static const char *const keys[] = {"identity",	"process",     "k8s",	"headers", "messages",
					   "files",	"usage",       "error", "capture", "model",
					   "body",	"body-base64", "path",	"choices", "content-filter",
					   "message-id"};
	for (size_t t = 0; t < 2; t++)
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
				char input[256];
				struct policy_sample s;
				snprintf(input, sizeof(input), "{\"event-type\":\"%s\",\"%s\":%s}",
					 t ? "Response" : "Request", keys[k], values[v]);
				_cleanup_free_ char *text =
					run("policy: {redact: [email], fields: {request.files: mask}}\n",
					    input, NULL, &s);
				assert_non_null(text);
			}
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
		cmocka_unit_test(test_request_event), cmocka_unit_test(test_answer_event),
		cmocka_unit_test(test_bodies),	      cmocka_unit_test(test_neither),
		cmocka_unit_test(test_odd_types),
	};
	return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
