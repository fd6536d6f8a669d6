/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A body kept as it is, and what is known to be wrong with it. */

#include <stdbool.h>

#include <jansson.h>

#include "openai/exchange.h"
#include "openai/notes.h"

/* The `body` of exchange.h. exact_json: a JSON value read from the body that is all it says, or NULL.
 * *ret_body is NULL if the body is empty. 0; -ENOMEM. */
int openai_body_keep(const struct http_message *msg, json_t *exact_json, json_t **ret_body, bool *ret_base64);

/* What is not there to be read: bytes that were not captured, and of the body those that were not kept. The
 * second is of no matter for a body of which only size and hash are recorded. 0; -ENOMEM. */
int openai_body_note_missing(struct openai_notes *notes, const struct http_message *msg);
int openai_body_note_cut(struct openai_notes *notes, const struct http_message *msg);

/* Name of the content-coding the body is still in, as far as the headers say; NULL: none. Static text. */
const char *openai_body_coding(const struct http_message *msg);

/* Kinds that ask and answer in JSON whatever the body's type says: a wrong type does not hide what was asked.
 */
bool openai_body_must_be_json(enum openai_kind kind);
