/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>

#include "identity/jwks.h"
#include "signer.h"

static EVP_PKEY *rsa, *other, *weak, *ec;

static int setup(void **state)
{
	(void)state;
	rsa = signer_rsa(2048);
	other = signer_rsa(2048);
	weak = signer_rsa(1024);
	ec = signer_p256();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(other);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(ec);
	return 0;
}

/* Reads a copy that ends at a page nobody may touch. NULL: refused. */
static struct jwks *parse(const char *text, size_t len, const char **ret_problem)
{
	struct jwks *jwks = NULL;
	const char *problem = NULL;
	uint8_t *copy = guard_copy(text, len);
	int r = jwks_parse((const char *)copy, len, &jwks, &problem);
	guard_free(copy, len);
	assert_true(r == 0 || (r == -EBADMSG && problem));
	assert_int_equal(r == 0, jwks != NULL);
	if (ret_problem)
		*ret_problem = problem;
	return jwks;
}

static struct jwks *parse_text(const char *text)
{
	return parse(text, strlen(text), NULL);
}

static char *set_of(const char *a, const char *b)
{
	char *text;
	assert_true(asprintf(&text, "{\"keys\":[%s%s%s]}", a, b ? "," : "", b ? b : "") > 0);
	return text;
}

static void test_good(void **state)
{
	_cleanup_free_ char *a =
		signer_jwk(rsa, "a", ",\"use\":\"sig\",\"issuer\":\"https://i/\",\"x5c\":[\"x\"]");
	_cleanup_free_ char *b = signer_jwk(ec, "b", ",\"alg\":\"ES256\",\"key_ops\":[\"verify\"]");
	_cleanup_free_ char *text = set_of(a, b);
	struct jwks *jwks = parse_text(text);
	(void)state;
	assert_non_null(jwks);
	assert_int_equal(jwks->n, 2);
	assert_int_equal(jwks->n_skipped, 0);
	assert_string_equal(jwks->keys[0].kid, "a");
	assert_string_equal(jwks->keys[0].issuer, "https://i/");
	assert_null(jwks->keys[0].alg);
	assert_int_equal(jwks->keys[0].type, JWKS_RSA);
	assert_int_equal(EVP_PKEY_eq(jwks->keys[0].pkey, rsa), 1);
	assert_string_equal(jwks->keys[1].kid, "b");
	assert_string_equal(jwks->keys[1].alg, "ES256");
	assert_int_equal(jwks->keys[1].type, JWKS_P256);
	assert_int_equal(EVP_PKEY_eq(jwks->keys[1].pkey, ec), 1);
	jwks_free(&jwks);
}

/* No part of a set is one. */
static void test_cuts(void **state)
{
	_cleanup_free_ char *a = signer_jwk(rsa, "a", "");
	_cleanup_free_ char *b = signer_jwk(ec, "b", "");
	_cleanup_free_ char *text = set_of(a, b);
	(void)state;
	for (size_t len = 0; len < strlen(text); len++)
		assert_null(parse(text, len, NULL));
	struct jwks *jwks = parse_text(text);
	assert_int_equal(jwks->n, 2);
	jwks_free(&jwks);
}

/* A good key with one byte changed is another key or none, and nothing breaks. */
static void test_each_byte(void **state)
{
	_cleanup_free_ char *b = signer_jwk(ec, "b", ",\"use\":\"sig\"");
	_cleanup_free_ char *text = set_of(b, NULL);
	(void)state;
	for (size_t i = 0; i < strlen(text); i++) {
		char before = text[i];
		text[i] = before == 'Q' ? 'q' : 'Q';
		struct jwks *jwks = parse_text(text);
		text[i] = before;
		if (jwks) {
			assert_true(jwks->n <= 1);
			assert_true(jwks->n == 0 || EVP_PKEY_eq(jwks->keys[0].pkey, ec) == 1);
		}
		jwks_free(&jwks);
	}
}

static void test_not_a_set(void **state)
{
	static const struct {
		const char *text, *problem;
	} bad[] = {
		{"", "not JSON"},
		{"null", "not JSON"},
		{"[]", "list of keys"},
		{"{}", "list of keys"},
		{"{\"keys\":{}}", "list of keys"},
		{"{\"keys\":null}", "list of keys"},
		{"{\"keys\":[]}x", "not JSON"},
		{"{\"keys\":[],\"keys\":[]}", "twice"},
		{"{\"keys\":[{\"kid\":\"a\",\"kid\":\"b\"}]}", "twice"},
		{"<html></html>", "not JSON"},
		{"{\"keys\":[\"\xff\"]}", "not JSON"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *problem = NULL;
		assert_null(parse(bad[i].text, strlen(bad[i].text), &problem));
		if (!strstr(problem, bad[i].problem))
			fail_msg("%s: %s", bad[i].text, problem);
	}
	struct jwks *jwks = parse_text("{\"keys\":[]}");
	assert_int_equal(jwks->n, 0);
	jwks_free(&jwks);
}

static void check_left_out(const char *what, const char *key)
{
	_cleanup_free_ char *good = signer_jwk(rsa, "good", "");
	_cleanup_free_ char *text = set_of(key, good);
	struct jwks *jwks = parse_text(text);
	if (!jwks || jwks->n != 1 || jwks->n_skipped != 1 || strcmp(jwks->keys[0].kid, "good") != 0)
		fail_msg("%s: %s", what, jwks ? "not left out" : "the set is refused");
	jwks_free(&jwks);
}

/* One bad key does not spoil the others. */
static void test_left_out(void **state)
{
	static const struct {
		const char *what, *more;
	} members[] = {
		{"for encryption", ",\"use\":\"enc\""},
		{"use of another type", ",\"use\":7"},
		{"other operations", ",\"key_ops\":[\"sign\",\"encrypt\"]"},
		{"operations of another type", ",\"key_ops\":\"verify\""},
		{"no operations", ",\"key_ops\":[]"},
		{"issuer of another type", ",\"issuer\":[\"x\"]"},
		{"empty issuer", ",\"issuer\":\"\""},
		{"alg of another type", ",\"alg\":{}"},
	};
	static const char *const keys[] = {
		"{}",
		"7",
		"\"key\"",
		"null",
		"[]",
		"{\"kty\":\"oct\",\"kid\":\"k\",\"k\":\"c2VjcmV0\"}",
		"{\"kty\":\"OKP\",\"kid\":\"k\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
		"{\"kty\":\"RSA\",\"kid\":\"k\"}",
		"{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":7,\"e\":\"AQAB\"}",
		"{\"kty\":\"EC\",\"kid\":\"k\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"AQAB\"}",
		/* of the right length, not on the curve */
		"{\"kty\":\"EC\",\"kid\":\"k\",\"crv\":\"P-256\",\"x\":"
		"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
		"\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		_cleanup_free_ char *key = signer_jwk(other, "k", members[i].more);
		check_left_out(members[i].what, key);
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		check_left_out(keys[i], keys[i]);

	_cleanup_free_ char *small = signer_jwk(weak, "k", "");
	check_left_out("1024 bits", small);
	char kid[JWKS_KID_MAX + 2];
	memset(kid, 'k', sizeof(kid) - 1);
	kid[sizeof(kid) - 1] = 0;
	_cleanup_free_ char *long_kid = signer_jwk(other, kid, "");
	check_left_out("a long kid", long_kid);
	_cleanup_free_ char *no_kid = signer_jwk(other, "", "");
	check_left_out("an empty kid", no_kid);
}

static void check_exponent(const char *e, bool good)
{
	_cleanup_free_ char *n = signer_number(other, OSSL_PKEY_PARAM_RSA_N, 0);
	_cleanup_free_ char *key = NULL;
	assert_true(asprintf(&key, "{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"%s\",\"e\":\"%s\"}", n, e) > 0);
	if (!good) {
		check_left_out(e, key);
		return;
	}
	_cleanup_free_ char *text = set_of(key, NULL);
	struct jwks *jwks = parse_text(text);
	assert_int_equal(jwks->n, 1);
	jwks_free(&jwks);
}

static void test_exponents(void **state)
{
	(void)state;
	check_exponent("AQAB", true);
	check_exponent("Aw", true);
	check_exponent("AQ", false);		 /* 1 */
	check_exponent("AA", false);		 /* 0 */
	check_exponent("BA", false);		 /* 4 */
	check_exponent("AQAAAAAAAAAAAQ", false); /* more than 64 bits */
	check_exponent("A+AB", false);
	check_exponent("AQAB=", false);
}

static void test_one_kid(void **state)
{
	_cleanup_free_ char *a = signer_jwk(rsa, "k", "");
	_cleanup_free_ char *b = signer_jwk(other, "k", "");
	_cleanup_free_ char *twice = set_of(a, a);
	_cleanup_free_ char *both = set_of(a, b);
	(void)state;
	struct jwks *jwks = parse_text(twice);
	assert_int_equal(jwks->n, 1);
	jwks_free(&jwks);
	jwks = parse_text(both);
	assert_int_equal(jwks->n, 2);
	jwks_free(&jwks);
}

static void test_limits(void **state)
{
	size_t room = JWKS_TEXT_MAX + 1;
	_cleanup_free_ char *text = malloc(room + 1);
	const char *problem = NULL;
	(void)state;
	memset(text, ' ', room);
	text[room] = 0;
	memcpy(text, "{\"keys\":[]}", 11);
	assert_null(parse(text, room, &problem));
	assert_non_null(strstr(problem, "1 MiB"));
	struct jwks *jwks = parse(text, room - 1, NULL);
	assert_int_equal(jwks->n, 0);
	jwks_free(&jwks);

	/* More keys than are kept. */
	size_t len = (size_t)sprintf(text, "{\"keys\":[");
	for (int i = 0; i < JWKS_KEYS_MAX + 5; i++) {
		char kid[16];
		snprintf(kid, sizeof(kid), "k%d", i);
		_cleanup_free_ char *key = signer_jwk(ec, kid, "");
		len += (size_t)sprintf(text + len, "%s%s", i ? "," : "", key);
	}
	strcpy(text + len, "]}");
	jwks = parse_text(text);
	assert_int_equal(jwks->n, JWKS_KEYS_MAX);
	assert_int_equal(jwks->n_skipped, 5);
	jwks_free(&jwks);
}

static const struct jwks_key *find(const struct jwks *jwks, const char *kid)
{
	for (size_t i = 0; i < jwks->n; i++)
		if (strcmp(jwks->keys[i].kid, kid) == 0)
			return &jwks->keys[i];
	return NULL;
}

static void test_merge(void **state)
{
	_cleanup_free_ char *a = signer_jwk(rsa, "a", "");
	_cleanup_free_ char *b = signer_jwk(other, "b", "");
	_cleanup_free_ char *text_a = set_of(a, NULL);
	_cleanup_free_ char *text_b = set_of(b, NULL);
	struct jwks *set_a = parse_text(text_a), *set_b = parse_text(text_b);
	struct jwks *first, *second, *third, *fourth;
	(void)state;

	assert_int_equal(jwks_merge(NULL, set_a, 1000, 100, &first), 0);
	assert_int_equal(first->n, 1);
	assert_int_equal(first->keys[0].seen_s, 1000);
	assert_int_equal(jwks_merge(first, set_b, 1050, 100, &second), 0);
	assert_int_equal(second->n, 2);
	assert_int_equal(find(second, "a")->seen_s, 1000);
	assert_int_equal(find(second, "b")->seen_s, 1050);
	assert_false(jwks_equal(first, second));
	/* Not seen for as long as keys are held. */
	assert_int_equal(jwks_merge(second, set_b, 1099, 100, &third), 0);
	assert_non_null(find(third, "a"));
	assert_true(jwks_equal(second, third));
	assert_int_equal(jwks_merge(third, set_b, 1100, 100, &fourth), 0);
	assert_null(find(fourth, "a"));
	assert_int_equal(find(fourth, "b")->seen_s, 1100);
	jwks_free(&fourth);
	/* A clock that went backwards. */
	assert_int_equal(jwks_merge(third, set_b, 500, 100, &fourth), 0);
	assert_null(find(fourth, "a"));
	jwks_free(&fourth);
	jwks_free(&third);
	jwks_free(&second);
	jwks_free(&first);
	jwks_free(&set_a);
	jwks_free(&set_b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	  cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_each_byte), cmocka_unit_test(test_not_a_set),
		cmocka_unit_test(test_left_out),  cmocka_unit_test(test_exponents),
		cmocka_unit_test(test_one_kid),	  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_merge),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
