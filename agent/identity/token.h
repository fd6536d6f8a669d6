/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reads the claims of a bearer token (RFC 7519 in the compact form of RFC 7515), without checking its
 * signature. No I/O, no clock, no globals; decoded text is cleared before its memory is given back. */

#include <stddef.h>

#include "identity/identity.h"

#define TOKEN_MAX (64 * 1024) /* bytes; the largest Entra tokens are a few KiB */

enum token_class {
	TOKEN_OPAQUE,  /* not three parts: means something to its issuer only */
	TOKEN_BROKEN,  /* three parts that cannot be read, or nobody's signature; problem says why */
	TOKEN_FOREIGN, /* a JWT that names another issuer than Entra, or none */
	TOKEN_ENTRA,
};

/* Fills the claims and problem of *ret_claims, which the caller hands to identity_caller_done(): all for
 * TOKEN_ENTRA, issuer, audience and expiry for TOKEN_FOREIGN, none otherwise. Nothing of the signature part
 * is kept. A claim that is of the wrong type or too long is left out or cut, and problem says so. 0; -ENOMEM.
 */
int token_read(const char *text, size_t len, enum token_class *ret_class, struct identity_caller *ret_claims);
