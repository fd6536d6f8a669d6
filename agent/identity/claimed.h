/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* On whose behalf a request says it is made. Whoever sends a request may write what he likes there: it is
 * recorded as claimed, beside the caller that its credential names. No I/O, no globals. */

#include <stddef.h>

#include <jansson.h>

#define CLAIMED_TEXT_MAX    1024 /* bytes of one value; what is longer is cut before a character */
#define CLAIMED_HEADERS_MAX 16

struct identity_header {
	const char *name;  /* lower case */
	const char *value; /* as on the wire; NULL: not sent */
};

/* Reads the parameters of a request's body (`user`, `safety_identifier`, and the members of Azure's
 * `user_security_context`; NULL: none) and the headers that the operator named. *ret_claimed is an object of
 * {user, safety-identifier, end-user-id, end-user-tenant-id, source-ip, application-name: strings, headers:
 * {name: string}} as far as present, or NULL if nothing is; the caller's. Values that are no strings, empty,
 * or no UTF-8 are left out. 0; -ENOMEM. */
int identity_claimed_read(const json_t *parameters, const struct identity_header *headers, size_t n_headers,
			  json_t **ret_claimed);
