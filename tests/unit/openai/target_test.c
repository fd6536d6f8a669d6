/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "openai/target.h"

static const struct {
	const char *target, *host;
	const char *backend, *path, *version, *problem;
} cases[] = {
	{"/v1/chat/completions", "api.openai.com", "api.openai.com", "/v1/chat/completions", NULL, NULL},
	{"/x", "Contoso.OpenAI.Azure.com:443", "contoso.openai.azure.com", "/x", NULL, NULL},
	{"/x", "api.openai.com.", "api.openai.com", "/x", NULL, NULL},
	{"/x", "api.openai.com.:8443", "api.openai.com", "/x", NULL, NULL},
	{"/x", "host:", "host", "/x", NULL, NULL},
	{"/x", "[2001:DB8::1]:8443", "[2001:db8::1]", "/x", NULL, NULL},
	{"/x", "[fe80::1%25eth0]", "[fe80::1%25eth0]", "/x", NULL, NULL},
	{"/x", "10.0.0.1:8000", "10.0.0.1", "/x", NULL, NULL},
	{"/x", NULL, NULL, "/x", NULL, NULL},
	{"/x", "", NULL, "/x", NULL, "not a host name"},
	{"/x", "[::1", NULL, "/x", NULL, "not a host name"},
	{"/x", "[]", NULL, "/x", NULL, "not a host name"},
	{"/x", "host:port", NULL, "/x", NULL, "not a host name"},
	{"/x", "host:1234567", NULL, "/x", NULL, "not a host name"},
	{"/x", "user:pw@host", NULL, "/x", NULL, "not a host name"},
	{"/x", "a b", NULL, "/x", NULL, "not a host name"},
	{"/x", "h\xc3\xb6st", NULL, "/x", NULL, "not a host name"},
	{"/x", "host/evil", NULL, "/x", NULL, "not a host name"},

	{"/x?api-version=2024-10-21", "h", "h", "/x", "2024-10-21", NULL},
	{"/x?a=b&API-Version=preview&api-version=2", "h", "h", "/x", "preview", NULL},
	{"/x?api-version=2024%2D10-21", "h", "h", "/x", "2024-10-21", NULL},
	{"/x?my-api-version=1", "h", "h", "/x", NULL, NULL},
	{"/x?api-version", "h", "h", "/x", NULL, NULL},
	{"/x?api-version=", "h", "h", "/x", NULL, "api-version is not a version"},
	{"/x?api-version=2024-10-21?api-key=SECRET", "h", "h", "/x", NULL, "api-version is not a version"},
	{"/x?api-version=%00", "h", "h", "/x", NULL, "api-version is not a version"},
	{"/x?api-version=%4", "h", "h", "/x", NULL, "api-version is not a version"},
	{"/x?api-key=SECRET&api-version=v1", "h", "h", "/x", "v1", NULL},
	{"/x#frag?api-version=v1", "h", "h", "/x", NULL, NULL},
	{"/x?api-version=v1#frag", "h", "h", "/x", "v1", NULL},
	{"/x??&&=&api-version=v1&", "h", "h", "/x", "v1", NULL},

	{"https://API.openai.com:443/v1/x?api-version=1", "other", "api.openai.com", "/v1/x", "1", NULL},
	{"https://user:SECRET@api.openai.com/v1/x", "other", "api.openai.com", "/v1/x", NULL, NULL},
	{"https://u@v:SECRET@[::1]:1/v1", NULL, "[::1]", "/v1", NULL, NULL},
	{"https://api.openai.com?x=1", NULL, "api.openai.com", "/", NULL, NULL},
	{"https://api.openai.com", NULL, "api.openai.com", "/", NULL, NULL},
	{"https://", "h", NULL, "/", NULL, "not a host name"},
	{"/redirect/https://example.com/x", "h", "h", "/redirect/https://example.com/x", NULL, NULL},
	{"*", "h", "h", "*", NULL, NULL},
	{"/a b\xff\x01%41", "h", "h", "/a%20b%FF%01%41", NULL, NULL},
	{"?api-version=1", "h", "h", "/", "1", NULL},
	{NULL, "h", "h", NULL, NULL, NULL},
	{"", "h", "h", NULL, NULL, NULL},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fx_ struct fx fx = fx_request(cases[i].target, "");
		_cleanup_(openai_target_done) struct openai_target t = {0};
		if (cases[i].host)
			fx_header(&fx, "host", cases[i].host);
		assert_int_equal(openai_target_read(&t, &fx.msg), 0);
		assert_text(t.backend, cases[i].backend);
		assert_text(t.path, cases[i].path);
		assert_text(t.api_version, cases[i].version);
		if (cases[i].problem)
			assert_says(t.problem, cases[i].problem);
		else
			assert_null(t.problem);
	}
}

/* What realtime sessions say in the query; nothing that might be something else. */
static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *query, *model, *deployment;
	} names[] = {
		{"model=gpt-realtime&deployment=rt-1", "gpt-realtime", "rt-1"},
		{"a=1&MODEL=ft%3Agpt-4o:org::id", "ft:gpt-4o:org::id", NULL},
		{"model=a&model=b", "a", NULL},
		{"xmodel=a", NULL, NULL},
		{"model=&deployment=", NULL, NULL},
		{"model=a b", NULL, NULL},
		{"model=a%26b", NULL, NULL},
		{"model=a%0a", NULL, NULL},
		{"model=%zz", NULL, NULL},
		{"model=0123456789012345678901234567890123456789012345678901234567890123", /* 64 */
		 "0123456789012345678901234567890123456789012345678901234567890123", NULL},
		{"model=01234567890123456789012345678901234567890123456789012345678901234", NULL, NULL},
		{"deployment=d#model=m", NULL, "d"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char target[256];
		snprintf(target, sizeof(target), "/v1/realtime?%s", names[i].query);
		_cleanup_fx_ struct fx fx = fx_request(target, "");
		_cleanup_(openai_target_done) struct openai_target t = {0};
		assert_int_equal(openai_target_read(&t, &fx.msg), 0);
		assert_text(t.query_model, names[i].model);
		assert_text(t.query_deployment, names[i].deployment);
		assert_null(t.problem);
	}
}

static void test_connect(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request("API.openai.com:443", "");
	_cleanup_(openai_target_done) struct openai_target t = {0};
	fx.msg.method = (char *)"CONNECT";
	assert_int_equal(openai_target_read(&t, &fx.msg), 0);
	assert_text(t.backend, "api.openai.com");
	assert_null(t.path);
	assert_null(t.raw_path);
}

static void test_two_hosts(void **state)
{
	(void)state;
	_cleanup_fx_ struct fx fx = fx_request("/x", "");
	_cleanup_(openai_target_done) struct openai_target t = {0};
	fx_header(&fx, "host", "a.example");
	fx_header(&fx, "host", "A.example");
	assert_int_equal(openai_target_read(&t, &fx.msg), 0);
	assert_null(t.problem);
	openai_target_done(&t);
	fx_header(&fx, "host", "b.example");
	assert_int_equal(openai_target_read(&t, &fx.msg), 0);
	assert_text(t.backend, "a.example");
	assert_says(t.problem, "more than one host");
}

static void test_long_host(void **state)
{
	(void)state;
	char host[1024];
	memset(host, 'a', sizeof(host));
	host[sizeof(host) - 1] = 0;
	_cleanup_fx_ struct fx fx = fx_request("/x", "");
	_cleanup_(openai_target_done) struct openai_target t = {0};
	fx_header(&fx, "host", host);
	assert_int_equal(openai_target_read(&t, &fx.msg), 0);
	assert_null(t.backend);
}

static void test_decode(void **state)
{
	(void)state;
	char out[16];
	assert_int_equal(openai_percent_decode("a%20B%2f", 8, out), 4);
	assert_memory_equal(out, "a B/", 4);
	assert_true(openai_percent_decode("%", 1, out) < 0);
	assert_true(openai_percent_decode("%4", 2, out) < 0);
	assert_true(openai_percent_decode("%g0", 3, out) < 0);
	assert_true(openai_percent_decode("%00", 3, out) < 0);
	assert_int_equal(openai_percent_decode("", 0, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_connect),
		cmocka_unit_test(test_two_hosts), cmocka_unit_test(test_long_host),
		cmocka_unit_test(test_decode),	  cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
