/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_fixture.h"

#include "policy/glob.h"
#include "policy/policy_internal.h"

static void test_globs(void **state)
{
	(void)state;
	static const struct {
		const char *glob, *text;
		bool any_case, match;
	} cases[] = {
		{"", "", false, true},
		{"", "a", false, false},
		{"*", "", false, true},
		{"*", "anything", false, true},
		{"a", "a", false, true},
		{"a", "A", false, false},
		{"a", "A", true, true},
		{"?", "", false, false},
		{"?", "x", false, true},
		{"gpt-4o*", "gpt-4o", false, true},
		{"gpt-4o*", "gpt-4o-mini", false, true},
		{"gpt-4o*", "xgpt-4o", false, false},
		{"gpt-4o", "gpt-4o-mini", false, false},
		{"*.service", "a.service", false, true},
		{"*.service", "a.service.d", false, false},
		{"a*b*c", "aXbXbXc", false, true},
		{"a*b*c", "aXbXbX", false, false},
		{"**", "", false, true},
		{"*a", "aaab", false, false},
		{"[a]", "a", false, false},
		{"\\*", "*", false, false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (glob_match(cases[i].glob, cases[i].text, cases[i].any_case) != cases[i].match)
			fail_msg("%s %s", cases[i].glob, cases[i].text);
}

/* No pattern takes long. */
static void test_glob_is_bounded(void **state)
{
	(void)state;
	static char glob[256], text[20001];
	for (size_t i = 0; i + 2 < sizeof(glob); i += 2)
		memcpy(glob + i, "*a", 3);
	memset(text, 'a', sizeof(text) - 1);
	assert_true(glob_match(glob, text, false));
	strcat(glob, "b");
	assert_false(glob_match(glob, text, false));
}

/* --- which rule ---------------------------------------------------------------------- */

static const char many_rules[] =
	"policy:\n"
	"  rules:\n"
	"    - {name: ns, when: {namespaces: [\"team-*\"], units: [kubelet.service]}}\n"
	"    - {name: unit, when: {units: [\"batch*\", other.service]}}\n"
	"    - {name: user, when: {users: [alice, \"1001\"]}}\n"
	"    - {name: exe, when: {executables: [\"/opt/*\"]}}\n"
	"    - {name: op, when: {operations: [createimage*]}}\n"
	"    - {name: host, when: {hosts: [\"*.azure.com\"], deployments: [\"X*\"]}}\n"
	"    - {name: model, when: {models: [gpt-9]}}\n"
	"    - {name: who, when: {tenants: [" TENANT "], applications: [" OTHER "]}}\n"
	"    - {name: kind, when: {kinds: [subscription-key]}}\n"
	"    - {name: pod, when: {pods: [\"*\"]}}\n"
	"    - {name: image, when: {images: [\"*/x:1\"]}}\n";

static const char *rule_of(struct policy *policy, const struct policy_facts *facts,
			   const struct openai_request *req, const struct identity_caller *caller)
{
	static const struct identity_caller nobody;
	struct policy_decision d;
	policy_decide(&d, policy, MESSAGE, facts, req, caller ? caller : &nobody);
	const char *name = d.rule->name;
	policy_decision_done(&d);
	return name;
}

static void test_first_matching_rule(void **state)
{
	(void)state;
	struct policy *p = policy_of(many_rules);
	uint32_t uid = 1001;
	struct policy_facts f = {.k8s_namespace = "team-a"};
	struct openai_request q = {.operation = "createChatCompletion"};
	struct identity_caller c = {.kind = IDENTITY_ENTRA,
				    .tenant_id = (char *)"72F988BF-86F1-41AF-91AB-2D7CD011DB47"};

	assert_string_equal(rule_of(p, NULL, NULL, NULL), "default");
	assert_string_equal(rule_of(p, &f, &q, &c), "default"); /* all lists must match */
	f.unit = "kubelet.service";
	assert_string_equal(rule_of(p, &f, &q, NULL), "ns");
	f = (struct policy_facts){.unit = "batch-7.service", .user = "alice"};
	assert_string_equal(rule_of(p, &f, &q, NULL), "unit"); /* the first one counts */
	f.unit = "xbatch.service";
	assert_string_equal(rule_of(p, &f, &q, NULL), "user");
	f = (struct policy_facts){.uid = &uid};
	assert_string_equal(rule_of(p, &f, &q, NULL), "user");
	uid = 1002;
	assert_string_equal(rule_of(p, &f, &q, NULL), "default");
	f = (struct policy_facts){.executable = "/opt/app/bin/x"};
	assert_string_equal(rule_of(p, &f, &q, NULL), "exe");
	q.operation = "createImageEdit";
	assert_string_equal(rule_of(p, NULL, &q, NULL), "op");
	q = (struct openai_request){.operation = "x", .backend = (char *)"r.openai.azure.com"};
	assert_string_equal(rule_of(p, NULL, &q, NULL), "default");
	q.deployment_id = (char *)"x-prod";
	assert_string_equal(rule_of(p, NULL, &q, NULL), "host");
	q = (struct openai_request){.operation = "x", .model = (char *)"GPT-9"};
	assert_string_equal(rule_of(p, NULL, &q, NULL), "model");
	c.app_id = (char *)OTHER;
	assert_string_equal(rule_of(p, NULL, NULL, &c), "who");
	c = (struct identity_caller){.kind = IDENTITY_SUBSCRIPTION_KEY};
	assert_string_equal(rule_of(p, NULL, NULL, &c), "kind");
	f = (struct policy_facts){.pod = ""};
	assert_string_equal(rule_of(p, &f, NULL, NULL), "pod"); /* known, if empty */
	f = (struct policy_facts){.image = "reg/x:1"};
	assert_string_equal(rule_of(p, &f, NULL, NULL), "image");
	policy_unref(&p);
}

/* What a rule does not say is as at the top; fields are laid over each other one by one. */
static void test_overlay(void **state)
{
	(void)state;
	struct policy *p = policy_of("policy:\n"
				     "  require_entra: report\n"
				     "  models: [a]\n"
				     "  metadata_only: true\n"
				     "  fields: {request.messages: mask, request.tools: drop}\n"
				     "  rules:\n"
				     "    - name: r\n"
				     "      models: []\n"
				     "      metadata_only: false\n"
				     "      fields: {request.tools: keep, response.text: hash}\n"
				     "    - name: same\n");
	const struct config_settings *s = &p->rules[0].settings;
	assert_int_equal(s->require_entra, CONFIG_REQUIRE_REPORT);
	assert_int_equal(s->models.n, 0);
	assert_false(s->metadata_only);
	assert_int_equal(s->fields[CONFIG_REQUEST_MESSAGES].how, CONFIG_MASK);
	assert_int_equal(s->fields[CONFIG_REQUEST_TOOLS].how, CONFIG_KEEP);
	assert_int_equal(s->fields[CONFIG_RESPONSE_TEXT].how, CONFIG_HASH);
	s = &p->rules[1].settings;
	assert_int_equal(s->models.n, 1);
	assert_true(s->metadata_only);
	assert_string_equal(p->rules[2].name, "default");
	assert_int_equal(p->rules[2].settings.fields[CONFIG_RESPONSE_TEXT].how, CONFIG_KEEP);
	policy_unref(&p);
}

/* --- judging ------------------------------------------------------------------------- */

#define ALL_LISTS                                                                                            \
	"  tenants: [" TENANT "]\n  applications: [" OTHER "]\n  deployments: [\"chat-*\"]\n  models: "      \
	"[\"gpt-4o*\"]\n"

static const struct judged {
	const char *policy;
	enum identity_kind kind;
	const char *verification, *tenant, *app, *deployment, *model;
	const char *wrong;
	bool block;
} judged[] = {
	{"  require_entra: off\n", IDENTITY_API_KEY, NULL, NULL, NULL, NULL, NULL, "", false},
	{"  require_entra: report\n", IDENTITY_API_KEY, NULL, NULL, NULL, NULL, NULL, "require_entra", false},
	{"  require_entra: block\n", IDENTITY_API_KEY, NULL, NULL, NULL, NULL, NULL, "require_entra", true},
	{"  require_entra: report\n", IDENTITY_NONE, NULL, NULL, NULL, NULL, NULL, "require_entra", false},
	{"  require_entra: report\n", IDENTITY_BEARER, "unverified", NULL, NULL, NULL, NULL, "require_entra",
	 false},
	{"  require_entra: report\n", IDENTITY_SUBSCRIPTION_KEY, NULL, NULL, NULL, NULL, NULL,
	 "require_entra", false},
	{"  require_entra: report\n", IDENTITY_ENTRA, "unverified", NULL, NULL, NULL, NULL, "", false},
	{"  require_entra: report\n", IDENTITY_ENTRA, "valid", NULL, NULL, NULL, NULL, "", false},
	{"  require_entra: report\n", IDENTITY_ENTRA, "invalid", NULL, NULL, NULL, NULL, "require_entra",
	 false},
	{"  require_entra: report\n", IDENTITY_ENTRA, "expired", NULL, NULL, NULL, NULL, "require_entra",
	 false},
	/* The lists are about tokens and about what is asked, not about keys. */
	{ALL_LISTS, IDENTITY_API_KEY, NULL, NULL, NULL, "chat-prod", "gpt-4o-mini", "", false},
	{ALL_LISTS, IDENTITY_ENTRA, "valid", TENANT, OTHER, "chat-prod", "gpt-4o", "", false},
	{ALL_LISTS, IDENTITY_ENTRA, "valid", "72F988BF-86F1-41AF-91AB-2D7CD011DB47", OTHER, "CHAT-a", NULL,
	 "", false},
	{ALL_LISTS, IDENTITY_ENTRA, "valid", OTHER, TENANT, "x", "y",
	 "tenants,applications,deployments,models", false},
	{ALL_LISTS, IDENTITY_ENTRA, "valid", NULL, NULL, NULL, NULL, "tenants,applications", false},
	{ALL_LISTS "  action: block\n", IDENTITY_ENTRA, "valid", TENANT, OTHER, NULL, "o1", "models", true},
	{ALL_LISTS "  action: block\n  require_entra: report\n", IDENTITY_API_KEY, NULL, NULL, NULL, NULL,
	 NULL, "require_entra", false},
	{ALL_LISTS "  require_entra: block\n", IDENTITY_ENTRA, "valid", TENANT, OTHER, "x", NULL,
	 "deployments", false},
	{ALL_LISTS "  require_entra: block\n", IDENTITY_API_KEY, NULL, NULL, NULL, "x", NULL,
	 "require_entra,deployments", true},
};

static void test_judging(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(judged); i++) {
		const struct judged *j = &judged[i];
		char yaml[512];
		snprintf(yaml, sizeof(yaml), "policy:\n%s", j->policy);
		struct policy *p = policy_of(yaml);
		struct identity_caller c = {.kind = j->kind,
					    .verification = j->verification,
					    .tenant_id = (char *)j->tenant,
					    .app_id = (char *)j->app};
		struct openai_request q = {
			.operation = "x", .deployment_id = (char *)j->deployment, .model = (char *)j->model};
		struct policy_decision d;
		struct policy_verdict v;
		policy_decide(&d, p, MESSAGE, NULL, &q, &c);
		policy_judge(&v, &d, &c, &q, NULL);
		if (strcmp(violations_text(v.violations), j->wrong) != 0 || v.block != j->block)
			fail_msg("case %zu: %s, %d", i, violations_text(v.violations), v.block);
		if (v.violations)
			assert_string_equal(v.rule, "default");
		/* Once an exchange. */
		struct openai_response a = {.model = (char *)"other"};
		policy_judge(&v, &d, &c, &q, NULL);
		if (j->wrong[0]) {
			assert_int_equal(v.violations, 0);
			policy_judge(&v, &d, &c, &q, &a);
			assert_int_equal(v.violations, 0);
		}
		policy_decision_done(&d);
		policy_unref(&p);
	}
}

/* On Azure the deployment is asked; the model is known when it answers. */
static void test_model_that_answers(void **state)
{
	(void)state;
	struct policy *p = policy_of("policy:\n  models: [\"gpt-4o*\"]\n");
	struct identity_caller c = {.kind = IDENTITY_API_KEY};
	struct openai_request q = {.operation = "x"};
	struct openai_response a = {.model = (char *)"gpt-4o-2024-08-06"};
	struct policy_decision d;
	struct policy_verdict v;

	policy_decide(&d, p, MESSAGE, NULL, &q, &c);
	policy_judge(&v, &d, &c, &q, NULL);
	assert_int_equal(v.violations, 0);
	policy_judge(&v, &d, &c, &q, &a);
	assert_int_equal(v.violations, 0);
	a.model = (char *)"o1-2024";
	q.model = (char *)"gpt-4o"; /* what was asked counts */
	policy_judge(&v, &d, &c, &q, &a);
	assert_int_equal(v.violations, 0);
	q.model = NULL;
	policy_judge(&v, &d, &c, &q, &a);
	assert_int_equal(v.violations, POLICY_MODELS);
	policy_judge(&v, &d, &c, &q, &a);
	assert_int_equal(v.violations, 0);
	policy_decision_done(&d);
	policy_unref(&p);
}

/* --- sampling ------------------------------------------------------------------------ */

static void test_sampling(void **state)
{
	(void)state;
	static const struct {
		const char *share;
		unsigned int least, most;
	} cases[] = {{"0", 0, 0}, {"1", 10000, 10000}, {"10%", 900, 1100}, {"0.5", 4800, 5200}};
	static const struct identity_caller nobody;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char yaml[64], id[40];
		snprintf(yaml, sizeof(yaml), "policy: {sample: %s}\n", cases[i].share);
		struct policy *p = policy_of(yaml), *again = policy_of(yaml);
		unsigned int n = 0;
		for (unsigned int k = 0; k < 10000; k++) {
			struct policy_decision d, other;
			snprintf(id, sizeof(id), "019ab123-4567-7abc-8def-%012x", k);
			policy_decide(&d, p, id, NULL, NULL, &nobody);
			policy_decide(&other, again, id, NULL, NULL, &nobody);
			assert_int_equal(d.sampled, other.sampled);
			n += d.sampled;
			policy_decision_done(&d);
			policy_decision_done(&other);
		}
		if (n < cases[i].least || n > cases[i].most)
			fail_msg("%s: %u of 10000", cases[i].share, n);
		policy_unref(&p);
		policy_unref(&again);
	}
}

/* --- making -------------------------------------------------------------------------- */

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *yaml, *place;
	} cases[] = {
		{"policy:\n  redact: [email, nonsense]\n", ":2: policy.redact[1]: "},
		{"policy:\n  redact:\n    - email\n    - nonsense\n", ":4: policy.redact[1]: "},
		{"policy:\n  redact_rules:\n    - {name: a, pattern: 'x'}\n    - name: b\n      pattern: "
		 "'(x'\n",
		 ":5: policy.redact_rules[1].pattern: "},
		{"policy:\n  rules:\n    - {name: a}\n    - {name: b, redact: [nonsense]}\n",
		 ":4: policy.rules[1].redact[0]: "},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct policy *p = NULL;
		_cleanup_free_ char *error = NULL;
		int r = policy_try(&p, cases[i].yaml, NULL, &error);
		if (r != -EINVAL || strncmp(error, cases[i].place, strlen(cases[i].place)) != 0)
			fail_msg("case %zu: %d %s", i, r, error ? error : "");
		assert_null(p);
	}
}

static void test_blocks(void **state)
{
	(void)state;
	struct policy *a = policy_of("policy: {require_entra: report}\n");
	struct policy *b = policy_of("policy: {rules: [{name: x, action: block}], block_for: 2m}\n");
	assert_false(policy_blocks(a));
	assert_true(policy_blocks(b));
	assert_int_equal(policy_block_for_s(b), 120);
	assert_int_equal(policy_n_rules(b), 1);
	/* An exchange keeps its policy alive. */
	struct policy_decision d;
	policy_decide(&d, b, MESSAGE, NULL, NULL, &(struct identity_caller){0});
	policy_unref(&b);
	assert_string_equal(d.rule->name, "x");
	policy_decision_done(&d);
	assert_null(d.policy);
	policy_decision_done(&d);
	policy_unref(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_glob_is_bounded),
		cmocka_unit_test(test_first_matching_rule),
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_judging),
		cmocka_unit_test(test_model_that_answers),
		cmocka_unit_test(test_sampling),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
