/* SPDX-License-Identifier: Apache-2.0 */
/* No memory that is given back still holds what was redacted: every block is looked at when it is freed.
 * Nothing to do under ASan, which owns free(). */
#include "redact_fixture.h"

#include <malloc.h>

__attribute__((unused)) static const char marks[2][16] = {"hunter.jane@", "0049309018"};
static volatile unsigned int looking;
static volatile unsigned int left;

#ifndef __SANITIZE_ADDRESS__
extern void __libc_free(void *p);

void free(void *p)
{
	if (p && looking)
		for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
			left += memmem(p, malloc_usable_size(p), marks[i], strlen(marks[i])) != NULL;
	__libc_free(p);
}
#endif

static const char secret[] = "x hunter.jane@example.com y 0049309018200 z";

static void test_sees(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
	char *p = strdup(secret);
	looking = 1;
	free(p);
	looking = 0;
	assert_true(left > 0);
	left = 0;
}

static void run(const struct redact_options *options, enum redact_mode mode)
{
	const struct redact_rule rules[] = {{.name = "email", .mode = mode},
					    {.name = "phone", .mode = mode},
					    {.name = "own", .pattern = "y"}};
	struct fixture f = fixture_new(rules, ARRAY_SIZE(rules), options);
	char big[9000] = "", json[600], *out = NULL;
	size_t len = 0;
	while (strlen(big) < 8000)
		strcat(big, secret);
	snprintf(json, sizeof(json), "{\"a\":\"%s\",\"b\":\"\\n{\\\"c\\\":\\\"%s\\\"}\"}", secret, secret);
	json_t *value = json_pack("{s:[{s:s},{s:s}],s:s,s:s}", "p", "text", "x hunter.jane@exam", "text",
				  "ple.com 0049309018200", "n", big, "hunter.jane@example.com", "v");
	looking = 1;
	assert_int_equal(redact_text(f.r, f.s, big, strlen(big), "", NULL, NULL, &out, &len), 1);
	free(out);
	assert_int_equal(redact_text(f.r, f.s, json, strlen(json), "", NULL, NULL, &out, &len), 1);
	free(out);
	assert_int_equal(redact_json(f.r, f.s, &value, "", NULL, NULL), 1);
	json_decref(value);
	fixture_done(&f);
	looking = 0;
	assert_int_equal(left, 0);
}

static void test_cleared(void **state)
{
	(void)state;
	static const uint8_t key[] = "k";
	const struct redact_options options = {.names = true, .across_parts = true, .key = key, .key_len = 1};
	run(&options, REDACT_MASK);
	run(&options, REDACT_HASH);
	run(&options, REDACT_DROP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sees),
		cmocka_unit_test(test_cleared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
