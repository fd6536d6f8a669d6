/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The header fields of one part of a multipart body (RFC 2046 section 5.1, RFC 7578 section 4), and
 * parameters of field values. Works on bytes that are all there. No I/O, no clock, no globals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/message.h"

/* The value of a parameter (name in lower case) of a field value such as `form-data; name="a"`, as text in
 * which control bytes are '?'; the caller frees it. Of a quoted value \" and \\ are resolved and no other
 * pair: browsers send backslashes of a file's path as they are. The first one of that name counts;
 * *ret_again: there is another. 1; 0: there is none; -ENOMEM. */
int param_find(const char *value, const char *name, char **ret_text, bool *ret_again);

/* The same of a value as RFC 8187 writes it, `UTF-8''na%C3%AFve`, as UTF-8. 1; 0: not written so; -ENOMEM. */
int param_decode(const char *text, char **ret_text);

/* Reads the field lines in head, which are changed, into name, filename and content_type of part.
 * *ret_problem is set, to static text, if something is wrong with them. 0; -ENOMEM. */
int part_head_read(struct http_part *part, char *head, const char **ret_problem);

/* The part is no file: it has no file name, and its type is a text's, JSON included. */
bool part_is_text(const struct http_part *part);
