/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/jwks.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

#include <jansson.h>

#include "base/macro.h"
#include "identity/base64url.h"

#define RSA_EXPONENT_MAX 8  /* bytes */
#define P256_LEN	 32 /* bytes of a coordinate */

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

static void cleanup_build(OSSL_PARAM_BLD **build)
{
	OSSL_PARAM_BLD_free(*build);
}

static void cleanup_params(OSSL_PARAM **params)
{
	OSSL_PARAM_free(*params);
}

static void cleanup_ctx(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(*ctx);
}

static void cleanup_bn(BIGNUM **bn)
{
	BN_free(*bn);
}

static void key_done(struct jwks_key *key)
{
	free(key->kid);
	free(key->issuer);
	free(key->alg);
	EVP_PKEY_free(key->pkey);
	*key = (struct jwks_key){0};
}

void jwks_free(struct jwks **jwks)
{
	if (!*jwks)
		return;
	for (size_t i = 0; i < (*jwks)->n; i++)
		key_done(&(*jwks)->keys[i]);
	free((*jwks)->keys);
	free(*jwks);
	*jwks = NULL;
}

/* --- one key ------------------------------------------------------------------------- */

/* A member that is a string of at most max bytes and not empty; NULL if it is not. */
static const char *member(const json_t *object, const char *name, size_t max)
{
	const json_t *value = json_object_get(object, name);
	size_t len = json_string_length(value);
	return json_is_string(value) && len > 0 && len <= max ? json_string_value(value) : NULL;
}

/* Absent, or exactly that. */
static bool absent_or(const json_t *object, const char *name, const char *text)
{
	const json_t *value = json_object_get(object, name);
	return !value || (json_is_string(value) && strcmp(json_string_value(value), text) == 0);
}

static bool for_signatures(const json_t *object)
{
	const json_t *ops = json_object_get(object, "key_ops");
	if (!absent_or(object, "use", "sig"))
		return false;
	for (size_t i = 0; i < json_array_size(ops); i++) {
		const char *op = json_string_value(json_array_get(ops, i));
		if (op && strcmp(op, "verify") == 0)
			return true;
	}
	return !ops;
}

/* A big-endian number in base64url. Decoded bytes, or -EBADMSG. */
static ssize_t number(const json_t *object, const char *name, uint8_t *out, size_t size)
{
	const json_t *value = json_object_get(object, name);
	size_t len = json_string_length(value);
	if (len == 0 || BASE64URL_DECODED_MAX(len) > size)
		return -EBADMSG;
	return base64url_decode(json_string_value(value), len, out);
}

static EVP_PKEY *pkey_from(const char *type, OSSL_PARAM *params)
{
	_cleanup_(cleanup_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return pkey;
}

/* NULL: malformed, weak, or no memory. */
static EVP_PKEY *rsa_key(const json_t *object)
{
	uint8_t n_bytes[JWKS_RSA_BITS_MAX / 8 + 4], e_bytes[RSA_EXPONENT_MAX + 4];
	ssize_t n_len = number(object, "n", n_bytes, sizeof(n_bytes));
	ssize_t e_len = number(object, "e", e_bytes, sizeof(e_bytes));
	if (n_len <= 0 || e_len <= 0)
		return NULL;
	_cleanup_(cleanup_bn) BIGNUM *n = BN_bin2bn(n_bytes, (int)n_len, NULL);
	_cleanup_(cleanup_bn) BIGNUM *e = BN_bin2bn(e_bytes, (int)e_len, NULL);
	if (!n || !e || BN_num_bits(n) < JWKS_RSA_BITS_MIN || BN_num_bits(n) > JWKS_RSA_BITS_MAX)
		return NULL;
	if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e) || BN_num_bits(e) > RSA_EXPONENT_MAX * 8)
		return NULL;
	_cleanup_(cleanup_build) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	if (!build || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) != 1)
		return NULL;
	_cleanup_(cleanup_params) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	return params ? pkey_from("RSA", params) : NULL;
}

/* NULL: malformed, not a point of the curve, or no memory. */
static EVP_PKEY *p256_key(const json_t *object)
{
	uint8_t point[1 + 2 * P256_LEN + 4] = {4}; /* uncompressed (SEC 1 section 2.3.3) */
	char group[] = "prime256v1";

	if (!member(object, "crv", 16) || strcmp(member(object, "crv", 16), "P-256") != 0)
		return NULL;
	if (number(object, "x", point + 1, P256_LEN + 2) != P256_LEN ||
	    number(object, "y", point + 1 + P256_LEN, P256_LEN + 2) != P256_LEN)
		return NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * P256_LEN),
		OSSL_PARAM_construct_end(),
	};
	return pkey_from("EC", params);
}

static int copy(const char *text, char **ret_copy)
{
	if (!text)
		return 0;
	*ret_copy = strdup(text);
	return *ret_copy ? 0 : -ENOMEM;
}

/* 0; -EBADMSG: not a key that we can use; -ENOMEM. */
static int key_read(const json_t *object, struct jwks_key *ret_key)
{
	struct jwks_key key = {0};
	const char *kty = member(object, "kty", 16);
	const char *kid = member(object, "kid", JWKS_KID_MAX);
	const char *issuer = member(object, "issuer", JWKS_ISSUER_MAX);
	const char *alg = member(object, "alg", 16);

	if (!kty || !kid || !for_signatures(object))
		return -EBADMSG;
	/* What restricts a key and cannot be read must not widen it. */
	if ((json_object_get(object, "issuer") && !issuer) || (json_object_get(object, "alg") && !alg))
		return -EBADMSG;
	key.type = strcmp(kty, "RSA") == 0 ? JWKS_RSA : JWKS_P256;
	if (key.type == JWKS_P256 && strcmp(kty, "EC") != 0)
		return -EBADMSG;
	key.pkey = key.type == JWKS_RSA ? rsa_key(object) : p256_key(object);
	if (!key.pkey)
		return -EBADMSG;
	int r = copy(kid, &key.kid);
	if (r == 0)
		r = copy(issuer, &key.issuer);
	if (r == 0)
		r = copy(alg, &key.alg);
	if (r < 0)
		key_done(&key);
	else
		*ret_key = key;
	return r;
}

/* --- sets ---------------------------------------------------------------------------- */

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool key_equal(const struct jwks_key *a, const struct jwks_key *b)
{
	return a->type == b->type && text_equal(a->kid, b->kid) && text_equal(a->issuer, b->issuer) &&
	       text_equal(a->alg, b->alg) && EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

static bool holds(const struct jwks *jwks, const struct jwks_key *key)
{
	for (size_t i = 0; i < jwks->n; i++)
		if (key_equal(&jwks->keys[i], key))
			return true;
	return false;
}

static struct jwks *new_set(size_t max)
{
	struct jwks *jwks = calloc(1, sizeof(*jwks));
	if (!jwks)
		return NULL;
	jwks->keys = calloc(max ? max : 1, sizeof(*jwks->keys));
	if (!jwks->keys)
		jwks_free(&jwks);
	return jwks;
}

static int add_object(struct jwks *jwks, const json_t *object)
{
	struct jwks_key key;
	int r = jwks->n < JWKS_KEYS_MAX ? key_read(object, &key) : -EBADMSG;
	if (r == -EBADMSG) {
		jwks->n_skipped++;
		return 0;
	}
	if (r < 0)
		return r;
	if (holds(jwks, &key))
		key_done(&key);
	else
		jwks->keys[jwks->n++] = key;
	return 0;
}

int jwks_parse(const char *text, size_t len, struct jwks **ret_jwks, const char **ret_problem)
{
	_cleanup_(jwks_free) struct jwks *jwks = NULL;
	_cleanup_(cleanup_json) json_t *root = NULL;
	json_error_t error = {0};

	if (len > JWKS_TEXT_MAX) {
		*ret_problem = "it is longer than 1 MiB";
		return -EBADMSG;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	const json_t *list = json_object_get(root, "keys");
	if (!json_is_array(list)) {
		*ret_problem = !root ? "it is not JSON, or states a member twice"
				     : "it is not an object with a list of keys";
		return -EBADMSG;
	}
	jwks = new_set(MIN(json_array_size(list), (size_t)JWKS_KEYS_MAX));
	if (!jwks)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(list); i++) {
		int r = add_object(jwks, json_array_get(list, i));
		if (r < 0)
			return r;
	}
	*ret_jwks = TAKE_PTR(jwks);
	return 0;
}

static int add_copy(struct jwks *jwks, const struct jwks_key *key, int64_t seen_s)
{
	struct jwks_key twin = {.type = key->type, .seen_s = seen_s};
	int r = copy(key->kid, &twin.kid);
	if (r == 0)
		r = copy(key->issuer, &twin.issuer);
	if (r == 0)
		r = copy(key->alg, &twin.alg);
	if (r < 0) {
		key_done(&twin);
		return r;
	}
	EVP_PKEY_up_ref(key->pkey);
	twin.pkey = key->pkey;
	jwks->keys[jwks->n++] = twin;
	return 0;
}

int jwks_merge(const struct jwks *before, const struct jwks *fresh, int64_t now_s, int64_t hold_s,
	       struct jwks **ret_jwks)
{
	_cleanup_(jwks_free) struct jwks *all = new_set(JWKS_KEYS_MAX);
	int r = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < fresh->n && r == 0; i++)
		r = add_copy(all, &fresh->keys[i], now_s);
	for (size_t i = 0; before && i < before->n && r == 0 && all->n < JWKS_KEYS_MAX; i++) {
		const struct jwks_key *key = &before->keys[i];
		/* A clock that was set back must not keep it for ever. */
		if (key->seen_s <= now_s && now_s - key->seen_s < hold_s && !holds(fresh, key))
			r = add_copy(all, key, key->seen_s);
	}
	if (r < 0)
		return r;
	all->n_skipped = fresh->n_skipped;
	*ret_jwks = TAKE_PTR(all);
	return 0;
}

bool jwks_equal(const struct jwks *a, const struct jwks *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!key_equal(&a->keys[i], &b->keys[i]))
			return false;
	return true;
}
