/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "identity/reader.h"

/* {"alg":"RS256"} . {"iss":"https://sts.windows.net/t/","tid":"t","oid":"o","appid":"a"} . signature */
#define ENTRA                                                                                                \
	"eyJhbGciOiJSUzI1NiJ9."                                                                              \
	"eyJpc3MiOiJodHRwczovL3N0cy53aW5kb3dzLm5ldC90LyIsInRpZCI6InQiLCJvaWQiOiJvIiwiYXBwaWQiOiJhIn0."       \
	"U0lHTkFUVVJF"
/* {"alg":"RS256"} . {"iss":"https://issuer.example","tid":"t","oid":"o"} . signature */
#define FOREIGN                                                                                              \
	"eyJhbGciOiJSUzI1NiJ9."                                                                              \
	"eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwidGlkIjoidCIsIm9pZCI6Im8ifQ.U0lHTkFUVVJF"

static char folder[] = "/tmp/oaitap-reader-XXXXXX";
static struct identity_key *key;
static struct identity_reader *reader;

static int setup(void **state)
{
	char path[64];
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/key", folder);
	if (identity_key_open(&key, path) < 0)
		return -1;
	return identity_reader_new(&reader, key, NULL, NULL);
}

static int teardown(void **state)
{
	char path[64];
	(void)state;
	identity_reader_free(&reader);
	identity_key_free(&key);
	snprintf(path, sizeof(path), "%s/key", folder);
	unlink(path);
	return rmdir(folder);
}

static const struct {
	const char *authorization, *api_key, *subscription_key;
	enum identity_kind kind;
	const char *fingerprint_of, *verification, *problem;
} table[] = {
	{NULL, NULL, NULL, IDENTITY_NONE, NULL, NULL, NULL},
	{"", "", "", IDENTITY_NONE, NULL, NULL, NULL},
	{"Bearer " ENTRA, NULL, NULL, IDENTITY_ENTRA, NULL, "unverified", NULL},
	{"bEaReR \t " ENTRA, NULL, NULL, IDENTITY_ENTRA, NULL, "unverified", NULL},
	{"Bearer " ENTRA, "0123456789abcdef", "sub", IDENTITY_ENTRA, NULL, "unverified", NULL},
	{"Bearer " FOREIGN, NULL, NULL, IDENTITY_BEARER, FOREIGN, "unverified", NULL},
	{"Bearer " FOREIGN, "0123456789abcdef", NULL, IDENTITY_API_KEY, "0123456789abcdef", NULL, NULL},
	{"Bearer " FOREIGN, NULL, "sub", IDENTITY_SUBSCRIPTION_KEY, "sub", NULL, NULL},
	{"Bearer sk-proj-abc", NULL, NULL, IDENTITY_API_KEY, "sk-proj-abc", NULL, NULL},
	{"Bearer sk-proj-abc", NULL, "sub", IDENTITY_API_KEY, "sk-proj-abc", NULL, NULL},
	{"Bearer sk-proj-abc", "azure", "sub", IDENTITY_API_KEY, "azure", NULL, NULL},
	{"Bearer sk.a.b", NULL, NULL, IDENTITY_BEARER, "sk.a.b", "unverified", "base64url"},
	{"Bearer opaque", NULL, NULL, IDENTITY_BEARER, "opaque", "unverified", NULL},
	{"Bearer a.b.c", NULL, NULL, IDENTITY_BEARER, "a.b.c", "unverified", "base64url"},
	{"Bearer two words", NULL, NULL, IDENTITY_BEARER, "two words", "unverified", NULL},
	{"Bearer", NULL, NULL, IDENTITY_NONE, NULL, NULL, "empty"},
	{"Bearer  ", NULL, NULL, IDENTITY_NONE, NULL, NULL, "empty"},
	{"Bearerx", NULL, NULL, IDENTITY_NONE, NULL, NULL, "not a bearer"},
	{"Basic dXNlcjpwYXNz", NULL, NULL, IDENTITY_NONE, NULL, NULL, "not a bearer"},
	{"Basic dXNlcjpwYXNz", NULL, "sub", IDENTITY_SUBSCRIPTION_KEY, "sub", NULL, NULL},
	{NULL, "\xff\x01", NULL, IDENTITY_API_KEY, "\xff\x01", NULL, NULL},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct identity_headers h = {table[i].authorization, table[i].api_key,
					     table[i].subscription_key};
		struct identity_caller c;
		_cleanup_free_ char *want = NULL;
		assert_int_equal(identity_reader_read(reader, &h, 1790000000, &c), 0);
		if (c.kind != table[i].kind)
			fail_msg("row %zu: %s", i, identity_kind_name(c.kind));
		if (table[i].fingerprint_of) {
			const char *of = table[i].fingerprint_of;
			assert_int_equal(identity_fingerprint(key, of, strlen(of), &want), 0);
			assert_string_equal(c.key_fingerprint, want);
		} else {
			assert_null(c.key_fingerprint);
		}
		assert_true((c.verification == NULL) == (table[i].verification == NULL));
		if (c.verification)
			assert_string_equal(c.verification, table[i].verification);
		if ((c.problem == NULL) != (table[i].problem == NULL) ||
		    (c.problem && !strstr(c.problem, table[i].problem)))
			fail_msg("row %zu: problem is %s", i, c.problem ? c.problem : "absent");
		assert_int_equal(c.kind == IDENTITY_ENTRA, c.tenant_id != NULL);
		identity_caller_done(&c);
	}
}

static void test_entra(void **state)
{
	struct identity_headers h = {.authorization = "Bearer " ENTRA};
	struct identity_caller c;
	(void)state;
	assert_int_equal(identity_reader_read(reader, &h, 1790000000, &c), 0);
	assert_string_equal(c.tenant_id, "t");
	assert_string_equal(c.object_id, "o");
	assert_string_equal(c.app_id, "a");
	assert_string_equal(c.issuer, "https://sts.windows.net/t/");
	identity_caller_done(&c);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(identity_kind_name(IDENTITY_NONE), "none");
	assert_string_equal(identity_kind_name(IDENTITY_ENTRA), "entra");
	assert_string_equal(identity_kind_name(IDENTITY_API_KEY), "api-key");
	assert_string_equal(identity_kind_name(IDENTITY_SUBSCRIPTION_KEY), "subscription-key");
	assert_string_equal(identity_kind_name(IDENTITY_BEARER), "bearer");
}

static void test_long_token(void **state)
{
	size_t len = 300 * 1024;
	_cleanup_free_ char *value = malloc(len + 1);
	struct identity_caller c;
	(void)state;
	memset(value, 'x', len);
	memcpy(value, "Bearer ", 7);
	value[len] = 0;
	struct identity_headers h = {.authorization = value};
	assert_int_equal(identity_reader_read(reader, &h, 1790000000, &c), 0);
	assert_int_equal(c.kind, IDENTITY_BEARER);
	assert_non_null(strstr(c.problem, "64 KiB"));
	assert_int_equal(strlen(c.key_fingerprint), strlen("hmac-sha256:") + 32);
	identity_caller_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_entra),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_token),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
