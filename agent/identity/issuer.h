/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who may issue Entra's tokens: hosts of both token versions, worldwide and in the sovereign clouds. */

#include <stdbool.h>
#include <stddef.h>

struct issuer {
	unsigned int clouds; /* bits: those whose tokens name this host; US Government's version 1 shares one
			      * with the worldwide cloud */
	const char *tenant;  /* points into the text that was read */
	size_t tenant_len;
	int version; /* 1, 2; 0: what follows the tenant is nothing that Entra writes */
};

/* True if text is an https URL on one of Entra's hosts and has a path. Nothing but the exact host counts: no
 * user part, no port, no longer name that begins or ends like one. */
bool issuer_read(const char *text, struct issuer *ret_issuer);

/* True if a key that states `template` (the `issuer` member of Entra's JWKS, in which "{tenantid}" stands for
 * any tenant) may sign for this issuer: of the same cloud, and of the same tenant. The version does not
 * matter: both sign with the same keys, and a key set states the version of the place it was fetched from. */
bool issuer_fits(const char *template, const struct issuer *issuer);
