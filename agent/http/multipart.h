/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of a multipart/form-data or multipart/mixed body (RFC 2046 section 5.1, RFC 7578) as its decoded
 * bytes arrive: what each is called, its size and hash, and the content of those that are no files. No I/O,
 * no clock, no globals. Memory is bounded by http_limits; what is kept of the parts counts in its budget like
 * a body.
 *
 * Lines end with CRLF, or with LF alone if the first delimiter's line does: where the delimiters have CRLF, a
 * delimiter after a bare LF is content. Text before the first delimiter and after the closing one is passed
 * over. A multipart body inside a part is that part's content. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/message.h"

#define MULTIPART_BOUNDARY_MAX 70 /* RFC 2046 section 5.1.1 */

struct http_limits;
struct multipart;

/* The value of a content-type, or NULL, names a type that is read here. */
bool multipart_is(const char *content_type);

/* limits are borrowed. 0; -EBADMSG: there is no boundary, or it breaks the grammar; -ENOMEM. */
int multipart_new(struct multipart **ret_multipart, const char *content_type,
		  const struct http_limits *limits);
void multipart_free(struct multipart **multipart);

/* 0; -ENOMEM: nothing more is read. */
int multipart_feed(struct multipart *multipart, const uint8_t *data, size_t len);

/* Bytes are missing here: the part at hand is not whole. The next delimiter is found again. */
void multipart_missing(struct multipart *multipart);

/* The body has ended. The parts, whose ownership moves, and what is wrong in static text, or NULL. */
void multipart_end(struct multipart *multipart, struct http_part **ret_parts, size_t *ret_n,
		   const char **ret_problem);
