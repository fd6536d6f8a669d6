/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "openai/json.h"

static struct openai_json read_text(const void *text, size_t len)
{
	struct openai_json json = {0};
	uint8_t *copy = guard_copy(text, len);
	assert_int_equal(openai_json_read(copy, len, &json), 0);
	guard_free(copy, len);
	return json;
}

static const struct {
	const char *text;
	unsigned flaws;
	const char *value; /* NULL: none */
} cases[] = {
	{"{\"a\":1}", 0, "{\"a\":1}"},
	{" [1,2.5,\"x\",null,true] \r\n", 0, "[1,2.5,\"x\",null,true]"},
	{"\xef\xbb\xbf{}", 0, "{}"},
	{"3", 0, "3"},
	{"\"a\\u0000b\"", 0, "\"a\\u0000b\""},
	{"{\"n\":9223372036854775807,\"m\":-9223372036854775808}", 0,
	 "{\"n\":9223372036854775807,\"m\":-9223372036854775808}"},

	{"{\"n\":9223372036854775808,\"x\":1}", JSON_BIG_NUMBER, "{\"n\":\"9223372036854775808\",\"x\":1}"},
	{"[-9223372036854775809]", JSON_BIG_NUMBER, "[\"-9223372036854775809\"]"},
	{"[123456789012345678901234567890]", JSON_BIG_NUMBER, "[\"123456789012345678901234567890\"]"},
	{"[18446744073709551616]", JSON_BIG_NUMBER, "[\"18446744073709551616\"]"},
	{"[-36893488147419103232]", JSON_BIG_NUMBER, "[\"-36893488147419103232\"]"},
	{"{\"n\":1e999}", JSON_BIG_NUMBER, "{\"n\":\"1e999\"}"},
	{"{\"s\":\"99999999999999999999\",\"n\":99999999999999999999}", JSON_BIG_NUMBER,
	 "{\"s\":\"99999999999999999999\",\"n\":\"99999999999999999999\"}"},
	{"[\"\\ud83d\"]", JSON_SURROGATE, "[\"\xef\xbf\xbd\"]"},
	{"[\"\\uDE00x\"]", JSON_SURROGATE, "[\"\xef\xbf\xbdx\"]"},
	{"[\"\\ud83d\\ud83d\\ude00\"]", JSON_SURROGATE, "[\"\xef\xbf\xbd\xf0\x9f\x98\x80\"]"},
	{"[\"\\\\ud83d\\ud83d\"]", JSON_SURROGATE, "[\"\\\\ud83d\xef\xbf\xbd\"]"},
	{"{\"a\":1,\"b\":2,\"a\":3}", JSON_DUPLICATE, NULL}, /* order is checked below */
	{"[\"\\ud800\",99999999999999999999,{\"k\":1,\"k\":2}]",
	 JSON_SURROGATE | JSON_BIG_NUMBER | JSON_DUPLICATE,
	 "[\"\xef\xbf\xbd\",\"99999999999999999999\",{\"k\":2}]"},

	{"", JSON_CUT, NULL},
	{"  ", JSON_CUT, NULL},
	{"{", JSON_CUT, "{}"},
	{"{\"a\":12", JSON_CUT, "{}"},
	{"{\"a\":12,", JSON_CUT, "{\"a\":12}"},
	{"{\"a\":tru", JSON_CUT, "{}"},
	{"{\"a\":\"gpt-4", JSON_CUT, "{}"},
	{"{\"a\":\"gpt-4\"", JSON_CUT, "{\"a\":\"gpt-4\"}"},
	{"{\"a\":\"x\",\"b\"", JSON_CUT, "{\"a\":\"x\"}"},
	{"{\"a\":\"x\",\"b\":", JSON_CUT, "{\"a\":\"x\"}"},
	{"{\"a\":[{\"b\":\"short", JSON_CUT, "{\"a\":[{}]}"},
	{"{\"a\":[{\"b\":\"0123456789012345678901234567890123456789012345678901234567890123456789", JSON_CUT,
	 "{\"a\":[{\"b\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}]}"},
	{"{\"a\":[{\"b\":\"0123456789012345678901234567890123456789012345678901234567890123456789\\ud83d\\u",
	 JSON_CUT,
	 "{\"a\":[{\"b\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}]}"},
	{"{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123456789", JSON_CUT, "{}"},
	{"{\"n\":99999999999999999999,\"b\":[1,", JSON_CUT | JSON_BIG_NUMBER,
	 "{\"n\":\"99999999999999999999\",\"b\":[1]}"},

	{"{\"a\":1}}", JSON_BAD_SYNTAX, NULL},
	{"{\"a\":1} x", JSON_BAD_SYNTAX, NULL},
	{"{'a':1}", JSON_BAD_SYNTAX, NULL},
	{"{\"a\":01}", JSON_BAD_SYNTAX, NULL},
	{"[1,]", JSON_BAD_SYNTAX, NULL},
	{"[1 2,3", JSON_BAD_SYNTAX, NULL},
	{"[\"\\x\"]", JSON_BAD_SYNTAX, NULL},
	{"[\"\\u12\"]", JSON_BAD_SYNTAX, NULL},
	{"[\"a\nb\"]", JSON_BAD_SYNTAX, NULL},
	{"[}", JSON_BAD_SYNTAX, NULL},
	{"<html>", JSON_BAD_SYNTAX, NULL},
	{"NaN", JSON_BAD_SYNTAX, NULL},
	{"[9999999999999999999999x]", JSON_BAD_SYNTAX, NULL},
	{"{\"a\\u0000\":1}", JSON_NUL_KEY, NULL},
	{"[\"\xff\"]", JSON_BAD_UTF8, NULL},
	{"[\"\xed\xa0\x80\"]", JSON_BAD_UTF8, NULL},
	{"[\"\xc0\x80\"]", JSON_BAD_UTF8, NULL},
	{"[\"\xe2\x82", JSON_CUT, "[]"},
	{"[1]\xe2\x82", JSON_BAD_UTF8, NULL},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct openai_json json = read_text(cases[i].text, strlen(cases[i].text));
		json_auto_t *value = json.value;
		if (json.flaws != cases[i].flaws)
			print_error("case %s\n", cases[i].text);
		assert_int_equal(json.flaws, cases[i].flaws);
		if (cases[i].flaws == JSON_DUPLICATE) {
			assert_int_equal(json_integer_value(json_object_get(value, "a")), 3);
			assert_int_equal(json_object_size(value), 2);
		} else if (!(cases[i].flaws & JSON_SURROGATE) || value) {
			assert_json(value, cases[i].value);
		}
		assert_true(json.offset <= strlen(cases[i].text));
	}
}

static void test_offset(void **state)
{
	(void)state;
	static const char text[] = "{\"a\":\"0123456789\xff\"}";
	struct openai_json json = read_text(text, strlen(text));
	assert_int_equal(json.flaws, JSON_BAD_UTF8);
	assert_int_equal(json.offset, 16);
	assert_int_equal(openai_json_read(NULL, 0, &json), 0);
	assert_int_equal(json.flaws, JSON_CUT);
	static const char nul[] = "[1,\0]";
	json = read_text(nul, sizeof(nul) - 1);
	assert_int_equal(json.flaws, JSON_BAD_SYNTAX);
	assert_null(json.value);
}

/* What a cut leaves is a part of the whole: the same keys, arrays no longer, strings that begin alike. */
static bool is_part(const json_t *part, const json_t *whole)
{
	const char *key;
	json_t *value;

	if (json_typeof(part) != json_typeof(whole))
		return false;
	if (json_is_object(part)) {
		json_object_foreach ((json_t *)part, key, value)
			if (!json_object_get(whole, key) || !is_part(value, json_object_get(whole, key)))
				return false;
		return true;
	}
	for (size_t i = 0; i < json_array_size(part); i++)
		if (!json_array_get(whole, i) || !is_part(json_array_get(part, i), json_array_get(whole, i)))
			return false;
	if (json_is_array(part))
		return true;
	if (json_is_string(part))
		return json_string_length(part) <= json_string_length(whole) &&
		       !memcmp(json_string_value(part), json_string_value(whole), json_string_length(part));
	return json_equal(part, whole);
}

static void test_every_cut(void **state)
{
	(void)state;
	static const char text[] =
		"{\"model\":\"gpt-4o\",\"n\":12,\"f\":-1.5e3,\"messages\":[{\"role\":\"user\",\"content\":"
		"\"a long text with \\\"quotes\\\", \\u00e9, \\ud83d\\ude00 and gr\xc3\xbcn \xf0\x9f\x98\x80 "
		"and then "
		"some more of it until it is surely long enough "
		"\\\\\"},{\"role\":\"system\",\"content\":null}],"
		"\"deep\":[[[{\"x\":[true,false,null,[]]}]]],\"end\":{}}";
	struct openai_json full = read_text(text, strlen(text));
	json_auto_t *whole = full.value;
	assert_int_equal(full.flaws, 0);
	size_t with_content = 0;
	for (size_t len = 1; len < strlen(text); len++) {
		struct openai_json json = read_text(text, len);
		json_auto_t *value = json.value;
		assert_int_equal(json.flaws, JSON_CUT);
		assert_non_null(value);
		if (!is_part(value, whole)) {
			print_error("cut at %zu\n", len);
			assert_json(value, "a part");
		}
		const json_t *model = json_object_get(value, "model");
		assert_true(!model || json_equal(model, json_object_get(whole, "model")));
		with_content += json_array_size(json_object_get(value, "messages")) > 0;
	}
	assert_true(with_content > 100);
}

static void test_deep(void **state)
{
	(void)state;
	for (size_t depth = 2000; depth <= 100000; depth *= 7) {
		_cleanup_free_ char *text = malloc(depth * 2);
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		struct openai_json json = read_text(text, depth * 2);
		assert_int_equal(json.flaws, depth > 2048 ? JSON_TOO_DEEP : 0);
		assert_int_equal(!!json.value, depth <= 2048);
		json_decref(json.value);
		json = read_text(text, depth);
		assert_int_equal(json.flaws, depth > 2048 ? JSON_TOO_DEEP : JSON_CUT);
		json_decref(json.value);
	}
}

static void test_too_many(void **state)
{
	(void)state;
	size_t n = 1 << 20;
	_cleanup_free_ char *text = malloc(3 * n + 2);
	text[0] = '[';
	for (size_t i = 0; i < n; i++)
		memcpy(text + 1 + 3 * i, "{},", 3);
	memcpy(text + 3 * n, "]", 2);
	struct openai_json json = read_text(text, 3 * n + 1);
	assert_int_equal(json.flaws, JSON_TOO_MANY);
	assert_null(json.value);

	/* The same inside of a string is only text. */
	text[0] = '"';
	text[3 * n] = '"';
	json = read_text(text, 3 * n + 1);
	assert_int_equal(json.flaws, 0);
	json_decref(json.value);
}

static void test_name(void **state)
{
	(void)state;
	char *name = NULL;
	json_auto_t *good = json_string("gpt-4o"), *empty = json_string(""), *nul = json_stringn("a\0b", 3);
	json_auto_t *line = json_string("a\nb"), *number = json_integer(4);
	assert_int_equal(openai_json_name(good, &name), 0);
	_cleanup_free_ char *copy = name;
	assert_string_equal(copy, "gpt-4o");
	assert_true(openai_json_name(empty, &name) < 0);
	assert_true(openai_json_name(nul, &name) < 0);
	assert_true(openai_json_name(line, &name) < 0);
	assert_true(openai_json_name(number, &name) < 0);
	assert_true(openai_json_name(NULL, &name) < 0);
	assert_ptr_equal(name, copy);
}

static void test_weight(void **state)
{
	(void)state;
	json_auto_t *value = json_loads("{\"a\":[1,2,{}],\"b\":3}", 0, NULL);
	assert_int_equal(openai_json_weight(value, 1000), 8 + 8 + 2 + 8 + 1);
	assert_int_equal(openai_json_weight(value, 10), 10);
}

static json_t *random_value(unsigned depth)
{
	static const char *const texts[] = {"",
					    "a",
					    "\"\\/\b\f\n\r\t",
					    "gr\xc3\xbcn",
					    "\xf0\x9f\x98\x80",
					    "\x01",
					    "0123456789abcdef",
					    "\xef\xbf\xbf\xe0\xa0\x80"};
	char text[200] = "";
	switch (rand() % (depth ? 8 : 5)) {
	case 0:
		return json_integer(
			(json_int_t)((uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand()) >>
			rand() % 64);
	case 1:
		return json_real((rand() - RAND_MAX / 2) * (rand() % 2 ? 1e-9 : 1e25));
	case 2:
		return json_boolean(rand() % 2);
	case 3:
		return json_null();
	case 4:
		for (int i = rand() % 12; i > 0; i--)
			strcat(text, texts[(size_t)rand() % ARRAY_SIZE(texts)]);
		return json_string(text);
	case 5:
	case 6: {
		json_t *list = json_array();
		for (int i = rand() % 6; i > 0; i--)
			json_array_append_new(list, random_value(depth - 1));
		return list;
	}
	default: {
		json_t *object = json_object();
		for (int i = rand() % 6; i > 0; i--) {
			snprintf(text, sizeof(text), "%s%d", texts[(size_t)rand() % ARRAY_SIZE(texts)],
				 rand() % 9);
			json_object_set_new(object, text, random_value(depth - 1));
		}
		return object;
	}
	}
}

/* What jansson writes is read as it was, and as jansson reads it. */
static void test_like_jansson(void **state)
{
	static const size_t flags[] = {0, JSON_INDENT(3), JSON_ENSURE_ASCII,
				       JSON_COMPACT | JSON_ESCAPE_SLASH};
	(void)state;
	srand(1);
	for (int i = 0; i < 4000; i++) {
		json_auto_t *want = random_value(5);
		_cleanup_free_ char *text =
			json_dumps(want, JSON_ENCODE_ANY | flags[i % 4] | JSON_REAL_PRECISION(17));
		struct openai_json json = read_text(text, strlen(text));
		json_auto_t *value = json.value;
		json_auto_t *theirs = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_int_equal(json.flaws, 0);
		if (!json_equal(value, theirs) || !json_equal(value, want))
			fail_msg("read otherwise: %s", text);
	}
}

static void test_numbers(void **state)
{
	static const char *const texts[] = {
		"0",
		"-0",
		"-0.0",
		"0.1",
		"1e0",
		"1E+2",
		"-1.5e-3",
		"9007199254740993.0",
		"9007199254740992.5",
		"0.30000000000000004",
		"1e22",
		"1e23",
		"123456789012345678e-5",
		"4.9e-324",
		"1e-400",
		"1.7976931348623157e308",
		"2.2250738585072011e-308",
		"3.00000000000000000000000000000000000000000000000000000000000000000000000001",
		"0.000000000000000000000000000000000000000000000000000000000000000000123",
		"18446744073709551616.0",
		"1844674407370955161.6",
		"4503599627370497.5",
		"4503599627370496.5",
		"4503599627370496.499",
		"9999999999999999999e-27",
		"9999999999999999999e-28",
		"1000000000000000001e-27",
		"0.00000000000000000000000000",
		"-9223372036854775807e0",
		"9007199254740993e-1"};
	char text[64];
	(void)state;
	srand(2);
	for (size_t i = 0; i < 40000; i++) {
		if (i < ARRAY_SIZE(texts))
			snprintf(text, sizeof(text), "%.63s", texts[i]);
		else if (i % 2)
			snprintf(text, sizeof(text), "%d.%0*de%d", rand() % 1000, 1 + rand() % 12,
				 rand() % 100000, rand() % 60 - 30);
		else
			snprintf(text, sizeof(text), "%s0.%0*d%0*d", i % 4 ? "-" : "", 1 + rand() % 15,
				 rand(), rand() % 9, rand() % 100000000);
		struct openai_json json = read_text(text, strlen(text));
		json_auto_t *value = json.value;
		const double got = json_number_value(value), want = strtod(text, NULL);
		assert_int_equal(json.flaws, 0);
		if (memcmp(&got, &want, sizeof(got)) != 0 && !(json_is_integer(value) && got == want))
			fail_msg("%s is %.17g", text, got);
	}
}

/* Every escape, control character and character at every place of what is read at once. */
static void test_strings(void **state)
{
	static const struct {
		const char *text, *want;
	} marks[] = {{"\\\"", "\""},
		     {"\\\\", "\\"},
		     {"\\/", "/"},
		     {"\\b", "\b"},
		     {"\\f", "\f"},
		     {"\\n", "\n"},
		     {"\\r", "\r"},
		     {"\\t", "\t"},
		     {"\\u0041", "A"},
		     {"\\u00e9", "\xc3\xa9"},
		     {"\\u20ac", "\xe2\x82\xac"},
		     {"\\uD83D\\uDE00", "\xf0\x9f\x98\x80"},
		     {"\x7f", "\x7f"},
		     {"\xc3\xa9", "\xc3\xa9"},
		     {" ", " "},
		     {"!", "!"},
		     {"#", "#"},
		     {"[", "["},
		     {"\x01", NULL},
		     {"\x1f", NULL},
		     {"\n", NULL},
		     {"\\a", NULL},
		     {"\\u00g0", NULL}};
	static const char fill[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN";
	char text[128], want[128];
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		for (int before = 0; before <= 34; before++) {
			snprintf(text, sizeof(text), "\"%.*s%s%.21s\"", before, fill, marks[i].text, fill);
			struct openai_json json = read_text(text, strlen(text));
			json_auto_t *value = json.value;
			assert_int_equal(json.flaws, marks[i].want ? 0 : JSON_BAD_SYNTAX);
			if (!marks[i].want) {
				assert_int_equal(json.offset, 1 + before);
				continue;
			}
			snprintf(want, sizeof(want), "%.*s%s%.21s", before, fill, marks[i].want, fill);
			assert_string_equal(json_string_value(value), want);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_offset),
		cmocka_unit_test(test_every_cut), cmocka_unit_test(test_deep),
		cmocka_unit_test(test_too_many),  cmocka_unit_test(test_name),
		cmocka_unit_test(test_weight),	  cmocka_unit_test(test_like_jansson),
		cmocka_unit_test(test_numbers),	  cmocka_unit_test(test_strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
