/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Start line and header fields (RFC 9112 sections 2 to 5), and what they say about the body (section 6.3).
 * Works on bytes that are all there; the caller finds where the head ends. No I/O, no clock, no globals.
 * Lines end with LF, with or without CR before it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/coding.h"
#include "http/message.h"

/* Methods that change the framing of their response. */
enum http_method_kind { HTTP_METHOD_OTHER, HTTP_METHOD_HEAD, HTTP_METHOD_CONNECT };

enum http_method_kind http_method_kind(const struct http_message *request);

enum http_start {
	HTTP_START_NO,	  /* cannot become a message's start */
	HTTP_START_MAYBE, /* so far it can, but too little is there to say */
	HTTP_START_YES,	  /* a method and a space; "HTTP/1." */
};

/* Judges the first bytes of what may be a start line. Looks at a bounded number of them. */
enum http_start http_start_check(enum http_role role, const uint8_t *data, size_t len);

/* The same for a place where a message begins only perhaps: if the line's end is there, the line must name
 * the version as well. */
bool http_start_resync(enum http_role role, const uint8_t *data, size_t len);

/* True if the complete line names an HTTP version: what is wrong with it then deserves a message of its own.
 */
bool http_start_names_http(const uint8_t *line, size_t len);

/* Whether a line without its end is a start line. */
bool http_start_line_valid(enum http_role role, const uint8_t *line, size_t len);

/* A head into msg, whose method, target and headers are unset. whole: data ends with the empty line;
 * otherwise only the lines that are complete are read, and of a cut start line its method. Flaws that leave
 * the framing clear set msg->problem and *ret_flawed, and reading goes on. 0; -EBADMSG: malformed start line,
 * msg->problem says so; -E2BIG: more than max_headers fields, the first ones are there; -ENOMEM. */
int http_head_read(struct http_message *msg, const uint8_t *data, size_t len, size_t max_headers, bool whole,
		   bool *ret_flawed);

enum http_body_kind { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_CLOSE };

struct http_framing {
	enum http_body_kind kind;
	uint64_t length; /* of HTTP_BODY_LENGTH */
	bool tunnel;	 /* the connection stops being HTTP after this response: 101, or 2xx to CONNECT */
	struct coding_list codings; /* transfer-codings under the chunks */
};

/* asked: the method of the request that a response answers. 0; -EBADMSG: the length cannot be known,
 * msg->problem says why. */
int http_head_framing(struct http_message *msg, enum http_method_kind asked, size_t max_codings,
		      struct http_framing *ret_framing);

/* The request's body comes only if the server asks for it (RFC 9110 section 10.1.1). */
bool http_head_expects(const struct http_message *request);

/* --- pieces that HTTP/2's fields need as well --------------------------------------------- */

/* How many of the first bytes are a token's (RFC 9110 section 5.6.2). */
size_t http_token_len(const uint8_t *data, size_t len);

/* Takes blanks off both ends. */
void http_trim(const uint8_t **data, size_t *len);

/* A copy as text in which what text cannot hold is '?', and *flawed is set. NULL: out of memory. */
char *http_text_copy(const uint8_t *data, size_t len, bool *flawed);

/* A copy of a token in lower case. NULL: out of memory. */
char *http_name_copy(const uint8_t *data, size_t len);

/* Room for n headers in msg->headers, which has room for *cap. 0; -ENOMEM: nothing has changed. */
int http_headers_reserve(struct http_message *msg, size_t *cap, size_t n);
