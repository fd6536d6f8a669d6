/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* mask, hash and truncate: a value of the same shape that says less. Internal to the stage. */

#include <jansson.h>

#include "config/config_policy.h"
#include "identity/identity.h"

/* A copy in which each text is "[masked]", a keyed hash ("hmac-sha256:" and 32 digits; zeros if key is NULL),
 * or its first max characters. Names of members stay, and so do the API's own words where they tell the parts
 * apart ("role": "user"); for mask and hash other numbers than indices become 0. NULL: out of memory. */
json_t *shape_value(enum config_keep how, uint32_t max, const struct identity_key *key, const json_t *value);

/* The same for one text; the caller frees it. */
char *shape_text(enum config_keep how, uint32_t max, const struct identity_key *key, const char *text,
		 size_t len);
