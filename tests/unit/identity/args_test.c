/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <string.h>

#include "base/macro.h"
#include "identity/identity.h"

/* Made up, all of them. */
#define SK   "sk-proj-Zz01Yy23Xx45Ww67"
#define JWT  "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
#define LONG "0a1b2c3d4e5f60718293a4b5c6d7e8f9"

struct row {
	const char *args; /* with its NULs but the last */
	size_t len;
	const char *want; /* as JSON */
};

#define ROW(args, want)                                                                                      \
	{                                                                                                    \
		args, sizeof(args), want                                                                     \
	}

static const struct row rows[] = {
	ROW("python3\0app.py", "[\"python3\",\"app.py\"]"),
	ROW("x\0--api-key\0hello\0--v", "[\"x\",\"--api-key\",\"[masked]\",\"--v\"]"),
	ROW("x\0--token=hello\0y", "[\"x\",\"--token=[masked]\",\"y\"]"),
	ROW("x\0--API_KEY=hello", "[\"x\",\"--API_KEY=[masked]\"]"),
	ROW("x\0--token\0--next", "[\"x\",\"--token\",\"--next\"]"),
	ROW("env\0OPENAI_API_KEY=" SK "\0x", "[\"env\",\"OPENAI_API_KEY=[masked]\",\"x\"]"),
	ROW("x\0" SK, "[\"x\",\"[masked]\"]"),
	ROW("x\0pre " SK " post", "[\"x\",\"pre [masked] post\"]"),
	ROW("x\0--note=" JWT, "[\"x\",\"--note=[masked]\"]"),
	ROW("x\0" LONG, "[\"x\",\"[masked]\"]"),
	ROW("curl\0-H\0Authorization: Bearer abc", "[\"curl\",\"-H\",\"Authorization:[masked]\"]"),
	ROW("curl\0-H\0api-key: abc", "[\"curl\",\"-H\",\"api-key:[masked]\"]"),
	ROW("curl\0-d\0{\"api_key\": \"abc\", \"n\": 1}",
	    "[\"curl\",\"-d\",\"{\\\"api_key\\\":[masked]\\\", \\\"n\\\": 1}\"]"),
	ROW("x\0https://joe:pass@host/a", "[\"x\",\"https://joe:[masked]@host/a\"]"),
	ROW("x\0https://joe@host:8080/a", "[\"x\",\"https://joe@host:8080/a\"]"),
	ROW("x\0https://h/a?sig=abc&n=1", "[\"x\",\"https://h/a?sig=[masked]&n=1\"]"),
	ROW("x\0--password\0", "[\"x\",\"--password\",\"[masked]\"]"),
	ROW("/usr/lib/jvm/java-17-openjdk-amd64/bin/java\0-Xmx512m",
	    "[\"/usr/lib/jvm/java-17-openjdk-amd64/bin/java\",\"-Xmx512m\"]"),
	ROW("x\0--max-tokens=5\0--monkeys", "[\"x\",\"--max-tokens=5\",\"--monkeys\"]"),
	ROW("x\0disk-0123456789\0a=b", "[\"x\",\"disk-0123456789\",\"a=b\"]"),
	ROW("x\0\xff\xfe", "[\"x\",\"??\"]"),
	ROW("", "[\"\"]"),
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t *args = guard_copy(rows[i].args, rows[i].len);
		json_t *list = identity_args_masked((const char *)args, rows[i].len);
		char *text = json_dumps(list, JSON_COMPACT);
		if (strcmp(text, rows[i].want) != 0)
			fail_msg("row %zu: %s, not %s", i, text, rows[i].want);
		free(text);
		json_decref(list);
		guard_free(args, rows[i].len);
	}
}

/* Cut anywhere, nothing is read beyond the end, and no secret that is whole comes out. */
static void test_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t cut = 0; cut < rows[i].len; cut++) {
			uint8_t *args = guard_copy(rows[i].args, cut);
			json_t *list = identity_args_masked((const char *)args, cut);
			char *text = json_dumps(list, JSON_COMPACT);
			assert_null(strstr(text, SK));
			assert_null(strstr(text, JWT));
			assert_null(strstr(text, LONG));
			free(text);
			json_decref(list);
			guard_free(args, cut);
		}
}

static void test_many(void **state)
{
	static char args[4096];
	(void)state;
	memset(args, 0, sizeof(args));
	json_t *list = identity_args_masked(args, sizeof(args));
	assert_int_equal(json_array_size(list), IDENTITY_ARGS_MAX);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
