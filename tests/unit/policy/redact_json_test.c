/* SPDX-License-Identifier: Apache-2.0 */
/* Values: strings, integers, names, text parts, paths, the report. */
#include "redact_fixture.h"

static json_t *read_value(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!value)
		fail_msg("%s: %s", text, error.text);
	return value;
}

static void assert_value(struct fixture *f, const char *text, const char *want)
{
	json_t *value = read_value(text);
	json_auto_t *before = json_deep_copy(value);
	json_t *copy = NULL;
	int r = redact_json_copy(f->r, f->s, value, "/x", NULL, NULL, &copy);
	assert_true(json_equal(value, before));
	assert_int_equal(redact_json(f->r, f->s, &value, "/x", NULL, &f->report), r);
	assert_int_equal(r, !json_equal(value, before));
	_cleanup_free_ char *got = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	assert_string_equal(got, want);
	assert_true(json_equal(value, copy));
	assert_int_equal(redact_json(f->r, f->s, &value, "/x", NULL, NULL), 0);
	json_decref(value);
	json_decref(copy);
}

static const struct {
	const char *text, *want;
} values[] = {
	{"null", "null"},
	{"\"jane@example.com\"", "\"[email]\""},
	{"4111111111111111", "\"[card]\""},
	{"-4111111111111111", "\"-[card]\""},
	{"4111111111111112", "4111111111111112"},
	{"[4111111111111111,1700000000,true,4111111111111111.0]",
	 "[\"[card]\",1700000000,true,4111111111111111.0]"},
	{"{\"ssn\":536228714,\"n\":536228714}", "{\"ssn\":\"[us-ssn]\",\"n\":536228714}"},
	{"{\"b\":\"x\",\"a\":{\"c\":[\"y@z.org\",{\"d\":\"+49 30 901820\"}]}}",
	 "{\"b\":\"x\",\"a\":{\"c\":[\"[email]\",{\"d\":\"[phone]\"}]}}"},
	{"{\"password\":\"hunter2\",\"list\":{\"api-key\":[\"0123456789abcdef0123456789abcdef\"]}}",
	 "{\"password\":\"[password]\",\"list\":{\"api-key\":[\"[azure-key]\"]}}"},
	{"{\"arguments\":\"{\\\"to\\\":\\\"a\\\\u0040b.co\\\",\\\"n\\\":4111111111111111}\"}",
	 "{\"arguments\":\"{\\\"to\\\":\\\"[email]\\\",\\\"n\\\":\\\"[card]\\\"}\"}"},
	{"{\"jane@example.com\":1}", "{\"jane@example.com\":1}"},
	{"{\"z\":\"a\\u0000b@c.de\\u0000\"}", "{\"z\":\"a\\u0000[email]\\u0000\"}"},
};

static void test_values(void **state)
{
	(void)state;
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		assert_value(&f, values[i].text, values[i].want);
	fixture_done(&f);
}

static void test_names(void **state)
{
	(void)state;
	const struct redact_options options = {.names = true};
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), &options);
	assert_value(&f,
		     "{\"a\":1,\"jane@example.com\":{\"x@y.org\":\"z@z.org\"},\"bob@example.com\":2,\"c\":3}",
		     "{\"a\":1,\"[email]\":{\"[email]\":\"[email]\"},\"[email] 2\":2,\"c\":3}");
	assert_value(&f, "{\"s\":\"{\\\"a@b.co\\\":\\\"c\\\"}\"}", "{\"s\":\"{\\\"[email]\\\":\\\"c\\\"}\"}");
	/* No path says what a name no longer says. */
	assert_true(f.report.n_hits >= 3);
	for (size_t i = 0; i < f.report.n_hits; i++)
		assert_null(strstr(f.report.hits[i].path, "@"));
	assert_string_equal(f.report.hits[0].path, "/x");
	assert_string_equal(f.report.hits[1].path, "/x/[email]");
	assert_string_equal(f.report.hits[2].path, "/x/[email]/[email]");
	fixture_done(&f);
}

/* A value of parts that carry a text split into n pieces, however long each is. */
static json_t *parts_of(const char *text, const size_t *cuts, size_t n)
{
	json_t *parts = json_array();
	for (size_t i = 0, at = 0; i <= n; i++) {
		size_t end = i < n ? cuts[i] : strlen(text);
		json_array_append_new(parts,
				      json_pack("{s:s,s:s%}", "type", "text", "text", text + at, end - at));
		at = end;
	}
	return parts;
}

static char *joined(const json_t *parts)
{
	char *all = calloc(1, 100000);
	size_t i;
	json_t *part;
	assert_non_null(all);
	json_array_foreach (parts, i, part)
		strcat(all, json_string_value(json_object_get(part, "text")));
	return all;
}

static void test_parts(void **state)
{
	(void)state;
	static const char text[] = "call +49 30 901820 or j.doe@example.com with "
				   "sk-abcdefghijklmnop0123456789ABCDEFGH \xe2\x82\xac.";
	static const char want[] = "call [phone] or [email] with [openai-key] \xe2\x82\xac.";
	const struct redact_options options = {.across_parts = true};
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), &options);
	for (size_t cut = 1; cut < sizeof(text) - 5; cut++) {
		/* A cut number is a number too, so what the halves alone show goes as well. */
		json_t *parts = parts_of(text, &cut, 1);
		assert_int_equal(redact_json(f.r, f.s, &parts, "", NULL, &f.report), 1);
		_cleanup_free_ char *got = joined(parts);
		assert_string_equal(got, want);
		json_decref(parts);
	}
	fixture_done(&f);
}

/* One secret in 40 pieces: as a stream that was joined, and as parts. */
static void test_forty_pieces(void **state)
{
	(void)state;
	static const char key[] = "sk-abcdefghijklmnop0123456789ABCDEFGHIJKLMNOPQRST";
	char text[200], whole[200] = "";
	size_t cuts[39];
	snprintf(text, sizeof(text), "use %s now", key);
	for (size_t i = 0; i < 39; i++)
		cuts[i] = 5 + i;
	for (size_t i = 0; i <= 39; i++) {
		size_t from = i ? cuts[i - 1] : 0, to = i < 39 ? cuts[i] : strlen(text);
		strncat(whole, text + from, to - from);
	}
	const struct redact_options options = {.across_parts = true};
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), &options);
	assert_redacted(&f, whole, "use [openai-key] now");
	redact_report_done(&f.report);

	json_t *parts = parts_of(text, cuts, 39);
	json_t *message = json_pack("{s:s,s:o}", "role", "user", "content", parts);
	assert_int_equal(redact_json(f.r, f.s, &message, "/messages/0", NULL, &f.report), 1);
	_cleanup_free_ char *got = joined(parts);
	assert_string_equal(got, "use [openai-key] now");
	assert_int_equal(json_array_size(parts), 40);
	assert_int_equal(f.report.total, 1);
	assert_string_equal(f.report.hits[0].path, "/messages/0/content/0/text");
	json_decref(message);
	fixture_done(&f);
}

static void test_long_parts(void **state)
{
	(void)state;
	const struct redact_options options = {.across_parts = true};
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), &options);
	char *text = calloc(1, 60000);
	assert_non_null(text);
	for (size_t i = 0; i < 12000; i++)
		strcat(text + 2 * i, "\xc3\xa4");
	memcpy(text + 9990, " 4111 1111 1111 1111  ", 22);
	memcpy(text + 17990, " jane.doe@example.com ", 22);
	const size_t cuts[] = {10000, 18000};
	json_t *parts = parts_of(text, cuts, 2);
	assert_int_equal(redact_json(f.r, f.s, &parts, "", NULL, &f.report), 1);
	_cleanup_free_ char *got = joined(parts);
	assert_non_null(strstr(got, " [card]  "));
	assert_non_null(strstr(got, " [email] "));
	assert_int_equal(strlen(got), strlen(text) - 19 + 6 - 20 + 7);
	json_decref(parts);
	free(text);

	/* What is between is no border. */
	json_t *other = json_loads(
		"[{\"text\":\"jane@exa\"},{\"type\":\"image_url\"},{\"text\":\"mple.com\"}]", 0, NULL);
	assert_int_equal(redact_json(f.r, f.s, &other, "", NULL, NULL), 0);
	json_decref(other);
	fixture_done(&f);
	/* Nor is anything without the option. */
	struct fixture g = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	other = json_loads("[{\"text\":\"jane@exa\"},{\"text\":\"mple.com\"}]", 0, NULL);
	assert_int_equal(redact_json(g.r, g.s, &other, "", NULL, NULL), 0);
	json_decref(other);
	fixture_done(&g);
}

static void test_report(void **state)
{
	(void)state;
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	json_t *value = json_loads("{\"a/b~c\":[\"x\",\"a@b.co c@d.co 536-22-8714\"]}", 0, NULL);
	assert_int_equal(redact_json(f.r, f.s, &value, "/base", NULL, &f.report), 1);
	assert_int_equal(f.report.n_hits, 2);
	assert_string_equal(f.report.hits[0].path, "/base/a~1b~0c/1");
	assert_string_equal(f.report.hits[0].rule, "email");
	assert_int_equal(f.report.hits[0].count, 2);
	assert_string_equal(f.report.hits[1].rule, "us-ssn");
	assert_int_equal(f.report.total, 3);
	json_decref(value);
	redact_report_done(&f.report);

	value = json_array();
	for (size_t i = 0; i < 100; i++)
		json_array_append_new(value, json_string("a@b.co"));
	assert_int_equal(redact_json(f.r, f.s, &value, "", NULL, &f.report), 1);
	assert_int_equal(f.report.n_hits, REDACT_HITS_MAX);
	assert_int_equal(f.report.total, 100);
	assert_int_equal(f.report.overflow, 100 - REDACT_HITS_MAX);
	json_decref(value);
	redact_report_done(&f.report);

	/* A path that is too long is that of a container above. */
	char name[201];
	memset(name, 'n', 200);
	name[200] = 0;
	value = json_pack("{s:{s:{s:s}}}", "top", name, name, "a@b.co");
	assert_int_equal(redact_json(f.r, f.s, &value, "", NULL, &f.report), 1);
	assert_int_equal(strlen(f.report.hits[0].path), 4 + 201);
	json_decref(value);
	fixture_done(&f);
}

static void test_deep(void **state)
{
	(void)state;
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	json_t *value = json_string("a@b.co");
	for (size_t i = 0; i < REDACT_DEPTH_MAX + 10; i++)
		value = json_pack("[o]", value);
	assert_int_equal(redact_json(f.r, f.s, &value, "", NULL, &f.report), 1);
	assert_string_equal(f.report.hits[0].rule, "depth");
	_cleanup_free_ char *text = json_dumps(value, 0);
	assert_null(strstr(text ? text : "", "a@b.co"));
	json_decref(value);
	redact_report_done(&f.report);

	/* JSON in strings deeper than is looked is text. */
	char deep[4096] = "a@b.co";
	for (size_t i = 0; i < 6; i++) {
		json_auto_t *string = json_pack("[s]", deep);
		char *dumped = json_dumps(string, JSON_COMPACT);
		snprintf(deep, sizeof(deep), "%s", dumped);
		free(dumped);
	}
	_cleanup_free_ char *out = redacted(&f, deep, strlen(deep), NULL);
	assert_null(strstr(out, "a@b.co"));
	assert_non_null(strstr(out, "[email]"));
	fixture_done(&f);
}

static void test_bad_utf8(void **state)
{
	(void)state;
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	json_t *value = json_pack("[o]", json_stringn_nocheck("a@b.co\xff", 7));
	assert_int_equal(redact_json(f.r, f.s, &value, "", NULL, &f.report), 1);
	assert_string_equal(json_string_value(json_array_get(value, 0)), "[withheld:utf-8]");
	json_decref(value);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	   cmocka_unit_test(test_names),
		cmocka_unit_test(test_parts),	   cmocka_unit_test(test_forty_pieces),
		cmocka_unit_test(test_long_parts), cmocka_unit_test(test_report),
		cmocka_unit_test(test_deep),	   cmocka_unit_test(test_bad_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
