/* SPDX-License-Identifier: Apache-2.0 */
/* Texts: modes, overlaps, escapes, JSON in strings, places of NUL and bad bytes, splits. */
#include "redact_fixture.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static struct fixture all_new(void)
{
	return fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
}

static const struct {
	const char *text, *want;
} texts[] = {
	{"", ""},
	{"nothing here", "nothing here"},
	{"a@b.co", "[email]"},
	{"jana.m@example.com.txt", "[email].txt"},
	{"jana.m@example.com.tar.json", "[email].tar.json"},
	{"jana.m@example.com-1.pdf", "[email]-1.pdf"},
	{"jana.m%40example.de.csv", "[email].csv"},
	{"a@b.co,c@d.org;e@f.net", "[email],[email];[email]"},
	/* Escapes hide nothing, and what is around them stays. */
	{"it said \\\"jane\\u0040example.com\\\" then", "it said \\\"[email]\\\" then"},
	{"first\\njane@example.com\\nlast", "first\\n[email]\\nlast"},
	{"\\\\njane@example.com", "\\\\[email]"},
	{"path C:\\temp\\jane@example.com", "path C:\\temp\\[email]"},
	{"x \\u002b49 30 901820 y", "x [phone] y"},
	{"deep \\\\u0040 is no address", "deep \\\\u0040 is no address"},
	{"deep jane\\\\u0040example.com", "deep [email]"},
	{"tel\\t+49 30 901820\\u0021", "tel\\t[phone]\\u0021"},
	/* JSON text stays JSON text, and all else in it as it was. */
	{"{\"to\":\"a\\u0040b.co\"}", "{\"to\":\"[email]\"}"},
	{" { \"n\" : 4111111111111111 ,\t\"x\" : 1.50 } ", " { \"n\" : \"[card]\" ,\t\"x\" : 1.50 } "},
	{"{\"a\":\"{\\\"b\\\":\\\"c@d.org\\\"}\"}", "{\"a\":\"{\\\"b\\\":\\\"[email]\\\"}\"}"},
	{"{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"c\\\\\\\":\\\\\\\"d\\\\\\\\u0040e.org\\\\\\\"}\\\"}\"}",
	 "{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"c\\\\\\\":\\\\\\\"[email]\\\\\\\"}\\\"}\"}"},
	{"[\"x\\ny@z.com\\n\\u0007\\ud83d\\ude00\"]", "[\"x\\n[email]\\n\\u0007\xf0\x9f\x98\x80\"]"},
	{"\"jane@example.com\"", "\"[email]\""},
	{"{\"password\":\"x y z\",\"other\":\"x y z\"}", "{\"password\":\"[password]\",\"other\":\"x y z\"}"},
	{"{\"password\":{\"type\":\"string\"}}", "{\"password\":{\"type\":\"string\"}}"},
	{"{\"api_key\":\"0123456789abcdef0123456789abcdef\",\"etag\":\"0123456789abcdef0123456789abcdef\"}",
	 "{\"api_key\":\"[azure-key]\",\"etag\":\"0123456789abcdef0123456789abcdef\"}"},
	/* Cut JSON is text. */
	{"{\"to\":\"a\\u0040b.co", "{\"to\":\"[email]"},
	{"{\"to\":\"a@b.co\",}", "{\"to\":\"[email]\",}"},
	/* The payload of a data: URL is passed over; what stands around it is not. */
	{"a@b.co "
	 "data:image/"
	 "png;base64,iVBORw0KGgo4111111111111111AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= c@d.co",
	 "[email] "
	 "data:image/"
	 "png;base64,iVBORw0KGgo4111111111111111AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "
	 "[email]"},
	{"x;base64,4111111111111111", "x;base64,[card]"},
	/* Overlap: the first, then the longest. */
	{"postgres://me:jane@example.com", "postgres://me:[password]@example.com"},
	{"Bearer eyJhbGciOiJub25lIn0.eyJhIjoxMjM0NX0.", "Bearer [jwt]"},
	{"a@b.co+4930901820123", "[email][phone]"},
};

static void test_texts(void **state)
{
	(void)state;
	struct fixture f = all_new();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_redacted(&f, texts[i].text, texts[i].want);
	fixture_done(&f);
}

static void test_modes(void **state)
{
	(void)state;
	static const uint8_t key[] = "0123456789abcdef";
	const struct redact_rule rules[] = {
		{.name = "email", .mode = REDACT_HASH},
		{.name = "card", .mode = REDACT_DROP},
		{.name = "iban", .replacement = "(Konto)"},
		{.name = "ticket", .pattern = "TCK-(?<secret>\\d+)", .mode = REDACT_HASH}};
	const struct redact_options options = {.key = key, .key_len = sizeof(key) - 1};
	struct fixture f = fixture_new(rules, ARRAY_SIZE(rules), &options);

	unsigned char sum[32], message[] = "email\0jane@example.com";
	unsigned int len = 0;
	HMAC(EVP_sha256(), key, sizeof(key) - 1, message, sizeof(message) - 1, sum, &len);
	char want[64];
	snprintf(want, sizeof(want), "[email:%02x%02x%02x%02x%02x%02x]", sum[0], sum[1], sum[2], sum[3],
		 sum[4], sum[5]);
	assert_redacted(&f, "jane@example.com", want);
	assert_redacted(&f, "Jane@Example.COM", want);
	assert_redacted(&f, want, want);
	_cleanup_free_ char *other = redacted(&f, "jane@example.org", 16, NULL);
	assert_string_not_equal(other, want);

	assert_redacted(&f, "x 4111 1111 1111 1111 y", "x  y");
	assert_redacted(&f, "{\"n\":4111111111111111}", "{\"n\":null}");
	assert_redacted(&f, "DE89370400440532013000!", "(Konto)!");
	_cleanup_free_ char *ticket = redacted(&f, "TCK-123 and TCK-123", 19, NULL);
	assert_int_equal(strncmp(ticket, "TCK-[ticket:", 12), 0);
	assert_int_equal(strncmp(ticket + 4, ticket + strlen(ticket) - 21, 21), 0);
	fixture_done(&f);
}

static int own_hash(void *ctx, const char *rule, const char *value, size_t len, uint8_t ret_sum[static 32])
{
	assert_string_equal(rule, "phone");
	assert_memory_equal(value, "4930901820", len);
	memset(ret_sum, *(int *)ctx, 32);
	return *(int *)ctx < 0 ? -EIO : 0;
}

static void test_hash_function(void **state)
{
	(void)state;
	int byte = 0x12;
	const struct redact_rule rule = {.name = "phone", .mode = REDACT_HASH};
	const struct redact_options options = {.hash = own_hash, .hash_ctx = &byte};
	struct fixture f = fixture_new(&rule, 1, &options);
	/* A hash of digits alone gets a letter, so that no rule takes it for a number. */
	assert_redacted(&f, "+49 (30) 90-18-20", "[phone:121212b21212]");
	assert_redacted(&f, "+49 30 901820", "[phone:121212b21212]");
	byte = -1;
	char *out = NULL;
	size_t len = 0;
	assert_int_equal(redact_text(f.r, f.s, "+49 30 901820", 13, "", NULL, NULL, &out, &len), -EIO);
	assert_null(out);
	fixture_done(&f);
}

static void test_bytes(void **state)
{
	(void)state;
	struct fixture f = all_new();
	char *out = NULL;
	size_t len = 0;
	assert_int_equal(redact_text(f.r, f.s, "x\0a@b.co\0y", 10, "", NULL, NULL, &out, &len), 1);
	assert_int_equal(len, 11);
	assert_memory_equal(out, "x\0[email]\0y", 12);
	free(out);
	assert_redacted(&f, "caf\xc3 a@b.co", "[withheld:utf-8]");
	assert_int_equal(f.report.withheld, 1);
	assert_string_equal(f.report.hits[0].rule, "utf-8");
	assert_true(f.report.hits[0].withheld);
	assert_int_equal(redact_text(f.r, f.s, NULL, 0, "", NULL, NULL, &out, &len), 0);
	fixture_done(&f);
}

/* Whatever stands before and after, and wherever the text ends. */
static void test_every_cut(void **state)
{
	(void)state;
	static const char text[] = "Name: J\xc3\xb6rg, j.d@example.com, +49 30 901820, 4111-1111-1111-1111, "
				   "DE89 3704 0044 0532 0130 00, "
				   "10.20.30.40, 2001:db8::17:1, {\"api_key\": "
				   "\"0123456789abcdef0123456789abcdef\"}, \\u0040 \\n "
				   "536-22-8714, https://u:p4ss@h/, data:x;base64,AAAA, -----BEGIN PRIVATE "
				   "KEY-----\\nMIIEvgIBADANBgkqhkiG";
	struct fixture f = all_new();
	const size_t all = sizeof(text) - 1;
	for (size_t from = 0; from < all; from++)
		for (size_t to = from; to <= all; to += from % 7 ? 13 : 1) {
			_cleanup_free_ char *out = redacted(&f, text + from, to - from, NULL);
			_cleanup_free_ char *again = redacted(&f, out, strlen(out), NULL);
			assert_string_equal(out, again);
		}
	assert_redacted(&f, text,
			"Name: J\xc3\xb6rg, [email], [phone], [card], [iban], [ip], [ip], {\"api_key\": "
			"\"[azure-key]\"}, "
			"\\u0040 \\n [us-ssn], https://u:[password]@h/, data:x;base64,AAAA, [private-key]");
	fixture_done(&f);
}

/* At every place of a long text, over the borders of strides and blocks. */
static void test_every_place(void **state)
{
	(void)state;
	const struct redact_rule rules[] = {{.name = "email"},
					    {.name = "word", .pattern = "s[e\xc3\xa9]cret\\d+"}};
	struct fixture f = fixture_new(rules, ARRAY_SIZE(rules), NULL);
	static char text[9000];
	for (size_t at = 0; at<4500; at += at> 900 && at < 1200 ? 1 : 17) {
		memset(text, 'a', sizeof(text));
		for (size_t i = 0; i + 1 < sizeof(text); i += 2)
			memcpy(text + i, "\xc3\xa4", 2);
		memcpy(text + (at & ~1ul),
		       " s\xc3\xa9"
		       "cret12345 ",
		       14);
		memcpy(text + (at & ~1ul) + 400, " jane@example.com ", 18);
		_cleanup_free_ char *out = redacted(&f, text, sizeof(text), NULL);
		assert_non_null(strstr(out, " [word] "));
		assert_non_null(strstr(out, " [email] "));
		assert_int_equal(strlen(out), sizeof(text) - 12 + 6 - 16 + 7);
	}
	fixture_done(&f);
}

/* Escapes undone are searched in blocks; a match lies on every side of their borders. */
static void test_view_blocks(void **state)
{
	(void)state;
	const struct redact_rule rule = {.name = "email"};
	struct fixture f = fixture_new(&rule, 1, NULL);
	const size_t len = 600 << 10;
	char *text = malloc(len);
	assert_non_null(text);
	for (size_t at = (256 << 10) - 40; at < (256 << 10) + 40; at += 7) {
		memset(text, '.', len);
		memcpy(text, "\\n ", 3);
		memcpy(text + at, " jane\\u0040example.com ", 23);
		_cleanup_free_ char *out = redacted(&f, text, len, NULL);
		assert_non_null(strstr(out, " [email] "));
	}
	free(text);
	fixture_done(&f);
}

static void test_context(void **state)
{
	(void)state;
	struct fixture f = all_new();
	static const char key[] = "0123456789abcdef0123456789abcdef";
	_cleanup_free_ char *with = redacted(&f, key, 32, "Ocp-Apim-Subscription-Key");
	_cleanup_free_ char *without = redacted(&f, key, 32, "etag");
	_cleanup_free_ char *password = redacted(&f, "hunter2", 7, "userPassword");
	_cleanup_free_ char *ssn = redacted(&f, "536228714", 9, "ssn");
	assert_string_equal(with, "[azure-key]");
	assert_string_equal(without, key);
	assert_string_equal(password, "[password]");
	assert_string_equal(ssn, "[us-ssn]");
	fixture_done(&f);
}

static const struct {
	struct redact_rule rules[2];
	size_t rule, offset;
} refused[] = {
	{{{.name = "emails"}}, 0, 0},
	{{{.name = "Email"}}, 0, 0},
	{{{.name = NULL}}, 0, 0},
	{{{.name = "email"}, {.name = "x", .pattern = "a("}}, 1, 2},
	{{{.name = "email"}, {.name = "x", .pattern = "[a-"}}, 1, 3},
	{{{.name = "email"}, {.name = "x", .pattern = "a*"}}, 1, 0},
	{{{.name = "email"}, {.name = "x", .pattern = ""}}, 1, 0},
	{{{.name = "email"}, {.name = "email", .pattern = "a"}}, 1, 0},
	{{{.name = "x", .pattern = "a"}, {.name = "x", .pattern = "b"}}, 1, 0},
	{{{.name = "x", .pattern = "\\C"}, {.name = "email"}}, 0, 2},
	{{{.name = "email", .mode = REDACT_HASH}}, 0, 0},
	{{{.name = "email", .replacement = "a\"b"}}, 0, 0},
	{{{.name = "email", .replacement = "a\nb"}}, 0, 0},
	{{{.name = "email", .replacement = "\xff"}}, 0, 0},
	{{{.name = "email", .replacement = "x", .mode = REDACT_DROP}}, 0, 0},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct redactor *r = NULL;
		struct redact_error error = {.rule = 99};
		const size_t n = refused[i].rules[1].name ? 2 : 1;
		assert_int_equal(redactor_new(&r, refused[i].rules, n, NULL, &error), -EINVAL);
		assert_int_equal(redactor_new(&r, refused[i].rules, n, NULL, NULL), -EINVAL);
		assert_null(r);
		assert_int_equal(error.rule, refused[i].rule);
		assert_int_equal(error.offset, refused[i].offset);
		assert_true(strlen(error.text) > 5);
	}
	struct redact_rule many[REDACT_RULES_MAX + 1];
	char names[REDACT_RULES_MAX + 1][8];
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		snprintf(names[i], sizeof(names[i]), "r%zu", i);
		many[i] = (struct redact_rule){.name = names[i], .pattern = "abc"};
	}
	struct redactor *r = NULL;
	assert_int_equal(redactor_new(&r, many, ARRAY_SIZE(many), NULL, NULL), -E2BIG);
	assert_int_equal(redactor_new(&r, many, REDACT_RULES_MAX, NULL, NULL), 0);
	redactor_free(&r);
}

static void test_names(void **state)
{
	(void)state;
	size_t n = 0;
	for (const char *what; redact_builtin_name(n, &what); n++) {
		assert_true(redact_is_builtin(redact_builtin_name(n, NULL)));
		assert_true(strlen(what) > 3);
	}
	assert_true(n > 45);
	assert_false(redact_is_builtin("nobody"));
	/* A rule that comes again counts where it came first. */
	const struct redact_rule rules[] = {{.name = "us-ssn", .replacement = "#"}, {.name = "national-id"}};
	struct fixture f = fixture_new(rules, 2, NULL);
	assert_redacted(&f, "536-22-8714 and 44051401359", "# and [pl-pesel]");
	fixture_done(&f);
	struct fixture none = fixture_new(NULL, 0, NULL);
	assert_redacted(&none, "jane@example.com", "jane@example.com");
	fixture_done(&none);
}

/* An operator's pattern does not see what a replacement says. */
static void test_replacement_is_left(void **state)
{
	(void)state;
	const struct redact_rule rules[] = {{.name = "email"},
					    {.name = "word", .pattern = "(?i)e-?mail|word"}};
	struct fixture f = fixture_new(rules, 2, NULL);
	assert_redacted(&f, "email jane@example.com, Word", "[word] [email], [word]");
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_hash_function),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_every_place),
		cmocka_unit_test(test_view_blocks),
		cmocka_unit_test(test_context),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_replacement_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
