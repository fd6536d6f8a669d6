/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is taken out of JSON that others wrote: bounded copies. Internal to the stage. */

#include <jansson.h>

#include "identity/whois.h"

/* A member that is a string of 1 to IDENTITY_TEXT_MAX bytes, else NULL. Borrowed. */
const char *json_text(const json_t *object, const char *key);

/* A copy of it unless *ret_copy is set already; *ret_copy stays as it is if there is none. 0; -ENOMEM. */
int json_text_copy(const json_t *object, const char *key, char **ret_copy);

/* Members that are strings, in the order of their names; empty values count. 0; -ENOMEM. */
int labels_read(const json_t *object, struct identity_labels *ret_labels);
void labels_done(struct identity_labels *labels);
const char *labels_get(const struct identity_labels *labels, const char *name); /* NULL: not there */
