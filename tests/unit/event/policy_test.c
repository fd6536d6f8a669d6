/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static struct policy_report report;

static int setup_policy(void **state)
{
	int r = setup_request(state);
	memset(&report, 0, sizeof(report));
	context.policy = &report;
	return r;
}

static void come_as(struct identity_caller who)
{
	json_decref(caller.roles);
	json_decref(caller.scopes);
	json_decref(caller.groups);
	json_decref(caller.key_labels);
	caller = who;
}

static json_t *build_policy(unsigned int violations, bool block, const struct openai_response *resp)
{
	const struct policy_verdict verdict = {.violations = violations, .block = block, .rule = "batch"};
	struct event *event = NULL;
	assert_int_equal(event_build_policy(&event, &context, TIME_NS, &verdict, &request, resp), 0);
	json_t *json = parse(event);
	event_free(&event);
	return json;
}

static void test_key_instead_of_token(void **state)
{
	(void)state;
	come_as((struct identity_caller){.kind = IDENTITY_API_KEY,
					 .key_fingerprint =
						 (char *)"hmac-sha256:00112233445566778899aabbccddeeff"});
	json_t *json = build_policy(POLICY_REQUIRE_ENTRA, false, NULL);
	check_text(json, "event-type", "Policy");
	check_text(json, "message-id", MESSAGE_ID);
	check_text(json, "rule", "batch");
	check_text(json, "action", "report");
	check_text(json, "violations/0/what", "require_entra");
	check_text(json, "violations/0/found", "api-key");
	check_text(json, "reason", "api-key instead of a good Entra token");
	check_text(json, "identity/key-fingerprint", "hmac-sha256:00112233445566778899aabbccddeeff");
	check_text(json, "process/comm", "python3");
	check_text(json, "operation", request.operation);
	check_absent(json, "violations/1");
	check_absent(json, "capture");
	json_decref(json);

	come_as((struct identity_caller){.kind = IDENTITY_NONE});
	json = build_policy(POLICY_REQUIRE_ENTRA, true, NULL);
	check_text(json, "action", "block");
	check_text(json, "reason", "no credential instead of a good Entra token");
	json_decref(json);

	come_as((struct identity_caller){.kind = IDENTITY_ENTRA, .verification = "expired"});
	json = build_policy(POLICY_REQUIRE_ENTRA, false, NULL);
	check_text(json, "violations/0/found", "an Entra token that is expired");
	json_decref(json);
}

static void test_lists(void **state)
{
	(void)state;
	come_as((struct identity_caller){.kind = IDENTITY_ENTRA, .tenant_id = (char *)"t"});
	request.deployment_id = (char *)"chat";
	request.model = NULL;
	response.model = (char *)"o1";
	json_t *json = build_policy(POLICY_TENANTS | POLICY_APPLICATIONS | POLICY_DEPLOYMENTS | POLICY_MODELS,
				    false, &response);
	check_text(json, "violations/0/found", "t");
	check_text(json, "violations/1/what", "applications");
	check_absent(json, "violations/1/found");
	check_text(json, "violations/2/found", "chat");
	check_text(json, "violations/3/found", "o1");
	check_text(json, "model", "o1");
	check_text(json, "reason",
		   "tenant t is not allowed; application that is not said is not allowed; deployment chat is "
		   "not "
		   "allowed; model o1 is not allowed");
	json_decref(json);
}

/* A key that was put into the path is no less a key. */
static void test_credential_as_deployment(void **state)
{
	(void)state;
	struct event_secrets *secrets = NULL;
	assert_int_equal(event_secrets_new(&secrets, &message), 0);
	context.secrets = secrets;
	request.deployment_id = (char *)TOKEN;
	json_t *json = build_policy(POLICY_DEPLOYMENTS, false, NULL);
	check_text(json, "violations/0/found", "[credential]");
	check_text(json, "deployment-id", "[credential]");
	_cleanup_free_ char *text = json_dumps(json, 0);
	assert_null(strstr(text, TOKEN));
	json_decref(json);
	context.secrets = NULL;
	event_secrets_free(&secrets);
}

static json_t *build_message(void)
{
	struct event *event = NULL;
	assert_int_equal(event_build_request(&event, &context, TIME_NS, &message, &request), 0);
	json_t *json = parse(event);
	event_free(&event);
	return json;
}

static void test_report(void **state)
{
	(void)state;
	json_t *json = build_message();
	check_absent(json, "capture/rule");
	check_absent(json, "capture/sampled");
	check_absent(json, "capture/withheld");
	check_absent(json, "capture/redacted");
	json_decref(json);

	struct redact_hit hits[] = {
		{.path = (char *)"/messages/0/content", .rule = "email", .count = 3},
		{.path = (char *)"/path", .rule = "own", .count = 1, .withheld = true},
	};
	report = (struct policy_report){.rule = "batch", .has_sample = true, .n_withheld = 1};
	report.withheld[0] = (struct policy_withheld){"/tools", "drop", "sample"};
	report.redacted.hits = hits;
	report.redacted.n_hits = 2;
	report.redacted.overflow = 7;
	json = build_message();
	check_text(json, "capture/rule", "batch");
	assert_true(json_is_false(at(json, "capture/sampled")));
	check_text(json, "capture/withheld/0/path", "/tools");
	check_text(json, "capture/withheld/0/how", "drop");
	check_text(json, "capture/withheld/0/why", "sample");
	check_text(json, "capture/redacted/0/path", "/messages/0/content");
	check_text(json, "capture/redacted/0/rule", "email");
	check_int(json, "capture/redacted/0/count", 3);
	check_absent(json, "capture/redacted/0/withheld");
	assert_true(json_is_true(at(json, "capture/redacted/1/withheld")));
	check_text(json, "capture/redacted/2/rule", "more");
	check_text(json, "capture/redacted/2/path", "");
	check_int(json, "capture/redacted/2/count", 7);
	json_decref(json);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, setup_policy, teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_key_instead_of_token),
		EACH(test_lists),
		EACH(test_credential_as_deployment),
		EACH(test_report),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
