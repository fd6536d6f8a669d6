/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation in turn fails: the call says so, or got by without; nothing is left behind, and nothing
 * half redacted is given out as a text. */
#include "redact_fixture.h"

#include "tests/unit/openai/faults.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <openssl/hmac.h>

/* The libraries' own: PCRE2 10.42 does not check all allocations while it makes machine code and leaks what
 * it has got of a stack, and libcrypto keeps a record of each failure. These fail as a whole. */
static void *real(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);
	if (!f)
		abort();
	return f;
}

int pcre2_jit_compile_8(pcre2_code *code, uint32_t jit_options)
{
	static int (*call)(pcre2_code *, uint32_t);
	if (!call)
		*(void **)&call = real("pcre2_jit_compile_8");
	if (fails())
		return PCRE2_ERROR_NOMEMORY;
	in_loader = true;
	int r = call(code, jit_options);
	in_loader = false;
	return r;
}

pcre2_jit_stack *pcre2_jit_stack_create_8(size_t start, size_t max, pcre2_general_context *context)
{
	static pcre2_jit_stack *(*call)(size_t, size_t, pcre2_general_context *);
	if (!call)
		*(void **)&call = real("pcre2_jit_stack_create_8");
	if (fails())
		return NULL;
	in_loader = true;
	pcre2_jit_stack *stack = call(start, max, context);
	in_loader = false;
	return stack;
}

unsigned char *HMAC(const EVP_MD *md, const void *hmac_key, int key_len, const unsigned char *data,
		    size_t len, unsigned char *sum, unsigned int *sum_len)
{
	static unsigned char *(*call)(const EVP_MD *, const void *, int, const unsigned char *, size_t,
				      unsigned char *, unsigned int *);
	if (!call)
		*(void **)&call = real("HMAC");
	if (fails())
		return NULL;
	in_loader = true;
	unsigned char *r = call(md, hmac_key, key_len, data, len, sum, sum_len);
	in_loader = false;
	return r;
}

static const uint8_t key[] = "key";
static const struct redact_rule rules[] = {
	{.name = "secrets"},
	{.name = "email", .mode = REDACT_HASH},
	{.name = "card", .mode = REDACT_DROP},
	{.name = "phone"},
	{.name = "own", .pattern = "own-(?<secret>\\d+)"},
};
static const struct redact_options options = {.names = true, .across_parts = true, .key = key, .key_len = 3};

static int make(size_t i)
{
	struct redactor *r = NULL;
	struct redact_scratch *s = NULL;
	(void)i;
	int err = redactor_new(&r, rules, ARRAY_SIZE(rules), &options, NULL);
	if (err == 0)
		err = redact_scratch_new(&s);
	redact_scratch_free(&s);
	redactor_free(&r);
	return err;
}

static struct redactor *redactor;

static const char *const texts[] = {
	"mail jane@example.com, 4111 1111 1111 1111, own-77, \\u0040 \\n",
	"{\"a\":\"jane\\u0040example.com\",\"n\":4111111111111111,\"d\":\"{\\\"x\\\":\\\"+49 30 "
	"901820\\\"}\"}",
	"\xff",
};

static int run_text(size_t i)
{
	struct redact_scratch *s = NULL;
	struct redact_report report = {0};
	char *out = NULL;
	size_t len = 0;
	int err = redact_scratch_new(&s);
	if (err == 0) {
		err = redact_text(redactor, s, texts[i], strlen(texts[i]), "/p", NULL, &report, &out, &len);
		assert_true(err == 1 || (err == -ENOMEM && !out));
	}
	free(out);
	redact_report_done(&report);
	redact_scratch_free(&s);
	return err < 0 ? err : 0;
}

static const char value_text[] = "{\"jane@example.com\":\"x\",\"content\":[{\"text\":\"jane@exam\"},{"
				 "\"text\":\"ple.com own-5\"}],\"n\":4111111111111111,"
				 "\"list\":[5555555555554444,\"+49 30 901820\"]}";

static int run_value(size_t i)
{
	struct redact_scratch *s = NULL;
	struct redact_report report = {0};
	json_error_t error;
	json_t *copy = NULL, *value = json_loadb(value_text, sizeof(value_text) - 1, 0, &error);
	(void)i;
	int err = value ? redact_scratch_new(&s) : -ENOMEM;
	if (err == 0)
		err = redact_json_copy(redactor, s, value, "/p", NULL, &report, &copy);
	assert_true(err >= 0 || !copy);
	json_decref(copy);
	if (err == 1)
		err = redact_json(redactor, s, &value, "/p", NULL, &report);
	json_decref(value);
	redact_report_done(&report);
	redact_scratch_free(&s);
	return err < 0 ? err : 0;
}

static void test_make(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	/* Machine code alone fails then, and without it things go on. */
	faults_each(make, 0, false);
#else
	faults_each(make, 0, true);
#endif
}

static void test_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		faults_each(run_text, i, true);
}

static void test_value(void **state)
{
	(void)state;
	faults_each(run_value, 0, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_make),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_value),
	};
	faults_init();
	if (redactor_new(&redactor, rules, ARRAY_SIZE(rules), &options, NULL) < 0)
		return 1;
	int failed_tests = cmocka_run_group_tests(tests, NULL, NULL);
	redactor_free(&redactor);
	return failed_tests;
}
