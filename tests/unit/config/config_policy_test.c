/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "config/config.h"

static char dir[] = "/tmp/oaitap-policy-XXXXXX";
static char file[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/c.yaml", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

/* *ret_error: without the file's name. */
static int load(struct config *config, const char *text, char **ret_error)
{
	char *error = NULL;
	FILE *f = fopen(file, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	int r = config_load(config, file, &error);
	*ret_error = NULL;
	if (error) {
		assert_int_equal(r, -EINVAL);
		assert_null(strpbrk(error, "\n\r\t\x1b"));
		assert_memory_equal(error, file, strlen(file));
		*ret_error = strdup(error + strlen(file));
	}
	free(error);
	return r;
}

static char *print_text(const struct config *config)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	assert_int_equal(config_print(config, f), 0);
	fclose(f);
	return text;
}

static struct config *loaded(const char *text)
{
	struct config *config = NULL;
	char *error;
	assert_int_equal(config_new(&config), 0);
	if (load(config, text, &error) < 0)
		fail_msg("%s: %s", text, error);
	return config;
}

static void test_defaults(void **state)
{
	(void)state;
	struct config *config = loaded("hosts: [a]\n");
	const struct config_policy *p = config->policy;
	assert_null(p->file);
	assert_int_equal(p->settings.given, 0);
	assert_int_equal(p->settings.require_entra, CONFIG_REQUIRE_OFF);
	assert_int_equal(p->settings.action, CONFIG_ACTION_REPORT);
	assert_false(p->settings.metadata_only);
	assert_true(p->settings.sample == 1);
	assert_int_equal(p->block_for_s, 60);
	assert_int_equal(p->block_scope, CONFIG_BLOCK_CGROUP);
	assert_int_equal(p->n_rules + p->n_patterns, 0);
	assert_false(config_policy_blocks(p));
	config_free(&config);
}

static const char whole[] = "policy:\n"
			    "  require_entra: report\n"
			    "  action: report\n"
			    "  tenants: [72F988bf-86f1-41af-91ab-2d7cd011db47]\n"
			    "  applications: []\n"
			    "  deployments: [\"chat-*\", x]\n"
			    "  models: [\"gpt-4o*\"]\n"
			    "  metadata_only: false\n"
			    "  fields:\n"
			    "    request.messages: mask\n"
			    "    request.tools: hash\n"
			    "    request.headers: drop\n"
			    "    response.choices: {truncate: 100}\n"
			    "    response.content-filter: keep\n"
			    "  redact: [email, card]\n"
			    "  sample: 12.5%\n"
			    "  block_for: 5m\n"
			    "  block_scope: process\n"
			    "  redact_rules:\n"
			    "    - {name: badge, pattern: 'B-[0-9]{6}', replace: '<badge>'}\n"
			    "    - name: other\n"
			    "      pattern: x\n"
			    "  rules:\n"
			    "    - name: batch\n"
			    "      when:\n"
			    "        units: [\"batch*.service\"]\n"
			    "        namespaces: [a, b]\n"
			    "        kinds: [api-key]\n"
			    "      require_entra: block\n"
			    "      sample: 0\n"
			    "    - name: rest\n"
			    "      tenants: []\n"
			    "      redact: []\n"
			    "      metadata_only: true\n"
			    "      fields: {request.body: {truncate: 1}}\n";

static void test_whole(void **state)
{
	(void)state;
	struct config *config = loaded(whole);
	const struct config_policy *p = config->policy;
	const struct config_settings *s = &p->settings;

	assert_string_equal(p->file, file);
	assert_int_equal(s->require_entra, CONFIG_REQUIRE_REPORT);
	assert_int_equal(s->tenants.n, 1);
	assert_string_equal(s->tenants.items[0], "72F988bf-86f1-41af-91ab-2d7cd011db47");
	assert_int_equal(s->tenants.lines[0], 4);
	assert_int_equal(s->applications.n, 0);
	assert_true(s->given & CONFIG_GIVES_APPLICATIONS);
	assert_string_equal(s->deployments.items[1], "x");
	assert_int_equal(s->fields[CONFIG_REQUEST_MESSAGES].how, CONFIG_MASK);
	assert_int_equal(s->fields[CONFIG_REQUEST_TOOLS].how, CONFIG_HASH);
	assert_int_equal(s->fields[CONFIG_REQUEST_HEADERS].how, CONFIG_DROP);
	assert_int_equal(s->fields[CONFIG_RESPONSE_CHOICES].how, CONFIG_TRUNCATE);
	assert_int_equal(s->fields[CONFIG_RESPONSE_CHOICES].max, 100);
	assert_true(s->fields[CONFIG_RESPONSE_CONTENT_FILTER].given);
	assert_false(s->fields[CONFIG_REQUEST_BODY].given);
	assert_string_equal(s->redact.items[1], "card");
	assert_int_equal(s->redact.lines[1], 15);
	assert_true(s->sample == 0.125);
	assert_int_equal(p->block_for_s, 300);
	assert_int_equal(p->block_scope, CONFIG_BLOCK_PROCESS);
	assert_int_equal(p->n_patterns, 2);
	assert_string_equal(p->patterns[0].replace, "<badge>");
	assert_null(p->patterns[1].replace);
	assert_int_equal(p->patterns[0].line, 20);
	assert_int_equal(p->patterns[1].line, 22);
	assert_int_equal(p->n_rules, 2);
	assert_string_equal(p->rules[0].name, "batch");
	assert_string_equal(p->rules[0].when.namespaces.items[1], "b");
	assert_string_equal(p->rules[0].when.kinds.items[0], "api-key");
	assert_int_equal(p->rules[0].when.pods.n, 0);
	assert_int_equal(p->rules[0].settings.given, CONFIG_GIVES_REQUIRE_ENTRA | CONFIG_GIVES_SAMPLE);
	assert_true(p->rules[0].settings.sample == 0);
	assert_int_equal(p->rules[1].settings.given, CONFIG_GIVES_TENANTS | CONFIG_GIVES_REDACT |
							     CONFIG_GIVES_METADATA_ONLY |
							     CONFIG_GIVES_FIELDS);
	assert_int_equal(p->rules[1].settings.fields[CONFIG_REQUEST_BODY].max, 1);
	assert_true(config_policy_blocks(p));

	/* What is printed loads, and prints the same. */
	_cleanup_free_ char *printed = print_text(config);
	struct config *again = loaded(printed);
	_cleanup_free_ char *printed_again = print_text(again);
	assert_string_equal(printed, printed_again);
	assert_int_equal(again->policy->n_rules, 2);
	assert_int_equal(again->policy->rules[1].settings.given, p->rules[1].settings.given);
	config_free(&config);
	config_free(&again);
}

/* A file without the section leaves the one that is there. */
static void test_sections_are_apart(void **state)
{
	(void)state;
	struct config *config = loaded("policy: {metadata_only: true}\n");
	char *error;
	assert_int_equal(load(config, "hosts: [b]\n", &error), 0);
	assert_true(config->policy->settings.metadata_only);
	assert_int_equal(load(config, "policy: {sample: 0.5}\n", &error), 0);
	assert_false(config->policy->settings.metadata_only);
	config_free(&config);
}

#define GUID "72f988bf-86f1-41af-91ab-2d7cd011db47"

static const struct bad {
	const char *text, *place, *has;
} bad_files[] = {
	{"policy: true\n",
	 ":1: policy: ", "is a single value; expected a mapping with require_entra, action"},
	{"policy:\n", ":1: policy: ", "is empty"},
	{"policy: [a]\n", ":1: policy: ", "is a list"},
	{"policy:\n  require_entr: off\n",
	 ":2: policy.require_entr: ", "unknown key; expected a mapping with"},
	{"policy:\n  when: {}\n", ":2: policy.when: ", "unknown key"},
	{"policy:\n  name: x\n", ":2: policy.name: ", "unknown key"},
	{"policy:\n  require_entra: yes\n",
	 ":2: policy.require_entra: ", "\"yes\" is not right; expected off, report or block"},
	{"policy:\n  require_entra: [off]\n", ":2: policy.require_entra: ", "is a list; expected off"},
	{"policy:\n  require_entra:\n", ":2: policy.require_entra: ", "is empty; expected off"},
	{"policy: {action: off}\n", ":1: policy.action: ", "report or block"},
	{"policy:\n  tenants: contoso\n", ":2: policy.tenants: ", "single value; expected a list of GUIDs"},
	{"policy:\n  tenants:\n    - " GUID "\n    - contoso.com\n",
	 ":4: policy.tenants[1]: ", "\"contoso.com\" is not a GUID"},
	{"policy:\n  applications: [72f988bf-86f1-41af-91ab_2d7cd011db47]\n",
	 ":2: policy.applications[0]: ", "not a GUID"},
	{"policy:\n  models: [[a]]\n", ":2: policy.models[0]: ", "is a list"},
	{"policy:\n  models: ['']\n", ":2: policy.models[0]: ", "is empty"},
	{"policy:\n  deployments: {a: b}\n", ":2: policy.deployments: ", "is a mapping"},
	{"policy:\n  metadata_only: 1\n", ":2: policy.metadata_only: ", "true or false"},
	{"policy:\n  fields: drop\n", ":2: policy.fields: ", "single value; expected a mapping"},
	{"policy:\n  fields:\n    request.message: drop\n",
	 ":3: policy.fields.request.message: ", "unknown field"},
	{"policy:\n  fields:\n    request: {messages: drop}\n",
	 ":3: policy.fields.request: ", "unknown field"},
	{"policy:\n  fields:\n    request.messages: hide\n",
	 ":3: policy.fields.request.messages: ", "\"hide\" is not a way"},
	{"policy:\n  fields:\n    request.messages: truncate\n",
	 ":3: policy.fields.request.messages: ", "{truncate: N}"},
	{"policy:\n  fields:\n    request.messages: [drop]\n",
	 ":3: policy.fields.request.messages: ", "is a list"},
	{"policy:\n  fields:\n    request.messages: {truncate: 0}\n",
	 ":3: policy.fields.request.messages.truncate: ", "number from 1"},
	{"policy:\n  fields:\n    request.messages: {truncate: 1x}\n",
	 ":3: policy.fields.request.messages.truncate: ", "\"1x\""},
	{"policy:\n  fields:\n    request.messages: {cut: 3}\n",
	 ":3: policy.fields.request.messages: ", "is not {truncate: N}"},
	{"policy:\n  fields:\n    request.messages: {truncate: 3, x: 1}\n",
	 ":3: policy.fields.request.messages: ", "is not {truncate: N}"},
	{"policy:\n  fields:\n    request.messages: drop\n    request.messages: keep\n",
	 ":4: policy.fields.request.messages: ", "given twice, first in line 3"},
	{"policy:\n  redact: email\n", ":2: policy.redact: ", "single value"},
	{"policy:\n  redact: ['a b']\n", ":2: policy.redact[0]: ", "is not a name"},
	{"policy:\n  sample: 1.1\n", ":2: policy.sample: ", "share from 0 to 1"},
	{"policy:\n  sample: 101%\n", ":2: policy.sample: ", "share"},
	{"policy:\n  sample: -0.1\n", ":2: policy.sample: ", "share"},
	{"policy:\n  sample: .\n", ":2: policy.sample: ", "share"},
	{"policy:\n  sample: 0.1.2\n", ":2: policy.sample: ", "share"},
	{"policy:\n  sample: inf\n", ":2: policy.sample: ", "share"},
	{"policy:\n  sample: 1e-3\n", ":2: policy.sample: ", "share"},
	{"policy:\n  block_scope: pod\n", ":2: policy.block_scope: ", "cgroup or process"},
	{"policy:\n  block_for: 60\n", ":2: policy.block_for: ", "a time such as 60s"},
	{"policy:\n  block_for: 0s\n", ":2: policy.block_for: ", "time"},
	{"policy:\n  block_for: 25h\n", ":2: policy.block_for: ", "time"},
	{"policy:\n  block_for: 99999999999999999999s\n", ":2: policy.block_for: ", "time"},
	{"policy:\n  redact_rules: {name: a, pattern: b}\n", ":2: policy.redact_rules: ", "is a mapping"},
	{"policy:\n  redact_rules: [a]\n",
	 ":2: policy.redact_rules[0]: ", "single value; expected a mapping with name, pattern, replace"},
	{"policy:\n  redact_rules:\n    - {name: a}\n", ":3: policy.redact_rules[0]: ", "has no pattern"},
	{"policy:\n  redact_rules:\n    - {pattern: a}\n", ":3: policy.redact_rules[0]: ", "has no name"},
	{"policy:\n  redact_rules:\n    - {name: A, pattern: a}\n",
	 ":3: policy.redact_rules[0].name: ", "\"A\" is not a name"},
	{"policy:\n  redact_rules:\n    - {name: a, pattern: a}\n    - {name: a, pattern: b}\n",
	 ":4: policy.redact_rules[1].name: ", "name of an earlier one"},
	{"policy:\n  redact_rules:\n    - {name: a, pattern: a, replace: 'a\"'}\n",
	 ":3: policy.redact_rules[0].replace: ", "must not"},
	{"policy:\n  redact_rules:\n    - {name: a, pattern: a, flags: i}\n",
	 ":3: policy.redact_rules[0].flags: ", "unknown key"},
	{"policy:\n  rules: {name: a}\n", ":2: policy.rules: ", "is a mapping"},
	{"policy:\n  rules:\n    - when: {}\n", ":3: policy.rules[0]: ", "has no name"},
	{"policy:\n  rules:\n    - {name: default}\n", ":3: policy.rules[0].name: ", "another name"},
	{"policy:\n  rules:\n    - {name: a}\n    - {name: b}\n    - {name: a}\n",
	 ":5: policy.rules[2].name: ", "name of an earlier rule"},
	{"policy:\n  rules:\n    - name: a\n      when: {units: x}\n",
	 ":4: policy.rules[0].when.units: ", "single value"},
	{"policy:\n  rules:\n    - name: a\n      when: {units: []}\n",
	 ":4: policy.rules[0].when.units: ", "empty list"},
	{"policy:\n  rules:\n    - name: a\n      when: {unit: [x]}\n",
	 ":4: policy.rules[0].when.unit: ", "unknown key; expected a mapping with namespaces"},
	{"policy:\n  rules:\n    - name: a\n      when: [x]\n", ":4: policy.rules[0].when: ", "is a list"},
	{"policy:\n  rules:\n    - name: a\n      when: {kinds: [apikey]}\n",
	 ":4: policy.rules[0].when.kinds[0]: ", "not a kind of credential"},
	{"policy:\n  rules:\n    - name: a\n      block_for: 3s\n",
	 ":4: policy.rules[0].block_for: ", "unknown key"},
	{"policy:\n  rules:\n    - name: a\n      rules: []\n", ":4: policy.rules[0].rules: ", "unknown key"},
	{"policy:\n  rules:\n    - name: a\n      fields:\n        response.x: drop\n",
	 ":5: policy.rules[0].fields.response.x: ", "unknown field"},
	{"policy: {a.b: 1}\n", ":1: a.b: ", "unknown key"},
	{"policy: &x {sample: 1}\n", ":1: policy: ", "anchor"},
};

static void test_bad_files(void **state)
{
	(void)state;
	struct config *config = loaded(whole);
	_cleanup_free_ char *before = print_text(config);
	for (size_t i = 0; i < ARRAY_SIZE(bad_files); i++) {
		const struct bad *bad = &bad_files[i];
		_cleanup_free_ char *error = NULL;
		int r = load(config, bad->text, &error);
		if (r != -EINVAL || strncmp(error, bad->place, strlen(bad->place)) != 0 ||
		    !strstr(error, bad->has))
			fail_msg("case %zu: %s\n got %d \"%s\", expected \"%s...%s\"", i, bad->text, r,
				 error ? error : "(no error)", bad->place, bad->has);
		_cleanup_free_ char *after = print_text(config);
		assert_string_equal(after, before);
	}
	config_free(&config);
}

static void test_shares(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double share;
	} cases[] = {{"0", 0},	  {"1", 1},  {"0.25", 0.25}, {".5", 0.5},
		     {"100%", 1}, {"0%", 0}, {"2.5%", 0.025}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[64];
		snprintf(text, sizeof(text), "policy: {sample: %s}\n", cases[i].text);
		struct config *config = loaded(text);
		double d = config->policy->settings.sample - cases[i].share;
		assert_true(d < 1e-12 && d > -1e-12);
		config_free(&config);
	}
}

static char *help_text(const char *key, int want)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	assert_int_equal(config_help(key, f), want);
	fclose(f);
	return text;
}

static void test_help(void **state)
{
	(void)state;
	_cleanup_free_ char *all = help_text(NULL, 0), *fields = help_text("policy.fields", 0);
	_cleanup_free_ char *when = help_text("policy.rules.when", 0), *none = help_text("policy.x", -ENOENT);
	assert_non_null(strstr(all, "\npolicy.require_entra\n"));
	assert_non_null(strstr(all, "\npolicy.rules.when.units\n"));
	assert_non_null(strstr(all, fields));
	assert_memory_equal(fields, "policy.fields\n", 14);
	for (int i = 0; i < CONFIG_N_FIELDS; i++)
		assert_non_null(strstr(fields, config_field_names[i]));
	assert_null(strstr(when, "policy.rules.name"));
	assert_non_null(strstr(when, "policy.rules.when.kinds"));
	assert_string_equal(none, "");
}

static void test_differs(void **state)
{
	(void)state;
	char keys[64] = "";
	struct config *a = loaded("hosts: [a]\npolicy: {sample: 0}\n"), *b = loaded("hosts: [a]\n");
	struct config *c = loaded("hosts: [b]\nstore: {path: /x}\n");
	assert_false(config_differs(a, b, keys, sizeof(keys)));
	assert_true(config_differs(a, c, keys, sizeof(keys)));
	assert_string_equal(keys, "hosts, store.path");
	assert_true(config_differs(a, c, keys, 8));
	assert_string_equal(keys, "hosts, ");
	config_free(&a);
	config_free(&b);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_sections_are_apart),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_differs),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
