/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns that do not end, and texts that make them so: stopped, said, and nothing of the text passed on. */
#include "redact_fixture.h"

#include <time.h>

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const char *const evil[] = {
	"(a+)+[!]$",	 "(a|aa)+b",
	"(a|a?)+b",	 "^(([a-z])+.)+[A-Z]([a-z])+$",
	"(.*a){20}b",	 "(a*)*b",
	"a+a+a+a+a+a+b", "(?:a?){60}a{60}b",
	"(a(?1)?)+b",	 "((?:a{1,50}){1,50}){1,20}b",
};

/* The budget bounds the whole text, not only one place. */
static void test_evil(void **state)
{
	(void)state;
	static char text[20000];
	memset(text, 'a', sizeof(text));
	memcpy(text + sizeof(text) - 2, "!b", 2);
	for (size_t i = 0; i < ARRAY_SIZE(evil); i++) {
		const struct redact_rule rules[] = {{.name = "email"}, {.name = "evil", .pattern = evil[i]}};
		struct fixture f = fixture_new(rules, 2, NULL);
		double start = seconds();
		_cleanup_free_ char *out = redacted(&f, text, sizeof(text), NULL);
		double took = seconds() - start;
		if (strcmp(out, "[withheld:evil]") != 0)
			fail_msg("%s: %.40s", evil[i], out);
		assert_int_equal(f.report.withheld, 1);
		assert_int_equal(f.report.n_hits, 1);
		assert_string_equal(f.report.hits[0].rule, "evil");
		assert_true(f.report.hits[0].withheld);
		if (took > 2)
			fail_msg("%s took %.1f s", evil[i], took);
		/* The next text is none the worse for it. */
		assert_redacted(&f, "0 jane@example.com", "0 [email]");
		fixture_done(&f);
	}
}

/* What takes more than the first limit, and less than the whole, is still found. */
static void test_hard(void **state)
{
	(void)state;
	const struct redact_rule rule = {.name = "hard", .pattern = "x(?:a|b|ab)+y"};
	struct fixture f = fixture_new(&rule, 1, NULL);
	char text[800] = "text ";
	for (size_t i = 0; i < 200; i++)
		strcat(text, i % 10 ? "ab" : "cxab");
	strcat(text, "y end");
	_cleanup_free_ char *out = redacted(&f, text, strlen(text), NULL);
	assert_non_null(strstr(out, "[hard] end"));
	fixture_done(&f);
	const struct redact_options low = {.match_limit = 20};
	f = fixture_new(&rule, 1, &low);
	assert_redacted(&f, text, "[withheld:hard]");
	fixture_done(&f);
}

/* No place is too much, but all together are. */
static void test_budget(void **state)
{
	(void)state;
	const struct redact_rule rule = {.name = "sum", .pattern = "(?:a|aa){12}b"};
	struct fixture f = fixture_new(&rule, 1, NULL);
	static char text[20 * 1024 + 1];
	for (size_t i = 0; i + 40 < sizeof(text); i += 40)
		memcpy(text + i, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b", 40);
	assert_redacted(&f, text, "[withheld:sum]");
	text[40] = 0;
	assert_redacted(&f, text, text);
	fixture_done(&f);
}

/* Each place costs a look to the end of the text; a long text must not cost its square. */
static void test_square(void **state)
{
	(void)state;
	const struct redact_rule rules[] = {{.name = "a", .pattern = "\\w+@\\w+"},
					    {.name = "b", .pattern = "[a-z]+\\d"}};
	struct fixture f = fixture_new(rules, 2, NULL);
	const size_t len = 1 << 20;
	char *text = malloc(len);
	assert_non_null(text);
	memset(text, 'a', len);
	double start = seconds();
	_cleanup_free_ char *out = redacted(&f, text, len, NULL);
	if (seconds() - start > 30)
		fail_msg("%.1f s", seconds() - start);
	assert_int_equal(strlen(out), len);
	free(text);
	fixture_done(&f);
}

/* No text of one or two kinds of characters makes the built-in rules slow, or withholds. */
static void test_builtin(void **state)
{
	(void)state;
	static const char *const units[] = {
		"a",
		"1",
		"@",
		"a@",
		"a.",
		"1.",
		"1 ",
		"1-",
		"+1",
		"(1",
		":",
		"::",
		"a:",
		"://a:",
		"-",
		"-----BEGIN ",
		"-----BEGIN PRIVATE KEY-----",
		"-----BEGIN PRIVATE KEY-----AAAAAAAAAAAAAAAA\n",
		"sk-",
		"eyJaaaaaaaa",
		"eyJaaaaaaaa.",
		"bearer ",
		"DE89",
		"DE89 ",
		"password=",
		"key: ",
		"api_key",
		"tel ",
		"\\",
		"\\u00",
		"\\\\",
		"%40",
		"a%40",
		"%40%40%40%40.",
		"Q~",
		"1Q~",
		"\xc3\xa4",
		"\xc3\xa4@",
		"{\"",
		"[",
		"\"",
		";base64,",
		"data:;base64,A",
		"ssn 123456789 ",
		"1a",
		"a1",
		"[email]",
		"4111 ",
		"x.y@",
		"secret_key",
		"http://",
	};
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	const size_t len = 256 << 10;
	char *text = malloc(len + 64);
	assert_non_null(text);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t n = 0;
		for (; n < len; n += strlen(units[i]))
			memcpy(text + n, units[i], strlen(units[i]));
		double start = seconds();
		_cleanup_free_ char *out = redacted(&f, text, n, NULL);
		double took = seconds() - start;
		if (took > 1.5)
			fail_msg("'%s' took %.2f s", units[i], took);
		if (f.report.withheld)
			fail_msg("'%s' withheld by %s", units[i], f.report.hits[0].rule);
		redact_report_done(&f.report);
	}
	free(text);
	fixture_done(&f);
}

static void test_growth(void **state)
{
	(void)state;
	char replacement[REDACT_REPLACEMENT_MAX + 1];
	memset(replacement, 'r', REDACT_REPLACEMENT_MAX);
	replacement[REDACT_REPLACEMENT_MAX] = 0;
	const struct redact_rule rule = {.name = "any", .pattern = "x", .replacement = replacement};
	struct fixture f = fixture_new(&rule, 1, NULL);
	char text[1001];
	memset(text, 'x', 1000);
	text[1000] = 0;
	assert_redacted(&f, text, "[withheld:size]");
	assert_redacted(&f, "[\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\"]", "[withheld:size]");
	fixture_done(&f);
	char *big = calloc(1, REDACT_TEXT_MAX + 2);
	assert_non_null(big);
	memset(big, ' ', REDACT_TEXT_MAX + 1);
	f = fixture_new(&rule, 1, NULL);
	assert_redacted(&f, big, "[withheld:size]");
	free(big);
	fixture_done(&f);
}

/* A rule that feeds on what it leaves is stopped. */
static void test_dropping(void **state)
{
	(void)state;
	const struct redact_rule rule = {.name = "ab", .pattern = "ab", .mode = REDACT_DROP};
	struct fixture f = fixture_new(&rule, 1, NULL);
	assert_redacted(&f, "xaaabbby", "xy");
	assert_redacted(&f, "aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb", "[withheld:ab]");
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evil),	 cmocka_unit_test(test_hard),
		cmocka_unit_test(test_budget),	 cmocka_unit_test(test_square),
		cmocka_unit_test(test_builtin),	 cmocka_unit_test(test_growth),
		cmocka_unit_test(test_dropping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
