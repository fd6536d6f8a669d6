/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The credentials of one request, kept until its response is on record, since servers repeat them ("Incorrect
 * API key provided: ..."). Cleared when freed. */

#include "event/event.h"
#include "event/json_text.h"

/* Hides what is a credential in the headers of a request from what is written from now on. More than the
 * writer can hold are left out. */
void event_secrets_hide_headers(struct json_text *w, const struct http_message *request);

/* Hides what is kept; secrets may be NULL. */
void event_secrets_hide_kept(struct json_text *w, const struct event_secrets *secrets);
