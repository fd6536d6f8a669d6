/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reads the claims of a bearer token (RFC 7519 in the compact form of RFC 7515), without checking its
 * signature. No I/O, no clock, no globals; decoded text is cleared before its memory is given back. */

#include <stdbool.h>
#include <stddef.h>

#include "identity/identity.h"

#define TOKEN_MAX     (64 * 1024) /* bytes; the largest Entra tokens are a few KiB */
#define TOKEN_KID_MAX 256	  /* bytes; Entra's have 27 */

enum token_class {
	TOKEN_OPAQUE,	/* not three parts: means something to its issuer only */
	TOKEN_BROKEN,	/* three parts that cannot be read; problem says why */
	TOKEN_UNSIGNED, /* a JWT that is nobody's: without a signature, or with `alg` none */
	TOKEN_FOREIGN,	/* a JWT that names another issuer than Entra, or none */
	TOKEN_ENTRA,
};

/* What a check of the signature needs. Pointers other than audiences point into the token's text. */
struct token_proof {
	const char *signed_text; /* header, dot, claims */
	size_t signed_len;
	const char *signature; /* base64url */
	size_t signature_len;
	char alg[16];		     /* "" if absent, or longer than any that we know */
	char kid[TOKEN_KID_MAX + 1]; /* "" if absent or too long */
	bool critical; /* the header has `crit`: extensions that must be understood (RFC 7515 4.1.11) */
	bool nonce; /* the header has `nonce`: a token for an API of Microsoft's own, which alone can check it
		     */
	json_t *audiences;   /* claim aud as it is; or NULL */
	int64_t not_before;  /* claim nbf, seconds since 1970; 0: not said */
	bool bad_not_before; /* it is no time */
};

/* Fills the claims and problem of *ret_claims, which the caller hands to identity_caller_done(): all for
 * TOKEN_ENTRA, issuer, audience and expiry for TOKEN_FOREIGN, none otherwise. Nothing of the signature part
 * is kept. A claim that is of the wrong type or too long is left out or cut, and problem says so. *ret_proof,
 * if given, is filled for TOKEN_ENTRA alone, lives as long as text, and goes to token_proof_done(). 0;
 * -ENOMEM. */
int token_read(const char *text, size_t len, enum token_class *ret_class, struct identity_caller *ret_claims,
	       struct token_proof *ret_proof);
void token_proof_done(struct token_proof *proof);
