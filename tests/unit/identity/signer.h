/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An issuer of tokens for tests: makes keys, writes key sets, signs. Everything ends the test that fails. */

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/macro.h"

static inline char *signer_encode(const void *data, size_t len)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *in = data;
	char *text = calloc(1, len * 4 / 3 + 4);
	size_t n = 0;
	assert_non_null(text);
	for (size_t i = 0; i < len; i += 3) {
		size_t left = MIN(len - i, (size_t)3);
		uint32_t b = (uint32_t)in[i] << 16;
		b |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
		b |= left > 2 ? in[i + 2] : 0;
		for (size_t k = 0; k <= left; k++)
			text[n++] = set[b >> (18 - 6 * k) & 63];
	}
	return text;
}

static inline EVP_PKEY *signer_rsa(unsigned int bits)
{
	EVP_PKEY *pkey = EVP_RSA_gen(bits);
	assert_non_null(pkey);
	return pkey;
}

static inline EVP_PKEY *signer_p256(void)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	assert_non_null(pkey);
	return pkey;
}

static inline char *signer_number(EVP_PKEY *pkey, const char *name, int len)
{
	BIGNUM *number = NULL;
	uint8_t bytes[2048];
	assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &number), 1);
	len = len ? len : BN_num_bytes(number);
	assert_int_equal(BN_bn2binpad(number, bytes, len), len);
	BN_free(number);
	return signer_encode(bytes, (size_t)len);
}

/* A member of "keys". more: further members, each with a comma before it. */
static inline char *signer_jwk(EVP_PKEY *pkey, const char *kid, const char *more)
{
	bool rsa = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA;
	_cleanup_free_ char *a =
		signer_number(pkey, rsa ? OSSL_PKEY_PARAM_RSA_N : OSSL_PKEY_PARAM_EC_PUB_X, rsa ? 0 : 32);
	_cleanup_free_ char *b =
		signer_number(pkey, rsa ? OSSL_PKEY_PARAM_RSA_E : OSSL_PKEY_PARAM_EC_PUB_Y, rsa ? 0 : 32);
	char *text;
	assert_true(asprintf(&text, "{\"kty\":\"%s\",\"kid\":\"%s\",\"%s\":\"%s\",\"%s\":\"%s\"%s%s}",
			     rsa ? "RSA" : "EC", kid, rsa ? "n" : "x", a, rsa ? "e" : "y", b,
			     rsa ? "" : ",\"crv\":\"P-256\"", more) > 0);
	return text;
}

static inline size_t signer_hmac(EVP_PKEY *pkey, const char *text, uint8_t *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	unsigned int len = 0;
	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	long pem_len = BIO_get_mem_data(bio, &pem);
	assert_non_null(
		HMAC(EVP_sha256(), pem, (int)pem_len, (const uint8_t *)text, strlen(text), out, &len));
	BIO_free(bio);
	return len;
}

/* DER to r and s. */
static inline size_t signer_raw(const uint8_t *der, size_t len, uint8_t *out)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	assert_non_null(sig);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32), 32);
	ECDSA_SIG_free(sig);
	return 64;
}

/* Method: RS256, RS384, RS512, PS256, ES256, "DER" (ES256 as OpenSSL writes it), "HS256" (the public key's
 * PEM is the secret). Bytes. */
static inline size_t signer_sign(EVP_PKEY *pkey, const char *method, const char *text, uint8_t *out,
				 size_t size)
{
	const EVP_MD *md = strstr(method, "384")   ? EVP_sha384()
			   : strstr(method, "512") ? EVP_sha512()
						   : EVP_sha256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options;
	size_t len = size;

	if (strcmp(method, "HS256") == 0) {
		EVP_MD_CTX_free(ctx);
		return signer_hmac(pkey, text, out);
	}
	assert_int_equal(EVP_DigestSignInit(ctx, &options, md, NULL, pkey), 1);
	if (method[0] == 'P') {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST), 1);
	}
	assert_int_equal(EVP_DigestSign(ctx, out, &len, (const uint8_t *)text, strlen(text)), 1);
	EVP_MD_CTX_free(ctx);
	if (method[0] == 'E') {
		uint8_t raw[64];
		len = signer_raw(out, len, raw);
		memcpy(out, raw, len);
	}
	return len;
}

static inline char *signer_token(EVP_PKEY *pkey, const char *method, const char *header, const char *claims)
{
	_cleanup_free_ char *h = signer_encode(header, strlen(header));
	_cleanup_free_ char *c = signer_encode(claims, strlen(claims));
	_cleanup_free_ char *text = NULL;
	uint8_t bytes[2048];
	char *token;
	assert_true(asprintf(&text, "%s.%s", h, c) > 0);
	size_t len = signer_sign(pkey, method, text, bytes, sizeof(bytes));
	_cleanup_free_ char *signature = signer_encode(bytes, len);
	assert_true(asprintf(&token, "%s.%s", text, signature) > 0);
	return token;
}
