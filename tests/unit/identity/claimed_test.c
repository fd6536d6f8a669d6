/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "identity/claimed.h"

static char *claimed(const char *parameters, const struct identity_header *headers, size_t n)
{
	json_t *body = parameters ? json_loads(parameters, JSON_DECODE_ANY, NULL) : NULL;
	json_t *found = (json_t *)(uintptr_t)-1;
	assert_true(body || !parameters);
	assert_int_equal(identity_claimed_read(body, headers, n, &found), 0);
	char *text = found ? json_dumps(found, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(body);
	json_decref(found);
	return text;
}

static void test_bodies(void **state)
{
	static const struct {
		const char *parameters, *claimed;
	} rows[] = {
		{NULL, NULL},
		{"{}", NULL},
		{"[]", NULL},
		{"{\"temperature\":1}", NULL},
		{"{\"user\":\"ann\"}", "{\"user\":\"ann\"}"},
		{"{\"safety_identifier\":\"h\"}", "{\"safety-identifier\":\"h\"}"},
		{"{\"user\":\"ann\",\"safety_identifier\":\"h\",\"user_security_context\":{\"application_"
		 "name\":\"a\","
		 "\"end_user_id\":\"e\",\"end_user_tenant_id\":\"t\",\"source_ip\":\"10.0.0.1\",\"other\":"
		 "\"x\"}}",
		 "{\"application-name\":\"a\",\"end-user-id\":\"e\",\"end-user-tenant-id\":\"t\",\"safety-"
		 "identifier\":\"h\",\"source-ip\":\"10.0.0.1\",\"user\":\"ann\"}"},
		/* of other types, empty, nested */
		{"{\"user\":7}", NULL},
		{"{\"user\":\"\"}", NULL},
		{"{\"user\":[\"ann\"]}", NULL},
		{"{\"user_security_context\":\"x\"}", NULL},
		{"{\"user_security_context\":[{\"end_user_id\":\"e\"}]}", NULL},
		{"{\"user_security_context\":{\"end_user_id\":{\"a\":1},\"source_ip\":\"::1\"}}",
		 "{\"source-ip\":\"::1\"}"},
		{"{\"user\":\"Zo\\u00eb\\n\"}", "{\"user\":\"Zo\xc3\xab\\n\"}"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got = claimed(rows[i].parameters, NULL, 0);
		if ((got == NULL) != (rows[i].claimed == NULL) || (got && strcmp(got, rows[i].claimed) != 0))
			fail_msg("%s: %s", rows[i].parameters, got ? got : "nothing");
	}
}

static void test_headers(void **state)
{
	struct identity_header headers[] = {
		{"x-forwarded-user", "ann"}, {"x-absent", NULL},     {"x-empty", ""},
		{"x-bad", "\xff\xfe"},	     {"x-team", "\xc3\xab"},
	};
	(void)state;
	_cleanup_free_ char *both = claimed("{\"user\":\"bo\"}", headers, ARRAY_SIZE(headers));
	assert_string_equal(
		both, "{\"headers\":{\"x-forwarded-user\":\"ann\",\"x-team\":\"\xc3\xab\"},\"user\":\"bo\"}");
	_cleanup_free_ char *alone = claimed(NULL, headers, 1);
	assert_string_equal(alone, "{\"headers\":{\"x-forwarded-user\":\"ann\"}}");
	assert_null(claimed(NULL, headers + 1, 3));
}

/* Cut before the character that would not fit. */
static void test_long(void **state)
{
	char value[3 * CLAIMED_TEXT_MAX + 1];
	struct identity_header header = {"x", value};
	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		json_t *found = NULL;
		memset(value, 'a', sizeof(value) - 1);
		for (size_t i = shift; i + 3 < sizeof(value); i += 3)
			memcpy(value + i, "\xe2\x82\xac", 3);
		value[shift + 3 * CLAIMED_TEXT_MAX / 3 * 3 - 3] = 0;
		assert_int_equal(identity_claimed_read(NULL, &header, 1, &found), 0);
		const json_t *text = json_object_get(json_object_get(found, "headers"), "x");
		assert_in_range(json_string_length(text), CLAIMED_TEXT_MAX - 2, CLAIMED_TEXT_MAX);
		assert_true(utf8_valid(json_string_value(text), json_string_length(text), NULL));
		json_decref(found);
	}
}

static int allocations_left;

static void *scarce_malloc(size_t size)
{
	return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void test_out_of_memory(void **state)
{
	json_t *body =
		json_loads("{\"user\":\"ann\",\"user_security_context\":{\"source_ip\":\"1\"}}", 0, NULL);
	struct identity_header header = {"x", "y"};
	int r = -1, failures = 0;
	(void)state;
	for (int n = 0; r < 0; n++) {
		json_t *found = NULL;
		allocations_left = n;
		json_set_alloc_funcs(scarce_malloc, free);
		r = identity_claimed_read(body, &header, 1, &found);
		json_set_alloc_funcs(malloc, free);
		failures += r < 0;
		assert_int_equal(r == 0, found != NULL);
		assert_int_equal(json_object_size(found), r == 0 ? 3 : 0);
		json_decref(found);
	}
	assert_true(failures > 3);
	json_decref(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
