/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Removes the codings of a body as its bytes arrive (RFC 9110 section 8.4, RFC 9112 section 7): what can be
 * decoded of the bytes given comes out at once, in pieces of at most CODING_PIECE. No I/O, no clock, no
 * globals.
 *
 * Bounded by http_limits: what comes out of any of the stacked decoders, in bytes and in relation to what
 * went in, how many there are, and what they allocate. Many small bodies are bounded like one large one: what
 * comes out of them all in relation to what went in (struct coding_total). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/decoder.h"

#define CODING_PIECE	 16384
#define CODING_STAGES	 8   /* http_limits.max_codings is at most this */
#define CODING_FIRST_LEN 256 /* how much of a body is looked at to tell that it is not coded at all */

struct http_limits;

/* The codings of a body in the order they were applied. */
struct coding_list {
	enum coding_kind kinds[CODING_STAGES];
	size_t n;
	bool unknown; /* there is one that cannot be removed */
	bool many;    /* there are more than the limit */
};

/* False: not a coding that can be removed ("identity" neither). Case does not matter. */
bool coding_kind_of(const char *name, size_t len, enum coding_kind *ret_kind);

void coding_list_push(struct coding_list *list, enum coding_kind kind, size_t max);
/* All codings of one field value; "identity" and empty items count for nothing. */
void coding_list_add(struct coding_list *list, const char *value, size_t max);

/* Of all bodies of a connection: bytes that went into their first decoders, and that came out of any. */
struct coding_total {
	uint64_t in, out;
};

struct coding;

/* data is borrowed for the call. A negative return ends coding_feed() with it. */
typedef int coding_out(void *ctx, const uint8_t *data, size_t len);

/* list: not empty. limits and ctx are borrowed. 0; -ENOBUFS: over a limit of memory; -ENOMEM. */
int coding_new(struct coding **ret_coding, const struct coding_list *list, const struct http_limits *limits,
	       coding_out *out, void *ctx);
void coding_free(struct coding **coding);

/* Before the first byte: counts in total, which is borrowed, and within its bound. */
void coding_count_in(struct coding *coding, struct coding_total *total);

/* 0; -EBADMSG: the data is corrupt, or something follows it; -EFBIG: a limit; -ENOMEM; or what out()
 * returned. What could be decoded came out before. Nothing may be fed after an error. */
int coding_feed(struct coding *coding, const uint8_t *data, size_t len);

/* The data may end here; no bytes at all may too. */
bool coding_at_end(const struct coding *coding);

/* What coding_feed() stopped for, in plain static text; of -ENOBUFS from coding_new() too, where coding is
 * NULL. */
const char *coding_problem(const struct coding *coding);

/* After an error, or at the end: what was given is text, and was never coded whatever the header says. Then
 * gives what the calls before the last coding_feed() brought, or, if that one was not refused, all calls. The
 * copy belongs to coding. */
bool coding_is_text(const struct coding *coding, const uint8_t **ret_first, size_t *ret_len);
