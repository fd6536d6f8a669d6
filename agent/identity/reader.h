/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reads the caller from a request's credentials. What a bearer token says is read, and its signature checked,
 * once: a reader remembers tokens by their SHA-256, never the tokens, and forgets the verdict when the keys
 * change. One reader for each thread that reads. */

#include <stdint.h>

#include "identity/identity.h"
#include "identity/known_keys.h"
#include "identity/verifier.h"

/* Remembered tokens, and bytes of claims from which on one is not remembered: some 16 MiB a reader at most.
 */
#define READER_TOKENS_MAX      1024
#define READER_TOKEN_BYTES_MAX (16 * 1024)

struct identity_reader;

/* All borrowed for the reader's life. verifier NULL: tokens of Entra's are "unverified". known NULL: keys
 * have no names. 0; -ENOMEM. */
int identity_reader_new(struct identity_reader **ret_reader, const struct identity_key *key,
			struct identity_verifier *verifier, const struct identity_known_keys *known);
void identity_reader_free(struct identity_reader **reader);

/* Header values as on the wire, each NULL if absent; borrowed for the call. */
struct identity_headers {
	const char *authorization;
	const char *api_key;
	const char *subscription_key;
};

/* The caller of a request that was made at that time (seconds since 1970). 0; -ENOMEM. Never logs.
 *
 * Kind IDENTITY_ENTRA takes a signed JWT (three parts, `alg` other than none, a third part) whose `iss` is an
 * https URL on one of Entra's hosts; `tid` and `oid` alone prove nothing, since any issuer may use those
 * names. Another issuer's JWT is IDENTITY_BEARER with its issuer, audience, expiry and a fingerprint; a token
 * that cannot be read is IDENTITY_BEARER with a fingerprint and a problem.
 *
 * verification is a fact, never assumed: "valid" if the signature is that of a known key and issuer, audience
 * and times are right; "expired" if but for the end all is right; "invalid" if something is wrong, and for a
 * token without a signature; "unverified" if it could not be checked, as of an opaque token, or of one whose
 * key is not known. verification_problem says why, but for tokens that nobody was asked to check.
 *
 * When several credentials were sent, the one that says most about the caller counts: Entra token, api-key
 * header, sk-... bearer, subscription key, any other bearer. The fingerprint covers the credential alone, so
 * one key has one fingerprint in whichever header it comes.
 *
 * The arrays and labels of *ret_caller are shared with the reader: not to be changed, and for its thread
 * alone. */
int identity_reader_read(struct identity_reader *reader, const struct identity_headers *headers,
			 int64_t now_s, struct identity_caller *ret_caller);

struct identity_reader_stats {
	uint64_t hits, misses; /* of tokens */
};

/* Any thread. */
struct identity_reader_stats identity_reader_stats(const struct identity_reader *reader);
