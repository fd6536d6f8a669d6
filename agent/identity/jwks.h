/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A JSON Web Key Set (RFC 7517): the keys that may have signed a token. What a server or a file gives is
 * hostile: sizes and counts are bounded, and a key that does not fit exactly is left out. No I/O, no clock,
 * no globals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#define JWKS_TEXT_MAX	  (1024 * 1024) /* bytes; Entra's has 10 to 20 KiB */
#define JWKS_KEYS_MAX	  256
#define JWKS_KID_MAX	  256  /* bytes */
#define JWKS_ISSUER_MAX	  1024 /* bytes */
#define JWKS_RSA_BITS_MIN 2048
#define JWKS_RSA_BITS_MAX 8192

enum jwks_type { JWKS_RSA, JWKS_P256 };

struct jwks_key {
	char *kid;
	char *issuer; /* the key set's member of that name: for whom it signs; or NULL */
	char *alg;    /* the one algorithm it may be used with, if the set says so; or NULL */
	enum jwks_type type;
	EVP_PKEY *pkey;
	int64_t seen_s; /* when it was last in a set, seconds since 1970; set by jwks_merge() */
};

struct jwks {
	struct jwks_key *keys;
	size_t n;
	size_t n_skipped; /* of other types, for other uses, weak, malformed, without kid, or too many */
};

/* Two keys may have one kid, if they differ: a token is tried with both. 0; -EBADMSG: not a key set,
 * *ret_problem says why (static); -ENOMEM. An empty set is one. */
int jwks_parse(const char *text, size_t len, struct jwks **ret_jwks, const char **ret_problem);
void jwks_free(struct jwks **jwks);

/* What counts after a set was read anew: its keys (at most JWKS_KEYS_MAX), and those of `before` that it
 * lacks if they were seen less than hold_s ago, so that tokens which were signed before a rotation stay
 * verifiable. before may be NULL. 0; -ENOMEM. */
int jwks_merge(const struct jwks *before, const struct jwks *fresh, int64_t now_s, int64_t hold_s,
	       struct jwks **ret_jwks);

/* True if both hold the same keys in the same order. */
bool jwks_equal(const struct jwks *a, const struct jwks *b);
