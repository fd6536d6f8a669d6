/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/utf8.h"
#include "event/json_text.h"

static struct json_text w;

static int setup(void **state)
{
	(void)state;
	json_text_init(&w, SIZE_MAX / 4);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	json_text_done(&w);
	return 0;
}

static const char *text(void)
{
	return (const char *)w.out.data;
}

static void again(void)
{
	json_text_done(&w);
	json_text_init(&w, SIZE_MAX / 4);
}

static void test_shape(void **state)
{
	(void)state;
	json_text_open(&w, NULL, '{');
	json_text_string(&w, "a", "x");
	json_text_string(&w, "absent", NULL);
	json_text_value(&w, "absent", NULL);
	json_text_open(&w, "empty", '{');
	json_text_close(&w, '}');
	json_text_open(&w, "list", '[');
	json_text_int(&w, NULL, -1);
	json_text_open(&w, NULL, '[');
	json_text_close(&w, ']');
	json_text_bool(&w, NULL, true);
	json_text_close(&w, ']');
	json_text_uint(&w, "max", UINT64_MAX);
	json_text_int(&w, "min", INT64_MIN);
	json_text_real(&w, "r", 0.5);
	json_text_bool(&w, "b", false);
	json_text_stringn(&w, "s", "", 0);
	json_text_close(&w, '}');
	assert_int_equal(w.error, 0);
	assert_int_equal(w.depth, 0);
	assert_string_equal(text(),
			    "{\"a\":\"x\",\"empty\":{},\"list\":[-1,[],true],\"max\":18446744073709551615,"
			    "\"min\":-9223372036854775808,\"r\":0.5,\"b\":false,\"s\":\"\"}");
}

static void test_escapes(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
		uint64_t replaced;
	} rows[] = {
		{"", 0, "\"\"", 0},
		{"plain", 5, "\"plain\"", 0},
		{"\"\\/", 3, "\"\\\"\\\\/\"", 0},
		{"\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\"", 0},
		{"a\0b", 3, "\"a\\u0000b\"", 0},
		{"\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\"", 0},
		{"\xe2\x80\xa8\xe2\x80\xa9", 6, "\"\xe2\x80\xa8\xe2\x80\xa9\"", 0},
		{"\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"", 0},
		{"\xff", 1, "\"\xef\xbf\xbd\"", 1},
		{"a\xc3(\"\xed\xa0\x80z", 8, "\"a\xef\xbf\xbd(\\\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"",
		 4},
		{"\xf0\x9f\x98", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", 3},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t *copy = guard_copy(rows[i].in, rows[i].len);
		json_text_stringn(&w, NULL, (const char *)copy, rows[i].len);
		guard_free(copy, rows[i].len);
		assert_string_equal(text(), rows[i].out);
		assert_int_equal(w.replaced, rows[i].replaced);
		again();
	}
}

static uint64_t seed = 88172645463325252ULL;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Random bytes: always well-formed JSON in UTF-8, and what was UTF-8 comes back as it was. */
static void test_any_bytes(void **state)
{
	(void)state;
	for (int round = 0; round < 3000; round++) {
		char data[64];
		size_t len = next_random() % sizeof(data);
		for (size_t i = 0; i < len; i++)
			data[i] = (char)(round % 2 ? next_random() & 0x7f : next_random());
		json_text_open(&w, NULL, '{');
		json_text_stringn(&w, "s", data, len);
		json_text_close(&w, '}');
		assert_true(utf8_valid(text(), w.out.len, NULL));
		json_t *back = json_loadb(text(), w.out.len, JSON_ALLOW_NUL, NULL);
		assert_non_null(back);
		const json_t *s = json_object_get(back, "s");
		assert_int_equal(w.replaced == 0, utf8_valid(data, len, NULL));
		if (w.replaced == 0) {
			assert_int_equal(json_string_length(s), len);
			assert_memory_equal(json_string_value(s), data, len);
		}
		json_decref(back);
		again();
	}
}

static void check_real(double value)
{
	json_text_open(&w, NULL, '[');
	json_text_real(&w, NULL, value);
	json_text_close(&w, ']');
	json_error_t error;
	json_t *back = json_loadb(text(), w.out.len, 0, &error);
	if (!back)
		fail_msg("%a: %s: %s", value, text(), error.text);
	const json_t *item = json_array_get(back, 0);
	if (!json_is_real(item))
		fail_msg("%s is no real", text());
	double got = json_real_value(item);
	if (memcmp(&got, &value, sizeof(got)) != 0)
		fail_msg("%a became %a by %s", value, got, text());
	json_decref(back);
	again();
}

static void check_reals(void)
{
	static const double values[] = {0.0,
					-0.0,
					1.0,
					-1.0,
					0.1,
					1e21,
					1e22,
					1e300,
					DBL_MAX,
					-DBL_MAX,
					DBL_MIN,
					5e-324,
					1.0 / 3,
					29.1074,
					1e15,
					1e16,
					123456789012345678.0,
					0.30000000000000004,
					2.2250738585072011e-308};
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		check_real(values[i]);
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = next_random();
		double value;
		memcpy(&value, &bits, sizeof(value));
		if (isfinite(value))
			check_real(value);
		check_real((double)(int64_t)(bits >> 40) / 1000.0);
	}
}

static void test_reals(void **state)
{
	(void)state;
	check_reals();
	json_text_open(&w, NULL, '[');
	json_text_real(&w, NULL, (double)NAN);
	json_text_real(&w, NULL, (double)INFINITY);
	json_text_real(&w, NULL, 0.1);
	json_text_real(&w, NULL, 12.345);
	json_text_real(&w, NULL, 7);
	json_text_real(&w, NULL, 1e22);
	json_text_real(&w, NULL, 0.30000000000000004);
	json_text_close(&w, ']');
	assert_string_equal(text(), "[null,null,0.1,12.345,7.0,1e+22,0.30000000000000004]");
}

/* A locale made here, for the machine may have none but C. */
static void test_locale(void **state)
{
	char folder[] = "/tmp/oaitap-locale-XXXXXX", command[512];
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null", folder);
	bool made = system(command) == 0;
	setenv("LOCPATH", folder, 1);
	bool set = made && setlocale(LC_NUMERIC, "de_DE.UTF-8");
	if (set) {
		char probe[16];
		snprintf(probe, sizeof(probe), "%.1f", 0.5);
		assert_string_equal(probe, "0,5");
		json_text_real(&w, NULL, 0.5);
		assert_string_equal(text(), "0.5");
		again();
		json_text_real(&w, NULL, 1.25e-30);
		assert_string_equal(text(), "1.25e-30");
		setlocale(LC_NUMERIC, "C");
	}
	unsetenv("LOCPATH");
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
	if (!set)
		skip();
}

static void check_tree(const char *json)
{
	json_error_t error;
	json_t *tree = json_loads(json, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	assert_non_null(tree);
	json_text_value(&w, NULL, tree);
	assert_int_equal(w.error, 0);
	assert_int_equal(w.depth, 0);
	json_t *back = json_loadb(text(), w.out.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	assert_non_null(back);
	assert_true(json_equal(tree, back));
	assert_null(strchr(text(), '\n'));
	json_decref(tree);
	json_decref(back);
	again();
}

static void test_trees(void **state)
{
	(void)state;
	check_tree("null");
	check_tree("[]");
	check_tree("{}");
	check_tree("\"\"");
	check_tree("[1, -9223372036854775808, 1.5, 1e-7, true, false, null, \"\", [[]], {}]");
	check_tree("{\"a\": {\"b\": [{\"c\": \"\\u0000\\n\\\"\\\\ \\ud83d\\ude00\"}]}, \"\": 1, "
		   "\"k\\\"\\n\": [{}]}");
}

static json_t *nest(size_t depth, bool object)
{
	json_t *tree = json_string("core \"x\"");
	for (size_t i = 0; i < depth; i++)
		tree = object ? json_pack("{so}", "k", tree) : json_pack("[o]", tree);
	assert_non_null(tree);
	return tree;
}

static size_t deepest(const char *json, size_t len)
{
	size_t depth = 0, max = 0;
	bool string = false;
	for (size_t i = 0; i < len; i++) {
		if (string && json[i] == '\\')
			i++;
		else if (json[i] == '"')
			string = !string;
		else if (!string && strchr("[{", json[i]))
			max = MAX(max, ++depth);
		else if (!string && strchr("]}", json[i]))
			depth--;
	}
	return max;
}

static void test_depth(void **state)
{
	static const size_t depths[] = {JSON_TEXT_DEPTH_MAX - 1, JSON_TEXT_DEPTH_MAX, JSON_TEXT_DEPTH_MAX + 1,
					2000, 6000};
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(depths); i++) {
		size_t depth = depths[i / 2];
		json_t *tree = nest(depth, i % 2);
		json_text_value(&w, NULL, tree);
		assert_int_equal(w.error, 0);
		assert_int_equal(deepest(text(), w.out.len), MIN(depth, (size_t)JSON_TEXT_DEPTH_MAX));
		assert_int_equal(w.flattened, depth > JSON_TEXT_DEPTH_MAX);
		json_t *back = json_loadb(text(), w.out.len, 0, NULL);
		assert_non_null(back);
		json_decref(back);
		if (depth == 2000)
			assert_non_null(strstr(text(), "core")); /* nothing is lost, but its form */
		json_decref(tree);
		again();
	}
}

static void test_secrets(void **state)
{
	json_t *tree = json_pack("{s:[s,s],s:s,s:i}", "a", "x SECRET1 y SECRET2SECRET1", "SECRET", "kSECRET2",
				 "v", "n", 1);
	(void)state;
	assert_int_equal(json_text_hide(&w, "SECRET1", 7), 0);
	assert_int_equal(json_text_hide(&w, "SECRET2", 7), 0);
	assert_int_equal(json_text_hide(&w, "never", 5), 0);
	json_text_value(&w, NULL, tree);
	json_decref(tree);
	assert_null(strstr(text(), "SECRET1"));
	assert_null(strstr(text(), "SECRET2"));
	assert_non_null(strstr(text(), "\"x [credential] y [credential][credential]\",\"SECRET\""));
	assert_non_null(strstr(text(), "\"k[credential]\":\"v\""));
	assert_int_equal(w.hidden, 4);

	/* Below the depth limit too. */
	again();
	tree = json_string("SECRET1");
	for (int i = 0; i < JSON_TEXT_DEPTH_MAX + 5; i++)
		tree = json_pack("[o]", tree);
	json_text_hide(&w, "SECRET1", 7);
	json_text_value(&w, NULL, tree);
	json_decref(tree);
	assert_null(strstr(text(), "SECRET1"));
	assert_int_equal(w.hidden, 1);

	again();
	for (int i = 0; i < JSON_TEXT_SECRETS_MAX; i++)
		assert_int_equal(json_text_hide(&w, "s", 1), 0);
	assert_int_equal(json_text_hide(&w, "s", 1), -E2BIG);
}

static void test_ceiling(void **state)
{
	(void)state;
	json_text_done(&w);
	json_text_init(&w, 20);
	json_text_open(&w, NULL, '[');
	json_text_string(&w, NULL, "123456789");
	assert_int_equal(w.error, 0);
	json_text_string(&w, NULL, "123456789");
	assert_int_equal(w.error, -E2BIG);
	size_t len = w.out.len;
	json_text_int(&w, NULL, 1);
	json_text_close(&w, ']');
	assert_int_equal(w.out.len, len);
}

/* The sanitizer's memmem() looks at the whole text on each call. */
#ifdef __SANITIZE_ADDRESS__
#define LINEAR_LEN (512 << 10)
#else
#define LINEAR_LEN (4 << 20)
#endif

/* Big hostile strings take time in proportion: a quadratic writer would need minutes. */
static void test_linear(void **state)
{
	static const char *const units[] = {"a", "\xff", "\n", "\xc3\xbc", "SECRETSECRET", "SECRE"};
	size_t len = LINEAR_LEN;
	char *data = malloc(len);
	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t n = strlen(units[i]);
		for (size_t k = 0; k < len; k++)
			data[k] = units[i][k % n];
		json_text_hide(&w, "SECRET", 6);
		json_text_hide(&w, "never to be found", 17);
		uint64_t start = clock_mono_ns();
		json_text_stringn(&w, NULL, data, len);
		uint64_t took = clock_mono_ns() - start;
		assert_int_equal(w.error, 0);
		if (took > 10 * NSEC_PER_SEC)
			fail_msg("%zu: %llu ms", i, (unsigned long long)(took / NSEC_PER_MSEC));
		again();
	}
	free(data);
}

#define fresh(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(test_shape),   fresh(test_escapes), fresh(test_any_bytes), fresh(test_reals),
		fresh(test_locale),  fresh(test_trees),	  fresh(test_depth),	 fresh(test_secrets),
		fresh(test_ceiling), fresh(test_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
