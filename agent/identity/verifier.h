/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The keys that tokens are checked with: read from files and https URLs, by a thread of their own. Nothing
 * that looks at traffic waits for it: what its keys cannot check now is "unverified".
 *
 * Files are read before identity_verifier_new() returns, and again when they change. URLs are fetched at
 * once, then every refresh_s, and when a token names a key that is not known: fetch_burst times in a row,
 * then once per fetch_interval_s. After a failure the keys known before stay, and the URL is tried again
 * after retry_s, then after twice that, up to retry_max_s. A key that a set no longer holds is good for
 * another hold_s. */

#include <stddef.h>
#include <stdint.h>

#include "identity/verify.h"

struct identity_verifier_options {
	const char *const *sources;   /* absolute paths and https URLs; borrowed for the verifier's life */
	size_t n_sources;	      /* at least one, at most IDENTITY_SOURCES_MAX */
	const char *ca_file;	      /* for the URLs; borrowed; NULL: the system's */
	const char *const *audiences; /* that tokens may be for; borrowed; NULL: identity_default_audiences */
	size_t n_audiences;
	/* 0: the default */
	unsigned int refresh_s;	       /* 3600 */
	unsigned int retry_s;	       /* 5 */
	unsigned int retry_max_s;      /* 900 */
	unsigned int fetch_burst;      /* 5 */
	unsigned int fetch_interval_s; /* 60 */
	unsigned int file_check_ms;    /* 2000 */
	unsigned int timeout_ms;       /* 20000: of one fetch */
	unsigned int hold_s;	       /* 100800, 28 hours: as long as Entra's longest-lived access tokens */
};

#define IDENTITY_SOURCES_MAX 16

/* Of Azure's AI services, worldwide and in the sovereign clouds: URLs, and the GUIDs of the same APIs. */
extern const char *const identity_default_audiences[];
extern const size_t identity_n_default_audiences;

struct identity_verifier;

/* Starts the thread. A file or URL that cannot be read is logged and tried again. 0; -EINVAL: too many
 * sources; -ENOMEM; negative errno of pthread_create. */
int identity_verifier_new(struct identity_verifier **ret_verifier,
			  const struct identity_verifier_options *options);
/* Ends the thread, within about a second. */
void identity_verifier_free(struct identity_verifier **verifier);

/* Changes whenever the keys do. Any thread. */
uint64_t identity_verifier_generation(const struct identity_verifier *verifier);

/* As verify_token(), with the keys as they are now and their generation. Any thread; never waits for a fetch.
 */
void identity_verifier_check(struct identity_verifier *verifier, const struct identity_caller *token,
			     const struct token_proof *proof, struct verify_verdict *ret_verdict,
			     uint64_t *ret_generation);

/* A token names a key that is not known. Any thread; cheap. */
void identity_verifier_want(struct identity_verifier *verifier);

struct identity_verifier_stats {
	uint64_t keys, fetches, failures;
};

struct identity_verifier_stats identity_verifier_stats(struct identity_verifier *verifier);
