/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Bodies and parts of them that are files: of these an exchange holds name, type, size and hash, not the
 * content. */

#include <stdbool.h>

#include <jansson.h>

#include "http/message.h"

/* The body's type is one of files: audio, images, archives, lines of JSON, or just bytes. */
bool openai_file_is_type(const struct http_message *msg);

/* The type says text that is not JSON. */
bool openai_file_is_text(const struct http_message *msg);

/* Appends {content-type?, bytes, sha256?} to *files, which is made if it is NULL. The hash is left out unless
 * it is of the whole body. 0; -ENOMEM. */
int openai_file_add_body(json_t **files, const struct http_message *msg);

/* Appends {name?, file-name?, content-type?, bytes, sha256?}. 0; -ENOMEM. */
int openai_file_add_part(json_t **files, const struct http_part *part);
