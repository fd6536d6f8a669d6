/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The credentials of one request, kept until its response is on record, since servers repeat them ("Incorrect
 * API key provided: ..."). Cleared when freed. */

#include "event/event.h"

/* Calls fn for each credential in a message's headers; value is borrowed for the call. Stops when fn fails
 * and returns its error. */
int event_secrets_walk(const struct http_message *msg, int (*fn)(void *ctx, const char *value, size_t len),
		       void *ctx);

/* Calls fn for each credential that is kept; secrets may be NULL. */
int event_secrets_each(const struct event_secrets *secrets,
		       int (*fn)(void *ctx, const char *value, size_t len), void *ctx);
