/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"

#define JWKS_FETCH_WHY 160 /* bytes of the reason, NUL included */

/* What a key set's https URL answers: 200 and at most out->max bytes, within timeout_ms; no redirect is
 * followed. The certificate is checked against ca_file, or the system's if that is NULL. Blocks; ends early
 * (within about a second) once *stop is true. A proxy is used if the environment says so (https_proxy). 0;
 * -EIO with ret_why in plain words: nothing is in out. */
int jwks_fetch(const char *url, const char *ca_file, long timeout_ms, const atomic_bool *stop,
	       struct buf *out, char ret_why[static JWKS_FETCH_WHY]);

/* Before the first thread starts. 0; -ENOMEM. */
int jwks_fetch_init(void);
