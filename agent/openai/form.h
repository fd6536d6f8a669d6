/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A multipart body: its fields as if they were the members of a JSON body, and its files. */

#include <jansson.h>

#include "http/message.h"
#include "openai/notes.h"

/* *ret_fields: object, new, text by field name; fields of one name, and one whose name ends in "[]" (which is
 * left off), are an array. *ret_files: array (file.h), new, or NULL if there are none. What is cut or no text
 * goes to notes. 0; -ENOMEM. */
int openai_form_read(json_t **ret_fields, json_t **ret_files, const struct http_message *msg,
		     struct openai_notes *notes);
