/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the http stage gives: one request or one response. Ownership moves with the pointer; after hand-over
 * exactly one thread uses it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "stream/chunk.h"

enum http_role { HTTP_REQUEST, HTTP_RESPONSE };

/* How the message came to its end. */
enum http_end {
	HTTP_END_COMPLETE,  /* as its framing says (RFC 9112 section 6.3), close-delimited included */
	HTTP_END_CLOSED,    /* the connection ended first; HTTP/2: or the stream was reset or refused, then
			     * `problem` says by whom and why, and a response may have no byte and status 0 */
	HTTP_END_GAP,	    /* bytes are missing and the framing could not be followed past them; HTTP/2,
			     * WebSocket: they may be of another message, and missing_bytes may be 0 */
	HTTP_END_MALFORMED, /* breaks the grammar; `problem` says where. If its framing was clear all the same
			     * (a control byte in a header value), the body is whole and body_sha256_valid
			     * says so */
	HTTP_END_LIMIT,	    /* a limit of the parser was reached; `problem` says which */
	HTTP_END_UNSEEN,    /* a response that is lost: no start line was captured that can be put down to its
			       request */
};

struct http_header {
	char *name;  /* lower case */
	char *value; /* without surrounding white space; obs-fold joined by one space; each NUL or control
			byte is '?' */
};

enum http_protocol {
	HTTP_1,		/* RFC 9112 */
	HTTP_2,		/* RFC 9113 */
	HTTP_WEBSOCKET, /* RFC 6455: one message of either side; a request is what the client sent */
};

/* One part of a multipart body (RFC 2046 section 5.1, RFC 7578). */
struct http_part {
	char *name;		    /* of its content-disposition; or NULL */
	char *filename;		    /* or NULL */
	char *content_type;	    /* or NULL */
	uint64_t bytes;		    /* of its content, as far as seen */
	uint8_t sha256[SHA256_LEN]; /* of all its content; see whole */
	bool whole;		    /* its end was seen, and nothing of it is missing */
	uint8_t *data;		    /* the first data_len bytes of a part that is no file; NULL if none */
	size_t data_len;
};

/* When body bytes arrived: those from `body_offset` on, up to the next mark. */
struct http_mark {
	uint64_t body_offset; /* in the decoded body */
	uint64_t ts_ns;
};

struct http_message {
	enum http_role role;
	enum http_protocol protocol;
	uint64_t conn_id;
	uint64_t exchange; /* number of the exchange on its connection, from 1: pairs response and request */
	bool orphan;	   /* a response whose request was not captured */

	uint32_t stream_id;	  /* HTTP/2; else 0 */
	uint64_t unknown_headers; /* HTTP/2: fields left out because they stand in a part of the compression
				   * table that was not seen */
	uint8_t opcode;		  /* WebSocket: 1 text, 2 binary, 8 close (RFC 6455 section 5.2); else 0 */

	char *method; /* request: as on the wire; NULL if its bytes are missing */
	char *target; /* request: as on the wire; NULL if its bytes are missing */
	int status;   /* response: 100..999; 0 if its bytes are missing */
	int version_minor;

	/* In wire order, repeated names kept. HTTP/2: without the pseudo-header fields; :authority is a
	 * header "host", the first one, unless there is a host field with the same value. */
	struct http_header *headers;
	size_t n_headers;
	char *head_text; /* owned; what method, target and all names and values are parts of; NULL: each is
			    owned by itself */

	/* The decoded body: transfer-coding removed, and content-coding if `decoded`. `body` holds its first
	 * body_len bytes, at most the limit; body_total counts all that were seen, those after a gap follow
	 * those before it (of a compressed body, none can). The hash is over all of them, and valid only if
	 * none is missing: no gap, the framing reached its end, and so did the decompression. */
	uint8_t *body; /* NULL if body_len is 0; otherwise body[body_len] is 0 */
	size_t body_len;
	uint64_t body_total;
	uint8_t body_sha256[SHA256_LEN];
	bool body_sha256_valid;
	bool decoded;	      /* there was a content-coding, and it could be removed at least in part; or the
				 body never had the one that is named */
	uint64_t coded_total; /* body bytes before content- and transfer-codings were removed, those that
				 could not be decoded included; body_total if there are none */

	struct http_part *parts; /* of a multipart body; bounded */
	size_t n_parts;

	/* Place on the wire: head and framing included, missing bytes included, and what is skipped before a
	 * start line (empty lines, interim responses). */
	uint64_t wire_bytes;
	uint64_t missing_bytes; /* wire bytes of this message that were not captured, as far as known */
	enum gap_reason missing_reason;
	enum http_end end;
	const char *problem; /* static text in plain words, or NULL; may remark on a complete message too */

	uint64_t first_ts_ns; /* first byte of the start line */
	uint64_t last_ts_ns;  /* last byte seen */
	struct http_mark *marks;
	size_t n_marks; /* bounded: past the bound later bytes count to the last mark */
	uint64_t reads; /* captured pieces that carried body bytes */
};

void http_message_free(struct http_message **msg);

/* Value of the first header of that name (given in lower case), or NULL. Borrowed from msg. */
const char *http_message_header(const struct http_message *msg, const char *name);

/* True if the media type of content-type is `type` (lower case, without parameters). */
bool http_message_is_type(const struct http_message *msg, const char *type);

/* Arrival of the body byte at that offset; last_ts_ns if there are no marks. */
uint64_t http_message_time_at(const struct http_message *msg, uint64_t body_offset);
