/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Checks a token of Entra's: algorithm, key, signature, issuer, audience; and its times, which are a step of
 * their own since the rest does not change while the keys do not. No I/O, no clock, no globals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/jwks.h"
#include "identity/token.h"

#define VERIFY_LEEWAY_S 60 /* between the clocks of the issuer and of this host */

enum verify_result {
	VERIFY_UNCHECKED, /* cannot be told: no such key, or a token that only Microsoft can check */
	VERIFY_WRONG,
	VERIFY_RIGHT, /* but for the times */
};

struct verify_verdict {
	enum verify_result result;
	const char *problem; /* static; NULL if right */
	bool unknown_key;    /* its key is none of the set's: a newer set may hold it */
	int64_t not_before;  /* seconds since 1970; 0: not said */
};

/* A URL or GUID: upper and lower case are the same, and so are both with and without a slash at the end. */
bool verify_audience_equal(const char *a, const char *b);

/* token and proof: of one token_read(). Any thread; takes some 50 us (RSA 2048). Out of memory counts as a
 * wrong signature. */
void verify_token(const struct jwks *keys, const char *const *audiences, size_t n_audiences,
		  const struct identity_caller *token, const struct token_proof *proof,
		  struct verify_verdict *ret_verdict);

/* Fills verification and verification_problem for a request at that time, seconds since 1970. */
void verify_at(const struct verify_verdict *verdict, int64_t now_s, struct identity_caller *token);
