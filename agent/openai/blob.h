/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Data that came as base64 (RFC 4648 section 4) in pieces and is not kept: its size and hash. Pieces may each
 * be padded, or be cut from one text anywhere. Embedded by value; all zero is one without a piece. */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/digest.h"

struct blob {
	struct sha256 *sha; /* NULL: no piece yet */
	uint64_t bytes;
	uint32_t bits; /* of n_chars characters that are no whole bytes yet */
	unsigned n_chars;
	bool bad; /* something was not base64 and is left out */
};

/* 0, also if something was left out; -ENOMEM. */
int blob_add(struct blob *blob, const json_t *base64);

/* The next piece begins another blob. */
void blob_reset(struct blob *blob);

/* {bytes, sha256} of what was added, whose last piece may lack its padding; without sha256 if it is bad. A
 * new reference. Nothing can be added afterwards. 0; -ENOMEM. */
int blob_value(struct blob *blob, json_t **ret_value);

void blob_done(struct blob *blob);
