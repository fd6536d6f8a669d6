/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/verify.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "identity/base64url.h"
#include "identity/issuer.h"

#define SIGNATURE_MAX  (JWKS_RSA_BITS_MAX / 8) /* bytes */
#define P256_SIGNATURE 64		       /* bytes: r and s (RFC 7518 section 3.4) */
#define SAME_KID_MAX   4		       /* keys of one kid that are tried */

/* RFC 7518 section 3.1. Entra signs with RS256. The algorithms of shared secrets are left out for good: with
 * them a public key would be one. */
static const struct algorithm {
	const char *name;
	enum jwks_type type;
	const EVP_MD *(*digest)(void);
	int padding; /* RSA */
} algorithms[] = {
	{"RS256", JWKS_RSA, EVP_sha256, RSA_PKCS1_PADDING},
	{"RS384", JWKS_RSA, EVP_sha384, RSA_PKCS1_PADDING},
	{"RS512", JWKS_RSA, EVP_sha512, RSA_PKCS1_PADDING},
	{"PS256", JWKS_RSA, EVP_sha256, RSA_PKCS1_PSS_PADDING},
	{"ES256", JWKS_P256, EVP_sha256, 0},
};

static const struct algorithm *find_algorithm(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

/* --- signature ----------------------------------------------------------------------- */

/* r and s as OpenSSL takes them. Bytes; 0: not a signature. */
static size_t p256_der(const uint8_t *raw, size_t len, uint8_t *out, size_t size)
{
	if (len != P256_SIGNATURE)
		return 0;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, P256_SIGNATURE / 2, NULL);
	BIGNUM *s = BN_bin2bn(raw + P256_SIGNATURE / 2, P256_SIGNATURE / 2, NULL);
	int n = 0;
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL; /* they are the signature's */
		n = i2d_ECDSA_SIG(sig, NULL);
		if (n > 0 && (size_t)n <= size)
			n = i2d_ECDSA_SIG(sig, &out);
		else
			n = 0;
	}
	BN_clear_free(r);
	BN_clear_free(s);
	ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}

static bool signature_right(const struct jwks_key *key, const struct algorithm *alg,
			    const struct token_proof *proof, const uint8_t *signature, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options = NULL;
	bool right = ctx && EVP_DigestVerifyInit(ctx, &options, alg->digest(), NULL, key->pkey) == 1;

	if (right && alg->type == JWKS_RSA)
		right = EVP_PKEY_CTX_set_rsa_padding(options, alg->padding) == 1;
	if (right && alg->padding == RSA_PKCS1_PSS_PADDING)
		right = EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
	right = right && EVP_DigestVerify(ctx, signature, len, (const uint8_t *)proof->signed_text,
					  proof->signed_len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error(); /* a thread's queue of them, which nobody else empties */
	return right;
}

/* --- key ----------------------------------------------------------------------------- */

/* NULL: the signature is of this key, and the key may sign such a token. */
static const char *key_problem(const struct jwks_key *key, const struct algorithm *alg,
			       const struct token_proof *proof, const struct issuer *issuer,
			       const uint8_t *signature, size_t len)
{
	uint8_t der[P256_SIGNATURE + 16];

	if (key->type != alg->type || (key->alg && strcmp(key->alg, alg->name) != 0))
		return "the token's algorithm is not its key's";
	if (alg->type == JWKS_P256) {
		len = p256_der(signature, len, der, sizeof(der));
		signature = der;
	}
	if (len == 0 || !signature_right(key, alg, proof, signature, len))
		return "the signature is wrong";
	if (key->issuer && !issuer_fits(key->issuer, issuer))
		return "the key signs for another issuer";
	return NULL;
}

static void try_keys(const struct jwks *keys, const struct algorithm *alg, const struct token_proof *proof,
		     const struct issuer *issuer, struct verify_verdict *v)
{
	uint8_t signature[SIGNATURE_MAX + 4];
	ssize_t len = BASE64URL_DECODED_MAX(proof->signature_len) <= sizeof(signature)
			      ? base64url_decode(proof->signature, proof->signature_len, signature)
			      : -EBADMSG;
	size_t tried = 0;

	for (size_t i = 0; i < keys->n && tried < SAME_KID_MAX; i++) {
		const struct jwks_key *key = &keys->keys[i];
		if (strcmp(key->kid, proof->kid) != 0)
			continue;
		tried++;
		v->problem = len > 0 ? key_problem(key, alg, proof, issuer, signature, (size_t)len)
				     : "the signature is malformed";
		if (!v->problem)
			break;
	}
	OPENSSL_cleanse(signature, sizeof(signature));
	if (tried) {
		v->result = v->problem ? VERIFY_WRONG : VERIFY_RIGHT;
		return;
	}
	v->problem = "the token's key is not among the known ones (identity.jwks)";
	v->unknown_key = true;
}

/* --- claims -------------------------------------------------------------------------- */

bool verify_audience_equal(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	a_len -= a_len > 1 && a[a_len - 1] == '/';
	b_len -= b_len > 1 && b[b_len - 1] == '/';
	return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

static bool is_for(const char *text, const char *const *audiences, size_t n)
{
	for (size_t i = 0; text && i < n; i++)
		if (verify_audience_equal(text, audiences[i]))
			return true;
	return false;
}

static bool audience_right(const json_t *claim, const char *const *audiences, size_t n)
{
	if (!json_is_array(claim))
		return is_for(json_string_value(claim), audiences, n);
	for (size_t i = 0; i < json_array_size(claim); i++)
		if (is_for(json_string_value(json_array_get(claim, i)), audiences, n))
			return true;
	return false;
}

static const char *claims_problem(const struct identity_caller *token, const struct token_proof *proof,
				  const struct issuer *issuer, const char *const *audiences, size_t n)
{
	if (!token->tenant_id || strlen(token->tenant_id) != issuer->tenant_len ||
	    strncasecmp(token->tenant_id, issuer->tenant, issuer->tenant_len) != 0)
		return "the issuer and the tenant (tid) do not belong together";
	if (!audience_right(proof->audiences, audiences, n))
		return "the token is for another audience";
	if (proof->bad_not_before)
		return "the token's beginning (nbf) is not a time";
	if (!token->expires)
		return "the token states no end (exp)";
	return NULL;
}

void verify_token(const struct jwks *keys, const char *const *audiences, size_t n_audiences,
		  const struct identity_caller *token, const struct token_proof *proof,
		  struct verify_verdict *ret_verdict)
{
	struct verify_verdict v = {.result = VERIFY_WRONG, .not_before = proof->not_before};
	const struct algorithm *alg = find_algorithm(proof->alg);
	struct issuer issuer;

	if (!issuer_read(token->issuer, &issuer) || !issuer.version)
		v.problem = "the issuer is not written as Entra writes it";
	else if (!alg)
		v.problem = "the token's algorithm is not one that Entra signs with";
	else if (proof->critical)
		v.problem = "the token asks for extensions (crit) that are not understood";
	if (v.problem) {
		*ret_verdict = v;
		return;
	}
	v.result = VERIFY_UNCHECKED;
	if (!proof->kid[0])
		v.problem = "the token does not name its key (kid)";
	else
		try_keys(keys, alg, proof, &issuer, &v);
	if (v.result == VERIFY_WRONG && proof->nonce) {
		v.result = VERIFY_UNCHECKED;
		v.problem = "the token is made for an API that alone can check it (nonce)";
	}
	if (v.result == VERIFY_RIGHT) {
		v.problem = claims_problem(token, proof, &issuer, audiences, n_audiences);
		v.result = v.problem ? VERIFY_WRONG : VERIFY_RIGHT;
	}
	*ret_verdict = v;
}

void verify_at(const struct verify_verdict *verdict, int64_t now_s, struct identity_caller *token)
{
	token->verification_problem = verdict->problem;
	if (verdict->result == VERIFY_UNCHECKED) {
		token->verification = "unverified";
	} else if (verdict->result == VERIFY_WRONG) {
		token->verification = "invalid";
	} else if (now_s < verdict->not_before - VERIFY_LEEWAY_S) {
		token->verification = "invalid";
		token->verification_problem = "the token was not valid yet";
	} else if (now_s >= token->expires + VERIFY_LEEWAY_S) {
		token->verification = "expired";
		token->verification_problem = "the token had expired";
	} else {
		token->verification = "valid";
	}
}
