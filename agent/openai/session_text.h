/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One message of a session as a JSON value. What it carries of audio is taken out of the text before that is
 * parsed, so that a megabyte of base64 is read where it lies and costs no copy:
 * - the outermost `audio` or `delta` of an event whose type says that it is audio is left as a slice, and the
 *   value has "" in its place (strings of up to SESSION_SHORT bytes may stay);
 * - an `audio` of a content part (an element of `content`, or a `part`) that is base64 is an object
 *   {bytes, sha256} instead. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define SESSION_SHORT 256

struct session_text {
	json_t *value;	      /* owned; an object, or NULL */
	const char *type;     /* of value, borrowed from it; "" if it has none */
	unsigned flaws;	      /* as in json.h */
	const uint8_t *audio; /* slice of the text given; NULL if the event carries none */
	size_t audio_len;
	bool audio_cut; /* the text ends in it */
};

/* 0 with or without a value; -ENOMEM. Linear. */
int session_text_read(struct session_text *ret_text, const uint8_t *text, size_t len);
void session_text_done(struct session_text *text);

/* A string member of an object; NULL if it is not there or no string. */
const char *session_text_of(const json_t *object, const char *key);

/* What a value costs in memory, roughly, counted to `limit` at most. */
size_t session_cost(const json_t *value, size_t limit);

/* A name in 64 bits, for tables that only need to know it again; never 0. */
uint64_t session_name_hash(const char *name);
