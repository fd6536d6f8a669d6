/* SPDX-License-Identifier: Apache-2.0 */

/* The reader of key sets, and merging of what it gives. */

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "identity/jwks.h"
#include "must.h"

static void check_key(const struct jwks_key *key)
{
	must(key->kid && key->kid[0] && strlen(key->kid) <= JWKS_KID_MAX);
	must(utf8_valid(key->kid, strlen(key->kid), NULL));
	must(!key->issuer || (key->issuer[0] && strlen(key->issuer) <= JWKS_ISSUER_MAX));
	must(!key->alg || key->alg[0]);
	if (key->type == JWKS_RSA)
		must(EVP_PKEY_get_bits(key->pkey) >= JWKS_RSA_BITS_MIN &&
		     EVP_PKEY_get_bits(key->pkey) <= JWKS_RSA_BITS_MAX);
	else
		must(EVP_PKEY_get_bits(key->pkey) == 256);
	must(EVP_PKEY_is_a(key->pkey, key->type == JWKS_RSA ? "RSA" : "EC"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct jwks *jwks = NULL, *first = NULL, *second = NULL;
	const char *problem = NULL;

	int r = jwks_parse((const char *)data, len, &jwks, &problem);
	must((r == 0) == (jwks != NULL));
	if (r < 0) {
		must(problem != NULL);
		return 0;
	}
	must(jwks->n <= JWKS_KEYS_MAX);
	for (size_t i = 0; i < jwks->n; i++)
		check_key(&jwks->keys[i]);
	if (jwks_merge(NULL, jwks, 10, 5, &first) == 0 && jwks_merge(first, jwks, 12, 5, &second) == 0) {
		must(jwks_equal(jwks, first) && jwks_equal(first, second));
		for (size_t i = 0; i < second->n; i++)
			must(second->keys[i].seen_s == 12);
	}
	jwks_free(&jwks);
	jwks_free(&first);
	jwks_free(&second);
	return 0;
}
